/** Object storage and databases over TLS, with authorities of one's own: real servers, and certificates of openssl's. */
import { chown, mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { beforeAll, describe, expect, it } from 'vitest'
import { utf8 } from '../../src/bytes.ts'
import { openObjects } from '../../src/server/object-place.ts'
import { openPool } from '../../src/storage/postgres-pool.ts'
import { freePort } from '../support/cairn-process.ts'
import { type TestAuthority, testAuthority } from '../support/certificates.ts'
import { afterThisFile, afterThisTest } from '../support/endings.ts'
import { hasOpenssl } from '../support/openssl-authority.ts'
import { startPostgres } from '../support/postgres.ts'
import { isS3Missing } from '../support/s3.ts'
import { runGuarded, VERSITYGW_PROGRAM } from '../support/s3-programs.ts'
import { TILE } from './object-conformance.ts'

const openssl = hasOpenssl()

let folder: string
let ours: TestAuthority
let others: TestAuthority
beforeAll(async () => {
  if (!openssl) return
  folder = await mkdtemp(join(tmpdir(), 'cairn-tls-'))
  afterThisFile(() => rm(folder, { recursive: true }))
  ours = await testAuthority(folder, 'ours')
  others = await testAuthority(folder, 'others')
})

describe.skipIf(!openssl || isS3Missing('versitygw'))('object storage over HTTPS', () => {
  const environment = { AWS_ACCESS_KEY_ID: 'cairn-root', AWS_SECRET_ACCESS_KEY: 'cairn-secret' }
  let port: number
  beforeAll(async () => {
    port = await freePort()
    const buckets = join(folder, 'buckets')
    await mkdir(join(buckets, 'audit'), { recursive: true })
    const { cert, key } = await ours.certify('s3', 'DNS:localhost')
    const flags = ['--access', 'cairn-root', '--secret', 'cairn-secret', '--quiet']
    const tls = ['--cert', cert, '--key', key, '--port', `127.0.0.1:${port}`]
    const server = runGuarded(VERSITYGW_PROGRAM, [...flags, ...tls, 'posix', buckets])
    afterThisFile(() => server.stop())
  })

  const place = (caFile?: string, host = 'localhost') => ({
    kind: 's3' as const,
    bucket: 'audit',
    prefix: 'log',
    region: 'us-east-1',
    endpoint: `https://${host}:${port}`,
    ...(caFile !== undefined && { caFile }),
  })

  it('takes the certificate of an authority that is named, and no other', async () => {
    const { objects } = await openObjects(place(ours.caFile), environment)
    afterThisTest(() => objects.close())
    // It listens soon.
    for (let tried = 0; ; tried++) {
      try {
        await objects.create('tile/0/000', utf8('a tile'), TILE)
        break
      } catch (error) {
        if (tried === 40) throw error
        await sleep(50)
      }
    }
    expect(await objects.get('tile/0/000')).toMatchObject({ bytes: utf8('a tile') })

    const refusal = (why: RegExp) => ({ code: 'FORBIDDEN', message: expect.stringMatching(why) })
    await expect(openObjects(place(others.caFile), environment)).rejects.toMatchObject(
      refusal(/https:\/\/localhost:\d+ has a certificate that is not trusted \(.+\): .*s3-ca-file/),
    )
    await expect(openObjects(place(), environment)).rejects.toMatchObject(refusal(/not trusted/))
    await expect(openObjects(place(ours.caFile, '127.0.0.1'), environment)).rejects.toMatchObject(
      refusal(/not trusted .*(altnames|IP)/),
    )
  })

  it('says when a file of authorities has none', async () => {
    const file = join(folder, 'empty.pem')
    const bad = '-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n'
    for (const text of ['', 'no certificate', bad]) {
      await writeFile(file, text)
      await expect(openObjects(place(file), environment)).rejects.toMatchObject({
        code: 'USAGE',
        message: expect.stringMatching(/cannot use the authorities in .*empty.pem \(s3-ca-file\)/),
      })
    }
    await expect(openObjects(place(join(folder, 'none')), environment)).rejects.toMatchObject({
      code: 'USAGE',
    })
  })
})

describe.skipIf(!openssl)('a database over TLS', () => {
  it('is used when its certificate is of the authority and the host that the URL names', async () => {
    const { cert, key } = await ours.certify('database', 'DNS:localhost')
    // PostgreSQL does not run as root, and reads no key that others may read.
    if (process.getuid?.() === 0) for (const file of [cert, key]) await chown(file, 65_534, 65_534)
    if (process.getuid?.() === 0) await chown(folder, 65_534, 65_534)
    const settings = { ssl: 'on', ssl_cert_file: cert, ssl_key_file: key, fsync: 'off' }
    const server = await startPostgres({ settings })
    afterThisTest(() => server.remove())
    const isEncrypted = async (host: string, parameters: string): Promise<boolean | undefined> => {
      const url = new URL(server.url)
      url.hostname = host
      const pool = openPool({ url: `${url.href}?${parameters}`, schema: 'cairn' })
      try {
        const [row] = await pool.query<{ ssl: boolean }>(
          'look',
          'SELECT ssl FROM pg_stat_ssl WHERE pid = pg_backend_pid()',
        )
        return row?.ssl
      } finally {
        await pool.close()
      }
    }
    const [right, wrong] = [`sslrootcert=${ours.caFile}`, `sslrootcert=${others.caFile}`]
    const full = 'sslmode=verify-full'
    expect(await isEncrypted('localhost', `${full}&${right}`)).toBe(true)
    expect(await isEncrypted('localhost', 'sslmode=disable')).toBe(false)
    const refused = {
      code: 'FORBIDDEN',
      message: expect.stringMatching(/; mend the host in the URL of the database, or its sslroot/),
    }
    await expect(isEncrypted('localhost', `${full}&${wrong}`)).rejects.toMatchObject(refused)
    await expect(isEncrypted('localhost', full)).rejects.toMatchObject(refused)
    await expect(isEncrypted('127.0.0.1', `${full}&${right}`)).rejects.toMatchObject(refused)
    // The driver checks with all of these; psql does not with `require`.
    await expect(isEncrypted('localhost', `sslmode=require&${wrong}`)).rejects.toMatchObject(
      refused,
    )
    expect(await isEncrypted('127.0.0.1', 'sslmode=no-verify')).toBe(true)
    const libpq = 'uselibpqcompat=true&sslmode=require'
    expect(await isEncrypted('127.0.0.1', libpq)).toBe(true)
    expect(await isEncrypted('127.0.0.1', `${libpq}&${right}`)).toBe(true)
    await expect(isEncrypted('127.0.0.1', `${libpq}&${wrong}`)).rejects.toMatchObject(refused)
    await expect(isEncrypted('localhost', `${full}&sslrootcert=/nowhere`)).rejects.toMatchObject({
      code: 'USAGE',
      message: expect.stringContaining('sslrootcert=/nowhere'),
    })
  }, 60_000)
})
