import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { utf8 } from '../../src/bytes.ts'
import type { CairnError } from '../../src/errors.ts'
import { DoubleCheck } from '../../src/log/double-check.ts'
import { EdgeTree, rootOfEdge } from '../../src/log/edge-tree.ts'
import { bundleRuns, growTiles, hashLeaves, pick } from '../../src/log/sequence.ts'
import { Frontier } from '../../src/merkle/frontier.ts'
import { hashLeaf, type RootHash } from '../../src/merkle/hash.ts'

/** What a commit of these leaves would store, and the root it would sign. */
function commitOf(tree: EdgeTree, leaves: readonly Uint8Array[]) {
  const hashed = hashLeaves(leaves)
  const previousSize = tree.size
  const runs = {
    previousSize,
    bundles: bundleRuns(previousSize, hashed),
    tiles: growTiles(tree, hashed),
    leafHashes: hashed.hashes,
  }
  return { runs, root: rootOfEdge(tree.rightEdge()) }
}

const someLeaves = (count: number, name = 'leaf') =>
  Array.from({ length: count }, (_, i) => utf8(`${name} ${i}`))

function verdict(
  check: DoubleCheck,
  runs: Parameters<DoubleCheck['follow']>[0],
  root: RootHash,
): string {
  try {
    check.follow(runs, root)
    return 'same'
  } catch (error) {
    return (error as CairnError).code
  }
}

describe('the second opinion', () => {
  it('agrees with every commit of a growing tree', () => {
    const tree = new EdgeTree()
    const check = new DoubleCheck(new Frontier())
    for (const count of [1, 1, 254, 1, 255, 300, 2, 700]) {
      const { runs, root } = commitOf(tree, someLeaves(count, `of ${tree.size}`))
      expect(verdict(check, runs, root)).toBe('same')
    }
  })

  it('refuses any flipped bit in what is about to be stored or signed', () => {
    const parts = ['entry', 'leaf hash', 'tile', 'root'] as const
    fc.assert(
      fc.property(fc.nat(), fc.nat(7), fc.constantFrom(...parts), (place, bit, part) => {
        const tree = new EdgeTree()
        const { runs, root } = commitOf(tree, someLeaves(40))
        const signed = new Uint8Array(root) as RootHash
        const spoiled = {
          entry: runs.bundles[0]!.framed,
          'leaf hash': runs.leafHashes,
          tile: runs.tiles[0]!.hashes,
          root: signed,
        }[part]
        spoiled[place % spoiled.length]! ^= 1 << bit
        expect(verdict(new DoubleCheck(new Frontier()), runs, signed)).toBe('CORRUPT')
      }),
    )
  })

  it('refuses a commit that does not follow the last one', () => {
    const tree = new EdgeTree()
    commitOf(tree, someLeaves(3))
    const { runs, root } = commitOf(tree, someLeaves(3, 'next'))
    expect(verdict(new DoubleCheck(new Frontier()), runs, root)).toBe('CORRUPT')
  })
})

describe('the bytes of a commit', () => {
  it('keeps only the leaves that were picked, with their hashes', () => {
    fc.assert(
      fc.property(
        fc.array(fc.tuple(fc.uint8Array({ minLength: 1, maxLength: 400 }), fc.boolean()), {
          minLength: 1,
        }),
        (choices) => {
          const all = hashLeaves(choices.map(([leaf]) => leaf))
          const places = choices.flatMap(([, chosen], i) => (chosen ? [i] : []))
          const kept = pick(all, places)
          const expected = places.map((i) => choices[i]![0])
          expect(kept.count).toBe(expected.length)
          for (const [i, leaf] of expected.entries()) {
            const framed = kept.framed.subarray(kept.starts[i], kept.starts[i + 1])
            expect(framed.readUInt16BE(0)).toBe(leaf.length)
            expect(new Uint8Array(framed.subarray(2))).toEqual(leaf)
            expect(new Uint8Array(kept.hashes.subarray(32 * i, 32 * i + 32))).toEqual(
              new Uint8Array(hashLeaf(leaf)),
            )
            expect(new Uint8Array(kept.leafHashes[i]!)).toEqual(new Uint8Array(hashLeaf(leaf)))
          }
        },
      ),
    )
  })
})
