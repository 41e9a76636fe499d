/**
 * A record as a picture: the way of a request from top to bottom, with what is in the clear, what was disclosed, and
 * what the log only commits to.
 */
import type { RecordReading } from '../client/record-answers.ts'
import { recordStages, type Stage, type Tone } from '../reports/record-stages.ts'
import { typeWords } from '../reports/words.ts'
import { typeToned } from './record-words.ts'
import { count, plural, printable, type Style } from './style.ts'
import { wrap } from './table.ts'

/** What is drawn. */
export type DrawnRecord = Pick<RecordReading, 'index' | 'record' | 'payload'>

const STAGE_WIDTH = 12
const LABEL_WIDTH = 15
/** `  ● ` before the name of a stage. */
const RAIL_WIDTH = 4
/** Lines of one value at most; all of it is in the JSON. */
const LONGEST_VALUE = 12

/** The lines of the picture. */
export function drawRecord(drawn: DrawnRecord, style: Style, columns: number): string[] {
  const stages = recordStages(drawn.record, drawn.payload)
  const lines = [...headOf(drawn, style, columns), '']
  stages.forEach((stage, i) => {
    const isLast = i === stages.length - 1
    lines.push(...drawStage(stage, isLast, style, columns))
    if (!isLast) lines.push(`  ${style.dim('│')}`)
  })
  return lines
}

function headOf({ index, record }: DrawnRecord, style: Style, columns: number): string[] {
  const { type, action, time, tenant, request_id: request, session_id: session } = record
  const title = typeToned(style.bold(printable(typeWords(type))), type, style)
  const what = action === undefined ? '' : `: ${style.bold(printable(action))}`
  const where = [
    time.replace('T', ' ').replace('Z', ' UTC'),
    `tenant ${tenant}`,
    ...(request === undefined ? [] : [`request ${request}`]),
    ...(session === undefined ? [] : [`session ${session}`]),
  ]
  return [
    `${title}${what}  ${style.dim(`entry ${count(index)}`)}`,
    ...wrap(printable(where.join(' · ')), columns).map((line) => style.dim(line)),
  ]
}

function drawStage({ name, facts }: Stage, isLast: boolean, style: Style, columns: number) {
  const room = Math.max(columns - RAIL_WIDTH - STAGE_WIDTH - LABEL_WIDTH, 20)
  const rail = isLast ? ' ' : style.dim('│')
  const lines: string[] = []
  const add = (text: string): void => {
    const start =
      lines.length === 0
        ? `  ${style.green('●')} ${style.bold(name.padEnd(STAGE_WIDTH))}`
        : `  ${rail} ${''.padEnd(STAGE_WIDTH)}`
    lines.push(`${start}${text}`.trimEnd())
  }
  for (const { label, text, tone } of facts) {
    const named = printable(label)
    const isLong = named.length >= LABEL_WIDTH
    if (isLong) for (const line of wrap(named, LABEL_WIDTH + room)) add(style.dim(line))
    textLines(text, room).forEach((line, i) => {
      const title = i === 0 && !isLong ? named : ''
      add(`${style.dim(title.padEnd(LABEL_WIDTH))}${toned(line, tone, style)}`)
    })
  }
  return lines
}

/** Text in lines of at most `width` characters; the end of a long one is left out, and it says so. */
function textLines(text: string, width: number): string[] {
  const lines = text.split(/\r\n|\n|\r/).flatMap((line) => wrap(printable(line), width))
  if (lines.length <= LONGEST_VALUE) return lines
  const more = lines.length - LONGEST_VALUE + 1
  return [...lines.slice(0, LONGEST_VALUE - 1), `… ${plural(more, 'more line')}, see --json`]
}

function toned(text: string, tone: Tone, style: Style): string {
  switch (tone) {
    case 'sealed':
      return style.dim(text)
    case 'good':
      return style.green(text)
    case 'bad':
      return style.red(text)
    case 'shown':
      return style.yellow(text)
    default:
      return text
  }
}
