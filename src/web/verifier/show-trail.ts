/** The records of a verdict as a timeline: what each says in the clear, what is disclosed of it, and what is not shown. */
import { drawnRecord, type TrailRecord, type TrailRow, trailRows } from '../../client/trail-rows.ts'
import type { EvidenceVerdictRecord } from '../../client/verify-evidence.ts'
import { counted, grouped } from '../../formats/count.ts'
import type { RecordLeaf } from '../../formats/record.ts'
import { GROUP_OF, typeWords } from '../../reports/words.ts'
import { el, type IconName, icon } from './dom.ts'

/** Records that are shown at first, and further ones at each asking. */
const AT_FIRST = 50
const MORE = 200
/** Of what is wrong with one record. */
const MAX_PROBLEMS = 50
/** Characters of a value that are shown at first. */
const SHORT = 600
const HEAD = 240

const STATES: Readonly<Record<TrailRecord['state'], readonly [icon: IconName, words: string]>> = {
  good: ['held', 'proven'],
  bad: ['failed', 'does not hold'],
  open: ['skipped', 'not proven'],
}

/**
 * Of many records the first, and those that do not hold as long as these are not many as well; the others when they are
 * asked for. All stand in their order.
 */
export function showTrail(records: readonly EvidenceVerdictRecord[]): HTMLElement {
  const all = records.map(drawnRecord)
  const items: (HTMLElement | undefined)[] = all.map(() => undefined)
  const list = el('ol', { class: 'trail' })
  const reveal = (i: number): HTMLElement => {
    const item = showRecord(all[i]!)
    items[i] = item
    const next = items.slice(i + 1).find((one) => one !== undefined)
    list.insertBefore(item, next ?? null)
    return item
  }
  let bad = 0
  const isFirst = ({ state }: TrailRecord, i: number): boolean =>
    i < AT_FIRST || (state === 'bad' && bad++ < MORE)
  const rest: number[] = []
  const first: number[] = []
  all.forEach((record, i) => {
    if (isFirst(record, i)) first.push(i)
    else rest.push(i)
  })
  for (const i of first.reverse()) reveal(i)
  if (rest.length === 0) return list
  const button = el('button', { type: 'button', class: 'quiet' })
  const label = (): void => {
    const next = grouped(Math.min(MORE, rest.length))
    button.textContent = `Show ${next} of ${counted(rest.length, 'more record')}`
  }
  label()
  button.addEventListener('click', () => {
    const [next] = rest.splice(0, MORE).map(reveal)
    // Whoever listens goes on where the new ones begin.
    next?.setAttribute('tabindex', '-1')
    next?.focus()
    if (rest.length === 0) button.remove()
    else label()
  })
  return el('div', {}, list, button)
}

/** The one record of a receipt's leaf. */
export function showLeaf(
  record: RecordLeaf,
  index: number | undefined,
  isProven: boolean,
): HTMLElement {
  const drawn: TrailRecord = {
    index,
    state: isProven ? 'good' : 'open',
    record,
    disclosed: [],
    undisclosed: Object.keys(record.commitments),
    problems: [],
  }
  return el('ol', { class: 'trail' }, showRecord(drawn))
}

function showRecord(drawn: TrailRecord): HTMLElement {
  const { record, index, id, state } = drawn
  const [sign, words] = STATES[state]
  const group = record === undefined ? undefined : GROUP_OF[record.type]
  const what =
    record === undefined
      ? `record${id === undefined ? '' : ` ${id}`}`
      : typeWords(record.type) + (record.action === undefined ? '' : `: ${record.action}`)
  return el(
    'li',
    { class: `${state} ${group ?? ''}` },
    el(
      'p',
      { class: 'head' },
      el('span', { class: 'state' }, icon(sign), el('span', { class: 'unseen' }, `${words}: `)),
      el('strong', {}, what),
      ' ',
      index !== undefined && el('span', { class: 'soft' }, `entry ${index}`),
      ' ',
      record && el('time', { datetime: record.time, class: 'soft' }, timeOf(record)),
    ),
    el('dl', {}, trailRows(withFewProblems(drawn)).map(showRow)),
  )
}

function withFewProblems(drawn: TrailRecord): TrailRecord {
  const more = drawn.problems.length - MAX_PROBLEMS
  if (more <= 0) return drawn
  const problems = [...drawn.problems.slice(0, MAX_PROBLEMS), `and ${counted(more, 'more thing')}`]
  return { ...drawn, problems }
}

function timeOf({ time }: RecordLeaf): string {
  return time.replace('T', ' ').replace('Z', ' UTC')
}

function showRow({ label, text, kind }: TrailRow): HTMLElement {
  const value = text === '' ? '(empty)' : text
  return el(
    'div',
    { class: kind },
    el('dt', {}, label),
    el(
      'dd',
      {},
      kind === 'disclosed' && [el('span', { class: 'tag' }, 'disclosed'), ' '],
      value.length <= SHORT ? value : longText(value),
    ),
  )
}

function longText(text: string): HTMLElement {
  const rest = `… (${counted(text.length, 'character')} in all)`
  return el(
    'details',
    {},
    el('summary', {}, `${text.slice(0, HEAD)}${rest}`),
    el('div', { class: 'long' }, text),
  )
}
