/** What a query says about times and costs, looked up in the columns of the segments that it leaves open. */
import { CairnError } from '../errors.ts'
import type { Candidates, IndexView } from './candidates.ts'
import { costsIn, decodeSpan, decodeTimes, highestOf, type Span } from './columns.ts'
import { costsPrefix, inSegment, type Prefix, spanPrefix, timesPrefix } from './keys.ts'
import { listOf, positionsOf, ranksOf, remove } from './positions.ts'
import type { Plan } from './query.ts'

/** Candidates beside all records of the tenant in their segment. */
interface Spanned extends Candidates {
  readonly span: Span
}

/** A number for each record of a segment, by its position. */
type Column = (position: number) => number

/** Takes out of candidates what was not logged in the time that is asked for. @throws CORRUPT, IO, STOPPED */
export async function keepInTime(
  view: IndexView,
  plan: Plan,
  group: readonly Candidates[],
): Promise<void> {
  const open = group.filter((one) => !isWithin(view, plan, one))
  if (open.length === 0) return
  const spanned = await withSpans(view, plan, open)
  const columns = await timesOf(view, plan, spanned)
  for (const [i, one] of spanned.entries()) {
    const time = columns[i]!
    keepOnly(one, (position) => time(position) >= plan.from && time(position) < plan.before)
  }
}

/** Takes out of candidates what did not cost as much as is asked for. @throws CORRUPT, IO, STOPPED */
export async function keepCostly(
  view: IndexView,
  plan: Plan,
  group: readonly Candidates[],
): Promise<void> {
  const { minimumCost } = plan
  if (minimumCost === undefined) return
  const spanned = await withSpans(view, plan, group)
  const able: Spanned[] = []
  for (const one of spanned) {
    if (one.span.highest >= minimumCost) able.push(one)
    else one.positions.fill(0)
  }
  const columns = await costsOf(view, plan, able)
  for (const [i, one] of able.entries()) {
    const cost = columns[i]!
    keepOnly(one, (position) => cost(position) >= minimumCost)
  }
}

/** Adds to each group of candidates the span of its segment. @throws CORRUPT, IO, STOPPED */
async function withSpans(
  view: IndexView,
  plan: Plan,
  group: readonly Candidates[],
): Promise<Spanned[]> {
  const values = await stored(view, spanPrefix(plan.id), group)
  return group.map((one, i) => {
    const value = values[i]
    if (one.tail !== undefined) {
      const { positions, costs } = one.tail
      return { ...one, span: { positions: positionsOf(positions), highest: highestOf(costs) } }
    }
    if (value === undefined) throw missing(one.segment)
    return { ...one, span: decodeSpan(value) }
  })
}

/** The cost of each record, NaN where it has none. @throws CORRUPT, IO, STOPPED */
async function costsOf(view: IndexView, plan: Plan, group: readonly Spanned[]): Promise<Column[]> {
  const values = await stored(view, costsPrefix(plan.id), group)
  return group.map(({ span, tail }, i) => {
    const rank = ranksOf(span.positions)
    if (tail !== undefined) return (position) => tail.costs[rank(position)]!
    const cost = costsIn(values[i], listOf(span.positions).length)
    return (position) => cost(rank(position))
  })
}

/** The time of each record. */
async function timesOf(view: IndexView, plan: Plan, group: readonly Spanned[]): Promise<Column[]> {
  const values = await stored(view, timesPrefix(plan.id), group)
  return group.map(({ segment, span, tail }, i) => {
    const rank = ranksOf(span.positions)
    if (tail !== undefined) return (position) => tail.times[rank(position)]!
    const value = values[i]
    if (value === undefined) throw missing(segment)
    const times = decodeTimes(value, listOf(span.positions).length)
    return (position) => times[rank(position)]!
  })
}

/** What is stored under a prefix in the segments of candidates; nothing in those that are not sealed. */
async function stored(
  { store }: IndexView,
  prefix: Prefix,
  group: readonly Candidates[],
): Promise<(Uint8Array | undefined)[]> {
  const found = new Array<Uint8Array | undefined>(group.length).fill(undefined)
  const asked = [...group.keys()].filter((i) => group[i]!.tail === undefined)
  if (asked.length === 0) return found
  const values = await store.get(asked.map((i) => inSegment(prefix, group[i]!.segment)))
  for (const [at, i] of asked.entries()) found[i] = values[at]
  return found
}

/** Whether all records of the segment were logged in the time that is asked for. */
function isWithin(view: IndexView, { from, before }: Plan, { segment }: Candidates): boolean {
  const bounds = view.times.get(segment) ?? view.tail.get(segment)?.times
  return bounds !== undefined && bounds.earliest >= from && bounds.latest < before
}

function keepOnly({ positions }: Candidates, keeps: (position: number) => boolean): void {
  for (const position of listOf(positions)) if (!keeps(position)) remove(positions, position)
}

function missing(segment: number): CairnError {
  return new CairnError(
    'CORRUPT',
    `segment ${segment} of the search index lacks a column; build it again`,
  )
}
