/**
 * The outcome of verifying something, the same for all that can be verified: one answer, the sentence it comes to, and
 * the checks it rests on, in words for people.
 */
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

/** What was verified; `unknown` is nothing that a log hands out. */
export type VerdictKind =
  | ReceiptKind
  | 'checkpoint'
  | 'time-stamp'
  | 'split-view'
  | 'evidence'
  | 'complete-list'
  | 'audit'

export interface Verdict<Kind extends VerdictKind = VerdictKind> {
  /** Whether what it is for is proven. Nothing less is worth anything. */
  readonly ok: boolean
  readonly kind: Kind
  /** What it comes to, in one sentence that can be quoted: what is proven, or why nothing is. */
  readonly finding: string
  /** The facts proven; absent unless `ok`, so that a mere claim is never taken for one. */
  readonly origin?: string
  readonly index?: number
  readonly size?: number
  readonly root?: Uint8Array
  /** Every check, in the order in which they are made. */
  readonly checks: readonly Check[]
}

/** The verdict on a receipt: whether the leaf is proven to be in the log. */
export type ReceiptVerdict = Verdict<ReceiptKind>
