/** Reads of a log that take many leaves or nodes at once. */
import { fromUtf8 } from '../bytes.ts'
import { CairnError } from '../errors.ts'
import { decodeBundle } from '../formats/bundle.ts'
import type { RecordLeaf } from '../formats/record.ts'
import { TILE_WIDTH } from '../formats/tile.ts'
import type { LogService } from '../log/service.ts'
import type { NodeHash } from '../merkle/hash.ts'
import { type LeafIndex, leafIndex, type Position, type TreeSize } from '../merkle/position.ts'
import { bundleWidth, sliceOf } from '../tiles/geometry.ts'
import { readNodes } from '../tiles/proofs.ts'
import type { TileSource } from '../tiles/source.ts'

/** A leaf and where it stands. */
export interface PlacedLeaf {
  readonly index: LeafIndex
  readonly leaf: Uint8Array
}

/**
 * Leaves of the log. Each bundle is read once, as long as the indices ascend.
 * @throws NOT_FOUND beyond the committed head; IO
 */
export async function* readLeaves(
  log: Pick<LogService, 'bundle' | 'head'>,
  indices: Iterable<LeafIndex> | AsyncIterable<LeafIndex>,
): AsyncGenerator<PlacedLeaf> {
  let entries: readonly Uint8Array[] = []
  let read = -1
  for await (const index of indices) {
    const bundle = Math.floor(index / TILE_WIDTH)
    const at = index - bundle * TILE_WIDTH
    if (bundle !== read || at >= entries.length) {
      const width = bundleWidth(bundle, log.head().size)
      const framed = at < width ? await log.bundle(bundle, width) : undefined
      if (framed === undefined) throw new CairnError('NOT_FOUND', `the log has no entry ${index}`)
      entries = decodeBundle(framed, width)
      read = bundle
    }
    yield { index: leafIndex(index), leaf: entries[at]! }
  }
}

/** What a leaf says that the index has as a record: one that the log has made, so that it needs no second look. */
export function recordIn(leaf: Uint8Array): RecordLeaf {
  return JSON.parse(fromUtf8(leaf)) as RecordLeaf
}

/** Nodes that are read at once: with the tiles they come from, some 20 MB at the most. */
const NODES_AT_ONCE = 2_048

/**
 * The hashes of nodes of the tree of `size` leaves, in the order asked for. Holds the tiles of some of them at a time.
 * @throws NOT_FOUND when the log is not as large; IO
 */
export async function readManyNodes(
  log: Pick<LogService, 'tile'>,
  size: TreeSize,
  positions: readonly Position[],
): Promise<NodeHash[]> {
  const source = tilesOf(log)
  const hashes: NodeHash[] = new Array(positions.length)
  // Nodes of one tile together, so that it is read once.
  const order = positions
    .map((position, place) => ({ place, position, ...sliceOf(position) }))
    .sort((a, b) => a.level - b.level || a.tile - b.tile)
  for (let at = 0; at < order.length; at += NODES_AT_ONCE) {
    const some = order.slice(at, at + NODES_AT_ONCE)
    const read = await readNodes(
      source,
      size,
      some.map(({ position }) => position),
    )
    for (const [i, { place }] of some.entries()) hashes[place] = read[i]!
  }
  return hashes
}

function tilesOf(log: Pick<LogService, 'tile'>): TileSource {
  return {
    async tile(level, tile, width) {
      const hashes = await log.tile(level, tile, width)
      if (hashes !== undefined) return hashes
      throw new CairnError('NOT_FOUND', `the log has no ${width} hashes of tile ${level}/${tile}`)
    },
    bundle: () => Promise.reject(new RangeError('no bundle is read for a proof')),
  }
}
