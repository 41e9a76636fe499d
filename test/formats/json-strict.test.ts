import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { utf8 } from '../../src/bytes.ts'
import { type JsonValue, parseJson } from '../../src/formats/json-strict.ts'
import { anyJson, anyText, refusalOf } from '../support/records.ts'

const LIMITS = { size: 1 << 20, depth: 32 }
const read = (text: string | Uint8Array): JsonValue => parseJson(text, LIMITS)
const refusal = (text: string | Uint8Array): string => refusalOf(() => read(text))

/** The value in some other spelling: white space, escapes, members in the order they have. */
function spelled(value: JsonValue, choose: () => number): string {
  const space = (): string => ['', '', ' ', '\n\t', '\r'][choose() % 5]!
  const string = (text: string): string =>
    JSON.stringify(text).replace(/\\(?:u[0-9a-f]{4}|.)|[a-z/]/g, (token) =>
      token.length === 1 && choose() % 4 === 0
        ? `\\u${token.charCodeAt(0).toString(16).padStart(4, '0')}`
        : token,
    )
  const inner = (one: JsonValue): string => {
    if (typeof one === 'string') return string(one)
    if (Array.isArray(one))
      return `[${one.map((item) => spelled(item, choose)).join(',') || space()}]`
    if (typeof one !== 'object' || one === null) return JSON.stringify(one)
    const members = Object.entries(one).map(
      ([name, member]) => `${space()}${string(name)}${space()}:${spelled(member, choose)}`,
    )
    return `{${members.join(',') || space()}}`
  }
  return `${space()}${inner(value)}${space()}`
}

const spelling = fc
  .tuple(anyJson, fc.array(fc.nat(99), { minLength: 1 }))
  .map(([value, choices]) => {
    let at = 0
    return spelled(value, () => choices[at++ % choices.length]!)
  })

describe('the JSON reader', () => {
  it('reads what JSON.parse reads, in any spelling', () => {
    fc.assert(
      fc.property(spelling, (text) => {
        const expected = JSON.parse(text) as JsonValue
        expect(read(text)).toEqual(expected)
        expect(read(utf8(text))).toEqual(expected)
      }),
    )
  })

  it('accepts nothing that JSON.parse refuses, and calls nothing else "not JSON"', () => {
    const damage = fc.tuple(
      spelling,
      fc.nat(),
      fc.nat(3),
      fc.constantFrom(...'{}[]",:0-.e\\u\n\ufeff'),
    )
    fc.assert(
      fc.property(damage, ([text, place, cut, put]) => {
        const at = place % (text.length + 1)
        const damaged = text.slice(0, at) + put + text.slice(at + cut)
        const said = refusal(damaged)
        const byPlatform = ((): string => {
          try {
            return JSON.stringify(JSON.parse(damaged))
          } catch {
            return 'refused'
          }
        })()
        if (said === 'accepted') expect(JSON.stringify(read(damaged))).toBe(byPlatform)
        else if (/not JSON|the JSON ends/.test(said)) expect(byPlatform).toBe('refused')
      }),
      { numRuns: 2000 },
    )
  })

  it.each<[string, string]>([
    ['', 'the top level: the JSON ends where a value should be'],
    ['  ', 'the top level: the JSON ends where a value should be'],
    ['\ufeff{}', 'the top level: not JSON at character 1: expected a value, found U+FEFF'],
    ['{} x', 'the top level: not JSON at character 4: expected nothing more, found x'],
    ['{}{}', 'the top level: not JSON at character 3: expected nothing more, found {'],
    ["{'a':1}", 'expected a member name in double quotes'],
    [
      '{a:1}',
      'the top level: not JSON at character 2: expected a member name in double quotes, found a',
    ],
    ['{"a" 1}', '/a: not JSON at character 6: expected ":", found 1'],
    ['{"a":1,}', 'expected a member name in double quotes, found }'],
    ['{"a":1 "b":2}', 'the top level: not JSON at character 8: expected "," or "}"'],
    ['{"a":[1,]}', '/a/1: not JSON at character 9: expected a value, found ]'],
    ['{"a":[1 2]}', '/a: not JSON at character 9: expected "," or "]", found 2'],
    ['{"a":[1', '/a: the JSON ends where "," or "]" should be'],
    ['{"a":"x', '/a: the JSON ends where the end of a string should be'],
    ['{"a":"x\\', '/a: the JSON ends where the end of a string should be'],
    ['{"a":"x\n"}', '/a: not JSON at character 8: expected an escaped control, found U+000A'],
    ['{"a":"\\x41"}', '/a: not JSON: a wrong escape in the string at character 6'],
    ['{"a":"\\u12g4"}', '/a: not JSON: a wrong escape'],
    ['{"a":"\\\n"}', '/a: not JSON: a wrong escape'],
    ['{"a":tru}', '/a: not JSON at character 6: expected a value, found t'],
    ['{"a":True}', '/a: not JSON at character 6: expected a value, found T'],
    ['{"a":NaN}', '/a: not JSON at character 6: expected a value, found N'],
    ['{"a":Infinity}', 'expected a value'],
    ['{"a":+1}', 'expected a value, found +'],
    ['{"a":.5}', 'expected a value, found .'],
    ['{"a":5.}', 'expected "," or "}", found .'],
    ['{"a":01}', 'expected "," or "}", found 1'],
    ['{"a":-}', 'expected a value, found -'],
    ['{"a":1e}', 'expected "," or "}", found e'],
    ['{"a":0x10}', 'expected "," or "}", found x'],
    ['// no\n{}', 'expected a value, found /'],
    ['\u00a0{}', 'expected a value, found U+00A0'],
  ])('refuses %j', (text, message) => {
    expect(refusal(text)).toContain('MALFORMED')
    expect(refusal(text)).toContain(message)
    expect(() => JSON.parse(text)).toThrow(SyntaxError)
  })

  it('refuses two members of one name, however it is spelled, and names them', () => {
    expect(refusal('{"a":{"b/c":1,"b\\u002fc":2}}')).toBe(
      'MALFORMED /a/b~1c: the member is there twice',
    )
    expect(refusal('[{},{"__proto__":1,"__proto__":1}]')).toContain(
      '/1/__proto__: the member is there',
    )
    expect(refusal('{"":1,"":2}')).toContain('/: the member is there twice')
    expect(read('{"a":1,"A":2,"a ":3}')).toEqual({ a: 1, A: 2, 'a ': 3 })
    fc.assert(
      fc.property(
        fc.dictionary(anyText, anyJson, { minKeys: 1, maxKeys: 5 }),
        fc.nat(),
        (object, at) => {
          const names = Object.keys(object)
          const twice = names[at % names.length]!
          const text = `${JSON.stringify(object).slice(0, -1)},${JSON.stringify(twice)}:0}`
          expect(refusal(text)).toContain('the member is there twice')
        },
      ),
    )
  })

  it('refuses half of a surrogate pair, escaped or not, in values and in names', () => {
    expect(refusal('{"a":["x\\ud800"]}')).toBe(
      'MALFORMED /a/0: a string has half of a surrogate pair',
    )
    expect(refusal('"\\ude00\\ud83d"')).toContain('half of a surrogate pair')
    expect(refusal('{"\\udc00":1}')).toContain('half of a surrogate pair')
    expect(refusal('"\ud800"')).toContain('half of a surrogate pair')
    expect(read('"\\ud83d\\ude00 \ud83d\ude00 \\n \\ufffe"')).toBe('😀 😀 \n \ufffe')
  })

  it('refuses bytes that are not UTF-8', () => {
    expect(refusal(Uint8Array.of(0x22, 0xff, 0x22))).toBe('MALFORMED the JSON is not valid UTF-8')
    expect(refusal(Uint8Array.of(0x22, 0xed, 0xa0, 0x80, 0x22))).toContain('not valid UTF-8')
    expect(refusal(Uint8Array.of(0xef, 0xbb, 0xbf, 0x7b, 0x7d))).toContain('found U+FEFF')
  })

  it.each<[string, number]>([
    ['9007199254740991', 9007199254740991],
    ['-9007199254740991', -9007199254740991],
    ['9.007199254740991e15', 9007199254740991],
    ['1e15', 1e15],
    ['1E+2', 100],
    ['1.0', 1],
    ['100e-2', 1],
    ['0.1', 0.1],
    ['0.10000000000000000000000000000000', 0.1],
    ['0.10000000000000001', 0.1],
    ['0.1000000000000000055511151231257827', 0.1],
    ['0.30000000000000004', 0.30000000000000004],
    ['5e-324', 5e-324],
    ['4.9406564584124654e-324', 5e-324],
    ['123456789.123456', 123456789.123456],
    ['-0', 0],
    ['-0.0e9', 0],
    ['0e999', 0],
  ])('reads the number %s', (text, value) => {
    expect(read(`[${text}]`)).toStrictEqual([value])
  })

  it.each([
    '9007199254740992',
    '-9007199254740992',
    '12345678901234567890',
    '9007199254740991.5',
    '1e16',
    '1e400',
    '-1e400',
    `1${'0'.repeat(400)}`,
  ])('refuses the number %s: it is beyond what every double can hold', (text) => {
    const said = refusal(`{"a":[${text}]}`)
    expect(said).toContain('MALFORMED /a/0: the number ')
    expect(said).toMatch(/is beyond 2\^53-1; write it as a string|digits that a double cannot hold/)
  })

  it.each([
    '0.1000000000000000001',
    '0.12345678901234567890',
    '12345678901234.567',
    '333333333.33333329',
    '9007199254740990.9',
    '4e-324',
    '1e-400',
    `0.${'1'.repeat(500)}`,
  ])('refuses the number %s, of which a double would lose digits', (text) => {
    expect(refusal(`{"a":${text}}`)).toMatch(
      /^MALFORMED \/a: the number [-0-9.e]{1,40}…? has digits that a double cannot hold; write it as a string$/,
    )
  })

  it('reads any double as JavaScript prints it, and as C does with 17 digits', () => {
    const max = Number.MAX_SAFE_INTEGER
    fc.assert(
      fc.property(fc.double({ min: -max, max, noNaN: true }), (value) => {
        expect(read(`[${value}]`)).toEqual([value + 0])
        expect(read(`[${value.toExponential(16)}]`)).toEqual([value + 0])
      }),
    )
  })

  it('reads a decimal only when its double, rounded to as many digits, is the same', () => {
    const digits = fc.stringMatching(/^[1-9][0-9]{14,19}[1-9]$/)
    fc.assert(
      fc.property(digits, fc.integer({ min: -20, max: -6 }), (written, exponent) => {
        const value = Number(`${written}e${exponent}`)
        // The double as a whole number of 2^-200, so that it can be rounded without another double.
        const scaled = BigInt(value * 2 ** 200) * 10n ** BigInt(-exponent)
        const rounded = (scaled + (1n << 199n)) >> 200n
        expect(refusal(`${written}e${exponent}`) === 'accepted').toBe(
          rounded === BigInt(written) && value <= Number.MAX_SAFE_INTEGER,
        )
      }),
      { numRuns: 500 },
    )
  })

  it('allows so much nesting and no more', () => {
    const nested = (depth: number): string =>
      `${'[{"a":'.repeat(depth / 2)}1${'}]'.repeat(depth / 2)}`
    expect(refusal(nested(32))).toBe('accepted')
    expect(refusal(nested(34))).toContain('/0/a/0/a')
    expect(refusal(nested(34))).toContain(': nested deeper than 32 arrays and objects')
    expect(refusalOf(() => parseJson('[]', { size: 9, depth: 0 }))).toContain('nested deeper')
    expect(refusal('['.repeat(1_000_000))).toContain('nested deeper')
  })

  it('allows so many bytes of UTF-8 and no more, of text as of bytes', () => {
    const limits = { size: 8, depth: 1 }
    for (const form of [(text: string) => text, utf8]) {
      expect(parseJson(form('"ääx"'), { ...limits, size: 7 })).toBe('ääx')
      expect(refusalOf(() => parseJson(form('"äää"'), { ...limits, size: 7 }))).toBe(
        'TOO_LARGE the JSON has 8 bytes; 7 at most',
      )
    }
  })

  it('makes members of names that objects have anyway', () => {
    const value = read('{"__proto__":{"a":1},"constructor":null,"toString":0}') as object
    expect(Object.keys(value)).toEqual(['__proto__', 'constructor', 'toString'])
    expect(Object.getPrototypeOf(value)).toBe(Object.prototype)
    expect((value as { a?: unknown }).a).toBeUndefined()
  })
})
