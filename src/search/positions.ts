/**
 * Which records of a segment: a set of positions, 0 to 4,095. In memory it is a bitmap of 128 words; stored it takes
 * whichever of three shapes is shortest. A gap is the number of positions left out since the one before.
 *
 *   0 ‖ (gap varint)…                       few: one gap for each position
 *   1 ‖ bitmap[512]                         many: bit p%8 of byte p/8, the lowest bit first
 *   2 ‖ first varint ‖ (count-1) varint     a run without gaps
 */
import { CairnError } from '../errors.ts'

/** Indices in a segment. */
export const SEGMENT_WIDTH = 4096
const WORDS = SEGMENT_WIDTH / 32
const BITMAP_BYTES = SEGMENT_WIDTH / 8

const LIST = 0
const BITMAP = 1
const RUN = 2

/** 128 words; bit p%32 of word p/32 is position p. */
export type Positions = Uint32Array

/** The set of the positions given. */
export function positionsOf(list: Iterable<number>): Positions {
  const set = new Uint32Array(WORDS)
  for (const position of list) set[position >>> 5]! |= 1 << (position & 31)
  return set
}

/** The members of a set, rising. */
export function listOf(set: Positions): number[] {
  const list: number[] = []
  for (let at = 0; at < WORDS; at++) {
    for (let word = set[at]!; word !== 0; word &= word - 1) {
      list.push(32 * at + 31 - Math.clz32(word & -word))
    }
  }
  return list
}

/** Takes out of `set` what is not in `other`. */
export function keepCommon(set: Positions, other: Positions): void {
  for (let at = 0; at < WORDS; at++) set[at]! &= other[at]!
}

/** Takes out of `set` what is in `other`. */
export function keepOthers(set: Positions, other: Positions): void {
  for (let at = 0; at < WORDS; at++) set[at]! &= ~other[at]!
}

export function has(set: Positions, position: number): boolean {
  return (set[position >>> 5]! & (1 << (position & 31))) !== 0
}

/** Takes out of `set` all positions before `from`, and from `to` on. */
export function keepBetween(set: Positions, from: number, to: number): void {
  for (let position = 0; position < Math.min(from, SEGMENT_WIDTH); position++) {
    remove(set, position)
  }
  for (let position = Math.max(to, 0); position < SEGMENT_WIDTH; position++) remove(set, position)
}

export function remove(set: Positions, position: number): void {
  set[position >>> 5]! &= ~(1 << (position & 31))
}

export function isEmpty(set: Positions): boolean {
  return set.every((word) => word === 0)
}

/** Where each member of a set stands in it: the 0-based place of a position among all members, which it must be of. */
export function ranksOf(set: Positions): (position: number) => number {
  const before = new Uint16Array(WORDS)
  for (let at = 1; at < WORDS; at++) before[at] = before[at - 1]! + bitsOf(set[at - 1]!)
  return (position) => {
    const at = position >>> 5
    return before[at]! + bitsOf(set[at]! & ((1 << (position & 31)) - 1))
  }
}

function bitsOf(word: number): number {
  let rest = word - ((word >>> 1) & 0x55555555)
  rest = (rest & 0x33333333) + ((rest >>> 2) & 0x33333333)
  return Math.imul((rest + (rest >>> 4)) & 0x0f0f0f0f, 0x01010101) >>> 24
}

/** The stored form of positions that rise, one or more. */
export function encodePositions(list: readonly number[]): Uint8Array {
  const first = list[0]!
  const last = list[list.length - 1]!
  if (last - first + 1 === list.length) {
    // A list of one position is shorter than a run of it.
    if (list.length > 1) return Uint8Array.from([RUN, ...varint(first), ...varint(list.length - 1)])
  }
  const out: number[] = [LIST]
  let previous = -1
  for (const position of list) {
    out.push(...varint(position - previous - 1))
    previous = position
    if (out.length > BITMAP_BYTES) return bitmapOf(list)
  }
  return Uint8Array.from(out)
}

/** A gap fits in 7 bits, or in 14. */
function varint(value: number): number[] {
  return value < 128 ? [value] : [128 | (value & 127), value >>> 7]
}

function bitmapOf(list: readonly number[]): Uint8Array {
  const out = new Uint8Array(1 + BITMAP_BYTES)
  out[0] = BITMAP
  for (const position of list) out[1 + (position >>> 3)]! |= 1 << (position & 7)
  return out
}

/** Reads a stored set. @throws CORRUPT */
export function decodePositions(bytes: Uint8Array): Positions {
  switch (bytes[0]) {
    case LIST:
      return positionsOf(membersOf(bytes))
    case BITMAP:
      return decodeBitmap(bytes)
    case RUN:
      return decodeRun(bytes)
    default:
      throw unreadable()
  }
}

/** The members of a stored set, rising. @throws CORRUPT */
export function decodeToList(bytes: Uint8Array): number[] {
  return bytes[0] === LIST ? membersOf(bytes) : listOf(decodePositions(bytes))
}

/** The members of a set in the first shape. */
function membersOf(bytes: Uint8Array): number[] {
  const members: number[] = []
  let position = -1
  let at = 1
  while (at < bytes.length) {
    const low = bytes[at++]!
    const gap = low < 128 ? low : (low & 127) | ((bytes[at++] ?? 128) << 7)
    position += gap + 1
    if (position >= SEGMENT_WIDTH) throw unreadable()
    members.push(position)
  }
  if (members.length === 0) throw unreadable()
  return members
}

function decodeBitmap(bytes: Uint8Array): Positions {
  if (bytes.length !== 1 + BITMAP_BYTES) throw unreadable()
  const set = new Uint32Array(WORDS)
  for (let at = 0, from = 1; at < WORDS; at++, from += 4) {
    set[at] =
      bytes[from]! | (bytes[from + 1]! << 8) | (bytes[from + 2]! << 16) | (bytes[from + 3]! << 24)
  }
  return set
}

function decodeRun(bytes: Uint8Array): Positions {
  const [first, at] = readVarint(bytes, 1)
  const [more, end] = readVarint(bytes, at)
  if (end !== bytes.length || first + more >= SEGMENT_WIDTH) throw unreadable()
  const set = new Uint32Array(WORDS)
  for (let position = first; position <= first + more; position++) {
    set[position >>> 5]! |= 1 << (position & 31)
  }
  return set
}

function readVarint(bytes: Uint8Array, at: number): [value: number, next: number] {
  const low = bytes[at] ?? SEGMENT_WIDTH
  if (low < 128) return [low, at + 1]
  return [(low & 127) | ((bytes[at + 1] ?? SEGMENT_WIDTH) << 7), at + 2]
}

function unreadable(): CairnError {
  return new CairnError('CORRUPT', 'the search index is damaged; build it again from the log')
}
