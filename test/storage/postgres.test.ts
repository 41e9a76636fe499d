import { openPostgresLogStore } from '../../src/storage/postgres.ts'
import { openPool } from '../../src/storage/postgres-pool.ts'
import { newObjects } from '../support/archives.ts'
import { testDatabase } from '../support/postgres.ts'
import { logStoreConformance } from './conformance.ts'
import { dropSchema, sharedPlace } from './postgres-place.ts'
import { sharedLogConformance } from './shared-conformance.ts'

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

sharedLogConformance('the PostgreSQL store', async () => sharedPlace(await newObjects('directory')))
