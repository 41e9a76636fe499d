/**
 * Telling notices of leaves that another server has sequenced from those of this server's own, which it knows of by
 * itself and sooner or later is told of as well.
 */

/** A notice that is later than this was lost. */
const NOTICE_MS = 1_000
const EXPECTED = 16

export class Notices {
  /** Notices of own batches that are still to come, by when they are given up. */
  readonly #expected: number[] = []
  #came = false

  /** A notice came while an own batch was on its way, whose answer is as good, whoever the notice is about. */
  cameMeanwhile(): void {
    this.#came = true
  }

  /** An own batch was answered; `grown` says whether it added something. */
  answered(grown: boolean): void {
    if (grown && !this.#came) this.#expected.push(performance.now() + NOTICE_MS)
    if (this.#expected.length > EXPECTED) this.#expected.shift()
    this.#came = false
  }

  /** A notice has come. Whether it may be of another server. */
  isOthers(): boolean {
    const now = performance.now()
    while (this.#expected.length > 0) if (this.#expected.shift()! > now) return false
    return true
  }
}
