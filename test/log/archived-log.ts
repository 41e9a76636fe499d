/** A real log and its archive in a directory, for tests of the archiver. */
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { utf8 } from '../../src/bytes.ts'
import { CairnError } from '../../src/errors.ts'
import { type Archive, type ArchiveOptions, openArchive } from '../../src/log/archive.ts'
import type { ArchiveEvent, Archiver, ArchiverOptions } from '../../src/log/archive-port.ts'
import { startArchiver } from '../../src/log/archiver.ts'
import type { LogOptions } from '../../src/log/log.ts'
import type { Head, LogService } from '../../src/log/service.ts'
import { treeSize } from '../../src/merkle/position.ts'
import { openObjectDirectory } from '../../src/storage/object-directory.ts'
import type { ObjectStore } from '../../src/storage/object-port.ts'
import type { ArchiveMark } from '../../src/storage/shared-port.ts'
import type { TileSource } from '../../src/tiles/source.ts'
import { afterThisTest } from '../support/endings.ts'
import { discard, newKeys, openAt } from '../support/test-log.ts'

/** A fresh directory, removed after the test. */
export async function newDirectory(): Promise<string> {
  const directory = await mkdtemp(join(tmpdir(), 'cairn-archive-'))
  afterThisTest(() => rm(directory, { recursive: true, force: true }))
  return directory
}

export interface TestLog {
  readonly log: LogService
  readonly source: TileSource
  /** Adds leaves until there are so many, and waits until that is published. */
  grow(size: number): Promise<Head>
  close(): Promise<void>
}

/** A log on a directory of its own, both gone after the test. Its leaves are `record 0`, `record 1` and so on. */
export async function newTestLog(
  options: Partial<LogOptions> = {},
  origin?: string,
): Promise<TestLog> {
  const directory = await mkdtemp(join(tmpdir(), 'cairn-log-'))
  const place = { directory, keys: newKeys(origin) }
  const log = await openAt(place, { publishIntervalMs: 1, ...options })
  let isOpen = true
  const close = async (): Promise<void> => {
    if (isOpen) await log.close()
    isOpen = false
  }
  afterThisTest(async () => {
    await close()
    await discard(place)
  })
  return { log, source: sourceOf(log), grow: (size) => grow(log, size), close }
}

const CHUNK = 4_000

async function grow(log: LogService, size: number): Promise<Head> {
  for (let at: number = log.head().size; at < size; at = log.head().size) {
    const count = Math.min(CHUNK, size - at)
    await log.submit(Array.from({ length: count }, (_, i) => utf8(`record ${at + i}`)))
  }
  return await until(() => {
    const head = published(log)
    return head !== undefined && head.size >= size ? head : undefined
  })
}

/** The newest published head, if there is one. */
export function published(log: LogService): Head | undefined {
  try {
    return log.publication()
  } catch {
    return undefined
  }
}

/** What the log serves. */
export function sourceOf(log: LogService): TileSource {
  const given = (bytes: Uint8Array | undefined): Uint8Array => {
    if (bytes === undefined) throw new CairnError('NOT_FOUND', 'the log does not have this')
    return bytes
  }
  return {
    tile: async (level, tile, width) => given(await log.tile(level, tile, width)),
    bundle: async (bundle, width) => given(await log.bundle(bundle, width)),
  }
}

/** The value, once there is one. */
export async function until<T>(
  value: () => T | undefined | Promise<T | undefined>,
  milliseconds = 20_000,
): Promise<T> {
  const end = performance.now() + milliseconds
  for (;;) {
    const found = await value()
    if (found !== undefined && found !== false) return found
    if (performance.now() > end) throw new Error(`not within ${milliseconds} ms: ${value}`)
    await new Promise((resolve) => setTimeout(resolve, 2))
  }
}

export interface WatchedStore extends ObjectStore {
  /** What was asked of it, a line each: `create tile/0/000`. */
  readonly calls: string[]
  /** Thrown instead of carrying out a call, while it gives something. */
  fault: (call: string) => Error | undefined
}

/** An object store that tells what is asked of it, and fails when it is told to. */
export function watched(objects: ObjectStore): WatchedStore {
  const calls: string[] = []
  const store: WatchedStore = {
    ...objects,
    calls,
    fault: () => undefined,
    get: (name) => call('get', name, () => objects.get(name)),
    create: (name, ...rest) => call('create', name, () => objects.create(name, ...rest)),
    replace: (name, ...rest) => call('replace', name, () => objects.replace(name, ...rest)),
    remove: (name) => call('remove', name, () => objects.remove(name)),
    list: (prefix, options) => call('list', prefix, () => objects.list(prefix, options)),
  }
  async function call<T>(what: string, name: string, work: () => Promise<T>): Promise<T> {
    const fault = store.fault(`${what} ${name}`)
    if (fault !== undefined) throw fault
    calls.push(`${what} ${name}`)
    return await work()
  }
  return store
}

export interface TestArchiver extends Archiver {
  readonly events: ArchiveEvent[]
  /** Waits until the archive has a size and shows it, and the database was told. */
  has(size: number): Promise<void>
}

/** What the database would keep. */
export interface MarkCell {
  mark: ArchiveMark
  /** Every call of `archived`. */
  readonly told: ArchiveMark[]
}

export function newMark(): MarkCell {
  return { mark: { size: treeSize(0), released: treeSize(0) }, told: [] }
}

export function archiveOf(
  { log }: TestLog,
  objects: ObjectStore,
  options: Partial<ArchiveOptions> = {},
): Promise<Archive> {
  return openArchive({ objects, origin: log.origin, vkeys: log.vkeys, ...options })
}

/** Starts an archiver of a log, in a hurry; closed after the test. */
export function archive(
  test: TestLog,
  objects: ObjectStore,
  cell: MarkCell = newMark(),
  options: Partial<ArchiverOptions & ArchiveOptions> = {},
): TestArchiver {
  const events: ArchiveEvent[] = []
  const archiver = startArchiver({
    open: () => archiveOf(test, objects, options),
    source: test.source,
    publication: () => published(test.log),
    mark: async () => cell.mark,
    async archived(size, released) {
      cell.mark = { size, released }
      cell.told.push(cell.mark)
    },
    intervalMs: 2,
    settleMs: 60_000,
    headIntervalMs: 0,
    firstPauseMs: 5,
    longestPauseMs: 50,
    onEvent: (event) => events.push(event),
    ...options,
  })
  afterThisTest(() => archiver.close())
  return {
    ...archiver,
    events,
    async has(size) {
      await until(() => {
        const { state, error, shown } = archiver.status()
        if (state === 'stopped') throw new Error(`it stopped: ${error}`)
        return shown === size && cell.mark.size === size ? true : undefined
      })
    },
  }
}

/** An archive in a directory, of a log that has so many leaves, and nobody at work on it any more. */
export async function finishedArchive(
  size: number,
  earlier: readonly number[] = [],
  options: Partial<ArchiverOptions> = {},
): Promise<{ test: TestLog; directory: string; objects: ObjectStore; cell: MarkCell }> {
  const test = await newTestLog()
  const directory = await newDirectory()
  const objects = await openObjectDirectory(directory)
  const cell = newMark()
  const steps = [...earlier, size]
  // Not before the first: a tree of no leaves would be archived now and then.
  await test.grow(steps[0]!)
  const archiver = archive(test, objects, cell, options)
  for (const step of steps) {
    await test.grow(step)
    await archiver.has(step)
  }
  await archiver.close()
  return { test, directory, objects, cell }
}
