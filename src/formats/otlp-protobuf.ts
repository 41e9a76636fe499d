/** OTLP logs in their binary encoding. */
import { fromUtf8, toBase64, toHex } from '../bytes.ts'
import type { JsonValue } from './json-strict.ts'
import {
  absentMessage,
  checkOtlpSize,
  EXPORT_LOGS,
  jsonOfDouble,
  jsonOfInteger,
  OTLP_VALUE_KINDS,
  type OtlpFieldType,
  type OtlpLogs,
  type OtlpMessage,
  OtlpPlace,
} from './otlp-logs.ts'
import { ProtobufReader, type WireType } from './protobuf.ts'

/**
 * Reads an export. Fields that OTLP does not know are passed over; one that it knows must have its wire type, and be
 * there once unless it is a list.
 * @throws MALFORMED with the place, a JSON Pointer into the same export in JSON
 * @throws TOO_LARGE beyond the limits of otlp-logs.ts
 */
export function parseOtlpProtobuf(bytes: Uint8Array): OtlpLogs {
  checkOtlpSize(bytes)
  return new Decoder().message(bytes, EXPORT_LOGS) as unknown as OtlpLogs
}

const WIRE_TYPES: Readonly<Record<string, WireType>> = {
  fixed64: '8 bytes',
  fixed32: '4 bytes',
  uint32: 'varint',
  int32: 'varint',
}
type KeyAndValue = readonly [key: string, value: JsonValue]
type FieldNames = ReadonlyMap<number, readonly [name: string, type: OtlpFieldType]>

const NAMES = new Map<OtlpMessage, FieldNames>()

/** The fields of a message by their numbers. */
function namesOf(message: OtlpMessage): FieldNames {
  let names = NAMES.get(message)
  if (names === undefined) {
    const entries = Object.entries(message)
    names = new Map(entries.map(([name, [field, type]]) => [field, [name, type] as const]))
    NAMES.set(message, names)
  }
  return names
}

const NOTHING = new Uint8Array(0)

/** Strings by number are for profiles, the only signal with a table of them. */
const NO_TABLE = 'a string by number needs a table, which logs do not have'

class Decoder {
  readonly #place: OtlpPlace = new OtlpPlace()

  #read(bytes: Uint8Array): ProtobufReader {
    return new ProtobufReader(bytes, (problem) => this.#place.fail(problem))
  }

  message(bytes: Uint8Array, message: OtlpMessage): Record<string, unknown> {
    this.#place.enter(message)
    const names = namesOf(message)
    const value = absentMessage(message)
    const seen = new Set<string>()
    const reader = this.#read(bytes)
    while (reader.next()) {
      const rule = names.get(reader.field)
      if (rule === undefined) reader.skip()
      else {
        const [name, type] = rule
        this.#place.below(name, () => {
          this.#expect(reader, typeof type === 'string' ? (WIRE_TYPES[type] ?? 'bytes') : 'bytes')
          const list = value[name]
          if (Array.isArray(list)) {
            list.push(this.#place.below(list.length, () => this.#field(reader, type)))
          } else {
            if (seen.has(name)) this.#place.fail('the field is there twice')
            seen.add(name)
            value[name] = this.#field(reader, type)
          }
        })
      }
    }
    return value
  }

  #expect(reader: ProtobufReader, type: WireType): void {
    if (reader.type !== type) {
      this.#place.fail(`expected a field of the wire type ${type}, found ${reader.type}`)
    }
  }

  /** One value of a field; of a list, one item. */
  #field(reader: ProtobufReader, type: OtlpFieldType): unknown {
    switch (type) {
      case 'text':
        return this.#text(reader)
      case 'hex':
        return toHex(reader.bytes())
      case 'fixed64':
        return reader.fixed64()
      case 'fixed32':
        return reader.fixed32()
      // Protobuf cuts what is longer than 32 bits.
      case 'uint32':
        return Number(BigInt.asUintN(32, reader.varint()))
      case 'int32':
        return Number(BigInt.asIntN(32, reader.varint()))
      case 'value':
        return this.#value(reader.bytes())
      case 'attributes':
        return this.#keyAndValue(reader.bytes())
      default:
        return this.message(reader.bytes(), 'list' in type ? type.list : type.message)
    }
  }

  #text(reader: ProtobufReader): string {
    const bytes = reader.bytes()
    try {
      return fromUtf8(bytes)
    } catch {
      return this.#place.fail('not valid UTF-8')
    }
  }

  #keyAndValue(bytes: Uint8Array): KeyAndValue {
    let key: string | undefined
    let value: JsonValue | undefined
    const reader = this.#read(bytes)
    while (reader.next()) {
      if (reader.field === 1 && key === undefined) {
        key = this.#place.below('key', () => {
          this.#expect(reader, 'bytes')
          return this.#text(reader)
        })
      } else if (reader.field === 2 && value === undefined) {
        value = this.#place.below('value', () => {
          this.#expect(reader, 'bytes')
          return this.#value(reader.bytes())
        })
      } else if (reader.field <= 2) this.#place.fail('the key or the value is there twice')
      else if (reader.field === 3) this.#place.fail(NO_TABLE)
      else reader.skip()
    }
    return [key ?? '', value ?? this.#value(NOTHING)]
  }

  #value(bytes: Uint8Array): JsonValue {
    this.#place.countValue()
    let value: JsonValue | undefined
    const reader = this.#read(bytes)
    while (reader.next()) {
      if (reader.field === 8) this.#place.fail(NO_TABLE)
      if (reader.field > 8) reader.skip()
      else if (value !== undefined) this.#place.fail('a value is of one kind only')
      else value = this.#kind(reader)
    }
    return value ?? null
  }

  #kind(reader: ProtobufReader): JsonValue {
    switch (reader.field) {
      case OTLP_VALUE_KINDS.stringValue:
        this.#expect(reader, 'bytes')
        return this.#text(reader)
      case OTLP_VALUE_KINDS.boolValue:
        this.#expect(reader, 'varint')
        return reader.varint() !== 0n
      case OTLP_VALUE_KINDS.intValue:
        this.#expect(reader, 'varint')
        return jsonOfInteger(BigInt.asIntN(64, reader.varint()))
      case OTLP_VALUE_KINDS.doubleValue:
        this.#expect(reader, '8 bytes')
        return jsonOfDouble(reader.double())
      case OTLP_VALUE_KINDS.bytesValue:
        this.#expect(reader, 'bytes')
        return toBase64(reader.bytes())
      case OTLP_VALUE_KINDS.arrayValue:
        this.#expect(reader, 'bytes')
        return this.#place.below('arrayValue', () => this.#array(reader.bytes()))
      default:
        this.#expect(reader, 'bytes')
        return this.#place.below('kvlistValue', () => this.#map(reader.bytes()))
    }
  }

  #array(bytes: Uint8Array): JsonValue {
    return this.#values(bytes, (item) => this.#value(item))
  }

  #map(bytes: Uint8Array): JsonValue {
    return this.#place.map(this.#values(bytes, (item) => this.#keyAndValue(item)))
  }

  /** The items of an ArrayValue or KeyValueList. */
  #values<T>(bytes: Uint8Array, readItem: (item: Uint8Array) => T): T[] {
    const values: T[] = []
    this.#place.deeper(() => {
      const reader = this.#read(bytes)
      while (reader.next()) {
        if (reader.field !== 1) reader.skip()
        else {
          this.#expect(reader, 'bytes')
          const item = reader.bytes()
          const { length } = values
          this.#place.below('values', () =>
            this.#place.below(length, () => values.push(readItem(item))),
          )
        }
      }
    })
    return values
  }
}
