/** The JSON Schema (2020-12) of reports, `spec/report.schema.json`. */
import type { JsonObject } from '../formats/json-strict.ts'
import { LOG_RECORD_TYPES, RECORD_TYPES } from '../formats/record-members.ts'
import { CURRENCY, LOG_TIME, NAME, PSEUDONYM, UUID_V7 } from '../formats/record-values.ts'
import {
  CHECK_NAMES,
  FACT_NAMES,
  MAX_COUNT_ROWS,
  MAX_EVENT_ROWS,
  MAX_FACT_LENGTH,
  REPORT_VERSION,
} from './report.ts'

/** An object with no other members; those whose names end in `?` may be missing. */
function closed(members: Readonly<Record<string, JsonObject>>, description?: string): JsonObject {
  const named = Object.entries(members).map(([name, schema]) => [name.replace(/\?$/, ''), schema])
  return {
    ...(description !== undefined && { description }),
    type: 'object',
    properties: Object.fromEntries(named) as JsonObject,
    required: Object.keys(members).filter((name) => !name.endsWith('?')),
    additionalProperties: false,
  }
}

function listOf(items: JsonObject, more: JsonObject = {}): JsonObject {
  return { type: 'array', items, ...more }
}

const ref = (name: string): JsonObject => ({ $ref: `#/$defs/${name}` })
const about = (schema: JsonObject, description: string): JsonObject => ({ ...schema, description })

const TEXT: JsonObject = { type: 'string' }
const LINE: JsonObject = { type: 'string', minLength: 1, maxLength: 256 }
const SIZE: JsonObject = { type: 'integer', minimum: 0, maximum: Number.MAX_SAFE_INTEGER }
const TOTAL: JsonObject = { type: 'string', pattern: '^(0|[1-9][0-9]*)$' }
const DECIMAL: JsonObject = { type: 'string', pattern: '^(0|[1-9][0-9]*)(\\.[0-9]*[1-9])?$' }
const DAY: JsonObject = { type: 'string', pattern: '^[0-9]{4}-[0-9]{2}-[0-9]{2}$' }
const HASH: JsonObject = { type: 'string', pattern: '^[A-Za-z0-9+/]{43}=$' }
const TIME: JsonObject = LOG_TIME.schema
const TYPE: JsonObject = { enum: [...RECORD_TYPES, ...LOG_RECORD_TYPES] }
const FACT: JsonObject = {
  anyOf: [{ type: 'string', maxLength: MAX_FACT_LENGTH }, { type: 'number' }],
}

const USAGE = {
  records: SIZE,
  input_tokens: about(TOTAL, 'a whole number of any size, as text'),
  output_tokens: TOTAL,
  costs: listOf(ref('cost')),
  'costs_omitted?': about(SIZE, 'records with a cost in yet another currency, in no sum here'),
} as const

function countOf(names: Readonly<Record<string, JsonObject>>): JsonObject {
  return closed({
    rows: listOf(closed({ ...names, ...USAGE }), { maxItems: MAX_COUNT_ROWS }),
    'others?': ref('usage'),
  })
}

function plainCountOf(names: Readonly<Record<string, JsonObject>>): JsonObject {
  return closed({
    rows: listOf(closed({ ...names, records: SIZE }), { maxItems: MAX_COUNT_ROWS }),
    'others?': SIZE,
  })
}

function definitions(): JsonObject {
  const types = { type: 'object', propertyNames: TYPE, additionalProperties: SIZE }
  return {
    usage: closed(USAGE),
    cost: closed({
      'currency?': about(CURRENCY.schema, 'absent when the records name none'),
      cost: about(DECIMAL, 'the exact sum, in decimal'),
      records: SIZE,
    }),
    day: closed({
      day: DAY,
      records: SIZE,
      input_tokens: TOTAL,
      output_tokens: TOTAL,
      by_type: types,
    }),
    named: countOf({ 'name?': LINE }),
    events: eventsSchema(),
    head: closed({ size: SIZE, root: HASH, time: TIME, cosigned_by: listOf(TEXT) }),
    witnesses: closed({
      quorum: about(TEXT, 'what the policy asks for, in words'),
      heads: about(SIZE, 'heads of the month that were looked at'),
      covered: about(SIZE, 'how many of them were cosigned as the policy asks'),
      each: listOf(closed({ name: TEXT, cosigned: SIZE, 'last?': TIME })),
    }),
  }
}

function eventsSchema(): JsonObject {
  const facts = Object.fromEntries(FACT_NAMES.map((name) => [`${name}?`, FACT]))
  const row = closed({
    index: SIZE,
    id: UUID_V7.schema,
    time: TIME,
    'action?': LINE,
    'actor?': PSEUDONYM.schema,
    'subject?': PSEUDONYM.schema,
    'request_id?': LINE,
    'parent_id?': UUID_V7.schema,
    facts: closed(facts, 'what was disclosed of the record and opens its commitment'),
  })
  return closed({
    total: SIZE,
    by_action: plainCountOf({ 'action?': LINE }),
    'by_basis?': about(plainCountOf({ 'basis?': TEXT }), 'by legal basis'),
    rows: listOf(row, { maxItems: MAX_EVENT_ROWS }),
    omitted: about(SIZE, 'how many more there are'),
  })
}

/** The schema of `spec/report.schema.json`. */
export function reportSchema(): JsonObject {
  const check = closed({
    name: { enum: [...CHECK_NAMES] },
    status: { enum: ['held', 'open', 'failed'] },
    detail: TEXT,
  })
  const model = { 'name?': LINE, 'provider?': LINE, 'version?': LINE, 'version_hash?': LINE }
  return {
    $schema: 'https://json-schema.org/draft/2020-12/schema',
    title: 'Report on the audit records of a tenant and a month',
    ...closed({
      version: { const: REPORT_VERSION },
      origin: about(TEXT, 'the log'),
      tenant: NAME.schema,
      month: about({ type: 'string', pattern: '^[0-9]{4}-(0[1-9]|1[0-2])$' }, 'in UTC'),
      first: about(TIME, 'the first millisecond of the month'),
      last: about(TIME, 'the last millisecond of the month'),
      generated: TIME,
      complete: { type: 'boolean', description: 'whether the month was over by then' },
      integrity: closed({
        verdict: { enum: ['intact', 'unproven', 'broken'] },
        checks: listOf(check),
        'start?': ref('head'),
        'end?': ref('head'),
        'witnesses?': ref('witnesses'),
      }),
      records: closed({
        total: SIZE,
        'first_index?': SIZE,
        'last_index?': SIZE,
        signed: about(SIZE, 'how many carry a signature of their submitter'),
        by_type: listOf(closed({ type: TYPE, records: SIZE })),
        by_day: listOf(ref('day'), { minItems: 28, maxItems: 31 }),
      }),
      usage: ref('usage'),
      models: countOf(model),
      environments: ref('named'),
      policies: ref('named'),
      retention_classes: ref('named'),
      guardrails: plainCountOf({ 'name?': LINE, 'verdict?': LINE }),
      accesses: ref('events'),
      grants: ref('events'),
      permission_changes: ref('events'),
      erasures: ref('events'),
      expiries: ref('events'),
      holds: ref('events'),
      retention_changes: ref('events'),
    }),
    $defs: definitions(),
  }
}
