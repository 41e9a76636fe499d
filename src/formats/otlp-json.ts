/**
 * OTLP logs in JSON: the mapping of protobuf to JSON, but trace and span ids in hexadecimal, enums as numbers only and
 * members that are not known passed over (OTLP specification, "JSON Protobuf Encoding").
 */
import { fromBase64, fromUtf8, toBase64 } from '../bytes.ts'
import { isJsonObject, type JsonObject, type JsonValue, parseJson } from './json-strict.ts'
import {
  absentField,
  checkOtlpSize,
  EXPORT_LOGS,
  jsonOfDouble,
  jsonOfInteger,
  MAX_OTLP_DEPTH,
  MAX_OTLP_SIZE,
  OTLP_VALUE_KINDS,
  type OtlpFieldType,
  type OtlpLogs,
  type OtlpMessage,
  OtlpPlace,
} from './otlp-logs.ts'

/** A map in a map is four levels of JSON. */
const MAX_DEPTH = 4 * MAX_OTLP_DEPTH + 16

/**
 * Reads an export. Null stands for a member that is not there. A member spelled as in the .proto files
 * (`resource_logs`) is an error: OTLP does not allow it, and to pass over it would lose what it holds.
 * @throws MALFORMED with the JSON Pointer of the place
 * @throws TOO_LARGE beyond the limits of otlp-logs.ts
 */
export function parseOtlpJson(bytes: Uint8Array): OtlpLogs {
  checkOtlpSize(bytes)
  const text = quoteNumbers(fromUtf8(bytes, 'the JSON'))
  // Two quotes more for a number of three characters and more.
  const value = parseJson(text, { size: 2 * MAX_OTLP_SIZE, depth: MAX_DEPTH })
  return new Decoder().message(value, EXPORT_LOGS) as unknown as OtlpLogs
}

const NUMBER = /^-?(?:0|[1-9][0-9]*)(?:\.[0-9]+)?(?:[eE][+-]?[0-9]+)?$/

/**
 * Puts numbers that a double may not hold in quotes, which mean the same in this mapping; a strict reader of JSON
 * refuses them otherwise, and exporters write nanoseconds and int64 so.
 */
function quoteNumbers(text: string): string {
  let out = ''
  let copied = 0
  for (let at = 0; at < text.length; ) {
    const code = text.charCodeAt(at)
    if (code === QUOTE) at = stringEnd(text, at)
    else if (!isOfNumber(code)) at++
    else {
      const start = at
      while (isOfNumber(text.charCodeAt(at))) at++
      if (at - start < 3 || !mustQuote(text, start, at)) continue
      out += `${text.slice(copied, start)}"${text.slice(start, at)}"`
      copied = at
    }
  }
  return copied === 0 ? text : out + text.slice(copied)
}

const QUOTE = 0x22

/** Whether it is one of `0-9+.eE-`. */
function isOfNumber(code: number): boolean {
  if (code >= 0x30 && code <= 0x39) return true
  return code === 0x2b || code === 0x2d || code === 0x2e || code === 0x45 || code === 0x65
}

/** Where the string that begins at `start` ends; the end of the text when it does not. */
function stringEnd(text: string, start: number): number {
  for (let quote = text.indexOf('"', start + 1); quote !== -1; ) {
    let backslashes = 0
    while (text[quote - 1 - backslashes] === '\\') backslashes++
    if (backslashes % 2 === 0) return quote + 1
    quote = text.indexOf('"', quote + 1)
  }
  return text.length
}

function mustQuote(text: string, start: number, end: number): boolean {
  const token = text.slice(start, end)
  const inexact = token.length > 15 || /[eE]/.test(token)
  if (!inexact || !NUMBER.test(token)) return false
  // What stands where a name should, stays wrong.
  return !/^[ \t\r\n]*:/.test(text.slice(end, end + 64))
}

type KeyAndValue = readonly [key: string, value: JsonValue]

class Decoder {
  readonly #place: OtlpPlace = new OtlpPlace()

  message(json: JsonValue, message: OtlpMessage): Record<string, unknown> {
    this.#place.enter(message)
    const object = this.#object(json)
    return Object.fromEntries(
      Object.entries(message).map(([name, [, type]]) => {
        const value = object[name] ?? null
        if (value === null) return [name, absentField(type)]
        return [name, this.#place.below(name, () => this.#field(value, type))]
      }),
    )
  }

  #field(value: JsonValue, type: OtlpFieldType): unknown {
    switch (type) {
      case 'text':
        return this.#text(value)
      case 'hex':
        return this.#hex(value)
      case 'fixed64':
        return this.#integerIn(value, 0n, 2n ** 64n - 1n)
      case 'fixed32':
      case 'uint32':
        return Number(this.#integerIn(value, 0n, 2n ** 32n - 1n))
      case 'int32':
        return Number(this.#integerIn(value, -(2n ** 31n), 2n ** 31n - 1n))
      case 'value':
        return this.#value(value)
      case 'attributes':
        return this.#list(value, (item) => this.#keyAndValue(item))
      default:
        return 'list' in type
          ? this.#list(value, (item) => this.message(item, type.list))
          : this.message(value, type.message)
    }
  }

  #object(value: JsonValue): JsonObject {
    if (!isJsonObject(value)) this.#place.fail('expected an object')
    for (const member in value) {
      const name = ORIGINAL_NAMES.get(member)
      if (name !== undefined) {
        this.#place.fail(`OTLP in JSON has no member ${member}; write ${name}`)
      }
    }
    return value
  }

  #list<T>(value: JsonValue, read: (item: JsonValue) => T): T[] {
    if (!Array.isArray(value)) this.#place.fail('expected an array')
    return value.map((item: JsonValue, i) => this.#place.below(i, () => read(item)))
  }

  #text(value: JsonValue): string {
    if (typeof value !== 'string') this.#place.fail('expected text')
    return value
  }

  #hex(value: JsonValue): string {
    if (typeof value !== 'string' || !/^(?:[0-9a-fA-F]{2})*$/.test(value)) {
      this.#place.fail('expected bytes in hexadecimal')
    }
    return value.toLowerCase()
  }

  #integerIn(value: JsonValue, least: bigint, most: bigint): bigint {
    const integer = this.#integer(value)
    if (integer < least || integer > most) {
      this.#place.fail(`expected a whole number from ${least} to ${most}`)
    }
    return integer
  }

  /** A whole number, as a number or as a string; 1e3 and 1.0 are whole numbers too. */
  #integer(value: JsonValue): bigint {
    const text = typeof value === 'number' ? String(value) : value
    const integer = typeof text === 'string' ? integerOf(text) : undefined
    return integer ?? this.#place.fail('expected a whole number')
  }

  #keyAndValue(json: JsonValue): KeyAndValue {
    const { key, value, keyStrindex } = this.#object(json)
    if (keyStrindex !== undefined) this.#place.fail(NO_TABLE)
    return [
      this.#place.below('key', () => this.#text(key ?? '')),
      this.#place.below('value', () => this.#value(value ?? {})),
    ]
  }

  #value(json: JsonValue): JsonValue {
    this.#place.countValue()
    const object = this.#object(json)
    if (object.stringValueStrindex !== undefined) this.#place.fail(NO_TABLE)
    const kinds = KINDS.filter((kind) => (object[kind] ?? null) !== null)
    if (kinds.length > 1) this.#place.fail('a value is of one kind only')
    const [kind] = kinds
    if (kind === undefined) return null
    return this.#place.below(kind, () => this.#kind(kind, object[kind]!))
  }

  #kind(kind: string, value: JsonValue): JsonValue {
    switch (kind) {
      case 'stringValue':
        return this.#text(value)
      case 'boolValue':
        return typeof value === 'boolean' ? value : this.#place.fail('expected true or false')
      case 'intValue':
        return this.#intValue(value)
      case 'doubleValue':
        return this.#double(value)
      case 'bytesValue':
        return this.#base64(value)
      case 'arrayValue':
        return this.#values(value, (item) => this.#value(item))
      default:
        return this.#place.map(this.#values(value, (item) => this.#keyAndValue(item)))
    }
  }

  /** The JavaScript SDK writes any number without a fraction as an integer; beyond int64 it can only be a double. */
  #intValue(value: JsonValue): JsonValue {
    const integer = this.#integer(value)
    return BigInt.asIntN(64, integer) === integer
      ? jsonOfInteger(integer)
      : jsonOfDouble(Number(integer))
  }

  #double(value: JsonValue): JsonValue {
    const text = typeof value === 'number' ? String(value) : value
    if (typeof text === 'string') {
      if (NUMBER.test(text)) return jsonOfDouble(Number(text))
      if (['NaN', 'Infinity', '-Infinity'].includes(text)) return text
    }
    return this.#place.fail('expected a number')
  }

  /** Of either alphabet, with or without padding, as the mapping allows. */
  #base64(value: JsonValue): JsonValue {
    const letters = this.#text(value).replaceAll('-', '+').replaceAll('_', '/').replace(/=+$/, '')
    try {
      return toBase64(fromBase64(letters.padEnd(Math.ceil(letters.length / 4) * 4, '=')))
    } catch {
      return this.#place.fail('expected bytes in base64')
    }
  }

  /** The items of an ArrayValue or KeyValueList. */
  #values<T>(json: JsonValue, readItem: (item: JsonValue) => T): T[] {
    return this.#place.deeper(() => {
      const { values } = this.#object(json)
      return this.#place.below('values', () => this.#list(values ?? [], readItem))
    })
  }
}

const NO_TABLE = 'a string by number needs a table, which logs do not have'
const KINDS = Object.keys(OTLP_VALUE_KINDS)

/** From how the .proto files spell a name to the name in JSON, where the two differ. */
const ORIGINAL_NAMES = new Map(
  [...namesIn(EXPORT_LOGS), ...KINDS, 'keyStrindex', 'stringValueStrindex']
    .map((name) => [name.replace(/[A-Z]/g, (letter) => `_${letter.toLowerCase()}`), name] as const)
    .filter(([original, name]) => original !== name),
)

function namesIn(message: OtlpMessage): string[] {
  return Object.entries(message).flatMap(([name, [, type]]) => {
    if (typeof type === 'string') return [name]
    return [name, ...namesIn('list' in type ? type.list : type.message)]
  })
}

/** Beyond this many digits it is no number of OTLP. */
const MAX_DIGITS = 400

/** The whole number that is written so, also with a fraction of zeros or an exponent. */
function integerOf(text: string): bigint | undefined {
  if (!NUMBER.test(text) || text.length > MAX_DIGITS) return undefined
  const [decimal = '', exponent = '0'] = text.toLowerCase().split('e')
  const [whole = '', fraction = ''] = decimal.split('.')
  const digits = whole + fraction
  // How many digits after the point are left.
  const scale = fraction.length - Number(exponent)
  if (Math.abs(scale) > MAX_DIGITS) return undefined
  if (scale <= 0) return BigInt(digits) * 10n ** BigInt(-scale)
  const unit = 10n ** BigInt(scale)
  const value = BigInt(digits)
  return value % unit === 0n ? value / unit : undefined
}
