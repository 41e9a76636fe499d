import { describe, expect, it } from 'vitest'
import { toHex } from '../../src/bytes.ts'
import { Frontier, frontierPositions, rootOfFrontier } from '../../src/merkle/frontier.ts'
import { EMPTY_ROOT, type LeafHash, leafHash, nodeHash } from '../../src/merkle/hash.ts'
import { treeSize } from '../../src/merkle/position.ts'
import { countingTree, type NaiveTree, populationTree } from './naive.ts'

const MAX = Number.MAX_SAFE_INTEGER

function frontierOf(tree: NaiveTree, size: number): Frontier {
  const hashes = frontierPositions(treeSize(size)).map(({ height, index }) =>
    nodeHash(tree.root(index * 2 ** height, (index + 1) * 2 ** height)),
  )
  return new Frontier(treeSize(size), hashes)
}

describe('a frontier that grows leaf by leaf', () => {
  it('has the root and the complete subtrees of every size to 300', () => {
    const tree = countingTree()
    const frontier = new Frontier()
    expect(frontier.root()).toBe(EMPTY_ROOT)
    for (let size = 1; size <= 300; size++) {
      frontier.append(leafHash(tree.leaf(size - 1)))
      expect(frontier.size).toBe(size)
      expect(toHex(frontier.root())).toBe(toHex(tree.root(0, size)))
      expect(frontier.hashes.map(toHex)).toEqual(frontierOf(tree, size).hashes.map(toHex))
    }
  })

  it('has the root of a million leaves', () => {
    const tree = populationTree()
    const frontier = new Frontier()
    const checkAt = new Set([65_535, 65_536, 65_537, 262_143, 999_999, 1_000_000])
    for (let index = 0; index < 1_000_000; index++) {
      frontier.append(tree.leaf(index) as LeafHash)
      if (!checkAt.has(index + 1)) continue
      expect(toHex(frontier.root())).toBe(toHex(tree.root(0, index + 1)))
    }
  })

  it('grows across 2^31, 2^32 and 2^52 as anywhere else', () => {
    const tree = populationTree()
    for (const start of [2 ** 31 - 3, 2 ** 32 - 3, 2 ** 33 + 5, 2 ** 40 - 3, 2 ** 52 - 3]) {
      const frontier = frontierOf(tree, start)
      for (let size = start + 1; size <= start + 6; size++) {
        frontier.append(leafHash(tree.leaf(size - 1)))
        expect(toHex(frontier.root())).toBe(toHex(tree.root(0, size)))
      }
    }
  })

  it('ends at 2^53-1 leaves', () => {
    const tree = populationTree()
    const frontier = frontierOf(tree, MAX - 1)
    frontier.append(leafHash(tree.leaf(MAX - 1)))
    expect(toHex(frontier.root())).toBe(toHex(tree.root(0, MAX)))
    expect(() => frontier.append(leafHash(tree.leaf(0)))).toThrow(RangeError)
    expect(frontier.size).toBe(MAX)
    expect(toHex(frontier.root())).toBe(toHex(tree.root(0, MAX)))
  })
})

describe('a frontier', () => {
  it('is refused when its hashes do not fit its size', () => {
    const hash = nodeHash(new Uint8Array(32))
    expect(() => new Frontier(treeSize(3), [hash])).toThrow(RangeError)
    expect(() => new Frontier(treeSize(0), [hash])).toThrow(RangeError)
    expect(() => new Frontier(treeSize(4), [])).toThrow(RangeError)
  })

  it('is not changed through its clone, nor through the hashes it was made of', () => {
    const tree = countingTree()
    const hashes = [...frontierOf(tree, 6).hashes]
    const frontier = new Frontier(treeSize(6), hashes)
    const clone = frontier.clone()
    clone.append(leafHash(tree.leaf(6)))
    hashes.pop()
    expect(toHex(frontier.root())).toBe(toHex(tree.root(0, 6)))
    expect(toHex(clone.root())).toBe(toHex(tree.root(0, 7)))
  })

  it('covers its tree from left to right without a gap', () => {
    for (const size of [0, 1, 2, 3, 255, 256, 257, 70_000, 2 ** 32 + 1, 2 ** 53 - 1]) {
      let at = 0
      for (const { height, index } of frontierPositions(treeSize(size))) {
        expect(index * 2 ** height).toBe(at)
        at += 2 ** height
      }
      expect(at).toBe(size)
    }
  })

  it('of no hashes has the empty root', () => {
    expect(rootOfFrontier([])).toBe(EMPTY_ROOT)
  })
})
