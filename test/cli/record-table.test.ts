import { describe, expect, it } from 'vitest'
import { formatRecords } from '../../src/cli/record-table.ts'
import { costOf } from '../../src/cli/record-words.ts'
import { styleFor } from '../../src/cli/style.ts'
import type { FoundRecord } from '../../src/client/record-answers.ts'
import { leafIndex } from '../../src/merkle/position.ts'
import { metricsText } from '../../src/reports/record-stages.ts'
import { RECORD_ID, SUBJECT } from '../support/records.ts'

const PLAIN = styleFor({}, {})
const LEAST: FoundRecord = {
  index: leafIndex(7),
  id: RECORD_ID,
  time: '2026-11-21T12:00:00.000Z',
  tenant: 'acme',
  type: 'decision',
}
const FULL: FoundRecord = {
  ...LEAST,
  index: leafIndex(12_345),
  type: 'llm_request',
  request_id: 'req-1',
  session_id: 'ses-1',
  subject: SUBJECT,
  actor: SUBJECT,
  model: { name: 'm', version: '2' },
  metrics: { cost: 0.25, currency: 'EUR' },
  guardrails: [
    { name: 'pii', verdict: 'pass' },
    { name: 'tone', verdict: 'block' },
  ],
}

const table = (records: readonly FoundRecord[], columns: number): string[] =>
  formatRecords(records, PLAIN, columns).trimEnd().split('\n')

describe('the table of records', () => {
  it('has only the columns with something in them', () => {
    expect(table([LEAST], 120)).toEqual([
      'INDEX  TIME (UTC)           WHAT',
      '    7  2026-11-21 12:00:00  Decision',
    ])
  })

  it('has all that is short in a record', () => {
    expect(
      table([{ ...FULL, guardrails: [{ name: 'pii', verdict: 'pass' }] }, LEAST], 200),
    ).toEqual([
      ' INDEX  TIME (UTC)           WHAT         REQUEST  SESSION  SUBJECT    ACTOR      MODEL      COST  GUARDRAILS',
      '12,345  2026-11-21 12:00:00  LLM request  req-1    ses-1    p_abcdef…  p_abcdef…  m 2    EUR 0.25  ✓ 1',
      '     7  2026-11-21 12:00:00  Decision',
    ])
  })

  it('names the guardrails that did not let something pass', () => {
    expect(table([FULL], 200)[1]).toMatch(/EUR 0\.25 {2}✗ tone block$/)
  })

  it.each([40, 60, 80, 100])('gives up columns to fit %i characters', (columns) => {
    const lines = table([FULL, LEAST], columns)
    expect(lines[0]).toMatch(/^ INDEX {2}TIME \(UTC\) +WHAT/)
    // Index, time and what it is are there in any case.
    for (const line of lines) expect(line.length).toBeLessThanOrEqual(Math.max(columns, 51))
  })

  it('has room for the column that was asked about before others', () => {
    expect(table([FULL], 51)[0]).toMatch(/WHAT +REQUEST$/)
    const lines = formatRecords([FULL], PLAIN, 51, 'COST').split('\n')
    expect(lines[0]).toMatch(/WHAT +COST$/)
  })

  it('cuts what is long, and lets no text move the cursor', () => {
    const [, row] = table([{ ...LEAST, request_id: `\u001b[2J${'x'.repeat(250)}` }], 120)
    expect(row).toMatch(/ {2}\\u\{1b\}\[2Jx+…$/)
    expect(row!.length).toBeLessThan(100)
  })
})

describe('what a record took', () => {
  it.each([
    [{}, ''],
    [{ input_tokens: 5 }, '5 tokens in'],
    [{ output_tokens: 5 }, '5 tokens out'],
    [{ input_tokens: 5, output_tokens: 6 }, '5 tokens in, 6 out'],
    [{ latency_ms: 350, cost: 1 }, '350 ms · 1.00'],
  ])('%j is said as %j', (metrics, words) => {
    expect(metricsText(metrics)).toBe(words)
  })

  it.each([
    [{ cost: 1234.5, currency: 'EUR' }, 'EUR 1,234.50'],
    [{ cost: 0 }, '0.00'],
    [{ cost: 0.00002 }, '0.00002'],
    [{ cost: 5e-7, currency: 'USD' }, 'USD 5e-7'],
    [{ currency: 'USD' }, ''],
  ])('the cost of %j is said as %j', (metrics, words) => {
    expect(costOf(metrics)).toBe(words)
  })
})
