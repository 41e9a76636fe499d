/** A month of 100,000 records, each with names that no other has: memory stays flat. */
import { setFlagsFromString } from 'node:v8'
import { runInNewContext } from 'node:vm'
import { describe, expect, it } from 'vitest'
import { leafIndex } from '../../src/merkle/position.ts'
import { buildReport, type ReportedRecord } from '../../src/reports/build-report.ts'
import { MAX_COUNTED_NAMES } from '../../src/reports/report.ts'
import { reportHtml } from '../../src/reports/report-html.ts'
import { reported, reportOf } from '../support/report-records.ts'

setFlagsFromString('--expose-gc')
const collect = runInNewContext('gc') as () => void

const COUNT = 100_000
const MEBIBYTE = 1_048_576

function heapInUse(): number {
  collect()
  return process.memoryUsage().heapUsed / MEBIBYTE
}

/** Records that differ in every name; `look` is called each time that so many have been read. */
async function* manyRecords(look: (read: number) => void): AsyncGenerator<ReportedRecord> {
  const [template, access] = [
    {
      type: 'llm_request',
      metrics: { input_tokens: 1, output_tokens: 2, cost: 0.0001, currency: 'EUR' },
    },
    { type: 'access', action: 'read', extra: { purpose: 'x' } },
  ].map((submission) => reported(submission, 0, '2026-11-01T00:00:00.000Z'))
  for (let i = 0; i < COUNT; i++) {
    const from = i % 4 === 3 ? access! : template!
    const name = `${i}`.padStart(100, 'x')
    const record = {
      ...from.record,
      time: new Date(Date.UTC(2026, 10, 1) + i * 25_000).toISOString(),
      action: name,
      environment: name,
      policy: name,
      model: { name },
      guardrails: [{ name, verdict: 'pass' }],
    }
    yield { ...from, index: leafIndex(i), record }
    if (i % 20_000 === 19_999) look(i + 1)
  }
}

describe('a large month', () => {
  it('takes no more memory than the names that are told apart', async () => {
    const before = heapInUse()
    const heaps: number[] = []
    let looking = 0
    const started = performance.now()
    const records = manyRecords(() => {
      const from = performance.now()
      heaps.push(heapInUse() - before)
      looking += performance.now() - from
    })
    const report = await buildReport(reportOf(records))
    const seconds = (performance.now() - started - looking) / 1000
    const page = reportHtml(report)
    console.log(
      `${COUNT} records in ${seconds.toFixed(2)} s, heap ${heaps.map((heap) => heap.toFixed(1)).join(', ')} MiB, page of ${Math.round(page.length / 1024)} KiB`,
    )

    expect(report.records.total).toBe(COUNT)
    expect(report.models.rows.length + (report.models.others?.records ?? 0)).toBe(COUNT)
    expect(report.usage.costs).toEqual([{ currency: 'EUR', cost: '7.5', records: 75_000 }])
    expect(report.accesses.total).toBe(COUNT / 4)
    expect(MAX_COUNTED_NAMES).toBeLessThan(20_000)
    expect(heaps).toHaveLength(5)
    // The first look is after all names that are told apart.
    expect(heaps.at(-1)! - heaps[1]!).toBeLessThan(4)
  }, 120_000)
})
