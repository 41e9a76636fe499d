/** When a sink gets the next head: by entries or by time, whichever comes first, and later after failures. */
import type { PublishedHead } from './sink.ts'
import type { SinkState } from './state.ts'

export interface SinkSchedule {
  /** A head is due once it has so many entries more than the last one sent. */
  readonly everyEntries: number
  /** A head that is newer than the last one sent is due after this time at the latest. */
  readonly everyMs: number
  /** Whether the head of an idle log is sent again after that time. */
  readonly renew: boolean
  /** What one attempt may take. */
  readonly timeoutMs: number
}

export interface RetrySchedule {
  /** Before the first retry; doubled for each further one. */
  readonly firstMs: number
  readonly maxMs: number
}

/** When the head is to be sent, in milliseconds since 1970, or undefined when there is nothing to send. */
export function dueAt(
  head: PublishedHead,
  state: SinkState,
  schedule: SinkSchedule,
): number | undefined {
  const newer = head.size > state.lastSize
  const renewed = schedule.renew && state.lastSize > 0 && head.size === state.lastSize
  if (!newer && !renewed) return undefined
  const { lastSuccess, retryAt = Number.NEGATIVE_INFINITY } = state
  const full = newer && head.size - state.lastSize >= schedule.everyEntries
  const due = lastSuccess === undefined || full ? retryAt : lastSuccess + schedule.everyMs
  return Math.max(due, retryAt)
}

/** Milliseconds to wait after so many failures in a row; `random` is from 0 to 1. */
export function retryDelay(
  failures: number,
  { firstMs, maxMs }: RetrySchedule,
  random: number,
): number {
  return Math.min(maxMs, firstMs * 2 ** Math.min(failures - 1, 40)) * (0.5 + random / 2)
}
