/** The verification algorithms of RFC 9162 sections 2.1.3.2 and 2.1.4.2, step by step, on BigInt. */
import { type Hash, naiveNode } from './naive.ts'

function same(a: Hash, b: Hash): boolean {
  return Buffer.compare(a, b) === 0
}

export interface InclusionClaim {
  readonly index: bigint
  readonly size: bigint
  readonly leaf: Hash
  readonly proof: readonly Hash[]
  readonly root: Hash
}

export function literalInclusion({ index, size, leaf, proof, root }: InclusionClaim): boolean {
  if (index >= size) return false
  let fn = index
  let sn = size - 1n
  let r = leaf
  for (const p of proof) {
    if (sn === 0n) return false
    if (fn & 1n || fn === sn) {
      r = naiveNode(p, r)
      while (!(fn & 1n) && fn !== 0n) {
        fn >>= 1n
        sn >>= 1n
      }
    } else {
      r = naiveNode(r, p)
    }
    fn >>= 1n
    sn >>= 1n
  }
  return sn === 0n && same(r, root)
}

export interface ConsistencyClaim {
  readonly first: bigint
  readonly second: bigint
  readonly proof: readonly Hash[]
  readonly firstRoot: Hash
  readonly secondRoot: Hash
}

export function literalConsistency(claim: ConsistencyClaim): boolean {
  const { first, second, firstRoot, secondRoot } = claim
  if (first < 1n || first > second) return false
  if (first === second) return claim.proof.length === 0 && same(firstRoot, secondRoot)
  if (claim.proof.length === 0) return false
  const powerOfTwo = (first & (first - 1n)) === 0n
  const proof = powerOfTwo ? [firstRoot, ...claim.proof] : claim.proof
  let fn = first - 1n
  let sn = second - 1n
  while (fn & 1n) {
    fn >>= 1n
    sn >>= 1n
  }
  let fr = proof[0]!
  let sr = proof[0]!
  for (const c of proof.slice(1)) {
    if (sn === 0n) return false
    if (fn & 1n || fn === sn) {
      fr = naiveNode(c, fr)
      sr = naiveNode(c, sr)
      while (!(fn & 1n) && fn !== 0n) {
        fn >>= 1n
        sn >>= 1n
      }
    } else {
      sr = naiveNode(sr, c)
    }
    fn >>= 1n
    sn >>= 1n
  }
  return sn === 0n && same(fr, firstRoot) && same(sr, secondRoot)
}
