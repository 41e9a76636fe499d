/**
 * ML-DSA-44 (FIPS 204, pure, empty context) by @noble/post-quantum, for browsers, workers and Node before 24.6.
 * Interoperates with ml-dsa-node.ts, pinned by tests.
 */
import { ml_dsa44 } from '@noble/post-quantum/ml-dsa.js'
import { equal } from '../bytes.ts'

/** Bytes of an ML-DSA-44 public key. */
const PUBLIC_KEY_SIZE = 1312
/** Bytes of an ML-DSA-44 signature. */
const SIGNATURE_SIZE = 2420

/** The public key (1312 bytes) of a 32-byte seed. */
export function mlDsaPublicKey(seed: Uint8Array): Uint8Array {
  return ml_dsa44.keygen(seed).publicKey
}

/** The key that was used last, since making it from its seed takes a fifth of the time of a signature. */
let last: { readonly seed: Uint8Array; readonly secretKey: Uint8Array } | undefined

function secretKeyOf(seed: Uint8Array): Uint8Array {
  if (last === undefined || !equal(last.seed, seed)) {
    last = { seed: seed.slice(), secretKey: ml_dsa44.keygen(seed).secretKey }
  }
  return last.secretKey
}

/** A signature of `message`, 2420 bytes; randomised, so that no two are alike. */
export function mlDsaSign(message: Uint8Array, seed: Uint8Array): Uint8Array {
  return ml_dsa44.sign(message, secretKeyOf(seed))
}

/** Whether `signature` is the key's over `message`; false for anything that is not even a signature or a key. */
export function mlDsaVerify(
  signature: Uint8Array,
  message: Uint8Array,
  publicKey: Uint8Array,
): boolean {
  if (signature.length !== SIGNATURE_SIZE || publicKey.length !== PUBLIC_KEY_SIZE) return false
  return ml_dsa44.verify(signature, message, publicKey)
}
