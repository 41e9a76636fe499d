/** Sums of decimal fractions, to the last digit. */
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { addNumber, addSum, decimalSum, formatSum } from '../../src/reports/decimal-sum.ts'

function total(values: readonly number[]): string {
  const sum = decimalSum()
  for (const value of values) addNumber(sum, value)
  return formatSum(sum)
}

describe('a sum of decimal fractions', () => {
  it('is what one gets by hand', () => {
    expect(total([0.1, 0.2])).toBe('0.3')
    expect(total(Array.from({ length: 10_000 }, () => 0.0001))).toBe('1')
    expect(total([])).toBe('0')
    expect(total([-0, 0])).toBe('0')
    expect(total([1e-7, 1.5e-7])).toBe('0.00000025')
    expect(total([Number.MAX_SAFE_INTEGER, Number.MAX_SAFE_INTEGER, 0.5])).toBe(
      '18014398509481982.5',
    )
    expect(total([1e21, 1])).toBe('1000000000000000000001')
    expect(total([12.5, -20])).toBe('-7.5')
    expect(total([5e-324])).toBe(`0.${'0'.repeat(323)}5`)
  })

  it('is the same in any order, and in parts', () => {
    const values = fc.array(fc.double({ min: 0, max: 1e9, noNaN: true }), { maxLength: 30 })
    fc.assert(
      fc.property(values, fc.nat(30), (numbers, cut) => {
        const parts = [numbers.slice(cut), numbers.slice(0, cut)].map((part) => {
          const sum = decimalSum()
          for (const value of part) addNumber(sum, value)
          return sum
        })
        const whole = decimalSum()
        for (const part of parts) addSum(whole, part)
        expect(formatSum(whole)).toBe(total(numbers))
        expect(total([...numbers].reverse())).toBe(total(numbers))
        const rough = numbers.reduce((sum, value) => sum + value, 0)
        expect(Math.abs(Number(total(numbers)) - rough)).toBeLessThanOrEqual(rough * 1e-12)
      }),
    )
  })

  it('of one number is that number', () => {
    fc.assert(
      fc.property(fc.double({ min: -1e300, max: 1e300, noNaN: true }), (value) => {
        expect(Number(total([value]))).toBe(value === 0 ? 0 : value)
      }),
    )
  })
})
