/** Strict conversions between bytes and text. Every decoder accepts exactly one text for each value. */
import { malformed } from './errors.ts'

const encoder = new TextEncoder()
const decoder = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true })

/** The UTF-8 bytes of `text`. */
export function utf8(text: string): Uint8Array {
  return encoder.encode(text)
}

/** The text of UTF-8 `bytes`; a byte-order mark is kept as a character. @throws MALFORMED on invalid UTF-8 */
export function fromUtf8(bytes: Uint8Array, what = 'text'): string {
  try {
    return decoder.decode(bytes)
  } catch (cause) {
    throw malformed(`${what} is not valid UTF-8`, { cause })
  }
}

export function concat(...parts: readonly Uint8Array[]): Uint8Array {
  return join(parts)
}

/** As concat, for more parts than a call may have arguments. */
export function join(parts: readonly Uint8Array[]): Uint8Array {
  let length = 0
  for (const part of parts) length += part.length
  const out = new Uint8Array(length)
  let offset = 0
  for (const part of parts) {
    out.set(part, offset)
    offset += part.length
  }
  return out
}

/** Whether two byte strings are equal. Not constant-time: for public values only. */
export function equal(a: Uint8Array, b: Uint8Array): boolean {
  if (a.length !== b.length) return false
  for (let i = 0; i < a.length; i++) if (a[i] !== b[i]) return false
  return true
}

const HEX = Array.from({ length: 256 }, (_, byte) => byte.toString(16).padStart(2, '0'))

/** Lowercase hexadecimal. */
export function toHex(bytes: Uint8Array): string {
  let text = ''
  for (const byte of bytes) text += HEX[byte]
  return text
}

/** Bytes of lowercase hexadecimal text. @throws MALFORMED on anything else */
export function fromHex(text: string, what = 'value'): Uint8Array {
  if (text.length % 2 !== 0 || !/^[0-9a-f]*$/.test(text)) {
    throw malformed(`${what} is not lowercase hexadecimal`)
  }
  const out = new Uint8Array(text.length / 2)
  for (let i = 0; i < out.length; i++) out[i] = Number.parseInt(text.slice(2 * i, 2 * i + 2), 16)
  return out
}

const BASE64 = 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/'
const BASE64_VALUES = new Int8Array(128).fill(-1)
for (let i = 0; i < 64; i++) BASE64_VALUES[BASE64.charCodeAt(i)] = i

/** The two letters of every 12 bits: twice as quick as a letter at a time, and proofs are made of base64. */
const PAIRS = Array.from({ length: 4096 }, (_, bits) => BASE64[bits >> 6]! + BASE64[bits & 63]!)

/** Standard base64 with padding (RFC 4648 section 4). */
export function toBase64(bytes: Uint8Array): string {
  let text = ''
  let i = 0
  for (; i + 2 < bytes.length; i += 3) {
    const word = (bytes[i]! << 16) | (bytes[i + 1]! << 8) | bytes[i + 2]!
    text += PAIRS[word >> 12]! + PAIRS[word & 4095]!
  }
  const left = bytes.length - i
  if (left === 1) text += `${PAIRS[bytes[i]! << 4]}==`
  else if (left === 2) {
    const word = (bytes[i]! << 10) | (bytes[i + 1]! << 2)
    text += `${PAIRS[word >> 6]}${BASE64[word & 63]}=`
  }
  return text
}

/**
 * Bytes of standard base64 with padding. Refuses URL-safe letters, white space, missing padding and non-zero
 * bits after the last byte, so each value has one spelling (RFC 4648 section 3.5).
 * @throws MALFORMED
 */
export function fromBase64(text: string, what = 'value'): Uint8Array {
  const refuse = (): never => {
    throw malformed(`${what} is not canonical base64`)
  }
  if (text.length % 4 !== 0) refuse()
  const padding = text.endsWith('==') ? 2 : text.endsWith('=') ? 1 : 0
  const letters = text.length - padding
  const out = new Uint8Array((text.length / 4) * 3 - padding)
  let word = 0
  let bits = 0
  let at = 0
  for (let i = 0; i < letters; i++) {
    const code = text.charCodeAt(i)
    const value = code < 128 ? BASE64_VALUES[code]! : -1
    if (value < 0) refuse()
    word = ((word << 6) | value) & 0xffffff
    bits += 6
    if (bits >= 8) {
      bits -= 8
      out[at++] = (word >> bits) & 0xff
    }
  }
  if ((word & ((1 << bits) - 1)) !== 0) refuse()
  return out
}

const URL_LETTERS = utf8(`${BASE64.slice(0, 62)}-_`)
const URL_VALUES = new Int8Array(128).fill(-1)
for (let i = 0; i < 64; i++) URL_VALUES[URL_LETTERS[i]!] = i

/** The ASCII bytes of the base64url text of `bytes`, without padding: what is hashed of a long text, with no string made. */
export function base64UrlBytes(bytes: Uint8Array): Uint8Array {
  const out = new Uint8Array(Math.ceil((bytes.length * 4) / 3))
  let at = 0
  let i = 0
  for (; i + 2 < bytes.length; i += 3) {
    const word = (bytes[i]! << 16) | (bytes[i + 1]! << 8) | bytes[i + 2]!
    out[at++] = URL_LETTERS[word >> 18]!
    out[at++] = URL_LETTERS[(word >> 12) & 63]!
    out[at++] = URL_LETTERS[(word >> 6) & 63]!
    out[at++] = URL_LETTERS[word & 63]!
  }
  if (i < bytes.length) {
    const word = (bytes[i]! << 16) | ((bytes[i + 1] ?? 0) << 8)
    out[at++] = URL_LETTERS[word >> 18]!
    out[at++] = URL_LETTERS[(word >> 12) & 63]!
    if (at < out.length) out[at] = URL_LETTERS[(word >> 6) & 63]!
  }
  return out
}

/** Base64 for URLs, without padding (RFC 4648 section 5). */
export function toBase64Url(bytes: Uint8Array): string {
  return decoder.decode(base64UrlBytes(bytes))
}

/**
 * Bytes of base64url without padding. Refuses the standard alphabet's `+` and `/`, padding, white space and non-zero
 * bits after the last byte, so each value has one spelling.
 * @throws MALFORMED
 */
export function fromBase64Url(text: string, what = 'value'): Uint8Array {
  const refuse = (): never => {
    throw malformed(`${what} is not canonical base64url`)
  }
  if (text.length % 4 === 1) refuse()
  const out = new Uint8Array(Math.floor((text.length * 3) / 4))
  let word = 0
  let bits = 0
  let at = 0
  for (let i = 0; i < text.length; i++) {
    const code = text.charCodeAt(i)
    const value = code < 128 ? URL_VALUES[code]! : -1
    if (value < 0) refuse()
    word = ((word << 6) | value) & 0xffffff
    bits += 6
    if (bits >= 8) {
      bits -= 8
      out[at++] = (word >> bits) & 0xff
    }
  }
  if ((word & ((1 << bits) - 1)) !== 0) refuse()
  return out
}

/**
 * A decimal number without sign, leading zeros or white space, up to 2^53-1.
 * @throws MALFORMED otherwise
 */
export function fromDecimal(text: string, what = 'number'): number {
  if (!/^(0|[1-9][0-9]*)$/.test(text)) throw malformed(`${what} is not a decimal number`)
  const value = Number(text)
  if (!Number.isSafeInteger(value)) throw malformed(`${what} is larger than 2^53-1`)
  return value
}

/** Big-endian 64-bit encoding. @throws RangeError unless `value` is an integer from 0 to 2^53-1 */
export function u64(value: number): Uint8Array {
  if (!Number.isSafeInteger(value) || value < 0) {
    throw new RangeError(`expected an integer from 0 to 2^53-1, got ${value}`)
  }
  const out = new Uint8Array(8)
  new DataView(out.buffer).setBigUint64(0, BigInt(value))
  return out
}

/** Big-endian 16-bit encoding. @throws RangeError unless `value` is an integer from 0 to 65,535 */
export function u16(value: number): Uint8Array {
  if (!Number.isInteger(value) || value < 0 || value > 0xffff) {
    throw new RangeError(`expected an integer from 0 to 65535, got ${value}`)
  }
  return Uint8Array.of(value >> 8, value & 0xff)
}
