/** A tile source over a naive tree. It refuses, loudly, every tile or width that the tree's size does not imply. */
import { CairnError } from '../../src/errors.ts'
import { encodeBundle } from '../../src/formats/bundle.ts'
import { bundlePath, tilePath } from '../../src/formats/tile.ts'
import type { TileSource } from '../../src/tiles/source.ts'
import { countingLeaf, type NaiveTree } from '../merkle/naive.ts'

export interface TreeSource extends TileSource {
  /** The paths asked for so far, in order. */
  readonly reads: string[]
}

/** The hashes or entries of a tile of a level in a tree of `size` leaves, by the words of tlog-tiles. */
export function impliedWidth(level: number, tile: number, size: number): number {
  const hashes = BigInt(size) >> (8n * BigInt(level))
  const before = BigInt(tile) * 256n
  if (hashes >= before + 256n) return 256
  return hashes > before ? Number(hashes - before) : 0
}

/** Serves a tree of `size` leaves; its entries are those of `countingTree`. */
export function treeSource(tree: NaiveTree, size: number): TreeSource {
  const reads: string[] = []

  function checkWidth(path: string, width: number, implied: number): void {
    reads.push(path)
    if (width !== implied) {
      throw new CairnError('NOT_FOUND', `${path} is not implied by size ${size}`)
    }
  }

  return {
    reads,
    async tile(level, tile, width) {
      checkWidth(tilePath(level, tile, width), width, impliedWidth(level, tile, size))
      const hashes = new Uint8Array(32 * width)
      const leaves = 256 ** level
      for (let i = 0; i < width; i++) {
        const from = (tile * 256 + i) * leaves
        hashes.set(tree.root(from, from + leaves), 32 * i)
      }
      return hashes
    },
    async bundle(bundle, width) {
      checkWidth(bundlePath(bundle, width), width, impliedWidth(0, bundle, size))
      return encodeBundle(Array.from({ length: width }, (_, i) => countingLeaf(bundle * 256 + i)))
    },
  }
}
