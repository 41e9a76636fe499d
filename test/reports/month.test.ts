/** Months of the calendar. */
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { parseMonth } from '../../src/reports/month.ts'
import { refusalOf } from '../support/records.ts'

describe('a month', () => {
  it('has its days, leap days among them', () => {
    const lengths = ['2023-02', '2024-02', '2000-02', '2100-02', '2026-11', '2026-12', '9999-12']
    expect(lengths.map((month) => parseMonth(month).days.length)).toEqual([
      28, 29, 29, 28, 30, 31, 31,
    ])
    expect(parseMonth('2024-02')).toMatchObject({
      first: '2024-02-01T00:00:00.000Z',
      last: '2024-02-29T23:59:59.999Z',
    })
    expect(parseMonth('2024-02').days.at(-1)).toBe('2024-02-29')
  })

  it('holds its first and its last millisecond and nothing beyond, in UTC', () => {
    const months = fc.tuple(fc.integer({ min: 1970, max: 9998 }), fc.integer({ min: 1, max: 12 }))
    fc.assert(
      fc.property(months, ([year, number]) => {
        const text = `${year}-${String(number).padStart(2, '0')}`
        const { first, last, days } = parseMonth(text)
        const next = new Date(Date.parse(last) + 1)
        const before = new Date(Date.parse(first) - 1)
        expect(first.slice(0, 7)).toBe(text)
        expect(last.slice(0, 7)).toBe(text)
        expect(before.toISOString().slice(0, 7)).not.toBe(text)
        expect(next.getUTCDate()).toBe(1)
        expect(Date.parse(last) + 1 - Date.parse(first)).toBe(days.length * 86_400_000)
      }),
    )
  })

  it.each([
    '',
    '2026',
    '2026-13',
    '2026-00',
    '2026-1',
    '26-11',
    '1969-12',
    '2026-11-01',
    ' 2026-11',
    '2026-11\n',
    '+010000-01',
  ])('is not %j', (text) => {
    expect(refusalOf(() => parseMonth(text))).toBe(
      'MALFORMED expected a month such as 2026-11, from 1970 on',
    )
  })
})
