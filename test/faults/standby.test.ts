/** A standby that takes over when its primary is gone: with all that was acknowledged, or noticed by every server. */
import { randomBytes } from 'node:crypto'
import { expect, it } from 'vitest'
import type { SharedLog } from '../../src/log/shared-log.ts'
import { openPool } from '../../src/storage/postgres-pool.ts'
import { Journal } from '../log/journal.ts'
import { codeOf, leaves } from '../log/log-conformance.ts'
import { afterThisTest } from '../support/endings.ts'
import { discardShared, newSharedPlace, openServer } from '../support/test-shared-log.ts'
import { type Pair, standbyPrograms, startPair } from './cluster/standby.ts'

const bin = await standbyPrograms()
if (bin === undefined) {
  console.log('a standby is not tried: pg_basebackup is not here (apt-get install postgresql)')
}
const timeout = 180_000

async function started(synchronous: boolean) {
  const pair = await startPair(bin!, synchronous)
  afterThisTest(() => pair.close())
  const schema = `test_${randomBytes(8).toString('hex')}`
  const place = await newSharedPlace({ url: pair.url, schema })
  afterThisTest(() => discardShared(place))
  const open = async (name: string): Promise<SharedLog> => {
    const log = await openServer(place, name)
    afterThisTest(() => log.close())
    return log
  }
  return { pair, open }
}

/** Clients that submit, and submit again what was refused for the moment, until they are told to end. */
function submitting(servers: readonly SharedLog[], journal: Journal) {
  let going = true
  let answered = 0
  const client = async (name: number): Promise<void> => {
    for (let i = 0; going; i++) {
      const batch = leaves(2, `client ${name} ${i}`)
      for (let done = false; !done && going; ) {
        const answer = servers[(name + i) % servers.length]!.submit(batch)
        done = await answer.then(
          (accepted) => {
            journal.note(batch, accepted)
            answered++
            return true
          },
          (error: { code?: string }) => {
            // The servers end with the test, also when it has failed before it told the clients to.
            if (error.code === 'STOPPED') going = false
            else expect(error.code).toBe('UNAVAILABLE')
            return false
          },
        )
      }
    }
  }
  const clients = Promise.all(Array.from({ length: 6 }, (_, name) => client(name)))
  return {
    answered: () => answered,
    end() {
      going = false
      return clients
    },
  }
}

it.skipIf(bin === undefined)(
  'loses nothing when each commit has waited for it',
  { timeout },
  async () => {
    const { pair, open } = await started(true)
    const servers = [await open('a'), await open('b'), await open('c')]
    const journal = new Journal()
    const load = submitting(servers, journal)
    await expect.poll(load.answered, { timeout: 60_000 }).toBeGreaterThan(20)
    // Whatever is committed from here on waits for a standby that does not hear of it, and is not acknowledged.
    pair.replication.cut()
    const failed = performance.now()
    await pair.fail()
    const before = load.answered()
    await expect.poll(load.answered, { timeout: 60_000 }).toBeGreaterThan(before + 20)
    console.log(`a standby took over: ${Math.round(performance.now() - failed)} ms`)
    await load.end()
    for (const log of servers) expect(log.mode().mode).toBe('writable')
    await expect.poll(() => servers.some((log) => log.leader()?.isUs)).toBe(true)
    await journal.check(servers.find((log) => log.leader()?.isUs)!)
  },
)

it.skipIf(bin === undefined)(
  'is refused by every server when it lacks what was acknowledged',
  { timeout },
  async () => {
    const { pair, open } = await started(false)
    const [a, b] = [await open('a'), await open('b')]
    await a.submit(leaves(5, 'kept'))
    await caughtUp(pair)
    pair.replication.cut()
    const { head } = await b.submit(leaves(4, 'lost'))
    await expect.poll(() => [a.head().size, b.head().size]).toEqual([9, 9])
    expect(head.size).toBe(9)
    await pair.fail()
    const refusal = {
      mode: 'read-only',
      reason:
        'the data was rolled back: it holds 5 leaves, but a head of 9 leaves was signed and shown; restore the newest copy of the data',
    }
    await expect.poll(() => a.mode(), { timeout: 60_000 }).toEqual(refusal)
    await expect.poll(() => b.mode(), { timeout: 60_000 }).toEqual(refusal)
    for (const log of [a, b]) {
      expect(await codeOf(log.submit(leaves(1, 'more')))).toBe('READ_ONLY')
      expect(log.head().size).toBe(9)
      expect(log.leader()?.isUs ?? false).toBe(false)
    }
    // Nor does either of them after a start.
    await a.close()
    expect((await open('a')).mode()).toEqual(refusal)
  },
)

/** Waits until the standby has what the primary has. */
async function caughtUp({ primary }: Pair): Promise<void> {
  const pool = openPool({ url: primary.url, schema: 'public' })
  try {
    const behind = async (): Promise<number> => {
      const [row] = await pool.query<{ bytes: number }>(
        'ask',
        'SELECT pg_wal_lsn_diff(pg_current_wal_lsn(), replay_lsn)::bigint AS bytes FROM pg_stat_replication',
      )
      return row?.bytes ?? -1
    }
    await expect.poll(behind, { timeout: 60_000 }).toBe(0)
  } finally {
    await pool.close()
  }
}
