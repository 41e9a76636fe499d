/**
 * The values of the LevelDB adapter that are records: head, publication and idempotency. Each starts with a format
 * version byte. Integers are big-endian; the last member takes the rest of the value.
 *
 *   head         1 ‖ size[7] ‖ root[32] ‖ checkpoint
 *   publication  1 ‖ size[7] ‖ root[32] ‖ timestamp[7] ‖ length[2] ‖ tree head signature ‖ checkpoint
 *   idempotency  1 ‖ request[32] ‖ (start[7] ‖ count[4])…      runs of consecutive indices
 */
import { CairnError } from '../errors.ts'
import { HASH_SIZE, rootHash } from '../merkle/hash.ts'
import { type LeafIndex, leafIndex, treeSize } from '../merkle/position.ts'
import { INDEX_BYTES, readIndex, writeIndex } from './level-keys.ts'
import type { IdempotencyRecord, StoredHead, StoredPublication } from './port.ts'

const VERSION = 1
const RUN_BYTES = INDEX_BYTES + 4

function corrupt(what: string): CairnError {
  return new CairnError(
    'CORRUPT',
    `the stored ${what} cannot be read; run cairn fsck, and restore a backup if it confirms this`,
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

const ROOT_END = INDEX_BYTES + HASH_SIZE

export function encodeHead(head: StoredHead): Uint8Array {
  const out = new Uint8Array(1 + ROOT_END + head.checkpoint.length)
  out[0] = VERSION
  writeIndex(out, 1, head.size)
  out.set(rootHash(head.root), 1 + INDEX_BYTES)
  out.set(head.checkpoint, 1 + ROOT_END)
  return out
}

/** @throws CORRUPT, NEWER_FORMAT */
export function decodeHead(value: Uint8Array): StoredHead {
  const rest = body(value, 'head', ROOT_END)
  return {
    size: treeSize(readSafe(rest, 0, 'head')),
    root: rootHash(rest.slice(INDEX_BYTES, ROOT_END)),
    checkpoint: rest.slice(ROOT_END),
  }
}

export function encodePublication(publication: StoredPublication): Uint8Array {
  const { timestamp, treeHeadSignature, checkpoint } = publication
  if (!Number.isSafeInteger(timestamp) || timestamp < 0 || treeHeadSignature.length > 0xffff) {
    throw new RangeError(
      'expected a timestamp in milliseconds and a signature of at most 65,535 bytes',
    )
  }
  const signatureAt = 1 + ROOT_END + INDEX_BYTES + 2
  const out = new Uint8Array(signatureAt + treeHeadSignature.length + checkpoint.length)
  out[0] = VERSION
  writeIndex(out, 1, publication.size)
  out.set(rootHash(publication.root), 1 + INDEX_BYTES)
  writeIndex(out, 1 + ROOT_END, timestamp)
  new DataView(out.buffer).setUint16(signatureAt - 2, treeHeadSignature.length)
  out.set(treeHeadSignature, signatureAt)
  out.set(checkpoint, signatureAt + treeHeadSignature.length)
  return out
}

/** @throws CORRUPT, NEWER_FORMAT */
export function decodePublication(value: Uint8Array): StoredPublication {
  const signatureAt = ROOT_END + INDEX_BYTES + 2
  const rest = body(value, 'publication', signatureAt)
  const checkpointAt = signatureAt + rest[signatureAt - 2]! * 256 + rest[signatureAt - 1]!
  if (checkpointAt > rest.length) throw corrupt('publication')
  return {
    size: treeSize(readSafe(rest, 0, 'publication')),
    root: rootHash(rest.slice(INDEX_BYTES, ROOT_END)),
    timestamp: readSafe(rest, ROOT_END, 'publication'),
    treeHeadSignature: rest.slice(signatureAt, checkpointAt),
    checkpoint: rest.slice(checkpointAt),
  }
}

export function encodeIdempotency(record: IdempotencyRecord): Uint8Array {
  if (record.request.length !== 32) {
    throw new RangeError(`expected a request digest of 32 bytes, got ${record.request.length}`)
  }
  const runs: { start: number; count: number }[] = []
  for (const index of record.indices) {
    const run = runs.at(-1)
    if (run !== undefined && run.start + run.count === index) run.count++
    else runs.push({ start: leafIndex(index), count: 1 })
  }
  const out = new Uint8Array(1 + 32 + RUN_BYTES * runs.length)
  const view = new DataView(out.buffer)
  out[0] = VERSION
  out.set(record.request, 1)
  let at = 33
  for (const { start, count } of runs) {
    writeIndex(out, at, start)
    view.setUint32(at + INDEX_BYTES, count)
    at += RUN_BYTES
  }
  return out
}

/** More leaves than any request can have; a larger count is damage, and must not fill the memory. */
const MAX_INDICES = 2 ** 24

/** @throws CORRUPT, NEWER_FORMAT */
export function decodeIdempotency(key: Uint8Array, value: Uint8Array): IdempotencyRecord {
  const what = 'idempotency record'
  const rest = body(value, what, 32)
  if ((rest.length - 32) % RUN_BYTES !== 0) throw corrupt(what)
  const view = new DataView(rest.buffer, rest.byteOffset, rest.length)
  const indices: LeafIndex[] = []
  for (let at = 32; at < rest.length; at += RUN_BYTES) {
    const start = readSafe(rest, at, what)
    const count = view.getUint32(at + INDEX_BYTES)
    if (count === 0 || indices.length + count > MAX_INDICES) throw corrupt(what)
    if (!Number.isSafeInteger(start + count)) throw corrupt(what)
    for (let i = 0; i < count; i++) indices.push((start + i) as LeafIndex)
  }
  return { key, request: rest.slice(0, 32), indices }
}
