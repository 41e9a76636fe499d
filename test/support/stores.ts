/**
 * The stores of logs, records and witnesses that tests use: LevelDB in a directory, or PostgreSQL where
 * TEST_STORAGE says so, with an archive in a directory or in S3 that takes over what is full as soon as it is
 * published. There a directory stands for a schema, the same for log, vault, index and map beside each other, so that
 * what is opened again is what was written.
 */
import { createHash } from 'node:crypto'
import { existsSync } from 'node:fs'
import { readFile, rm } from 'node:fs/promises'
import { basename, dirname, resolve } from 'node:path'
import type { LogOptions } from '../../src/log/log.ts'
import type { LogService } from '../../src/log/service.ts'
import { openHeadDirectory } from '../../src/storage/head-directory.ts'
import type { HeadStore } from '../../src/storage/heads-port.ts'
import type { IndexStore } from '../../src/storage/index-port.ts'
import { openLevelIndexStore } from '../../src/storage/level-index.ts'
import { openLevelVaultStore } from '../../src/storage/level-vault.ts'
import { openLevelWitnessStore } from '../../src/storage/level-witness.ts'
import type { ObjectStore } from '../../src/storage/object-port.ts'
import { openPostgresHeadStore } from '../../src/storage/postgres-heads.ts'
import { openPostgresIndexStore } from '../../src/storage/postgres-index.ts'
import { openPool, type PostgresPool } from '../../src/storage/postgres-pool.ts'
import { migrateSchema } from '../../src/storage/postgres-schema.ts'
import { openPostgresVaultStore } from '../../src/storage/postgres-vault.ts'
import { openPostgresWitnessStore } from '../../src/storage/postgres-witness.ts'
import type { VaultStore } from '../../src/storage/vault-port.ts'
import type { WitnessStore } from '../../src/storage/witness-port.ts'
import { type ArchiveKind, newObjects, openArchivedServer } from './archives.ts'
import { afterThisFile } from './endings.ts'
import { databaseUrl, withClient } from './postgres.ts'
import { filesHolding, holds } from './stored-bytes.ts'
import { openAt, type TestLogPlace } from './test-log.ts'
import { openServer } from './test-shared-log.ts'
import { giveBack, rememberMigrated, takeUsed } from './used-schemas.ts'

const STORAGES = ['level', 'postgres', 'postgres+directory', 'postgres+s3'] as const

export type TestStorage = (typeof STORAGES)[number]

export const STORAGE: TestStorage = read(process.env.TEST_STORAGE)

function read(value: string | undefined): TestStorage {
  if (value === undefined || value === '') return 'level'
  const storage = STORAGES.find((each) => each === value)
  if (storage !== undefined) return storage
  throw new Error(`TEST_STORAGE is one of ${STORAGES.join(', ')}, not ${value}`)
}

/** Whether the files below a test's directory are all that is stored, and may be looked through or damaged. */
export const isInFiles: boolean = STORAGE === 'level'

const PARTS = ['vault', 'index', 'map', 'heads']

function placeOf(directory: string): string {
  const path = resolve(directory)
  return PARTS.includes(basename(path)) ? dirname(path) : path
}

function schemaOf(directory: string): string {
  return `test_${createHash('sha256').update(placeOf(directory)).digest('hex').slice(0, 24)}`
}

interface Opened {
  readonly pool: Promise<PostgresPool>
  /** Closes it, and leaves the schema to others; once. */
  leave(): Promise<void>
  /** Whether the test has thrown the directory away. */
  isOver(): boolean
}

const pools = new Map<string, Opened>()

/** The pool of a directory's schema, which ends with the file, or once the directory is gone. */
async function poolOf(directory: string): Promise<PostgresPool> {
  const schema = schemaOf(directory)
  const known = pools.get(schema)
  if (known !== undefined) return known.pool
  const over = [...pools.values()].filter((opened) => opened.isOver())
  const place = placeOf(directory)
  const wasThere = existsSync(place)
  const opened: Opened = {
    pool: Promise.all(over.map((each) => each.leave())).then(() => openSchema(schema)),
    async leave() {
      if (pools.get(schema) !== opened) return
      pools.delete(schema)
      await (await opened.pool).close()
      await giveBack(await databaseUrl(), schema)
    },
    isOver: () => wasThere && !existsSync(place),
  }
  pools.set(schema, opened)
  afterThisFile(opened.leave)
  return opened.pool
}

async function openSchema(schema: string): Promise<PostgresPool> {
  const url = await databaseUrl()
  const isUsed = await takeUsed(url, schema)
  const pool = openPool({ url, schema, maxConnections: 4 })
  const { from } = await migrateSchema(pool)
  if (!isUsed && from === 0) await rememberMigrated(url, schema)
  return pool
}

async function drop(url: string, schema: string): Promise<void> {
  await withClient(url, async (client) => {
    await client.query('SET lock_timeout = 1000; SET client_min_messages = warning')
    await client.query(`DROP SCHEMA IF EXISTS ${schema} CASCADE`).catch(() => undefined)
  })
}

const archives = new Map<string, Promise<ObjectStore>>()

/** What a directory's log is archived in, empty at first. */
function archiveOf(directory: string, kind: ArchiveKind): Promise<ObjectStore> {
  const schema = schemaOf(directory)
  const known = archives.get(schema)
  if (known !== undefined) return known
  const opened = newObjects(kind)
  archives.set(schema, opened)
  afterThisFile(() => archives.delete(schema))
  return opened
}

/** Opens the log of a place. With an archive, what was full when it was closed the last time is there alone. */
export async function openLogAt(
  place: TestLogPlace,
  options: Partial<LogOptions> = {},
  storage: TestStorage = STORAGE,
): Promise<LogService> {
  if (storage === 'level') return openAt(place, options)
  const { onEvent, freeSpaceFloor, spaceCheckMs, store, ...common } = options
  await poolOf(place.directory)
  const database = { url: await databaseUrl(), schema: schemaOf(place.directory) }
  if (storage === 'postgres') return openServer({ ...place, database }, 'only', common)
  const kind = storage === 'postgres+s3' ? 's3' : 'directory'
  const objects = await archiveOf(place.directory, kind)
  return openArchivedServer({ ...place, database, objects }, 'only', common)
}

/** How many leaves of a place's log the database has let go of; the bundles that are full in a tree of so many. */
export async function releasedAt({ directory }: TestLogPlace): Promise<number> {
  const pool = await poolOf(directory)
  const [row] = await pool.query<{ gone: number }>(
    'look for the first leaf',
    'SELECT coalesce((SELECT min(first) FROM entry_runs), next) AS gone FROM sequence',
  )
  return row!.gone
}

export async function openVaultStore(
  directory: string,
  storage: TestStorage = STORAGE,
): Promise<VaultStore> {
  return storage === 'level'
    ? openLevelVaultStore(directory)
    : openPostgresVaultStore({ pool: await poolOf(directory) })
}

/** In a directory that is called `map`, that of the map. */
export async function openIndexStore(
  directory: string,
  storage: TestStorage = STORAGE,
): Promise<IndexStore> {
  if (storage === 'level') return openLevelIndexStore(directory)
  const space = basename(directory) === 'map' ? 'map' : 'index'
  return openPostgresIndexStore({ pool: await poolOf(directory), space })
}

export async function openHeadStore(directory: string): Promise<HeadStore> {
  return STORAGE === 'level'
    ? openHeadDirectory(directory)
    : openPostgresHeadStore({ pool: await poolOf(directory) })
}

const witnesses = new Set<string>()

export async function openWitnessStore(directory: string): Promise<WitnessStore> {
  if (STORAGE === 'level') return openLevelWitnessStore(directory)
  const [url, schema] = [await databaseUrl(), schemaOf(directory)]
  if (!witnesses.has(schema)) {
    witnesses.add(schema)
    afterThisFile(() => drop(url, schema))
  }
  return (await openPostgresWitnessStore({ url, schema })).store
}

/** Throws away what is stored in a directory, or what stands for it. Its store is closed. */
export async function discardStore(
  directory: string,
  storage: TestStorage = STORAGE,
): Promise<void> {
  if (storage === 'level') return rm(directory, { recursive: true })
  const part = basename(directory)
  const tables = part === 'vault' ? 'vault_keys, vault_payloads' : `${part}_rows`
  await (await poolOf(directory)).execute('empty it', `TRUNCATE ${tables}`)
}

/** Where bytes are found in all that is stored below a directory: files, or the files of the tables of its schema. */
export async function whereStored(
  directory: string,
  bytes: Uint8Array,
  storage: TestStorage = STORAGE,
): Promise<string[]> {
  const inFiles = await filesHolding(directory, bytes)
  if (storage === 'level') return inFiles
  const pool = await poolOf(directory)
  // On a busy machine it takes longer than a statement of a server may.
  await withClient(await databaseUrl(), (client) => client.query('CHECKPOINT'))
  const files = await pool.query<{ path: string }>(
    'find the files',
    `SELECT current_setting('data_directory') || '/' || pg_relation_filepath(c.oid) AS path
       FROM pg_class AS c WHERE pg_relation_filepath(c.oid) IS NOT NULL AND (
         c.relnamespace = current_schema()::regnamespace
         OR c.oid IN (SELECT t.reltoastrelid FROM pg_class AS t WHERE t.relnamespace = current_schema()::regnamespace))`,
  )
  const found = await Promise.all(
    files.map(async ({ path }) => (holds(await readFile(path), bytes) ? [path] : [])),
  )
  return [...inFiles, ...found.flat()]
}
