/** What stores of vaults have in common about changes of rows. */
import type { VaultChange } from './vault-port.ts'

/** The longest key, in bytes. */
export const MAX_VAULT_KEY = 255

/** A change that may destroy. */
export type Destruction = Exclude<VaultChange, { kind: 'create' }>

/** @throws RangeError on a key that no row can have */
export function checkVaultKey({ length, 0: first }: Uint8Array): void {
  if (length === 0 || length > MAX_VAULT_KEY || first === 0xff) {
    throw new RangeError(
      `expected a key of 1 to ${MAX_VAULT_KEY} bytes that does not begin with ff`,
    )
  }
}

/** The bytes of a change. @throws RangeError as checkVaultKey() */
export function sizeOfChange(change: VaultChange): number {
  checkVaultKey(change.key)
  return change.key.length + (change.kind === 'delete' ? 0 : change.value.length)
}

/** A key as a cheap key of a map. */
export function nameOfKey(key: Uint8Array): string {
  return Buffer.from(key.buffer, key.byteOffset, key.length).toString('latin1')
}
