import { decode as oracleDecode, encode as oracleEncode, rfc8949EncodeOptions } from 'cborg'
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { concat, equal, fromHex, toHex, utf8 } from '../../src/bytes.ts'
import {
  type CborValue,
  COSE_SIGN1_TAG,
  decodeByteStrings,
  decodeCbor,
  encodeByteStrings,
  encodeCbor,
  MAX_CBOR_DEPTH,
} from '../../src/formats/cbor.ts'
import { codePoint } from '../support/code-points.ts'

/** RFC 8949 appendix A, as far as it is integers, strings, arrays, maps and simple values. */
const APPENDIX_A: [CborValue, string][] = [
  [0, '00'],
  [1, '01'],
  [10, '0a'],
  [23, '17'],
  [24, '1818'],
  [25, '1819'],
  [100, '1864'],
  [1000, '1903e8'],
  [1000000, '1a000f4240'],
  [1000000000000, '1b000000e8d4a51000'],
  [18446744073709551615n, '1bffffffffffffffff'],
  [-18446744073709551616n, '3bffffffffffffffff'],
  [-1, '20'],
  [-10, '29'],
  [-100, '3863'],
  [-1000, '3903e7'],
  [false, 'f4'],
  [true, 'f5'],
  [null, 'f6'],
  [new Uint8Array(), '40'],
  [Uint8Array.of(1, 2, 3, 4), '4401020304'],
  ['', '60'],
  ['a', '6161'],
  ['IETF', '6449455446'],
  ['"\\', '62225c'],
  ['\u00fc', '62c3bc'],
  ['\u6c34', '63e6b0b4'],
  ['\u{10151}', '64f0908591'],
  [[], '80'],
  [[1, 2, 3], '83010203'],
  [[1, [2, 3], [4, 5]], '8301820203820405'],
  [
    Array.from({ length: 25 }, (_, i) => i + 1),
    `981901020304050607${'08090a0b0c0d0e0f101112131415161718181819'}`,
  ],
  [new Map(), 'a0'],
  [
    new Map([
      [1, 2],
      [3, 4],
    ]),
    'a201020304',
  ],
  [
    new Map<string, CborValue>([
      ['a', 1],
      ['b', [2, 3]],
    ]),
    'a26161016162820203',
  ],
  [['a', new Map([['b', 'c']])], '826161a161626163'],
  [
    new Map(['a', 'b', 'c', 'd', 'e'].map((key) => [key, key.toUpperCase()])),
    'a56161614161626142616361436164614461656145',
  ],
]

const REFUSED: [string, string][] = [
  ['half-precision floats', 'f93c00'],
  ['single-precision floats', 'fa47c35000'],
  ['double-precision floats', 'fb3ff199999999999a'],
  ['undefined', 'f7'],
  ['simple values', 'f0'],
  ['two-byte simple values', 'f8ff'],
  ['dates', 'c11a514b67b0'],
  ['bignums', 'c249010000000000000000'],
  ['embedded CBOR tags', 'd818456449455446'],
  ['the record tag of the decoder library', 'd9dfff8301816161f5'],
  ['the string bundles of the decoder library', 'd9dff98201626162'],
  ['shared references of the decoder library', 'd81c81d81d00'],
  ['tag 998', 'd903e680'],
  ['indefinite byte strings', '5f42010243030405ff'],
  ['indefinite text', '7f657374726561646d696e67ff'],
  ['indefinite arrays', '9fff'],
  ['indefinite maps', 'bfff'],
  ['a lone break', 'ff'],
  ['reserved heads', '1c'],
  ['an integer in one byte too many', '1817'],
  ['an integer in two bytes that fits one', '190017'],
  ['an integer in four bytes that fits two', '1a0000ffff'],
  ['an integer in eight bytes that fits four', '1b00000000ffffffff'],
  ['a negative integer that is not shortest', '3800'],
  ['a string with a long head', '580161'],
  ['an array with a long head', '980101'],
  ['a map with a long head', 'b8010101'],
  ['a tag with a long head', 'd8128100'],
  ['repeated keys', 'a201010102'],
  ['a key repeated in another encoding', 'a20101180102'],
  ['keys out of order', 'a203040102'],
  ['byte-string keys', 'a1410101'],
  ['array keys', 'a1800101'],
  ['invalid UTF-8', '62c328'],
  ['surrogates in UTF-8', '63eda080'],
  ['text with a byte-order mark', '64efbbbf61'],
  ['trailing bytes', '0000'],
  ['nothing', ''],
  ['a cut integer', '19'],
  ['a cut string', '4401'],
  ['a cut array', '8201'],
  ['an array longer than memory', '9bffffffffffffffff'],
  ['a string longer than memory', '5bffffffffffffffff'],
  ['a map longer than memory', 'bbffffffffffffffff'],
]

function thrown(run: () => unknown): unknown {
  try {
    run()
  } catch (error) {
    return error
  }
  return undefined
}

const key = fc.oneof(fc.maxSafeInteger(), fc.string({ unit: codePoint, maxLength: 8 }))
const value: fc.Arbitrary<CborValue> = fc.letrec<{ value: CborValue }>((tie) => ({
  value: fc.oneof(
    { maxDepth: 4 },
    fc.maxSafeInteger(),
    fc.integer({ min: -30, max: 300 }),
    fc.bigInt({ min: 2n ** 53n, max: 2n ** 64n - 1n }),
    fc.bigInt({ min: -(2n ** 64n), max: -(2n ** 53n) }),
    fc.string({ unit: codePoint }).filter((text) => !text.startsWith('\uFEFF')),
    fc.uint8Array({ maxLength: 300 }),
    fc.boolean(),
    fc.constant(null),
    fc.array(tie('value'), { maxLength: 30 }),
    fc
      .array(fc.tuple(key, tie('value')), { maxLength: 30 })
      .map((members) => new Map(members.filter(([name]) => !String(name).startsWith('\uFEFF')))),
  ),
})).value

describe('CBOR values', () => {
  it.each(APPENDIX_A.map(([item, hex]) => ({ item, hex })))(
    'encode and decode as in RFC 8949 appendix A: $hex',
    ({ item, hex }) => {
      expect(toHex(encodeCbor(item))).toBe(hex)
      expect(decodeCbor(fromHex(hex))).toEqual(item)
    },
  )

  it.each(REFUSED)('refuses %s', (_, hex) => {
    expect(thrown(() => decodeCbor(fromHex(hex)))).toMatchObject({ code: 'MALFORMED' })
  })

  it('come back as they went in', () => {
    fc.assert(
      fc.property(value, (item) => {
        expect(decodeCbor(encodeCbor(item))).toEqual(sorted(item))
      }),
      { numRuns: 300 },
    )
  })

  it('encode as an independent implementation does', () => {
    fc.assert(
      fc.property(value, (item) => {
        expect(toHex(encodeCbor(item))).toBe(toHex(oracleEncode(item, rfc8949EncodeOptions)))
      }),
      { numRuns: 300 },
    )
  })

  it('decode only from their own encoding, whatever the bytes', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 40 }), (bytes) => {
        const error = thrown(() => expect(encodeCbor(decodeCbor(bytes))).toEqual(bytes))
        if (error !== undefined) expect(error).toMatchObject({ code: 'MALFORMED' })
      }),
      { numRuns: 2000 },
    )
  })

  it('decode as an independent implementation does after any byte is changed', () => {
    fc.assert(
      fc.property(value, fc.nat(), fc.integer({ min: 1, max: 255 }), (item, where, change) => {
        const bytes = encodeCbor(item)
        bytes[where % bytes.length]! ^= change
        let decoded: CborValue
        try {
          decoded = decodeCbor(bytes)
        } catch (error) {
          expect(error).toMatchObject({ code: 'MALFORMED' })
          return
        }
        if (hasTag(decoded)) return
        expect(oracleDecode(bytes, { useMaps: true, allowBigInt: true, strict: true })).toEqual(
          decoded,
        )
      }),
      { numRuns: 500 },
    )
  })

  it('keep the order of keys of received structures, and still refuse repeated keys', () => {
    const bytes = fromHex('a203040102')
    const decoded = decodeCbor(bytes, 'received')
    expect([...(decoded as Map<number, number>).keys()]).toEqual([3, 1])
    expect(encodeCbor(decoded, 'received')).toEqual(bytes)
    expect(thrown(() => decodeCbor(fromHex('a201010102'), 'received'))).toMatchObject({
      code: 'MALFORMED',
    })
  })

  it('sort keys by their encoded bytes, so that negative keys follow the positive', () => {
    const item = new Map<number | string, number>([
      ['aa', 6],
      ['b', 5],
      [-1, 4],
      [256, 3],
      [24, 2],
      [10, 1],
    ])
    expect(toHex(encodeCbor(item))).toBe('a60a0118180219010003200461620562616106')
  })

  it('carry the tag of COSE_Sign1', () => {
    const item = { tag: COSE_SIGN1_TAG, value: [1] } as const
    expect(toHex(encodeCbor(item))).toBe('d28101')
    expect(decodeCbor(fromHex('d28101'))).toEqual(item)
  })

  it('are nested no deeper than the limit', () => {
    const nested = (depth: number): Uint8Array =>
      concat(new Uint8Array(depth).fill(0x81), Uint8Array.of(0))
    expect(toHex(encodeCbor(decodeCbor(nested(MAX_CBOR_DEPTH))))).toBe(
      toHex(nested(MAX_CBOR_DEPTH)),
    )
    for (const depth of [MAX_CBOR_DEPTH + 1, 1_000_000]) {
      expect(thrown(() => decodeCbor(nested(depth)))).toMatchObject({ code: 'MALFORMED' })
    }
    let deep: CborValue = 0
    for (let i = 0; i < MAX_CBOR_DEPTH + 1; i++) deep = [deep]
    expect(() => encodeCbor(deep)).toThrow(RangeError)
  })

  it('may be long', () => {
    const bytes = concat(fromHex('9a00030d40'), new Uint8Array(200_000))
    expect(decodeCbor(bytes)).toHaveLength(200_000)
  })

  it.each([
    ['a fraction', 0.5],
    ['an integer that is not exact', 2 ** 53],
    ['not a number', Number.NaN],
    ['65 bits', 2n ** 64n],
    ['65 bits below zero', -(2n ** 64n) - 1n],
    ['half a character', '\ud800'],
    ['a byte-order mark', '\uFEFFa'],
  ])('cannot hold %s', (_, item) => {
    expect(() => encodeCbor(item)).toThrow(RangeError)
  })

  it('leave no trace on the bytes they are decoded from', () => {
    const bytes = fromHex('83010203')
    decodeCbor(bytes)
    expect(Object.getOwnPropertyNames(bytes)).toEqual(['0', '1', '2', '3'])
  })
})

function sorted(item: CborValue): CborValue {
  if (Array.isArray(item)) return item.map(sorted)
  if (item instanceof Map) {
    const members = [...item].map(
      ([name, inner]) => [toHex(encodeCbor(name)), name, inner] as const,
    )
    members.sort(([a], [b]) => (a < b ? -1 : 1))
    return new Map(members.map(([, name, inner]) => [name, sorted(inner)]))
  }
  return item
}

function hasTag(item: CborValue): boolean {
  if (Array.isArray(item)) return item.some(hasTag)
  if (item instanceof Map) return [...item.values()].some(hasTag)
  return item !== null && typeof item === 'object' && 'tag' in item
}

describe('sequences of byte strings', () => {
  const limits = { count: 1000, length: 65_535 }

  it('come back as they went in, as views of the same memory', () => {
    fc.assert(
      fc.property(
        fc.array(fc.uint8Array({ maxLength: 700, size: 'max' }), { maxLength: 20 }),
        (items) => {
          const bytes = encodeByteStrings(items)
          const decoded = decodeByteStrings(bytes, limits)
          expect(decoded).toEqual(items)
          for (const item of decoded) expect(item.buffer).toBe(bytes.buffer)
        },
      ),
      { numRuns: 100 },
    )
  })

  it.each([0, 1, 23, 24, 255, 256, 65_535, 65_536, 70_000])(
    'carry an item of %i bytes',
    (length) => {
      const item = new Uint8Array(length).fill(7)
      const bytes = encodeByteStrings([item, item])
      expect(equal(bytes, concat(oracleEncode(item), oracleEncode(item)))).toBe(true)
      const decoded = decodeByteStrings(bytes, { count: 2, length: 70_000 })
      expect(decoded.map((part) => equal(part, item))).toEqual([true, true])
    },
  )

  it('are decoded from a view that starts within its buffer', () => {
    const bytes = concat(new Uint8Array(5), encodeByteStrings([utf8('one'), utf8('two')])).subarray(
      5,
    )
    expect(decodeByteStrings(bytes, limits)).toEqual([utf8('one'), utf8('two')])
  })

  it('may be empty', () => {
    expect(decodeByteStrings(new Uint8Array(), limits)).toEqual([])
    expect(encodeByteStrings([])).toEqual(new Uint8Array())
  })

  it('decode only from their own encoding, whatever the bytes', () => {
    const heads = fc.constantFrom(0x40, 0x41, 0x57, 0x58, 0x59, 0x5a, 0x5b, 0x5f, 0x60, 0x3f)
    const bytes = fc
      .array(fc.oneof(heads, fc.integer({ min: 0, max: 3 }), fc.nat(255)), { maxLength: 12 })
      .map((list) => Uint8Array.from(list))
    fc.assert(
      fc.property(bytes, (sequence) => {
        const error = thrown(() => {
          expect(encodeByteStrings(decodeByteStrings(sequence, limits))).toEqual(sequence)
        })
        if (error !== undefined) expect(error).toHaveProperty('code')
      }),
      { numRuns: 3000 },
    )
  })

  it.each([
    ['text', '6161'],
    ['an integer', '00'],
    ['an array', '8141aa'],
    ['an indefinite byte string', '5f41aaff'],
    ['a length of 23 in two bytes', `5817${'00'.repeat(23)}`],
    ['a length of 1 in three bytes', '590001aa'],
    ['a length of 255 in three bytes', `5900ff${'00'.repeat(255)}`],
    ['a length of 1 in five bytes', '5a00000001aa'],
    ['a length in nine bytes', '5b0000000000000001aa'],
    ['a cut length of one byte', '58'],
    ['a cut length of two bytes', '5901'],
    ['a cut length of four bytes', '5a000100'],
    ['a cut item', '42aa'],
    ['a cut second item', '41aa42aa'],
  ])('refuse %s', (_, hex) => {
    expect(thrown(() => decodeByteStrings(fromHex(hex), limits))).toMatchObject({
      code: 'MALFORMED',
    })
  })

  it('refuse more or longer items than are allowed, naming the limit', () => {
    const bytes = encodeByteStrings([utf8('one'), utf8('three')])
    expect(thrown(() => decodeByteStrings(bytes, { count: 1, length: 9 }))).toMatchObject({
      code: 'TOO_LARGE',
    })
    expect(thrown(() => decodeByteStrings(bytes, { count: 2, length: 4 }))).toMatchObject({
      code: 'TOO_LARGE',
      message: 'item 1 has 5 bytes, the limit is 4',
    })
    expect(thrown(() => decodeByteStrings(fromHex('5affffffff'), limits))).toMatchObject({
      code: 'TOO_LARGE',
    })
  })
})
