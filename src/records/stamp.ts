/**
 * Which leaves are records: those that this log has made of submissions, and not what somebody has made to look like
 * one, and submitted as a leaf. The id of a record tells, a UUID of version 7 (RFC 9562 section 5.7):
 *
 *   unix_ts_ms   the record's time
 *   rand_a       how many records this millisecond had before
 *   rand_b       62 bits of HMAC-SHA-256, under a key of the tenant in the vault, of the leaf with zeros in their place
 *
 * To whoever lacks the key they are as random as the standard wants them, and to write a leaf that has the right ones
 * takes 2^61 leaves on average, each of which goes through the log. Nothing has to be stored for it, so it holds for an
 * index that is built anew, after an erasure, and for leaves that were planted before there were any records.
 */
import { timingSafeEqual } from 'node:crypto'
import { toHex } from '../bytes.ts'
import type { RecordLeaf } from '../formats/record.ts'
import { UUID_V7 } from '../formats/record-values.ts'
import type { Vault } from '../vault/vault.ts'
import type { RecordTime } from './record-clock.ts'

/** The last two groups of an id before they are known. */
const BLANK = '8000-000000000000'
const LABEL = 'record'

/** The id of a record that is not stamped yet. */
export function blankId({ time, counter }: RecordTime): string {
  const digits = time.toString(16).padStart(12, '0')
  const count = counter.toString(16).padStart(3, '0')
  return `${digits.slice(0, 8)}-${digits.slice(8)}-7${count}-${BLANK}`
}

/** Puts the stamp into a leaf that has a blank id, and gives the id. @throws what the vault throws */
export async function stamp(
  vault: Vault,
  tenant: string,
  leaf: Uint8Array,
  blank: string,
): Promise<string> {
  const tail = tailOf(await vault.blind(tenant, LABEL, leaf))
  writeTail(leaf, blank, tail)
  return blank.slice(0, -BLANK.length) + tail
}

/**
 * The record that a leaf is, or undefined when this log has made no record of these bytes. The vault vouches for all of
 * them, so that they need not be checked member by member.
 * @throws CORRUPT, IO
 */
export async function stampedRecord(
  vault: Vault,
  leaf: Uint8Array,
): Promise<RecordLeaf | undefined> {
  const record = claimedRecord(leaf)
  if (record === undefined) return undefined
  const { id, tenant } = record
  const blanked = leaf.slice()
  const tail = id.slice(-BLANK.length)
  if (!writeTail(blanked, id, BLANK)) return undefined
  const code = await vault.knownBlind(tenant, LABEL, blanked)
  const isOurs = code !== undefined && timingSafeEqual(Buffer.from(tailOf(code)), Buffer.from(tail))
  return isOurs ? record : undefined
}

const OPENING = 0x7b
const VERSION_MEMBER = Buffer.from('"version":"cairn-record/v1"}')

/** What a leaf says of itself, if it is anything like a record. Most other leaves are told by their last bytes. */
function claimedRecord(leaf: Uint8Array): RecordLeaf | undefined {
  const end = leaf.length - VERSION_MEMBER.length
  if (leaf[0] !== OPENING || end < 0 || VERSION_MEMBER.compare(leaf, end) !== 0) return undefined
  try {
    const value: unknown = JSON.parse(bufferOf(leaf).toString('utf8'))
    return isClaim(value) ? (value as RecordLeaf) : undefined
  } catch {
    return undefined
  }
}

function isClaim(value: unknown): boolean {
  if (typeof value !== 'object' || value === null) return false
  const { id, tenant } = value as { readonly id?: unknown; readonly tenant?: unknown }
  const hasTenant = typeof tenant === 'string' && /^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$/.test(tenant)
  return hasTenant && typeof id === 'string' && UUID_V7.holds(id)
}

/**
 * Replaces the last two groups of the id in a leaf. The quotes tell the member from any text: inside of a string they
 * would stand behind backslashes. No other member `id` is spelled alike before it: those of tool calls come later.
 */
function writeTail(leaf: Uint8Array, id: string, tail: string): boolean {
  const at = bufferOf(leaf).indexOf(`"id":"${id}"`)
  if (at === -1) return false
  bufferOf(leaf).write(tail, at + '"id":"'.length + id.length - tail.length, 'latin1')
  return true
}

/** 62 bits of a code behind the variant of RFC 9562. */
function tailOf(code: Uint8Array): string {
  const bytes = code.slice(0, 8)
  bytes[0] = (bytes[0]! & 0x3f) | 0x80
  const digits = toHex(bytes)
  return `${digits.slice(0, 4)}-${digits.slice(4)}`
}

function bufferOf(bytes: Uint8Array): Buffer {
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length)
}
