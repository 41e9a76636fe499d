import { describe, expect, it } from 'vitest'
import { sharedStorageOf } from '../../src/server/storage-settings.ts'

const URL_OF_DATABASE = 'postgres://cairn@db.example.org/cairn'

describe('where a shared log keeps its data', () => {
  it('is nowhere but on this machine when no database is named', () => {
    expect(sharedStorageOf({}, '')).toBeUndefined()
    // Defaults do not count as given.
    expect(sharedStorageOf({ 's3-region': 'us-east-1', 'object-lock': 'none' }, '')).toBeUndefined()
  })

  it('is a database alone', () => {
    expect(sharedStorageOf({ database: URL_OF_DATABASE }, '')).toEqual({
      database: { url: URL_OF_DATABASE, schema: 'cairn' },
    })
  })

  it('is a database and a bucket', () => {
    const shared = sharedStorageOf(
      {
        database: URL_OF_DATABASE,
        'database-schema': 'payments',
        'database-password-file': '/run/secrets/db',
        bucket: 's3://audit-logs/prod/payments/',
        's3-endpoint': 'https://objects.example.org/',
        's3-credentials': '/run/secrets/s3',
        'object-lock': 'compliance',
        'object-legal-hold': true,
        'storage-class': 'COLD',
        advertise: 'http://10.0.0.7:6962/',
      },
      '',
    )
    expect(shared).toEqual({
      database: {
        url: URL_OF_DATABASE,
        schema: 'payments',
        passwordFile: '/run/secrets/db',
      },
      archive: {
        place: {
          kind: 's3',
          bucket: 'audit-logs',
          prefix: 'prod/payments',
          endpoint: 'https://objects.example.org',
          region: 'us-east-1',
          credentialsFile: '/run/secrets/s3',
        },
        lock: { mode: 'compliance', days: 2_557, legalHold: true },
        tier: { storageClass: 'COLD', days: 90 },
      },
      advertise: 'http://10.0.0.7:6962',
    })
  })

  it('may be a directory instead of a bucket', () => {
    const shared = sharedStorageOf({ database: URL_OF_DATABASE, bucket: 'file:///mnt/worm' }, '')
    expect(shared?.archive).toEqual({ place: { kind: 'directory', path: '/mnt/worm' } })
  })

  const refused: [what: string, values: Record<string, unknown>, message: RegExp][] = [
    ['a bucket alone', { bucket: 's3://logs' }, /^logs\.a\.bucket needs logs\.a\.database/],
    ['a schema alone', { 'database-schema': 'x' }, /database-schema needs logs\.a\.database/],
    ['a password file alone', { 'database-password-file': 'x' }, /needs logs\.a\.database/],
    ['an address alone', { advertise: 'http://x' }, /advertise needs logs\.a\.database/],
    ['another database', { database: 'mysql://x/y' }, /must be a URL such as postgres:/],
    ['no URL', { database: 'db.example.org' }, /must be a URL such as postgres:/],
    [
      'a schema that needs quotes',
      { database: URL_OF_DATABASE, 'database-schema': 'A b' },
      /lowercase letters, digits and underscores/,
    ],
    ['a bucket by name', { database: URL_OF_DATABASE, bucket: 'logs' }, /must be s3:\/\/BUCKET/],
    ['a bucket of two dots', { database: URL_OF_DATABASE, bucket: 's3://a' }, /must be s3:/],
    [
      'a prefix with an empty part',
      { database: URL_OF_DATABASE, bucket: 's3://logs/a//b' },
      /must be s3:/,
    ],
    [
      'a lock of no such mode',
      { database: URL_OF_DATABASE, bucket: 's3://logs', 'object-lock': 'forever' },
      /none, governance or compliance, not "forever"/,
    ],
    [
      'a legal hold without a lock',
      { database: URL_OF_DATABASE, bucket: 's3://logs', 'object-legal-hold': true },
      /object-legal-hold needs logs\.a\.object-lock/,
    ],
    [
      'a storage class without a bucket',
      { database: URL_OF_DATABASE, 'storage-class': 'COLD' },
      /storage-class needs logs\.a\.bucket/,
    ],
    [
      'an endpoint without a scheme',
      { database: URL_OF_DATABASE, bucket: 's3://logs', 's3-endpoint': 'objects:9000' },
      /must be a URL such as http:/,
    ],
    [
      'an address of another protocol',
      { database: URL_OF_DATABASE, advertise: 'ftp://x' },
      /advertise must be a URL such as http:/,
    ],
    [
      'an address with a password',
      { database: URL_OF_DATABASE, advertise: 'http://me:secret@10.0.0.7:6962' },
      /^(?!.*secret).*advertise must have no user, password, query/,
    ],
    [
      'an address with a query',
      { database: URL_OF_DATABASE, advertise: 'http://10.0.0.7:6962/?x' },
      /advertise must have no user, password, query/,
    ],
  ]
  it.each(refused)('is not %s', (_, values, message) => {
    expect(() => sharedStorageOf(values, 'logs.a.')).toThrow(message)
  })

  it('never repeats a password in a message', () => {
    const given = { database: 'mysql://root:geheim@db/x' }
    expect(() => sharedStorageOf(given, '')).toThrow(/^(?!.*geheim)/)
  })
})
