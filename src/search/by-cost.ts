/** Finds the first records of an answer by cost. */
import type { IndexStore } from '../storage/index-port.ts'
import { BestByCost, type Found } from './best-by-cost.ts'
import { type Candidates, candidates, type IndexView } from './candidates.ts'
import { decodeRung, stepOf } from './cost-ladder.ts'
import type { Cursor } from './cursor.ts'
import {
  inSegment,
  inSegments,
  ladderRange,
  type Prefix,
  segmentOf,
  stepOfKey,
  unpricedPrefix,
} from './keys.ts'
import {
  decodePositions,
  has,
  keepCommon,
  keepOthers,
  listOf,
  type Positions,
  SEGMENT_WIDTH,
} from './positions.ts'
import type { Plan } from './query.ts'
import { readRows } from './read-rows.ts'
import { costOf } from './record-row.ts'
import { keepInTime } from './refine.ts'

/** So many rows are read one by one whatever they cost. */
const FEW_IN_ALL = 100
/**
 * So many rows with a cost are read rather than looked for on the ladder, which takes the longer the fewer match: over a
 * million records both take as long at about this number.
 */
const FEW = 400
/** Entries of the ladder that are read at first, and at the most. */
const FIRST_WINDOW = 64
const LARGEST_WINDOW = 1024
/** Segments are read in a row when no more than this many times the wanted ones are in between. */
const SPARSE = 8

const HIGHEST_STEP = 2 ** 14 - 1

/** What matches in the segments that are sealed, the newest first. */
type Matches = Map<number, Positions>

/**
 * The first records after a cursor, or from the beginning: one more than fit on the page, if there are.
 * @throws CORRUPT, IO, STOPPED
 */
export async function findByCost(
  view: IndexView,
  plan: Plan,
  below: number,
  cursor: Cursor | undefined,
): Promise<readonly Found[]> {
  const best = new BestByCost(plan, cursor)
  const matches: Matches = new Map()
  for await (const group of candidates(view, plan, { from: 0, to: below }, true)) {
    await keepInTime(view, plan, group)
    for (const one of group) {
      if (one.tail !== undefined) offerTail(one, best)
      else matches.set(one.segment, one.positions)
    }
  }
  const all = indicesOf(matches, FEW_IN_ALL)
  if (all !== undefined) {
    await offerRows(view, plan, all, best)
    return best.found
  }
  const unpriced = await takeUnpriced(view, plan, matches)
  const indices = indicesOf(matches, FEW)
  if (indices !== undefined) await offerRows(view, plan, indices, best)
  else await offerLadder(view, plan, cursor, matches, best)
  if (plan.minimumCost === undefined) offerUnpriced(unpriced, best)
  return best.found
}

function offerTail({ segment, positions, tail }: Candidates, best: BestByCost): void {
  for (const [i, position] of tail!.positions.entries()) {
    if (has(positions, position)) best.offer(segment * SEGMENT_WIDTH + position, tail!.costs[i]!)
  }
}

/** Takes those without a cost out of matches, and gives them. */
async function takeUnpriced(
  { store }: IndexView,
  { id }: Plan,
  matches: Matches,
): Promise<Matches> {
  const unpriced: Matches = new Map()
  const segments = [...matches.keys()]
  for (let at = 0; at < segments.length; at += LARGEST_WINDOW) {
    const some = segments.slice(at, at + LARGEST_WINDOW)
    for (const [segment, value] of await readUnpriced(store, unpricedPrefix(id), some)) {
      const positions = matches.get(segment)
      if (positions === undefined) continue
      const without = decodePositions(value)
      keepCommon(without, positions)
      keepOthers(positions, without)
      unpriced.set(segment, without)
    }
  }
  return unpriced
}

/** What is stored of segments, the newest first; maybe also of others between them. */
async function readUnpriced(
  store: IndexStore,
  prefix: Prefix,
  segments: readonly number[],
): Promise<[segment: number, value: Uint8Array][]> {
  const [last, first] = [segments[0]!, segments.at(-1)!]
  const limit = last - first + 1
  // In a row they are read much faster, unless most of them are not wanted.
  if (limit <= SPARSE * segments.length) {
    const entries = await store.scan(inSegments(prefix, first, last), { limit, reverse: true })
    return entries.map(([key, value]) => [segmentOf(key), value])
  }
  const values = await store.get(segments.map((segment) => inSegment(prefix, segment)))
  return segments.flatMap((segment, i) => {
    const value = values[i]
    return value === undefined ? [] : [[segment, value]]
  })
}

/** All indices of matches, unless there are more than `most`. */
function indicesOf(matches: Matches, most: number): number[] | undefined {
  const indices: number[] = []
  for (const [segment, positions] of matches) {
    for (const position of listOf(positions)) indices.push(segment * SEGMENT_WIDTH + position)
    if (indices.length > most) return undefined
  }
  return indices
}

async function offerRows(
  { store }: IndexView,
  { tenant }: Plan,
  indices: readonly number[],
  best: BestByCost,
): Promise<void> {
  const rows = await readRows(store, tenant, indices)
  for (const [i, index] of indices.entries()) best.offer(index, costOf(rows[i]!))
}

/** Goes down the ladder, or up, from the cursor on, until all that follows is worse than what was found. */
async function offerLadder(
  { store }: IndexView,
  plan: Plan,
  cursor: Cursor | undefined,
  matches: Matches,
  best: BestByCost,
): Promise<void> {
  const costliest = plan.order === 'costliest'
  const start = cursor?.cost === undefined ? undefined : stepOf(cursor.cost)
  let lowest = plan.minimumCost === undefined ? 0 : stepOf(plan.minimumCost)
  if (!costliest) lowest = Math.max(lowest, start ?? 0)
  const highest = costliest ? (start ?? HIGHEST_STEP) : HIGHEST_STEP
  let range = ladderRange(plan.id, lowest, highest)
  let limit = FIRST_WINDOW
  let step: number | undefined
  for (;;) {
    const entries = await store.scan(range, { limit, reverse: costliest })
    for (const [key, value] of entries) {
      const next = stepOfKey(key)
      // A step is seen through, as the best of it may be in any segment.
      if (step !== undefined && next !== step && best.isSettledBy(step)) return
      step = next
      const positions = matches.get(segmentOf(key))
      if (positions !== undefined) offerRung(segmentOf(key), positions, value, best)
    }
    const last = entries.at(-1)
    if (last === undefined || entries.length < limit) return
    // Without the last key itself: the first key after it ends in one zero more.
    range = costliest ? { ...range, lt: last[0] } : { ...range, gte: Uint8Array.of(...last[0], 0) }
    limit = Math.min(2 * limit, LARGEST_WINDOW)
  }
}

function offerRung(segment: number, matches: Positions, value: Uint8Array, best: BestByCost): void {
  const { positions, costAt } = decodeRung(value)
  for (const [i, position] of positions.entries()) {
    if (has(matches, position)) best.offer(segment * SEGMENT_WIDTH + position, costAt(i))
  }
}

/** Those without a cost come last, the newest first. */
function offerUnpriced(matches: Matches, best: BestByCost): void {
  for (const [segment, positions] of matches) {
    if (best.isFull) return
    for (const position of listOf(positions).reverse()) {
      best.offer(segment * SEGMENT_WIDTH + position, Number.NaN)
    }
  }
}
