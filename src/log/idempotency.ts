/**
 * Submissions that carry an idempotency key: a repeated one gets the indices of the first, and one that uses the key
 * for other leaves is refused. What a key was used for is stored with the commit of its leaves.
 */
import { sha256 } from '#sha256'
import { CairnError } from '../errors.ts'
import { hashLeaf } from '../merkle/hash.ts'
import type { IdempotencyRecord, LogStore } from '../storage/port.ts'
import type { Submission } from './queue.ts'
import { hashLeaves } from './sequence.ts'
import type { Accepted } from './service.ts'

/** Whom to answer with what, once the batch is durable. */
export interface BatchAnswer {
  readonly to: Submission
  readonly leaves: readonly Accepted[]
}

export interface SortedSubmissions {
  /** Those to be added to the log. */
  readonly fresh: readonly Submission[]
  /** Those that were there before, with their answers. */
  readonly replays: readonly BatchAnswer[]
}

export class IdempotencyKeys {
  readonly #store: LogStore
  /** What the batch being written adds, until the store can answer for it. */
  #recent = new Map<string, IdempotencyRecord>()

  constructor(store: LogStore) {
    this.#store = store
  }

  /** Sorts a batch of submissions, and rejects those that contradict an earlier one. @throws IO, CORRUPT */
  async sort(submissions: readonly Submission[]): Promise<SortedSubmissions> {
    if (submissions.every(({ idempotencyKey }) => idempotencyKey === undefined)) {
      return { fresh: submissions, replays: [] }
    }
    const fresh: Submission[] = []
    const replays: BatchAnswer[] = []
    const inBatch = new Set<string>()
    for (const submission of submissions) {
      const key = submission.idempotencyKey
      const name = key === undefined ? undefined : nameOf(key)
      if (key === undefined || name === undefined) {
        fresh.push(submission)
      } else if (inBatch.has(name)) {
        submission.reject(keyIsInUse())
      } else {
        const record = this.#recent.get(name) ?? (await this.#store.idempotency(key))
        if (record === undefined) {
          inBatch.add(name)
          fresh.push(submission)
        } else if (isFor(record, submission)) {
          replays.push({ to: submission, leaves: replay(record, submission) })
        } else {
          submission.reject(keyWasUsed())
        }
      }
    }
    return { fresh, replays }
  }

  /** The records of a batch whose leaves have their indices now. It becomes the batch being written. */
  record(answers: readonly BatchAnswer[]): IdempotencyRecord[] {
    this.#recent = new Map()
    for (const { to, leaves } of answers) {
      if (to.idempotencyKey === undefined) continue
      const record = {
        key: to.idempotencyKey,
        request: requestDigest(to),
        indices: leaves.map(({ index }) => index),
      }
      this.#recent.set(nameOf(record.key), record)
    }
    return [...this.#recent.values()]
  }
}

/** The refusal of a second request with a key while the first has no answer yet. */
export function keyIsInUse(): CairnError {
  const message = 'a request with this idempotency key is under way; try again'
  return new CairnError('CONFLICT', message)
}

/** The refusal of a request with a key that was used for something else. */
export function keyWasUsed(): CairnError {
  const message = 'this idempotency key was used for other leaves; choose a new one'
  return new CairnError('CONFLICT', message)
}

type Keyed = Pick<Submission, 'leaves' | 'request'>

/** Whether a key was used for this very request. */
export function isFor(record: IdempotencyRecord, submission: Keyed): boolean {
  const { request, indices } = record
  // What the leaves are need not be told by the request; how many there are is.
  return (
    indices.length === submission.leaves.length &&
    nameOf(request) === nameOf(requestDigest(submission))
  )
}

/** The indices that a request got the first time. */
export function replay({ indices }: IdempotencyRecord, { leaves }: Keyed): Accepted[] {
  return leaves.map((leaf, i) => ({
    index: indices[i]!,
    leafHash: hashLeaf(leaf),
    duplicate: true,
  }))
}

/** Digests what a key came with: the leaf hashes in order, unless the submitter says what a retry has in common. */
export function requestDigest({ leaves, request }: Keyed): Uint8Array {
  return request ?? sha256(hashLeaves(leaves).hashes)
}

export function nameOf(bytes: Uint8Array): string {
  return Buffer.from(bytes).toString('latin1')
}
