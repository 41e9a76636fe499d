/** What an index has stored, as it is found when it is opened. */
import type { IndexStore } from '../storage/index-port.ts'
import { decodeTimeBounds, type TimeBounds } from './columns.ts'
import {
  DROPPED_RANGE,
  fieldRange,
  indexOfRow,
  inSegments,
  rowRange,
  SEGMENTS_PREFIX,
  STATE_KEY,
  segmentOf,
  tenantOfDropped,
} from './keys.ts'
import { SEGMENT_WIDTH } from './positions.ts'
import { decodeRow, type RecordRow } from './record-row.ts'
import { decodeState, EMPTY_STATE, type IndexState } from './state.ts'
import { TailSegment } from './tail.ts'

/** Entries that are read at a time. */
const AT_ONCE = 2000

export interface StoredIndex {
  readonly state: IndexState
  /** Of each sealed segment that has records. */
  readonly times: Map<number, TimeBounds>
  /** The segments from there on, in order. */
  readonly tail: Map<number, TailSegment>
}

/** Reads an index, and ends what was interrupted. @throws CORRUPT, NEWER_FORMAT, DISK_FULL, IO */
export async function readIndex(store: IndexStore): Promise<StoredIndex> {
  const [value] = await store.get([STATE_KEY])
  const state = value === undefined ? EMPTY_STATE : decodeState(value)
  if (state.clearing) {
    await store.clear()
    return { state: EMPTY_STATE, times: new Map(), tail: new Map() }
  }
  await purgeWhatWasDropped(store, state)
  return { state, times: await readTimes(store, state), tail: await readTail(store, state) }
}

/** Nobody remembers which rows it was in, so all are purged. */
async function purgeWhatWasDropped(store: IndexStore, { next }: IndexState): Promise<void> {
  for (;;) {
    const [dropped] = await store.scan(DROPPED_RANGE, { limit: 1 })
    if (dropped === undefined) return
    const tenant = tenantOfDropped(dropped[0])
    await store.purge([rowRange(0, next), fieldRange(tenant, 'blind')])
    await store.write({ drop: [dropped[0]] })
  }
}

/** The times of the segments that are sealed. */
async function readTimes(store: IndexStore, state: IndexState): Promise<Map<number, TimeBounds>> {
  const times = new Map<number, TimeBounds>()
  for (let from = 0; from < state.sealed; ) {
    const range = inSegments(SEGMENTS_PREFIX, from, state.sealed - 1)
    const entries = await store.scan(range, { limit: AT_ONCE })
    for (const [key, value] of entries) {
      from = segmentOf(key) + 1
      times.set(from - 1, decodeTimeBounds(value))
    }
    if (entries.length < AT_ONCE) break
  }
  return times
}

/** The records of the segments that are not. */
async function readTail(store: IndexStore, state: IndexState): Promise<Map<number, TailSegment>> {
  const tail = new Map<number, TailSegment>()
  for (let from = state.sealed * SEGMENT_WIDTH; from < state.next; ) {
    const rows = await store.scan(rowRange(from, state.next), { limit: AT_ONCE })
    for (const [key, value] of rows) {
      from = indexOfRow(key) + 1
      addTo(tail, from - 1, decodeRow(value))
    }
    if (rows.length < AT_ONCE) break
  }
  return tail
}

/** Adds a record, which comes after all others, to the segments in memory. */
export function addTo(tail: Map<number, TailSegment>, index: number, row: RecordRow): void {
  const segment = Math.floor(index / SEGMENT_WIDTH)
  const records = tail.get(segment) ?? new TailSegment()
  records.add(index, row)
  tail.set(segment, records)
}
