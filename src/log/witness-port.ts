/** What the log asks of a witness. The composition root puts HTTP behind it. */
import type { AddCheckpoint, WitnessAnswer } from '../formats/add-checkpoint.ts'
import type { VerifierKey } from '../formats/vkey.ts'

/** A key of a witness, and what the policy calls it. */
export interface WitnessKey {
  readonly name: string
  readonly key: VerifierKey
}

/** One place to ask. Its operator may answer with several keys, of different types. */
export interface WitnessPort {
  /** Where it is, for people. */
  readonly url: string
  readonly keys: readonly WitnessKey[]

  /**
   * Asks for cosignatures of a head.
   * @throws OVERLOADED when the witness asks to come back later; IO when it fails; the signal's reason
   */
  addCheckpoint(request: AddCheckpoint, signal: AbortSignal): Promise<WitnessAnswer>

  /** The newest checkpoint of a log that it has cosigned, unverified, or undefined. @throws as addCheckpoint */
  latest(origin: string, signal: AbortSignal): Promise<Uint8Array | undefined>
}

/** How a witness is doing; times in milliseconds since 1970. */
export interface WitnessStatus {
  /** What the policy calls its keys. */
  readonly names: readonly string[]
  readonly url: string
  /**
   * `new`: not asked yet. `cosigning`: its last answer was a cosignature. `retrying`: the last few requests failed.
   * `suspended`: so many failed that it is left alone for a while.
   */
  readonly state: 'new' | 'cosigning' | 'retrying' | 'suspended'
  /** Size of the last head that it cosigned. */
  readonly size: number | undefined
  /** Leaves that the log has beyond it. */
  readonly lag: number
  readonly cosignedAt: number | undefined
  /** How long its last answer took, in milliseconds. */
  readonly latencyMs: number | undefined
  /** Requests that failed since its last cosignature. */
  readonly failures: number
  /** What went wrong last, until it cosigns again. */
  readonly error: string | undefined
  /** When it is asked next, while it is suspended. */
  readonly retryAt: number | undefined
  readonly cosigned: number
  readonly failed: number
}

/** The policy as far as the log follows it, and how its witnesses are doing. */
export interface WitnessReport {
  /** Whose cosignatures a published head needs; undefined when it needs none. */
  readonly quorum: string | undefined
  readonly witnesses: readonly WitnessStatus[]
}
