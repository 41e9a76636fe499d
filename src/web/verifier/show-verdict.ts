/** A verdict as people see it: the answer, every check with its reason, what is proven, and the trail of evidence. */
import { toHex } from '../../bytes.ts'
import { checkMeaning } from '../../client/check-words.ts'
import type { FileKind } from '../../client/file-kind.ts'
import type { Check } from '../../client/verdict.ts'
import { verdictJson } from '../../client/verdict-json.ts'
import type { EvidenceVerdict } from '../../client/verify-evidence.ts'
import { type FileVerdict, KIND_WORDS } from '../../client/verify-file.ts'
import { counted, grouped } from '../../formats/count.ts'
import type { EvidenceQuery } from '../../formats/evidence-manifest.ts'
import { parseRecord, type RecordLeaf } from '../../formats/record.ts'
import { timeWords } from '../../reports/words.ts'
import { type Child, el, type IconName, icon } from './dom.ts'
import { showLeaf, showTrail } from './show-trail.ts'

/** Of what is wrong and belongs to no record. */
const MAX_PROBLEMS = 50
/** Longer than this, the verdict as JSON is for programs only. */
const MAX_JSON = 2_000_000

/** How a card looks: proven, not proven, not known yet, or proven and bad news. */
export type Tone = 'good' | 'bad' | 'open' | 'alarm'

const SIGNS: Readonly<Record<Tone, IconName>> = {
  good: 'held',
  bad: 'failed',
  open: 'wait',
  alarm: 'alarm',
}

const RESULTS: Readonly<Record<Check['status'], string>> = {
  held: 'held',
  failed: 'failed',
  skipped: 'not checked',
}

export interface Card {
  readonly name: string
  readonly tone: Tone
  /** The answer in a word or two. */
  readonly answer: string
  readonly what: string
  readonly finding: string
}

export function showCard(
  { name, tone, answer, what, finding }: Card,
  ...more: readonly Child[]
): HTMLElement {
  return el(
    'article',
    { class: `card ${tone}` },
    el(
      'div',
      { class: 'banner' },
      icon(SIGNS[tone]),
      el(
        'div',
        {},
        el(
          'h3',
          {},
          el('span', { class: 'answer' }, answer),
          ' ',
          el('span', { class: 'name' }, name),
        ),
        el('p', { class: 'soft' }, what),
        el('p', { class: 'finding' }, sentence(finding)),
      ),
    ),
    more,
  )
}

/** What a verdict comes to, in a few words. */
export function answerOf(verdict: FileVerdict): Pick<Card, 'tone' | 'answer'> {
  if (!verdict.ok) return { tone: 'bad', answer: 'Not verified' }
  return verdict.kind === 'split-view'
    ? { tone: 'alarm', answer: 'Proven: the log has forked' }
    : { tone: 'good', answer: 'Verified' }
}

/** @param leaf that a receipt is for */
export function showVerdict(name: string, verdict: FileVerdict, leaf?: Uint8Array): HTMLElement {
  const finding = verdict.ok ? verdict.finding : `${verdict.finding}. Do not rely on this file`
  const card = { name, what: KIND_WORDS[verdict.kind], finding, ...answerOf(verdict) }
  return showCard(
    card,
    showChecks(name, verdict.checks),
    showFacts(verdict),
    verdict.kind === 'evidence' ? showEvidence(verdict) : showRecordOf(verdict, leaf),
    showJson(verdict),
  )
}

/** As a sentence of its own; what begins with the name of a log stays as it is. */
function sentence(text: string): string {
  const begun = /^[a-z]+ /.test(text) ? `${text.charAt(0).toUpperCase()}${text.slice(1)}` : text
  return begun.endsWith('.') ? begun : `${begun}.`
}

function showChecks(name: string, checks: readonly Check[]): HTMLElement {
  const head = ['Check', 'Result', 'What was found'].map((text) => el('th', { scope: 'col' }, text))
  const rows = checks.map(({ name: check, status, detail }) =>
    el(
      'tr',
      { class: status },
      el('th', { scope: 'row' }, check),
      el('td', { class: 'result' }, el('span', {}, icon(status), RESULTS[status])),
      el('td', {}, detail, aboutCheck(check)),
    ),
  )
  return el(
    'table',
    { class: 'checks' },
    el('caption', { class: 'unseen' }, `Checks of ${name}`),
    el('thead', {}, el('tr', {}, head)),
    el('tbody', {}, rows),
  )
}

/** What a check is about, for readers who do not know the formats. */
function aboutCheck(name: string): HTMLElement | undefined {
  const meaning = checkMeaning(name)
  return meaning === undefined
    ? undefined
    : el('p', { class: 'soft meaning' }, `What is tested: ${meaning}`)
}

/** Terms and what is said of them, without those of which nothing is. */
function pairs(rows: readonly (readonly [term: string, text: string | undefined])[]): HTMLElement {
  return el(
    'dl',
    { class: 'facts' },
    rows.flatMap(([term, text]) =>
      text === undefined ? [] : [el('div', {}, el('dt', {}, term), el('dd', {}, text))],
    ),
  )
}

function showFacts(verdict: FileVerdict): HTMLElement | undefined {
  const { origin, index, size, root } = verdict
  const rows: [string, string | undefined][] = [
    ['Log', origin],
    ['Entry', index === undefined ? undefined : grouped(index)],
    ['Tree size', size === undefined ? undefined : grouped(size)],
    ['Root hash', root && toHex(root)],
  ]
  if (verdict.kind === 'split-view' && verdict.heads !== undefined) {
    for (const head of verdict.heads) {
      rows.push([`Head of ${counted(head.size, 'entry', 'entries')}`, toHex(head.root)])
    }
  }
  return rows.some(([, text]) => text !== undefined) ? pairs(rows) : undefined
}

function showEvidence({ claims, records, problems }: EvidenceVerdict): Child {
  const told = new Set(records.flatMap((record) => record.problems))
  const others = problems.map(({ detail }) => detail).filter((detail) => !told.has(detail))
  return [
    claims && [
      el('h4', {}, 'What its maker says of it'),
      pairs([
        ['Asked for', queryWords(claims.query)],
        ['Tenant', claims.tenant],
        ['By', claims.asked_by],
        ['Purpose', claims.purpose],
        ['Grant', claims.grant],
        ['Made', timeWords(claims.made)],
      ]),
    ],
    others.length > 0 &&
      el(
        'ul',
        { class: 'problems' },
        others.slice(0, MAX_PROBLEMS).map((text) => el('li', {}, text)),
        others.length > MAX_PROBLEMS &&
          el('li', {}, `and ${counted(others.length - MAX_PROBLEMS, 'more problem')}`),
      ),
    records.length > 0 && [
      el('h4', {}, `The trail: ${counted(records.length, 'record')}`),
      showTrail(records),
    ],
  ]
}

function queryWords(query: EvidenceQuery): string {
  const members = Object.entries(query).map(
    ([name, value]) => `${name.replaceAll('_', ' ')} ${value}`,
  )
  return members.length === 0 ? 'all records' : members.join(', ')
}

/** What the leaf of a receipt says, where it is a record. */
function showRecordOf(verdict: FileVerdict, leaf: Uint8Array | undefined): Child {
  const record = leaf && recordOf(leaf)
  if (record === undefined) return undefined
  const title = verdict.ok
    ? 'The record'
    : 'What the file given as its record says, which is not proven'
  return [el('h4', {}, title), showLeaf(record, verdict.index, verdict.ok)]
}

export function recordOf(leaf: Uint8Array): RecordLeaf | undefined {
  try {
    return parseRecord(leaf)
  } catch {
    return undefined
  }
}

/** The verdict for programs, as `cairn verify --json` prints it. Made when it is looked at. */
function showJson(verdict: FileVerdict): HTMLElement {
  const box = el('pre', { tabindex: '0', 'aria-label': 'The verdict as JSON', role: 'group' })
  const details = el('details', { class: 'json' }, el('summary', {}, 'The verdict as JSON'), box)
  details.addEventListener('toggle', () => {
    if (box.textContent !== '') return
    const text = JSON.stringify(verdictJson(verdict), null, 2)
    box.textContent =
      text.length <= MAX_JSON
        ? text
        : 'It is too long for this page: cairn verify --json prints it.'
  })
  return details
}

/** What a file is taken for, in words. */
export function kindWords(kind: FileKind): string {
  return KIND_WORDS[kind]
}
