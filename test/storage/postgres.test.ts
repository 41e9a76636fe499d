import { openPostgresLogStore } from '../../src/storage/postgres.ts'
import { openPool } from '../../src/storage/postgres-pool.ts'
import { testDatabase, withClient } from '../support/postgres.ts'
import { logStoreConformance } from './conformance.ts'

logStoreConformance('the PostgreSQL store', async () => {
  const database = await testDatabase()
  const pool = openPool(database)
  return {
    open: () => openPostgresLogStore({ pool }),
    async remove() {
      await pool.close()
      await withClient(database.url, (client) =>
        client.query(`DROP SCHEMA IF EXISTS ${database.schema} CASCADE`),
      )
    },
  }
})
