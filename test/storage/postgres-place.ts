/** Places of logs in PostgreSQL, for the suites of stores. */
import type { ObjectStore } from '../../src/storage/object-port.ts'
import { openPostgresLogStore } from '../../src/storage/postgres.ts'
import { openPool, type PostgresPool } from '../../src/storage/postgres-pool.ts'
import { grantTo, migrateSchema } from '../../src/storage/postgres-schema.ts'
import { setArchive } from '../../src/storage/postgres-settings.ts'
import type { SharedLogStore } from '../../src/storage/shared-port.ts'
import { appRole, type TestDatabase, testDatabase, withClient } from '../support/postgres.ts'
import type { SharedPlace } from './shared-conformance.ts'

export async function dropSchema({ url, schema }: TestDatabase): Promise<void> {
  await withClient(url, (client) => client.query(`DROP SCHEMA IF EXISTS ${schema} CASCADE`))
}

/** Any number of stores on a schema of their own, each with connections of its own, as a role that may only add. */
export async function sharedPlace(archive: ObjectStore): Promise<SharedPlace> {
  const database = await testDatabase()
  const role = await appRole()
  const owner = openPool(database)
  await migrateSchema(owner)
  await grantTo(owner, role)
  await setArchive(owner, true)
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
      await dropSchema(database)
    },
  }
}
