/** Tiles and bundles of the committed tree, read from the store. */

import { CairnError } from '../errors.ts'
import { bundlePrefix } from '../formats/bundle.ts'
import { TILE_WIDTH } from '../formats/tile.ts'
import { HASH_SIZE } from '../merkle/hash.ts'
import type { LogStore } from '../storage/port.ts'
import type { TileSource } from '../tiles/source.ts'

/** Full tiles kept in memory: 8 KiB each. */
const CACHED_TILES = 256

/** Reads through to the store. Full tiles never change, so the last few hundred are remembered. */
export function storedTiles(store: LogStore): TileSource {
  const cache = new Map<string, Uint8Array>()

  async function wholeTile(level: number, tile: number): Promise<Uint8Array> {
    const name = `${level}/${tile}`
    const cached = cache.get(name)
    if (cached !== undefined) {
      // Moves it to the young end: the map is in order of use.
      cache.delete(name)
      cache.set(name, cached)
      return cached
    }
    const hashes = await store.tile(level, tile)
    if (hashes.length === TILE_WIDTH * HASH_SIZE) {
      cache.set(name, hashes)
      if (cache.size > CACHED_TILES) cache.delete(cache.keys().next().value!)
    }
    return hashes
  }

  return {
    async tile(level, tile, width) {
      const hashes = await wholeTile(level, tile)
      if (hashes.length < width * HASH_SIZE) {
        throw new CairnError('NOT_FOUND', `tile ${level}/${tile} has fewer than ${width} hashes`)
      }
      return hashes.subarray(0, width * HASH_SIZE)
    },
    async bundle(bundle, width) {
      const framed = await store.bundle(bundle)
      if (framed.length === 0)
        throw new CairnError('NOT_FOUND', `there is no entry bundle ${bundle}`)
      return bundlePrefix(framed, width)
    },
  }
}
