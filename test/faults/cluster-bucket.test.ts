/** What servers of one log do when their bucket is not what it should be. */
import { mkdtemp, rename, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { beforeAll, describe, expect, it } from 'vitest'
import { fromUtf8, utf8 } from '../../src/bytes.ts'
import { openS3Store, type S3Store } from '../../src/storage/s3.ts'
import { openS3Credentials } from '../../src/storage/s3-credentials.ts'
import { afterThisFile, afterThisTest } from '../support/endings.ts'
import { testDatabase } from '../support/postgres.ts'
import { PREPARED_S3, type S3Key, type S3Server, startS3 } from '../support/s3.ts'
import {
  eventually,
  fill,
  newServers,
  publishedAt,
  type Servers,
} from './cluster/shared-servers.ts'

let servers: Servers
beforeAll(async () => {
  servers = await newServers()
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
    const file = join(await mkdtemp(join(servers.place, 's3-')), 'credentials')
    await writeKey(file, key)
    const own = join(await mkdtemp(join(servers.place, 's3-')), 'credentials')
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
    await servers.start(await testDatabase(), { flags })
    const data = await servers.newData(await servers.newKeys('other.example/log'))
    const words = await servers.refusal(await testDatabase(), { flags, data })
    expect(words).toMatch(/archive of bad-input\.example\/log, not of other\.example\/log/)
    expect(words).toMatch(/a prefix of its own/)
  })

  it('with foreign objects is refused, and left as it is', async () => {
    const { flags, store } = await newBucket()
    const metadata = { contentType: 'image/jpeg', cacheControl: 'no-store' }
    await store.create('holiday.jpg', utf8('x'), metadata)
    expect(await servers.refusal(await testDatabase(), { flags })).toMatch(
      /other objects \(holiday\.jpg\)/,
    )
    expect(await store.list('')).toEqual(['holiday.jpg'])
  })

  it('that is missing is named', async () => {
    const { file } = await newBucket()
    const flags = flagsFor('cairn-nowhere', file)
    expect(await servers.refusal(await testDatabase(), { flags })).toMatch(/cairn-nowhere/)
  })

  it('that may only be read is named', async () => {
    const { name, file } = await newBucket()
    await writeKey(file, await s3.newReader(name))
    const said = await servers.refusal(await testDatabase(), { flags: flagsFor(name, file) })
    expect(said).toMatch(new RegExp(`cannot write s3://${name}/audit.*403`))
  })

  it('whose object differs is archived to no more, and named, while the log goes on', async () => {
    const bucket = await newBucket()
    const server = await servers.start(await testDatabase(), { flags: bucket.flags })
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
    const server = await servers.start(await testDatabase(), { flags: bucket.flags })
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

  it('that does not answer does not keep a server from ending', async () => {
    const bucket = await newBucket()
    const server = await servers.start(await testDatabase(), { flags: bucket.flags })
    await fill(server, 0, 3)
    await archivedAt(bucket, 3)
    s3.become('silent')
    try {
      await fill(server, 3, 6)
      await publishedAt(server, 6)
      const asked = performance.now()
      expect(await server.stop()).toBe(0)
      // Of one request alone the client would wait for longer.
      expect(performance.now() - asked).toBeLessThan(9_000)
    } finally {
      s3.become('open')
    }
  })

  it.each(['closed', 'silent'] as const)(
    'that is away (%s) while the log starts is caught up with later',
    async (mode) => {
      const bucket = await newBucket()
      s3.become(mode)
      try {
        const server = await servers.start(await testDatabase(), { flags: bucket.flags })
        await fill(server, 0, 3)
        await publishedAt(server, 3)
        s3.become('open')
        await archivedAt(bucket, 3)
      } finally {
        s3.become('open')
      }
    },
  )
})
