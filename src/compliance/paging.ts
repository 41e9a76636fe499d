/**
 * Pages of what a tenant has few of. The newest come first and nothing is ever taken out, so a page goes on after the last
 * one of the page before, whatever is added meanwhile: its id is the cursor.
 */
import { malformed } from '../errors.ts'
import { MAX_PAGE } from '../search/query.ts'

const DEFAULT_PAGE = 50

export interface PageRequest {
  /** 1 to 1,000; 50 unless told otherwise. */
  readonly limit?: number
  /** That of the page before. */
  readonly cursor?: string
}

export interface PageOf<T> {
  /** The newest first. */
  readonly items: readonly T[]
  /** There when there are more. */
  readonly cursor: string | undefined
}

/** A page of what is kept by ids, the oldest first. @throws MALFORMED on a cursor of nothing in it; RangeError on a limit */
export function pageOf<T>(
  all: ReadonlyMap<string, T>,
  { limit = DEFAULT_PAGE, cursor }: PageRequest,
): PageOf<T> {
  if (!Number.isInteger(limit) || limit < 1 || limit > MAX_PAGE) {
    throw new RangeError(`expected a limit from 1 to ${MAX_PAGE}, got ${limit}`)
  }
  const ids = [...all.keys()].reverse()
  const start = cursor === undefined ? 0 : ids.indexOf(cursor) + 1
  if (cursor !== undefined && start === 0) {
    throw malformed('the cursor is damaged, or not of this list; take it from the page before')
  }
  const some = ids.slice(start, start + limit)
  const isLast = start + limit >= ids.length
  return { items: some.map((id) => all.get(id)!), cursor: isLast ? undefined : some.at(-1) }
}
