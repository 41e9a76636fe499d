/** Calls that come while others are on their way wait, and go together then: one sync or one commit serves all of them. */

/** A call that waits for its round, which settles it. */
export type Waiting<T> = T & {
  readonly bytes: number
  readonly resolve: () => void
  readonly reject: (error: unknown) => void
}

export class Rounds<T> {
  readonly #go: (calls: readonly Waiting<T>[]) => Promise<void>
  readonly #most: number
  #waiting: Waiting<T>[] = []
  /** The loop over rounds, while there is something to do. */
  #going: Promise<void> | undefined

  /** `go` settles each call, and never throws. No round has more than `most` bytes, unless a single call brings more. */
  constructor(go: (calls: readonly Waiting<T>[]) => Promise<void>, most: number = Infinity) {
    this.#go = go
    this.#most = most
  }

  /** Resolves once the round of this call has settled it. @throws what it was rejected with */
  add(call: T, bytes = 0): Promise<void> {
    return new Promise((resolve, reject) => {
      this.#waiting.push({ ...call, bytes, resolve, reject })
      this.#going ??= this.#goOn()
    })
  }

  /** Waits until nothing is under way. */
  async idle(): Promise<void> {
    await this.#going
  }

  async #goOn(): Promise<void> {
    // Whoever calls in the same turn is in the first round already.
    await Promise.resolve()
    while (this.#waiting.length > 0) await this.#go(this.#nextRound())
    this.#going = undefined
  }

  #nextRound(): Waiting<T>[] {
    let bytes = 0
    const beyond = this.#waiting.findIndex((one, i) => {
      bytes += one.bytes
      return i > 0 && bytes > this.#most
    })
    return this.#waiting.splice(0, beyond === -1 ? this.#waiting.length : beyond)
  }
}
