/**
 * What a member of a record can be: how a value is checked, how that is said to a person, and how it is said in JSON
 * Schema. Lengths are counted in characters (code points), as JSON Schema counts them.
 */
import type { JsonObject, JsonValue } from './json-strict.ts'

export interface ValueType {
  /** Completes the sentence "expected …". */
  readonly expected: string
  /** The same as a JSON Schema (2020-12). */
  readonly schema: JsonObject
  /** What stands in it is told by the members below it. */
  readonly container?: 'object' | 'array'
  holds(value: JsonValue): boolean
}

/** What a person sees as one line: no controls, nothing that breaks a line or reorders what is read. */
const LINE =
  '^[^\\u0000-\\u001f\\u007f-\\u009f\\u200e\\u200f\\u2028-\\u202e\\u2066-\\u2069\\ufeff]+$'

function lengthIn(text: string, least: number, most: number): boolean {
  if (text.length < least || text.length > 2 * most) return false
  // Characters beyond U+FFFF are two units of a JavaScript string.
  return text.length <= most || [...text].length <= most
}

function matching(
  expected: string,
  pattern: string,
  [least, most]: readonly [number, number],
  also: (text: string) => boolean = () => true,
): ValueType {
  const expression = new RegExp(pattern, 'u')
  return {
    expected,
    schema: { type: 'string', minLength: least, maxLength: most, pattern },
    holds: (value) =>
      typeof value === 'string' &&
      lengthIn(value, least, most) &&
      expression.test(value) &&
      also(value),
  }
}

/** Text in one line. */
export function line(most: number): ValueType {
  return matching(`a line of text of 1 to ${most} characters`, LINE, [1, most])
}

export function oneOf(values: readonly string[]): ValueType {
  return {
    expected: `one of ${values.join(', ')}`,
    schema: { enum: values },
    holds: (value) => typeof value === 'string' && values.includes(value),
  }
}

/** A list of at most so many things, each of which has rows of its own in the table. */
export function arrayOf(most: number): ValueType {
  return {
    expected: `an array of at most ${most} items`,
    schema: { type: 'array', maxItems: most },
    container: 'array',
    holds: (value) => Array.isArray(value) && value.length <= most,
  }
}

export const OBJECT: ValueType = {
  expected: 'an object',
  schema: { type: 'object' },
  container: 'object',
  holds: (value) => typeof value === 'object' && value !== null && !Array.isArray(value),
}

/** An array of anything. */
export const LIST: ValueType = {
  expected: 'an array',
  schema: { type: 'array' },
  holds: (value) => Array.isArray(value),
}

export const ANYTHING: ValueType = { expected: 'any value', schema: {}, holds: () => true }

export const TEXT: ValueType = {
  expected: 'text',
  schema: { type: 'string' },
  holds: (value) => typeof value === 'string',
}

// Numbers beyond are refused wherever they stand (parseJson); here a schema can say so.
const MAX = Number.MAX_SAFE_INTEGER

export const NUMBER: ValueType = {
  expected: 'a number',
  schema: { type: 'number', minimum: -MAX, maximum: MAX },
  holds: (value) => typeof value === 'number',
}

export const AMOUNT: ValueType = {
  expected: 'a number from 0',
  schema: { type: 'number', minimum: 0, maximum: MAX },
  holds: (value) => typeof value === 'number' && value >= 0,
}

export const COUNT: ValueType = {
  expected: 'a whole number from 0 to 2^53-1',
  schema: { type: 'integer', minimum: 0, maximum: MAX },
  holds: (value) => Number.isSafeInteger(value) && (value as number) >= 0,
}

const DIGITS = '^-?[0-9]{1,40}$'
const ALL_DIGITS = new RegExp(DIGITS)

/** A whole number, as a string where it is beyond 2^53-1. */
export const WHOLE_NUMBER: ValueType = {
  expected: 'a whole number, as a string of digits beyond 2^53-1',
  schema: {
    anyOf: [
      { type: 'integer', minimum: -MAX, maximum: MAX },
      { type: 'string', pattern: DIGITS },
    ],
  },
  holds: (value) =>
    Number.isSafeInteger(value) || (typeof value === 'string' && ALL_DIGITS.test(value)),
}

/** A name that can stand in a path and in a key. */
export const NAME: ValueType = matching(
  'a name of 1 to 64 letters, digits, ".", "_" and "-" that begins with a letter or digit',
  '^[A-Za-z0-9][A-Za-z0-9._-]*$',
  [1, 64],
)

export const UUID_V7: ValueType = matching(
  'the id of a record, a UUID of version 7 in lowercase',
  '^[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$',
  [36, 36],
)

export const TRACE_ID: ValueType = matching(
  '32 lowercase hexadecimal digits, not all 0 (W3C Trace Context)',
  '^(?!0+$)[0-9a-f]+$',
  [32, 32],
)

export const SPAN_ID: ValueType = matching(
  '16 lowercase hexadecimal digits, not all 0 (W3C Trace Context)',
  '^(?!0+$)[0-9a-f]+$',
  [16, 16],
)

const DATE = '[0-9]{4}-(?:0[1-9]|1[0-2])-(?:0[1-9]|[12][0-9]|3[01])'
const CLOCK = '(?:[01][0-9]|2[0-3]):[0-5][0-9]'

/** RFC 3339 without leap seconds, which few clocks show and fewer programs can read. */
export const TIME: ValueType = matching(
  'a time as in RFC 3339, 2026-11-21T12:00:00Z',
  `^${DATE}T${CLOCK}:[0-5][0-9](?:\\.[0-9]{1,9})?(?:Z|[+-]${CLOCK})$`,
  [20, 35],
  (text) => isDay(text.slice(0, 10)),
)

/** The time of the log: UTC, to the millisecond. */
export const LOG_TIME: ValueType = matching(
  'a time of the form 2026-11-21T12:00:00.000Z',
  `^${DATE}T${CLOCK}:[0-5][0-9]\\.[0-9]{3}Z$`,
  [24, 24],
  (text) => isDay(text.slice(0, 10)),
)

/** Whether the calendar has the day: not the 31st of April. */
function isDay(date: string): boolean {
  const [year, month, day] = date.split('-').map(Number) as [number, number, number]
  const isLeap = year % 4 === 0 && (year % 100 !== 0 || year % 400 === 0)
  if (month === 2) return day <= (isLeap ? 29 : 28)
  return day <= ([4, 6, 9, 11].includes(month) ? 30 : 31)
}

export const CURRENCY: ValueType = matching(
  'a currency of three capital letters (ISO 4217)',
  '^[A-Z]{3}$',
  [3, 3],
)

/** The canonical base64url of 16 to 64 bytes. */
export const NONCE: ValueType = matching(
  'base64url of 16 to 64 random bytes, without padding',
  '^(?:[A-Za-z0-9_-]{4})*(?:[A-Za-z0-9_-][AQgw]|[A-Za-z0-9_-]{2}[AEIMQUYcgkosw048])?$',
  [22, 86],
)

export const SIGNATURE: ValueType = matching(
  'an Ed25519 signature, base64url of 64 bytes without padding',
  '^[A-Za-z0-9_-]{85}[AQgw]$',
  [86, 86],
)

export const DIGEST: ValueType = matching(
  'a SHA-256, base64url of 32 bytes without padding',
  '^[A-Za-z0-9_-]{42}[AEIMQUYcgkosw048]$',
  [43, 43],
)

/** What stands for a person in the log. */
export const PSEUDONYM: ValueType = matching(
  'a pseudonym, p_ and base64url of 16 bytes',
  '^p_[A-Za-z0-9_-]{21}[AQgw]$',
  [24, 24],
)
