/** Finds the indices of a page: in the order of the log, or by cost. */
import type { Found } from './best-by-cost.ts'
import { findByCost } from './by-cost.ts'
import { candidates, type IndexRange, type IndexView } from './candidates.ts'
import type { Cursor } from './cursor.ts'
import { listOf, SEGMENT_WIDTH } from './positions.ts'
import type { Plan } from './query.ts'
import { keepCostly, keepInTime } from './refine.ts'

/** Segments whose columns are read at a time: a segment's costs are up to 32 kB. */
const COLUMNS_AT_ONCE = 16

/**
 * The first records of an answer after a cursor, or from its beginning: one more than fit on the page, if there are.
 * @throws CORRUPT, IO, STOPPED
 */
export function find(
  view: IndexView,
  plan: Plan,
  below: number,
  cursor: Cursor | undefined,
): Promise<readonly Found[]> {
  switch (plan.order) {
    case 'newest':
      return inOrder(view, plan, { from: 0, to: cursor?.index ?? below }, true)
    case 'oldest':
      return inOrder(view, plan, { from: (cursor?.index ?? -1) + 1, to: below }, false)
    default:
      return findByCost(view, plan, below, cursor)
  }
}

async function inOrder(
  view: IndexView,
  plan: Plan,
  range: IndexRange,
  reverse: boolean,
): Promise<Found[]> {
  const found: Found[] = []
  for await (const group of candidates(view, plan, range, reverse)) {
    await keepInTime(view, plan, group)
    for (const some of pieces(group)) {
      await keepCostly(view, plan, some)
      for (const { segment, positions } of some) {
        const list = listOf(positions)
        if (reverse) list.reverse()
        for (const position of list) {
          found.push({ index: segment * SEGMENT_WIDTH + position, cost: undefined })
          if (found.length > plan.limit) return found
        }
      }
    }
  }
  return found
}

function* pieces<T>(group: readonly T[]): Generator<T[]> {
  for (let at = 0; at < group.length; at += COLUMNS_AT_ONCE) {
    yield group.slice(at, at + COLUMNS_AT_ONCE)
  }
}
