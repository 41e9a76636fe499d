/** Lists of the records that an auditor wants to see one by one, with counts of all of them. */
import type { RecordLeaf } from '../formats/record.ts'
import type { LeafIndex } from '../merkle/position.ts'
import { type EventRow, type Events, type Facts, MAX_EVENT_ROWS } from './report.ts'
import { newTally } from './tally.ts'

/** The lists of a report. */
export type EventList =
  | 'accesses'
  | 'grants'
  | 'permission_changes'
  | 'erasures'
  | 'expiries'
  | 'holds'
  | 'retention_changes'

/** What a record of expiry has as its `action`, be its type erasure or retention. */
const EXPIRE = 'expire'

/** The list that a record belongs in, if any. */
export function listOf({ type, action }: RecordLeaf): EventList | undefined {
  switch (type) {
    case 'access':
      return 'accesses'
    case 'grant':
      return 'grants'
    case 'permission_change':
      return 'permission_changes'
    case 'erasure':
      return action === EXPIRE ? 'expiries' : 'erasures'
    case 'retention':
      return action === EXPIRE ? 'expiries' : 'retention_changes'
    case 'hold':
      return 'holds'
    default:
      return undefined
  }
}

export interface EventCounter {
  readonly add: (index: LeafIndex, record: RecordLeaf, facts: Facts) => void
  readonly events: () => Events
}

/** @param withBasis whether to count by legal basis as well */
export function newEventCounter(withBasis: boolean): EventCounter {
  const rows: EventRow[] = []
  const byAction = newTally<{ action?: string }>(0)
  const byBasis = newTally<{ basis?: string }>(0)
  let total = 0
  return {
    add(index, record, facts) {
      total++
      const { action } = record
      byAction.at(action === undefined ? {} : { action }).records++
      const { basis } = facts
      if (withBasis) byBasis.at(basis === undefined ? {} : { basis: String(basis) }).records++
      if (rows.length < MAX_EVENT_ROWS) rows.push(rowOf(index, record, facts))
    },
    events: () => ({
      total,
      by_action: byAction.plainCount(),
      ...(withBasis && { by_basis: byBasis.plainCount() }),
      rows,
      omitted: total - rows.length,
    }),
  }
}

const SHOWN = ['action', 'actor', 'subject', 'request_id', 'parent_id'] as const

function rowOf(index: LeafIndex, record: RecordLeaf, facts: Facts): EventRow {
  const members = SHOWN.flatMap((name) => {
    const value = record[name]
    return value === undefined ? [] : [[name, value] as const]
  })
  return { index, id: record.id, time: record.time, ...Object.fromEntries(members), facts }
}
