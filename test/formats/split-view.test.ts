import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { sha256 } from '#sha256'
import { toBase64, utf8 } from '../../src/bytes.ts'
import { CairnError } from '../../src/errors.ts'
import {
  formatSplitView,
  inSplitOrder,
  MAX_SPLIT_VIEW_SIZE,
  parseSplitView,
  type SignedHead,
  SPLIT_VIEW_HEADER,
  type SplitView,
} from '../../src/formats/split-view.ts'
import { nodeHash, rootHash } from '../../src/merkle/hash.ts'
import { signedHead } from '../support/forked-log.ts'

const filled = (fill: number): Uint8Array => new Uint8Array(32).fill(fill)
const HASH = toBase64(filled(1))
const SMALL = signedHead(4, filled(5))
const LARGE = signedHead(7, filled(6))
const TWIN = signedHead(4, filled(9))

const evidence = (first: SignedHead, second: SignedHead, hashes?: number): SplitView => ({
  first: first.note,
  second: second.note,
  ...(hashes !== undefined && {
    prefix: {
      root: rootHash(filled(1)),
      proof: Array.from({ length: hashes }, (_, i) => nodeHash(filled(i))),
    },
  }),
})

/** A file with this content and the digest of it. */
function fileOf(content: string | Uint8Array): Uint8Array {
  const bytes = typeof content === 'string' ? utf8(content) : content
  const head = `${SPLIT_VIEW_HEADER}digest ${toBase64(sha256(bytes))}\n`
  return Buffer.concat([utf8(head), bytes])
}

function refused(bytes: Uint8Array, message: RegExp, code = 'MALFORMED'): void {
  expect(() => parseSplitView(bytes)).toThrow(CairnError)
  expect(() => parseSplitView(bytes)).toThrow(expect.objectContaining({ code }))
  expect(() => parseSplitView(bytes)).toThrow(message)
}

describe('the file of a split view', () => {
  it('has its digest, the proof, and both notes to the byte', () => {
    const text = formatSplitView(evidence(SMALL, LARGE, 2))
    const content = `prefix ${HASH}\n${toBase64(filled(0))}\n${HASH}\n\n${SMALL.note}\n${LARGE.note}`
    expect(text).toBe(`cairn-split-view/v1\ndigest ${toBase64(sha256(utf8(content)))}\n${content}`)
  })

  it('begins with a blank line where there is no proof', () => {
    const text = formatSplitView(evidence(SMALL, TWIN))
    expect(text.split('\n').slice(2).join('\n')).toBe(`\n${SMALL.note}\n${TWIN.note}`)
  })

  it('comes back as it went in', () => {
    const sizes = fc.oneof(fc.nat(3), fc.maxSafeNat())
    const roots = fc.uint8Array({ minLength: 32, maxLength: 32 })
    fc.assert(
      fc.property(sizes, sizes, roots, roots, fc.integer({ min: 1, max: 63 }), (a, b, r, s, n) => {
        const [first, second] = inSplitOrder(signedHead(a, r), signedHead(b, s))
        const smaller = first.checkpoint.size
        const hashes = smaller > 0 && smaller < second.checkpoint.size ? n : undefined
        const made = evidence(first, second, hashes)
        const { heads, ...parsed } = parseSplitView(utf8(formatSplitView(made)))
        expect(parsed).toEqual(made)
        expect(heads).toEqual({ first: first.checkpoint, second: second.checkpoint })
      }),
      { numRuns: 100 },
    )
  })

  it('is one text for one split: what is read is what would be written', () => {
    const text = formatSplitView(evidence(SMALL, LARGE, 2))
    fc.assert(
      fc.property(fc.nat(text.length), fc.string({ maxLength: 3 }), fc.nat(3), (at, put, cut) => {
        const content = text.slice(text.indexOf('\n', SPLIT_VIEW_HEADER.length) + 1)
        const bytes = fileOf(content.slice(0, at) + put + content.slice(at + cut))
        let parsed: SplitView
        try {
          parsed = parseSplitView(bytes)
        } catch (error) {
          expect(error).toMatchObject({ code: 'MALFORMED' })
          return
        }
        expect(Buffer.from(formatSplitView(parsed))).toEqual(Buffer.from(bytes))
      }),
      { numRuns: 500 },
    )
  })

  it('is refused with any byte changed', () => {
    const bytes = utf8(formatSplitView(evidence(SMALL, LARGE, 1)))
    for (let at = 0; at < bytes.length; at++) {
      expect(() => parseSplitView(bytes.with(at, bytes[at]! ^ 1))).toThrow(CairnError)
    }
  })

  it('is refused with a byte more or less', () => {
    const bytes = utf8(formatSplitView(evidence(SMALL, LARGE, 1)))
    refused(bytes.subarray(0, -1), /changed since it was made/, 'VERIFICATION_FAILED')
    refused(Buffer.concat([bytes, utf8('\n')]), /changed/, 'VERIFICATION_FAILED')
  })

  const notes = `${SMALL.note}\n${LARGE.note}`
  const prefix = `prefix ${HASH}\n`
  it.each([
    ['nothing', '', /no blank line/],
    ['a blank line alone', '\n', /two heads/],
    ['one head', `\n${SMALL.note}`, /two heads/],
    ['three heads', `${prefix}${HASH}\n\n${notes}\n${LARGE.note}`, /two heads/],
    ['no blank line before the heads', notes, /two heads/],
    ['no blank line between the heads', `\n${SMALL.note}${LARGE.note}`, /two heads/],
    ['two blank lines between the heads', `\n${SMALL.note}\n\n${TWIN.note}`, /empty line/],
    ['something after the heads', `\n${SMALL.note}\n${TWIN.note}x`, /newline/],
    ['an unsigned head', `\n${SMALL.note}\n${TWIN.note.replace(/—.*\n/, '')}`, /no signature/],
    [
      'a head that is no checkpoint',
      `\n${SMALL.note.replace('\n4\n', '\n')}\n${TWIN.note}`,
      /three/,
    ],
    ['a hash without a prefix', `${HASH}\n\n${notes}`, /prefix line/],
    ['a prefix without a proof', `prefix ${HASH}\n\n${notes}`, /no proof/],
    [
      'a prefix of 31 bytes',
      `prefix ${toBase64(filled(1).subarray(1))}\n${HASH}\n\n${notes}`,
      /31/,
    ],
    ['two spaces', `prefix  ${HASH}\n${HASH}\n\n${notes}`, /base64/],
    ['a hash that is not canonical', `${prefix}${HASH.slice(0, -2)}F=\n\n${notes}`, /base64/],
    ['carriage returns', `${prefix}${HASH}\r\n\n${notes}`, /base64/],
    ['64 hashes', `${prefix}${`${HASH}\n`.repeat(64)}\n${notes}`, /63/],
    ['no prefix for different sizes', `\n${notes}`, /no prefix/],
    ['a prefix for equal sizes', `${prefix}${HASH}\n\n${SMALL.note}\n${TWIN.note}`, /need none/],
    ['the larger tree first', `${prefix}${HASH}\n\n${LARGE.note}\n${SMALL.note}`, /wrong order/],
    ['the higher root first', `\n${TWIN.note}\n${SMALL.note}`, /wrong order/],
    ['the same head twice', `\n${SMALL.note}\n${SMALL.note}`, /same tree/],
  ])('is refused with %s', (_, content, message) => {
    refused(fileOf(content), message)
  })

  it('is refused without its first lines', () => {
    const good = formatSplitView(evidence(SMALL, TWIN))
    refused(new Uint8Array(), /begins with/)
    refused(utf8(good.replace('v1', 'v2')), /begins with/)
    refused(utf8(SPLIT_VIEW_HEADER), /digest line/)
    refused(utf8(`${SPLIT_VIEW_HEADER}digest ${HASH}`), /digest line/)
    refused(utf8(good.replace('digest ', 'sha256 ')), /digest line/)
    refused(utf8(good.replace('digest ', 'digest  ')), /base64/)
    const short = good.replace(/digest .*/, `digest ${toBase64(filled(1).subarray(1))}`)
    refused(utf8(short), /changed/, 'VERIFICATION_FAILED')
    refused(fileOf(Uint8Array.of(0x0a, 0xff)), /UTF-8/)
  })

  it('is refused above its largest size', () => {
    refused(new Uint8Array(MAX_SPLIT_VIEW_SIZE + 1), /at most/, 'TOO_LARGE')
  })

  it('is not written when it could not be read', () => {
    const malformed = expect.objectContaining({ code: 'MALFORMED' })
    for (const wrong of [
      evidence(LARGE, SMALL, 1),
      evidence(TWIN, SMALL),
      evidence(SMALL, SMALL),
      evidence(SMALL, LARGE),
      evidence(SMALL, LARGE, 0),
      evidence(SMALL, LARGE, 64),
      evidence(SMALL, TWIN, 1),
      evidence(signedHead(0, filled(1)), LARGE, 1),
      { first: 'hello\n', second: LARGE.note },
    ]) {
      expect(() => formatSplitView(wrong)).toThrow(malformed)
    }
  })
})
