/**
 * Ed25519 (RFC 8032) by Node's crypto, about ten times faster than portable code. OpenSSL's rules differ from
 * ed25519-web.ts in two corners: some versions take public keys of small order or in a second spelling, and all compare
 * without the cofactor. The public key is therefore checked first, and a refusal is put to the portable code, so that a
 * browser and a server never disagree about a signature.
 */
import { createPrivateKey, createPublicKey, type KeyObject, sign, verify } from 'node:crypto'
import {
  ed25519IsValidPublicKey as isValidPublicKey,
  ed25519Verify as verifyPortably,
} from './ed25519-web.ts'

/** DER up to the 32 bytes of the seed (PKCS #8) and of the public key (SubjectPublicKeyInfo), RFC 8410. */
const PKCS8 = Buffer.from('302e020100300506032b657004220420', 'hex')
const SPKI = Buffer.from('302a300506032b6570032100', 'hex')

const KEYS_KEPT = 256
const privateKeys = new Map<string, KeyObject>()
const publicKeys = new Map<string, KeyObject | undefined>()

/** Parsing a key costs as much as using it, and a log uses few: the last ones used first are forgotten. */
function cached<Key>(keys: Map<string, Key>, bytes: Uint8Array, make: () => Key): Key {
  const name = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length).toString('latin1')
  const known = keys.get(name)
  if (known !== undefined || keys.has(name)) return known as Key
  const key = make()
  if (keys.size >= KEYS_KEPT) for (const oldest of keys.keys()) if (keys.delete(oldest)) break
  keys.set(name, key)
  return key
}

function privateKey(seed: Uint8Array): KeyObject {
  if (seed.length !== 32) throw new RangeError(`expected a seed of 32 bytes, got ${seed.length}`)
  return cached(privateKeys, seed, () =>
    createPrivateKey({ key: Buffer.concat([PKCS8, seed]), format: 'der', type: 'pkcs8' }),
  )
}

/** The key object of a valid public key, undefined for any other. */
function publicKeyObject(publicKey: Uint8Array): KeyObject | undefined {
  return cached(publicKeys, publicKey, () =>
    isValidPublicKey(publicKey)
      ? createPublicKey({ key: Buffer.concat([SPKI, publicKey]), format: 'der', type: 'spki' })
      : undefined,
  )
}

/** The public key of a 32-byte seed. */
export function ed25519PublicKey(seed: Uint8Array): Uint8Array {
  const spki = createPublicKey(privateKey(seed)).export({ format: 'der', type: 'spki' })
  return new Uint8Array(spki.subarray(SPKI.length))
}

/** The signature of `message`, 64 bytes; the same message and seed always give the same one. */
export function ed25519Sign(message: Uint8Array, seed: Uint8Array): Uint8Array {
  return new Uint8Array(sign(null, message, privateKey(seed)))
}

/** Whether `signature` is the key's over `message`; false for anything that is not even a signature or a key. */
export function ed25519Verify(
  signature: Uint8Array,
  message: Uint8Array,
  publicKey: Uint8Array,
): boolean {
  if (signature.length !== 64 || publicKey.length !== 32) return false
  const key = publicKeyObject(publicKey)
  if (key === undefined) return false
  return verify(null, message, key, signature) || verifyPortably(signature, message, publicKey)
}

/**
 * Whether 32 bytes are the canonical encoding of a point that is not of small order. A key of small order has
 * signatures that hold for any message.
 */
export function ed25519IsValidPublicKey(publicKey: Uint8Array): boolean {
  return publicKey.length === 32 && publicKeyObject(publicKey) !== undefined
}

/**
 * As ed25519Verify, for a key that is known to be valid, by OpenSSL alone: nothing is kept of the key, and a refusal
 * costs no more than an acceptance. Refuses what holds by the cofactored equation only, which no honest signer makes.
 */
export function ed25519VerifyOnce(
  signature: Uint8Array,
  message: Uint8Array,
  publicKey: Uint8Array,
): boolean {
  if (signature.length !== 64 || publicKey.length !== 32) return false
  // A tenth of the time of the same key in DER.
  const x = Buffer.from(publicKey).toString('base64url')
  const key = createPublicKey({ key: { kty: 'OKP', crv: 'Ed25519', x }, format: 'jwk' })
  return verify(null, message, key, signature)
}
