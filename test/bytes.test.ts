import * as fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import {
  base64UrlBytes,
  concat,
  equal,
  fromBase64,
  fromBase64Url,
  fromDecimal,
  fromHex,
  fromUtf8,
  toBase64,
  toBase64Url,
  toHex,
  u16,
  u64,
  utf8,
} from '../src/bytes.ts'
import { CairnError } from '../src/errors.ts'

const bytes = fc.uint8Array({ maxLength: 100 })

function isMalformed(action: () => unknown): boolean {
  try {
    action()
    return false
  } catch (error) {
    if (error instanceof CairnError && error.code === 'MALFORMED') return true
    throw error
  }
}

describe('hexadecimal', () => {
  it('is what Node writes, and reads back', () => {
    fc.assert(
      fc.property(bytes, (value) => {
        expect(toHex(value)).toBe(Buffer.from(value).toString('hex'))
        expect(equal(fromHex(toHex(value)), value)).toBe(true)
      }),
    )
  })

  it.each(['0', '000', 'AB', 'aB', 'zz', ' 00', '00 ', '00\n', '0x00', '٠٠', '-1', '1.'])(
    'refuses %j',
    (text) => expect(isMalformed(() => fromHex(text))).toBe(true),
  )
})

describe('base64', () => {
  it('is what Node writes, and reads back', () => {
    fc.assert(
      fc.property(bytes, (value) => {
        expect(toBase64(value)).toBe(Buffer.from(value).toString('base64'))
        expect(equal(fromBase64(toBase64(value)), value)).toBe(true)
      }),
      { numRuns: 500 },
    )
  })

  it('accepts one spelling of each value only', () => {
    const letter = fc.constantFrom(...'ABCDQRgwxyz019+/-_= \n')
    const text = fc.array(letter, { maxLength: 12 }).map((letters) => letters.join(''))
    fc.assert(
      fc.property(text, (text) => {
        if (isMalformed(() => fromBase64(text))) {
          expect(Buffer.from(text, 'base64').toString('base64')).not.toBe(text)
        } else {
          expect(toBase64(fromBase64(text))).toBe(text)
        }
      }),
      { numRuns: 5000 },
    )
  })

  it.each([
    'A',
    'AA',
    'AAA',
    'AAAAA',
    'AA=',
    'AB==',
    'AAB=',
    'A===',
    '====',
    '=',
    '=AAA',
    'A=AA',
    'AA=A',
    'AAAA====',
    'AA==AAAA',
    'AA-A',
    'AA_A',
    'AAA ',
    'AA\nA',
    'AAA\u00c1',
    'AAA\u{1f600}',
    'ＡAAA',
  ])('refuses %j', (text) => {
    expect(isMalformed(() => fromBase64(text))).toBe(true)
  })

  it('reads long texts', () => {
    const long = Uint8Array.from({ length: 100_001 }, (_, i) => (i * 7919) % 251)
    expect(equal(fromBase64(toBase64(long)), long)).toBe(true)
  })
})

describe('base64url', () => {
  it('is what Node writes, and reads back', () => {
    fc.assert(
      fc.property(bytes, (value) => {
        const text = Buffer.from(value).toString('base64url')
        expect(toBase64Url(value)).toBe(text)
        expect(Buffer.from(base64UrlBytes(value)).toString('latin1')).toBe(text)
        expect(equal(fromBase64Url(text), value)).toBe(true)
      }),
      { numRuns: 500 },
    )
  })

  it('accepts one spelling of each value only', () => {
    const letter = fc.constantFrom(...'ABCDQRgwxyz019+/-_= \n')
    const text = fc.array(letter, { maxLength: 12 }).map((letters) => letters.join(''))
    fc.assert(
      fc.property(text, (text) => {
        if (isMalformed(() => fromBase64Url(text))) {
          expect(Buffer.from(text, 'base64url').toString('base64url')).not.toBe(text)
        } else {
          expect(toBase64Url(fromBase64Url(text))).toBe(text)
        }
      }),
      { numRuns: 5000 },
    )
  })

  it.each(['A', 'AAAAA', 'AB', 'AAB', 'AA==', 'AAA=', 'AA+A', 'AA/A', 'AA A', 'AA\n', 'ＡAAA'])(
    'refuses %j',
    (text) => expect(isMalformed(() => fromBase64Url(text))).toBe(true),
  )
})

describe('decimal numbers', () => {
  it('are read when they are safe integers', () => {
    fc.assert(
      fc.property(fc.maxSafeNat(), (value) => {
        expect(fromDecimal(String(value))).toBe(value)
      }),
    )
    expect(fromDecimal('0')).toBe(0)
    expect(fromDecimal('9007199254740991')).toBe(Number.MAX_SAFE_INTEGER)
  })

  it.each([
    '',
    '00',
    '01',
    '-0',
    '-1',
    '+1',
    ' 1',
    '1 ',
    '1\n',
    '1.0',
    '1e3',
    '0x1',
    '1_000',
    '١',
    'NaN',
    'Infinity',
    '9007199254740992',
    '9007199254740993',
    '18446744073709551616',
    '9'.repeat(400),
  ])('are refused as %j', (text) => {
    expect(isMalformed(() => fromDecimal(text))).toBe(true)
  })
})

describe('UTF-8', () => {
  it('reads back every text that has no lone surrogate', () => {
    fc.assert(
      fc.property(fc.string({ unit: 'grapheme' }), (text) => {
        expect(fromUtf8(utf8(text))).toBe(text)
      }),
    )
  })

  it('keeps a byte-order mark, so that no two byte strings give one text', () => {
    const marked = fromHex('efbbbf61')
    expect(fromUtf8(marked)).toBe('\ufeffa')
    expect(toHex(utf8(fromUtf8(marked)))).toBe('efbbbf61')
  })

  it.each(['ff', 'c0af', 'e28094e280', 'eda080', 'f5808080', '61c3'])('refuses %s', (hex) => {
    expect(isMalformed(() => fromUtf8(fromHex(hex)))).toBe(true)
    expect(fromUtf8(utf8('still works'))).toBe('still works')
  })
})

describe('bytes', () => {
  it('are joined in order', () => {
    expect(toHex(concat())).toBe('')
    expect(toHex(concat(Uint8Array.of(1), new Uint8Array(), Uint8Array.of(2, 3)))).toBe('010203')
  })

  it('are equal when all of them are', () => {
    fc.assert(
      fc.property(bytes, bytes, (a, b) => {
        expect(equal(a, b)).toBe(toHex(a) === toHex(b))
        expect(equal(a, a.slice())).toBe(true)
      }),
    )
    expect(equal(Uint8Array.of(1), Uint8Array.of(1, 0))).toBe(false)
  })
})

describe('big-endian numbers', () => {
  it('have 8 bytes for every safe integer', () => {
    expect(toHex(u64(0))).toBe('0000000000000000')
    expect(toHex(u64(2 ** 32))).toBe('0000000100000000')
    expect(toHex(u64(Number.MAX_SAFE_INTEGER))).toBe('001fffffffffffff')
  })

  it('have 2 bytes to 65,535', () => {
    expect(toHex(u16(0))).toBe('0000')
    expect(toHex(u16(258))).toBe('0102')
    expect(toHex(u16(65_535))).toBe('ffff')
  })

  it.each([-1, 0.5, Number.NaN, 2 ** 53])('are not made of %d', (value) => {
    expect(() => u64(value)).toThrow(RangeError)
    expect(() => u16(value)).toThrow(RangeError)
  })

  it('of 2 bytes are not made of more', () => {
    expect(() => u16(65_536)).toThrow(RangeError)
  })
})
