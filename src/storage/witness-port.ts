/**
 * What a witness asks of stable storage: for each log its keys and the last head that was cosigned, and the heads that
 * did not fit. The unit of writing is a batch of changes, of as many logs as came together.
 */
import type { RootHash } from '../merkle/hash.ts'
import type { TreeSize } from '../merkle/position.ts'

/** The last head that a witness has cosigned, or is about to: what is stored here may be signed, and nothing else. */
export interface CosignedHead {
  readonly size: TreeSize
  readonly root: RootHash
  /** Seconds since 1970: the time that the cosignatures state. */
  readonly timestamp: number
}

/** A head with the notes that go with it. */
export interface StoredCosignedHead extends CosignedHead {
  /** The checkpoint with the log's verified signatures: a signed note, byte for byte. */
  readonly checkpoint: Uint8Array
  /** The witness's own signature lines over this head at its time; undefined when they were not stored, or lost. */
  readonly cosignatures: Uint8Array | undefined
}

/** A log as a witness knows it. */
export interface StoredLog {
  readonly origin: string
  /** Verifier keys as text; none when the log is not watched any more. */
  readonly vkeys: readonly string[]
  readonly head: CosignedHead | undefined
}

/** Two signed heads of a log that did not fit together. */
export interface StoredConflict {
  /** 16 bytes, unique. */
  readonly id: Uint8Array
  readonly origin: string
  readonly kind: 'split-view' | 'unproven'
  /** The head that was cosigned: the log's signed note. */
  readonly cosigned: Uint8Array
  /** The head that was refused: the log's signed note. */
  readonly refused: Uint8Array
  /** Milliseconds since 1970. */
  readonly seenAt: number
}

export type WitnessChange =
  /** Sets a log's keys, and makes the log known; no keys: it is not watched any more. Never touches its head. */
  | { readonly kind: 'watch'; readonly origin: string; readonly vkeys: readonly string[] }
  /** Replaces a known log's head, which is `previous` (undefined: there is none). The old cosignatures go with it. */
  | {
      readonly kind: 'advance'
      readonly origin: string
      readonly previous: CosignedHead | undefined
      readonly head: CosignedHead
      /** The checkpoint with the log's verified signatures. */
      readonly checkpoint: Uint8Array
    }
  /** Adds what was signed over the newest head of a log. */
  | {
      readonly kind: 'keep-cosignatures'
      readonly origin: string
      readonly head: CosignedHead
      readonly cosignatures: Uint8Array
    }
  /** Adds a conflict, or replaces the one of its id. */
  | { readonly kind: 'keep-conflict'; readonly conflict: StoredConflict }
  | { readonly kind: 'drop-conflict'; readonly origin: string; readonly id: Uint8Array }

export interface WitnessStore {
  /** Every log that was ever watched, in no order. @throws CORRUPT, NEWER_FORMAT, IO */
  logs(): AsyncIterable<StoredLog>

  /** A log's newest head with its notes, or undefined when it has none. @throws CORRUPT, NEWER_FORMAT, IO */
  head(origin: string): Promise<StoredCosignedHead | undefined>

  /**
   * Makes all changes visible at once and in order, or none of them. Durable (synced) when the promise resolves, unless
   * every one of them is `keep-cosignatures`: those may be lost with the machine, since signing again makes them anew.
   * A batch has at most one `advance` for a log.
   * @throws CONFLICT when the stored head of a log is not the `previous` of its change, or size or time would go back:
   *   another writer was here, and nothing was written
   * @throws DISK_FULL, IO when it may not have been stored; the witness must stop signing then
   */
  write(changes: readonly WitnessChange[]): Promise<void>

  /** The kept conflicts of all logs or of one, in no order. @throws CORRUPT, NEWER_FORMAT, IO */
  conflicts(origin?: string): AsyncIterable<StoredConflict>

  /** Lets go of the storage. What was written is there at the next opening. */
  close(): Promise<void>
}
