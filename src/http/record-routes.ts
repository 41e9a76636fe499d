/** Finding records and reading one. */
import type { TOptional, TString, TUnsafe } from 'typebox'
import { toBase64 } from '../bytes.ts'
import type { PageRequest } from '../compliance/paging.ts'
import { logTime, queryOf, SCOPE_MEMBERS } from '../compliance/scope.ts'
import type { ReadRecord, Scope } from '../compliance/service.ts'
import { CairnError } from '../errors.ts'
import { type Disclosure, formatDisclosure } from '../formats/disclosure.ts'
import type { RecordLeaf } from '../formats/record.ts'
import { rebuildShown, verifyDisclosures } from '../formats/record-rebuild.ts'
import { NAME, oneOf, TIME, UUID_V7 } from '../formats/record-values.ts'
import { hashLeaf } from '../merkle/hash.ts'
import type { RecordQuery } from '../records/service.ts'
import { MAX_PAGE, ORDERS, type Order } from '../search/query.ts'
import { Type } from '../typebox.ts'
import { type Answer, answer, jsonAnswer, UNCACHED } from './answer.ts'
import { indexParameter } from './parameters.ts'
import * as schema from './record-schema.ts'
import { parameter } from './record-values.ts'
import type { RecordsGuard } from './records-guard.ts'
import { type Route, route } from './route.ts'
import { Decimal } from './schema.ts'

const JSON_TYPE = 'application/json'

/** What is searched for as text; of a trace there is no index, and times and costs are bounds. */
type SearchedName = Exclude<keyof Scope, 'trace_id' | 'from' | 'before' | 'minimum_cost'>
const {
  trace_id: _trace,
  from: _from,
  before: _before,
  minimum_cost: _cost,
  ...SEARCHED
} = SCOPE_MEMBERS
const Searched = Object.fromEntries(
  Object.entries(SEARCHED).map(([name, type]) => [name, Type.Optional(parameter(type))]),
) as Record<SearchedName, TOptional<TUnsafe<string>>>

/** What a page is asked for with, whatever is on it. */
export const PAGE: { readonly limit: TOptional<TString>; readonly cursor: TOptional<TString> } = {
  limit: Type.Optional(
    Type.String({
      pattern: '^([1-9][0-9]{0,2}|1000)$',
      description: `a whole number from 1 to ${MAX_PAGE}: how many on a page, by default 50`,
    }),
  ),
  cursor: Type.Optional(
    Type.String({ pattern: '^[A-Za-z0-9_-]{1,64}$', description: 'the cursor of the page before' }),
  ),
}

/** The page that such a query asks for. */
export function pageAsked({
  limit,
  cursor,
}: {
  readonly limit?: string
  readonly cursor?: string
}): PageRequest {
  return {
    ...(limit !== undefined && { limit: Number(limit) }),
    ...(cursor !== undefined && { cursor }),
  }
}

const QUERY = {
  tenant: Type.Optional(parameter(NAME, 'your own tenant')),
  ...Searched,
  from: Type.Optional(parameter(TIME, 'records of this time of the log or later')),
  before: Type.Optional(parameter(TIME, 'records of before this time of the log')),
  minimum_cost: Type.Optional(
    Type.String({
      pattern: '^(0|[1-9][0-9]{0,14})(\\.[0-9]{1,15})?$',
      description: 'a decimal number from 0: records that cost at least this',
    }),
  ),
  order: Type.Optional(parameter(oneOf(ORDERS))),
  ...PAGE,
}

const INDEX = { index: Decimal }

/** The routes of a log that begin with `prefix`. */
export function recordRoutes(guarded: RecordsGuard, prefix: string): Route[] {
  const receiptOf = receiptsBelow(prefix)
  return [
    route({
      path: '/v1/records',
      query: QUERY,
      documentation: {
        tag: 'records',
        summary: 'Finds records of your tenant: those that have all that is asked for',
        description:
          'People and resources are asked for by their names, people by their pseudonyms as well. ' +
          'A page may hold fewer records than its limit; only one without a cursor is the last.',
        token: true,
        answers: {
          200: {
            description: 'A page of them, without their payload.',
            content: { [JSON_TYPE]: schema.FoundRecords },
          },
        },
      },
      handle: guarded(async ({ request: { query }, by, compliance }) => {
        const { tenant, ...asked } = query
        if (tenant !== undefined && tenant !== by.tenant) {
          return compliance.refuseTenant(tenant, by, 'search records')
        }
        const { records, size, cursor } = await compliance.search(recordQuery(asked), by)
        const shown = records.map(({ index, ...record }) => ({
          index,
          receipt: receiptOf(index),
          ...record,
        }))
        return jsonAnswer({ records: shown, size, cursor }, UNCACHED)
      }),
    }),
    route({
      path: '/v1/records/{index}',
      params: INDEX,
      query: { grant: Type.Optional(parameter(UUID_V7, 'the grant to read the payload under')) },
      documentation: {
        tag: 'records',
        summary: 'One record of your tenant; with a grant its payload, too',
        description: 'Reading the payload is itself recorded, before it is given.',
        token: true,
        answers: {
          200: { description: 'The record.', content: { [JSON_TYPE]: schema.ReadRecord } },
        },
      },
      handle: guarded(async ({ request: { params, query }, by, compliance }) => {
        const index = indexParameter(params.index, 'index')
        const read = await compliance.read(index, by, query.grant)
        return jsonAnswer(described(read, receiptOf(index)), UNCACHED)
      }),
    }),
    route({
      path: '/v1/records/{index}/leaf',
      params: INDEX,
      documentation: {
        tag: 'records',
        summary: 'One record of your tenant as it stands in the log, byte for byte',
        description: "(printf '\\0'; cat record.json) | sha256sum gives its leaf hash.",
        token: true,
        answers: {
          200: { description: 'Canonical JSON.', content: { [JSON_TYPE]: Type.Object({}) } },
        },
      },
      handle: guarded(async ({ request: { params }, by, compliance }): Promise<Answer> => {
        const { leaf } = await compliance.read(indexParameter(params.index, 'index'), by)
        return answer(JSON_TYPE, UNCACHED, leaf)
      }),
    }),
  ]
}

/** Where the receipt of a leaf is, in a log whose routes begin with `prefix`. */
export function receiptsBelow(prefix: string): (index: number) => string {
  return (index) => `${prefix}/v1/receipts/${index}`
}

type Asked = Partial<Readonly<Record<Exclude<keyof typeof QUERY, 'tenant'>, string>>>

function recordQuery({ order, limit, cursor, ...asked }: Asked): RecordQuery {
  const { from, before, minimum_cost, ...rest } = asked
  const scope = {
    ...rest,
    ...(from !== undefined && { from: logTime(from, '"from"') }),
    ...(before !== undefined && { before: logTime(before, '"before"') }),
    ...(minimum_cost !== undefined && { minimum_cost: Number(minimum_cost) }),
  }
  return {
    ...queryOf(scope),
    // Checked against its schema.
    ...(order !== undefined && { order: order as Order }),
    ...(limit !== undefined && { limit: Number(limit) }),
    ...(cursor !== undefined && { cursor }),
  }
}

function described({ index, record, leaf, disclosures }: ReadRecord, receipt: string): object {
  return {
    index,
    receipt,
    leaf_hash: toBase64(hashLeaf(leaf)),
    record,
    ...(disclosures !== undefined && { payload: payloadOf(record, disclosures) }),
  }
}

function payloadOf(record: RecordLeaf, disclosures: readonly Disclosure[] | 'erased'): object {
  if (disclosures === 'erased') return { state: 'erased' }
  const { held, foreign } = verifyDisclosures(record, disclosures)
  if (foreign.length > 0) {
    const message = `what the vault has of record ${record.id} is not what the record commits to`
    throw new CairnError('CORRUPT', message)
  }
  return {
    state: 'shown',
    submission: rebuildShown(record, held),
    disclosures: disclosures.map(formatDisclosure),
  }
}
