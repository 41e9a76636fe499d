/** An inclusion proof as the steps of whoever checks it: from the hash of the entry to the root. */
import { equal } from '../../bytes.ts'
import { hashChildren, type LeafHash, type NodeHash } from '../../merkle/hash.ts'
import { inclusionPath } from '../../merkle/inclusion.ts'
import type { LeafIndex, TreeSize } from '../../merkle/position.ts'

/** The hash of the entries from `from` up to but without `to`. */
export interface TreeNode {
  readonly from: number
  readonly to: number
  readonly hash: NodeHash
}

/** Two hashes become one. */
export interface PathStep {
  /** What was computed before. */
  readonly node: TreeNode
  /** What the proof brings. */
  readonly sibling: TreeNode
  /** On which side of the node. */
  readonly side: 'left' | 'right'
  readonly parent: TreeNode
}

export interface ProvenEntry {
  readonly index: LeafIndex
  readonly size: TreeSize
  readonly leafHash: LeafHash
  /** The entry's sibling first. */
  readonly proof: readonly NodeHash[]
  /** The root that was signed. */
  readonly root: Uint8Array
}

export interface Path {
  readonly leaf: TreeNode
  readonly steps: readonly PathStep[]
  /** Whether they lead to the root that was signed. */
  readonly holds: boolean
}

/** The steps of a proof; of one with too few or too many hashes, those that can be taken. */
export function pathOf({ index, size, leafHash, proof, root }: ProvenEntry): Path {
  const leaf: TreeNode = { from: index, to: index + 1, hash: leafHash }
  const positions = inclusionPath(index, size)
  const steps: PathStep[] = []
  let node = leaf
  for (const [i, position] of positions.entries()) {
    const hash = proof[i]
    if (hash === undefined) break
    const width = 2 ** position.height
    const from = position.index * width
    const sibling = { from, to: Math.min(from + width, size), hash }
    const side = from < node.from ? 'left' : 'right'
    const [left, right] = side === 'left' ? [sibling, node] : [node, sibling]
    const parent = { from: left.from, to: right.to, hash: hashChildren(left.hash, right.hash) }
    steps.push({ node, sibling, side, parent })
    node = parent
  }
  return { leaf, steps, holds: proof.length === positions.length && equal(node.hash, root) }
}
