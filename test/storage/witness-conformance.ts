/** What every WitnessStore must do, whatever it keeps its bytes in. Each adapter's test runs this suite. */
import fc from 'fast-check'
import { afterEach, describe, expect, it } from 'vitest'
import { toHex, utf8 } from '../../src/bytes.ts'
import { hashLeaf, type RootHash, rootHash } from '../../src/merkle/hash.ts'
import { treeSize } from '../../src/merkle/position.ts'
import type {
  CosignedHead,
  StoredConflict,
  StoredLog,
  WitnessChange,
  WitnessStore,
} from '../../src/storage/witness-port.ts'

/** A place for one store: opened again and again on the same bytes, then thrown away. */
export interface WitnessStorePlace {
  open(): Promise<WitnessStore>
  remove(): Promise<void>
}

export function rootOf(name: string): RootHash {
  return rootHash(hashLeaf(utf8(name)))
}

export function headOf(size: number, timestamp = 1_700_000_000, name = `${size}`): CosignedHead {
  return { size: treeSize(size), timestamp, root: rootOf(name) }
}

export function watch(origin: string, ...vkeys: string[]): WitnessChange {
  return { kind: 'watch', origin, vkeys }
}

export function advance(
  origin: string,
  previous: CosignedHead | undefined,
  head: CosignedHead,
): WitnessChange {
  return { kind: 'advance', origin, previous, head, checkpoint: noteOf(origin, head) }
}

function noteOf(origin: string, head: CosignedHead): Uint8Array {
  return utf8(`${origin}\n${head.size}\nroot\n\n— ${origin} signature\n`)
}

function cosigned(origin: string, head: CosignedHead, lines = 'lines'): WitnessChange {
  return { kind: 'keep-cosignatures', origin, head, cosignatures: utf8(lines) }
}

export function conflictOf(origin: string, id: number, seenAt = 1_000): StoredConflict {
  return {
    id: new Uint8Array(16).fill(id),
    origin,
    kind: id % 2 === 0 ? 'split-view' : 'unproven',
    cosigned: utf8(`cosigned ${id}`),
    refused: utf8(`refused ${id}`),
    seenAt,
  }
}

export async function all<T>(items: AsyncIterable<T>): Promise<T[]> {
  const found: T[] = []
  for await (const item of items) found.push(item)
  return found
}

const A = 'log.example/a'
const B = 'log.example/b'

/** The suite. `place` makes an empty place for each test. */
export function witnessStoreConformance(
  name: string,
  place: () => Promise<WitnessStorePlace>,
): void {
  describe(`${name} as a witness store`, () => {
    const cleanups: (() => Promise<void>)[] = []
    afterEach(async () => {
      for (const cleanup of cleanups.splice(0).reverse()) await cleanup()
    })

    async function fresh(): Promise<{ store: WitnessStore; reopen: () => Promise<WitnessStore> }> {
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

    async function logsOf(store: WitnessStore): Promise<StoredLog[]> {
      return (await all(store.logs())).sort((a, b) => (a.origin < b.origin ? -1 : 1))
    }

    it('is empty at first', async () => {
      const { store } = await fresh()
      expect(await all(store.logs())).toEqual([])
      expect(await store.head(A)).toBeUndefined()
      expect(await all(store.conflicts())).toEqual([])
    })

    it('keeps logs, their keys and their heads', async () => {
      const { store, reopen } = await fresh()
      await store.write([watch(A, 'a1', 'a2'), watch(B, 'b1')])
      await store.write([advance(A, undefined, headOf(7))])
      const expected = [
        { origin: A, vkeys: ['a1', 'a2'], head: headOf(7) },
        { origin: B, vkeys: ['b1'], head: undefined },
      ]
      expect(await logsOf(store)).toEqual(expected)
      expect(await logsOf(await reopen())).toEqual(expected)
    })

    it('gives a head with its notes', async () => {
      const { store, reopen } = await fresh()
      await store.write([watch(A, 'a1'), advance(A, undefined, headOf(7))])
      const head = { ...headOf(7), checkpoint: noteOf(A, headOf(7)) }
      expect(await store.head(A)).toEqual({ ...head, cosignatures: undefined })
      await store.write([cosigned(A, headOf(7))])
      const again = await reopen()
      expect(await again.head(A)).toEqual({ ...head, cosignatures: utf8('lines') })
      expect(await again.head(B)).toBeUndefined()
    })

    it('replaces keys without touching the head, also when none are left', async () => {
      const { store, reopen } = await fresh()
      await store.write([watch(A, 'a1'), advance(A, undefined, headOf(7)), cosigned(B, headOf(1))])
      await store.write([watch(A, 'a2')])
      expect(await logsOf(store)).toEqual([{ origin: A, vkeys: ['a2'], head: headOf(7) }])
      await store.write([watch(A)])
      const again = await reopen()
      expect(await logsOf(again)).toEqual([{ origin: A, vkeys: [], head: headOf(7) }])
      await again.write([advance(A, headOf(7), headOf(8)), watch(A, 'a3')])
      expect(await logsOf(again)).toEqual([{ origin: A, vkeys: ['a3'], head: headOf(8) }])
    })

    it('never gives cosignatures with another head than the one they are over', async () => {
      const { store } = await fresh()
      const cosignaturesOf = async () => (await store.head(A))?.cosignatures
      await store.write([watch(A, 'a1'), advance(A, undefined, headOf(7))])
      await store.write([cosigned(A, headOf(7), 'over 7')])
      await store.write([advance(A, headOf(7), headOf(7, 1_700_000_001))])
      expect(await cosignaturesOf()).toBeUndefined()
      await store.write([cosigned(A, headOf(7), 'over 7, late')])
      expect(await cosignaturesOf()).toBeUndefined()
      await store.write([cosigned(A, headOf(7, 1_700_000_001, 'another'), 'of another tree')])
      expect(await cosignaturesOf()).toBeUndefined()
      await store.write([cosigned(A, headOf(7, 1_700_000_001), 'over 7, again')])
      expect(await cosignaturesOf()).toEqual(utf8('over 7, again'))
      const older = headOf(7, 1_700_000_001)
      await store.write([cosigned(A, older, 'too late'), advance(A, older, older)])
      expect(await cosignaturesOf()).toBeUndefined()
      await store.write([cosigned(A, older, 'over 7, again')])
      // The same head once more: what is signed over it now may be over other extension lines.
      await store.write([advance(A, headOf(7, 1_700_000_001), headOf(7, 1_700_000_001))])
      expect(await cosignaturesOf()).toBeUndefined()
    })

    it.each([
      ['no head', undefined],
      ['another size', headOf(6)],
      ['another time', headOf(7, 1_699_999_999)],
      ['another root', headOf(7, 1_700_000_000, 'another')],
    ])('refuses a change made from %s, and all that is written with it', async (_, previous) => {
      const { store, reopen } = await fresh()
      await store.write([watch(A, 'a1'), watch(B, 'b1'), advance(A, undefined, headOf(7))])
      const changes = [
        advance(B, undefined, headOf(3)),
        advance(A, previous, headOf(9)),
        { kind: 'keep-conflict', conflict: conflictOf(B, 1) } as const,
      ]
      await expect(store.write(changes)).rejects.toMatchObject({ code: 'CONFLICT' })
      for (const open of [async () => store, reopen]) {
        const one = await open()
        expect((await one.head(A))?.size).toBe(7)
        expect(await one.head(B)).toBeUndefined()
        expect(await all(one.conflicts())).toEqual([])
      }
    })

    it('refuses a first head made from one that is not there', async () => {
      const { store } = await fresh()
      await store.write([watch(A, 'a1')])
      const change = advance(A, headOf(0), headOf(9))
      await expect(store.write([change])).rejects.toMatchObject({ code: 'CONFLICT' })
      expect(await store.head(A)).toBeUndefined()
    })

    it.each([
      ['size', headOf(6)],
      ['time', headOf(8, 1_699_999_999)],
    ])('refuses a head whose %s goes back', async (_, head) => {
      const { store } = await fresh()
      await store.write([watch(A, 'a1'), advance(A, undefined, headOf(7))])
      const change = advance(A, headOf(7), head)
      await expect(store.write([change])).rejects.toMatchObject({ code: 'CONFLICT' })
      expect((await store.head(A))?.size).toBe(7)
    })

    it('goes on after a refused change', async () => {
      const { store } = await fresh()
      await store.write([watch(A, 'a1')])
      await expect(store.write([advance(A, headOf(1), headOf(2))])).rejects.toThrow()
      await store.write([advance(A, undefined, headOf(2))])
      expect((await store.head(A))?.size).toBe(2)
    })

    it('lets one of many writes at the same time win', async () => {
      const { store } = await fresh()
      await store.write([watch(A, 'a1')])
      const sizes = Array.from({ length: 20 }, (_, i) => 100 - i)
      const written = await Promise.allSettled(
        sizes.map((size) => store.write([advance(A, undefined, headOf(size))])),
      )
      const won = sizes.filter((_, i) => written[i]!.status === 'fulfilled')
      expect(won).toHaveLength(1)
      expect((await store.head(A))?.size).toBe(won[0])
    })

    it('keeps conflicts, one for each id, and drops them one by one', async () => {
      const { store, reopen } = await fresh()
      await store.write([watch(A, 'a1'), watch(B, 'b1')])
      const kept = [conflictOf(A, 1), conflictOf(A, 2, 2_000), conflictOf(B, 3)]
      await store.write(kept.map((conflict) => ({ kind: 'keep-conflict', conflict })))
      await store.write([{ kind: 'keep-conflict', conflict: conflictOf(A, 1, 3_000) }])
      const again = await reopen()
      const ids = async (origin?: string) =>
        (await all(again.conflicts(origin))).map(({ id, seenAt }) => [toHex(id), seenAt]).sort()
      const id = (byte: number) => toHex(new Uint8Array(16).fill(byte))
      expect(await all(again.conflicts(B))).toEqual([conflictOf(B, 3)])
      const [one, two, three] = [
        [id(1), 3_000],
        [id(2), 2_000],
        [id(3), 1_000],
      ]
      expect(await ids()).toEqual([one, two, three])
      expect(await ids(A)).toEqual([one, two])
      expect(await ids('log.example/c')).toEqual([])
      await again.write([{ kind: 'drop-conflict', origin: A, id: new Uint8Array(16).fill(1) }])
      await again.write([{ kind: 'drop-conflict', origin: A, id: new Uint8Array(16).fill(9) }])
      expect(await ids()).toEqual([two, three])
    })

    it('tells logs apart whatever their origins are', async () => {
      const { store, reopen } = await fresh()
      const origins = ['a', 'ab', 'A', 'ä', 'a/b', 'x'.repeat(255), '\u{1f50f}', 'a b']
      await store.write(origins.map((origin) => watch(origin, `key of ${origin}`)))
      await store.write(
        origins.map((origin, i) => advance(origin, undefined, headOf(i, 1, origin))),
      )
      const again = await reopen()
      for (const [i, origin] of origins.entries()) {
        expect(await again.head(origin)).toMatchObject(headOf(i, 1, origin))
      }
      expect(await logsOf(again)).toEqual(
        origins
          .map((origin, i) => ({
            origin,
            vkeys: [`key of ${origin}`],
            head: headOf(i, 1, origin),
          }))
          .sort((a, b) => (a.origin < b.origin ? -1 : 1)),
      )
    })

    it('takes sizes and times up to 2^53-1', async () => {
      const { store, reopen } = await fresh()
      const last = headOf(Number.MAX_SAFE_INTEGER, Number.MAX_SAFE_INTEGER)
      await store.write([watch(A, 'a1'), advance(A, undefined, headOf(0, 0))])
      await store.write([advance(A, headOf(0, 0), last)])
      expect(await (await reopen()).head(A)).toMatchObject(last)
    })

    it('takes a change of each of many logs in one batch', async () => {
      const { store, reopen } = await fresh()
      const origins = Array.from({ length: 2_500 }, (_, i) => `log.example/${i}`)
      await store.write(origins.map((origin) => watch(origin, 'key')))
      await store.write(origins.map((origin, i) => advance(origin, undefined, headOf(i))))
      const logs = await all((await reopen()).logs())
      expect(logs).toHaveLength(origins.length)
      for (const { origin, head } of logs) {
        expect(`log.example/${head?.size}`).toBe(origin)
      }
    })

    it('writes nothing once it is closed', async () => {
      const { store } = await fresh()
      await store.write([watch(A, 'a1')])
      await store.close()
      await expect(store.write([watch(B, 'b1')])).rejects.toMatchObject({ code: 'STOPPED' })
    })

    it('finishes what is being written before it closes', async () => {
      const { store, reopen } = await fresh()
      const writes = [
        store.write([watch(A, 'a1')]),
        store.write([advance(A, undefined, headOf(3))]),
      ]
      const again = await reopen()
      await Promise.all(writes)
      expect((await again.head(A))?.size).toBe(3)
    })

    it('holds what a plain model holds, after any changes and reopenings', async () => {
      const step = fc.oneof(
        fc.record({ kind: fc.constant('watch' as const), log: fc.nat(2), keys: fc.nat(2) }),
        fc.record({
          kind: fc.constant('advance' as const),
          log: fc.nat(2),
          by: fc.nat(3),
          later: fc.nat(2),
          stale: fc.boolean(),
        }),
        fc.record({ kind: fc.constant('cosigned' as const), log: fc.nat(2), late: fc.boolean() }),
        fc.record({ kind: fc.constant('reopen' as const) }),
      )
      await fc.assert(
        fc.asyncProperty(fc.array(step, { maxLength: 25 }), async (steps) => {
          const here = await place()
          let store = await here.open()
          const logs = new Map<
            string,
            { vkeys: string[]; heads: CosignedHead[]; signed: boolean }
          >()
          for (const one of steps) {
            if (one.kind === 'reopen') {
              await store.close()
              store = await here.open()
              continue
            }
            const origin = `log.example/${one.log}`
            const known = logs.get(origin)
            if (one.kind === 'watch') {
              const vkeys = ['k1', 'k2'].slice(0, one.keys)
              await store.write([watch(origin, ...vkeys)])
              logs.set(origin, { heads: [], signed: false, ...known, vkeys })
            } else if (known === undefined) {
            } else if (one.kind === 'cosigned') {
              const head = known.heads.at(one.late ? -2 : -1)
              if (head === undefined) continue
              await store.write([cosigned(origin, head, 'signed')])
              known.signed = head === known.heads.at(-1)
            } else {
              const from = known.heads.at(one.stale ? -2 : -1)
              const newest = known.heads.at(-1) ?? headOf(0, 1)
              const head = headOf(newest.size + one.by, newest.timestamp + one.later)
              const isStale = from !== known.heads.at(-1)
              const written = store.write([advance(origin, from, head)])
              if (isStale) {
                await expect(written).rejects.toMatchObject({ code: 'CONFLICT' })
              } else {
                await written
                known.heads.push({ ...head, timestamp: head.timestamp })
                known.signed = false
              }
            }
          }
          for (const [origin, { heads, signed }] of logs) {
            const head = heads.at(-1)
            const stored = await store.head(origin)
            if (head === undefined) expect(stored).toBeUndefined()
            else expect(stored).toMatchObject(head)
            expect(stored?.cosignatures !== undefined).toBe(signed)
          }
          expect(
            (await logsOf(store)).map(({ origin, vkeys, head }) => [origin, vkeys, head]),
          ).toEqual(
            [...logs]
              .sort(([a], [b]) => (a < b ? -1 : 1))
              .map(([origin, { vkeys, heads }]) => [origin, vkeys, heads.at(-1)]),
          )
          await store.close()
          await here.remove()
        }),
        { numRuns: 25 },
      )
    })
  })
}
