/** What every IndexStore must do, whatever it keeps its bytes in. Each adapter's test runs this suite. */
import fc from 'fast-check'
import { afterEach, describe, expect, it } from 'vitest'
import { toHex, utf8 } from '../../src/bytes.ts'
import type { IndexEntry, IndexStore } from '../../src/storage/index-port.ts'

/** A place for one store: opened again and again on the same bytes, then thrown away. */
export interface IndexStorePlace {
  open(): Promise<IndexStore>
  remove(): Promise<void>
}

const key = (...bytes: number[]): Uint8Array => Uint8Array.from(bytes)
const entry = (...bytes: number[]): IndexEntry => [key(...bytes), utf8(`value of ${bytes}`)]
const ALL = { gte: key(0), lt: key(255, 255) }

/** Entries as text, so that two lists of them can be compared. */
function shown(entries: readonly IndexEntry[]): string[] {
  return entries.map(([name, value]) => `${toHex(name)} ${toHex(value)}`)
}

/** Every entry of a store. */
export async function everything(store: IndexStore): Promise<IndexEntry[]> {
  return store.scan(ALL, { limit: 1_000_000 })
}

/** The suite. `place` makes an empty place for each test. */
export function indexStoreConformance(name: string, place: () => Promise<IndexStorePlace>): void {
  describe(`${name} as the store of a search index`, () => {
    const cleanups: (() => Promise<void>)[] = []
    afterEach(async () => {
      for (const cleanup of cleanups.splice(0).reverse()) await cleanup()
    })

    async function fresh(): Promise<{ store: IndexStore; reopen: () => Promise<IndexStore> }> {
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

    it('is empty at first', async () => {
      const { store } = await fresh()
      expect(await everything(store)).toEqual([])
      expect(await store.get([])).toEqual([])
      expect(await store.get([key(1), key(2)])).toEqual([undefined, undefined])
      await store.clear()
      await store.purge([ALL])
      expect(await everything(store)).toEqual([])
    })

    it('gives back what was written, before and after it is opened again', async () => {
      const { store, reopen } = await fresh()
      await store.write({ put: [entry(2), entry(1), entry(3, 4)] })
      for (const open of [async () => store, reopen]) {
        const one = await open()
        expect(shown(await everything(one))).toEqual(shown([entry(1), entry(2), entry(3, 4)]))
        const values = await one.get([key(3, 4), key(3), key(1), key(3, 4)])
        const [first] = entry(3, 4).slice(1)
        expect(values).toEqual([first, undefined, entry(1)[1], first])
        for (const value of values) {
          if (value !== undefined) expect(value.constructor).toBe(Uint8Array)
        }
      }
    })

    it('replaces and drops values', async () => {
      const { store, reopen } = await fresh()
      await store.write({ put: [entry(1), entry(2), entry(3)] })
      await store.write({ put: [[key(1), utf8('new')]], drop: [key(2), key(9)], durable: true })
      const left = [[key(1), utf8('new')], entry(3)] as const
      expect(shown(await everything(store))).toEqual(shown(left))
      expect(shown(await everything(await reopen()))).toEqual(shown(left))
    })

    it('keeps values of no bytes and of many', async () => {
      const { store } = await fresh()
      const large = new Uint8Array(300_000).map((_, i) => i * 7)
      await store.write({
        put: [
          [key(1), new Uint8Array()],
          [key(2), large],
        ],
      })
      const [none, many] = await store.get([key(1), key(2)])
      expect(none).toEqual(new Uint8Array())
      expect(toHex(many!)).toBe(toHex(large))
    })

    it('scans a range from either end, in the order of bytes', async () => {
      const { store } = await fresh()
      const rising = [
        entry(1),
        entry(1, 0),
        entry(1, 255),
        entry(2),
        entry(127),
        entry(128),
        entry(254),
      ]
      await store.write({ put: [...rising].reverse() })
      const scan = async (gte: Uint8Array, lt: Uint8Array, limit: number, reverse = false) =>
        shown(await store.scan({ gte, lt }, { limit, reverse }))
      expect(await scan(key(0), key(255), 100)).toEqual(shown(rising))
      expect(await scan(key(0), key(255), 100, true)).toEqual(shown([...rising].reverse()))
      expect(await scan(key(0), key(255), 2)).toEqual(shown(rising.slice(0, 2)))
      expect(await scan(key(0), key(255), 2, true)).toEqual(shown(rising.slice(-2).reverse()))
      // From the first bound on, and before the second.
      expect(await scan(key(1, 0), key(128), 100)).toEqual(shown(rising.slice(1, 5)))
      expect(await scan(key(1, 0), key(128), 100, true)).toEqual(
        shown(rising.slice(1, 5).reverse()),
      )
      expect(await scan(key(3), key(100), 100)).toEqual([])
      expect(await scan(key(2), key(2), 100)).toEqual([])
      await expect(scan(key(0), key(255), 0)).rejects.toThrow(RangeError)
    })

    it('lets a write see all those before it, though none was waited for', async () => {
      const { store, reopen } = await fresh()
      const writes = Array.from({ length: 50 }, (_, i) =>
        store.write({
          put: [
            [key(1), key(i)],
            [key(2, i), key(i)],
          ],
        }),
      )
      await Promise.all(writes)
      const again = await reopen()
      expect(await again.get([key(1)])).toEqual([key(49)])
      expect(await everything(again)).toHaveLength(51)
    })

    it('removes everything, and goes on', async () => {
      const { store, reopen } = await fresh()
      await store.write({ put: Array.from({ length: 500 }, (_, i) => entry(i % 256, i >> 8)) })
      await store.write({ put: [[key(255), key(1)]] })
      await store.clear()
      expect(await everything(store)).toEqual([])
      await store.write({ put: [entry(7)] })
      expect(shown(await everything(await reopen()))).toEqual(shown([entry(7)]))
    })

    it('is as it was after purging', async () => {
      const { store, reopen } = await fresh()
      await store.write({ put: [entry(1), entry(2), entry(3)] })
      await store.write({ drop: [key(2)] })
      await store.purge([{ gte: key(1), lt: key(3) }])
      await store.purge([])
      expect(shown(await everything(store))).toEqual(shown([entry(1), entry(3)]))
      expect(shown(await everything(await reopen()))).toEqual(shown([entry(1), entry(3)]))
    })

    it('says how much room it takes, if anything', async () => {
      const { store } = await fresh()
      await store.write({ put: [[key(1), crypto.getRandomValues(new Uint8Array(60_000))]] })
      const used = await store.usage()
      if (used !== undefined) expect(used).toBeGreaterThan(60_000)
    })

    it('refuses everything once it is closed', async () => {
      const { store } = await fresh()
      await store.write({ put: [entry(1)] })
      await store.close()
      const stopped = { code: 'STOPPED' }
      await expect(store.get([key(1)])).rejects.toMatchObject(stopped)
      await expect(everything(store)).rejects.toMatchObject(stopped)
      await expect(store.write({ put: [entry(2)] })).rejects.toMatchObject(stopped)
      await expect(store.clear()).rejects.toMatchObject(stopped)
      await expect(store.purge([ALL])).rejects.toMatchObject(stopped)
    })

    it('does as a map in memory does, for any writes, scans and reopenings', async () => {
      const keys = fc.uint8Array({ minLength: 1, maxLength: 3 }).filter((bytes) => bytes[0]! < 255)
      const write = fc.record({
        put: fc.uniqueArray(fc.tuple(keys, fc.uint8Array({ maxLength: 4 })), {
          selector: ([name]) => toHex(name),
          maxLength: 8,
        }),
        drop: fc.array(keys, { maxLength: 3 }),
        durable: fc.boolean(),
      })
      const scan = fc.record({
        from: keys,
        to: keys,
        limit: fc.integer({ min: 1, max: 9 }),
        reverse: fc.boolean(),
      })
      const step = fc.oneof(
        { weight: 6, arbitrary: write },
        { weight: 6, arbitrary: scan },
        {
          weight: 1,
          arbitrary: fc.constantFrom('reopen' as const, 'clear' as const, 'purge' as const),
        },
      )
      await fc.assert(
        fc.asyncProperty(fc.array(step, { minLength: 1, maxLength: 30 }), async (steps) => {
          const here = await place()
          let store = await here.open()
          try {
            const model = new Map<string, IndexEntry>()
            const rising = () =>
              [...model].sort(([a], [b]) => (a < b ? -1 : 1)).map(([, one]) => one)
            for (const what of steps) {
              if (what === 'reopen') {
                await store.close()
                store = await here.open()
              } else if (what === 'clear') {
                await store.clear()
                model.clear()
              } else if (what === 'purge') {
                await store.purge([ALL])
              } else if ('put' in what) {
                const put = new Set(what.put.map(([name]) => toHex(name)))
                const drop = what.drop.filter((name) => !put.has(toHex(name)))
                await store.write({ ...what, drop })
                for (const one of what.put) model.set(toHex(one[0]), one)
                for (const name of drop) model.delete(toHex(name))
              } else {
                const { from, to, limit, reverse } = what
                const within = rising().filter(
                  ([name]) => toHex(name) >= toHex(from) && toHex(name) < toHex(to),
                )
                const wanted = (reverse ? within.reverse() : within).slice(0, limit)
                const found = await store.scan({ gte: from, lt: to }, { limit, reverse })
                expect(shown(found)).toEqual(shown(wanted))
              }
            }
            expect(shown(await everything(store))).toEqual(shown(rising()))
          } finally {
            await store.close()
            await here.remove()
          }
        }),
        { numRuns: 25 },
      )
    })
  })
}
