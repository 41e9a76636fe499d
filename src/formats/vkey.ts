/**
 * Verifier keys as text, C2SP signed-note: `<name>+<key id>+<base64(type ‖ public key)>`, for example
 * `example.com/foo+530d903a+AekyeRrm56hApGFkyQR4ZCbV54Id2LKaANYcrnKv3U2k`.
 * The key id is a short hash that only says which key to try; it is always recomputed, never believed.
 */
import { ed25519IsValidPublicKey } from '#ed25519'
import { sha256 } from '#sha256'
import { concat, fromBase64, toBase64, toHex, utf8 } from '../bytes.ts'
import { malformed } from '../errors.ts'

/** What a key signs, and how: a whole note, or a timestamped statement about a checkpoint (tlog-cosignature). */
export type SignatureType = 'ed25519' | 'ed25519-cosignature' | 'ml-dsa-44'

export interface VerifierKey {
  readonly name: string
  /** 8 lowercase hexadecimal digits. */
  readonly keyId: string
  readonly type: SignatureType
  readonly publicKey: Uint8Array
}

/** The type byte of signed-note, and the bytes of a public key, for each type. */
export const SIGNATURE_TYPES: Readonly<
  Record<SignatureType, { readonly byte: number; readonly keySize: number }>
> = {
  ed25519: { byte: 0x01, keySize: 32 },
  'ed25519-cosignature': { byte: 0x04, keySize: 32 },
  'ml-dsa-44': { byte: 0x06, keySize: 1312 },
}

/** The longest key name or origin in bytes: what the one-byte length of an ML-DSA-44 cosignature can say. */
export const MAX_NAME_SIZE = 255

/** The signature type of a type byte. @throws MALFORMED when it is none of 01, 04 and 06 */
export function signatureType(byte: number | undefined): SignatureType {
  for (const [type, { byte: known }] of Object.entries(SIGNATURE_TYPES)) {
    if (known === byte) return type as SignatureType
  }
  const shown = byte === undefined ? 'missing' : `0x${byte.toString(16).padStart(2, '0')}`
  throw malformed(`key type is ${shown}; the types known here are 0x01, 0x04 and 0x06`)
}

/** Whether `text` has characters that no line of a note can hold: controls, and halves of surrogate pairs. */
export function hasForbiddenCharacter(text: string): boolean {
  // biome-ignore lint/suspicious/noControlCharactersInRegex: they are what is looked for
  return /[\u0000-\u001f]|\p{Surrogate}/u.test(text)
}

/**
 * Checks a key name: 1 to 255 bytes of UTF-8 without white space, controls and `+` (signed-note).
 * @throws MALFORMED
 */
export function checkKeyName(name: string): void {
  if (name === '') throw malformed('key name is empty')
  if (utf8(name).length > MAX_NAME_SIZE) {
    throw malformed(`key name is longer than ${MAX_NAME_SIZE} bytes`)
  }
  // SPEC signed-note: MUST NOT contain any Unicode spaces or plus; U+FEFF is no space in Unicode, but is in JavaScript's \s.
  if (/\p{White_Space}/u.test(name)) throw malformed('key name contains white space')
  if (name.includes('+')) throw malformed('key name contains "+"')
  if (hasForbiddenCharacter(name)) throw malformed('key name contains a control character')
}

/** SHA-256(name ‖ 0x0A ‖ type ‖ public key), its first four bytes. */
function keyIdOf(name: string, type: SignatureType, publicKey: Uint8Array): string {
  const head = Uint8Array.of(0x0a, SIGNATURE_TYPES[type].byte)
  return toHex(sha256(concat(utf8(name), head, publicKey)).subarray(0, 4))
}

/**
 * A verifier key of its parts; the public key is copied.
 * @throws MALFORMED when the name or the public key's length is wrong, or an Ed25519 key is not canonical or of
 *   small order (such a key "verifies" messages that nobody signed)
 */
export function verifierKey(name: string, type: SignatureType, publicKey: Uint8Array): VerifierKey {
  checkKeyName(name)
  const { keySize } = SIGNATURE_TYPES[type]
  if (publicKey.length !== keySize) {
    throw malformed(
      `public key of ${name} has ${publicKey.length} bytes; ${type} needs ${keySize} bytes`,
    )
  }
  if (type !== 'ml-dsa-44' && !ed25519IsValidPublicKey(publicKey)) {
    throw malformed(`public key of ${name} is not a safe Ed25519 key; ask its owner for another`)
  }
  return { name, keyId: keyIdOf(name, type, publicKey), type, publicKey: publicKey.slice() }
}

/**
 * Reads a vkey.
 * @throws MALFORMED on anything but the exact text that formatVkey gives for a key of a known type
 */
export function parseVkey(text: string): VerifierKey {
  // SPEC signed-note: names and key ids have no "+", base64 may, so only the first two separate.
  const first = text.indexOf('+')
  const second = text.indexOf('+', first + 1)
  if (first < 0 || second < 0) {
    throw malformed('vkey is not of the form <name>+<key id>+<base64 key>')
  }
  const name = text.slice(0, first)
  checkKeyName(name)
  const keyId = text.slice(first + 1, second)
  if (!/^[0-9a-f]{8}$/.test(keyId)) {
    throw malformed(`key id of vkey ${name} is not 8 lowercase hexadecimal digits`)
  }
  const encoded = text.slice(second + 1)
  // Above the largest known key (1313 bytes), so that the text is bounded before it is decoded.
  if (encoded.length > 2048) throw malformed(`key of vkey ${name} is too long`)
  const bytes = fromBase64(encoded, `key of vkey ${name}`)
  const key = verifierKey(name, signatureType(bytes[0]), bytes.subarray(1))
  if (key.keyId !== keyId) {
    throw malformed(`key id of vkey ${name} is ${keyId}, but its key has ${key.keyId}`)
  }
  return key
}

/** The vkey text of a key. */
export function formatVkey(key: VerifierKey): string {
  const typed = concat(Uint8Array.of(SIGNATURE_TYPES[key.type].byte), key.publicKey)
  return `${key.name}+${key.keyId}+${toBase64(typed)}`
}
