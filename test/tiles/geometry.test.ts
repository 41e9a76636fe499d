import * as fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { type Position, treeSize } from '../../src/merkle/position.ts'
import {
  bundlesOf,
  bundleWidth,
  completeParts,
  partialWidth,
  sliceOf,
  tilesOf,
  tileWidth,
} from '../../src/tiles/geometry.ts'
import { impliedWidth } from './tree-source.ts'

const MAX = Number.MAX_SAFE_INTEGER

const sizes = fc.oneof(
  fc.nat(70_000),
  fc.maxSafeNat(),
  fc
    .tuple(fc.integer({ min: 0, max: 52 }), fc.integer({ min: -2, max: 2 }))
    .map(([bits, off]) => Math.max(0, 2 ** bits + off)),
  fc.nat(3).map((below) => MAX - below),
)

function leavesOf({ height, index }: Position): [bigint, bigint] {
  const leaves = 1n << BigInt(height)
  return [BigInt(index) * leaves, (BigInt(index) + 1n) * leaves]
}

describe('the slice of a tile that gives a complete subtree', () => {
  it.each([
    [
      { height: 0, index: 0 },
      { level: 0, tile: 0, offset: 0, count: 1 },
    ],
    [
      { height: 0, index: 255 },
      { level: 0, tile: 0, offset: 255, count: 1 },
    ],
    [
      { height: 0, index: 256 },
      { level: 0, tile: 1, offset: 0, count: 1 },
    ],
    [
      { height: 7, index: 1 },
      { level: 0, tile: 0, offset: 128, count: 128 },
    ],
    [
      { height: 7, index: 2 },
      { level: 0, tile: 1, offset: 0, count: 128 },
    ],
    [
      { height: 8, index: 3 },
      { level: 1, tile: 0, offset: 3, count: 1 },
    ],
    [
      { height: 17, index: 130 },
      { level: 2, tile: 1, offset: 4, count: 2 },
    ],
    [
      { height: 52, index: 0 },
      { level: 6, tile: 0, offset: 0, count: 16 },
    ],
  ])('of %j is %j', (position, slice) => {
    expect(sliceOf(position)).toEqual(slice)
  })

  it('covers the same leaves, inside one tile, for every subtree', () => {
    fc.assert(
      fc.property(fc.maxSafeNat(), fc.integer({ min: 0, max: 52 }), (leaf, height) => {
        const index = Math.floor(leaf / 2 ** height)
        const { level, tile, offset, count } = sliceOf({ height, index })
        expect(offset + count).toBeLessThanOrEqual(256)
        const leaves = 256n ** BigInt(level)
        const from = (BigInt(tile) * 256n + BigInt(offset)) * leaves
        expect([from, from + BigInt(count) * leaves]).toEqual(leavesOf({ height, index }))
      }),
      { numRuns: 1000 },
    )
  })
})

describe('the complete parts of a subtree', () => {
  it('cover its leaves in the tree, without a gap, and lie in existing tiles', () => {
    fc.assert(
      fc.property(sizes, fc.integer({ min: 0, max: 53 }), fc.nat(), (size, height, seed) => {
        if (size === 0) return
        const last = Math.floor((size - 1) / 2 ** height)
        for (const index of [last, seed % (last + 1), 0]) {
          const [from, to] = leavesOf({ height, index })
          let at = from
          for (const part of completeParts({ height, index }, treeSize(size))) {
            const [partFrom, partTo] = leavesOf(part)
            expect(partFrom).toBe(at)
            at = partTo
            const { level, tile, offset, count } = sliceOf(part)
            expect(offset + count).toBeLessThanOrEqual(impliedWidth(level, tile, size))
          }
          expect(at).toBe(to < BigInt(size) ? to : BigInt(size))
        }
      }),
      { numRuns: 1000 },
    )
  })

  it('are refused for a subtree without a leaf in the tree', () => {
    for (const [height, index, size] of [
      [0, 0, 0],
      [5, 0, 0],
      [0, 7, 7],
      [1, 4, 7],
      [1, 4, 8],
      [3, 1, 8],
      [3, 2, 15],
      [3, 1, 7],
      [53, 1, MAX],
    ] as const) {
      expect(() => completeParts({ height, index }, treeSize(size))).toThrow(RangeError)
    }
  })
})

describe('the width of a tile', () => {
  it('is that of tlog-tiles for every size', () => {
    fc.assert(
      fc.property(sizes, fc.integer({ min: 0, max: 7 }), fc.nat(), (size, level, seed) => {
        const end = Math.floor(size / 256 ** (level + 1))
        for (const tile of [end - 1, end, end + 1, seed, 0]) {
          if (tile < 0) continue
          expect(tileWidth(level, tile, treeSize(size))).toBe(impliedWidth(level, tile, size))
          expect(bundleWidth(tile, treeSize(size))).toBe(impliedWidth(0, tile, size))
        }
        expect(partialWidth(level, treeSize(size))).toBe(impliedWidth(level, end, size))
      }),
      { numRuns: 1000 },
    )
  })

  it('is 0 far beyond the tree, at any level', () => {
    expect(tileWidth(63, 0, treeSize(MAX))).toBe(0)
    expect(tileWidth(0, MAX, treeSize(MAX))).toBe(0)
    expect(tileWidth(6, 0, treeSize(MAX))).toBe(31)
    expect(tileWidth(7, 0, treeSize(MAX))).toBe(0)
  })
})

describe('the tiles of a tree', () => {
  const listed = (size: number, since = 0): string[] =>
    [...tilesOf(treeSize(size), treeSize(since))].map((t) => `${t.level}/${t.tile}:${t.width}`)

  /** By the words of tlog-tiles: every tile with a hash in it. */
  function expected(size: number): string[] {
    const tiles: string[] = []
    for (let level = 0; impliedWidth(level, 0, size) > 0; level++) {
      for (let tile = 0; impliedWidth(level, tile, size) > 0; tile++) {
        tiles.push(`${level}/${tile}:${impliedWidth(level, tile, size)}`)
      }
    }
    return tiles
  }

  const SIZES = [0, 1, 2, 255, 256, 257, 511, 512, 513, 65_535, 65_536, 65_537, 70_000]

  it('are all those with a hash in them', () => {
    for (const size of SIZES) expect(listed(size)).toEqual(expected(size))
  })

  it('are 273 full and one partial at level 0 of 70,000 leaves', () => {
    const tiles = listed(70_000)
    expect(tiles.filter((tile) => tile.startsWith('0/'))).toHaveLength(274)
    expect(tiles).toContain('0/273:112')
    expect(tiles.slice(274)).toEqual(['1/0:256', '1/1:17', '2/0:1'])
  })

  it('since an older tree are those that are new or wider', () => {
    for (const size of SIZES) {
      for (const since of SIZES) {
        const old = new Set(expected(since))
        const fresh = since > size ? [] : expected(size).filter((tile) => !old.has(tile))
        expect(listed(size, since)).toEqual(fresh)
      }
    }
  })

  it('can be listed bit by bit for the largest tree', () => {
    const tiles = tilesOf(treeSize(MAX))
    expect(tiles.next().value).toEqual({ level: 0, tile: 0, width: 256 })
    const last = [...tilesOf(treeSize(MAX), treeSize(MAX - 1))].map(({ level, width }) => [
      level,
      width,
    ])
    expect(last).toEqual([[0, 255]])
    const grown = [...tilesOf(treeSize(2 ** 48), treeSize(2 ** 48 - 1))]
    expect(grown.map(({ level, tile, width }) => [level, tile, width])).toEqual([
      [0, 2 ** 40 - 1, 256],
      [1, 2 ** 32 - 1, 256],
      [2, 2 ** 24 - 1, 256],
      [3, 2 ** 16 - 1, 256],
      [4, 2 ** 8 - 1, 256],
      [5, 0, 256],
      [6, 0, 1],
    ])
  })
})

describe('the entry bundles of a tree', () => {
  it('go with the tiles of level 0', () => {
    const pairs = [0, 1, 255, 256, 257, 600, 70_000]
    for (const size of pairs) {
      for (const since of pairs) {
        const tiles = [...tilesOf(treeSize(size), treeSize(since))].filter(
          ({ level }) => level === 0,
        )
        expect([...bundlesOf(treeSize(size), treeSize(since))]).toEqual(
          tiles.map(({ tile, width }) => ({ bundle: tile, width })),
        )
      }
    }
  })
})
