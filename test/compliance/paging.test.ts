import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { pageOf } from '../../src/compliance/paging.ts'

function listOf(count: number): Map<string, number> {
  return new Map(Array.from({ length: count }, (_, i) => [`id-${i}`, i]))
}

describe('pages', () => {
  it('have everything once, the newest first, whatever is added meanwhile', () => {
    fc.assert(
      fc.property(fc.nat(40), fc.integer({ min: 1, max: 12 }), fc.nat(3), (count, limit, more) => {
        const all = listOf(count)
        const seen: number[] = []
        let page = pageOf(all, { limit })
        for (;;) {
          expect(page.items.length).toBeLessThanOrEqual(limit)
          seen.push(...page.items)
          if (page.cursor === undefined) break
          expect(page.items).toHaveLength(limit)
          for (let i = 0; i < more; i++) all.set(`later-${all.size}`, -1)
          page = pageOf(all, { limit, cursor: page.cursor })
        }
        expect(seen).toEqual([...listOf(count).values()].reverse())
      }),
    )
  })

  it('have fifty unless told otherwise, and no more than a thousand', () => {
    const all = listOf(1_200)
    expect(pageOf(all, {}).items).toHaveLength(50)
    expect(pageOf(all, { limit: 1_000 }).items).toHaveLength(1_000)
    for (const limit of [0, 1_001, 1.5]) expect(() => pageOf(all, { limit })).toThrow(RangeError)
    expect(() => pageOf(all, { cursor: 'id-1200' })).toThrow('the cursor is damaged')
  })
})
