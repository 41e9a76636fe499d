/** The records of a verdict as a timeline: what each says in the clear, what is disclosed of it, and what is not shown. */
import { drawnRecord, type TrailRecord, type TrailRow, trailRows } from '../../client/trail-rows.ts'
import type { EvidenceVerdictRecord } from '../../client/verify-evidence.ts'
import type { RecordLeaf } from '../../formats/record.ts'
import { counted, GROUP_OF, typeWords } from '../../reports/words.ts'
import { el, type IconName, icon } from './dom.ts'

/** Records that are shown at first, and further ones at each asking. */
const AT_FIRST = 50
const MORE = 200
/** Characters of a value that are shown at first. */
const SHORT = 600
const HEAD = 240

const STATES: Readonly<Record<TrailRecord['state'], readonly [icon: IconName, words: string]>> = {
  good: ['held', 'proven'],
  bad: ['failed', 'does not hold'],
  open: ['skipped', 'not proven'],
}

/** Of many records the first and all that do not hold; the others when they are asked for. */
export function showTrail(records: readonly EvidenceVerdictRecord[]): HTMLElement {
  const all = records.map(drawnRecord)
  const first = all.filter(
    ({ state }, i) => i < AT_FIRST || (state === 'bad' && i < AT_FIRST + MORE),
  )
  const list = el('ol', { class: 'trail' }, first.map(showRecord))
  const rest = all.filter((record) => !first.includes(record))
  if (rest.length === 0) return list
  const button = el('button', { type: 'button', class: 'quiet' })
  const label = (): void => {
    button.textContent = `Show ${counted(Math.min(MORE, rest.length), 'more record')} of ${rest.length}`
  }
  label()
  button.addEventListener('click', () => {
    const more = rest.splice(0, MORE).map(showRecord)
    list.append(...more)
    // Whoever listens goes on where the new ones begin.
    more[0]?.setAttribute('tabindex', '-1')
    more[0]?.focus()
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
      index !== undefined && el('span', { class: 'soft' }, `entry ${index}`),
      record && el('time', { datetime: record.time, class: 'soft' }, timeOf(record)),
    ),
    el('dl', {}, trailRows(drawn).map(showRow)),
  )
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
      kind === 'disclosed' && el('span', { class: 'tag' }, 'disclosed'),
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
