/** What a database says of the log in it that keeps servers from running it: as the marks of a data directory. */
import { CairnError, usage } from '../errors.ts'
import { type TreeSize, treeSize } from '../merkle/position.ts'
import type { DirectoryMark } from '../storage/data-directory.ts'
import type { StoredHead } from '../storage/port.ts'
import type { PostgresPool } from '../storage/postgres-pool.ts'

/** A mark's text, or undefined without one. The schema has been migrated. @throws UNAVAILABLE, IO */
export async function databaseMark(
  pool: PostgresPool,
  mark: DirectoryMark,
): Promise<string | undefined> {
  const what = 'read what the log says of its place'
  const [row] =
    mark === 'moved'
      ? await pool.query<{ value: string | null }>(what, 'SELECT moved AS value FROM sequence')
      : await pool.query<{ value: string | null }>(
          what,
          'SELECT value FROM settings WHERE name = $1',
          [mark],
        )
  return row?.value || undefined
}

/** Notes that the log is not whole yet, or is. @throws FORBIDDEN, UNAVAILABLE, IO */
export async function markUnfinished(pool: PostgresPool, text: string | undefined): Promise<void> {
  await pool.execute(
    'note what becomes of the log',
    'INSERT INTO settings VALUES ($1, $2) ON CONFLICT (name) DO UPDATE SET value = $2',
    ['unfinished', text ?? ''],
  )
}

/**
 * Marks the log as moved in the transaction that looks what it has: nothing gets in any more, from whichever server, that
 * the copy does not have. Nothing is marked when there is more.
 * @returns how many leaves have an index: those of `head`, or it is not marked
 * @throws CONFLICT when it has another head, or the term is over; FORBIDDEN, UNAVAILABLE, IO
 */
export async function markMoved(
  pool: PostgresPool,
  epoch: number,
  head: StoredHead | undefined,
  text: string,
): Promise<TreeSize> {
  const [row] = await pool.query<{ sequenced: number }>(
    'mark the log as moved',
    'SELECT mark_moved($1, $2, $3, $4) AS sequenced',
    [epoch, head?.size ?? 0, head?.checkpoint ?? new Uint8Array(), text],
  )
  return treeSize(row?.sequenced ?? 0)
}

/** Lets servers go on with a log that was moved away. For the owner of the tables. @throws FORBIDDEN, UNAVAILABLE, IO */
export async function unmarkMoved(pool: PostgresPool): Promise<void> {
  await pool.execute('take the mark of a move away', 'UPDATE sequence SET moved = NULL')
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
    `the log in ${pool.place} ${moved}; two that go on with the same keys would contradict each other. If it was never started there, cairn migrate --undo makes it go on here`,
  )
}
