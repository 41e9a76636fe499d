/**
 * Authenticated encryption as the vault uses it: AES-256-GCM with a random nonce of 96 bits and a whole tag.
 *
 *   sealed = nonce[12] ‖ ciphertext ‖ tag[16]
 *
 * What is sealed is bound to its context, the associated data: a purpose, and whom and what it belongs to. Opened in any
 * other context it fails, so nothing can be moved to another tenant, record, person or use. A key may seal 2^32 times
 * (NIST SP 800-38D, 8.3): a tenant's key seals once for each person and each record of nobody, a person's key once for
 * each record, a record's key once.
 */
import {
  createCipheriv,
  createDecipheriv,
  createSecretKey,
  type KeyObject,
  randomFillSync,
} from 'node:crypto'
import { utf8 } from '../bytes.ts'

export const KEY_SIZE = 32
const NONCE_SIZE = 12
const TAG_SIZE = 16
/** Bytes that sealing adds. */
const SEAL_SIZE: number = NONCE_SIZE + TAG_SIZE
/** A key that is sealed. */
export const SEALED_KEY_SIZE: number = KEY_SIZE + SEAL_SIZE

const ALGORITHM = 'aes-256-gcm'

/** Makes the associated data of a purpose: each part with its length, so that no two are spelled alike. */
export function contextFor(purpose: string): (...parts: readonly Uint8Array[]) => Uint8Array {
  const head = spelled([utf8('cairn-vault/v1'), utf8(purpose)])
  return (...parts) => spelled(parts, head)
}

function spelled(parts: readonly Uint8Array[], head: Uint8Array = new Uint8Array()): Uint8Array {
  let at = head.length
  const out = new Uint8Array(parts.reduce((sum, part) => sum + 4 + part.length, at))
  out.set(head)
  const view = new DataView(out.buffer)
  for (const part of parts) {
    view.setUint32(at, part.length)
    out.set(part, at + 4)
    at += 4 + part.length
  }
  return out
}

/** Random bytes are drawn in lots, and wiped once they are given away: one at a time, each costs as much as sealing. */
const pool = new Uint8Array(4_096)
let used: number = pool.length

/** Random bytes, for keys, nonces and pseudonyms. @throws RangeError beyond a lot */
export function random(size: number): Uint8Array {
  if (size > pool.length) throw new RangeError(`expected at most ${pool.length}, got ${size}`)
  if (used + size > pool.length) {
    randomFillSync(pool)
    used = 0
  }
  const bytes = pool.slice(used, used + size)
  pool.fill(0, used, used + size)
  used += size
  return bytes
}

/** A key in memory: as an object that is used again and again, or as bytes that are used once. */
export type SealingKey = KeyObject | Uint8Array

export function seal(key: SealingKey, plaintext: Uint8Array, context: Uint8Array): Uint8Array {
  const out = new Uint8Array(SEAL_SIZE + plaintext.length)
  const nonce = random(NONCE_SIZE)
  out.set(nonce)
  const cipher = createCipheriv(ALGORITHM, key, nonce, { authTagLength: TAG_SIZE })
  cipher.setAAD(context)
  out.set(cipher.update(plaintext), NONCE_SIZE)
  cipher.final()
  out.set(cipher.getAuthTag(), out.length - TAG_SIZE)
  return out
}

/** What was sealed, or undefined when it was not sealed with this key in this context. */
export function unseal(
  key: SealingKey,
  sealed: Uint8Array,
  context: Uint8Array,
): Uint8Array | undefined {
  if (sealed.length < SEAL_SIZE) return undefined
  const end = sealed.length - TAG_SIZE
  const nonce = sealed.subarray(0, NONCE_SIZE)
  const decipher = createDecipheriv(ALGORITHM, key, nonce, { authTagLength: TAG_SIZE })
  decipher.setAAD(context)
  decipher.setAuthTag(sealed.subarray(end))
  const plaintext = decipher.update(sealed.subarray(NONCE_SIZE, end))
  try {
    decipher.final()
  } catch {
    return undefined
  }
  return new Uint8Array(plaintext.buffer, plaintext.byteOffset, plaintext.length)
}

/** As unseal(), of a key. */
export function unsealKey(
  key: KeyObject,
  sealed: Uint8Array,
  context: Uint8Array,
): Uint8Array | undefined {
  const secret = unseal(key, sealed, context)
  return secret?.length === KEY_SIZE ? secret : undefined
}

/** The object of a key, whose bytes are wiped. */
export function keyObject(secret: Uint8Array): KeyObject {
  const key = createSecretKey(secret)
  secret.fill(0)
  return key
}
