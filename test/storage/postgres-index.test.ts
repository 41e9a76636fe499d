import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import { utf8 } from '../../src/bytes.ts'
import { openPostgresIndexStore } from '../../src/storage/postgres-index.ts'
import { openPool, type PostgresPool } from '../../src/storage/postgres-pool.ts'
import { grantTo, migrateSchema } from '../../src/storage/postgres-schema.ts'
import { afterThisFile, afterThisTest } from '../support/endings.ts'
import { type TestDatabase, testDatabase } from '../support/postgres.ts'
import { storedFiles } from '../support/stored-bytes.ts'
import { everything, indexStoreConformance } from './index-conformance.ts'

interface Place {
  readonly database: TestDatabase
  readonly pool: PostgresPool
}

async function newPlace(): Promise<Place> {
  const database = await testDatabase()
  const pool = openPool(database)
  afterThisFile(() => pool.close())
  await migrateSchema(pool)
  return { database, pool }
}

let shared: Promise<Place> | undefined

/** One schema for all, emptied: to make one takes longer than most tests do. */
async function emptyPlace(): Promise<Place> {
  shared ??= newPlace()
  const place = await shared
  await place.pool.transaction('empty it', async (db) => {
    // Who led is never forgotten: a trigger refuses it.
    await db.execute('empty it', "SET LOCAL session_replication_role = 'replica'")
    await db.execute('empty it', 'TRUNCATE index_rows, map_rows, leadership')
  })
  return place
}

indexStoreConformance('PostgreSQL', async () => {
  const { pool } = await emptyPlace()
  return {
    open: async () => openPostgresIndexStore({ pool, space: 'index' }),
    remove: async () => undefined,
  }
})

const key = (...bytes: number[]): Uint8Array => Uint8Array.from(bytes)
const ALL = { gte: key(0), lt: key(255) }

describe('the store of an index in PostgreSQL', () => {
  it('is apart from that of the map', async () => {
    const { pool } = await emptyPlace()
    const index = openPostgresIndexStore({ pool, space: 'index' })
    const map = openPostgresIndexStore({ pool, space: 'map' })
    await index.write({ put: [[key(1), utf8('index')]] })
    await map.write({ put: [[key(1), utf8('map')]] })
    await map.clear()
    await map.purge([ALL])
    expect(await index.get([key(1)])).toEqual([utf8('index')])
    expect(await everything(map)).toEqual([])
  })

  it('makes what is asked for at once in the order of the calls', async () => {
    const { pool } = await emptyPlace()
    const store = openPostgresIndexStore({ pool, space: 'index' })
    await Promise.all([
      store.write({ put: [[key(1), utf8('before')]] }),
      store.write({ put: [[key(2), utf8('before')]], drop: [key(1)] }),
      store.clear(),
      store.write({ put: [[key(3), utf8('after')]] }),
      store.write({ put: [[key(4), utf8('after')]] }),
      store.purge([ALL]),
      store.write({ put: [[key(3), utf8('last')]], drop: [key(4)] }),
    ])
    expect(await everything(store)).toEqual([[key(3), utf8('last')]])
  })

  it.each([
    ['dropped', { drop: [key(1, 7)] }],
    ['replaced', { put: [[key(1, 7), utf8('another')] as const] }],
  ])('leaves no trace in its table of a value that was %s and purged', async (what, change) => {
    const { pool } = await emptyPlace()
    const store = openPostgresIndexStore({ pool, space: 'index' })
    const value = '7d5e0c1f-a value that nobody may find'
    const put = Array.from({ length: 300 }, (_, i) => [key(1, i % 256, i >> 8), utf8('x')] as const)
    await store.write({ put: [...put, [key(1, 7), utf8(value)]] })
    // As autovacuum does from time to time.
    await pool.execute('sample', 'ANALYZE index_rows')
    expect(await filesOfDatabase(pool, value)).not.toEqual([])
    await store.write(change)
    expect(await filesOfDatabase(pool, value)).not.toEqual([])
    let purged = false
    const reading = (async () => {
      while (!purged) expect((await everything(store)).length).toBeGreaterThanOrEqual(300)
    })()
    await store.purge([ALL])
    purged = true
    await reading
    expect(await filesOfDatabase(pool, value)).toEqual([])
    const kept = what === 'dropped' ? undefined : utf8('another')
    expect(await store.get([key(1, 7)])).toEqual([kept])
  })

  it('can be used by a role that may not empty a table', async () => {
    const { database } = await emptyPlace()
    const { pool: owner } = await shared!
    const role = `app_${database.schema}`
    await owner.execute('make a role', `CREATE ROLE ${role}`)
    afterThisFile(() =>
      owner
        .execute('drop it', `DROP OWNED BY ${role}`)
        .then(() => owner.execute('drop it', `DROP ROLE ${role}`)),
    )
    await grantTo(owner, role)
    const pool = openPool({ ...database, role })
    afterThisTest(() => pool.close())
    const store = openPostgresIndexStore({ pool, space: 'map' })
    await store.write({ put: [[key(1), utf8('x')]] })
    await store.purge([ALL])
    await store.clear()
    await store.write({ put: [[key(2), utf8('y')]], durable: true })
    expect(await everything(store)).toEqual([[key(2), utf8('y')]])
  })

  it('is written by whoever took it over last', async () => {
    const { pool } = await emptyPlace()
    const [one, two] = [1, 2].map(() => openPostgresIndexStore({ pool, space: 'index' }))
    await one!.write({ put: [[key(1), utf8('one')]] })
    await two!.write({ put: [[key(1), utf8('two')]] })
    const late = one!.write({ put: [[key(1), utf8('late')]] })
    await expect(late).rejects.toMatchObject({ code: 'CONFLICT' })
    await expect(one!.clear()).rejects.toMatchObject({ code: 'STOPPED' })
    expect(await two!.get([key(1)])).toEqual([utf8('two')])
  })

  it('takes nothing from a server whose term is over', async () => {
    const { pool } = await emptyPlace()
    const begin = (epoch: number) =>
      pool.execute(
        'begin a term',
        `INSERT INTO leadership (epoch, holder, url, expires) VALUES ($1, 'h', 'u', now())
          ON CONFLICT (only_row) DO UPDATE SET epoch = $1`,
        [epoch],
      )
    const over = {
      code: 'CONFLICT',
      message: expect.stringContaining('another server leads by now'),
    }
    const open = (epoch: number) =>
      openPostgresIndexStore({ pool, space: 'index', fence: { epoch } })
    await expect(open(1).clear()).rejects.toMatchObject(over)
    await begin(1)
    const former = open(1)
    await former.write({ put: [[key(1), utf8('former')]] })
    await begin(2)
    await expect(former.write({ drop: [key(1)] })).rejects.toMatchObject(over)
    await expect(former.write({ drop: [key(1)] })).rejects.toMatchObject({ code: 'STOPPED' })
    for (const change of ['clear', 'purge'] as const) {
      await expect(open(1)[change]([ALL])).rejects.toMatchObject(over)
    }
    const next = open(2)
    expect(await next.get([key(1)])).toEqual([utf8('former')])
    await next.write({ put: [[key(1), utf8('next')]] })
    expect(await next.get([key(1)])).toEqual([utf8('next')])
  })

  it('makes a write that is sent again once, and none that arrives late', async () => {
    const { pool } = await emptyPlace()
    const writer = '5f1c4a0e-0000-4000-8000-000000000001'
    const write = async (number: number, value: string) => {
      const [row] = await pool.query<{ made: boolean }>(
        'write',
        `SELECT write_index_rows(null, $1, $2, true, '{}', '{}', ARRAY[$3::bytea], ARRAY[$4::bytea], '{}') AS made`,
        [writer, number, Buffer.of(1), Buffer.from(value)],
      )
      return row!.made
    }
    expect(await write(1, 'one')).toBe(true)
    expect(await write(2, 'two')).toBe(true)
    expect(await write(2, 'two')).toBe(false)
    await expect(write(4, 'four')).rejects.toMatchObject({ code: 'CONFLICT' })
    const store = openPostgresIndexStore({ pool, space: 'index' })
    expect(await store.get([key(1)])).toEqual([utf8('two')])
  })
})

/** The files of the database with a text in them, with what is in memory written to them first. */
async function filesOfDatabase(pool: PostgresPool, text: string): Promise<string[]> {
  await pool.execute('write all to the files', 'CHECKPOINT')
  const [row] = await pool.query<{ directory: string; oid: number }>(
    'find the files',
    `SELECT current_setting('data_directory') AS directory, oid::int
       FROM pg_database WHERE datname = current_database()`,
  )
  const files = await storedFiles(join(row!.directory, 'base', String(row!.oid)))
  return files.filter(({ bytes }) => bytes.includes(text)).map(({ name }) => name)
}
