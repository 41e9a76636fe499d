/** How numbers are written. */
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { grouped } from '../../src/formats/count.ts'
import { amount, factWords, monthWords } from '../../src/reports/words.ts'

describe('a number', () => {
  it('has its digits in groups of three', () => {
    expect([0, 999, 1000, 1234567, '1234567890123456789012', '1234.5678'].map(grouped)).toEqual([
      '0',
      '999',
      '1,000',
      '1,234,567',
      '1,234,567,890,123,456,789,012',
      '1,234.5678',
    ])
  })

  it('of money has two to four decimals, rounded half up', () => {
    const decimals = [
      '0',
      '12.5',
      '0.12345',
      '0.99995',
      '1234567.1',
      '0.00004',
      '0.00005',
      '3.1230',
    ]
    expect(decimals.map(amount)).toEqual([
      '0.00',
      '12.50',
      '0.1235',
      '1.00',
      '1,234,567.10',
      '0.00',
      '0.0001',
      '3.123',
    ])
  })

  it('of money is off by half of the last digit at most', () => {
    fc.assert(
      fc.property(fc.nat(), fc.nat(999_999_999), (whole, fraction) => {
        const decimal = `${whole}.${String(fraction).padStart(9, '0')}`
        const shown = Number(amount(decimal).replaceAll(',', ''))
        expect(Math.abs(shown - Number(decimal))).toBeLessThan(0.000_050_1)
      }),
    )
  })
})

it('names months', () => {
  expect(monthWords('2026-11')).toBe('November 2026')
  expect(monthWords('2024-01')).toBe('January 2024')
})

describe('a fact', () => {
  it('is said as a person reads it', () => {
    expect(factWords('records', 12345)).toBe('12,345')
    expect(factWords('scope', '{"model":"m","request_id":"req-1"}')).toBe(
      'model m, request id req-1',
    )
    expect(factWords('scope', '{}')).toBe('all records')
    expect(factWords('until', '2026-11-21T22:19:31.418Z')).toBe('2026-11-21 22:19:31 UTC')
    expect(factWords('until', 'soon')).toBe('soon')
    expect(factWords('purpose', '2026-11-21T22:19:31.418Z')).toBe('2026-11-21T22:19:31.418Z')
  })

  it('that was cut off, or is something else than expected, stays as it is', () => {
    for (const text of ['{"request_id":"req-…', 'everything', '']) {
      expect(factWords('scope', text)).toBe(text)
    }
  })
})
