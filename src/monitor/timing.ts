/** How long a monitor waits, and how much it does at once. */

export interface Timing {
  /** Milliseconds for the answer of a log or witness to a question about its head. */
  readonly headTimeoutMs: number
  /** Milliseconds for a tile or an entry bundle. */
  readonly tileTimeoutMs: number
  /** Attempts after the first one. */
  readonly retries: number
  /** Milliseconds before the first of them. */
  readonly retryDelayMs: number
  /** Bundles asked for ahead of the one at hand. */
  readonly concurrency: number
  /** Milliseconds after which what was read on a long way is written down. */
  readonly keepAfterMs: number
}

export const DEFAULT_TIMING: Timing = {
  headTimeoutMs: 10_000,
  tileTimeoutMs: 30_000,
  retries: 2,
  retryDelayMs: 200,
  concurrency: 16,
  keepAfterMs: 2_000,
}
