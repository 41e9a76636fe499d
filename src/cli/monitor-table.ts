/** A round of a monitor as a table: a row for each log, and one for each place that shows its heads. */
import { type AlertKind, SEVERITIES, type Severity } from '../monitor/alert.ts'
import type { LogReport, PlaceReport, RoundReport } from '../monitor/report.ts'
import { count, printable, type Style, span } from './style.ts'
import { formatTable } from './table.ts'

const HEADINGS = ['LOG', 'SIZE', 'NEW', 'LAG', 'AGE', 'STATUS'] as const

type Tone = Severity | 'good' | 'quiet' | 'heading'

interface Row {
  readonly cells: readonly string[]
  readonly tone: Tone
  /** Whether it is about a log, and not about a place that shows it. */
  readonly isLog: boolean
}

/** The table, with its headings. */
export function formatRound({ logs }: RoundReport, style: Style, columns: number): string {
  const rows: readonly Row[] = [
    { cells: HEADINGS, tone: 'heading', isLog: false },
    ...logs.flatMap(rowsOf),
  ]
  return formatTable(aligned(rows.map(({ cells }) => cells)), {
    columns,
    indent: 2,
    paint: (text, row, column) => paint(text, rows[row]!, column, style),
  })
}

function rowsOf(log: LogReport): Row[] {
  const [only, ...others] = log.places.filter(({ role }) => role === 'log')
  const isOne = only !== undefined && others.length === 0
  // A log with one address has one row for both.
  const own = isOne
    ? log.alerts.filter(({ source }) => source === only.source || source === log.origin)
    : log.alerts.filter(({ source }) => source === log.origin)
  const rest = isOne ? log.places.filter((place) => place !== only) : log.places
  const kinds = own.map(({ kind }) => kind)
  const row: Row = {
    cells: [
      printable(log.origin),
      count(log.size),
      log.newEntries > 0 ? `+${count(log.newEntries)}` : '',
      '',
      isOne ? ageOf(only) : '',
      logStatus(log, kinds, isOne ? only : undefined),
    ],
    tone: toneOf(kinds, 'good'),
    isLog: true,
  }
  return [row, ...rest.map(placeRow)]
}

function logStatus(log: LogReport, kinds: readonly AlertKind[], place?: PlaceReport): string {
  const { underWay } = log
  if (kinds.length > 0) return alertWords(kinds)
  if (underWay !== undefined) {
    const percent = Math.floor((100 * underWay.done) / Math.max(underWay.total, 1))
    return `… ${percent}% of ${count(underWay.total)} entries read`
  }
  const how = log.entries === 'hashes' ? 'verified (hashes only)' : 'verified'
  return place !== undefined && place.size === undefined ? '– no head' : `✓ ${how}`
}

function placeRow(place: PlaceReport): Row {
  const { role, source, size, lag, alerts } = place
  const name = role === 'witness' ? `witness ${source}` : source
  const never = size === undefined && alerts.length === 0
  const good = role === 'witness' ? '✓ cosigned' : '✓ agrees'
  return {
    cells: [
      `  ${printable(name)}`,
      size === undefined ? '' : count(size),
      '',
      lag === undefined ? '' : count(lag),
      ageOf(place),
      never ? '– has not cosigned this log' : alerts.length > 0 ? alertWords(alerts) : good,
    ],
    tone: toneOf(alerts, never ? 'quiet' : 'good'),
    isLog: false,
  }
}

/** `12 s` where a cosignature says so; `same for 3 min` for a head that nothing dates. */
function ageOf({ ageMs, isAgeSigned }: PlaceReport): string {
  if (ageMs === undefined) return ''
  return isAgeSigned ? span(ageMs) : `same for ${span(ageMs)}`
}

/** `✗ split view, stale head` */
function alertWords(kinds: readonly AlertKind[]): string {
  const mark = toneOf(kinds, 'good') === 'misbehaviour' ? '✗' : '!'
  return `${mark} ${kinds.map((kind) => kind.replaceAll('-', ' ')).join(', ')}`
}

function toneOf(kinds: readonly AlertKind[], otherwise: Tone): Tone {
  if (kinds.length === 0) return otherwise
  return kinds.some((kind) => SEVERITIES[kind] === 'misbehaviour') ? 'misbehaviour' : 'trouble'
}

/** Numbers to the right: every column but the first and the last. */
function aligned(rows: readonly (readonly string[])[]): string[][] {
  const last = HEADINGS.length - 1
  const widths = HEADINGS.map((_, column) => Math.max(...rows.map((row) => row[column]!.length)))
  return rows.map((row) =>
    row.map((cell, c) => (c === 0 || c === last ? cell : cell.padStart(widths[c]!))),
  )
}

const STATUS = HEADINGS.length - 1

function paint(text: string, { tone, isLog }: Row, column: number, style: Style): string {
  if (tone === 'heading') return style.dim(text)
  if (column === 0) return isLog ? style.bold(text) : text
  if (column < STATUS) return text
  return toned(text, tone, style)
}

/** Text in the colour of how bad it is. */
export function toned(text: string, tone: Tone, style: Style): string {
  if (tone === 'misbehaviour') return style.red(style.bold(text))
  if (tone === 'trouble') return style.yellow(text)
  return tone === 'good' ? style.green(text) : style.dim(text)
}
