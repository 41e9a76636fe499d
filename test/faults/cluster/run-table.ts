/** What was done in a run, and how the log took it. */
import { count } from '../../../src/cli/style.ts'
import type { Findings } from './check-log.ts'
import type { Journal, Moments } from './journal.ts'
import type { Load } from './load.ts'
import type { RecordFindings } from './records-check.ts'
import type { RecordsLoad } from './records-load.ts'
import type { Fault, FaultKind } from './schedule.ts'
import type { Stage } from './stage.ts'

export interface RunSummary {
  readonly stage: Stage
  readonly journal: Journal
  readonly load: Load
  readonly records: RecordsLoad
  readonly recordFindings: RecordFindings
  readonly faults: readonly Fault[]
  readonly started: number
  readonly stopped: number
  readonly findings: Findings
}

const KINDS: readonly FaultKind[] = [
  'kill',
  'pause',
  'cut off',
  'database restart',
  'database crash',
  'bucket refused',
]
const COLUMNS = [18, 7, 24, 24, 24] as const
/** Kinds of failed attempts that are told. */
const MOST_FAILURES = 8

export function printRun(summary: RunSummary): void {
  const { stage, journal, load, faults, started, stopped, findings } = summary
  const { acknowledgements, newHeads } = journal
  const { counts } = load
  console.log('\nseconds: least / median / most')
  row('fault', 'times', 'no acknowledgement', 'no larger head', 'until another leads')
  row(...COLUMNS.map((width) => '-'.repeat(width)))
  for (const kind of KINDS) {
    const these = faults.filter((fault) => fault.kind === kind)
    const gaps = (moments: Moments): string =>
      spread(
        these.map(({ at, windowMs }) => moments.longestGap(at, Math.min(at + windowMs, stopped))),
      )
    const fails = these.map(({ fail }) => fail).filter((fail) => fail !== undefined)
    row(kind, String(these.length), gaps(acknowledgements), gaps(newHeads), spread(fails))
  }
  row(
    'all of the run',
    '',
    spread([acknowledgements.longestGap(started, stopped)]),
    spread([newHeads.longestGap(started, stopped)]),
    '',
  )
  const took = (stopped - started) / 1_000
  const { records, recordFindings } = summary
  const cuts = faults.filter(({ refusals }) => refusals !== undefined)
  const refused = cuts.flatMap(({ refusals }) => refusals!.map(({ tookMs }) => tookMs))
  const follows = cuts.map(({ follow }) => follow).filter((follow) => follow !== undefined)
  const starts = stage.members.reduce((sum, { failedStarts }) => sum + failedStarts.length, 0)
  const lines: readonly [string, string][] = [
    ['submissions', count(counts.submissions)],
    ['  sent more than once', `${count(counts.repeated)}, ${count(counts.retries)} retries`],
    ['  never answered', count(counts.unanswered)],
    [
      'leaves acknowledged',
      `${count(journal.acknowledged)}, ${count(Math.round(journal.acknowledged / took))} a second`,
    ],
    ['  sent again afterwards', count(counts.resubmitted)],
    [
      'leaves in the log',
      `${count(findings.size)}, ${count(findings.unacknowledged)} of them told to nobody`,
    ],
    [
      'records acknowledged',
      `${count(recordFindings.acknowledged)}, ${count(records.counts.retries)} retries, ${count(recordFindings.unacknowledged)} more told to nobody`,
    ],
    [
      '  longest time without one',
      `${spread([records.acknowledgements.longestGap(started, stopped)])} s`,
    ],
    [
      '  payloads as they were, and gone',
      `${count(recordFindings.readable)}, ${count(recordFindings.gone)} of ${count(recordFindings.people)} people erased`,
    ],
    [
      '  people held',
      `${count(records.held.size)}, ${count(records.counts.refused)} erasures refused`,
    ],
    ['seconds until refused, cut off', spread(refused)],
    ['  until it follows again', spread(follows)],
    ['heads seen', count(findings.heads)],
    ['terms', count(stage.leaders.terms.at(-1)?.epoch ?? 0)],
    [
      'starts of a server, in seconds',
      `${spread(stage.members.flatMap(({ startTimes }) => startTimes))}, and ${count(starts)} that failed`,
    ],
  ]
  console.log()
  for (const [what, figure] of lines) console.log(`${what.padEnd(32)}${figure}`)
  printFailures('what failed attempts saw', counts.failures)
  printFailures('what failed attempts to record something saw', records.counts.failures)
  console.log()
}

function printFailures(title: string, seen: ReadonlyMap<string, number>): void {
  const failures = [...seen].sort(([, a], [, b]) => b - a)
  if (failures.length > 0) console.log(`\n${title}`)
  for (const [what, times] of failures.slice(0, MOST_FAILURES)) {
    console.log(`${count(times).padStart(8)}  ${what.replaceAll('\n', ' ')}`)
  }
}

function row(...cells: readonly string[]): void {
  console.log(
    cells
      .map((cell, i) => cell.padEnd(COLUMNS[i]!))
      .join('  ')
      .trimEnd(),
  )
}

/** Of milliseconds, in seconds. */
function spread(values: readonly number[]): string {
  if (values.length === 0) return '-'
  const sorted = values.toSorted((a, b) => a - b)
  const middle = sorted[Math.floor((sorted.length - 1) / 2)]!
  const text = [sorted[0]!, middle, sorted.at(-1)!].map((value) => (value / 1_000).toFixed(2))
  return values.length === 1 ? text[0]! : text.join(' / ')
}
