import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { concat, utf8 } from '../../src/bytes.ts'
import { hashLeaf } from '../../src/merkle/hash.ts'
import { LeafFilter } from '../../src/storage/leaf-filter.ts'

const hashes = (count: number, of: string): Uint8Array =>
  concat(...Array.from({ length: count }, (_, i) => hashLeaf(utf8(`${of} ${i}`))))

const held = (filter: LeafFilter, of: Uint8Array): number => {
  let count = 0
  for (let at = 0; at < of.length; at += 32) if (filter.mayHold(of, at)) count++
  return count
}

describe('the filter of leaves', () => {
  it('never denies a leaf that was added, however it grew', () => {
    fc.assert(
      fc.property(fc.array(fc.integer({ min: 0, max: 90 }), { maxLength: 12 }), (batches) => {
        const filter = new LeafFilter({ first: 16, last: 64 })
        const added = batches.map((count, i) => hashes(count, `batch ${i}`))
        for (const batch of added) filter.add(batch)
        const all = concat(...added)
        expect(held(filter, all)).toBe(all.length / 32)
      }),
    )
  })

  it('denies nearly every other leaf', () => {
    const filter = new LeafFilter({ first: 1024, last: 2 ** 20 })
    filter.add(hashes(20_000, 'added'))
    expect(held(filter, hashes(10_000, 'never added'))).toBeLessThan(500)
  })

  it('goes by the sixteen bytes that make a key', () => {
    const filter = new LeafFilter()
    const leaf = hashes(1, 'leaf')
    filter.add(leaf)
    const twin = leaf.slice()
    twin.fill(0, 16)
    expect(filter.mayHold(twin, 0)).toBe(true)
  })

  it('is empty at first', () => {
    expect(held(new LeafFilter(), hashes(100, 'any'))).toBe(0)
  })
})
