import { readFile, rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import fc from 'fast-check'
import { beforeEach, describe, expect, it } from 'vitest'
import { fromUtf8, utf8 } from '../../src/bytes.ts'
import { CairnError } from '../../src/errors.ts'
import { bundlePath, tilePath } from '../../src/formats/tile.ts'
import { archiveTileSource } from '../../src/log/archive-source.ts'
import { treeSize } from '../../src/merkle/position.ts'
import { openObjectDirectory } from '../../src/storage/object-directory.ts'
import type { ObjectLock, ObjectStore } from '../../src/storage/object-port.ts'
import { bundlesOf, tilesOf } from '../../src/tiles/geometry.ts'
import { rootFromTiles } from '../../src/tiles/proofs.ts'
import {
  archive,
  archiveOf,
  type MarkCell,
  newDirectory,
  newMark,
  newTestLog,
  published,
  type TestLog,
  until,
  type WatchedStore,
  watched,
} from './archived-log.ts'

let directory: string
let objects: ObjectStore
let store: WatchedStore
let cell: MarkCell

beforeEach(async () => {
  directory = await newDirectory()
  objects = await openObjectDirectory(directory)
  store = watched(objects)
  cell = newMark()
})

/** The names of a tree of so many leaves. */
function namesOf(size: number): string[] {
  const leaves = treeSize(size)
  return [
    ...[...tilesOf(leaves)].map(({ level, tile, width }) => tilePath(level, tile, width)),
    ...[...bundlesOf(leaves)].map(({ bundle, width }) => bundlePath(bundle, width)),
  ].sort()
}

async function isServed({ source }: TestLog, size: number): Promise<void> {
  for (const { level, tile, width } of tilesOf(treeSize(size))) {
    const name = tilePath(level, tile, width)
    expect((await objects.get(name))?.bytes, name).toEqual(await source.tile(level, tile, width))
  }
  for (const { bundle, width } of bundlesOf(treeSize(size))) {
    const name = bundlePath(bundle, width)
    expect((await objects.get(name))?.bytes, name).toEqual(await source.bundle(bundle, width))
  }
}

const textOf = async (name: string): Promise<string | undefined> => {
  const object = await objects.get(name)
  return object && fromUtf8(object.bytes)
}
const treeNames = async (): Promise<string[]> => await objects.list('tile/')
const unavailable = new CairnError('UNAVAILABLE', 'the bucket is away')

describe('an archive', () => {
  it('has of a new log its checkpoint only', async () => {
    const test = await newTestLog()
    await archive(test, objects, cell).has(0)
    expect(await objects.list('')).toEqual(['cairn-log.json', 'checkpoint', 'heads/0'])
  })

  it('keeps heads under their sizes now and then, and the last one of a log that rests', async () => {
    const test = await newTestLog()
    const seldom = { headIntervalMs: 60_000 }
    await test.grow(5)
    const archiver = archive(test, objects, cell, seldom)
    for (const size of [5, 6, 300, 310]) {
      await test.grow(size)
      await archiver.has(size)
    }
    await archiver.close()
    expect(await objects.list('heads/')).toEqual(['heads/5'])
    // A new term begins with one, though nothing has grown.
    const next = archive(test, objects, cell, seldom)
    expect(await until(() => textOf('heads/310'))).toBe(await textOf('checkpoint'))
    await test.grow(320)
    await next.has(320)
    await next.close()
    await test.grow(330)
    const last = archive(test, objects, cell, { headIntervalMs: 200 })
    await last.has(330)
    await test.grow(340)
    await last.has(340)
    // Nothing comes after it.
    expect(await until(() => textOf('heads/340'))).toBe(await textOf('checkpoint'))
    await last.close()
    const kept = ['heads/310', 'heads/330', 'heads/340', 'heads/5']
    expect(await objects.list('heads/')).toEqual(kept)
  })

  it('has every path of the tree as the log serves it, at random sizes', {
    timeout: 60_000,
  }, async () => {
    const steps = fc.array(
      fc.oneof(fc.integer({ min: 1, max: 300 }), fc.constantFrom(1, 255, 256, 257, 512)),
      { minLength: 1, maxLength: 6 },
    )
    await fc.assert(
      fc.asyncProperty(steps, fc.constantFrom(256, 512, 65_536), async (growth, stretch) => {
        directory = await newDirectory()
        objects = await openObjectDirectory(directory)
        const test = await newTestLog()
        cell = newMark()
        let archiver = archive(test, objects, cell, { stretch })
        let size = 0
        for (const more of growth) {
          size += more
          const head = await test.grow(size)
          await archiver.has(size)
          await isServed(test, size)
          expect(await textOf('checkpoint')).toBe(head.checkpoint)
          expect(await textOf(`heads/${size}`)).toBe(head.checkpoint)
          // Nothing but what the sizes that were archived imply.
          const wanted = new Set(archived(cell).flatMap(namesOf))
          expect((await treeNames()).filter((name) => !wanted.has(name))).toEqual([])
          if (more % 2 === 0) {
            await archiver.close()
            archiver = archive(test, objects, cell, { stretch })
          }
        }
        await archiver.close()
        await test.close()
      }),
      { numRuns: 12 },
    )
  })

  it('has types and caching as the server sends them, and the checkpoint last', async () => {
    const seen: string[] = []
    const test = await newTestLog()
    await test.grow(300)
    const telling: ObjectStore = {
      ...objects,
      create(name, bytes, { contentType, cacheControl }, lock) {
        seen.push(`${name}: ${contentType}; ${cacheControl}`)
        return objects.create(name, bytes, { contentType, cacheControl }, lock)
      },
      replace(name, bytes, { contentType, cacheControl }) {
        seen.push(`${name}: ${contentType}; ${cacheControl}`)
        return objects.replace(name, bytes, { contentType, cacheControl })
      },
    }
    await archive(test, telling, cell, { privateEntries: true }).has(300)
    const [first, ...rest] = seen
    expect(first).toBe('cairn-log.json: application/json; public, max-age=31536000, immutable')
    expect(rest.slice(-2)).toEqual([
      'heads/300: text/plain; charset=utf-8; public, max-age=31536000, immutable',
      'checkpoint: text/plain; charset=utf-8; no-cache',
    ])
    expect(rest.slice(0, -2).sort()).toEqual([
      'tile/0/000: application/octet-stream; public, max-age=31536000, immutable',
      'tile/0/001.p/44: application/octet-stream; public, max-age=31536000, immutable',
      'tile/1/000.p/1: application/octet-stream; public, max-age=31536000, immutable',
      'tile/entries/000: application/octet-stream; private, max-age=31536000, immutable',
      'tile/entries/001.p/44: application/octet-stream; private, max-age=31536000, immutable',
    ])
  })

  it('locks what stays, and not what is removed or replaced', async () => {
    const locks = new Map<string, ObjectLock | undefined>()
    const test = await newTestLog()
    await test.grow(300)
    const telling: ObjectStore = {
      ...objects,
      create(name, bytes, metadata, lock) {
        locks.set(name, lock)
        return objects.create(name, bytes, metadata)
      },
    }
    const lock = { mode: 'governance', days: 1, legalHold: false } as const
    await archive(test, telling, cell, { lock }).has(300)
    const locked = [...locks].flatMap(([name, found]) => (found === undefined ? [] : [name]))
    expect(locked.sort()).toEqual(['cairn-log.json', 'heads/300', 'tile/0/000', 'tile/entries/000'])
    expect([...locks.keys()].filter((name) => !locked.includes(name)).sort()).toEqual([
      'tile/0/001.p/44',
      'tile/1/000.p/1',
      'tile/entries/001.p/44',
    ])
  })

  it('gets of an idle log the renewed checkpoint only', async () => {
    const test = await newTestLog({ renewMs: 50 })
    await test.grow(300)
    const archiver = archive(test, store, cell)
    await archiver.has(300)
    const first = await textOf('heads/300')
    const isRenewed = async (): Promise<unknown> => {
      const before = await textOf('checkpoint')
      return await until(async () => (await textOf('checkpoint')) !== before || undefined)
    }
    await isRenewed()
    const before = store.calls.length
    await isRenewed()
    await archiver.close()
    expect(new Set(store.calls.slice(before))).toEqual(new Set(['replace checkpoint']))
    expect(await textOf('heads/300')).toBe(first)
    // The next term finds the first one there, and leaves it.
    await archive(test, store, cell).has(300)
    expect(await textOf('heads/300')).toBe(first)
  })
})

/** All sizes that the database was told of. */
const archived = ({ told }: MarkCell): number[] => told.map(({ size }) => size)

describe('what has settled', () => {
  it('is let go of in the database some time after it was archived', async () => {
    const test = await newTestLog()
    const archiver = archive(test, objects, cell, { settleMs: 300 })
    await test.grow(300)
    await archiver.has(300)
    const at = performance.now()
    expect(cell.mark.released).toBe(0)
    await test.grow(600)
    await archiver.has(600)
    await until(() => (cell.mark.released === 600 ? true : undefined))
    expect(performance.now() - at).toBeGreaterThan(290)
    expect(cell.told.map(({ released }) => released)).toEqual(
      [...cell.told.map(({ released }) => released)].sort((a, b) => a - b),
    )
  })

  it('has no partial tiles any more where the full one is', async () => {
    const test = await newTestLog()
    const archiver = archive(test, objects, cell, { settleMs: 0 })
    for (const size of [5, 100, 256, 300]) {
      await test.grow(size)
      await archiver.has(size)
    }
    const gone = namesOf(5).concat(namesOf(100))
    await until(async () =>
      (await treeNames()).some((name) => gone.includes(name)) ? undefined : true,
    )
    // Those of 300 stay, and that of 256, since tile 1/0 is not full.
    expect(await treeNames()).toEqual([...new Set([...namesOf(256), ...namesOf(300)])].sort())
    expect(archiver.status().counts.removed).toBe(4)
    await isServed(test, 300)
  })

  it('keeps every partial tile until the full one is there', async () => {
    const test = await newTestLog()
    const archiver = archive(test, objects, cell, { settleMs: 0 })
    for (const size of [5, 100, 250]) {
      await test.grow(size)
      await archiver.has(size)
    }
    await until(() => (cell.mark.released === 250 ? true : undefined))
    expect(await treeNames()).toEqual([5, 100, 250].flatMap(namesOf).sort())
  })

  it('is cleared by the next term of what the last one left', async () => {
    const test = await newTestLog()
    const first = archive(test, objects, cell)
    for (const size of [5, 100, 300, 520]) {
      await test.grow(size)
      await first.has(size)
    }
    await first.close()
    expect(cell.mark.released).toBe(0)
    const next = archive(test, objects, cell, { settleMs: 0 })
    await until(() => (cell.mark.released === 520 ? true : undefined))
    expect(next.status().counts.removed).toBe(6)
    const left = await treeNames()
    expect(left).toEqual([
      'tile/0/000',
      'tile/0/001',
      'tile/0/002.p/8',
      'tile/1/000.p/1',
      'tile/1/000.p/2',
      'tile/entries/000',
      'tile/entries/001',
      'tile/entries/002.p/8',
    ])
  })

  it('may stay when the credentials do not allow to remove: that is told once, and archiving goes on', async () => {
    const test = await newTestLog()
    store.fault = (call) =>
      call.startsWith('remove') ? new CairnError('FORBIDDEN', 'no DELETE here') : undefined
    const archiver = archive(test, store, cell, { settleMs: 0 })
    for (const size of [5, 300, 600, 900]) {
      await test.grow(size)
      await archiver.has(size)
    }
    await until(() => (cell.mark.released === 900 ? true : undefined))
    expect(archiver.events).toEqual([{ event: 'archive-keeps-partials', reason: 'no DELETE here' }])
    expect(await treeNames()).toContain('tile/0/000.p/5')
  })
})

describe('an archiver that ends in the middle', () => {
  it('leaves a whole log, and the next one finds there what it had written', async () => {
    const test = await newTestLog()
    await test.grow(100)
    const first = archive(test, store, cell)
    await first.has(100)
    await first.close()
    const shown = await textOf('checkpoint')
    await test.grow(1500)
    // Six calls begin a term; the checkpoint comes after the head.
    const total = 6 + namesOf(1500).length + 1
    for (let after = 1; after <= total; after += 3) {
      let left = after
      const before = store.calls.length
      // As if the power went: no call is carried out any more.
      store.fault = () => (left-- > 0 ? undefined : unavailable)
      const archiver = archive(test, store, cell)
      await until(() => (left < 0 ? true : undefined))
      await archiver.close()
      store.fault = () => undefined
      expect(store.calls.length - before).toBeLessThanOrEqual(after)
      // The one that is shown has all that it commits to.
      expect(await textOf('checkpoint')).toBe(shown)
      await isServed(test, 100)
    }
    const last = archive(test, store, cell)
    await last.has(1500)
    expect(last.status().counts.there).toBeGreaterThan(10)
    await isServed(test, 1500)
  })

  it('moves the mark in stretches while a lot is to be archived, and begins no object beyond', async () => {
    const test = await newTestLog()
    await test.grow(4_000)
    const archiver = archive(test, store, cell, { stretch: 512 })
    await archiver.has(4_000)
    expect(archived(cell)).toEqual([512, 1024, 1536, 2048, 2560, 3072, 4000])
    // The tree of each mark can be read from the archive alone, before any head of it is there.
    expect(store.calls.filter((call) => call.startsWith('replace'))).toEqual(['replace checkpoint'])
    const source = archiveTileSource(objects)
    for (const size of archived(cell)) {
      const root = await rootFromTiles(source, treeSize(size))
      expect(root).toEqual(await rootFromTiles(test.source, treeSize(size)))
    }
  })

  it('goes on from the last mark', async () => {
    const test = await newTestLog()
    await test.grow(4_000)
    store.fault = (call) => (call === 'create tile/0/009' ? unavailable : undefined)
    const first = archive(test, store, cell, { stretch: 512 })
    await until(() => (first.status().state === 'failing' ? true : undefined))
    await first.close()
    expect(cell.mark.size).toBe(2048)
    store.fault = () => undefined
    store.calls.length = 0
    await archive(test, store, cell, { stretch: 512 }).has(4_000)
    expect(store.calls).not.toContain('create tile/0/007')
    expect(store.calls).toContain('create tile/0/008')
    await isServed(test, 4_000)
  })

  it('may have shown a head and not told the database: the next one does, though nothing has grown', async () => {
    const test = await newTestLog()
    await test.grow(300)
    const first = archive(test, objects, cell, {
      archived: () => Promise.reject(new CairnError('UNAVAILABLE', 'the database is away')),
    })
    await until(() => first.status().shown === 300 || undefined)
    await first.close()
    expect(cell.mark).toEqual({ size: 0, released: 0 })
    const second = archive(test, objects, cell, { settleMs: 0 })
    await second.has(300)
    await until(() => cell.mark.released === 300 || undefined)
    expect(second.status()).toMatchObject({ state: 'current', size: 300, counts: { created: 0 } })
  })

  it('waits for what is under way when it is closed, and begins nothing more', async () => {
    const test = await newTestLog()
    await test.grow(4_000)
    const closing: Promise<void>[] = []
    const archiver = archive(test, store, cell, { concurrency: 1 })
    store.fault = (call) => {
      if (call === 'create tile/0/003') closing.push(archiver.close())
      return undefined
    }
    await until(() => (closing.length > 0 ? true : undefined))
    await Promise.all(closing)
    const count = store.calls.length
    expect(store.calls.at(-1)).toBe('create tile/0/003')
    await new Promise((resolve) => setTimeout(resolve, 30))
    expect(store.calls).toHaveLength(count)
    expect(await objects.get('checkpoint')).toBeUndefined()
  })
})

describe('an object with other bytes', () => {
  it.each([
    ['tile/0/000', 'tile/0/000'],
    ['tile/entries/001.p/44', 'tile/entries/001.p/44'],
    ['heads/300', 'heads/300'],
    ['checkpoint', 'checkpoint'],
  ])('stops archiving, is named and left as it is: %s', async (name, named) => {
    const test = await newTestLog()
    await archiveOf(test, objects)
    await test.grow(300)
    const other = utf8('something else\n')
    await objects.create(name, other, { contentType: '', cacheControl: '' })
    const archiver = archive(test, objects, cell)
    await until(() => (archiver.status().state === 'stopped' ? true : undefined))
    expect(archiver.events).toEqual([
      { event: 'archive-stopped', reason: expect.stringContaining(`${objects.place}/${named} `) },
    ])
    expect(archiver.status()).toMatchObject({ lag: 300, error: expect.stringContaining(named) })
    expect((await objects.get(name))!.bytes).toEqual(other)
    if (name !== 'checkpoint') expect(await objects.get('checkpoint')).toBeUndefined()
    // The log goes on.
    await test.grow(301)
    expect(archiver.status().lag).toBe(301)
    expect(cell.mark.size).toBe(0)
    // Once it is out of the way, the next term goes on.
    await objects.remove(name)
    await archive(test, objects, cell).has(301)
  })

  it('is never made of a log whose tiles do not lead to its head', async () => {
    const test = await newTestLog()
    await test.grow(600)
    const wrong = {
      ...test.source,
      async bundle(bundle: number, width: number) {
        const bytes = (await test.source.bundle(bundle, width)).slice()
        if (bundle === 1) bytes[10]! ^= 1
        return bytes
      },
    }
    const archiver = archive(test, objects, cell, { source: wrong })
    await until(() => (archiver.status().state === 'stopped' ? true : undefined))
    expect(archiver.status().error).toContain('tile/entries/001 of the log does not fit its head')
    expect(await objects.get('tile/entries/001')).toBeUndefined()
    expect(await objects.get('checkpoint')).toBeUndefined()
  })

  it.each([
    ['level 0', 0, 'tile/0/000'],
    ['level 1', 1, 'tile/1/000.p/2'],
  ])('is never made of a log with a wrong tile of %s', async (_, wrongLevel, name) => {
    const test = await newTestLog()
    await test.grow(600)
    const wrong = {
      ...test.source,
      async tile(level: number, tile: number, width: number) {
        const bytes = (await test.source.tile(level, tile, width)).slice()
        if (level === wrongLevel && tile === 0) bytes[40]! ^= 1
        return bytes
      },
    }
    const archiver = archive(test, objects, cell, { source: wrong })
    await until(() => (archiver.status().state === 'stopped' ? true : undefined))
    expect(await objects.get(name)).toBeUndefined()
    expect(await objects.get('checkpoint')).toBeUndefined()
  })
})

describe('an object store that cannot be reached', () => {
  it('is tried again until it can, and told of once', async () => {
    const test = await newTestLog()
    await test.grow(100)
    const archiver = archive(test, store, cell)
    await archiver.has(100)
    let isAway = true
    store.fault = () => (isAway ? unavailable : undefined)
    for (const size of [200, 300, 400]) {
      await test.grow(size)
      await new Promise((resolve) => setTimeout(resolve, 100))
    }
    expect(archiver.status()).toMatchObject({
      state: 'failing',
      lag: 300,
      size: 100,
      error: 'the bucket is away',
    })
    expect(archiver.status().since).toBeGreaterThan(Date.now() - 60_000)
    isAway = false
    await archiver.has(400)
    await until(() => (archiver.events.length === 2 ? true : undefined))
    expect(archiver.events).toEqual([
      { event: 'archive-failing', reason: 'the bucket is away' },
      { event: 'archive-ok', size: 400 },
    ])
    expect(archiver.status()).toMatchObject({ state: 'current', error: undefined })
    await isServed(test, 400)
  })

  it('is asked after pauses that grow', async () => {
    const test = await newTestLog()
    let asked = 0
    store.fault = () => {
      asked++
      return unavailable
    }
    archive(test, store, cell, { firstPauseMs: 20, longestPauseMs: 10_000 })
    await new Promise((resolve) => setTimeout(resolve, 700))
    // 20 ms, doubled each time, with up to half taken off: 6 to 7 times.
    expect(asked).toBeGreaterThan(3)
    expect(asked).toBeLessThan(9)
  })

  it('may be away, or its credentials wrong, when the log starts', async () => {
    const test = await newTestLog()
    await test.grow(10)
    store.fault = () => new CairnError('FORBIDDEN', 'the credentials have expired')
    const archiver = archive(test, store, cell)
    await until(() => archiver.events[0])
    expect(archiver.events).toEqual([
      { event: 'archive-failing', reason: 'the credentials have expired' },
    ])
    expect(archiver.status()).toMatchObject({ state: 'failing', size: 0, lag: 10 })
    store.fault = () => undefined
    await archiver.has(10)
  })

  it('stops what has the archive of another log', async () => {
    const other = await newTestLog({}, 'other.example/log')
    await archiveOf(other, objects)
    const test = await newTestLog()
    const archiver = archive(test, objects, cell)
    await until(() => (archiver.status().state === 'stopped' ? true : undefined))
    expect(archiver.status().error).toContain('is the archive of other.example/log')
  })

  it('is a database at times: the mark is moved later', async () => {
    const test = await newTestLog()
    let isAway = true
    const archiver = archive(test, objects, cell, {
      async archived(size, released) {
        if (isAway) throw new CairnError('UNAVAILABLE', 'the database is away')
        cell.mark = { size, released }
      },
    })
    await test.grow(300)
    await until(() => archiver.events[0])
    await until(async () => ((await objects.get('checkpoint')) ? true : undefined))
    isAway = false
    await archiver.has(300)
  })
})

describe('a term that is over', () => {
  it('writes nothing', async () => {
    const test = await newTestLog()
    await test.grow(100)
    let mayWrite = true
    const archiver = archive(test, store, cell, { mayWrite: () => mayWrite })
    await archiver.has(100)
    mayWrite = false
    // A round may have asked before.
    await new Promise((resolve) => setTimeout(resolve, 20))
    const before = store.calls.length
    await test.grow(200)
    await new Promise((resolve) => setTimeout(resolve, 50))
    expect(store.calls).toHaveLength(before)
    expect(archiver.events).toEqual([])
  })

  it('does not put an older checkpoint back when it ends during an upload', async () => {
    const test = await newTestLog()
    let mayWrite = true
    const old = archive(test, store, cell, { mayWrite: () => mayWrite })
    await old.has(0)
    store.fault = (call) => {
      // The process is paused here, and its term ends meanwhile.
      if (call === 'create heads/100') mayWrite = false
      return undefined
    }
    await test.grow(100)
    await until(() => (mayWrite ? undefined : true))
    await new Promise((resolve) => setTimeout(resolve, 50))
    expect(store.calls.filter((call) => call === 'replace checkpoint')).toHaveLength(1)
    expect(cell.mark.size).toBe(0)
  })

  it('is repaired by the next one when an older checkpoint was put back', async () => {
    const test = await newTestLog()
    const archiver = archive(test, objects, cell, { lookMs: 20 })
    await test.grow(100)
    await archiver.has(100)
    const older = await readFile(join(directory, 'checkpoint'))
    await test.grow(200)
    await archiver.has(200)
    const newest = await textOf('checkpoint')
    await writeFile(join(directory, 'checkpoint'), older)
    await until(async () => ((await textOf('checkpoint')) === newest ? true : undefined))
    expect(archiver.events).toEqual([{ event: 'archive-restored', found: 100, size: 200 }])
    // One that is gone comes back too, and a new term looks at once.
    await archiver.close()
    await rm(join(directory, 'checkpoint'))
    await archive(test, objects, cell).has(200)
    await until(async () => ((await textOf('checkpoint')) === newest ? true : undefined))
  })
})

describe('a log that went back', () => {
  it('is not archived until it has caught up', async () => {
    const test = await newTestLog()
    const first = archive(test, objects, cell)
    await test.grow(100)
    await first.has(100)
    await first.close()
    const old = published(test.log)!
    const shown = await textOf('checkpoint')
    await test.grow(200)
    const second = archive(test, objects, cell)
    await second.has(200)
    await second.close()
    let newest = old
    const cellOfOld = newMark()
    cellOfOld.mark = { size: treeSize(100), released: treeSize(0) }
    const back = archive(test, store, cellOfOld, { publication: () => newest })
    await until(() => back.events[0])
    expect(back.events).toEqual([
      {
        event: 'archive-failing',
        reason: expect.stringContaining('has the log up to 200 leaves, but only 100 are'),
      },
    ])
    expect(await textOf('checkpoint')).not.toBe(shown)
    expect(store.calls.filter((call) => !call.startsWith('get'))).toEqual(
      store.calls.filter((call) => call === 'create cairn-log.json'),
    )
    newest = await test.grow(300)
    await back.has(300)
  })

  it('for a moment only, as at the beginning of a term, is not told of', async () => {
    const test = await newTestLog()
    const old = await test.grow(100)
    const newest = await test.grow(200)
    const first = archive(test, objects, cell)
    await first.has(200)
    await first.close()
    let calls = 0
    const next = archive(test, objects, cell, {
      // Asked once by each attempt, and here.
      publication: () => (calls++ < 2 ? old : newest),
    })
    await until(() => (next.status().state === 'current' ? true : undefined))
    expect(calls).toBeGreaterThan(2)
    expect(next.events).toEqual([])
  })

  it('and then grew differently is stopped before it writes anything', async () => {
    const test = await newTestLog()
    const archiver = archive(test, objects, cell)
    await test.grow(100)
    await archiver.has(100)
    await archiver.close()
    const before = await objects.list('')
    // The same log with other leaves: the same keys, on another copy of the data.
    const fork = {
      async tile(level: number, tile: number, width: number) {
        const bytes = (await test.source.tile(level, tile, width)).slice()
        if (level === 0 && tile === 0) bytes[32 * 50]! ^= 1
        return bytes
      },
      bundle: test.source.bundle,
    }
    await test.grow(300)
    const forked = archive(test, objects, newMark(), { source: fork })
    await until(() => (forked.status().state === 'stopped' ? true : undefined))
    expect(forked.status().error).toContain('/checkpoint is signed by this log for 100 leaves')
    expect(await objects.list('')).toEqual(before)
  })
})

describe('another bucket than before', () => {
  it('gets all of the log, when the database still has it', async () => {
    const test = await newTestLog()
    await test.grow(700)
    const first = archive(test, objects, cell)
    await first.has(700)
    await first.close()
    const other = await openObjectDirectory(await newDirectory())
    await test.grow(800)
    const next = archive(test, other, cell)
    await next.has(800)
    await next.close()
    objects = other
    await isServed(test, 800)
  })

  it('is not written to when the database has let go of what it lacks', async () => {
    const test = await newTestLog()
    await test.grow(700)
    const first = archive(test, objects, cell, { settleMs: 0 })
    await until(() => (cell.mark.released === 700 ? true : undefined))
    await first.close()
    const other = await openObjectDirectory(await newDirectory())
    const next = archive(test, other, cell)
    await until(() => (next.status().state === 'stopped' ? true : undefined))
    expect(next.status().error).toContain('does not have the tree of 700 leaves')
    expect(await other.list('')).toEqual(['cairn-log.json'])
    // Once they were copied there it is as good as the first.
    for (const name of await objects.list('')) {
      if (name === 'cairn-log.json') continue
      await other.create(name, (await objects.get(name))!.bytes, {
        contentType: '',
        cacheControl: '',
      })
    }
    await test.grow(800)
    await archive(test, other, cell).has(800)
  })
})

describe('storage classes', () => {
  const tier = { storageClass: 'COLD', days: 90 }

  it('are a rule of the bucket for entry bundles, made once a term', async () => {
    const test = await newTestLog()
    const rules: object[] = []
    const bucket: ObjectStore = {
      ...objects,
      async ensureTransition(rule) {
        rules.push(rule)
        return 'set'
      },
    }
    const archiver = archive(test, bucket, cell, { tier })
    for (const size of [0, 10, 20]) {
      await test.grow(size)
      await archiver.has(size)
    }
    expect(rules).toEqual([{ names: 'tile/entries/', ...tier }])
    expect(archiver.events).toEqual([{ event: 'archive-tier', rule: 'set', ...tier }])
  })

  it('that the place does not have are told of, and the archive goes on without', async () => {
    const test = await newTestLog()
    const archiver = archive(test, objects, cell, { tier })
    await test.grow(10)
    await archiver.has(10)
    expect(archiver.events).toEqual([
      {
        event: 'archive-tier-failing',
        reason: expect.stringContaining('has no storage classes'),
      },
    ])
  })
})
