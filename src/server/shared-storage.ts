/** The storage of a log that several servers share, opened: its database, its object storage, and what records need. */
import { existsSync } from 'node:fs'
import { usage } from '../errors.ts'
import { openPostgresHeadStore } from '../storage/postgres-heads.ts'
import { openPostgresIndexStore } from '../storage/postgres-index.ts'
import { openPool, type PostgresPool } from '../storage/postgres-pool.ts'
import { migrateSchema } from '../storage/postgres-schema.ts'
import { readIdentity } from '../storage/postgres-settings.ts'
import { openPostgresVaultStore } from '../storage/postgres-vault.ts'
import { keyFiles } from './key-file.ts'
import type { RecordStores } from './record-stores.ts'
import type { DatabaseConfig } from './storage-settings.ts'

/** Connects, and brings the schema up to date. @throws USAGE, NEWER_FORMAT, FORBIDDEN, UNAVAILABLE, IO */
export async function openDatabaseOf(config: DatabaseConfig): Promise<PostgresPool> {
  const pool = openPool(config)
  try {
    await migrateSchema(pool)
    return pool
  } catch (error) {
    await pool.close()
    throw error
  }
}

/**
 * A server that has no keys may make them for a new log only: all servers of a log have the same.
 * @throws USAGE when the database has the log already
 */
export async function assertKeysAreHere(pool: PostgresPool, keys: string): Promise<void> {
  const known = await readIdentity(pool)
  const { plain, encrypted } = keyFiles(keys, 'log')
  if (known === undefined || existsSync(plain) || existsSync(encrypted)) return
  throw usage(
    `${pool.place} holds the log ${known.origin}, whose keys are not in ${keys}; copy them there from another server of it`,
  )
}

const VAULT_KEY = 'vault-key'
const RECORDS = 'records'

async function settingOf(pool: PostgresPool, name: string): Promise<string | undefined> {
  const [row] = await pool.query<{ value: string }>(
    `read the setting ${name} of the log`,
    'SELECT value FROM settings WHERE name = $1',
    [name],
  )
  return row?.value
}

/** Sets it, unless it is set. */
async function noteSetting(
  pool: PostgresPool,
  what: string,
  name: string,
  value: string,
): Promise<void> {
  await pool.execute(what, 'INSERT INTO settings VALUES ($1, $2) ON CONFLICT DO NOTHING', [
    name,
    value,
  ])
}

/** Whether there is anything in the vault. One that was begun has a row at least. */
async function hasVaultKeys(pool: PostgresPool): Promise<boolean> {
  const [row] = await pool.query<{ there: boolean }>(
    'look for the vault',
    'SELECT EXISTS (SELECT FROM vault_keys) AS there',
  )
  return row!.there
}

/** The id of the vault's master key that was noted; undefined before. @throws UNAVAILABLE, IO */
export function notedVaultKey(pool: PostgresPool): Promise<string | undefined> {
  return settingOf(pool, VAULT_KEY)
}

/**
 * Notes the vault's master key when it is the first, so that no server begins with another one.
 * @throws USAGE when another was noted
 */
export async function checkVaultKey(pool: PostgresPool, id: string, file: string): Promise<void> {
  await noteSetting(pool, 'note which key the vault has', VAULT_KEY, id)
  if ((await notedVaultKey(pool)) === id) return
  throw usage(
    `the master key in ${file} is not the one of the vault in ${pool.place}; copy it from another server of this log`,
  )
}

/** What the records of a log need, for as long as one leader's term lasts. */
export function recordStoresDuring(pool: PostgresPool, epoch: number): RecordStores {
  const during = { pool, fence: { epoch } }
  const openSpace = (space: 'index' | 'map') => async () =>
    openPostgresIndexStore({ ...during, space })
  const discard = (space: 'index' | 'map') => async () => {
    const store = openPostgresIndexStore({ ...during, space })
    await store.clear().finally(() => store.close())
  }
  return {
    openIndex: openSpace('index'),
    openMap: openSpace('map'),
    openVault: async () => openPostgresVaultStore(during),
    openHeads: () => openPostgresHeadStore(during),
    discardIndex: discard('index'),
    discardMap: discard('map'),
    hasVault: async () => (await notedVaultKey(pool)) !== undefined,
    hasPayloads: () => hasVaultKeys(pool),
    hadRecords: async () => (await settingOf(pool, RECORDS)) !== undefined,
    noteRecords: () => noteSetting(pool, 'note that there are records', RECORDS, 'yes'),
    vaultPlace: `the tables vault_keys and vault_payloads in ${pool.place}`,
  }
}
