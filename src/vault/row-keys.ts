/**
 * The rows of the vault, and their keys; row-values.ts has the values. Among the keys:
 *
 *   'h'                                      header       1 ‖ id length[1] ‖ master key id ‖ wrapped key, of no use but to tell a wrong master key
 *   't' tenant[16]                           tenant       1 ‖ id length[1] ‖ master key id ‖ name length[1] ‖ name ‖ wrapped tenant key
 *   's' tenant[16] pseudonym[16]             subject      1 ‖ 1 ‖ sealed data key[60] ‖ sealed person      or, erased: 1 ‖ 2 ‖ sealed (time[8] ‖ records[8])
 *   'l' tenant[16] lookup[32]                link         1 ‖ sealed pseudonym[44]
 *   's' tenant[16] pseudonym[16] record[16] part[1]   record key, of hers or his   1 ‖ 1 ‖ sealed key[60]    or, erased: 1 ‖ 2 ‖ sealed time[8]
 *   'r' tenant[16] record[16] part[1]        record key of nobody's                the same
 *   'e' tenant[16] kind[1] id[16]            erasure      1 ‖ stage[1]
 *
 * and among the payloads:
 *
 *   'p' record[16] tenant[16] part[1]        payload      1 ‖ state[1] ‖ parts[1] ‖ owner length[1] ‖ owner[0 or 16] ‖ sealed disclosures, none once dropped
 *
 * What is a person's stands together, so that it can be listed and destroyed together. Payloads stand in the order of
 * their records, which is that of time: what is written last belongs behind all others, and is never moved again.
 *
 * A value begins with the version of its form. Whether something is erased is said by what is sealed among the keys, so
 * that nobody who can only write to the disk can make it look erased; a payload's own state just says that its bytes
 * were dropped.
 */
import { concat } from '../bytes.ts'
import { CairnError } from '../errors.ts'
import { ID_SIZE } from './names.ts'

const HEADER = 0x68
const TENANT = 0x74
const SUBJECT = 0x73
const LINK = 0x6c
const RECORD_KEY = 0x72
const ERASURE = 0x65
const PAYLOAD = 0x70
const STAGED = 0x77

export type RowKind =
  | 'header'
  | 'tenant'
  | 'person'
  | 'link'
  | 'record key'
  | 'erasure'
  | 'payload'
  | 'staged'

const KINDS_OF_ROWS: ReadonlyMap<number | undefined, RowKind> = new Map([
  [HEADER, 'header'],
  [TENANT, 'tenant'],
  [SUBJECT, 'person'],
  [LINK, 'link'],
  [RECORD_KEY, 'record key'],
  [ERASURE, 'erasure'],
  [PAYLOAD, 'payload'],
  [STAGED, 'staged'],
])

/** What a row is for, or undefined when it is for nothing. */
export function kindOfRow(key: Uint8Array): RowKind | undefined {
  const kind = KINDS_OF_ROWS.get(key[0])
  return kind === 'person' && key.length > SUBJECT_KEY_SIZE ? 'record key' : kind
}

const SUBJECT_KEY_SIZE = 1 + 2 * ID_SIZE
const LOOKUP_SIZE = 32

export const HEADER_KEY: Uint8Array = Uint8Array.of(HEADER)
export const TENANTS: Uint8Array = Uint8Array.of(TENANT)
export const ERASURES: Uint8Array = Uint8Array.of(ERASURE)
export const STAGED_ROWS: Uint8Array = Uint8Array.of(STAGED)

export function tenantKey(tenant: Uint8Array): Uint8Array {
  return concat(TENANTS, tenant)
}

/** Of what is not decided yet (staging.ts). */
export function stagedKey(id: Uint8Array): Uint8Array {
  return concat(STAGED_ROWS, id)
}

export function subjectKey(tenant: Uint8Array, pseudonym: Uint8Array): Uint8Array {
  return concat(Uint8Array.of(SUBJECT), tenant, pseudonym)
}

export function linkKey(tenant: Uint8Array, lookup: Uint8Array): Uint8Array {
  return concat(Uint8Array.of(LINK), tenant, lookup)
}

/** All links of a tenant. */
export function linksOf(tenant: Uint8Array): Uint8Array {
  return concat(Uint8Array.of(LINK), tenant)
}

/** The key of a part of a record: among what is its owner's, if it has one. */
export function recordKeyKey({ tenant, owner, record, part }: PartPlace): Uint8Array {
  return owner === undefined
    ? concat(Uint8Array.of(RECORD_KEY), tenant, record, Uint8Array.of(part))
    : concat(Uint8Array.of(SUBJECT), tenant, owner, record, Uint8Array.of(part))
}

/** All keys of records that are a person's; the person's own row is the first of them. */
export function ownedBy(tenant: Uint8Array, pseudonym: Uint8Array): Uint8Array {
  return subjectKey(tenant, pseudonym)
}

export function payloadKey(tenant: Uint8Array, record: Uint8Array, part: number): Uint8Array {
  return concat(Uint8Array.of(PAYLOAD), record, tenant, Uint8Array.of(part))
}

/** What is being erased. */
export interface Erasure {
  /** Beside people and records, the keys that were wrapped by an older master key. */
  readonly kind: 'subject' | 'record' | 'wrapped keys'
  readonly tenant: Uint8Array
  /** The pseudonym, or the record's id. */
  readonly id: Uint8Array
}

const KINDS = { subject: SUBJECT, record: RECORD_KEY, 'wrapped keys': HEADER } as const
const KIND_NAMES = ['subject', 'record', 'wrapped keys'] as const
const NOBODY = new Uint8Array(ID_SIZE)

/** The erasure of all keys as an older master key wrapped them. */
export const WRAPPED_KEYS: Erasure = { kind: 'wrapped keys', tenant: NOBODY, id: NOBODY }

export function erasureKey({ kind, tenant, id }: Erasure): Uint8Array {
  return concat(ERASURES, tenant, Uint8Array.of(KINDS[kind]), id)
}

/** That a part of the vault is damaged. */
export function corrupt(what: string): CairnError {
  return new CairnError(
    'CORRUPT',
    `the vault's ${what} cannot be read; keep a copy of the vault and restore a backup`,
  )
}

/** Takes the bytes after a prefix of one byte apart. @throws CORRUPT unless they are as many as the sizes say */
function split(key: Uint8Array, what: string, ...sizes: readonly number[]): Uint8Array[] {
  let at = 1
  const parts = sizes.map((size) => {
    at += size
    return key.slice(at - size, at)
  })
  if (at !== key.length) throw corrupt(`key of ${what}`)
  return parts
}

/** The parts of a row's key of each kind. @throws CORRUPT */
export function parseSubjectKey(key: Uint8Array): { tenant: Uint8Array; pseudonym: Uint8Array } {
  const [tenant, pseudonym] = split(key, 'a person', ID_SIZE, ID_SIZE)
  return { tenant: tenant!, pseudonym: pseudonym! }
}

export function parseTenantKey(key: Uint8Array): Uint8Array {
  return split(key, 'a tenant', ID_SIZE)[0]!
}

export function parseLinkKey(key: Uint8Array): { tenant: Uint8Array; lookup: Uint8Array } {
  const [tenant, lookup] = split(key, 'a link', ID_SIZE, LOOKUP_SIZE)
  return { tenant: tenant!, lookup: lookup! }
}

/** Which part of which record of which tenant, and whose. */
export interface PartPlace {
  readonly tenant: Uint8Array
  readonly owner: Uint8Array | undefined
  readonly record: Uint8Array
  readonly part: number
}

export function parseRecordKeyKey(key: Uint8Array): PartPlace {
  if (key[0] === SUBJECT) {
    const [tenant, owner, record, part] = split(key, 'a record', ID_SIZE, ID_SIZE, ID_SIZE, 1)
    return { tenant: tenant!, owner: owner!, record: record!, part: part![0]! }
  }
  const [tenant, record, part] = split(key, 'a record', ID_SIZE, ID_SIZE, 1)
  return { tenant: tenant!, owner: undefined, record: record!, part: part![0]! }
}

export function parsePayloadKey(key: Uint8Array): Omit<PartPlace, 'owner'> {
  const [record, tenant, part] = split(key, 'a payload', ID_SIZE, ID_SIZE, 1)
  return { tenant: tenant!, record: record!, part: part![0]! }
}

export function parseErasureKey(key: Uint8Array): Erasure {
  const [tenant, kind, id] = split(key, 'an erasure', ID_SIZE, 1, ID_SIZE)
  const name = KIND_NAMES.find((one) => KINDS[one] === kind![0])
  if (name === undefined) throw corrupt('key of an erasure')
  return { kind: name, tenant: tenant!, id: id! }
}
