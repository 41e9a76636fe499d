/** Where tokens can be kept, for suites that run on each. */
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { openPool, type PostgresPool } from '../../src/storage/postgres-pool.ts'
import { migrateSchema } from '../../src/storage/postgres-schema.ts'
import { tokensInPostgres } from '../../src/storage/postgres-tokens.ts'
import type { TokenStore } from '../../src/storage/token-port.ts'
import { tokensInFile } from '../../src/storage/tokens-file.ts'
import { afterThisFile, afterThisTest } from '../support/endings.ts'
import { testDatabase } from '../support/postgres.ts'

let shared: Promise<PostgresPool> | undefined

async function newPool(): Promise<PostgresPool> {
  const pool = openPool(await testDatabase())
  afterThisFile(() => pool.close())
  await migrateSchema(pool)
  return pool
}

/** An empty directory that is removed after the test. */
export async function emptyDirectory(): Promise<string> {
  const directory = await mkdtemp(join(tmpdir(), 'cairn-tokens-'))
  afterThisTest(() => rm(directory, { recursive: true, force: true }))
  return directory
}

/** An empty place in a table. */
export async function emptyTable(): Promise<{ store: TokenStore; pool: PostgresPool }> {
  shared ??= newPool()
  const pool = await shared
  await pool.execute('empty it', 'TRUNCATE tokens')
  return { store: tokensInPostgres(pool), pool }
}

export const TOKEN_PLACES: readonly (readonly [name: string, place: () => Promise<TokenStore>])[] =
  [
    ['a file', async () => tokensInFile(join(await emptyDirectory(), 'tokens'))],
    ['PostgreSQL', async () => (await emptyTable()).store],
  ]
