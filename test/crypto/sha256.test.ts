import { createHash } from 'node:crypto'
import * as fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { toHex, utf8 } from '../../src/bytes.ts'
import * as node from '../../src/crypto/sha256-node.ts'
import * as web from '../../src/crypto/sha256-web.ts'

function reference(message: Uint8Array): string {
  return createHash('sha256').update(message).digest('hex')
}

describe.each([
  ['Node', node],
  ['the browser', web],
])('SHA-256 in %s', (_, { sha256, sha256Into }) => {
  it('gives the known answers', () => {
    expect(toHex(sha256(utf8('')))).toBe(
      'e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855',
    )
    expect(toHex(sha256(utf8('abc')))).toBe(
      'ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad',
    )
  })

  it('agrees with the reference for messages of every length to 300', () => {
    for (let length = 0; length <= 300; length++) {
      const message = Uint8Array.from({ length }, (_, i) => (i * 31 + length) % 256)
      expect(toHex(sha256(message))).toBe(reference(message))
    }
  })

  it('agrees with the reference for any message, wherever it lies in memory', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 5000 }), fc.nat(50), (bytes, from) => {
        const message = bytes.subarray(from)
        expect(toHex(sha256(message))).toBe(reference(message))
      }),
      { numRuns: 300 },
    )
  })

  it('writes a digest into place and nothing beside it', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 200 }), fc.nat(64), (message, offset) => {
        const backing = new Uint8Array(120).fill(0xaa)
        const out = backing.subarray(8, 112)
        sha256Into(message, out, offset)
        const expected =
          'aa'.repeat(8 + offset) + reference(message) + 'aa'.repeat(120 - 8 - offset - 32)
        expect(toHex(backing)).toBe(expected)
      }),
      { numRuns: 300 },
    )
  })

  it('returns plain bytes of their own', () => {
    const digest = sha256(utf8('a'))
    expect(digest.constructor).toBe(Uint8Array)
    expect(digest.buffer.byteLength).toBe(32)
    const before = toHex(digest)
    sha256(utf8('b'))
    expect(toHex(digest)).toBe(before)
  })

  it('refuses to write beyond the end', () => {
    for (const offset of [1, 32, 33, -1]) {
      expect(() => sha256Into(utf8('a'), new Uint8Array(32), offset)).toThrow(RangeError)
    }
  })
})
