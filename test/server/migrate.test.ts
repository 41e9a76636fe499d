/** Moves into a database and back. */
import { cp, mkdir, mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { utf8 } from '../../src/bytes.ts'
import { treeSize } from '../../src/merkle/position.ts'
import { openStorage } from '../../src/server/log-storage.ts'
import { migrateLog } from '../../src/server/migrate.ts'
import { openStoppedLog } from '../../src/server/moved-log.ts'
import { serve } from '../../src/server/serve.ts'
import { openObjectDirectory } from '../../src/storage/object-directory.ts'
import { openPostgresLogStore } from '../../src/storage/postgres.ts'
import { openPool } from '../../src/storage/postgres-pool.ts'
import {
  contentsOf,
  type MadeLog,
  makeLog,
  payloadOf,
  placeIn,
  submitKeyed,
  whileServed,
} from '../support/moving-place.ts'
import { testDatabase, withClient } from '../support/postgres.ts'

let folder: string
let made: MadeLog
const at = (name: string): string => join(folder, name)

async function copy(name: string): Promise<string> {
  await cp(at('made'), at(name), { recursive: true })
  await cp(at('made.signer'), at(`${name}.signer`), { recursive: true })
  return at(name)
}

type Place = Parameters<typeof contentsOf>[0]

async function move(from: Place, to: Place) {
  const log = await openStoppedLog(from, to.data)
  try {
    return await migrateLog({ from: log, to })
  } finally {
    await log.close()
  }
}

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'cairn-migrate-database-'))
  made = await makeLog(at('made'))
})
afterAll(() => rm(folder, { recursive: true }))

describe('a move into a database', () => {
  it('brings everything; the log goes on there, and moves back', async () => {
    const from = { data: await copy('first') }
    const before = await contentsOf(from)
    const { place, flags } = placeIn(at('server-1'), await testDatabase())
    expect(await move(from, place)).toMatchObject({ size: 606, vault: true, signerState: true })
    expect(await contentsOf(place)).toEqual(before)

    await whileServed(
      place.data,
      async ({ log, url, token, records }) => {
        expect(Number((await log.submit(utf8('leaf 7'))).index)).toBe(7)
        expect(await submitKeyed(url, token)).toBe(600)
        expect(Number((await log.submit(utf8('in the database'))).index)).toBeGreaterThan(605)
        expect((await records.search({ subject: 'bob' })).records).toHaveLength(2)
        await records.submit({ type: 'llm_request', subject: 'bob', input: { prompt: 'new' } })
      },
      flags,
    )
    const inDatabase = await contentsOf(place)
    const back = { data: at('back') }
    await move(place, back)
    expect(await contentsOf(back)).toEqual(inDatabase)
    expect(await payloadOf(back.data, made.kept)).toEqual(expect.any(Array))
    expect(await payloadOf(back.data, made.erased)).toBe('erased')
    await expect(whileServed(place.data, async () => undefined, flags)).rejects.toMatchObject({
      code: 'USAGE',
      message: expect.stringMatching(/was moved to .*back/),
    })
    await whileServed(back.data, async ({ log, url, token, records }) => {
      expect(Number((await log.submit(utf8('leaf 599'))).index)).toBe(599)
      expect(await submitKeyed(url, token)).toBe(600)
      expect((await records.search({ subject: 'bob' })).records).toHaveLength(3)
    })
  }, 60_000)

  it('refuses a database that holds a log, and one that a server runs', async () => {
    const { place, flags } = placeIn(at('server-2'), await testDatabase())
    await whileServed(place.data, async ({ log }) => void (await log.submit(utf8('mine'))), {
      ...flags,
      origin: 'other.example/log',
    })
    const from = { data: await copy('second') }
    const elsewhere = { ...place, data: at('server-3') }
    await expect(move(from, elsewhere)).rejects.toMatchObject({
      code: 'USAGE',
      message: expect.stringMatching(/holds the log other.example\/log/),
    })
    const another = { ...place, data: at('server-2-too') }
    await cp(place.data, another.data, { recursive: true })
    const { loadConfig } = await import('../../src/server/config.ts')
    const server = await serve(
      await loadConfig({ flags: { data: place.data, port: 0, ...flags }, env: {} }),
    )
    try {
      await expect(openStorage(another, { create: false })).rejects.toMatchObject({
        code: 'LOCKED',
        message: expect.stringMatching(/a server runs the log/),
      })
      await expect(openStorage(place, { create: false })).rejects.toMatchObject({ code: 'LOCKED' })
    } finally {
      await server.close()
    }
  }, 30_000)

  it('lets no server run the log before it is whole, and goes on', async () => {
    const from = { data: await copy('third') }
    const { place, flags } = placeIn(at('server-4'), await testDatabase())
    const log = await openStoppedLog(from, place.data)
    const cut = new AbortController()
    await expect(
      migrateLog({
        from: log,
        to: place,
        signal: cut.signal,
        progress: (step) => step === 'checking' && cut.abort(new Error('cut off')),
      }),
    ).rejects.toThrow('cut off')
    await log.close()
    const run = (data: string) => whileServed(data, async () => undefined, flags)
    await expect(run(place.data)).rejects.toMatchObject({ code: 'NOT_FOUND' })
    // Another server of the same database has a directory of its own.
    await expect(run(at('server-5'))).rejects.toMatchObject({
      code: 'NOT_FOUND',
      message: expect.stringMatching(/is not whole: a move into here/),
    })
    await move(from, place)
    expect(await contentsOf(place)).toEqual(await contentsOf(from))
    await run(place.data)
  }, 30_000)

  it('reads what the database has let go of from the archive', async () => {
    const database = await testDatabase()
    const { place, flags } = placeIn(at('archived'), database)
    await mkdir(at('bucket'))
    const bucket = { bucket: `file://${at('bucket')}`, 'archive-interval': 50 }
    const leaves = Array.from({ length: 1_500 }, (_, i) => utf8(`archived ${i}`))
    const archived = () =>
      withClient(database.url, async (client) => {
        const text = `SELECT size FROM ${database.schema}.archive`
        return Number((await client.query(text)).rows[0]?.size ?? 0)
      })
    await whileServed(
      place.data,
      async ({ log }) => {
        for await (const _ of log.submitForIndices(leaves));
        for (let tried = 0; tried < 200 && (await archived()) < 1_500; tried++) {
          await new Promise((resolve) => setTimeout(resolve, 50))
        }
      },
      { ...flags, ...bucket },
    )
    // The server lets go after a minute.
    const pool = openPool(database)
    const objects = await openObjectDirectory(at('bucket'))
    const store = await openPostgresLogStore({ pool, archive: objects })
    const term = await store.lead({ holder: 'test', url: '', leaseMs: 1_000 })
    const size = treeSize(await archived())
    await term!.archived(size, size)
    await term!.resign()
    for (const part of [store, objects, pool]) await part.close()
    const to = { data: at('from-archive') }
    // Without the bucket it cannot be read.
    await expect(move(place, to)).rejects.toMatchObject({ code: 'USAGE' })
    const archive = { place: { kind: 'directory' as const, path: at('bucket') } }
    await move({ ...place, shared: { ...place.shared!, archive } }, to)
    await whileServed(to.data, async ({ log }) => {
      expect(Number((await log.submit(leaves[3]!)).index)).toBe(3)
    })
  }, 60_000)

  it('says when there is no log in a database', async () => {
    const { place } = placeIn(at('server-6'), await testDatabase())
    await makeLog(place.data)
    // As that of a server, which has nothing there.
    await rm(join(place.data, 'store'), { recursive: true })
    await mkdir(join(place.data, 'store'))
    await expect(openStorage(place, { create: false })).rejects.toMatchObject({
      code: 'NOT_FOUND',
      message: expect.stringMatching(/there is no log in/),
    })
  })
})
