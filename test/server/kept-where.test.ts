/** A directory of a log that is in a database is not started without, nor one that holds a log with one. */
import { mkdir, mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { beforeAll, expect, it } from 'vitest'
import { loadConfig } from '../../src/server/config.ts'
import { openStorage } from '../../src/server/log-storage.ts'
import { serve } from '../../src/server/serve.ts'
import { afterThisFile } from '../support/endings.ts'
import { testDatabase, withClient } from '../support/postgres.ts'

let folder: string
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'cairn-kept-where-'))
  afterThisFile(() => rm(folder, { recursive: true, force: true }))
})

type Flags = Readonly<Record<string, string>>

/** Started and stopped; nothing is signed meanwhile. */
async function started(data: string, more: Flags = {}): Promise<void> {
  const config = await loadConfig({
    flags: { data, port: '0', origin: 'where.example/log', ...more },
    env: {},
  })
  const server = await serve(config)
  await server.close()
}

async function database(): Promise<Flags> {
  const { url, schema } = await testDatabase()
  return { database: url, 'database-schema': schema }
}

it('refuses a database for a directory that holds a log, and makes nothing', async () => {
  const [data, place] = [join(folder, 'embedded'), await database()]
  await started(data)
  const before = (await readdir(data)).sort()
  await expect(started(data, place)).rejects.toMatchObject({
    code: 'USAGE',
    message: `${data} holds a log itself; cairn migrate --from ${data} --to NEW --to-database URL moves it into a database; for another log choose another directory`,
  })
  const { database: url, 'database-schema': schema } = place as Record<string, string>
  const shared = { database: { url: url!, schema: schema! } }
  await expect(openStorage({ data, shared }, { create: false })).rejects.toMatchObject({
    code: 'USAGE',
  })
  expect((await readdir(data)).sort()).toEqual(before)
  const tables = await withClient(place.database!, (client) =>
    client.query('SELECT FROM pg_tables WHERE schemaname = $1', [place['database-schema']]),
  )
  expect(tables.rowCount).toBe(0)
  await started(data)
})

it('refuses to begin a second log with the keys of one that is in a database', async () => {
  const [data, place] = [join(folder, 'shared'), await database()]
  await started(data, place)
  await expect(started(data)).rejects.toMatchObject({
    code: 'USAGE',
    message: `${data} has the keys of a log that is in a database; say with --database which, as before: a second log with these keys would contradict it; for another log choose another directory`,
  })
  await expect(openStorage({ data }, { create: false })).rejects.toMatchObject({ code: 'USAGE' })
  expect(await readdir(join(data, 'store'))).toEqual([])
  await started(data, place)
})

it('lets a directory that has no keys yet be started either way', async () => {
  const data = join(folder, 'never')
  const nowhere = { database: 'postgres://cairn@127.0.0.1:9/cairn' }
  await mkdir(join(data, 'lock'), { recursive: true })
  await writeFile(join(data, 'format'), 'cairn-log 1\n')
  await expect(started(data, nowhere)).rejects.toMatchObject({ code: 'UNAVAILABLE' })
  expect((await readdir(data)).sort()).toEqual(['format', 'keys', 'lock', 'store'])
  await started(data)
  expect(await readFile(join(data, 'log.vkey'), 'utf8')).toContain('where.example/log')
})

it('leaves nothing where it is refused before there is anything', async () => {
  const above = join(folder, 'made', 'by', 'nobody')
  const nowhere = { database: 'postgres://cairn@127.0.0.1:9/cairn' }
  await expect(started(above, nowhere)).rejects.toMatchObject({ code: 'UNAVAILABLE' })
  expect(await readdir(folder)).not.toContain('made')
  const empty = join(folder, 'empty')
  await mkdir(empty)
  await expect(started(empty, nowhere)).rejects.toMatchObject({ code: 'UNAVAILABLE' })
  expect(await readdir(empty)).toEqual([])
})
