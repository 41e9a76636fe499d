/**
 * The rows of a vault that goes on meanwhile, as a copy of it needs them: no payload without its key, and nobody without
 * what leads to them. They stay as they are encrypted.
 *
 * Rows are read over a time in which people come and are erased. So what leads to a person is not read where it stands,
 * but when the person is met; and whoever was erased in between is looked at once more.
 */
import { equal, toHex } from '../bytes.ts'
import type { VaultRow, VaultStore } from '../storage/vault-port.ts'
import type { People } from './people.ts'
import { kindOfRow, linkKey, parseSubjectKey, tenantKey } from './row-keys.ts'
import { decodeLink, decodeSubject } from './row-values.ts'
import type { Tenant, Tenants } from './tenants.ts'

const EVERYTHING = new Uint8Array()

/** Payloads have to be read before keys. */
export interface SavedRows {
  /** @throws CORRUPT, IO */
  payloads(): AsyncIterable<VaultRow>
  /** @throws CORRUPT, IO */
  keys(): AsyncIterable<VaultRow>
}

export function savedRows(store: VaultStore, tenants: Tenants, people: People): SavedRows {
  return {
    payloads: () => store.payloads.list(EVERYTHING),
    keys: () => keyRows(store, tenants, people),
  }
}

async function* keyRows(
  { keys }: VaultStore,
  tenants: Tenants,
  people: People,
): AsyncGenerator<VaultRow> {
  const known = new Map<string, Tenant>()
  const tenantOf = async (id: Uint8Array): Promise<Tenant | undefined> => {
    const found = known.get(toHex(id))
    if (found !== undefined) return found
    const key = tenantKey(id)
    const [value] = await keys.get([key])
    if (value === undefined) return undefined
    const tenant = await tenants.unseal(key, value)
    known.set(toHex(id), tenant)
    return tenant
  }

  for await (const row of keys.list(EVERYTHING)) {
    const kind = kindOfRow(row.key)
    if (kind === 'link') continue
    if (kind !== 'person') {
      yield row
      continue
    }
    const stored = decodeSubject(row.value)
    const { tenant: id, pseudonym } = parseSubjectKey(row.key)
    const tenant = stored.state === 'erased' ? undefined : await tenantOf(id)
    if (stored.state === 'erased' || tenant === undefined) {
      yield row
      continue
    }
    const lookup = people.lookup(tenant, people.unsealPerson(tenant, pseudonym, stored))
    const key = linkKey(id, lookup)
    const [value] = await keys.get([key])
    if (
      value !== undefined &&
      equal(people.unsealLink(tenant, lookup, decodeLink(value)), pseudonym)
    ) {
      yield { key, value }
      yield row
      continue
    }
    const [now] = await keys.get([row.key])
    if (now !== undefined) yield { key: row.key, value: now }
  }
}
