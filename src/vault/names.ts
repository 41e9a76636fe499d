/** The names that the vault is called with, and the bytes it knows them by. Each has one spelling. */
import { createHash } from 'node:crypto'
import { fromBase64Url, fromHex, toBase64Url, toHex, utf8 } from '../bytes.ts'
import { malformed } from '../errors.ts'

/** Bytes of a pseudonym, a record's id, and what stands for a tenant in keys of rows. */
export const ID_SIZE = 16

const MAX_TENANT = 255
const MAX_PERSON = 4_096

/** A pseudonym in text: `p_` and 22 letters of base64url. */
export function formatPseudonym(bytes: Uint8Array): string {
  return `p_${toBase64Url(bytes)}`
}

/** @throws MALFORMED on anything that formatPseudonym would not give */
export function parsePseudonym(text: string): Uint8Array {
  if (!/^p_[A-Za-z0-9_-]{22}$/.test(text)) {
    throw malformed('a pseudonym is p_ and 22 letters of base64url')
  }
  return fromBase64Url(text.slice(2), 'the pseudonym')
}

export function formatRecordId(bytes: Uint8Array): string {
  return toHex(bytes).replace(/^(.{8})(.{4})(.{4})(.{4})(.{12})$/, '$1-$2-$3-$4-$5')
}

/** @throws MALFORMED unless it is a UUID in lower case */
export function parseRecordId(text: string): Uint8Array {
  if (!/^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/.test(text)) {
    throw malformed('the id of a record is a UUID in lower case')
  }
  return fromHex(text.replaceAll('-', ''))
}

/** The UTF-8 of a tenant's name. @throws MALFORMED */
export function tenantBytes(tenant: string): Uint8Array {
  return nameBytes(tenant, 'the name of a tenant', MAX_TENANT)
}

/**
 * What stands for a tenant in keys of rows: half of a SHA-256. Whoever found two names with one half could not read
 * across them, since all that is sealed is bound to the whole name.
 */
export function tenantId(name: Uint8Array): Uint8Array {
  return new Uint8Array(createHash('sha256').update(name).digest().subarray(0, ID_SIZE))
}

/** The UTF-8 of what a person is known by. @throws MALFORMED */
export function personBytes(person: string): Uint8Array {
  return nameBytes(person, 'a person', MAX_PERSON)
}

/** Without lone surrogates, which would all become one and the same character. */
function nameBytes(text: string, what: string, most: number): Uint8Array {
  if (/\p{Surrogate}/u.test(text)) throw malformed(`${what} has half of a character (a surrogate)`)
  const bytes = utf8(text)
  if (bytes.length === 0 || bytes.length > most) {
    throw malformed(`${what} has ${bytes.length} bytes; it must have 1 to ${most}`)
  }
  return bytes
}
