import { generateKeyPairSync, sign } from 'node:crypto'
import { Point } from '@noble/ed25519'
import { sha512 } from '@noble/hashes/sha2.js'
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { concat, fromHex, toHex, utf8 } from '../../src/bytes.ts'
import * as node from '../../src/crypto/ed25519-node.ts'
import * as web from '../../src/crypto/ed25519-web.ts'

const ORDER = 2n ** 252n + 27742317777372353535851937790883648493n
const FIELD = 2n ** 255n - 19n

function littleEndian(value: bigint): Uint8Array {
  return Uint8Array.from({ length: 32 }, (_, i) => Number((value >> BigInt(8 * i)) & 255n))
}

function number(bytes: Uint8Array): bigint {
  return bytes.reduceRight((value, byte) => value * 256n + BigInt(byte), 0n)
}

/** The eight points of small order in their canonical spellings. */
const SMALL_ORDER = [
  '0100000000000000000000000000000000000000000000000000000000000000',
  'ecffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f',
  '0000000000000000000000000000000000000000000000000000000000000000',
  '0000000000000000000000000000000000000000000000000000000000000080',
  '26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc05',
  '26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc85',
  'c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac037a',
  'c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac03fa',
].map((hex) => fromHex(hex))

/** Second spellings: y not below the field's prime, or a sign bit on x = 0. */
const NON_CANONICAL = [
  littleEndian(FIELD),
  littleEndian(FIELD + 1n),
  littleEndian(FIELD + 3n),
  littleEndian(FIELD + 18n),
  littleEndian(FIELD + 1n + 2n ** 255n),
  littleEndian(1n + 2n ** 255n),
  littleEndian(FIELD - 1n + 2n ** 255n),
]

const seed = new Uint8Array(32).fill(7)
const message = utf8('the decision was to refuse\n')
const publicKey = node.ed25519PublicKey(seed)
const signature = node.ed25519Sign(message, seed)

/** The verdict of both, which must be one. */
function verdict(sig: Uint8Array, msg: Uint8Array, key: Uint8Array): boolean {
  const inNode = node.ed25519Verify(sig, msg, key)
  expect(web.ed25519Verify(sig, msg, key)).toBe(inNode)
  return inNode
}

const bytes = (length: number) => fc.uint8Array({ minLength: length, maxLength: length })

describe.each([
  ['node', node],
  ['web', web],
])('Ed25519 (%s)', (_, ed) => {
  it('reproduces test 3 of RFC 8032', () => {
    const secret = fromHex('c5aa8df43f9f837bedb7442f31dcb7b166d38535076f094b85ce3a2e0b4458f7')
    const key = fromHex('fc51cd8e6218a1a38da47ed00230f0580816ed13ba3303ac5deb911548908025')
    expect(toHex(ed.ed25519PublicKey(secret))).toBe(toHex(key))
    const made = ed.ed25519Sign(fromHex('af82'), secret)
    expect(toHex(made)).toBe(
      '6291d657deec24024827e69c3abe01a30ce548a284743a445e3680d7db5ac3ac18ff9b538d16f290ae67f760984dc6594a7c15e9716ed28dc027beceea1ec40a',
    )
    expect(ed.ed25519Verify(made, fromHex('af82'), key)).toBe(true)
  })

  it('refuses a seed that is not 32 bytes', () => {
    expect(() => ed.ed25519PublicKey(new Uint8Array(31))).toThrow()
    expect(() => ed.ed25519Sign(message, new Uint8Array(33))).toThrow()
  })

  it('is not disturbed when the caller overwrites a seed or key after use', () => {
    const mine = seed.slice()
    expect(ed.ed25519Sign(message, mine)).toEqual(signature)
    mine.fill(8)
    expect(ed.ed25519Sign(message, mine)).not.toEqual(signature)
  })

  it('gives plain byte arrays', () => {
    expect(ed.ed25519PublicKey(seed).constructor).toBe(Uint8Array)
    expect(ed.ed25519Sign(message, seed).constructor).toBe(Uint8Array)
  })

  it('calls small-order, non-canonical and off-curve public keys invalid', () => {
    for (const key of [...SMALL_ORDER, ...NON_CANONICAL]) {
      expect(ed.ed25519IsValidPublicKey(key)).toBe(false)
    }
    expect(ed.ed25519IsValidPublicKey(littleEndian(2n))).toBe(false)
    expect(ed.ed25519IsValidPublicKey(publicKey)).toBe(true)
    expect(ed.ed25519IsValidPublicKey(publicKey.subarray(1))).toBe(false)
  })
})

describe('Ed25519 in Node and in a browser', () => {
  it('agree on keys and signatures of any seed and message', () => {
    fc.assert(
      fc.property(bytes(32), fc.uint8Array({ maxLength: 200 }), (anySeed, anyMessage) => {
        const key = node.ed25519PublicKey(anySeed)
        expect(web.ed25519PublicKey(anySeed)).toEqual(key)
        const made = node.ed25519Sign(anyMessage, anySeed)
        expect(web.ed25519Sign(anyMessage, anySeed)).toEqual(made)
        expect(verdict(made, anyMessage, key)).toBe(true)
      }),
      { numRuns: 40 },
    )
  })

  it('refuse a signature, message or key with any bit flipped', () => {
    const whole = concat(signature, message, publicKey)
    fc.assert(
      fc.property(fc.nat(whole.length * 8 - 1), (bit) => {
        const mangled = whole.slice()
        const at = Math.floor(bit / 8)
        mangled[at] = mangled[at]! ^ (1 << (bit % 8))
        const sig = mangled.subarray(0, 64)
        const msg = mangled.subarray(64, 64 + message.length)
        expect(verdict(sig, msg, mangled.subarray(64 + message.length))).toBe(false)
      }),
      { numRuns: 150 },
    )
  })

  it('give one verdict on random signatures and keys', () => {
    fc.assert(
      fc.property(bytes(64), bytes(32), (sig, key) => {
        expect(verdict(sig, message, key)).toBe(false)
      }),
      { numRuns: 60 },
    )
  })

  it('refuse other lengths of signature and key without throwing', () => {
    for (const length of [0, 1, 63, 65]) {
      expect(verdict(new Uint8Array(length), message, publicKey)).toBe(false)
    }
    for (const length of [0, 31, 33]) {
      expect(verdict(signature, message, new Uint8Array(length))).toBe(false)
    }
  })

  it('refuse S that is not below the group order', () => {
    const s = number(signature.subarray(32))
    for (const other of [s + ORDER, s + 2n * ORDER, ORDER, 2n ** 256n - 1n]) {
      const mangled = concat(signature.subarray(0, 32), littleEndian(other))
      expect(verdict(mangled, message, publicKey)).toBe(false)
    }
  })

  it('refuse small-order and non-canonical public keys under any small-order R and S = 0', () => {
    for (const key of [...SMALL_ORDER, ...NON_CANONICAL]) {
      for (const r of [...SMALL_ORDER, ...NON_CANONICAL]) {
        expect(verdict(concat(r, new Uint8Array(32)), message, key)).toBe(false)
      }
    }
  })

  it('shut out a key of small order by which some versions of OpenSSL accept any message', () => {
    const forged = concat(SMALL_ORDER[0]!, new Uint8Array(32))
    expect(verdict(forged, utf8('anything'), SMALL_ORDER[0]!)).toBe(false)
  })

  // A signer can add a point of small order to R or to the key; only the cofactored equation then holds.
  describe('when the signer plays with points of small order', () => {
    const scalar = 0x1234567890abcdefn
    const nonce = 0xfedcba0987654321n

    function crafted(keyTorsion: Uint8Array, r: Uint8Array): { key: Uint8Array; sig: Uint8Array } {
      const key = Point.BASE.multiply(scalar).add(Point.fromBytes(keyTorsion)).toBytes()
      const k = number(sha512(concat(r, key, message))) % ORDER
      return { key, sig: concat(r, littleEndian((nonce + k * scalar) % ORDER)) }
    }

    const base = Point.BASE.multiply(nonce)

    it('accept mixed-order keys and R alike', () => {
      for (const keyTorsion of SMALL_ORDER) {
        for (const rTorsion of SMALL_ORDER) {
          const r = base.add(Point.fromBytes(rTorsion)).toBytes()
          const { key, sig } = crafted(keyTorsion, r)
          expect(verdict(sig, message, key)).toBe(true)
        }
      }
    })

    it('refuse R in a second spelling', () => {
      for (const r of NON_CANONICAL) {
        const key = Point.BASE.multiply(scalar).toBytes()
        const k = number(sha512(concat(r, key, message))) % ORDER
        expect(verdict(concat(r, littleEndian((k * scalar) % ORDER)), message, key)).toBe(false)
      }
    })

    it('accept R of small order under a sound key', () => {
      for (const r of SMALL_ORDER) {
        const key = Point.BASE.multiply(scalar).toBytes()
        const k = number(sha512(concat(r, key, message))) % ORDER
        expect(verdict(concat(r, littleEndian((k * scalar) % ORDER)), message, key)).toBe(true)
      }
    })
  })

  it('agree with keys that Node generates', () => {
    const { privateKey, publicKey: generated } = generateKeyPairSync('ed25519')
    const der = generated.export({ format: 'der', type: 'spki' })
    const made = sign(null, message, privateKey)
    expect(verdict(made, message, new Uint8Array(der.subarray(12)))).toBe(true)
  })

  it('go on after more keys than Node keeps', () => {
    for (let i = 0; i < 300; i++) {
      const other = new Uint8Array(32).fill(i % 256)
      other[0] = Math.floor(i / 256)
      const made = node.ed25519Sign(message, other)
      expect(node.ed25519Verify(made, message, node.ed25519PublicKey(other))).toBe(true)
    }
    expect(node.ed25519Sign(message, seed)).toEqual(signature)
  })
})
