/** What the layers above see of a witness. `witness.ts` implements it; nothing above needs to know how. */
import type { VerifierKey } from '../formats/vkey.ts'
import type { RootHash } from '../merkle/hash.ts'
import type { TreeSize } from '../merkle/position.ts'

/** A refusal, and what to mend about it. */
interface Refused<Outcome extends string> {
  readonly outcome: Outcome
  readonly detail: string
}

/** The refusals that both requests know. */
type CommonRefusal =
  /** The body is not a request, or one that can never be granted. */
  | Refused<'malformed'>
  /** The body is larger than any request needs to be. */
  | Refused<'too-large'>
  /** The origin is not one of a log that this witness watches. */
  | Refused<'unknown-log'>
  /** A signature that is needed is missing, or does not verify. */
  | Refused<'untrusted'>
  /** A proof does not hold, or the head contradicts the last one. */
  | Refused<'inconsistent'>

/** The answer to add-checkpoint (C2SP tlog-witness). */
export type AddCheckpointOutcome =
  | {
      readonly outcome: 'cosigned'
      /** Signature lines of the witness's keys, Ed25519 first, each with its newline. */
      readonly cosignatures: string
      readonly origin: string
      readonly size: TreeSize
      /** Seconds since 1970, as signed. */
      readonly timestamp: number
    }
  /** The last head that was cosigned has another size than the request says. */
  | { readonly outcome: 'conflict'; readonly size: TreeSize }
  | CommonRefusal

/** The answer to sign-subtree (C2SP tlog-witness). */
export type SignSubtreeOutcome =
  /** Signature lines, each with its newline; their time is 0. */
  { readonly outcome: 'signed'; readonly cosignatures: string } | CommonRefusal

/** A log whose heads this witness cosigns. */
export interface WatchedLog {
  readonly origin: string
  /** SHA-256 of the origin in lowercase hexadecimal: the log's name in paths. */
  readonly originHash: string
  readonly vkeys: readonly string[]
  /** The last head that was cosigned, if any. */
  readonly head?: {
    readonly size: TreeSize
    readonly root: RootHash
    /** Seconds since 1970: the time of the newest cosignature. */
    readonly timestamp: number
  }
}

/** A head that the log has signed. */
export interface LogHead {
  readonly size: TreeSize
  readonly root: RootHash
  /** The checkpoint with the log's signatures that were verified, and no others: a signed note. */
  readonly checkpoint: string
}

/** Two heads that one log has signed, and that did not fit together here. */
export interface Conflict {
  /** 32 lowercase hexadecimal digits. */
  readonly id: string
  readonly origin: string
  /**
   * `split-view`: they can never fit, and are evidence by themselves (equal sizes and different roots, or a root that
   * is not the empty tree's at size 0). `unproven`: whoever sent the second one had no valid proof that it extends the
   * first; the log may have forked, or the proof was bad. Only the log's tiles can tell.
   */
  readonly kind: 'split-view' | 'unproven'
  /** The last head that was cosigned when the second one came. */
  readonly cosigned: LogHead
  /** The head that was refused. */
  readonly refused: LogHead
  /** Milliseconds since 1970. */
  readonly seenAt: number
}

/** Whether requests are taken. */
export type WitnessMode =
  | { readonly mode: 'ready' }
  | { readonly mode: 'stopped'; readonly reason: string }

/** Counters since the witness was opened, and gauges. */
export interface WitnessStatistics {
  /** Logs that are watched. */
  readonly logs: number
  /** Answers to add-checkpoint by outcome; `failed` are those that threw. */
  readonly answers: Readonly<Record<AddCheckpointOutcome['outcome'] | 'failed', number>>
  /** Answers to sign-subtree by outcome. */
  readonly subtrees: Readonly<Record<SignSubtreeOutcome['outcome'] | 'failed', number>>
  /** Batches that were written. */
  readonly commits: number
  /** Changes in all of them together. */
  readonly committed: number
  /** Milliseconds that all of them took together. */
  readonly commitMs: number
  /** Requests that wait for their answer. */
  readonly waiting: number
  /** Conflicts that are kept. */
  readonly conflicts: number
}

export interface WitnessService {
  /** The witness's own verifier keys, Ed25519 first. */
  readonly vkeys: readonly string[]
  /** Whether subtrees are signed. */
  readonly signsSubtrees: boolean

  /**
   * Cosigns a head that extends the last one, once that is durable.
   * @throws OVERLOADED when too many requests wait
   * @throws STOPPED, DISK_FULL, IO when nothing can be stored any more; nothing was signed then
   */
  addCheckpoint(body: Uint8Array): Promise<AddCheckpointOutcome>

  /** Signs a subtree of a tree that this witness has cosigned. @throws USAGE when that is switched off; OVERLOADED, IO */
  signSubtree(body: Uint8Array): Promise<SignSubtreeOutcome>

  /**
   * The last head that was cosigned for a log: a signed note with the log's verified signatures and this witness's own.
   * Undefined when none was. `originHash` is SHA-256 of the origin in lowercase hexadecimal. @throws IO, CORRUPT
   */
  checkpoint(originHash: string): Promise<string | undefined>

  /** All watched logs, sorted by origin. */
  logs(): readonly WatchedLog[]

  /** The watched log of an origin hash, or undefined. */
  log(originHash: string): WatchedLog | undefined

  /**
   * Watches a log by its keys, which all have its origin as their name, or replaces the keys of one that is watched.
   * Resolves once that is durable; costs nothing when the keys are the ones it has.
   * @throws USAGE when the keys are not those of one log; STOPPED, DISK_FULL, IO
   */
  watch(keys: readonly VerifierKey[]): Promise<void>

  /**
   * Stops watching a log: its keys are forgotten, its last head is kept for ever, so that watching it again cannot
   * start from an older one. Resolves to whether it was watched. @throws STOPPED, DISK_FULL, IO
   */
  unwatch(origin: string): Promise<boolean>

  /** The conflicts that are kept, of all logs or of one, oldest first. @throws IO, CORRUPT */
  conflicts(origin?: string): Promise<readonly Conflict[]>

  /** One of them, or undefined. @throws IO, CORRUPT */
  conflict(id: string): Promise<Conflict | undefined>

  mode(): WitnessMode
  statistics(): WitnessStatistics

  /** Finishes what was taken, and lets go of the storage and of the keys. */
  close(): Promise<void>
}
