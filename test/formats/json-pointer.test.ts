import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { formatPointer, parsePointer, shownPointer } from '../../src/formats/json-pointer.ts'
import { anyText, refusalOf } from '../support/records.ts'

describe('a JSON Pointer', () => {
  it.each<[string, (string | number)[]]>([
    ['', []],
    ['/foo/0', ['foo', 0]],
    ['/', ['']],
    ['/a~1b', ['a/b']],
    ['/c%d', ['c%d']],
    ['/m~0n', ['m~n']],
    ['/~01', ['~1']],
    ['/k"l', ['k"l']],
  ])('%j names what RFC 6901 says', (pointer, path) => {
    expect(formatPointer(path)).toBe(pointer)
    expect(parsePointer(pointer)).toEqual(path.map(String))
  })

  it('comes back as it was, whatever the names', () => {
    fc.assert(
      fc.property(fc.array(anyText), (path) => {
        expect(parsePointer(formatPointer(path))).toEqual(path)
      }),
    )
  })

  it.each(['foo', '/~', '/~2', '/a~'])('%j is none', (pointer) => {
    expect(refusalOf(() => parsePointer(pointer))).toContain('MALFORMED a JSON Pointer')
  })

  it('is shown in one line of a bounded length', () => {
    expect(shownPointer('')).toBe('the top level')
    expect(shownPointer('/input/prompt')).toBe('/input/prompt')
    expect(shownPointer('/a\nb\u202ec\u0007\ud800')).toBe('/a\\u000ab\\u202ec\\u0007\\ud800')
    expect(shownPointer(`/${'x'.repeat(10_000)}`)).toHaveLength(201)
  })
})
