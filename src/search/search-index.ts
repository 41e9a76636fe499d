/**
 * The search index: a projection of the log's records that can be dropped and built again. It takes in the records in
 * the order of the log; those of the newest segment are indexed in memory, all others in the store (tail.ts, seal.ts).
 *
 * Searching and taking in go on at once. A search sees the index as it is when it begins.
 */
import type { RecordLeaf } from '../formats/record.ts'
import { type LeafIndex, leafIndex, type TreeSize, treeSize } from '../merkle/position.ts'
import type { IndexEntry, IndexStore } from '../storage/index-port.ts'
import type { Found } from './best-by-cost.ts'
import type { IndexView } from './candidates.ts'
import type { TimeBounds } from './columns.ts'
import { formatCursor, parseCursor } from './cursor.ts'
import { find } from './find.ts'
import { forgetSubject } from './forget.ts'
import { droppedKey, rowKey, STATE_KEY, tenantId } from './keys.ts'
import { SEGMENT_WIDTH } from './positions.ts'
import { isAsked, type Plan, planOf, type SearchQuery } from './query.ts'
import { readRows } from './read-rows.ts'
import { encodeRow, rowOf, type ShownRecord } from './record-row.ts'
import { sealedEntries } from './seal.ts'
import { EMPTY_STATE, encodeState, type IndexState } from './state.ts'
import { addTo, readIndex, type StoredIndex } from './stored-index.ts'
import type { TailSegment } from './tail.ts'

/** A record of the log to take in. */
export interface IndexedRecord {
  readonly index: LeafIndex
  readonly record: RecordLeaf
  /** Keyed hashes that the record can be found by, such as of its resource; they are stored as they are. */
  readonly blindTerms?: readonly string[]
}

/** What the log holds from the index on that was the next one to take in. */
export interface IndexBatch {
  /** In order. All leaves between that are not named here are no records. */
  readonly records: readonly IndexedRecord[]
  /** The next index to take in after these. */
  readonly next: LeafIndex
}

/** A record that was found, without what only its leaf has. */
export interface FoundRecord extends ShownRecord {
  readonly index: LeafIndex
}

export interface Page {
  readonly records: readonly FoundRecord[]
  /** For the next page; undefined on the last one. */
  readonly cursor: string | undefined
  /** The entries of the log that the answer is about: those before this size. The same on every page. */
  readonly size: TreeSize
}

export interface IndexStatistics {
  readonly next: LeafIndex
  readonly records: number
  /** Records whose postings are in memory only. */
  readonly inMemory: number
  /** Bytes on stable storage. */
  readonly bytes: number | undefined
}

export interface SearchIndex {
  /** The first index of the log that was not taken in. */
  readonly next: LeafIndex
  /** The latest time of a record that was taken in, in milliseconds since 1970; undefined when there is none. */
  readonly latest: number | undefined

  /**
   * Takes in what follows. What was taken in survives the end of the process; after a loss of power the index may be
   * at an earlier `next`. It is never at a later one than what was given to it.
   * @throws RangeError when the records are not in order, or not of these indices: nothing was taken in
   * @throws DISK_FULL, IO, STOPPED
   */
  apply(batch: IndexBatch): Promise<void>

  /**
   * A page of the records that a query asks for. Pages fit together whatever is taken in meanwhile; one may hold fewer
   * records than its limit, and only one without a cursor is the last.
   * @throws MALFORMED when the cursor is not one of this query
   * @throws RangeError when a limit, time or cost makes no sense
   * @throws CORRUPT, IO, STOPPED
   */
  search(query: SearchQuery): Promise<Page>

  /**
   * Forgets, after an erasure, who the data subject of records was: they are found neither by the subject nor by any
   * blind term any more. Durable when it resolves, and then no blind term of theirs can be found in the storage. Who
   * builds the index again has to call it again, at the latest when the erasure's own record is taken in.
   * Interrupted by a crash, it has to be called again.
   * @returns how many records were changed
   * @throws DISK_FULL, IO, CORRUPT, STOPPED
   */
  dropBlindTerms(tenant: string, pseudonym: string): Promise<number>

  /** Removes everything; the next index to take in is 0. @throws DISK_FULL, IO, STOPPED */
  clear(): Promise<void>

  statistics(): Promise<IndexStatistics>
}

/** Entries of a complete segment that are made and written at a time, so that nothing else waits for long. */
const SEALED_AT_ONCE = 1000

/**
 * Opens the index that is kept in a store, or begins one.
 * @throws CORRUPT, NEWER_FORMAT when it cannot be used: empty the store to build it again
 * @throws DISK_FULL, IO
 */
export async function openSearchIndex(options: {
  readonly store: IndexStore
}): Promise<SearchIndex> {
  return new StoredSearchIndex(options.store, await readIndex(options.store))
}

class StoredSearchIndex implements SearchIndex {
  readonly #store: IndexStore
  #state: IndexState
  readonly #times: Map<number, TimeBounds>
  /** Segments from `sealed` on that have records, in order. */
  readonly #tail: Map<number, TailSegment>
  /** Counts how often everything was removed. */
  #generation = 0
  /** The newest change, which the next one waits for. */
  #changing: Promise<unknown> = Promise.resolve()

  constructor(store: IndexStore, { state, times, tail }: StoredIndex) {
    this.#store = store
    this.#state = state
    this.#times = times
    this.#tail = tail
  }

  get next(): LeafIndex {
    return leafIndex(this.#state.next)
  }

  get latest(): number | undefined {
    let latest = Number.NEGATIVE_INFINITY
    for (const times of this.#times.values()) latest = Math.max(latest, times.latest)
    for (const segment of this.#tail.values()) latest = Math.max(latest, segment.times.latest)
    return latest === Number.NEGATIVE_INFINITY ? undefined : latest
  }

  apply(batch: IndexBatch): Promise<void> {
    return this.#alone(() => this.#apply(batch))
  }

  async search(query: SearchQuery): Promise<Page> {
    const plan = planOf(query)
    for (;;) {
      const generation = this.#generation
      try {
        const page = await this.#page(plan, query.cursor)
        if (generation === this.#generation) return page
      } catch (error) {
        // What was removed meanwhile may have been missed.
        if (generation === this.#generation) throw error
      }
    }
  }

  dropBlindTerms(tenant: string, pseudonym: string): Promise<number> {
    return this.#alone(async () => {
      await this.#seal()
      const memory = { store: this.#store, sealed: this.#state.sealed, tail: this.#tail }
      const { records, ranges } = await forgetSubject(memory, { tenant, pseudonym })
      await this.#write([], this.#state, { durable: true })
      if (ranges.length > 0) await this.#store.purge(ranges)
      if (records > 0) await this.#store.write({ drop: [droppedKey(tenantId(tenant))] })
      return records
    })
  }

  clear(): Promise<void> {
    return this.#alone(async () => {
      await this.#write([], { ...EMPTY_STATE, clearing: true })
      this.#generation++
      this.#state = EMPTY_STATE
      this.#times.clear()
      this.#tail.clear()
      await this.#store.clear()
    })
  }

  async statistics(): Promise<IndexStatistics> {
    let inMemory = 0
    for (const segment of this.#tail.values()) inMemory += segment.size
    const bytes = await this.#store.usage()
    return { next: this.next, records: this.#state.records, inMemory, bytes }
  }

  async #page(plan: Plan, cursor: string | undefined): Promise<Page> {
    const { next, sealed } = this.#state
    const after = cursor === undefined ? undefined : parseCursor(cursor, plan, next)
    const below = after?.below ?? next
    const tail = new Map(this.#tail)
    const view: IndexView = { store: this.#store, sealed, times: this.#times, tail }
    const found = await find(view, plan, below, after)
    const shown = found.slice(0, plan.limit)
    const last = found.length > shown.length ? shown.at(-1) : undefined
    return {
      records: await this.#rows(plan, shown),
      cursor: last === undefined ? undefined : formatCursor({ below, ...last }, plan),
      size: treeSize(below),
    }
  }

  async #rows(plan: Plan, shown: readonly Found[]): Promise<FoundRecord[]> {
    const indices = shown.map(({ index }) => index)
    const rows = await readRows(this.#store, plan.tenant, indices)
    return rows.flatMap((row, i): FoundRecord[] => {
      // Another value of the same hash, or a subject that was forgotten since the search began.
      return isAsked(row, plan) ? [{ index: leafIndex(indices[i]!), ...row.record }] : []
    })
  }

  async #apply({ records, next }: IndexBatch): Promise<void> {
    let expected: number = this.#state.next
    const rows = records.map(({ index, record, blindTerms = [] }) => {
      if (!(leafIndex(index) >= expected && index < next)) {
        throw new RangeError(
          `expected records from ${expected} on and before ${next}, got ${index}`,
        )
      }
      expected = index + 1
      return { index, row: rowOf(record, blindTerms) }
    })
    if (leafIndex(next) < expected) throw new RangeError(`expected to go on, not back to ${next}`)
    await this.#seal()
    for (let at = 0; at < rows.length; ) {
      const segment = segmentAt(rows[at]!.index)
      const some = rows.slice(at).filter(({ index }) => segmentAt(index) === segment)
      at += some.length
      const put = some.map(({ index, row }): IndexEntry => [rowKey(index), encodeRow(row)])
      const state = {
        ...this.#state,
        next: Math.min(next, (segment + 1) * SEGMENT_WIDTH),
        records: this.#state.records + some.length,
      }
      await this.#write(put, state, {
        written: () => {
          for (const { index, row } of some) addTo(this.#tail, index, row)
        },
      })
      await this.#seal()
    }
    if (this.#state.next < next) await this.#write([], { ...this.#state, next })
    await this.#seal()
  }

  /** Stores the postings of the segments that are complete. */
  async #seal(): Promise<void> {
    const complete = Math.floor(this.#state.next / SEGMENT_WIDTH)
    for (const [segment, records] of this.#tail) {
      if (segment >= complete) break
      let some: IndexEntry[] = []
      for (const entry of sealedEntries(segment, records)) {
        if (some.length >= SEALED_AT_ONCE) {
          // They count for nothing before the segment is sealed.
          await this.#store.write({ put: some })
          some = []
        }
        some.push(entry)
      }
      await this.#write(
        some,
        { ...this.#state, sealed: segment + 1 },
        {
          written: () => {
            this.#times.set(segment, records.times)
            this.#tail.delete(segment)
          },
        },
      )
    }
    if (this.#state.sealed < complete) {
      await this.#write([], { ...this.#state, sealed: complete })
    }
  }

  /** Writes entries with the state that goes with them; `written` follows in the same instant as the new state. */
  async #write(
    put: readonly IndexEntry[],
    state: IndexState,
    { durable = false, written }: { durable?: boolean; written?: () => void } = {},
  ): Promise<void> {
    await this.#store.write({ put: [...put, [STATE_KEY, encodeState(state)]], durable })
    this.#state = state
    written?.()
  }

  /** One change after the other. */
  #alone<T>(change: () => Promise<T>): Promise<T> {
    const changed = this.#changing.then(change)
    this.#changing = changed.catch(() => undefined)
    return changed
  }
}

function segmentAt(index: number): number {
  return Math.floor(index / SEGMENT_WIDTH)
}
