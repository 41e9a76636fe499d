import * as fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { toHex } from '../../src/bytes.ts'
import { CairnError } from '../../src/errors.ts'
import { consistencyPath } from '../../src/merkle/consistency.ts'
import type { NodeHash, RootHash } from '../../src/merkle/hash.ts'
import { inclusionPath } from '../../src/merkle/inclusion.ts'
import { leafIndex, type TreeSize, treeSize } from '../../src/merkle/position.ts'
import {
  isSubtree,
  type Subtree,
  subtreeConsistencyPath,
  verifySubtreeConsistency,
} from '../../src/merkle/subtree.ts'
import { literalSubtree } from './literal-verifier.ts'
import { countingTree, type Hash, type NaiveTree, populationTree } from './naive.ts'

const MAX = Number.MAX_SAFE_INTEGER

const subtreeOf = (start: number, end: number): Subtree => ({
  start: start as TreeSize,
  end: end as TreeSize,
})

interface Claim {
  readonly start: number
  readonly end: number
  readonly size: number
  readonly hash: Hash
  readonly proof: readonly Hash[]
  readonly root: Hash
}

function holds({ start, end, size, hash, proof, root }: Claim): boolean {
  try {
    verifySubtreeConsistency(
      subtreeOf(start, end),
      hash as NodeHash,
      size as TreeSize,
      proof as readonly NodeHash[],
      root as RootHash,
    )
    return true
  } catch (error) {
    if (error instanceof CairnError && error.code === 'VERIFICATION_FAILED') return false
    throw error
  }
}

function literally(claim: Claim): boolean {
  const { start, end, size } = claim
  return literalSubtree({
    ...claim,
    start: BigInt(start),
    end: BigInt(end),
    size: BigInt(size),
  })
}

/** The proof that `subtreeConsistencyPath` describes, with hashes from the naive tree. */
function claimOf(tree: NaiveTree, start: number, end: number, size: number): Claim {
  const path = subtreeConsistencyPath(subtreeOf(start, end), treeSize(size))
  const proof = path.map(({ height, index }) => {
    const from = index * 2 ** height
    return tree.root(from, Math.min(from + 2 ** height, size))
  })
  return { start, end, size, hash: tree.root(start, end), proof, root: tree.root(0, size) }
}

/** The words of the draft: start is a multiple of the smallest power of two that is not below the number of leaves. */
function isSubtreeByDefinition(start: number, end: number): boolean {
  if (start >= end) return false
  let ceiling = 1
  while (ceiling < end - start) ceiling *= 2
  return start % ceiling === 0
}

/** Subtrees of trees of up to 2^53-1 leaves: a size, and within it an aligned start and an end. */
const anyClaim = fc
  .tuple(
    fc.oneof(
      fc.integer({ min: 1, max: 5_000 }),
      fc.integer({ min: 1, max: MAX }),
      fc.integer({ min: 2 ** 32 - 70, max: 2 ** 32 + 70 }),
      fc.integer({ min: MAX - 70, max: MAX }),
    ),
    fc.maxSafeNat(),
    fc.maxSafeNat(),
    fc.nat(52),
    fc.boolean(),
  )
  .map(([size, a, b, bits, toTheEnd]) => {
    const height = Math.min(bits, size.toString(2).length)
    const width = 2 ** height
    const start = Math.floor((a % size) / width) * width
    const most = Math.min(width, size - start)
    return { start, end: start + (toTheEnd ? most : 1 + (b % most)), size }
  })

describe('a subtree', () => {
  it('is what the definition says, for all ranges to 70', () => {
    for (let end = 0; end <= 70; end++) {
      for (let start = 0; start <= end; start++) {
        expect(isSubtree(subtreeOf(start, end))).toBe(isSubtreeByDefinition(start, end))
      }
    }
  })

  it.each([
    [0, 0],
    [5, 5],
    [5, 4],
    [-4, 4],
    [0.5, 1],
    [0, 1.5],
    [0, 2 ** 53],
    [Number.NaN, 4],
    [0, Number.NaN],
  ])('is not [%d, %d)', (start, end) => {
    expect(isSubtree(subtreeOf(start, end))).toBe(false)
    expect(() => subtreeConsistencyPath(subtreeOf(start, end), treeSize(8))).toThrow(RangeError)
    const tree = countingTree()
    const { hash, proof, root } = claimOf(tree, 0, 4, 8)
    expect(holds({ start, end, size: 8, hash, proof, root })).toBe(false)
  })

  it('may reach 2^53-1', () => {
    expect(isSubtree(subtreeOf(0, MAX))).toBe(true)
    expect(isSubtree(subtreeOf(2 ** 52, MAX))).toBe(true)
    expect(isSubtree(subtreeOf(2 ** 51, MAX))).toBe(false)
    expect(isSubtree(subtreeOf(MAX - 1, MAX))).toBe(true)
  })
})

describe('the proof of a subtree', () => {
  const tree = countingTree()

  it('is that of the definition, and verifies, for all subtrees of all trees to 66 leaves', () => {
    for (let size = 1; size <= 66; size++) {
      for (let end = 1; end <= size; end++) {
        for (let start = 0; start < end; start++) {
          if (!isSubtreeByDefinition(start, end)) continue
          const claim = claimOf(tree, start, end, size)
          expect(claim.proof.map(toHex)).toEqual(tree.subtreeProof(start, end, size).map(toHex))
          expect(holds(claim)).toBe(true)
          expect(literally(claim)).toBe(true)
        }
      }
    }
  })

  it('from 0 is a consistency proof, and of one leaf an inclusion proof', () => {
    for (let size = 1; size <= 40; size++) {
      for (let at = 0; at < size; at++) {
        const proof = subtreeConsistencyPath(subtreeOf(at, at + 1), treeSize(size))
        expect(proof).toEqual(inclusionPath(leafIndex(at), treeSize(size)))
        const prefix = subtreeConsistencyPath(subtreeOf(0, at + 1), treeSize(size))
        expect(prefix).toEqual(consistencyPath(treeSize(at + 1), treeSize(size)))
      }
    }
  })

  it('is that of the definition in trees to 2^53-1 leaves, and both verifiers accept it', () => {
    const large = populationTree()
    fc.assert(
      fc.property(anyClaim, ({ start, end, size }) => {
        const claim = claimOf(large, start, end, size)
        expect(claim.proof.map(toHex)).toEqual(large.subtreeProof(start, end, size).map(toHex))
        expect(holds(claim)).toBe(true)
        expect(literally(claim)).toBe(true)
      }),
      { numRuns: 300 },
    )
  })

  it('is judged for wrong bounds and sizes as the literal algorithm judges it', () => {
    for (const [start, end, size] of [
      [0, 3, 7],
      [4, 7, 7],
      [4, 6, 11],
      [8, 11, 13],
      [5, 6, 9],
    ] as const) {
      const claim = claimOf(tree, start, end, size)
      for (let otherSize = 0; otherSize <= 20; otherSize++) {
        for (let otherEnd = 0; otherEnd <= 20; otherEnd++) {
          for (let otherStart = 0; otherStart <= otherEnd; otherStart++) {
            const changed = { ...claim, start: otherStart, end: otherEnd, size: otherSize }
            expect(holds(changed)).toBe(literally(changed))
          }
        }
      }
    }
  })

  it('is rejected when any of its hashes is changed, missing, added or of another length', () => {
    for (const [start, end, size] of [
      [0, 5, 11],
      [4, 7, 11],
      [8, 11, 11],
      [2, 3, 11],
      [0, 11, 11],
    ] as const) {
      const claim = claimOf(tree, start, end, size)
      const flipped = (hash: Hash): Hash => hash.with(31, hash[31]! ^ 1)
      expect(holds({ ...claim, hash: flipped(claim.hash) })).toBe(false)
      expect(holds({ ...claim, root: flipped(claim.root) })).toBe(false)
      expect(holds({ ...claim, hash: new Uint8Array(31) })).toBe(false)
      expect(holds({ ...claim, root: new Uint8Array(33) })).toBe(false)
      expect(holds({ ...claim, proof: [...claim.proof, claim.root] })).toBe(false)
      expect(holds({ ...claim, proof: [claim.hash, ...claim.proof] })).toBe(false)
      for (const [i, hash] of claim.proof.entries()) {
        expect(holds({ ...claim, proof: claim.proof.with(i, flipped(hash)) })).toBe(false)
        expect(holds({ ...claim, proof: claim.proof.with(i, new Uint8Array(0)) })).toBe(false)
        expect(holds({ ...claim, proof: claim.proof.toSpliced(i, 1) })).toBe(false)
      }
    }
  })

  it('is rejected for a subtree that ends outside the tree', () => {
    const { hash, proof, root } = claimOf(tree, 8, 11, 11)
    expect(holds({ start: 8, end: 12, size: 11, hash, proof, root })).toBe(false)
    expect(() => subtreeConsistencyPath(subtreeOf(8, 12), treeSize(11))).toThrow(
      'is no subtree of a tree of 11 leaves',
    )
  })
})
