/** Servers of one log in a database, as their clients see them. */
import { cp, mkdir, mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { beforeAll, describe, expect, it, vi } from 'vitest'
import { loadConfig } from '../../src/server/config.ts'
import type { ServerEvent } from '../../src/server/events.ts'
import { type RunningServer, serve } from '../../src/server/serve.ts'
import { cairn } from '../cli/run.ts'
import { afterThisFile, afterThisTest } from '../support/endings.ts'
import { testDatabase, withClient } from '../support/postgres.ts'

const ORIGIN = 'shared.example/log'

let folder: string
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'cairn-shared-'))
  afterThisFile(() => rm(folder, { recursive: true, force: true }))
})

interface Started {
  readonly server: RunningServer
  readonly events: ServerEvent[]
  readonly data: string
}

type Flags = Readonly<Record<string, string | boolean>>

async function start(data: string, database: Flags, more: Flags = {}): Promise<Started> {
  const events: ServerEvent[] = []
  const flags = { data, port: '0', lease: '6000', ...database, ...more }
  const config = await loadConfig({ flags, env: {} })
  const server = await serve(config, { onEvent: (event) => events.push(event) })
  afterThisTest(() => server.close())
  return { server, events, data }
}

/** The directory of a server that has the same keys as another. */
async function withKeysOf(data: string): Promise<string> {
  const own = await mkdtemp(join(folder, 'server-'))
  await cp(join(data, 'keys'), join(own, 'keys'), { recursive: true })
  await cp(join(data, 'format'), join(own, 'format'))
  return own
}

async function database(): Promise<Flags> {
  const { url, schema } = await testDatabase()
  return { database: url, 'database-schema': schema }
}

async function startThree(more: Flags = {}): Promise<[Started, Started, Started]> {
  const place = await database()
  const first = await start(join(folder, `first-${place['database-schema']}`), place, {
    origin: ORIGIN,
    ...more,
  })
  const second = await start(await withKeysOf(first.data), place, more)
  const third = await start(await withKeysOf(first.data), place, more)
  return [first, second, third]
}

async function call(
  { server }: Started,
  path: string,
  init: RequestInit & { readonly token: string },
): Promise<Response> {
  const { token, headers, ...rest } = init
  return fetch(server.url + path, {
    ...rest,
    headers: { Authorization: `Bearer ${token}`, ...(headers as Record<string, string>) },
  })
}

async function adminToken({ data }: Started): Promise<string> {
  return (await readFile(join(data, 'admin.token'), 'utf8')).trim()
}

const DECISION = JSON.stringify({
  type: 'decision',
  action: 'approve',
  subject: 'ann@example.org',
  request_id: 'r-1',
})

function submitRecord(one: Started, token: string): Promise<Response> {
  const headers = { 'Content-Type': 'application/json' }
  return call(one, '/v1/records', { method: 'POST', body: DECISION, token, headers })
}

/** Has all rows for a table refused, as by a disk that fails, until what it resolves with is called. */
async function breakTable(place: Flags, table: string, message: string) {
  const inDatabase = (statement: string) =>
    withClient(place.database as string, async (client) => {
      await client.query(`SET search_path TO ${place['database-schema']}`)
      await client.query(statement)
    })
  await inDatabase(`
    CREATE FUNCTION fail() RETURNS trigger LANGUAGE plpgsql AS $$
      BEGIN RAISE EXCEPTION '${message}' USING ERRCODE = '58030'; END $$;
    CREATE TRIGGER fails BEFORE INSERT OR UPDATE ON ${table} EXECUTE FUNCTION fail()`)
  return () => inDatabase(`DROP TRIGGER fails ON ${table}`)
}

function eventsOf({ events }: Started, name: string): ServerEvent[] {
  return events.filter(({ event }) => event === name)
}

const isLeading = (one: Started): boolean => {
  const last = one.events.findLast(({ event }) => event === 'leading' || event === 'following')
  return last?.event === 'leading'
}

describe('three servers of a log', () => {
  it('take leaves and records by one token, and give the same answers', async () => {
    const all = await startThree()
    const [first, second, third] = all
    const token = await adminToken(first)
    expect(all.map(isLeading)).toEqual([true, false, false])
    // Tokens are in the database; the others say where the first one is kept in clear.
    expect(await readdir(second.data)).not.toContain('admin.token')
    expect(eventsOf(third, 'tokens-elsewhere')).toHaveLength(1)

    const indices = await Promise.all(
      all.flatMap((one, at) =>
        [0, 1, 2, 3].map(async (n) => {
          const init = { method: 'POST', body: `leaf ${at} ${n}`, token }
          return Number(await (await call(one, '/add', init)).text())
        }),
      ),
    )
    expect([...indices].sort((a, b) => a - b)).toEqual(indices.map((_, i) => i))
    // The same leaf keeps its index, wherever it is sent.
    const again = await call(third, '/add', { method: 'POST', body: 'leaf 0 0', token })
    expect(Number(await again.text())).toBe(indices[0])

    // It waits until the one that leads has its records open.
    const answer = await submitRecord(second, token)
    expect(await answer.json()).toMatchObject({ index: 12, receipt: { origin: ORIGIN } })
    for (const one of all) {
      const found = await call(one, '/v1/records?subject=ann@example.org', { token })
      expect(((await found.json()) as { records: unknown[] }).records).toHaveLength(1)
      const receipt = await call(one, '/v1/receipts/12', { token })
      expect(await receipt.json()).toMatchObject({ index: 12, origin: ORIGIN })
      expect((await call(one, '/', { token, headers: { Accept: 'text/html' } })).status).toBe(200)
    }
    const heads = await Promise.all(
      all.map(async (one) => {
        await vi.waitUntil(async () => {
          const head = await (await call(one, '/checkpoint', { token })).text()
          return head.split('\n')[1] === '13'
        })
        return (await call(one, '/checkpoint', { token })).text()
      }),
    )
    expect(new Set(heads).size).toBe(1)
  })

  it('go on when the one that leads is stopped, with the records that there are', async () => {
    const [first, second, third] = await startThree()
    const token = await adminToken(first)
    expect((await submitRecord(third, token)).status).toBe(201)
    const stopped = performance.now()
    const closing = first.server.close()
    // Nobody is told to try again.
    const added = await submitRecord(third, token)
    expect(added.status).toBe(201)
    await closing
    await vi.waitUntil(() => isLeading(second) || isLeading(third))
    // It has handed on its term: nobody had to wait for its lease.
    expect(performance.now() - stopped).toBeLessThan(5_000)
    const query = '/v1/records?subject=ann@example.org'
    const found = await call(second, query, { token })
    expect(((await found.json()) as { records: unknown[] }).records).toHaveLength(2)
  })

  it('show in metrics who leads', async () => {
    const all = await startThree()
    const metrics = await Promise.all(
      all.map(async (one) => (await fetch(`${one.server.url}/metrics`)).text()),
    )
    expect(metrics.map((text) => /cairn_leading\{log="main"\} (\d)/.exec(text)?.[1])).toEqual([
      '1',
      '0',
      '0',
    ])
    expect(metrics[2]).toMatch(/cairn_database_failing\{log="main"\} 0/)
    expect(metrics[2]).not.toMatch(/cairn_archived_size\{/)
  })
})

it('a server that leads is not ready while its vault fails, and begins anew when it works again', async () => {
  const place = await database()
  const more = { origin: ORIGIN }
  const one = await start(join(folder, 'failing-vault'), place, more)
  const token = await adminToken(one)
  const ready = async () => {
    const answer = await fetch(`${one.server.url}/readyz`)
    return [answer.status, ((await answer.json()) as { logs: unknown[] }).logs[0]]
  }
  expect((await submitRecord(one, token)).status).toBe(201)
  const mend = await breakTable(place, 'vault_payloads', 'the disk of the payloads is broken')
  expect((await submitRecord(one, token)).status).toBe(503)
  expect(await ready()).toEqual([
    503,
    {
      name: 'main',
      mode: 'records-stopped',
      reason: expect.stringMatching(/the vault takes nothing more: .*payloads is broken/),
    },
  ])
  await mend()
  // It waits until the vault is open again.
  expect((await submitRecord(one, token)).status).toBe(201)
  expect(await ready()).toEqual([200, { name: 'main', mode: 'writable' }])
})

it('a server whose index could not follow for a while opens its records anew, and all of them are found', async () => {
  const place = await database()
  const one = await start(join(folder, 'failing-index'), place, { origin: ORIGIN })
  const token = await adminToken(one)
  const found = async (): Promise<number> => {
    // The log records its retention rules by itself.
    const answer = await call(one, '/v1/records?type=decision', { token })
    if (answer.status !== 200) return -1
    return ((await answer.json()) as { records: unknown[] }).records.length
  }
  expect((await submitRecord(one, token)).status).toBe(201)
  await expect.poll(found).toBe(1)
  const mend = await breakTable(place, 'index_rows', 'no room for rows')
  expect((await submitRecord(one, token)).status).toBe(201)
  const reason = expect.stringMatching(
    /the search index follows the log no more: .*no room for rows/,
  )
  await expect
    .poll(() => one.events, { timeout: 10_000 })
    .toContainEqual({ event: 'records-failing', log: 'main', reason })
  await mend()
  await expect.poll(found, { timeout: 10_000 }).toBe(2)
  expect((await fetch(`${one.server.url}/readyz`)).status).toBe(200)
})

describe('a log with an archive', () => {
  it('is a whole tlog-tiles log in the bucket, also while no server runs', async () => {
    const bucket = await mkdtemp(join(folder, 'bucket-'))
    const more = { bucket: `file://${bucket}`, 'archive-interval': '50' }
    const [first, second, third] = await startThree(more)
    const token = await adminToken(first)
    for (let i = 0; i < 30; i++) {
      const leaves = [first, second, third].map((one, at) =>
        call(one, '/add', { method: 'POST', body: `leaf ${i} ${at}`, token }),
      )
      for (const answer of await Promise.all(leaves)) expect(answer.status).toBe(200)
    }
    await vi.waitUntil(async () => {
      const text = await readFile(join(bucket, 'checkpoint'), 'utf8').catch(() => '')
      return text.split('\n')[1] === '90'
    })
    const metrics = await (await fetch(`${first.server.url}/metrics`)).text()
    expect(metrics).toMatch(/cairn_archived_size\{log="main"\} 90/)
    for (const one of [first, second, third]) await one.server.close()
    const audited = await cairn(['audit', bucket, '--vkey', join(first.data, 'log.vkey')])
    expect(audited).toMatchObject({ code: 0 })
    expect(audited.stdout).toMatch(/90 leaves.*all 90 entries.*nothing wrong/s)
  })

  it('is refused when the bucket is that of another log, or holds something else', async () => {
    const bucket = await mkdtemp(join(folder, 'bucket-'))
    const more = { bucket: `file://${bucket}` }
    await start(join(folder, 'owner'), await database(), { origin: ORIGIN, ...more })
    const other = start(join(folder, 'other'), await database(), {
      origin: 'other.example',
      ...more,
    })
    await expect(other).rejects.toMatchObject({
      code: 'USAGE',
      message: expect.stringMatching(
        /shared\.example\/log.*other\.example|other\.example.*shared\.example\/log/,
      ),
    })
    const foreign = await mkdtemp(join(folder, 'foreign-'))
    await writeFile(join(foreign, 'holiday.jpg'), 'x')
    const refused = start(join(folder, 'third'), await database(), { bucket: `file://${foreign}` })
    await expect(refused).rejects.toMatchObject({ message: expect.stringMatching(/holiday\.jpg/) })
    expect(await readdir(foreign)).not.toContain('cairn-log.json')
    const missing = start(join(folder, 'fourth'), await database(), {
      bucket: `file://${join(folder, 'nowhere')}`,
    })
    await expect(missing).rejects.toMatchObject({ message: expect.stringMatching(/nowhere/) })
  })
})

describe('a server is refused', () => {
  it('without the keys of the log', async () => {
    const place = await database()
    await start(join(folder, 'with-keys'), place, { origin: ORIGIN })
    const empty = join(folder, 'without-keys')
    await expect(start(empty, place)).rejects.toMatchObject({
      code: 'USAGE',
      message: expect.stringMatching(
        /holds the log shared\.example\/log, whose keys are not in .*copy them/,
      ),
    })
    await expect(readdir(empty)).rejects.toThrow('ENOENT')
  })

  it('with keys of its own', async () => {
    const place = await database()
    await start(join(folder, 'keys-of-it'), place, { origin: ORIGIN })
    const own = join(folder, 'keys-of-another')
    const elsewhere = await start(own, await database(), { origin: ORIGIN })
    await elsewhere.server.close()
    await expect(start(own, place)).rejects.toMatchObject({
      code: 'USAGE',
      message: expect.stringMatching(/same keys/),
    })
  })

  it('with another key of the vault', async () => {
    const place = await database()
    const { data } = await start(join(folder, 'vault-key'), place, { origin: ORIGIN })
    const second = await withKeysOf(data)
    await rm(join(second, 'keys', 'vault.key'))
    await expect(start(second, place)).rejects.toThrow(/master key of the vault is missing/)
    await writeFile(join(second, 'keys', 'vault.key'), new Uint8Array(32).fill(7), { mode: 0o600 })
    await expect(start(second, place)).rejects.toThrow(/is not the one of the vault in/)
  })

  it('when the database has lost vault and index, unless a new vault is wanted', async () => {
    const place = await database()
    const first = await start(join(folder, 'lost'), place, { origin: ORIGIN })
    const { data } = first
    const token = await adminToken(first)
    expect((await submitRecord(first, token)).status).toBe(201)
    await first.server.close()
    const { database: url, 'database-schema': schema } = place as Record<string, string>
    await withClient(url!, (client) =>
      client.query(`SET search_path = ${schema}; TRUNCATE vault_keys, vault_payloads, index_rows`),
    )
    await expect(start(data, place)).rejects.toMatchObject({
      code: 'CORRUPT',
      message: expect.stringMatching(/vault is missing from the tables vault_keys.*--new-vault/),
    })
    const again = await start(data, place, { 'new-vault': true })
    expect((await submitRecord(again, token)).status).toBe(201)
    await again.server.close()
    await start(data, place)
  }, 30_000)

  it('when the database does not answer, or refuses it', async () => {
    const nowhere = { database: 'postgres://cairn:secret@127.0.0.1:9/cairn' }
    const asked = start(join(folder, 'nowhere'), nowhere)
    await expect(asked).rejects.toMatchObject({ code: 'UNAVAILABLE' })
    await expect(asked).rejects.toThrow(/^(?!.*secret)/)
    const { database: url } = await database()
    const wrong = new URL(url as string)
    wrong.password = 'wrong'
    const refused = start(join(folder, 'refused'), { database: wrong.href })
    await expect(refused).rejects.toThrow(/password authentication failed/)
    const other = new URL(url as string)
    other.pathname = '/no_such_database'
    await expect(start(join(folder, 'none'), { database: other.href })).rejects.toThrow(
      /no_such_database/,
    )
  })

  it('with what only a database makes sense of', async () => {
    const place = join(folder, 'alone')
    const flags = { data: place, bucket: 's3://logs' }
    await expect(loadConfig({ flags, env: {} })).rejects.toThrow(/bucket needs database/)
    for (const asked of [{ 'object-lock': 'compliance' }, { 'storage-class': 'GLACIER_IR' }]) {
      const settings = { data: place, database: 'postgres://db.example/cairn', ...asked }
      await expect(loadConfig({ flags: settings, env: {} })).rejects.toThrow(/needs bucket/)
    }
    await mkdir(place, { recursive: true })
  })
})
