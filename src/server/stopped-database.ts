/** The storage of a log in a database that no server runs: held by its lease, so that none begins to meanwhile. */
import { join } from 'node:path'
import { CairnError, usage } from '../errors.ts'
import type { DataDirectory, DirectoryMark } from '../storage/data-directory.ts'
import { lockDirectory } from '../storage/level-lock.ts'
import { openPostgresLogStore } from '../storage/postgres.ts'
import { openPool, type PostgresPool } from '../storage/postgres-pool.ts'
import { MIGRATIONS, migrateSchema, schemaVersion } from '../storage/postgres-schema.ts'
import { readIdentity } from '../storage/postgres-settings.ts'
import { tokensInPostgres } from '../storage/postgres-tokens.ts'
import type { LeaderStore } from '../storage/shared-port.ts'
import {
  assertMayRun,
  databaseMark,
  markMoved,
  markUnfinished,
  unmarkMoved,
} from './database-marks.ts'
import type { LogStorage, OpenStorageOptions } from './log-storage.ts'
import { openObjects } from './object-place.ts'
import { checkVaultKey, recordStoresDuring } from './shared-storage.ts'
import type { SharedStorageConfig } from './storage-settings.ts'

const LEASE_MS = 30_000
const RENEW_MS = 5_000

/**
 * @throws LOCKED while a server leads; NOT_FOUND when no log is there, and none may be made; USAGE when it holds another
 *   one; NEWER_FORMAT, FORBIDDEN, UNAVAILABLE, IO
 */
export async function openStoppedDatabase(
  directory: DataDirectory,
  shared: SharedStorageConfig,
  { create, despite = [], identity }: OpenStorageOptions,
): Promise<LogStorage> {
  const lock = await lockDirectory(join(directory.path, 'lock'))
  const pool = openPool({ ...shared.database, statementTimeoutMs: 0 })
  const opened: { close(): Promise<unknown> }[] = [{ close: lock.release }, pool]
  try {
    if (create) await migrateSchema(pool)
    else await assertIsThere(pool)
    const known = identity ?? (await readIdentity(pool))
    if (known === undefined) {
      throw new CairnError('NOT_FOUND', `there is no log in ${pool.place}`)
    }
    await assertMayRun(pool, despite)
    const archive =
      shared.archive && (await openObjects(shared.archive.place, process.env, { toRead: !create }))
    if (archive !== undefined) opened.push(archive.objects)
    const log = await openPostgresLogStore({
      pool,
      archive: archive?.objects,
      identity: known,
      toRead: !create,
    })
    opened.push(log)
    const term = await log.lead({ holder: 'cairn on a stopped log', url: '', leaseMs: LEASE_MS })
    if (term === undefined) {
      const leader = await log.leadership()
      throw new CairnError(
        'LOCKED',
        `a server runs the log in ${pool.place} (${leader?.holder ?? 'unknown'}${leader?.url ? ` at ${leader.url}` : ''}); stop all of its servers first`,
      )
    }
    const renewing = setInterval(() => void term.renew(LEASE_MS).catch(() => undefined), RENEW_MS)
    renewing.unref()
    const closing = { close: async () => resign(term, renewing) }
    opened.push(closing)
    return {
      directory,
      log,
      stores: recordStoresDuring(pool, term.epoch),
      tokens: tokensInPostgres(pool),
      archive: { objects: archive?.objects, mark: () => log.archive() },
      place: pool.place,
      mark: (name: DirectoryMark) => databaseMark(pool, name),
      setUnfinished: (text) => markUnfinished(pool, text),
      markMoved: (text, head) => markMoved(pool, term.epoch, head, text),
      unmarkMoved: () => unmarkMoved(pool),
      sequenced: () => log.sequencedSize(),
      noteVault: (masterKeyId, file) => checkVaultKey(pool, masterKeyId, file),
      async close() {
        for (const part of opened.reverse()) await part.close()
      },
    }
  } catch (error) {
    for (const part of opened.reverse()) await part.close().catch(() => undefined)
    throw error
  }
}

async function resign(term: LeaderStore, renewing: NodeJS.Timeout): Promise<void> {
  clearInterval(renewing)
  await term.resign()
}

/** Reading makes nothing, and brings nothing up to date. */
async function assertIsThere(pool: PostgresPool): Promise<void> {
  const version = await schemaVersion(pool)
  if (version === 0) throw new CairnError('NOT_FOUND', `there is no log in ${pool.place}`)
  if (version > MIGRATIONS.length) {
    throw new CairnError('NEWER_FORMAT', `${pool.place} is of a newer Cairn; use that one`)
  }
  if (version < MIGRATIONS.length) {
    throw usage(`${pool.place} is of an older Cairn; start a server of this version once`)
  }
}
