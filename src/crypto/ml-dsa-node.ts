/**
 * ML-DSA-44 (FIPS 204, pure, empty context) by Node's crypto where it has it (24.6 and later: seven to eight times
 * faster), and by ml-dsa-web.ts elsewhere.
 */
import { createPrivateKey, createPublicKey, type KeyObject, sign, verify } from 'node:crypto'
import { promisify } from 'node:util'
import { equal } from '../bytes.ts'
import * as portable from './ml-dsa-web.ts'

/** DER up to the 32 bytes of the seed (PKCS #8, the seed form [0]) and of the public key, RFC 9881. */
const PKCS8 = Buffer.from('3034020100300b060960864801650304031104228020', 'hex')
const SPKI = Buffer.from('30820532300b06096086480165030403110382052100', 'hex')

const signInPool = promisify(sign)
const verifyInPool = promisify(verify)

const PUBLIC_KEY_SIZE = 1312
const SIGNATURE_SIZE = 2420

/** The key that was used last: making it from its seed takes a fifth of the time of a signature. */
let last: { readonly seed: Uint8Array; readonly key: KeyObject } | undefined

function privateKey(seed: Uint8Array): KeyObject {
  if (seed.length !== 32) throw new RangeError(`expected a seed of 32 bytes, got ${seed.length}`)
  if (last === undefined || !equal(last.seed, seed)) {
    const key = createPrivateKey({
      key: Buffer.concat([PKCS8, seed]),
      format: 'der',
      type: 'pkcs8',
    })
    last = { seed: seed.slice(), key }
  }
  return last.key
}

function publicKeyObject(publicKey: Uint8Array): KeyObject {
  return createPublicKey({ key: Buffer.concat([SPKI, publicKey]), format: 'der', type: 'spki' })
}

function nativePublicKey(seed: Uint8Array): Uint8Array {
  const spki = createPublicKey(privateKey(seed)).export({ format: 'der', type: 'spki' })
  return new Uint8Array(spki.subarray(SPKI.length))
}

/** Whether this Node can do everything below: tried once, since versions differ in how far their support goes. */
function detect(): boolean {
  try {
    const seed = new Uint8Array(32)
    const publicKey = nativePublicKey(seed)
    const signature = sign(null, seed, privateKey(seed))
    return (
      publicKey.length === PUBLIC_KEY_SIZE &&
      signature.length === SIGNATURE_SIZE &&
      verify(null, seed, publicKeyObject(publicKey), signature)
    )
  } catch {
    return false
  }
}

let detected: boolean | undefined

/** Whether ML-DSA-44 is native in this Node. */
export function mlDsaIsNative(): boolean {
  detected ??= detect()
  return detected
}

/** The public key (1312 bytes) of a 32-byte seed. */
export function mlDsaPublicKey(seed: Uint8Array): Uint8Array {
  return mlDsaIsNative() ? nativePublicKey(seed) : portable.mlDsaPublicKey(seed)
}

/** A signature of `message`, 2420 bytes; randomised, so that no two are alike. */
export function mlDsaSign(message: Uint8Array, seed: Uint8Array): Uint8Array {
  return mlDsaIsNative()
    ? new Uint8Array(sign(null, message, privateKey(seed)))
    : portable.mlDsaSign(message, seed)
}

/** Whether `signature` is the key's over `message`; false for anything that is not even a signature or a key. */
export function mlDsaVerify(
  signature: Uint8Array,
  message: Uint8Array,
  publicKey: Uint8Array,
): boolean {
  if (signature.length !== SIGNATURE_SIZE || publicKey.length !== PUBLIC_KEY_SIZE) return false
  return mlDsaIsNative()
    ? verify(null, message, publicKeyObject(publicKey), signature)
    : portable.mlDsaVerify(signature, message, publicKey)
}

/** As mlDsaSign, by one of Node's own threads. Only where ML-DSA-44 is native. */
export async function mlDsaSignInPool(message: Uint8Array, seed: Uint8Array): Promise<Uint8Array> {
  return new Uint8Array(await signInPool(null, message, privateKey(seed)))
}

/** As mlDsaVerify, by one of Node's own threads. Only where ML-DSA-44 is native. */
export async function mlDsaVerifyInPool(
  signature: Uint8Array,
  message: Uint8Array,
  publicKey: Uint8Array,
): Promise<boolean> {
  if (signature.length !== SIGNATURE_SIZE || publicKey.length !== PUBLIC_KEY_SIZE) return false
  return verifyInPool(null, message, publicKeyObject(publicKey), signature)
}
