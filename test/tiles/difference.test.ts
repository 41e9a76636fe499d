import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { treeSize } from '../../src/merkle/position.ts'
import { firstDifference } from '../../src/tiles/difference.ts'
import { countingTree, naiveLeaf, naiveTree } from '../merkle/naive.ts'
import { treeSource } from './tree-source.ts'

const honest = countingTree()

/** The same tree, with another leaf at each of the places. */
function changedAt(places: readonly number[]) {
  const other = naiveLeaf(Uint8Array.of(9))
  return naiveTree((index) => (places.includes(index) ? other : honest.leaf(index)))
}

describe('firstDifference', () => {
  it('is the first leaf that differs', async () => {
    const sizes = fc.integer({ min: 1, max: 1200 })
    const cases = sizes.chain((size) =>
      fc.tuple(fc.constant(size), fc.array(fc.nat(size - 1), { maxLength: 3 })),
    )
    await fc.assert(
      fc.asyncProperty(cases, async ([size, places]) => {
        const theirs = treeSource(changedAt(places), size)
        const found = await firstDifference(treeSource(honest, size), theirs, treeSize(size))
        expect(found).toBe(places.length === 0 ? undefined : Math.min(...places))
      }),
      { numRuns: 60 },
    )
  })

  it('is none of an empty tree', async () => {
    const empty = treeSource(honest, 0)
    expect(await firstDifference(empty, empty, treeSize(0))).toBeUndefined()
  })

  it('reads a few tiles of a large tree', async () => {
    const size = 70_000
    const mine = treeSource(honest, size)
    const theirs = treeSource(changedAt([65_000]), size)
    expect(await firstDifference(mine, theirs, treeSize(size))).toBe(65_000)
    expect(theirs.reads.length).toBeLessThanOrEqual(4)
  })

  it('passes on what a source throws', async () => {
    const theirs = treeSource(honest, 10)
    await expect(
      firstDifference(treeSource(honest, 11), theirs, treeSize(11)),
    ).rejects.toMatchObject({ code: 'NOT_FOUND' })
  })
})
