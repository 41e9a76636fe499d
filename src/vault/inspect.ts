/**
 * Opens everything in the vault once, and says what cannot be opened, is missing, or contradicts something else. Whole
 * rows that were put back as they were before cannot be told.
 *
 * A record's key without a payload is no damage: it is left over when a process dies between the two, and nobody was
 * told that the record is kept.
 */
import { equal, toHex } from '../bytes.ts'
import { messageOf } from '../errors.ts'
import type { VaultRow, VaultStore } from '../storage/vault-port.ts'
import { formatPseudonym, formatRecordId } from './names.ts'
import type { People } from './people.ts'
import type { Reader } from './reader.ts'
import {
  kindOfRow,
  linkKey,
  parseErasureKey,
  parseLinkKey,
  parsePayloadKey,
  parseRecordKeyKey,
  parseSubjectKey,
  parseTenantKey,
  payloadKey,
  type RowKind,
  subjectKey,
  TENANTS,
} from './row-keys.ts'
import {
  decodeErasureStage,
  decodeLink,
  decodePayload,
  decodeRecordKey,
  decodeSubject,
} from './row-values.ts'
import { checkStaged } from './staging.ts'
import type { Tenant, Tenants } from './tenants.ts'

const ROWS_AT_ONCE = 256
const BYTES_AT_ONCE = 4 * 2 ** 20

const EVERYTHING = new Uint8Array()

/** Finds out what is wrong with a row; undefined when nothing is. */
type Look = (row: VaultRow) => Promise<string | undefined>

export interface Inspected {
  readonly store: VaultStore
  readonly tenants: Tenants
  readonly people: People
  readonly reader: Reader
}

/**
 * One line a problem. `progress` counts rows.
 * @throws CORRUPT, IO when the storage itself cannot read on
 */
export async function* inspectVault(
  vault: Inspected,
  progress: (rows: number) => void,
): AsyncGenerator<string> {
  const { store, tenants } = vault
  const header = await tenants.inspectHeader().catch(messageOf)
  if (header !== undefined) yield `header: ${header}`

  // What the others need is opened first.
  const known = new Map<string, Tenant>()
  yield* check(store.keys.list(TENANTS), () => undefined, {
    tenant: async ({ key, value }) => {
      known.set(toHex(parseTenantKey(key)), await tenants.unseal(key, value))
      return undefined
    },
  })
  const tenantOf = (id: Uint8Array): Tenant => {
    const tenant = known.get(toHex(id))
    if (tenant === undefined) throw new Error('belongs to a tenant that cannot be opened')
    return tenant
  }

  const nothing: Look = async () => undefined
  let rows = 0
  const count = (more: number): void => {
    rows += more
    progress(rows)
  }
  yield* check(store.keys.list(EVERYTHING), count, {
    header: nothing,
    tenant: nothing,
    ...looksAtKeys(vault, tenantOf),
  })
  yield* check(store.payloads.list(EVERYTHING), count, looksAtPayloads(vault, tenantOf))
}

type TenantOf = (id: Uint8Array) => Tenant

function looksAtKeys({ store, people }: Inspected, tenantOf: TenantOf) {
  return {
    person: async ({ key, value }) => {
      const { tenant: id, pseudonym } = parseSubjectKey(key)
      const tenant = tenantOf(id)
      const stored = decodeSubject(value)
      if (stored.state === 'erased') {
        people.unsealErased(tenant, pseudonym, stored)
        return undefined
      }
      const lookup = people.lookup(tenant, people.unsealPerson(tenant, pseudonym, stored))
      const [link] = await store.keys.get([linkKey(id, lookup)])
      if (link === undefined) return 'nothing leads there'
      const to = people.unsealLink(tenant, lookup, decodeLink(link))
      if (equal(to, pseudonym)) return undefined
      return `what should lead there leads to ${formatPseudonym(to)}`
    },
    link: async ({ key, value }) => {
      const { tenant: id, lookup } = parseLinkKey(key)
      const pseudonym = people.unsealLink(tenantOf(id), lookup, decodeLink(value))
      const [person] = await store.keys.get([subjectKey(id, pseudonym)])
      if (person !== undefined && decodeSubject(person).state === 'live') return undefined
      const state = person === undefined ? 'not there' : 'erased'
      return `leads to ${formatPseudonym(pseudonym)}, who is ${state}`
    },
    // Opened with its payload.
    'record key': async ({ key, value }) => {
      tenantOf(parseRecordKeyKey(key).tenant)
      decodeRecordKey(value)
      return undefined
    },
    staged: async ({ key, value }) => {
      checkStaged(key, value)
      return undefined
    },
    erasure: async ({ key, value }) => {
      parseErasureKey(key)
      decodeErasureStage(value)
      return 'is not finished; restart to finish it'
    },
  } satisfies Partial<Record<RowKind, Look>>
}

function looksAtPayloads({ store, reader }: Inspected, tenantOf: TenantOf) {
  return {
    payload: async ({ key, value }) => {
      const { tenant, record, part } = parsePayloadKey(key)
      const { parts } = decodePayload(value)
      if (part >= parts) return `is part ${part + 1} of ${parts}`
      // A record is opened as a whole, at its first part.
      if (part === 0) await reader.readFrom(tenantOf(tenant), record, value)
      else if (!(await store.payloads.has([payloadKey(tenant, record, 0)]))[0]) {
        return 'has lost its first part'
      }
      return undefined
    },
  } satisfies Partial<Record<RowKind, Look>>
}

/** Looks at each row, some at a time. */
async function* check(
  rows: AsyncIterable<VaultRow>,
  count: (rows: number) => void,
  looks: Readonly<Partial<Record<RowKind, Look>>>,
): AsyncGenerator<string> {
  const explain = async (row: VaultRow): Promise<string | undefined> => {
    const kind = kindOfRow(row.key)
    const look = kind && looks[kind]
    if (kind === undefined || look === undefined) {
      return `a row ${toHex(row.key.subarray(0, 16))} belongs to nothing`
    }
    const problem = await look(row).catch(messageOf)
    return problem && `${kind} ${nameOf(kind, row.key)}: ${problem}`
  }
  for await (const some of inChunks(rows)) {
    for (const problem of await Promise.all(some.map(explain))) {
      if (problem !== undefined) yield problem
    }
    count(some.length)
  }
}

/** Whom or what a row is about, as far as its key says it. */
function nameOf(kind: RowKind, key: Uint8Array): string {
  if (kind === 'person') return formatPseudonym(key.slice(17, 33))
  if (kind === 'record key') return formatRecordId(key.slice(-17, -1))
  if (kind === 'payload') return formatRecordId(key.slice(1, 17))
  return toHex(key.subarray(1))
}

/** Rows in the order they come, up to so many or so large. */
async function* inChunks(rows: AsyncIterable<VaultRow>): AsyncGenerator<VaultRow[]> {
  let some: VaultRow[] = []
  let bytes = 0
  for await (const row of rows) {
    some.push(row)
    bytes += row.value.length
    if (some.length < ROWS_AT_ONCE && bytes < BYTES_AT_ONCE) continue
    yield some
    some = []
    bytes = 0
  }
  if (some.length > 0) yield some
}
