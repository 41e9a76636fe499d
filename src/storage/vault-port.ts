/**
 * What the vault asks of stable storage: two ordered maps from keys to values. One holds keys and what leads to people:
 * small rows, which must be gone to the last byte once they are destroyed. The other holds payloads: large, and
 * ciphertext without exception, so that nothing in it needs more than to be deleted. What a row means is the vault's own
 * affair (src/vault/row-keys.ts).
 */

export interface VaultRow {
  readonly key: Uint8Array
  readonly value: Uint8Array
}

export type VaultChange =
  /** A row that must not be there yet. */
  | { readonly kind: 'create'; readonly key: Uint8Array; readonly value: Uint8Array }
  | { readonly kind: 'put'; readonly key: Uint8Array; readonly value: Uint8Array }
  | { readonly kind: 'delete'; readonly key: Uint8Array }

/** Keys have 1 to 255 bytes, of which the first is not 0xff. */
export interface VaultRows {
  /** The value of each key, or undefined. Sees every write that was made before. @throws CORRUPT, IO, STOPPED */
  get(keys: readonly Uint8Array[]): Promise<(Uint8Array | undefined)[]>

  /** Whether there is a row for each key. @throws CORRUPT, IO, STOPPED */
  has(keys: readonly Uint8Array[]): Promise<boolean[]>

  /**
   * The rows whose keys begin with `prefix`, in the order of their keys. What is written meanwhile may or may not be
   * among them. @throws CORRUPT, IO, STOPPED
   */
  list(prefix: Uint8Array): AsyncIterable<VaultRow>

  /**
   * Makes all changes durable (synced) and visible at once, or none of them. Changes that are made at the same time
   * take effect in the order of the calls.
   * @throws CONFLICT when a row to be created is there
   * @throws DISK_FULL, IO when it may not have been stored: nothing more is written then; STOPPED
   */
  write(changes: readonly VaultChange[]): Promise<void>
}

export interface VaultKeyRows extends VaultRows {
  /**
   * Writes like write(), and then sees to it that the rows as they were before can be found no more by anyone who reads
   * the bytes of the storage. Resolves when that is so. The changes themselves are durable before anything else is done;
   * a process that dies after that has to call scrub().
   *
   * `traces` are bytes of the values and keys that must be gone, 16 or more each and random, by which the storage makes
   * sure of it. What is not among them may be overlooked.
   * @throws as write(); RangeError; IO too when a trace is still there in the end
   */
  destroy(
    changes: readonly Exclude<VaultChange, { kind: 'create' }>[],
    traces: readonly Uint8Array[],
  ): Promise<void>

  /**
   * Sees to it that nothing can be found of any row that was replaced or deleted before the call. Its time grows with
   * the number of rows. @throws CORRUPT, DISK_FULL, IO, STOPPED
   */
  scrub(): Promise<void>
}

export interface VaultStore {
  readonly keys: VaultKeyRows
  readonly payloads: VaultRows

  /**
   * Writes among the keys and among the payloads: makes all of both durable, or, where a row to be created is there, none.
   * When the process dies meanwhile there may be the keys alone. @throws as VaultRows.write()
   */
  write(keys: readonly VaultChange[], payloads: readonly VaultChange[]): Promise<void>

  /** Bytes used on stable storage, and bytes still free there; undefined where that makes no sense. */
  usage(): Promise<
    | { readonly keys: number; readonly payloads: number; readonly free: number | undefined }
    | undefined
  >

  /** Lets go of the storage, once all writes are through. */
  close(): Promise<void>
}
