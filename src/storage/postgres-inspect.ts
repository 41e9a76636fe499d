/**
 * What only the store can see of its own damage: runs that do not follow on or are wrongly framed, leaves that cannot be
 * found by their hash or are found elsewhere, rows beyond the log. Whether the tiles hash to the root is for others to
 * check. Everything is read in pages, so that no statement takes long.
 */
import { equal, toHex } from '../bytes.ts'
import { messageOf } from '../errors.ts'
import { TILE_WIDTH } from '../formats/tile.ts'
import { HASH_SIZE, type LeafHash } from '../merkle/hash.ts'
import type { TreeSize } from '../merkle/position.ts'
import { framedCount, hashesAtLevel, TILE_LEVELS } from './commit-shape.ts'
import { inspectHeadSize, inspectRun } from './inspect-shape.ts'
import type { LogStore } from './port.ts'
import type { PostgresConnection } from './postgres-pool.ts'
import { readMark, readNext } from './postgres-tiles.ts'

const PAGE = 256

/**
 * Entries beyond `size` are none too many: they are sequenced, and wait for the leader. More may be sequenced meanwhile,
 * so that what lies beyond the end is held against the end that there is then.
 * @throws UNAVAILABLE, IO
 */
export async function* inspectPostgres(
  db: PostgresConnection,
  store: LogStore,
  size: TreeSize,
  progress: (rows: number) => void = () => undefined,
): AsyncGenerator<string> {
  let rows = 0
  const seen = (count: number): void => {
    rows += count
    progress(rows)
  }
  const next = await readNext(db)
  if (next < size) yield `${next} leaves are sequenced, fewer than the size ${size}`
  yield* inspectHeads(store, size, seen)
  yield* inspectRuns(db, next, seen)
  yield* inspectTiles(db, size, seen)
  yield* inspectLeaves(db, store, next, seen)
  yield* inspectIdempotency(db, next, seen)
}

type Seen = (count: number) => void

async function* inspectHeads(store: LogStore, size: TreeSize, seen: Seen): AsyncGenerator<string> {
  const head = await store.head()
  const publication = await store.publication()
  seen((head === undefined ? 0 : 1) + (publication === undefined ? 0 : 1))
  if (head === undefined && size > 0) yield 'the head is missing'
  if (head !== undefined) yield* inspectHeadSize('head', head.size, size)
  if (publication !== undefined) yield* inspectHeadSize('publication', publication.size, size)
}

interface RunRow {
  readonly first: number
  readonly count: number
  readonly framed: Uint8Array
}

async function* inspectRuns(
  db: PostgresConnection,
  from: number,
  seen: Seen,
): AsyncGenerator<string> {
  let next = from
  const { released } = await readMark(db)
  let end = released - (released % TILE_WIDTH)
  let after = -1
  for (;;) {
    const runs = await db.query<RunRow>(
      'read entries',
      `SELECT first, count, framed FROM entry_runs WHERE first > $1 ORDER BY first LIMIT ${PAGE}`,
      [after],
    )
    for (const { first, count, framed } of runs) {
      if (first + count > next) next = await readNext(db)
      const name = `entry run ${first}-${first + count - 1}`
      if (framedCount(framed) !== count) yield `${name} is not framed as ${count} entries`
      yield* inspectRun({ name, at: first, count }, end, 'log', next)
      end = Math.max(end, first + count)
      after = first
    }
    seen(runs.length)
    if (runs.length < PAGE) break
  }
  if (end < from) yield `entries from ${end} to ${from - 1} are missing`
}

async function* inspectTiles(
  db: PostgresConnection,
  size: TreeSize,
  seen: Seen,
): AsyncGenerator<string> {
  const { released } = await readMark(db)
  for (let level = 1; level < TILE_LEVELS; level++) {
    const limit = hashesAtLevel(size, level)
    let end = hashesAtLevel(released, level)
    end -= end % TILE_WIDTH
    let after = -1
    for (;;) {
      const runs = await db.query<{ first: number; count: number }>(
        'read tiles',
        `SELECT tile * ${TILE_WIDTH} + first AS first, octet_length(hashes) / ${HASH_SIZE} AS count FROM tiles
         WHERE level = $1 AND (tile, first) > ($2::bigint, $3::smallint) ORDER BY tile, tiles.first LIMIT ${PAGE}`,
        [level, Math.floor(after / TILE_WIDTH), after < 0 ? -1 : after % TILE_WIDTH],
      )
      for (const { first, count } of runs) {
        const offset = first % TILE_WIDTH
        const name = `tile ${level}/${(first - offset) / TILE_WIDTH} hashes from ${offset}`
        yield* inspectRun({ name, at: first, count }, end, 'tree', limit)
        end = Math.max(end, first + count)
        after = first
      }
      seen(runs.length)
      if (runs.length < PAGE) break
    }
    if (end < limit) yield `hashes from ${end} to ${limit - 1} of tile level ${level} are missing`
  }
}

/** Asks for the index of each leaf hash, and for what the remaining indices belong to when there are more. */
async function* inspectLeaves(
  db: PostgresConnection,
  store: LogStore,
  next: number,
  seen: Seen,
): AsyncGenerator<string> {
  const hashAt = hashReader(store)
  let matched = 0
  for (let tile = 0; tile * TILE_WIDTH < next; tile++) {
    let hashes: Uint8Array
    try {
      hashes = await store.tile(0, tile)
    } catch (error) {
      yield messageOf(error)
      continue
    }
    const leaves: LeafHash[] = []
    const end = Math.min(hashes.length, (next - tile * TILE_WIDTH) * HASH_SIZE)
    for (let at = 0; at < end; at += HASH_SIZE) {
      leaves.push(hashes.subarray(at, at + HASH_SIZE) as LeafHash)
    }
    const found = await store.find(leaves)
    for (const [i, index] of found.entries()) {
      const entry = tile * TILE_WIDTH + i
      const name = `leaf hash ${short(leaves[i]!)}`
      if (index === entry) matched++
      else if (index === undefined) yield `${name} of entry ${entry} is not in the index`
      else if (index > entry)
        yield `${name} leads to entry ${index}, but entry ${entry} comes first`
      else if (!(await hashAt(index, leaves[i]!))) {
        yield `${name} leads to entry ${index}, whose leaf hash differs`
      }
    }
    seen(leaves.length)
  }
  yield* findStrays(db, hashAt, next, matched)
}

/** Of the first $1 leaves, and of none at all: what was sequenced since is left out, or a pass would never catch up. */
const LOOKED_AT = 'index < $1 OR index >= (SELECT next FROM sequence)'

/** Indices of no leaf, when there are more than were met. */
async function* findStrays(
  db: PostgresConnection,
  hashAt: (index: number, hash: Uint8Array) => Promise<boolean>,
  end: number,
  matched: number,
): AsyncGenerator<string> {
  const [total] = await db.query<{ count: number }>(
    'count the index of leaves',
    `SELECT count(*) AS count FROM leaf_index WHERE ${LOOKED_AT}`,
    [end],
  )
  if (total?.count === matched) return
  let after = new Uint8Array()
  for (;;) {
    const rows = await db.query<{ hash: Uint8Array; index: number; next: number }>(
      'read the index of leaves',
      `SELECT hash, index, (SELECT next FROM sequence) AS next FROM leaf_index
       WHERE hash > $2 AND (${LOOKED_AT}) ORDER BY hash LIMIT ${4 * PAGE}`,
      [end, after],
    )
    for (const { hash, index, next } of rows) {
      after = hash.slice()
      const name = `leaf hash ${short(hash)}`
      if (index >= next) yield `${name} leads to entry ${index}, beyond the size ${next}`
      else if (!(await hashAt(index, hash))) {
        yield `${name} leads to entry ${index}, whose leaf hash differs`
      }
    }
    if (rows.length < 4 * PAGE) return
  }
}

/** Whether an entry has a leaf hash. */
function hashReader(store: LogStore): (index: number, hash: Uint8Array) => Promise<boolean> {
  let last: { tile: number; hashes: Uint8Array } = { tile: -1, hashes: new Uint8Array() }
  return async (index, hash) => {
    const tile = Math.floor(index / TILE_WIDTH)
    // One that was read before it was full may have grown.
    if (last.tile !== tile || last.hashes.length < TILE_WIDTH * HASH_SIZE) {
      last = { tile, hashes: await store.tile(0, tile).catch(() => new Uint8Array()) }
    }
    const at = (index % TILE_WIDTH) * HASH_SIZE
    return equal(last.hashes.subarray(at, at + HASH_SIZE), hash)
  }
}

async function* inspectIdempotency(
  db: PostgresConnection,
  next: number,
  seen: Seen,
): AsyncGenerator<string> {
  let after = new Uint8Array()
  for (;;) {
    const rows = await db.query<{ key: Uint8Array; beyond: number | null }>(
      'read idempotency records',
      `SELECT key, (SELECT max(i) FROM unnest(indices) AS i WHERE i >= $2) AS beyond
       FROM idempotency WHERE key > $1 ORDER BY key LIMIT ${PAGE}`,
      [after, next],
    )
    const end = rows.some(({ beyond }) => beyond !== null) ? await readNext(db) : next
    for (const { key, beyond } of rows) {
      after = key.slice()
      if (beyond === null || beyond < end) continue
      yield `idempotency key ${short(key)} names entry ${beyond}, beyond the size ${end}`
    }
    seen(rows.length)
    if (rows.length < PAGE) return
  }
}

function short(bytes: Uint8Array): string {
  return `${toHex(bytes.subarray(0, 4))}…`
}
