/** Plain tables for terminals: aligned columns without lines, the last column wrapped to the width. */
import type { Check } from '../client/verdict.ts'
import { printable, type Style } from './style.ts'

/** Breaks text into lines of at most `width` characters, between words where that is possible. */
export function wrap(text: string, width: number): string[] {
  const lines: string[] = []
  let line = ''
  for (const word of text.split(' ')) {
    let rest = word
    if (line !== '' && line.length + 1 + rest.length <= width) {
      line += ` ${rest}`
      continue
    }
    if (line !== '') lines.push(line)
    while (rest.length > width) {
      // Not between the halves of a surrogate pair.
      const end = width > 1 && /[\ud800-\udbff]/.test(rest[width - 1]!) ? width - 1 : width
      lines.push(rest.slice(0, end))
      rest = rest.slice(end)
    }
    line = rest
  }
  lines.push(line)
  return lines
}

export interface TableOptions {
  /** Characters that a line may have. */
  readonly columns: number
  /** Characters before each line. */
  readonly indent?: number
  /** How a cell is coloured; widths are counted before. */
  readonly paint?: (text: string, row: number, column: number) => string
}

/** Rows of cells as lines of text. Every row has as many cells as the first. */
export function formatTable(rows: readonly (readonly string[])[], options: TableOptions): string {
  const indent = ' '.repeat(options.indent ?? 0)
  const paint = options.paint ?? ((text: string) => text)
  const last = (rows[0]?.length ?? 1) - 1
  const widths = Array.from({ length: last }, (_, column) =>
    Math.max(...rows.map((row) => row[column]!.length)),
  )
  const before = indent.length + widths.reduce((sum, width) => sum + width + 2, 0)
  const room = Math.max(options.columns - before, 20)
  const lines: string[] = []
  rows.forEach((row, r) => {
    wrap(row[last] ?? '', room).forEach((text, i) => {
      const cells = widths.map((width, c) => {
        const cell = i === 0 ? row[c]! : ''
        return paint(cell, r, c) + ' '.repeat(width - cell.length + 2)
      })
      lines.push(`${indent}${cells.join('')}${paint(text, r, last)}`.trimEnd())
    })
  })
  return lines.map((line) => `${line}\n`).join('')
}

const MARKS = { held: '✓', failed: '✗', skipped: '–' } as const

/** The checks of a verdict, one a row: a tick, a cross, or a dash for what was not asked for. */
export function formatChecks(checks: readonly Check[], style: Style, columns: number): string {
  const rows = checks.map((check) => [
    MARKS[check.status],
    printable(check.name),
    printable(check.detail),
  ])
  return formatTable(rows, {
    columns,
    indent: 2,
    paint: (text, row, column) => {
      const { status } = checks[row]!
      if (status === 'skipped') return style.dim(text)
      if (status === 'failed') return style.red(text)
      return column === 0 ? style.green(text) : text
    },
  })
}
