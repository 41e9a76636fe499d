/**
 * Entry bundles (C2SP tlog-tiles): up to 256 entries, each after its length in 16 bits, one after the other:
 * `0003 "one" 0003 "two" 0005 "three"`. The number of entries is not in the bytes; the bundle's path gives it.
 */
import { CairnError, malformed } from '../errors.ts'
import { TILE_WIDTH } from './tile.ts'

/** Bytes in the longest entry that a bundle can hold. */
export const MAX_ENTRY_SIZE = 65_535

const LENGTH_SIZE = 2

function checkCount(count: number): void {
  if (!Number.isSafeInteger(count) || count < 1 || count > TILE_WIDTH) {
    throw new RangeError(`expected 1 to ${TILE_WIDTH} entries, got ${count}`)
  }
}

/** Frames 1 to 256 entries. @throws TOO_LARGE when an entry is longer than 65,535 bytes */
export function encodeBundle(entries: readonly Uint8Array[]): Uint8Array {
  checkCount(entries.length)
  let length = 0
  for (const entry of entries) {
    if (entry.length > MAX_ENTRY_SIZE) {
      throw new CairnError(
        'TOO_LARGE',
        `an entry has ${entry.length} bytes; at most ${MAX_ENTRY_SIZE} fit an entry bundle`,
      )
    }
    length += LENGTH_SIZE + entry.length
  }
  const framed = new Uint8Array(length)
  let at = 0
  for (const entry of entries) {
    framed[at] = entry.length >> 8
    framed[at + 1] = entry.length & 0xff
    framed.set(entry, at + LENGTH_SIZE)
    at += LENGTH_SIZE + entry.length
  }
  return framed
}

/** Where the entry whose frame begins at `at` ends. @throws MALFORMED when it is cut short */
function frameEnd(framed: Uint8Array, at: number): number {
  const high = framed[at]
  const low = framed[at + 1]
  if (high === undefined || low === undefined) {
    throw malformed('the entry bundle ends before its last entry')
  }
  const end = at + LENGTH_SIZE + high * 256 + low
  if (end > framed.length) throw malformed('the entry bundle ends inside an entry')
  return end
}

/**
 * The `count` entries of a bundle that holds exactly those. They are views of `framed`: copy what outlives it.
 * @throws MALFORMED
 */
export function decodeBundle(framed: Uint8Array, count: number): Uint8Array[] {
  checkCount(count)
  const entries: Uint8Array[] = []
  let at = 0
  for (let i = 0; i < count; i++) {
    const end = frameEnd(framed, at)
    entries.push(framed.subarray(at + LENGTH_SIZE, end))
    at = end
  }
  if (at !== framed.length) throw malformed(`the entry bundle has more than ${count} entries`)
  return entries
}

/**
 * The bytes of the first `count` entries of a bundle that may hold more: its narrower form. A view of `framed`.
 * @throws MALFORMED when it holds fewer
 */
export function bundlePrefix(framed: Uint8Array, count: number): Uint8Array {
  checkCount(count)
  let end = 0
  for (let i = 0; i < count; i++) end = frameEnd(framed, end)
  return framed.subarray(0, end)
}
