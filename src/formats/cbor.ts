/**
 * CBOR (RFC 8949), the part of it that signed structures need: integers, byte and text strings, arrays, maps, the tag
 * of COSE_Sign1, booleans and null. Encoding is deterministic (section 4.2.1) and decoding accepts nothing else, so
 * each value has one encoding. No floats, no other tags, no indefinite lengths.
 *
 * Also CBOR sequences (RFC 8742) of byte strings, the body of a batch submission.
 */
import { equal, fromUtf8, join, utf8 } from '../bytes.ts'
import { CairnError, malformed } from '../errors.ts'

/** The tag of a COSE_Sign1 (RFC 9052 section 4.2), the only one read or written here. */
export const COSE_SIGN1_TAG = 18
/** Arrays, maps and tags may be nested this deep. */
export const MAX_CBOR_DEPTH = 16

export interface CborTag {
  readonly tag: typeof COSE_SIGN1_TAG
  readonly value: CborValue
}
export type CborKey = number | bigint | string
export type CborMap = ReadonlyMap<CborKey, CborValue>
/** Integers are bigints only where a number would not be exact. */
export type CborValue =
  | CborKey
  | Uint8Array
  | boolean
  | null
  | readonly CborValue[]
  | CborMap
  | CborTag

/** `received` keeps a map's order as it is in the Map: for what others encoded and signed. */
export type KeyOrder = 'deterministic' | 'received'

const MAX_U64 = 2n ** 64n - 1n
/** Half a character, or the byte-order mark that decoders of text drop. */
const UNFIT_TEXT = /\p{Surrogate}|^\uFEFF/u

/**
 * The deterministic encoding of a value.
 * @throws RangeError on a number that is not an integer of 64 bits, on text that is not Unicode or begins with a
 *   byte-order mark, on deep nesting
 */
export function encodeCbor(value: CborValue, order: KeyOrder = 'deterministic'): Uint8Array {
  const parts: Uint8Array[] = []
  write(value, order, 0, parts)
  return join(parts)
}

function write(value: CborValue, order: KeyOrder, depth: number, parts: Uint8Array[]): void {
  if (depth > MAX_CBOR_DEPTH) throw new RangeError(`CBOR is nested deeper than ${MAX_CBOR_DEPTH}`)
  if (value === null) {
    parts.push(Uint8Array.of(0xf6))
  } else if (typeof value === 'boolean') {
    parts.push(Uint8Array.of(value ? 0xf5 : 0xf4))
  } else if (typeof value === 'number' || typeof value === 'bigint') {
    parts.push(integer(value))
  } else if (typeof value === 'string') {
    if (UNFIT_TEXT.test(value))
      throw new RangeError('expected Unicode text without a byte-order mark')
    const bytes = utf8(value)
    parts.push(head(3, bytes.length), bytes)
  } else if (value instanceof Uint8Array) {
    parts.push(head(2, value.length), value)
  } else if (isArray(value)) {
    parts.push(head(4, value.length))
    for (const item of value) write(item, order, depth + 1, parts)
  } else if (isMap(value)) {
    parts.push(head(5, value.size))
    const members = [...value].map(([key, item]) => ({ key: encodeCbor(key), item }))
    if (order === 'deterministic') members.sort((a, b) => compare(a.key, b.key))
    for (const { key, item } of members) {
      parts.push(key)
      write(item, order, depth + 1, parts)
    }
  } else {
    parts.push(head(6, value.tag))
    write(value.value, order, depth + 1, parts)
  }
}

// Array.isArray and instanceof do not narrow the readonly types.
function isArray(value: CborValue): value is readonly CborValue[] {
  return Array.isArray(value)
}
function isMap(value: CborValue): value is CborMap {
  return value instanceof Map
}

function integer(value: number | bigint): Uint8Array {
  if (typeof value === 'number' && !Number.isSafeInteger(value)) {
    throw new RangeError(`expected a safe integer, got ${value}`)
  }
  return value < 0 ? head(1, -1n - BigInt(value)) : head(0, value)
}

/** The shortest head of a major type with its argument. */
function head(major: number, argument: number | bigint): Uint8Array {
  const type = major * 32
  if (argument < 24) return Uint8Array.of(type + Number(argument))
  if (argument < 0x100) return Uint8Array.of(type + 24, Number(argument))
  const width = argument < 0x10000 ? 2 : argument < 0x1_0000_0000 ? 4 : 8
  const out = new Uint8Array(1 + width)
  const view = new DataView(out.buffer)
  if (width === 2) view.setUint16(1, Number(argument))
  else if (width === 4) view.setUint32(1, Number(argument))
  else if (argument > MAX_U64) throw new RangeError(`expected 64 bits at most, got ${argument}`)
  else view.setBigUint64(1, BigInt(argument))
  out[0] = type + (width === 2 ? 25 : width === 4 ? 26 : 27)
  return out
}

/** Bytewise lexicographic order (section 4.2.1). */
function compare(a: Uint8Array, b: Uint8Array): number {
  const length = Math.min(a.length, b.length)
  for (let i = 0; i < length; i++) if (a[i] !== b[i]) return a[i]! - b[i]!
  return a.length - b.length
}

/**
 * The value of one CBOR item that fills `bytes`. Byte strings share memory with `bytes`.
 * @throws MALFORMED unless `bytes` are exactly what encodeCbor makes of that value, with the same order of keys
 */
export function decodeCbor(bytes: Uint8Array, order: KeyOrder = 'deterministic'): CborValue {
  const { value, next } = readItem(bytes, 0, 0)
  if (next !== bytes.length) {
    throw malformed(`CBOR is followed by ${bytes.length - next} more bytes`)
  }
  let again: Uint8Array
  try {
    again = encodeCbor(value, order)
  } catch (cause) {
    throw malformed('CBOR cannot be decoded', { cause })
  }
  // Long heads, repeated keys and the order of keys were let pass; all of that re-encodes differently.
  if (!equal(again, bytes)) {
    throw malformed('CBOR is not in its deterministic encoding (RFC 8949 section 4.2.1)')
  }
  return value
}

interface Item {
  readonly value: CborValue
  /** Where the next item begins. */
  readonly next: number
}

/** Reads an item and those in it. Byte strings are views. @throws MALFORMED */
function readItem(bytes: Uint8Array, at: number, depth: number): Item {
  if (depth > MAX_CBOR_DEPTH) throw malformed(`CBOR is nested deeper than ${MAX_CBOR_DEPTH}`)
  const { major, argument, next } = readHead(bytes, at)
  switch (major) {
    case 0:
      return { value: argument, next }
    case 1:
      return { value: asInteger(-1n - BigInt(argument)), next }
    case 2:
      return { value: stringAt(bytes, next, argument), next: next + Number(argument) }
    case 3: {
      const text = fromUtf8(stringAt(bytes, next, argument), 'CBOR text')
      return { value: text, next: next + Number(argument) }
    }
    case 4:
      return readArray(bytes, next, countOf(argument, bytes.length - next), depth)
    case 5:
      return readMap(bytes, next, countOf(argument, bytes.length - next), depth)
    case 6: {
      if (argument !== COSE_SIGN1_TAG) throw malformed(`CBOR tag ${argument} is not accepted`)
      const { value, next: end } = readItem(bytes, next, depth + 1)
      return { value: { tag: COSE_SIGN1_TAG, value }, next: end }
    }
    default:
      return { value: simpleValue(argument), next }
  }
}

function readArray(bytes: Uint8Array, at: number, count: number, depth: number): Item {
  const items: CborValue[] = []
  let next = at
  for (let i = 0; i < count; i++) {
    const item = readItem(bytes, next, depth + 1)
    items.push(item.value)
    next = item.next
  }
  return { value: items, next }
}

function readMap(bytes: Uint8Array, at: number, count: number, depth: number): Item {
  const members = new Map<CborKey, CborValue>()
  let next = at
  for (let i = 0; i < count; i++) {
    const { value: key, next: afterKey } = readItem(bytes, next, depth + 1)
    if (typeof key !== 'number' && typeof key !== 'bigint' && typeof key !== 'string') {
      throw malformed('a CBOR map has a key that is neither an integer nor text')
    }
    const item = readItem(bytes, afterKey, depth + 1)
    members.set(key, item.value)
    next = item.next
  }
  return { value: members, next }
}

function stringAt(bytes: Uint8Array, at: number, length: number | bigint): Uint8Array {
  if (length > bytes.length - at) throw malformed('CBOR ends inside a string')
  return bytes.subarray(at, at + Number(length))
}

/** Of items that are still to come: each has at least a byte. */
function countOf(argument: number | bigint, left: number): number {
  if (argument > left) throw malformed('CBOR ends inside an array or a map')
  return Number(argument)
}

function simpleValue(argument: number | bigint): boolean | null {
  if (argument === 20) return false
  if (argument === 21) return true
  if (argument === 22) return null
  throw malformed('CBOR holds a float, undefined or a simple value')
}

/** A number where that is exact. */
function asInteger(value: bigint): number | bigint {
  const number = Number(value)
  return Number.isSafeInteger(number) ? number : value
}

function readHead(
  bytes: Uint8Array,
  at: number,
): { major: number; argument: number | bigint; next: number } {
  const first = bytes[at]
  if (first === undefined) throw malformed('CBOR ends too early')
  const major = Math.floor(first / 32)
  const info = first % 32
  if (info < 24) return { major, argument: info, next: at + 1 }
  if (info > 27) throw malformed('CBOR has an indefinite length or a reserved head')
  if (major === 7) throw malformed('CBOR holds a float, undefined or a simple value')
  const width = 2 ** (info - 24)
  if (at + 1 + width > bytes.length) throw malformed('CBOR ends too early')
  let argument = 0n
  for (let i = 1; i <= width; i++) argument = argument * 256n + BigInt(bytes[at + i]!)
  return { major, argument: asInteger(argument), next: at + 1 + width }
}

export interface ByteStringLimits {
  /** How many byte strings a sequence may hold. */
  readonly count: number
  /** How long each of them may be. */
  readonly length: number
}

/** A CBOR sequence (RFC 8742) of byte strings. */
export function encodeByteStrings(items: readonly Uint8Array[]): Uint8Array {
  return join(items.flatMap((item) => [head(2, item.length), item]))
}

/**
 * The items of a CBOR sequence of byte strings: definite lengths in their shortest form. The items are views of
 * `bytes`, nothing is copied.
 * @throws MALFORMED on anything else, TOO_LARGE beyond a limit
 */
export function decodeByteStrings(bytes: Uint8Array, limits: ByteStringLimits): Uint8Array[] {
  const items: Uint8Array[] = []
  let at = 0
  while (at < bytes.length) {
    if (items.length === limits.count) {
      throw new CairnError('TOO_LARGE', `more than ${limits.count} items in one sequence`)
    }
    const first = bytes[at]!
    let start = at + 1
    let length = first - 0x40
    // 0x40..0x57 carry the length; 0x58, 0x59 and 0x5a are followed by 1, 2 or 4 bytes of it.
    if (first === 0x59 && start + 2 <= bytes.length) {
      length = bytes[start]! * 0x100 + bytes[start + 1]!
      start += 2
      if (length < 0x100) throw longHead(items.length)
    } else if (first === 0x58 && start < bytes.length) {
      length = bytes[start]!
      start += 1
      if (length < 24) throw longHead(items.length)
    } else if (first === 0x5a && start + 4 <= bytes.length) {
      length = Number(readHead(bytes, at).argument)
      start += 4
      if (length < 0x10000) throw longHead(items.length)
    } else if (length < 0 || length > 23) {
      throw malformed(`item ${items.length} of the CBOR sequence is not a whole byte string`)
    }
    if (length > limits.length) {
      const reason = `item ${items.length} has ${length} bytes, the limit is ${limits.length}`
      throw new CairnError('TOO_LARGE', reason)
    }
    at = start + length
    if (at > bytes.length) throw malformed(`item ${items.length} of the CBOR sequence is cut short`)
    items.push(bytes.subarray(start, at))
  }
  return items
}

function longHead(item: number): CairnError {
  return malformed(`the length of item ${item} is not in its shortest form`)
}
