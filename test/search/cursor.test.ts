import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { fromBase64Url, toBase64Url } from '../../src/bytes.ts'
import { CairnError } from '../../src/errors.ts'
import { type Cursor, formatCursor, parseCursor } from '../../src/search/cursor.ts'
import { type Plan, planOf, type SearchQuery } from '../../src/search/query.ts'
import { codePoint } from '../support/code-points.ts'
import { recordAt } from './model.ts'
import { testIndex } from './test-index.ts'

const byIndex = planOf({ tenant: 'acme', type: 'decision' })
const byCost = planOf({ tenant: 'acme', type: 'decision', order: 'costliest' })
const NEXT = Number.MAX_SAFE_INTEGER
const MALFORMED = expect.objectContaining({ code: 'MALFORMED' })

const index = fc.maxSafeNat()
const cursors: fc.Arbitrary<[Plan, Cursor]> = fc
  .record({ one: index, other: index, cost: fc.double({ noNaN: true }), priced: fc.boolean() })
  .filter(({ one, other }) => one !== other)
  .map(({ one, other, cost, priced }) => [
    priced ? byCost : byIndex,
    {
      below: Math.max(one, other),
      index: Math.min(one, other),
      cost: priced ? cost : undefined,
    },
  ])

function errorOf(act: () => unknown): unknown {
  try {
    act()
  } catch (error) {
    return error
  }
  return undefined
}

describe('a cursor', () => {
  it('is read as it was written', () => {
    fc.assert(
      fc.property(cursors, ([plan, cursor]) => {
        expect(parseCursor(formatCursor(cursor, plan), plan, NEXT)).toEqual(cursor)
      }),
    )
    for (const cost of [Number.POSITIVE_INFINITY, Number.NEGATIVE_INFINITY]) {
      const cursor = { below: 2, index: 1, cost }
      expect(parseCursor(formatCursor(cursor, byCost), byCost, NEXT)).toEqual(cursor)
    }
  })

  it('is refused with any of its characters changed, left out or added', () => {
    fc.assert(
      fc.property(
        cursors,
        fc.nat(),
        fc.constantFrom(...'AZaz09-_=+/ .é'),
        fc.constantFrom('change', 'drop', 'add'),
        ([plan, cursor], at, letter, how) => {
          const text = formatCursor(cursor, plan)
          const place = at % text.length
          const rest = text.slice(place + (how === 'add' ? 0 : 1))
          const damaged = text.slice(0, place) + (how === 'drop' ? '' : letter) + rest
          fc.pre(damaged !== text)
          expect(errorOf(() => parseCursor(damaged, plan, NEXT))).toEqual(MALFORMED)
        },
      ),
    )
  })

  it('is refused when it is anything else', () => {
    const texts = fc.oneof(
      fc.string({ unit: codePoint }),
      fc.base64String(),
      fc.uint8Array({ maxLength: 48 }).map(toBase64Url),
    )
    fc.assert(
      fc.property(texts, fc.constantFrom(byIndex, byCost), (text, plan) => {
        const error = errorOf(() => parseCursor(text, plan, NEXT))
        expect(error).toBeInstanceOf(CairnError)
        expect(error).toEqual(MALFORMED)
        expect((error as CairnError).message).toMatch(/^the cursor /)
      }),
      { numRuns: 500 },
    )
  })

  it.each([
    ['', /damaged, or not of this query/],
    ['x'.repeat(65), /too long/],
    ['A'.repeat(64), /damaged, or not of this query/],
    ['AgAA=', /not canonical base64url/],
    ['+/+/', /not canonical base64url/],
  ])('of %j is refused in words', (text, words) => {
    expect(() => parseCursor(text, byIndex, NEXT)).toThrow(words)
  })

  it('is refused when it contradicts itself', () => {
    for (const [plan, cursor] of [
      [byIndex, { below: 5, index: 5, cost: undefined }],
      [byIndex, { below: 5, index: 9, cost: undefined }],
      [byCost, { below: 5, index: 4, cost: Number.NaN }],
    ] as const) {
      const text = formatCursor(cursor, plan)
      expect(() => parseCursor(text, plan, NEXT)).toThrow(/contradicts itself/)
    }
  })

  it('is refused by an index that does not reach as far', () => {
    const text = formatCursor({ below: 11, index: 4, cost: undefined }, byIndex)
    expect(parseCursor(text, byIndex, 11).below).toBe(11)
    const error = errorOf(() => parseCursor(text, byIndex, 10))
    expect(error).toEqual(MALFORMED)
    expect((error as CairnError).message).toMatch(/reaches to 10 of the 11 entries/)
  })

  const query: SearchQuery = { tenant: 'acme', type: 'decision', from: 5, blind: ['a', 'b'] }
  it.each([
    { ...query, tenant: 'acme2' },
    { ...query, type: 'tool_call' },
    { ...query, action: 'decision' },
    { tenant: 'acme', action: 'decision', from: 5, blind: ['a', 'b'] },
    { ...query, from: 6 },
    { ...query, before: 9 },
    { ...query, minimumCost: 0 },
    { ...query, blind: ['a'] },
    { ...query, blind: ['a,b'] },
    { ...query, order: 'oldest' },
    { ...query, order: 'costliest' },
  ] satisfies SearchQuery[])('is refused with another query: %j', (other) => {
    const text = formatCursor({ below: 9, index: 4, cost: undefined }, planOf(query))
    expect(errorOf(() => parseCursor(text, planOf(other), NEXT))).toEqual(MALFORMED)
  })

  it.each([
    { ...query, limit: 7 },
    { ...query, order: 'newest' },
    { ...query, blind: ['b', 'a', 'b'] },
  ] satisfies SearchQuery[])('is taken with the same query: %j', (same) => {
    const text = formatCursor({ below: 9, index: 4, cost: undefined }, planOf(query))
    expect(parseCursor(text, planOf(same), NEXT).index).toBe(4)
  })

  it('has one spelling', () => {
    const text = formatCursor({ below: 9, index: 4, cost: undefined }, byIndex)
    expect(toBase64Url(fromBase64Url(text))).toBe(text)
    expect(text).toMatch(/^[A-Za-z0-9_-]{31}$/)
  })
})

describe('a search with a cursor', () => {
  it('takes none but its own', async () => {
    const { index, take } = await testIndex()
    await take([1, 2, 3, 4, 5].map((at) => recordAt(at)))
    const asked: SearchQuery = { tenant: 'acme', limit: 2 }
    const { cursor } = await index.search(asked)
    const rest = await index.search({ ...asked, cursor: cursor! })
    expect(rest.records.map(({ index: at }) => at)).toEqual([3, 2])
    for (const wrong of ['', 'garbage', `${cursor}A`, cursor!.slice(1)]) {
      await expect(index.search({ ...asked, cursor: wrong })).rejects.toEqual(MALFORMED)
    }
    for (const tenant of ['acme2', '']) {
      await expect(index.search({ ...asked, tenant, cursor: cursor! })).rejects.toEqual(MALFORMED)
    }
  })

  it('is refused while the index is built again, and goes on after', async () => {
    const { index, take } = await testIndex()
    const records = [1, 2, 3, 4, 5].map((at) => recordAt(at))
    await take(records)
    const asked: SearchQuery = { tenant: 'acme', limit: 2 }
    const { cursor } = await index.search(asked)
    await index.clear()
    await take(records.slice(0, 2))
    await expect(index.search({ ...asked, cursor: cursor! })).rejects.toThrow(/built again/)
    await take(records.slice(2))
    const rest = await index.search({ ...asked, cursor: cursor! })
    expect(rest.records.map(({ index: at }) => at)).toEqual([3, 2])
  })
})
