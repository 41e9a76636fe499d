/** A log of any leaves as its tiles, in memory. */
import { encodeBundle } from '../../src/formats/bundle.ts'
import { TILE_WIDTH } from '../../src/formats/tile.ts'
import type { TileSource } from '../../src/tiles/source.ts'
import { naiveTreeOf } from '../merkle/naive.ts'

export function memorySource(leaves: readonly Uint8Array[]): TileSource {
  const tree = naiveTreeOf(leaves)
  return {
    async tile(level, tile, width) {
      const hashes = new Uint8Array(32 * width)
      const span = TILE_WIDTH ** level
      for (let i = 0; i < width; i++) {
        const first = (tile * TILE_WIDTH + i) * span
        hashes.set(tree.root(first, first + span), 32 * i)
      }
      return hashes
    },
    async bundle(bundle, width) {
      return encodeBundle(leaves.slice(bundle * TILE_WIDTH, bundle * TILE_WIDTH + width))
    },
  }
}
