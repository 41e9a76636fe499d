import { createPublicKey, generateKeyPairSync, sign, verify } from 'node:crypto'
import { existsSync, readFileSync } from 'node:fs'
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { sha256 } from '#sha256'
import { concat, equal, fromBase64, toHex, utf8 } from '../../src/bytes.ts'
import { parseCheckpoint } from '../../src/formats/checkpoint.ts'
import { parseNote } from '../../src/formats/note.ts'
import {
  digitallySigned,
  parseDigitallySigned,
  treeHeadBytes,
} from '../../src/formats/tree-head.ts'
import { rootHash } from '../../src/merkle/hash.ts'
import { treeSize } from '../../src/merkle/position.ts'

const shared = new URL('../../../shared/vectors/', import.meta.url)
const root = rootHash(new Uint8Array(32).fill(0xab))

describe('treeHeadBytes', () => {
  it('gives the 50 bytes of RFC 6962 section 3.5', () => {
    const bytes = treeHeadBytes({ timestamp: 2 ** 33 + 1, size: treeSize(2 ** 40 + 2), root })
    expect(toHex(bytes)).toBe(`000100000002000000010000010000000002${'ab'.repeat(32)}`)
    expect(bytes.length).toBe(50)
  })

  it('refuses times and roots that do not fit', () => {
    const size = treeSize(1)
    for (const timestamp of [-1, 0.5, 2 ** 53]) {
      expect(() => treeHeadBytes({ timestamp, size, root })).toThrow(RangeError)
    }
    const short = root.subarray(1) as typeof root
    expect(() => treeHeadBytes({ timestamp: 1, size, root: short })).toThrow(RangeError)
  })
})

describe('digitally-signed', () => {
  it('reads back every signature it writes', () => {
    fc.assert(
      fc.property(fc.uint8Array({ minLength: 1, maxLength: 700 }), (signature) => {
        const parsed = parseDigitallySigned(digitallySigned(signature))
        expect(parsed).toEqual({ algorithm: 'ecdsa', signature })
      }),
    )
  })

  it('reads RSA', () => {
    expect(parseDigitallySigned(Uint8Array.of(4, 1, 0, 1, 9)).algorithm).toBe('rsa')
  })

  it.each([
    ['nothing', [], /shorter/],
    ['half a header', [4, 3, 0], /shorter/],
    ['another hash', [2, 3, 0, 1, 9], /SHA-256/],
    ['another algorithm', [4, 2, 0, 1, 9], /neither/],
    ['an empty signature', [4, 3, 0, 0], /length/],
    ['a byte too few', [4, 3, 0, 2, 9], /length/],
    ['a byte too many', [4, 3, 0, 1, 9, 9], /length/],
    ['a length that counts the high byte only', [4, 3, 1, 0, 9], /length/],
  ])('refuses %s', (_, bytes, reason) => {
    expect(() => parseDigitallySigned(Uint8Array.from(bytes))).toThrow(
      expect.objectContaining({ code: 'MALFORMED', message: expect.stringMatching(reason) }),
    )
  })

  it('holds signatures of 1 to 65535 bytes', () => {
    expect(digitallySigned(new Uint8Array(65535)).length).toBe(65539)
    expect(() => digitallySigned(new Uint8Array(65536))).toThrow(RangeError)
    expect(() => digitallySigned(new Uint8Array())).toThrow(RangeError)
  })
})

it('a tree head signed with P-256 verifies after the journey', () => {
  const { privateKey, publicKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' })
  const bytes = treeHeadBytes({ timestamp: 1700000000000, size: treeSize(3), root })
  const { signature } = parseDigitallySigned(digitallySigned(sign('sha256', bytes, privateKey)))
  expect(verify('sha256', bytes, publicKey, signature)).toBe(true)
})

describe.skipIf(!existsSync(shared))('published tree heads (need ../shared/vectors)', () => {
  const { sth, valid } = JSON.parse(
    readFileSync(new URL('generated/notes-and-sth.json', shared), 'utf8'),
  ) as {
    sth: {
      json: {
        tree_size: number
        timestamp: number
        sha256_root_hash: string
        tree_head_signature: string
      }
      spkiDerBase64: string
    }
    valid: { source: string; vkey: string; note: string }[]
  }

  it('of a log of certificates verifies and is written back', () => {
    const { tree_size, timestamp, sha256_root_hash, tree_head_signature } = sth.json
    const bytes = treeHeadBytes({
      timestamp,
      size: treeSize(tree_size),
      root: rootHash(fromBase64(sha256_root_hash)),
    })
    const { algorithm, signature } = parseDigitallySigned(fromBase64(tree_head_signature))
    expect(algorithm).toBe('ecdsa')
    const info = Buffer.from(fromBase64(sth.spkiDerBase64))
    const key = createPublicKey({ key: info, format: 'der', type: 'spki' })
    expect(verify('sha256', bytes, key, signature)).toBe(true)
    bytes[49] = bytes[49]! ^ 1
    expect(verify('sha256', bytes, key, signature)).toBe(false)
    expect(equal(digitallySigned(signature), fromBase64(tree_head_signature))).toBe(true)
  })

  it('inside a note, type 05, verifies and its key id is made of the log id', () => {
    const { vkey, note } = valid.find(({ source }) => source.includes('0x05'))!
    const { text, signatures } = parseNote(utf8(note))
    const { origin, size, root: noted } = parseCheckpoint(text)
    const body = signatures[0]!.signature
    const timestamp = Number(new DataView(body.buffer, body.byteOffset).getBigUint64(0))
    const { signature } = parseDigitallySigned(body.subarray(8))
    const info = fromBase64(vkey.split('+').slice(2).join('+')).subarray(1)
    const key = createPublicKey({ key: Buffer.from(info), format: 'der', type: 'spki' })
    const bytes = treeHeadBytes({ timestamp, size, root: noted })
    expect(verify('sha256', bytes, key, signature)).toBe(true)
    const id = sha256(concat(utf8(`${origin}\n`), Uint8Array.of(5), sha256(info)))
    expect(toHex(id.subarray(0, 4))).toBe(signatures[0]!.keyId)
  })
})
