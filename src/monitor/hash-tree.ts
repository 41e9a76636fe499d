/**
 * The hashes of a tree that grows: kept level by level as in tiles, with the tiles that are not full yet in memory.
 * Whatever was appended can be read back as tiles, so that proofs about any earlier size need nothing from the log.
 */
import { join } from '../bytes.ts'
import { CairnError } from '../errors.ts'
import { TILE_WIDTH } from '../formats/tile.ts'
import { Frontier, frontierPositions } from '../merkle/frontier.ts'
import { HASH_SIZE, type NodeHash } from '../merkle/hash.ts'
import { shiftRight, type TreeSize, treeSize } from '../merkle/position.ts'
import type { MonitoredLogStore } from '../storage/monitor-port.ts'
import { partialWidth, sliceOf, TILE_HEIGHT } from '../tiles/geometry.ts'
import { foldHashes } from '../tiles/proofs.ts'
import type { TileSource } from '../tiles/source.ts'

const TILE_SIZE = TILE_WIDTH * HASH_SIZE
/** Bytes of leaf hashes that wait in memory before they are handed to the store. */
const BUFFER_SIZE = 2 ** 20

/** The hashes of one level that do not fill a tile yet, and those that the store does not have yet. */
interface Edge {
  readonly tile: Uint8Array
  count: number
  waiting: Uint8Array[]
}

export class HashTree {
  readonly #store: MonitoredLogStore
  readonly #levels: Edge[] = []
  #size: number
  #waitingBytes = 0
  #isBroken = false

  private constructor(store: MonitoredLogStore, size: TreeSize) {
    this.#store = store
    this.#size = size
  }

  /**
   * The tree of the first `size` leaves in a store; what the store has beyond is dropped.
   * @throws CORRUPT when the store has fewer; IO
   */
  static async open(store: MonitoredLogStore, size: TreeSize): Promise<HashTree> {
    const tree = new HashTree(store, size)
    for (let level = 0; ; level++) {
      const hashes = shiftRight(size, TILE_HEIGHT * level)
      if (hashes === 0 && store.count(level) === 0) break
      if (store.count(level) < hashes) {
        throw new CairnError('CORRUPT', `hashes of level ${level} are missing`)
      }
      await store.cut(level, hashes)
      const count = partialWidth(level, size)
      const edge = tree.#edge(level)
      edge.count = count
      if (count > 0) edge.tile.set(await store.read(level, hashes - count, count))
    }
    return tree
  }

  get size(): TreeSize {
    return this.#size as TreeSize
  }

  /** Appends leaf hashes, 32 bytes each. Readable once flushed. */
  append(leafHashes: Uint8Array): void {
    this.#push(0, leafHashes)
    this.#size = treeSize(this.#size + leafHashes.length / HASH_SIZE)
  }

  /** Whether so much waits in memory that it should be flushed. */
  get isFull(): boolean {
    return this.#waitingBytes >= BUFFER_SIZE
  }

  /** Whether the store has failed, and holds less than this tree says. Only opening it anew helps. */
  get isBroken(): boolean {
    return this.#isBroken
  }

  /** Hands all that waits to the store. @throws IO, DISK_FULL, and STOPPED once it has failed */
  async flush(): Promise<void> {
    if (this.#isBroken) throw new CairnError('STOPPED', 'hashes could not be kept before')
    this.#isBroken = true
    for (const [level, edge] of this.#levels.entries()) {
      const { waiting } = edge
      edge.waiting = []
      if (waiting.length > 0) await this.#store.append(level, join(waiting))
    }
    this.#isBroken = false
    this.#waitingBytes = 0
  }

  /** The tree's frontier, and with it its root. */
  frontier(): Frontier {
    const hashes = frontierPositions(this.size).map((position): NodeHash => {
      const { level, offset, count } = sliceOf(position)
      return foldHashes(this.#levels[level]!.tile, offset, count)
    })
    return new Frontier(this.size, hashes)
  }

  /** The tiles of the tree, as far as they were flushed. They have no entries. */
  source(): TileSource {
    return {
      tile: (level, tile, width) => this.#store.read(level, tile * TILE_WIDTH, width),
      bundle: async (bundle) => {
        throw new CairnError('NOT_FOUND', `entries are not kept, so there is no bundle ${bundle}`)
      },
    }
  }

  #edge(level: number): Edge {
    const known = this.#levels[level]
    if (known !== undefined) return known
    const edge = { tile: new Uint8Array(TILE_SIZE), count: 0, waiting: [] }
    this.#levels[level] = edge
    return edge
  }

  #push(level: number, hashes: Uint8Array): void {
    const edge = this.#edge(level)
    edge.waiting.push(hashes)
    this.#waitingBytes += hashes.length
    for (let at = 0; at < hashes.length; ) {
      const part = hashes.subarray(at, at + TILE_SIZE - edge.count * HASH_SIZE)
      edge.tile.set(part, edge.count * HASH_SIZE)
      edge.count += part.length / HASH_SIZE
      at += part.length
      if (edge.count < TILE_WIDTH) continue
      edge.count = 0
      this.#push(level + 1, foldHashes(edge.tile, 0, TILE_WIDTH))
    }
  }
}
