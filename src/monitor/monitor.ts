/** Follows any number of logs, in rounds: each log is looked at once in a round, several at the same time. */
import type { MonitorStore } from '../storage/monitor-port.ts'
import type { Alert } from './alert.ts'
import type { Limits } from './freshness.ts'
import type { LogReport, OnMonitorEvent, OnProgress, RoundReport } from './report.ts'
import type { Targets } from './target.ts'
import { DEFAULT_TIMING, type Timing } from './timing.ts'
import { LogWatch } from './watch.ts'

export interface MonitorOptions {
  readonly targets: Targets
  readonly store: MonitorStore
  readonly limits: Limits
  readonly timing?: Partial<Timing>
  /** Milliseconds since 1970. */
  readonly now?: () => number
  readonly onEvent?: OnMonitorEvent
  readonly onProgress?: OnProgress
}

export interface RoundOptions {
  readonly signal?: AbortSignal
  /** Milliseconds that a round gives to each log's way to a head; whatever it takes when left out. */
  readonly deadlineMs?: number
}

export interface RunOptions {
  /** Milliseconds from the start of one round to the start of the next. */
  readonly intervalMs: number
  /** Ends it. */
  readonly signal: AbortSignal
}

export interface Monitor {
  /** The conditions that last, of all logs. */
  alerts(): readonly Alert[]
  /** Looks once at all logs. */
  round(options?: RoundOptions): Promise<RoundReport>
  /** Goes round after round until the signal fires. */
  run(options: RunOptions): Promise<void>
}

/** Logs that are looked at at the same time. */
const LOGS_AT_ONCE = 16
/** A round gives a long way this many milliseconds at least. */
const MIN_DEADLINE_MS = 30_000

/**
 * Reads what is known of each log.
 * @throws CORRUPT when that is damaged; NEWER_FORMAT; USAGE when it was kept with other keys; IO
 */
export async function openMonitor(options: MonitorOptions): Promise<Monitor> {
  const { targets, store, limits, now = Date.now } = options
  const { onEvent = () => {}, onProgress = () => {} } = options
  const timing = { ...DEFAULT_TIMING, ...options.timing }
  const watches: LogWatch[] = []
  for (const log of targets.logs) {
    watches.push(
      await LogWatch.open({ log, targets, store, limits, timing, now, onEvent, onProgress }),
    )
  }
  let rounds = 0

  async function round({ signal, deadlineMs }: RoundOptions = {}): Promise<RoundReport> {
    const startedAt = now()
    const started = performance.now()
    const stop = signal ?? new AbortController().signal
    const logs: LogReport[] = new Array(watches.length)
    const queue = [...watches.entries()]
    const work = async (): Promise<void> => {
      for (let next = queue.shift(); next !== undefined; next = queue.shift()) {
        const [i, watch] = next
        logs[i] = await watch.round({ stop, ...(deadlineMs !== undefined && { deadlineMs }) })
      }
    }
    await Promise.all(Array.from({ length: Math.min(LOGS_AT_ONCE, watches.length) }, work))
    rounds++
    const durationMs = performance.now() - started
    const report: RoundReport = { round: rounds, startedAt, durationMs, logs }
    if (!stop.aborted) onEvent({ event: 'round', ...report })
    return report
  }

  return {
    alerts: () => watches.flatMap((watch) => watch.alerts),
    round,
    async run({ intervalMs, signal }) {
      const deadlineMs = Math.max(intervalMs, MIN_DEADLINE_MS)
      while (!signal.aborted) {
        const started = performance.now()
        await round({ signal, deadlineMs })
        await pause(intervalMs - (performance.now() - started), signal)
      }
    },
  }
}

/** Waits, or less when the signal fires. */
function pause(milliseconds: number, signal: AbortSignal): Promise<void> {
  if (milliseconds <= 0 || signal.aborted) return Promise.resolve()
  return new Promise((resolve) => {
    const done = (): void => {
      clearTimeout(timer)
      signal.removeEventListener('abort', done)
      resolve()
    }
    const timer = setTimeout(done, milliseconds)
    signal.addEventListener('abort', done)
  })
}
