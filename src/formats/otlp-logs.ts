/**
 * The logs of an OpenTelemetry export (OTLP, ExportLogsServiceRequest): its messages in one table, from which both
 * encodings are read, so that otlp-json.ts and otlp-protobuf.ts give the same values for the same export.
 */
import { CairnError, malformed } from '../errors.ts'
import { formatPointer, shownPointer } from './json-pointer.ts'
import { type JsonValue, setMember } from './json-strict.ts'

/** The largest export, in bytes, after decompression. */
export const MAX_OTLP_SIZE = 8_388_608
/** The most log records of an export. */
export const MAX_OTLP_RECORDS = 10_000
/** The most attributes and other values of an export, whatever they stand in; resources and scopes count as well. */
export const MAX_OTLP_VALUES = 500_000
/** How deep arrays and maps may stand in each other in one value. */
export const MAX_OTLP_DEPTH = 64

export type OtlpEncoding = 'json' | 'protobuf'

/** In the order in which they came; a name may be there twice, which OTLP forbids and SDKs can be told to do. */
export type OtlpAttributes = readonly (readonly [name: string, value: JsonValue])[]

/** An export. What is empty or 0 was not there: protobuf does not tell the two apart. */
export interface OtlpLogs {
  readonly resourceLogs: readonly OtlpResourceLogs[]
}

export interface OtlpResourceLogs {
  readonly resource: {
    readonly attributes: OtlpAttributes
    readonly droppedAttributesCount: number
  }
  readonly scopeLogs: readonly OtlpScopeLogs[]
  readonly schemaUrl: string
}

export interface OtlpScopeLogs {
  readonly scope: {
    readonly name: string
    readonly version: string
    readonly attributes: OtlpAttributes
    readonly droppedAttributesCount: number
  }
  readonly logRecords: readonly OtlpLogRecord[]
  readonly schemaUrl: string
}

export interface OtlpLogRecord {
  /** Nanoseconds since 1970; 0 when unknown. */
  readonly timeUnixNano: bigint
  readonly observedTimeUnixNano: bigint
  readonly severityNumber: number
  readonly severityText: string
  readonly eventName: string
  /** Null when there is none. */
  readonly body: JsonValue
  readonly attributes: OtlpAttributes
  readonly droppedAttributesCount: number
  readonly flags: number
  /** Lowercase hexadecimal of as many bytes as there were; '' when there were none. */
  readonly traceId: string
  readonly spanId: string
}

/** What a field holds. Attributes are a list of keys and values; a value is an AnyValue. */
export type OtlpFieldType =
  | 'text'
  | 'hex'
  | 'fixed64'
  | 'fixed32'
  | 'uint32'
  | 'int32'
  | 'value'
  | 'attributes'
  | { readonly message: OtlpMessage }
  | { readonly list: OtlpMessage }

/** The fields of a message by their names in JSON, each with its number in protobuf. */
export type OtlpMessage = Readonly<Record<string, readonly [field: number, type: OtlpFieldType]>>

// The fields of opentelemetry-proto 1.x, of which those of the logs are stable.
const LOG_RECORD: OtlpMessage = {
  timeUnixNano: [1, 'fixed64'],
  severityNumber: [2, 'int32'],
  severityText: [3, 'text'],
  body: [5, 'value'],
  attributes: [6, 'attributes'],
  droppedAttributesCount: [7, 'uint32'],
  flags: [8, 'fixed32'],
  traceId: [9, 'hex'],
  spanId: [10, 'hex'],
  observedTimeUnixNano: [11, 'fixed64'],
  eventName: [12, 'text'],
}
const SCOPE: OtlpMessage = {
  name: [1, 'text'],
  version: [2, 'text'],
  attributes: [3, 'attributes'],
  droppedAttributesCount: [4, 'uint32'],
}
const SCOPE_LOGS: OtlpMessage = {
  scope: [1, { message: SCOPE }],
  logRecords: [2, { list: LOG_RECORD }],
  schemaUrl: [3, 'text'],
}
const RESOURCE: OtlpMessage = {
  attributes: [1, 'attributes'],
  droppedAttributesCount: [2, 'uint32'],
}
const RESOURCE_LOGS: OtlpMessage = {
  resource: [1, { message: RESOURCE }],
  scopeLogs: [2, { list: SCOPE_LOGS }],
  schemaUrl: [3, 'text'],
}
/** ExportLogsServiceRequest. */
export const EXPORT_LOGS: OtlpMessage = { resourceLogs: [1, { list: RESOURCE_LOGS }] }

/** The kinds of an AnyValue by their names in JSON, each with its number in protobuf. */
export const OTLP_VALUE_KINDS = {
  stringValue: 1,
  boolValue: 2,
  intValue: 3,
  doubleValue: 4,
  arrayValue: 5,
  kvlistValue: 6,
  bytesValue: 7,
} as const

/** What a decoder gives for a field that is not there. */
export function absentField(type: OtlpFieldType): unknown {
  if (type === 'text' || type === 'hex') return ''
  if (type === 'fixed64') return 0n
  if (type === 'value') return null
  if (typeof type === 'string') return type === 'attributes' ? [] : 0
  return 'list' in type ? [] : absentMessage(type.message)
}

/** A message without any of its fields. */
export function absentMessage(message: OtlpMessage): Record<string, unknown> {
  return Object.fromEntries(
    Object.entries(message).map(([name, [, type]]) => [name, absentField(type)]),
  )
}

/** An integer as JSON: as a string of digits where a number would not be exact. */
export function jsonOfInteger(value: bigint): JsonValue {
  const number = Number(value)
  return Number.isSafeInteger(number) ? number : value.toString()
}

/** A double as JSON: as a string where I-JSON has no such number (NaN, infinite, beyond 2^53-1). */
export function jsonOfDouble(value: number): JsonValue {
  // Minus zero is written 0 in canonical JSON.
  return Math.abs(value) <= Number.MAX_SAFE_INTEGER ? value + 0 : String(value)
}

/** Where a decoder is in the export, and how much it has met. Both decoders name places as the JSON encoding does. */
export class OtlpPlace {
  readonly #path: (string | number)[] = []
  #records = 0
  #values = 0
  #depth = 0

  /** Reads what stands below a step. */
  below<T>(step: string | number, read: () => T): T {
    this.#path.push(step)
    const value = read()
    this.#path.pop()
    return value
  }

  /** Reads what stands in an array or map. @throws MALFORMED when it is nested too deep */
  deeper<T>(read: () => T): T {
    if (++this.#depth > MAX_OTLP_DEPTH) {
      this.fail(`nested deeper than ${MAX_OTLP_DEPTH} arrays and maps`)
    }
    const value = read()
    this.#depth--
    return value
  }

  /** @throws MALFORMED, always */
  fail(problem: string): never {
    throw malformed(`${shownPointer(formatPointer(this.#path))}: ${problem}`)
  }

  #countRecord(): void {
    if (++this.#records > MAX_OTLP_RECORDS) {
      const message = `the export has more than ${MAX_OTLP_RECORDS} log records`
      throw new CairnError('TOO_LARGE', `${message}. Export smaller batches`)
    }
  }

  /** @throws TOO_LARGE when there are too many of them */
  countValue(): void {
    if (++this.#values > MAX_OTLP_VALUES) {
      const message = `the export has more than ${MAX_OTLP_VALUES} attributes and other values`
      throw new CairnError('TOO_LARGE', `${message}. Export smaller batches`)
    }
  }

  /** Counts what begins, where it is limited. @throws TOO_LARGE */
  enter(message: OtlpMessage): void {
    if (message === LOG_RECORD) this.#countRecord()
    else this.countValue()
  }

  /** The object of a list of keys and values. @throws MALFORMED when a key is there twice */
  map(entries: OtlpAttributes): JsonValue {
    const map: Record<string, JsonValue> = {}
    for (const [name, value] of entries) {
      if (Object.hasOwn(map, name)) {
        this.fail(`the key ${shownPointer(name)} is there twice`)
      }
      setMember(map, name, value)
    }
    return map
  }
}

/** @throws TOO_LARGE */
export function checkOtlpSize(bytes: Uint8Array): void {
  if (bytes.length > MAX_OTLP_SIZE) {
    const message = `the export has ${bytes.length} bytes; ${MAX_OTLP_SIZE} at most`
    throw new CairnError('TOO_LARGE', `${message}. Export smaller batches`)
  }
}
