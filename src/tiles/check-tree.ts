/**
 * Recomputes a whole tree from its entries and compares every tile of every level with what comes out, in one pass
 * from left to right that holds one tile a level. A fault does not end the pass: where an entry and a tile disagree,
 * the tree above decides which of the two is wrong, and the pass goes on with the other.
 */
import { equal } from '../bytes.ts'
import { malformed } from '../errors.ts'
import { TILE_WIDTH } from '../formats/tile.ts'
import { HASH_SIZE, hashLeaf, type NodeHash, type RootHash } from '../merkle/hash.ts'
import { shiftRight, type TreeSize } from '../merkle/position.ts'
import { TILE_HEIGHT, tileWidth } from './geometry.ts'
import { type LeafGroup, readGroups } from './leaf-groups.ts'
import { foldHashes } from './proofs.ts'
import { tileOutcome } from './read-outcome.ts'
import type { TileSource } from './source.ts'
import { hashAt, levelsAt, OpenTile, placeOf, rootOfEdge, type TreePlace } from './tree-place.ts'

export interface TreeFault {
  readonly kind: 'entry' | 'bundle' | 'tile'
  /** Which one: `entry 5`, `bundle 0`, `tile 1/0`, `tile 1/0 hash 3`. */
  readonly name: string
  /** What is wrong with it. */
  readonly detail: string
}

export interface CheckTreeOptions {
  /** The root that the tree should have. It settles which is wrong where the last tile and the entries disagree. */
  readonly root?: RootHash
  /** Smaller sizes whose roots are wanted as well. */
  readonly earlier?: readonly TreeSize[]
  /** Bundles asked for ahead of the one at hand. */
  readonly concurrency?: number
  /** Given the root of each of them, as soon as it is known. */
  readonly onEarlier?: (size: number, root: RootHash) => void
  /** Given the leaf hashes of each bundle, in order, as far as they are settled. */
  readonly onLeaves?: (first: number, leafHashes: Uint8Array) => void | Promise<void>
  /** Given the entries of each bundle that could be read, in order, before their hashes are settled. */
  readonly onEntries?: (first: number, entries: readonly Uint8Array[]) => void
  /**
   * Told how many entries are behind, and where the pass stands, from which a later one can go on. `place` is to be
   * called at once. It gives nothing while something is missing that no other value replaces, and at the last entries when they fill no bundle.
   */
  readonly progress?: (entries: number, place: () => TreePlace | undefined) => void
  /** Goes on from there. Roots of earlier sizes than its own are not recomputed. @throws MALFORMED when it is none */
  readonly from?: TreePlace
  readonly signal?: AbortSignal
}

export interface CheckedTree {
  /** The root as recomputed; undefined when something is missing that no other value replaces. */
  readonly root: RootHash | undefined
  /** The roots of the earlier sizes that were asked for, as far as they could be recomputed. */
  readonly earlier: ReadonlyMap<number, RootHash>
  /** Bytes of all entries together, from where the pass began. */
  readonly bytes: number
}

/**
 * Yields what is wrong with the tree of `size` leaves in `source`, and returns its root as recomputed.
 * @throws whatever the source throws that is not about the data, such as IO; the signal's reason
 */
export async function* checkTree(
  source: TileSource,
  size: TreeSize,
  options: CheckTreeOptions = {},
): AsyncGenerator<TreeFault, CheckedTree> {
  const { from } = options
  const behind = from?.size ?? 0
  if (behind > size) throw malformed(`a tree of ${size} leaves cannot be checked from ${behind} on`)
  const levels = from === undefined ? [] : levelsAt(from)
  const wanted = [...(options.earlier ?? [])].filter((mark) => mark <= size && mark >= behind)
  const earlier = new Map<number, RootHash>()
  const found = (mark: number, root: RootHash): void => {
    earlier.set(mark, root)
    options.onEarlier?.(mark, root)
  }
  let bytes = 0
  let edge: Uint8Array | undefined = new Uint8Array()

  for await (const group of readGroups(
    source,
    size,
    behind / TILE_WIDTH,
    options.concurrency ?? 8,
  )) {
    options.signal?.throwIfAborted()
    const first = group.bundle * TILE_WIDTH
    let computed: Uint8Array | undefined
    if ('value' in group.entries) {
      computed = new Uint8Array(group.width * HASH_SIZE)
      for (const [i, entry] of group.entries.value.entries()) {
        computed.set(hashLeaf(entry), i * HASH_SIZE)
        bytes += entry.length
      }
      options.onEntries?.(first, group.entries.value)
    }
    const hashes = yield* settleLeaves(source, size, group, {
      computed,
      levels,
      root: options.root,
    })
    if (hashes !== undefined) await options.onLeaves?.(first, hashes)
    for (const mark of wanted) {
      if (mark < first || mark >= first + TILE_WIDTH || hashes === undefined) continue
      const root = rootOfEdge(levels, hashes.subarray(0, (mark - first) * HASH_SIZE))
      if (root !== undefined) found(mark, root)
    }
    if (group.width < TILE_WIDTH) edge = hashes
    else yield* raise(source, size, levels, hashes && foldHashes(hashes, 0, TILE_WIDTH))
    const done = first + group.width
    options.progress?.(done, () => placeOf(done, levels))
  }

  for (const [i, level] of levels.entries()) {
    if (level.count > 0) yield* compareTile(source, size, i + 1, level)
  }
  const root = edge && rootOfEdge(levels, edge)
  if (root !== undefined && wanted.includes(size)) found(size, root)
  return { root, earlier, bytes }
}

/** How many entries of a bundle with broken framing are still as the tile has them. */
function readableEntries(framed: Uint8Array, stored: Uint8Array): number {
  let at = 0
  for (let i = 0; i < stored.length / HASH_SIZE; i++) {
    const end = at + 2 + framed[at]! * 256 + framed[at + 1]!
    // Past the end of the bytes `end` is not a number, and the comparison false.
    if (!(end <= framed.length)) return i
    if (!equal(hashLeaf(framed.subarray(at + 2, end)), hashAt(stored, i))) return i
    at = end
  }
  return stored.length / HASH_SIZE
}

/** Compares the leaf hashes of a group with its tile, and returns the ones to go on with. */
async function* settleLeaves(
  source: TileSource,
  size: TreeSize,
  group: LeafGroup,
  known: {
    readonly computed: Uint8Array | undefined
    readonly levels: readonly OpenTile[]
    readonly root: RootHash | undefined
  },
): AsyncGenerator<TreeFault, Uint8Array | undefined> {
  const { bundle, width } = group
  const { computed } = known
  const stored = 'value' in group.tile ? group.tile.value : undefined
  if ('fault' in group.entries) {
    const good = 'value' in group.framed && stored ? readableEntries(group.framed.value, stored) : 0
    const [first, last] = [bundle * TILE_WIDTH + good, bundle * TILE_WIDTH + width - 1]
    const which = good >= width ? 'after its last entry' : `entries ${first} to ${last}`
    yield { kind: 'bundle', name: `bundle ${bundle}`, detail: `${which}: ${group.entries.fault}` }
  }
  if ('fault' in group.tile) {
    yield { kind: 'tile', name: `tile 0/${bundle}`, detail: group.tile.fault }
  }
  if (computed === undefined || stored === undefined) return computed ?? stored
  if (equal(computed, stored)) return computed

  const side = await whichIsRight(source, size, group, { ...known, computed, stored })
  for (let i = 0; i < width; i++) {
    if (equal(hashAt(computed, i), hashAt(stored, i))) continue
    const index = bundle * TILE_WIDTH + i
    if (side === 'entries') {
      const name = `tile 0/${bundle} hash ${i}`
      yield { kind: 'tile', name, detail: `is not the hash of entry ${index}` }
    } else {
      const detail =
        side === 'tile'
          ? `does not hash to what tile 0/${bundle} and the tree above commit to`
          : `does not hash to what tile 0/${bundle} holds for it`
      yield { kind: 'entry', name: `entry ${index}`, detail }
    }
  }
  return side === 'tile' ? stored : computed
}

/** Whether the tree above a group agrees with its entries or with its tile; undefined when with neither. */
async function whichIsRight(
  source: TileSource,
  size: TreeSize,
  group: LeafGroup,
  known: {
    readonly computed: Uint8Array
    readonly stored: Uint8Array
    readonly levels: readonly OpenTile[]
    readonly root: RootHash | undefined
  },
): Promise<'entries' | 'tile' | undefined> {
  let judge: Uint8Array | undefined
  let rootOf: (hashes: Uint8Array) => Uint8Array | undefined
  if (group.width === TILE_WIDTH) {
    const parent = shiftRight(group.bundle, TILE_HEIGHT)
    const above = await tileOutcome(source, 1, parent, tileWidth(1, parent, size))
    judge = 'value' in above ? hashAt(above.value, group.bundle % TILE_WIDTH) : undefined
    rootOf = (hashes) => foldHashes(hashes, 0, TILE_WIDTH)
  } else {
    judge = known.root
    rootOf = (hashes) => rootOfEdge(known.levels, hashes)
  }
  if (judge === undefined) return undefined
  const agrees = (hashes: Uint8Array): boolean => {
    const root = rootOf(hashes)
    return root !== undefined && equal(root, judge)
  }
  if (agrees(known.computed)) return 'entries'
  return agrees(known.stored) ? 'tile' : undefined
}

/** Adds the root of a full leaf tile to level 1, closing full tiles upwards. */
async function* raise(
  source: TileSource,
  size: TreeSize,
  levels: OpenTile[],
  hash: NodeHash | undefined,
): AsyncGenerator<TreeFault, void> {
  let carried = hash
  for (let i = 0; ; i++) {
    const level = levels[i] ?? new OpenTile()
    levels[i] = level
    level.push(carried)
    if (level.count < TILE_WIDTH) return
    yield* compareTile(source, size, i + 1, level)
    carried = level.isKnown() ? foldHashes(level.hashes, 0, TILE_WIDTH) : undefined
    level.tile++
    level.count = 0
  }
}

/** Compares a tile with what was recomputed, and takes from it what could not be. */
async function* compareTile(
  source: TileSource,
  size: TreeSize,
  height: number,
  open: OpenTile,
): AsyncGenerator<TreeFault, void> {
  const name = `tile ${height}/${open.tile}`
  const stored = await tileOutcome(source, height, open.tile, tileWidth(height, open.tile, size))
  if ('fault' in stored) {
    yield { kind: 'tile', name, detail: stored.fault }
    return
  }
  for (let i = 0; i < open.count; i++) {
    const hash = hashAt(stored.value, i)
    if (open.known[i] === 0) {
      open.hashes.set(hash, i * HASH_SIZE)
      open.known[i] = 1
    } else if (!equal(hash, hashAt(open.hashes, i))) {
      const detail = `is not the root of tile ${height - 1}/${open.tile * TILE_WIDTH + i}`
      yield { kind: 'tile', name: `${name} hash ${i}`, detail }
    }
  }
}
