/** The pieces that the sections of a report's page are made of: tables, figures, lists of events. */
import { counted, grouped } from '../formats/count.ts'
import { levelBar } from './charts.ts'
import { type Content, html, type Markup } from './markup.ts'
import {
  type Count,
  type EventRow,
  type Events,
  FACT_NAMES,
  type Facts,
  type PlainCount,
  type Usage,
} from './report.ts'
import { costWords, FACT_WORDS, factWords, shortTime } from './words.ts'

export interface Column {
  readonly head: string
  /** Of the cells: `n` for numbers, `word`, `mono`, `time`, `bar`. */
  readonly kind?: string
}

export interface TableRow {
  /** The first of them names the row. */
  readonly cells: readonly Content[]
  readonly kind?: string
}

export interface Table {
  readonly caption: string
  readonly columns: readonly Column[]
  readonly rows: readonly TableRow[]
  readonly total?: readonly Content[]
  readonly kind?: string
}

/** Tables of so many rows stay on one page of paper. */
const SHORT = 12

export function table({ caption, columns, rows, total, kind = '' }: Table): Markup {
  const line = ({ cells, kind: row = '' }: TableRow) =>
    html`<tr class="${row}">${cells.map((cell, i) => {
      const style = columns[i]?.kind ?? ''
      return i === 0
        ? html`<th scope="row" class="${style}">${cell}</th>`
        : html`<td class="${style}">${cell}</td>`
    })}</tr>
`
  return html`<div class="scroll ${rows.length <= SHORT && 'short'}" role="group" aria-label="${caption}" tabindex="0"><table class="${kind}"><caption>${caption}</caption>
<thead><tr>${columns.map(({ head, kind: style = '' }) => html`<th scope="col" class="${style}">${head}</th>`)}</tr></thead>
<tbody>
${rows.map(line)}</tbody>
${
  total !== undefined &&
  html`<tfoot>${line({ cells: total })}</tfoot>
`
}</table></div>
`
}

/** A section of the page. @param id a word */
export function section(id: string, number: number, title: string, body: Content): Markup {
  return html`<section aria-labelledby="${id}">
<h2 id="${id}"><span class="no">${number}</span> ${title}</h2>
${body}</section>
`
}

export function none(words: string): Markup {
  return html`<p class="none">${words}</p>
`
}

/** What is missing in a record is said, not left blank. */
export function given(value: string | undefined): Content {
  return value ?? html`<span class="soft">not given</span>`
}

export interface CountTable<N> {
  readonly caption: string
  readonly columns: readonly Column[]
  readonly cells: (row: N) => readonly Content[]
  readonly unit?: string
}

/** Counts as a table, with a bar in each row. */
export function plainCountTable<N>(
  { rows, others }: PlainCount<N>,
  { caption, columns, cells, unit = 'Records' }: CountTable<N>,
): Markup {
  const largest = Math.max(0, others ?? 0, ...rows.map(({ records }) => records))
  const padding = columns.slice(1).map(() => '')
  const line = (names: readonly Content[], records: number): TableRow => ({
    cells: [...names, levelBar(records, largest, 'use'), grouped(records)],
  })
  return table({
    caption,
    columns: [...columns, { head: '', kind: 'bar' }, { head: unit, kind: 'n' }],
    rows: [
      ...rows.map((row) => line(cells(row), row.records)),
      ...(others === undefined ? [] : [line(['all others', ...padding], others)]),
    ],
  })
}

/** The same, with tokens and costs. */
export function countTable<N>(
  { rows, others }: Count<N>,
  { caption, columns, cells }: CountTable<N>,
): Markup {
  const largest = Math.max(0, others?.records ?? 0, ...rows.map(({ records }) => records))
  const padding = columns.slice(1).map(() => '')
  const line = (names: readonly Content[], usage: Usage): TableRow => ({
    cells: [
      ...names,
      levelBar(usage.records, largest, 'use'),
      grouped(usage.records),
      grouped(usage.input_tokens),
      grouped(usage.output_tokens),
      costCell(usage),
    ],
  })
  return table({
    caption,
    kind: 'used',
    columns: [
      ...columns,
      { head: '', kind: 'bar' },
      { head: 'Records', kind: 'n' },
      { head: 'Tokens in', kind: 'n' },
      { head: 'Tokens out', kind: 'n' },
      { head: 'Cost', kind: 'n' },
    ],
    rows: [
      ...rows.map((row) => line(cells(row), row)),
      ...(others === undefined ? [] : [line(['all others', ...padding], others)]),
    ],
  })
}

function costCell({ costs, costs_omitted: omitted }: Usage): Content {
  if (costs.length === 0 && omitted === undefined) return html`<span class="soft">–</span>`
  const lines = costs.map((cost, i) => html`${i > 0 && html`<br>`}${costWords(cost)}`)
  return [
    lines,
    omitted !== undefined && html`<br>and ${counted(omitted, 'record')} in other currencies`,
  ]
}

export interface EventTable {
  readonly caption: string
  /** What there is none of. */
  readonly none: string
  /** What the person concerned is called; else `about`. */
  readonly subject?: string
  /** What the record that led to it is called; else `after`. */
  readonly parent?: string
}

/** A row for each event that is listed. */
export function eventTable(events: Events, words: EventTable): Content {
  if (events.total === 0) return none(words.none)
  const { rows, omitted } = events
  const disclosed = rows.some(({ facts }) => Object.keys(facts).length > 0)
  return [
    table({
      caption: words.caption,
      columns: [
        { head: 'Index', kind: 'n' },
        { head: 'Time (UTC)', kind: 'time' },
        { head: 'Action', kind: 'word' },
        { head: 'Persons and records', kind: 'links' },
        ...(disclosed ? [{ head: 'Details disclosed', kind: 'word' }] : []),
      ],
      rows: rows.map((row) => ({
        cells: [
          grouped(row.index),
          shortTime(row.time),
          given(row.action),
          linkList(row, words),
          ...(disclosed ? [factList(row.facts)] : []),
        ],
      })),
    }),
    omitted > 0 &&
      html`<p class="soft small">${counted(omitted, 'later record is', 'later records are')} counted but not listed here.</p>
`,
  ]
}

function linkList(row: EventRow, { subject = 'about', parent = 'after' }: EventTable): Content {
  const links = [
    ['by', row.actor],
    [subject, row.subject],
    ['request', row.request_id],
    [parent, row.parent_id],
  ] as const
  const known = links.filter(([, value]) => value !== undefined)
  if (known.length === 0) return html`<span class="soft">–</span>`
  return html`<dl class="lines">${known.map(
    ([name, value]) => html`<div><dt>${name}</dt><dd class="mono">${value}</dd></div>`,
  )}</dl>`
}

function factList(facts: Facts): Content {
  const known = FACT_NAMES.flatMap((name) => {
    const value = facts[name]
    return value === undefined ? [] : [[name, value] as const]
  })
  if (known.length === 0) return html`<span class="soft">–</span>`
  return html`<dl class="pairs">${known.map(
    ([name, value]) =>
      html`<div><dt>${FACT_WORDS[name]}</dt><dd>${factWords(name, value)}</dd></div>`,
  )}</dl>`
}

/** `read: 12, refused: 3`. */
export function summary<N>(counts: PlainCount<N>, nameOf: (row: N) => string | undefined): string {
  const named = counts.rows.map((row) => `${nameOf(row) ?? 'not given'}: ${grouped(row.records)}`)
  const others = counts.others === undefined ? [] : [`others: ${grouped(counts.others)}`]
  return [...named, ...others].join(', ')
}
