/**
 * The right edge of the tree in memory: every node of the tiles that are growing, and of those that were completed
 * lately. Appending costs an amortised one hash a leaf, and a proof for a fresh leaf is a walk without hashing.
 */
import { TILE_WIDTH } from '../formats/tile.ts'
import { EMPTY_ROOT, hashChildren, type NodeHash, type RootHash, rootHash } from '../merkle/hash.ts'
import { inclusionPath } from '../merkle/inclusion.ts'
import {
  isComplete,
  isOdd,
  type LeafIndex,
  type Position,
  shiftRight,
  type TreeSize,
  treeHeight,
} from '../merkle/position.ts'
import { placeOf, TileNodes } from './tile-nodes.ts'

/** One level of tiles: the one that grows, and the last few before it. */
interface Level {
  growing: TileNodes
  readonly recent: Map<number, TileNodes>
}

/** The nodes at the tree's right edge for one size: `[h]` is the rightmost subtree of height h, full or not. */
export type RightEdge = readonly NodeHash[]

export class EdgeTree {
  readonly #levels: Level[] = []
  readonly #keep: number
  #size = 0

  /** An empty tree that remembers the last `keep` completed tiles of each level. */
  constructor(keep = 64) {
    this.#keep = keep
  }

  /**
   * The tree of `size` leaves, from the tiles that hold its last leaf and that leaf's ancestors.
   * `readTile` gives the hashes of a tile that the tree of `size` leaves has: `32·width` bytes.
   */
  static async restore(
    size: TreeSize,
    readTile: (level: number, tile: number, width: number) => Promise<Uint8Array>,
    keep?: number,
  ): Promise<EdgeTree> {
    const tree = new EdgeTree(keep)
    for (let level = 0, count: number = size; count > 0; level++) {
      const tile = Math.floor((count - 1) / TILE_WIDTH)
      const width = count - tile * TILE_WIDTH
      const hashes = await readTile(level, tile, width)
      const growing = TileNodes.of(tile, hashes)
      tree.#levels.push({ growing, recent: new Map() })
      count = Math.floor(count / TILE_WIDTH)
    }
    tree.#size = size
    return tree
  }

  get size(): TreeSize {
    return this.#size as TreeSize
  }

  /** Appends the leaf hash at `source[offset..offset+32)`. */
  append(source: Uint8Array, offset: number): void {
    this.#appendTo(0, this.#size, source, offset)
    this.#size++
  }

  #appendTo(level: number, index: number, source: Uint8Array, offset: number): void {
    const tile = Math.floor(index / TILE_WIDTH)
    let tiles = this.#levels[level]
    if (tiles === undefined) {
      tiles = { growing: new TileNodes(tile), recent: new Map() }
      this.#levels.push(tiles)
    }
    if (tiles.growing.index !== tile) {
      tiles.recent.set(tiles.growing.index, tiles.growing)
      if (tiles.recent.size > this.#keep) tiles.recent.delete(tiles.recent.keys().next().value!)
      tiles.growing = new TileNodes(tile)
    }
    const root = tiles.growing.append(source, offset)
    if (root !== undefined) this.#appendTo(level + 1, tile, root, 0)
  }

  /** The hash of a complete subtree, or undefined when its tile is no longer in memory. */
  node(position: Position): NodeHash | undefined {
    const { level, tile, height, at } = placeOf(position)
    return this.#tile(level, tile)?.node(height, at)
  }

  /** Hashes `from` to `to` of a tile still in memory. @throws Error when it is not */
  tileHashes(level: number, tile: number, from: number, to: number): Uint8Array {
    const nodes = this.#tile(level, tile)
    if (nodes === undefined) {
      throw new Error(`unreachable: tile ${level}/${tile} left the edge too soon`)
    }
    return nodes.hashes(from, to)
  }

  #tile(level: number, tile: number): TileNodes | undefined {
    const tiles = this.#levels[level]
    return tiles?.growing.index === tile ? tiles.growing : tiles?.recent.get(tile)
  }

  /** The right edge at the present size. */
  rightEdge(): RightEdge {
    const edge: NodeHash[] = []
    if (this.#size === 0) return edge
    const last = this.#size - 1
    edge.push(this.#present({ height: 0, index: last }))
    for (let height = 1; height <= treeHeight(this.size); height++) {
      const position = { height, index: shiftRight(last, height) }
      if (isComplete(position, this.size)) {
        edge.push(this.#present(position))
        continue
      }
      const below = edge[height - 1]!
      const child = shiftRight(last, height - 1)
      edge.push(
        isOdd(child)
          ? hashChildren(this.#present({ height: height - 1, index: child - 1 }), below)
          : below,
      )
    }
    return edge
  }

  #present(position: Position): NodeHash {
    const node = this.node(position)
    if (node === undefined)
      throw new Error(`unreachable: node ${position.height}/${position.index} left the edge`)
    return node
  }

  /**
   * The inclusion proof of a leaf in the tree of `size` leaves whose right edge is `edge`, or undefined when it needs
   * tiles that are no longer in memory.
   */
  inclusionProof(index: LeafIndex, size: TreeSize, edge: RightEdge): NodeHash[] | undefined {
    const proof: NodeHash[] = []
    for (const position of inclusionPath(index, size)) {
      const node = isComplete(position, size) ? this.node(position) : edge[position.height]
      if (node === undefined) return undefined
      proof.push(node)
    }
    return proof
  }
}

/** The root that a right edge leads to. */
export function rootOfEdge(edge: RightEdge): RootHash {
  const top = edge.at(-1)
  return top === undefined ? EMPTY_ROOT : rootHash(top)
}
