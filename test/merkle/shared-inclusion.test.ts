import * as fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import {
  type LeafHash,
  leafHash,
  type NodeHash,
  nodeHash,
  rootHash,
} from '../../src/merkle/hash.ts'
import { inclusionPath } from '../../src/merkle/inclusion.ts'
import { leafIndex, type Position, treeSize } from '../../src/merkle/position.ts'
import { sharedInclusion, sharedInclusionPath } from '../../src/merkle/shared-inclusion.ts'
import { nodeOf } from '../support/evidence.ts'
import { countingTree, populationTree } from './naive.ts'

const tree = countingTree()
const keyOf = ({ height, index }: Position): string => `${height} ${index}`

const someLeaves = fc.integer({ min: 1, max: 200 }).chain((size) =>
  fc.record({
    size: fc.constant(size),
    indices: fc.uniqueArray(fc.nat(size - 1), { minLength: 1, maxLength: 20 }),
  }),
)

function proofOf(indices: readonly number[], size: number): Map<string, NodeHash> {
  const path = sharedInclusionPath(indices.map(leafIndex), treeSize(size))
  return new Map(path.map((at) => [keyOf(at), nodeHash(nodeOf(tree, at, size))]))
}

const verifierOf = (size: number, nodes: ReadonlyMap<string, NodeHash>) =>
  sharedInclusion(treeSize(size), rootHash(tree.root(0, size)), (at) => nodes.get(keyOf(at)))
const leafAt = (index: number): LeafHash => leafHash(tree.leaf(index))

describe('the shared path of many leaves', () => {
  it('has the nodes of all their paths, each once, by height and from left to right', () => {
    fc.assert(
      fc.property(someLeaves, ({ size, indices }) => {
        const shared = sharedInclusionPath(indices.map(leafIndex), treeSize(size))
        const single = indices.flatMap((index) => inclusionPath(leafIndex(index), treeSize(size)))
        expect(new Set(shared.map(keyOf))).toEqual(new Set(single.map(keyOf)))
        expect(new Set(shared.map(keyOf)).size).toBe(shared.length)
        const sorted = [...shared].sort((a, b) => a.height - b.height || a.index - b.index)
        expect(shared).toEqual(sorted)
      }),
    )
  })

  it('refuses leaves that are not in the tree', () => {
    expect(() => sharedInclusionPath([leafIndex(3)], treeSize(3))).toThrow(
      'leaf 3 is not in a tree',
    )
    expect(() => sharedInclusionPath([-1 as never], treeSize(3))).toThrow('leaf -1')
  })
})

describe('leaves that share their proof', () => {
  it('are proven, in any order', () => {
    fc.assert(
      fc.property(someLeaves, ({ size, indices }) => {
        const nodes = proofOf(indices, size)
        const shared = verifierOf(size, nodes)
        for (const index of indices) shared.verify(leafIndex(index), leafAt(index))
        for (const [key, hash] of nodes) {
          const [height, index] = key.split(' ').map(Number) as [number, number]
          expect(shared.agrees({ height, index }, hash)).toBe(true)
          expect(shared.agrees({ height, index }, nodeHash(tree.leaf(999)))).toBe(false)
        }
      }),
    )
  })

  it('are proven in trees of any size', () => {
    const huge = populationTree()
    const size = 2 ** 53 - 1
    const indices = [0, 1, 2 ** 31, 2 ** 52 + 5, size - 1]
    const path = sharedInclusionPath(indices.map(leafIndex), treeSize(size))
    const nodes = new Map(path.map((at) => [keyOf(at), nodeHash(nodeOf(huge, at, size))]))
    const root = rootHash(huge.root(0, size))
    const shared = sharedInclusion(treeSize(size), root, (at) => nodes.get(keyOf(at)))
    for (const index of indices) shared.verify(leafIndex(index), leafHash(huge.leaf(index)))
  })

  it('are told from one that is not in the tree, which says nothing against the others', () => {
    fc.assert(
      fc.property(someLeaves, fc.nat(), ({ size, indices }, seed) => {
        const bad = indices[seed % indices.length]!
        const shared = verifierOf(size, proofOf(indices, size))
        for (const index of indices) {
          const verify = () => shared.verify(leafIndex(index), leafAt(index === bad ? 777 : index))
          if (index === bad) expect(verify).toThrow('leads to another root hash')
          else verify()
        }
        expect(() => shared.verify(leafIndex(bad), leafAt(bad))).not.toThrow()
      }),
    )
  })

  it('are refused with a node that is missing or another, once no other leaf has proven it', () => {
    fc.assert(
      fc.property(someLeaves, fc.nat(), fc.boolean(), ({ size, indices }, seed, isMissing) => {
        const nodes = proofOf(indices.slice(0, 1), size)
        fc.pre(nodes.size > 0)
        const key = [...nodes.keys()][seed % nodes.size]!
        if (isMissing) nodes.delete(key)
        else nodes.set(key, nodeHash(tree.leaf(999)))
        const index = indices[0]!
        const verify = () => verifierOf(size, nodes).verify(leafIndex(index), leafAt(index))
        expect(verify).toThrow(
          isMissing ? `no hash for node ${key.split(' ')[1]} of height` : 'another root',
        )
      }),
    )
  })

  it('are no leaves beyond the tree, and no shorter hashes', () => {
    const shared = verifierOf(3, proofOf([0, 1, 2], 3))
    expect(() => shared.verify(leafIndex(3), leafAt(3))).toThrow('leaf 3 is not in a tree of 3')
    expect(() => shared.verify(leafIndex(0), new Uint8Array(31) as LeafHash)).toThrow('32 bytes')
    const empty = verifierOf(0, new Map())
    expect(() => empty.verify(leafIndex(0), leafAt(0))).toThrow('leaf 0 is not in a tree of 0')
    expect(shared.agrees({ height: 0, index: 0 }, leafAt(0))).toBeUndefined()
  })
})
