/** Prints a measurement as soon as it is there: what, figure, aim. */
const WIDTHS = [58, 30, 22] as const

export function row(what: string, figure: string, aim = ''): void {
  const cells = [what, figure, aim].map((cell, i) => cell.padEnd(WIDTHS[i]!))
  console.log(`| ${cells.join(' | ')} |`)
}

export function head(): void {
  row('what', 'measured', 'aim')
  console.log(`|${WIDTHS.map((width) => '-'.repeat(width + 2)).join('|')}|`)
}

/** 12345.6 → "12,346" */
export function count(value: number): string {
  return Math.round(value).toLocaleString('en-US')
}

export function ms(value: number): string {
  return value < 10 ? value.toFixed(2) : value.toFixed(1)
}
