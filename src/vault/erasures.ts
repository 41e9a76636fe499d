/**
 * Erasing people and records, in steps that a process may die between:
 *
 *   1. One synced write among the keys: the note that something was erased takes the place of the key, the link to a
 *      person is deleted, and a row says that an erasure is under way. Before it all is there; after it, it is erased.
 *   2. The storage sees to it that the bytes are gone, and the row says so.
 *   3. The payloads, which nobody can read any more, are dropped; so are the keys of records that a person's key sealed.
 *   4. The row is deleted.
 *
 * Whatever was begun is finished when the vault is opened next.
 */
import { equal, u64 } from '../bytes.ts'
import { CairnError } from '../errors.ts'
import type { VaultChange, VaultStore } from '../storage/vault-port.ts'
import { formatPseudonym, formatRecordId } from './names.ts'
import { sealErasedPart, unsealErasedPart } from './parts.ts'
import type { People } from './people.ts'
import {
  ERASURES,
  type Erasure,
  erasureKey,
  kindOfRow,
  linkKey,
  ownedBy,
  type PartPlace,
  parseErasureKey,
  parseRecordKeyKey,
  payloadKey,
  recordKeyKey,
  subjectKey,
} from './row-keys.ts'
import {
  decodeErasureStage,
  decodePayload,
  decodeRecordKey,
  decodeSubject,
  encodeErasureStage,
  encodePayload,
  encodeRecordKey,
  type StoredPayload,
} from './row-values.ts'
import type { Tenant } from './tenants.ts'

/** Payloads that are dropped in one write, and how many of them, which may be large, are in memory at once. */
const AT_ONCE = 1_000
const READ_AT_ONCE = 16

export interface Erased {
  /** Records that lost something by it. */
  readonly records: number
}

type Destruction = Exclude<VaultChange, { kind: 'create' }>

export class Erasures {
  readonly #store: VaultStore
  readonly #people: People
  readonly #now: () => number

  constructor(store: VaultStore, people: People, now: () => number) {
    this.#store = store
    this.#people = people
    this.#now = now
  }

  /** Finishes what was begun. @throws CORRUPT, DISK_FULL, IO */
  async finish(): Promise<void> {
    const begun: { erasure: Erasure; isScrubbed: boolean }[] = []
    for await (const { key, value } of this.#store.keys.list(ERASURES)) {
      const isScrubbed = decodeErasureStage(value) === 'drop'
      begun.push({ erasure: parseErasureKey(key), isScrubbed })
    }
    // What the bytes were that must go is known no more, so all of the storage is gone over.
    if (begun.some(({ isScrubbed }) => !isScrubbed)) await this.#store.keys.scrub()
    for (const { erasure } of begun) await this.#end(erasure)
  }

  /**
   * Erases a person: their key, and with it all that it sealed, and what leads to them. Once more does nothing, and
   * gives the same answer.
   * @throws NOT_FOUND when there is no such pseudonym; DISK_FULL, IO
   */
  async person(tenant: Tenant, pseudonym: Uint8Array): Promise<Erased> {
    const { keys } = this.#store
    const erasure: Erasure = { kind: 'subject', tenant: tenant.id, id: pseudonym }
    const key = subjectKey(tenant.id, pseudonym)
    const [value, begun] = await keys.get([key, erasureKey(erasure)])
    if (value === undefined) {
      throw new CairnError('NOT_FOUND', `nobody is known as ${formatPseudonym(pseudonym)}`)
    }
    const before = this.#erasedBefore(tenant, pseudonym, value)
    if (before !== undefined) {
      if (begun !== undefined) await this.finish()
      return before
    }
    const links = await this.#people.links(tenant, pseudonym, value)
    const records = await this.#countOwned(tenant, pseudonym)
    const note = this.#people.sealErased(tenant, pseudonym, { time: this.#now(), records })
    await this.#destroy(
      erasure,
      [
        { kind: 'put', key, value: note },
        ...links.map(({ lookup }): Destruction => {
          return { kind: 'delete', key: linkKey(tenant.id, lookup) }
        }),
      ],
      [value, ...links.flatMap((link) => [link.lookup, link.value])],
    )
    return { records }
  }

  /**
   * Erases a record, whosever it is. Once more does nothing.
   * @throws NOT_FOUND when there is no such record; CORRUPT, DISK_FULL, IO
   */
  async record(tenant: Tenant, record: Uint8Array): Promise<Erased> {
    const { keys, payloads } = this.#store
    const erasure: Erasure = { kind: 'record', tenant: tenant.id, id: record }
    const [first] = await payloads.get([payloadKey(tenant.id, record, 0)])
    if (first === undefined) {
      throw new CairnError('NOT_FOUND', `the vault has nothing of ${formatRecordId(record)}`)
    }
    const parts = (await this.#partsOf(tenant.id, record, first)).map(({ place }) => place)
    const [begun, ...values] = await keys.get([erasureKey(erasure), ...parts.map(recordKeyKey)])
    const live = parts.flatMap((place, i) => {
      const value = values[i]
      // Gone with its owner, or erased before.
      if (value === undefined || this.#isErased(tenant, place, value)) return []
      return [{ place, value }]
    })
    if (live.length === 0) {
      if (begun !== undefined) await this.finish()
      return { records: 0 }
    }
    const time = u64(this.#now())
    await this.#destroy(
      erasure,
      live.map(({ place }) => {
        const seal = sealErasedPart({ ...place, tenant }, time)
        const value = encodeRecordKey({ state: 'erased', seal })
        return { kind: 'put', key: recordKeyKey(place), value }
      }),
      live.map(({ value }) => value),
    )
    return { records: 1 }
  }

  async #destroy(
    erasure: Erasure,
    changes: readonly Destruction[],
    values: readonly Uint8Array[],
  ): Promise<void> {
    const key = erasureKey(erasure)
    const begun = { kind: 'put', key, value: encodeErasureStage('scrub') } as const
    await this.#store.keys.destroy([...changes, begun], values.flatMap(tracesIn))
    await this.#store.keys.write([{ kind: 'put', key, value: encodeErasureStage('drop') }])
    await this.#end(erasure)
  }

  /** Drops what cannot be read any more, and the note that an erasure is under way. */
  async #end(erasure: Erasure): Promise<void> {
    if (erasure.kind === 'subject') await this.#dropOwned(erasure.tenant, erasure.id)
    else if (erasure.kind === 'record') await this.#dropRecord(erasure.tenant, erasure.id)
    await this.#store.keys.write([{ kind: 'delete', key: erasureKey(erasure) }])
  }

  async #dropOwned(tenant: Uint8Array, pseudonym: Uint8Array): Promise<void> {
    let places: PartPlace[] = []
    for await (const { key } of this.#store.keys.list(ownedBy(tenant, pseudonym))) {
      // The note that takes the place of the person's own key stays.
      if (kindOfRow(key) === 'record key') places.push(parseRecordKeyKey(key))
      if (places.length < AT_ONCE) continue
      await this.#drop(places)
      places = []
    }
    await this.#drop(places)
  }

  /** Drops parts and their keys. */
  async #drop(places: readonly PartPlace[]): Promise<void> {
    const { keys, payloads } = this.#store
    const changes: VaultChange[] = []
    for (let at = 0; at < places.length; at += READ_AT_ONCE) {
      const some = places.slice(at, at + READ_AT_ONCE)
      const values = await payloads.get(some.map(payloadKeyOf))
      for (const [i, value] of values.entries()) {
        // Of a put that was cut off there is a key only; and another may have been first with a payload.
        const drop = value && dropOf(some[i]!, decodePayload(value))
        if (drop !== undefined) changes.push(drop)
      }
    }
    await payloads.write(changes)
    // The keys last: by them the payloads are found, if this has to be done again.
    await keys.write(places.map((place) => ({ kind: 'delete', key: recordKeyKey(place) })))
  }

  async #dropRecord(tenant: Uint8Array, record: Uint8Array): Promise<void> {
    const [first] = await this.#store.payloads.get([payloadKey(tenant, record, 0)])
    if (first === undefined) return
    const parts = await this.#partsOf(tenant, record, first)
    await this.#store.payloads.write(
      parts.flatMap(({ place, payload }) => dropOf(place, payload) ?? []),
    )
  }

  /** All parts of a record, as far as they are there. @throws CORRUPT, IO */
  async #partsOf(
    tenant: Uint8Array,
    record: Uint8Array,
    first: Uint8Array,
  ): Promise<{ readonly place: PartPlace; readonly payload: StoredPayload }[]> {
    const { parts } = decodePayload(first)
    const others = Array.from({ length: parts - 1 }, (_, i) => payloadKey(tenant, record, i + 1))
    const values = [first, ...(await this.#store.payloads.get(others))]
    return values.flatMap((value, part) => {
      if (value === undefined) return []
      const payload = decodePayload(value)
      return { place: { tenant, owner: payload.owner, record, part }, payload }
    })
  }

  async #countOwned(tenant: Tenant, pseudonym: Uint8Array): Promise<number> {
    const { keys, payloads } = this.#store
    const count = async (places: readonly PartPlace[]): Promise<number> => {
      const isThere = await payloads.has(places.map(payloadKeyOf))
      return isThere.filter(Boolean).length
    }
    let records = 0
    let last: PartPlace | undefined
    let places: PartPlace[] = []
    for await (const { key, value } of keys.list(ownedBy(tenant.id, pseudonym))) {
      if (kindOfRow(key) !== 'record key') continue
      const place = parseRecordKeyKey(key)
      const isAnother = last === undefined || !equal(place.record, last.record)
      if (!isAnother || this.#isErased(tenant, place, value)) continue
      last = place
      places.push(place)
      if (places.length < AT_ONCE) continue
      records += await count(places)
      places = []
    }
    return records + (await count(places))
  }

  /** What an erasure of this row has done before; undefined when there was none, or the row is damaged. */
  #erasedBefore(tenant: Tenant, pseudonym: Uint8Array, value: Uint8Array): Erased | undefined {
    try {
      const stored = decodeSubject(value)
      if (stored.state === 'live') return undefined
      const { records } = this.#people.unsealErased(tenant, pseudonym, stored)
      return { records }
    } catch {
      // It can be erased all the same.
      return undefined
    }
  }

  #isErased(tenant: Tenant, { record, part }: PartPlace, value: Uint8Array): boolean {
    try {
      const stored = decodeRecordKey(value)
      if (stored.state === 'live') return false
      unsealErasedPart({ tenant, record, part }, stored.seal)
      return true
    } catch {
      return false
    }
  }
}

function payloadKeyOf({ tenant, record, part }: PartPlace): Uint8Array {
  return payloadKey(tenant, record, part)
}

/** What drops a payload, or undefined when it is not its owner's. */
function dropOf(place: PartPlace, { parts, owner }: StoredPayload): VaultChange | undefined {
  const isTheirs =
    owner === undefined || place.owner === undefined
      ? owner === place.owner
      : equal(owner, place.owner)
  if (!isTheirs) return undefined
  const value = encodePayload({ parts, owner, sealed: undefined })
  return { kind: 'put', key: payloadKeyOf(place), value }
}

/** What is random in a value, in pieces that are looked for. Of a value too short to have any, nothing. */
function tracesIn(value: Uint8Array): Uint8Array[] {
  const traces: Uint8Array[] = []
  for (let at = 2; at + 16 <= value.length; at += 32) traces.push(value.slice(at, at + 32))
  return traces.filter((trace) => trace.length >= 16)
}
