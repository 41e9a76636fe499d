/** How the database of a shared log is doing, as far as one of its servers has met. */
import { messageOf } from '../errors.ts'

export interface DatabaseState {
  /** Failures since the log was opened. */
  readonly errors: number
  /** The last of them, until it works again. */
  readonly error: string | undefined
  /** Milliseconds since the first failure after it last worked; undefined while it works. */
  readonly failingMs: number | undefined
}

export class DatabaseHealth implements DatabaseState {
  readonly #onFailing: (reason: string) => void
  readonly #onOk: () => void
  #errors = 0
  #error: string | undefined
  #failingSince = 0

  /** Told of the first failure, and of the first success after it. */
  constructor(onFailing: (reason: string) => void, onOk: () => void) {
    this.#onFailing = onFailing
    this.#onOk = onOk
  }

  get errors(): number {
    return this.#errors
  }

  get error(): string | undefined {
    return this.#error
  }

  get failingMs(): number | undefined {
    return this.#error === undefined ? undefined : performance.now() - this.#failingSince
  }

  works(): void {
    if (this.#error === undefined) return
    this.#error = undefined
    this.#onOk()
  }

  fails(error: unknown): void {
    this.#errors++
    const isNew = this.#error === undefined
    this.#error = messageOf(error)
    if (!isNew) return
    this.#failingSince = performance.now()
    this.#onFailing(this.#error)
  }
}
