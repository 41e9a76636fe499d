import * as fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import {
  bitLength,
  isComplete,
  isOdd,
  leafIndex,
  shiftRight,
  splitPoint,
  treeHeight,
  treeSize,
} from '../../src/merkle/position.ts'
import { naiveSplit } from './naive.ts'

const MAX = Number.MAX_SAFE_INTEGER

/** Sizes where 32-bit, 53-bit and rounding slips would show. */
const sizes = fc.oneof(
  fc.maxSafeNat(),
  fc.nat(1000),
  fc
    .tuple(fc.integer({ min: 0, max: 52 }), fc.integer({ min: -2, max: 2 }))
    .map(([bits, off]) => Math.max(0, 2 ** bits + off)),
  fc.nat(3).map((below) => MAX - below),
)

describe('indices and sizes', () => {
  it.each([-1, 0.5, Number.NaN, Number.POSITIVE_INFINITY, 2 ** 53])('refuses %d', (value) => {
    expect(() => leafIndex(value)).toThrow(RangeError)
    expect(() => treeSize(value)).toThrow(RangeError)
  })

  it('lets a size reach 2^53-1, and an index stay below it', () => {
    expect(treeSize(MAX)).toBe(MAX)
    expect(leafIndex(MAX - 1)).toBe(MAX - 1)
    expect(() => leafIndex(MAX)).toThrow(RangeError)
    expect(treeSize(0)).toBe(0)
    expect(leafIndex(0)).toBe(0)
  })
})

describe('arithmetic on positions', () => {
  it('agrees with BigInt for every safe integer', () => {
    fc.assert(
      fc.property(sizes, fc.nat(600), (value, bits) => {
        expect(BigInt(shiftRight(value, bits))).toBe(BigInt(value) >> BigInt(bits))
        expect(isOdd(value)).toBe((BigInt(value) & 1n) === 1n)
        expect(bitLength(value)).toBe(value === 0 ? 0 : BigInt(value).toString(2).length)
      }),
      { numRuns: 2000 },
    )
  })

  it('finds the height and the split of every size', () => {
    fc.assert(
      fc.property(sizes, (value) => {
        const height = treeHeight(treeSize(value))
        expect(2n ** BigInt(height) >= BigInt(value)).toBe(true)
        if (height > 0) expect(2n ** BigInt(height - 1) < BigInt(value)).toBe(true)
        if (value >= 2) expect(splitPoint(value)).toBe(naiveSplit(value))
      }),
      { numRuns: 1000 },
    )
  })

  it('calls a subtree complete when all its leaves are in the tree', () => {
    fc.assert(
      fc.property(sizes, fc.nat(53), fc.nat(), (size, height, seed) => {
        for (const index of [0, shiftRight(size, height), seed]) {
          const end = (BigInt(index) + 1n) << BigInt(height)
          expect(isComplete({ height, index }, treeSize(size))).toBe(end <= BigInt(size))
        }
      }),
    )
  })
})
