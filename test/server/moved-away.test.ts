/** A log that was moved away: nothing gets into its old place any more, whoever still runs there; and the way back. */
import { cp, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { beforeAll, describe, expect, it, vi } from 'vitest'
import { utf8 } from '../../src/bytes.ts'
import { hashLeaves } from '../../src/log/sequence.ts'
import { loadConfig } from '../../src/server/config.ts'
import type { ServerEvent } from '../../src/server/events.ts'
import { type LogPlace, openStorage } from '../../src/server/log-storage.ts'
import { migrateLog } from '../../src/server/migrate.ts'
import { type MovedLog, openStoppedLog } from '../../src/server/moved-log.ts'
import { serve } from '../../src/server/serve.ts'
import { undoMove } from '../../src/server/undo-move.ts'
import { openPostgresLogStore } from '../../src/storage/postgres.ts'
import { openPool } from '../../src/storage/postgres-pool.ts'
import { afterThisFile, afterThisTest } from '../support/endings.ts'
import { placeIn, whileServed } from '../support/moving-place.ts'
import { appRole, testDatabase, withClient } from '../support/postgres.ts'

let folder: string
let names = 0
const fresh = (): string => join(folder, `place-${names++}`)

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'cairn-moved-away-'))
  afterThisFile(() => rm(folder, { recursive: true, force: true }))
})

type Flags = Readonly<Record<string, unknown>>

async function start(data: string, flags: Flags) {
  const events: ServerEvent[] = []
  const config = await loadConfig({
    flags: { data, port: 0, origin: 'moved.example/log', lease: 6_000, open: true, ...flags },
    env: {},
  })
  const server = await serve(config, { onEvent: (event) => events.push(event) })
  afterThisTest(() => server.close())
  const add = (leaf: string): Promise<Response> =>
    fetch(`${server.url}/add`, { method: 'POST', body: leaf })
  return { data, events, add, url: server.url, close: () => server.close() }
}

/** A log of one leaf in a new directory; it is stopped then. */
async function madeAt(data: string, flags: Flags = {}): Promise<LogPlace> {
  const options = { origin: 'moved.example/log', ...flags }
  await whileServed(data, async ({ log }) => void (await log.submit(utf8('first'))), options)
  return { data }
}

async function move(from: LogPlace, to: LogPlace) {
  const log = await openStoppedLog(from, to.data)
  return migrateLog({ from: log, to }).finally(() => log.close())
}

async function sizeOf(place: LogPlace): Promise<number | undefined> {
  const storage = await openStorage(place, { create: false })
  const head = await storage.log.head()
  await storage.close()
  return head?.size
}

describe('a log in a database, moved while servers of it run on', () => {
  /** Opens it as a move does whose term begins the moment that the leader's is over: none of the servers can be faster. */
  async function openNow(place: LogPlace, to: string): Promise<MovedLog> {
    const { url, schema } = place.shared!.database
    await withClient(url, (client) =>
      client.query(
        `UPDATE ${schema}.leadership SET epoch = epoch + 1, holder = 'cairn on a stopped log', url = '',
           expires = clock_timestamp() + interval '30 s'`,
      ),
    )
    return openStoppedLog(place, to)
  }

  it('leaves nothing behind that they acknowledge, and has them refuse all writes from then on', async () => {
    const { place, flags } = placeIn(fresh(), await testDatabase())
    const first = await start(place.data, flags)
    await first.add('one')
    const other = fresh()
    await cp(join(place.data, 'keys'), join(other, 'keys'), { recursive: true })
    await cp(join(place.data, 'format'), join(other, 'format'))
    const second = await start(other, flags)
    const tool = { ...place, data: fresh() }
    await cp(place.data, tool.data, {
      recursive: true,
      filter: (path) => !path.startsWith(join(place.data, 'lock')),
    })
    await cp(`${place.data}.signer`, `${tool.data}.signer`, { recursive: true })
    const to = { data: fresh() }

    // Nobody leads but the move, and a leaf is taken all the same: then nothing is marked.
    const early = await openNow(tool, to.data)
    expect(await (await second.add('two')).text()).toBe('1')
    await expect(migrateLog({ from: early, to })).rejects.toMatchObject({
      code: 'CONFLICT',
      message: expect.stringMatching(/has 2 acknowledged leaves, of which 1 are under its newest/),
    })
    await early.close()
    await vi.waitUntil(
      async () => (await (await fetch(`${first.url}/checkpoint`)).text()).split('\n')[1] === '2',
      10_000,
    )

    const from = await openNow(tool, to.data)
    expect(await migrateLog({ from, to })).toMatchObject({ size: 2 })
    // One is told at once, though it was asked for nothing; the other when it is.
    const refused = await first.add('three')
    expect(refused.status).toBe(503)
    expect(await refused.json()).toMatchObject({
      code: 'READ_ONLY',
      detail: expect.stringMatching(/the log was moved to .* and goes on there/),
    })
    await from.close()
    await vi.waitUntil(() => second.events.some(({ event }) => event === 'read-only'), 10_000)
    expect((await second.add('four')).status).toBe(503)
    expect((await fetch(`${second.url}/readyz`)).status).toBe(503)
    expect(await (await fetch(`${second.url}/tile/entries/000.p/2`)).text()).toContain('two')
    await Promise.all([first.close(), second.close()])
    const refusal = { code: 'USAGE', message: expect.stringMatching(/migrate --undo/) }
    await expect(start(place.data, flags)).rejects.toMatchObject(refusal)
    expect(await sizeOf(to)).toBe(2)

    expect(await undoMove(tool, to)).toEqual({ size: 2, closed: true })
    const again = await start(place.data, flags)
    expect(await (await again.add('five')).text()).toBe('2')
    await expect(start(to.data, {})).rejects.toMatchObject(refusal)
  }, 60_000)

  it('has in the copy whatever was acknowledged, whichever moment it is marked at', async () => {
    const database = await testDatabase()
    const pool = openPool(database)
    const store = await openPostgresLogStore({ pool })
    afterThisTest(async () => {
      await store.close()
      await pool.close()
    })
    const term = await store.lead({ holder: 'mover', url: '', leaseMs: 60_000 })
    const acknowledged: number[] = []
    const writer = async (name: number): Promise<unknown> => {
      for (let i = 0; ; i++) {
        const { framed, starts, hashes } = hashLeaves([utf8(`${name} ${i}`)])
        try {
          const batch = { framed, starts, hashes, dedup: true, requests: [] }
          const outcome = await store.sequence(batch)
          if (outcome.kind === 'sequenced') acknowledged.push(...outcome.indices)
        } catch (error) {
          return error
        }
        await new Promise((resolve) => setTimeout(resolve, (name * 7 + i * 3) % 11))
      }
    }
    await expect(
      pool.query('mark', `SELECT mark_moved($1, 0, 'another', 'was moved')`, [term!.epoch]),
    ).rejects.toMatchObject({ code: 'CONFLICT' })
    await expect(
      pool.query('mark', `SELECT mark_moved($1, 0, '', 'was moved')`, [term!.epoch - 1]),
    ).rejects.toMatchObject({ code: 'CONFLICT', message: expect.stringMatching(/is over/) })
    const writers = [0, 1, 2].map(writer)
    const mark = async (): Promise<number | undefined> => {
      const known = await store.sequencedSize()
      const [row] = await pool.query<{ sequenced: number }>(
        'mark',
        `SELECT mark_moved($1, $2, '', 'was moved') AS sequenced`,
        [term!.epoch, known],
      )
      return row?.sequenced === known ? known : undefined
    }
    let marked: number | undefined
    while (marked === undefined || marked === 0) marked = await mark()
    for (const error of await Promise.all(writers)) {
      expect(error).toMatchObject({
        code: 'READ_ONLY',
        message: expect.stringMatching(/was moved/),
      })
    }
    expect(acknowledged.sort((a, b) => a - b)).toEqual(Array.from({ length: marked }, (_, i) => i))
    expect(await store.sequencedSize()).toBe(marked)
    // Nor does anybody lead any more who has an address, nor is a key noted.
    await term!.resign()
    await expect(
      store.lead({ holder: 'server', url: 'http://a', leaseMs: 1_000 }),
    ).rejects.toMatchObject({ code: 'READ_ONLY' })
    const known = hashLeaves([utf8('0 0')])
    const request = { key: new Uint8Array(16), request: new Uint8Array(32), places: [0] }
    await expect(
      store.sequence({ ...known, dedup: true, requests: [request] }),
    ).rejects.toMatchObject({ code: 'READ_ONLY' })
  }, 30_000)

  it('is for the owner of the tables to mark and to bring back', async () => {
    const database = await testDatabase()
    const { place, flags } = placeIn(fresh(), database)
    await madeAt(place.data, flags)
    const role = await appRole()
    const owner = openPool(database)
    const { grantTo } = await import('../../src/storage/postgres-schema.ts')
    await grantTo(owner, role)
    await owner.close()
    await withClient(database.url, async (client) => {
      await client.query(`SET ROLE ${role}; SET search_path = ${database.schema}`)
      await client.query('UPDATE sequence SET next = next')
      for (const words of [`'x'`, 'NULL']) {
        await expect(client.query(`UPDATE sequence SET moved = ${words}`)).rejects.toThrow(
          /permission denied/,
        )
      }
    })
  }, 30_000)
})

describe('a move', () => {
  it('into a database that ended before its last step takes that, and nothing else', async () => {
    const from = await madeAt(fresh())
    const { place, flags } = placeIn(fresh(), await testDatabase())
    await move(from, place)
    const mark = join(place.data, 'unfinished')
    const ending =
      'a move into here is over but for its last step; run the same cairn migrate again, which takes it'
    await writeFile(mark, `${ending}\n`)
    await expect(start(place.data, flags)).rejects.toMatchObject({ code: 'NOT_FOUND' })
    expect(await move(from, place)).toMatchObject({ size: 1, resumedAt: 1 })
    await expect(readFile(mark)).rejects.toThrow()
    const server = await start(place.data, flags)
    expect(await (await server.add('second')).text()).toBe('1')
    await server.close()
    // It has gone on there: the way back is a move.
    await expect(undoMove(from, place)).rejects.toMatchObject({
      code: 'CONFLICT',
      message: expect.stringMatching(/has gone on in .*: 2 leaves, of which 1 are in/),
    })
    await (await start(place.data, flags)).close()
  }, 30_000)

  it('is undone only together with the place that it led to, and as often as that is cut off', async () => {
    const from = await madeAt(fresh())
    const to = { data: fresh() }
    await expect(undoMove(from, to)).rejects.toMatchObject({ code: 'USAGE' })
    await move(from, to)
    await expect(undoMove(from, undefined)).rejects.toMatchObject({
      code: 'USAGE',
      message: expect.stringMatching(/say so with --to/),
    })
    await expect(undoMove(from, { data: fresh() })).rejects.toMatchObject({
      code: 'USAGE',
      message: expect.stringMatching(/was moved to .*, not to/),
    })
    const server = await start(to.data, {})
    await expect(undoMove(from, to)).rejects.toMatchObject({ code: 'LOCKED' })
    await server.close()
    const mark = await readFile(join(from.data, 'moved'))
    for (let round = 0; round < 2; round++) {
      expect(await undoMove(from, to)).toEqual({ size: 1, closed: true })
      await expect(start(to.data, {})).rejects.toMatchObject({ code: 'USAGE' })
      // As if it had ended between the two.
      if (round === 0) await writeFile(join(from.data, 'moved'), mark)
    }
    await (await start(from.data, {})).close()
  }, 30_000)

  it('is undone when nothing is at the new place any more, or it is not whole', async () => {
    const from = await madeAt(fresh())
    const to = { data: fresh() }
    await move(from, to)
    await rm(to.data, { recursive: true })
    expect(await undoMove(from, undefined)).toEqual({ size: 1, closed: false })
    await (await start(from.data, {})).close()
  }, 30_000)
})
