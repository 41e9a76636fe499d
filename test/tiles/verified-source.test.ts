import * as fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { toHex } from '../../src/bytes.ts'
import { CairnError } from '../../src/errors.ts'
import { bundlePrefix, encodeBundle } from '../../src/formats/bundle.ts'
import { bundlePath, tilePath } from '../../src/formats/tile.ts'
import { EMPTY_ROOT, rootHash } from '../../src/merkle/hash.ts'
import { leafIndex, treeSize } from '../../src/merkle/position.ts'
import { bundlesOf, tilesOf } from '../../src/tiles/geometry.ts'
import { consistencyProof, inclusionProof } from '../../src/tiles/proofs.ts'
import type { TileSource } from '../../src/tiles/source.ts'
import { verifiedSource } from '../../src/tiles/verified-source.ts'
import {
  countingTree,
  type NaiveTree,
  naiveLeaf,
  naiveTree,
  populationTree,
} from '../merkle/naive.ts'
import { treeSource } from './tree-source.ts'

const MAX = Number.MAX_SAFE_INTEGER
const counting = countingTree()
const population = populationTree()

function headOf(tree: NaiveTree, size: number) {
  return { size: treeSize(size), root: rootHash(tree.root(0, size).slice()) }
}

/** The source with the bytes at one path changed. */
function tampered(
  source: TileSource,
  target: string,
  change: (bytes: Uint8Array) => Uint8Array,
): TileSource {
  const answer = (path: string, bytes: Uint8Array): Uint8Array =>
    path === target ? change(bytes.slice()) : bytes
  return {
    tile: async (level, tile, width) =>
      answer(tilePath(level, tile, width), await source.tile(level, tile, width)),
    bundle: async (bundle, width) =>
      answer(bundlePath(bundle, width), await source.bundle(bundle, width)),
  }
}

function flip(at: number, mask = 1): (bytes: Uint8Array) => Uint8Array {
  return (bytes) => {
    bytes[at % bytes.length]! ^= mask
    return bytes
  }
}

async function codeOf(promise: Promise<unknown>): Promise<string> {
  try {
    await promise
    return 'accepted'
  } catch (error) {
    if (error instanceof CairnError) return error.code
    throw error
  }
}

describe('a verified source over an honest one', () => {
  it('returns every tile and bundle of the tree, at every width that is there', async () => {
    for (const size of [1, 2, 5, 255, 256, 257, 600, 65_537]) {
      const honest = treeSource(counting, size)
      const verified = verifiedSource(honest, headOf(counting, size))
      const since = treeSize(Math.max(0, size - 300))
      for (const { level, tile, width } of tilesOf(treeSize(size), since)) {
        const expected = toHex(await honest.tile(level, tile, width))
        expect(toHex(await verified.tile(level, tile, width))).toBe(expected)
        for (const narrower of [1, width - 1]) {
          if (narrower < 1) continue
          const bytes = await verified.tile(level, tile, narrower)
          expect(toHex(bytes)).toBe(expected.slice(0, 64 * narrower))
        }
      }
      for (const { bundle, width } of bundlesOf(treeSize(size), since)) {
        const framed = await honest.bundle(bundle, width)
        expect(toHex(await verified.bundle(bundle, width))).toBe(toHex(framed))
        const one = await verified.bundle(bundle, 1)
        expect(toHex(one)).toBe(toHex(bundlePrefix(framed, 1)))
      }
    }
  })

  it('gives the same proofs', async () => {
    const size = 70_000
    const verified = verifiedSource(treeSource(counting, size), headOf(counting, size))
    for (const index of [0, 255, 65_535, 65_536, 69_887, 69_888, 69_999]) {
      const proof = await inclusionProof(verified, leafIndex(index), treeSize(size))
      expect(proof.map(toHex)).toEqual(counting.path(index, size).map(toHex))
    }
    const proof = await consistencyProof(verified, treeSize(66_000), treeSize(size))
    expect(proof.map(toHex)).toEqual(counting.proof(66_000, size).map(toHex))
  })

  it('reaches into trees of any size to 2^53-1 leaves', async () => {
    const size = fc.oneof(fc.integer({ min: 2 ** 31, max: 2 ** 33 }), fc.constantFrom(MAX, 2 ** 48))
    await fc.assert(
      fc.asyncProperty(size, fc.maxSafeNat(), async (size, seed) => {
        const honest = treeSource(population, size)
        const verified = verifiedSource(honest, headOf(population, size))
        const proof = await inclusionProof(verified, leafIndex(seed % size), treeSize(size))
        expect(proof.map(toHex)).toEqual(population.path(seed % size, size).map(toHex))
      }),
      { numRuns: 20 },
    )
  })

  it('reads each tile once, however many ask at a time', async () => {
    const honest = treeSource(counting, 70_000)
    const verified = verifiedSource(honest, headOf(counting, 70_000))
    const ask = () =>
      Promise.all(
        [0, 1, 2, 256, 272].flatMap((t) => [verified.tile(0, t, 256), verified.tile(0, t, 5)]),
      )
    await Promise.all([ask(), ask()])
    await ask()
    expect(new Set(honest.reads).size).toBe(honest.reads.length)
    expect(honest.reads).toHaveLength(5 + 1 + 3)
  })

  it('keeps no more full tiles than it was told to', async () => {
    const honest = treeSource(counting, 70_000)
    const verified = verifiedSource(honest, headOf(counting, 70_000), { keepTiles: 10 })
    for (let tile = 0; tile < 20; tile++) await verified.tile(0, tile, 256)
    const before = honest.reads.length
    await verified.tile(0, 19, 256)
    expect(honest.reads).toHaveLength(before)
    await verified.tile(0, 0, 256)
    expect(honest.reads.slice(before)).toEqual(['tile/0/000'])
  })

  it('is not changed by what callers do to the bytes or to the root', async () => {
    const head = headOf(counting, 600)
    const verified = verifiedSource(treeSource(counting, 600), head)
    const expected = toHex(await verified.tile(0, 0, 256))
    head.root.fill(0)
    ;(await verified.tile(0, 0, 256)).fill(0)
    ;(await verified.tile(0, 2, 88)).fill(0)
    expect(toHex(await verified.tile(0, 0, 256))).toBe(expected)
    expect(toHex(await verified.tile(0, 2, 88))).not.toBe('00'.repeat(32 * 88))
  })

  it('does not ask for what lies outside the tree', async () => {
    const honest = treeSource(counting, 300)
    const verified = verifiedSource(honest, headOf(counting, 300))
    for (const [level, tile, width] of [
      [0, 1, 45],
      [0, 1, 256],
      [0, 2, 1],
      [1, 0, 2],
      [2, 0, 1],
      [63, 0, 1],
      [0, MAX, 1],
    ] as const) {
      expect(await codeOf(verified.tile(level, tile, width))).toBe('NOT_FOUND')
    }
    expect(await codeOf(verified.bundle(1, 45))).toBe('NOT_FOUND')
    expect(await codeOf(verified.bundle(2, 1))).toBe('NOT_FOUND')
    expect(honest.reads).toEqual([])
    const empty = verifiedSource(honest, { size: treeSize(0), root: EMPTY_ROOT })
    expect(await codeOf(empty.tile(0, 0, 1))).toBe('NOT_FOUND')
    expect(await codeOf(empty.bundle(0, 1))).toBe('NOT_FOUND')
    await expect(verified.tile(0, 0, 0)).rejects.toThrow(RangeError)
    await expect(verified.tile(0, -1, 1)).rejects.toThrow(RangeError)
    await expect(verified.bundle(0, 257)).rejects.toThrow(RangeError)
  })
})

describe('a verified source notices', () => {
  it('any flipped bit of a small tree', async () => {
    const honest = treeSource(counting, 5)
    for (let at = 0; at < 5 * 32; at++) {
      for (const mask of [1, 2, 4, 8, 16, 32, 64, 128]) {
        const source = tampered(honest, 'tile/0/000.p/5', flip(at, mask))
        const verified = verifiedSource(source, headOf(counting, 5))
        expect(await codeOf(verified.tile(0, 0, 5))).toBe('VERIFICATION_FAILED')
        expect(await codeOf(verified.tile(0, 0, 1))).toBe('VERIFICATION_FAILED')
        expect(await codeOf(verified.bundle(0, 5))).toBe('VERIFICATION_FAILED')
      }
    }
    for (let at = 0; at < 5 * 10; at++) {
      for (const mask of [1, 2, 4, 8, 16, 32, 64, 128]) {
        const source = tampered(honest, 'tile/entries/000.p/5', flip(at, mask))
        const verified = verifiedSource(source, headOf(counting, 5))
        // A changed length breaks the framing, a changed entry the hash.
        const expected = at % 10 < 2 ? 'MALFORMED' : 'VERIFICATION_FAILED'
        expect(await codeOf(verified.bundle(0, 5))).toBe(expected)
        expect(await codeOf(verified.bundle(0, 1))).toBe(expected)
        expect(await codeOf(verified.tile(0, 0, 5))).toBe('accepted')
      }
    }
  })

  it('any flipped byte of any tile of a larger tree', async () => {
    const size = 66_000
    const honest = treeSource(counting, size)
    const tiles = [...tilesOf(treeSize(size))]
    const tile = fc.oneof(
      fc.constantFrom(...tiles),
      fc.constantFrom(...tiles.filter(({ level, width }) => level > 0 || width < 256)),
    )
    await fc.assert(
      fc.asyncProperty(
        tile,
        fc.nat(8191),
        fc.integer({ min: 1, max: 255 }),
        async (t, at, mask) => {
          const source = tampered(honest, tilePath(t.level, t.tile, t.width), flip(at, mask))
          const verified = verifiedSource(source, headOf(counting, size))
          expect(await codeOf(verified.tile(t.level, t.tile, t.width))).toBe('VERIFICATION_FAILED')
        },
      ),
      { numRuns: 60 },
    )
  })

  it('a flipped byte in a tile above the one asked for', async () => {
    const head = headOf(counting, 66_000)
    for (const path of ['tile/1/000', 'tile/2/000.p/1', 'tile/1/001.p/1', 'tile/0/100']) {
      const source = tampered(treeSource(counting, 66_000), path, flip(3))
      const outcome = await codeOf(verifiedSource(source, head).tile(0, 5, 256))
      // The last is in no relation to tile 5.
      expect(outcome).toBe(path === 'tile/0/100' ? 'accepted' : 'VERIFICATION_FAILED')
    }
  })

  it('the tiles of another tree, with their own bundles', async () => {
    const other = naiveTree((index) => naiveLeaf(Uint8Array.of(index % 256)))
    for (const size of [1, 255, 256, 600]) {
      const forged: TileSource = {
        ...treeSource(other, size),
        bundle: async (bundle, width) =>
          encodeBundle(
            Array.from({ length: width }, (_, i) => Uint8Array.of((bundle * 256 + i) % 256)),
          ),
      }
      const verified = verifiedSource(forged, headOf(counting, size))
      for (const { level, tile, width } of tilesOf(treeSize(size))) {
        expect(await codeOf(verified.tile(level, tile, width))).toBe('VERIFICATION_FAILED')
      }
      for (const { bundle, width } of bundlesOf(treeSize(size))) {
        expect(await codeOf(verified.bundle(bundle, width))).toBe('VERIFICATION_FAILED')
      }
    }
  })

  it('full tiles in exchanged places', async () => {
    const honest = treeSource(counting, 600)
    const swapped: TileSource = {
      tile: (level, tile, width) => honest.tile(level, width === 256 ? 1 - tile : tile, width),
      bundle: (bundle, width) => honest.bundle(width === 256 ? 1 - bundle : bundle, width),
    }
    const verified = verifiedSource(swapped, headOf(counting, 600))
    expect(await codeOf(verified.tile(0, 0, 256))).toBe('VERIFICATION_FAILED')
    expect(await codeOf(verified.tile(0, 2, 88))).toBe('accepted')
  })

  it.each([-32, -1, 1, 32])('tiles that are %i bytes too long', async (more) => {
    const resize = (bytes: Uint8Array): Uint8Array => {
      const out = new Uint8Array(bytes.length + more)
      out.set(bytes.subarray(0, out.length))
      return out
    }
    for (const [path, tile, width] of [
      ['tile/0/000', 0, 256],
      ['tile/0/002.p/88', 2, 88],
    ] as const) {
      const source = tampered(treeSource(counting, 600), path, resize)
      const verified = verifiedSource(source, headOf(counting, 600))
      expect(await codeOf(verified.tile(0, tile, width))).toBe('MALFORMED')
    }
  })

  it('a bundle with an entry too many or too few', async () => {
    const head = headOf(counting, 600)
    const longer = (bytes: Uint8Array): Uint8Array => Uint8Array.from([...bytes, 0, 0])
    const shorter = (bytes: Uint8Array): Uint8Array => bytes.subarray(0, -10)
    for (const change of [longer, shorter]) {
      const source = tampered(treeSource(counting, 600), 'tile/entries/000', change)
      expect(await codeOf(verifiedSource(source, head).bundle(0, 256))).toBe('MALFORMED')
    }
  })

  it('and accepts the right bytes when the source has recovered', async () => {
    const honest = treeSource(counting, 600)
    const broken = tampered(tampered(honest, 'tile/0/000', flip(0)), 'tile/1/000.p/2', flip(0))
    let source: TileSource = broken
    const verified = verifiedSource(
      {
        tile: (level, tile, width) => source.tile(level, tile, width),
        bundle: (bundle, width) => source.bundle(bundle, width),
      },
      headOf(counting, 600),
    )
    expect(await codeOf(verified.tile(0, 0, 256))).toBe('VERIFICATION_FAILED')
    expect(await codeOf(verified.tile(0, 2, 88))).toBe('VERIFICATION_FAILED')
    source = tampered(honest, 'tile/0/000', flip(0))
    expect(await codeOf(verified.tile(0, 2, 88))).toBe('accepted')
    expect(await codeOf(verified.tile(0, 0, 256))).toBe('VERIFICATION_FAILED')
    source = honest
    expect(await codeOf(verified.tile(0, 0, 256))).toBe('accepted')
  })
})
