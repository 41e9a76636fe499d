import * as fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { toHex } from '../../src/bytes.ts'
import { ed25519SigningKey } from '../../src/formats/signing-key.ts'
import type { SplitView } from '../../src/formats/split-view.ts'
import type { TileSource } from '../../src/tiles/source.ts'
import { compareHeads, type HeadComparison } from '../../src/tiles/split-view.ts'
import { countingTree, type NaiveTree, populationTree } from '../merkle/naive.ts'
import { forkedTree, headOf, signedHead } from '../support/forked-log.ts'
import { treeSource } from './tree-source.ts'

const MAX = Number.MAX_SAFE_INTEGER
const honest = countingTree()
const unread: TileSource = {
  tile: () => Promise.reject(new Error('a tile was read')),
  bundle: () => Promise.reject(new Error('a bundle was read')),
}

interface View {
  readonly tree: NaiveTree
  readonly size: number
}

/** Compares two heads with the tiles of the larger tree, in both orders, which must come to the same. */
async function compare(a: View, b: View): Promise<HeadComparison> {
  const larger = a.size > b.size ? a : b
  const [one, other] = [headOf(a.tree, a.size), headOf(b.tree, b.size)]
  const result = await compareHeads(one, other, treeSource(larger.tree, larger.size))
  const turned = await compareHeads(other, one, treeSource(larger.tree, larger.size))
  expect(turned).toEqual(result)
  return result
}

function evidenceOf(result: HeadComparison): SplitView {
  if (result.kind === 'consistent') throw new Error('the heads are consistent')
  return result.evidence
}

const sizes = fc.oneof(
  fc.nat(600),
  fc.nat(3),
  fc.tuple(fc.nat(9), fc.integer({ min: -1, max: 1 })).map(([bits, off]) => 2 ** bits + off),
)

describe('comparing two heads', () => {
  it('finds a split wherever the trees fork before the smaller one ends, and only then', async () => {
    await fc.assert(
      fc.asyncProperty(sizes, sizes, fc.nat(600), async (one, other, seed) => {
        const smaller = Math.min(one, other)
        // Half of the forks lie beyond the smaller tree, so that the heads agree.
        const fork = seed % (2 * smaller + 1)
        const result = await compare(
          { tree: honest, size: one },
          { tree: forkedTree(fork), size: other },
        )
        expect(result.kind).toBe(fork < smaller ? 'split' : 'consistent')
      }),
      { numRuns: 200 },
    )
  })

  it('gives the root that the larger tree has in place of the smaller, and its proof', async () => {
    for (const [small, large] of [
      [1, 2],
      [4, 7],
      [7, 12],
      [256, 257],
      [300, 70_000],
    ] as const) {
      const fork = forkedTree(small - 1)
      const result = await compare({ tree: fork, size: small }, { tree: honest, size: large })
      const { first, second, prefix } = evidenceOf(result)
      expect(first).toBe(headOf(fork, small).note)
      expect(second).toBe(headOf(honest, large).note)
      expect(toHex(prefix!.root)).toBe(toHex(honest.root(0, small)))
      expect(prefix!.proof.map(toHex)).toEqual(honest.proof(small, large).map(toHex))
    }
  })

  it('works on trees to 2^53-1 leaves', async () => {
    const large = populationTree()
    for (const [size, other] of [
      [MAX, MAX - 1],
      [2 ** 52, 2 ** 40 + 1],
      [2 ** 33, 2 ** 32],
    ] as const) {
      const same = await compare({ tree: large, size }, { tree: large, size: other })
      expect(same.kind).toBe('consistent')
      const source = treeSource(large, size)
      const lie = signedHead(other, large.root(0, 5))
      expect((await compareHeads(headOf(large, size), lie, source)).kind).toBe('split')
      // A tile a level at most for each of the two edges.
      expect(source.reads.length).toBeLessThanOrEqual(14)
    }
  })

  it('of equal sizes reads nothing, and puts the root first that sorts first', async () => {
    const [low, high] = [new Uint8Array(32).fill(7), new Uint8Array(32).fill(7).with(31, 8)]
    const result = await compareHeads(signedHead(9, high), signedHead(9, low), unread)
    expect(evidenceOf(result)).toEqual({
      first: signedHead(9, low).note,
      second: signedHead(9, high).note,
    })
    const same = await compareHeads(signedHead(9, low), signedHead(9, low), unread)
    expect(same).toEqual({ kind: 'consistent' })
  })

  it('takes the empty tree for the beginning of any, and no other root of size 0', async () => {
    const grown = headOf(honest, 5)
    const empty = headOf(honest, 0)
    expect(await compareHeads(empty, grown, unread)).toEqual({ kind: 'consistent' })
    expect(await compareHeads(empty, empty, unread)).toEqual({ kind: 'consistent' })
    const lie = signedHead(0, honest.root(0, 1))
    const result = await compareHeads(grown, lie, unread)
    expect(evidenceOf(result)).toEqual({ first: lie.note, second: grown.note })
    expect((await compareHeads(empty, lie, unread)).kind).toBe('split')
  })

  it('draws no conclusion from tiles of another tree', async () => {
    const heads = [headOf(honest, 5), headOf(honest, 9)] as const
    const fork = forkedTree(3)
    await expect(compareHeads(...heads, treeSource(fork, 9))).rejects.toMatchObject({
      code: 'VERIFICATION_FAILED',
      message: expect.stringMatching(
        /^the tiles are not those of the tree of 9 leaves that forked.example\/log signed/,
      ),
    })
  })

  it('says that tiles are missing, or of the wrong length', async () => {
    const heads = [headOf(honest, 5), headOf(honest, 9)] as const
    await expect(compareHeads(...heads, treeSource(honest, 8))).rejects.toMatchObject({
      code: 'NOT_FOUND',
    })
    const short: TileSource = { ...unread, tile: async () => new Uint8Array(32) }
    await expect(compareHeads(...heads, short)).rejects.toMatchObject({ code: 'MALFORMED' })
  })

  it('does not compare heads of two logs', async () => {
    const stranger = ed25519SigningKey('other.example/log', new Uint8Array(32).fill(1))
    const heads = [headOf(honest, 5), headOf(honest, 5, stranger)] as const
    await expect(compareHeads(...heads, unread)).rejects.toMatchObject({ code: 'USAGE' })
  })
})
