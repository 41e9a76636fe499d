import * as fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { toHex } from '../../src/bytes.ts'
import { consistencyPath } from '../../src/merkle/consistency.ts'
import { EMPTY_ROOT, leafHash } from '../../src/merkle/hash.ts'
import { inclusionPath } from '../../src/merkle/inclusion.ts'
import { leafIndex, treeSize } from '../../src/merkle/position.ts'
import {
  consistencyProof,
  frontierFromTiles,
  inclusionProof,
  readNodes,
  rootFromTiles,
} from '../../src/tiles/proofs.ts'
import type { TileSource } from '../../src/tiles/source.ts'
import { countingTree, populationTree } from '../merkle/naive.ts'
import { type TreeSource, treeSource } from './tree-source.ts'

const MAX = Number.MAX_SAFE_INTEGER
const counting = countingTree()
const population = populationTree()

const SMALL = [1, 2, 3, 7, 8, 9, 127, 128, 129, 255, 256, 257, 258, 511, 512, 513, 1000]
const LARGE = [65_279, 65_280, 65_535, 65_536, 65_537, 65_793, 70_000]

const anySize = fc.oneof(
  fc.integer({ min: 1, max: 1_000_000 }),
  fc.integer({ min: 1, max: MAX }),
  fc.integer({ min: MAX - 300, max: MAX }),
  ...[16, 24, 31, 32, 40, 48].map((bits) =>
    fc.integer({ min: 2 ** bits - 300, max: 2 ** bits + 300 }),
  ),
)

/** Each tile once, and with it at most one width a tile. */
function expectEachOnce(source: TreeSource): void {
  const tiles = source.reads.map((path) => path.replace(/\.p\/.*/, ''))
  expect(new Set(tiles).size).toBe(tiles.length)
}

describe('a root from tiles', () => {
  it('is the root of the tree', async () => {
    for (const size of [...SMALL, ...LARGE]) {
      const source = treeSource(counting, size)
      expect(toHex(await rootFromTiles(source, treeSize(size)))).toBe(toHex(counting.root(0, size)))
      expectEachOnce(source)
    }
  })

  it('of the empty tree needs no tile', async () => {
    const source = treeSource(counting, 0)
    expect(toHex(await rootFromTiles(source, treeSize(0)))).toBe(toHex(EMPTY_ROOT))
    expect(source.reads).toEqual([])
  })

  it('is that of any tree to 2^53-1 leaves, from its partial tiles alone', async () => {
    await fc.assert(
      fc.asyncProperty(anySize, async (size) => {
        const source = treeSource(population, size)
        const root = await rootFromTiles(source, treeSize(size))
        expect(toHex(root)).toBe(toHex(population.root(0, size)))
        expectEachOnce(source)
        for (const path of source.reads) expect(path).toContain('.p/')
      }),
    )
  })
})

describe('a frontier from tiles', () => {
  it('goes on growing as the tree does', async () => {
    for (const size of [0, 1, 255, 256, 257, 70_000, 2 ** 32 - 1, 2 ** 40 + 3, MAX - 1]) {
      const frontier = await frontierFromTiles(treeSource(population, size), treeSize(size))
      expect(frontier.size).toBe(size)
      expect(toHex(frontier.root())).toBe(toHex(population.root(0, size)))
      frontier.append(leafHash(population.leaf(size)))
      expect(toHex(frontier.root())).toBe(toHex(population.root(0, size + 1)))
    }
  })
})

describe('an inclusion proof from tiles', () => {
  it('is that of the definition for the leaves of many sizes', async () => {
    for (const size of [...SMALL, ...LARGE]) {
      const step = Math.max(1, Math.floor(size / 23))
      const indices = new Set([0, size - 1, Math.max(0, size - 2), 255, 256, 65_535, 65_536])
      for (let index = 0; index < size; index += step) indices.add(index)
      for (const index of indices) {
        if (index >= size) continue
        const source = treeSource(counting, size)
        const proof = await inclusionProof(source, leafIndex(index), treeSize(size))
        expect(proof.map(toHex)).toEqual(counting.path(index, size).map(toHex))
        expectEachOnce(source)
      }
    }
  })

  it('is that of the definition for any leaf of any tree to 2^53-1 leaves', async () => {
    await fc.assert(
      fc.asyncProperty(anySize, fc.maxSafeNat(), fc.boolean(), async (size, seed, near) => {
        const index = near ? size - 1 - (seed % Math.min(size, 300)) : seed % size
        const source = treeSource(population, size)
        const proof = await inclusionProof(source, leafIndex(index), treeSize(size))
        expect(proof.map(toHex)).toEqual(population.path(index, size).map(toHex))
        expectEachOnce(source)
        // One tile a level on the leaf's path, and one a level on the right edge.
        expect(source.reads.length).toBeLessThanOrEqual(14)
      }),
    )
  })

  it('is rejected for a leaf outside the tree', async () => {
    const source = treeSource(counting, 7)
    await expect(inclusionProof(source, leafIndex(7), treeSize(7))).rejects.toThrow(RangeError)
    expect(source.reads).toEqual([])
  })
})

describe('a consistency proof from tiles', () => {
  it('is that of the definition between many sizes', async () => {
    for (const second of [...SMALL, ...LARGE]) {
      for (const first of [...SMALL, ...LARGE, second - 1]) {
        if (first < 1 || first > second) continue
        const source = treeSource(counting, second)
        const proof = await consistencyProof(source, treeSize(first), treeSize(second))
        expect(proof.map(toHex)).toEqual(counting.proof(first, second).map(toHex))
        expectEachOnce(source)
      }
    }
  })

  it('is that of the definition between any sizes to 2^53-1', async () => {
    await fc.assert(
      fc.asyncProperty(anySize, fc.maxSafeNat(), fc.boolean(), async (second, seed, near) => {
        const first = near ? second - (seed % Math.min(second, 300)) : 1 + (seed % second)
        const source = treeSource(population, second)
        const proof = await consistencyProof(source, treeSize(first), treeSize(second))
        expect(proof.map(toHex)).toEqual(population.proof(first, second).map(toHex))
        expectEachOnce(source)
      }),
    )
  })

  it('is rejected from the empty tree, or from a larger one', async () => {
    const source = treeSource(counting, 7)
    await expect(consistencyProof(source, treeSize(0), treeSize(7))).rejects.toThrow(RangeError)
    await expect(consistencyProof(source, treeSize(8), treeSize(7))).rejects.toThrow(RangeError)
  })
})

describe('reading nodes', () => {
  it('reads each tile once for many proofs together', async () => {
    const size = treeSize(70_000)
    const source = treeSource(counting, size)
    const paths = [0, 1, 255, 69_999, 69_999].map((index) => inclusionPath(leafIndex(index), size))
    const positions = [...paths, consistencyPath(treeSize(257), size)].flat()
    const nodes = await readNodes(source, size, positions)
    expectEachOnce(source)
    expect(nodes).toHaveLength(positions.length)
    for (const [i, { height, index }] of positions.entries()) {
      const from = index * 2 ** height
      const expected = counting.root(from, Math.min(from + 2 ** height, size))
      expect(toHex(nodes[i]!)).toBe(toHex(expected))
    }
  })

  it('reads nothing for no nodes', async () => {
    const source = treeSource(counting, 5)
    expect(await readNodes(source, treeSize(5), [])).toEqual([])
    expect(source.reads).toEqual([])
  })

  it('returns hashes that hold on to no tile', async () => {
    const positions = inclusionPath(leafIndex(3), treeSize(300))
    for (const node of await readNodes(treeSource(counting, 300), treeSize(300), positions)) {
      expect(node.buffer.byteLength).toBe(32)
    }
  })

  it('rejects a subtree without a leaf in the tree', async () => {
    const read = readNodes(treeSource(counting, 7), treeSize(7), [{ height: 0, index: 7 }])
    await expect(read).rejects.toThrow(RangeError)
  })

  it.each([-32, -1, 1, 32])('rejects a tile that is %i bytes too long', async (more) => {
    const good = treeSource(counting, 7)
    const source: TileSource = {
      ...good,
      async tile(level, tile, width) {
        const bytes = await good.tile(level, tile, width)
        const changed = new Uint8Array(bytes.length + more)
        changed.set(bytes.subarray(0, changed.length))
        return changed
      },
    }
    await expect(rootFromTiles(source, treeSize(7))).rejects.toMatchObject({
      code: 'MALFORMED',
      message: `tile/0/000.p/7 has ${224 + more} bytes instead of 224`,
    })
  })

  it('passes on what the source throws', async () => {
    // The source holds another tree, and does not have these widths.
    const read = rootFromTiles(treeSource(counting, 7), treeSize(6))
    await expect(read).rejects.toMatchObject({ code: 'NOT_FOUND' })
  })
})
