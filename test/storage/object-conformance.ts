/** What every ObjectStore must do, whatever it keeps its objects in. Each adapter's test runs this suite. */
import fc from 'fast-check'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { utf8 } from '../../src/bytes.ts'
import type { ObjectMetadata, ObjectStore } from '../../src/storage/object-port.ts'

/** A place for one store: opened again and again on the same objects, then thrown away. */
export interface ObjectStorePlace {
  open(): Promise<ObjectStore>
  remove(): Promise<void>
}

export const TILE: ObjectMetadata = {
  contentType: 'application/octet-stream',
  cacheControl: 'public, max-age=31536000, immutable',
}

export const HEAD: ObjectMetadata = {
  contentType: 'text/plain; charset=utf-8',
  cacheControl: 'no-cache',
}

/** A bundle of 256 leaves of the largest size. */
const LARGEST = 17 * 1024 * 1024

/** Bytes that differ everywhere, so that parts put together in the wrong order are noticed. */
export function patternOf(size: number, seed = 1): Uint8Array {
  const bytes = new Uint8Array(size)
  let state = seed
  for (let i = 0; i < size; i++) {
    state = (Math.imul(state, 1_103_515_245) + 12_345) & 0x7fffffff
    bytes[i] = state >>> 16
  }
  return bytes
}

export async function bytesOf(store: ObjectStore, name: string): Promise<Uint8Array | undefined> {
  return (await store.get(name))?.bytes
}

/** The suite. `makePlace` makes an empty place for each test; the slower it is, the fewer names are tried at random. */
export function objectStoreConformance(
  title: string,
  makePlace: () => Promise<ObjectStorePlace>,
  options: { readonly randomRuns?: number } = {},
): void {
  describe(`${title} as an object store`, () => {
    let place: ObjectStorePlace
    let store: ObjectStore
    const opened: ObjectStore[] = []

    async function another(): Promise<ObjectStore> {
      const next = await place.open()
      opened.push(next)
      return next
    }

    beforeEach(async () => {
      place = await makePlace()
      store = await another()
    })
    afterEach(async () => {
      for (const one of opened.splice(0)) await one.close()
      await place.remove()
    })

    it('says where it is', () => {
      expect(store.place).toMatch(/^(s3|file):\/\//)
    })

    it('holds nothing at first', async () => {
      expect(await store.get('checkpoint')).toBeUndefined()
      expect(await store.get('tile/0/000')).toBeUndefined()
      expect(await store.list('')).toEqual([])
    })

    it('gives back what was created, also when opened anew', async () => {
      const before = Date.now()
      expect(await store.create('tile/0/x001/234', utf8('hashes'), TILE)).toBe('created')
      for (const reader of [store, await another()]) {
        const object = await reader.get('tile/0/x001/234')
        expect(object?.bytes).toEqual(utf8('hashes'))
        // Servers tell whole seconds.
        expect(object?.modified).toBeGreaterThan(before - 5_000)
        expect(object?.modified).toBeLessThan(Date.now() + 5_000)
      }
    })

    it('says of the same bytes that they are there', async () => {
      expect(await store.create('a', utf8('one'), TILE)).toBe('created')
      expect(await store.create('a', utf8('one'), TILE)).toBe('there')
      expect(await (await another()).create('a', utf8('one'), TILE)).toBe('there')
    })

    it.each(['two', 'on', 'longer', ''])(
      'leaves an object with other bytes as it is, and names it: %o',
      async (other) => {
        await store.create('tile/0/000', utf8('one'), TILE)
        await expect(store.create('tile/0/000', utf8(other), TILE)).rejects.toMatchObject({
          code: 'CORRUPT',
          message: expect.stringContaining(`${store.place}/tile/0/000`),
        })
        expect(await bytesOf(store, 'tile/0/000')).toEqual(utf8('one'))
      },
    )

    it('lets one of 24 win that create the same object', async () => {
      const stores = [store, await another(), await another()]
      const outcomes = await Promise.all(
        Array.from({ length: 24 }, (_, i) => stores[i % 3]!.create('race/x', utf8('same'), TILE)),
      )
      expect(outcomes.filter((outcome) => outcome === 'created').length).toBe(1)
      expect(outcomes.filter((outcome) => outcome === 'there').length).toBe(23)
      expect(await bytesOf(store, 'race/x')).toEqual(utf8('same'))
    })

    it('keeps the bytes of one of 24 that create an object differently, and tells the others', async () => {
      const stores = [store, await another(), await another()]
      const outcomes = await Promise.allSettled(
        Array.from({ length: 24 }, (_, i) => stores[i % 3]!.create('race/y', utf8(`${i}`), TILE)),
      )
      const winners = outcomes.flatMap((outcome, i) => (outcome.status === 'fulfilled' ? [i] : []))
      expect(winners).toHaveLength(1)
      for (const outcome of outcomes) {
        if (outcome.status === 'rejected') expect(outcome.reason).toMatchObject({ code: 'CORRUPT' })
      }
      expect(await bytesOf(store, 'race/y')).toEqual(utf8(`${winners[0]}`))
    })

    it('never shows a part of an object that is being created', async () => {
      const bytes = patternOf(300_000)
      const creating = store.create('part', bytes, TILE)
      let isDone = false
      const watching = (async () => {
        while (!isDone) {
          const seen = await bytesOf(store, 'part')
          if (seen !== undefined) expect(seen).toEqual(bytes)
        }
      })()
      await creating
      isDone = true
      await watching
    })

    it('replaces an object that may change', async () => {
      await store.replace('checkpoint', utf8('head 1'), HEAD)
      expect(await bytesOf(store, 'checkpoint')).toEqual(utf8('head 1'))
      await store.replace('checkpoint', utf8('head 2, which is longer'), HEAD)
      expect(await bytesOf(await another(), 'checkpoint')).toEqual(utf8('head 2, which is longer'))
      await store.replace('checkpoint', utf8('3'), HEAD)
      expect(await bytesOf(store, 'checkpoint')).toEqual(utf8('3'))
    })

    it('replaces an object by many at once with the bytes of one', async () => {
      const heads = Array.from({ length: 12 }, (_, i) => `head ${i}`)
      await Promise.all(heads.map((head) => store.replace('checkpoint', utf8(head), HEAD)))
      const stored = new TextDecoder().decode(await bytesOf(store, 'checkpoint'))
      expect(heads).toContain(stored)
      expect(await store.list('')).toEqual(['checkpoint'])
    })

    it('removes an object, and has nothing against there being none', async () => {
      await store.create('tile/0/000.p/5', utf8('five'), TILE)
      await store.create('tile/0/000.p/6', utf8('six'), TILE)
      await store.remove('tile/0/000.p/5')
      expect(await store.get('tile/0/000.p/5')).toBeUndefined()
      expect(await bytesOf(store, 'tile/0/000.p/6')).toEqual(utf8('six'))
      await store.remove('tile/0/000.p/5')
      await store.remove('tile/9/999')
      await store.remove('tile/0/000.p/6')
      expect(await store.list('')).toEqual([])
      expect(await store.create('tile/0/000.p/5', utf8('anew'), TILE)).toBe('created')
    })

    it('creates objects beside others that are being removed', async () => {
      const names = Array.from({ length: 16 }, (_, i) => `tile/0/000.p/${i}`)
      for (let round = 0; round < 4; round++) {
        const [leaving, coming] =
          round % 2 === 0
            ? [names.slice(0, 8), names.slice(8)]
            : [names.slice(8), names.slice(0, 8)]
        await Promise.all([
          ...leaving.map((name) => store.remove(name)),
          ...coming.map((name) => store.create(name, utf8(name), TILE)),
        ])
        expect((await store.list('tile/')).sort()).toEqual([...coming].sort())
      }
    })

    it('lists in the order of the bytes of names, after one, up to a limit', async () => {
      const names = ['a', 'b-c', 'b.p/1', 'b/0', 'b/1', 'b/10', 'b/2', 'b0', 'bundle/x000/000', 'c']
      for (const name of [...names].reverse()) await store.create(name, utf8(name), TILE)
      expect(await store.list('')).toEqual(names)
      expect(await store.list('b/')).toEqual(['b/0', 'b/1', 'b/10', 'b/2'])
      expect(await store.list('b')).toEqual(names.slice(1, 9))
      expect(await store.list('b/1')).toEqual(['b/1', 'b/10'])
      expect(await store.list('', { limit: 3 })).toEqual(names.slice(0, 3))
      expect(await store.list('', { after: 'b.p/1', limit: 2 })).toEqual(['b/0', 'b/1'])
      expect(await store.list('b/', { after: 'b/1' })).toEqual(['b/10', 'b/2'])
      expect(await store.list('b/', { after: 'b/' })).toEqual(['b/0', 'b/1', 'b/10', 'b/2'])
      expect(await store.list('', { after: 'b/5' })).toEqual(['b0', 'bundle/x000/000', 'c'])
      expect(await store.list('d')).toEqual([])
      expect(await store.list('', { after: 'c' })).toEqual([])
      expect(await store.list('', { limit: 0 })).toEqual([])
    })

    it('lists any names as a sorted list would', async () => {
      const segment = fc.constantFrom('a', 'a.p', 'a-b', 'a0', 'b', 'x001', '_')
      const name = fc
        .array(segment, { minLength: 1, maxLength: 3 })
        // A file server has no file and directory of one name.
        .map((parts) => [...parts.slice(0, -1).map((part) => `${part}.d`), parts.at(-1)].join('/'))
      const many = fc.uniqueArray(name, { minLength: 1, maxLength: 12 })
      const there = new Set<string>()
      await fc.assert(
        fc.asyncProperty(many, name, fc.nat(5), async (names, after, limit) => {
          await Promise.all(names.map((one) => store.create(one, utf8('x'), TILE)))
          for (const one of names) there.add(one)
          const sorted = [...there].sort()
          expect(await store.list('')).toEqual(sorted)
          const prefix = after.slice(0, 2).replace(/\/$/, '')
          expect(await store.list(prefix, { after, limit })).toEqual(
            sorted.filter((one) => one.startsWith(prefix) && one > after).slice(0, limit),
          )
        }),
        { numRuns: options.randomRuns ?? 10 },
      )
    })

    it('holds an object of no bytes, and one as large as a bundle can be', async () => {
      expect(await store.create('empty', new Uint8Array(0), TILE)).toBe('created')
      expect(await store.create('empty', new Uint8Array(0), TILE)).toBe('there')
      expect(await bytesOf(store, 'empty')).toEqual(new Uint8Array(0))
      const large = patternOf(LARGEST)
      expect(await store.create('large', large, TILE)).toBe('created')
      const read = await bytesOf(store, 'large')
      expect(read?.length).toBe(LARGEST)
      expect(Buffer.compare(read!, large)).toBe(0)
      expect(await store.create('large', large, TILE)).toBe('there')
      large[LARGEST - 1]! ^= 1
      await expect(store.create('large', large, TILE)).rejects.toMatchObject({ code: 'CORRUPT' })
    })

    it('keeps what it was given when the caller changes the bytes afterwards', async () => {
      const bytes = utf8('before')
      await store.create('a', bytes, TILE)
      bytes.fill(0)
      expect(await bytesOf(store, 'a')).toEqual(utf8('before'))
    })

    const strange = [
      '',
      '.',
      '..',
      '../outside',
      '/etc/passwd',
      'a/../../b',
      'a/./b',
      'a//b',
      'a/',
      '.unfinished/x',
      'a/.hidden',
      'a\\b',
      'a b',
      'a\0b',
      'a?b',
      'a%2fb',
      'ä',
      'a\n',
      'x'.repeat(256),
      `${'x/'.repeat(500)}x`,
    ]
    it('refuses strange names', async () => {
      for (const name of strange) await refuses(name)
      expect(await store.list('')).toEqual([])
    })

    async function refuses(name: string): Promise<void> {
      const refusal = {
        code: 'MALFORMED',
        message: expect.stringContaining('no name of an object'),
      }
      await expect(store.get(name)).rejects.toMatchObject(refusal)
      await expect(store.create(name, utf8('x'), TILE)).rejects.toMatchObject(refusal)
      await expect(store.replace(name, utf8('x'), TILE)).rejects.toMatchObject(refusal)
      await expect(store.remove(name)).rejects.toMatchObject(refusal)
      if (name !== '' && name !== 'a/') {
        await expect(store.list(name)).rejects.toMatchObject(refusal)
      }
    }
  })
}
