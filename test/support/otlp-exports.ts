/**
 * Exports of OpenTelemetry for tests, of any shape, and encoders of both encodings that share nothing with the decoders:
 * protobuf is written back to front, lengths and all.
 */
import { readFileSync } from 'node:fs'
import fc from 'fast-check'
import type { JsonValue } from '../../src/formats/json-strict.ts'

export type Value =
  | { readonly kind: 'none' }
  | { readonly kind: 'string'; readonly value: string }
  | { readonly kind: 'bool'; readonly value: boolean }
  | { readonly kind: 'int'; readonly value: bigint }
  | { readonly kind: 'double'; readonly value: number }
  | { readonly kind: 'bytes'; readonly value: Uint8Array }
  | { readonly kind: 'array'; readonly value: readonly Value[] }
  | { readonly kind: 'map'; readonly value: readonly Pair[] }
export type Pair = readonly [key: string, value: Value]

export interface LogRecord {
  readonly time: bigint
  readonly observed: bigint
  readonly severity: number
  readonly severityText: string
  readonly body: Value | undefined
  readonly attributes: readonly Pair[]
  readonly dropped: number
  readonly flags: number
  readonly traceId: Uint8Array
  readonly spanId: Uint8Array
  readonly eventName: string
}
export interface ScopeLogs {
  readonly scope?: {
    readonly name: string
    readonly version: string
    readonly attributes: readonly Pair[]
  }
  readonly records: readonly LogRecord[]
  readonly schemaUrl: string
}
export interface ResourceLogs {
  readonly resource?: { readonly attributes: readonly Pair[]; readonly dropped: number }
  readonly scopes: readonly ScopeLogs[]
  readonly schemaUrl: string
}
export type Export = readonly ResourceLogs[]

// Protobuf.

const varint = (value: bigint): number[] => {
  const rest = BigInt.asUintN(64, value)
  return rest < 128n ? [Number(rest)] : [Number(rest % 128n) + 128, ...varint(rest / 128n)]
}
const tag = (field: number, wire: number): number[] => varint(BigInt((field << 3) | wire))
const bytes = (field: number, of: Iterable<number>): number[] => {
  const content = [...of]
  return [...tag(field, 2), ...varint(BigInt(content.length)), ...content]
}
const text = (field: number, of: string): number[] =>
  of === '' ? [] : bytes(field, Buffer.from(of))
const int = (field: number, of: bigint): number[] =>
  of === 0n ? [] : [...tag(field, 0), ...varint(of)]
const fixed = (field: number, of: bigint, size: 4 | 8): number[] => {
  if (of === 0n) return []
  const content = Array.from({ length: size }, (_, i) => Number((of >> BigInt(8 * i)) & 255n))
  return [...tag(field, size === 8 ? 1 : 5), ...content]
}

function protobufValue(value: Value): number[] {
  switch (value.kind) {
    case 'none':
      return []
    case 'string':
      return bytes(1, Buffer.from(value.value))
    case 'bool':
      return [...tag(2, 0), value.value ? 1 : 0]
    case 'int':
      return [...tag(3, 0), ...varint(value.value)]
    case 'double':
      return [...tag(4, 1), ...new Uint8Array(new Float64Array([value.value]).buffer)]
    case 'array':
      return bytes(
        5,
        value.value.flatMap((one) => bytes(1, protobufValue(one))),
      )
    case 'map':
      return bytes(
        6,
        value.value.flatMap((pair) => bytes(1, protobufPair(pair))),
      )
    case 'bytes':
      return bytes(7, value.value)
  }
}
const protobufPair = ([key, value]: Pair): number[] => [
  ...text(1, key),
  ...bytes(2, protobufValue(value)),
]
const protobufPairs = (field: number, pairs: readonly Pair[]): number[] =>
  pairs.flatMap((pair) => bytes(field, protobufPair(pair)))

export function protobufOf(exported: Export): Uint8Array {
  return Uint8Array.from(exported.flatMap((one) => bytes(1, resourceLogs(one))))
}
const resourceLogs = ({ resource, scopes, schemaUrl }: ResourceLogs): number[] => [
  ...(resource === undefined
    ? []
    : bytes(1, [...protobufPairs(1, resource.attributes), ...int(2, BigInt(resource.dropped))])),
  ...scopes.flatMap((one) => bytes(2, scopeLogs(one))),
  ...text(3, schemaUrl),
]
const scopeLogs = ({ scope, records, schemaUrl }: ScopeLogs): number[] => [
  ...(scope === undefined
    ? []
    : bytes(1, [
        ...text(1, scope.name),
        ...text(2, scope.version),
        ...protobufPairs(3, scope.attributes),
      ])),
  ...records.flatMap((one) => bytes(2, logRecord(one))),
  ...text(3, schemaUrl),
]
const logRecord = (one: LogRecord): number[] => [
  ...fixed(1, one.time, 8),
  ...int(2, BigInt(one.severity)),
  ...text(3, one.severityText),
  ...(one.body === undefined ? [] : bytes(5, protobufValue(one.body))),
  ...protobufPairs(6, one.attributes),
  ...int(7, BigInt(one.dropped)),
  ...fixed(8, BigInt(one.flags), 4),
  ...(one.traceId.length === 0 ? [] : bytes(9, one.traceId)),
  ...(one.spanId.length === 0 ? [] : bytes(10, one.spanId)),
  ...fixed(11, one.observed, 8),
  ...text(12, one.eventName),
]

// JSON.

function jsonValue(value: Value): object {
  switch (value.kind) {
    case 'none':
      return {}
    case 'string':
      return { stringValue: value.value }
    case 'bool':
      return { boolValue: value.value }
    case 'int':
      return { intValue: value.value.toString() }
    case 'double':
      return { doubleValue: Number.isFinite(value.value) ? value.value : String(value.value) }
    case 'array':
      return { arrayValue: { values: value.value.map(jsonValue) } }
    case 'map':
      return { kvlistValue: { values: value.value.map(jsonPair) } }
    case 'bytes':
      return { bytesValue: Buffer.from(value.value).toString('base64') }
  }
}
const jsonPair = ([key, value]: Pair): object => ({ key, value: jsonValue(value) })

export function jsonOf(exported: Export): Uint8Array {
  const all = {
    resourceLogs: exported.map(({ resource, scopes, schemaUrl }) => ({
      ...(resource !== undefined && {
        resource: {
          attributes: resource.attributes.map(jsonPair),
          droppedAttributesCount: resource.dropped,
        },
      }),
      scopeLogs: scopes.map((one) => ({
        ...(one.scope !== undefined && {
          scope: { ...one.scope, attributes: one.scope.attributes.map(jsonPair) },
        }),
        logRecords: one.records.map((record) => ({
          timeUnixNano: record.time.toString(),
          observedTimeUnixNano: record.observed.toString(),
          severityNumber: record.severity,
          severityText: record.severityText,
          ...(record.body !== undefined && { body: jsonValue(record.body) }),
          attributes: record.attributes.map(jsonPair),
          droppedAttributesCount: record.dropped,
          flags: record.flags,
          traceId: Buffer.from(record.traceId).toString('hex').toUpperCase(),
          spanId: Buffer.from(record.spanId).toString('hex'),
          eventName: record.eventName,
        })),
        schemaUrl: one.schemaUrl,
      })),
      schemaUrl,
    })),
  }
  return Buffer.from(JSON.stringify(all))
}

/** What both decoders should make of a value. */
export function plainOf(value: Value): JsonValue {
  switch (value.kind) {
    case 'none':
      return null
    case 'int':
      return Number.isSafeInteger(Number(value.value)) ? Number(value.value) : String(value.value)
    case 'double': {
      const isPlain = Math.abs(value.value) < 2 ** 53
      return isPlain ? (Object.is(value.value, -0) ? 0 : value.value) : String(value.value)
    }
    case 'bytes':
      return Buffer.from(value.value).toString('base64')
    case 'array':
      return value.value.map(plainOf)
    case 'map':
      return Object.fromEntries(value.value.map(([key, one]) => [key, plainOf(one)]))
    default:
      return value.value
  }
}

// Arbitraries.

const anyText = fc.string({ unit: 'grapheme', maxLength: 12 })
const kind = <K extends Value['kind'], T>(name: K, of: fc.Arbitrary<T>) =>
  of.map((value) => ({ kind: name, value }))

export const anyValue: fc.Arbitrary<Value> = fc.letrec<{ value: Value; pair: Pair }>((tie) => ({
  value: fc.oneof(
    { maxDepth: 4, depthSize: 'small' },
    fc.constant({ kind: 'none' } as const),
    kind('string', anyText),
    kind('bool', fc.boolean()),
    kind('int', fc.bigInt({ min: -(2n ** 63n), max: 2n ** 63n - 1n })),
    kind('int', fc.bigInt({ min: -5n, max: 5n })),
    kind('double', fc.double()),
    kind('bytes', fc.uint8Array({ maxLength: 8 })),
    kind('array', fc.array(tie('value'), { maxLength: 4 })),
    kind('map', fc.uniqueArray(tie('pair'), { maxLength: 4, selector: ([key]) => key })),
  ) as fc.Arbitrary<Value>,
  pair: fc.tuple(anyText, tie('value')),
})).value

const GENAI_NAMES = [
  'gen_ai.request.model',
  'gen_ai.response.model',
  'gen_ai.operation.name',
  'gen_ai.input.messages',
  'gen_ai.output.messages',
  'gen_ai.tool.name',
  'gen_ai.tool.call.arguments',
  'gen_ai.usage.input_tokens',
  'gen_ai.request.seed',
  'gen_ai.response.finish_reasons',
  'gen_ai.retrieval.documents',
  'gen_ai.system_instructions',
  'mcp.method.name',
  'event.name',
  'error.type',
  'service.version',
  '__proto__',
  'constructor',
]
const anyName = fc.oneof(fc.constantFrom(...GENAI_NAMES), anyText)
const pairs = fc.uniqueArray(fc.tuple(anyName, anyValue), {
  maxLength: 5,
  selector: ([name]) => name,
})
const uint32 = fc.nat({ max: 2 ** 32 - 1 })
const uint64 = fc.bigInt({ min: 0n, max: 2n ** 64n - 1n })
const id = (size: number) =>
  fc.oneof(
    fc.constant(new Uint8Array(0)),
    fc.uint8Array({ minLength: size, maxLength: size }),
    fc.uint8Array({ maxLength: size + 2 }),
  )

const EVENT_NAMES = [
  '',
  'gen_ai.user.message',
  'gen_ai.tool.message',
  'gen_ai.choice',
  'gen_ai.client.inference.operation.details',
  'gen_ai.evaluation.result',
]
export const anyLogRecord: fc.Arbitrary<LogRecord> = fc.record({
  time: uint64,
  observed: fc.oneof(fc.constant(0n), uint64),
  severity: fc.integer({ min: -3, max: 24 }),
  severityText: anyText,
  body: fc.option(anyValue, { nil: undefined }),
  attributes: pairs,
  dropped: uint32,
  flags: uint32,
  traceId: id(16),
  spanId: id(8),
  eventName: fc.oneof(fc.constantFrom(...EVENT_NAMES), anyText),
})
export const anyExport: fc.Arbitrary<Export> = fc.array(
  fc.record(
    {
      resource: fc.record({ attributes: pairs, dropped: uint32 }),
      scopes: fc.array(
        fc.record(
          {
            scope: fc.record({ name: anyText, version: anyText, attributes: pairs }),
            records: fc.array(anyLogRecord, { maxLength: 3 }),
            schemaUrl: anyText,
          },
          { requiredKeys: ['records', 'schemaUrl'] },
        ),
        { maxLength: 2 },
      ),
      schemaUrl: anyText,
    },
    { requiredKeys: ['scopes', 'schemaUrl'] },
  ),
  { maxLength: 2 },
)

/** A log record, as little of it as there can be. */
export const BARE: LogRecord = {
  time: 0n,
  observed: 0n,
  severity: 0,
  severityText: '',
  body: undefined,
  attributes: [],
  dropped: 0,
  flags: 0,
  traceId: new Uint8Array(0),
  spanId: new Uint8Array(0),
  eventName: '',
}

/** An export of these log records. */
export function exportOf(...records: readonly Partial<LogRecord>[]): Export {
  const logs = records.map((record) => ({ ...BARE, ...record }))
  return [{ scopes: [{ records: logs, schemaUrl: '' }], schemaUrl: '' }]
}

/** A JSON value as an attribute has it. */
export function attributeOf(value: JsonValue): Value {
  if (value === null) return { kind: 'none' }
  if (typeof value === 'string') return { kind: 'string', value }
  if (typeof value === 'boolean') return { kind: 'bool', value }
  if (typeof value === 'number') {
    return Number.isInteger(value)
      ? { kind: 'int', value: BigInt(value) }
      : { kind: 'double', value }
  }
  if (Array.isArray(value)) return { kind: 'array', value: value.map(attributeOf) }
  return { kind: 'map', value: attributesOf(value as Readonly<Record<string, JsonValue>>) }
}
export function attributesOf(members: Readonly<Record<string, JsonValue>>): Pair[] {
  return Object.entries(members).map(([key, value]) => [key, attributeOf(value)] as const)
}

/** What an SDK sent: test/formats/otlp says how it was made. */
export function sdkExport(file: 'sdk-json.txt' | 'sdk.pb' | 'python.pb'): Uint8Array {
  return new Uint8Array(readFileSync(new URL(`../formats/otlp/${file}`, import.meta.url)))
}
