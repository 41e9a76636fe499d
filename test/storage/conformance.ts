/** What every LogStore must do, whatever it keeps its bytes in. Each adapter's test runs this suite. */
import fc from 'fast-check'
import { afterEach, describe, expect, it } from 'vitest'
import { equal, toHex, utf8 } from '../../src/bytes.ts'
import { hashLeaf } from '../../src/merkle/hash.ts'
import { type LeafIndex, treeSize } from '../../src/merkle/position.ts'
import type { LogStore } from '../../src/storage/port.ts'
import { headOf, ModelLog, publicationOf, someLeaves } from './commits.ts'

/** A place for one store: opened again and again on the same bytes, then thrown away. */
export interface StorePlace {
  open(): Promise<LogStore>
  remove(): Promise<void>
}

/** The suite. `place` makes an empty place for each test. */
export function logStoreConformance(name: string, place: () => Promise<StorePlace>): void {
  describe(`${name} as a log store`, () => {
    const cleanups: (() => Promise<void>)[] = []
    afterEach(async () => {
      for (const cleanup of cleanups.splice(0).reverse()) await cleanup()
    })

    async function fresh(): Promise<{ store: LogStore; reopen: () => Promise<LogStore> }> {
      const here = await place()
      cleanups.push(() => here.remove())
      let current = await here.open()
      cleanups.push(() => current.close())
      return {
        store: current,
        reopen: async () => {
          await current.close()
          current = await here.open()
          return current
        },
      }
    }

    it('is empty before the first commit', async () => {
      const { store } = await fresh()
      expect(await store.head()).toBeUndefined()
      expect(await store.publication()).toBeUndefined()
      expect(await store.tile(0, 0)).toEqual(new Uint8Array())
      expect(await store.bundle(0)).toEqual(new Uint8Array())
      expect(await store.find([hashLeaf(utf8('a'))])).toEqual([undefined])
      expect(await store.find([])).toEqual([])
      expect(await store.idempotency(new Uint8Array(16))).toBeUndefined()
      expect(await problems(store, 0)).toEqual([])
    })

    it('gives back what a commit stored, before and after it is opened again', async () => {
      const { store, reopen } = await fresh()
      const model = new ModelLog()
      await store.commit(model.append(someLeaves(3, 'one')))
      await expectHolds(store, model)
      await store.commit(model.append(someLeaves(700, 'two')))
      await expectHolds(store, model)
      await expectHolds(await reopen(), model)
    })

    it('stores the head of an empty tree', async () => {
      const { store, reopen } = await fresh()
      const model = new ModelLog()
      await store.commit(model.append([]))
      await expectHolds(await reopen(), model)
    })

    it('joins a tile and a bundle from commits of one leaf each', async () => {
      const { store, reopen } = await fresh()
      const model = new ModelLog()
      for (const leaf of someLeaves(260, 'singles')) await store.commit(model.append([leaf]))
      await expectHolds(store, model)
      await expectHolds(await reopen(), model)
    })

    it('keeps entries of every length from 1 byte to 65,535', async () => {
      const { store, reopen } = await fresh()
      const model = new ModelLog()
      const leaves = [1, 2, 255, 256, 65_535].map((length, i) => new Uint8Array(length).fill(i))
      await store.commit(model.append(leaves))
      await expectHolds(await reopen(), model)
    })

    it('refuses a commit that extends another size, and stores nothing of it', async () => {
      const { store } = await fresh()
      const model = new ModelLog()
      await store.commit(model.append(someLeaves(5, 'first')))
      const stale = new ModelLog().append(someLeaves(6, 'stale'))
      await expect(store.commit(stale)).rejects.toMatchObject({ code: 'CONFLICT' })
      const ahead = new ModelLog()
      ahead.append(someLeaves(7, 'ahead'))
      const early = ahead.append(someLeaves(1, 'early'))
      await expect(store.commit(early)).rejects.toMatchObject({ code: 'CONFLICT' })
      await expectHolds(store, model)
      await store.commit(model.append(someLeaves(1, 'next')))
      await expectHolds(store, model)
    })

    it('lets one of two commits at once through', async () => {
      const { store } = await fresh()
      const model = new ModelLog()
      const rival = new ModelLog().append(someLeaves(2, 'b'))
      const outcomes = await Promise.allSettled([
        store.commit(model.append(someLeaves(2, 'a'))),
        store.commit(rival),
      ])
      expect(outcomes.map((outcome) => outcome.status)).toEqual(['fulfilled', 'rejected'])
      expect(outcomes[1]).toMatchObject({ reason: { code: 'CONFLICT' } })
      await expectHolds(store, model)
    })

    it('refuses a commit with a gap, an overlap or a missing part, and stores nothing of it', async () => {
      const { store } = await fresh()
      const model = new ModelLog()
      await store.commit(model.append(someLeaves(250, 'start')))
      const good = new ModelLog()
      good.append(model.leaves)
      const commit = good.append(someLeaves(300, 'more'))
      const [bundle, tile] = [commit.bundles[0]!, commit.tiles[0]!]
      const broken = [
        { ...commit, bundles: commit.bundles.slice(1) },
        { ...commit, bundles: [bundle, bundle, ...commit.bundles.slice(1)] },
        { ...commit, bundles: [{ ...bundle, count: 5 }, ...commit.bundles.slice(1)] },
        { ...commit, bundles: [{ ...bundle, framed: bundle.framed.slice(1) }] },
        { ...commit, tiles: commit.tiles.slice(0, -1) },
        { ...commit, tiles: [{ ...tile, offset: 251 }, ...commit.tiles.slice(1)] },
        { ...commit, tiles: [{ ...tile, hashes: tile.hashes.slice(1) }] },
        { ...commit, tiles: [...commit.tiles, { ...tile, level: 7, tile: 0, offset: 0 }] },
        { ...commit, leafHashes: commit.leafHashes.slice(32) },
        { ...commit, head: headOf(551) },
        { ...commit, head: headOf(249) },
      ]
      for (const wrong of broken) await expect(store.commit(wrong)).rejects.toThrow(RangeError)
      await expectHolds(store, model)
      await store.commit(commit)
      await expectHolds(store, good)
    })

    it('refuses a commit with a record of a wrong shape, and goes on', async () => {
      const { store } = await fresh()
      const model = new ModelLog()
      const commit = model.append(someLeaves(3, 'shape'))
      const record = { key: new Uint8Array(15), request: new Uint8Array(32), indices: [] }
      await expect(store.commit({ ...commit, idempotency: [record] })).rejects.toThrow(RangeError)
      expect(await store.head()).toBeUndefined()
      await store.commit(commit)
      await expectHolds(store, model)
    })

    it('finds the first index of a leaf, by its whole hash', async () => {
      const { store, reopen } = await fresh()
      const model = new ModelLog()
      await store.commit(model.append(someLeaves(600, 'x')))
      const other = hashLeaf(utf8('never added'))
      const near = model.hashes[400]!.slice() as typeof other
      near[31]! ^= 1
      const wanted = [model.hashes[599]!, other, model.hashes[0]!, near, model.hashes[0]!]
      expect(await store.find(wanted)).toEqual([599, undefined, 0, undefined, 0])
      expect(await (await reopen()).find(wanted)).toEqual([599, undefined, 0, undefined, 0])
    })

    it('keeps the first index of a leaf that is added again, in the same commit or a later one', async () => {
      const { store } = await fresh()
      const model = new ModelLog()
      const [a, b] = someLeaves(2, 'twice') as [Uint8Array, Uint8Array]
      await store.commit(model.append([a, b, a]))
      await store.commit(model.append([b, a]))
      expect(await store.find([hashLeaf(a), hashLeaf(b)])).toEqual([0, 1])
      await expectHolds(store, model)
    })

    it('remembers the newest publication beside a newer head', async () => {
      const { store, reopen } = await fresh()
      const model = new ModelLog()
      await store.commit(model.append(someLeaves(4, 'p')))
      await store.publish(publicationOf(3))
      await store.publish(publicationOf(4, 1_700_000_000_001))
      await store.commit(model.append(someLeaves(1, 'q')))
      expect(await store.publication()).toEqual(publicationOf(4, 1_700_000_000_001))
      const again = await reopen()
      expect(await again.publication()).toEqual(publicationOf(4, 1_700_000_000_001))
      expect((await again.head())?.size).toBe(5)
    })

    it('refuses a publication above the committed head', async () => {
      const { store } = await fresh()
      await store.commit(new ModelLog().append(someLeaves(4, 'p')))
      await expect(store.publish(publicationOf(5))).rejects.toThrow(RangeError)
      expect(await store.publication()).toBeUndefined()
    })

    it('remembers what an idempotency key was used for, in the commit it came with', async () => {
      const { store, reopen } = await fresh()
      const model = new ModelLog()
      const record = (byte: number, indices: number[]) => ({
        key: new Uint8Array(16).fill(byte),
        request: new Uint8Array(32).fill(byte),
        indices: indices as LeafIndex[],
      })
      const records = [record(1, [0, 1, 2]), record(2, [2, 0, 7, 8]), record(3, []), record(4, [5])]
      await store.commit(model.append(someLeaves(9, 'i'), records))
      await expectHolds(store, model)
      expect(await store.idempotency(new Uint8Array(16).fill(9))).toBeUndefined()
      await expectHolds(await reopen(), model)
    })

    it('refuses to write and read once it is closed', async () => {
      const { store } = await fresh()
      const model = new ModelLog()
      await store.commit(model.append(someLeaves(1, 'c')))
      await store.close()
      await expect(store.commit(model.append(someLeaves(1, 'd')))).rejects.toMatchObject({
        code: 'STOPPED',
      })
      await expect(store.tile(0, 0)).rejects.toMatchObject({ code: 'STOPPED' })
      await expect(store.find([model.hashes[0]!])).rejects.toMatchObject({ code: 'STOPPED' })
    })

    it('does as a log in memory does, for any commits and reopenings', async () => {
      const step = fc.oneof(
        { weight: 6, arbitrary: fc.record({ add: fc.integer({ min: 1, max: 9 }) }) },
        { weight: 2, arbitrary: fc.record({ add: fc.integer({ min: 200, max: 600 }) }) },
        { weight: 2, arbitrary: fc.record({ again: fc.nat() }) },
        { weight: 1, arbitrary: fc.constant('reopen' as const) },
        { weight: 1, arbitrary: fc.constant('publish' as const) },
      )
      await fc.assert(
        fc.asyncProperty(fc.array(step, { minLength: 1, maxLength: 14 }), async (steps) => {
          const here = await place()
          let store = await here.open()
          try {
            const model = new ModelLog()
            for (const [i, what] of steps.entries()) {
              if (what === 'reopen') {
                await store.close()
                store = await here.open()
              } else if (what === 'publish') {
                const size = model.leaves.length
                await store.publish(publicationOf(size, i))
                expect(await store.publication()).toEqual(publicationOf(size, i))
              } else if ('add' in what) {
                await store.commit(model.append(someLeaves(what.add, `step ${i}`)))
              } else if (model.leaves.length > 0) {
                const leaf = model.leaves[what.again % model.leaves.length]!
                await store.commit(model.append([leaf, ...someLeaves(2, `step ${i}`)]))
              }
            }
            await expectHolds(store, model)
          } finally {
            await store.close()
            await here.remove()
          }
        }),
        { numRuns: 15 },
      )
    })
  })
}

/** Fails unless the store holds exactly the model's log. */
export async function expectHolds(store: LogStore, model: ModelLog): Promise<void> {
  const size = model.leaves.length
  expect(await store.head()).toEqual(size === 0 ? await store.head() : headOf(size))
  for (let level = 0; level < 3; level++) {
    for (let tile = 0; tile <= Math.ceil(size / 256 ** (level + 1)); tile++) {
      expectBytes(await store.tile(level, tile), model.tile(level, tile), `tile ${level}/${tile}`)
    }
  }
  for (let bundle = 0; bundle <= Math.ceil(size / 256); bundle++) {
    expectBytes(await store.bundle(bundle), model.bundle(bundle), `bundle ${bundle}`)
  }
  const first = model.hashes.map((hash) => model.first.get(String(hash)))
  expect(await store.find(model.hashes)).toEqual(first)
  for (const record of model.idempotency) {
    expect(await store.idempotency(record.key)).toEqual(record)
  }
  expect(await problems(store, size)).toEqual([])
}

function expectBytes(actual: Uint8Array, wanted: Uint8Array, what: string): void {
  expect(actual.constructor, `${what} is a plain Uint8Array`).toBe(Uint8Array)
  if (!equal(actual, wanted)) expect(`${what} ${toHex(actual)}`).toBe(`${what} ${toHex(wanted)}`)
}

/** Every line inspect() has to say. */
export async function problems(store: LogStore, size: number): Promise<string[]> {
  const lines: string[] = []
  for await (const line of store.inspect(treeSize(size))) lines.push(line)
  return lines
}
