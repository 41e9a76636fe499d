import { expect, it } from 'vitest'
import { openPostgresHeadStore } from '../../src/storage/postgres-heads.ts'
import { openPool, type PostgresPool } from '../../src/storage/postgres-pool.ts'
import { migrateSchema } from '../../src/storage/postgres-schema.ts'
import { afterThisFile } from '../support/endings.ts'
import { testDatabase } from '../support/postgres.ts'
import { headAt, headStoreConformance, NOON } from './heads-conformance.ts'

async function newPool(): Promise<PostgresPool> {
  const pool = openPool(await testDatabase())
  afterThisFile(() => pool.close())
  await migrateSchema(pool)
  return pool
}

let shared: Promise<PostgresPool> | undefined

async function emptyPool(): Promise<PostgresPool> {
  shared ??= newPool()
  const pool = await shared
  await pool.execute('empty it', 'TRUNCATE kept_heads')
  return pool
}

headStoreConformance('PostgreSQL', async () => {
  const pool = await emptyPool()
  return { open: () => openPostgresHeadStore({ pool }), remove: async () => undefined }
})

it('takes no heads in PostgreSQL from a server whose term is over', async () => {
  const pool = await emptyPool()
  const store = await openPostgresHeadStore({ pool, fence: { epoch: 1 } })
  const over = { code: 'CONFLICT', message: expect.stringContaining('another server leads by now') }
  await pool.execute('lead', `INSERT INTO leadership VALUES (true, 1, 'h', 'u', now())`)
  await store.keep(headAt(NOON))
  await pool.execute('lead', 'UPDATE leadership SET epoch = 2')
  await expect(store.keep(headAt(NOON + 1))).rejects.toMatchObject(over)
  await expect(store.forget(NOON)).rejects.toMatchObject(over)
  expect(store.times()).toEqual([NOON])
})
