/** What every VaultStore must do, whatever it keeps its bytes in. Each adapter's test runs this suite. */
import { randomBytes } from 'node:crypto'
import fc from 'fast-check'
import { afterEach, describe, expect, it } from 'vitest'
import { concat, utf8 } from '../../src/bytes.ts'
import type { VaultChange, VaultRow, VaultRows, VaultStore } from '../../src/storage/vault-port.ts'

/** A place for one store: opened again and again on the same bytes, then thrown away. */
export interface VaultStorePlace {
  open(): Promise<VaultStore>
  /** Where any 12 bytes in a row of these are found, in all that is stored. */
  whereIs(bytes: Uint8Array): Promise<string[]>
  remove(): Promise<void>
}

export function put(key: Uint8Array, value: Uint8Array): VaultChange & { kind: 'put' } {
  return { kind: 'put', key, value }
}

export function create(key: Uint8Array, value: Uint8Array): VaultChange {
  return { kind: 'create', key, value }
}

export function del(key: Uint8Array): VaultChange & { kind: 'delete' } {
  return { kind: 'delete', key }
}

export async function all(rows: AsyncIterable<VaultRow>): Promise<VaultRow[]> {
  const found: VaultRow[] = []
  for await (const row of rows) found.push(row)
  return found
}

const EVERYTHING = new Uint8Array()
const secret = (size = 60): Uint8Array => new Uint8Array(randomBytes(size))
/** A key under a prefix, of which nothing can be guessed. */
const secretKey = (prefix = 'k'): Uint8Array => concat(utf8(prefix), secret(32))

/** The suite. `place` makes an empty place for each test. */
export function vaultStoreConformance(name: string, place: () => Promise<VaultStorePlace>): void {
  describe(`${name} as a vault store`, () => {
    const cleanups: (() => Promise<void>)[] = []
    afterEach(async () => {
      for (const cleanup of cleanups.splice(0).reverse()) await cleanup()
    })

    interface Fresh {
      readonly here: VaultStorePlace
      readonly store: VaultStore
      readonly reopen: () => Promise<VaultStore>
    }

    async function fresh(): Promise<Fresh> {
      const here = await place()
      cleanups.push(() => here.remove())
      let current = await here.open()
      cleanups.push(() => current.close())
      return {
        here,
        store: current,
        reopen: async () => {
          await current.close()
          current = await here.open()
          return current
        },
      }
    }

    const SIDES = ['keys', 'payloads'] as const

    describe.each(SIDES)('its %s', (side) => {
      it('are empty at first', async () => {
        const rows = (await fresh()).store[side]
        expect(await rows.get([])).toEqual([])
        expect(await rows.get([utf8('a'), utf8('b')])).toEqual([undefined, undefined])
        expect(await all(rows.list(EVERYTHING))).toEqual([])
        expect(await all(rows.list(utf8('a')))).toEqual([])
      })

      it('keep what is written, and give plain bytes', async () => {
        const { store, reopen } = await fresh()
        await store[side].write([
          create(utf8('a'), utf8('one')),
          put(utf8('b'), new Uint8Array()),
          put(utf8('c'), utf8('three')),
        ])
        await store[side].write([del(utf8('c')), del(utf8('never there'))])
        for (const open of [async () => store, reopen]) {
          const rows = (await open())[side]
          const keys = ['a', 'b', 'c', 'a'].map(utf8)
          const values = [utf8('one'), new Uint8Array(), undefined, utf8('one')]
          const found = await rows.get(keys)
          expect(found).toEqual(values)
          expect(found[0]!.constructor).toBe(Uint8Array)
          expect(await rows.get([utf8('a')])).toEqual([utf8('one')])
          const listed = await all(rows.list(EVERYTHING))
          expect(listed).toEqual([
            { key: utf8('a'), value: utf8('one') },
            { key: utf8('b'), value: new Uint8Array() },
          ])
          expect(listed[0]!.key.constructor).toBe(Uint8Array)
          expect(listed[0]!.value.constructor).toBe(Uint8Array)
        }
      })

      it('know nothing of those of the other side', async () => {
        const { store } = await fresh()
        await store[side].write([put(utf8('a'), utf8(side))])
        const other = store[side === 'keys' ? 'payloads' : 'keys']
        expect(await other.get([utf8('a')])).toEqual([undefined])
        await other.write([create(utf8('a'), utf8('other')), put(utf8('b'), utf8('other'))])
        await other.write([del(utf8('a'))])
        expect(await all(store[side].list(EVERYTHING))).toEqual([
          { key: utf8('a'), value: utf8(side) },
        ])
      })

      it('are listed by the beginning of their keys, in the order of bytes', async () => {
        const rows = (await fresh()).store[side]
        const keys = [
          [1],
          [1, 0],
          [1, 2],
          [1, 255],
          [1, 255, 255],
          [1, 255, 255, 0],
          [2],
          [254, 255],
        ]
        await rows.write(keys.toReversed().map((key) => put(Uint8Array.from(key), utf8('x'))))
        const list = async (...prefix: number[]) =>
          (await all(rows.list(Uint8Array.from(prefix)))).map(({ key }) => [...key])
        expect(await list()).toEqual(keys)
        expect(await list(1)).toEqual(keys.slice(0, 6))
        expect(await list(1, 255)).toEqual(keys.slice(3, 6))
        expect(await list(1, 255, 255)).toEqual(keys.slice(4, 6))
        expect(await list(2)).toEqual([[2]])
        expect(await list(254)).toEqual([[254, 255]])
        expect(await list(3)).toEqual([])
      })

      it('are listed in full when there are many', async () => {
        const rows = (await fresh()).store[side]
        const keyOf = (i: number) => utf8(`row ${String(i).padStart(5, '0')}`)
        const numbers = Array.from({ length: 5_000 }, (_, i) => i)
        await rows.write(numbers.map((i) => put(keyOf(i), utf8(`${i}`))))
        let at = 0
        for await (const { key, value } of rows.list(utf8('row'))) {
          if (at % 1_000 === 0)
            expect({ key, value }).toEqual({ key: keyOf(at), value: utf8(`${at}`) })
          at++
        }
        expect(at).toBe(5_000)
        expect(await rows.get(numbers.map(keyOf))).toEqual(numbers.map((i) => utf8(`${i}`)))
      })

      it('can be listed in part', async () => {
        const { store, reopen } = await fresh()
        await store[side].write(
          Array.from({ length: 3_000 }, (_, i) => put(utf8(`${i}`), secret())),
        )
        for await (const row of store[side].list(EVERYTHING)) {
          expect(row.key).toEqual(utf8('0'))
          break
        }
        await store[side].write([put(utf8('after'), utf8('x'))])
        if (side === 'keys') await store.keys.destroy([del(utf8('after'))], [secret()])
        await reopen()
      })

      it('are not made where there is one, nor anything with them', async () => {
        const { store, reopen } = await fresh()
        await store[side].write([create(utf8('a'), utf8('first'))])
        const refused = [
          [put(utf8('b'), utf8('x')), create(utf8('a'), utf8('second'))],
          [create(utf8('c'), utf8('x')), create(utf8('c'), utf8('y'))],
          [put(utf8('d'), utf8('x')), create(utf8('d'), utf8('y'))],
        ]
        for (const changes of refused) {
          await expect(store[side].write(changes)).rejects.toMatchObject({ code: 'CONFLICT' })
        }
        const rows = (await reopen())[side]
        expect(await all(rows.list(EVERYTHING))).toEqual([{ key: utf8('a'), value: utf8('first') }])
        await rows.write([del(utf8('a')), create(utf8('a'), utf8('third'))])
        expect(await rows.get([utf8('a')])).toEqual([utf8('third')])
      })

      it('are made by one of many that try at once', async () => {
        const { store } = await fresh()
        const tries = Array.from({ length: 60 }, (_, i) => i)
        const outcomes = await Promise.allSettled(
          tries.flatMap((i) => [
            store[side].write([
              create(utf8('contended'), utf8(`${i}`)),
              put(utf8(`with ${i}`), utf8('x')),
            ]),
            store[side].write([put(utf8(`apart ${i}`), utf8('x'))]),
          ]),
        )
        const won = tries.filter((i) => outcomes[2 * i]!.status === 'fulfilled')
        expect(won).toHaveLength(1)
        expect(outcomes.filter(({ status }) => status === 'rejected')).toHaveLength(59)
        const lost = outcomes.find(({ status }) => status === 'rejected')
        expect(lost).toMatchObject({ reason: { code: 'CONFLICT' } })
        expect(await store[side].get([utf8('contended')])).toEqual([utf8(`${won[0]}`)])
        expect((await all(store[side].list(utf8('with')))).map(({ key }) => key)).toEqual([
          utf8(`with ${won[0]}`),
        ])
        expect(await all(store[side].list(utf8('apart')))).toHaveLength(60)
      })

      it('are written in the order of the calls', async () => {
        const { store, reopen } = await fresh()
        const calls = Array.from({ length: 100 }, (_, i) =>
          store[side].write([
            i % 7 === 3 ? del(utf8('a')) : put(utf8('a'), utf8(`${i}`)),
            // Each leaves this one there for the next to take away.
            ...(i % 2 === 0 ? [create(utf8('b'), utf8('x'))] : [del(utf8('b'))]),
          ]),
        )
        await Promise.all(calls)
        const rows = (await reopen())[side]
        expect(await rows.get([utf8('a'), utf8('b')])).toEqual([utf8('99'), undefined])
      })

      it.each([
        ['no bytes', new Uint8Array()],
        ['too many bytes', new Uint8Array(256)],
        ['ff in front', Uint8Array.of(0xff, 1)],
        ['ff alone', Uint8Array.of(0xff)],
      ])('refuse a key with %s, and what is written with it', async (_, key) => {
        const { store } = await fresh()
        for (const change of [put(key, utf8('x')), create(key, utf8('x')), del(key)]) {
          const written = store[side].write([put(utf8('a'), utf8('x')), change])
          await expect(written).rejects.toThrow(RangeError)
        }
        expect(await all(store[side].list(EVERYTHING))).toEqual([])
        await store[side].write([put(new Uint8Array(255).fill(0xfe), utf8('x'))])
      })

      it('may have values of 16 MiB', async () => {
        const { store, reopen } = await fresh()
        const value = secret(16 * 2 ** 20)
        await Promise.all(['a', 'b'].map((key) => store[side].write([create(utf8(key), value)])))
        const [a, b] = await (await reopen())[side].get(['a', 'b'].map(utf8))
        expect(Buffer.compare(a!, value) + Buffer.compare(b!, value)).toBe(0)
      })

      it('are neither written nor read once the store is closed', async () => {
        const { store } = await fresh()
        await store[side].write([put(utf8('a'), utf8('x'))])
        await store.close()
        const STOPPED = { code: 'STOPPED' }
        await expect(store[side].write([put(utf8('b'), utf8('x'))])).rejects.toMatchObject(STOPPED)
        await expect(store[side].get([utf8('a')])).rejects.toMatchObject(STOPPED)
        await expect(store[side].get([utf8('a'), utf8('b')])).rejects.toMatchObject(STOPPED)
        await expect(all(store[side].list(EVERYTHING))).rejects.toMatchObject(STOPPED)
      })

      it('are all written before the store closes', async () => {
        const { store, reopen } = await fresh()
        const writes = Array.from({ length: 50 }, (_, i) =>
          store[side].write([put(utf8(`${i}`), secret(100_000))]),
        )
        const again = await reopen()
        await Promise.all(writes)
        expect(await all(again[side].list(EVERYTHING))).toHaveLength(50)
      })

      it('are what a plain map holds, after any changes and reopenings', async () => {
        const key = fc.uint8Array({ minLength: 1, maxLength: 3, max: 3 })
        const change = fc.record({
          kind: fc.constantFrom(
            'create' as const,
            'put' as const,
            'put' as const,
            'delete' as const,
          ),
          key,
          value: fc.uint8Array({ maxLength: 40 }),
        })
        const step = fc.oneof(
          { weight: 8, arbitrary: fc.array(change, { minLength: 1, maxLength: 4 }) },
          { weight: 1, arbitrary: fc.constant('reopen' as const) },
          { weight: side === 'keys' ? 2 : 0, arbitrary: fc.constant('destroy' as const) },
          { weight: side === 'keys' ? 1 : 0, arbitrary: fc.constant('scrub' as const) },
        )
        await fc.assert(
          fc.asyncProperty(fc.array(step, { maxLength: 16 }), async (steps) => {
            const here = await place()
            let store = await here.open()
            try {
              const model = new Map<string, Uint8Array>()
              for (const what of steps) {
                if (what === 'reopen') {
                  await store.close()
                  store = await here.open()
                } else if (what === 'scrub') {
                  await store.keys.scrub()
                } else if (what === 'destroy') {
                  const [victim] = model.keys()
                  if (victim === undefined) continue
                  await store.keys.destroy([del(Buffer.from(victim, 'hex'))], [secret()])
                  model.delete(victim)
                } else {
                  await writeBoth(store[side], model, what)
                }
              }
              expect(asMap(await all(store[side].list(EVERYTHING)))).toEqual(model)
            } finally {
              await store.close()
              await here.remove()
            }
          }),
          { numRuns: 12 },
        )
      })
    })

    describe('what is written on both sides', () => {
      const keyOf = (n: number): Uint8Array => utf8(`row ${n}`)
      const made = (...some: number[]): VaultChange[] =>
        some.map((n) => create(keyOf(n), utf8(`made ${n}`)))
      async function there(store: VaultStore): Promise<Record<string, string[]>> {
        const names = async (rows: VaultRows): Promise<string[]> =>
          (await all(rows.list(EVERYTHING))).map(({ key }) => Buffer.from(key).toString())
        return { keys: await names(store.keys), payloads: await names(store.payloads) }
      }

      it('is all there, also when the store is opened again', async () => {
        const { store, reopen } = await fresh()
        await store.keys.write(made(9))
        await store.write([...made(1, 2), del(keyOf(9))], made(1))
        await store.write([], [])
        await store.write([], made(5))
        const expected = { keys: ['row 1', 'row 2'], payloads: ['row 1', 'row 5'] }
        expect(await there(store)).toEqual(expected)
        expect(await there(await reopen())).toEqual(expected)
      })

      it('is nowhere when a row of either side is there that was to be made', async () => {
        const { store } = await fresh()
        await store.write(made(1), made(2))
        const outcomes = await Promise.allSettled([
          store.write(made(2), made(2)),
          store.write(made(1), made(3)),
          store.write(made(4), made(4)),
        ])
        expect(outcomes.map(({ status }) => status)).toEqual(['rejected', 'rejected', 'fulfilled'])
        for (const outcome of outcomes.slice(0, 2)) {
          expect(outcome).toMatchObject({ reason: { code: 'CONFLICT' } })
        }
        expect(await there(store)).toEqual({
          keys: ['row 1', 'row 4'],
          payloads: ['row 2', 'row 4'],
        })
      })
    })

    describe('what is destroyed', () => {
      it('is found before, and nowhere after', async () => {
        const { here, store, reopen } = await fresh()
        const [key, value, other] = [secretKey(), secret(), secret()]
        await store.keys.write([create(key, value), put(utf8('other'), other)])
        expect(await here.whereIs(value)).not.toEqual([])
        expect(await here.whereIs(key)).not.toEqual([])
        await store.keys.destroy([del(key)], [value, key.subarray(1)])
        expect(await here.whereIs(value)).toEqual([])
        expect(await here.whereIs(key)).toEqual([])
        expect(await here.whereIs(other)).not.toEqual([])
        for (const open of [async () => store, reopen]) {
          const rows = (await open()).keys
          expect(await rows.get([key, utf8('other')])).toEqual([undefined, other])
          expect(await here.whereIs(value)).toEqual([])
        }
      })

      it('may be a value that another replaces', async () => {
        const { here, store } = await fresh()
        const [old, next] = [secret(), secret()]
        await store.keys.write([create(utf8('a'), old)])
        await store.keys.destroy([put(utf8('a'), next)], [old])
        expect(await here.whereIs(old)).toEqual([])
        expect(await store.keys.get([utf8('a')])).toEqual([next])
        await store.keys.destroy([put(utf8('a'), utf8('gone'))], [next])
        expect(await here.whereIs(next)).toEqual([])
      })

      it('may have been written often, at any time', async () => {
        const { here, store, reopen } = await fresh()
        const [key, values] = [secretKey(), Array.from({ length: 6 }, () => secret())]
        let keys = store.keys
        for (const [i, value] of values.entries()) {
          await keys.write([put(key, value), put(utf8(`${i}`), secret())])
          if (i % 2 === 0) keys = (await reopen()).keys
        }
        await keys.destroy([del(key)], [key, ...values])
        for (const value of [key, ...values]) expect(await here.whereIs(value)).toEqual([])
        expect(await all(keys.list(EVERYTHING))).toHaveLength(6)
      })

      it('may be the only, the first or the last row, or all of them', async () => {
        const { here, store } = await fresh()
        const destroy = async (...rows: VaultRow[]) => {
          await store.keys.destroy(
            rows.map(({ key }) => del(key)),
            rows.flatMap(({ key, value }) => [key.subarray(1), value]),
          )
          for (const { key, value } of rows) {
            expect(await here.whereIs(key)).toEqual([])
            expect(await here.whereIs(value)).toEqual([])
          }
        }
        const only = { key: secretKey(), value: secret() }
        await store.keys.write([create(only.key, only.value)])
        await destroy(only)
        const rows = Array.from({ length: 40 }, (_, i) => ({
          key: secretKey(String.fromCharCode(33 + i)),
          value: secret(),
        }))
        await store.keys.write(rows.map(({ key, value }) => create(key, value)))
        await destroy(rows[0]!)
        await destroy(rows.at(-1)!)
        await destroy(...rows.slice(1, -1))
        expect(await all(store.keys.list(EVERYTHING))).toEqual([])
      })

      it('goes from among many others', async () => {
        const { here, store, reopen } = await fresh()
        const rows = Array.from({ length: 20_000 }, () => ({ key: secretKey(), value: secret() }))
        let { keys } = store
        for (let at = 0; at < rows.length; at += 2_500) {
          await keys.write(rows.slice(at, at + 2_500).map(({ key, value }) => create(key, value)))
          if (at === 10_000) keys = (await reopen()).keys
        }
        const victims = [rows[3]!, rows[10_001]!, rows.at(-1)!]
        for (const { key, value } of victims) {
          await keys.destroy([del(key)], [key.subarray(1), value])
        }
        const many = rows.slice(100, 120)
        await Promise.all(
          many.map(({ key, value }) => keys.destroy([del(key)], [key.subarray(1), value])),
        )
        for (const { key, value } of [...victims, ...many]) {
          expect(await here.whereIs(value)).toEqual([])
          expect(await here.whereIs(key)).toEqual([])
        }
        const left = rows.filter((row) => !victims.includes(row) && !many.includes(row))
        expect(await keys.get(left.map(({ key }) => key))).toEqual(left.map(({ value }) => value))
        expect(await all(keys.list(EVERYTHING))).toHaveLength(left.length)
      })

      it('is found nowhere while others write and read', async () => {
        const { here, store } = await fresh()
        let busy = true
        const write = async (name: string) => {
          for (let i = 0; busy; i++)
            await store.keys.write([put(utf8(`${name} ${i % 50}`), secret())])
        }
        const read = async () => {
          while (busy) for await (const _ of store.keys.list(utf8('a'))) if (!busy) break
        }
        const others = [write('a'), write('b'), read(), read()]
        try {
          for (let i = 0; i < 8; i++) {
            const [key, value] = [secretKey(), secret()]
            await store.keys.write([create(key, value)])
            await store.keys.destroy([del(key)], [key.subarray(1), value])
            expect(await here.whereIs(value)).toEqual([])
            expect(await here.whereIs(key)).toEqual([])
          }
        } finally {
          busy = false
          await Promise.all(others)
        }
      })

      it('changes nothing when there is nothing to change', async () => {
        const { store } = await fresh()
        await store.keys.write([put(utf8('a'), utf8('x'))])
        await store.keys.destroy([], [])
        await store.keys.destroy([del(utf8('b'))], [])
        expect(await all(store.keys.list(EVERYTHING))).toHaveLength(1)
      })

      it('needs traces that cannot be there by chance', async () => {
        const { store } = await fresh()
        await store.keys.write([put(utf8('a'), utf8('x'))])
        const destroyed = store.keys.destroy([del(utf8('a'))], [secret(15)])
        await expect(destroyed).rejects.toThrow(RangeError)
        expect(await store.keys.get([utf8('a')])).toEqual([utf8('x')])
        const wrong = store.keys.destroy([put(Uint8Array.of(0xff), utf8('x'))], [secret()])
        await expect(wrong).rejects.toThrow(RangeError)
        await store.keys.destroy([del(utf8('a'))], [secret(16)])
        expect(await all(store.keys.list(EVERYTHING))).toEqual([])
      })

      it('is not held up by a mistake in another call', async () => {
        const { here, store } = await fresh()
        const [key, value] = [secretKey(), secret()]
        await store.keys.write([create(key, value)])
        const outcomes = await Promise.allSettled([
          store.keys.destroy([del(new Uint8Array())], []),
          store.keys.destroy([del(key)], [value, key.subarray(1)]),
          store.keys.destroy([], [secret(3)]),
        ])
        expect(outcomes.map(({ status }) => status)).toEqual(['rejected', 'fulfilled', 'rejected'])
        expect(await here.whereIs(value)).toEqual([])
      })

      it('is refused when it is still there in the end', async () => {
        const { store, reopen } = await fresh()
        const value = secret()
        await store.keys.write([put(utf8('a'), value), put(utf8('b'), value)])
        const destroyed = store.keys.destroy([del(utf8('a'))], [value])
        await expect(destroyed).rejects.toMatchObject({ code: 'IO' })
        await store.keys.write([put(utf8('c'), utf8('x'))])
        const left = asMap(await all((await reopen()).keys.list(EVERYTHING)))
        expect([...left.keys()]).toEqual(
          [utf8('b'), utf8('c')].map((key) => Buffer.from(key).toString('hex')),
        )
      })

      it('is not destroyed once the store is closed, and before it closes', async () => {
        const { here, store } = await fresh()
        const [key, value] = [secretKey(), secret()]
        await store.keys.write([create(key, value)])
        const destroyed = store.keys.destroy([del(key)], [value])
        await store.close()
        await destroyed
        expect(await here.whereIs(value)).toEqual([])
        await expect(store.keys.destroy([del(key)], [value])).rejects.toMatchObject({
          code: 'STOPPED',
        })
        await expect(store.keys.scrub()).rejects.toMatchObject({ code: 'STOPPED' })
      })
    })

    it('scrubs what was deleted and replaced before', async () => {
      const { here, store, reopen } = await fresh()
      const gone = Array.from({ length: 30 }, () => ({ key: secretKey(), value: secret() }))
      const kept = Array.from({ length: 3_000 }, () => ({ key: secretKey('m'), value: secret() }))
      await store.keys.write([...gone, ...kept].map(({ key, value }) => create(key, value)))
      await store.keys.write(gone.slice(0, 15).map(({ key }) => del(key)))
      let { keys } = await reopen()
      await keys.write(gone.slice(15).map(({ key }) => put(key, utf8('replaced'))))
      // An engine may have used the place of some of them.
      const found: string[] = []
      for (const { value } of gone) {
        if (found.length === 0) found.push(...(await here.whereIs(value)))
      }
      expect(found).not.toEqual([])
      await keys.scrub()
      for (const { value } of gone) expect(await here.whereIs(value)).toEqual([])
      expect(await here.whereIs(gone[0]!.key)).toEqual([])
      for (const open of [async () => keys, async () => (await reopen()).keys]) {
        keys = await open()
        expect(await keys.get(kept.map(({ key }) => key))).toEqual(kept.map(({ value }) => value))
        expect(await all(keys.list(EVERYTHING))).toHaveLength(3_015)
      }
      await keys.write([create(utf8('a'), utf8('x'))])
    })

    it('scrubs an empty store', async () => {
      const { store, reopen } = await fresh()
      await store.keys.scrub()
      await store.keys.write([put(utf8('a'), utf8('x'))])
      expect(await all((await reopen()).keys.list(EVERYTHING))).toHaveLength(1)
    })

    it('says how much room it takes', async () => {
      const { store } = await fresh()
      const empty = await store.usage()
      await store.payloads.write([put(utf8('a'), secret(300_000))])
      await store.keys.write([put(utf8('a'), secret(100_000))])
      const usage = await store.usage()
      if (usage === undefined) return
      expect(usage.payloads).toBeGreaterThan(300_000)
      expect(usage.keys).toBeGreaterThan(100_000)
      expect(usage.keys - empty!.keys).toBeLessThan(300_000)
      if (usage.free !== undefined) expect(usage.free).toBeGreaterThan(0)
    })
  })
}

/** Makes changes to rows and to a map that stands for them, and expects both to refuse them or neither. */
async function writeBoth(
  rows: VaultRows,
  model: Map<string, Uint8Array>,
  changes: readonly { kind: VaultChange['kind']; key: Uint8Array; value: Uint8Array }[],
): Promise<void> {
  const next = new Map(model)
  let conflict = false
  for (const { kind, key, value } of changes) {
    const name = Buffer.from(key).toString('hex')
    conflict ||= kind === 'create' && next.has(name)
    if (kind === 'delete') next.delete(name)
    else next.set(name, value)
  }
  const written = rows.write(changes)
  if (conflict) {
    await expect(written).rejects.toMatchObject({ code: 'CONFLICT' })
    return
  }
  await written
  model.clear()
  for (const [name, value] of next) model.set(name, value)
}

function asMap(rows: readonly VaultRow[]): Map<string, Uint8Array> {
  return new Map(rows.map(({ key, value }) => [Buffer.from(key).toString('hex'), value]))
}
