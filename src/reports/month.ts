/** Months of the calendar, in UTC: which days they have, and what belongs to them. */
import { malformed } from '../errors.ts'

/** A month as it is written: `2026-11`. */
const MONTH = /^(?:19[7-9][0-9]|[2-9][0-9]{3})-(?:0[1-9]|1[0-2])$/

export interface Month {
  /** `2026-11`; the beginning of every time that belongs to it. */
  readonly text: string
  /** Its first millisecond, `2026-11-01T00:00:00.000Z`. */
  readonly first: string
  /** Its last millisecond, `2026-11-30T23:59:59.999Z`. */
  readonly last: string
  /** All its days: `2026-11-01`, ... */
  readonly days: readonly string[]
}

/**
 * Reads a month from 1970-01 to 9999-12.
 * @throws MALFORMED on anything else
 */
export function parseMonth(text: string): Month {
  if (!MONTH.test(text)) throw malformed('expected a month such as 2026-11, from 1970 on')
  const [year, month] = text.split('-').map(Number) as [number, number]
  // Day 0 of the month after: the last of this one.
  const length = new Date(Date.UTC(year, month, 0)).getUTCDate()
  const days = Array.from({ length }, (_, i) => `${text}-${String(i + 1).padStart(2, '0')}`)
  return {
    text,
    first: `${text}-01T00:00:00.000Z`,
    last: `${text}-${length}T23:59:59.999Z`,
    days,
  }
}
