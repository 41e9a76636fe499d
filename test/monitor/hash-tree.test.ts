import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import fc from 'fast-check'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { concat } from '../../src/bytes.ts'
import { treeSize } from '../../src/merkle/position.ts'
import { HashTree } from '../../src/monitor/hash-tree.ts'
import { claimMonitorDirectory, openMonitorDirectory } from '../../src/storage/monitor-directory.ts'
import type { MonitoredLogStore } from '../../src/storage/monitor-port.ts'
import { tilesOf } from '../../src/tiles/geometry.ts'
import { rootFromTiles } from '../../src/tiles/proofs.ts'
import { countingTree } from '../merkle/naive.ts'
import { treeSource } from '../tiles/tree-source.ts'

let folder: string
let logs = 0
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'cairn-hash-tree-'))
})
afterEach(() => rm(folder, { recursive: true }))

async function newStore(): Promise<MonitoredLogStore> {
  const store = await openMonitorDirectory(await claimMonitorDirectory(join(folder, 'm')))
  return store.openLog(`log-${logs++}`)
}

const tree = countingTree()
const leaves = (from: number, to: number): Uint8Array =>
  concat(...Array.from({ length: to - from }, (_, i) => tree.leaf(from + i)))

describe('a tree of hashes', () => {
  it('has the root and the tiles of RFC 6962, however it grows', async () => {
    const parts = fc.array(fc.oneof(fc.nat(3), fc.nat(700)), { maxLength: 6 })
    await fc.assert(
      fc.asyncProperty(parts, fc.boolean(), async (counts, reopen) => {
        const store = await newStore()
        let hashes = await HashTree.open(store, treeSize(0))
        for (const count of counts) {
          const from = hashes.size
          if (count > 0) hashes.append(leaves(from, from + count))
          expect(hashes.frontier().root()).toEqual(tree.root(0, from + count))
          if (!reopen) continue
          await hashes.flush()
          hashes = await HashTree.open(store, treeSize(from + count))
        }
        await hashes.flush()
        const mine = hashes.source()
        const theirs = treeSource(tree, hashes.size)
        for (const { level, tile, width } of tilesOf(hashes.size)) {
          expect(await mine.tile(level, tile, width)).toEqual(await theirs.tile(level, tile, width))
        }
      }),
      { numRuns: 30 },
    )
  })

  it('has the roots of all smaller trees', async () => {
    const store = await newStore()
    const hashes = await HashTree.open(store, treeSize(0))
    hashes.append(leaves(0, 600))
    await hashes.flush()
    for (const size of [0, 1, 2, 255, 256, 257, 511, 512, 513, 599, 600]) {
      expect(await rootFromTiles(hashes.source(), treeSize(size))).toEqual(tree.root(0, size))
    }
  })

  it.each([0, 1, 255, 256, 300, 512, 600])(
    'can be cut to %i leaves and grow again',
    async (size) => {
      const store = await newStore()
      const first = await HashTree.open(store, treeSize(0))
      first.append(leaves(0, 600))
      await first.flush()
      const second = await HashTree.open(store, treeSize(size))
      expect(store.count(0)).toBe(size)
      second.append(leaves(size, 700))
      expect(second.frontier().root()).toEqual(tree.root(0, 700))
    },
  )

  it('is not opened at a size that the store does not have', async () => {
    const store = await newStore()
    const first = await HashTree.open(store, treeSize(0))
    first.append(leaves(0, 10))
    await first.flush()
    await expect(HashTree.open(store, treeSize(11))).rejects.toMatchObject({ code: 'CORRUPT' })
    await expect(first.source().tile(0, 0, 11)).rejects.toMatchObject({ code: 'NOT_FOUND' })
    await expect(first.source().bundle(0, 1)).rejects.toMatchObject({ code: 'NOT_FOUND' })
  })
})
