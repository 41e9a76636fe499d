/** What a log's schema says about itself, and what its server must be, looked at when it is opened. */
import { CairnError, usage } from '../errors.ts'
import type { PostgresPool } from './postgres-pool.ts'

/** Which log it is. */
export interface LogIdentity {
  readonly origin: string
  /** The keys that sign its heads, in the order in which they are written down. */
  readonly vkeys: readonly string[]
}

const OLDEST_VERSION = 15

/**
 * @throws USAGE when the server is too old, or set up such that a power cut may lose or tear what it has acknowledged
 */
export async function checkServer(pool: PostgresPool, allowUnsafe: boolean): Promise<void> {
  const [row] = await pool.query<{ version: number; fsync: string; whole: string }>(
    'ask the database how it is set up',
    `SELECT current_setting('server_version_num')::int AS version, current_setting('fsync') AS fsync,
       current_setting('full_page_writes') AS whole`,
  )
  if (row === undefined) throw new CairnError('IO', 'the database tells nothing of its settings')
  const version = Math.floor(row.version / 10_000)
  if (version < OLDEST_VERSION) {
    throw usage(`PostgreSQL ${OLDEST_VERSION} or later is needed; ${pool.place} has ${version}`)
  }
  if (allowUnsafe) return
  for (const [name, value] of [
    ['fsync', row.fsync],
    ['full_page_writes', row.whole],
  ]) {
    if (value === 'on') continue
    throw usage(
      `${pool.place}: the server has ${name} = ${value}, so that a crash may lose acknowledged entries; set it to on`,
    )
  }
}

/** Notes which log this is when the schema is new. @throws USAGE naming both when it is another's */
export async function checkIdentity(pool: PostgresPool, identity: LogIdentity): Promise<void> {
  const vkeys = identity.vkeys.join('\n')
  await pool.execute(
    'note whose schema it is',
    `INSERT INTO settings VALUES ('origin', $1), ('vkeys', $2) ON CONFLICT DO NOTHING`,
    [identity.origin, vkeys],
  )
  const stored = await readIdentity(pool)
  if (stored === undefined) throw new CairnError('CORRUPT', `${pool.place} has lost its settings`)
  if (stored.origin !== identity.origin) {
    throw usage(
      `${pool.place} holds the log ${stored.origin}, not ${identity.origin}; give each log a schema of its own`,
    )
  }
  if (stored.vkeys.join('\n') !== vkeys) {
    throw usage(
      `${pool.place} holds the log ${stored.origin} with the keys ${stored.vkeys.join(' ')}, ` +
        `not with ${identity.vkeys.join(' ')}; all its servers need the same keys`,
    )
  }
}

/** Which log a schema is of; undefined before it is known. */
export async function readIdentity(pool: PostgresPool): Promise<LogIdentity | undefined> {
  const rows = await pool.query<{ name: string; value: string }>(
    'read whose schema it is',
    `SELECT name, value FROM settings WHERE name IN ('origin', 'vkeys')`,
  )
  const origin = rows.find(({ name }) => name === 'origin')?.value
  const vkeys = rows.find(({ name }) => name === 'vkeys')?.value
  return origin === undefined || vkeys === undefined
    ? undefined
    : { origin, vkeys: vkeys === '' ? [] : vkeys.split('\n') }
}

const IN_ARCHIVE_ALONE = 'entries and tiles of this log are in its archive alone'

/**
 * Demands that the log has an archive or has none, as its owner has said; who is the owner says so by opening it, unless
 * it is only opened to be read.
 * @throws USAGE when it cannot do without one any more, and when it is for somebody else to say
 */
export async function checkArchiveWanted(
  pool: PostgresPool,
  hasArchive: boolean,
  toRead: boolean,
): Promise<void> {
  const [row] = await pool.query<{ wanted: boolean; released: number }>(
    'read whether the log has an archive',
    'SELECT wanted, released FROM archive',
  )
  if (row?.wanted === hasArchive) return
  if (toRead) {
    if (hasArchive || row?.released === 0) return
    throw usage(`${pool.place}: ${IN_ARCHIVE_ALONE}; give the bucket as well`)
  }
  try {
    await setArchive(pool, hasArchive)
  } catch (error) {
    if (!(error instanceof CairnError)) throw error
    if (error.code === 'USAGE') throw usage(`${error.message}; give the bucket as well`, error)
    if (error.code !== 'FORBIDDEN') throw error
    const what = hasArchive
      ? 'is not set up to have a bucket, and its database role may not change that: run cairn schema with --archive'
      : 'has a bucket: give it as well, or run cairn schema with --no-archive'
    throw usage(`${pool.place} ${what} as the role that owns the tables`, error)
  }
}

/**
 * Says whether the log has an archive; for the owner of the tables.
 * @throws USAGE when it cannot do without one any more; FORBIDDEN, UNAVAILABLE, IO
 */
export async function setArchive(pool: PostgresPool, wanted: boolean): Promise<void> {
  try {
    await pool.query('say whether the log has an archive', 'SELECT set_archive($1)', [wanted])
  } catch (error) {
    if (!(error instanceof CairnError) || error.code !== 'USAGE') throw error
    throw usage(`${pool.place}: ${error.message}`, error)
  }
}
