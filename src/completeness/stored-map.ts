/**
 * The map as it is stored: the pages of each complete block, the nodes of the pages, and how far it is. All of it can be
 * made again from the log.
 *
 *     00                          1 ‖ key of the map[32] ‖ next[8] ‖ size[8] ‖ entry[8] ‖ root[32] ‖ tree[32]
 *     01 ‖ width ‖ number[6] ‖ page[1]   a page, unless it has no terms (formats/completeness-page.ts)
 *     02 ‖ width ‖ number[6]             256 nodes: kind[1] ‖ hash[32]
 *
 * `size`, `entry` and `root` are those of the newest map root in the log, all 0 when there is none. `tree` is the root hash
 * of the log's tree of `next` entries: blocks of another history are not gone on with. `width` is 1 of small
 * and 2 of large blocks, `number` counts blocks of a width from 0.
 */
import { join, u64 } from '../bytes.ts'
import { CairnError } from '../errors.ts'
import { type Block, LARGE_BLOCK, SMALL_BLOCK } from '../formats/completeness-blocks.ts'
import { decodePage, encodePage, PAGES, type PageTerm } from '../formats/completeness-page.ts'
import { MAP_KEY_SIZE } from '../formats/completeness-terms.ts'
import { HASH_SIZE, nodeHash, type RootHash, rootHash } from '../merkle/hash.ts'
import { type LeafIndex, leafIndex, type TreeSize, treeSize } from '../merkle/position.ts'
import { EMPTY_NODE, type PrefixNode } from '../merkle/prefix-map.ts'
import type { IndexEntry, IndexStore, KeyRange } from '../storage/index-port.ts'

const VERSION = 1
const STATE_KEY = Uint8Array.of(0)
const STATE_SIZE = 1 + MAP_KEY_SIZE + 3 * 8 + 2 * HASH_SIZE
const KINDS = ['none', 'one', 'several'] as const

export interface NewestRoot {
  readonly size: TreeSize
  readonly entry: LeafIndex
  readonly root: RootHash
}

export interface MapState {
  readonly key: Uint8Array
  /** All blocks before this entry are stored. */
  readonly next: number
  readonly newest: NewestRoot | undefined
  /** The root hash of the log's tree of `next` entries. */
  readonly tree: RootHash
}

/** A block, by its width and its number among those of that width. */
interface Place {
  readonly width: 1 | 2
  readonly number: number
}

function placeOf({ start, end }: Block): Place {
  return end - start === LARGE_BLOCK
    ? { width: 2, number: start / LARGE_BLOCK }
    : { width: 1, number: start / SMALL_BLOCK }
}

function keyOf(kind: number, { width, number }: Place, ...page: number[]): Uint8Array {
  return join([Uint8Array.of(kind, width), u64(number).subarray(2), Uint8Array.of(...page)])
}

export function stateEntry({ key, next, newest, tree }: MapState): IndexEntry {
  const { size = 0, entry = 0, root = new Uint8Array(HASH_SIZE) } = newest ?? {}
  return [
    STATE_KEY,
    join([Uint8Array.of(VERSION), key, u64(next), u64(size), u64(entry), root, tree]),
  ]
}

/** How far the map is, or undefined when nothing is stored. @throws CORRUPT, NEWER_FORMAT, IO */
export async function readState(store: IndexStore): Promise<MapState | undefined> {
  const [value] = await store.get([STATE_KEY])
  if (value === undefined) return undefined
  if (value[0] !== VERSION) {
    throw new CairnError(
      'NEWER_FORMAT',
      `the map has format ${value[0]}, this version reads ${VERSION}`,
    )
  }
  if (value.length !== STATE_SIZE) throw damaged()
  const view = new DataView(value.buffer, value.byteOffset, value.length)
  const number = (at: number): number => Number(view.getBigUint64(1 + MAP_KEY_SIZE + 8 * at))
  const [next, size, entry] = [number(0), number(1), number(2)]
  if (!Number.isSafeInteger(next) || next % SMALL_BLOCK !== 0) throw damaged()
  const root = rootHash(value.slice(-2 * HASH_SIZE, -HASH_SIZE))
  const tree = rootHash(value.slice(-HASH_SIZE))
  return {
    key: value.slice(1, 1 + MAP_KEY_SIZE),
    next,
    newest: size === 0 ? undefined : { size: treeSize(size), entry: leafIndex(entry), root },
    tree,
  }
}

function damaged(): CairnError {
  return new CairnError('CORRUPT', 'what is stored of the map is damaged')
}

export function pageKey(block: Block, page: number): Uint8Array {
  return keyOf(1, placeOf(block), page)
}

/** A page of a block, unless it has no terms. */
export function pageEntries(block: Block, page: number, terms: readonly PageTerm[]): IndexEntry[] {
  return terms.length === 0 ? [] : [[pageKey(block, page), encodePage(terms)]]
}

export function nodesEntry(block: Block, nodes: readonly PrefixNode[]): IndexEntry {
  const parts = nodes.flatMap(({ kind, hash }) => [Uint8Array.of(KINDS.indexOf(kind)), hash])
  return [keyOf(2, placeOf(block)), join(parts)]
}

/** The pages of some blocks. @throws CORRUPT, IO */
export async function readPages(
  store: IndexStore,
  blocks: readonly Block[],
  page: number,
): Promise<PageTerm[][]> {
  const pages = await store.get(blocks.map((block) => pageKey(block, page)))
  return pages.map((bytes) => (bytes === undefined ? [] : decodePage(bytes)))
}

/** The nodes of the pages of a block. @throws CORRUPT when it is not there, or damaged; IO */
export async function readNodes(store: IndexStore, block: Block): Promise<PrefixNode[]> {
  const [bytes] = await store.get([keyOf(2, placeOf(block))])
  if (bytes?.length !== PAGES * (1 + HASH_SIZE)) throw damaged()
  return Array.from({ length: PAGES }, (_, page) => {
    const at = page * (1 + HASH_SIZE)
    const kind = KINDS[bytes[at]!]
    if (kind === undefined) throw damaged()
    return kind === 'none'
      ? EMPTY_NODE
      : { kind, hash: nodeHash(bytes.slice(at + 1, at + 1 + HASH_SIZE)) }
  })
}

const DROPPED_AT_ONCE = 512

/** Removes the small blocks before an entry, which large ones have taken the place of. @throws DISK_FULL, IO, STOPPED */
export async function dropSmallBlocks(store: IndexStore, before: number): Promise<void> {
  for (const kind of [1, 2]) {
    const range: KeyRange = {
      gte: keyOf(kind, { width: 1, number: 0 }),
      lt: keyOf(kind, { width: 1, number: before / SMALL_BLOCK }),
    }
    for (;;) {
      const some = await store.scan(range, { limit: DROPPED_AT_ONCE })
      if (some.length === 0) break
      await store.write({ drop: some.map(([key]) => key) })
    }
  }
}
