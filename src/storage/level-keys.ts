/**
 * The keys of the LevelDB adapter. One prefix byte says what a key is for; the rest is big-endian, so that the
 * engine's byte order is the order of the log:
 *
 *   'b' bundle[7] first[1] last[1]         → entries first..last of a bundle, framed
 *   'd' leaf hash[0..16)                   → index[7] of the first such leaf
 *   'h'                                    → the committed head
 *   'i' idempotency key[16]                → what that key was used for
 *   'p'                                    → the publication
 *   't' level[1] tile[7] offset[1]         → hashes of a tile from an offset on
 *
 * Seven bytes hold every safe integer.
 */
import { fromUtf8, toHex } from '../bytes.ts'

export const BUNDLE = 0x62
export const DEDUP = 0x64
export const HEAD = 0x68
export const IDEMPOTENCY = 0x69
export const PUBLICATION = 0x70
export const TILE = 0x74

/** Bytes of a leaf hash or an idempotency key that a key carries. */
export const DIGEST_BYTES = 16
export const INDEX_BYTES = 7
export const BUNDLE_KEY_BYTES: number = 1 + INDEX_BYTES + 2
export const DEDUP_KEY_BYTES: number = 1 + DIGEST_BYTES
export const TILE_KEY_BYTES: number = 2 + INDEX_BYTES + 1

/** Writes a safe integer as 7 big-endian bytes. */
export function writeIndex(out: Uint8Array, at: number, value: number): void {
  let rest = value
  for (let i = at + INDEX_BYTES - 1; i >= at; i--) {
    out[i] = rest % 256
    rest = Math.floor(rest / 256)
  }
}

/** The value of 7 big-endian bytes; above 2^53-1 it is not a safe integer, which callers must refuse. */
export function readIndex(bytes: Uint8Array, at: number): number {
  let value = 0
  for (let i = at; i < at + INDEX_BYTES; i++) value = value * 256 + bytes[i]!
  return value
}

export const HEAD_KEY: Uint8Array = Uint8Array.of(HEAD)
export const PUBLICATION_KEY: Uint8Array = Uint8Array.of(PUBLICATION)

/** The key of the entries `first` to `last`, both within 0 to 255 and included. */
export function bundleKey(bundle: number, first: number, last: number): Uint8Array {
  const key = new Uint8Array(BUNDLE_KEY_BYTES)
  key[0] = BUNDLE
  writeIndex(key, 1, bundle)
  key[1 + INDEX_BYTES] = first
  key[2 + INDEX_BYTES] = last
  return key
}

/** The key of a tile's hashes from `offset` (0 to 255) on. */
export function tileKey(level: number, tile: number, offset: number): Uint8Array {
  const key = new Uint8Array(TILE_KEY_BYTES)
  key[0] = TILE
  key[1] = level
  writeIndex(key, 2, tile)
  key[2 + INDEX_BYTES] = offset
  return key
}

/** The smallest and the largest key a tile's runs can have. */
export function tileRange(level: number, tile: number): { gte: Uint8Array; lte: Uint8Array } {
  return { gte: tileKey(level, tile, 0), lte: tileKey(level, tile, 255) }
}

/** The smallest and the largest key a bundle's runs can have. */
export function bundleRange(bundle: number): { gte: Uint8Array; lte: Uint8Array } {
  return { gte: bundleKey(bundle, 0, 0), lte: bundleKey(bundle, 255, 255) }
}

/** Writes the deduplication key of the leaf hash at `hashes[from..from+32)` to `out[at..at+17)`. */
export function writeDedupKey(out: Uint8Array, at: number, hashes: Uint8Array, from: number): void {
  out[at] = DEDUP
  // A loop: for 16 bytes it is faster than a view for set().
  for (let i = 0; i < DIGEST_BYTES; i++) out[at + 1 + i] = hashes[from + i]!
}

/** The deduplication key of a leaf hash. */
export function dedupKey(hash: Uint8Array): Uint8Array {
  const key = new Uint8Array(DEDUP_KEY_BYTES)
  writeDedupKey(key, 0, hash, 0)
  return key
}

export function idempotencyKey(digest: Uint8Array): Uint8Array {
  if (digest.length !== DIGEST_BYTES) {
    throw new RangeError(
      `expected an idempotency key of ${DIGEST_BYTES} bytes, got ${digest.length}`,
    )
  }
  const key = new Uint8Array(1 + DIGEST_BYTES)
  key[0] = IDEMPOTENCY
  key.set(digest, 1)
  return key
}

/** A key taken apart. */
export type ParsedKey =
  | { readonly kind: 'head' }
  | { readonly kind: 'publication' }
  | { readonly kind: 'idempotency' }
  | { readonly kind: 'dedup' }
  | {
      readonly kind: 'bundle'
      readonly bundle: number
      readonly first: number
      readonly last: number
    }
  | {
      readonly kind: 'tile'
      readonly level: number
      readonly tile: number
      readonly offset: number
    }
  | { readonly kind: 'unknown'; readonly reason: string }

const LENGTHS = new Map([
  [BUNDLE, BUNDLE_KEY_BYTES],
  [DEDUP, DEDUP_KEY_BYTES],
  [HEAD, 1],
  [IDEMPOTENCY, 1 + DIGEST_BYTES],
  [PUBLICATION, 1],
  [TILE, TILE_KEY_BYTES],
])

/** Takes a key apart; never throws. */
export function parseKey(key: Uint8Array): ParsedKey {
  const prefix = key[0]
  const length = prefix === undefined ? undefined : LENGTHS.get(prefix)
  if (length === undefined) return { kind: 'unknown', reason: 'belongs to nothing' }
  if (key.length !== length) {
    return { kind: 'unknown', reason: `has ${key.length} bytes instead of ${length}` }
  }
  switch (prefix) {
    case HEAD:
      return { kind: 'head' }
    case PUBLICATION:
      return { kind: 'publication' }
    case DEDUP:
      return { kind: 'dedup' }
    case IDEMPOTENCY:
      return { kind: 'idempotency' }
    case BUNDLE: {
      const bundle = readIndex(key, 1)
      const first = key[1 + INDEX_BYTES]!
      const last = key[2 + INDEX_BYTES]!
      if (last < first) return { kind: 'unknown', reason: 'ends before it starts' }
      return { kind: 'bundle', bundle, first, last }
    }
    default:
      return {
        kind: 'tile',
        level: key[1]!,
        tile: readIndex(key, 2),
        offset: key[2 + INDEX_BYTES]!,
      }
  }
}

/** A key in words, for messages. */
export function describeKey(key: Uint8Array): string {
  const parsed = parseKey(key)
  switch (parsed.kind) {
    case 'head':
    case 'publication':
      return parsed.kind
    case 'dedup':
    case 'idempotency':
      return `${parsed.kind} key ${toHex(key.subarray(1, 5))}…`
    case 'bundle':
      return `bundle ${parsed.bundle} entries ${parsed.first}-${parsed.last}`
    case 'tile':
      return `tile ${parsed.level}/${parsed.tile} hashes from ${parsed.offset}`
    default:
      return `key ${readable(key)}`
  }
}

function readable(key: Uint8Array): string {
  const shown = key.subarray(0, 24)
  const printable = shown.every((byte) => byte > 0x20 && byte < 0x7f)
  return (printable ? `'${fromUtf8(shown)}'` : toHex(shown)) + (key.length > 24 ? '…' : '')
}
