/** Tiles and bundles of the committed tree, read from the store. */
import { CairnError } from '../errors.ts'
import { bundlePrefix } from '../formats/bundle.ts'
import { TILE_WIDTH } from '../formats/tile.ts'
import { HASH_SIZE, type NodeHash } from '../merkle/hash.ts'
import type { Position } from '../merkle/position.ts'
import type { LogStore } from '../storage/port.ts'
import type { TileSource } from '../tiles/source.ts'
import { placeOf, TileNodes } from './tile-nodes.ts'

/** Full tiles kept in memory: 8 KiB each, and 16 KiB more for those whose nodes were asked for. */
const CACHED_TILES = 256
const FULL_TILE = TILE_WIDTH * HASH_SIZE

export interface StoredTiles extends TileSource {
  /** The hash of a subtree that is complete in the committed tree. @throws NOT_FOUND when its tile is not stored */
  node(position: Position): Promise<NodeHash>
}

/** Reads through to the store. Full tiles never change, so the last few hundred are remembered. */
export function storedTiles(store: LogStore): StoredTiles {
  const tiles = new Recent<Uint8Array>()
  const folded = new Recent<TileNodes>()

  /** All that is stored of a tile, which must be `width` hashes at least. */
  async function wholeTile(level: number, tile: number, width: number): Promise<Uint8Array> {
    const name = `${level}/${tile}`
    const known = tiles.get(name)
    if (known !== undefined) return known
    const hashes = await store.tile(level, tile)
    if (hashes.length < width * HASH_SIZE) {
      throw new CairnError('NOT_FOUND', `tile ${level}/${tile} has fewer than ${width} hashes`)
    }
    if (hashes.length === FULL_TILE) tiles.set(name, hashes)
    return hashes
  }

  return {
    async tile(level, tile, width) {
      const hashes = await wholeTile(level, tile, width)
      return hashes.subarray(0, width * HASH_SIZE)
    },

    async bundle(bundle, width) {
      const framed = await store.bundle(bundle)
      if (framed.length === 0) {
        throw new CairnError('NOT_FOUND', `there is no entry bundle ${bundle}`)
      }
      return bundlePrefix(framed, width)
    },

    async node(position) {
      const { level, tile, height, at } = placeOf(position)
      const name = `${level}/${tile}`
      const known = folded.get(name)
      if (known !== undefined) return known.node(height, at)
      const hashes = await wholeTile(level, tile, (at + 1) * 2 ** height)
      // Several nodes of one tile are asked for at once: whoever was first has folded it by now.
      const nodes = folded.get(name) ?? TileNodes.of(tile, hashes)
      if (hashes.length === FULL_TILE) folded.set(name, nodes)
      return nodes.node(height, at)
    },
  }
}

/** The values used last, by name. */
class Recent<T> {
  readonly #values = new Map<string, T>()

  get(name: string): T | undefined {
    const value = this.#values.get(name)
    if (value === undefined) return undefined
    // To the young end: a map keeps the order in which its members were set.
    this.#values.delete(name)
    this.#values.set(name, value)
    return value
  }

  set(name: string, value: T): void {
    this.#values.set(name, value)
    if (this.#values.size > CACHED_TILES) this.#values.delete(this.#values.keys().next().value!)
  }
}
