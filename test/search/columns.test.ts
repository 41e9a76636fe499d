import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import {
  costsIn,
  decodeSpan,
  decodeTimeBounds,
  decodeTimes,
  encodeCosts,
  encodeSpan,
  encodeTimeBounds,
  encodeTimes,
} from '../../src/search/columns.ts'
import { decodeRung, encodeRung, rungsOf, stepOf } from '../../src/search/cost-ladder.ts'
import { listOf } from '../../src/search/positions.ts'

const CORRUPT = expect.objectContaining({ code: 'CORRUPT' })
const cost = fc.oneof(
  fc.constant(Number.NaN),
  fc.constantFrom(0, 1, 0.25),
  fc.double({ noNaN: true, noDefaultInfinity: true }).map((value) => value + 0),
)
const costs = fc.oneof(
  fc.array(cost, { minLength: 1, maxLength: 40 }),
  fc
    .tuple(cost, fc.integer({ min: 1, max: 40 }))
    .map(([one, count]) => new Array<number>(count).fill(one)),
)
const timeLists = fc.array(fc.nat(253_402_300_799_999), { minLength: 1, maxLength: 40 })

function errorOf(act: () => unknown): unknown {
  try {
    return act()
  } catch (error) {
    return error
  }
}

describe('columns', () => {
  it('of times are read as they were written', () => {
    fc.assert(
      fc.property(timeLists, (times) => {
        expect(decodeTimes(encodeTimes(times), times.length)).toEqual(times)
        const [earliest, latest] = [Math.min(...times), Math.max(...times)]
        const bounds = decodeTimeBounds(encodeTimeBounds({ earliest, latest }))
        expect(bounds).toEqual({ earliest, latest })
      }),
    )
  })

  it('of times are refused with another number of them, or half of one', () => {
    const stored = encodeTimes([5, 1_700_000_000_000])
    expect(errorOf(() => decodeTimes(stored, 1))).toEqual(CORRUPT)
    expect(errorOf(() => decodeTimes(stored, 3))).toEqual(CORRUPT)
    expect(errorOf(() => decodeTimes(stored.subarray(0, -1), 2))).toEqual(CORRUPT)
    expect(errorOf(() => decodeTimes(stored.subarray(0, -1), 1))).toEqual(CORRUPT)
  })

  it('of costs are read as they were written', () => {
    fc.assert(
      fc.property(costs, (list) => {
        const stored = encodeCosts(list)
        const read = costsIn(stored, list.length)
        expect(list.map((_, rank) => read(rank))).toEqual(list)
        const same = list.every((one) => Object.is(one, list[0]))
        expect(stored?.length).toBe(
          same ? (Number.isNaN(list[0]) ? undefined : 8) : 8 * list.length,
        )
      }),
    )
  })

  it('of costs are refused with another number of them', () => {
    const stored = encodeCosts([1, 2, 3])!
    for (const bytes of [stored.subarray(8), stored.subarray(1), new Uint8Array()]) {
      expect(errorOf(() => costsIn(bytes, 3))).toEqual(CORRUPT)
    }
  })

  it('know the highest cost', () => {
    fc.assert(
      fc.property(costs, (list) => {
        const positions = list.map((_, i) => 3 * i)
        const span = decodeSpan(encodeSpan(positions, list))
        const known = list.filter((one) => !Number.isNaN(one))
        expect(span.highest).toBe(known.length === 0 ? Number.NaN : Math.max(...known))
        expect(listOf(span.positions)).toEqual(positions)
      }),
    )
    expect(errorOf(() => decodeSpan(new Uint8Array(7)))).toEqual(CORRUPT)
  })
})

describe('the ladder of costs', () => {
  it('rises with the costs, in steps of a fifth or so', () => {
    const real = fc.double({ noNaN: true }).map((value) => value + 0)
    fc.assert(
      fc.property(real, real, (a, b) => {
        const [low, high] = a < b ? [a, b] : [b, a]
        expect(stepOf(low)).toBeLessThanOrEqual(stepOf(high))
        expect(stepOf(low)).toBeGreaterThanOrEqual(0)
        expect(stepOf(high)).toBeLessThan(2 ** 14)
      }),
      { numRuns: 1_000 },
    )
    expect(stepOf(2)).toBe(stepOf(1) + 4)
    expect(stepOf(1.24)).toBe(stepOf(1))
    expect(stepOf(1.25)).toBe(stepOf(1) + 1)
    expect(stepOf(-1)).toBeLessThan(stepOf(-0.1))
  })

  it('holds each record that has a cost, once', () => {
    fc.assert(
      fc.property(costs, (list) => {
        const positions = list.map((_, i) => 5 * i)
        const rungs = [...rungsOf(positions, list)].map(([step, rung]) => {
          const { positions: at, costAt } = decodeRung(encodeRung(rung))
          const read = { positions: at, costs: at.map((_, i) => costAt(i)) }
          expect(read).toEqual(rung)
          for (const one of read.costs) expect(stepOf(one)).toBe(step)
          return read
        })
        const held = rungs.flatMap(({ positions: at, costs: of }) =>
          at.map((one, i) => [one, of[i]]),
        )
        const wanted = positions
          .map((at, i) => [at, list[i]])
          .filter(([, one]) => !Number.isNaN(one))
        expect(held.sort(([a], [b]) => a! - b!)).toEqual(wanted)
      }),
    )
  })

  it('is refused when it is cut off', () => {
    const stored = encodeRung({ positions: [1, 2, 9], costs: [1, 1.1, 1.2] })
    // With one cost left it would be that of all.
    const ends = [...stored.keys()].filter((end) => end !== stored.length - 16)
    for (const end of ends) {
      expect(
        errorOf(() => decodeRung(stored.subarray(0, end))),
        `${end}`,
      ).toEqual(CORRUPT)
    }
  })
})
