/**
 * Whether a commit is exactly what takes a log from one size to the next: every new entry in a bundle, every
 * complete subtree of 256^level leaves in a tile, each run continuing where the stored ones end. An adapter that
 * checks this before it writes can never store a gap, whatever the caller computed.
 */
import { TILE_WIDTH } from '../formats/tile.ts'
import { HASH_SIZE } from '../merkle/hash.ts'
import type { TreeSize } from '../merkle/position.ts'
import type { Commit, TileRun } from './port.ts'

/** No tree has tiles of more levels, since no size is beyond 2^53-1. */
export const TILE_LEVELS = 7

/** The number of hashes at a tile level in a tree of `size` leaves. */
export function hashesAtLevel(size: TreeSize, level: number): number {
  return Math.floor(size / TILE_WIDTH ** level)
}

/** The entries in framed bytes (u16 length ‖ entry, repeated), or undefined when the framing is broken. */
export function framedCount(framed: Uint8Array): number | undefined {
  let count = 0
  let at = 0
  while (at + 2 <= framed.length) {
    at += 2 + framed[at]! * 256 + framed[at + 1]!
    count++
  }
  return at === framed.length ? count : undefined
}

/** @throws RangeError naming the first thing that does not fit */
export function checkCommit(commit: Commit): void {
  const { previousSize, head } = commit
  const refuse = (what: string): never => {
    throw new RangeError(`commit from ${previousSize} to ${head.size}: ${what}`)
  }
  if (head.size < previousSize) refuse('the tree would shrink')
  if (commit.leafHashes.length !== (head.size - previousSize) * HASH_SIZE) {
    refuse(`${commit.leafHashes.length} bytes of leaf hashes`)
  }

  let entries: number = previousSize
  for (const { bundle, offset, count, framed } of commit.bundles) {
    if (
      offset < 0 ||
      bundle * TILE_WIDTH + offset !== entries ||
      count < 1 ||
      offset + count > TILE_WIDTH
    ) {
      refuse(`bundle ${bundle} from ${offset} does not continue at entry ${entries}`)
    }
    if (framedCount(framed) !== count) refuse(`bundle ${bundle} is not framed as ${count} entries`)
    entries += count
  }
  if (entries !== head.size) refuse(`its bundles end at ${entries}`)

  checkTiles(previousSize, head.size, commit.tiles, 0)
}

/**
 * Whether runs of tiles are exactly what takes a tree from one size to the next, from a level on.
 * @throws RangeError naming the first thing that does not fit
 */
export function checkTiles(
  previousSize: TreeSize,
  size: TreeSize,
  tiles: readonly TileRun[],
  lowest: number,
): void {
  const refuse = (what: string): never => {
    throw new RangeError(`commit from ${previousSize} to ${size}: ${what}`)
  }
  const ends: number[] = []
  for (const { level, tile, offset, hashes } of tiles) {
    if (!Number.isInteger(level) || level < lowest || level >= TILE_LEVELS)
      refuse(`tile level ${level}`)
    const end = ends[level] ?? hashesAtLevel(previousSize, level)
    const count = hashes.length / HASH_SIZE
    if (offset < 0 || tile * TILE_WIDTH + offset !== end || offset + count > TILE_WIDTH) {
      refuse(`tile ${level}/${tile} from ${offset} does not continue at hash ${end}`)
    }
    if (!Number.isInteger(count) || count < 1)
      refuse(`tile ${level}/${tile} of ${hashes.length} bytes`)
    ends[level] = end + count
  }
  for (let level = lowest; level < TILE_LEVELS; level++) {
    const end = ends[level] ?? hashesAtLevel(previousSize, level)
    if (end !== hashesAtLevel(size, level)) refuse(`its tiles of level ${level} end at ${end}`)
  }
}
