/** The outcome of verifying something: one answer, and the checks it rests on in words for people. */
import type { Policy } from '../formats/policy.ts'
import type { VerifierKey } from '../formats/vkey.ts'

/** Whom a verifier believes. */
export interface Trust {
  /** Keys of logs, of type ed25519 or ml-dsa-44; a key stands for the log whose origin is its name. */
  readonly logKeys: readonly VerifierKey[]
  /** Witnesses whose cosignatures are demanded; the logs it lists are believed like those above. */
  readonly policy?: Policy
}

export interface Check {
  /** A short name that stays the same, for tables. */
  readonly name: string
  /** `skipped`: not demanded, or not reached because an earlier check failed. */
  readonly status: 'held' | 'failed' | 'skipped'
  /** One sentence that says what was found. */
  readonly detail: string
}

export type ReceiptKind = 'tlog-proof' | 'cose' | 'json' | 'unknown'

export interface Verdict {
  /** Whether the leaf is proven to be in the log. Nothing less is worth anything. */
  readonly ok: boolean
  readonly kind: ReceiptKind
  /** The facts proven; absent unless `ok`, so that a mere claim is never taken for one. */
  readonly origin?: string
  readonly index?: number
  readonly size?: number
  readonly root?: Uint8Array
  /** Every check, in the order in which they are made. */
  readonly checks: readonly Check[]
}
