/** Consistency proofs: RFC 6962 section 2.1.2, verified as in RFC 9162 section 2.1.4.2. */
import { equal } from '../bytes.ts'
import { CairnError } from '../errors.ts'
import { HASH_SIZE, hashChildren, type NodeHash, nodeHash, type RootHash } from './hash.ts'
import { areHashes } from './inclusion.ts'
import { isOdd, type Position, shiftRight, type TreeSize } from './position.ts'

// The brands stop at JavaScript callers: what is not a size must not pass for one.
function areOrderedSizes(first: TreeSize, second: TreeSize): boolean {
  return (
    Number.isSafeInteger(first) && Number.isSafeInteger(second) && first >= 1 && first <= second
  )
}

/**
 * The subtrees whose hashes prove that the tree of `first` leaves is a prefix of the tree of `second` leaves.
 * Empty when the sizes are equal.
 * @throws RangeError unless `0 < first <= second`
 */
export function consistencyPath(first: TreeSize, second: TreeSize): Position[] {
  if (!areOrderedSizes(first, second)) {
    throw new RangeError(`there is no consistency proof from size ${first} to size ${second}`)
  }
  if (first === second) return []
  // The largest complete subtree that ends at the old tree's right edge: both trees share it.
  let height = 0
  let at = first - 1
  let last = second - 1
  while (isOdd(at)) {
    at = shiftRight(at, 1)
    last = shiftRight(last, 1)
    height++
  }
  const path: Position[] = []
  // When the old tree is that subtree, its root is known to the verifier and is left out.
  if (at > 0) path.push({ height, index: at })
  for (; last > 0; height++) {
    if (isOdd(at)) path.push({ height, index: at - 1 })
    else if (at < last) path.push({ height, index: at + 1 })
    at = shiftRight(at, 1)
    last = shiftRight(last, 1)
  }
  return path
}

/**
 * Checks that the tree with `firstRoot` is a prefix of the tree with `secondRoot`. Equal sizes need an empty proof
 * and equal roots; there is no proof from the empty tree.
 * @throws VERIFICATION_FAILED
 */
export function verifyConsistency(
  first: TreeSize,
  second: TreeSize,
  proof: readonly NodeHash[],
  firstRoot: RootHash,
  secondRoot: RootHash,
): void {
  const fail = (reason: string): never => {
    throw new CairnError('VERIFICATION_FAILED', reason)
  }
  if (!areOrderedSizes(first, second))
    fail(`there is no consistency proof from size ${first} to ${second}`)
  if (firstRoot.length !== HASH_SIZE || secondRoot.length !== HASH_SIZE || !areHashes(proof)) {
    fail('a hash of the consistency proof is not 32 bytes long')
  }
  if (first === second) {
    if (proof.length > 0) fail('a consistency proof between equal sizes must be empty')
    if (!equal(firstRoot, secondRoot)) fail('two root hashes for the same size')
    return
  }
  if (proof.length === 0) fail('the consistency proof is empty')

  let at = first - 1
  let last = second - 1
  while (isOdd(at)) {
    at = shiftRight(at, 1)
    last = shiftRight(last, 1)
  }
  const [seed, ...rest] = at === 0 ? [nodeHash(firstRoot), ...proof] : proof
  let older = seed!
  let newer = seed!
  for (const sibling of rest) {
    if (last === 0) fail('the consistency proof is too long')
    if (isOdd(at) || at === last) {
      older = hashChildren(sibling, older)
      newer = hashChildren(sibling, newer)
      while (!isOdd(at) && at !== 0) {
        at = shiftRight(at, 1)
        last = shiftRight(last, 1)
      }
    } else {
      newer = hashChildren(newer, sibling)
    }
    at = shiftRight(at, 1)
    last = shiftRight(last, 1)
  }
  if (last !== 0) fail('the consistency proof is too short')
  if (!equal(older, firstRoot)) fail('the consistency proof does not lead to the older root hash')
  if (!equal(newer, secondRoot)) fail('the consistency proof does not lead to the newer root hash')
}
