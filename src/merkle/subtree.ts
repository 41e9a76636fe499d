/**
 * Subtrees, and proofs that a tree contains one: section 4 of draft-ietf-plants-merkle-tree-certs. The proof of a subtree
 * that starts at 0 is a consistency proof of RFC 6962, that of a single leaf an inclusion proof.
 */
import { equal } from '../bytes.ts'
import { CairnError } from '../errors.ts'
import { HASH_SIZE, hashChildren, type NodeHash, type RootHash } from './hash.ts'
import { areHashes } from './inclusion.ts'
import { isOdd, type Position, shiftRight, type TreeSize, treeHeight } from './position.ts'

/** The leaves from `start` up to but without `end`. */
export interface Subtree {
  readonly start: TreeSize
  readonly end: TreeSize
}

/** Whether a node of some tree has just these leaves below it: `start` is a multiple of the power of two they fit in. */
export function isSubtree({ start, end }: Subtree): boolean {
  // The brands stop at JavaScript callers.
  if (!Number.isSafeInteger(start) || !Number.isSafeInteger(end)) return false
  return start >= 0 && start < end && start % 2 ** treeHeight((end - start) as TreeSize) === 0
}

function isSubtreeOf(subtree: Subtree, size: TreeSize): boolean {
  return isSubtree(subtree) && Number.isSafeInteger(size) && subtree.end <= size
}

/** A row of the tree: the nodes in which the subtree's leaves begin and end, and the last node there is. */
interface Row {
  readonly height: number
  readonly first: number
  readonly at: number
  readonly last: number
}

function above({ height, first, at, last }: Row): Row {
  return {
    height: height + 1,
    first: shiftRight(first, 1),
    at: shiftRight(at, 1),
    last: shiftRight(last, 1),
  }
}

/** The row of the largest subtree that both trees share and that ends where the given one does. */
function sharedRow({ start, end }: Subtree, size: TreeSize): Row {
  let row: Row = { height: 0, first: start, at: end - 1, last: size - 1 }
  // Where the tree ends with the subtree, its right edge is the same in both, complete or not.
  while (row.first < row.at && (end === size || isOdd(row.at))) row = above(row)
  return row
}

/**
 * The subtrees whose hashes prove that the tree of `size` leaves contains a subtree.
 * @throws RangeError unless it is one, and ends in the tree
 */
export function subtreeConsistencyPath(subtree: Subtree, size: TreeSize): Position[] {
  if (!isSubtreeOf(subtree, size)) {
    throw new RangeError(
      `[${subtree.start}, ${subtree.end}) is no subtree of a tree of ${size} leaves`,
    )
  }
  let row = sharedRow(subtree, size)
  const path: Position[] = []
  // When the subtree itself is shared, its hash is known to the verifier and is left out.
  if (row.first < row.at) path.push({ height: row.height, index: row.at })
  for (; row.last > 0; row = above(row)) {
    const { height, at, last } = row
    if (isOdd(at)) path.push({ height, index: at - 1 })
    else if (at < last) path.push({ height, index: at + 1 })
  }
  return path
}

/**
 * Checks that the tree of `size` leaves with `root` contains the subtree with `hash`.
 * @throws VERIFICATION_FAILED
 */
export function verifySubtreeConsistency(
  subtree: Subtree,
  hash: NodeHash,
  size: TreeSize,
  proof: readonly NodeHash[],
  root: RootHash,
): void {
  const fail = (reason: string): never => {
    throw new CairnError('VERIFICATION_FAILED', reason)
  }
  if (!isSubtreeOf(subtree, size)) {
    fail(`[${subtree.start}, ${subtree.end}) is no subtree of a tree of ${size} leaves`)
  }
  if (hash.length !== HASH_SIZE || root.length !== HASH_SIZE || !areHashes(proof)) {
    fail('a hash of the subtree proof is not 32 bytes long')
  }
  let row = sharedRow(subtree, size)
  const hashes = row.first < row.at ? proof : [hash, ...proof]
  if (hashes.length === 0) fail('the subtree proof is empty')
  const [seed, ...rest] = hashes
  let smaller = seed!
  let larger = seed!
  for (const sibling of rest) {
    if (row.last === 0) fail('the subtree proof is too long')
    if (isOdd(row.at) || row.at === row.last) {
      if (row.first < row.at) smaller = hashChildren(sibling, smaller)
      larger = hashChildren(sibling, larger)
      while (!isOdd(row.at) && row.at !== 0) row = above(row)
    } else {
      larger = hashChildren(larger, sibling)
    }
    row = above(row)
  }
  if (row.last !== 0) fail('the subtree proof is too short')
  if (!equal(smaller, hash)) fail('the subtree proof does not lead to the hash of the subtree')
  if (!equal(larger, root)) fail('the subtree proof does not lead to the root hash')
}
