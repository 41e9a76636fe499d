import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { toBase64, utf8 } from '../../src/bytes.ts'
import {
  formatTlogProof,
  MAX_TLOG_PROOF_SIZE,
  parseTlogProof,
  type TlogProof,
} from '../../src/formats/tlog-proof.ts'
import { nodeHash } from '../../src/merkle/hash.ts'
import { leafIndex } from '../../src/merkle/position.ts'
import { codePoint } from '../support/code-points.ts'
import { hasSharedVectors, sharedText } from '../support/shared-vectors.ts'

const HASH = toBase64(new Uint8Array(32).fill(1))
const CHECKPOINT = 'example.com/log\n1\nAA==\n\n\u2014 example.com/log AAAA\n'
const HEAD = 'c2sp.org/tlog-proof@v1\n'

const receipts: fc.Arbitrary<TlogProof> = fc.record(
  {
    extra: fc.uint8Array({ minLength: 1, maxLength: 40 }),
    index: fc
      .maxSafeNat()
      .filter((n) => n < Number.MAX_SAFE_INTEGER)
      .map(leafIndex),
    proof: fc.array(fc.uint8Array({ minLength: 32, maxLength: 32 }).map(nodeHash), {
      maxLength: 63,
    }),
    checkpoint: fc.string({ unit: codePoint, minLength: 1 }),
  },
  { requiredKeys: ['index', 'proof', 'checkpoint'] },
)

describe('a tlog-proof', () => {
  it('comes back as it went in, whatever its checkpoint', () => {
    fc.assert(
      fc.property(receipts, (receipt) => {
        expect(parseTlogProof(utf8(formatTlogProof(receipt)))).toEqual(receipt)
      }),
      { numRuns: 200 },
    )
  })

  it('has no hash for a tree of one leaf, so that a blank line follows the index', () => {
    const text = `${HEAD}index 0\n\n${CHECKPOINT}`
    const receipt = parseTlogProof(utf8(text))
    expect(receipt).toEqual({ index: 0, proof: [], checkpoint: CHECKPOINT })
    expect(formatTlogProof(receipt)).toBe(text)
  })

  it('leaves out an empty extra', () => {
    const receipt = {
      extra: new Uint8Array(),
      index: leafIndex(0),
      proof: [],
      checkpoint: CHECKPOINT,
    }
    expect(formatTlogProof(receipt)).toBe(`${HEAD}index 0\n\n${CHECKPOINT}`)
  })

  it.each([
    ['nothing', ''],
    ['another version', `c2sp.org/tlog-proof@v2\nindex 0\n\n${CHECKPOINT}`],
    ['a carriage return', `c2sp.org/tlog-proof@v1\r\nindex 0\n\n${CHECKPOINT}`],
    ['a byte-order mark', `\uFEFF${HEAD}index 0\n\n${CHECKPOINT}`],
    ['the header only', HEAD],
    ['no index', `${HEAD}\n${CHECKPOINT}`],
    ['no index before the hashes', `${HEAD}${HASH}\n\n${CHECKPOINT}`],
    ['an index that is not decimal', `${HEAD}index 0x1\n\n${CHECKPOINT}`],
    ['an index with a leading zero', `${HEAD}index 01\n\n${CHECKPOINT}`],
    ['a signed index', `${HEAD}index +1\n\n${CHECKPOINT}`],
    ['an index with a space after it', `${HEAD}index 1 \n\n${CHECKPOINT}`],
    ['two spaces before the index', `${HEAD}index  1\n\n${CHECKPOINT}`],
    ['an index of 2^53-1', `${HEAD}index 9007199254740991\n\n${CHECKPOINT}`],
    ['an index of 2^64', `${HEAD}index 18446744073709551616\n\n${CHECKPOINT}`],
    ['two indices', `${HEAD}index 1\nindex 1\n\n${CHECKPOINT}`],
    ['two extra lines', `${HEAD}extra AA==\nextra AA==\nindex 1\n\n${CHECKPOINT}`],
    ['extra after the index', `${HEAD}index 1\nextra AA==\n\n${CHECKPOINT}`],
    ['an empty extra', `${HEAD}extra \nindex 1\n\n${CHECKPOINT}`],
    ['an extra that is not canonical base64', `${HEAD}extra AB==\nindex 1\n\n${CHECKPOINT}`],
    ['a hash of 31 bytes', `${HEAD}index 1\n${toBase64(new Uint8Array(31))}\n\n${CHECKPOINT}`],
    ['a hash of 33 bytes', `${HEAD}index 1\n${toBase64(new Uint8Array(33))}\n\n${CHECKPOINT}`],
    ['a hash that is not base64', `${HEAD}index 1\n${'!'.repeat(44)}\n\n${CHECKPOINT}`],
    ['64 hashes', `${HEAD}index 1\n${`${HASH}\n`.repeat(64)}\n${CHECKPOINT}`],
    ['no blank line', `${HEAD}index 1\n${HASH}\n`],
    ['no checkpoint', `${HEAD}index 1\n\n`],
  ])('with %s is refused', (_, text) => {
    expect(() => parseTlogProof(utf8(text))).toThrow(expect.objectContaining({ code: 'MALFORMED' }))
  })

  it('of invalid UTF-8 is refused', () => {
    const bytes = utf8(`${HEAD}index 0\n\n${CHECKPOINT}`)
    bytes[bytes.length - 2] = 0xff
    expect(() => parseTlogProof(bytes)).toThrow(expect.objectContaining({ code: 'MALFORMED' }))
  })

  it('beyond the size limit is refused before it is read', () => {
    expect(() => parseTlogProof(new Uint8Array(MAX_TLOG_PROOF_SIZE + 1))).toThrow(
      expect.objectContaining({ code: 'TOO_LARGE' }),
    )
  })

  it.skipIf(!hasSharedVectors).each([
    ['idx0-size1', 0, 0, undefined],
    ['idx0-size15', 0, 4, undefined],
    ['idx3-size15', 3, 4, undefined],
    ['idx3-size15-extra', 3, 4, 'audit-record/v1'],
    ['idx14-size15', 14, 3, undefined],
  ])('made elsewhere is read and written again to the byte: %s', (name, index, hashes, extra) => {
    const text = sharedText(`generated/${name}.tlog-proof`)
    const receipt = parseTlogProof(utf8(text))
    expect(receipt.index).toBe(index)
    expect(receipt.proof).toHaveLength(hashes)
    expect(receipt.extra).toEqual(extra === undefined ? undefined : utf8(extra))
    expect(formatTlogProof(receipt)).toBe(text)
  })
})
