/** The records of evidence on the page of its verdict: what each says in the clear, and what is shown of its contents. */
import { drawnRecord, type TrailRow, trailRows } from '../client/trail-rows.ts'
import type { EvidenceVerdict } from '../client/verify-evidence.ts'
import { counted, grouped } from '../formats/count.ts'
import { type Content, html, type Markup } from './markup.ts'
import { table } from './page-parts.ts'
import { shortTime } from './words.ts'

/** Records that are listed. */
const MAX_LISTED = 1000
/** Characters of a value that are shown. */
const MAX_VALUE = 4000

const STATES = {
  good: ['proven', 'intact'],
  bad: ['does not hold', 'broken'],
  open: ['not known', 'unproven'],
} as const

export function trailTable({ claims, records, problems, checks }: EvidenceVerdict): Content {
  const isComplete = checks.some(({ name, status }) => name === 'completeness' && status === 'held')
  const drawn = records.slice(0, MAX_LISTED).map(drawnRecord)
  const told = new Set(records.flatMap((record) => record.problems))
  const others = problems.map(({ detail }) => detail).filter((detail) => !told.has(detail))
  return [
    claims !== undefined &&
      html`<p>Asked for by ${claims.asked_by}${claims.purpose !== undefined && html`, for the purpose of ${claims.purpose}`}, of the tenant
${claims.tenant}. ${
        isComplete
          ? 'That none of what was asked for is left out follows from the check of completeness.'
          : 'That these are all the records that were asked for is the word of whoever made the file.'
      }</p>
`,
    others.slice(0, MAX_LISTED).map(
      (detail) => html`<p><span class="tag broken">wrong</span> ${detail}</p>
`,
    ),
    others.length > MAX_LISTED &&
      html`<p class="soft small">${counted(others.length - MAX_LISTED, 'further problem is', 'further problems are')} not listed here.</p>
`,
    table({
      caption: `${counted(records.length, 'record')}, in the order of the log`,
      columns: [
        { head: 'Index', kind: 'n' },
        { head: 'Time (UTC)', kind: 'time' },
        { head: 'State', kind: 'nowrap' },
        { head: 'What it says', kind: 'word' },
      ],
      rows: drawn.map((one) => {
        const [word, style] = STATES[one.state]
        const { index, record } = one
        return {
          cells: [
            index === undefined ? '–' : grouped(index),
            record === undefined ? '–' : shortTime(record.time),
            html`<span class="tag ${style}">${word}</span>`,
            [
              record !== undefined &&
                html`<strong>${record.type}${record.action !== undefined && `: ${record.action}`}</strong>`,
              rowList(trailRows(one)),
            ],
          ],
        }
      }),
    }),
    records.length > MAX_LISTED &&
      html`<p class="soft small">${counted(records.length - MAX_LISTED, 'further record is', 'further records are')} in the file, and not listed here.</p>
`,
  ]
}

function rowList(rows: readonly TrailRow[]): Markup {
  return html`<dl class="lines">${rows.map(
    ({ label, text, kind }) =>
      html`<div><dt>${kind === 'disclosed' && '◆ '}${label}</dt><dd>${cut(text)}</dd></div>`,
  )}</dl>`
}

function cut(text: string): string {
  return text.length <= MAX_VALUE ? text : `${text.slice(0, MAX_VALUE)} … (cut)`
}
