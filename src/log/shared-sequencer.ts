/**
 * The way of submissions into a log that several servers share, as far as their indices:
 *
 *     queue → hash, drop what is twice in the batch → one round trip to the database → indices
 *
 * One batch is on its way while the next gathers. A database that is away for a moment is waited for: the same batch is
 * sent again, and leaves that were sequenced the first time keep the index that they got.
 */
import { setTimeout as sleep } from 'node:timers/promises'
import { CairnError } from '../errors.ts'
import { type LeafIndex, type TreeSize, treeSize } from '../merkle/position.ts'
import type { IdempotencyRecord } from '../storage/port.ts'
import type { SequenceOutcome, SharedLogStore } from '../storage/shared-port.ts'
import { isFor, keyIsInUse, keyWasUsed, nameOf, replay } from './idempotency.ts'
import { type QueueLimits, SubmissionQueue } from './queue.ts'
import type { Accepted, LogMode, LogStatistics, SubmitOptions } from './service.ts'
import { byKey, type Prepared, prepareBatch, type Sequencing } from './shared-batch.ts'
import { Notices } from './shared-notices.ts'
import { bytesOf, queueIsFull, refusalOf, refusalOfLeaves } from './submission-rules.ts'

export interface SequencerOptions {
  readonly store: Pick<SharedLogStore, 'sequence' | 'find'>
  /** What may wait. */
  readonly queue: QueueLimits
  /** What one batch takes at the most (a single larger submission is still one batch). */
  readonly batch: QueueLimits
  readonly dedup: boolean
  /** How many leaves were sequenced when it began. */
  readonly size: TreeSize
  /** Leaves that have their index, and wait for something else. */
  readonly waitingElsewhere: () => number
  readonly onSequenced: () => void
  /** Told when fewer leaves are sequenced than this server has seen sequenced. */
  readonly onLost: (size: TreeSize, known: TreeSize) => void
  /** Told of each failure of the database, and of the first success after it. */
  readonly onDatabase: (error: unknown) => void
}

/** How long a database that cannot be reached is waited for, by all batches together; then each gets one attempt. */
const PATIENCE_MS = 10_000
const FIRST_PAUSE_MS = 50
const LONGEST_PAUSE_MS = 1_000
type Sequenced = Extract<SequenceOutcome, { kind: 'sequenced' }>

export class Sequencer {
  readonly #options: SequencerOptions
  readonly #queue: SubmissionQueue<readonly Accepted[]>
  #mode: LogMode = { mode: 'writable' }
  #size: TreeSize
  #running = false
  /** Leaves of the batch on its way. */
  #sending = 0
  #drained: (() => void) | undefined
  /** From when to when the database was away, as far as batches have met it. */
  #away: { readonly since: number; readonly last: number } | undefined
  readonly #notices = new Notices()
  readonly #counters = { accepted: 0, duplicates: 0, refused: 0, commits: 0 }

  constructor(options: SequencerOptions) {
    this.#options = options
    this.#queue = new SubmissionQueue(options.queue)
    this.#size = options.size
  }

  mode(): LogMode {
    return this.#mode
  }

  /** Leaves that have been sequenced, as far as this server knows. */
  get size(): TreeSize {
    return this.#size
  }

  statistics(): LogStatistics {
    return { ...this.#counters, queued: this.#queue.leaves, queuedBytes: this.#queue.bytes }
  }

  /** Whether submissions wait to be sequenced. */
  get busy(): boolean {
    return this.#queue.leaves > 0
  }

  /**
   * Told that some server has sequenced leaves. Answers whether that may be another one: what this one sequences it
   * knows by itself, and sooner or later is told of as well.
   */
  notice(): boolean {
    if (!this.#running) return this.#notices.isOthers()
    this.#notices.cameMeanwhile()
    return false
  }

  /** Refuses all further submissions. The first reason stays. */
  refuse(mode: Exclude<LogMode, { mode: 'writable' }>): void {
    if (this.#mode.mode === 'writable') this.#mode = mode
  }

  /** Notes that so many leaves have been sequenced, by whichever server. */
  learn(size: TreeSize): void {
    if (size > this.#size) this.#size = size
  }

  /** Puts a submission in line, or rejects it. Those that are taken are answered in their order, but for refusals. */
  push(
    leaves: readonly Uint8Array[],
    options: SubmitOptions,
    answer: Pick<Sequencing, 'resolve' | 'reject'>,
  ): void {
    const bytes = bytesOf(leaves)
    const refusal = this.#refusal(leaves, bytes, options)
    if (refusal !== undefined) {
      this.#counters.refused += leaves.length
      answer.reject(refusal)
      return
    }
    const { idempotencyKey, request, epoch } = options
    const { resolve, reject } = answer
    this.#queue.push({ leaves, bytes, idempotencyKey, request, epoch, resolve, reject })
    if (this.#running) return
    this.#running = true
    // One turn of the event loop: what arrived together is sequenced together.
    setImmediate(() => void this.#run())
  }

  /** Refuses new submissions, and resolves once all accepted ones have their indices. */
  async close(): Promise<void> {
    this.#mode = { mode: 'stopped', reason: 'the log is shutting down' }
    if (!this.#running) return
    await new Promise<void>((resolve) => {
      this.#drained = resolve
    })
  }

  #refusal(
    leaves: readonly Uint8Array[],
    bytes: number,
    options: SubmitOptions,
  ): CairnError | undefined {
    if (this.#mode.mode !== 'writable') return refusalOf(this.#mode)
    const refusal = refusalOfLeaves(leaves, options)
    if (refusal !== undefined) return refusal
    const elsewhere = this.#sending + this.#options.waitingElsewhere()
    const { maxLeaves } = this.#options.queue
    const isFull =
      !this.#queue.hasRoom(leaves.length, bytes) ||
      (elsewhere > 0 && elsewhere + this.#queue.leaves + leaves.length > maxLeaves)
    return isFull ? queueIsFull() : undefined
  }

  async #run(): Promise<void> {
    while (this.#queue.leaves > 0) {
      const taken = this.#queue.take(this.#options.batch)
      this.#sending = taken.reduce((sum, { leaves }) => sum + leaves.length, 0)
      await this.#sequence(taken)
      this.#sending = 0
    }
    this.#running = false
    this.#drained?.()
  }

  /** Sequences one batch and answers all of it. Never rejects. */
  async #sequence(submissions: readonly Sequencing[]): Promise<void> {
    const before = this.#size
    const tries = { uncertain: false, until: this.#awaySince() + PATIENCE_MS }
    let { first: left, repeated } = byKey(submissions)
    while (left.length > 0) {
      const prepared = prepareBatch(left, this.#options.dedup)
      let outcome: SequenceOutcome
      try {
        outcome = await this.#send(prepared, tries)
      } catch (error) {
        left = rejectSome(left, error)
        continue
      }
      if (outcome.kind === 'sequenced') {
        if (outcome.previousSize < before) {
          this.#options.onLost(outcome.previousSize, before)
          rejectAll([...left, ...repeated], lostLeaves())
          return
        }
        this.#answer(prepared, outcome, tries.uncertain ? before : outcome.previousSize)
        break
      }
      const since = tries.uncertain ? before : undefined
      left = await this.#answerReplays(left, outcome.records, since)
      repeated = await this.#answerReplays(repeated, outcome.records, since)
    }
    rejectAll(repeated, keyIsInUse())
  }

  /** Sends a batch, again and again while the database is away, as far as that adds nothing twice. */
  async #send(
    { submissions, unique, requests }: Prepared,
    tries: { uncertain: boolean; readonly until: number },
  ): Promise<SequenceOutcome> {
    const { store, dedup, onDatabase } = this.#options
    const { framed, starts, hashes } = unique
    const epoch = submissions.find((submission) => submission.epoch !== undefined)?.epoch
    const batch = { framed, starts, hashes, dedup, requests, ...(epoch !== undefined && { epoch }) }
    for (let pause = FIRST_PAUSE_MS; ; pause = Math.min(2 * pause, LONGEST_PAUSE_MS)) {
      try {
        const outcome = await store.sequence(batch)
        this.#away = undefined
        onDatabase(undefined)
        return outcome
      } catch (error) {
        const isAway = error instanceof CairnError && error.code === 'UNAVAILABLE'
        // One that takes nothing any more is news for the whole server.
        if (isAway || (error instanceof CairnError && error.code === 'READ_ONLY')) onDatabase(error)
        if (isAway) this.#away = { since: this.#awaySince(), last: performance.now() }
        if (!isAway || !dedup || performance.now() + pause > tries.until) throw error
        tries.uncertain = true
        await sleep(pause)
      }
    }
  }

  /** Since when the database is away; now, unless a batch has met that lately. */
  #awaySince(): number {
    const now = performance.now()
    return this.#away !== undefined && now - this.#away.last < PATIENCE_MS ? this.#away.since : now
  }

  /** A leaf is new when its index is not below `known`. */
  #answer({ submissions, hashed, placeOf }: Prepared, outcome: Sequenced, known: number): void {
    const { indices, size, previousSize } = outcome
    this.learn(size)
    this.#notices.answered(size > previousSize)
    const answered = new Set<number>()
    const answers: (readonly Accepted[])[] = []
    let at = 0
    for (const { leaves } of submissions) {
      const accepted = new Array<Accepted>(leaves.length)
      for (let i = 0; i < accepted.length; i++, at++) {
        const place = placeOf[at]!
        const index = indices[place]!
        const duplicate = index < known || answered.has(place)
        if (duplicate) this.#counters.duplicates++
        else this.#counters.accepted++
        answered.add(place)
        accepted[i] = { index, leafHash: hashed.leafHashes[at]!, duplicate }
      }
      answers.push(accepted)
    }
    this.#counters.commits++
    this.#options.onSequenced()
    for (const [i, { resolve }] of submissions.entries()) resolve(answers[i]!)
  }

  /** Answers requests that were made before, and refuses those whose key was used for another. Answers the rest. */
  async #answerReplays(
    submissions: readonly Sequencing[],
    records: readonly IdempotencyRecord[],
    before: TreeSize | undefined,
  ): Promise<Sequencing[]> {
    const byKey = new Map(records.map((record) => [nameOf(record.key), record]))
    const left: Sequencing[] = []
    for (const submission of submissions) {
      const { idempotencyKey: key } = submission
      const record = key && byKey.get(nameOf(key))
      if (record === undefined) left.push(submission)
      else if (!isFor(record, submission)) submission.reject(keyWasUsed())
      else {
        const leaves = replay(record, submission)
        const own = before === undefined ? [] : await this.#madeSince(before, leaves)
        if (own instanceof Error) {
          submission.reject(own)
          continue
        }
        this.#counters.duplicates += leaves.length - own.length
        this.learn(treeSize(Math.max(...record.indices) + 1))
        submission.resolve(own.length === leaves.length ? own : leaves)
      }
    }
    return left
  }

  /**
   * The leaves of a replayed request as new ones when it is this server's own first try, whose answer was lost: then
   * these very leaves have these indices, and none was there before.
   */
  async #madeSince(before: TreeSize, leaves: readonly Accepted[]): Promise<Accepted[] | Error> {
    let found: readonly (LeafIndex | undefined)[]
    try {
      found = await this.#options.store.find(leaves.map(({ leafHash }) => leafHash))
    } catch (error) {
      return error as Error
    }
    const isOwn = leaves.every(({ index }, i) => index >= before && found[i] === index)
    return isOwn ? leaves.map((leaf) => ({ ...leaf, duplicate: false })) : []
  }
}

function lostLeaves(): CairnError {
  return new CairnError('READ_ONLY', 'the data was rolled back: restore the newest copy of it')
}

function rejectAll(submissions: readonly Sequencing[], error: Error): void {
  for (const { reject } of submissions) reject(error)
}

/** Rejects a batch that was not sequenced. When that is because a term is over, those that do not depend on it are left. */
function rejectSome(submissions: readonly Sequencing[], error: unknown): Sequencing[] {
  const bound = submissions.filter(({ epoch }) => epoch !== undefined)
  const isOver = error instanceof CairnError && error.code === 'CONFLICT' && bound.length > 0
  if (!isOver) {
    rejectAll(submissions, error as Error)
    return []
  }
  const message = 'this server does not lead the log any more; try again'
  rejectAll(bound, new CairnError('UNAVAILABLE', message, { cause: error }))
  return submissions.filter(({ epoch }) => epoch === undefined)
}
