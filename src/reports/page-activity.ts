/** What a report's page says of the records: how many, of which kind, when, from which model, at what cost. */
import { counted, grouped } from '../formats/count.ts'
import { type Bar, barChart, levelBar } from './charts.ts'
import { type Content, html, type Markup } from './markup.ts'
import { countTable, given, none, plainCountTable, table } from './page-parts.ts'
import type { DayCounts, ModelName, Name, Report } from './report.ts'
import { amount, GROUP_OF, GROUP_WORDS, GROUPS, monthWords, typeWords } from './words.ts'

export function activity(report: Report): Content {
  const { records, usage } = report
  if (records.total === 0) return none('There is no record of this month.')
  return [
    html`<p class="lead">${counted(records.total, 'record')}, at indices ${grouped(records.first_index ?? 0)} to ${grouped(records.last_index ?? 0)} of the
log; ${records.signed === 0 ? 'none' : grouped(records.signed)} of them signed by their submitter.</p>
<div class="split"><div class="charts">
${figure(
  'Records by day',
  recordsByDay(report),
  GROUPS.map((group) => [group, GROUP_WORDS[group]]),
)}${
  hasTokens(report) &&
  figure('Tokens by day', tokensByDay(report), [
    ['tokens-in', 'In'],
    ['tokens-out', 'Out'],
  ])
}</div><div>
${dayTable(report)}</div></div>
${typeTable(report)}<h3>Tokens and cost</h3>
${usageTable(report)}`,
    usage.costs.length > 0 &&
      html`<p class="soft small">Costs are as submitters recorded them; sums are exact and shown to four decimals.</p>
`,
  ]
}

function hasTokens({ usage }: Report): boolean {
  return usage.input_tokens !== '0' || usage.output_tokens !== '0'
}

function figure(
  title: string,
  chart: Markup,
  key: readonly (readonly [colour: string, words: string])[],
): Markup {
  return html`<figure><figcaption>${title}</figcaption>${chart}
<ul class="key">${key.map(
    ([colour, words]) =>
      html`<li><svg viewBox="0 0 10 10" aria-hidden="true"><rect class="${colour}" width="10" height="10"/></svg>${words}</li>`,
  )}</ul></figure>
`
}

/** The records of a day in each group, in the order of the groups. */
function groupsOf({ by_type }: DayCounts): number[] {
  return GROUPS.map((group) =>
    Object.entries(GROUP_OF).reduce(
      (sum, [type, its]) =>
        its === group ? sum + (by_type[type as keyof typeof GROUP_OF] ?? 0) : sum,
      0,
    ),
  )
}

/** The first of the month, and every fifth day. */
function dayLabel({ day }: DayCounts): string {
  const number = Number(day.slice(8))
  return number === 1 || number % 5 === 0 ? String(number) : ''
}

function recordsByDay({ month, records }: Report): Markup {
  const bars = records.by_day.map((day): Bar => {
    const parts = groupsOf(day)
    return { label: dayLabel(day), title: `${day.day}: ${counted(day.records, 'record')}`, parts }
  })
  return barChart({
    id: 'records-by-day',
    title: `Records by day, ${monthWords(month)}`,
    description: `${highest(records.by_day, ({ records: count }) => count, 'records')} The table has all figures.`,
    bars,
    colours: GROUPS,
  })
}

function tokensByDay({ month, records }: Report): Markup {
  const bars = records.by_day.map((day): Bar => {
    const title = `${day.day}: ${grouped(day.input_tokens)} in, ${grouped(day.output_tokens)} out`
    const parts = [Number(day.input_tokens), Number(day.output_tokens)]
    return { label: dayLabel(day), title, parts }
  })
  const tokens = (day: DayCounts) => Number(day.input_tokens) + Number(day.output_tokens)
  return barChart({
    id: 'tokens-by-day',
    title: `Tokens by day, ${monthWords(month)}`,
    description: `${highest(records.by_day, tokens, 'tokens')} The table has all figures.`,
    bars,
    colours: ['tokens-in', 'tokens-out'],
  })
}

function highest(
  days: readonly DayCounts[],
  measure: (day: DayCounts) => number,
  what: string,
): string {
  const most = Math.max(...days.map(measure))
  const day = days.find((one) => measure(one) === most)
  return `The most ${what} of a day, ${grouped(most)}, are on ${day?.day ?? 'none'}.`
}

function dayTable(report: Report): Markup {
  const tokens = hasTokens(report)
  const { by_day: days, total } = report.records
  const sums = GROUPS.map((_, i) => days.reduce((sum, day) => sum + (groupsOf(day)[i] ?? 0), 0))
  const { input_tokens: input, output_tokens: output } = report.usage
  return table({
    caption: 'By day, in UTC',
    kind: 'days',
    columns: [
      { head: 'Day', kind: 'nowrap' },
      { head: 'All', kind: 'n' },
      ...['Use', 'Models', 'Data', 'Log'].map((head) => ({ head, kind: 'n' })),
      ...(tokens ? [{ head: 'Tokens', kind: 'n' }] : []),
    ],
    rows: days.map((day) => ({
      kind: day.records === 0 ? 'zero' : '',
      cells: [
        day.day.slice(5),
        ...[day.records, ...groupsOf(day)].map(grouped),
        ...(tokens ? [grouped(String(BigInt(day.input_tokens) + BigInt(day.output_tokens)))] : []),
      ],
    })),
    total: [
      'Sum',
      ...[total, ...sums].map(grouped),
      ...(tokens ? [grouped(String(BigInt(input) + BigInt(output)))] : []),
    ],
  })
}

function typeTable({ records }: Report): Markup {
  const largest = Math.max(0, ...records.by_type.map((row) => row.records))
  return html`<h3>Records by type</h3>
${table({
  caption: 'Every type that occurs; colours as in the chart by day',
  columns: [
    { head: 'Type', kind: 'nowrap' },
    { head: 'Kind', kind: 'nowrap' },
    { head: '', kind: 'bar' },
    { head: 'Records', kind: 'n' },
    { head: 'Share', kind: 'n' },
  ],
  rows: records.by_type.map((row) => ({
    cells: [
      typeWords(row.type),
      html`<span class="soft">${GROUP_WORDS[GROUP_OF[row.type]]}</span>`,
      levelBar(row.records, largest, GROUP_OF[row.type]),
      grouped(row.records),
      share(row.records, records.total),
    ],
  })),
  total: ['All', '', '', grouped(records.total), ''],
})}`
}

/** `12.5 %`; what there is little of is not called nothing. */
function share(part: number, whole: number): string {
  const percent = (100 * part) / whole
  return percent < 0.05 ? '< 0.1 %' : `${percent.toFixed(1)} %`
}

function usageTable({ usage }: Report): Markup {
  const { input_tokens: input, output_tokens: output, costs } = usage
  const rows = costs.map(({ currency, cost, records: priced }) => ({
    cells: [`Cost in ${currency ?? 'no currency'}`, amount(cost), grouped(priced)],
  }))
  return table({
    caption: 'Totals of the month',
    kind: 'slim',
    columns: [
      { head: 'What', kind: 'nowrap' },
      { head: 'Sum', kind: 'n' },
      { head: 'Records with a cost', kind: 'n' },
    ],
    rows: [
      { cells: ['Tokens in', grouped(input), ''] },
      { cells: ['Tokens out', grouped(output), ''] },
      ...rows,
    ],
  })
}

const NAMED = [{ head: 'Name', kind: 'word' }] as const

export function usageByName({ models, environments }: Report): Content {
  const one = (row: Name) => [given(row.name)]
  return [
    models.rows.length === 0
      ? none('No record of this month names a model.')
      : countTable(models, {
          caption: 'Models, as the records name them',
          columns: [
            { head: 'Model', kind: 'word' },
            { head: 'Provider', kind: 'word' },
            { head: 'Version', kind: 'word' },
          ],
          cells: (row: ModelName) => [given(row.name), given(row.provider), version(row)],
        }),
    environments.rows.length > 0 &&
      countTable(environments, { caption: 'Environments', columns: NAMED, cells: one }),
  ]
}

function version({ version: words, version_hash: hash }: ModelName): Content {
  if (hash === undefined) return given(words)
  return [words !== undefined && html`${words}<br>`, html`<span class="mono soft">${hash}</span>`]
}

export function grouping({ guardrails, policies, retention_classes: classes }: Report): Content {
  const one = (row: Name) => [given(row.name)]
  return [
    guardrails.rows.length === 0
      ? none('No record of this month has a verdict of a guardrail.')
      : plainCountTable(guardrails, {
          caption: 'Verdicts of guardrails',
          unit: 'Verdicts',
          columns: [
            { head: 'Guardrail', kind: 'word' },
            { head: 'Verdict', kind: 'word' },
          ],
          cells: (row) => [given(row.name), given(row.verdict)],
        }),
    policies.rows.length > 0 &&
      plainCountTable(plain(policies), { caption: 'Policy in force', columns: NAMED, cells: one }),
    classes.rows.length > 0 &&
      plainCountTable(plain(classes), { caption: 'Retention classes', columns: NAMED, cells: one }),
  ]
}

function plain<N>({
  rows,
  others,
}: {
  rows: readonly (N & { records: number })[]
  others?: { records: number }
}) {
  return { rows, ...(others !== undefined && { others: others.records }) }
}
