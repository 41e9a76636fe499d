/**
 * What a log did lately, as its page draws it: kept in memory, at most so much, and forgotten with the process. Nothing
 * of it is on the way of a submission: it reads, now and then, what is counted anyway.
 */
import type { LogService } from '../log/service.ts'
import { BUCKETS, durationWithin } from './durations.ts'

/** The log at a moment. */
export interface LogSample {
  /** Milliseconds since 1970. */
  readonly time: number
  /** Committed entries. */
  readonly size: number
  /** Submissions answered since the sample before. */
  readonly answered: number
  /** Milliseconds in which half of those were answered, and 99 of 100, about; undefined when there were none. */
  readonly p50: number | undefined
  readonly p99: number | undefined
}

export interface LogSamples {
  /** Milliseconds between two of them. */
  readonly interval: number
  /** In order of time. */
  readonly samples: readonly LogSample[]
}

export interface LogHistory {
  readonly hour: LogSamples
  readonly day: LogSamples
  /** Takes a sample now. */
  take(): void
  /** Takes no more. */
  stop(): void
}

export interface HistoryOptions {
  readonly log: Pick<LogService, 'head'>
  /** How many submissions were answered so far, by the buckets of their durations, for each path that takes some. */
  readonly answered: () => readonly (Float64Array | undefined)[]
  readonly now?: () => number
}

const FINE_MS = 10_000
const COARSE_MS = 300_000
const HOUR_MS = 3_600_000
const DAY_MS = 24 * HOUR_MS

/** Begins to watch a log. The process can end without waiting for it. */
export function startHistory({ log, answered, now = Date.now }: HistoryOptions): LogHistory {
  const hour = sampler(FINE_MS, HOUR_MS)
  const day = sampler(COARSE_MS, DAY_MS)
  const take = (): void => {
    const counts = sumOf(answered())
    const { size } = log.head()
    for (const one of [hour, day]) one.take(now(), size, counts)
  }
  take()
  const timer = setInterval(take, FINE_MS)
  timer.unref()
  return { hour, day, take, stop: () => clearInterval(timer) }
}

function sumOf(all: readonly (Float64Array | undefined)[]): Float64Array {
  const sum = new Float64Array(BUCKETS)
  for (const counts of all) {
    for (let i = 0; i < sum.length; i++) sum[i]! += counts?.[i] ?? 0
  }
  return sum
}

interface Sampler extends LogSamples {
  take(time: number, size: number, counts: Float64Array): void
}

/** Samples of a length of time, the oldest forgotten first. */
function sampler(interval: number, length: number): Sampler {
  const samples: LogSample[] = []
  let before: Float64Array = new Float64Array(BUCKETS)
  return {
    interval,
    samples,
    take(time, size, counts) {
      const last = samples.at(-1)
      // A clock that was set back begins anew. A timer may be early by a little.
      if (last !== undefined && time < last.time) samples.length = 0
      else if (last !== undefined && time - last.time < interval - FINE_MS / 2) return
      const since = counts.map((count, i) => count - before[i]!)
      before = counts
      const total = since.reduce((sum, count) => sum + count, 0)
      samples.push({
        time,
        size,
        answered: total,
        p50: durationWithin(since, 0.5),
        p99: durationWithin(since, 0.99),
      })
      while (time - samples[0]!.time > length) samples.shift()
    },
  }
}
