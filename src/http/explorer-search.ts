/** What the form of the search page asks for, and what is found. */
import type { Principal } from '../compliance/principal.ts'
import { logTime, queryOf, SCOPE_MEMBERS } from '../compliance/scope.ts'
import type { ComplianceService, Scope } from '../compliance/service.ts'
import { CairnError } from '../errors.ts'
import { LOG_RECORD_TYPES, RECORD_TYPES } from '../formats/record-members.ts'
import {
  SEARCH_FIELDS,
  SEARCH_ORDERS,
  type SearchField,
  type SearchValues,
  type SearchView,
} from '../web/explorer/search-page.tsx'

const FOUND = 50
const TYPES = [...RECORD_TYPES, ...LOG_RECORD_TYPES]
const CURSOR = /^[A-Za-z0-9_-]{1,64}$/

export interface AskedSearch {
  readonly values: SearchValues
  readonly faults: SearchView['faults']
  readonly cursor: string | undefined
}

/** Reads what a form sends: a blank field asks for nothing. */
export function askedSearch(rawQuery: string): AskedSearch {
  const form = new URLSearchParams(rawQuery)
  const values: Partial<Record<SearchField | 'order', string>> = {}
  const faults: Partial<Record<SearchField | 'order', string>> = {}
  for (const name of SEARCH_FIELDS) {
    const value = (form.get(name) ?? '').trim()
    if (value === '') continue
    values[name] = value
    const { holds, expected } = SCOPE_MEMBERS[name]
    if (!holds(value)) faults[name] = expected
  }
  const order = form.get('order') ?? ''
  if (SEARCH_ORDERS.some(([name]) => name === order)) values.order = order
  const cursor = form.get('cursor') ?? ''
  return { values, faults, cursor: CURSOR.test(cursor) ? cursor : undefined }
}

/**
 * The page of what was asked for; without anything found when it cannot be asked for.
 * @throws FORBIDDEN, CORRUPT, IO, STOPPED
 */
export async function searchWith(
  compliance: ComplianceService,
  by: Principal,
  { values, faults, cursor }: AskedSearch,
): Promise<SearchView> {
  const view = { values, faults, types: TYPES }
  if (Object.keys(faults).length > 0) return view
  const { order, from, before, ...same } = values
  try {
    const scope: Scope = {
      // Checked above.
      ...(same as Scope),
      ...(from !== undefined && { from: logTime(from, 'from') }),
      ...(before !== undefined && { before: logTime(before, 'before') }),
    }
    const found = await compliance.search(
      {
        ...queryOf(scope),
        limit: FOUND,
        order: order === 'oldest' ? 'oldest' : 'newest',
        ...(cursor !== undefined && { cursor }),
      },
      by,
    )
    return { ...view, found }
  } catch (error) {
    // What only the search can tell is about its bounds in time, or a cursor of another search.
    if (!(error instanceof CairnError && error.code === 'MALFORMED')) throw error
    return { ...view, faults: { before: error.message } }
  }
}
