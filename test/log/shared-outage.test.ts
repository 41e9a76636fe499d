import { randomBytes } from 'node:crypto'
import { setTimeout as sleep } from 'node:timers/promises'
import { afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import { utf8 } from '../../src/bytes.ts'
import { CairnError } from '../../src/errors.ts'
import type { SharedLog, SharedLogEvent, SharedLogOptions } from '../../src/log/shared-log.ts'
import type { SharedLogStore } from '../../src/storage/shared-port.ts'
import { afterThisFile } from '../support/endings.ts'
import { type PostgresServer, startPostgres } from '../support/postgres.ts'
import {
  discardShared,
  gate,
  newSharedPlace,
  openServer,
  type SharedPlace,
} from '../support/test-shared-log.ts'
import { Journal } from './journal.ts'
import { check, codeOf, leaves } from './log-conformance.ts'

/** One of this file alone: it is killed. */
let server: PostgresServer
let place: SharedPlace
let opened: SharedLog[] = []
let events: SharedLogEvent[] = []

beforeAll(async () => {
  server = await startPostgres()
  afterThisFile(() => server.remove())
})

beforeEach(async () => {
  const schema = `test_${randomBytes(8).toString('hex')}`
  place = await newSharedPlace({ url: server.url, schema })
})

afterEach(async () => {
  await Promise.all(opened.map((log) => log.close()))
  opened = []
  events = []
  await discardShared(place)
})

async function open(
  name: string,
  options: Partial<SharedLogOptions> = {},
  wrap?: (store: SharedLogStore) => SharedLogStore,
): Promise<SharedLog> {
  const onEvent = (event: SharedLogEvent): unknown => events.push(event)
  const log = await openServer(place, name, { onEvent, ...options }, wrap)
  opened.push(log)
  return log
}

const names = (): string[] => events.map(({ event }) => event)

describe('a database that is killed and started again', () => {
  it('loses nothing that was acknowledged, and nothing is added twice', async () => {
    const servers = [await open('a'), await open('b'), await open('c')]
    const journal = new Journal()
    let going = true
    let answered = 0
    const client = async (name: number): Promise<void> => {
      for (let i = 0; going; i++) {
        const batch = leaves(3, `client ${name} ${i}`)
        journal.note(batch, await servers[name % servers.length]!.submit(batch))
        answered++
      }
    }
    const clients = Array.from({ length: 9 }, (_, name) => client(name))
    await expect.poll(() => answered, { timeout: 10_000 }).toBeGreaterThan(20)
    for (let round = 0; round < 2; round++) {
      await server.kill()
      await sleep(300)
      await server.restart()
      const before = answered
      await expect.poll(() => answered, { timeout: 15_000 }).toBeGreaterThan(before + 20)
    }
    going = false
    await Promise.all(clients)
    for (const log of servers) expect(log.mode().mode).toBe('writable')
    expect(names()).toContain('database-failing')
    expect(names()).toContain('database-ok')
    await journal.check(servers.find((log) => log.leader()?.isUs) ?? servers[0]!)
  }, 60_000)

  it('is not waited for where a leaf could be added twice', async () => {
    const log = await open('a', { dedup: false })
    await log.submit(leaves(1))
    await server.stop()
    expect(await codeOf(log.submit(leaves(1)))).toBe('UNAVAILABLE')
    expect(log.mode().mode).toBe('writable')
    expect(log.cluster().databaseError).toContain('cannot')
    expect(log.cluster().databaseFailingMs).toBeGreaterThan(0)
    await server.restart()
    const { leaves: accepted } = await log.submit(leaves(1))
    expect(accepted[0]!.index).toBeGreaterThan(0)
    await expect.poll(() => log.cluster().databaseError).toBeUndefined()
    expect(log.cluster().databaseFailingMs).toBeUndefined()
  }, 30_000)
})

/** Calls of one name fail so many times, before or after they have done their work. */
function failing(
  what: string,
  { times = 1, after = false, code = 'UNAVAILABLE' as CairnError['code'] },
): (store: SharedLogStore) => SharedLogStore {
  let left = 0
  const wrap = <T extends object>(target: T): T =>
    new Proxy(target, {
      get(_, name) {
        const value: unknown = Reflect.get(target, name)
        if (typeof value !== 'function') return value
        if (name === 'watch') return value.bind(target)
        return async (...given: unknown[]) => {
          const fail = name === what && armed.has(what) && left++ < times
          if (fail && !after) throw new CairnError(code, 'the connection is gone')
          const answer = await value.apply(target, given)
          if (fail) throw new CairnError(code, 'the connection is gone')
          return name === 'lead' && answer !== undefined ? wrap(answer as object) : answer
        }
      },
    })
  return wrap
}

/** What fails from now on. */
const armed = new Set<string>()
afterEach(() => armed.clear())

describe('when the database fails', () => {
  it.each(['sequence', 'sequenced', 'integrate', 'publish'])(
    'goes on after %s, whether that has done its work or not',
    async (what) => {
      for (const after of [false, true]) {
        const log = await open('a', {}, failing(what, { times: 2, after }))
        const journal = new Journal()
        journal.note(leaves(5), await log.submit(leaves(5)))
        armed.add(what)
        const idempotencyKey = randomBytes(16)
        const keyed = leaves(3, `keyed ${after}`)
        const plain = leaves(3, `plain ${after}`)
        const [first, second] = await Promise.all([
          log.submit(keyed, { idempotencyKey }),
          log.submit(plain),
        ])
        // They are new, even when the answer to the first try was lost.
        for (const { leaves: accepted } of [first, second]) {
          expect(accepted.map(({ duplicate }) => duplicate)).toEqual([false, false, false])
        }
        await check(log, keyed, first)
        await check(log, plain, second)
        const again = await log.submit(keyed, { idempotencyKey })
        expect(again.leaves.map(({ index }) => index)).toEqual(
          first.leaves.map(({ index }) => index),
        )
        expect(again.leaves.every(({ duplicate }) => duplicate)).toBe(true)
        await expect.poll(() => log.publication().size).toBe(log.head().size)
        await journal.check(log)
        expect(log.cluster()).toMatchObject({ leading: true, sequenced: log.head().size })
        expect(names()).toEqual(expect.arrayContaining(['database-failing', 'database-ok']))
        expect(log.cluster().epoch).toBe(after ? 2 : 1)
        opened = []
        await log.close()
        armed.clear()
        events = []
      }
    },
  )

  it('rejects what does not fit on its disk, and goes on', async () => {
    const log = await open('a', {}, failing('sequence', { code: 'DISK_FULL' }))
    armed.add('sequence')
    expect(await codeOf(log.submit(leaves(2)))).toBe('DISK_FULL')
    expect(log.mode().mode).toBe('writable')
    await check(log, leaves(2), await log.submit(leaves(2)))
  })

  it('lets another lead after a failure that is not understood, and tries again later', async () => {
    const log = await open(
      'a',
      { leaseMs: 500 },
      failing('integrate', { code: 'IO', times: 1_000 }),
    )
    const other = await open('b', { leaseMs: 500 })
    armed.add('integrate')
    await check(log, leaves(2), await log.submit(leaves(2)))
    expect(other.leader()?.isUs).toBe(true)
    armed.clear()
    opened = [log]
    await other.close()
    await check(log, leaves(4), await log.submit(leaves(4)))
    expect(log.leader()?.isUs).toBe(true)
  })
})

describe('a server that has the lease and gets nowhere', () => {
  const quick = { leaseMs: 400, stuckMs: 500 }

  it('lets another lead when what it waits for does not come, and follows when it does', async () => {
    const held = gate()
    const a = await open('a', quick, held.wrap)
    const b = await open('b', quick)
    await a.submit(leaves(1))
    held.hold('sequenced')
    await check(b, leaves(3), await b.submit(leaves(3)))
    expect(b.leader()?.isUs).toBe(true)
    // It is told at once, and not when the step that hangs is over.
    await expect.poll(() => names()).toContain('following')
    expect(a.leader()?.isUs).toBe(false)
    expect(held.held()).toEqual(['sequenced'])
    held.letGo()
    await expect.poll(() => a.head().size).toBe(3)
    expect(a.mode().mode).toBe('writable')
  })

  it.each(['hangs', 'fails'])('lets another lead when its first step %s', async (how) => {
    const held = gate()
    const first = await open('first', quick)
    const failing: (store: SharedLogStore) => SharedLogStore = (store) =>
      new Proxy(store, {
        get(target, name) {
          const value: unknown = Reflect.get(target, name)
          if (name === 'sequencedSize' && armed.has(name)) {
            return () => Promise.reject(new CairnError('UNAVAILABLE', 'gone'))
          }
          return typeof value === 'function' ? value.bind(target) : value
        },
      })
    // The only one that looks at once when the first resigns.
    const a = await open('a', quick, how === 'hangs' ? held.wrap : failing)
    const b = await open('b', { ...quick, leaseMs: 1_500 })
    if (how === 'hangs') held.hold('sequencedSize')
    else armed.add('sequencedSize')
    opened = [a, b]
    await first.close()
    await check(b, leaves(3), await b.submit(leaves(3)))
    expect(b.leader()?.isUs).toBe(true)
    held.letGo()
    armed.clear()
    await expect.poll(() => a.head().size).toBe(3)
  })
})

describe('a server with faults of its own', () => {
  it('follows no head that it does not come to by itself, and names both roots', async () => {
    const a = await open('a')
    const b = await open('b', {}, (store) => {
      return new Proxy(store, {
        get(target, name) {
          const value: unknown = Reflect.get(target, name)
          if (name !== 'leafHashes') return typeof value === 'function' ? value.bind(target) : value
          return async (...given: Parameters<SharedLogStore['leafHashes']>) => {
            const hashes = (await target.leafHashes(...given)).slice()
            hashes[0]! ^= 1
            return hashes
          }
        },
      })
    })
    const waiting = codeOf(b.submit(leaves(4)))
    expect(await waiting).toBe('READ_ONLY')
    expect(b.mode()).toMatchObject({
      mode: 'read-only',
      reason: expect.stringMatching(
        /the root of the signed head of size 4: that is \S{44}, theirs is \S{44};/,
      ),
    })
    expect(b.head().size).toBe(0)
    await check(a, leaves(4), await a.submit(leaves(4)))
    expect(a.mode().mode).toBe('writable')
    await expect(b.coseReceipt({} as never)).rejects.toMatchObject({ code: 'READ_ONLY' })
  })

  it('gives up the lead when it cannot note a head, and another goes on', async () => {
    let broken = false
    const a = await openServer(
      place,
      'a',
      { onEvent: (event) => events.push(event), leaseMs: 30_000 },
      (store) => store,
      (state) => ({
        ...state,
        get last() {
          return state.last
        },
        record: (head) => (broken ? Promise.reject(new Error('gone')) : state.record(head)),
      }),
    )
    opened.push(a)
    const b = await open('b', { leaseMs: 30_000 })
    await a.submit(leaves(3))
    broken = true
    expect(await codeOf(a.submit(leaves(5)))).toBe('STOPPED')
    expect(a.mode().mode).toBe('stopped')
    expect(a.head().size).toBe(3)
    await check(b, leaves(6), await b.submit(leaves(6)))
    expect(b.leader()?.isUs).toBe(true)
    expect(await codeOf(a.submit([utf8('more')]))).toBe('STOPPED')
  })
})
