/** A report as one page for people: self-contained, without script, to be read on a screen or printed. */
import { grouped } from '../formats/count.ts'
import { type Content, html, type Markup } from './markup.ts'
import { activity, grouping, usageByName } from './page-activity.ts'
import { pageDocument } from './page-document.ts'
import { integrity, verdictBanner } from './page-integrity.ts'
import { about, oversight, type PageSection } from './page-oversight.ts'
import { section } from './page-parts.ts'
import type { Report } from './report.ts'
import { costWords, monthWords, timeWords } from './words.ts'

/**
 * The page. Every text of the report is escaped; the same report gives the same page.
 * @param report as buildReport made it
 */
export function reportHtml(report: Report): string {
  const month = monthWords(report.month)
  const sections: readonly PageSection[] = [
    { id: 'integrity', title: 'Integrity', body: integrity(report.integrity) },
    { id: 'activity', title: 'Activity', body: activity(report) },
    { id: 'models', title: 'Models and environments', body: usageByName(report) },
    { id: 'rules', title: 'Guardrails, policies, retention classes', body: grouping(report) },
    ...oversight(report),
    { id: 'about', title: 'About this report', body: about(report) },
  ]
  const body = html`<header>
<p class="kicker">Audit report</p>
<h1>${report.tenant}, ${month}</h1>
${heading(report)}</header>
<main>
${verdictBanner(report.integrity)}${figures(report)}<nav aria-label="Sections"><ol>
${sections.map(
  ({ id, title }, i) => html`<li><span class="no">${i + 1}</span><a href="#${id}">${title}</a></li>
`,
)}</ol></nav>
${sections.map(({ id, title, body }, i) => section(id, i + 1, title, body))}</main>
<footer>${report.version}. Made ${timeWords(report.generated)} from the log ${report.origin}.</footer>
`
  return pageDocument({
    title: html`Audit report of ${report.tenant}, ${month}`,
    footline: `Audit report of ${nameIn(report)}, ${month}`,
    body,
  })
}

/** In the style sheet nothing is escaped: of a report from elsewhere, a name that is none stays out. */
function nameIn({ tenant }: Report): string {
  return /^[A-Za-z0-9][A-Za-z0-9._-]*$/.test(tenant) ? tenant : 'a tenant'
}

function heading(report: Report): Markup {
  const { first, last, generated, complete, origin } = report
  const when = `${first.slice(0, 10)} to ${last.slice(0, 10)}, in UTC`
  return html`<dl class="facts">
<dt>Period</dt><dd>${when}</dd>
<dt>Log</dt><dd class="mono">${origin}</dd>
<dt>Made</dt><dd>${timeWords(generated)}${
    !complete && html` <span class="tag unproven">provisional: the month was not over</span>`
  }</dd>
</dl>
`
}

function figures(report: Report): Markup {
  const { records, usage, accesses, grants, erasures, expiries, holds } = report
  const { permission_changes: permissions } = report
  const tokens = BigInt(usage.input_tokens) + BigInt(usage.output_tokens)
  const costs = usage.costs
    .slice(0, 3)
    .map((cost) => html`<span class="line">${costWords(cost)}</span>`)
  const all: readonly (readonly [value: Content, what: string])[] = [
    [grouped(records.total), 'records'],
    [grouped(String(tokens)), 'tokens, in and out'],
    [
      costs.length === 0 ? '–' : costs,
      usage.costs.length > 3 ? 'cost, in the first currencies' : 'cost as recorded',
    ],
    [grouped(accesses.total), 'accesses to payloads'],
    [grouped(grants.total), 'records of grants'],
    [grouped(permissions.total), 'changes of permissions'],
    [grouped(erasures.total + expiries.total), 'erasures and expiries'],
    [grouped(holds.total), 'records of legal holds'],
  ]
  return html`<dl class="figures">
${all.map(
  ([value, what]) => html`<div><dt>${what}</dt><dd>${value}</dd></div>
`,
)}</dl>
`
}
