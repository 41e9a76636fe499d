/**
 * Sums of decimal fractions without rounding. A cost is read as it is written, 0.1 and not the double next to it, so
 * that a total is what an auditor gets who adds up the records by hand, in any order.
 */

/** units / 10^scale. */
export interface DecimalSum {
  units: bigint
  scale: number
}

export function decimalSum(): DecimalSum {
  return { units: 0n, scale: 0 }
}

/** Adds a finite number, as ECMAScript (and RFC 8785) writes it. */
export function addNumber(sum: DecimalSum, value: number): void {
  const [mantissa = '', exponent = '0'] = String(value).split('e')
  const [whole = '', fraction = ''] = mantissa.split('.')
  addUnits(sum, BigInt(whole + fraction), fraction.length - Number(exponent))
}

export function addSum(sum: DecimalSum, other: DecimalSum): void {
  addUnits(sum, other.units, other.scale)
}

function addUnits(sum: DecimalSum, units: bigint, scale: number): void {
  if (scale > sum.scale) {
    sum.units *= 10n ** BigInt(scale - sum.scale)
    sum.scale = scale
  }
  sum.units += units * 10n ** BigInt(sum.scale - scale)
}

/** The exact sum in decimal, without an exponent and without zeros at its end: `12.5`. */
export function formatSum({ units, scale }: DecimalSum): string {
  const sign = units < 0n ? '-' : ''
  const digits = String(units < 0n ? -units : units).padStart(scale + 1, '0')
  const whole = digits.slice(0, digits.length - scale)
  const fraction = digits.slice(digits.length - scale).replace(/0+$/, '')
  return `${sign}${whole}${fraction === '' ? '' : `.${fraction}`}`
}
