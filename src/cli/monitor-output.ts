/** What a monitor says: lines of JSON, or a table that a terminal shows anew each round and alerts that stay above it. */
import { type Alert, SEVERITIES } from '../monitor/alert.ts'
import { eventJson } from '../monitor/event-json.ts'
import type { LogReport, MonitorEvent, RoundReport } from '../monitor/report.ts'
import type { RunningMonitor } from '../server/monitor.ts'
import { terminal } from './command.ts'
import { formatRound, toned } from './monitor-table.ts'
import { startProgress } from './progress.ts'
import { duration, plural, printable, span } from './style.ts'
import { wrap } from './table.ts'

/** What is said of a monitor before its first round. */
export interface Opening {
  readonly monitor: RunningMonitor
  readonly logs: readonly { readonly origin: string; readonly urls: readonly string[] }[]
  readonly witnesses: readonly { readonly name: string; readonly url?: string }[]
  /** Undefined when it looks only once. */
  readonly intervalMs: number | undefined
}

export interface MonitorOutput {
  open(opening: Opening): void
  event(event: MonitorEvent): void
  progress(origin: string, done: number, total: number): void
  close(alerts: readonly Alert[]): void
}

/** A line of JSON for each event. */
export function jsonOutput(): MonitorOutput {
  const print = (value: object): void => void process.stdout.write(`${JSON.stringify(value)}\n`)
  const time = (): string => new Date().toISOString()
  return {
    open({ monitor, logs, witnesses }) {
      print({
        event: 'started',
        time: time(),
        state: monitor.place,
        logs,
        witnesses,
        ...(monitor.metricsUrl && { metrics: monitor.metricsUrl }),
      })
    },
    event: (event) => print(eventJson(event, Date.now())),
    progress() {},
    close(alerts) {
      const kinds = [...new Set(alerts.map(({ kind }) => kind))]
      print({ event: 'stopped', time: time(), alerts: kinds })
    },
  }
}

/** Entries that have to be read before a bar is worth showing. */
const LONG_WAY = 20_000

/** A table a round, and a line for each alert. */
export function humanOutput({ once }: { readonly once: boolean }): MonitorOutput {
  const { style, columns, line, text } = terminal()
  const isLive = process.stdout.isTTY === true && !once
  /** Lines of the table that stands at the bottom of the terminal, and goes when there is something to say. */
  let drawn = 0
  let rounds = 0
  let told = new Set<Alert>()
  let bar: ReturnType<typeof progressOfAll> | undefined

  const erase = (): void => {
    bar?.clear()
    if (drawn > 0) text(`\x1b[${drawn}A\x1b[J`)
    drawn = 0
  }
  const say = (mark: string, tone: 'misbehaviour' | 'trouble' | 'good', words: string): void => {
    const [first = '', ...rest] = wrap(printable(words), columns - 2)
    line(`${toned(`${mark} ${first}`, tone, style)}`)
    for (const part of rest) line(`  ${toned(part, tone, style)}`)
  }
  const sayAlert = ({ kind, message, since, evidence }: Alert): void => {
    const severity = SEVERITIES[kind]
    const mark = severity === 'misbehaviour' ? '✗' : '!'
    say(mark, severity, `${clock(since)} ${kind.replaceAll('-', ' ')}: ${message}`)
    // In one piece, to be copied.
    if (evidence !== undefined) line(`  evidence: ${style.cyan(printable(evidence))}`)
  }
  const sayOver = ({ kind, source, since }: Alert): void => {
    const now = Date.now()
    const what = `${kind.replaceAll('-', ' ')} (${source}), after ${span(now - since)}`
    say('✓', 'good', `${clock(now)} over: ${what}`)
  }

  function showRound(report: RoundReport): void {
    rounds++
    erase()
    const { startedAt, durationMs, logs } = report
    const facts = [`round ${report.round}`, plural(logs.length, 'log'), duration(durationMs)]
    const lines = [
      `${style.bold(clock(startedAt))}  ${style.dim(facts.join(', '))}\n`,
      formatRound(report, style, columns),
      once ? '' : '\n',
    ].join('')
    text(lines)
    const height = lines.split('\n').length - 1
    // What does not fit the screen cannot be taken back.
    if (isLive && height < (process.stdout.rows ?? 0)) drawn = height
    // What an earlier run has found, and this one has not said.
    if (rounds > 1) return
    for (const alert of logs.flatMap((log: LogReport) => log.alerts)) {
      if (told.has(alert)) continue
      drawn = 0
      sayAlert(alert)
    }
    told = new Set()
  }

  return {
    open({ monitor, logs, witnesses, intervalMs }) {
      if (intervalMs === undefined) return
      const whom = `${plural(logs.length, 'log')} and ${plural(witnesses.length, 'witness', 'witnesses')}`
      line(`${style.bold('watching')} ${whom}, every ${duration(intervalMs)}`)
      line(`  state    ${monitor.place}`)
      if (monitor.metricsUrl !== undefined) line(`  metrics  ${style.cyan(monitor.metricsUrl)}`)
      line(`${style.dim('stop it with Ctrl-C')}\n`)
    },
    event(event) {
      switch (event.event) {
        case 'alert':
          erase()
          told.add(event.alert)
          return sayAlert(event.alert)
        case 'cleared':
          erase()
          return sayOver(event.alert)
        case 'head':
          return bar?.clear()
        case 'round':
          return showRound(event)
      }
    },
    progress(origin, done, total) {
      bar ??= progressOfAll()
      bar.update(origin, done, total)
    },
    close(alerts) {
      bar?.clear()
      if (!once) return
      const isBad = alerts.some(({ kind }) => SEVERITIES[kind] === 'misbehaviour')
      const verdict = isBad
        ? toned('MISBEHAVIOUR: do not rely on this log', 'misbehaviour', style)
        : alerts.length > 0
          ? toned('there is trouble, and no sign of misbehaviour', 'trouble', style)
          : toned(style.bold('all well'), 'good', style)
      line(verdict)
    },
  }
}

/** One bar for all logs that are a long way behind. */
function progressOfAll() {
  const ways = new Map<string, { first: number; done: number; total: number }>()
  let progress: ReturnType<typeof startProgress> | undefined
  return {
    update(origin: string, done: number, total: number): void {
      const way = ways.get(origin) ?? { first: done, done, total }
      ways.set(origin, { ...way, done, total })
      const long = [...ways.values()].filter((one) => one.total - one.first >= LONG_WAY)
      if (long.length === 0) return
      progress ??= startProgress({ label: 'catching up', unit: 'entries' })
      const sum = (value: (one: (typeof long)[number]) => number): number =>
        long.reduce((total, one) => total + value(one), 0)
      progress.update(
        sum((one) => one.done - one.first),
        sum((one) => one.total - one.first),
      )
      if (done === total) ways.delete(origin)
    },
    clear(): void {
      progress?.clear()
    },
  }
}

/** `2026-02-03 12:00:05Z` */
function clock(milliseconds: number): string {
  return new Date(milliseconds)
    .toISOString()
    .replace('T', ' ')
    .replace(/\.\d+Z$/, 'Z')
}
