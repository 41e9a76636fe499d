/** The values that routes about records take, as they are said in words and as JSON Schema. */
import type { TSchema, TUnsafe } from 'typebox'
import { SCOPE_MEMBERS } from '../compliance/scope.ts'
import { isMinutes, MAX_MINUTES } from '../compliance/tenant-state.ts'
import { line, type ValueType } from '../formats/record-values.ts'
import { Type } from '../typebox.ts'

/** The legal basis of an erasure. */
export const BASIS: ValueType = line(1024)
/** How long a grant lasts. */
export const MINUTES: ValueType = {
  expected: `a whole number from 1 to ${MAX_MINUTES}`,
  schema: { type: 'integer', minimum: 1, maximum: MAX_MINUTES },
  holds: isMinutes,
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

/** Which records, in a body or an answer. */
export const ScopeSchema: TSchema = Type.Object(
  Object.fromEntries(
    Object.entries(SCOPE_MEMBERS).map(([name, type]) => [name, Type.Optional(member(type))]),
  ),
  {
    additionalProperties: false,
    description:
      'the records that have all of this; people by their names or their pseudonyms, times in RFC 3339, not before "from" and before "before"',
  },
)
