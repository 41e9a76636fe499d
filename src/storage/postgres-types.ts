/**
 * How values travel: parameters that are bytes in binary, results as text, since that is all the driver reads. What
 * arrives is plain: bytes are a Uint8Array and no Buffer, int8 is a number and checked to be a safe integer.
 */
import pg from 'pg'
import { CairnError } from '../errors.ts'

const OID = { bytea: 17, int8: 20, byteaArray: 1001, int8Array: 1016, int4Array: 1007 } as const

const PARSERS: Readonly<Record<number, (text: string) => unknown>> = {
  [OID.bytea]: parseBytea,
  [OID.int8]: parseInteger,
  [OID.int8Array]: parseIntegers,
  [OID.int4Array]: parseIntegers,
  [OID.byteaArray]: parseByteas,
}

/** The driver's table of parsers, ours before its own. */
export const TYPES: pg.CustomTypesConfig = {
  getTypeParser(oid: number, format?: 'text' | 'binary') {
    // The driver's declaration has an overload for each type it knows.
    const parser: unknown = PARSERS[oid] ?? pg.types.getTypeParser(oid, format)
    return parser as ReturnType<typeof pg.types.getTypeParser>
  },
}

function parseBytea(text: string): Uint8Array {
  if (!text.startsWith('\\x')) throw new CairnError('IO', 'bytea_output of the database is not hex')
  const hex = Buffer.from(text.slice(2), 'hex')
  return new Uint8Array(hex.buffer, hex.byteOffset, hex.length)
}

/** @throws CORRUPT beyond 2^53-1 */
function parseInteger(text: string): number {
  return checked(Number(text))
}

function checked(value: number): number {
  if (!Number.isSafeInteger(value)) {
    throw new CairnError('CORRUPT', `the database has the number ${value}, beyond 2^53-1`)
  }
  return value
}

/** `{1,NULL,3}` as [1, null, 3]. */
function parseIntegers(text: string): (number | null)[] {
  if (text === '{}') return []
  const list = text.slice(1, -1).split(',')
  return list.map((word) => (word === 'NULL' ? null : parseInteger(word)))
}

/** `{"\\x00",NULL}`: each backslash doubled, in quotation marks. */
function parseByteas(text: string): (Uint8Array | null)[] {
  if (text === '{}') return []
  return text
    .slice(1, -1)
    .split(',')
    .map((word) => (word === 'NULL' ? null : parseBytea(word.slice(2, -1))))
}

const INT4 = 23
const INT8 = 20

/** An int4[] parameter in binary. */
export function int4Array(values: ArrayLike<number>): Buffer {
  const out = arrayHeader(values.length, INT4, 4)
  for (let i = 0, at = 20; i < values.length; i++, at += 8) {
    out.writeInt32BE(4, at)
    out.writeInt32BE(values[i]!, at + 4)
  }
  return out
}

/** An int8[] parameter in binary. @throws RangeError on anything that is no safe integer */
export function int8Array(values: ArrayLike<number>): Buffer {
  const out = arrayHeader(values.length, INT8, 8)
  for (let i = 0, at = 20; i < values.length; i++, at += 12) {
    out.writeInt32BE(8, at)
    out.writeBigInt64BE(BigInt(values[i]!), at + 4)
  }
  return out
}

const BYTEA = 17

/** A bytea[] parameter in binary: half the bytes of its text. */
export function byteaArray(values: readonly Uint8Array[]): Buffer {
  const header = arrayHeader(0, BYTEA, 0)
  if (values.length === 0) return header
  let length = 20
  for (const value of values) length += 4 + value.length
  const out = Buffer.allocUnsafe(length)
  writeHeader(out, values.length, BYTEA)
  let at = 20
  for (const value of values) {
    out.writeInt32BE(value.length, at)
    out.set(value, at + 4)
    at += 4 + value.length
  }
  return out
}

function arrayHeader(length: number, element: number, size: number): Buffer {
  if (length === 0) {
    const empty = Buffer.alloc(12)
    empty.writeInt32BE(element, 8)
    return empty
  }
  const out = Buffer.allocUnsafe(20 + length * (4 + size))
  writeHeader(out, length, element)
  return out
}

/** One dimension, no nulls, of `length` elements that count from 1. */
function writeHeader(out: Buffer, length: number, element: number): void {
  out.writeInt32BE(1, 0)
  out.writeInt32BE(0, 4)
  out.writeInt32BE(element, 8)
  out.writeInt32BE(length, 12)
  out.writeInt32BE(1, 16)
}
