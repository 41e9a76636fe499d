/** What servers of one log, each a process of its own, do when their database, bucket or clock is not what it should be. */
import { execFile } from 'node:child_process'
import { cp, mkdtemp, readFile, rename, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { promisify } from 'node:util'
import { beforeAll, describe, expect, it } from 'vitest'
import { fromUtf8, utf8 } from '../../src/bytes.ts'
import { openS3Store, type S3Store } from '../../src/storage/s3.ts'
import { openS3Credentials } from '../../src/storage/s3-credentials.ts'
import { cairn } from '../cli/run.ts'
import { freePort, type ServeProcess, startServe } from '../support/cairn-process.ts'
import { afterThisFile, afterThisTest } from '../support/endings.ts'
import {
  type PostgresServer,
  startPostgres,
  testDatabase,
  withClient,
} from '../support/postgres.ts'
import { PREPARED_S3, type S3Key, type S3Server, startS3 } from '../support/s3.ts'

const PATIENCE_MS = 30_000
const ORIGIN = 'bad-input.example/log'

let place: string
/** A directory with the keys of the log. */
let keys: string
beforeAll(async () => {
  place = await mkdtemp(join(tmpdir(), 'cairn-bad-input-'))
  afterThisFile(() => rm(place, { recursive: true, force: true }))
  keys = await newKeys(ORIGIN)
})

async function newKeys(origin: string): Promise<string> {
  const data = join(await mkdtemp(join(place, 'keys-')), 'log')
  expect((await cairn(['key', 'generate', '--data', data, '--origin', origin])).code).toBe(0)
  return data
}

/** A data directory with the log's keys, and nothing in it yet. */
async function newData(of: string = keys): Promise<string> {
  const data = join(await mkdtemp(join(place, 'server-')), 'log')
  await cp(of, data, { recursive: true })
  return data
}

interface Database {
  readonly url: string
  readonly schema: string
}

interface Started extends ServeProcess {
  readonly data: string
}

interface StartOptions {
  readonly data?: string
  readonly flags?: readonly string[]
  readonly clockMs?: number
}

async function start(
  { url, schema }: Database,
  { data, flags = [], clockMs = 0 }: StartOptions = {},
): Promise<Started> {
  const directory = data ?? (await newData())
  const own = ['--open', '--database', url, '--database-schema', schema, '--lease', '1500']
  const server = await startServe(directory, await freePort(), [...own, ...flags], { clockMs })
  afterThisTest(() => server.kill())
  return { ...server, data: directory }
}

/** What a server says that does not start. */
async function refusal({ url, schema }: Database, { data, flags = [] }: StartOptions = {}) {
  const own = ['--data', data ?? (await newData()), '--port', String(await freePort())]
  const where = ['--database', url, '--database-schema', schema]
  const { code, stdout, stderr } = await cairn(['serve', ...own, ...where, ...flags])
  expect({ code, stdout }).toEqual({ code: 2, stdout: '' })
  expect(stderr).not.toMatch(/\n {4}at /)
  return stderr
}

async function eventually<T>(what: string, ask: () => Promise<T | undefined | false>): Promise<T> {
  const end = performance.now() + PATIENCE_MS
  for (;;) {
    const found = await ask()
    if (found !== undefined && found !== false) return found
    if (performance.now() > end) throw new Error(`never came true: ${what}`)
    await sleep(25)
  }
}

function add({ url }: ServeProcess, leaf: string): Promise<Response> {
  return fetch(`${url}/add`, { method: 'POST', body: leaf })
}

async function fill(server: ServeProcess, from: number, to: number): Promise<void> {
  for (let i = from; i < to; i++) expect((await add(server, `leaf ${i}`)).status).toBe(200)
}

async function published({ url }: ServeProcess): Promise<{ size: number; note: string }> {
  const note = await (await fetch(`${url}/checkpoint`)).text()
  return { size: Number(note.split('\n')[1]), note }
}

function publishedAt(server: ServeProcess, size: number): Promise<string> {
  return eventually(`a published head of ${size} leaves`, async () => {
    const head = await published(server)
    return head.size === size && head.note
  })
}

describe('a database that was restored from an old backup', () => {
  async function ownDatabase(): Promise<{ postgres: PostgresServer; database: Database }> {
    const postgres = await startPostgres()
    afterThisTest(() => postgres.remove())
    return { postgres, database: { url: postgres.url, schema: 'cairn' } }
  }

  it('is written to by none of the servers that saw more, neither those that run nor those that start', async () => {
    const { postgres, database } = await ownDatabase()
    const all = [await start(database), await start(database)]
    await fill(all[0]!, 0, 5)
    for (const server of all) await publishedAt(server, 5)

    const [data, backup] = ['data', 'backup'].map((name) => join(postgres.directory, name))
    await postgres.stop()
    await promisify(execFile)('cp', ['-a', data!, backup!])
    await postgres.restart()
    await eventually('leaves are taken again', async () => (await add(all[1]!, 'more')).ok)
    await fill(all[0]!, 5, 9)
    for (const server of all) await publishedAt(server, 10)

    await postgres.stop()
    await rename(data!, `${data}.lost`)
    await rename(backup!, data!)
    await postgres.restart()
    const words = /rolled back|lost|smaller|older/
    for (const server of all) {
      const ready = await eventually('it is not ready', async () => {
        const answer = await fetch(`${server.url}/readyz`)
        return answer.status === 503 && answer.text()
      })
      expect(ready).toMatch(words)
      const refused = await add(server, `${Math.random()}`)
      expect(refused.status).toBe(503)
      expect(await refused.text()).toMatch(words)
      expect((await published(server)).size).toBe(10)
      await server.kill()
    }
    for (const { data } of all) {
      const again = await start(database, { data })
      expect((await add(again, `${Math.random()}`)).status).toBe(503)
      const ready = await fetch(`${again.url}/readyz`)
      expect(ready.status).toBe(503)
      expect(await ready.text()).toMatch(words)
    }
    const size = await withClient(postgres.url, async (client) => {
      const { rows } = await client.query('SELECT size FROM cairn.head')
      return Number(rows[0]!.size)
    })
    expect(size).toBe(5)
  }, 120_000)
})

describe.skipIf(PREPARED_S3.length === 0)('a bucket', () => {
  let s3: S3Server
  beforeAll(async () => {
    s3 = await startS3({ kind: PREPARED_S3[0]! })
    afterThisFile(() => s3.stop())
  })

  interface Bucket {
    readonly name: string
    /** Of the servers' credentials. */
    readonly file: string
    readonly flags: readonly string[]
    readonly store: S3Store
  }

  async function writeKey(file: string, { accessKey, secretKey }: S3Key): Promise<void> {
    const lines = [`aws_access_key_id = ${accessKey}`, `aws_secret_access_key = ${secretKey}`]
    await writeFile(`${file}.new`, `[default]\n${lines.join('\n')}\n`)
    await rename(`${file}.new`, file)
  }

  function flagsFor(name: string, file: string): string[] {
    const where = ['--bucket', `s3://${name}/audit`, '--s3-endpoint', s3.endpoint]
    const how = ['--s3-region', s3.region, '--s3-credentials', file, '--archive-interval', '50']
    return [...where, ...how]
  }

  async function newBucket(key: S3Key = s3): Promise<Bucket> {
    const name = await s3.newBucket()
    const file = join(await mkdtemp(join(place, 's3-')), 'credentials')
    await writeKey(file, key)
    const own = join(await mkdtemp(join(place, 's3-')), 'credentials')
    await writeKey(own, s3)
    const store = await openS3Store({
      bucket: name,
      prefix: 'audit',
      endpoint: s3.endpoint,
      region: s3.region,
      credentials: await openS3Credentials(own, { environment: {} }),
    })
    afterThisTest(() => store.close())
    return { name, file, flags: flagsFor(name, file), store }
  }

  function archivedAt({ store }: Bucket, size: number): Promise<true> {
    return eventually(`an archive of ${size} leaves`, async () => {
      const object = await store.get('checkpoint')
      return object !== undefined && fromUtf8(object.bytes).split('\n')[1] === String(size)
    })
  }

  it('that is the archive of another log is refused, by both names', async () => {
    const { flags } = await newBucket()
    await start(await testDatabase(), { flags })
    const data = await newData(await newKeys('other.example/log'))
    const words = await refusal(await testDatabase(), { flags, data })
    expect(words).toMatch(/archive of bad-input\.example\/log, not of other\.example\/log/)
    expect(words).toMatch(/a prefix of its own/)
  })

  it('with foreign objects is refused, and left as it is', async () => {
    const { flags, store } = await newBucket()
    const metadata = { contentType: 'image/jpeg', cacheControl: 'no-store' }
    await store.create('holiday.jpg', utf8('x'), metadata)
    expect(await refusal(await testDatabase(), { flags })).toMatch(/other objects \(holiday\.jpg\)/)
    expect(await store.list('')).toEqual(['holiday.jpg'])
  })

  it('that is missing is named', async () => {
    const { file } = await newBucket()
    const flags = flagsFor('cairn-nowhere', file)
    expect(await refusal(await testDatabase(), { flags })).toMatch(/cairn-nowhere/)
  })

  it('that may only be read is named', async () => {
    const { name, file } = await newBucket()
    await writeKey(file, await s3.newReader(name))
    const said = await refusal(await testDatabase(), { flags: flagsFor(name, file) })
    expect(said).toMatch(new RegExp(`cannot write s3://${name}/audit.*403`))
  })

  it('whose object differs is archived to no more, and named, while the log goes on', async () => {
    const bucket = await newBucket()
    const server = await start(await testDatabase(), { flags: bucket.flags })
    await archivedAt(bucket, 0)
    const metadata = { contentType: 'application/octet-stream', cacheControl: 'no-store' }
    const name = 'tile/0/000'
    await bucket.store.create(name, utf8('something else'), metadata)
    await fill(server, 0, 256)
    await eventually('it says so', async () => /archive-stopped/.test(server.output()))
    expect(server.output()).toMatch(/"event":"archive-stopped".*tile\/0\/000/)
    await fill(server, 256, 260)
    await publishedAt(server, 260)
    expect((await fetch(`${server.url}/readyz`)).status).toBe(200)
    const metrics = await (await fetch(`${server.url}/metrics`)).text()
    expect(metrics).toMatch(/cairn_archive_failing\{log="main"\} 1/)
    expect(fromUtf8((await bucket.store.get(name))!.bytes)).toBe('something else')
    expect(fromUtf8((await bucket.store.get('checkpoint'))!.bytes).split('\n')[1]).not.toBe('260')
  })

  it('whose credentials expire is caught up with once there are new ones, without a restart', async () => {
    const old = await s3.newKey()
    const bucket = await newBucket(old)
    const server = await start(await testDatabase(), { flags: bucket.flags })
    await fill(server, 0, 3)
    await archivedAt(bucket, 3)
    await s3.removeKey(old.accessKey)
    await fill(server, 3, 6)
    await eventually('it says so', async () => /archive-failing/.test(server.output()))
    await publishedAt(server, 6)
    await writeKey(bucket.file, await s3.newKey())
    await archivedAt(bucket, 6)
    await eventually('it says so', async () => /"event":"archive-ok"/.test(server.output()))
  })

  it('that is away while the log starts is caught up with later', async () => {
    const bucket = await newBucket()
    s3.become('closed')
    try {
      const server = await start(await testDatabase(), { flags: bucket.flags })
      await fill(server, 0, 3)
      await publishedAt(server, 3)
      s3.become('open')
      await archivedAt(bucket, 3)
    } finally {
      s3.become('open')
    }
  })
})

describe('clocks', () => {
  it('of servers may be hours apart: time is the database’s, and never goes back', async () => {
    const HOUR_MS = 3_600_000
    const database = await testDatabase()
    const all = [
      await start(database, { clockMs: 5 * HOUR_MS }),
      await start(database, { clockMs: -5 * HOUR_MS }),
      await start(database),
    ]
    const told = all.map(
      (server) => /"event":"clock-skew".*"milliseconds":(-?\d+)/.exec(server.output())?.[1],
    )
    expect(told.map((text) => text && Math.round(Number(text) / HOUR_MS))).toEqual([
      5,
      -5,
      undefined,
    ])
    const times: number[] = []
    const look = async (server: Started): Promise<void> => {
      const sth = await (await fetch(`${server.url}/ct/v1/get-sth`)).json()
      times.push((sth as { timestamp: number }).timestamp)
    }
    for (const [i, server] of all.entries()) {
      await fill(server, 3 * i, 3 * i + 3)
      await publishedAt(server, 3 * i + 3)
      await look(server)
    }
    // One after the other leads, whatever its clock says.
    for (let size = 9; all.length > 1; size++) {
      await all.shift()!.stop()
      await eventually('leaves are taken', async () => (await add(all[0]!, `leaf ${size}`)).ok)
      await publishedAt(all[0]!, size + 1)
      await look(all[0]!)
    }
    expect(times).toEqual([...times].sort((a, b) => a - b))
    for (const time of times) expect(Math.abs(time - Date.now())).toBeLessThan(60_000)
  }, 60_000)
})

describe('a server is not started', () => {
  it.each([
    [
      'with a wrong password',
      (url: URL) => (url.password = 'wrong-pass'),
      /password authentication/,
    ],
    ['on a database that is not there', (url: URL) => (url.pathname = '/nowhere'), /nowhere/],
    ['on a port where nothing listens', (url: URL) => (url.port = '9'), /ECONNREFUSED/],
  ])('%s, and no password is shown', async (_, change, words) => {
    const { url, schema } = await testDatabase()
    const wrong = new URL(url)
    change(wrong)
    const said = await refusal({ url: wrong.href, schema })
    expect(said).toMatch(words)
    expect(said).not.toContain(wrong.password)
  })

  it('on the schema of another log', async () => {
    const database = await testDatabase()
    await start(database)
    const data = await newData(await newKeys('other.example/log'))
    expect(await refusal(database, { data })).toMatch(/bad-input\.example\/log/)
  })

  it('on a schema of a newer program', async () => {
    const database = await testDatabase()
    await (await start(database)).stop()
    await withClient(database.url, (client) =>
      client.query(
        `INSERT INTO ${database.schema}.migrations (number, name) VALUES (999, 'later')`,
      ),
    )
    expect(await refusal(database)).toMatch(/version 999, of a newer Cairn/)
  })

  it('in the directory of one that runs', async () => {
    const database = await testDatabase()
    const { data, url } = await start(database)
    const before = await readFile(join(data, 'log.vkey'), 'utf8')
    expect(await refusal(database, { data })).toMatch(
      /another process runs in .*a directory of its own/,
    )
    expect((await fetch(`${url}/add`, { method: 'POST', body: 'still here' })).status).toBe(200)
    expect(await readFile(join(data, 'log.vkey'), 'utf8')).toBe(before)
  })
})
