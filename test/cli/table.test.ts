import { describe, expect, it } from 'vitest'
import { styleFor } from '../../src/cli/style.ts'
import { formatChecks, formatTable, wrap } from '../../src/cli/table.ts'

describe('wrap', () => {
  it('breaks between words', () => {
    expect(wrap('one two three', 7)).toEqual(['one two', 'three'])
  })
  it('breaks words that are too long', () => {
    expect(wrap('a 1234567890', 4)).toEqual(['a', '1234', '5678', '90'])
    // No character is broken in two.
    expect(wrap('123😀😀5', 4)).toEqual(['123', '😀😀', '5'])
  })
  it('keeps text that fits', () => {
    expect(wrap('', 4)).toEqual([''])
    expect(wrap('abcd', 4)).toEqual(['abcd'])
  })
})

describe('formatTable', () => {
  it('aligns columns and wraps the last one', () => {
    const rows = [
      ['a', 'bb', 'this is the last column, which is long'],
      ['aaa', 'b', 'short'],
    ]
    expect(formatTable(rows, { columns: 30, indent: 1 })).toBe(
      ' a    bb  this is the last\n          column, which is\n          long\n aaa  b   short\n',
    )
  })
  it('is empty without rows', () => {
    expect(formatTable([], { columns: 80 })).toBe('')
  })
})

describe('formatChecks', () => {
  const checks = [
    { name: 'log signature', status: 'held', detail: 'it is signed' },
    { name: 'witnesses', status: 'skipped', detail: 'none' },
    { name: 'inclusion', status: 'failed', detail: 'another\x1b[2J root' },
  ] as const

  it('has a mark for each check, and shows control characters', () => {
    expect(formatChecks(checks, styleFor({}, {}), 80)).toBe(
      '  ✓  log signature  it is signed\n' +
        '  –  witnesses      none\n' +
        '  ✗  inclusion      another\\u{1b}[2J root\n',
    )
  })

  it('is coloured where that is wanted', () => {
    const text = formatChecks(checks, styleFor({ isTTY: true }, {}), 80)
    expect(text).toContain('\x1b[32m✓')
    expect(text).toContain('\x1b[31m✗')
  })
})
