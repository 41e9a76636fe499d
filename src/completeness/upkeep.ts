/**
 * Keeps the map of a log: follows the log, takes the terms of its records into the block at hand, stores blocks that are
 * complete, and commits to the map by entries of the log. All it stores can be made again, so it goes on after a crash
 * wherever it is.
 *
 * One thing after the other; where one takes longer, it lets others go before it, for the log runs on the same thread.
 */
import { randomBytes } from 'node:crypto'
import { setImmediate as nextTurn } from 'node:timers/promises'
import { equal } from '../bytes.ts'
import { CairnError, messageOf } from '../errors.ts'
import { decodeBundle } from '../formats/bundle.ts'
import type { BlockProof, CompletenessProof } from '../formats/completeness.ts'
import {
  type Block,
  blocksOf,
  LARGE_BLOCK,
  mapRoot,
  SMALL_BLOCK,
} from '../formats/completeness-blocks.ts'
import { BlockBuilder } from '../formats/completeness-builder.ts'
import {
  mergePages,
  nodeOfPages,
  PAGES,
  type PageTerm,
  pageNode,
} from '../formats/completeness-page.ts'
import {
  formatMapRoot,
  isMapRoot,
  isVoid,
  type MapRoot,
  parseMapRoot,
} from '../formats/completeness-root.ts'
import {
  checkTerm,
  listedRecord,
  MAP_KEY_SIZE,
  type MapTerm,
  termKey,
  termsOf,
} from '../formats/completeness-terms.ts'
import type { RecordLeaf } from '../formats/record.ts'
import { TILE_WIDTH } from '../formats/tile.ts'
import type { LogService } from '../log/service.ts'
import { EMPTY_ROOT, type NodeHash, type RootHash } from '../merkle/hash.ts'
import { type TreeSize, treeSize } from '../merkle/position.ts'
import type { PrefixNode } from '../merkle/prefix-map.ts'
import type { IndexEntry, IndexStore } from '../storage/index-port.ts'
import { rootFromTiles } from '../tiles/proofs.ts'
import { Hearsay } from './hearsay.ts'
import { pagesAtHand, proveBlock } from './prove-block.ts'
import type {
  CommittedMap,
  CompletenessEvent,
  CompletenessService,
  CompletenessStatistics,
} from './service.ts'
import {
  dropSmallBlocks,
  type MapState,
  type NewestRoot,
  nodesEntry,
  pageEntries,
  readNodes,
  readPages,
  readState,
  stateEntry,
} from './stored-map.ts'

export interface CompletenessOptions {
  readonly log: Pick<
    LogService,
    'origin' | 'head' | 'submit' | 'entry' | 'bundle' | 'tile' | 'inclusionProof'
  >
  readonly store: IndexStore
  readonly onEvent?: (event: CompletenessEvent) => void
  /** How often the log commits to its map, when there are new records; 0 for when it is asked only. Five minutes unless told otherwise. */
  readonly everyMs?: number
  /** Entries after which it does so anyway; 65,536 unless told otherwise. */
  readonly everyEntries?: number
}

const EVERY_MS = 300_000
const EVERY_ENTRIES = 65_536
/** How often it is looked whether the log has grown. */
const LOOK_MS = 2_000
/** Pages that are hashed, or put together, before others have their turn. */
const PAGES_A_TURN = 16
/** Entries that somebody who asks for a map root waits for. */
const MAX_BEHIND = 65_536
/** Map roots that proofs can be had of. */
const KEPT_ROOTS = 3

/** A map root, with the part of its map that is not stored. */
interface Kept extends CommittedMap {
  readonly root: RootHash
  /** The block that had only begun, by its pages; undefined when there was none. */
  readonly begun:
    | { readonly nodes: readonly PrefixNode[]; readonly pages: readonly (readonly PageTerm[])[] }
    | undefined
}

/**
 * Opens the map of a log, which goes on following it by itself. What is stored of another log, or is damaged, is dropped.
 * @throws DISK_FULL, IO
 */
export async function openCompleteness(options: CompletenessOptions): Promise<CompletenessService> {
  const { log, store, onEvent = () => undefined } = options
  let upkeep: MapUpkeep | undefined
  try {
    upkeep = await stored(options)
  } catch (error) {
    const isUseless =
      error instanceof CairnError && (error.code === 'CORRUPT' || error.code === 'NEWER_FORMAT')
    if (!isUseless) throw error
    onEvent({ event: 'map-discarded', reason: error.message })
  }
  if (upkeep === undefined) {
    await store.clear()
    const key = (await keyInLog(log)) ?? new Uint8Array(randomBytes(MAP_KEY_SIZE))
    const state = { key, next: 0, newest: undefined, tree: EMPTY_ROOT }
    await store.write({ put: [stateEntry(state)], durable: true })
    upkeep = new MapUpkeep(options, state, { large: [], small: [] })
  }
  upkeep.start()
  return upkeep
}

/** The map as it is stored, or undefined when there is none of this log. @throws CORRUPT, NEWER_FORMAT, IO */
async function stored(options: CompletenessOptions): Promise<MapUpkeep | undefined> {
  const { log, store } = options
  const state = await readState(store)
  if (state === undefined || state.next > log.head().size) return undefined
  const { key, next, newest, tree } = state
  if (!equal(await treeRoot(log, next), tree)) return undefined
  if (newest !== undefined) {
    const { origin } = log
    const { size, root } = newest
    const leaf = await log.entry(newest.entry)
    if (leaf === undefined || !equal(leaf, formatMapRoot({ origin, size, root, key })))
      return undefined
  }
  const large: NodeHash[] = []
  const small: NodeHash[] = []
  for (const block of blocksOf(treeSize(next))) {
    const isLarge = block.end - block.start === LARGE_BLOCK
    ;(isLarge ? large : small).push(nodeOfPages(await readNodes(store, block)).hash)
  }
  return new MapUpkeep(options, state, { large, small })
}

/** The key in the newest map root of a log, if it has any: without what was stored, it is found nowhere else. */
async function keyInLog(log: CompletenessOptions['log']): Promise<Uint8Array | undefined> {
  const { size } = log.head()
  for (let end: number = size; end > 0; ) {
    const first = Math.floor((end - 1) / TILE_WIDTH) * TILE_WIDTH
    const leaves = await entriesOf(log, first, end)
    for (const leaf of leaves.filter(isMapRoot).reverse()) {
      const said = readMapRoot(leaf)
      if (said?.origin === log.origin) return said.key
    }
    end = first
  }
  return undefined
}

/** A map root, or undefined when it is one of a version that is not known here. */
function readMapRoot(leaf: Uint8Array): MapRoot | undefined {
  try {
    return parseMapRoot(leaf)
  } catch (error) {
    if (error instanceof CairnError) return undefined
    throw error
  }
}

/** The root hash of the tree of the first entries of a log. @throws NOT_FOUND, CORRUPT, IO */
function treeRoot(log: CompletenessOptions['log'], size: number): Promise<RootHash> {
  const missing = (): never => {
    throw new CairnError('CORRUPT', `the log has lost tiles of its first ${size} entries`)
  }
  const source = {
    tile: async (level: number, tile: number, width: number) =>
      (await log.tile(level, tile, width)) ?? missing(),
    bundle: async (bundle: number, width: number) => (await log.bundle(bundle, width)) ?? missing(),
  }
  return rootFromTiles(source, treeSize(size))
}

/** The entries of a range within one bundle. @throws CORRUPT, IO */
async function entriesOf(
  log: CompletenessOptions['log'],
  from: number,
  to: number,
): Promise<readonly Uint8Array[]> {
  const bundle = Math.floor(from / TILE_WIDTH)
  const first = bundle * TILE_WIDTH
  const framed = await log.bundle(bundle, to - first)
  if (framed === undefined) {
    throw new CairnError('CORRUPT', `the log has lost entries from ${first} on`)
  }
  return decodeBundle(framed, to - first).slice(from - first)
}

class MapUpkeep implements CompletenessService {
  readonly #options: CompletenessOptions
  readonly #key: Uint8Array
  readonly #hearsay = new Hearsay()
  readonly #large: NodeHash[]
  #small: NodeHash[]
  #builder: BlockBuilder
  /** The entries taken in. */
  #next: number
  /** As it is stored. */
  #newest: NewestRoot | undefined
  #tree: RootHash
  /** The entries of the newest map root, and whether there may have been records since. */
  #committedSize = 0
  #hasNews = false
  /** The newest map roots, the oldest first. */
  #kept: Kept[] = []
  #dropped = 0
  /** What is under way, which the next waits for. */
  #busy: Promise<unknown> = Promise.resolve()
  #following = false
  /** A log without records is not read. */
  #isNeeded: boolean
  #failure: unknown
  #isClosed = false
  #timers: NodeJS.Timeout[] = []

  constructor(
    options: CompletenessOptions,
    { key, next, newest, tree }: MapState,
    { large, small }: { readonly large: NodeHash[]; readonly small: NodeHash[] },
  ) {
    this.#options = options
    this.#key = key
    this.#next = next
    this.#newest = newest
    this.#tree = tree
    this.#large = large
    this.#small = small
    this.#builder = new BlockBuilder(key)
    this.#committedSize = newest?.size ?? 0
    this.#hasNews = next > this.#committedSize
    this.#isNeeded = next > 0 || newest !== undefined
  }

  start(): void {
    const { everyMs = EVERY_MS } = this.#options
    this.#timers = [setInterval(() => this.#follow(), LOOK_MS).unref()]
    if (everyMs > 0) {
      this.#timers.push(setInterval(() => this.#commitByItself(), everyMs).unref())
    }
    this.#follow()
  }

  statistics(): CompletenessStatistics {
    const newest = this.#kept.at(-1)
    return { next: this.#next, committed: newest && { size: newest.size, entry: newest.entry } }
  }

  hear(
    from: number,
    to: number,
    records: readonly { readonly index: number; readonly record: RecordLeaf }[],
  ): void {
    if (to <= this.#next) return
    if (records.length > 0) this.#isNeeded = true
    const entries = records.map(({ index, record }) => ({ index, terms: termsOf(record) }))
    this.#hearsay.keep(from, to, entries)
    this.#follow()
  }

  async settled(): Promise<void> {
    const { size } = this.#options.log.head()
    await this.#alone(() => this.#takeIn(size))
  }

  committed(): Promise<CommittedMap> {
    return this.#alone(async () => {
      const { size } = this.#options.log.head()
      this.#isNeeded = true
      if (size - this.#next > MAX_BEHIND) {
        this.#follow()
        throw new CairnError('OVERLOADED', 'the map of the log is being made; try again later')
      }
      await this.#takeIn(size)
      const newest = this.#kept.at(-1)
      if (newest === undefined || this.#hasNews) return this.#commit()
      return { size: newest.size, entry: newest.entry }
    })
  }

  prove(term: MapTerm, map: CommittedMap, size: TreeSize): Promise<CompletenessProof> {
    return this.#alone(async () => {
      checkTerm(term)
      const kept = this.#kept.find(({ entry }) => entry === map.entry)
      if (kept === undefined) {
        throw new CairnError('OVERLOADED', 'the log has newer maps by now; ask again')
      }
      const inclusion = await this.#options.log.inclusionProof(kept.entry, size)
      const key = termKey(this.#key, term)
      const blocks: BlockProof[] = []
      for (const block of blocksOf(kept.size)) blocks.push(await this.#proveIn(block, kept, key))
      const { entry, root } = kept
      return { term, entry, size: kept.size, root, key: this.#key, inclusion, blocks }
    })
  }

  async close(): Promise<void> {
    this.#isClosed = true
    for (const timer of this.#timers) clearInterval(timer)
    await this.#busy
  }

  /** One thing after the other. */
  #alone<T>(work: () => Promise<T>): Promise<T> {
    const done = this.#busy.then(() => {
      if (this.#failure !== undefined) throw this.#failure
      if (this.#isClosed) throw new CairnError('STOPPED', 'the log is shutting down')
      return work()
    })
    this.#busy = done.catch(() => undefined)
    return done
  }

  #follow(): void {
    if (!this.#isNeeded || this.#following || this.#isClosed) return
    if (this.#failure !== undefined) return
    const { log, everyEntries = EVERY_ENTRIES } = this.#options
    if (this.#next >= log.head().size) return
    this.#following = true
    // In parts, so that who asks meanwhile need not wait for all of it.
    const until = Math.min(log.head().size, this.#blockEnd())
    this.#alone(() => this.#takeIn(until))
      .then(
        () => this.#next - this.#committedSize >= everyEntries && this.#commitByItself(),
        () => undefined,
      )
      .finally(() => {
        this.#following = false
        this.#follow()
      })
  }

  #commitByItself(): void {
    if (!this.#isNeeded || this.#isClosed || this.#failure !== undefined) return
    if (!this.#hasNews && this.#next >= this.#options.log.head().size) return
    this.#alone(async () => {
      await this.#takeIn(this.#options.log.head().size)
      if (this.#hasNews) await this.#commit()
    }).catch((error: unknown) => {
      if (this.#isClosed) return
      this.#options.onEvent?.({ event: 'map-root-failed', reason: messageOf(error) })
    })
  }

  #blockEnd(): number {
    return (Math.floor(this.#next / SMALL_BLOCK) + 1) * SMALL_BLOCK
  }

  async #takeIn(size: number): Promise<void> {
    try {
      await this.#takeInMore(size)
    } catch (error) {
      // What is in memory may be ahead of what is stored. After a restart it is not.
      this.#failure = error
      this.#options.onEvent?.({ event: 'map-failed', reason: messageOf(error) })
      throw error
    }
  }

  async #takeInMore(size: number): Promise<void> {
    const { log } = this.#options
    while (this.#next < size) {
      const heard = this.#hearsay.take(this.#next, Math.min(size, this.#blockEnd()))
      if (heard !== undefined) {
        for (const { index, terms } of heard.entries) this.#list(index, terms)
        this.#next = heard.to
      } else {
        const to = Math.min(size, (Math.floor(this.#next / TILE_WIDTH) + 1) * TILE_WIDTH)
        const leaves = await entriesOf(log, this.#next, to)
        for (const [i, leaf] of leaves.entries()) {
          const record = listedRecord(leaf)
          if (record !== undefined) this.#list(this.#next + i, termsOf(record))
        }
        this.#next = to
      }
      if (this.#next % SMALL_BLOCK === 0) await this.#closeBlock()
    }
  }

  #list(index: number, terms: readonly MapTerm[]): void {
    this.#builder.add(index, terms)
    this.#isNeeded = true
    if (index >= this.#committedSize) this.#hasNews = true
  }

  /** Hashes what has changed in the block at hand, page by page. */
  async #hash(): Promise<void> {
    for (let page = 0; page < PAGES; page++) {
      this.#builder.page(page)
      if (page % PAGES_A_TURN === PAGES_A_TURN - 1) await nextTurn()
    }
  }

  /** Stores the block that is complete now, and makes a large one when it is the last of it. */
  async #closeBlock(): Promise<void> {
    const { store } = this.#options
    await this.#hash()
    this.#tree = await treeRoot(this.#options.log, this.#next)
    const builder = this.#builder
    const block: Block = { start: this.#next - SMALL_BLOCK, end: this.#next }
    const put: IndexEntry[] = [nodesEntry(block, builder.nodes())]
    for (let page = 0; page < PAGES; page++)
      put.push(...pageEntries(block, page, builder.page(page)))
    const isLast = this.#next % LARGE_BLOCK === 0
    if (!isLast) put.push(this.#state())
    await store.write({ put })
    this.#small.push(builder.node().hash)
    this.#builder = new BlockBuilder(this.#key)
    if (isLast) await this.#closeLargeBlock()
  }

  async #closeLargeBlock(): Promise<void> {
    const { store } = this.#options
    const large: Block = { start: this.#next - LARGE_BLOCK, end: this.#next }
    const small = Array.from({ length: LARGE_BLOCK / SMALL_BLOCK }, (_, i): Block => {
      const start = large.start + i * SMALL_BLOCK
      return { start, end: start + SMALL_BLOCK }
    })
    const nodes: PrefixNode[] = []
    for (let page = 0; page < PAGES; page++) {
      const terms = mergePages(await readPages(store, small, page))
      nodes.push(pageNode(terms))
      await store.write({ put: pageEntries(large, page, terms) })
    }
    await store.write({ put: [nodesEntry(large, nodes), this.#state()] })
    this.#large.push(nodeOfPages(nodes).hash)
    this.#small = []
  }

  #state(): IndexEntry {
    const next = Math.floor(this.#next / SMALL_BLOCK) * SMALL_BLOCK
    return stateEntry({ key: this.#key, next, newest: this.#newest, tree: this.#tree })
  }

  /** Puts the root of the map as it is into the log. */
  async #commit(): Promise<CommittedMap> {
    const { log, store } = this.#options
    const size = treeSize(this.#next)
    if (size === 0) throw new CairnError('NOT_FOUND', 'there is no map of no entries')
    await this.#hash()
    const hasBegun = size % SMALL_BLOCK !== 0
    const nodes = this.#builder.nodes()
    const begun = hasBegun
      ? { nodes, pages: Array.from({ length: PAGES }, (_, page) => this.#builder.page(page)) }
      : undefined
    const last = hasBegun ? [nodeOfPages(nodes).hash] : []
    const root = mapRoot([...this.#large, ...this.#small, ...last])
    const leaf = formatMapRoot({ origin: log.origin, size, root, key: this.#key })
    const { leaves } = await log.submit([leaf], { ownStatement: true })
    const entry = leaves[0]!.index
    this.#committedSize = size
    if (isVoid(entry, size)) {
      throw new CairnError(
        'OVERLOADED',
        `the root of the map of ${size} came too late, as entry ${entry}`,
      )
    }
    this.#hasNews = false
    this.#newest = { size, entry, root }
    this.#kept = [...this.#kept, { size, entry, root, begun }].slice(-KEPT_ROOTS)
    await store.write({ put: [this.#state()] })
    await this.#drop()
    return { size, entry }
  }

  /** Drops what no map root that proofs can be had of needs any more. */
  async #drop(): Promise<void> {
    const needed = Math.floor(this.#kept[0]!.size / LARGE_BLOCK) * LARGE_BLOCK
    if (needed <= this.#dropped) return
    await dropSmallBlocks(this.#options.store, needed)
    this.#dropped = needed
  }

  async #proveIn(block: Block, { begun }: Kept, key: Uint8Array): Promise<BlockProof> {
    const width = block.end - block.start
    if (width !== SMALL_BLOCK && width !== LARGE_BLOCK) {
      return proveBlock(pagesAtHand(begun!.nodes, begun!.pages), key)
    }
    const { store } = this.#options
    const nodes = await readNodes(store, block)
    const page = async (which: number) => (await readPages(store, [block], which))[0]!
    return proveBlock({ nodes, page }, key)
  }
}
