/** What a report's page says of those who saw, changed, erased or held back records; and of the report itself. */
import { grouped } from '../formats/count.ts'
import { type Content, html } from './markup.ts'
import { eventTable, none, plainCountTable, summary } from './page-parts.ts'
import type { Events, Report } from './report.ts'

export interface PageSection {
  /** A word; the place that a link leads to. */
  readonly id: string
  readonly title: string
  readonly body: Content
}

function actions(events: Events): Content {
  return (
    events.total > 0 &&
    html`<p class="lead">${grouped(events.total)} in all; ${summary(events.by_action, ({ action }) => action)}.</p>
`
  )
}

function bases({ by_basis: counts }: Events): Content {
  return (
    counts !== undefined &&
    counts.rows.length > 0 &&
    plainCountTable(counts, {
      caption: 'By legal basis',
      columns: [{ head: 'Legal basis', kind: 'word' }],
      cells: ({ basis }) => [basis ?? html`<span class="soft">not disclosed</span>`],
    })
  )
}

export function oversight(report: Report): readonly PageSection[] {
  const { accesses, grants, erasures, expiries, holds } = report
  return [
    {
      id: 'accesses',
      title: 'Access to payloads',
      body: [
        actions(accesses),
        eventTable(accesses, {
          caption: 'Each time that payloads were shown, or were asked for and refused',
          none: 'Nobody asked to see a payload.',
          parent: 'grant',
        }),
      ],
    },
    {
      id: 'grants',
      title: 'Grants',
      body: [
        actions(grants),
        eventTable(grants, {
          caption: 'Permissions to see payloads: asked for, approved, ended',
          none: 'No grant was asked for, given or ended.',
          parent: 'grant',
        }),
      ],
    },
    {
      id: 'permissions',
      title: 'Changes of permissions',
      body: [
        actions(report.permission_changes),
        eventTable(report.permission_changes, {
          caption: 'As the systems recorded them',
          none: 'No change of a permission was recorded.',
          subject: 'of',
        }),
      ],
    },
    {
      id: 'erasures',
      title: 'Erasures and expiries',
      body: [
        html`<p class="lead">What is erased can never be read again; that it was there, and when, stays proven.</p>
<h3>Erasures</h3>
`,
        actions(erasures),
        bases(erasures),
        eventTable(erasures, {
          caption: 'Payloads destroyed on demand',
          none: 'Nothing was erased.',
        }),
        html`<h3>Expiries</h3>
`,
        actions(expiries),
        bases(expiries),
        eventTable(expiries, {
          caption: 'Payloads destroyed when the time to keep them was over',
          none: 'Nothing expired.',
        }),
      ],
    },
    {
      id: 'holds',
      title: 'Legal holds',
      body: [
        actions(holds),
        eventTable(holds, {
          caption: 'Orders that stop erasure and expiry, placed and lifted',
          none: 'No hold was placed or lifted.',
          parent: 'hold',
        }),
      ],
    },
    {
      id: 'retention',
      title: 'Changes of retention',
      body: [
        actions(report.retention_changes),
        eventTable(report.retention_changes, {
          caption: 'Changes of how long payloads are kept',
          none: 'How long payloads are kept was not changed.',
        }),
      ],
    },
  ]
}

export function about(report: Report): Content {
  return html`<p><strong>What is counted.</strong> Every record of the tenant ${report.tenant} that the log took from
${report.first} to ${report.last}, by the clock of the log. A day is a day in UTC. What a submitter put into a record is
what the submitter says; the log proves that it was recorded then, and not changed since.</p>
<p><strong>Persons.</strong> Who acted and whom a record is about appear under pseudonyms, p_ and 22 characters, the same
for the same person in all records of the tenant. Payloads are not part of this report. Of the records that the log itself
writes, details are shown that were disclosed for this report and match what the record commits to.</p>
<p><strong>Limits.</strong> The checks show that the records counted are in the log and that the log only grew. That no
record of the tenant was left out of the count follows from reading all entries of the log, not from this page. Names of
which there are very many are counted together as “all others”; long lists are cut, and say so.</p>
${
  report.records.total === 0 && none('As there is no record, all figures are zero.')
}<p><strong>To check it.</strong> Ask for the records at the indices given here with their proofs, verify them against the
heads in section 1, and count again.</p>
`
}
