/**
 * What a log that several servers share asks of its storage, beyond LogStore.
 *
 * Any server sequences: it gives leaves their indices, and commits them, in one round trip. One server leads: it
 * integrates what was sequenced into the tree, signs, and publishes. Which one that is the storage decides, by a lease
 * on its own clock; and it refuses what a leader writes whose term is over, however late that arrives.
 *
 *     sequence (any server)  →  integrate (the leader)  →  publish (the leader)
 *
 * The order of leaves is fixed when they are sequenced, so that every leader makes the same tree of them.
 */
import type { LeafIndex, TreeSize } from '../merkle/position.ts'
import type { IdempotencyRecord, LogStore, StoredHead, StoredPublication, TileRun } from './port.ts'

/** Leaves to be sequenced together, all or none. */
export interface SequenceBatch {
  /** u16 length ‖ leaf, repeated, as in an entry bundle. */
  readonly framed: Uint8Array
  /** Where leaf i begins in `framed`, with one more number for the end of the last. */
  readonly starts: Uint32Array
  /** 32 bytes a leaf: its RFC 6962 leaf hash. With `dedup` no two are the same. */
  readonly hashes: Uint8Array
  /** Whether a leaf that has an index keeps it, and is not added again. */
  readonly dedup: boolean
  readonly requests: readonly SequencedRequest[]
  /**
   * The leader's term in which the leaves are to be sequenced, or not at all: so that what a leader has checked and put
   * elsewhere first does not get into the log once another leads.
   */
  readonly epoch?: number
}

/** A request that carries an idempotency key. */
export interface SequencedRequest {
  /** 16 bytes; no two of a batch are the same. */
  readonly key: Uint8Array
  /** 32 bytes: a digest of what it came with. */
  readonly request: Uint8Array
  /** For each of its leaves, the place in the batch. */
  readonly places: readonly number[]
}

export type SequenceOutcome =
  | {
      readonly kind: 'sequenced'
      /** The index of each leaf of the batch, in its order. */
      readonly indices: readonly LeafIndex[]
      /** How many leaves had been sequenced before: an index from here on is new. */
      readonly previousSize: TreeSize
      readonly size: TreeSize
    }
  /** Nothing was added: these keys were used before. The batch is to be made again without them. */
  | { readonly kind: 'replayed'; readonly records: readonly IdempotencyRecord[] }

/** Sequenced leaves that follow each other. A run may be a part of a batch; it never crosses the end of an entry bundle. */
export interface SequencedRun {
  readonly first: LeafIndex
  readonly count: number
  /** u16 length ‖ leaf, repeated. */
  readonly framed: Uint8Array
  /** 32 bytes a leaf, as they were given to sequence(). */
  readonly hashes: Uint8Array
}

/** What takes the tree from one size to the next. All its leaves have been sequenced. */
export interface Integration {
  /** The size of the newest committed head. */
  readonly previousSize: TreeSize
  readonly head: StoredHead
  /** As in a Commit; those of level 0 need not be stored, since sequenced leaves come with their hashes. */
  readonly tiles: readonly TileRun[]
}

/** What the archive has, as far as the leader has told. */
export interface ArchiveMark {
  /** The tree of this size can be read from the archive alone. */
  readonly size: TreeSize
  /** Full tiles and bundles of the tree of this size are no longer in the database. Never above `size`. */
  readonly released: TreeSize
}

/** What only the leader may write. */
export interface LeaderStore {
  /** Counts up from 1 with each leader. */
  readonly epoch: number

  /**
   * Makes the tree grow, durably and at once. @throws CONFLICT when the term is over, or the head is another than
   * `previousSize`: nothing was written; UNAVAILABLE, IO when it may have been
   */
  integrate(integration: Integration): Promise<void>

  /** Replaces the publication, durably. @throws CONFLICT when the term is over or time would go back; UNAVAILABLE, IO */
  publish(publication: StoredPublication): Promise<void>

  /**
   * Notes that the archive has the tree of `size`, and lets go of the rows that `release` says are in the archive:
   * those of bundles and tiles that are full in the tree of `release`. @throws CONFLICT, UNAVAILABLE, IO
   */
  archived(size: TreeSize, release: TreeSize): Promise<void>

  /** Holds on for another `leaseMs`. False when the term is over. @throws UNAVAILABLE, IO */
  renew(leaseMs: number): Promise<boolean>

  /** Ends the term, so that another server can begin one at once. @throws UNAVAILABLE, IO */
  resign(): Promise<void>
}

export interface Leadership {
  readonly epoch: number
  /** The server that leads, as it calls itself. */
  readonly holder: string
  /** The URL at which other servers reach it. */
  readonly url: string
  /** Whether its lease lasts, by the storage's clock. */
  readonly valid: boolean
}

export interface SharedLogStore extends LogStore {
  /**
   * Gives leaves their indices and makes them durable (committed), one batch after the other whichever server they come
   * from: no index is left out or given twice.
   * @throws UNAVAILABLE when the database cannot be reached: the batch may have been sequenced; DISK_FULL, IO
   * @throws CONFLICT when the term it names is over: nothing was sequenced
   */
  sequence(batch: SequenceBatch): Promise<SequenceOutcome>

  /** How many leaves have been sequenced. @throws UNAVAILABLE, IO */
  sequencedSize(): Promise<TreeSize>

  /**
   * Sequenced leaves from an index on, in order and without a gap: at least one when there is one, and no run more once
   * `maxLeaves` or `maxBytes` is reached. Runs are as they are stored, the first one cut at `from`.
   * @throws CORRUPT when there is a gap; NOT_FOUND when they are released; UNAVAILABLE, IO
   */
  sequenced(
    from: TreeSize,
    limits: { readonly maxLeaves: number; readonly maxBytes: number },
  ): Promise<SequencedRun[]>

  /** Leaf hashes from one index up to another, 32 bytes each. @throws NOT_FOUND when they are released; CORRUPT, UNAVAILABLE, IO */
  leafHashes(from: TreeSize, to: TreeSize): Promise<Uint8Array>

  /**
   * Begins a term, unless another server's lasts. Who has no URL serves nobody, and may have one of a log that was moved.
   * @throws READ_ONLY when the log was moved elsewhere; UNAVAILABLE, IO
   */
  lead(candidate: {
    readonly holder: string
    readonly url: string
    readonly leaseMs: number
  }): Promise<LeaderStore | undefined>

  /** Who leads, or led last; undefined before the first. @throws UNAVAILABLE, IO */
  leadership(): Promise<Leadership | undefined>

  archive(): Promise<ArchiveMark>

  /** The storage's clock, in milliseconds since 1970. @throws UNAVAILABLE, IO */
  now(): Promise<number>

  /**
   * Calls `onChange` soon after leaves were sequenced, the head has grown, a publication was made or leadership changed, by whichever server; it
   * may be called for nothing, and calls may be lost while the connection is. Returns what ends it.
   */
  watch(onChange: (change: 'sequenced' | 'head' | 'publication' | 'leadership') => void): () => void
}
