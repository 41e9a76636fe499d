/** What is stored of a segment once it is complete: everything that its records can be found by. */
import type { IndexEntry } from '../storage/index-port.ts'
import { encodeCosts, encodeSpan, encodeTimeBounds, encodeTimes } from './columns.ts'
import { encodeRung, rungsOf } from './cost-ladder.ts'
import {
  costsPrefix,
  inSegment,
  ladderPrefix,
  postingsPrefix,
  SEGMENTS_PREFIX,
  spanPrefix,
  tenantId,
  timesPrefix,
  unpricedPrefix,
} from './keys.ts'
import { encodePositions } from './positions.ts'
import type { TailSegment } from './tail.ts'

/** Entries of the postings and columns of a segment. */
export function* sealedEntries(segment: number, tail: TailSegment): Generator<IndexEntry> {
  for (const [tenant, records] of tail.tenants()) {
    const id = tenantId(tenant)
    const { positions, times, costs } = records
    for (const [term, having] of records.terms()) {
      yield [inSegment(postingsPrefix(id, term), segment), encodePositions(having)]
    }
    yield [inSegment(spanPrefix(id), segment), encodeSpan(positions, costs)]
    yield [inSegment(timesPrefix(id), segment), encodeTimes(times)]
    const column = encodeCosts(costs)
    if (column !== undefined) yield [inSegment(costsPrefix(id), segment), column]
    const unpriced = positions.filter((_, i) => Number.isNaN(costs[i]))
    if (unpriced.length > 0) {
      yield [inSegment(unpricedPrefix(id), segment), encodePositions(unpriced)]
    }
    for (const [step, rung] of rungsOf(positions, costs)) {
      yield [inSegment(ladderPrefix(id, step), segment), encodeRung(rung)]
    }
  }
  yield [inSegment(SEGMENTS_PREFIX, segment), encodeTimeBounds(tail.times)]
}
