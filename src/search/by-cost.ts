/** Finds the first records of an answer by cost. */
import { BestByCost, type Found } from './best-by-cost.ts'
import { type Candidates, candidates, type IndexView } from './candidates.ts'
import { decodeRung, stepOf } from './cost-ladder.ts'
import type { Cursor } from './cursor.ts'
import { inSegment, ladderRange, segmentOf, stepOfKey, unpricedPrefix } from './keys.ts'
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

/** So many rows are read one by one rather than looked for on the ladder. */
const FEW = 300
/** Entries of the ladder that are read at first, and at the most. */
const FIRST_WINDOW = 64
const LARGEST_WINDOW = 1024

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
  const priced: Matches = new Map()
  const unpriced: Matches = new Map()
  for await (const group of candidates(view, plan, { from: 0, to: below }, true)) {
    await keepInTime(view, plan, group)
    for (const one of group) if (one.tail !== undefined) offerTail(one, best)
    await split(
      view,
      plan,
      group.filter(({ tail }) => tail === undefined),
      priced,
      unpriced,
    )
  }
  const indices = indicesOf(priced, FEW)
  if (indices !== undefined) await offerRows(view, plan, indices, best)
  else await offerLadder(view, plan, cursor, priced, best)
  if (plan.minimumCost === undefined) offerUnpriced(unpriced, best)
  return best.found
}

function offerTail({ segment, positions, tail }: Candidates, best: BestByCost): void {
  for (const [i, position] of tail!.positions.entries()) {
    if (has(positions, position)) best.offer(segment * SEGMENT_WIDTH + position, tail!.costs[i]!)
  }
}

/** Parts candidates into those that have a cost and those that have none. */
async function split(
  { store }: IndexView,
  { id }: Plan,
  group: readonly Candidates[],
  priced: Matches,
  unpriced: Matches,
): Promise<void> {
  if (group.length === 0) return
  const prefix = unpricedPrefix(id)
  const values = await store.get(group.map(({ segment }) => inSegment(prefix, segment)))
  for (const [i, { segment, positions }] of group.entries()) {
    const value = values[i]
    if (value !== undefined) {
      const without = decodePositions(value)
      const having = positions.slice()
      keepOthers(having, without)
      keepCommon(without, positions)
      priced.set(segment, having)
      unpriced.set(segment, without)
    } else priced.set(segment, positions)
  }
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
  const { positions, costs } = decodeRung(value)
  for (const [i, position] of positions.entries()) {
    if (has(matches, position)) best.offer(segment * SEGMENT_WIDTH + position, costs[i]!)
  }
}

/** Those without a cost come last, the newest first. */
function offerUnpriced(matches: Matches, best: BestByCost): void {
  for (const [segment, positions] of matches) {
    for (const position of listOf(positions).reverse()) {
      best.offer(segment * SEGMENT_WIDTH + position, Number.NaN)
    }
    if (best.isFull) return
  }
}
