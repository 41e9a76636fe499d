import * as fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { concat, fromHex, toHex, utf8 } from '../../src/bytes.ts'
import { CairnError } from '../../src/errors.ts'
import {
  bundlePrefix,
  decodeBundle,
  encodeBundle,
  MAX_ENTRY_SIZE,
} from '../../src/formats/bundle.ts'

const THREE = '00036f6e65000374776f00057468726565'
const entries = fc.array(fc.uint8Array({ maxLength: 600 }), { minLength: 1, maxLength: 256 })

function codeOf(action: () => unknown): string {
  try {
    action()
    return 'accepted'
  } catch (error) {
    if (error instanceof CairnError) return error.code
    throw error
  }
}

describe('an entry bundle', () => {
  it('holds each entry after its length', () => {
    const three = ['one', 'two', 'three'].map(utf8)
    expect(toHex(encodeBundle(three))).toBe(THREE)
    expect(decodeBundle(fromHex(THREE), 3)).toEqual(three)
  })

  it('gives back the entries it was made of', () => {
    fc.assert(
      fc.property(entries, (entries) => {
        const decoded = decodeBundle(encodeBundle(entries), entries.length)
        expect(decoded.map(toHex)).toEqual(entries.map(toHex))
      }),
      { numRuns: 50 },
    )
  })

  it('is the only encoding of its entries', () => {
    const framed = fc.array(fc.constantFrom(0, 0, 0, 1, 2, 255), { maxLength: 40 })
    fc.assert(
      fc.property(framed, fc.integer({ min: 1, max: 12 }), (bytes, count) => {
        const framed = Uint8Array.from(bytes)
        if (codeOf(() => decodeBundle(framed, count)) !== 'accepted') return
        expect(toHex(encodeBundle(decodeBundle(framed, count)))).toBe(toHex(framed))
      }),
      { numRuns: 2000 },
    )
  })

  it('holds entries of 0 to 65,535 bytes', () => {
    const extremes = [new Uint8Array(), new Uint8Array(MAX_ENTRY_SIZE).fill(7), new Uint8Array(256)]
    const framed = encodeBundle(extremes)
    expect(framed).toHaveLength(6 + MAX_ENTRY_SIZE + 256)
    expect(decodeBundle(framed, 3).map((entry) => entry.length)).toEqual([0, MAX_ENTRY_SIZE, 256])
    expect(codeOf(() => encodeBundle([new Uint8Array(MAX_ENTRY_SIZE + 1)]))).toBe('TOO_LARGE')
  })

  it('holds 1 to 256 entries', () => {
    const full = Array.from({ length: 256 }, (_, i) => Uint8Array.of(i))
    expect(decodeBundle(encodeBundle(full), 256)).toEqual(full)
    expect(() => encodeBundle([])).toThrow(RangeError)
    expect(() => encodeBundle([...full, Uint8Array.of(1)])).toThrow(RangeError)
    for (const count of [0, 257, -1, 1.5]) {
      expect(() => decodeBundle(fromHex(THREE), count)).toThrow(RangeError)
      expect(() => bundlePrefix(fromHex(THREE), count)).toThrow(RangeError)
    }
  })

  it('is found wherever it lies in a larger array', () => {
    const around = concat(Uint8Array.of(9, 9), fromHex(THREE), Uint8Array.of(9))
    const framed = around.subarray(2, 2 + THREE.length / 2)
    expect(decodeBundle(framed, 3)).toEqual(['one', 'two', 'three'].map(utf8))
  })
})

describe('an entry bundle is refused', () => {
  it('when it is cut anywhere', () => {
    const framed = fromHex(THREE)
    for (let length = 0; length < framed.length; length++) {
      expect(codeOf(() => decodeBundle(framed.subarray(0, length), 3))).toBe('MALFORMED')
    }
  })

  it('when it has fewer or more entries than its path says', () => {
    expect(codeOf(() => decodeBundle(fromHex(THREE), 2))).toBe('MALFORMED')
    expect(codeOf(() => decodeBundle(fromHex(THREE), 4))).toBe('MALFORMED')
    expect(codeOf(() => decodeBundle(new Uint8Array(), 1))).toBe('MALFORMED')
  })

  it('when bytes follow its last entry', () => {
    expect(codeOf(() => decodeBundle(fromHex(`${THREE}00`), 3))).toBe('MALFORMED')
    expect(codeOf(() => decodeBundle(fromHex(`${THREE}0000`), 3))).toBe('MALFORMED')
  })

  it('when an entry is longer than what is left', () => {
    expect(codeOf(() => decodeBundle(fromHex('ffff00'), 1))).toBe('MALFORMED')
  })
})

describe('the beginning of an entry bundle', () => {
  it('is the bundle of its first entries', () => {
    fc.assert(
      fc.property(entries, fc.nat(), (entries, seed) => {
        const count = 1 + (seed % entries.length)
        const prefix = bundlePrefix(encodeBundle(entries), count)
        expect(toHex(prefix)).toBe(toHex(encodeBundle(entries.slice(0, count))))
      }),
      { numRuns: 50 },
    )
  })

  it('is refused when the bundle is cut before it ends', () => {
    const framed = fromHex(THREE)
    for (let length = 0; length < framed.length; length++) {
      expect(codeOf(() => bundlePrefix(framed.subarray(0, length), 3))).toBe('MALFORMED')
    }
  })

  it('is refused when the bundle has fewer entries', () => {
    expect(codeOf(() => bundlePrefix(fromHex(THREE), 4))).toBe('MALFORMED')
    expect(codeOf(() => bundlePrefix(fromHex(THREE).subarray(0, 6), 2))).toBe('MALFORMED')
    expect(codeOf(() => bundlePrefix(new Uint8Array(), 1))).toBe('MALFORMED')
  })
})
