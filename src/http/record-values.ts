/** The values that routes about records take: how each is checked, in words and as JSON Schema, in a query or a body. */
import { type TSchema, type TUnsafe, Type } from 'typebox'
import type { Scope } from '../compliance/service.ts'
import { memberPointer, readObject, wrongAt } from '../formats/json-members.ts'
import type { JsonValue } from '../formats/json-strict.ts'
import { LOG_RECORD_TYPES, RECORD_TYPES } from '../formats/record-members.ts'
import { AMOUNT, line, oneOf, TIME, TRACE_ID, type ValueType } from '../formats/record-values.ts'

export const LINE: ValueType = line(256)
export const PERSON: ValueType = line(512)
export const REASON: ValueType = line(1024)
const RESOURCE: ValueType = line(2048)
export const ANY_TYPE: ValueType = oneOf([...RECORD_TYPES, ...LOG_RECORD_TYPES])

const MOST_MINUTES = 1440
export const MINUTES: ValueType = {
  expected: `a whole number from 1 to ${MOST_MINUTES}`,
  schema: { type: 'integer', minimum: 1, maximum: MOST_MINUTES },
  holds: (value) => Number.isInteger(value) && Number(value) >= 1 && Number(value) <= MOST_MINUTES,
}

/** A text of a query or a path, with the words for what it must be. */
export function parameter(type: ValueType, about?: string): TUnsafe<string> {
  const description = about === undefined ? type.expected : `${type.expected}: ${about}`
  const schema = Type.Unsafe<string>({ ...type.schema, description })
  // A schema says less than the check: it has no calendar.
  return Type.Refine(schema, (text) => type.holds(text))
}

/** A member of a body or an answer. */
export function member(type: ValueType, description?: string): TSchema {
  return Type.Unsafe({ ...type.schema, ...(description !== undefined && { description }) })
}

/** What records can be searched for, beside times and costs. */
export type SearchedName = Exclude<keyof Scope, 'trace_id' | 'from' | 'before' | 'minimum_cost'>

export const SEARCHED: Readonly<Record<SearchedName, ValueType>> = {
  request_id: LINE,
  session_id: LINE,
  subject: PERSON,
  actor: PERSON,
  type: ANY_TYPE,
  action: LINE,
  resource: RESOURCE,
  model: LINE,
  model_version: LINE,
  environment: LINE,
}

const SCOPE: Readonly<Record<keyof Scope, ValueType>> = {
  ...SEARCHED,
  trace_id: TRACE_ID,
  from: TIME,
  before: TIME,
  minimum_cost: AMOUNT,
}

/** A scope, as a schema. */
export const ScopeSchema: TSchema = Type.Object(
  Object.fromEntries(Object.entries(SCOPE).map(([name, type]) => [name, optional(type)])),
  {
    additionalProperties: false,
    description:
      'the records that have all of this; people by their names or their pseudonyms, times in RFC 3339, not before "from" and before "before"',
  },
)

function optional(type: ValueType): TSchema {
  return Type.Optional(member(type))
}

/** The scope that stands at `pointer` of a body. @throws MALFORMED */
export function readScope(value: JsonValue | undefined, pointer: string): Scope {
  const scope = readObject(value, pointer, [], Object.keys(SCOPE))
  for (const [name, given] of Object.entries(scope)) {
    const type = SCOPE[name as keyof Scope]
    if (!type.holds(given)) throw wrongAt(memberPointer(pointer, name), `expected ${type.expected}`)
  }
  return scope as Scope
}

/** The first whole millisecond that is not before a time, since 1970; `time` is one of RFC 3339. */
export function millisecondsOf(time: string): number {
  const [, before = time, digits = '', zone = ''] = /^([^.]*)\.([0-9]+)(.*)$/.exec(time) ?? []
  const whole = Date.parse(`${before}${digits === '' ? '' : `.${digits.slice(0, 3)}`}${zone}`)
  return /[1-9]/.test(digits.slice(3)) ? whole + 1 : whole
}
