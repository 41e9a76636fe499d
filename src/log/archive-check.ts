/**
 * Checks an archive from what is in it and the log's keys: that all is there that the checkpoint commits to, and hashes
 * to its root; that every head it keeps is one of the same tree; that what it still has of earlier partial tiles is what
 * the tree had; and that nothing else is there. A finding never ends the check.
 */
import { equal } from '../bytes.ts'
import { CairnError, messageOf } from '../errors.ts'
import { bundlePrefix } from '../formats/bundle.ts'
import { TILE_WIDTH } from '../formats/tile.ts'
import { formatVkey, type VerifierKey } from '../formats/vkey.ts'
import { Frontier } from '../merkle/frontier.ts'
import { HASH_SIZE, leafHash } from '../merkle/hash.ts'
import { type TreeSize, treeSize } from '../merkle/position.ts'
import type { ObjectStore } from '../storage/object-port.ts'
import { checkTree, type TreeFault } from '../tiles/check-tree.ts'
import { tileWidth } from '../tiles/geometry.ts'
import { isAboutTheData } from '../tiles/read-outcome.ts'
import type { TileSource } from '../tiles/source.ts'
import { openArchived, parseMarker } from './archive.ts'
import { CHECKPOINT, headName, listAll, MARKER, parseArchivedName } from './archive-names.ts'
import { archiveTileSource } from './archive-source.ts'
import { inParallel } from './archive-upload.ts'
import type { Head } from './service.ts'

export interface ArchiveFinding {
  readonly kind: 'marker' | 'checkpoint' | 'head' | 'object' | TreeFault['kind']
  /** Which one: `checkpoint`, `heads/300`, `entry 5`, `tile/0/000.p/7`. */
  readonly name: string
  /** What is wrong with it. */
  readonly detail: string
}

export interface CheckArchiveOptions {
  /** The log's own keys. */
  readonly vkeys: readonly VerifierKey[]
  /** Objects asked for ahead of the one at hand; 16 when left out. */
  readonly concurrency?: number
  /** Told how many entries are behind, of how many. */
  readonly progress?: (entries: number, total: number) => void
  /** Told how many objects were listed, which comes first. */
  readonly listed?: (objects: number) => void
  readonly signal?: AbortSignal
}

export interface ArchiveSummary {
  /** The head that it shows, where that is one of this log. */
  readonly head: Head | undefined
  /** Leaves of the head that it shows. */
  readonly size: TreeSize
  /** Bytes of all entries together. */
  readonly bytes: number
  readonly objects: number
  /** Heads that it keeps. */
  readonly heads: number
  /** Objects of a larger tree, which were brought before its checkpoint: an archiver is, or was, on its way. */
  readonly ahead: number
}

/**
 * Yields what is wrong with an archive, and returns what was looked at. Needs memory for a few bundles, and 8 bytes a head.
 * It may be written meanwhile: what comes after the checkpoint that is read first is counted, and looked at no further.
 * @throws what the object store throws that is not about its data; the signal's reason
 */
export async function* checkArchive(
  objects: ObjectStore,
  options: CheckArchiveOptions,
): AsyncGenerator<ArchiveFinding, ArchiveSummary> {
  const { vkeys } = options
  const origin = vkeys[0]?.name ?? ''
  const head = yield* readHead(objects, CHECKPOINT, 'checkpoint', vkeys, origin)
  // It is written before any checkpoint: of an archive that is begun meanwhile it is not missed.
  yield* await checkMarker(objects, vkeys, origin)
  const size = head?.size ?? treeSize(0)
  const found = yield* sort(objects, size, options)

  let bytes = 0
  if (head !== undefined) {
    const source = archiveTileSource(objects)
    bytes = yield* checkWhole(objects, source, head, found.heads, options, origin)
    yield* checkPartials(objects, source, found.partials, size)
  }
  const { count, heads, ahead } = found
  return { head, size, bytes, objects: count, heads: heads.length, ahead }
}

async function checkMarker(
  objects: ObjectStore,
  vkeys: readonly VerifierKey[],
  origin: string,
): Promise<ArchiveFinding[]> {
  const wrong = (detail: string): ArchiveFinding[] => [{ kind: 'marker', name: MARKER, detail }]
  const object = await objects.get(MARKER)
  if (object === undefined) return wrong('is missing')
  try {
    const marker = parseMarker(object.bytes, objects.place)
    if (marker.origin !== origin) return wrong(`is that of ${marker.origin}, not of ${origin}`)
    const keys = vkeys.map(formatVkey)
    return keys.every((key) => marker.vkeys.includes(key)) ? [] : wrong('has other keys')
  } catch (error) {
    if (!(error instanceof CairnError) || error.code === 'NEWER_FORMAT') throw error
    return wrong(error.message)
  }
}

async function* readHead(
  objects: ObjectStore,
  name: string,
  kind: 'checkpoint' | 'head',
  vkeys: readonly VerifierKey[],
  origin: string,
): AsyncGenerator<ArchiveFinding, Head | undefined> {
  const object = await objects.get(name)
  if (object === undefined) {
    yield { kind, name, detail: 'is missing' }
    return undefined
  }
  try {
    return openArchived(name, object.bytes, origin, vkeys)
  } catch (error) {
    yield { kind, name, detail: messageOf(error instanceof Error ? error.cause : error) }
    return undefined
  }
}

interface Names {
  readonly count: number
  /** Ascending. */
  readonly heads: readonly TreeSize[]
  /** Those that the tree of the checkpoint has no longer. */
  readonly partials: readonly string[]
  readonly ahead: number
}

/** All names, sorted by what they stand for. */
async function* sort(
  objects: ObjectStore,
  size: TreeSize,
  { listed, signal }: CheckArchiveOptions,
): AsyncGenerator<ArchiveFinding, Names> {
  const heads: TreeSize[] = []
  const partials: string[] = []
  let count = 0
  let ahead = 0
  for await (const name of listAll(objects, '')) {
    signal?.throwIfAborted()
    count++
    listed?.(count)
    const parsed = parseArchivedName(name)
    if (parsed === undefined) {
      yield { kind: 'object', name, detail: 'does not belong to an archive' }
    } else if (parsed.kind === 'head') {
      if (parsed.size > size) ahead++
      else heads.push(parsed.size)
    } else if (parsed.kind === 'tile' || parsed.kind === 'bundle') {
      const [level, index] =
        parsed.kind === 'tile' ? [parsed.level, parsed.tile] : [0, parsed.bundle]
      const width = tileWidth(level, index, size)
      if (parsed.width > width) ahead++
      else if (parsed.width < width) partials.push(name)
    }
  }
  return { count, heads: heads.sort((a, b) => a - b), partials, ahead }
}

/** The tree of the checkpoint, and every head that is kept of it. Returns the bytes of its entries. */
async function* checkWhole(
  objects: ObjectStore,
  source: TileSource,
  head: Head,
  sizes: readonly TreeSize[],
  { vkeys, concurrency = 16, progress, signal }: CheckArchiveOptions,
  origin: string,
): AsyncGenerator<ArchiveFinding, number> {
  const found: ArchiveFinding[] = []
  const kept = new KeptRoots(sizes)
  const checkKept = (): Promise<void> =>
    inParallel(kept.take(), concurrency, async ({ size, root }) => {
      for await (const finding of checkKeptHead(objects, { size, root }, vkeys, origin)) {
        found.push(finding)
      }
    })
  const pass = checkTree(source, head.size, {
    root: head.root,
    concurrency,
    ...(signal && { signal }),
    onLeaves(first, hashes) {
      kept.follow(first, hashes)
      return checkKept()
    },
    progress: (entries) => progress?.(entries, head.size),
  })
  await checkKept()
  let step = await pass.next()
  for (; !step.done; step = await pass.next()) yield step.value
  yield* found
  const { root, bytes } = step.value
  const unknown = 'its root cannot be recomputed: entries and tiles are missing'
  if (root === undefined) yield { kind: 'checkpoint', name: CHECKPOINT, detail: unknown }
  else if (!equal(root, head.root)) {
    const detail = `is for ${head.size} leaves with another root than the entries give`
    yield { kind: 'checkpoint', name: CHECKPOINT, detail }
  }
  for (const size of kept.missed()) {
    yield { kind: 'head', name: headName(size), detail: unknown }
  }
  return bytes
}

/** A head that is kept must be signed, and of the tree that its first leaves are here. */
async function* checkKeptHead(
  objects: ObjectStore,
  { size, root }: Omit<Head, 'checkpoint'>,
  vkeys: readonly VerifierKey[],
  origin: string,
): AsyncGenerator<ArchiveFinding> {
  const name = headName(size)
  const head = yield* readHead(objects, name, 'head', vkeys, origin)
  if (head === undefined) return
  if (head.size !== size) yield { kind: 'head', name, detail: `is for ${head.size} leaves` }
  else if (!equal(head.root, root)) {
    const detail = 'is of another history of this log: its root is not that of the same leaves here'
    yield { kind: 'head', name, detail }
  }
}

/** The roots of the heads that are kept, on one way through the leaves. */
class KeptRoots {
  readonly #sizes: readonly TreeSize[]
  readonly #frontier = new Frontier()
  #found: Omit<Head, 'checkpoint'>[] = []
  #next = 0

  /** `sizes` ascend. */
  constructor(sizes: readonly TreeSize[]) {
    this.#sizes = sizes
    this.#mark()
  }

  #mark(): void {
    const size = this.#sizes[this.#next]
    if (size !== this.#frontier.size) return
    this.#found.push({ size, root: this.#frontier.root() })
    this.#next++
  }

  follow(first: number, hashes: Uint8Array): void {
    // Once leaves are missing no root can be told any more.
    if (first !== this.#frontier.size) return
    for (let at = 0; at < hashes.length; at += HASH_SIZE) {
      this.#frontier.append(leafHash(hashes.slice(at, at + HASH_SIZE)))
      this.#mark()
    }
  }

  /** The roots that have been reached since the last time. */
  take(): Omit<Head, 'checkpoint'>[] {
    return this.#found.splice(0)
  }

  missed(): readonly TreeSize[] {
    return this.#sizes.slice(this.#next)
  }
}

/** A partial one that is left over must be the beginning of what replaced it. */
async function* checkPartials(
  objects: ObjectStore,
  source: TileSource,
  names: readonly string[],
  size: TreeSize,
): AsyncGenerator<ArchiveFinding> {
  for (const name of names) {
    const parsed = parseArchivedName(name)
    if (parsed?.kind !== 'tile' && parsed?.kind !== 'bundle') continue
    const object = await objects.get(name)
    if (object === undefined) continue
    try {
      const whole =
        parsed.kind === 'tile'
          ? await source.tile(parsed.level, parsed.tile, tileWidth(parsed.level, parsed.tile, size))
          : await source.bundle(parsed.bundle, tileWidth(0, parsed.bundle, size))
      const expected =
        parsed.kind === 'tile'
          ? whole.subarray(0, parsed.width * HASH_SIZE)
          : bundlePrefix(whole, Math.min(parsed.width, TILE_WIDTH))
      if (equal(object.bytes, expected)) continue
      yield { kind: parsed.kind, name, detail: 'is not the beginning of the one that replaced it' }
    } catch (error) {
      // What replaced it was found to be missing or wrong already.
      if (!isAboutTheData(error)) throw error
    }
  }
}
