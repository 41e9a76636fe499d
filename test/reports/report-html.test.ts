/** The page of a report: what is text stays text, whatever it says, and every figure is in a table. */
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import type { JsonObject } from '../../src/formats/json-strict.ts'
import { LOG_RECORD_TYPES } from '../../src/formats/record-members.ts'
import { buildReport } from '../../src/reports/build-report.ts'
import type { Report } from '../../src/reports/report.ts'
import { reportHtml } from '../../src/reports/report-html.ts'
import { head, reported, reportOf, SOUND, sampleMonth } from '../support/report-records.ts'

const HOSTILE = [
  '<script>alert(1)</script>',
  '</style><script>alert(1)</script>',
  '"><img src=x onerror=alert(1)>',
  "' onmouseover='alert(1)",
  '<!-- ',
  ']]></desc></title></svg><b>',
  '&lt;b&gt; &#60; &amp',
  '</td></tr></table><h1>x</h1>',
  'javascript:alert(1)',
  '\\u003cscript\\u003e',
]

const anyLine = fc
  .oneof(
    fc.constantFrom(...HOSTILE),
    fc.string({ unit: 'grapheme', minLength: 1, maxLength: 30 }),
    fc.stringMatching(/^[<>"'&/ab =]{1,12}$/),
  )
  .filter(
    (text) => !/[\p{Cc}\u200e\u200f\u2028-\u202e\u2066-\u2069\ufeff]/u.test(text) && text !== '',
  )

/** A report in which one text stands wherever a text can stand. */
async function reportSaying(text: string): Promise<Report> {
  const time = '2026-11-05T00:00:00.000Z'
  const facts: JsonObject = {
    name: text,
    basis: text,
    purpose: text,
    ticket: text,
    scope: text,
    until: text,
    class: text,
    type: text,
    before: text,
    jurisdiction: text,
    table: text,
    keep: text,
    pseudonym: text,
  }
  const clear: JsonObject = { action: text, request_id: text, environment: text, policy: text }
  const submissions: JsonObject[] = [
    {
      ...clear,
      type: 'llm_request',
      model: { name: text, provider: text, version: text, version_hash: text },
      guardrails: [{ name: text, verdict: text }],
      metrics: { input_tokens: 1, cost: 1 },
    },
    { ...clear, type: 'permission_change', actor: text, subject: text },
    ...LOG_RECORD_TYPES.map((type): JsonObject => ({ ...clear, type, extra: facts })),
    { type: 'retention', action: 'expire', extra: facts },
  ]
  const witnesses = { ...SOUND.witnesses!, quorum: text, each: [{ name: text, cosigned: 1 }] }
  return buildReport(
    reportOf(
      submissions.map((submission, i) => reported(submission, i, time)),
      {
        origin: text,
        integrity: {
          start: head(0, '2026-10-31T00:00:00.000Z', { cosignedBy: [text] }),
          end: head(100, '2026-12-01T00:00:00.000Z', { cosignedBy: [text, text] }),
          consistency: { outcome: 'failed', detail: text },
          witnesses,
        },
      },
    ),
  )
}

/** All markup of a page, without the text between. */
function tagsOf(page: string): string[] {
  return page.replace(/<style>[^<]*<\/style>/, '').match(/<[^<>]*>?/g) ?? []
}

describe('text in a page', () => {
  it('is never markup', async () => {
    const benign = tagsOf(reportHtml(await reportSaying('text')))
    expect(benign.length).toBeGreaterThan(500)
    await fc.assert(
      fc.asyncProperty(anyLine, async (text) => {
        expect(tagsOf(reportHtml(await reportSaying(text)))).toEqual(benign)
      }),
      { numRuns: 60, examples: HOSTILE.map((text): [string] => [text]) },
    )
  })

  it('is there, every time, as it was written', async () => {
    const page = reportHtml(await reportSaying(`<b>&"'`))
    expect(page.split('&#60;b&#62;&#38;&#34;&#39;').length - 1).toBeGreaterThan(80)
    expect(page).not.toContain('<b>')
  })

  it('that could not be seen is spelled out', async () => {
    const basis = 'a\u0000b\u202ec\u2066\n\u0085\ufeffd'
    const page = reportHtml(
      await buildReport(
        reportOf([reported({ type: 'erasure', extra: { basis } }, 1, '2026-11-05T00:00:00.000Z')]),
      ),
    )
    expect(page).toContain('a\\u{0}b\\u{202e}c\\u{2066}\\u{a}\\u{85}\\u{feff}d')
    for (const character of basis) {
      expect(page.includes(character)).toBe('abcd\n'.includes(character))
    }
  })

  it('of a report from elsewhere does not get into the style sheet', async () => {
    const report = await reportSaying('text')
    const tenant = '"}</style><script>alert(1)</script>'
    const page = reportHtml({ ...report, tenant })
    expect(page).not.toContain('<script')
    expect(page.match(/<\/style>/g)).toHaveLength(1)
  })

  it('of a report from elsewhere cannot pass itself off as markup', async () => {
    const report = await reportSaying('text')
    for (const forged of [{ markup: '<b>' }, ['<b>'], { 'Symbol(markup)': '<b>' }]) {
      const page = reportHtml({ ...report, origin: forged as unknown as string })
      expect(page).not.toContain('<b>')
    }
  })
})

describe('a page', () => {
  const page = buildReport(reportOf(sampleMonth(2))).then(reportHtml)

  it('is the same for the same report, also after a journey as JSON', async () => {
    const report = await buildReport(reportOf(sampleMonth(2)))
    const travelled = JSON.parse(JSON.stringify(report)) as Report
    expect(reportHtml(travelled) === (await page)).toBe(true)
  })

  it('needs nothing else and runs nothing', async () => {
    const html = await page
    expect(html).toContain(`content="default-src 'none'; style-src 'unsafe-inline'"`)
    expect(html).not.toMatch(/<(script|link|iframe|object|embed|img|form|input|base)\b/i)
    expect(html).not.toMatch(/\s(on\w+|style|src|srcset)=/i)
    expect(html).not.toMatch(/@import|url\(|https?:/i)
    for (const [, target] of html.matchAll(/href="([^"]*)"/g)) expect(target).toMatch(/^#[a-z]+$/)
  })

  it('closes what it opens, and leads to where its links say', async () => {
    const html = await page
    const open: string[] = []
    for (const [, close, name, end] of html.matchAll(/<(\/?)([a-z][a-z0-9]*)[^<>]*?(\/?)>/g)) {
      if (['meta', 'br'].includes(name!) || end === '/') continue
      if (close === '/') expect(open.pop()).toBe(name)
      else open.push(name!)
    }
    expect(open).toEqual([])
    const ids = [...html.matchAll(/\sid="([^"]*)"/g)].map(([, id]) => id)
    expect(new Set(ids).size).toBe(ids.length)
    const named = [...html.matchAll(/(?:href="#|aria-labelledby=")([^"]*)"/g)]
    for (const id of named.flatMap(([, list]) => list!.split(' '))) expect(ids).toContain(id)
  })

  it('says in words and tables what its charts show', async () => {
    const html = await page
    for (const [chart] of html.matchAll(/<svg class="chart"[\s\S]*?<\/svg>/g)) {
      expect(chart).toMatch(/role="img" aria-labelledby="\S+ \S+"/)
      expect(chart).toMatch(/<title id="[a-z-]+">[^<]+<\/title><desc id="[a-z-]+">[^<]+<\/desc>/)
    }
    expect(html.match(/<svg class="chart"/g)).toHaveLength(2)
    const report = await buildReport(reportOf(sampleMonth(2)))
    for (const { day, records } of report.records.by_day) {
      expect(html).toMatch(
        new RegExp(`<th scope="row"[^>]*>${day.slice(5)}</th><td class="n">${records}</td>`),
      )
    }
    for (const [table] of html.matchAll(/<table[\s\S]*?<\/table>/g)) {
      expect(table).toMatch(/<caption>[^<]+<\/caption>/)
      const columns = table.match(/<th scope="col"/g)!.length
      for (const [row] of table.matchAll(/<tr class[\s\S]*?<\/tr>/g)) {
        expect(row.match(/<t[hd]\b/g)).toHaveLength(columns)
      }
    }
  })

  it('says that the month is not over, and that there is nothing', async () => {
    const early = await buildReport(reportOf([], { generated: new Date('2026-11-20T00:00:00Z') }))
    const html = reportHtml(early)
    expect(html).toContain('provisional: the month was not over')
    expect(html).toContain('There is no record of this month.')
    expect(html).not.toMatch(/NaN|undefined|Infinity/)
    expect(await page).not.toContain('provisional')
  })

  it.each([
    [SOUND, 'Integrity verified'],
    [
      { ...SOUND, consistency: { outcome: 'unchecked', detail: 'x' } },
      'Integrity not fully proven',
    ],
    [{ ...SOUND, consistency: { outcome: 'failed', detail: 'x' } }, 'Integrity check failed'],
  ] as const)('leads with the verdict', async (integrity, words) => {
    const html = reportHtml(await buildReport(reportOf(sampleMonth(1), { integrity })))
    expect(html.indexOf(words)).toBeGreaterThan(0)
    expect(html).not.toMatch(/NaN|undefined|Infinity/)
  })
})
