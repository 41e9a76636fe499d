/**
 * What each type of key signs, and whether it did: type 01 signs the note's text (signed-note); types 04 and 06 sign
 * a statement about a checkpoint together with a time (C2SP tlog-cosignature) and carry
 * `u64 timestamp ‖ signature` in the signature line.
 */
import { ed25519Verify } from '#ed25519'
import { mlDsaVerify } from '#ml-dsa'
import { concat, u64, utf8 } from '../bytes.ts'
import { CairnError, messageOf } from '../errors.ts'
import { type NodeHash, nodeHash } from '../merkle/hash.ts'
import { isSubtree, type Subtree } from '../merkle/subtree.ts'
import { type Checkpoint, checkOrigin, parseCheckpoint } from './checkpoint.ts'
import type { NoteSignature, SignedNote } from './note.ts'
import { checkKeyName, type VerifierKey } from './vkey.ts'

/** The message of an ML-DSA-44 cosignature about a whole tree: a subtree that starts at 0. */
export interface CosignedTree {
  readonly cosigner: string
  /** Seconds since 1970; 0 makes no claim that this is the largest tree the cosigner has seen. */
  readonly timestamp: number
  readonly checkpoint: Checkpoint
}

/** A subtree of a log, which an ML-DSA-44 cosignature can be about. */
export interface LogSubtree {
  readonly origin: string
  readonly subtree: Subtree
  readonly hash: NodeHash
}

const TIMESTAMP_SIZE = 8

/** @throws RangeError unless `timestamp` is a whole number of seconds from 0 to 2^53-1 */
function checkTimestamp(timestamp: number): void {
  if (!Number.isSafeInteger(timestamp) || timestamp < 0) {
    throw new RangeError(`expected a timestamp in whole seconds since 1970, got ${timestamp}`)
  }
}

/** The bytes that an Ed25519 cosignature (type 04) signs; they do not name the cosigner. */
export function ed25519CosignedMessage(text: string, timestamp: number): Uint8Array {
  checkTimestamp(timestamp)
  return utf8(`cosignature/v1\ntime ${timestamp}\n${text}`)
}

function lengthPrefixed(text: string): Uint8Array {
  const bytes = utf8(text)
  return concat(Uint8Array.of(bytes.length), bytes)
}

/** The bytes that an ML-DSA-44 cosignature (type 06) signs; extension lines are not among them. */
export function mlDsaCosignedMessage({
  cosigner,
  timestamp,
  checkpoint: { origin, size, root },
}: CosignedTree): Uint8Array {
  return cosignedMessage({ cosigner, timestamp, origin, start: 0, end: size, hash: root })
}

/**
 * The bytes that an ML-DSA-44 cosignature of a subtree signs. Its time is 0: it says that the subtree belongs to the
 * log, not that the log ends there.
 * @throws RangeError unless it is a subtree
 */
export function mlDsaSubtreeMessage(cosigner: string, cosigned: LogSubtree): Uint8Array {
  const { origin, subtree } = cosigned
  const { start, end } = subtree
  if (!isSubtree(subtree)) throw new RangeError(`[${start}, ${end}) is no subtree`)
  const hash = nodeHash(cosigned.hash)
  return cosignedMessage({ cosigner, timestamp: 0, origin, start, end, hash })
}

/** The fields of tlog-cosignature's `cosigned_message`. */
interface CosignedMessage {
  readonly cosigner: string
  readonly timestamp: number
  readonly origin: string
  readonly start: number
  readonly end: number
  readonly hash: Uint8Array
}

function cosignedMessage(message: CosignedMessage): Uint8Array {
  const { cosigner, timestamp, origin, start, end, hash } = message
  checkTimestamp(timestamp)
  // Both are at most 255 bytes, so that one byte holds their length.
  checkKeyName(cosigner)
  checkOrigin(origin)
  return concat(
    utf8('subtree/v1\n\0'),
    lengthPrefixed(cosigner),
    u64(timestamp),
    lengthPrefixed(origin),
    u64(start),
    u64(end),
    hash,
  )
}

/** The body of a timestamped signature line: `u64 timestamp ‖ signature`. */
export function timestampedSignature(timestamp: number, signature: Uint8Array): Uint8Array {
  checkTimestamp(timestamp)
  return concat(u64(timestamp), signature)
}

function failed(key: VerifierKey, reason: string, cause?: unknown): CairnError {
  const message = `signature of ${key.name} (key id ${key.keyId}) does not verify: ${reason}`
  return new CairnError('VERIFICATION_FAILED', message, { cause })
}

function splitTimestamp(
  body: Uint8Array,
  size: number,
  key: VerifierKey,
): { timestamp: number; signature: Uint8Array } {
  if (body.length !== TIMESTAMP_SIZE + size) {
    throw failed(key, `it has ${body.length} bytes, not ${TIMESTAMP_SIZE + size}`)
  }
  const seconds = new DataView(body.buffer, body.byteOffset).getBigUint64(0)
  // SPEC tlog-cosignature: the timestamp MUST NOT exceed 2^63-1.
  if (seconds >= 2n ** 63n) throw failed(key, 'its timestamp is above 2^63-1')
  if (seconds > BigInt(Number.MAX_SAFE_INTEGER)) {
    throw failed(key, 'its timestamp is above 2^53-1 seconds, which no clock shows')
  }
  return { timestamp: Number(seconds), signature: body.subarray(TIMESTAMP_SIZE) }
}

function checkpointOf(note: SignedNote, key: VerifierKey): Checkpoint {
  try {
    return parseCheckpoint(note.text)
  } catch (cause) {
    throw failed(
      key,
      `a key of type ${key.type} signs checkpoints only: ${messageOf(cause)}`,
      cause,
    )
  }
}

/** The message a key of its type signs for this note, the signature over it, and the time it carries. */
function statement(
  note: SignedNote,
  body: Uint8Array,
  key: VerifierKey,
): { message: Uint8Array; signature: Uint8Array; timestamp?: number } {
  switch (key.type) {
    case 'ed25519':
      if (body.length !== 64) throw failed(key, `it has ${body.length} bytes, not 64`)
      return { message: utf8(note.text), signature: body }
    case 'ed25519-cosignature': {
      checkpointOf(note, key)
      const { timestamp, signature } = splitTimestamp(body, 64, key)
      return { message: ed25519CosignedMessage(note.text, timestamp), signature, timestamp }
    }
    case 'ml-dsa-44': {
      const checkpoint = checkpointOf(note, key)
      const { timestamp, signature } = splitTimestamp(body, 2420, key)
      const message = mlDsaCosignedMessage({ cosigner: key.name, timestamp, checkpoint })
      return { message, signature, timestamp }
    }
  }
}

function checkNamed(signature: NoteSignature, key: VerifierKey): void {
  if (signature.name !== key.name || signature.keyId !== key.keyId) {
    throw failed(key, `the line names ${signature.name} (key id ${signature.keyId})`)
  }
}

/**
 * Verifies one signature line of a note with the key it names, and gives the time it states (seconds since 1970; none
 * for type 01).
 * @throws VERIFICATION_FAILED when it is not this key's signature of this note
 */
export function verifyNoteSignature(
  note: SignedNote,
  signature: NoteSignature,
  key: VerifierKey,
): { readonly timestamp?: number } {
  checkNamed(signature, key)
  const { message, signature: bytes, timestamp } = statement(note, signature.signature, key)
  const verify = key.type === 'ml-dsa-44' ? mlDsaVerify : ed25519Verify
  if (!verify(bytes, message, key.publicKey)) {
    throw failed(key, 'the text or the signature was changed, or another key signed')
  }
  return timestamp === undefined ? {} : { timestamp }
}

/** Verifies ML-DSA-44 somewhere else than on the calling thread. */
export interface MlDsaVerifier {
  verify(signature: Uint8Array, message: Uint8Array, publicKey: Uint8Array): Promise<boolean>
}

/** As verifyNoteSignature, for servers: a signature that takes milliseconds to verify holds up nobody else. */
export async function verifyNoteSignatureAside(
  note: SignedNote,
  signature: NoteSignature,
  key: VerifierKey,
  mlDsa: MlDsaVerifier,
): Promise<{ readonly timestamp?: number }> {
  if (key.type !== 'ml-dsa-44') return verifyNoteSignature(note, signature, key)
  checkNamed(signature, key)
  const { message, signature: bytes, timestamp } = statement(note, signature.signature, key)
  if (!(await mlDsa.verify(bytes, message, key.publicKey))) {
    throw failed(key, 'the text or the signature was changed, or another key signed')
  }
  return timestamp === undefined ? {} : { timestamp }
}

/**
 * Verifies a witness's signature of a subtree (tlog-witness, sign-subtree) with the key that its line names.
 * @throws VERIFICATION_FAILED when it is not this key's signature of this subtree, or states a time
 */
export function verifySubtreeSignature(
  cosigned: LogSubtree,
  signature: NoteSignature,
  key: VerifierKey,
): void {
  checkNamed(signature, key)
  if (key.type !== 'ml-dsa-44') throw failed(key, `a key of type ${key.type} signs no subtrees`)
  const { timestamp, signature: bytes } = splitTimestamp(signature.signature, 2420, key)
  if (timestamp !== 0) throw failed(key, 'it states a time, and subtrees are signed at the time 0')
  if (!mlDsaVerify(bytes, mlDsaSubtreeMessage(key.name, cosigned), key.publicKey)) {
    throw failed(key, 'the subtree or the signature was changed, or another key signed')
  }
}
