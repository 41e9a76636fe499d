/** What a database says of the log in it that keeps servers from running it: as the marks of a data directory. */
import { CairnError, usage } from '../errors.ts'
import type { DirectoryMark } from '../storage/data-directory.ts'
import type { PostgresPool } from '../storage/postgres-pool.ts'

/** A mark's text, or undefined without one. The schema has been migrated. @throws UNAVAILABLE, IO */
export async function databaseMark(
  pool: PostgresPool,
  mark: DirectoryMark,
): Promise<string | undefined> {
  const [row] = await pool.query<{ value: string }>(
    'read what the log says of its place',
    'SELECT value FROM settings WHERE name = $1',
    [mark],
  )
  return row === undefined || row.value === '' ? undefined : row.value
}

/** Sets a mark, or takes it away. @throws FORBIDDEN, UNAVAILABLE, IO */
export async function markDatabase(
  pool: PostgresPool,
  mark: DirectoryMark,
  text: string | undefined,
): Promise<void> {
  await pool.execute(
    'note what becomes of the log',
    'INSERT INTO settings VALUES ($1, $2) ON CONFLICT (name) DO UPDATE SET value = $2',
    [mark, text ?? ''],
  )
}

/**
 * @throws NOT_FOUND while the log is not whole; USAGE when it was moved away
 */
export async function assertMayRun(
  pool: PostgresPool,
  despite: readonly DirectoryMark[] = [],
): Promise<void> {
  const unfinished = await databaseMark(pool, 'unfinished')
  if (unfinished !== undefined && !despite.includes('unfinished')) {
    throw new CairnError('NOT_FOUND', `the log in ${pool.place} is not whole: ${unfinished}`)
  }
  const moved = await databaseMark(pool, 'moved')
  if (moved === undefined || despite.includes('moved')) return
  throw usage(
    `the log in ${pool.place} ${moved}; two that go on with the same keys would contradict each other. If it was never started there, delete the row moved from the table settings to go on here`,
  )
}
