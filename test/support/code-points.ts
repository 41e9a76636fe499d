/** Any character but half of a surrogate pair, as fast-check's unit 'binary' is, which makes a table of them all first. */
import fc from 'fast-check'

const SURROGATES = 0xd800
const BEYOND = 0xe000

export const codePoint: fc.Arbitrary<string> = fc
  .nat({ max: 0x10ffff - (BEYOND - SURROGATES) })
  .map(
    (n) => String.fromCodePoint(n < SURROGATES ? n : n + (BEYOND - SURROGATES)),
    (text) => {
      const point = typeof text === 'string' ? text.codePointAt(0) : undefined
      if (point === undefined || String.fromCodePoint(point) !== text)
        throw new Error('not one character')
      return point < SURROGATES ? point : point - (BEYOND - SURROGATES)
    },
  )
