/**
 * What the search index asks of stable storage: an ordered map from keys to values. What they mean is the index's own
 * affair (src/search/keys.ts). All of it can be made again from the log, so a write need not survive a loss of power;
 * but writes take effect whole and in order, so that what is left after any crash is what some write left behind.
 */

/** A key with its value. */
export type IndexEntry = readonly [key: Uint8Array, value: Uint8Array]

/** Keys from `gte` on and before `lt`, in the order of their bytes. */
export interface KeyRange {
  readonly gte: Uint8Array
  readonly lt: Uint8Array
}

export interface IndexScan {
  /** At most this many entries, 1 or more. */
  readonly limit: number
  /** Begins at the end of the range. Default false. */
  readonly reverse?: boolean
}

/** No key is named twice. */
export interface IndexWrite {
  readonly put?: readonly IndexEntry[]
  readonly drop?: readonly Uint8Array[]
  /** Whether this write, and each before it, is on stable storage (synced) when the promise resolves. Default false. */
  readonly durable?: boolean
}

export interface IndexStore {
  /** The value of each key, or undefined. @throws CORRUPT, IO, STOPPED */
  get(keys: readonly Uint8Array[]): Promise<(Uint8Array | undefined)[]>

  /** The first entries of a range. @throws CORRUPT, IO, STOPPED */
  scan(range: KeyRange, scan: IndexScan): Promise<IndexEntry[]>

  /**
   * Makes all of a write visible at once, or none of it. After a crash either all of it is there or none, and no write
   * without those before it.
   * @throws DISK_FULL, IO when it may not have been stored: nothing more is written then; STOPPED
   */
  write(write: IndexWrite): Promise<void>

  /**
   * Removes everything. When the process dies meanwhile, what is left is every key from some key on.
   * @throws DISK_FULL, IO, STOPPED
   */
  clear(): Promise<void>

  /**
   * Sees to it that no value which was replaced or dropped in these ranges before the call can be found any more by
   * anyone who reads the bytes of the storage. @throws CORRUPT, DISK_FULL, IO, STOPPED
   */
  purge(ranges: readonly KeyRange[]): Promise<void>

  /** Bytes used on stable storage; undefined where that makes no sense. @throws IO */
  usage(): Promise<number | undefined>

  /** Lets go of the storage, once all writes are through. */
  close(): Promise<void>
}
