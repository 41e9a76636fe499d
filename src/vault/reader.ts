/** Reads records out of the vault: their payloads, the keys of those, and the keys of their owners. */
import { CairnError } from '../errors.ts'
import type { Disclosure } from '../formats/disclosure.ts'
import type { VaultStore } from '../storage/vault-port.ts'
import { formatRecordId } from './names.ts'
import { type PartName, unsealErasedPart, unsealPart } from './parts.ts'
import type { People, PersonKey } from './people.ts'
import { payloadKey, recordKeyKey } from './row-keys.ts'
import { decodePayload, decodeRecordKey, type StoredPayload } from './row-values.ts'
import type { Tenant } from './tenants.ts'

export class Reader {
  readonly #store: VaultStore
  readonly #people: People

  constructor(store: VaultStore, people: People) {
    this.#store = store
    this.#people = people
  }

  /** As Vault.get. @throws CORRUPT, NEWER_FORMAT, IO */
  async read(tenant: Tenant, record: Uint8Array): Promise<Disclosure[] | 'erased' | undefined> {
    const [first] = await this.#store.payloads.get([payloadKey(tenant.id, record, 0)])
    return first && this.readFrom(tenant, record, first)
  }

  /** The rest of a record whose first payload was read. @throws CORRUPT, NEWER_FORMAT, IO */
  async readFrom(
    tenant: Tenant,
    record: Uint8Array,
    first: Uint8Array,
  ): Promise<Disclosure[] | 'erased'> {
    const { keys, payloads } = this.#store
    const stored = [decodePayload(first)]
    const others = Array.from({ length: stored[0]!.parts - 1 }, (_, i) => i + 1)
    for (const value of await payloads.get(
      others.map((part) => payloadKey(tenant.id, record, part)),
    )) {
      const payload = value && decodePayload(value)
      if (payload?.parts !== stored[0]!.parts) throw incomplete(record, 'a part of its payload')
      stored.push(payload)
    }
    // An erasure takes first the owner's key, then the record's, then the payload. To read in the opposite order is to
    // find what it takes either whole, or erased.
    const sealedKeys = await keys.get(
      stored.map(({ owner }, part) => recordKeyKey({ tenant: tenant.id, owner, record, part })),
    )
    const owners = stored.flatMap(({ owner }) => (owner === undefined ? [] : [owner]))
    const ownerKeys = await this.#people.keys(tenant, owners)
    let at = 0
    const parts = stored.map((payload, part) => {
      const ownerKey = payload.owner === undefined ? tenant.sealing : ownerKeys[at++]
      const name = { tenant, record, part, parts: stored.length, owner: payload.owner }
      return openPart(name, payload, sealedKeys[part], ownerKey)
    })
    const left = parts.filter((part) => part !== 'erased')
    return left.length === 0 ? 'erased' : left.flat()
  }
}

/** The disclosures of a part, or 'erased'. @throws CORRUPT, NEWER_FORMAT */
function openPart(
  name: PartName,
  payload: StoredPayload,
  sealedKey: Uint8Array | undefined,
  ownerKey: PersonKey,
): Disclosure[] | 'erased' {
  if (ownerKey === 'erased') return 'erased'
  if (ownerKey === undefined) throw incomplete(name.record, 'the key of its owner')
  if (sealedKey === undefined) throw incomplete(name.record, 'its key')
  const key = decodeRecordKey(sealedKey)
  if (key.state === 'erased') {
    unsealErasedPart(name, key.seal)
    return 'erased'
  }
  const { sealed } = payload
  if (sealed === undefined) throw incomplete(name.record, 'its payload')
  return unsealPart(name, ownerKey, { key: key.key, disclosures: sealed })
}

function incomplete(record: Uint8Array, what: string): CairnError {
  return new CairnError(
    'CORRUPT',
    `the vault has lost ${what} of ${formatRecordId(record)}; keep a copy of it and restore a backup`,
  )
}
