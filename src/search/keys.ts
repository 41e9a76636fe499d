/**
 * The keys of the search index. The first byte says what a key is for, and all that belongs to one tenant but its rows
 * is under its own 16 bytes of SHA-256. Numbers are big-endian, so that the order of keys is the order of the log:
 *
 *   'c' tenant[16] segment[6]                           → costs of the tenant's records (columns.ts)
 *   'd' tenant[16]                                      → nothing: what was dropped of it is yet to be purged
 *   'l' tenant[16] step[2] segment[6]                   → records of nearly the same cost, with it (cost-ladder.ts)
 *   'n' tenant[16] segment[6]                           → positions of the records that do not say what they cost
 *   'p' tenant[16] field[1] value hash[8] segment[6]    → positions of the records that have that value (positions.ts)
 *   'r' index[7]                                        → the row of a record (record-row.ts)
 *   's' segment[6]                                      → earliest and latest time of all its records
 *   't' tenant[16] segment[6]                           → times of the tenant's records (columns.ts)
 *   'u' tenant[16] segment[6]                           → all records of the tenant (columns.ts)
 *   ff                                                  → how far the index is (state.ts); the last key of all
 *
 * A segment is 4,096 indices. The 8 bytes of a value's hash may be those of another value too, so what is found by them
 * is compared with its row.
 */
import { sha256 } from '#sha256'
import { utf8 } from '../bytes.ts'
import type { KeyRange } from '../storage/index-port.ts'
import { FIELD_CODES, type Field, type Term } from './terms.ts'

const COSTS = 0x63
const DROPPED = 0x64
const LADDER = 0x6c
const UNPRICED = 0x6e
const POSTINGS = 0x70
const ROW = 0x72
const SEGMENT = 0x73
const TIMES = 0x74
const SPAN = 0x75

export const STATE_KEY: Uint8Array = Uint8Array.of(0xff)

const TENANT_BYTES = 16
const VALUE_BYTES = 8
const STEP_BYTES = 2
export const SEGMENT_BYTES = 6
export const INDEX_BYTES = 7

/** What stands for a tenant in keys. */
export type TenantId = Uint8Array

export function tenantId(tenant: string): TenantId {
  return sha256(utf8(tenant)).slice(0, TENANT_BYTES)
}

/** A key without its segment. */
export type Prefix = Uint8Array

export function spanPrefix(tenant: TenantId): Prefix {
  return tenantPrefix(SPAN, tenant)
}

export function timesPrefix(tenant: TenantId): Prefix {
  return tenantPrefix(TIMES, tenant)
}

export function costsPrefix(tenant: TenantId): Prefix {
  return tenantPrefix(COSTS, tenant)
}

export function unpricedPrefix(tenant: TenantId): Prefix {
  return tenantPrefix(UNPRICED, tenant)
}

export function ladderPrefix(tenant: TenantId, step: number): Prefix {
  const out = new Uint8Array(1 + TENANT_BYTES + STEP_BYTES)
  out[0] = LADDER
  out.set(tenant, 1)
  writeNumber(out, 1 + TENANT_BYTES, STEP_BYTES, step)
  return out
}

/** All segments of the steps from `lowest` to `highest`. */
export function ladderRange(tenant: TenantId, lowest: number, highest: number): KeyRange {
  return { gte: ladderPrefix(tenant, lowest), lt: ladderPrefix(tenant, highest + 1) }
}

/** The step that a key of the ladder is of. */
export function stepOfKey(key: Uint8Array): number {
  return readNumber(key, 1 + TENANT_BYTES, STEP_BYTES)
}

export function postingsPrefix(tenant: TenantId, { field, value }: Term): Prefix {
  const out = new Uint8Array(2 + TENANT_BYTES + VALUE_BYTES)
  out[0] = POSTINGS
  out.set(tenant, 1)
  out[1 + TENANT_BYTES] = FIELD_CODES[field]
  out.set(sha256(utf8(value)).subarray(0, VALUE_BYTES), 2 + TENANT_BYTES)
  return out
}

/** The key that says that something of a tenant is yet to be purged. */
export function droppedKey(tenant: TenantId): Uint8Array {
  return tenantPrefix(DROPPED, tenant)
}

export const DROPPED_RANGE: KeyRange = {
  gte: Uint8Array.of(DROPPED),
  lt: Uint8Array.of(DROPPED + 1),
}

/** The tenant that such a key is of. */
export function tenantOfDropped(key: Uint8Array): TenantId {
  return key.slice(1)
}

export const SEGMENTS_PREFIX: Prefix = Uint8Array.of(SEGMENT)

/** The key of a prefix in one segment. */
export function inSegment(prefix: Prefix, segment: number): Uint8Array {
  const out = new Uint8Array(prefix.length + SEGMENT_BYTES)
  out.set(prefix)
  writeNumber(out, prefix.length, SEGMENT_BYTES, segment)
  return out
}

/** The keys of a prefix in the segments from `first` to `last`. */
export function inSegments(prefix: Prefix, first: number, last: number): KeyRange {
  return { gte: inSegment(prefix, first), lt: inSegment(prefix, last + 1) }
}

/** The segment that a key is of. */
export function segmentOf(key: Uint8Array): number {
  return readNumber(key, key.length - SEGMENT_BYTES, SEGMENT_BYTES)
}

export function rowKey(index: number): Uint8Array {
  const out = new Uint8Array(1 + INDEX_BYTES)
  out[0] = ROW
  writeNumber(out, 1, INDEX_BYTES, index)
  return out
}

/** The rows from an index on and before another. */
export function rowRange(from: number, to: number): KeyRange {
  return { gte: rowKey(from), lt: rowKey(to) }
}

/** The index that the key of a row is of. */
export function indexOfRow(key: Uint8Array): number {
  return readNumber(key, 1, INDEX_BYTES)
}

/** All postings of a tenant's field. */
export function fieldRange(tenant: TenantId, field: Field): KeyRange {
  const gte = new Uint8Array(2 + TENANT_BYTES)
  gte[0] = POSTINGS
  gte.set(tenant, 1)
  gte[1 + TENANT_BYTES] = FIELD_CODES[field]
  const lt = gte.slice()
  lt[1 + TENANT_BYTES]! += 1
  return { gte, lt }
}

function tenantPrefix(kind: number, tenant: TenantId): Prefix {
  const out = new Uint8Array(1 + TENANT_BYTES)
  out[0] = kind
  out.set(tenant, 1)
  return out
}

export function writeNumber(out: Uint8Array, at: number, bytes: number, value: number): void {
  let rest = value
  for (let i = at + bytes - 1; i >= at; i--) {
    out[i] = rest % 256
    rest = Math.floor(rest / 256)
  }
}

export function readNumber(bytes: Uint8Array, at: number, count: number): number {
  let value = 0
  for (let i = at; i < at + count; i++) value = value * 256 + (bytes[i] ?? 0)
  return value
}
