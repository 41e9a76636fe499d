/** What a fuzzing thread is told, and what it tells. */
import { MAX_INPUT, type Outcome } from './fuzz.ts'

export interface Job {
  /** Where the bundle of targets.ts and its vectors are. */
  readonly bundle: string
  readonly vectors: string
  readonly counters: number
  readonly words: readonly string[]
  readonly target: string
  readonly seconds: number
  readonly seed: number
  /** Shared: how many inputs were begun, the length of the newest, and the newest. */
  readonly current: SharedArrayBuffer
}

export type Report = Outcome & { readonly target: string }

/** The bytes of Job.current. */
export const CURRENT_SIZE: number = 8 + MAX_INPUT
