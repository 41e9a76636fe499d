/** Those who wait for a head: submissions that are sequenced, answered in order, and readers. */
import { CairnError } from '../errors.ts'
import type { CommittedHead } from './committer.ts'

interface Waiter {
  /** Leaves that the head must have. */
  readonly size: number
  readonly leaves: number
  readonly since: number
  resolve(head: CommittedHead): void
  reject(error: Error): void
}

/** A sequenced submission is held for its head for so long; then the client is told to come again. */
const PATIENCE_MS = 30_000

export class HeadWaiters {
  #head: CommittedHead
  /** In the order in which they were sequenced. */
  #inOrder: Waiter[] = []
  readonly #readers = new Set<Waiter>()
  #leaves = 0
  #onEmpty: (() => void)[] = []

  constructor(head: CommittedHead) {
    this.#head = head
  }

  /** Leaves of submissions that wait. */
  get leaves(): number {
    return this.#leaves
  }

  /** Tells once a head has `size` leaves and all that were added before have their answer. */
  add(size: number, leaves: number, { resolve, reject }: Pick<Waiter, 'resolve' | 'reject'>): void {
    if (this.#inOrder.length === 0 && size <= this.#head.size) {
      resolve(this.#head)
      return
    }
    this.#leaves += leaves
    this.#inOrder.push({ size, leaves, since: performance.now(), resolve, reject })
  }

  /** A head of `size` leaves, or undefined when there is none after so many milliseconds. */
  async reached(size: number, milliseconds: number): Promise<CommittedHead | undefined> {
    if (size <= this.#head.size) return this.#head
    return new Promise((resolve) => {
      const done = (head: CommittedHead | undefined): void => {
        clearTimeout(deadline)
        this.#readers.delete(waiter)
        resolve(head)
      }
      const waiter: Waiter = {
        size,
        leaves: 0,
        since: 0,
        resolve: done,
        reject: () => done(undefined),
      }
      const deadline = setTimeout(done, milliseconds, undefined)
      this.#readers.add(waiter)
    })
  }

  /** Answers those whose leaves a head has. */
  release(head: CommittedHead): void {
    this.#head = head
    let count = 0
    while (count < this.#inOrder.length && this.#inOrder[count]!.size <= head.size) count++
    for (const waiter of this.#take(count)) waiter.resolve(head)
    for (const reader of this.#readers) if (reader.size <= head.size) reader.resolve(head)
  }

  /** Gives up those that have waited for too long. */
  expire(): void {
    const before = performance.now() - PATIENCE_MS
    let count = 0
    while (count < this.#inOrder.length && this.#inOrder[count]!.since < before) count++
    const error = new CairnError(
      'UNAVAILABLE',
      'the leaves are in the log, but no server has signed a head with them yet; ask for their receipts later',
    )
    for (const waiter of this.#take(count)) waiter.reject(error)
  }

  reject(error: Error): void {
    for (const waiter of this.#take(this.#inOrder.length)) waiter.reject(error)
    for (const reader of this.#readers) reader.reject(error)
  }

  /** Resolves once no submission waits, or after so many milliseconds. */
  async empty(milliseconds: number): Promise<void> {
    if (this.#inOrder.length === 0) return
    await new Promise<void>((resolve) => {
      const deadline = setTimeout(resolve, milliseconds)
      this.#onEmpty.push(() => {
        clearTimeout(deadline)
        resolve()
      })
    })
  }

  #take(count: number): Waiter[] {
    if (count === 0) return []
    const taken = this.#inOrder.splice(0, count)
    for (const { leaves } of taken) this.#leaves -= leaves
    if (this.#inOrder.length === 0) for (const tell of this.#onEmpty.splice(0)) tell()
    return taken
  }
}
