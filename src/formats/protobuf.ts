/**
 * Protocol Buffers on the wire, the part of it that OTLP uses: fields of 64-bit and shorter varints, of 4 and 8 bytes,
 * and of bytes. No groups. The messages are told by whoever reads them.
 */
import { join, utf8 } from '../bytes.ts'

export type WireType = 'varint' | '8 bytes' | 'bytes' | '4 bytes'

const WIRE_TYPES: readonly (WireType | undefined)[] = [
  'varint',
  '8 bytes',
  'bytes',
  undefined,
  undefined,
  '4 bytes',
]

const MAX_FIELD = 2 ** 29 - 1

/**
 * The fields of one message, one after the other. `next` stands on the next field; one of the readers then takes its
 * value, the one for its wire type, exactly once.
 */
export class ProtobufReader {
  readonly #bytes: Uint8Array
  readonly #view: DataView
  readonly #fail: (problem: string) => never
  #at = 0
  field = 0
  type: WireType = 'varint'

  /** @param fail throws what is wrong with the message, with its place */
  constructor(bytes: Uint8Array, fail: (problem: string) => never) {
    this.#bytes = bytes
    this.#view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length)
    this.#fail = fail
  }

  /** Goes to the next field; false at the end of the message. */
  next(): boolean {
    if (this.#at === this.#bytes.length) return false
    const tag = this.#length('a field')
    this.field = Math.floor(tag / 8)
    const type = WIRE_TYPES[tag % 8]
    if (this.field === 0 || this.field > MAX_FIELD || type === undefined) {
      this.#fail('not protobuf: no field has this number and wire type')
    }
    this.type = type
    return true
  }

  /** An unsigned integer of 64 bits. */
  varint(): bigint {
    let value = 0n
    for (let i = 0; i < 10; i++) {
      const byte = this.#byte()
      value |= BigInt(byte & 0x7f) << BigInt(7 * i)
      if (byte < 0x80) {
        if (value >= 1n << 64n) break
        return value
      }
    }
    return this.#fail('not protobuf: a varint of more than 64 bits')
  }

  fixed64(): bigint {
    return this.#view.getBigUint64(this.#take(8), true)
  }

  double(): number {
    return this.#view.getFloat64(this.#take(8), true)
  }

  fixed32(): number {
    return this.#view.getUint32(this.#take(4), true)
  }

  /** A view of the message, no copy. */
  bytes(): Uint8Array {
    const length = this.#length('a length')
    const start = this.#take(length)
    return this.#bytes.subarray(start, start + length)
  }

  /** Passes over the value. */
  skip(): void {
    if (this.type === 'varint') this.varint()
    else if (this.type === 'bytes') this.bytes()
    else this.#take(this.type === '8 bytes' ? 8 : 4)
  }

  #byte(): number {
    const byte = this.#bytes[this.#at]
    if (byte === undefined) this.#fail('not protobuf: the message ends within a field')
    this.#at++
    return byte
  }

  #take(count: number): number {
    const start = this.#at
    if (count > this.#bytes.length - start) {
      this.#fail('not protobuf: the message ends within a field')
    }
    this.#at += count
    return start
  }

  /** A varint of 32 bits. Longer than need be is allowed: writers leave room for lengths before they know them. */
  #length(what: string): number {
    let value = 0
    let factor = 1
    for (let i = 0; i < 10; i++) {
      const byte = this.#byte()
      value += (byte & 0x7f) * factor
      if (value > 0xffff_ffff) break
      if (byte < 0x80) return value
      factor *= 128
    }
    return this.#fail(`not protobuf: ${what} of more than 32 bits`)
  }
}

function tag(field: number, wire: number): Uint8Array {
  return varintBytes(BigInt(field * 8 + wire))
}

function varintBytes(value: bigint): Uint8Array {
  const out: number[] = []
  let rest = BigInt.asUintN(64, value)
  for (; rest >= 0x80n; rest >>= 7n) out.push(Number(rest & 0x7fn) + 0x80)
  out.push(Number(rest))
  return Uint8Array.from(out)
}

/** A field of an integer; nothing for 0, the default. */
export function integerField(field: number, value: number): Uint8Array {
  return value === 0 ? new Uint8Array(0) : join([tag(field, 0), varintBytes(BigInt(value))])
}

/** A field of bytes, or of a message. */
export function bytesField(field: number, bytes: Uint8Array): Uint8Array {
  return join([tag(field, 2), varintBytes(BigInt(bytes.length)), bytes])
}

/** A field of text; nothing for '', the default. */
export function textField(field: number, text: string): Uint8Array {
  return text === '' ? new Uint8Array(0) : bytesField(field, utf8(text))
}
