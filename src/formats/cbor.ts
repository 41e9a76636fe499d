/**
 * CBOR (RFC 8949), the part of it that signed structures need: integers, byte and text strings, arrays, maps, the tag
 * of COSE_Sign1, booleans and null. Encoding is deterministic (section 4.2.1) and decoding accepts nothing else, so
 * each value has one encoding. No floats, no other tags, no indefinite lengths.
 *
 * Also CBOR sequences (RFC 8742) of byte strings, the body of a batch submission.
 */
// The one that makes no code of text, which pages with a strict policy forbid.
import { Decoder } from 'cbor-x/decode-no-eval'
import { equal, join, utf8 } from '../bytes.ts'
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

const decoder = new Decoder({ useRecords: false, mapsAsObjects: false })

/**
 * The value of one CBOR item that fills `bytes`. Byte strings share memory with `bytes`.
 * @throws MALFORMED unless `bytes` are exactly what encodeCbor makes of that value, with the same order of keys
 */
export function decodeCbor(bytes: Uint8Array, order: KeyOrder = 'deterministic'): CborValue {
  checkStructure(bytes)
  let value: CborValue
  let again: Uint8Array
  try {
    // A view of its own: the decoder leaves a property on what it is given.
    const view = new Uint8Array(bytes.buffer, bytes.byteOffset, bytes.length)
    value = checkedValue(decoder.decode(view))
    again = encodeCbor(value, order)
  } catch (cause) {
    throw cause instanceof CairnError ? cause : malformed('CBOR cannot be decoded', { cause })
  }
  // The decoder is lenient (long heads, repeated keys, invalid UTF-8); all of that re-encodes differently.
  if (!equal(again, bytes)) {
    throw malformed('CBOR is not in its deterministic encoding (RFC 8949 section 4.2.1)')
  }
  return value
}

/**
 * Walks the heads of one item before the recursive decoder sees it: nesting, lengths, tags and what follows the item.
 * @throws MALFORMED
 */
function checkStructure(bytes: Uint8Array): void {
  /** How many items are still to come at each level that is open. */
  const open: number[] = [1]
  let at = 0
  while (open.length > 0) {
    if (open.at(-1) === 0) {
      open.pop()
      continue
    }
    open[open.length - 1]!--
    const { major, argument, next } = readHead(bytes, at)
    at = next
    if (major === 2 || major === 3) {
      if (argument > bytes.length - at) throw malformed('CBOR ends inside a string')
      at += argument
    } else if (major === 4 || major === 5) {
      if (argument > bytes.length - at) throw malformed('CBOR ends inside an array or a map')
      open.push(major === 4 ? argument : 2 * argument)
    } else if (major === 6) {
      if (argument !== COSE_SIGN1_TAG) throw malformed(`CBOR tag ${argument} is not accepted`)
      open.push(1)
    } else if (major === 7 && (argument < 20 || argument > 22)) {
      throw malformed('CBOR holds a float, undefined or a simple value')
    }
    if (open.length > MAX_CBOR_DEPTH + 1) {
      throw malformed(`CBOR is nested deeper than ${MAX_CBOR_DEPTH}`)
    }
  }
  if (at !== bytes.length) throw malformed(`CBOR is followed by ${bytes.length - at} more bytes`)
}

function readHead(
  bytes: Uint8Array,
  at: number,
): { major: number; argument: number; next: number } {
  const first = bytes[at]
  if (first === undefined) throw malformed('CBOR ends too early')
  const major = Math.floor(first / 32)
  const info = first % 32
  if (info < 24) return { major, argument: info, next: at + 1 }
  if (info > 27) throw malformed('CBOR has an indefinite length or a reserved head')
  if (major === 7) throw malformed('CBOR holds a float, undefined or a simple value')
  const width = 2 ** (info - 24)
  if (at + 1 + width > bytes.length) throw malformed('CBOR ends too early')
  // Beyond 2^53 this is not exact, and no string or array is as long as that.
  let argument = 0
  for (let i = 1; i <= width; i++) argument = argument * 256 + bytes[at + i]!
  return { major, argument, next: at + 1 + width }
}

/** Takes a decoded value into our types: bigints that fit become numbers. */
function checkedValue(value: unknown): CborValue {
  if (typeof value === 'bigint') {
    const number = Number(value)
    return Number.isSafeInteger(number) ? number : value
  }
  if (value instanceof Uint8Array || value === null) return value
  if (typeof value === 'number' || typeof value === 'string' || typeof value === 'boolean') {
    return value
  }
  if (Array.isArray(value)) return value.map(checkedValue)
  if (value instanceof Map) {
    return new Map([...value].map(([key, item]) => [checkedKey(key), checkedValue(item)]))
  }
  // checkStructure let no other tag pass.
  if (typeof value === 'object' && 'tag' in value && 'value' in value) {
    return { tag: COSE_SIGN1_TAG, value: checkedValue(value.value) }
  }
  throw malformed('CBOR holds a value that is not accepted')
}

function checkedKey(key: unknown): CborKey {
  const value = checkedValue(key)
  if (typeof value === 'number' || typeof value === 'bigint' || typeof value === 'string') {
    return value
  }
  throw malformed('a CBOR map has a key that is neither an integer nor text')
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
      length = readHead(bytes, at).argument
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
