/**
 * SHA-256 by Node's one-shot hash. The string result is deliberate: handing over 32 latin-1 characters and writing
 * them into place is several times faster than having Node allocate a Buffer for each hash.
 */
import { hash } from 'node:crypto'

const latin1Write = Buffer.prototype.latin1Write as (
  this: Uint8Array,
  text: string,
  offset: number,
  length: number,
) => number

/** The SHA-256 digest of `message`: 32 bytes. */
export function sha256(message: Uint8Array): Uint8Array {
  const out = new Uint8Array(32)
  latin1Write.call(out, hash('sha256', message, 'binary'), 0, 32)
  return out
}

/** Writes the SHA-256 digest of `message` to `out[offset..offset+32)`. @throws RangeError when it does not fit */
export function sha256Into(message: Uint8Array, out: Uint8Array, offset: number): void {
  // Node would write what fits and say nothing.
  if (offset < 0 || offset + 32 > out.length) throw new RangeError('no room for the digest')
  latin1Write.call(out, hash('sha256', message, 'binary'), offset, 32)
}
