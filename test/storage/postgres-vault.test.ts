import { randomBytes } from 'node:crypto'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import { utf8 } from '../../src/bytes.ts'
import { openPool, type PostgresPool } from '../../src/storage/postgres-pool.ts'
import { grantTo, migrateSchema } from '../../src/storage/postgres-schema.ts'
import { openPostgresVaultStore } from '../../src/storage/postgres-vault.ts'
import { afterThisFile, afterThisTest } from '../support/endings.ts'
import { type PostgresServer, startPostgres, withClient } from '../support/postgres.ts'
import { filesHolding } from '../support/stored-bytes.ts'
import { all, create, del, put, vaultStoreConformance } from './vault-conformance.ts'

interface Place {
  readonly server: PostgresServer
  readonly pool: PostgresPool
  /** Milliseconds since 1970; files that are older are those that every cluster has. */
  readonly begun: number
}

/**
 * A server of its own, whose files are read. What is checkpointed leaves no old write-ahead log behind; and as it is so
 * often, nothing waits for the disk: a crash of the machine is not among the tests.
 */
async function newServer(): Promise<Place> {
  const settings = { wal_recycle: 'off', min_wal_size: '32MB', fsync: 'off' }
  const server = await startPostgres({ settings })
  afterThisFile(() => server.remove())
  const begun = Date.now()
  const pool = openPool({ url: server.url, schema: 'cairn' })
  afterThisFile(() => pool.close())
  await migrateSchema(pool)
  return { server, pool, begun }
}

let shared: Promise<Place> | undefined

async function emptyPlace(): Promise<Place> {
  shared ??= newServer()
  const place = await shared
  await place.pool.execute('empty the vault', 'TRUNCATE vault_keys, vault_payloads')
  return place
}

/** Where bytes are found in a folder of the server's, with what is in memory written to its files first. */
async function whereIs(
  { server, pool, begun }: Place,
  bytes: Uint8Array,
  folder = 'base',
): Promise<string[]> {
  await pool.execute('write all to the files', 'CHECKPOINT')
  const search = { since: begun, window: 12, step: 12 }
  return filesHolding(join(server.directory, 'data', folder), bytes, search)
}

vaultStoreConformance('PostgreSQL', async () => {
  const place = await emptyPlace()
  return {
    open: async () => openPostgresVaultStore({ pool: place.pool }),
    whereIs: (bytes) => whereIs(place, bytes),
    remove: async () => undefined,
  }
})

const secret = (size = 60): Uint8Array => new Uint8Array(randomBytes(size))

describe('destroying in PostgreSQL', () => {
  it('leaves nothing in any file but the write-ahead log, and nothing there once that has gone on', async () => {
    const place = await emptyPlace()
    const { keys } = openPostgresVaultStore({ pool: place.pool })
    const [key, value] = [secret(33).fill(0x6b, 0, 1), secret()]
    // What follows fits into one file.
    await place.pool.query('begin a file of the log', 'SELECT pg_switch_wal()')
    await keys.write([create(key, value), put(utf8('kept'), secret())])
    // So that there is something to sample rows into.
    await place.pool.execute('sample', 'ANALYZE')
    await keys.destroy([del(key)], [key.subarray(1), value])
    for (const bytes of [key.subarray(1), value]) {
      const found = await whereIs(place, bytes, '.')
      expect(found.filter((name) => !name.startsWith('pg_wal/'))).toEqual([])
    }
    expect(await whereIs(place, value, 'pg_wal')).not.toEqual([])
    await place.pool.query('go on', 'SELECT pg_switch_wal()')
    for (const bytes of [key.subarray(1), value]) {
      expect(await whereIs(place, bytes, '.')).toEqual([])
    }
  })

  it('leaves nothing in what comes up again after a crash', async () => {
    const place = await emptyPlace()
    const { keys } = openPostgresVaultStore({ pool: place.pool })
    const [key, value] = [secret(33).fill(0x6b, 0, 1), secret()]
    await keys.write([create(key, value)])
    await place.pool.execute('write all to the files', 'CHECKPOINT')
    await keys.destroy([del(key)], [key.subarray(1), value])
    await place.server.kill()
    await place.server.restart()
    expect(await keys.get([key])).toEqual([undefined])
    expect(await whereIs(place, value)).toEqual([])
    expect(await whereIs(place, key.subarray(1))).toEqual([])
  })

  it('can be done by a role that may not empty a table', async () => {
    const place = await emptyPlace()
    await withClient(place.server.url, (client) => client.query('CREATE ROLE cairn_app LOGIN'))
    await grantTo(place.pool, 'cairn_app')
    const pool = openPool({ url: place.server.url, schema: 'cairn', role: 'cairn_app' })
    afterThisTest(() => pool.close())
    const store = openPostgresVaultStore({ pool })
    const value = secret()
    await store.keys.write([create(utf8('a'), value)])
    await store.keys.destroy([del(utf8('a'))], [value])
    await store.keys.scrub()
    expect(await whereIs(place, value)).toEqual([])
    const truncate = pool.execute('empty the vault', 'TRUNCATE vault_keys')
    await expect(truncate).rejects.toMatchObject({ code: 'FORBIDDEN' })
  })
})

describe('a vault in PostgreSQL', () => {
  it('goes on after a restart of the database, and has each row once', async () => {
    const place = await emptyPlace()
    const { keys, payloads } = openPostgresVaultStore({ pool: place.pool })
    let made = 0
    let busy = true
    const write = async () => {
      for (; busy; made++) {
        await keys.write([create(utf8(`row ${made}`), secret())])
        await payloads.write([create(utf8(`row ${made}`), secret())])
      }
    }
    const writing = write()
    for (let i = 0; i < 3; i++) {
      await new Promise((resolve) => setTimeout(resolve, 100))
      await (i === 1 ? place.server.stop() : place.server.kill())
      await place.server.restart()
    }
    busy = false
    await writing
    expect(made).toBeGreaterThan(3)
    expect(await all(keys.list(utf8('row')))).toHaveLength(made)
    expect(await all(payloads.list(utf8('row')))).toHaveLength(made)
  }, 30_000)

  it('is written by whoever took it over last', async () => {
    const { pool } = await emptyPlace()
    const [one, two] = [openPostgresVaultStore({ pool }), openPostgresVaultStore({ pool })]
    await one.keys.write([put(utf8('a'), utf8('one'))])
    await two.keys.write([put(utf8('a'), utf8('two'))])
    const late = one.keys.write([put(utf8('a'), utf8('late'))])
    await expect(late).rejects.toMatchObject({
      code: 'CONFLICT',
      message: 'another server has written vault_keys since',
    })
    const later = one.keys.destroy([del(utf8('a'))], [])
    await expect(later).rejects.toMatchObject({ code: 'STOPPED' })
    expect(await two.keys.get([utf8('a')])).toEqual([utf8('two')])
  })

  it('takes nothing from a server whose term is over', async () => {
    const { pool } = await emptyPlace()
    const lead = (epoch: number) =>
      pool.execute(
        'lead',
        `INSERT INTO leadership VALUES (true, $1, 'h', 'u', now()) ON CONFLICT (only_row) DO UPDATE SET epoch = $1`,
        [epoch],
      )
    await lead(7)
    const former = openPostgresVaultStore({ pool, fence: { epoch: 7 } })
    const value = secret()
    await former.keys.write([put(utf8('a'), value)])
    await lead(8)
    const over = {
      code: 'CONFLICT',
      message: expect.stringContaining('another server leads by now'),
    }
    await expect(former.keys.scrub()).rejects.toMatchObject(over)
    // It has not written payloads before, and would be the first.
    await expect(former.payloads.write([put(utf8('p'), secret())])).rejects.toMatchObject(over)
    const another = openPostgresVaultStore({ pool, fence: { epoch: 7 } })
    await expect(another.keys.destroy([del(utf8('a'))], [value])).rejects.toMatchObject(over)
    const next = openPostgresVaultStore({ pool, fence: { epoch: 8 } })
    expect(await next.keys.get([utf8('a')])).toEqual([value])
    await next.keys.write([put(utf8('a'), utf8('next'))])
    expect(await all(next.payloads.list(new Uint8Array()))).toEqual([])
  })

  it('lets nobody begin a term while something is written in the one before', async () => {
    const { pool } = await emptyPlace()
    await pool.execute(
      'lead',
      `INSERT INTO leadership VALUES (true, 100, 'h', 'u', now()) ON CONFLICT (only_row) DO UPDATE SET epoch = 100`,
    )
    const order: string[] = []
    let taken: Promise<unknown> | undefined
    await pool.transaction('write', async (db) => {
      await db.query('write', 'SELECT check_term(100)')
      // The lease is renewed meanwhile, but not the term ended.
      await pool.execute('renew', 'UPDATE leadership SET expires = now()')
      taken = pool
        .execute('lead', 'UPDATE leadership SET epoch = 101')
        .then(() => order.push('the next term'))
      await new Promise((resolve) => setTimeout(resolve, 100))
      order.push('written')
    })
    await taken
    expect(order).toEqual(['written', 'the next term'])
  })
})
