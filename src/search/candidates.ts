/**
 * The records that have all terms of a query, segment by segment. The rarest term leads: only the segments that it
 * occurs in are looked up for the others, so a term that all records have costs as little as its rarest companion.
 */
import type { IndexEntry, IndexStore } from '../storage/index-port.ts'
import { decodeSpan, type TimeBounds } from './columns.ts'
import {
  inSegment,
  inSegments,
  type Prefix,
  postingsPrefix,
  segmentOf,
  spanPrefix,
} from './keys.ts'
import {
  decodePositions,
  isEmpty,
  keepBetween,
  keepCommon,
  type Positions,
  positionsOf,
  SEGMENT_WIDTH,
} from './positions.ts'
import type { Plan } from './query.ts'
import type { TailRecords, TailSegment } from './tail.ts'

/** The index as it is when a search begins. What is sealed never changes but by erasure. */
export interface IndexView {
  readonly store: IndexStore
  /** Segments before this one are in the store. */
  readonly sealed: number
  /** Of each sealed segment that has records, and maybe of later ones. */
  readonly times: ReadonlyMap<number, TimeBounds>
  /** The segments that are not sealed, in order. */
  readonly tail: ReadonlyMap<number, TailSegment>
}

/** Records of one segment that have all terms of the query. */
export interface Candidates {
  readonly segment: number
  readonly positions: Positions
  /** Where the segment is not sealed: all of the tenant's records in it. */
  readonly tail: TailRecords | undefined
}

/** Indices from `from` on and before `to`. */
export interface IndexRange {
  readonly from: number
  readonly to: number
}

/** Segments that the rarest term is asked for at first, and at the most. */
const FIRST_WINDOW = 16
const LARGEST_WINDOW = 512

/** Candidates in the order of the log, or backwards; a group at a time. @throws CORRUPT, IO, STOPPED */
export async function* candidates(
  view: IndexView,
  plan: Plan,
  range: IndexRange,
  reverse: boolean,
): AsyncGenerator<Candidates[]> {
  if (range.from >= range.to) return
  const tail = () => within(tailCandidates(view, plan), range)
  if (reverse) yield tail().reverse()
  for await (const group of sealedCandidates(view, plan, range, reverse)) {
    yield within(group, range)
  }
  if (!reverse) yield tail()
}

/** Cuts candidates down to a range. */
function within(group: readonly Candidates[], { from, to }: IndexRange): Candidates[] {
  return group.filter(({ segment, positions }) => {
    const start = segment * SEGMENT_WIDTH
    if (from > start || to < start + SEGMENT_WIDTH) {
      keepBetween(positions, from - start, to - start)
    }
    return !isEmpty(positions)
  })
}

function tailCandidates({ tail }: IndexView, plan: Plan): Candidates[] {
  const found: Candidates[] = []
  for (const [segment, records] of tail) {
    const mine = records.of(plan.tenant)
    if (mine === undefined || !overlaps(records.times, plan)) continue
    const positions = positionsOf(mine.positions)
    for (const term of plan.terms) keepCommon(positions, positionsOf(mine.with(term)))
    found.push({ segment, positions, tail: mine })
  }
  return found
}

async function* sealedCandidates(
  view: IndexView,
  plan: Plan,
  range: IndexRange,
  reverse: boolean,
): AsyncGenerator<Candidates[]> {
  const segments = segmentsIn(view, plan, range)
  if (segments === undefined) return
  const { store, times } = view
  const lists = listsOf(plan)
  const { first, last } = segments
  const probes = await Promise.all(
    lists.map(({ prefix }) =>
      store.scan(inSegments(prefix, first, last), { limit: FIRST_WINDOW, reverse }),
    ),
  )
  const leader = rarest(probes, reverse)
  const { prefix } = lists[leader]!
  let limit = FIRST_WINDOW
  let group = probes[leader]!
  for (;;) {
    const wanted = group.filter(([key]) => {
      const bounds = times.get(segmentOf(key))
      return bounds !== undefined && overlaps(bounds, plan)
    })
    yield await joined(store, lists, leader, wanted)
    const end = group.at(-1)
    if (end === undefined || group.length < limit) return
    limit = Math.min(2 * limit, LARGEST_WINDOW)
    const at = segmentOf(end[0])
    const rest = reverse ? inSegments(prefix, first, at - 1) : inSegments(prefix, at + 1, last)
    group = await store.scan(rest, { limit, reverse })
  }
}

/** The positions of a term in each segment, as they are stored. */
interface List {
  readonly prefix: Prefix
  decode(value: Uint8Array): Positions
}

/** One for each term; all of the tenant's records when the query has none. */
function listsOf({ id, terms }: Plan): List[] {
  if (terms.length === 0) {
    return [{ prefix: spanPrefix(id), decode: (value) => decodeSpan(value).positions }]
  }
  return terms.map((term) => ({ prefix: postingsPrefix(id, term), decode: decodePositions }))
}

/** The sealed segments that can have records in a range of indices and times. */
function segmentsIn(
  { sealed, times }: IndexView,
  plan: Plan,
  { from, to }: IndexRange,
): { first: number; last: number } | undefined {
  let first = Math.floor(from / SEGMENT_WIDTH)
  let last = Math.min(sealed, Math.ceil(to / SEGMENT_WIDTH)) - 1
  if (plan.from !== Number.NEGATIVE_INFINITY || plan.before !== Number.POSITIVE_INFINITY) {
    const [start, end] = [first, last]
    first = Number.POSITIVE_INFINITY
    last = Number.NEGATIVE_INFINITY
    for (const [segment, bounds] of times) {
      if (segment < start || segment > end || !overlaps(bounds, plan)) continue
      first = Math.min(first, segment)
      last = Math.max(last, segment)
    }
  }
  return first <= last ? { first, last } : undefined
}

function overlaps({ earliest, latest }: TimeBounds, { from, before }: Plan): boolean {
  return latest >= from && earliest < before
}

/** The list that leads: the one that ends first, or else gets furthest with as many segments. */
function rarest(probes: readonly (readonly IndexEntry[])[], reverse: boolean): number {
  let best = 0
  let bestReach = Number.NEGATIVE_INFINITY
  for (const [i, probe] of probes.entries()) {
    const at = segmentOf(probe.at(-1)?.[0] ?? new Uint8Array())
    const ended = probe.length < FIRST_WINDOW
    const reach = ended ? Number.MAX_SAFE_INTEGER - probe.length : reverse ? -at : at
    if (reach > bestReach) {
      best = i
      bestReach = reach
    }
  }
  return best
}

/** What all lists have in the segments of the leader's entries. */
async function joined(
  store: IndexStore,
  lists: readonly List[],
  leader: number,
  group: readonly IndexEntry[],
): Promise<Candidates[]> {
  const { decode } = lists[leader]!
  let found = group.map(([key, value]) => ({
    segment: segmentOf(key),
    positions: decode(value),
    tail: undefined,
  }))
  for (const [i, list] of lists.entries()) {
    if (i === leader || found.length === 0) continue
    const values = await store.get(found.map(({ segment }) => inSegment(list.prefix, segment)))
    found = found.filter(({ positions }, at) => {
      const value = values[at]
      if (value === undefined) return false
      keepCommon(positions, list.decode(value))
      return !isEmpty(positions)
    })
  }
  return found
}
