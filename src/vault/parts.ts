/**
 * What the vault keeps of a record: one part for each owner, which is a person, or nobody. A part has a key of its own,
 * so that one record can be erased; that key is sealed with its owner's, so that a person can be erased at once.
 */
import type { KeyObject } from 'node:crypto'
import { CairnError } from '../errors.ts'
import { type Disclosure, disclosureOf } from '../formats/disclosure.ts'
import { formatRecordId } from './names.ts'
import { contextFor, KEY_SIZE, random, seal, unseal, unsealKey } from './sealing.ts'
import type { Tenant } from './tenants.ts'

/** The largest part in bytes: more than the largest record can bring. */
const MAX_PART_SIZE: number = 16 * 2 ** 20
export const MAX_PARTS = 16

/** Which part of which record, and whose. */
export interface PartName {
  readonly tenant: Tenant
  readonly record: Uint8Array
  readonly part: number
  readonly parts: number
  readonly owner: Uint8Array | undefined
}

export interface SealedPart {
  /** The part's key, sealed with its owner's. */
  readonly key: Uint8Array
  /** The disclosures, sealed with the part's key. */
  readonly disclosures: Uint8Array
}

const NOBODY = new Uint8Array()

/** @throws TOO_LARGE */
export function sealPart(
  name: PartName,
  ownerKey: KeyObject,
  disclosures: readonly Disclosure[],
): SealedPart {
  const key = random(KEY_SIZE)
  const sealed = {
    key: seal(ownerKey, key, contextOf(keyContext, name)),
    disclosures: seal(key, pack(disclosures), contextOf(disclosuresContext, name)),
  }
  key.fill(0)
  return sealed
}

/** @throws CORRUPT when it was not sealed as this part */
export function unsealPart(name: PartName, ownerKey: KeyObject, sealed: SealedPart): Disclosure[] {
  const key = unsealKey(ownerKey, sealed.key, contextOf(keyContext, name))
  if (key === undefined) throw damaged('key', name)
  const packed = unseal(key, sealed.disclosures, contextOf(disclosuresContext, name))
  key.fill(0)
  if (packed === undefined) throw damaged('payload', name)
  return unpack(packed, name)
}

/** The note that takes the place of an erased part's key. */
export function sealErasedPart(name: PartId, time: Uint8Array): Uint8Array {
  return seal(name.tenant.sealing, time, erasedContext(name))
}

/** The time in such a note. @throws CORRUPT when it was not the vault that erased the part */
export function unsealErasedPart(name: PartId, note: Uint8Array): Uint8Array {
  const time = unseal(name.tenant.sealing, note, erasedContext(name))
  if (time === undefined) throw damaged('note of the erasure', name)
  return time
}

type PartId = Pick<PartName, 'tenant' | 'record' | 'part'>

const keyContext = contextFor('key of a record')
const disclosuresContext = contextFor('disclosures')
const erasedPartContext = contextFor('erased record')

function contextOf(
  context: ReturnType<typeof contextFor>,
  { tenant, record, part, parts, owner = NOBODY }: PartName,
): Uint8Array {
  return context(tenant.name, record, Uint8Array.of(part, parts), owner)
}

function erasedContext({ tenant, record, part }: PartId): Uint8Array {
  return erasedPartContext(tenant.name, record, Uint8Array.of(part))
}

/** Disclosures in one piece: (length[4] ‖ JSON)… @throws TOO_LARGE */
function pack(disclosures: readonly Disclosure[]): Uint8Array {
  const size = disclosures.reduce((sum, { json }) => sum + 4 + json.length, 0)
  if (size > MAX_PART_SIZE) {
    throw new CairnError(
      'TOO_LARGE',
      `the disclosures of a record have ${size} bytes; the vault takes ${MAX_PART_SIZE} at most`,
    )
  }
  const out = new Uint8Array(size)
  const view = new DataView(out.buffer)
  let at = 0
  for (const { json } of disclosures) {
    view.setUint32(at, json.length)
    out.set(json, at + 4)
    at += 4 + json.length
  }
  return out
}

/** @throws CORRUPT */
function unpack(packed: Uint8Array, name: PartId): Disclosure[] {
  const view = new DataView(packed.buffer, packed.byteOffset, packed.length)
  const disclosures: Disclosure[] = []
  for (let at = 0; at < packed.length; ) {
    const from = at + 4
    const end = from <= packed.length ? from + view.getUint32(at) : from
    if (end > packed.length) throw damaged('payload', name)
    disclosures.push(disclosureOf(packed.slice(from, end)))
    at = end
  }
  return disclosures
}

function damaged(what: string, { record }: Pick<PartId, 'record'>): CairnError {
  return new CairnError(
    'CORRUPT',
    `the ${what} of ${formatRecordId(record)} in the vault is damaged or was moved from elsewhere; keep a copy of the vault and restore a backup`,
  )
}
