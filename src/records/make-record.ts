/** Makes of a submission what goes into the log, the vault and the index. */
import { randomFillSync } from 'node:crypto'
import { toBase64Url, utf8 } from '../bytes.ts'
import { type Disclosure, openDisclosure, SALT_SIZE } from '../formats/disclosure.ts'
import { prepareRecord, type SubmittedRecord } from '../formats/record.ts'
import type { Vault } from '../vault/vault.ts'
import type { VaultEntry } from '../vault/writer.ts'
import type { RecordTime } from './record-clock.ts'
import { blankId, stamp } from './stamp.ts'

/** The people of a submission. */
export interface Pseudonyms {
  readonly actor?: string
  readonly subject?: string
}

export interface RecordToMake {
  readonly submission: SubmittedRecord
  readonly tenant: string
  readonly pseudonyms: Pseudonyms
  readonly time: RecordTime
  /** Whether the subject is a pseudonym already, and nothing of the record is to be erased with it. */
  readonly aboutPseudonym?: boolean
}

export interface MadeRecord {
  readonly id: string
  readonly leaf: Uint8Array
  readonly entries: readonly VaultEntry[]
  readonly blindTerms: readonly string[]
}

/** @throws MALFORMED, TOO_LARGE; what the vault throws */
export async function makeRecord(vault: Vault, record: RecordToMake): Promise<MadeRecord> {
  const { submission, tenant, pseudonyms, time, aboutPseudonym = false } = record
  const blank = blankId(time)
  const { leaf, disclosures } = prepareRecord({
    submission,
    id: blank,
    time: time.time,
    tenant,
    pseudonyms,
    salts: drawSalts,
  })
  const id = await stamp(vault, tenant, leaf, blank)
  const owners = aboutPseudonym ? { ...pseudonyms, subject: undefined } : pseudonyms
  const entries = entriesOf({ tenant, recordId: id }, disclosures, owners)
  const { resource } = submission
  const blindTerms = resource === undefined ? [] : [await resourceTerm(vault, tenant, resource)]
  return { id, leaf, entries, blindTerms }
}

/** Random bytes are drawn in lots, and wiped once they are given away. */
const pool = new Uint8Array(65_536)
let drawn: number = pool.length

function drawSalts(count: number): Uint8Array {
  const size = count * SALT_SIZE
  if (drawn + size > pool.length) {
    randomFillSync(pool)
    drawn = 0
  }
  const salts = pool.slice(drawn, drawn + size)
  pool.fill(0, drawn, drawn + size)
  drawn += size
  return salts
}

/**
 * Whose the disclosures are: who acted goes with an erasure of the actor, all else with one of the subject. A record
 * without any has an entry all the same.
 */
function entriesOf(
  record: Pick<VaultEntry, 'tenant' | 'recordId'>,
  disclosures: readonly Disclosure[],
  { actor, subject }: { readonly actor?: string; readonly subject?: string | undefined },
): VaultEntry[] {
  if (actor === undefined || actor === subject) return [{ ...record, owner: subject, disclosures }]
  const [theirs, rest]: [Disclosure[], Disclosure[]] = [[], []]
  for (const one of disclosures) (one.pointer === '/actor' ? theirs : rest).push(one)
  const entry = { ...record, owner: actor, disclosures: theirs }
  return rest.length === 0 ? [entry] : [{ ...record, owner: subject, disclosures: rest }, entry]
}

const RESOURCE = '/resource'

/** What the index finds a resource by. @throws what the vault throws */
export async function resourceTerm(
  vault: Vault,
  tenant: string,
  resource: string,
): Promise<string> {
  return termOf(await vault.blind(tenant, 'resource', utf8(resource)))
}

/** The same, or undefined when the tenant has no record yet. */
export async function knownResourceTerm(
  vault: Vault,
  tenant: string,
  resource: string,
): Promise<string | undefined> {
  const blind = await vault.knownBlind(tenant, 'resource', utf8(resource))
  return blind && termOf(blind)
}

function termOf(blind: Uint8Array): string {
  return toBase64Url(blind.subarray(0, 16))
}

/** The resource among a record's disclosures, or undefined. @throws MALFORMED */
export function resourceIn(disclosures: readonly Disclosure[]): string | undefined {
  const found = disclosures.find(({ pointer }) => pointer === RESOURCE)
  const value = found && openDisclosure(found).value
  return typeof value === 'string' ? value : undefined
}
