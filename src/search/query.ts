/** What can be asked of the index. All of a query has to hold for a record that is found. */
import { sha256 } from '#sha256'
import { utf8 } from '../bytes.ts'
import { type TenantId, tenantId } from './keys.ts'
import { costOf, type RecordRow, visitTerms } from './record-row.ts'
import { FIELDS, type Field, type Term } from './terms.ts'

/** The records of a page at the most. */
export const MAX_PAGE = 1000
const DEFAULT_PAGE = 50

/**
 * The order of an answer. The log's order is that of its records' time; a page by cost has the newer of two records of
 * one cost first, and at its end those that do not say what they cost.
 */
export const ORDERS = ['newest', 'oldest', 'costliest', 'cheapest'] as const
export type Order = (typeof ORDERS)[number]

export interface SearchQuery extends Partial<Readonly<Record<Exclude<Field, 'blind'>, string>>> {
  /** Whose records; those of others are never looked at. */
  readonly tenant: string
  readonly blind?: readonly string[]
  /** Not before this time, in milliseconds since 1970. */
  readonly from?: number
  /** Before this time, in milliseconds since 1970. */
  readonly before?: number
  /** Records that cost at least this, in whatever currency. */
  readonly minimumCost?: number
  /** Default 'newest'. */
  readonly order?: Order
  /** Records on a page, 1 to 1,000; default 50. */
  readonly limit?: number
  /** Goes on where the page ended that this came with. */
  readonly cursor?: string
}

/** A query made ready. */
export interface Plan {
  readonly tenant: string
  readonly id: TenantId
  readonly terms: readonly Term[]
  readonly from: number
  readonly before: number
  readonly minimumCost: number | undefined
  readonly order: Order
  readonly limit: number
  /** The same for the same query, whatever its limit and cursor are. */
  readonly digest: Uint8Array
}

/** @throws RangeError when a limit, time or cost is no number that makes sense */
export function planOf(query: SearchQuery): Plan {
  const { tenant, blind = [], minimumCost, order = 'newest', limit = DEFAULT_PAGE } = query
  const { from = Number.NEGATIVE_INFINITY, before = Number.POSITIVE_INFINITY } = query
  if (!Number.isInteger(limit) || limit < 1 || limit > MAX_PAGE) {
    throw new RangeError(`expected a limit from 1 to ${MAX_PAGE}, got ${limit}`)
  }
  if (Number.isNaN(from) || Number.isNaN(before)) throw new RangeError('expected times, got NaN')
  if (Number.isNaN(minimumCost)) throw new RangeError('expected a minimum cost, got NaN')
  if (!ORDERS.includes(order)) throw new RangeError(`expected an order, got ${order}`)
  const terms: Term[] = []
  for (const field of FIELDS) {
    const value = field === 'blind' ? undefined : query[field]
    if (value !== undefined) terms.push({ field, value })
  }
  for (const value of [...new Set(blind)].sort()) terms.push({ field: 'blind', value })
  const asked = [tenant, terms, `${from}`, `${before}`, `${minimumCost}`, order]
  return {
    tenant,
    id: tenantId(tenant),
    terms,
    from,
    before,
    minimumCost,
    order,
    limit,
    digest: sha256(utf8(JSON.stringify(asked))),
  }
}

/** Whether a record is one that is asked for, judged by the record itself. */
export function isAsked(row: RecordRow, plan: Plan): boolean {
  const { from, before, minimumCost } = plan
  let left = plan.terms.length
  // No record has a term twice.
  visitTerms(row, (field, value) => {
    if (plan.terms.some((term) => term.field === field && term.value === value)) left--
  })
  return (
    left === 0 &&
    row.record.tenant === plan.tenant &&
    row.time >= from &&
    row.time < before &&
    (minimumCost === undefined || costOf(row) >= minimumCost)
  )
}
