/**
 * What only the store can see of its own damage: keys that belong to nothing, values of a wrong shape, runs that do
 * not follow on or lie beyond the tree, deduplication keys that lead to another leaf. Whether the tiles hash to the
 * root is for others to check, with any source of tiles.
 *
 * One pass over the keys in their order, then one over the level-0 tiles that asks for the key of each leaf. When as
 * many keys led to their leaf as there are keys, none leads astray; otherwise a third pass finds those that do.
 */
import { equal } from '../bytes.ts'
import { messageOf } from '../errors.ts'
import { TILE_WIDTH } from '../formats/tile.ts'
import { HASH_SIZE } from '../merkle/hash.ts'
import type { TreeSize } from '../merkle/position.ts'
import { framedCount, hashesAtLevel, TILE_LEVELS } from './commit-shape.ts'
import { inspectHeadSize, inspectRun } from './inspect-shape.ts'
import { engineFailure, type LevelDatabase } from './level-engine.ts'
import {
  DEDUP,
  DIGEST_BYTES,
  dedupKey,
  describeKey,
  INDEX_BYTES,
  parseKey,
  readIndex,
  TILE,
  tileRange,
} from './level-keys.ts'
import { decodeHead, decodeIdempotency, decodePublication } from './level-records.ts'

const READ_AHEAD = { highWaterMarkBytes: 2 ** 20 }

/** Leaves whose keys are looked for together, in the order of the keys, so that each table is visited once. */
const TOGETHER = 2 ** 16
const ASKED_AT_ONCE = 2 ** 10

/** @throws CORRUPT, IO when the engine itself cannot read on */
export async function* inspectLevel(
  database: LevelDatabase,
  size: TreeSize,
  progress: (keys: number) => void = () => undefined,
): AsyncGenerator<string> {
  try {
    const dedupKeys = yield* inspectKeys(database, size, progress)
    const matched = yield* inspectLeaves(database, size)
    if (matched < dedupKeys) yield* findStrayDedupKeys(database, size)
  } catch (error) {
    throw engineFailure('read the whole store', error)
  }
}

/** Looks at every key and its value; returns how many deduplication keys of the right shape there are. */
async function* inspectKeys(
  database: LevelDatabase,
  size: TreeSize,
  progress: (keys: number) => void,
): AsyncGenerator<string, number> {
  /** Where the runs seen so far end: entries of bundles, and hashes of each tile level. */
  const ends = { bundles: 0, tiles: new Array<number>(TILE_LEVELS).fill(0) }
  let keys = 0
  let dedupKeys = 0
  let hasHead = false
  for await (const [key, value] of database.iterator(READ_AHEAD)) {
    progress(++keys)
    const parsed = parseKey(key)
    if (parsed.kind === 'dedup') {
      dedupKeys += value.length === INDEX_BYTES ? 1 : 0
      const problem = dedupProblem(key, value, size)
      if (problem !== undefined) yield problem
      continue
    }
    const name = describeKey(key)
    switch (parsed.kind) {
      case 'unknown':
        yield `${name} ${parsed.reason}`
        break
      case 'head':
      case 'publication':
      case 'idempotency':
        hasHead ||= parsed.kind === 'head'
        yield* inspectRecord(parsed.kind, name, value, size)
        break
      case 'bundle': {
        const at = parsed.bundle * TILE_WIDTH + parsed.first
        const count = parsed.last - parsed.first + 1
        if (framedCount(value) !== count) yield `${name} is not framed as ${count} entries`
        yield* inspectRun({ name, at, count }, ends.bundles, 'tree', size)
        ends.bundles = Math.max(ends.bundles, at + count)
        break
      }
      default: {
        const { level, tile, offset } = parsed
        const count = value.length / HASH_SIZE
        if (level >= TILE_LEVELS) {
          yield `${name} is of a level that no tree reaches`
          break
        }
        if (!Number.isInteger(count) || count === 0 || offset + count > TILE_WIDTH) {
          yield `${name} has ${value.length} bytes, not 1 to ${TILE_WIDTH - offset} hashes`
          break
        }
        const at = tile * TILE_WIDTH + offset
        yield* inspectRun(
          { name, at, count },
          ends.tiles[level]!,
          'tree',
          hashesAtLevel(size, level),
        )
        ends.tiles[level] = Math.max(ends.tiles[level]!, at + count)
      }
    }
  }
  if (size > 0 && !hasHead) yield 'the head is missing'
  if (ends.bundles < size) yield `entries from ${ends.bundles} to ${size - 1} are missing`
  for (let level = 0; level < TILE_LEVELS; level++) {
    const wanted = hashesAtLevel(size, level)
    const end = ends.tiles[level]!
    if (end < wanted) yield `hashes from ${end} to ${wanted - 1} of tile level ${level} are missing`
  }
  return dedupKeys
}

/** Not a generator like the others: this is the commonest key by far. */
function dedupProblem(key: Uint8Array, value: Uint8Array, size: TreeSize): string | undefined {
  if (value.length !== INDEX_BYTES) {
    return `${describeKey(key)} has a value of ${value.length} bytes instead of ${INDEX_BYTES}`
  }
  const index = readIndex(value, 0)
  if (index < size) return undefined
  return `${describeKey(key)} points to entry ${index}, beyond the size ${size}`
}

function* inspectRecord(
  kind: 'head' | 'publication' | 'idempotency',
  name: string,
  value: Uint8Array,
  size: TreeSize,
): Generator<string> {
  try {
    if (kind === 'idempotency') {
      const { indices } = decodeIdempotency(new Uint8Array(DIGEST_BYTES), value)
      const beyond = indices.find((index) => index >= size)
      if (beyond !== undefined) yield `${name} names entry ${beyond}, beyond the size ${size}`
      return
    }
    const record = kind === 'head' ? decodeHead(value) : decodePublication(value)
    yield* inspectHeadSize(kind, record.size, size)
  } catch (error) {
    yield messageOf(error)
  }
}

interface LeafKey {
  readonly index: number
  readonly key: Uint8Array
  /** The key's first bytes as a number. */
  readonly order: number
}

/** Asks for the key of each leaf; returns how many keys lead to the very leaf that was asked for. */
async function* inspectLeaves(
  database: LevelDatabase,
  size: TreeSize,
): AsyncGenerator<string, number> {
  let matched = 0
  const range = { gte: Uint8Array.of(TILE, 0), lt: Uint8Array.of(TILE, 1) }
  let leaves: LeafKey[] = []
  async function* look(): AsyncGenerator<string> {
    leaves.sort((a, b) => a.order - b.order)
    for (let from = 0; from < leaves.length; from += ASKED_AT_ONCE) {
      const asked = leaves.slice(from, from + ASKED_AT_ONCE)
      const values = await database.getMany(asked.map(({ key }) => key))
      for (const [i, { index, key }] of asked.entries()) {
        const value = values[i]
        if (value === undefined) yield `${describeKey(key)} of entry ${index} is missing`
        if (value?.length !== INDEX_BYTES) continue
        const named = readIndex(value, 0)
        if (named === index) matched++
        else if (named > index) {
          yield `${describeKey(key)} points to entry ${named}, but entry ${index} comes first`
        }
      }
    }
    leaves = []
  }
  for await (const [key, hashes] of database.iterator({ ...range, ...READ_AHEAD })) {
    const parsed = parseKey(key)
    if (parsed.kind !== 'tile') continue
    const start = parsed.tile * TILE_WIDTH + parsed.offset
    for (let at = 0; at + HASH_SIZE <= hashes.length; at += HASH_SIZE) {
      const index = start + at / HASH_SIZE
      if (index >= size) break
      const key = dedupKey(hashes.subarray(at, at + HASH_SIZE))
      leaves.push({ index, key, order: readIndex(key, 0) })
    }
    if (leaves.length >= TOGETHER) yield* look()
  }
  yield* look()
  return matched
}

/** Names the keys whose entry has another leaf hash. */
async function* findStrayDedupKeys(
  database: LevelDatabase,
  size: TreeSize,
): AsyncGenerator<string> {
  const range = { gte: Uint8Array.of(DEDUP), lt: Uint8Array.of(DEDUP + 1) }
  for await (const [key, value] of database.iterator({ ...range, ...READ_AHEAD })) {
    if (parseKey(key).kind !== 'dedup' || value.length !== INDEX_BYTES) continue
    const index = readIndex(value, 0)
    if (index >= size) continue
    const hash = await leafHashAt(database, index)
    if (hash === undefined || !equal(dedupKey(hash), key)) {
      yield `${describeKey(key)} points to entry ${index}, whose leaf hash differs`
    }
  }
}

/** Reads one leaf hash without minding the rest of its tile. */
async function leafHashAt(database: LevelDatabase, index: number): Promise<Uint8Array | undefined> {
  const runs = await database.iterator(tileRange(0, Math.floor(index / TILE_WIDTH))).all()
  for (const [key, hashes] of runs) {
    const parsed = parseKey(key)
    if (parsed.kind !== 'tile') continue
    const at = ((index % TILE_WIDTH) - parsed.offset) * HASH_SIZE
    if (at >= 0 && at + HASH_SIZE <= hashes.length) return hashes.subarray(at, at + HASH_SIZE)
  }
  return undefined
}
