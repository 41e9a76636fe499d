import * as fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { toHex } from '../../src/bytes.ts'
import { CairnError } from '../../src/errors.ts'
import { consistencyPath, verifyConsistency } from '../../src/merkle/consistency.ts'
import { type NodeHash, rootHash } from '../../src/merkle/hash.ts'
import { type TreeSize, treeSize } from '../../src/merkle/position.ts'
import { literalConsistency } from './literal-verifier.ts'
import { countingTree, type Hash, type NaiveTree, naiveNode, populationTree } from './naive.ts'

const MAX = Number.MAX_SAFE_INTEGER

/** The proof that `consistencyPath` describes, with hashes from the naive tree. */
function made(tree: NaiveTree, first: number, second: number): NodeHash[] {
  return consistencyPath(treeSize(first), treeSize(second)).map((position) => {
    const from = position.index * 2 ** position.height
    return tree.root(from, Math.min(from + 2 ** position.height, second)) as NodeHash
  })
}

interface Claim {
  readonly first: number
  readonly second: number
  readonly proof: readonly Hash[]
  readonly firstRoot: Hash
  readonly secondRoot: Hash
}

function holds({ first, second, proof, firstRoot, secondRoot }: Claim): boolean {
  try {
    verifyConsistency(
      first as TreeSize,
      second as TreeSize,
      proof as readonly NodeHash[],
      firstRoot as never,
      secondRoot as never,
    )
    return true
  } catch (error) {
    if (error instanceof CairnError && error.code === 'VERIFICATION_FAILED') return false
    throw error
  }
}

function literally(claim: Claim): boolean {
  return literalConsistency({
    ...claim,
    first: BigInt(claim.first),
    second: BigInt(claim.second),
  })
}

function claimOf(tree: NaiveTree, first: number, second: number): Claim {
  return {
    first,
    second,
    proof: made(tree, first, second),
    firstRoot: tree.root(0, first),
    secondRoot: tree.root(0, second),
  }
}

function flipped(bytes: Hash, bit: number): Hash {
  const copy = bytes.slice()
  copy[Math.floor(bit / 8)]! ^= 1 << (bit % 8)
  return copy
}

const anyPair = fc
  .tuple(
    fc.oneof(
      fc.integer({ min: 1, max: 1_000_000 }),
      fc.integer({ min: 1, max: MAX }),
      fc.integer({ min: 2 ** 31 - 70, max: 2 ** 31 + 70 }),
      fc.integer({ min: 2 ** 32 - 70, max: 2 ** 32 + 70 }),
      fc.integer({ min: 2 ** 40 - 70, max: 2 ** 40 + 70 }),
      fc.integer({ min: MAX - 70, max: MAX }),
    ),
    fc.maxSafeNat(),
    fc.constantFrom('any', 'near', 'power'),
  )
  .map(([second, seed, kind]) => {
    if (kind === 'near') return { first: second - (seed % Math.min(second, 70)), second }
    if (kind === 'any') return { first: 1 + (seed % second), second }
    const bits = seed % (second.toString(2).length + 1)
    return { first: Math.min(second, 2 ** bits), second }
  })

describe('consistency proofs of every pair of sizes to 300', () => {
  it('are those of the definition, and verify', () => {
    const tree = countingTree()
    for (let second = 1; second <= 300; second++) {
      const secondRoot = rootHash(tree.root(0, second))
      for (let first = 1; first <= second; first += second > 130 ? 7 : 1) {
        const proof = made(tree, first, second)
        expect(proof.map(toHex).join()).toBe(tree.proof(first, second).map(toHex).join())
        const firstRoot = rootHash(tree.root(0, first))
        verifyConsistency(treeSize(first), treeSize(second), proof, firstRoot, secondRoot)
      }
    }
  })
})

describe('consistency proofs of larger trees', () => {
  it('are those of the definition to 2^53-1 leaves, and both verifiers accept them', () => {
    const tree = populationTree()
    fc.assert(
      fc.property(anyPair, ({ first, second }) => {
        const claim = claimOf(tree, first, second)
        expect(claim.proof.map(toHex)).toEqual(tree.proof(first, second).map(toHex))
        expect(holds(claim)).toBe(true)
        expect(literally(claim)).toBe(true)
      }),
      { numRuns: 500 },
    )
  })

  it('are judged between wrong sizes as the literal algorithm judges them', () => {
    const tree = populationTree()
    fc.assert(
      fc.property(anyPair, anyPair, fc.integer({ min: -2, max: 2 }), (a, b, off) => {
        const claim = claimOf(tree, a.first, a.second)
        const within = (value: number): number => Math.min(MAX, Math.max(0, value))
        const wrong: Claim[] = [
          { ...claim, first: b.first },
          { ...claim, second: b.second },
          { ...claim, first: within(a.first + off) },
          { ...claim, second: within(a.second + off) },
          { ...claim, first: a.first % 2 ** 32, second: a.second % 2 ** 32 },
        ]
        for (const changed of wrong) expect(holds(changed)).toBe(literally(changed))
      }),
      { numRuns: 300 },
    )
  })

  it('are found false for a tree that was rewritten', () => {
    const tree = populationTree()
    fc.assert(
      fc.property(anyPair, ({ first, second }) => {
        if (first === second) return
        const claim = claimOf(tree, first, second)
        expect(holds({ ...claim, firstRoot: claim.secondRoot })).toBe(false)
        expect(holds({ ...claim, secondRoot: claim.firstRoot })).toBe(false)
        const forged = naiveNode(claim.firstRoot, claim.secondRoot)
        expect(holds({ ...claim, firstRoot: forged })).toBe(false)
        expect(holds({ ...claim, secondRoot: forged })).toBe(false)
      }),
      { numRuns: 200 },
    )
  })
})

describe('a consistency proof is rejected', () => {
  const tree = countingTree()

  it('when any bit of a root or of the proof is flipped', () => {
    for (const second of [1, 2, 5, 7, 8]) {
      for (let first = 1; first <= second; first++) {
        const claim = claimOf(tree, first, second)
        for (let bit = 0; bit < 256; bit++) {
          expect(holds({ ...claim, firstRoot: flipped(claim.firstRoot, bit) })).toBe(false)
          expect(holds({ ...claim, secondRoot: flipped(claim.secondRoot, bit) })).toBe(false)
          for (const [i, hash] of claim.proof.entries()) {
            expect(holds({ ...claim, proof: claim.proof.with(i, flipped(hash, bit)) })).toBe(false)
          }
        }
      }
    }
  })

  it('when a hash is missing, added, doubled or in another place', () => {
    for (let second = 1; second <= 40; second++) {
      for (let first = 1; first <= second; first++) {
        const claim = claimOf(tree, first, second)
        const { proof } = claim
        for (let i = 0; i < proof.length; i++) {
          expect(holds({ ...claim, proof: proof.toSpliced(i, 1) })).toBe(false)
          expect(holds({ ...claim, proof: proof.toSpliced(i, 0, proof[i]!) })).toBe(false)
          if (i === 0) continue
          const swapped = proof.with(i, proof[i - 1]!).with(i - 1, proof[i]!)
          expect(holds({ ...claim, proof: swapped })).toBe(false)
        }
        expect(holds({ ...claim, proof: [...proof, claim.secondRoot] })).toBe(false)
        expect(holds({ ...claim, proof: [claim.firstRoot, ...proof] })).toBe(false)
      }
    }
  })

  it('between any other sizes than its own, as far as the literal algorithm can tell', () => {
    for (let second = 1; second <= 16; second++) {
      for (let first = 1; first <= second; first++) {
        const claim = claimOf(tree, first, second)
        for (let otherSecond = 0; otherSecond <= 20; otherSecond++) {
          for (let otherFirst = 0; otherFirst <= 20; otherFirst++) {
            const changed = { ...claim, first: otherFirst, second: otherSecond }
            expect(holds(changed)).toBe(literally(changed))
          }
        }
      }
    }
  })

  it.each([0, 12, 31, 33])('when one of its hashes has %i bytes', (length) => {
    const short = new Uint8Array(length)
    const claim = claimOf(tree, 3, 7)
    expect(holds({ ...claim, firstRoot: short })).toBe(false)
    expect(holds({ ...claim, secondRoot: short })).toBe(false)
    for (let i = 0; i < claim.proof.length; i++) {
      expect(holds({ ...claim, proof: claim.proof.with(i, short) })).toBe(false)
    }
    expect(holds({ first: 1, second: 1, proof: [], firstRoot: short, secondRoot: short })).toBe(
      false,
    )
  })

  it('between equal sizes unless it is empty and the roots are equal', () => {
    const claim = claimOf(tree, 5, 5)
    expect(holds(claim)).toBe(true)
    expect(holds({ ...claim, proof: [claim.firstRoot] })).toBe(false)
    expect(holds({ ...claim, secondRoot: tree.root(0, 4) })).toBe(false)
  })

  it.each([
    [0, 0],
    [0, 7],
    [8, 7],
    [-1, 7],
    [2.5, 7],
    [3, 7.5],
    [Number.NaN, 7],
    [3, Number.NaN],
    [3, Number.POSITIVE_INFINITY],
    [3, 2 ** 53],
  ])('from size %d to size %d', (first, second) => {
    const { proof, firstRoot, secondRoot } = claimOf(tree, 3, 7)
    expect(holds({ first, second, proof, firstRoot, secondRoot })).toBe(false)
    expect(holds({ first, second, proof: [], firstRoot, secondRoot })).toBe(false)
    expect(() => consistencyPath(first as TreeSize, second as TreeSize)).toThrow(RangeError)
  })
})

describe('the path of a consistency proof', () => {
  it('is empty between equal sizes', () => {
    expect(consistencyPath(treeSize(9), treeSize(9))).toEqual([])
    expect(consistencyPath(treeSize(MAX), treeSize(MAX))).toEqual([])
  })

  it('has at most one hash more than the tree is high', () => {
    fc.assert(
      fc.property(anyPair, ({ first, second }) => {
        const height = (second - 1).toString(2).length
        const path = consistencyPath(treeSize(first), treeSize(second))
        expect(path.length).toBeLessThanOrEqual(height + 1)
      }),
    )
  })
})
