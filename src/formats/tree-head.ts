/**
 * RFC 6962 signed tree heads (sections 2.1.4 and 3.5): the bytes that are signed, the `digitally-signed` structure
 * around the signature, and the log's id. The signed bytes name no log, so a key must never serve two.
 */
import { concat, u16, u64 } from '../bytes.ts'
import { malformed } from '../errors.ts'
import { type RootHash, rootHash } from '../merkle/hash.ts'
import { type TreeSize, treeSize } from '../merkle/position.ts'

export interface TreeHead {
  /** Milliseconds since 1970. */
  readonly timestamp: number
  readonly size: TreeSize
  readonly root: RootHash
}

/** A signature as RFC 6962 transports it. Logs sign with ECDSA on P-256 or with RSA, always over SHA-256. */
export interface DigitallySigned {
  readonly algorithm: 'ecdsa' | 'rsa'
  /** For ECDSA the DER of its two numbers. */
  readonly signature: Uint8Array
}

/** The 50 signed bytes: version 0 ‖ type 1 (tree_hash) ‖ u64 timestamp ‖ u64 size ‖ root. */
export function treeHeadBytes({ timestamp, size, root }: TreeHead): Uint8Array {
  if (!Number.isSafeInteger(timestamp) || timestamp < 0) {
    throw new RangeError(`expected a timestamp in whole milliseconds since 1970, got ${timestamp}`)
  }
  return concat(Uint8Array.of(0, 1), u64(timestamp), u64(treeSize(size)), rootHash(root))
}

const SHA256 = 4
const ALGORITHMS = { ecdsa: 3, rsa: 1 } as const
const MAX_SIGNATURE_SIZE = 0xffff

/** An ECDSA signature in DER as `digitally-signed`: sha256 ‖ ecdsa ‖ u16 length ‖ signature. */
export function digitallySigned(derSignature: Uint8Array): Uint8Array {
  if (derSignature.length === 0 || derSignature.length > MAX_SIGNATURE_SIZE) {
    throw new RangeError(`expected a signature of 1 to 65535 bytes, got ${derSignature.length}`)
  }
  return concat(Uint8Array.of(SHA256, ALGORITHMS.ecdsa), u16(derSignature.length), derSignature)
}

/** Reads a `digitally-signed` structure. @throws MALFORMED unless it is SHA-256 with ECDSA or RSA, to the byte */
export function parseDigitallySigned(bytes: Uint8Array): DigitallySigned {
  const [hash, algorithm, high, low] = bytes
  if (hash === undefined || algorithm === undefined || high === undefined || low === undefined) {
    throw malformed('tree head signature is shorter than its header of 4 bytes')
  }
  if (hash !== SHA256) throw malformed('tree head signature is not over SHA-256')
  if (algorithm !== ALGORITHMS.ecdsa && algorithm !== ALGORITHMS.rsa) {
    throw malformed('tree head signature is neither ECDSA nor RSA')
  }
  const signature = bytes.slice(4)
  if (signature.length === 0 || signature.length !== high * 256 + low) {
    throw malformed('tree head signature does not have the length that it states')
  }
  return { algorithm: algorithm === ALGORITHMS.ecdsa ? 'ecdsa' : 'rsa', signature }
}
