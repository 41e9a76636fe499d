/**
 * What a record is listed under in the map, and the keys of these terms (spec/completeness.md). Which terms a record has
 * follows from its leaf alone, so that whoever has the entries can make the map again.
 */
import { sha256 } from '#sha256'
import { equal, utf8 } from '../bytes.ts'
import { CairnError, malformed } from '../errors.ts'
import { parseRecord, type RecordLeaf } from './record.ts'
import { line, NAME, PSEUDONYM, UUID_V7, type ValueType } from './record-values.ts'

/** Each field with the byte that stands for it in keys. */
const FIELDS = { request: 1, session: 2, subject: 3, actor: 4, record: 5 } as const

export type TermField = keyof typeof FIELDS

/** What records are listed under. */
export interface MapTerm {
  readonly tenant: string
  /** `record`: the record of this id, and those that correct it. */
  readonly field: TermField
  /** Of `subject` and `actor` a pseudonym. */
  readonly value: string
}

const VALUES: Readonly<Record<TermField, ValueType>> = {
  request: line(256),
  session: line(256),
  subject: PSEUDONYM,
  actor: PSEUDONYM,
  record: UUID_V7,
}

/** @throws MALFORMED unless a record can have the term */
export function checkTerm({ tenant, field, value }: MapTerm): void {
  if (!NAME.holds(tenant)) throw malformed(`the tenant of a term is ${NAME.expected}`)
  if (!Object.hasOwn(VALUES, field)) throw malformed(`no records are listed by ${field}`)
  if (!VALUES[field].holds(value))
    throw malformed(`the ${field} of a term is ${VALUES[field].expected}`)
}

type Listed = Pick<
  RecordLeaf,
  'id' | 'tenant' | 'request_id' | 'session_id' | 'subject' | 'actor' | 'corrects'
>

/** The terms of a record, each once. */
export function termsOf(record: Listed): MapTerm[] {
  const { id, tenant, request_id, session_id, subject, actor, corrects } = record
  const terms: MapTerm[] = [{ tenant, field: 'record', value: id }]
  if (corrects !== undefined && corrects !== id) {
    terms.push({ tenant, field: 'record', value: corrects })
  }
  if (request_id !== undefined) terms.push({ tenant, field: 'request', value: request_id })
  if (session_id !== undefined) terms.push({ tenant, field: 'session', value: session_id })
  if (subject !== undefined) terms.push({ tenant, field: 'subject', value: subject })
  if (actor !== undefined) terms.push({ tenant, field: 'actor', value: actor })
  return terms
}

const OPENING = 0x7b
/** How canonical JSON of a record ends: no member is sorted behind its version. */
const ENDING = utf8('"version":"cairn-record/v1"}')

/** Whether a leaf can be a record, by how it begins and ends: most others are told by that. */
export function mayBeRecord(leaf: Uint8Array): boolean {
  return leaf[0] === OPENING && equal(leaf.subarray(-ENDING.length), ENDING)
}

/**
 * The record that a leaf is, or undefined when it is none. Whoever made it: a copy, or what somebody submitted as a leaf,
 * is listed as well.
 */
export function listedRecord(leaf: Uint8Array): RecordLeaf | undefined {
  if (!mayBeRecord(leaf)) return undefined
  try {
    return parseRecord(leaf)
  } catch (error) {
    if (error instanceof CairnError) return undefined
    throw error
  }
}

/** Bytes of the key of a map. */
export const MAP_KEY_SIZE = 32

/** UTF-16 units of a tenant and a value, and three bytes at the most for each. */
const MAX_TERM = 64 + 2 * 256
const encoder = new TextEncoder()
const message = new Uint8Array(3 + MAP_KEY_SIZE + 3 * MAX_TERM)
message[0] = 5
const textOf = message.subarray(3 + MAP_KEY_SIZE)

/** SHA-256(0x05 ‖ key of the map ‖ field ‖ length of tenant ‖ tenant ‖ value): 32 bytes. The term must be one. */
export function termKey(mapKey: Uint8Array, { tenant, field, value }: MapTerm): Uint8Array {
  if (mapKey.length !== MAP_KEY_SIZE) {
    throw new RangeError(`expected the key of a map, ${MAP_KEY_SIZE} bytes`)
  }
  const text = tenant + value
  if (text.length > MAX_TERM) throw new RangeError('expected a term of a record')
  message.set(mapKey, 1)
  message[1 + MAP_KEY_SIZE] = FIELDS[field]
  // A tenant is ASCII.
  message[2 + MAP_KEY_SIZE] = tenant.length
  const { written } = encoder.encodeInto(text, textOf)
  return sha256(message.subarray(0, 3 + MAP_KEY_SIZE + written))
}
