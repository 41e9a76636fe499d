/** Inclusion proofs: RFC 6962 section 2.1.1, verified as in RFC 9162 section 2.1.3.2. */
import { equal } from '../bytes.ts'
import { CairnError } from '../errors.ts'
import {
  HASH_SIZE,
  hashChildren,
  type LeafHash,
  type NodeHash,
  type RootHash,
  rootHash,
} from './hash.ts'
import { isOdd, type LeafIndex, type Position, shiftRight, type TreeSize } from './position.ts'

/**
 * The subtrees whose hashes prove that the leaf at `index` is in the tree of `size` leaves, from the leaf's sibling
 * to the root's child. The last ones may be partial at the tree's right edge.
 * @throws RangeError unless `index < size`
 */
export function inclusionPath(index: LeafIndex, size: TreeSize): Position[] {
  if (!isLeafOf(index, size))
    throw new RangeError(`leaf ${index} is not in a tree of ${size} leaves`)
  const path: Position[] = []
  let at: number = index
  let last = size - 1
  for (let height = 0; last > 0; height++) {
    if (isOdd(at)) path.push({ height, index: at - 1 })
    else if (at < last) path.push({ height, index: at + 1 })
    at = shiftRight(at, 1)
    last = shiftRight(last, 1)
  }
  return path
}

// The brands stop at JavaScript callers: a negative or fractional index must not pass for a neighbouring leaf's.
function isLeafOf(index: LeafIndex, size: TreeSize): boolean {
  return Number.isSafeInteger(index) && Number.isSafeInteger(size) && index >= 0 && index < size
}

/** Whether `proof` holds hashes of the right length only. */
export function areHashes(proof: readonly Uint8Array[]): boolean {
  return proof.every((hash) => hash.length === HASH_SIZE)
}

/**
 * The root that an inclusion proof leads to.
 * @throws VERIFICATION_FAILED when the proof cannot belong to a leaf at `index` in a tree of `size` leaves
 */
export function rootFromInclusion(
  index: LeafIndex,
  size: TreeSize,
  leaf: LeafHash,
  proof: readonly NodeHash[],
): RootHash {
  if (!isLeafOf(index, size)) {
    throw new CairnError('VERIFICATION_FAILED', `leaf ${index} is not in a tree of ${size} leaves`)
  }
  if (leaf.length !== HASH_SIZE || !areHashes(proof)) {
    throw new CairnError(
      'VERIFICATION_FAILED',
      'a hash of the inclusion proof is not 32 bytes long',
    )
  }
  let at: number = index
  let last = size - 1
  let hash: NodeHash = leaf
  for (const sibling of proof) {
    if (last === 0) throw new CairnError('VERIFICATION_FAILED', 'the inclusion proof is too long')
    if (isOdd(at) || at === last) {
      hash = hashChildren(sibling, hash)
      while (!isOdd(at) && at !== 0) {
        at = shiftRight(at, 1)
        last = shiftRight(last, 1)
      }
    } else {
      hash = hashChildren(hash, sibling)
    }
    at = shiftRight(at, 1)
    last = shiftRight(last, 1)
  }
  if (last !== 0) throw new CairnError('VERIFICATION_FAILED', 'the inclusion proof is too short')
  return rootHash(hash)
}

/**
 * Checks that the leaf is at `index` in the tree of `size` leaves whose root is `root`.
 * @throws VERIFICATION_FAILED
 */
export function verifyInclusion(
  index: LeafIndex,
  size: TreeSize,
  leaf: LeafHash,
  proof: readonly NodeHash[],
  root: RootHash,
): void {
  if (!equal(rootFromInclusion(index, size, leaf, proof), root)) {
    throw new CairnError('VERIFICATION_FAILED', 'the inclusion proof leads to another root hash')
  }
}
