/**
 * Records as a picture of what happened: one below the other in the order of the log, each with what it says in the
 * clear, what is disclosed of its payload, and what is not shown.
 */
import { type TrailRecord, type TrailRow, trailRows } from '../client/trail-rows.ts'
import { printable, type Style } from './style.ts'
import { wrap } from './table.ts'

export interface TrailOptions {
  readonly style: Style
  readonly columns: number
  /** Shows long values to their end. */
  readonly full?: boolean
}

/** Lines of a value that are shown, unless all are asked for. */
const MAX_LINES = 8
const MAX_LABEL = 24
const MARKS = { good: '●', bad: '✗', open: '○' } as const
/** Stands before what is disclosed: the record itself has no more than a commitment to it. */
const DISCLOSED = '◆'

/** The records as lines of text, and a line that tells what the marks mean. */
export function formatTrail(records: readonly TrailRecord[], options: TrailOptions): string {
  const all = records.map((record) => ({ record, rows: trailRows(record) }))
  const longest = all.reduce(
    (most, { rows }) => rows.reduce((more, { label }) => Math.max(more, label.length), most),
    0,
  )
  const layout = { ...options, labelWidth: Math.min(longest, MAX_LABEL) }
  const text = all.map(({ record, rows }) => formatRecord(record, rows, layout)).join('')
  const isShown = records.some(({ disclosed }) => disclosed.length > 0)
  const legend = `${DISCLOSED} disclosed: the record in the log commits to it`
  return isShown ? `${text}${options.style.dim(legend)}\n` : text
}

function formatRecord(
  drawn: TrailRecord,
  rows: readonly TrailRow[],
  { style, columns, full = false, labelWidth }: TrailOptions & { readonly labelWidth: number },
): string {
  const paint = { good: style.green, bad: style.red, open: style.yellow }[drawn.state]
  const plain = (text: string): string => text
  const paints = { clear: plain, disclosed: style.cyan, hidden: style.dim, problem: style.red }
  const bar = style.dim('│')
  const room = Math.max(columns - labelWidth - 6, 20)
  const lines = [`${paint(MARKS[drawn.state])} ${headline(drawn, style)}`]
  for (const { label, text, kind } of rows) {
    const all = linesOf(text, room)
    const shown = full || all.length <= MAX_LINES + 1 ? all : all.slice(0, MAX_LINES)
    shown.forEach((value, i) => {
      const name = i === 0 ? cut(printable(label), labelWidth) : ''
      const mark = kind === 'disclosed' && i === 0 ? style.cyan(DISCLOSED) : ' '
      lines.push(
        `${bar} ${style.dim(name.padEnd(labelWidth))} ${mark} ${paints[kind](value)}`.trimEnd(),
      )
    })
    const left = all.length - shown.length
    if (left > 0) {
      const rest = `… ${left} more lines (--full)`
      lines.push(`${bar} ${' '.repeat(labelWidth + 3)}${style.dim(rest)}`)
    }
  }
  return `${[...lines, bar].join('\n')}\n`
}

function cut(text: string, width: number): string {
  return text.length <= width ? text : `${text.slice(0, width - 1)}…`
}

/** `2026-11-21 12:00:00.000Z  llm_request  entry 7`. */
function headline({ index, id, record }: TrailRecord, style: Style): string {
  const where = index === undefined ? '' : style.dim(`entry ${index}`)
  if (record === undefined) {
    const what = id === undefined ? 'a record' : `record ${printable(id)}`
    return [style.bold(what), where].filter((text) => text !== '').join('  ')
  }
  const time = record.time.replace('T', ' ')
  const what = record.action === undefined ? record.type : `${record.type} ${record.action}`
  return [time, style.bold(printable(what)), where].filter((text) => text !== '').join('  ')
}

/** The lines of a text, wrapped, with nothing in them that steers a terminal. */
function linesOf(text: string, room: number): string[] {
  return text.split(/\r\n|\n/).flatMap((line) => wrap(printable(line.replaceAll('\t', '  ')), room))
}
