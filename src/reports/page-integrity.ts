/** What a report's page says of the log: whether it can be believed, and why. */
import { grouped } from '../formats/count.ts'
import { levelBar } from './charts.ts'
import { type Content, html, type Markup } from './markup.ts'
import { none, table } from './page-parts.ts'
import type {
  HeadReport,
  IntegrityReport,
  ReportCheck,
  Verdict,
  WitnessCoverage,
} from './report.ts'
import { CHECK_WORDS, shortTime } from './words.ts'

const VERDICT_WORDS: Readonly<Record<Verdict, readonly [title: string, sentence: string]>> = {
  intact: [
    'Integrity verified',
    'All records counted here stand in one log that has only grown; every check below held.',
  ],
  unproven: [
    'Integrity not fully proven',
    'No check failed, but not all that should be shown could be; what is open is named below.',
  ],
  broken: [
    'Integrity check failed',
    'At least one check failed. Do not rely on these figures before the cause is known.',
  ],
}

const SIGNS: Readonly<Record<Verdict, Markup>> = {
  intact: html`<path d="M12 2.5l8 3v6c0 5-3.4 8.4-8 10-4.6-1.6-8-5-8-10v-6z"/><path d="M8.3 12l2.6 2.6 4.9-5"/>`,
  unproven: html`<path d="M12 2.5l8 3v6c0 5-3.4 8.4-8 10-4.6-1.6-8-5-8-10v-6z"/><path d="M12 8v4.5M12 16v.1"/>`,
  broken: html`<path d="M8 2.5h8L21.5 8v8L16 21.5H8L2.5 16V8z"/><path d="M9 9l6 6M15 9l-6 6"/>`,
}

export function verdictBanner({ verdict, checks }: IntegrityReport): Markup {
  const [title, sentence] = VERDICT_WORDS[verdict]
  const wanting = checks.filter(
    ({ status }) => status === (verdict === 'broken' ? 'failed' : 'open'),
  )
  const named = wanting.map(({ name }) => CHECK_WORDS[name].toLowerCase()).join(', ')
  return html`<div class="verdict ${verdict}"><svg viewBox="0 0 24 24" aria-hidden="true">${SIGNS[verdict]}</svg><p><strong class="${verdict}">${title}</strong>${sentence}${
    named !== '' && ` ${verdict === 'broken' ? 'Failed' : 'Open'}: ${named}.`
  }</p></div>
`
}

const STATUS: Readonly<Record<ReportCheck['status'], readonly [word: string, style: Verdict]>> = {
  held: ['held', 'intact'],
  open: ['open', 'unproven'],
  failed: ['failed', 'broken'],
}

export function integrity(report: IntegrityReport): Content {
  const { checks, start, end, witnesses } = report
  return [
    html`<p>A log publishes signed heads, each of which fixes all entries before it. Two heads, one from either end of the
month, were compared; what was checked, and what came of it:</p>
`,
    table({
      caption: 'Checks',
      columns: [
        { head: 'Check', kind: 'nowrap' },
        { head: 'Outcome', kind: 'nowrap' },
        { head: 'Finding', kind: 'word' },
      ],
      rows: checks.map(({ name, status, detail }) => {
        const [word, style] = STATUS[status]
        return {
          cells: [CHECK_WORDS[name], html`<span class="tag ${style}">${word}</span>`, detail],
        }
      }),
    }),
    heads(start, end),
    witnesses === undefined ? none('No witnesses are asked for.') : witnessTable(witnesses),
  ]
}

function heads(start: HeadReport | undefined, end: HeadReport | undefined): Content {
  const known = [['Start', start] as const, ['End', end] as const].flatMap(([place, head]) =>
    head === undefined ? [] : [{ place, head }],
  )
  if (known.length === 0) return none('No signed head was given.')
  return table({
    caption: 'Signed heads',
    columns: [
      { head: 'At the', kind: 'nowrap' },
      { head: 'Signed (UTC)', kind: 'time' },
      { head: 'Tree size', kind: 'n' },
      { head: 'Root hash (base64)', kind: 'mono' },
      { head: 'Cosigned by', kind: 'word' },
    ],
    rows: known.map(({ place, head }) => ({
      cells: [
        place,
        shortTime(head.time),
        grouped(head.size),
        head.root,
        head.cosigned_by.length === 0
          ? html`<span class="soft">no witness</span>`
          : head.cosigned_by.join(', '),
      ],
    })),
  })
}

function witnessTable({ quorum, heads: looked, covered, each }: WitnessCoverage): Content {
  return [
    table({
      caption: 'Witnesses: who else has seen the heads of the month',
      columns: [
        { head: 'Witness', kind: 'word' },
        { head: '', kind: 'bar' },
        { head: `Heads cosigned, of ${grouped(looked)}`, kind: 'n' },
        { head: 'Last (UTC)', kind: 'time' },
      ],
      rows: each.map(({ name, cosigned, last }) => ({
        cells: [
          name,
          levelBar(cosigned, looked, 'oversight'),
          grouped(cosigned),
          last === undefined ? html`<span class="soft">never</span>` : shortTime(last),
        ],
      })),
      total: [
        `As the policy asks (${quorum})`,
        levelBar(covered, looked, 'oversight'),
        grouped(covered),
        '',
      ],
    }),
  ]
}
