import { ml_dsa44 } from '@noble/post-quantum/ml-dsa.js'
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { concat, utf8 } from '../../src/bytes.ts'
import * as node from '../../src/crypto/ml-dsa-node.ts'
import * as web from '../../src/crypto/ml-dsa-web.ts'

const seed = new Uint8Array(32).fill(1)
const message = utf8('the decision was to refuse\n')
const publicKey = web.mlDsaPublicKey(seed)
const signature = web.mlDsaSign(message, seed)

/** The verdict of both, which must be one. On a Node without native ML-DSA both are the same code. */
function verdict(sig: Uint8Array, msg: Uint8Array, key: Uint8Array): boolean {
  const inNode = node.mlDsaVerify(sig, msg, key)
  expect(web.mlDsaVerify(sig, msg, key)).toBe(inNode)
  return inNode
}

describe('ML-DSA-44 in Node and in a browser', () => {
  it('derive the same public key of 1312 bytes from a seed', () => {
    expect(node.mlDsaPublicKey(seed)).toEqual(publicKey)
    expect(publicKey.length).toBe(1312)
  })

  it('use the native code exactly when this Node can', () => {
    const [major = 0, minor = 0] = process.versions.node.split('.').map(Number)
    if (major < 22) expect(node.mlDsaIsNative()).toBe(false)
    if (major > 24 || (major === 24 && minor >= 6)) expect(node.mlDsaIsNative()).toBe(true)
  })

  it('verify signatures of each other', () => {
    expect(verdict(signature, message, publicKey)).toBe(true)
    const made = node.mlDsaSign(message, seed)
    expect(made.length).toBe(2420)
    expect(made.constructor).toBe(Uint8Array)
    expect(verdict(made, message, publicKey)).toBe(true)
  })

  it('sign differently each time', () => {
    expect(node.mlDsaSign(message, seed)).not.toEqual(node.mlDsaSign(message, seed))
    expect(web.mlDsaSign(message, seed)).not.toEqual(signature)
  })

  it('refuse a signature, message or key with any bit flipped', () => {
    const whole = concat(signature, message, publicKey)
    fc.assert(
      fc.property(fc.nat(whole.length * 8 - 1), (bit) => {
        const mangled = whole.slice()
        const at = Math.floor(bit / 8)
        mangled[at] = mangled[at]! ^ (1 << (bit % 8))
        const sig = mangled.subarray(0, 2420)
        const msg = mangled.subarray(2420, 2420 + message.length)
        expect(verdict(sig, msg, mangled.subarray(2420 + message.length))).toBe(false)
      }),
      { numRuns: 100 },
    )
  })

  it('refuse every flipped bit of the hint, whose encoding must be canonical', () => {
    for (let at = 2420 - 84; at < 2420; at++) {
      const mangled = signature.slice()
      mangled[at] = mangled[at]! ^ 1
      expect(verdict(mangled, message, publicKey)).toBe(false)
    }
  })

  it('refuse a signature made for a context', () => {
    const { secretKey } = ml_dsa44.keygen(seed)
    const made = ml_dsa44.sign(message, secretKey, { context: utf8('other') })
    expect(verdict(made, message, publicKey)).toBe(false)
  })

  it('refuse other lengths of signature and key without throwing', () => {
    for (const length of [0, 64, 2419, 2421]) {
      expect(verdict(new Uint8Array(length), message, publicKey)).toBe(false)
    }
    for (const length of [0, 32, 1311, 1313]) {
      expect(verdict(signature, message, new Uint8Array(length))).toBe(false)
    }
  })

  it('refuse a seed that is not 32 bytes', () => {
    for (const code of [node, web]) {
      expect(() => code.mlDsaPublicKey(new Uint8Array(31))).toThrow()
      expect(() => code.mlDsaSign(message, new Uint8Array(33))).toThrow()
    }
  })
})
