import { describe, expect, it } from 'vitest'
import {
  age,
  byteCount,
  count,
  duration,
  plural,
  printable,
  styleFor,
  wantsColour,
} from '../../src/cli/style.ts'

const terminal = { isTTY: true }
const pipe = {}

describe('colour', () => {
  it.each([
    ['a terminal', terminal, {}, true],
    ['a pipe', pipe, {}, false],
    ['a terminal with NO_COLOR', terminal, { NO_COLOR: '1' }, false],
    ['a terminal with an empty NO_COLOR', terminal, { NO_COLOR: '' }, true],
    ['a pipe with FORCE_COLOR', pipe, { FORCE_COLOR: '1' }, true],
    ['a pipe with an empty FORCE_COLOR', pipe, { FORCE_COLOR: '' }, true],
    ['a terminal with FORCE_COLOR=0', terminal, { FORCE_COLOR: '0' }, false],
    ['a dumb terminal', terminal, { TERM: 'dumb' }, false],
  ])('is right on %s', (_, stream, env, expected) => {
    expect(wantsColour(stream, env)).toBe(expected)
    expect(styleFor(stream, env).red('x')).toBe(expected ? '\x1b[31mx\x1b[39m' : 'x')
  })
})

describe('printable', () => {
  it('shows what would steer the terminal or reorder the text', () => {
    expect(printable('a\x1b[31mb')).toBe('a\\u{1b}[31mb')
    expect(printable('line\nline')).toBe('line\\u{a}line')
    expect(printable('\u202Eabc\u009b')).toBe('\\u{202e}abc\\u{9b}')
  })
  it('leaves everything else', () => {
    expect(printable('prüf.example/日誌 ✓')).toBe('prüf.example/日誌 ✓')
  })
})

describe('numbers', () => {
  it('are written for people', () => {
    expect(count(1234567)).toBe('1,234,567')
    expect([plural(1, 'leaf', 'leaves'), plural(2, 'leaf', 'leaves'), plural(0, 'key')]).toEqual([
      '1 leaf',
      '2 leaves',
      '0 keys',
    ])
    expect([byteCount(0), byteCount(1023), byteCount(1024), byteCount(5 * 2 ** 30)]).toEqual([
      '0 B',
      '1023 B',
      '1.0 KiB',
      '5.0 GiB',
    ])
    expect([duration(4.4), duration(4_200), duration(185_000)]).toEqual([
      '4 ms',
      '4.2 s',
      '3 min 05 s',
    ])
  })
})

describe('an age', () => {
  it.each([
    [-5, 'now'],
    [999, 'now'],
    [1_000, '1 s ago'],
    [119_999, '119 s ago'],
    [120_000, '2 min ago'],
    [7_199_999, '119 min ago'],
    [7_200_000, '2 h ago'],
    [172_799_999, '47 h ago'],
    [172_800_000, '2 days ago'],
    [86_400_000_000, '1,000 days ago'],
  ])('of %i ms is %s', (milliseconds, words) => {
    expect(age(milliseconds)).toBe(words)
  })
})
