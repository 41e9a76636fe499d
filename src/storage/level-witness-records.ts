/**
 * The keys and values of a witness's store in LevelDB. Keys begin with what they are for and the SHA-256 of the log's
 * origin; values begin with a format version byte. Integers are big-endian; the last member takes the rest.
 *
 *   'l' origin hash[32]           → 1 ‖ origin ‖ 0A ‖ (vkey ‖ 0A)…                            a log and its keys
 *   'h' origin hash[32]           → 1 ‖ size[7] ‖ timestamp[7] ‖ root[32] ‖ checkpoint        its newest head
 *   'c' origin hash[32]           → 1 ‖ size[7] ‖ timestamp[7] ‖ root[32] ‖ signature lines   what was signed over it
 *   'e' origin hash[32] id[16]    → 1 ‖ kind[1] ‖ seen at[7] ‖ length[2] ‖ origin ‖ length[4] ‖ cosigned ‖ refused
 */
import { sha256 } from '#sha256'
import { concat, equal, fromUtf8, u16, utf8 } from '../bytes.ts'
import { CairnError } from '../errors.ts'
import { HASH_SIZE, rootHash } from '../merkle/hash.ts'
import { treeSize } from '../merkle/position.ts'
import { INDEX_BYTES, readIndex, writeIndex } from './level-keys.ts'
import type { CosignedHead, StoredConflict } from './witness-port.ts'

const LOG = 0x6c
const HEAD = 0x68
const COSIGNATURES = 0x63
const CONFLICT = 0x65

const VERSION = 1
const ID_BYTES = 16
const KINDS = ['split-view', 'unproven'] as const

function keyOf(prefix: number, origin: string): Uint8Array {
  return concat(Uint8Array.of(prefix), sha256(utf8(origin)))
}

export function logKey(origin: string): Uint8Array {
  return keyOf(LOG, origin)
}

export function headKey(origin: string): Uint8Array {
  return keyOf(HEAD, origin)
}

export function cosignaturesKey(origin: string): Uint8Array {
  return keyOf(COSIGNATURES, origin)
}

export function conflictKey(origin: string, id: Uint8Array): Uint8Array {
  if (id.length !== ID_BYTES) {
    throw new RangeError(`expected an id of ${ID_BYTES} bytes, got ${id.length}`)
  }
  return concat(keyOf(CONFLICT, origin), id)
}

interface KeyRange {
  readonly gte: Uint8Array
  readonly lt: Uint8Array
}

/** All keys of logs. */
export const LOG_RANGE: KeyRange = { gte: Uint8Array.of(LOG), lt: Uint8Array.of(LOG + 1) }

/** All keys of conflicts, or of those of one log. */
export function conflictRange(origin?: string): KeyRange {
  if (origin === undefined) return { gte: Uint8Array.of(CONFLICT), lt: Uint8Array.of(CONFLICT + 1) }
  const key = keyOf(CONFLICT, origin)
  return { gte: key, lt: concat(key, new Uint8Array(ID_BYTES + 1).fill(0xff)) }
}

function corrupt(what: string): CairnError {
  return new CairnError(
    'CORRUPT',
    `the stored ${what} cannot be read; keep a copy of the directory, and never go on from an older one`,
  )
}

/** The value after its version byte. */
function body(value: Uint8Array, what: string, least: number): Uint8Array {
  if (value.length < 1 + least) throw corrupt(what)
  if (value[0] !== VERSION) {
    throw new CairnError(
      'NEWER_FORMAT',
      `the stored ${what} has format ${value[0]}, but this version reads ${VERSION} only; use a newer cairn`,
    )
  }
  return value.subarray(1)
}

function readSafe(bytes: Uint8Array, at: number, what: string): number {
  const value = readIndex(bytes, at)
  if (!Number.isSafeInteger(value)) throw corrupt(what)
  return value
}

function index7(value: number): Uint8Array {
  const out = new Uint8Array(INDEX_BYTES)
  writeIndex(out, 0, value)
  return out
}

export function encodeLog(origin: string, vkeys: readonly string[]): Uint8Array {
  return concat(
    Uint8Array.of(VERSION),
    utf8([origin, ...vkeys].map((line) => `${line}\n`).join('')),
  )
}

/** @throws CORRUPT, NEWER_FORMAT */
export function decodeLog(
  key: Uint8Array,
  value: Uint8Array,
): { readonly origin: string; readonly vkeys: readonly string[] } {
  const text = fromUtf8(body(value, 'log', 2), 'the stored log')
  const [origin = '', ...vkeys] = text.slice(0, -1).split('\n')
  if (!text.endsWith('\n') || !equal(key, logKey(origin))) throw corrupt('log')
  return { origin, vkeys }
}

const HEAD_BYTES = INDEX_BYTES + INDEX_BYTES + HASH_SIZE

/** A head with what comes after it: the log's note, or the witness's signature lines. */
export function encodeHead(head: CosignedHead, rest: Uint8Array): Uint8Array {
  const out = new Uint8Array(1 + HEAD_BYTES + rest.length)
  out[0] = VERSION
  writeIndex(out, 1, treeSize(head.size))
  writeIndex(out, 1 + INDEX_BYTES, treeSize(head.timestamp))
  out.set(rootHash(head.root), 1 + 2 * INDEX_BYTES)
  out.set(rest, 1 + HEAD_BYTES)
  return out
}

/** @throws CORRUPT, NEWER_FORMAT */
export function decodeHead(value: Uint8Array): { head: CosignedHead; rest: Uint8Array } {
  const what = 'head'
  const bytes = body(value, what, HEAD_BYTES)
  const head = {
    size: treeSize(readSafe(bytes, 0, what)),
    timestamp: readSafe(bytes, INDEX_BYTES, what),
    root: rootHash(bytes.slice(2 * INDEX_BYTES, HEAD_BYTES)),
  }
  return { head, rest: bytes.slice(HEAD_BYTES) }
}

export function encodeConflict(conflict: StoredConflict): Uint8Array {
  const origin = utf8(conflict.origin)
  const length = new Uint8Array(4)
  new DataView(length.buffer).setUint32(0, conflict.cosigned.length)
  return concat(
    Uint8Array.of(VERSION, KINDS.indexOf(conflict.kind)),
    index7(treeSize(conflict.seenAt)),
    u16(origin.length),
    origin,
    length,
    conflict.cosigned,
    conflict.refused,
  )
}

/** @throws CORRUPT, NEWER_FORMAT */
export function decodeConflict(key: Uint8Array, value: Uint8Array): StoredConflict {
  const what = 'conflict'
  const originAt = 1 + INDEX_BYTES + 2
  const bytes = body(value, what, originAt)
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length)
  const kind = KINDS[bytes[0]!]
  const lengthAt = originAt + view.getUint16(originAt - 2)
  if (kind === undefined || lengthAt + 4 > bytes.length) throw corrupt(what)
  const refusedAt = lengthAt + 4 + view.getUint32(lengthAt)
  if (refusedAt > bytes.length) throw corrupt(what)
  const origin = fromUtf8(bytes.subarray(originAt, lengthAt), 'the stored conflict')
  const id = key.slice(-ID_BYTES)
  if (!equal(key, conflictKey(origin, id))) throw corrupt(what)
  return {
    id,
    origin,
    kind,
    seenAt: readSafe(bytes, 1, what),
    cosigned: bytes.slice(lengthAt + 4, refusedAt),
    refused: bytes.slice(refusedAt),
  }
}
