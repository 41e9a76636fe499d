/** Records that were found, as a table: a row each, with the columns that have something in them. */
import type { FoundRecord } from '../client/record-answers.ts'
import { hasPassed } from '../reports/record-stages.ts'
import { shortTime, typeWords } from '../reports/words.ts'
import { costOf, guardrailWords, modelWords, shortPerson, typeToned } from './record-words.ts'
import { count, printable, type Style } from './style.ts'
import { formatTable } from './table.ts'

interface Column {
  readonly heading: string
  readonly cell: (record: FoundRecord) => string
  /** Numbers stand to the right. */
  readonly isNumber?: boolean
  /** What has more comes first where there is little room; without it it always stays. */
  readonly weight?: number
}

const COLUMNS: readonly Column[] = [
  { heading: 'INDEX', cell: ({ index }) => count(index), isNumber: true },
  { heading: 'TIME (UTC)', cell: ({ time }) => printable(shortTime(time)) },
  { heading: 'WHAT', cell: what },
  { heading: 'REQUEST', cell: ({ request_id: id }) => named(id), weight: 7 },
  { heading: 'SESSION', cell: ({ session_id: id }) => named(id), weight: 1 },
  { heading: 'SUBJECT', cell: ({ subject }) => (subject ? shortPerson(subject) : ''), weight: 5 },
  { heading: 'ACTOR', cell: ({ actor }) => (actor ? shortPerson(actor) : ''), weight: 3 },
  { heading: 'MODEL', cell: ({ model }) => (model ? modelWords(model) : ''), weight: 6 },
  { heading: 'COST', cell: ({ metrics }) => costOf(metrics ?? {}), isNumber: true, weight: 2 },
  { heading: 'GUARDRAILS', cell: verdicts, weight: 4 },
]

/** Characters between two columns. */
const GAP = 2
/** A cell that is longer is cut, so that one long id does not take all the room; less on a narrow terminal. */
const LONGEST_CELL = { wide: 36, narrow: 22 }
const WIDE = 100

/** The table, with its headings. `columns` is the width of the terminal; the column `first` has room before others. */
export function formatRecords(
  records: readonly FoundRecord[],
  style: Style,
  columns: number,
  first?: string,
): string {
  const longest = columns < WIDE ? LONGEST_CELL.narrow : LONGEST_CELL.wide
  const filled = COLUMNS.map((column) => {
    const cells = [column.heading, ...records.map((record) => cut(column.cell(record), longest))]
    const width = Math.max(...cells.map(({ length }) => length))
    return { ...column, cells, width }
  }).filter(({ cells, weight }) => weight === undefined || cells.slice(1).some(Boolean))
  const shown = fitting(filled, columns, first)
  const rows = [undefined, ...records].map((_, row) =>
    shown.map(({ cells, width, isNumber }) =>
      isNumber === true ? cells[row]!.padStart(width) : cells[row]!,
    ),
  )
  return formatTable(rows, {
    columns,
    paint: (text, row, column) =>
      row === 0 ? style.dim(text) : toned(text, shown[column]!.heading, records[row - 1]!, style),
  })
}

/** Those that always stay, and of the others the weightiest that have room. */
function fitting<T extends Column & { readonly width: number }>(
  columns: readonly T[],
  room: number,
  first: string | undefined,
): readonly T[] {
  const weightOf = ({ heading, weight = Number.MAX_VALUE }: Column): number =>
    heading === first ? Number.MAX_VALUE : weight
  const byWeight = [...columns].sort((a, b) => weightOf(b) - weightOf(a))
  const shown = new Set<T>()
  let taken = -GAP
  for (const column of byWeight) {
    if (column.weight !== undefined && taken + GAP + column.width > room) continue
    shown.add(column)
    taken += GAP + column.width
  }
  return columns.filter((column) => shown.has(column))
}

/** `LLM request`, `Grant: approve`. */
function what({ type, action }: FoundRecord): string {
  const words = printable(typeWords(type))
  return action === undefined ? words : `${words}: ${printable(action)}`
}

/** Those guardrails that did not let it pass; else how many there were. */
function verdicts({ guardrails = [] }: FoundRecord): string {
  const stopped = guardrails.filter(({ verdict }) => !hasPassed(verdict))
  if (stopped.length > 0) return stopped.map(guardrailWords).join(' ')
  return guardrails.length === 0 ? '' : `✓ ${guardrails.length}`
}

function named(id: string | undefined): string {
  return id === undefined ? '' : printable(id)
}

function cut(text: string, longest: number): string {
  return text.length > longest ? `${text.slice(0, longest - 1)}…` : text
}

function toned(text: string, heading: string, { type }: FoundRecord, style: Style): string {
  switch (heading) {
    case 'WHAT':
      return typeToned(text, type, style)
    case 'INDEX':
      return style.bold(text)
    case 'TIME (UTC)':
      return style.dim(text)
    case 'GUARDRAILS':
      return text.includes('✗') ? style.red(text) : style.green(text)
    default:
      return text
  }
}
