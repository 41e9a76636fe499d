import { describe, expect, it } from 'vitest'
import { equal, utf8 } from '../../src/bytes.ts'
import { EdgeTree, type RightEdge, rootOfEdge } from '../../src/log/edge-tree.ts'
import { Frontier } from '../../src/merkle/frontier.ts'
import {
  HASH_SIZE,
  hashLeaf,
  type LeafHash,
  leafHash,
  type RootHash,
} from '../../src/merkle/hash.ts'
import { verifyInclusion } from '../../src/merkle/inclusion.ts'
import { leafIndex, type TreeSize, treeSize } from '../../src/merkle/position.ts'

const leafAt = (index: number): LeafHash => hashLeaf(utf8(`leaf ${index}`))

interface Snapshot {
  size: TreeSize
  edge: RightEdge
  root: RootHash
}

/** A tree of `size` leaves, remembering its edge at chosen sizes, with the root by the frontier. */
function grow(
  size: number,
  at: (size: number) => boolean,
): { tree: EdgeTree; snapshots: Snapshot[] } {
  const tree = new EdgeTree()
  const frontier = new Frontier()
  const snapshots: Snapshot[] = []
  for (let i = 0; i < size; i++) {
    const leaf = leafAt(i)
    tree.append(leaf, 0)
    frontier.append(leaf)
    if (at(i + 1))
      snapshots.push({ size: tree.size, edge: tree.rightEdge(), root: frontier.root() })
  }
  return { tree, snapshots }
}

describe('EdgeTree', () => {
  it('has the root that the frontier has, at every size to 1,100', () => {
    const { snapshots } = grow(1_100, () => true)
    for (const { size, edge, root } of snapshots) {
      expect(equal(rootOfEdge(edge), root), `size ${size}`).toBe(true)
    }
  })

  it('proves leaves under heads older than the tree it has grown to', () => {
    const sizes = [1, 2, 3, 255, 256, 257, 511, 512, 600, 777]
    const { tree, snapshots } = grow(800, (size) => sizes.includes(size))
    for (const { size, edge, root } of snapshots) {
      for (let i = 0; i < size; i++) {
        const proof = tree.inclusionProof(leafIndex(i), size, edge)
        verifyInclusion(leafIndex(i), size, leafAt(i), proof!, root)
      }
    }
  })

  it('goes on after being restored at sizes around the ends of tiles', {
    timeout: 60_000,
  }, async () => {
    const last = 66_100
    const cuts = [1, 2, 255, 256, 257, 512, 65_535, 65_536, 65_537, 65_792, 66_000]
    const leaves = Array.from({ length: last }, (_, i) => leafAt(i))
    const levels: Uint8Array[][] = [leaves, [], []]
    const whole = new EdgeTree(1_000)
    for (const leaf of leaves) whole.append(leaf, 0)
    for (const cut of cuts) {
      const restored = await EdgeTree.restore(treeSize(cut), async (level, tile, width) => {
        if (level > 0) return whole.tileHashes(level, tile, 0, width)
        const out = new Uint8Array(width * HASH_SIZE)
        for (let i = 0; i < width; i++) out.set(levels[0]![tile * 256 + i]!, i * HASH_SIZE)
        return out
      })
      const frontier = new Frontier()
      for (let i = 0; i < cut; i++) frontier.append(leaves[i]!)
      expect(equal(rootOfEdge(restored.rightEdge()), frontier.root()), `restored at ${cut}`).toBe(
        true,
      )
      for (let i = cut; i < cut + 100; i++) {
        restored.append(leaves[i]!, 0)
        frontier.append(leaves[i]!)
      }
      expect(equal(rootOfEdge(restored.rightEdge()), frontier.root()), `grown from ${cut}`).toBe(
        true,
      )
      const index = leafIndex(cut + 50)
      const proof = restored.inclusionProof(index, restored.size, restored.rightEdge())
      verifyInclusion(index, restored.size, leafAt(index), proof!, frontier.root())
    }
  })

  it('answers undefined for a leaf whose tile has left memory', () => {
    const tree = new EdgeTree(2)
    for (let i = 0; i < 2_000; i++) tree.append(leafHash(leafAt(i)), 0)
    expect(tree.inclusionProof(leafIndex(3), tree.size, tree.rightEdge())).toBeUndefined()
    expect(tree.inclusionProof(leafIndex(1_999), tree.size, tree.rightEdge())).toBeDefined()
  })
})
