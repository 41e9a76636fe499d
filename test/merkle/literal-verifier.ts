/**
 * The verification algorithms of RFC 9162 sections 2.1.3.2 and 2.1.4.2, and that of draft-ietf-plants-merkle-tree-certs
 * section 4.4.3, step by step, on BigInt.
 */
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

export interface SubtreeClaim {
  readonly start: bigint
  readonly end: bigint
  readonly size: bigint
  readonly hash: Hash
  readonly proof: readonly Hash[]
  readonly root: Hash
}

export function literalSubtree({ start, end, size, hash, proof, root }: SubtreeClaim): boolean {
  if (start < 0n || start >= end || end > size) return false
  let ceiling = 1n
  while (ceiling < end - start) ceiling <<= 1n
  if (start % ceiling !== 0n) return false
  let fn = start
  let sn = end - 1n
  let tn = size - 1n
  const shift = (): void => {
    fn >>= 1n
    sn >>= 1n
    tn >>= 1n
  }
  if (sn === tn) while (fn !== sn) shift()
  else while (fn !== sn && sn & 1n) shift()
  const hashes = fn === sn ? [hash, ...proof] : proof
  if (hashes.length === 0) return false
  let fr = hashes[0]!
  let sr = hashes[0]!
  for (const c of hashes.slice(1)) {
    if (tn === 0n) return false
    if (sn & 1n || sn === tn) {
      if (fn < sn) fr = naiveNode(c, fr)
      sr = naiveNode(c, sr)
      while (!(sn & 1n)) {
        shift()
        if (sn === 0n) break
      }
    } else {
      sr = naiveNode(sr, c)
    }
    shift()
  }
  return tn === 0n && same(fr, hash) && same(sr, root)
}
