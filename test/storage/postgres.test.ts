import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { openObjectDirectory } from '../../src/storage/object-directory.ts'
import { openPostgresLogStore } from '../../src/storage/postgres.ts'
import { openPool, type PostgresPool } from '../../src/storage/postgres-pool.ts'
import { grantTo, migrateSchema } from '../../src/storage/postgres-schema.ts'
import type { SharedLogStore } from '../../src/storage/shared-port.ts'
import { appRole, testDatabase, withClient } from '../support/postgres.ts'
import { logStoreConformance } from './conformance.ts'
import { type SharedPlace, sharedLogConformance } from './shared-conformance.ts'

/** Any number of stores on a schema of their own, each with connections of its own, as a role that may only add. */
async function sharedPlace(): Promise<SharedPlace> {
  const database = await testDatabase()
  const directory = await mkdtemp(join(tmpdir(), 'cairn-archive-'))
  const archive = await openObjectDirectory(directory)
  const role = await appRole()
  const owner = openPool(database)
  await migrateSchema(owner)
  await grantTo(owner, role)
  const pools: PostgresPool[] = [owner]
  const stores: SharedLogStore[] = []
  return {
    archive,
    async open() {
      const url = `${database.url}?application_name=${database.schema}`
      const pool = openPool({ ...database, url, role })
      pools.push(pool)
      const store = await openPostgresLogStore({ pool, archive })
      stores.push(store)
      return store
    },
    disconnect: () =>
      withClient(database.url, async (client) => {
        const ours = `SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = $1`
        await client.query(ours, [database.schema])
      }),
    async remove() {
      for (const store of stores) await store.close()
      for (const pool of pools) await pool.close()
      await rm(directory, { recursive: true })
      await dropSchema(database)
    },
  }
}

async function dropSchema({ url, schema }: { url: string; schema: string }): Promise<void> {
  await withClient(url, (client) => client.query(`DROP SCHEMA IF EXISTS ${schema} CASCADE`))
}

logStoreConformance('the PostgreSQL store', async () => {
  const database = await testDatabase()
  const pool = openPool(database)
  return {
    open: () => openPostgresLogStore({ pool }),
    async remove() {
      await pool.close()
      await dropSchema(database)
    },
  }
})

sharedLogConformance('the PostgreSQL store', sharedPlace)
