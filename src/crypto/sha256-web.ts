/** SHA-256 by @noble/hashes, for browsers and workers. Same results as sha256-node.ts, pinned by tests. */
import { sha256 as noble } from '@noble/hashes/sha2.js'

/** The SHA-256 digest of `message`: 32 bytes. */
export function sha256(message: Uint8Array): Uint8Array {
  return noble(message)
}

/** Writes the SHA-256 digest of `message` to `out[offset..offset+32)`. @throws RangeError when it does not fit */
export function sha256Into(message: Uint8Array, out: Uint8Array, offset: number): void {
  out.set(noble(message), offset)
}
