/** Counting: against a count by hand, at the edges of a month, and of what does not belong in a report. */
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import type { JsonObject } from '../../src/formats/json-strict.ts'
import type { RecordLeaf } from '../../src/formats/record.ts'
import { buildReport, type ReportedRecord } from '../../src/reports/build-report.ts'
import { MAX_COUNT_ROWS, MAX_EVENT_ROWS, type Report } from '../../src/reports/report.ts'
import { anySubmission, OTHER_ID } from '../support/records.ts'
import { pseudonymOf, reported, reportOf, SOUND, sampleMonth } from '../support/report-records.ts'

const OWN = ['access', 'erasure', 'hold', 'grant', 'retention']

const anyFacts = fc.record(
  { basis: fc.constantFrom('art. 17', 'art. 6'), records: fc.nat(), purpose: fc.string() },
  { requiredKeys: [], noNullPrototype: true },
)
const ownSubmission = fc
  .record({
    type: fc.constantFrom(...OWN),
    action: fc.constantFrom('read', 'expire', 'place', 'approve'),
    extra: anyFacts,
  })
  .map((submission): JsonObject => submission)
const permission = fc.constant<JsonObject>({ type: 'permission_change', action: 'add', actor: 'a' })
const model = fc
  .record(
    { name: fc.constantFrom('m', 'n'), version: fc.constantFrom('1', '2') },
    { requiredKeys: [] },
  )
  .map(
    (named): JsonObject => ({
      type: 'llm_request',
      model: named,
      environment: 'production',
      metrics: { input_tokens: 3, cost: 0.1, currency: 'EUR' },
    }),
  )
const withoutTenant = anySubmission.map((submission) =>
  Object.fromEntries(Object.entries(submission).filter(([name]) => name !== 'tenant')),
) as fc.Arbitrary<JsonObject>

const anyMonth: fc.Arbitrary<ReportedRecord[]> = fc
  .array(
    fc.tuple(
      fc.oneof(withoutTenant, ownSubmission, permission, model, model),
      fc.nat(30 * 86_400_000 - 1),
      fc.integer({ min: 1, max: 1000 }),
    ),
    { maxLength: 25 },
  )
  .map((drawn) => {
    let index = 8_000_000
    return drawn
      .sort(([, a], [, b]) => a - b)
      .map(([submission, millisecond, gap]) => {
        index += gap
        return reported(
          submission,
          index,
          new Date(Date.UTC(2026, 10, 1) + millisecond).toISOString(),
        )
      })
  })

/** How many records are told apart by what a question makes of them, in any order. */
function tallied(
  records: readonly RecordLeaf[],
  nameOf: (record: RecordLeaf) => string[],
): string[] {
  const counts = new Map<string, number>()
  for (const name of records.flatMap(nameOf)) counts.set(name, (counts.get(name) ?? 0) + 1)
  return [...counts].map(([name, count]) => `${name} × ${count}`).sort()
}

const rowsOf = <R extends { records: number }>(rows: readonly R[], nameOf: (row: R) => unknown) =>
  rows.map((row) => `${JSON.stringify(nameOf(row))} × ${row.records}`).sort()

const tokens = (records: readonly RecordLeaf[], name: 'input_tokens' | 'output_tokens') =>
  String(records.reduce((sum, { metrics }) => sum + BigInt(metrics?.[name] ?? 0), 0n))

describe('the counts', () => {
  it('are those of a count by hand', async () => {
    await fc.assert(
      fc.asyncProperty(anyMonth, async (month) => {
        const report = await buildReport(reportOf(month))
        const records = month.map(({ record }) => record)
        const by = (nameOf: (record: RecordLeaf) => unknown) =>
          tallied(records, (record) => [JSON.stringify(nameOf(record))])

        expect(report.records.total).toBe(records.length)
        expect(report.records.first_index).toBe(month[0]?.index)
        expect(report.records.last_index).toBe(month.at(-1)?.index)
        expect(report.records.signed).toBe(records.filter(({ signature }) => signature).length)
        expect(rowsOf(report.records.by_type, ({ type }) => type)).toEqual(by(({ type }) => type))
        for (const day of report.records.by_day) {
          const ofDay = records.filter(({ time }) => time.startsWith(day.day))
          expect(day.records).toBe(ofDay.length)
          expect(day.input_tokens).toBe(tokens(ofDay, 'input_tokens'))
          expect(
            Object.entries(day.by_type)
              .map(([type, count]) => `${type} × ${count}`)
              .sort(),
          ).toEqual(tallied(ofDay, ({ type }) => [type]))
        }
        expect(report.usage.input_tokens).toBe(tokens(records, 'input_tokens'))
        expect(report.usage.output_tokens).toBe(tokens(records, 'output_tokens'))
        for (const { currency, cost, records: count } of report.usage.costs) {
          const priced = records.filter(
            ({ metrics }) => metrics?.cost !== undefined && metrics.currency === currency,
          )
          expect(count).toBe(priced.length)
          const rough = priced.reduce((sum, { metrics }) => sum + (metrics?.cost ?? 0), 0)
          expect(Math.abs(Number(cost) - rough)).toBeLessThanOrEqual(rough * 1e-12)
        }
        expect(report.usage.costs.reduce((sum, { records: count }) => sum + count, 0)).toBe(
          records.filter(({ metrics }) => metrics?.cost !== undefined).length,
        )

        expect(
          rowsOf(report.models.rows, (row) => [
            row.name,
            row.provider,
            row.version,
            row.version_hash,
          ]),
        ).toEqual(
          tallied(records, ({ model: of }) =>
            of === undefined
              ? []
              : [JSON.stringify([of.name, of.provider, of.version, of.version_hash])],
          ),
        )
        const named = (name: string | undefined) => [name]
        expect(rowsOf(report.environments.rows, ({ name }) => named(name))).toEqual(
          by(({ environment }) => named(environment)),
        )
        expect(rowsOf(report.policies.rows, ({ name }) => named(name))).toEqual(
          by(({ policy }) => named(policy)),
        )
        expect(rowsOf(report.retention_classes.rows, ({ name }) => named(name))).toEqual(
          by(({ retention_class }) => named(retention_class)),
        )
        expect(rowsOf(report.guardrails.rows, ({ name, verdict }) => [name, verdict])).toEqual(
          tallied(records, ({ guardrails = [] }) =>
            guardrails.map(({ name, verdict }) => JSON.stringify([name, verdict])),
          ),
        )

        const expired = ({ type, action }: RecordLeaf) =>
          (type === 'erasure' || type === 'retention') && action === 'expire'
        const lists: [keyof Report, (record: RecordLeaf) => boolean][] = [
          ['accesses', ({ type }) => type === 'access'],
          ['grants', ({ type }) => type === 'grant'],
          ['permission_changes', ({ type }) => type === 'permission_change'],
          ['erasures', (record) => record.type === 'erasure' && !expired(record)],
          ['expiries', expired],
          ['holds', ({ type }) => type === 'hold'],
          ['retention_changes', (record) => record.type === 'retention' && !expired(record)],
        ]
        for (const [name, belongs] of lists) {
          const ours = month.filter(({ record }) => belongs(record))
          const events = report[name] as Report['accesses']
          expect(events.total, name).toBe(ours.length)
          expect(events.rows.map(({ index }) => index)).toEqual(ours.map(({ index }) => index))
          expect(rowsOf(events.by_action.rows, ({ action }) => [action])).toEqual(
            tallied(
              ours.map(({ record }) => record),
              ({ action }) => [JSON.stringify([action])],
            ),
          )
        }
        expect(report.integrity.verdict).toBe('intact')
        expect(await buildReport(reportOf(month))).toEqual(report)
      }),
      { numRuns: 60 },
    )
  })

  it('add up costs exactly, by currency', async () => {
    const record = (cost: number, currency?: string) => ({
      type: 'llm_request',
      model: { name: 'm' },
      metrics: { cost, ...(currency !== undefined && { currency }) },
    })
    const submissions = [record(0.1, 'EUR'), record(0.2, 'EUR'), record(5), record(1e-7, 'USD')]
    const { usage, models } = await buildReport(
      reportOf(submissions.map((one, i) => reported(one, i, '2026-11-05T00:00:00.000Z'))),
    )
    expect(usage.costs).toEqual([
      { cost: '5', records: 1 },
      { currency: 'EUR', cost: '0.3', records: 2 },
      { currency: 'USD', cost: '0.0000001', records: 1 },
    ])
    expect(models.rows[0]?.costs).toEqual(usage.costs)
  })

  it('add up tokens beyond what a number holds', async () => {
    const metrics = { input_tokens: Number.MAX_SAFE_INTEGER }
    const records = [1, 2, 3].map((i) =>
      reported({ type: 'llm_request', metrics }, i, '2026-11-05T00:00:00.000Z'),
    )
    const { usage } = await buildReport(reportOf(records))
    expect(usage.input_tokens).toBe('27021597764222973')
  })

  it('put together what has no row of its own, and lose nothing', async () => {
    const count = MAX_COUNT_ROWS + 20
    const records = Array.from({ length: count }, (_, i) =>
      reported(
        { type: 'llm_request', model: { name: `m${i}` }, metrics: { cost: 0.1, currency: 'EUR' } },
        i,
        '2026-11-05T00:00:00.000Z',
      ),
    )
    const { models } = await buildReport(reportOf(records))
    expect(models.rows).toHaveLength(MAX_COUNT_ROWS)
    expect(models.others).toMatchObject({
      records: 20,
      costs: [{ currency: 'EUR', cost: '2', records: 20 }],
    })
  })

  it('tell a bounded number of currencies apart by name, and all of them in the total', async () => {
    const records = Array.from({ length: 26 }, (_, i) =>
      reported(
        {
          type: 'llm_request',
          model: { name: 'm' },
          metrics: { cost: 1, currency: `AA${String.fromCharCode(65 + i)}` },
        },
        i,
        '2026-11-05T00:00:00.000Z',
      ),
    )
    const { models, usage } = await buildReport(reportOf(records))
    expect(usage.costs).toHaveLength(26)
    expect(models.rows[0]).toMatchObject({ records: 26, costs_omitted: 18 })
    expect(models.rows[0]?.costs).toHaveLength(8)
  })

  it('list so many events and say how many more there are', async () => {
    const records = Array.from({ length: MAX_EVENT_ROWS + 3 }, (_, i) =>
      reported({ type: 'access', action: 'read' }, i, '2026-11-05T00:00:00.000Z'),
    )
    const { accesses } = await buildReport(reportOf(records))
    expect(accesses).toMatchObject({ total: MAX_EVENT_ROWS + 3, omitted: 3 })
    expect(accesses.by_action).toEqual({ rows: [{ action: 'read', records: MAX_EVENT_ROWS + 3 }] })
    expect(accesses.rows).toHaveLength(MAX_EVENT_ROWS)
  })
})

describe('a month', () => {
  const LEAST: JsonObject = { type: 'llm_request' }
  const at = (...times: string[]) => times.map((time, i) => reported(LEAST, i, time))

  it('has its first and its last millisecond', async () => {
    const { records } = await buildReport(
      reportOf(at('2026-11-01T00:00:00.000Z', '2026-11-30T23:59:59.999Z')),
    )
    expect(records.by_day).toHaveLength(30)
    expect(records.by_day.filter((day) => day.records === 1).map(({ day }) => day)).toEqual([
      '2026-11-01',
      '2026-11-30',
    ])
  })

  it('has a leap day', async () => {
    const times = at(
      '2024-02-28T23:59:59.999Z',
      '2024-02-29T00:00:00.000Z',
      '2024-02-29T23:59:59.999Z',
    )
    const { records, last } = await buildReport(reportOf(times, { month: '2024-02' }))
    expect(last).toBe('2024-02-29T23:59:59.999Z')
    expect(records.by_day.slice(-2).map((day) => day.records)).toEqual([1, 2])
  })

  it.each(['2026-10-31T23:59:59.999Z', '2026-12-01T00:00:00.000Z', '2025-11-15T12:00:00.000Z'])(
    'does not have %s',
    async (time) => {
      await expect(buildReport(reportOf(at(time)))).rejects.toThrow(
        `the record at index 0 is of ${time}, not of 2026-11`,
      )
    },
  )

  it('can be empty', async () => {
    const report = await buildReport(reportOf([]))
    expect(report.records).toMatchObject({ total: 0, signed: 0, by_type: [] })
    expect(report.records).not.toHaveProperty('first_index')
    expect(report.records.by_day.every(({ records }) => records === 0)).toBe(true)
    expect(report.usage).toEqual({ records: 0, input_tokens: '0', output_tokens: '0', costs: [] })
    expect(report.integrity.verdict).toBe('intact')
  })

  it.each([
    ['2026-11-30T23:59:59.999Z', false],
    ['2026-12-01T00:00:00.000Z', true],
  ])('told of at %s is complete: %s', async (time, complete) => {
    const report = await buildReport(reportOf([], { generated: new Date(time) }))
    expect(report.complete).toBe(complete)
  })
})

describe('what does not belong in a report', () => {
  const time = '2026-11-05T00:00:00.000Z'
  const LEAST: JsonObject = { type: 'llm_request' }

  it('is a record of another tenant', async () => {
    const records = [reported(LEAST, 1, time), reported(LEAST, 2, time, 'rival')]
    await expect(buildReport(reportOf(records))).rejects.toThrow(
      'the record at index 2 is of another tenant than acme',
    )
  })

  it('is a record that comes twice or too late', async () => {
    for (const [first, second] of [
      [2, 2],
      [2, 1],
    ] as const) {
      const records = [reported(LEAST, first, time), reported(LEAST, second, time)]
      await expect(buildReport(reportOf(records))).rejects.toThrow(
        `the record at index ${second} comes after that at index 2`,
      )
    }
  })

  it('is a tenant or a month that is none', async () => {
    await expect(buildReport(reportOf([], { tenant: 'a b' }))).rejects.toThrow(
      'the tenant: expected',
    )
    await expect(buildReport(reportOf([], { month: '2026-13' }))).rejects.toThrow(
      'expected a month',
    )
  })
})

describe('what the log says of itself', () => {
  const time = '2026-11-05T00:00:00.000Z'

  it('is read from what is disclosed, be it in extra or beside it', async () => {
    const facts = { basis: 'GDPR art. 17(1)(b)', records: 3, pseudonym: pseudonymOf('ann') }
    for (const submission of [
      { type: 'erasure', action: 'erase', extra: facts },
      { type: 'erasure', action: 'erase', ...facts },
    ]) {
      const { erasures } = await buildReport(reportOf([reported(submission, 1, time)]))
      expect(erasures.rows[0]?.facts).toEqual(facts)
      expect(erasures.by_basis).toEqual({ rows: [{ basis: 'GDPR art. 17(1)(b)', records: 1 }] })
    }
  })

  it('is what it committed to: a disclosure of something else is not used, and breaks the verdict', async () => {
    const told = reported({ type: 'erasure', extra: { basis: 'art. 17' } }, 1, time)
    const other = reported({ type: 'erasure', extra: { basis: 'another' } }, 1, time)
    const forged = { ...told, disclosures: other.disclosures! }
    const { erasures, integrity } = await buildReport(reportOf([forged]))
    expect(erasures.rows[0]?.facts).toEqual({})
    expect(erasures.by_basis).toEqual({ rows: [{ records: 1 }] })
    expect(integrity.verdict).toBe('broken')
    expect(integrity.checks.find(({ name }) => name === 'disclosures')).toEqual({
      name: 'disclosures',
      status: 'failed',
      detail: '1 of 1 do not open a commitment in their record; they were not used',
    })
  })

  it('stays unsaid when nothing is disclosed', async () => {
    const { index, record } = reported({ type: 'hold', extra: { name: 'x' } }, 1, time)
    const { holds, integrity } = await buildReport(reportOf([{ index, record }]))
    expect(holds.rows[0]?.facts).toEqual({})
    expect(integrity.verdict).toBe('intact')
  })

  it('is cut when it is long, between characters', async () => {
    const basis = `${'a'.repeat(498)}😀😀😀`
    const { erasures } = await buildReport(
      reportOf([reported({ type: 'erasure', extra: { basis, scope: { a: [1] } } }, 1, time)]),
    )
    expect(erasures.rows[0]?.facts).toEqual({ basis: `${'a'.repeat(498)}😀…`, scope: '{"a":[1]}' })
  })

  it('never takes a payload along, whatever is disclosed', async () => {
    const canary = 'canary-of-a-payload'
    const submissions: JsonObject[] = [
      { type: 'access', action: 'read', actor: canary, resource: canary, extra: { note: canary } },
      { type: 'permission_change', actor: canary, resource: canary, basis: canary },
      {
        type: 'llm_request',
        subject: canary,
        input: { prompt: canary },
        output: { text: canary },
        tool_calls: [{ name: 't', arguments: canary }],
        guardrails: [{ name: 'g', reason: canary }],
        extra: { basis: canary, purpose: canary },
      },
      { type: 'correction', corrects: OTHER_ID, decision: { outcome: canary } },
    ]
    const records = submissions.map((submission, i) => reported(submission, i, time))
    expect(records.every(({ disclosures }) => disclosures!.length > 0)).toBe(true)
    expect(JSON.stringify(await buildReport(reportOf(records)))).not.toContain(canary)
  })
})

it('is the same for the same input, to the byte', async () => {
  const texts = await Promise.all(
    [1, 2].map(async () => JSON.stringify(await buildReport(reportOf(sampleMonth(2))))),
  )
  expect(texts[0]).toBe(texts[1])
})

it('takes records from a stream', async () => {
  async function* stream() {
    yield* sampleMonth(2)
  }
  expect(await buildReport(reportOf(stream(), { integrity: SOUND }))).toEqual(
    await buildReport(reportOf(sampleMonth(2))),
  )
})
