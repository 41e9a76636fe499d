import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { canonicalJson } from '../../src/formats/canonical-json.ts'
import { type JsonValue, parseJson } from '../../src/formats/json-strict.ts'
import { anyJson, refusalOf } from '../support/records.ts'

const LIMITS = { size: 1 << 20, depth: 32 }

/** Section 3.2 of RFC 8785 as it reads: members by UTF-16 code units, everything else as ECMAScript does. */
function naive(value: JsonValue): string {
  if (Array.isArray(value)) return `[${value.map(naive).join(',')}]`
  if (typeof value !== 'object' || value === null) return JSON.stringify(value)
  const units = (text: string): number[] => Array.from(text, (_, i) => text.charCodeAt(i))
  const before = ([a]: [string, JsonValue], [b]: [string, JsonValue]): number => {
    const [x, y] = [units(a), units(b)]
    const at = x.findIndex((unit, i) => unit !== y[i])
    if (at < 0) return x.length - y.length
    return at >= y.length ? 1 : x[at]! - y[at]!
  }
  const members = Object.entries(value).sort(before)
  return `{${members.map(([name, one]) => `${JSON.stringify(name)}:${naive(one)}`).join(',')}}`
}

const double = (bits: string): number => Buffer.from(bits, 'hex').readDoubleBE(0)

describe('canonical JSON', () => {
  it('is that of RFC 8785 section 3.2.2', () => {
    const value = JSON.parse(String.raw`{
      "numbers": [333333333.33333329, 1E30, 4.50, 2e-3, 0.000000000000000000000000001],
      "string": "\u20ac$\u000F\u000aA'\u0042\u0022\u005c\\\"\/",
      "literals": [null, true, false]
    }`) as JsonValue
    expect(canonicalJson(value)).toBe(
      `{"literals":[null,true,false],"numbers":[333333333.3333333,1e+30,4.5,0.002,1e-27],` +
        String.raw`"string":"€$\u000f\nA'B\"\\\\\"/"}`,
    )
    const utf8 =
      '7b226c69746572616c73223a5b6e756c6c2c747275652c66616c73655d2c226e756d62657273223a5b333333333333333333' +
      '2e333333333333332c31652b33302c342e352c302e3030322c31652d32375d2c22737472696e67223a22e282ac245c753030' +
      '30665c6e4127425c225c5c5c5c5c222f227d'
    expect(Buffer.from(canonicalJson(value)).toString('hex')).toBe(utf8)
  })

  it('sorts as RFC 8785 section 3.2.3 does', () => {
    const value = JSON.parse(String.raw`{
      "\u20ac": "Euro Sign", "\r": "Carriage Return", "\ufb33": "Hebrew Letter Dalet With Dagesh",
      "1": "One", "\ud83d\ude00": "Emoji: Grinning Face", "\u0080": "Control",
      "\u00f6": "Latin Small Letter O With Diaeresis"
    }`) as JsonValue
    expect(Object.values(JSON.parse(canonicalJson(value)) as object)).toHaveLength(7)
    expect(canonicalJson(value).match(/:"[^"]*"/g)).toEqual([
      ':"Carriage Return"',
      ':"One"',
      ':"Control"',
      ':"Latin Small Letter O With Diaeresis"',
      ':"Euro Sign"',
      ':"Emoji: Grinning Face"',
      ':"Hebrew Letter Dalet With Dagesh"',
    ])
  })

  it.each([
    ['0000000000000000', '0'],
    ['8000000000000000', '0'],
    ['0000000000000001', '5e-324'],
    ['8000000000000001', '-5e-324'],
    ['7fefffffffffffff', '1.7976931348623157e+308'],
    ['ffefffffffffffff', '-1.7976931348623157e+308'],
    ['4340000000000000', '9007199254740992'],
    ['c340000000000000', '-9007199254740992'],
    ['4430000000000000', '295147905179352830000'],
    ['44b52d02c7e14af5', '9.999999999999997e+22'],
    ['44b52d02c7e14af6', '1e+23'],
    ['44b52d02c7e14af7', '1.0000000000000001e+23'],
    ['444b1ae4d6e2ef4e', '999999999999999700000'],
    ['444b1ae4d6e2ef4f', '999999999999999900000'],
    ['444b1ae4d6e2ef50', '1e+21'],
    ['3eb0c6f7a0b5ed8c', '9.999999999999997e-7'],
    ['3eb0c6f7a0b5ed8d', '0.000001'],
    ['41b3de4355555553', '333333333.3333332'],
    ['41b3de4355555554', '333333333.33333325'],
    ['41b3de4355555555', '333333333.3333333'],
    ['41b3de4355555556', '333333333.3333334'],
    ['41b3de4355555557', '333333333.33333343'],
    ['becbf647612f3696', '-0.0000033333333333333333'],
    ['43143ff3c1cb0959', '1424953923781206.2'],
  ])('writes the double %s of RFC 8785 appendix B as %s', (bits, text) => {
    expect(canonicalJson(double(bits))).toBe(text)
  })

  it('is what the RFC reads like, for any value', () => {
    fc.assert(fc.property(anyJson, (value) => canonicalJson(value) === naive(value)))
  })

  it('says the same value again, in one spelling', () => {
    fc.assert(
      fc.property(anyJson, (value) => {
        const text = canonicalJson(value)
        const again = parseJson(text, LIMITS)
        expect(canonicalJson(again)).toBe(text)
        expect(JSON.parse(text)).toEqual(again)
      }),
    )
  })

  it.each<[string, unknown, string]>([
    ['undefined', undefined, 'the top level: JSON cannot hold undefined (undefined)'],
    ['an undefined member', { a: [{ b: undefined }] }, '/a/0/b: JSON cannot hold undefined'],
    ['NaN', { a: Number.NaN }, '/a: JSON cannot hold NaN (number)'],
    ['infinity', [1, Number.POSITIVE_INFINITY], '/1: JSON cannot hold Infinity'],
    ['a bigint', { a: 1n }, '/a: JSON cannot hold 1 (bigint)'],
    ['a function', { a: () => 1 }, '/a: JSON cannot hold'],
    ['a symbol', { a: Symbol('x') }, '/a: JSON cannot hold Symbol(x)'],
    ['a date', { a: new Date(0) }, '/a: JSON cannot hold an object that is not a plain one'],
    ['a map', new Map(), 'the top level: JSON cannot hold an object that is not a plain one'],
    ['bytes', { a: new Uint8Array(1) }, '/a: JSON cannot hold an object that is not a plain one'],
    ['a hole', { a: new Array(1) }, '/a/0: JSON cannot hold undefined'],
    ['half a pair', { 'a/b': '\ud800' }, '/a~1b: JSON cannot hold half of a surrogate pair'],
    [
      'half a pair in a name',
      { a: { '\udc00': 1 } },
      '/a/\\udc00: JSON cannot hold half of a surrogate',
    ],
    [
      'pairs the wrong way round',
      ['\ude00\ud83d'],
      '/0: JSON cannot hold half of a surrogate pair',
    ],
  ])('refuses %s', (_, value, message) => {
    expect(refusalOf(() => canonicalJson(value as JsonValue))).toContain(`MALFORMED ${message}`)
  })

  it('refuses a value that holds itself', () => {
    const value: { self?: unknown } = {}
    value.self = value
    expect(refusalOf(() => canonicalJson(value as JsonValue))).toContain('nesting without an end')
  })

  it('writes members called as those of every object', () => {
    const text = '{"__proto__":{"a":1},"constructor":1,"hasOwnProperty":2,"toJSON":3}'
    expect(canonicalJson(parseJson(text, LIMITS))).toBe(text)
  })
})
