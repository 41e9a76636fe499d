/** A tile and the nodes above its hashes, so that a proof looks them up instead of hashing them again. */
import { TILE_WIDTH } from '../formats/tile.ts'
import { HASH_SIZE, hashChildren, hashChildrenInto, type NodeHash } from '../merkle/hash.ts'
import type { Position } from '../merkle/position.ts'
import { TILE_HEIGHT } from '../tiles/geometry.ts'

/** A tile's own hashes and the nodes above them, up to the two children of the tile's root: 256 + 128 + … + 2. */
const TILE_NODES = 510

/** Where the nodes of a height begin inside a tile: 0, 256, 384, … */
const HEIGHT_START = Array.from({ length: TILE_HEIGHT }, (_, height) => 512 - (512 >> height))

/** One tile with its interior nodes. Nodes are written once, when their last leaf arrives, and never change. */
export class TileNodes {
  readonly index: number
  readonly #nodes = new Uint8Array(TILE_NODES * HASH_SIZE)
  #count = 0

  constructor(index: number) {
    this.index = index
  }

  /** The tile with these hashes, 1 to 256 of 32 bytes. */
  static of(index: number, hashes: Uint8Array): TileNodes {
    const tile = new TileNodes(index)
    for (let at = 0; at < hashes.length; at += HASH_SIZE) tile.append(hashes, at)
    return tile
  }

  /** Adds the next hash. Returns the tile's root when this completes it. */
  append(source: Uint8Array, offset: number): NodeHash | undefined {
    const nodes = this.#nodes
    let at = this.#count++
    nodes.set(source.subarray(offset, offset + HASH_SIZE), at * HASH_SIZE)
    // Positions inside one tile are below 256, where bit operators are safe.
    for (let height = 1; height < TILE_HEIGHT && (at & 1) === 1; height++) {
      const left = (HEIGHT_START[height - 1]! + at - 1) * HASH_SIZE
      at >>= 1
      hashChildrenInto(nodes, left, nodes, (HEIGHT_START[height]! + at) * HASH_SIZE)
    }
    if (this.#count < TILE_WIDTH) return undefined
    return hashChildren(this.node(TILE_HEIGHT - 1, 0), this.node(TILE_HEIGHT - 1, 1))
  }

  /** The `at`-th complete node, `height` levels above the tile's own hashes. */
  node(height: number, at: number): NodeHash {
    const start = (HEIGHT_START[height]! + at) * HASH_SIZE
    return this.#nodes.subarray(start, start + HASH_SIZE) as NodeHash
  }

  /** The tile's own hashes from `from` up to `to`. */
  hashes(from: number, to: number): Uint8Array {
    return this.#nodes.subarray(from * HASH_SIZE, to * HASH_SIZE)
  }
}

/** Where a subtree's hash lies: `height` levels above the `at`-th hash of a tile. */
export interface NodePlace {
  readonly level: number
  readonly tile: number
  readonly height: number
  readonly at: number
}

export function placeOf(position: Position): NodePlace {
  const level = Math.floor(position.height / TILE_HEIGHT)
  const height = position.height % TILE_HEIGHT
  const width = TILE_WIDTH >> height
  const tile = Math.floor(position.index / width)
  return { level, tile, height, at: position.index - tile * width }
}
