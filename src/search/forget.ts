/** Makes the index forget who the data subject of records was, and what they were found by beside their clear members. */
import type { IndexEntry, IndexStore, KeyRange } from '../storage/index-port.ts'
import {
  droppedKey,
  fieldRange,
  inSegment,
  inSegments,
  postingsPrefix,
  rowKey,
  rowRange,
  segmentOf,
  type TenantId,
  tenantId,
} from './keys.ts'
import { decodePositions, encodePositions, listOf, remove, SEGMENT_WIDTH } from './positions.ts'
import { readRows } from './read-rows.ts'
import { encodeRow, type RecordRow, withoutSubject } from './record-row.ts'
import type { TailSegment } from './tail.ts'
import type { Term } from './terms.ts'

/** Segments whose postings are looked at together. */
const SEGMENTS_AT_ONCE = 64
/** Rows that are so near to each other are purged in one go: some 8 MB. */
const NEAR = 8 * SEGMENT_WIDTH

export interface Subject {
  readonly tenant: string
  readonly pseudonym: string
}

/** What to forget it in: the segments before `sealed` in the store, and those in memory. */
export interface Remembering {
  readonly store: IndexStore
  readonly sealed: number
  readonly tail: ReadonlyMap<number, TailSegment>
}

export interface Forgotten {
  readonly records: number
  /** What the store has to purge. */
  readonly ranges: readonly KeyRange[]
}

/** A record of the subject. */
interface Affected {
  readonly index: number
  readonly row: RecordRow
}

/** Drops the postings and rewrites the rows, segment by segment; not durable yet. @throws CORRUPT, DISK_FULL, IO */
export async function forgetSubject(memory: Remembering, subject: Subject): Promise<Forgotten> {
  const { store, sealed, tail } = memory
  const id = tenantId(subject.tenant)
  const prefix = postingsPrefix(id, { field: 'subject', value: subject.pseudonym })
  const blind: number[] = []
  let records = 0
  const count = (affected: readonly Affected[]): void => {
    records += affected.length
    for (const { index, row } of affected) if (row.blindTerms.length > 0) blind.push(index)
  }
  for (let from = 0; from < sealed; ) {
    const range = inSegments(prefix, from, sealed - 1)
    const postings = await store.scan(range, { limit: SEGMENTS_AT_ONCE })
    for (const posting of postings) count(await forgetSealed(store, id, subject, posting))
    const last = postings.at(-1)
    from = last === undefined ? sealed : segmentOf(last[0]) + 1
  }
  for (const [segment, records] of tail) {
    count(await forgetInMemory(store, id, subject, segment, records))
  }
  return { records, ranges: blind.length === 0 ? [] : rangesToPurge(id, blind) }
}

/** What has to be purged when the rows of a tenant at some indices, which rise, had blind terms. */
export function rangesToPurge(id: TenantId, indices: readonly number[]): KeyRange[] {
  const ranges: KeyRange[] = []
  for (let i = 0; i < indices.length; ) {
    const first = indices[i]!
    let last = first
    for (; i < indices.length && indices[i]! - last <= NEAR; i++) last = indices[i]!
    ranges.push(rowRange(first, last + 1))
  }
  return [...ranges, fieldRange(id, 'blind')]
}

async function forgetSealed(
  store: IndexStore,
  id: TenantId,
  subject: Subject,
  [key, value]: IndexEntry,
): Promise<Affected[]> {
  const segment = segmentOf(key)
  const affected = await rowsOf(store, subject, segment, listOf(decodePositions(value)))
  if (affected.length === 0) return []
  // The postings of all terms that go, each with the positions that leave it.
  const leaving = new Map<string, number[]>()
  for (const { index, row } of affected) {
    for (const term of row.blindTerms) {
      const positions = leaving.get(term)
      if (positions === undefined) leaving.set(term, [index % SEGMENT_WIDTH])
      else positions.push(index % SEGMENT_WIDTH)
    }
  }
  const terms: [Term, number[]][] = [...leaving].map(([value, positions]) => [
    { field: 'blind', value },
    positions,
  ])
  terms.push([
    { field: 'subject', value: subject.pseudonym },
    affected.map(({ index }) => index % SEGMENT_WIDTH),
  ])
  const keys = terms.map(([term]) => inSegment(postingsPrefix(id, term), segment))
  const values = await store.get(keys)
  const put = rewritten(id, affected)
  const drop: Uint8Array[] = []
  for (const [i, [, positions]] of terms.entries()) {
    const stored = values[i]
    if (stored === undefined) continue
    const set = decodePositions(stored)
    for (const position of positions) remove(set, position)
    const left = listOf(set)
    if (left.length > 0) put.push([keys[i]!, encodePositions(left)])
    else drop.push(keys[i]!)
  }
  await store.write({ put, drop })
  return affected
}

async function forgetInMemory(
  store: IndexStore,
  id: TenantId,
  subject: Subject,
  segment: number,
  records: TailSegment,
): Promise<Affected[]> {
  const term: Term = { field: 'subject', value: subject.pseudonym }
  const positions = records.of(subject.tenant)?.with(term) ?? []
  const affected = await rowsOf(store, subject, segment, positions)
  if (affected.length === 0) return []
  await store.write({ put: rewritten(id, affected) })
  for (const { index, row } of affected) {
    const blind = row.blindTerms.map((value): Term => ({ field: 'blind', value }))
    records.forget(index, subject.tenant, [term, ...blind])
  }
  return affected
}

/** The records at some positions of a segment, as far as they are the subject's. */
async function rowsOf(
  store: IndexStore,
  { tenant, pseudonym }: Subject,
  segment: number,
  positions: readonly number[],
): Promise<Affected[]> {
  const indices = positions.map((position) => segment * SEGMENT_WIDTH + position)
  const rows = await readRows(store, tenant, indices)
  return rows.flatMap((row, i) =>
    row.record.subject === pseudonym ? [{ index: indices[i]!, row }] : [],
  )
}

/** The rows without their subject; and a note, as long as what they were is not purged. */
function rewritten(id: TenantId, affected: readonly Affected[]): IndexEntry[] {
  const rows = affected.map(
    ({ index, row }): IndexEntry => [rowKey(index), encodeRow(withoutSubject(row))],
  )
  return [...rows, [droppedKey(id), new Uint8Array()]]
}
