/** Where two sources of one tree disagree. */
import { TILE_WIDTH } from '../formats/tile.ts'
import { HASH_SIZE } from '../merkle/hash.ts'
import { type LeafIndex, leafIndex, shiftRight, type TreeSize } from '../merkle/position.ts'
import { partialWidth, TILE_HEIGHT } from './geometry.ts'
import type { TileSource } from './source.ts'

/**
 * The first leaf of the tree of `size` leaves whose hashes differ, or undefined when the tiles are the same. Reads one
 * tile of each on every level at most twice: each source is taken to be consistent in itself, as verified-source.ts
 * makes sure.
 * @throws whatever the sources throw
 */
export async function firstDifference(
  mine: TileSource,
  theirs: TileSource,
  size: TreeSize,
): Promise<LeafIndex | undefined> {
  let top = 0
  while (shiftRight(size, TILE_HEIGHT * (top + 1)) > 0) top++
  // The partial tiles that end the levels, from the top down, are the tree from left to right.
  for (let level = top; level >= 0; level--) {
    const width = partialWidth(level, size)
    const tile = shiftRight(size, TILE_HEIGHT * (level + 1))
    if (width === 0) continue
    const at = await differenceIn(mine, theirs, { level, tile, width })
    if (at !== undefined) return descend(mine, theirs, level, tile * TILE_WIDTH + at)
  }
  return undefined
}

/** From a hash that differs to the first leaf below it that does. */
async function descend(
  mine: TileSource,
  theirs: TileSource,
  level: number,
  index: number,
): Promise<LeafIndex> {
  if (level === 0) return leafIndex(index)
  const below = { level: level - 1, tile: index, width: TILE_WIDTH }
  const at = (await differenceIn(mine, theirs, below)) ?? 0
  return descend(mine, theirs, level - 1, index * TILE_WIDTH + at)
}

async function differenceIn(
  mine: TileSource,
  theirs: TileSource,
  { level, tile, width }: { level: number; tile: number; width: number },
): Promise<number | undefined> {
  const [a, b] = await Promise.all([mine.tile(level, tile, width), theirs.tile(level, tile, width)])
  const byte = a.findIndex((value, i) => value !== b[i])
  return byte < 0 ? undefined : Math.floor(byte / HASH_SIZE)
}
