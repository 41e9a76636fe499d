import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { utf8 } from '../../src/bytes.ts'
import {
  bundleKey,
  dedupKey,
  describeKey,
  HEAD_KEY,
  idempotencyKey,
  PUBLICATION_KEY,
  parseKey,
  readIndex,
  tileKey,
  writeIndex,
} from '../../src/storage/level-keys.ts'

const number = fc.oneof(
  fc.maxSafeNat(),
  fc.constantFrom(0, 255, 256, 2 ** 31, 2 ** 32, 2 ** 53 - 1),
)
const byte = fc.nat(255)

describe('keys of the level store', () => {
  it('carry every safe integer in seven bytes', () => {
    fc.assert(
      fc.property(number, (value) => {
        const bytes = new Uint8Array(9).fill(0xee)
        writeIndex(bytes, 1, value)
        expect(readIndex(bytes, 1)).toBe(value)
        expect([bytes[0], bytes[8]]).toEqual([0xee, 0xee])
      }),
    )
  })

  it('can be taken apart again', () => {
    fc.assert(
      fc.property(fc.nat(6), number, byte, byte, (level, tile, a, b) => {
        const [first, last] = a < b ? [a, b] : [b, a]
        expect(parseKey(tileKey(level, tile, a))).toEqual({ kind: 'tile', level, tile, offset: a })
        expect(parseKey(bundleKey(tile, first, last))).toEqual({
          kind: 'bundle',
          bundle: tile,
          first,
          last,
        })
      }),
    )
    expect(parseKey(HEAD_KEY)).toEqual({ kind: 'head' })
    expect(parseKey(PUBLICATION_KEY)).toEqual({ kind: 'publication' })
    expect(parseKey(dedupKey(new Uint8Array(32)))).toEqual({ kind: 'dedup' })
    expect(parseKey(idempotencyKey(new Uint8Array(16)))).toEqual({ kind: 'idempotency' })
  })

  it('sort as the log does', () => {
    const place = fc.tuple(fc.nat(6), number, byte)
    fc.assert(
      fc.property(place, place, (a, b) => {
        const order = a[0] - b[0] || a[1] - b[1] || a[2] - b[2]
        expect(Math.sign(Buffer.compare(tileKey(...a), tileKey(...b)))).toBe(Math.sign(order))
      }),
    )
  })

  it('are refused when they are of another length, run backwards or belong to nothing', () => {
    const strange = [utf8(''), utf8('x'), utf8('hh'), tileKey(0, 0, 0).slice(1), bundleKey(0, 9, 8)]
    for (const key of strange) expect(parseKey(key).kind).toBe('unknown')
  })

  it('describe themselves, whatever they are', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 40 }), (key) => {
        expect(describeKey(key)).toMatch(/^[\x20-\x7e…]{1,80}$/)
      }),
    )
    expect(describeKey(tileKey(1, 70_000, 3))).toBe('tile 1/70000 hashes from 3')
    expect(describeKey(bundleKey(5, 0, 12))).toBe('bundle 5 entries 0-12')
  })

  it('are made of 16 bytes for an idempotency key, no other number', () => {
    expect(() => idempotencyKey(new Uint8Array(15))).toThrow(RangeError)
  })
})
