/**
 * What the log asks of stable storage. An adapter decides how bytes are laid out; the log decides what they are.
 * The unit of writing is the commit: everything a batch of leaves adds, in one atomic and durable step.
 */
import type { LeafHash, RootHash } from '../merkle/hash.ts'
import type { LeafIndex, TreeSize } from '../merkle/position.ts'

/** Hashes appended to one tile: `hashes` continue the tile at its `offset`-th hash. Never crosses a tile's end. */
export interface TileRun {
  readonly level: number
  readonly tile: number
  /** 0 to 255. */
  readonly offset: number
  /** 1 to 256-offset hashes of 32 bytes. */
  readonly hashes: Uint8Array
}

/** Entries appended to one entry bundle, in its own framing (u16 length ‖ entry, repeated). Never crosses its end. */
export interface BundleRun {
  readonly bundle: number
  /** Entries of the bundle before these, 0 to 255. */
  readonly offset: number
  /** 1 to 256-offset entries. */
  readonly count: number
  readonly framed: Uint8Array
}

/** A signed head of the tree as it is stored. */
export interface StoredHead {
  readonly size: TreeSize
  readonly root: RootHash
  /** The checkpoint: a signed note, byte for byte. */
  readonly checkpoint: Uint8Array
}

/** The head shown to the world, with the RFC 6962 tree head that goes with it. */
export interface StoredPublication extends StoredHead {
  /** Milliseconds since 1970, strictly increasing from one publication to the next. */
  readonly timestamp: number
  /** The RFC 6962 `digitally-signed` structure over the tree head. */
  readonly treeHeadSignature: Uint8Array
}

/** What an idempotency key was first used for. */
export interface IdempotencyRecord {
  /** 16 bytes: a digest of the key and of who used it. */
  readonly key: Uint8Array
  /** 32 bytes: a digest of the body it came with. */
  readonly request: Uint8Array
  /** The index that each leaf of the request received. */
  readonly indices: readonly LeafIndex[]
}

export interface Commit {
  /** The size this commit extends; an adapter refuses it when the stored size is another. */
  readonly previousSize: TreeSize
  readonly head: StoredHead
  readonly bundles: readonly BundleRun[]
  readonly tiles: readonly TileRun[]
  /** `head.size - previousSize` leaf hashes, those of the new entries in order. */
  readonly leafHashes: Uint8Array
  readonly idempotency: readonly IdempotencyRecord[]
}

export interface LogStore {
  /** The newest committed head, or undefined before the first commit. */
  head(): Promise<StoredHead | undefined>

  /** The newest publication, or undefined before the first. */
  publication(): Promise<StoredPublication | undefined>

  /**
   * Makes all of a commit durable (synced) and visible at once, or none of it.
   * @throws CONFLICT when the stored head is not at `previousSize`: another writer was here
   * @throws DISK_FULL, IO when it may not have been stored; the log must stop writing then
   */
  commit(commit: Commit): Promise<void>

  /** Replaces the publication, durably. Its size is never above the committed head's. @throws DISK_FULL, IO */
  publish(publication: StoredPublication): Promise<void>

  /** All stored hashes of a tile, up to 256 of 32 bytes; empty when there are none. @throws CORRUPT, IO */
  tile(level: number, tile: number): Promise<Uint8Array>

  /** All stored entries of a bundle in its framing, up to 256; empty when there are none. @throws CORRUPT, IO */
  bundle(bundle: number): Promise<Uint8Array>

  /**
   * For each leaf hash the index under which that leaf was first stored, or undefined. Sees every commit that was
   * durable when the call was made. The answer is exact: never a match by a part of the hash.
   */
  find(leafHashes: readonly LeafHash[]): Promise<(LeafIndex | undefined)[]>

  /** What an idempotency key was used for, or undefined. */
  idempotency(key: Uint8Array): Promise<IdempotencyRecord | undefined>

  /** All of these, in the order of their keys. What is committed meanwhile may or may not be among them. */
  idempotencyRecords?(): AsyncIterable<IdempotencyRecord>

  /**
   * Checks what only the adapter can see for a tree of `size` leaves: keys that belong to nothing, values of a wrong
   * shape, anything beyond the size. One line a problem, naming the key. `progress` counts keys looked at.
   */
  inspect(size: TreeSize, progress?: (keys: number) => void): AsyncIterable<string>

  /** Bytes used on stable storage, and bytes still free there; undefined where that makes no sense. */
  usage(): Promise<{ readonly used: number; readonly free: number } | undefined>

  close(): Promise<void>
}
