import * as fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { toHex } from '../../src/bytes.ts'
import { CairnError } from '../../src/errors.ts'
import { type LeafHash, leafHash, type NodeHash, rootHash } from '../../src/merkle/hash.ts'
import { inclusionPath, rootFromInclusion, verifyInclusion } from '../../src/merkle/inclusion.ts'
import { type LeafIndex, leafIndex, type TreeSize, treeSize } from '../../src/merkle/position.ts'
import { literalInclusion } from './literal-verifier.ts'
import { countingTree, type Hash, type NaiveTree, naiveNode, populationTree } from './naive.ts'

const MAX = Number.MAX_SAFE_INTEGER

/** The proof that `inclusionPath` describes, with hashes from the naive tree. */
function made(tree: NaiveTree, index: number, size: number): NodeHash[] {
  return inclusionPath(leafIndex(index), treeSize(size)).map((position) => {
    const from = position.index * 2 ** position.height
    return tree.root(from, Math.min(from + 2 ** position.height, size)) as NodeHash
  })
}

interface Claim {
  readonly index: number
  readonly size: number
  readonly leaf: Hash
  readonly proof: readonly Hash[]
  readonly root: Hash
}

function holds({ index, size, leaf, proof, root }: Claim): boolean {
  try {
    verifyInclusion(
      index as LeafIndex,
      size as TreeSize,
      leaf as LeafHash,
      proof as NodeHash[],
      root as never,
    )
    return true
  } catch (error) {
    if (error instanceof CairnError && error.code === 'VERIFICATION_FAILED') return false
    throw error
  }
}

function claimOf(tree: NaiveTree, index: number, size: number): Claim {
  return {
    index,
    size,
    leaf: tree.leaf(index),
    proof: made(tree, index, size),
    root: tree.root(0, size),
  }
}

function flipped(bytes: Hash, bit: number): Hash {
  const copy = bytes.slice()
  copy[Math.floor(bit / 8)]! ^= 1 << (bit % 8)
  return copy
}

const anyClaim = fc
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
    fc.boolean(),
  )
  .map(([size, seed, near]) => ({
    size,
    index: near ? size - 1 - (seed % Math.min(size, 70)) : seed % size,
  }))

describe('inclusion proofs of every leaf of every size to 300', () => {
  it('are those of the definition, and verify', () => {
    const tree = countingTree()
    for (let size = 1; size <= 300; size++) {
      const root = rootHash(tree.root(0, size))
      for (let index = 0; index < size; index += size > 130 ? 7 : 1) {
        const proof = made(tree, index, size)
        expect(proof.map(toHex).join()).toBe(tree.path(index, size).map(toHex).join())
        verifyInclusion(leafIndex(index), treeSize(size), leafHash(tree.leaf(index)), proof, root)
      }
    }
  })

  it('give back the root', () => {
    const tree = countingTree()
    const { leaf, proof } = claimOf(tree, 3, 7)
    const root = rootFromInclusion(
      leafIndex(3),
      treeSize(7),
      leafHash(leaf),
      proof as readonly NodeHash[],
    )
    expect(toHex(root)).toBe(toHex(tree.root(0, 7)))
  })
})

describe('inclusion proofs of larger trees', () => {
  it('are those of the definition to 2^53-1 leaves, and both verifiers accept them', () => {
    const tree = populationTree()
    fc.assert(
      fc.property(anyClaim, ({ index, size }) => {
        const claim = claimOf(tree, index, size)
        expect(claim.proof.map(toHex)).toEqual(tree.path(index, size).map(toHex))
        expect(holds(claim)).toBe(true)
        expect(literalInclusion({ ...claim, index: BigInt(index), size: BigInt(size) })).toBe(true)
      }),
      { numRuns: 500 },
    )
  })

  it('are judged at a wrong index or size as the literal algorithm judges them', () => {
    const tree = populationTree()
    fc.assert(
      fc.property(anyClaim, anyClaim, fc.integer({ min: -2, max: 2 }), (a, b, off) => {
        const claim = claimOf(tree, a.index, a.size)
        const wrong: Claim[] = [
          { ...claim, index: b.index },
          { ...claim, size: b.size },
          { ...claim, index: Math.max(0, a.index + off) },
          { ...claim, size: Math.min(MAX, Math.max(0, a.size + off)) },
          { ...claim, index: a.index % 2 ** 32, size: a.size % 2 ** 32 },
        ]
        for (const changed of wrong) {
          const literal = literalInclusion({
            ...changed,
            index: BigInt(changed.index),
            size: BigInt(changed.size),
          })
          expect(holds(changed)).toBe(literal)
        }
      }),
      { numRuns: 300 },
    )
  })
})

describe('an inclusion proof is rejected', () => {
  const tree = countingTree()

  it('when any bit of the leaf, the root or the proof is flipped', () => {
    for (const size of [1, 2, 5, 7, 8, 13]) {
      for (let index = 0; index < size; index++) {
        const claim = claimOf(tree, index, size)
        for (let bit = 0; bit < 256; bit++) {
          expect(holds({ ...claim, leaf: flipped(claim.leaf, bit) })).toBe(false)
          expect(holds({ ...claim, root: flipped(claim.root, bit) })).toBe(false)
          for (const [i, hash] of claim.proof.entries()) {
            expect(holds({ ...claim, proof: claim.proof.with(i, flipped(hash, bit)) })).toBe(false)
          }
        }
      }
    }
  })

  it('when a hash is missing, added, doubled or in another place', () => {
    for (let size = 1; size <= 40; size++) {
      for (let index = 0; index < size; index++) {
        const claim = claimOf(tree, index, size)
        const { proof } = claim
        for (let i = 0; i < proof.length; i++) {
          expect(holds({ ...claim, proof: proof.toSpliced(i, 1) })).toBe(false)
          expect(holds({ ...claim, proof: proof.toSpliced(i, 0, proof[i]!) })).toBe(false)
          if (i === 0) continue
          const swapped = proof.with(i, proof[i - 1]!).with(i - 1, proof[i]!)
          expect(holds({ ...claim, proof: swapped })).toBe(false)
        }
        expect(holds({ ...claim, proof: [...proof, claim.root] })).toBe(false)
        expect(holds({ ...claim, proof: [claim.leaf, ...proof] })).toBe(false)
      }
    }
  })

  it('when it is given for another index of the same tree', () => {
    for (let size = 2; size <= 40; size++) {
      for (let index = 0; index < size; index++) {
        const claim = claimOf(tree, index, size)
        for (let other = 0; other <= size + 1; other++) {
          if (other !== index) expect(holds({ ...claim, index: other })).toBe(false)
        }
      }
    }
  })

  it('when it is given for another size, unless the path has the same turns there', () => {
    for (let size = 1; size <= 40; size++) {
      for (let index = 0; index < size; index++) {
        const claim = claimOf(tree, index, size)
        for (let other = 0; other <= 50; other++) {
          const literal = literalInclusion({ ...claim, index: BigInt(index), size: BigInt(other) })
          expect(holds({ ...claim, size: other })).toBe(literal)
        }
      }
    }
  })

  it.each([0, 12, 31, 33])('when one of its hashes has %i bytes', (length) => {
    const short = new Uint8Array(length)
    const claim = claimOf(tree, 3, 7)
    expect(holds({ ...claim, leaf: short })).toBe(false)
    expect(holds({ ...claim, root: short })).toBe(false)
    for (let i = 0; i < claim.proof.length; i++) {
      expect(holds({ ...claim, proof: claim.proof.with(i, short) })).toBe(false)
    }
    expect(holds({ index: 0, size: 1, leaf: short, proof: [], root: short })).toBe(false)
  })

  it('when it is for an interior node that poses as a leaf', () => {
    const node = naiveNode(tree.leaf(0), tree.leaf(1))
    const proof = [tree.root(2, 4)]
    expect(holds({ index: 0, size: 4, leaf: node, proof, root: tree.root(0, 4) })).toBe(false)
  })

  it.each([
    [-1, 7],
    [0.5, 7],
    [Number.NaN, 7],
    [7, 7],
    [0, 0],
    [0, Number.NaN],
    [0, 6.5],
    [0, Number.POSITIVE_INFINITY],
    [0, 2 ** 53],
  ])('at index %d of size %d', (index, size) => {
    const { leaf, proof, root } = claimOf(tree, 0, 7)
    expect(holds({ index, size, leaf, proof, root })).toBe(false)
  })
})

describe('the path of an inclusion proof', () => {
  it.each([
    [0, 0],
    [1, 1],
    [8, 7],
    [-1, 7],
    [0.5, 7],
    [Number.NaN, 7],
    [0, Number.POSITIVE_INFINITY],
    [0, 2 ** 53],
  ])('is refused for index %d of size %d', (index, size) => {
    expect(() => inclusionPath(index as LeafIndex, size as TreeSize)).toThrow(RangeError)
  })

  it('is empty for the only leaf of a tree', () => {
    expect(inclusionPath(leafIndex(0), treeSize(1))).toEqual([])
  })

  it('has at most 53 hashes', () => {
    expect(inclusionPath(leafIndex(0), treeSize(MAX))).toHaveLength(53)
    expect(inclusionPath(leafIndex(MAX - 1), treeSize(MAX))).toHaveLength(52)
  })
})
