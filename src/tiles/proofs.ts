/**
 * Proofs from tiles (RFC 6962 section 2.1 over C2SP tlog-tiles): a server, a client and an auditor compute the same
 * proofs from the same static files. The hashes are only as good as their source: see verified-source.ts.
 */
import { malformed } from '../errors.ts'
import { TILE_WIDTH, tilePath } from '../formats/tile.ts'
import { consistencyPath } from '../merkle/consistency.ts'
import { Frontier, frontierPositions, rootOfFrontier } from '../merkle/frontier.ts'
import {
  HASH_SIZE,
  hashChildrenInto,
  type NodeHash,
  nodeHash,
  type RootHash,
} from '../merkle/hash.ts'
import { inclusionPath } from '../merkle/inclusion.ts'
import type { LeafIndex, Position, TreeSize } from '../merkle/position.ts'
import { completeParts, sliceOf, tileWidth } from './geometry.ts'
import type { TileSource } from './source.ts'

/**
 * A tile of the source, checked to have the length asked for.
 * @throws MALFORMED when it has another
 */
export async function readTile(
  source: TileSource,
  level: number,
  tile: number,
  width: number,
): Promise<Uint8Array> {
  const hashes = await source.tile(level, tile, width)
  if (hashes.length !== width * HASH_SIZE) {
    throw malformed(
      `${tilePath(level, tile, width)} has ${hashes.length} bytes instead of ${width * HASH_SIZE}`,
    )
  }
  return hashes
}

/** The root of the complete subtree over `count` hashes (a power of two) of a tile, from its `offset`-th on. */
export function foldHashes(tile: Uint8Array, offset: number, count: number): NodeHash {
  const hashes = tile.slice(offset * HASH_SIZE, (offset + count) * HASH_SIZE)
  for (let left = count / 2; left >= 1; left /= 2) {
    for (let i = 0; i < left; i++)
      hashChildrenInto(hashes, 2 * i * HASH_SIZE, hashes, i * HASH_SIZE)
  }
  return nodeHash(hashes.slice(0, HASH_SIZE))
}

/**
 * The hashes of subtrees of a tree of `size` leaves, in the order asked for. Each tile is read once, at the width it
 * has in that tree.
 * @throws RangeError when a subtree has no leaf in the tree
 * @throws MALFORMED when the source answers with the wrong number of hashes, and whatever the source throws
 */
export async function readNodes(
  source: TileSource,
  size: TreeSize,
  positions: readonly Position[],
): Promise<NodeHash[]> {
  const wanted = positions.map((position) => completeParts(position, size).map(sliceOf))
  const reads = new Map<string, Promise<Uint8Array>>()
  const keyOf = (level: number, tile: number): string => tilePath(level, tile, TILE_WIDTH)
  for (const { level, tile } of wanted.flat()) {
    const key = keyOf(level, tile)
    if (reads.has(key)) continue
    reads.set(key, readTile(source, level, tile, tileWidth(level, tile, size)))
  }
  const tiles = new Map(
    await Promise.all([...reads].map(async ([key, read]) => [key, await read] as const)),
  )
  return wanted.map((slices) => {
    const parts = slices.map(({ level, tile, offset, count }) =>
      foldHashes(tiles.get(keyOf(level, tile))!, offset, count),
    )
    return nodeHash(rootOfFrontier(parts))
  })
}

/**
 * The inclusion proof of a leaf in the tree of `size` leaves.
 * @throws RangeError unless `index < size`; otherwise as readNodes
 */
export async function inclusionProof(
  source: TileSource,
  index: LeafIndex,
  size: TreeSize,
): Promise<NodeHash[]> {
  return readNodes(source, size, inclusionPath(index, size))
}

/**
 * The consistency proof from the tree of `first` leaves to that of `second`.
 * @throws RangeError unless `0 < first <= second`; otherwise as readNodes
 */
export async function consistencyProof(
  source: TileSource,
  first: TreeSize,
  second: TreeSize,
): Promise<NodeHash[]> {
  return readNodes(source, second, consistencyPath(first, second))
}

/** The root of the tree of `size` leaves. @throws as readNodes */
export async function rootFromTiles(source: TileSource, size: TreeSize): Promise<RootHash> {
  return rootOfFrontier(await readNodes(source, size, frontierPositions(size)))
}

/** The frontier of the tree of `size` leaves, from which appending goes on. @throws as readNodes */
export async function frontierFromTiles(source: TileSource, size: TreeSize): Promise<Frontier> {
  return new Frontier(size, await readNodes(source, size, frontierPositions(size)))
}
