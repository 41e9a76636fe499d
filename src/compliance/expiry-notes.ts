/**
 * What the log's records of expiry say: what was destroyed, and how far expiry has come, so that no record is looked at
 * twice. Each is about records of one type that name one retention class, or none; that is its resource, by which the
 * newest is found.
 */
import { CairnError } from '../errors.ts'
import type { JsonObject, JsonValue } from '../formats/json-strict.ts'
import type { RecordType } from '../formats/record-members.ts'
import { LOG_TIME, UUID_V7 } from '../formats/record-values.ts'
import { leafIndex } from '../merkle/position.ts'
import type { AcceptedRecord, RecordsService } from '../records/service.ts'
import { NO_CLASS } from '../search/record-row.ts'
import type { FoundRecord } from '../search/search-index.ts'
import type { ComplianceContext } from './context.ts'
import { extraIn } from './own-records.ts'

/** The most records that one record of expiry names. */
export const MAX_NAMED = 1_000

/** Records of one type that name the same retention class. */
export interface Kind {
  readonly tenant: string
  readonly type: RecordType
  /** `retention_class` of the records, or NO_CLASS for those that name none. */
  readonly named: string
}

/** How far expiry has come with records of a kind. */
export interface Reached {
  /** All records before this time were looked at; in milliseconds since 1970. */
  readonly before: number
  /** Those that a hold kept then are looked at again when a hold is lifted at this time or later. */
  readonly begun: number
}

/** Nothing was looked at yet. */
const NOTHING: Reached = { before: 0, begun: 0 }

/** A record that loses its payload. */
export type Named = Pick<FoundRecord, 'id' | 'index'>

/** What is destroyed, and why. */
export interface Destroyed {
  /** At most MAX_NAMED. */
  readonly named: readonly Named[]
  /** The class that they are kept by. */
  readonly class: string
  /** What decided, in words. */
  readonly basis: string
  readonly reached: Reached
}

/** The name of a kind: `standard/llm_request`, or `llm_request` for records that name no class. */
export function kindName({ type, named }: Kind): string {
  return named === NO_CLASS ? type : `${named}/${type}`
}

/** Says that payloads are destroyed; it has to be said before it is done. @throws as ComplianceContext.note() */
export function noteExpiry(
  context: ComplianceContext,
  kind: Kind,
  { named, class: keptBy, basis, reached }: Destroyed,
): Promise<AcceptedRecord> {
  const extra = {
    class: keptBy,
    type: kind.type,
    basis,
    records: named.length,
    before: new Date(reached.before).toISOString(),
    begun: new Date(reached.begun).toISOString(),
    ids: named.map(({ id }) => id),
    indices: named.map(({ index }) => index),
  }
  const resource = kindName(kind)
  return context.note({ type: 'retention', action: 'expire', resource, extra }, kind.tenant)
}

/** How far expiry has come with a kind, as the newest record of it says. @throws CORRUPT, IO, STOPPED */
export async function readReached(context: ComplianceContext, kind: Kind): Promise<Reached> {
  const [newest] = await newestNotes(context, kind.tenant, { resource: kindName(kind), limit: 1 })
  return newest === undefined ? NOTHING : reachedIn(newest)
}

/** The records that the newest records of expiry of a tenant name; those of the newest `limit`. @throws CORRUPT, IO, STOPPED */
export async function readLastDestroyed(
  context: ComplianceContext,
  tenant: string,
  limit: number,
): Promise<Named[]> {
  const notes = await newestNotes(context, tenant, { limit })
  return notes.flatMap(namedIn)
}

/** The facts of the newest records of expiry, the newest first. */
async function newestNotes(
  { records }: ComplianceContext,
  tenant: string,
  query: { readonly resource?: string; readonly limit: number },
): Promise<JsonObject[]> {
  await records.settled()
  const asked = { ...query, type: 'retention', action: 'expire', order: 'newest' } as const
  const page = await records.search(asked, tenant)
  const facts = await Promise.all(page.records.map(({ id }) => factsOf(records, id, tenant)))
  return facts.filter((one) => one !== undefined)
}

/** What a record of the log's own says; nothing when it is damaged, since that must not keep all from expiring. */
async function factsOf(
  records: RecordsService,
  id: string,
  tenant: string,
): Promise<JsonObject | undefined> {
  try {
    const disclosures = await records.disclosures(id, tenant)
    return disclosures === undefined || disclosures === 'erased' ? undefined : extraIn(disclosures)
  } catch (error) {
    if (isDamage(error)) return undefined
    throw error
  }
}

/** Whether what the vault has of a record cannot be read. */
export function isDamage(error: unknown): boolean {
  return error instanceof CairnError && (error.code === 'CORRUPT' || error.code === 'MALFORMED')
}

/** Of a record that does not say, nothing; then all is looked at again. */
function reachedIn({ before, begun }: JsonObject): Reached {
  if (typeof before !== 'string' || !LOG_TIME.holds(before)) return NOTHING
  if (typeof begun !== 'string' || !LOG_TIME.holds(begun)) return NOTHING
  return { before: Date.parse(before), begun: Date.parse(begun) }
}

function namedIn({ ids, indices }: JsonObject): Named[] {
  if (!Array.isArray(ids) || !Array.isArray(indices)) return []
  return ids.flatMap((id: JsonValue, i): Named[] => {
    const index = indices[i]
    const isNamed = typeof id === 'string' && UUID_V7.holds(id) && Number.isSafeInteger(index)
    return isNamed ? [{ id, index: leafIndex(index as number) }] : []
  })
}
