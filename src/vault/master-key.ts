/**
 * The master key, which wraps one key for each tenant and nothing else. It is asked once for each tenant that is used,
 * so it may be far away: in a hardware module or a key management service behind this port. Here is one that is in the
 * memory of the process.
 */
import { createHmac, createSecretKey } from 'node:crypto'
import { toHex } from '../bytes.ts'
import { CairnError } from '../errors.ts'
import { contextFor, KEY_SIZE, seal, unseal } from './sealing.ts'

export interface MasterKey {
  /** What tells this key from every other, 1 to 255 bytes of ASCII. It is stored, and is no secret. */
  readonly id: string

  /** Encrypts a key of 32 bytes, bound to `context`. @throws what the key's keeper throws */
  wrap(key: Uint8Array, context: Uint8Array): Promise<Uint8Array>

  /** What wrap() was given. @throws CORRUPT when it was not wrapped by this key in this context */
  unwrap(wrapped: Uint8Array, context: Uint8Array): Promise<Uint8Array>
}

const idContext = contextFor('master key id')

/** A master key of 32 random bytes; its id is 16 hexadecimal digits that say nothing about them. */
export function localMasterKey(secret: Uint8Array): MasterKey {
  if (secret.length !== KEY_SIZE) {
    throw new RangeError(`expected a master key of ${KEY_SIZE} bytes, got ${secret.length}`)
  }
  const key = createSecretKey(secret)
  const digest = createHmac('sha256', key).update(idContext()).digest()
  return {
    id: toHex(digest.subarray(0, 8)),
    async wrap(wrapped, context) {
      return seal(key, wrapped, context)
    },
    async unwrap(wrapped, context) {
      const unwrapped = unseal(key, wrapped, context)
      if (unwrapped?.length !== KEY_SIZE) {
        throw new CairnError(
          'CORRUPT',
          'a wrapped key is damaged or was moved from elsewhere; restore a backup of the vault',
        )
      }
      return unwrapped
    },
  }
}
