/** The checksums and structures by which a secret is told from what looks like one. */
import { fromBase64, fromBase64Url, fromUtf8, utf8 } from '../bytes.ts'

/** Whether the last of the digits is the check digit of the others (ISO/IEC 7812-1 annex B). */
export function passesLuhn(digits: string): boolean {
  let sum = 0
  for (let i = digits.length - 1, double = false; i >= 0; i--, double = !double) {
    const digit = digits.charCodeAt(i) - 48
    sum += double ? (digit > 4 ? 2 * digit - 9 : 2 * digit) : digit
  }
  return digits.length > 1 && sum % 10 === 0
}

/** Whether capital letters and digits leave 1 when divided by 97, the first four moved to the end (ISO 13616, ISO 7064). */
export function passesMod97(text: string): boolean {
  if (text.length < 5) return false
  let rest = 0
  for (const character of text.slice(4) + text.slice(0, 4)) {
    const value = Number.parseInt(character, 36)
    rest = (rest * (value > 9 ? 100 : 10) + value) % 97
  }
  return rest === 1
}

/** Shannon's entropy of the characters, in bits for each; those beyond ASCII count as one. */
function entropyOf(text: string): number {
  const counts = new Uint16Array(128)
  for (let i = 0; i < text.length; i++) counts[Math.min(text.charCodeAt(i), 127)]!++
  let bits = 0
  for (const count of counts) {
    if (count > 0) bits -= (count / text.length) * Math.log2(count / text.length)
  }
  return bits
}

/** Whether a text of so many letters and digits can have been drawn by chance. */
export function looksRandom(text: string): boolean {
  return entropyOf(text) >= 3 && !isPlaceholder(text)
}

const BASE62 = '0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz'

function crc32(bytes: Uint8Array): number {
  let crc = 0xffffffff
  for (const byte of bytes) {
    crc ^= byte
    for (let bit = 0; bit < 8; bit++) crc = (crc >>> 1) ^ (crc & 1 ? 0xedb88320 : 0)
  }
  return ~crc >>> 0
}

/** What GitHub and npm put at the end of their tokens: the CRC-32 of the random letters in six letters of base 62. */
export function tokenChecksum(random: string): string {
  let text = ''
  for (let left = crc32(utf8(random)); left > 0; left = Math.floor(left / 62)) {
    text = BASE62[left % 62] + text
  }
  return text.padStart(6, '0')
}

/** Whether the last six of the letters are the checksum of those before. */
export function passesTokenChecksum(letters: string): boolean {
  return tokenChecksum(letters.slice(0, -6)) === letters.slice(-6)
}

/** Whether three parts of base64url are a signed JWT (RFC 7519): two JSON objects, the first of which names `alg`. */
export function isSignedJwt(header: string, claims: string, signature: string): boolean {
  const read = (part: string): unknown => JSON.parse(fromUtf8(fromBase64Url(part)))
  try {
    const [first, second] = [read(header), read(claims)]
    return (
      isObject(first) &&
      typeof first.alg === 'string' &&
      isObject(second) &&
      fromBase64Url(signature).length >= 24
    )
  } catch {
    return false
  }
}

function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}

/** Whether base64 is that of a name, a colon and a password (RFC 7617). */
export function isBasicCredential(base64: string): boolean {
  try {
    return /^[\x20-\x39\x3b-\x7e]+:[\x20-\x7e]+$/.test(fromBase64AsText(base64))
  } catch {
    return false
  }
}

function fromBase64AsText(base64: string): string {
  return fromUtf8(fromBase64(base64))
}

const PLACEHOLDER =
  /example|change.?me|place.?holder|redacted|removed|masked|hidden|your[-_. ]|dummy|sample|insert|replace|process\.env|environ|getenv|\*{3}|\.{3}|…|^x+$|^(?:null|none|undefined|true|false|password|passwd|pass|secret|token|string|test)$|(.)\1{5}/i

/** Whether a text stands where a secret would, and says so. */
export function isPlaceholder(text: string): boolean {
  return /^[$<{[(%#]/.test(text) || PLACEHOLDER.test(text)
}

/** Words, names and paths, which people write after "password:" more often than passwords. */
const NO_PASSWORD =
  /^(?:[A-Za-z_./-]+|[0-9.,:/-]+|https?:.*|\/[a-z]+\/.*|[a-z]+(?:[-_.](?:[a-z]+|[0-9]{1,4}))+)$/

/** Whether a text can be a password that somebody has set: eight characters, of which not all are letters or digits. */
export function looksLikePassword(text: string): boolean {
  if (text.length < 8 || NO_PASSWORD.test(text) || isPlaceholder(text)) return false
  const entropy = entropyOf(text)
  return entropy >= 2.5 && entropy * text.length >= 24
}

/** Whether a text can be a key or token that a machine has drawn. */
export function looksLikeToken(text: string): boolean {
  return (
    text.length >= 16 &&
    /[0-9]/.test(text) &&
    /[A-Za-z]/.test(text) &&
    looksLikePassword(text) &&
    entropyOf(text) >= 3
  )
}
