/** What a report concludes from heads, their consistency and their witnesses. */
import { describe, expect, it } from 'vitest'
import { buildReport } from '../../src/reports/build-report.ts'
import type { IntegrityEvidence } from '../../src/reports/integrity.ts'
import type { ReportCheck } from '../../src/reports/report.ts'
import { head, reported, reportOf, SOUND } from '../support/report-records.ts'

const RECORDS = [100, 200].map((index) =>
  reported({ type: 'llm_request' }, index, '2026-11-05T00:00:00.000Z'),
)

async function judged(change: Partial<IntegrityEvidence>, records = RECORDS) {
  const integrity = { ...SOUND, ...change }
  return (await buildReport(reportOf(records, { integrity }))).integrity
}

/** Evidence without one of its parts. */
async function without(name: 'start' | 'end' | 'witnesses', records = RECORDS) {
  const { [name]: _, ...integrity } = SOUND
  return (await buildReport(reportOf(records, { integrity }))).integrity
}

const wanting = (checks: readonly ReportCheck[]) =>
  checks.filter(({ status }) => status !== 'held').map(({ name, status }) => `${name} ${status}`)

describe('the verdict', () => {
  it('is intact when every check held', async () => {
    const { verdict, checks, start, end } = await judged({})
    expect(verdict).toBe('intact')
    expect(checks.map(({ name, status }) => `${name} ${status}`)).toEqual([
      'heads held',
      'consistency held',
      'coverage held',
      'order held',
      'disclosures held',
      'witnesses held',
    ])
    expect(start).toMatchObject({ size: 0, time: '2026-10-31T23:59:58.000Z' })
    expect(end?.root).toMatch(/^[A-Za-z0-9+/]{43}=$/)
  })

  const older = head(50, '2026-12-01T00:00:00.000Z')
  const broken: [string, Partial<IntegrityEvidence>, string[]][] = [
    [
      'the heads are inconsistent',
      { consistency: { outcome: 'failed', detail: 'x' } },
      ['consistency failed'],
    ],
    [
      'the tree shrank',
      { start: head(300, '2026-10-31T00:00:00.000Z'), end: older },
      ['heads failed', 'coverage open'],
    ],
    [
      'two trees of one size were signed',
      {
        start: head(300, '2026-10-31T00:00:00.000Z', { root: older.root }),
        end: head(300, '2026-12-01T00:00:00.000Z'),
      },
      ['heads failed', 'coverage open'],
    ],
    [
      'the end is older than the start',
      { end: head(300, '2026-10-01T00:00:00.000Z') },
      ['heads failed'],
    ],
  ]
  it.each(broken)('is broken when %s', async (_, change, expected) => {
    const { verdict, checks } = await judged(change)
    expect(verdict).toBe('broken')
    expect(wanting(checks)).toEqual(expected)
  })

  const open: [string, Partial<IntegrityEvidence>, string[]][] = [
    [
      'nobody compared the heads',
      { consistency: { outcome: 'unchecked', detail: 'x' } },
      ['consistency open'],
    ],
    [
      'a record stands after the end',
      { end: head(200, '2026-12-01T00:00:00.000Z') },
      ['coverage open'],
    ],
    [
      'a record stands before the start',
      { start: head(101, '2026-10-31T00:00:00.000Z') },
      ['coverage open'],
    ],
    [
      'some heads are not cosigned',
      { witnesses: { ...SOUND.witnesses!, covered: 43_159 } },
      ['witnesses open'],
    ],
    [
      'the end is not cosigned',
      { end: head(300, '2026-12-01T00:00:00.000Z', { quorum: false, cosignedBy: [] }) },
      ['witnesses open'],
    ],
  ]
  it.each(open)('is unproven when %s', async (_, change, expected) => {
    const { verdict, checks } = await judged(change)
    expect(verdict).toBe('unproven')
    expect(wanting(checks)).toEqual(expected)
  })

  it.each([
    ['start', ['heads open', 'consistency open', 'coverage open']],
    ['end', ['heads open', 'consistency open', 'coverage open', 'witnesses open']],
    ['witnesses', ['witnesses open']],
  ] as const)('is unproven without %s', async (name, expected) => {
    const { verdict, checks } = await without(name)
    expect(verdict).toBe('unproven')
    expect(wanting(checks)).toEqual(expected)
  })

  it('is unproven when time goes back', async () => {
    const records = [
      reported({ type: 'llm_request' }, 100, '2026-11-05T00:00:00.001Z'),
      reported({ type: 'llm_request' }, 101, '2026-11-05T00:00:00.000Z'),
    ]
    const { verdict, checks } = await judged({}, records)
    expect(verdict).toBe('unproven')
    expect(checks.find(({ name }) => name === 'order')?.detail).toBe(
      '1 of 2 records are older than the one before',
    )
  })

  it('takes the last entry of a tree as in it, and the next as not', async () => {
    expect((await judged({ end: head(201, '2026-12-01T00:00:00.000Z') })).verdict).toBe('intact')
    expect((await judged({ start: head(100, '2026-10-31T00:00:00.000Z') })).verdict).toBe('intact')
  })

  it('of a month without records rests on the heads alone', async () => {
    expect((await judged({}, [])).verdict).toBe('intact')
    expect(wanting((await without('end', [])).checks)).toEqual([
      'heads open',
      'consistency open',
      'witnesses open',
    ])
  })
})
