/** Writes records into the vault: seals their disclosures, and stores them with their keys. */
import type { KeyObject } from 'node:crypto'
import { CairnError } from '../errors.ts'
import type { Disclosure } from '../formats/disclosure.ts'
import type { VaultChange, VaultStore } from '../storage/vault-port.ts'
import { formatPseudonym, parsePseudonym, parseRecordId } from './names.ts'
import { MAX_PARTS, type PartName, sealPart } from './parts.ts'
import type { People } from './people.ts'
import { payloadKey, recordKeyKey } from './row-keys.ts'
import { encodePayload, encodeRecordKey } from './row-values.ts'
import type { Staged, StagedChanges, Staging } from './staging.ts'
import type { Tenant, Tenants } from './tenants.ts'

/** Disclosures to keep. Entries of one record with different owners are put together, and are that record's parts. */
export interface VaultEntry {
  readonly tenant: string
  /** A UUID in lower case. */
  readonly recordId: string
  /** The pseudonym of the person whose erasure takes these, or undefined when there is none. */
  readonly owner: string | undefined
  readonly disclosures: readonly Disclosure[]
}

/** Entries that are kept or withdrawn together. */
export interface StagedBatch {
  readonly entries: readonly VaultEntry[]
  /** 32 bytes by which to find out, after a crash, whether their records came to be. */
  readonly mark: Uint8Array
}

/** Bytes of disclosures in one call. */
const MAX_PUT_SIZE = 64 * 2 ** 20
/** Records that are sealed before others get their turn. */
const TURN = 200

/** An entry on its way into the vault. */
interface Draft {
  readonly entry: VaultEntry
  readonly record: Uint8Array
  readonly owner: Uint8Array | undefined
  readonly part: number
  /** How many parts its record has; known once all entries are seen. */
  readonly siblings: { count: number }
}

export class Writer {
  readonly #store: VaultStore
  readonly #tenants: Tenants
  readonly #people: People
  readonly #staging: Staging
  /** Calls that are under way. */
  readonly #putting = new Set<Promise<unknown>>()

  constructor(store: VaultStore, tenants: Tenants, people: People, staging: Staging) {
    this.#store = store
    this.#tenants = tenants
    this.#people = people
    this.#staging = staging
  }

  /** As Vault.put. */
  put(entries: readonly VaultEntry[]): Promise<void> {
    return this.#counted(async () => {
      const { keys, payloads } = await this.#rowsOf(entries)
      await this.#write(keys, payloads)
    })
  }

  /** As Vault.stage. */
  stage(batches: readonly StagedBatch[]): Promise<Staged[]> {
    return this.#counted(async () => {
      assertFits(batches.flatMap(({ entries }) => entries))
      const rows: StagedChanges[] = []
      for (const { entries, mark } of batches) rows.push({ mark, ...(await this.#rowsOf(entries)) })
      const { changes, staged } = this.#staging.begin(rows)
      const keys = rows.flatMap((one) => one.keys)
      await this.#write(
        [...keys, ...changes],
        rows.flatMap(({ payloads }) => payloads),
      )
      return staged
    })
  }

  /** Waits for the calls that have begun. Never throws. */
  async idle(): Promise<void> {
    await Promise.allSettled(this.#putting)
  }

  #counted<T>(work: () => Promise<T>): Promise<T> {
    const done = work().finally(() => this.#putting.delete(done))
    this.#putting.add(done)
    return done
  }

  async #rowsOf(entries: readonly VaultEntry[]) {
    const keys: VaultChange[] = []
    const payloads: VaultChange[] = []
    const drafts = [...byTenant(draftsOf(entries))]
    const owners: { tenant: Tenant; keys: KeyObject[] }[] = []
    for (const [name, its] of drafts) {
      const tenant = await this.#tenants.findOrMake(name)
      owners.push({ tenant, keys: await this.#ownerKeys(tenant, its) })
    }
    for (const [i, [, its]] of drafts.entries()) {
      const { tenant, keys: ownerKeys } = owners[i]!
      for (const [at, draft] of its.entries()) {
        add(tenant, ownerKeys[at]!, draft, keys, payloads)
        if (at % TURN === TURN - 1) await new Promise((resume) => setImmediate(resume))
      }
    }
    return { keys, payloads }
  }

  async #write(keys: readonly VaultChange[], payloads: readonly VaultChange[]): Promise<void> {
    try {
      await this.#store.write(keys, payloads)
    } catch (cause) {
      if (!(cause instanceof CairnError) || cause.code !== 'CONFLICT') throw cause
      throw new CairnError(
        'CONFLICT',
        'one of these records is in the vault already; a record is put there once',
        { cause },
      )
    }
  }

  /** The key that seals those of each draft. */
  async #ownerKeys(tenant: Tenant, drafts: readonly Draft[]): Promise<KeyObject[]> {
    const owners = drafts.flatMap(({ owner }) => (owner === undefined ? [] : [owner]))
    // An erasure that begins after this call waits for it; one that began before has set this mark, or is done.
    for (const owner of owners) if (this.#people.isLeaving(tenant, owner)) throw wasErased(owner)
    const keys = await this.#people.keys(tenant, owners)
    let at = 0
    return drafts.map(({ owner }) => {
      if (owner === undefined) return tenant.sealing
      const key = keys[at++]
      if (key === 'erased') throw wasErased(owner)
      if (key === undefined) {
        throw new CairnError('NOT_FOUND', `nobody is known as ${formatPseudonym(owner)}`)
      }
      return key
    })
  }
}

function wasErased(owner: Uint8Array): CairnError {
  return new CairnError(
    'CONFLICT',
    `${formatPseudonym(owner)} was erased; ask for the person's pseudonym again`,
  )
}

/** @throws TOO_LARGE */
function assertFits(entries: readonly VaultEntry[]): void {
  const size = entries.reduce((sum, { disclosures }) => sum + sizeOf(disclosures), 0)
  if (size > MAX_PUT_SIZE) {
    throw new CairnError(
      'TOO_LARGE',
      `${size} bytes at once are too much for the vault, which takes ${MAX_PUT_SIZE}; put fewer records together`,
    )
  }
}

/** @throws MALFORMED, TOO_LARGE */
function draftsOf(entries: readonly VaultEntry[]): Draft[] {
  assertFits(entries)
  const records = new Map<string, { count: number }>()
  return entries.map((entry) => {
    const record = parseRecordId(entry.recordId)
    const owner = entry.owner === undefined ? undefined : parsePseudonym(entry.owner)
    const name = `${entry.recordId} ${entry.tenant}`
    const siblings = records.get(name) ?? { count: 0 }
    records.set(name, siblings)
    const part = siblings.count++
    if (part === MAX_PARTS) {
      throw new CairnError('TOO_LARGE', `a record has at most ${MAX_PARTS} parts in the vault`)
    }
    return { entry, record, owner, part, siblings }
  })
}

function sizeOf(disclosures: readonly Disclosure[]): number {
  return disclosures.reduce((sum, { json }) => sum + json.length, 0)
}

function byTenant(drafts: readonly Draft[]): Map<string, Draft[]> {
  const groups = new Map<string, Draft[]>()
  for (const draft of drafts) {
    const group = groups.get(draft.entry.tenant)
    if (group === undefined) groups.set(draft.entry.tenant, [draft])
    else group.push(draft)
  }
  return groups
}

/** Adds the rows of a draft. @throws TOO_LARGE */
function add(
  tenant: Tenant,
  ownerKey: KeyObject,
  { entry, record, owner, part, siblings }: Draft,
  keys: VaultChange[],
  payloads: VaultChange[],
): void {
  const name: PartName = { tenant, record, part, parts: siblings.count, owner }
  const { key, disclosures } = sealPart(name, ownerKey, entry.disclosures)
  keys.push({
    kind: 'create',
    key: recordKeyKey({ tenant: tenant.id, owner, record, part }),
    value: encodeRecordKey({ state: 'live', key }),
  })
  payloads.push({
    kind: 'create',
    key: payloadKey(tenant.id, record, part),
    value: encodePayload({ parts: siblings.count, owner, sealed: disclosures }),
  })
}
