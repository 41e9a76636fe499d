/**
 * Disclosures in the way of SD-JWT (RFC 9901 section 4.2.1): a member of a record, with a salt that makes its hash say
 * nothing to whoever does not have it. The disclosure is the base64url text of a JSON array
 *
 *     ["<salt: base64url of 16 random bytes>","<JSON Pointer of the member>",<value>]
 *
 * and the record commits to base64url(SHA-256(that text)). Where RFC 9901 has a claim's name, here is the member's
 * pointer; and the array is canonical JSON (RFC 8785), so that a disclosure has one spelling.
 */
import { sha256 } from '#sha256'
import { base64UrlBytes, fromBase64Url, fromUtf8, toBase64Url, utf8 } from '../bytes.ts'
import { CairnError, malformed } from '../errors.ts'
import { canonicalJson } from './canonical-json.ts'
import { type JsonValue, parseJson } from './json-strict.ts'
import { MAX_RECORD_DEPTH, MAX_SUBMISSION_SIZE } from './record-members.ts'

/** Random bytes in the salt of each disclosure. */
export const SALT_SIZE = 16
/** The largest disclosure in bytes of JSON: the value alone may be as large as a submission. */
export const MAX_DISCLOSURE_SIZE: number = MAX_SUBMISSION_SIZE + 1024

/** What opens one commitment of a record. Secret: it is the payload. */
export interface Disclosure {
  /** Where the value stood in the submission. */
  readonly pointer: string
  /** UTF-8 of the canonical array [salt, pointer, value]; formatDisclosure gives the text that is hashed. */
  readonly json: Uint8Array
}

/** A disclosure that was read to its end. */
export interface OpenedDisclosure extends Disclosure {
  /** Base64url. */
  readonly salt: string
  readonly value: JsonValue
}

/**
 * The disclosure of a value.
 * @throws RangeError unless the salt has 16 bytes
 * @throws MALFORMED when the value is not of JSON
 * @throws TOO_LARGE beyond MAX_DISCLOSURE_SIZE
 */
export function makeDisclosure(pointer: string, value: JsonValue, salt: Uint8Array): Disclosure {
  if (salt.length !== SALT_SIZE) {
    throw new RangeError(`expected a salt of ${SALT_SIZE} bytes, got ${salt.length}`)
  }
  const json = utf8(canonicalJson([toBase64Url(salt), pointer, value]))
  checkSize(json, pointer)
  return { pointer, json }
}

function checkSize(json: Uint8Array, pointer: string): void {
  if (json.length > MAX_DISCLOSURE_SIZE) {
    const message = `${pointer}: a disclosure has ${MAX_DISCLOSURE_SIZE} bytes at most`
    throw new CairnError('TOO_LARGE', message)
  }
}

/** SHA-256 of the disclosure's text, 32 bytes. */
export function disclosureDigest(disclosure: Pick<Disclosure, 'json'>): Uint8Array {
  return sha256(base64UrlBytes(disclosure.json))
}

/** The text of a disclosure: what SD-JWT calls the Disclosure, and what `sha256sum` is given. */
export function formatDisclosure(disclosure: Pick<Disclosure, 'json'>): string {
  return toBase64Url(disclosure.json)
}

/** The longest head of a disclosure: salt and pointer. Pointers of committed members are short, and have no escapes. */
const HEAD = /^\["([A-Za-z0-9_-]{21}[AQgw])","(\/[!#-[\]-~]{0,255})",/

/**
 * A disclosure of its JSON, of which only the beginning is read: for one's own, as they come out of storage.
 * @throws MALFORMED when it does not begin like one
 * @throws TOO_LARGE beyond MAX_DISCLOSURE_SIZE
 */
export function disclosureOf(json: Uint8Array): Disclosure {
  const head = HEAD.exec(String.fromCharCode(...json.subarray(0, 320)))
  const pointer = head?.[2]
  if (pointer === undefined) throw malformed('a disclosure is an array of salt, pointer and value')
  checkSize(json, pointer)
  return { pointer, json }
}

/**
 * Reads a disclosure to its end.
 * @throws MALFORMED on anything that makeDisclosure would not make
 * @throws TOO_LARGE beyond MAX_DISCLOSURE_SIZE
 */
export function openDisclosure({ json }: Pick<Disclosure, 'json'>): OpenedDisclosure {
  const { pointer } = disclosureOf(json)
  const text = fromUtf8(json, 'the disclosure')
  // Beside the array itself, what is under /extra stands in an object of its own.
  const limits = { size: MAX_DISCLOSURE_SIZE, depth: MAX_RECORD_DEPTH + 1 }
  const array = parseJson(text, limits)
  if (!Array.isArray(array) || array.length !== 3) {
    throw malformed(`${pointer}: a disclosure is an array of salt, pointer and value`)
  }
  const [salt, , value] = array as [string, string, JsonValue]
  if (canonicalJson(array) !== text) {
    throw malformed(`${pointer}: the disclosure is not canonical JSON (RFC 8785)`)
  }
  return { pointer, json, salt, value }
}

/**
 * Reads the text of a disclosure.
 * @throws MALFORMED on anything that formatDisclosure would not give
 * @throws TOO_LARGE beyond MAX_DISCLOSURE_SIZE
 */
export function parseDisclosure(text: string): OpenedDisclosure {
  if (text.length > Math.ceil((MAX_DISCLOSURE_SIZE * 4) / 3)) {
    throw new CairnError('TOO_LARGE', `a disclosure has ${MAX_DISCLOSURE_SIZE} bytes at most`)
  }
  return openDisclosure({ json: fromBase64Url(text, 'the disclosure') })
}
