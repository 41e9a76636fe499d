/**
 * The log's own records: making them, and reading what they say. All that is known of grants and holds stands in them,
 * so whoever reads them has to get all that there are: what the index does not have yet is waited for.
 */
import { CairnError, malformed, messageOf } from '../errors.ts'
import { type Disclosure, openDisclosure } from '../formats/disclosure.ts'
import { isJsonObject, type JsonObject } from '../formats/json-strict.ts'
import type { SubmittedRecord } from '../formats/record.ts'
import type { LogRecordType } from '../formats/record-members.ts'
import { EXTRA } from '../formats/record-split.ts'
import type { LogService } from '../log/service.ts'
import type { AcceptedRecord, RecordQuery, RecordsService } from '../records/service.ts'
import { MAX_PAGE } from '../search/query.ts'
import type { FoundRecord } from '../search/search-index.ts'
import type { OwnNote, OwnRecord } from './context.ts'
import { isCoveredInClear, queryOf } from './scope.ts'
import type { Scope } from './service.ts'

export type Order = 'newest' | 'oldest'

/** Which of the log's own records. */
export interface OwnQuery {
  readonly type: LogRecordType
  readonly action?: string
  /** Milliseconds since 1970. */
  readonly from?: number
  readonly before?: number
  readonly order?: Order
}

/** Makes a record of the log's own. @throws as RecordsService.note() */
export function makeNote(
  records: RecordsService,
  { type, action, by, parentId, resource, extra }: OwnNote,
  tenant: string,
): Promise<AcceptedRecord> {
  const submission: SubmittedRecord = {
    type,
    action,
    ...(by !== undefined && { actor: by.name }),
    ...(parentId !== undefined && { parent_id: parentId }),
    ...(resource !== undefined && { resource }),
    ...(extra !== undefined && { extra }),
  }
  return records.note(submission, tenant)
}

type Source = { readonly log: LogService; readonly records: RecordsService }

/**
 * All records that a query finds, out of all that the log has when the first is asked for.
 * @throws CORRUPT, IO, STOPPED; OVERLOADED when the index is begun anew meanwhile
 */
export async function* allFound(
  { log, records }: Source,
  query: RecordQuery,
  tenant: string,
): AsyncGenerator<FoundRecord> {
  const { size } = log.head()
  await records.settled()
  let cursor: string | undefined
  do {
    const page = await records
      .search({ ...query, limit: MAX_PAGE, ...(cursor !== undefined && { cursor }) }, tenant)
      .catch((error: unknown) => {
        // Only an index that was begun anew does not know its own cursors.
        if (cursor !== undefined && error instanceof CairnError && error.code === 'MALFORMED') {
          throw beingBuilt(error)
        }
        throw error
      })
    if (page.size < size) throw beingBuilt()
    yield* page.records
    ;({ cursor } = page)
  } while (cursor !== undefined)
}

function beingBuilt(cause?: unknown): CairnError {
  const message = 'the search index is being built again; try again when it is there'
  return new CairnError('OVERLOADED', message, cause === undefined ? {} : { cause })
}

/** The records that a stored scope covers. @throws as allFound() */
export async function* recordsIn(
  source: Source,
  scope: Scope,
  tenant: string,
  order: Order = 'oldest',
): AsyncGenerator<FoundRecord> {
  for await (const record of allFound(source, { ...queryOf(scope), order }, tenant)) {
    if (isCoveredInClear(scope, record)) yield record
  }
}

/** The log's own records of a type, with what they say. @throws as allFound() */
export async function* ownRecords(
  source: Source,
  { order = 'newest', ...query }: OwnQuery,
  tenant: string,
): AsyncGenerator<OwnRecord> {
  for await (const record of allFound(source, { ...query, order }, tenant)) {
    yield await withExtra(source.records, record)
  }
}

async function withExtra(records: RecordsService, record: FoundRecord): Promise<OwnRecord> {
  try {
    const disclosures = await records.disclosures(record.id, record.tenant)
    const isErased = disclosures === undefined || disclosures === 'erased'
    return { record, extra: isErased ? undefined : extraIn(disclosures) }
  } catch (error) {
    const isDamage =
      error instanceof CairnError && (error.code === 'CORRUPT' || error.code === 'MALFORMED')
    if (!isDamage) throw error
    return { record, extra: undefined, damage: messageOf(error) }
  }
}

/** What a record of the log's own has in `extra`, if that is disclosed. @throws MALFORMED */
export function extraIn(disclosures: readonly Disclosure[]): JsonObject | undefined {
  const disclosure = disclosures.find(({ pointer }) => pointer === EXTRA)
  if (disclosure === undefined) return undefined
  const { value } = openDisclosure(disclosure)
  // Under /extra stands an object from the pointers of the members that were submitted to their values.
  const extra = isJsonObject(value) ? value[EXTRA] : undefined
  if (extra === undefined || !isJsonObject(extra)) throw malformed('/extra: expected facts')
  return extra
}
