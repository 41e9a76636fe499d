/**
 * The keys of tenants. Each tenant has one of 32 random bytes, wrapped by the master key and unwrapped when the tenant
 * is first met; two more come from it (HKDF-SHA-256): one that seals, one that looks people up.
 */
import { hkdfSync, type KeyObject } from 'node:crypto'
import { fromUtf8 } from '../bytes.ts'
import { CairnError, usage } from '../errors.ts'
import type { VaultChange, VaultKeyRows } from '../storage/vault-port.ts'
import { Cache } from './cache.ts'
import type { MasterKey } from './master-key.ts'
import { tenantBytes, tenantId } from './names.ts'
import { erasureKey, HEADER_KEY, TENANTS, tenantKey, WRAPPED_KEYS } from './row-keys.ts'
import {
  decodeHeader,
  decodeTenant,
  encodeErasureStage,
  encodeHeader,
  encodeTenant,
  type StoredTenant,
  type Wrapped,
} from './row-values.ts'
import { contextFor, KEY_SIZE, keyObject, random } from './sealing.ts'

const KEPT = 1_000

export interface Tenant {
  /** The UTF-8 of its name, to which all that is sealed is bound. */
  readonly name: Uint8Array
  /** What stands for it in keys of rows. */
  readonly id: Uint8Array
  /** Seals the keys of people and of records of nobody, and pseudonyms. */
  readonly sealing: KeyObject
  /** Turns a person into the key of a row. */
  readonly lookup: KeyObject
  /** Makes values that can be compared, but not read or guessed. */
  readonly blinding: KeyObject
}

const HEADER_CONTEXT = contextFor('master key check')()
const tenantContext = contextFor('tenant key')

export class Tenants {
  readonly #rows: VaultKeyRows
  #masterKey: MasterKey
  readonly #known = new Cache<string, Tenant>(KEPT)
  /** Tenants that are being read or made. */
  readonly #coming = new Map<string, Promise<Tenant | undefined>>()
  /** The newest change of wrapped keys: one at a time, so that none misses a new master key. */
  #changing: Promise<unknown> = Promise.resolve()

  private constructor(rows: VaultKeyRows, masterKey: MasterKey) {
    this.#rows = rows
    this.#masterKey = masterKey
  }

  /** @throws USAGE when the master key is another; CORRUPT; what the master key's keeper throws */
  static async open(rows: VaultKeyRows, masterKey: MasterKey): Promise<Tenants> {
    const [header] = await rows.get([HEADER_KEY])
    if (header === undefined) {
      for await (const _ of rows.list(TENANTS)) throw damaged('has tenants, but no header')
      const wrapped = await masterKey.wrap(random(KEY_SIZE), HEADER_CONTEXT)
      const value = encodeHeader({ masterKeyId: masterKey.id, wrapped })
      await rows.write([{ kind: 'create', key: HEADER_KEY, value }])
    } else {
      await unwrap(masterKey, decodeHeader(header), HEADER_CONTEXT)
    }
    return new Tenants(rows, masterKey)
  }

  /** The keys of a tenant, or undefined when there is none of that name. @throws MALFORMED, CORRUPT, IO */
  find(name: string): Promise<Tenant | undefined> {
    return this.#get(name, false)
  }

  /** The keys of a tenant, made when there are none. @throws MALFORMED, CORRUPT, DISK_FULL, IO */
  async findOrMake(name: string): Promise<Tenant> {
    const found = await this.#get(name, false)
    return found ?? (await this.#get(name, true))!
  }

  /** The names of all tenants, sorted. Who has the disk may have added some: find() tells. @throws CORRUPT, IO */
  async names(): Promise<string[]> {
    const names: string[] = []
    for await (const { value } of this.#rows.list(TENANTS)) names.push(decodeTenant(value).name)
    return names.sort()
  }

  /** What is wrong with the row that tells a wrong master key, or undefined. @throws CORRUPT, USAGE, IO */
  async inspectHeader(): Promise<string | undefined> {
    const [header] = await this.#rows.get([HEADER_KEY])
    if (header === undefined) return 'the header is missing'
    await unwrap(this.#masterKey, decodeHeader(header), HEADER_CONTEXT)
    return undefined
  }

  /** Unwraps a tenant's row. @throws CORRUPT, USAGE */
  async unseal(key: Uint8Array, value: Uint8Array): Promise<Tenant> {
    const stored = decodeTenant(value)
    const name = tenantBytes(stored.name)
    const id = tenantId(name)
    if (!Buffer.from(tenantKey(id)).equals(key))
      throw damaged(`has ${stored.name} in a wrong place`)
    const secret = await unwrap(this.#masterKey, stored, tenantContext(name))
    return deriveKeys(name, id, secret)
  }

  /**
   * Wraps all keys by another master key, and leaves nothing that the old one could unwrap.
   * @throws DISK_FULL, IO; what the keepers of the two throw
   */
  rewrap(to: MasterKey): Promise<{ tenants: number }> {
    return this.#change(async () => {
      const [header] = await this.#rows.get([HEADER_KEY])
      if (header === undefined) throw damaged('has lost its header')
      const old = decodeHeader(header)
      const value = encodeErasureStage('scrub')
      const changes: Extract<VaultChange, { kind: 'put' }>[] = [
        { kind: 'put', key: erasureKey(WRAPPED_KEYS), value },
      ]
      const traces = [old.wrapped]
      const check = await unwrap(this.#masterKey, old, HEADER_CONTEXT)
      changes.push({
        kind: 'put',
        key: HEADER_KEY,
        value: encodeHeader({
          masterKeyId: to.id,
          wrapped: await to.wrap(check, HEADER_CONTEXT),
        }),
      })
      for await (const { key, value } of this.#rows.list(TENANTS)) {
        const stored = decodeTenant(value)
        const context = tenantContext(tenantBytes(stored.name))
        const secret = await unwrap(this.#masterKey, stored, context)
        const wrapped = await to.wrap(secret, context)
        secret.fill(0)
        traces.push(stored.wrapped)
        changes.push({
          kind: 'put',
          key,
          value: encodeTenant({ ...stored, masterKeyId: to.id, wrapped }),
        })
      }
      try {
        await this.#rows.destroy(changes, traces)
      } finally {
        await this.#follow(to)
      }
      await this.#rows.write([{ kind: 'delete', key: erasureKey(WRAPPED_KEYS) }])
      return { tenants: traces.length - 1 }
    })
  }

  /** Goes on with another master key, if it is the one that the keys are wrapped by. */
  async #follow(masterKey: MasterKey): Promise<void> {
    const [header] = await this.#rows.get([HEADER_KEY])
    if (header !== undefined && decodeHeader(header).masterKeyId === masterKey.id) {
      this.#masterKey = masterKey
    }
  }

  #get(name: string, make: boolean): Promise<Tenant | undefined> {
    const known = this.#known.get(name)
    if (known !== undefined) return Promise.resolve(known)
    const task = `${make} ${name}`
    let coming = this.#coming.get(task)
    if (coming === undefined) {
      coming = (make ? this.#change(() => this.#make(name)) : this.#read(name)).finally(() =>
        this.#coming.delete(task),
      )
      this.#coming.set(task, coming)
    }
    return coming
  }

  async #read(name: string): Promise<Tenant | undefined> {
    const key = tenantKey(tenantId(tenantBytes(name)))
    const [value] = await this.#rows.get([key])
    if (value === undefined) return undefined
    const tenant = await this.unseal(key, value)
    if (fromUtf8(tenant.name) !== name) throw damaged(`has another tenant in the place of ${name}`)
    this.#known.set(name, tenant)
    return tenant
  }

  async #make(text: string): Promise<Tenant> {
    const there = await this.#read(text)
    if (there !== undefined) return there
    const name = tenantBytes(text)
    const id = tenantId(name)
    const secret = random(KEY_SIZE)
    const stored: StoredTenant = {
      masterKeyId: this.#masterKey.id,
      name: text,
      wrapped: await this.#masterKey.wrap(secret, tenantContext(name)),
    }
    try {
      const value = encodeTenant(stored)
      await this.#rows.write([{ kind: 'create', key: tenantKey(id), value }])
    } catch (error) {
      if (!(error instanceof CairnError) || error.code !== 'CONFLICT') throw error
      // Another process was first.
      return (await this.#read(text))!
    }
    const tenant = deriveKeys(name, id, secret)
    this.#known.set(text, tenant)
    return tenant
  }

  #change<T>(work: () => Promise<T>): Promise<T> {
    const changed = this.#changing.then(work)
    this.#changing = changed.catch(() => undefined)
    return changed
  }
}

/** Derives the keys of a tenant, and wipes the secret they come from. */
function deriveKeys(name: Uint8Array, id: Uint8Array, secret: Uint8Array): Tenant {
  const derive = (purpose: string): KeyObject =>
    keyObject(
      new Uint8Array(hkdfSync('sha256', secret, new Uint8Array(), contextFor(purpose)(), KEY_SIZE)),
    )
  const tenant = {
    name,
    id,
    sealing: derive('sealing'),
    lookup: derive('lookup'),
    blinding: derive('blinding'),
  }
  secret.fill(0)
  return tenant
}

async function unwrap(
  masterKey: MasterKey,
  { masterKeyId, wrapped }: Wrapped,
  context: Uint8Array,
): Promise<Uint8Array> {
  if (masterKeyId !== masterKey.id) {
    throw usage(
      `the vault was closed with the master key ${masterKeyId}, and cannot be opened with ${masterKey.id}; give the one it was closed with`,
    )
  }
  const secret = await masterKey.unwrap(wrapped, context)
  if (secret.length !== KEY_SIZE) throw damaged('has a wrapped key of another length')
  return secret
}

function damaged(what: string): CairnError {
  return new CairnError('CORRUPT', `the vault ${what}; keep a copy of it and restore a backup`)
}
