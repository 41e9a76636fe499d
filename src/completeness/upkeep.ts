/**
 * Keeps the map of a log: follows the log, takes the terms of its records into the blocks of the map, and commits to the
 * map by entries of the log. All it stores can be made again, so it goes on after a crash wherever it is. One thing is done
 * after the other.
 */
import { randomBytes } from 'node:crypto'
import { equal } from '../bytes.ts'
import { CairnError, messageOf, reasonOf } from '../errors.ts'
import type { CompletenessProof } from '../formats/completeness.ts'
import { formatMapRoot, isVoid } from '../formats/completeness-root.ts'
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
import { EMPTY_ROOT } from '../merkle/hash.ts'
import type { TreeSize } from '../merkle/position.ts'
import type { IndexStore } from '../storage/index-port.ts'
import { type MapAt, MapBlocks } from './blocks.ts'
import { Hearsay } from './hearsay.ts'
import { entriesOf, keyInLog, type MapLog, treeRoot } from './log-entries.ts'
import type {
  CommittedMap,
  CompletenessEvent,
  CompletenessService,
  CompletenessStatistics,
} from './service.ts'
import { readState, stateEntry } from './stored-map.ts'

export interface CompletenessOptions {
  readonly log: MapLog
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
/** Entries that somebody who asks for a map root waits for. */
const MAX_BEHIND = 65_536
/** Map roots that proofs can be had of. */
const KEPT_ROOTS = 3

/**
 * Opens the map of a log, which goes on following it by itself. What is stored of another log, or is damaged, is dropped.
 * @throws DISK_FULL, IO
 */
export async function openCompleteness(options: CompletenessOptions): Promise<CompletenessService> {
  const { log, store, onEvent = () => undefined } = options
  let blocks: MapBlocks | undefined
  try {
    blocks = await storedBlocks(log, store)
  } catch (error) {
    const isUseless =
      error instanceof CairnError && (error.code === 'CORRUPT' || error.code === 'NEWER_FORMAT')
    if (!isUseless) throw error
    onEvent({ event: 'map-discarded', reason: error.message })
  }
  const upkeep = new MapUpkeep(options, blocks ?? (await newBlocks(log, store)))
  upkeep.start()
  return upkeep
}

/** The map as it is stored, or undefined when there is none of this log. @throws CORRUPT, NEWER_FORMAT, IO */
async function storedBlocks(log: MapLog, store: IndexStore): Promise<MapBlocks | undefined> {
  const state = await readState(store)
  if (state === undefined || state.next > log.head().size) return undefined
  const { key, next, newest, tree } = state
  if (!equal(await treeRoot(log, next), tree)) return undefined
  if (newest !== undefined) {
    const { origin } = log
    const { size, root } = newest
    const leaf = await log.entry(newest.entry)
    const isThere = leaf !== undefined && equal(leaf, formatMapRoot({ origin, size, root, key }))
    if (!isThere) return undefined
  }
  return MapBlocks.open(store, state)
}

async function newBlocks(log: MapLog, store: IndexStore): Promise<MapBlocks> {
  await store.clear()
  const key = (await keyInLog(log)) ?? new Uint8Array(randomBytes(MAP_KEY_SIZE))
  const state = { key, next: 0, newest: undefined, tree: EMPTY_ROOT }
  await store.write({ put: [stateEntry(state)], durable: true })
  return MapBlocks.open(store, state)
}

class MapUpkeep implements CompletenessService {
  readonly #options: CompletenessOptions
  readonly #blocks: MapBlocks
  readonly #hearsay = new Hearsay()
  /** The entries of the newest map root, and whether there may have been records since. */
  #committedSize: number
  #hasNews: boolean
  /** The newest map roots, the oldest first. */
  #kept: (CommittedMap & MapAt)[] = []
  /** What is under way, which the next waits for. */
  #busy: Promise<unknown> = Promise.resolve()
  #following = false
  /** A log without records is not read. */
  #isNeeded: boolean
  #failure: unknown
  #roundMs: number | undefined
  /** Whether the last root did not get into the log. */
  #lateRoot = false
  #isClosed = false
  #timers: NodeJS.Timeout[] = []

  constructor(options: CompletenessOptions, blocks: MapBlocks) {
    this.#options = options
    this.#blocks = blocks
    const { next, newest } = blocks
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
    const { next } = this.#blocks
    return {
      next,
      committed: newest && { size: newest.size, entry: newest.entry },
      lag: this.#isNeeded ? Math.max(0, this.#options.log.head().size - next) : 0,
      rootSize: this.#blocks.newest?.size ?? 0,
      roundMs: this.#roundMs,
      isFailing: this.#failure !== undefined || this.#lateRoot,
    }
  }

  hear(
    from: number,
    to: number,
    records: readonly { readonly index: number; readonly record: RecordLeaf }[],
  ): void {
    if (to <= this.#blocks.next) return
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
      const started = performance.now()
      this.#isNeeded = true
      if (size - this.#blocks.next > MAX_BEHIND) {
        this.#follow()
        throw new CairnError('OVERLOADED', 'the map of the log is being made; try again later')
      }
      await this.#takeIn(size)
      const newest = this.#kept.at(-1)
      if (newest === undefined || this.#hasNews) return this.#commit(started)
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
      const { key } = this.#blocks
      const blocks = await this.#blocks.prove(kept, termKey(key, term))
      return { term, entry: kept.entry, size: kept.size, root: kept.root, key, inclusion, blocks }
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
    if (this.#blocks.next >= log.head().size) return
    this.#following = true
    // In parts, so that who asks meanwhile need not wait for all of it.
    const until = Math.min(log.head().size, this.#blocks.blockEnd)
    this.#alone(() => this.#takeIn(until))
      .then(
        () => this.#blocks.next - this.#committedSize >= everyEntries && this.#commitByItself(),
        () => undefined,
      )
      .finally(() => {
        this.#following = false
        this.#follow()
      })
  }

  #commitByItself(): void {
    if (!this.#isNeeded || this.#isClosed || this.#failure !== undefined) return
    if (!this.#hasNews && this.#blocks.next >= this.#options.log.head().size) return
    this.#alone(async () => {
      const started = performance.now()
      await this.#takeIn(this.#options.log.head().size)
      if (this.#hasNews) await this.#commit(started)
    }).catch((error: unknown) => {
      if (this.#isClosed) return
      this.#lateRoot = true
      this.#options.onEvent?.({ event: 'map-root-failed', reason: messageOf(error) })
    })
  }

  async #takeIn(size: number): Promise<void> {
    try {
      await this.#takeInMore(size)
    } catch (error) {
      // What is in memory may be ahead of what is stored. After a restart it is not.
      this.#failure = error
      this.#options.onEvent?.({ event: 'map-failed', ...reasonOf(error) })
      throw error
    }
  }

  async #takeInMore(size: number): Promise<void> {
    const { log } = this.#options
    const blocks = this.#blocks
    while (blocks.next < size) {
      const { next } = blocks
      const heard = this.#hearsay.take(next, Math.min(size, blocks.blockEnd))
      if (heard !== undefined)
        for (const { index, terms } of heard.entries) this.#list(index, terms)
      const to = heard?.to ?? Math.min(size, (Math.floor(next / TILE_WIDTH) + 1) * TILE_WIDTH)
      if (heard === undefined) {
        for (const [i, leaf] of (await entriesOf(log, next, to)).entries()) {
          const record = listedRecord(leaf)
          if (record !== undefined) this.#list(next + i, termsOf(record))
        }
      }
      await blocks.reach(to, (first) => treeRoot(log, first))
    }
  }

  #list(index: number, terms: readonly MapTerm[]): void {
    this.#blocks.list(index, terms)
    this.#isNeeded = true
    if (index >= this.#committedSize) this.#hasNews = true
  }

  /** Puts the root of the map as it is into the log, in a round that was begun then. */
  async #commit(started: number): Promise<CommittedMap> {
    const { log } = this.#options
    const { key, next } = this.#blocks
    if (next === 0) throw new CairnError('NOT_FOUND', 'there is no map of no entries')
    const map = await this.#blocks.at()
    const { size, root } = map
    const leaf = formatMapRoot({ origin: log.origin, size, root, key })
    const { leaves } = await log.submit([leaf], { ownStatement: true })
    const entry = leaves[0]!.index
    this.#committedSize = size
    if (isVoid(entry, size)) {
      const late = `the root of the map of ${size} came too late, as entry ${entry}`
      throw new CairnError('OVERLOADED', late)
    }
    this.#hasNews = false
    this.#kept = [...this.#kept, { ...map, entry }].slice(-KEPT_ROOTS)
    await this.#blocks.note({ size, entry, root }, this.#kept[0]!.size)
    this.#roundMs = performance.now() - started
    this.#lateRoot = false
    return { size, entry }
  }
}
