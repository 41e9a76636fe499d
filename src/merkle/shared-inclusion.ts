/**
 * Inclusion proofs of many leaves of one tree, which share their hashes: each node that is on the path of any of them
 * is there once. Every leaf can still be checked by itself, by the path of RFC 6962 section 2.1.1 read from the shared
 * nodes, so that one leaf that is not in the tree says nothing against the others.
 */
import { equal } from '../bytes.ts'
import { CairnError } from '../errors.ts'
import { HASH_SIZE, hashChildren, type LeafHash, type NodeHash, type RootHash } from './hash.ts'
import { isOdd, type LeafIndex, type Position, shiftRight, type TreeSize } from './position.ts'

/**
 * The subtrees that are on the inclusion path of any of the leaves, each once: by height, then from left to right.
 * @throws RangeError unless all indices are below `size`
 */
export function sharedInclusionPath(indices: readonly LeafIndex[], size: TreeSize): Position[] {
  const outside = indices.find(
    (index) => !(Number.isSafeInteger(index) && index >= 0 && index < size),
  )
  if (outside !== undefined) {
    throw new RangeError(`leaf ${outside} is not in a tree of ${size} leaves`)
  }
  const path: Position[] = []
  let row: number[] = [...new Set<number>(indices)].sort((a, b) => a - b)
  for (let height = 0, last = size - 1; last > 0; height++, last = shiftRight(last, 1)) {
    const siblings = row.map((at) => siblingOf(at, last)).filter((at) => at !== undefined)
    for (const index of siblings.sort((a, b) => a - b)) path.push({ height, index })
    row = row.map((at) => shiftRight(at, 1)).filter((at, i, all) => at !== all[i - 1])
  }
  return path
}

/** The other child of the node's parent; undefined where a partial tree has none. */
function siblingOf(at: number, last: number): number | undefined {
  if (isOdd(at)) return at - 1
  return at < last ? at + 1 : undefined
}

export interface SharedInclusion {
  /**
   * Checks that the leaf is at `index`. What is proven is remembered, so that many leaves cost little more than the
   * nodes that they share.
   * @throws VERIFICATION_FAILED
   */
  verify(index: LeafIndex, leaf: LeafHash): void
  /** Whether leaves that were proven show `hash` to be the node at `position`; undefined when none of them tells. */
  agrees(position: Position, hash: NodeHash): boolean | undefined
}

/** A node of the tree, and what it is said to be. */
interface Node extends Position {
  readonly hash: NodeHash
}

/** Checks leaves of the tree of `size` leaves with `root`, by the hashes that `nodeAt` gives for the nodes on their paths. */
export function sharedInclusion(
  size: TreeSize,
  root: RootHash,
  nodeAt: (position: Position) => NodeHash | undefined,
): SharedInclusion {
  /** Nodes that are proven, by height and index. */
  const proven: Map<number, NodeHash>[] = []
  const known = ({ height, index }: Position): NodeHash | undefined => proven[height]?.get(index)
  const fail = (reason: string): never => {
    throw new CairnError('VERIFICATION_FAILED', reason)
  }

  function sibling(position: Position): NodeHash {
    const hash = known(position) ?? nodeAt(position)
    if (hash?.length === HASH_SIZE) return hash
    return fail(`the proof has no hash for node ${position.index} of height ${position.height}`)
  }

  function verify(index: LeafIndex, leaf: LeafHash): void {
    if (!(Number.isSafeInteger(index) && index >= 0 && index < size)) {
      fail(`leaf ${index} is not in a tree of ${size} leaves`)
    }
    if (leaf.length !== HASH_SIZE) fail('the hash of a leaf is not 32 bytes long')
    const walked: Node[] = []
    let hash: NodeHash = leaf
    for (let height = 0, at: number = index, last = size - 1; ; height++) {
      const here = { height, index: at }
      const told = last === 0 ? root : known(here)
      if (told !== undefined) {
        if (!equal(told, hash)) fail('the inclusion proof leads to another root hash')
        break
      }
      walked.push({ ...here, hash })
      const other = siblingOf(at, last)
      if (other !== undefined) {
        const beside = { height, index: other }
        const its = sibling(beside)
        walked.push({ ...beside, hash: its })
        hash = isOdd(at) ? hashChildren(its, hash) : hashChildren(hash, its)
      }
      at = shiftRight(at, 1)
      last = shiftRight(last, 1)
    }
    for (const node of walked) {
      proven[node.height] ??= new Map()
      proven[node.height]!.set(node.index, node.hash)
    }
  }

  return {
    verify,
    agrees(position, hash) {
      const told = known(position)
      return told && equal(told, hash)
    },
  }
}
