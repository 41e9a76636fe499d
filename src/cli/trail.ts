/**
 * Records as a picture of what happened: one below the other in the order of the log, each with what it says in the
 * clear, what is disclosed of its payload, and what is not shown.
 */
import type { OpenedDisclosure } from '../formats/disclosure.ts'
import { isJsonObject, type JsonValue } from '../formats/json-strict.ts'
import type { RecordLeaf } from '../formats/record.ts'
import { printable, type Style } from './style.ts'
import { wrap } from './table.ts'

/** A record to be drawn. */
export interface TrailRecord {
  /** Where it stands in the log. */
  readonly index?: number | undefined
  readonly id?: string | undefined
  /** `good`: proven. `bad`: something about it does not hold. `open`: it is not known. */
  readonly state: 'good' | 'bad' | 'open'
  readonly record?: RecordLeaf | undefined
  readonly disclosed: readonly Pick<OpenedDisclosure, 'pointer' | 'value'>[]
  /** Pointers of what it commits to and is not shown. */
  readonly undisclosed: readonly string[]
  /** A sentence each. */
  readonly problems: readonly string[]
}

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
  const all = records.map((record) => ({ record, rows: rowsOf(record) }))
  const labels = all.flatMap(({ rows }) => rows.map(({ label }) => label.length))
  const layout = { ...options, labelWidth: Math.min(Math.max(...labels, 0), MAX_LABEL) }
  const text = all.map(({ record, rows }) => formatRecord(record, rows, layout)).join('')
  const isShown = records.some(({ disclosed }) => disclosed.length > 0)
  const legend = `${DISCLOSED} disclosed: the record in the log commits to it`
  return isShown ? `${text}${options.style.dim(legend)}\n` : text
}

interface Row {
  readonly label: string
  readonly text: string
  readonly kind: 'clear' | 'disclosed' | 'hidden' | 'problem'
}

function rowsOf(drawn: TrailRecord): Row[] {
  const { record, problems, disclosed, undisclosed } = drawn
  const rows: Row[] = problems.map((text) => ({ label: 'wrong', text, kind: 'problem' }))
  // Whose name is shown stands there with it.
  const isNamed = ({ label }: Row) => disclosed.some(({ pointer }) => pointer === `/${label}`)
  if (record !== undefined) rows.push(...clearRows(record).filter((row) => !isNamed(row)))
  rows.push(...disclosedRows(drawn))
  if (undisclosed.length > 0) {
    rows.push({ label: 'not shown', text: undisclosed.map(nameOf).join(', '), kind: 'hidden' })
  }
  return rows
}

function formatRecord(
  drawn: TrailRecord,
  rows: readonly Row[],
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

/** What the record says in the clear, in the order in which a request flows. */
function clearRows(record: RecordLeaf): Row[] {
  const { model, guardrails = [], tool_calls = [], metrics, signature } = record
  const version = [model?.name, model?.version].filter((text) => text !== undefined).join(' ')
  const rows: [label: string, parts: readonly (string | undefined)[]][] = [
    ['id', [record.id]],
    ['request', [record.request_id, named('session', record.session_id)]],
    ['trace', [record.trace_id, named('span', record.span_id)]],
    ['follows', [record.parent_id]],
    ['corrects', [record.corrects]],
    ['claimed time', [record.claimed_time]],
    ['actor', [record.actor]],
    ['subject', [record.subject]],
    ['model', [version === '' ? undefined : version, named('by', model?.provider)]],
    ['weights', [model?.version_hash]],
    [
      'guardrails',
      guardrails.map(({ name = 'a guardrail', verdict, score }) =>
        [name, verdict, score].filter((one) => one !== undefined).join(' '),
      ),
    ],
    ['tools', tool_calls.map(({ name, id }) => name ?? id)],
    [
      'took',
      [
        counted(metrics?.input_tokens, 'tokens in'),
        counted(metrics?.output_tokens, 'out'),
        counted(metrics?.latency_ms, 'ms'),
        counted(metrics?.cost, metrics?.currency ?? 'cost'),
      ],
    ],
    [
      'under',
      [
        named('policy', record.policy),
        named('app', record.app_version),
        record.environment,
        named('kept as', record.retention_class),
      ],
    ],
    ['signed', [named('with the key', signature?.key_id)]],
  ]
  return rows.flatMap(([label, parts]) => {
    const text = parts.filter((part) => part !== undefined).join(' · ')
    return text === '' ? [] : [{ label, text, kind: 'clear' }]
  })
}

function named(what: string, text: string | undefined): string | undefined {
  return text === undefined ? undefined : `${what} ${text}`
}

function counted(value: number | undefined, unit: string): string | undefined {
  return value === undefined ? undefined : `${value} ${unit}`
}

/** What is disclosed; of what stands under /extra, each member for itself. */
function disclosedRows({ record, disclosed }: TrailRecord): Row[] {
  return disclosed.flatMap(({ pointer, value }) => {
    const pseudonym =
      pointer === '/actor' ? record?.actor : pointer === '/subject' ? record?.subject : undefined
    if (pseudonym !== undefined) return [rowOf(pointer, `${value} (${pseudonym})`)]
    if (pointer !== '/extra' || !isJsonObject(value)) return [rowOf(pointer, value)]
    return Object.entries(value).flatMap(([name, member]) =>
      name === '/extra' && isJsonObject(member)
        ? Object.entries(member).map(([key, one]) => rowOf(key, one))
        : [rowOf(name, member)],
    )
  })
}

function rowOf(pointer: string, value: JsonValue): Row {
  const text = typeof value === 'string' ? value : JSON.stringify(value)
  return { label: nameOf(pointer), text, kind: 'disclosed' }
}

/** `/input/prompt` as `input.prompt`. */
function nameOf(pointer: string): string {
  return pointer.replace(/^\//, '').replaceAll('/', '.')
}

/** The lines of a text, wrapped, with nothing in them that steers a terminal. */
function linesOf(text: string, room: number): string[] {
  return text.split(/\r\n|\n/).flatMap((line) => wrap(printable(line.replaceAll('\t', '  ')), room))
}
