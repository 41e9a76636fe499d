/**
 * Follows a log from the tree that is known to a head that it signed: reads exactly the entries that are new, hashes each
 * to its place, and compares the root that comes out with the one that was signed. What was read is kept from time to
 * time, so that a long way is never begun twice; memory holds a few bundles, however long it is.
 */
import { equal } from '../bytes.ts'
import { CairnError, malformed, messageOf } from '../errors.ts'
import { decodeBundle } from '../formats/bundle.ts'
import type { Checkpoint } from '../formats/checkpoint.ts'
import { bundlePath, TILE_WIDTH } from '../formats/tile.ts'
import type { Frontier } from '../merkle/frontier.ts'
import { HASH_SIZE, hashLeaf } from '../merkle/hash.ts'
import { type TreeSize, treeSize } from '../merkle/position.ts'
import { firstDifference } from '../tiles/difference.ts'
import { bundleWidth } from '../tiles/geometry.ts'
import { frontierFromTiles, readTile } from '../tiles/proofs.ts'
import type { TileSource } from '../tiles/source.ts'
import { verifiedSource } from '../tiles/verified-source.ts'
import type { Memory } from './memory.ts'

export interface CatchUpOptions {
  /** Where the entries are. */
  readonly source: TileSource
  /** Bundles asked for ahead of the one at hand. */
  readonly concurrency: number
  /** Milliseconds after which what was read is kept. */
  readonly keepAfterMs: number
  /** Ends the way in good order; it goes on from there the next time. */
  readonly signal: AbortSignal
  readonly progress: (entries: number, total: number) => void
}

/** How far it came. */
export type CatchUp =
  /** The tree is the one that was signed. */
  | { readonly kind: 'arrived'; readonly frontier: Frontier }
  /** The signal fired on the way. */
  | { readonly kind: 'under way' }
  /** The entries are there, and do not hash to the root that was signed. */
  | { readonly kind: 'wrong'; readonly message: string }
  /** Something that the head commits to is missing or cannot be read. */
  | { readonly kind: 'missing'; readonly message: string }
  /** The log does not answer. */
  | { readonly kind: 'unreachable'; readonly message: string }

/** Leaves whose hashes one full tile of level 1 commits to: how often the way is compared with the log's tiles. */
const STRETCH = TILE_WIDTH * TILE_WIDTH

/** Errors that say something about what was read, not about the reading. */
const ABOUT_THE_DATA = new Set(['NOT_FOUND', 'MALFORMED', 'TOO_LARGE'])

/** @throws IO, CORRUPT, DISK_FULL when what was read cannot be kept */
export async function catchUp(
  memory: Memory,
  target: Checkpoint,
  options: CatchUpOptions,
): Promise<CatchUp> {
  try {
    return await walk(memory, target, options)
  } catch (error) {
    if (error instanceof OwnFailure) throw error.cause
    if (options.signal.aborted) {
      await memory.keep()
      return { kind: 'under way' }
    }
    if (error instanceof WrongEntries) {
      await memory.rewind(error.since)
      return { kind: 'wrong', message: error.message }
    }
    await memory.keep()
    if (!(error instanceof CairnError)) throw error
    const kind = ABOUT_THE_DATA.has(error.code) ? 'missing' : 'unreachable'
    return { kind, message: error.message }
  }
}

/** What the log serves does not fit; what is kept of the tree is good up to `since`. */
class WrongEntries extends Error {
  readonly since: TreeSize
  constructor(since: number, message: string) {
    super(message)
    this.since = treeSize(since)
  }
}

/** A failure of the monitor's own disk, which says nothing about the log. */
class OwnFailure extends Error {}

async function own<T>(work: Promise<T>): Promise<T> {
  try {
    return await work
  } catch (cause) {
    throw new OwnFailure('', { cause })
  }
}

async function walk(memory: Memory, target: Checkpoint, options: CatchUpOptions): Promise<CatchUp> {
  const goal = target.size
  if (memory.tree.size > goal) {
    // Read on the way to a larger head, and not compared with any yet.
    const frontier = await own(frontierFromTiles(memory.tree.source(), goal))
    if (equal(frontier.root(), target.root)) return { kind: 'arrived', frontier }
    await own(memory.rewind(memory.size))
  }
  const { tree } = memory
  const log = verifiedSource(options.source, target)
  const read = leafReader(options.source, memory)
  let kept = performance.now()

  for await (const { bundle, hashes } of ahead(tree.size, goal, options, read)) {
    options.signal.throwIfAborted()
    const first = bundle * TILE_WIDTH
    const known = tree.size - first
    if (known > 0) await checkKnown(memory, first, hashes.subarray(0, known * HASH_SIZE))
    tree.append(hashes.subarray(known * HASH_SIZE))
    options.progress(tree.size, goal)
    if (tree.isFull) await own(tree.flush())
    if (tree.size % STRETCH === 0) await compareStretch(memory, log)
    if (performance.now() - kept >= options.keepAfterMs) {
      await own(memory.keep())
      kept = performance.now()
    }
  }

  await own(tree.flush())
  const frontier = tree.frontier()
  if (!equal(frontier.root(), target.root)) throw await whatIsWrong(memory, target, log)
  return { kind: 'arrived', frontier }
}

interface LeafHashes {
  readonly bundle: number
  readonly hashes: Uint8Array
}

/** The leaf hashes from `since` to `size`, bundle by bundle, a few of them on their way at the same time. */
async function* ahead(
  since: TreeSize,
  size: TreeSize,
  { concurrency }: CatchUpOptions,
  read: (bundle: number, width: number) => Promise<Uint8Array>,
): AsyncGenerator<LeafHashes> {
  const waiting: Promise<LeafHashes>[] = []
  let next = Math.floor(since / TILE_WIDTH)
  const end = since < size ? Math.ceil(size / TILE_WIDTH) : 0
  while (next < end || waiting.length > 0) {
    while (next < end && waiting.length < concurrency) {
      const bundle = next++
      const reading = read(bundle, bundleWidth(bundle, size)).then((hashes) => ({ bundle, hashes }))
      // Whoever awaits it in its turn sees the failure; until then it is not unhandled.
      reading.catch(() => {})
      waiting.push(reading)
    }
    yield await waiting.shift()!
  }
}

/** Reads the entries of bundles and hashes them; where entries are not shown to everybody, reads their hashes. */
function leafReader(
  source: TileSource,
  memory: Memory,
): (bundle: number, width: number) => Promise<Uint8Array> {
  let isPrivate = false
  return async (bundle, width) => {
    if (!isPrivate) {
      try {
        return hashEntries(entriesOf(await source.bundle(bundle, width), bundle, width))
      } catch (error) {
        const { code } = error as CairnError
        if (code !== 'UNAUTHORIZED' && code !== 'FORBIDDEN') throw error
        isPrivate = true
        memory.entries = 'hashes'
      }
    }
    return readTile(source, 0, bundle, width)
  }
}

function entriesOf(framed: Uint8Array, bundle: number, width: number): Uint8Array[] {
  try {
    return decodeBundle(framed, width)
  } catch (cause) {
    throw malformed(`${bundlePath(bundle, width)} cannot be read: ${messageOf(cause)}`, { cause })
  }
}

function hashEntries(entries: readonly Uint8Array[]): Uint8Array {
  const hashes = new Uint8Array(entries.length * HASH_SIZE)
  for (const [i, entry] of entries.entries()) hashes.set(hashLeaf(entry), i * HASH_SIZE)
  return hashes
}

/** The first entries of a bundle that was read before, when it had fewer. */
async function checkKnown(memory: Memory, first: number, hashes: Uint8Array): Promise<void> {
  const { tree } = memory
  await own(tree.flush())
  const width = hashes.length / HASH_SIZE
  const kept = await own(tree.source().tile(0, first / TILE_WIDTH, width))
  if (equal(kept, hashes)) return
  let index = 0
  while (kept[index] === hashes[index]) index++
  const entry = first + Math.floor(index / HASH_SIZE)
  throw new WrongEntries(memory.size, `entry ${entry} is not what it was when it was read before`)
}

/**
 * Compares what was read with the log's own hashes of it, which its head vouches for. Trouble with those hashes decides
 * nothing: the root will.
 */
async function compareStretch({ tree, size }: Memory, log: TileSource): Promise<void> {
  await own(tree.flush())
  const mine = tree.source()
  const tile = tree.size / STRETCH - 1
  try {
    const theirs = await log.tile(1, tile, TILE_WIDTH)
    if (equal(await own(mine.tile(1, tile, TILE_WIDTH)), theirs)) return
    throw wrongAt(await firstDifference(mine, log, tree.size), size)
  } catch (error) {
    if (!isAboutTiles(error)) throw error
  }
}

/** Says which entry is wrong, where the log's own tiles tell. */
async function whatIsWrong(
  { tree, size }: Memory,
  target: Checkpoint,
  log: TileSource,
): Promise<WrongEntries> {
  try {
    return wrongAt(await firstDifference(tree.source(), log, target.size), size)
  } catch (error) {
    if (!isAboutTiles(error)) throw error
    const message = `neither the entries nor the tiles lead to the root that was signed for ${target.size} entries (${messageOf(error)})`
    return new WrongEntries(size, message)
  }
}

/** All before the entry that is wrong is as it should be, and need not be read again. */
function wrongAt(index: number | undefined, size: number): WrongEntries {
  const message =
    index === undefined
      ? 'its tree has another root than the one that was signed'
      : `entry ${index} does not hash to its place in the tree that was signed`
  return new WrongEntries(Math.max(size, index ?? 0), message)
}

function isAboutTiles(error: unknown): boolean {
  if (!(error instanceof CairnError)) return false
  return ABOUT_THE_DATA.has(error.code) || error.code === 'VERIFICATION_FAILED'
}
