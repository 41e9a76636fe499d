/**
 * Which tiles hold a tree (C2SP tlog-tiles). Hash `i` of level `l` is the root of the complete subtree of height 8·l
 * and index `i`; a tile holds 256 of them side by side. The heights between two levels are not stored: they are
 * folded from the lower level's hashes, which always lie in one tile.
 */
import { type BundleCoordinate, TILE_WIDTH, type TileCoordinate } from '../formats/tile.ts'
import { frontierPositions } from '../merkle/frontier.ts'
import {
  isComplete,
  type Position,
  shiftRight,
  type TreeSize,
  treeSize,
} from '../merkle/position.ts'

/** Heights from one level of tiles to the next. */
export const TILE_HEIGHT = 8

/** `count` hashes of a tile from its `offset`-th on; `count` is a power of two, at most 128. */
export interface TileSlice {
  readonly level: number
  readonly tile: number
  readonly offset: number
  readonly count: number
}

/** The hashes that fold into the root of a complete subtree. */
export function sliceOf(position: Position): TileSlice {
  const level = Math.floor(position.height / TILE_HEIGHT)
  const count = 2 ** (position.height % TILE_HEIGHT)
  const perTile = TILE_WIDTH / count
  return {
    level,
    tile: Math.floor(position.index / perTile),
    offset: (position.index % perTile) * count,
    count,
  }
}

/**
 * The complete subtrees that make up a subtree in a tree of `size` leaves, left to right: the subtree itself, or
 * those at the tree's right edge when the edge cuts it.
 * @throws RangeError when the subtree has no leaf in the tree
 */
export function completeParts(position: Position, size: TreeSize): Position[] {
  if (isComplete(position, size)) return [position]
  const parts = frontierPositions(size).filter((part) => part.height < position.height)
  // Only the subtree in which the tree ends can be cut, and only where it holds a leaf.
  if (position.index !== shiftRight(size, position.height) || parts.length === 0) {
    throw new RangeError(
      `subtree ${position.index} of height ${position.height} is outside a tree of ${size} leaves`,
    )
  }
  return parts
}

/** The hashes that a tile has in a tree of `size` leaves: 256 when it is full, 0 when the tree does not reach it. */
export function tileWidth(level: number, tile: number, size: TreeSize): number {
  const hashes = shiftRight(size, TILE_HEIGHT * level)
  return Math.max(0, Math.min(TILE_WIDTH, hashes - tile * TILE_WIDTH))
}

/** The entries that a bundle has in a tree of `size` leaves, 0 to 256. */
export function bundleWidth(bundle: number, size: TreeSize): number {
  return tileWidth(0, bundle, size)
}

/** The width of the partial tile that ends a level in a tree of `size` leaves; 0 when that level has none. */
export function partialWidth(level: number, size: TreeSize): number {
  return shiftRight(size, TILE_HEIGHT * level) % TILE_WIDTH
}

/**
 * The tiles of a tree of `size` leaves, level by level, each at the width it has there. With `since`, only those
 * that a tree of `since` leaves does not have, or has at a smaller width.
 */
export function* tilesOf(size: TreeSize, since: TreeSize = treeSize(0)): Generator<TileCoordinate> {
  for (let level = 0, hashes: number = size; hashes > 0; level++) {
    const known = shiftRight(since, TILE_HEIGHT * level)
    if (known < hashes) {
      for (let tile = shiftRight(known, TILE_HEIGHT); tile * TILE_WIDTH < hashes; tile++) {
        yield { level, tile, width: tileWidth(level, tile, size) }
      }
    }
    hashes = shiftRight(hashes, TILE_HEIGHT)
  }
}

/** The entry bundles of a tree of `size` leaves, each at its width; with `since`, as for `tilesOf`. */
export function* bundlesOf(
  size: TreeSize,
  since: TreeSize = treeSize(0),
): Generator<BundleCoordinate> {
  if (since >= size) return
  for (let bundle = shiftRight(since, TILE_HEIGHT); bundle * TILE_WIDTH < size; bundle++) {
    yield { bundle, width: bundleWidth(bundle, size) }
  }
}
