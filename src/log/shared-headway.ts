/**
 * Whether a server of a shared log gets done what it begins. One that has the lease and gets nowhere, since a step of it
 * hangs (in an object store that does not answer) or fails again and again, would keep others from leading.
 */
export class Headway {
  readonly #patienceMs: number
  /** Since when a step of the present turn has been under way. */
  #stepSince: number | undefined
  /** Since when every turn has failed. */
  #failingSince: number | undefined

  constructor(patienceMs: number) {
    this.#patienceMs = patienceMs
  }

  begin(): void {
    this.#stepSince = performance.now()
  }

  /** A step is done, and another begins. */
  step(): void {
    this.#stepSince = performance.now()
    this.#failingSince = undefined
  }

  /** The turn has failed. What a server without a lease cannot do keeps nobody from anything. */
  fail(hasLease: boolean): void {
    if (hasLease) this.#failingSince ??= performance.now()
    else this.#failingSince = undefined
  }

  end(): void {
    this.#stepSince = undefined
  }

  /** Whether there was some, not too long ago. */
  get isMade(): boolean {
    const before = performance.now() - this.#patienceMs
    return (this.#stepSince ?? before) >= before && (this.#failingSince ?? before) >= before
  }
}
