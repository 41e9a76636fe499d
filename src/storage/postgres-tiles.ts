/**
 * Reading entries and hashes: runs of rows that must follow on, and what is no longer in the database from the archive,
 * under its tlog-tiles names.
 */
import { join } from '../bytes.ts'
import { CairnError } from '../errors.ts'
import { bundlePath, TILE_WIDTH, tilePath } from '../formats/tile.ts'
import { HASH_SIZE } from '../merkle/hash.ts'
import type { TreeSize } from '../merkle/position.ts'
import { framedCount } from './commit-shape.ts'
import type { ObjectStore } from './object-port.ts'
import type { PostgresConnection } from './postgres-pool.ts'
import type { ArchiveMark, SequencedRun } from './shared-port.ts'

/** All stored hashes of a tile. @throws CORRUPT, UNAVAILABLE, IO */
export async function readTile(
  db: PostgresConnection,
  archive: ObjectStore | undefined,
  level: number,
  tile: number,
): Promise<Uint8Array> {
  const first = tile * TILE_WIDTH
  const what = `tile ${level}/${tile}`
  const rows =
    level === 0
      ? await db.query<HashRun>(
          `read ${what}`,
          'SELECT first, hashes FROM entry_runs WHERE first >= $1 AND first < $2 ORDER BY first',
          [first, first + TILE_WIDTH],
        )
      : await db.query<HashRun>(
          `read ${what}`,
          'SELECT first + $3::bigint AS first, hashes FROM tiles WHERE level = $1 AND tile = $2 ORDER BY tiles.first',
          [level, tile, first],
        )
  if (rows.length > 0) return joinHashes(what, rows, first)
  if (!(await isReleased(db, first + TILE_WIDTH, level))) return new Uint8Array()
  const bytes = await fromArchive(archive, tilePath(level, tile, TILE_WIDTH))
  if (bytes.length !== TILE_WIDTH * HASH_SIZE) throw damaged(`${what} of the archive`)
  return bytes
}

/** All stored entries of a bundle. @throws CORRUPT, UNAVAILABLE, IO */
export async function readBundle(
  db: PostgresConnection,
  archive: ObjectStore | undefined,
  bundle: number,
): Promise<Uint8Array> {
  const first = bundle * TILE_WIDTH
  const what = `bundle ${bundle}`
  const rows = await db.query<Pick<SequencedRun, 'first' | 'count' | 'framed'>>(
    `read ${what}`,
    'SELECT first, count, framed FROM entry_runs WHERE first >= $1 AND first < $2 ORDER BY first',
    [first, first + TILE_WIDTH],
  )
  if (rows.length > 0) {
    let end = first
    for (const row of rows) {
      if (row.first !== end || framedCount(row.framed) !== row.count)
        throw broken(what, end - first)
      end += row.count
    }
    return join(rows.map(({ framed }) => framed))
  }
  if (!(await isReleased(db, first + TILE_WIDTH, 0))) return new Uint8Array()
  const bytes = await fromArchive(archive, bundlePath(bundle, TILE_WIDTH))
  if (framedCount(bytes) !== TILE_WIDTH) throw damaged(`${what} of the archive`)
  return bytes
}

interface HashRun {
  readonly first: number
  readonly hashes: Uint8Array
}

function joinHashes(what: string, rows: readonly HashRun[], first: number): Uint8Array {
  let end = first
  for (const row of rows) {
    if (row.first !== end || row.hashes.length % HASH_SIZE !== 0) throw broken(what, end - first)
    end += row.hashes.length / HASH_SIZE
  }
  if (end - first > TILE_WIDTH) throw broken(what, TILE_WIDTH)
  return join(rows.map(({ hashes }) => hashes))
}

function broken(what: string, at: number): CairnError {
  return damaged(`${what} does not continue at ${at}`)
}

function damaged(what: string): CairnError {
  return new CairnError('CORRUPT', `${what}: the stored log is damaged; restore a backup`)
}

/** Whether what ends at hash `end` of a level is in the archive alone. Asked after the rows were not found. */
async function isReleased(db: PostgresConnection, end: number, level: number): Promise<boolean> {
  const { released } = await readMark(db)
  return end <= Math.floor(released / TILE_WIDTH ** level)
}

export async function readMark(db: PostgresConnection): Promise<ArchiveMark> {
  const [mark] = await db.query<ArchiveMark>(
    'read how far the archive is',
    'SELECT size, released FROM archive',
  )
  if (mark === undefined) throw damaged('the archive has no mark')
  return mark
}

async function fromArchive(archive: ObjectStore | undefined, name: string): Promise<Uint8Array> {
  if (archive === undefined) {
    throw new CairnError('USAGE', `${name} is in the log's archive alone; give the bucket as well`)
  }
  const object = await archive.get(name)
  if (object !== undefined) return object.bytes
  throw new CairnError(
    'CORRUPT',
    `${name} is neither in the database nor in ${archive.place}, which had it; restore the object`,
  )
}

const ROWS_AT_ONCE = 1024

/** Sequenced runs from an index on; see the port. */
export async function readSequenced(
  db: PostgresConnection,
  from: TreeSize,
  { maxLeaves, maxBytes }: { readonly maxLeaves: number; readonly maxBytes: number },
): Promise<SequencedRun[]> {
  // The run that `from` is in begins at or after its bundle. Bytes are counted before they are read.
  const rows = await db.query<SequencedRun>(
    'read sequenced leaves',
    `SELECT first, count, framed, hashes FROM (
       SELECT first, count, framed, hashes,
         coalesce(sum(count) OVER before, 0) AS leaves_before,
         coalesce(sum(octet_length(framed)) OVER before, 0) AS bytes_before
       FROM (
         SELECT * FROM entry_runs WHERE first >= $2 AND first + count > $1 ORDER BY first LIMIT ${ROWS_AT_ONCE}
       ) AS next
       WINDOW before AS (ORDER BY first ROWS BETWEEN UNBOUNDED PRECEDING AND 1 PRECEDING)
     ) AS counted
     WHERE leaves_before = 0 OR (leaves_before < $3 AND bytes_before < $4)
     ORDER BY first`,
    [from, from - (from % TILE_WIDTH), maxLeaves, maxBytes],
  )
  const [head] = rows
  if (head === undefined || head.first > from) {
    await explainMissing(db, from)
    return []
  }
  let end: number = from
  return rows.map((row, i) => {
    const run = i === 0 ? cutAt(row, from) : row
    if (run.first !== end) throw broken('the sequence of entries', end)
    if (framedCount(run.framed) !== run.count) throw broken('the sequence of entries', end)
    end += run.count
    return run
  })
}

function cutAt(run: SequencedRun, from: TreeSize): SequencedRun {
  const skipped = from - run.first
  if (skipped <= 0) return run
  let at = 0
  for (let i = 0; i < skipped; i++) at += 2 + run.framed[at]! * 256 + run.framed[at + 1]!
  return {
    first: (run.first + skipped) as SequencedRun['first'],
    count: run.count - skipped,
    framed: run.framed.slice(at),
    hashes: run.hashes.slice(skipped * HASH_SIZE),
  }
}

/** Leaf hashes from one index up to another; see the port. */
export async function readLeafHashes(
  db: PostgresConnection,
  from: TreeSize,
  to: TreeSize,
): Promise<Uint8Array> {
  if (to <= from) return new Uint8Array()
  const begin = from - (from % TILE_WIDTH)
  const rows = await db.query<HashRun & { count: number }>(
    'read leaf hashes',
    `SELECT first, count, hashes FROM entry_runs
     WHERE first >= $1 AND first < $3 AND first + count > $2 ORDER BY first`,
    [begin, from, to],
  )
  const [head] = rows
  if (head === undefined || head.first > from) await explainMissing(db, from)
  const out = new Uint8Array((to - from) * HASH_SIZE)
  let end: number = head?.first ?? from
  for (const row of rows) {
    if (row.first !== end || row.hashes.length !== row.count * HASH_SIZE) {
      throw broken('the sequence of entries', end)
    }
    const skipped = Math.max(0, from - row.first)
    const part = row.hashes.subarray(skipped * HASH_SIZE, (to - row.first) * HASH_SIZE)
    out.set(part, (row.first + skipped - from) * HASH_SIZE)
    end += row.count
  }
  if (end >= to) return out
  await explainMissing(db, end)
  throw new CairnError('NOT_FOUND', `entry ${end} has not been sequenced`)
}

/** Returns when nothing is missing: nothing had been sequenced from there on, or it came since it was looked for. */
async function explainMissing(db: PostgresConnection, at: number): Promise<void> {
  // In one statement, so that what is sequenced meanwhile is either in all of the answer or in none.
  const [row] = await db.query<{ next: number; released: number; found: boolean }>(
    'look for missing entries',
    `SELECT next, released, EXISTS (
       SELECT FROM entry_runs WHERE first >= $2 AND first <= $1 AND first + count > $1
     ) AS found FROM sequence, archive`,
    [at, at - (at % TILE_WIDTH)],
  )
  if (row === undefined) throw damaged('the sequence has no row')
  if (row.found) return
  if (at < row.released - (row.released % TILE_WIDTH)) {
    throw new CairnError(
      'NOT_FOUND',
      `entry ${at} is no longer in the database; the archive has it`,
    )
  }
  if (at < row.next) throw broken('the sequence of entries', at)
}

/** How many leaves have been sequenced. */
export async function readNext(db: PostgresConnection): Promise<number> {
  const [row] = await db.query<{ next: number }>(
    'read how many leaves are sequenced',
    'SELECT next FROM sequence',
  )
  if (row === undefined) throw damaged('the sequence has no row')
  return row.next
}
