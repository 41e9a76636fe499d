/**
 * The write path: one writer, one batch after the other.
 *
 *     queue → hash, dedup, assign indices → second opinion → sign → one synced write → signer's state → answer
 *
 * The commit point is `store.commit`. Before it nothing of the batch exists, and whoever submitted it has no answer;
 * after it the leaves, their tiles and the signed head are durable together. The answer waits for one more thing, the
 * signer's own record of the head, so that no head is ever seen outside which the signer could forget. Any failure on
 * the way stops the log: what a failed write left behind is found out by opening it again, never by guessing.
 */
import { utf8 } from '../bytes.ts'
import { CairnError, messageOf } from '../errors.ts'
import { type LeafIndex, leafIndex } from '../merkle/position.ts'
import type { Commit, LogStore } from '../storage/port.ts'
import type { DoubleCheck } from './double-check.ts'
import { type EdgeTree, type RightEdge, rootOfEdge } from './edge-tree.ts'
import { type BatchAnswer, IdempotencyKeys } from './idempotency.ts'
import { type QueueLimits, type Submission, SubmissionQueue } from './queue.ts'
import { bundleRuns, growTiles, type HashedLeaves, hashLeaves, pick } from './sequence.ts'
import type {
  Acceptance,
  Accepted,
  Head,
  LogMode,
  LogStatistics,
  SubmitOptions,
} from './service.ts'
import { signHead } from './sign-head.ts'
import type { SignedState } from './signed-state.ts'
import type { LogSigner } from './signer.ts'
import { bytesOf, queueIsFull, refusalOf, refusalOfLeaves } from './submission-rules.ts'

/** A committed head with what is needed to prove leaves under it from memory. */
export interface CommittedHead extends Head {
  readonly edge: RightEdge
}

export interface CommitterOptions {
  readonly store: LogStore
  readonly signer: LogSigner
  readonly signedState: SignedState
  readonly tree: EdgeTree
  readonly doubleCheck: DoubleCheck
  readonly head: CommittedHead
  /** What may wait. */
  readonly queue: QueueLimits
  /** What one commit takes at the most (a single larger submission is still one commit). */
  readonly batch: QueueLimits
  /** Whether a leaf that is already in the log gets its first index again. */
  readonly dedup: boolean
  readonly onCommit: (head: CommittedHead) => void
  readonly onStop: (reason: string) => void
}

/** Enough waiting leaves to prepare a batch while the one before is still being written. */
const OVERLAP_LEAVES = 512

/** A batch on its way: what to store, and whom to answer then. */
interface Prepared {
  readonly commit: Commit | undefined
  readonly head: CommittedHead | undefined
  readonly answers: readonly BatchAnswer[]
  readonly submissions: readonly Submission[]
}

export class Committer {
  readonly #options: CommitterOptions
  readonly #queue: SubmissionQueue
  #head: CommittedHead
  #mode: LogMode = { mode: 'writable' }
  #failed: CairnError | undefined
  #running = false
  #drained: (() => void) | undefined
  /** Whether a head could not be noted, so that neither it nor any after it may be shown. */
  #withheld = false
  /** Resolves once the batches written so far have their answers. */
  #released: Promise<void> = Promise.resolve()
  /** The indices that the batch being written gives, until the store can answer for it. */
  #recent = new Map<string, LeafIndex>()
  readonly #idempotency: IdempotencyKeys
  readonly #counters = { accepted: 0, duplicates: 0, refused: 0, commits: 0 }

  constructor(options: CommitterOptions) {
    this.#options = options
    this.#queue = new SubmissionQueue(options.queue)
    this.#idempotency = new IdempotencyKeys(options.store)
    this.#head = options.head
  }

  get head(): CommittedHead {
    return this.#head
  }

  mode(): LogMode {
    return this.#mode
  }

  /** Whether a failed write ended it. */
  get failed(): boolean {
    return this.#failed !== undefined
  }

  statistics(): LogStatistics {
    return { ...this.#counters, queued: this.#queue.leaves, queuedBytes: this.#queue.bytes }
  }

  /** Refuses all further submissions; those already accepted are finished unless the log has stopped. */
  refuse(mode: Exclude<LogMode, { mode: 'writable' }>): void {
    if (this.#mode.mode !== 'stopped') this.#mode = mode
  }

  /** Takes submissions again after `refuse` with mode 'disk-full'. */
  resume(): void {
    if (this.#mode.mode === 'disk-full') this.#mode = { mode: 'writable' }
  }

  /** Signs and stores nothing any more, not even what was accepted already; a batch being written is finished. */
  halt(reason: string): void {
    this.refuse({ mode: 'read-only', reason })
    this.#failed ??= new CairnError('READ_ONLY', reason)
  }

  submit(leaves: readonly Uint8Array[], options: SubmitOptions = {}): Promise<Acceptance> {
    const bytes = bytesOf(leaves)
    const refusal = this.#refusal(leaves, bytes, options)
    if (refusal !== undefined) {
      this.#counters.refused += leaves.length
      return Promise.reject(refusal)
    }
    return new Promise((resolve, reject) => {
      const { idempotencyKey, request } = options
      this.#queue.push({ leaves, bytes, idempotencyKey, request, resolve, reject })
      if (this.#running) return
      this.#running = true
      // One turn of the event loop: what arrived together is committed together.
      setImmediate(() => void this.#run())
    })
  }

  /** Refuses new submissions, and resolves once all accepted ones have their answer. */
  async close(): Promise<void> {
    this.refuse({ mode: 'stopped', reason: 'the log is shutting down' })
    if (this.#running) {
      await new Promise<void>((resolve) => {
        this.#drained = resolve
      })
    }
    await this.#released
  }

  #refusal(
    leaves: readonly Uint8Array[],
    bytes: number,
    options: SubmitOptions,
  ): CairnError | undefined {
    if (this.#mode.mode !== 'writable') return refusalOf(this.#mode)
    const refusal = refusalOfLeaves(leaves, options)
    if (refusal !== undefined) return refusal
    if (!this.#queue.hasRoom(leaves.length, bytes)) return queueIsFull()
    return undefined
  }

  async #run(): Promise<void> {
    let writing: Promise<void> = Promise.resolve()
    while (this.#queue.leaves > 0) {
      const prepared = await this.#prepare(this.#queue.take(this.#options.batch))
      await writing
      if (prepared === undefined) continue
      writing = this.#write(prepared)
      if (this.#queue.leaves < OVERLAP_LEAVES) await writing
    }
    await writing
    this.#running = false
    // A submission may have come in while the last write ended.
    if (this.#queue.leaves > 0) {
      this.#running = true
      await this.#run()
      return
    }
    this.#drained?.()
  }

  /** Everything up to the commit point. Answers undefined when the log had to stop. */
  async #prepare(submissions: readonly Submission[]): Promise<Prepared | undefined> {
    if (this.#rejectIfFailed(submissions)) return undefined
    try {
      const { fresh, replays } = await this.#idempotency.sort(submissions)
      const hashed = hashLeaves(
        fresh.length === 1 ? fresh[0]!.leaves : fresh.flatMap((each) => each.leaves),
      )
      const known = this.#options.dedup ? await this.#known(hashed) : []
      const { answers, ...rest } = await this.#assign(fresh, hashed, known)
      return { ...rest, answers: [...replays, ...answers], submissions }
    } catch (error) {
      this.#stop(error, submissions)
      return undefined
    }
  }

  /** The index each leaf already has, in the store or in the batch that is being written. */
  async #known(hashed: HashedLeaves): Promise<(LeafIndex | undefined)[]> {
    const known = await this.#options.store.find(hashed.leafHashes)
    for (let i = 0; i < hashed.count; i++) known[i] ??= this.#recent.get(hashed.keys[i]!)
    return known
  }

  /** Gives new leaves their indices, and makes the commit that stores them, if there is anything to store. */
  async #assign(
    fresh: readonly Submission[],
    hashed: HashedLeaves,
    known: readonly (LeafIndex | undefined)[],
  ): Promise<Omit<Prepared, 'submissions'>> {
    const { tree, doubleCheck, dedup, signedState } = this.#options
    const previousSize = tree.size
    const recent = new Map<string, LeafIndex>()
    const places: number[] = []
    const answers: BatchAnswer[] = []
    let place = 0
    for (const to of fresh) {
      const leaves = new Array<Accepted>(to.leaves.length)
      for (let i = 0; i < leaves.length; i++, place++) {
        const key = hashed.keys[place]!
        const first = known[place] ?? (dedup ? recent.get(key) : undefined)
        const index = first ?? leafIndex(previousSize + places.length)
        if (first === undefined) {
          places.push(place)
          recent.set(key, index)
        }
        leaves[i] = { index, leafHash: hashed.leafHashes[place]!, duplicate: first !== undefined }
      }
      answers.push({ to, leaves })
    }
    const idempotency = this.#idempotency.record(answers)
    this.#recent = recent
    if (places.length === 0 && idempotency.length === 0) {
      return { commit: undefined, head: undefined, answers }
    }

    const added = pick(hashed, places)
    const runs = {
      previousSize,
      bundles: bundleRuns(previousSize, added),
      tiles: growTiles(tree, added),
      leafHashes: added.hashes,
    }
    const edge = tree.rightEdge()
    const root = rootOfEdge(edge)
    doubleCheck.follow(runs, root)
    signedState.mustFollow({ size: tree.size, root })
    const checkpoint = await signHead(this.#options.signer, tree.size, root)
    const head = { size: tree.size, root, checkpoint, edge }
    const stored = { size: head.size, root, checkpoint: utf8(checkpoint) }
    return { commit: { ...runs, head: stored, idempotency }, head, answers }
  }

  /** The commit point. What follows it goes on by itself, so that the next batch can be written meanwhile. */
  async #write(prepared: Prepared): Promise<void> {
    // This batch builds on the one before: when that was not stored, neither is this.
    if (this.#rejectIfFailed(prepared.submissions)) return
    if (prepared.commit !== undefined) {
      try {
        await this.#options.store.commit(prepared.commit)
      } catch (error) {
        this.#stop(error, prepared.submissions)
        return
      }
    }
    this.#released = this.#release(prepared, this.#released)
  }

  /** Notes the head with the signer, then lets it and the answers out; batches in order. */
  async #release(prepared: Prepared, earlier: Promise<void>): Promise<void> {
    const { commit, head, answers, submissions } = prepared
    await earlier
    // A later batch may have failed by now; this one is durable and goes out, unless the signer could not note it.
    if (this.#withheld) {
      this.#rejectIfFailed(submissions)
      return
    }
    if (commit !== undefined && head !== undefined) {
      try {
        await this.#options.signedState.record(head)
      } catch (error) {
        this.#withheld = true
        this.#stop(error, submissions)
        return
      }
      this.#counters.commits++
      this.#counters.accepted += head.size - commit.previousSize
      this.#head = head
      this.#options.onCommit(head)
    }
    for (const { to, leaves } of answers) {
      for (const leaf of leaves) if (leaf.duplicate) this.#counters.duplicates++
      to.resolve({ leaves, head: this.#head })
    }
  }

  #rejectIfFailed(submissions: readonly Submission[]): boolean {
    if (this.#failed === undefined) return false
    for (const submission of submissions) submission.reject(this.#failed)
    return true
  }

  /** Nothing is written any more: the next start finds out what is on the disk. */
  #stop(cause: unknown, submissions: readonly Submission[]): void {
    const isFull = cause instanceof CairnError && cause.code === 'DISK_FULL'
    const advice = isFull ? '' : '; mend the cause and restart it'
    const reason = `the log stopped after a failed write: ${messageOf(cause)}${advice}`
    if (this.#failed === undefined) {
      this.#failed = new CairnError(isFull ? 'DISK_FULL' : 'STOPPED', reason, { cause })
      this.#mode = { mode: 'stopped', reason }
      this.#options.onStop(reason)
    }
    this.#rejectIfFailed(submissions)
  }
}
