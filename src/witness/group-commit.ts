/**
 * Writes to the store, one batch after the other: what comes while a batch is on its way is in the next one, so that
 * many logs share one sync. After a failed write nothing is written any more, since nobody knows what it left behind.
 */
import { CairnError, messageOf } from '../errors.ts'
import type { WitnessChange, WitnessStore } from '../storage/witness-port.ts'

interface Waiting {
  readonly changes: readonly WitnessChange[]
  resolve(): void
  reject(error: CairnError): void
}

export interface CommitStatistics {
  /** Batches that were written. */
  readonly commits: number
  /** Changes in all of them together. */
  readonly committed: number
  /** Milliseconds that all of them took together. */
  readonly commitMs: number
}

export class GroupCommit {
  readonly #store: WitnessStore
  readonly #onFailure: (failure: CairnError) => void
  #waiting: Waiting[] = []
  #running = false
  #idle: (() => void)[] = []
  #failure: CairnError | undefined
  readonly #statistics = { commits: 0, committed: 0, commitMs: 0 }

  constructor(store: WitnessStore, onFailure: (failure: CairnError) => void) {
    this.#store = store
    this.#onFailure = onFailure
  }

  get statistics(): CommitStatistics {
    return this.#statistics
  }

  /** What ended the writing, if anything did. */
  get failure(): CairnError | undefined {
    return this.#failure
  }

  /** Writes changes together, as WitnessStore.write does. @throws STOPPED, DISK_FULL after a failed write */
  write(changes: readonly WitnessChange[]): Promise<void> {
    if (this.#failure !== undefined) return Promise.reject(this.#failure)
    return new Promise((resolve, reject) => {
      this.#waiting.push({ changes, resolve, reject })
      if (this.#running) return
      this.#running = true
      // One turn of the event loop: what arrived together is written together.
      setImmediate(() => void this.#run())
    })
  }

  /** Resolves once everything is written that was asked for before. */
  async flush(): Promise<void> {
    if (this.#running) await new Promise<void>((resolve) => this.#idle.push(resolve))
  }

  async #run(): Promise<void> {
    while (this.#waiting.length > 0) {
      const batch = this.#waiting
      this.#waiting = []
      await this.#write(batch)
    }
    this.#running = false
    for (const resolve of this.#idle.splice(0)) resolve()
  }

  async #write(batch: readonly Waiting[]): Promise<void> {
    const changes = batch.flatMap((one) => one.changes)
    const started = performance.now()
    try {
      if (this.#failure !== undefined) throw this.#failure
      await this.#store.write(changes)
    } catch (error) {
      const failure = this.#stop(error)
      for (const one of batch) one.reject(failure)
      return
    }
    this.#statistics.commits++
    this.#statistics.committed += changes.length
    this.#statistics.commitMs += performance.now() - started
    for (const one of batch) one.resolve()
  }

  #stop(cause: unknown): CairnError {
    if (this.#failure === undefined) {
      const code =
        cause instanceof CairnError && cause.code === 'DISK_FULL' ? cause.code : 'STOPPED'
      const reason = `nothing is cosigned after a failed write: ${messageOf(cause)}; mend the cause and restart the witness`
      this.#failure = new CairnError(code, reason, { cause })
      this.#onFailure(this.#failure)
    }
    return this.#failure
  }
}
