/**
 * Copies the tree of a log into a store: leaves are hashed, tiles grown and roots computed here, so that nothing is
 * believed of the source but its signed head, and that only once the copy has come to the same root.
 *
 * The store's head is unsigned until the last commit, which brings the source's own head, byte for byte. A log does not
 * open on an unsigned head, so a copy that is cut off can be gone on with and cannot be mistaken for a whole one.
 */
import { equal, utf8 } from '../bytes.ts'
import { CairnError } from '../errors.ts'
import { decodeBundle } from '../formats/bundle.ts'
import { TILE_WIDTH } from '../formats/tile.ts'
import { EMPTY_ROOT, type RootHash } from '../merkle/hash.ts'
import { type TreeSize, treeSize } from '../merkle/position.ts'
import type { IdempotencyRecord, LogStore, StoredHead } from '../storage/port.ts'
import { checkTree } from '../tiles/check-tree.ts'
import { bundleWidth } from '../tiles/geometry.ts'
import { rootFromTiles } from '../tiles/proofs.ts'
import type { TileSource } from '../tiles/source.ts'
import { EdgeTree, rootOfEdge } from './edge-tree.ts'
import { bundleRuns, growTiles, hashLeaves } from './sequence.ts'
import { storedTiles } from './stored-tiles.ts'

/** What a store's head has in place of a checkpoint while the tree is being copied into it. */
const UNSIGNED = utf8('this tree is being copied; no head of it is signed yet\n')

const COMMIT = { leaves: 4_096, bytes: 16 * 2 ** 20 } as const
/** Bundles asked for ahead of the one at hand. */
const AHEAD = 16

/** What a tree is copied from. */
export interface TreeToCopy {
  /** Its entries in order, from one on, some at a time. */
  entries(from: TreeSize): AsyncIterable<readonly Uint8Array[]>
  /** The root of its first leaves, where that can be had without going through them. */
  rootAt?(size: TreeSize): Promise<RootHash>
}

export interface CopyTreeOptions {
  readonly from: TreeToCopy
  /** The head to end with; its signature is for the caller to check. */
  readonly head: StoredHead
  readonly to: LogStore
  /** What idempotency keys were used for. Those that the store has are left as they are. */
  readonly idempotency?: AsyncIterable<IdempotencyRecord>
  /** Told how many leaves the store has. */
  readonly progress?: (leaves: number) => void
  readonly signal?: AbortSignal
}

/**
 * Copies what the store does not have yet.
 * @throws CONFLICT when the store has another tree, or leaves beyond the head
 * @throws VERIFICATION_FAILED when the leaves do not lead to the head's root: the head is not stored then
 * @throws MALFORMED, and what the source and the store throw; the signal's reason
 */
export async function copyTree(options: CopyTreeOptions): Promise<void> {
  const { head, to, progress = () => undefined, signal } = options
  const stored = await to.head()
  const start = stored?.size ?? treeSize(0)
  const tree = await treeIn(to, stored)
  await mustBeginWith(options, start, tree)
  const records = pending(options.idempotency, start === 0 ? undefined : to)
  progress(start)
  let before = start
  for await (const leaves of batches(options.from, start, head.size)) {
    signal?.throwIfAborted()
    const hashed = hashLeaves(leaves)
    const tiles = growTiles(tree, hashed)
    if (tree.size > head.size) throw tooMany(head)
    const isLast = tree.size === head.size
    if (isLast) mustBeRoot(tree, head)
    await to.commit({
      previousSize: before,
      head: isLast
        ? head
        : { size: tree.size, root: rootOfEdge(tree.rightEdge()), checkpoint: UNSIGNED },
      bundles: bundleRuns(before, hashed),
      tiles,
      leafHashes: hashed.hashes,
      idempotency: await records.take(isLast ? Number.POSITIVE_INFINITY : hashed.count),
    })
    before = tree.size
    progress(before)
  }
  if (before === head.size && start < head.size) return
  if (before < head.size) {
    throw new CairnError('VERIFICATION_FAILED', `the source has ${before} of ${head.size} entries`)
  }
  if (stored !== undefined && equal(stored.checkpoint, head.checkpoint)) return
  mustBeRoot(tree, head)
  await to.commit({
    previousSize: before,
    head,
    bundles: [],
    tiles: [],
    leafHashes: new Uint8Array(),
    idempotency: await records.take(Number.POSITIVE_INFINITY),
  })
}

/**
 * Reads all of a store's tree again, and recomputes it.
 * @throws CORRUPT with the first thing that does not fit
 */
export async function checkCopy(
  store: LogStore,
  head: StoredHead,
  progress: (leaves: number) => void = () => undefined,
  signal?: AbortSignal,
): Promise<void> {
  const faults = checkTree(storedTiles(store), head.size, {
    root: head.root,
    progress,
    ...(signal && { signal }),
  })
  for await (const { name, detail } of faults) {
    throw new CairnError('CORRUPT', `what was written cannot be read again: ${name} ${detail}`)
  }
}

async function treeIn(store: LogStore, head: StoredHead | undefined): Promise<EdgeTree> {
  if (head === undefined) return new EdgeTree()
  const tiles = storedTiles(store)
  const tree = await EdgeTree.restore(head.size, (level, tile, width) =>
    tiles.tile(level, tile, width),
  )
  if (equal(rootOfEdge(tree.rightEdge()), head.root)) return tree
  throw new CairnError('CORRUPT', 'the tiles at the destination do not give the root of its head')
}

/** Said before hours of copying, where it can be: the end of the copy would tell as well. */
async function mustBeginWith(
  { from: source, head, to }: CopyTreeOptions,
  from: TreeSize,
  tree: EdgeTree,
): Promise<void> {
  if (from > head.size) {
    throw new CairnError(
      'CONFLICT',
      `the destination has ${from} leaves, and the source ${head.size}: it is another log, or a later state of this one`,
    )
  }
  if (from === 0) {
    if ((await to.bundle(0)).length === 0) return
    throw new CairnError('CORRUPT', 'the destination has entries, but no head')
  }
  const root = await source.rootAt?.(from)
  if (root === undefined || equal(root, rootOfEdge(tree.rightEdge()))) return
  throw new CairnError(
    'CONFLICT',
    `the destination has ${from} leaves that are not the first ${from} of the source: it holds another log`,
  )
}

function tooMany({ size }: StoredHead): CairnError {
  return new CairnError('VERIFICATION_FAILED', `the source has more than ${size} entries`)
}

function mustBeRoot(tree: EdgeTree, { size, root }: StoredHead): void {
  const computed = size === 0 ? EMPTY_ROOT : rootOfEdge(tree.rightEdge())
  if (equal(computed, root)) return
  throw new CairnError(
    'VERIFICATION_FAILED',
    `the ${size} entries of the source do not give the root that its checkpoint signs; run cairn audit on it`,
  )
}

/** The leaves from one size to another, as many as go into one commit. */
async function* batches(
  source: TreeToCopy,
  from: TreeSize,
  to: TreeSize,
): AsyncGenerator<Uint8Array[]> {
  let leaves: Uint8Array[] = []
  let bytes = 0
  if (from === to) return
  for await (const entries of source.entries(from)) {
    for (const entry of entries) {
      if (leaves.length === COMMIT.leaves || (bytes > 0 && bytes + entry.length > COMMIT.bytes)) {
        yield leaves
        leaves = []
        bytes = 0
      }
      leaves.push(entry)
      bytes += entry.length
    }
  }
  if (leaves.length > 0) yield leaves
}

/** The tree of so many leaves that a source has. */
export function treeOf(source: TileSource, size: TreeSize): TreeToCopy {
  return {
    entries: (from) => entriesFrom(source, from, size),
    rootAt: (smaller) => rootFromTiles(source, smaller),
  }
}

/** The entries of each bundle, in order, with the next bundles on their way. */
async function* entriesFrom(
  source: TileSource,
  from: TreeSize,
  to: TreeSize,
): AsyncGenerator<Uint8Array[]> {
  const last = Math.ceil(to / TILE_WIDTH)
  const coming: Promise<Uint8Array[]>[] = []
  const ask = async (bundle: number): Promise<Uint8Array[]> => {
    const width = bundleWidth(bundle, to)
    const entries = decodeBundle(await source.bundle(bundle, width), width)
    return entries.slice(Math.max(0, from - bundle * TILE_WIDTH))
  }
  let next = Math.floor(from / TILE_WIDTH)
  for (let bundle = next; bundle < last && from < to; bundle++) {
    while (next < last && coming.length < AHEAD) {
      const asked = ask(next++)
      // Whoever takes it hears of its failure; when an earlier one ends the copy, nobody does.
      asked.catch(() => undefined)
      coming.push(asked)
    }
    yield await coming.shift()!
  }
}

/** Records that the store does not have yet, some at a time. */
function pending(records: AsyncIterable<IdempotencyRecord> | undefined, store?: LogStore) {
  const rest = records?.[Symbol.asyncIterator]()
  return {
    async take(count: number): Promise<IdempotencyRecord[]> {
      const taken: IdempotencyRecord[] = []
      while (rest !== undefined && taken.length < count) {
        const { done, value } = await rest.next()
        if (done === true) break
        if ((await store?.idempotency(value.key)) === undefined) taken.push(value)
      }
      return taken
    },
  }
}
