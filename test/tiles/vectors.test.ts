/** A log written by another implementation: every size it ever had, from its tiles and from its bundles. */
import { existsSync } from 'node:fs'
import { readdir, readFile } from 'node:fs/promises'
import { describe, expect, it } from 'vitest'
import { fromUtf8, toBase64, toHex } from '../../src/bytes.ts'
import { decodeBundle } from '../../src/formats/bundle.ts'
import { bundlePath, parseTilePath, tilePath } from '../../src/formats/tile.ts'
import { consistencyPath, verifyConsistency } from '../../src/merkle/consistency.ts'
import { Frontier } from '../../src/merkle/frontier.ts'
import { hashLeaf, rootHash } from '../../src/merkle/hash.ts'
import { verifyInclusion } from '../../src/merkle/inclusion.ts'
import { leafIndex, treeSize } from '../../src/merkle/position.ts'
import { consistencyProof, inclusionProof, rootFromTiles } from '../../src/tiles/proofs.ts'
import type { TileSource } from '../../src/tiles/source.ts'
import { verifiedSource } from '../../src/tiles/verified-source.ts'

const VECTORS = new URL('../../../shared/vectors/', import.meta.url)
const LOG = new URL('transparency-dev-tessera/log/', VECTORS)
const present = existsSync(LOG)
if (!present)
  console.warn('the vectors of other implementations are not here: tests of them are skipped')

const readBytes = async (path: string): Promise<Uint8Array> =>
  new Uint8Array(await readFile(new URL(path, LOG)))

const source: TileSource = {
  tile: (level, tile, width) => readBytes(tilePath(level, tile, width)),
  bundle: (bundle, width) => readBytes(bundlePath(bundle, width)),
}

/** The root line of a checkpoint. */
async function rootLine(size: number): Promise<string> {
  const [, sizeLine, root] = fromUtf8(await readBytes(`checkpoint.${size}`)).split('\n')
  expect(sizeLine).toBe(String(size))
  return root!
}

const SIZES = Array.from({ length: 16 }, (_, size) => size)

describe.skipIf(!present)('the log of another implementation', () => {
  it.each(SIZES)('has the root of its checkpoint of size %i, from tiles', async (size) => {
    const root = await rootFromTiles(source, treeSize(size))
    expect(toBase64(root)).toBe(await rootLine(size))
  })

  it.each(SIZES)('has the root of its checkpoint of size %i, from bundles', async (size) => {
    const frontier = new Frontier()
    const entries = size === 0 ? [] : decodeBundle(await source.bundle(0, size), size)
    for (const entry of entries) frontier.append(hashLeaf(entry))
    expect(toBase64(frontier.root())).toBe(await rootLine(size))
  })

  it.each(SIZES.slice(1))('is vouched for by its checkpoint of size %i', async (size) => {
    const root = await rootFromTiles(source, treeSize(size))
    const verified = verifiedSource(source, { size: treeSize(size), root })
    expect(toHex(await verified.tile(0, 0, size))).toBe(toHex(await source.tile(0, 0, size)))
    expect(toHex(await verified.bundle(0, size))).toBe(toHex(await source.bundle(0, size)))
  })

  it('has proofs that verify between all its sizes', async () => {
    const roots = await Promise.all(SIZES.map((size) => rootFromTiles(source, treeSize(size))))
    const leaves = decodeBundle(await source.bundle(0, 15), 15).map(hashLeaf)
    for (const second of SIZES.slice(1)) {
      for (let first = 1; first <= second; first++) {
        const proof = await consistencyProof(source, treeSize(first), treeSize(second))
        expect(proof).toHaveLength(consistencyPath(treeSize(first), treeSize(second)).length)
        const [a, b] = [roots[first]!, roots[second]!]
        verifyConsistency(treeSize(first), treeSize(second), proof, rootHash(a), rootHash(b))
        const index = leafIndex(first - 1)
        const path = await inclusionProof(source, index, treeSize(second))
        verifyInclusion(index, treeSize(second), leaves[index]!, path, b)
      }
    }
  })

  it('has paths that are read as they are written', async () => {
    const names = await readdir(new URL('tile/', LOG), { recursive: true, withFileTypes: true })
    const root = new URL('.', LOG).pathname
    const files = names.filter((entry) => entry.isFile())
    expect(files).toHaveLength(30)
    for (const file of files) {
      const path = `${file.parentPath}/${file.name}`.replaceAll('//', '/').slice(root.length)
      const named = parseTilePath(path)
      const written =
        named.kind === 'tile'
          ? tilePath(named.level, named.tile, named.width)
          : bundlePath(named.bundle, named.width)
      expect(written).toBe(path)
    }
  })
})
