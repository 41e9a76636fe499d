/**
 * People and their pseudonyms. A pseudonym is 16 random bytes. From the person to it leads a row whose key is an HMAC
 * under the tenant's lookup key; from it to the person, one that holds the person sealed with a key of their own, which
 * seals whatever else is theirs. Without the tenant's key, neither row says anything.
 */
import { createHmac, type KeyObject } from 'node:crypto'
import { equal, fromUtf8 } from '../bytes.ts'
import { CairnError } from '../errors.ts'
import type { VaultKeyRows } from '../storage/vault-port.ts'
import { Cache } from './cache.ts'
import { ID_SIZE, personBytes } from './names.ts'
import { linkKey, linksOf, parseLinkKey, subjectKey } from './row-keys.ts'
import {
  decodeErasedAt,
  decodeLink,
  decodeSubject,
  type ErasedAt,
  encodeErasedAt,
  encodeLink,
  encodeSubject,
  type StoredSubject,
} from './row-values.ts'
import { contextFor, KEY_SIZE, keyObject, random, seal, unseal, unsealKey } from './sealing.ts'
import type { Tenant } from './tenants.ts'

/** Keys of people that are held ready. */
const KEPT = 10_000

/** The key of a person, 'erased' when it was destroyed, or undefined when there never was one. */
export type PersonKey = KeyObject | 'erased' | undefined

/** A row that leads to a pseudonym. */
export interface Link {
  readonly lookup: Uint8Array
  readonly value: Uint8Array
}

type LiveSubject = Extract<StoredSubject, { state: 'live' }>
type ErasedSubject = Extract<StoredSubject, { state: 'erased' }>

const keyContext = contextFor('key of a person')
const personContext = contextFor('person')
const linkContext = contextFor('link')
const erasedContext = contextFor('erased person')

export class People {
  readonly #rows: VaultKeyRows
  readonly #keys = new Cache<string, KeyObject>(KEPT)
  /** People whose pseudonym is being made. */
  readonly #coming = new Map<string, Promise<Uint8Array>>()
  /** People who are being erased, and when that is done. */
  readonly #leaving = new Map<string, Promise<unknown>>()
  /** Grows with each erasure, so that what was read before one is not kept after it. */
  #erasures = 0

  constructor(rows: VaultKeyRows) {
    this.#rows = rows
  }

  /** The pseudonym of a person, made at first use. @throws MALFORMED, CORRUPT, DISK_FULL, IO */
  pseudonym(tenant: Tenant, person: string): Promise<Uint8Array> {
    const name = personBytes(person)
    const lookup = lookupOf(tenant, name)
    const task = nameOf(tenant.id, lookup)
    let coming = this.#coming.get(task)
    if (coming === undefined) {
      coming = this.#findOrMake(tenant, name, lookup).finally(() => this.#coming.delete(task))
      this.#coming.set(task, coming)
    }
    return coming
  }

  /** The pseudonym that a person has already. @throws MALFORMED, CORRUPT, IO */
  known(tenant: Tenant, person: string): Promise<Uint8Array | undefined> {
    return this.#find(tenant, lookupOf(tenant, personBytes(person)))
  }

  /** The person behind a pseudonym, or undefined when there is none, or none any more. @throws CORRUPT, IO */
  async person(tenant: Tenant, pseudonym: Uint8Array): Promise<string | undefined> {
    const stored = await this.stored(tenant, pseudonym)
    return stored?.state === 'live' ? this.unsealPerson(tenant, pseudonym, stored) : undefined
  }

  /** The keys behind pseudonyms, in their order. @throws CORRUPT, IO */
  async keys(tenant: Tenant, pseudonyms: readonly Uint8Array[]): Promise<PersonKey[]> {
    const names = pseudonyms.map((one) => nameOf(tenant.id, one))
    const found = new Map<string, PersonKey>()
    const missing = new Map<string, Uint8Array>()
    for (const [i, name] of names.entries()) {
      const key = found.get(name) ?? this.#keys.get(name)
      if (key === undefined) missing.set(name, pseudonyms[i]!)
      else found.set(name, key)
    }
    for (const [name, key] of await this.#readKeys(tenant, missing)) found.set(name, key)
    return names.map((name) => found.get(name))
  }

  /** The keys of people by their names in the cache. @throws CORRUPT, IO */
  async #readKeys(
    tenant: Tenant,
    people: ReadonlyMap<string, Uint8Array>,
  ): Promise<[name: string, key: PersonKey][]> {
    const before = this.#erasures
    const pseudonyms = [...people]
    const values = await this.#rows.get(
      pseudonyms.map(([, pseudonym]) => subjectKey(tenant.id, pseudonym)),
    )
    return pseudonyms.map(([name, pseudonym], i) => {
      const value = values[i]
      if (value === undefined) return [name, undefined]
      const stored = decodeSubject(value)
      if (stored.state === 'erased') {
        this.unsealErased(tenant, pseudonym, stored)
        return [name, 'erased']
      }
      const key = unsealSubjectKey(tenant, pseudonym, stored)
      this.#keep(name, key, before)
      return [name, key]
    })
  }

  /** Whether someone is being erased. */
  isLeaving(tenant: Tenant, pseudonym: Uint8Array): boolean {
    return this.#leaving.has(nameOf(tenant.id, pseudonym))
  }

  /**
   * Erases someone by `work`. Until that is done nothing is kept of them in memory, and nobody is told their pseudonym.
   * Who is being erased already is not erased twice.
   */
  leave<T>(tenant: Tenant, pseudonym: Uint8Array, work: () => Promise<T>): Promise<T> {
    const name = nameOf(tenant.id, pseudonym)
    const leaving = this.#leaving.get(name)
    if (leaving !== undefined) return leaving as Promise<T>
    this.#keys.delete(name)
    const left = work().finally(() => {
      this.#erasures++
      this.#leaving.delete(name)
    })
    this.#leaving.set(name, left)
    return left
  }

  /** A person's row. @throws CORRUPT, IO */
  async stored(tenant: Tenant, pseudonym: Uint8Array): Promise<StoredSubject | undefined> {
    const [value] = await this.#rows.get([subjectKey(tenant.id, pseudonym)])
    return value === undefined ? undefined : decodeSubject(value)
  }

  /**
   * The links that have to go with a person, whose row is `value`. Damage must keep nobody: when the row does not say
   * who it is, all links of the tenant are asked where they lead. @throws IO
   */
  async links(tenant: Tenant, pseudonym: Uint8Array, value: Uint8Array): Promise<Link[]> {
    const lookup = this.#lookupIn(tenant, pseudonym, value)
    if (lookup !== undefined) {
      const [link] = await this.#rows.get([linkKey(tenant.id, lookup)])
      const to = link && unsealLink(tenant, lookup, link.subarray(1))
      if (link !== undefined && (to === undefined || equal(to, pseudonym))) {
        return [{ lookup, value: link }]
      }
    }
    const links: Link[] = []
    for await (const row of this.#rows.list(linksOf(tenant.id))) {
      const { lookup } = parseLinkKey(row.key)
      const to = unsealLink(tenant, lookup, row.value.subarray(1))
      if (to !== undefined && equal(to, pseudonym)) links.push({ lookup, value: row.value })
    }
    return links
  }

  /** The note that takes the place of an erased person's row. */
  sealErased(tenant: Tenant, pseudonym: Uint8Array, erased: ErasedAt): Uint8Array {
    const context = erasedContext(tenant.name, pseudonym)
    return encodeSubject({
      state: 'erased',
      seal: seal(tenant.sealing, encodeErasedAt(erased), context),
    })
  }

  /** @throws CORRUPT when it was not the vault that erased them */
  unsealErased(tenant: Tenant, pseudonym: Uint8Array, erased: ErasedSubject): ErasedAt {
    const context = erasedContext(tenant.name, pseudonym)
    const note = unseal(tenant.sealing, erased.seal, context)
    if (note === undefined) throw damaged('the note of an erasure')
    return decodeErasedAt(note)
  }

  /** @throws CORRUPT */
  unsealPerson(tenant: Tenant, pseudonym: Uint8Array, stored: LiveSubject): string {
    const key = unsealSubjectKey(tenant, pseudonym, stored)
    const person = unseal(key, stored.person, personContext(tenant.name, pseudonym))
    if (person === undefined) throw damaged('a person')
    return fromUtf8(person)
  }

  /** The pseudonym that a link leads to. @throws CORRUPT */
  unsealLink(tenant: Tenant, lookup: Uint8Array, sealed: Uint8Array): Uint8Array {
    const pseudonym = unsealLink(tenant, lookup, sealed)
    if (pseudonym?.length !== ID_SIZE) throw damaged('a link to a pseudonym')
    return pseudonym
  }

  /** Where a person's link is. */
  lookup(tenant: Tenant, person: string): Uint8Array {
    return lookupOf(tenant, personBytes(person))
  }

  /** The lookup of the person in a row, or undefined when it cannot be read. */
  #lookupIn(tenant: Tenant, pseudonym: Uint8Array, value: Uint8Array): Uint8Array | undefined {
    try {
      const stored = decodeSubject(value)
      if (stored.state === 'erased') return undefined
      return this.lookup(tenant, this.unsealPerson(tenant, pseudonym, stored))
    } catch {
      return undefined
    }
  }

  /** Holds a key ready, unless its owner may have been erased since `before`. */
  #keep(name: string, key: KeyObject, before: number): void {
    if (before === this.#erasures && !this.#leaving.has(name)) this.#keys.set(name, key)
  }

  async #find(tenant: Tenant, lookup: Uint8Array): Promise<Uint8Array | undefined> {
    for (;;) {
      const [value] = await this.#rows.get([linkKey(tenant.id, lookup)])
      if (value === undefined) return undefined
      const pseudonym = this.unsealLink(tenant, lookup, decodeLink(value))
      const leaving = this.#leaving.get(nameOf(tenant.id, pseudonym))
      if (leaving === undefined) return pseudonym
      await leaving.catch(() => undefined)
    }
  }

  async #findOrMake(tenant: Tenant, name: Uint8Array, lookup: Uint8Array): Promise<Uint8Array> {
    for (;;) {
      const found = await this.#find(tenant, lookup)
      if (found !== undefined) return found
      const pseudonym = random(ID_SIZE)
      const secret = random(KEY_SIZE)
      const subject: StoredSubject = {
        state: 'live',
        key: seal(tenant.sealing, secret, keyContext(tenant.name, pseudonym)),
        person: seal(secret, name, personContext(tenant.name, pseudonym)),
      }
      const key = keyObject(secret)
      const before = this.#erasures
      const link = seal(tenant.sealing, pseudonym, linkContext(tenant.name, lookup))
      try {
        await this.#rows.write([
          { kind: 'create', key: linkKey(tenant.id, lookup), value: encodeLink(link) },
          {
            kind: 'create',
            key: subjectKey(tenant.id, pseudonym),
            value: encodeSubject(subject),
          },
        ])
        this.#keep(nameOf(tenant.id, pseudonym), key, before)
        return pseudonym
      } catch (error) {
        // Another process was first; so ask again.
        if (!(error instanceof CairnError) || error.code !== 'CONFLICT') throw error
      }
    }
  }
}

function lookupOf(tenant: Tenant, person: Uint8Array): Uint8Array {
  return new Uint8Array(createHmac('sha256', tenant.lookup).update(person).digest())
}

function unsealSubjectKey(tenant: Tenant, pseudonym: Uint8Array, { key }: LiveSubject): KeyObject {
  const unsealed = unsealKey(tenant.sealing, key, keyContext(tenant.name, pseudonym))
  if (unsealed === undefined) throw damaged('the key of a person')
  return keyObject(unsealed)
}

function unsealLink(
  tenant: Tenant,
  lookup: Uint8Array,
  sealed: Uint8Array,
): Uint8Array | undefined {
  return unseal(tenant.sealing, sealed, linkContext(tenant.name, lookup))
}

function damaged(what: string): CairnError {
  return new CairnError(
    'CORRUPT',
    `${what} in the vault is damaged or was moved from elsewhere; keep a copy of the vault and restore a backup`,
  )
}

function nameOf(...parts: readonly Uint8Array[]): string {
  return Buffer.concat(parts).toString('latin1')
}
