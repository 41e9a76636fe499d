/** What every SharedLogStore must do beyond a LogStore: one order for all servers, one leader, and no late writes. */
import fc from 'fast-check'
import { afterEach, describe, expect, it } from 'vitest'
import { concat, join } from '../../src/bytes.ts'
import { decodeBundle } from '../../src/formats/bundle.ts'
import { bundlePath, tilePath } from '../../src/formats/tile.ts'
import { HASH_SIZE, hashLeaf, type LeafHash } from '../../src/merkle/hash.ts'
import { type LeafIndex, treeSize } from '../../src/merkle/position.ts'
import type { ObjectStore } from '../../src/storage/object-port.ts'
import type {
  LeaderStore,
  SequenceBatch,
  SequencedRequest,
  SequenceOutcome,
  SharedLogStore,
} from '../../src/storage/shared-port.ts'
import { framed, headOf, ModelLog, publicationOf, someLeaves } from './commits.ts'
import { problems } from './conformance.ts'

/** A place for one log, and any number of servers on it. */
export interface SharedPlace {
  /** Another server's store, with connections of its own. */
  open(): Promise<SharedLogStore>
  /** Empty at first, and the archive of all that are opened. */
  readonly archive: ObjectStore
  /** Ends all connections of all stores, as a restart of the storage would. */
  disconnect(): Promise<void>
  remove(): Promise<void>
}

/** Leaves as they are given to sequence(). */
export function batchOf(
  leaves: readonly Uint8Array[],
  more: Partial<SequenceBatch> = {},
): SequenceBatch {
  const starts = new Uint32Array(leaves.length + 1)
  for (const [i, leaf] of leaves.entries()) starts[i + 1] = starts[i]! + 2 + leaf.length
  const hashes = join(leaves.map(hashLeaf))
  return { framed: framed(leaves), starts, hashes, dedup: true, requests: [], ...more }
}

export function requestOf(byte: number, places: readonly number[]): SequencedRequest {
  return { key: new Uint8Array(16).fill(byte), request: new Uint8Array(32).fill(byte), places }
}

/** @throws Error when keys were used before */
function indicesOf(outcome: SequenceOutcome): readonly LeafIndex[] {
  if (outcome.kind === 'replayed') throw new Error('replayed')
  return outcome.indices
}

/** The leaves of a store from an index on, by the runs that it gives. */
export async function leavesFrom(store: SharedLogStore, from = 0): Promise<Uint8Array[]> {
  const leaves: Uint8Array[] = []
  for (;;) {
    const at = treeSize(from + leaves.length)
    const runs = await store.sequenced(at, { maxLeaves: 700, maxBytes: 2 ** 20 })
    if (runs.length === 0) return leaves
    for (const run of runs) {
      expect(run.first).toBe(from + leaves.length)
      const these = decodeBundle(run.framed, run.count)
      expect(run.hashes).toEqual(join(these.map(hashLeaf)))
      leaves.push(...these)
    }
  }
}

/** Sequences what a model's next commit adds, and integrates it. */
async function grow(
  store: SharedLogStore,
  leader: LeaderStore,
  model: ModelLog,
  leaves: readonly Uint8Array[],
): Promise<void> {
  await store.sequence(batchOf(leaves))
  const { previousSize, head, tiles } = model.append(leaves)
  await leader.integrate({ previousSize, head, tiles })
}

const SERVER = { holder: 'a', url: 'http://a', leaseMs: 60_000 }
const OTHER = { holder: 'b', url: 'http://b', leaseMs: 60_000 }

export function sharedLogConformance(name: string, place: () => Promise<SharedPlace>): void {
  describe(`${name} as a store that servers share`, () => {
    const cleanups: (() => Promise<void>)[] = []
    afterEach(async () => {
      for (const cleanup of cleanups.splice(0).reverse()) await cleanup()
    })

    async function fresh(): Promise<SharedPlace> {
      const here = await place()
      cleanups.push(() => here.remove())
      return here
    }

    async function leading(): Promise<{
      here: SharedPlace
      store: SharedLogStore
      leader: LeaderStore
    }> {
      const here = await fresh()
      const store = await here.open()
      return { here, store, leader: (await store.lead(SERVER))! }
    }

    describe('sequencing', () => {
      it('gives leaves the indices that follow', async () => {
        const store = await (await fresh()).open()
        expect(await store.sequencedSize()).toBe(0)
        const leaves = someLeaves(700, 'x')
        const first = await store.sequence(batchOf(leaves.slice(0, 300)))
        expect(first).toMatchObject({ kind: 'sequenced', previousSize: 0, size: 300 })
        expect(indicesOf(first)).toEqual(Array.from({ length: 300 }, (_, i) => i))
        const second = await store.sequence(batchOf(leaves.slice(300)))
        expect(second).toMatchObject({ previousSize: 300, size: 700 })
        expect(indicesOf(second)[399]).toBe(699)
        expect(await store.sequencedSize()).toBe(700)
        expect(await leavesFrom(store)).toEqual(leaves)
        const model = new ModelLog()
        model.append(leaves)
        for (const n of [0, 1, 2, 3]) {
          expect(await store.bundle(n)).toEqual(model.bundle(n))
          expect(await store.tile(0, n)).toEqual(model.tile(0, n))
        }
        expect(await store.head()).toBeUndefined()
      })

      it('leaves a known leaf where it is, and adds what is new around it', async () => {
        const store = await (await fresh()).open()
        const [a, b, c, d, e] = someLeaves(5, 'x') as [
          Uint8Array,
          Uint8Array,
          Uint8Array,
          Uint8Array,
          Uint8Array,
        ]
        await store.sequence(batchOf([a, b]))
        const mixed = await store.sequence(batchOf([c, b, d, a, e]))
        expect(mixed).toMatchObject({ previousSize: 2, size: 5, indices: [2, 1, 3, 0, 4] })
        expect(await store.sequence(batchOf([e, a]))).toMatchObject({
          previousSize: 5,
          size: 5,
          indices: [4, 0],
        })
        expect(await leavesFrom(store)).toEqual([a, b, c, d, e])
      })

      it('adds leaves again without dedup, and finds the first', async () => {
        const store = await (await fresh()).open()
        const [a, b] = someLeaves(2, 'x') as [Uint8Array, Uint8Array]
        const outcome = await store.sequence(batchOf([a, b, a], { dedup: false }))
        expect(outcome).toMatchObject({ indices: [0, 1, 2], size: 3 })
        await store.sequence(batchOf([b], { dedup: false }))
        expect(await store.find([hashLeaf(a), hashLeaf(b)])).toEqual([0, 1])
        expect(await store.sequence(batchOf([b, a]))).toMatchObject({ indices: [1, 0], size: 4 })
      })

      it('takes no leaves for no leaves', async () => {
        const store = await (await fresh()).open()
        for (const dedup of [true, false]) {
          const outcome = await store.sequence(batchOf([], { dedup }))
          expect(outcome).toEqual({ kind: 'sequenced', indices: [], previousSize: 0, size: 0 })
        }
      })

      it('takes leaves of every length, up to a whole bundle of the longest', async () => {
        const store = await (await fresh()).open()
        const leaves = [0, 1, 255, 65_535].map((length, i) => new Uint8Array(length).fill(i))
        const longest = Array.from({ length: 256 }, (_, i) => new Uint8Array(65_535).fill(i))
        const all = [...leaves, ...longest.slice(0, 100), ...longest]
        const dedup = false
        await store.sequence(batchOf(all.slice(0, 104), { dedup }))
        await store.sequence(batchOf(all.slice(104), { dedup }))
        expect(await leavesFrom(store)).toEqual(all)
      })

      it('says what a key was used for, and adds nothing', async () => {
        const store = await (await fresh()).open()
        const leaves = someLeaves(4, 'x')
        await store.sequence(batchOf(leaves.slice(0, 2)))
        const requests = [requestOf(1, [2, 0, 0]), requestOf(2, []), requestOf(3, [1])]
        await store.sequence(batchOf([leaves[1]!, leaves[2]!, leaves[3]!], { requests }))
        const records = [
          { key: requests[0]!.key, request: requests[0]!.request, indices: [3, 1, 1] },
          { key: requests[1]!.key, request: requests[1]!.request, indices: [] },
          { key: requests[2]!.key, request: requests[2]!.request, indices: [2] },
        ]
        const again = [requestOf(3, [0]), requestOf(4, [0])]
        const outcome = await store.sequence(batchOf(someLeaves(1, 'new'), { requests: again }))
        expect(outcome).toEqual({ kind: 'replayed', records: [records[2]] })
        expect(await store.sequencedSize()).toBe(4)
        for (const record of records) expect(await store.idempotency(record.key)).toEqual(record)
        expect(await store.idempotency(again[1]!.key)).toBeUndefined()
        const all = []
        for await (const record of store.idempotencyRecords?.() ?? records) all.push(record)
        expect(all).toEqual(records)
      })

      it('refuses a batch that contradicts itself, and adds nothing', async () => {
        const store = await (await fresh()).open()
        const good = batchOf(someLeaves(3, 'x'))
        const broken: SequenceBatch[] = [
          { ...good, hashes: good.hashes.slice(32) },
          { ...good, hashes: good.hashes.slice(1) },
          { ...good, starts: good.starts.slice(1) },
          { ...good, starts: Uint32Array.of(0, 5, 10, good.framed.length) },
          { ...good, framed: good.framed.slice(0, -1) },
          { ...good, framed: concat(good.framed, Uint8Array.of(0)) },
          { ...good, requests: [requestOf(1, [3])] },
          { ...good, requests: [requestOf(1, [-1])] },
          { ...good, requests: [{ ...requestOf(1, []), key: new Uint8Array(15) }] },
          { ...good, requests: [{ ...requestOf(1, []), request: new Uint8Array(31) }] },
        ]
        for (const batch of broken) await expect(store.sequence(batch)).rejects.toThrow(RangeError)
        expect(await store.sequencedSize()).toBe(0)
      })

      it('adds all of a batch or nothing', async () => {
        const store = await (await fresh()).open()
        const [a] = someLeaves(1, 'x') as [Uint8Array]
        // Promised not to be; the store finds out when half of it is done.
        await expect(store.sequence(batchOf([a, a]))).rejects.toThrow()
        expect(await store.sequencedSize()).toBe(0)
        expect(await store.find([hashLeaf(a)])).toEqual([undefined])
        expect(await leavesFrom(store)).toEqual([])
        expect(await store.sequence(batchOf([a]))).toMatchObject({ indices: [0] })
      })

      it('happens in a term that lasts, when it names one', async () => {
        const { here, store, leader } = await leading()
        const [a, b, c] = someLeaves(3, 'x') as [Uint8Array, Uint8Array, Uint8Array]
        const { epoch } = leader
        expect(await store.sequence(batchOf([a], { epoch }))).toMatchObject({ indices: [0] })
        await leader.resign()
        const next = (await (await here.open()).lead(OTHER))!
        const late = store.sequence(batchOf([b], { epoch }))
        await expect(late).rejects.toMatchObject({ code: 'CONFLICT' })
        expect(await store.sequence(batchOf([c], { epoch: next.epoch }))).toMatchObject({
          indices: [1],
        })
      })

      it('leaves no gap and gives no index twice, whichever servers do it at once', async () => {
        const here = await fresh()
        const stores = await Promise.all([1, 2, 3].map(() => here.open()))
        const hashes = new Map<string, LeafIndex>()
        let sent = 0
        await Promise.all(
          stores.map(async (store, server) => {
            for (let round = 0; round < 25; round++) {
              // Of 150 leaves that all of them send, so that most are known by then or on their way elsewhere.
              const chosen = Array.from(
                { length: 12 },
                (_, i) => (server * 5 + round * 7 + i * 11) % 150,
              )
              const leaves = [...new Set(chosen)].map((n) => someLeaves(150, 'race')[n]!)
              sent += leaves.length
              const indices = indicesOf(await store.sequence(batchOf(leaves)))
              for (const [i, leaf] of leaves.entries()) {
                const key = String(hashLeaf(leaf))
                expect(hashes.get(key) ?? indices[i]).toBe(indices[i])
                hashes.set(key, indices[i]!)
              }
            }
          }),
        )
        const stored = await leavesFrom(stores[0]!)
        expect(stored.length).toBe(hashes.size)
        expect(stored.length).toBeLessThan(sent)
        for (const [index, leaf] of stored.entries()) {
          expect(hashes.get(String(hashLeaf(leaf)))).toBe(index)
        }
      })

      it('does as a list does, for any batches of several servers', async () => {
        const step = fc.record({
          server: fc.nat(2),
          leaves: fc.uniqueArray(fc.nat(400), { maxLength: 300 }),
          dedup: fc.boolean(),
          key: fc.option(fc.nat(5)),
        })
        await fc.assert(
          fc.asyncProperty(fc.array(step, { minLength: 1, maxLength: 12 }), async (steps) => {
            const here = await place()
            try {
              const stores = await Promise.all([1, 2, 3].map(() => here.open()))
              const pool = someLeaves(401, 'model')
              const list: number[] = []
              const keys = new Map<number, number[]>()
              for (const { server, leaves, dedup, key } of steps) {
                const requests =
                  key === null ? [] : [requestOf(key, leaves.map((_, i) => i).reverse())]
                const batch = batchOf(
                  leaves.map((n) => pool[n]!),
                  { dedup, requests },
                )
                const outcome = await stores[server]!.sequence(batch)
                if (key !== null && keys.has(key)) {
                  expect(outcome).toMatchObject({ records: [{ indices: keys.get(key) }] })
                  continue
                }
                const previousSize = list.length
                const indices = leaves.map((n) => {
                  const known = list.slice(0, previousSize).indexOf(n)
                  return dedup && known >= 0 ? known : list.push(n) - 1
                })
                expect(outcome).toEqual({
                  kind: 'sequenced',
                  indices,
                  previousSize,
                  size: list.length,
                })
                if (key !== null) keys.set(key, indices.toReversed())
              }
              const wanted = list.map((n) => pool[n]!)
              expect(await leavesFrom(stores[0]!)).toEqual(wanted)
              const found = await stores[1]!.find(pool.map(hashLeaf))
              expect(found).toEqual(
                pool.map((_, n) => (list.includes(n) ? list.indexOf(n) : undefined)),
              )
              expect(await problems(stores[2]!, 0)).toEqual([])
            } finally {
              await here.remove()
            }
          }),
          { numRuns: 8 },
        )
      })
    })

    describe('reading what is sequenced', () => {
      it('begins anywhere, and stops at its bounds', async () => {
        const store = await (await fresh()).open()
        const leaves = someLeaves(600, 'x')
        for (const [from, to] of [
          [0, 3],
          [3, 250],
          [250, 251],
          [251, 600],
        ] as const) {
          await store.sequence(batchOf(leaves.slice(from, to)))
        }
        for (const from of [0, 1, 3, 100, 249, 250, 251, 255, 256, 257, 599]) {
          expect(await leavesFrom(store, from)).toEqual(leaves.slice(from))
        }
        for (const from of [600, 601, 5000]) expect(await leavesFrom(store, from)).toEqual([])
        const count = async (maxLeaves: number, maxBytes: number): Promise<number> => {
          const runs = await store.sequenced(treeSize(0), { maxLeaves, maxBytes })
          return runs.reduce((sum, run) => sum + run.count, 0)
        }
        expect(await count(1, 1)).toBe(3)
        expect(await count(4, 2 ** 30)).toBe(250)
        expect(await count(1000, 100)).toBe(250)
        expect(await count(1000, 2 ** 30)).toBe(600)
      })

      it('gives the hashes of any range', async () => {
        const store = await (await fresh()).open()
        const leaves = someLeaves(600, 'x')
        await store.sequence(batchOf(leaves.slice(0, 270)))
        await store.sequence(batchOf(leaves.slice(270)))
        const hashes = join(leaves.map(hashLeaf))
        for (const [from, to] of [
          [0, 600],
          [0, 0],
          [5, 6],
          [250, 300],
          [256, 512],
          [599, 600],
        ] as const) {
          const wanted = hashes.slice(from * HASH_SIZE, to * HASH_SIZE)
          expect(await store.leafHashes(treeSize(from), treeSize(to))).toEqual(wanted)
        }
        for (const [from, to] of [
          [0, 601],
          [600, 601],
          [700, 800],
        ] as const) {
          const beyond = store.leafHashes(treeSize(from), treeSize(to))
          await expect(beyond).rejects.toMatchObject({ code: 'NOT_FOUND' })
        }
      })

      it('finds leaves before they are integrated, by their whole hash', async () => {
        const store = await (await fresh()).open()
        const leaves = someLeaves(300, 'x')
        await store.sequence(batchOf(leaves))
        const near = hashLeaf(leaves[7]!).slice() as LeafHash
        near[31]! ^= 1
        expect(await store.find([near, hashLeaf(leaves[299]!)])).toEqual([undefined, 299])
      })
    })

    describe('leading', () => {
      it('is for one at a time, with a number of its own', async () => {
        const here = await fresh()
        const stores = await Promise.all([1, 2, 3, 4].map(() => here.open()))
        expect(await stores[0]!.leadership()).toBeUndefined()
        const terms = await Promise.all(
          stores.map((store, i) =>
            store.lead({ holder: `s${i}`, url: `http://s${i}`, leaseMs: 60_000 }),
          ),
        )
        const won = terms.findIndex((term) => term !== undefined)
        expect(terms.filter((term) => term !== undefined)).toHaveLength(1)
        expect(terms[won]!.epoch).toBe(1)
        expect(await stores[3]!.leadership()).toEqual({
          epoch: 1,
          holder: `s${won}`,
          url: `http://s${won}`,
          valid: true,
        })
      })

      it('goes to another when the lease is over, and not before', async () => {
        const here = await fresh()
        const [store, other] = [await here.open(), await here.open()]
        const first = (await store.lead({ ...SERVER, leaseMs: 400 }))!
        expect(await other.lead(OTHER)).toBeUndefined()
        expect(await first.renew(600)).toBe(true)
        await expect
          .poll(async () => (await store.leadership())?.valid, { timeout: 5_000 })
          .toBe(false)
        const second = (await other.lead(OTHER))!
        expect(second.epoch).toBe(2)
        expect(await first.renew(60_000)).toBe(false)
        expect(await second.renew(60_000)).toBe(true)
        expect(await store.leadership()).toEqual({ ...leadershipOf(OTHER), epoch: 2, valid: true })
      })

      it('goes on after a lease that ran out while nobody else led', async () => {
        const here = await fresh()
        const store = await here.open()
        const leader = (await store.lead({ ...SERVER, leaseMs: 1 }))!
        await expect.poll(async () => (await store.leadership())?.valid).toBe(false)
        await grow(store, leader, new ModelLog(), someLeaves(3, 'late'))
        expect(await leader.renew(60_000)).toBe(true)
        expect((await store.leadership())?.valid).toBe(true)
      })

      it('ends at once for one that resigns', async () => {
        const { here, store, leader } = await leading()
        await leader.resign()
        expect((await store.leadership())?.valid).toBe(false)
        expect(await leader.renew(60_000)).toBe(false)
        const late = leader.integrate(new ModelLog().append([]))
        await expect(late).rejects.toMatchObject({ code: 'CONFLICT' })
        const next = (await (await here.open()).lead(OTHER))!
        expect(next.epoch).toBe(2)
        // Too late to matter to the other.
        await leader.resign()
        expect((await store.leadership())?.valid).toBe(true)
      })

      it('begins anew for a server that was started again', async () => {
        const { here, leader } = await leading()
        const again = (await (await here.open()).lead(SERVER))!
        expect(again.epoch).toBe(2)
        expect(await leader.renew(60_000)).toBe(false)
      })

      it('needs a lease of some length', async () => {
        const store = await (await fresh()).open()
        for (const leaseMs of [0, -1, Number.NaN, Number.POSITIVE_INFINITY]) {
          await expect(store.lead({ ...SERVER, leaseMs })).rejects.toThrow(RangeError)
        }
      })
    })

    describe('what the leader writes', () => {
      it('grows the tree from the size that it has', async () => {
        const { store, leader } = await leading()
        const model = new ModelLog()
        await grow(store, leader, model, someLeaves(300, 'one'))
        await grow(store, leader, model, someLeaves(70_000, 'two'))
        expect(await store.head()).toEqual(headOf(70_300))
        for (const [level, tile] of [
          [0, 0],
          [0, 274],
          [1, 0],
          [1, 1],
          [2, 0],
          [3, 0],
        ] as const) {
          expect(await store.tile(level, tile)).toEqual(model.tile(level, tile))
        }
        const stale = new ModelLog().append(someLeaves(300, 'one'))
        await expect(leader.integrate(stale)).rejects.toMatchObject({ code: 'CONFLICT' })
        expect(await store.head()).toEqual(headOf(70_300))
        expect(await problems(store, 70_300)).toEqual([])
      })

      it('takes the hashes of level 0 or leaves them out', async () => {
        const { store, leader } = await leading()
        const model = new ModelLog()
        await store.sequence(batchOf(someLeaves(300, 'x')))
        const commit = model.append(someLeaves(300, 'x'))
        const tiles = commit.tiles.filter(({ level }) => level > 0)
        await leader.integrate({ ...commit, tiles })
        expect(await problems(store, 300)).toEqual([])
      })

      it('never goes beyond what is sequenced, or skips a tile', async () => {
        const { store, leader } = await leading()
        await store.sequence(batchOf(someLeaves(300, 'x')))
        const ahead = new ModelLog().append(someLeaves(301, 'x'))
        await expect(leader.integrate(ahead)).rejects.toMatchObject({ code: 'CONFLICT' })
        const { previousSize, head } = new ModelLog().append(someLeaves(300, 'x'))
        const bare = leader.integrate({ previousSize, head, tiles: [] })
        await expect(bare).rejects.toThrow(RangeError)
        expect(await store.head()).toBeUndefined()
        expect(await store.tile(1, 0)).toEqual(new Uint8Array())
      })

      it('is refused in whole once another leads, however late it comes', async () => {
        const { here, store, leader } = await leading()
        const model = new ModelLog()
        await grow(store, leader, model, someLeaves(300, 'one'))
        await leader.publish(publicationOf(300))
        await leader.resign()
        const other = await here.open()
        const next = (await other.lead(OTHER))!
        await store.sequence(batchOf(someLeaves(300, 'two')))
        const late = model.append(someLeaves(300, 'two'))
        const refused = [
          leader.integrate(late),
          leader.publish(publicationOf(300, 1_900_000_000_000)),
          leader.archived(treeSize(300), treeSize(0)),
        ]
        for (const outcome of await Promise.allSettled(refused)) {
          expect(outcome).toMatchObject({ status: 'rejected', reason: { code: 'CONFLICT' } })
        }
        expect(await other.head()).toEqual(headOf(300))
        expect(await other.publication()).toEqual(publicationOf(300))
        expect(await other.archive()).toEqual({ size: 0, released: 0 })
        await next.integrate(late)
        expect(await store.head()).toEqual(headOf(600))
      })

      it('is one order for two that race', async () => {
        const { store, leader } = await leading()
        await store.sequence(batchOf(someLeaves(9, 'x')))
        const outcomes = await Promise.allSettled(
          [3, 5, 9].map((size) => leader.integrate(new ModelLog().append(someLeaves(size, 'x')))),
        )
        expect(outcomes.filter(({ status }) => status === 'fulfilled')).toHaveLength(1)
      })

      it('does not publish what goes back in time or size', async () => {
        const { store, leader } = await leading()
        await grow(store, leader, new ModelLog(), someLeaves(9, 'x'))
        await leader.publish(publicationOf(5, 1000))
        await leader.publish(publicationOf(6, 1000))
        for (const [size, time] of [
          [9, 999],
          [5, 2000],
        ] as const) {
          const back = leader.publish(publicationOf(size, time))
          await expect(back).rejects.toMatchObject({ code: 'CONFLICT' })
        }
        await expect(leader.publish(publicationOf(10, 2000))).rejects.toThrow(RangeError)
        expect(await store.publication()).toEqual(publicationOf(6, 1000))
      })
    })

    describe('letting go of what the archive has', () => {
      async function archived(here: SharedPlace, model: ModelLog, size: number): Promise<void> {
        const metadata = { contentType: 'application/octet-stream', cacheControl: 'no-cache' }
        for (let n = 0; (n + 1) * 256 <= size; n++) {
          await here.archive.create(bundlePath(n, 256), model.bundle(n), metadata)
          await here.archive.create(tilePath(0, n, 256), model.tile(0, n), metadata)
        }
        for (let n = 0; (n + 1) * 65_536 <= size; n++) {
          await here.archive.create(tilePath(1, n, 256), model.tile(1, n), metadata)
        }
      }

      it('reads full bundles and tiles from there, and the rest as before', async () => {
        const { here, store, leader } = await leading()
        const model = new ModelLog()
        await grow(store, leader, model, someLeaves(66_000, 'x'))
        await archived(here, model, 66_000)
        const before = await store.usage()
        expect(before?.used).toBeGreaterThan(1_000_000)
        await leader.archived(treeSize(66_000), treeSize(0))
        expect(await store.archive()).toEqual({ size: 66_000, released: 0 })
        await leader.archived(treeSize(66_000), treeSize(65_800))
        expect(await store.archive()).toEqual({ size: 66_000, released: 65_800 })

        const other = await here.open()
        for (const n of [0, 1, 255, 256, 257]) {
          expect(await other.bundle(n)).toEqual(model.bundle(n))
          expect(await other.tile(0, n)).toEqual(model.tile(0, n))
        }
        for (const n of [0, 1]) expect(await other.tile(1, n)).toEqual(model.tile(1, n))
        expect(await other.bundle(300)).toEqual(new Uint8Array())
        const gone = other.sequenced(treeSize(65_790), { maxLeaves: 10, maxBytes: 1000 })
        await expect(gone).rejects.toMatchObject({ code: 'NOT_FOUND' })
        await expect(other.leafHashes(treeSize(9), treeSize(10))).rejects.toMatchObject({
          code: 'NOT_FOUND',
        })
        expect(await leavesFrom(other, 65_792)).toEqual(model.leaves.slice(65_792))
        expect(await other.find([model.hashes[3]!])).toEqual([3])
        expect(await problems(other, 66_000)).toEqual([])
        // A leaf that is known stays known.
        expect(await other.sequence(batchOf([model.leaves[3]!]))).toMatchObject({ indices: [3] })
      })

      it('is for what the archive has, and does not come back', async () => {
        const { here, store, leader } = await leading()
        const model = new ModelLog()
        await grow(store, leader, model, someLeaves(1000, 'x'))
        await archived(here, model, 1000)
        await expect(leader.archived(treeSize(500), treeSize(501))).rejects.toThrow(RangeError)
        const beyond = leader.archived(treeSize(1001), treeSize(0))
        await expect(beyond).rejects.toMatchObject({ code: 'CONFLICT' })
        await leader.archived(treeSize(1000), treeSize(512))
        await leader.archived(treeSize(800), treeSize(0))
        expect(await store.archive()).toEqual({ size: 800, released: 512 })
        const less = leader.archived(treeSize(511), treeSize(0))
        await expect(less).rejects.toMatchObject({ code: 'CONFLICT' })
        expect(await store.bundle(2)).toEqual(model.bundle(2))
      })

      it('says which object is missing or damaged', async () => {
        const { here, store, leader } = await leading()
        const model = new ModelLog()
        await grow(store, leader, model, someLeaves(600, 'x'))
        const metadata = { contentType: 'application/octet-stream', cacheControl: 'no-cache' }
        await here.archive.create(bundlePath(1, 256), new Uint8Array(9), metadata)
        await here.archive.create(tilePath(0, 1, 256), new Uint8Array(9), metadata)
        await leader.archived(treeSize(600), treeSize(512))
        const reading: [() => Promise<unknown>, string][] = [
          [() => store.bundle(0), 'tile/entries/000'],
          [() => store.tile(0, 0), 'tile/0/000'],
          [() => store.bundle(1), 'bundle 1'],
          [() => store.tile(0, 1), 'tile 0/1'],
        ]
        for (const [read, what] of reading) {
          await expect(read()).rejects.toMatchObject({
            code: 'CORRUPT',
            message: expect.stringContaining(what),
          })
        }
      })
    })

    describe('watching', () => {
      it('hears of what any server does, until it is ended', async () => {
        const here = await fresh()
        const [store, other] = [await here.open(), await here.open()]
        const heard = new Set<string>()
        const end = other.watch((change) => heard.add(change))
        const also = new Set<string>()
        const endOther = other.watch((change) => also.add(change))
        // Everything counts as changed when the watch begins.
        await expect.poll(() => heard.size, { timeout: 5_000 }).toBe(4)
        const hears = async (change: string, act: () => Promise<unknown>): Promise<void> => {
          heard.clear()
          await act()
          await expect.poll(() => [...heard], { timeout: 5_000 }).toContain(change)
        }
        let leader: LeaderStore | undefined
        await hears('leadership', async () => {
          leader = await store.lead(SERVER)
        })
        await hears('sequenced', () => store.sequence(batchOf(someLeaves(9, 'x'))))
        await hears('head', () => leader!.integrate(new ModelLog().append(someLeaves(9, 'x'))))
        await hears('publication', () => leader!.publish(publicationOf(9)))
        end()
        also.clear()
        heard.clear()
        await leader!.resign()
        await expect.poll(() => [...also], { timeout: 5_000 }).toContain('leadership')
        expect([...heard]).toEqual([])
        endOther()
      })

      it('goes on after the connection was lost, and counts everything as changed', async () => {
        const here = await fresh()
        const [store, other] = [await here.open(), await here.open()]
        const heard = new Set<string>()
        const end = other.watch((change) => heard.add(change))
        await expect.poll(() => heard.size, { timeout: 5_000 }).toBe(4)
        heard.clear()
        await here.disconnect()
        await expect.poll(() => heard.size, { timeout: 10_000 }).toBe(4)
        heard.clear()
        await expect
          .poll(() => store.sequence(batchOf(someLeaves(1, 'x'))).catch(() => undefined))
          .toBeDefined()
        await expect.poll(() => [...heard], { timeout: 5_000 }).toContain('sequenced')
        end()
      })
    })

    it('tells the time of its own clock', async () => {
      const store = await (await fresh()).open()
      const before = await store.now()
      expect(Math.abs(before - Date.now())).toBeLessThan(60_000)
      expect(await store.now()).toBeGreaterThanOrEqual(before)
      expect(Number.isInteger(before)).toBe(true)
    })

    it('refuses to work once it is closed', async () => {
      const { store } = await leading()
      await store.close()
      const refused = [
        store.sequence(batchOf(someLeaves(1, 'x'))),
        store.sequencedSize(),
        store.lead(SERVER),
        store.now(),
      ]
      for (const outcome of await Promise.allSettled(refused)) {
        expect(outcome).toMatchObject({ status: 'rejected', reason: { code: 'STOPPED' } })
      }
    })
  })
}

function leadershipOf({ holder, url }: typeof SERVER): { holder: string; url: string } {
  return { holder, url }
}
