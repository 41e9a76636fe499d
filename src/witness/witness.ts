/** Opens a witness. */
import type { MlDsaThread } from '../crypto/ml-dsa-thread.ts'
import type { WitnessStore } from '../storage/witness-port.ts'
import type { WitnessService } from './service.ts'
import type { WitnessSigner } from './signer.ts'

export type WitnessEvent =
  /** Two heads of a log did not fit, and are kept. */
  | {
      readonly event: 'conflict'
      readonly origin: string
      readonly id: string
      readonly kind: 'split-view' | 'unproven'
    }
  /** Nothing is cosigned any more, because something could not be stored. */
  | { readonly event: 'witness-stopped'; readonly reason: string }

export interface WitnessOptions {
  /** Closed with the witness. */
  readonly store: WitnessStore
  /** Closed with the witness. */
  readonly signer: WitnessSigner
  /** Verifies ML-DSA-44 signatures of logs. Closed with the witness. */
  readonly mlDsa: MlDsaThread
  /** Whether sign-subtree is served; needs an ML-DSA-44 key. */
  readonly signSubtrees: boolean
  /** Requests that may wait for their answer before more are refused with OVERLOADED. */
  readonly maxWaiting?: number
  /** Milliseconds since 1970. */
  readonly now?: () => number
  readonly onEvent?: (event: WitnessEvent) => void
}

/** @throws USAGE when subtrees are to be signed without an ML-DSA-44 key; CORRUPT, NEWER_FORMAT, IO from the store */
export async function openWitness(_options: WitnessOptions): Promise<WitnessService> {
  throw new Error('not written yet')
}
