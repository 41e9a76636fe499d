/** A log in memory with fixed keys, for receipts and vectors. Its tree is computed the slow way, straight from RFC 6962. */
import { ed25519Sign } from '#ed25519'
import { fromHex, utf8 } from '../../src/bytes.ts'
import { formatCheckpoint } from '../../src/formats/checkpoint.ts'
import { coseReceiptToBeSigned, encodeCoseReceipt } from '../../src/formats/cose-receipt.ts'
import { formatJsonReceipt } from '../../src/formats/json-receipt.ts'
import { formatNote } from '../../src/formats/note.ts'
import { cosigningKey, ed25519SigningKey, type SigningKey } from '../../src/formats/signing-key.ts'
import { formatTlogProof } from '../../src/formats/tlog-proof.ts'
import {
  EMPTY_ROOT,
  hashChildren,
  hashLeaf,
  type LeafHash,
  type NodeHash,
  type RootHash,
  rootHash,
} from '../../src/merkle/hash.ts'
import { leafIndex, splitPoint, treeSize } from '../../src/merkle/position.ts'

export const ORIGIN = 'log.example/audit'
export const LOG_SEED: Uint8Array = new Uint8Array(32).fill(0x11)
export const LOG_ML_DSA_SEED: Uint8Array = new Uint8Array(32).fill(0x22)
export const LOG_KEY: SigningKey = ed25519SigningKey(ORIGIN, LOG_SEED)
export const WITNESS_1 = cosigningKey(
  'witness.example/one',
  new Uint8Array(32).fill(0x33),
  'ed25519-cosignature',
)
export const WITNESS_2 = cosigningKey(
  'witness.example/two',
  new Uint8Array(32).fill(0x44),
  'ed25519-cosignature',
)
/** 2023-11-14T22:13:20Z. */
export const COSIGNED_AT = 1_700_000_000

/** Leaves of all kinds: one byte, text with non-ASCII, zero bytes, a JSON record, and some of plain text. */
export const LEAVES: readonly Uint8Array[] = [
  fromHex('00'),
  utf8('genesis'),
  utf8('pr\u00fcfbar'),
  new Uint8Array(32),
  utf8('{"action":"answer","id":"018bcfe5-6800-7000-8000-000000000000","v":1}'),
  ...Array.from({ length: 8 }, (_, i) => utf8(`record ${i + 5}`)),
]

/** MTH of RFC 6962 section 2.1. */
export function rootOf(hashes: readonly NodeHash[]): NodeHash {
  if (hashes.length === 1) return hashes[0]!
  const split = splitPoint(hashes.length)
  return hashChildren(rootOf(hashes.slice(0, split)), rootOf(hashes.slice(split)))
}

/** PATH of RFC 6962 section 2.1.1. */
export function pathOf(index: number, hashes: readonly NodeHash[]): NodeHash[] {
  if (hashes.length === 1) return []
  const split = splitPoint(hashes.length)
  const [left, right] = [hashes.slice(0, split), hashes.slice(split)]
  return index < split
    ? [...pathOf(index, left), rootOf(right)]
    : [...pathOf(index - split, right), rootOf(left)]
}

/** SUBPROOF of RFC 6962 section 2.1.2. */
export function consistencyOf(
  first: number,
  hashes: readonly NodeHash[],
  whole = true,
): NodeHash[] {
  if (first === hashes.length) return whole ? [] : [rootOf(hashes)]
  const split = splitPoint(hashes.length)
  const [left, right] = [hashes.slice(0, split), hashes.slice(split)]
  return first <= split
    ? [...consistencyOf(first, left, whole), rootOf(right)]
    : [...consistencyOf(first - split, right, false), rootOf(left)]
}

export function hashesOf(leaves: readonly Uint8Array[]): LeafHash[] {
  return leaves.map(hashLeaf)
}

export function rootAt(size: number): RootHash {
  return size === 0 ? EMPTY_ROOT : rootHash(rootOf(hashesOf(LEAVES.slice(0, size))))
}

export interface CheckpointOptions {
  readonly keys?: readonly Pick<SigningKey, 'sign'>[]
  readonly witnesses?: readonly (typeof WITNESS_1)[]
}

/** The checkpoint of the first `size` leaves, signed by the log's Ed25519 key unless other keys are given. */
export function checkpointAt(size: number, options: CheckpointOptions = {}): string {
  const { keys = [LOG_KEY], witnesses = [] } = options
  const text = formatCheckpoint({
    origin: ORIGIN,
    size: treeSize(size),
    root: rootAt(size),
    extensions: [],
  })
  const signatures = [
    ...keys.map((key) => key.sign(text)),
    ...witnesses.map((witness) => witness.cosign(text, COSIGNED_AT)),
  ]
  return formatNote({ text, signatures })
}

/** What a receipt for entry `index` of the first `size` leaves is made of. */
export function inclusionAt(index: number, size: number) {
  const hashes = hashesOf(LEAVES.slice(0, size))
  return {
    origin: ORIGIN,
    index: leafIndex(index),
    leafHash: hashes[index]!,
    proof: pathOf(index, hashes),
  }
}

export function tlogProofAt(
  index: number,
  size: number,
  options: CheckpointOptions & { extra?: Uint8Array } = {},
): string {
  const { extra } = options
  const checkpoint = checkpointAt(size, options)
  return formatTlogProof({ ...inclusionAt(index, size), checkpoint, ...(extra && { extra }) })
}

export function jsonReceiptAt(
  index: number,
  size: number,
  options: CheckpointOptions = {},
): string {
  const checkpoint = checkpointAt(size, options)
  return JSON.stringify(formatJsonReceipt({ ...inclusionAt(index, size), checkpoint }))
}

export function coseReceiptAt(index: number, size: number): Uint8Array {
  const { keyId } = LOG_KEY.vkey
  const receipt = { ...inclusionAt(index, size), size: treeSize(size), root: rootAt(size), keyId }
  return encodeCoseReceipt(receipt, ed25519Sign(coseReceiptToBeSigned(receipt), LOG_SEED))
}
