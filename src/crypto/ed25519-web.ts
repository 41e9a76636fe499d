/**
 * Ed25519 (RFC 8032) by @noble/ed25519, for browsers and workers. Same results as ed25519-node.ts, pinned by tests.
 * Verification is strict: canonical encodings, S below the group order, no public key of small order. The group
 * equation is the cofactored one of RFC 8032 section 5.1.7.
 */
import { getPublicKey, hashes, Point, sign, verify } from '@noble/ed25519'
import { sha512 } from '@noble/hashes/sha2.js'

hashes.sha512 = sha512

/** The public key of a 32-byte seed. */
export function ed25519PublicKey(seed: Uint8Array): Uint8Array {
  return getPublicKey(seed)
}

/** The signature of `message`, 64 bytes; the same message and seed always give the same one. */
export function ed25519Sign(message: Uint8Array, seed: Uint8Array): Uint8Array {
  return sign(message, seed)
}

/** Whether `signature` is the key's over `message`; false for anything that is not even a signature or a key. */
export function ed25519Verify(
  signature: Uint8Array,
  message: Uint8Array,
  publicKey: Uint8Array,
): boolean {
  if (signature.length !== 64 || publicKey.length !== 32) return false
  return verify(signature, message, publicKey, { zip215: false })
}

/**
 * Whether 32 bytes are the canonical encoding of a point that is not of small order. A key of small order has
 * signatures that hold for any message.
 */
export function ed25519IsValidPublicKey(publicKey: Uint8Array): boolean {
  if (publicKey.length !== 32) return false
  try {
    return !Point.fromBytes(publicKey, false).isSmallOrder()
  } catch {
    return false
  }
}
