/** Many leaves and nodes of a real log that has more than a bundle. */
import * as fc from 'fast-check'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { utf8 } from '../../src/bytes.ts'
import { readLeaves, readManyNodes } from '../../src/compliance/leaves.ts'
import type { LogService } from '../../src/log/service.ts'
import { hashLeaf } from '../../src/merkle/hash.ts'
import { leafIndex, treeSize } from '../../src/merkle/position.ts'
import { sharedInclusion, sharedInclusionPath } from '../../src/merkle/shared-inclusion.ts'
import { openLogAt } from '../support/stores.ts'
import { discard, newPlace, type TestLogPlace } from '../support/test-log.ts'

const SIZE = 1_300
const leafAt = (i: number): Uint8Array => utf8(`leaf ${i}`)

let place: TestLogPlace
let log: LogService
beforeAll(async () => {
  place = await newPlace()
  log = await openLogAt(place)
  await log.submit(Array.from({ length: SIZE }, (_, i) => leafAt(i)))
})
afterAll(async () => {
  await log.close()
  await discard(place)
})

const anyIndices = fc.uniqueArray(fc.nat(SIZE - 1), { minLength: 1, maxLength: 40 })

describe('many leaves', () => {
  it('are read in the order asked for', async () => {
    await fc.assert(
      fc.asyncProperty(anyIndices, async (indices) => {
        const read: [number, Uint8Array][] = []
        for await (const { index, leaf } of readLeaves(log, indices.map(leafIndex))) {
          read.push([index, leaf])
        }
        expect(read).toEqual(indices.map((index) => [index, leafAt(index)]))
      }),
      { numRuns: 30 },
    )
  })

  it('are none beyond the head', async () => {
    for (const beyond of [SIZE, SIZE + 300, Number.MAX_SAFE_INTEGER - 1]) {
      const read = readLeaves(log, [leafIndex(3), leafIndex(beyond)])
      expect((await read.next()).value).toMatchObject({ index: 3 })
      await expect(read.next()).rejects.toMatchObject({ code: 'NOT_FOUND' })
    }
  })

  it('has those that were added since it began', async () => {
    const grown = await newPlace()
    const own = await openLogAt(grown)
    await own.submit([leafAt(0)])
    async function* growing() {
      yield leafIndex(0)
      await own.submit([leafAt(1)])
      yield leafIndex(1)
    }
    const read: Uint8Array[] = []
    for await (const { leaf } of readLeaves(own, growing())) read.push(leaf)
    expect(read).toEqual([leafAt(0), leafAt(1)])
    await own.close()
    await discard(grown)
  })
})

describe('many nodes', () => {
  it('prove all of the leaves in a tree of any size', async () => {
    const { root } = log.head()
    await fc.assert(
      fc.asyncProperty(anyIndices, async (indices) => {
        const positions = sharedInclusionPath(indices.map(leafIndex), treeSize(SIZE))
        const hashes = await readManyNodes(log, treeSize(SIZE), positions)
        const nodes = new Map(
          positions.map(({ height, index }, i) => [`${height} ${index}`, hashes[i]!]),
        )
        const { verify } = sharedInclusion(treeSize(SIZE), root, ({ height, index }) =>
          nodes.get(`${height} ${index}`),
        )
        for (const index of indices) verify(leafIndex(index), hashLeaf(leafAt(index)))
      }),
      { numRuns: 30 },
    )
  })

  it('are those of an older tree, too, and none of a larger one', async () => {
    for (const size of [1, 2, 255, 256, 257, 1_024, 1_299]) {
      const indices = [0, Math.floor(size / 2), size - 1].map(leafIndex)
      const positions = sharedInclusionPath(indices, treeSize(size))
      const hashes = await readManyNodes(log, treeSize(size), positions)
      const proof = await log.inclusionProof(leafIndex(size - 1), treeSize(size))
      for (const node of proof) expect(hashes).toContainEqual(node)
    }
    const size = treeSize(SIZE + 1)
    const beyond = sharedInclusionPath([leafIndex(SIZE - 1)], size)
    await expect(readManyNodes(log, size, beyond)).rejects.toMatchObject({ code: 'NOT_FOUND' })
  })
})
