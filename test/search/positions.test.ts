import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { CairnError } from '../../src/errors.ts'
import {
  decodePositions,
  encodePositions,
  has,
  isEmpty,
  keepBetween,
  keepCommon,
  keepOthers,
  listOf,
  positionsOf,
  ranksOf,
  remove,
  SEGMENT_WIDTH,
} from '../../src/search/positions.ts'

const position = fc.nat(SEGMENT_WIDTH - 1)
const rising = (list: readonly number[]): number[] => [...new Set(list)].sort((a, b) => a - b)
const few = fc.array(position, { maxLength: 12 })
const many = fc.array(position, { minLength: 300, maxLength: 4_000, size: 'max' })
const runs = fc
  .tuple(position, fc.nat(5_000))
  .map(([first, count]) => Array.from({ length: count }, (_, i) => first + i))
  .map((list) => list.filter((one) => one < SEGMENT_WIDTH))
const lists = fc.oneof(few, many, runs).map(rising)
const filled = lists.filter((list) => list.length > 0)

describe('positions', () => {
  it('are a set', () => {
    fc.assert(
      fc.property(lists, lists, position, position, (one, other, from, to) => {
        const set = (): Uint32Array => positionsOf(one)
        expect(listOf(set())).toEqual(one)
        expect(isEmpty(set())).toBe(one.length === 0)
        const members = new Set(one)
        for (const at of [from, to, ...one.slice(0, 5)])
          expect(has(set(), at)).toBe(members.has(at))
        const rest = new Set(other)
        const common = set()
        keepCommon(common, positionsOf(other))
        expect(listOf(common)).toEqual(one.filter((at) => rest.has(at)))
        const others = set()
        keepOthers(others, positionsOf(other))
        expect(listOf(others)).toEqual(one.filter((at) => !rest.has(at)))
        const between = set()
        keepBetween(between, from, to)
        expect(listOf(between)).toEqual(one.filter((at) => at >= from && at < to))
        const without = set()
        remove(without, from)
        expect(listOf(without)).toEqual(one.filter((at) => at !== from))
      }),
    )
  })

  it('are cut at bounds outside their segment', () => {
    for (const [from, to, left] of [
      [-5, 9_999, [0, 4_095]],
      [1, 9_999, [4_095]],
      [-5, 4_095, [0]],
      [9_000, 9_999, []],
      [-9, -1, []],
    ] as const) {
      const set = positionsOf([0, 4_095])
      keepBetween(set, from, to)
      expect(listOf(set)).toEqual(left)
    }
  })

  it('have a rank each', () => {
    fc.assert(
      fc.property(filled, (list) => {
        const rank = ranksOf(positionsOf(list))
        expect(list.map(rank)).toEqual(list.map((_, i) => i))
      }),
    )
  })

  it('are stored and read again, never longer than a bitmap', () => {
    fc.assert(
      fc.property(filled, (list) => {
        const stored = encodePositions(list)
        expect(stored.length).toBeLessThanOrEqual(513)
        expect(stored.length).toBeLessThanOrEqual(1 + 2 * list.length)
        expect(listOf(decodePositions(stored))).toEqual(list)
      }),
    )
    const all = Array.from({ length: SEGMENT_WIDTH }, (_, i) => i)
    expect(encodePositions(all)).toHaveLength(4)
    expect(listOf(decodePositions(encodePositions(all)))).toEqual(all)
    expect(encodePositions([4_095])).toHaveLength(3)
  })

  it.each([
    [],
    [0],
    [9, 1],
    [0, 128],
    [0, 255, 255],
    [0, 255, 31, 0],
    [1],
    [1, ...new Array(511).fill(1)],
    [1, ...new Array(513).fill(1)],
    [2],
    [2, 1],
    [2, 1, 2, 3],
    [2, 128],
    [2, 255, 31, 1],
    [2, 0, 128, 32],
  ])('are refused when they are stored as %j', (...bytes) => {
    expect(() => decodePositions(Uint8Array.from(bytes as number[]))).toThrow(CairnError)
  })

  it('are refused or read, whatever the bytes are', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 600, size: 'max' }), (bytes) => {
        try {
          expect(listOf(decodePositions(bytes)).length).toBeLessThanOrEqual(SEGMENT_WIDTH)
        } catch (error) {
          expect(error).toMatchObject({ code: 'CORRUPT' })
        }
      }),
    )
  })
})
