/** Submissions waiting for their commit: first in, first out, and bounded in leaves and in bytes. */
import type { Acceptance } from './service.ts'

/** `Answer` is what it resolves to. */
export interface Submission<Answer = Acceptance> {
  readonly leaves: readonly Uint8Array[]
  readonly bytes: number
  /** 16 bytes; see SubmitOptions. */
  readonly idempotencyKey: Uint8Array | undefined
  /** 32 bytes; see SubmitOptions. */
  readonly request: Uint8Array | undefined
  /** See SubmitOptions. */
  readonly epoch?: number | undefined
  resolve(answer: Answer): void
  reject(error: Error): void
}

export interface QueueLimits {
  /** Leaves that may wait before further submissions are refused. */
  readonly maxLeaves: number
  /** Bytes of leaves that may wait before further submissions are refused. */
  readonly maxBytes: number
}

export class SubmissionQueue<Answer = Acceptance> {
  readonly #limits: QueueLimits
  #waiting: Submission<Answer>[] = []
  #leaves = 0
  #bytes = 0

  constructor(limits: QueueLimits) {
    this.#limits = limits
  }

  get leaves(): number {
    return this.#leaves
  }

  get bytes(): number {
    return this.#bytes
  }

  /** Whether a submission of this size may join. An empty queue takes anything. */
  hasRoom(leaves: number, bytes: number): boolean {
    if (this.#leaves === 0) return true
    return (
      this.#leaves + leaves <= this.#limits.maxLeaves &&
      this.#bytes + bytes <= this.#limits.maxBytes
    )
  }

  push(submission: Submission<Answer>): void {
    this.#waiting.push(submission)
    this.#leaves += submission.leaves.length
    this.#bytes += submission.bytes
  }

  /** Takes submissions from the front, whole, until a limit is reached; at least one when any waits. */
  take(limits: QueueLimits): Submission<Answer>[] {
    let leaves = 0
    let bytes = 0
    let count = 0
    for (const submission of this.#waiting) {
      leaves += submission.leaves.length
      bytes += submission.bytes
      if (count > 0 && (leaves > limits.maxLeaves || bytes > limits.maxBytes)) break
      count++
    }
    const taken = this.#waiting
    this.#waiting = taken.splice(count)
    for (const submission of taken) {
      this.#leaves -= submission.leaves.length
      this.#bytes -= submission.bytes
    }
    return taken
  }
}
