/** Submissions as one batch that is sequenced together: each leaf once, and the requests that carry idempotency keys. */
import type { SequencedRequest } from '../storage/shared-port.ts'
import { nameOf, requestDigest } from './idempotency.ts'
import type { Submission } from './queue.ts'
import { type HashedLeaves, hashLeaves, pick } from './sequence.ts'
import type { Accepted } from './service.ts'

/** A submission whose answer is indices. */
export type Sequencing = Submission<readonly Accepted[]>

/** A batch ready to be sent. */
export interface Prepared {
  readonly submissions: readonly Sequencing[]
  readonly hashed: HashedLeaves
  /** The leaves that are sent: each once. */
  readonly unique: HashedLeaves
  /** For each leaf the place of the one that is sent for it. */
  readonly placeOf: Uint32Array
  readonly requests: readonly SequencedRequest[]
}

export function prepareBatch(submissions: readonly Sequencing[], dedup: boolean): Prepared {
  const hashed = hashLeaves(
    submissions.length === 1 ? submissions[0]!.leaves : submissions.flatMap(({ leaves }) => leaves),
  )
  const placeOf = new Uint32Array(hashed.count)
  const places: number[] = []
  const first = new Map<string, number>()
  for (let i = 0; i < hashed.count; i++) {
    const known = dedup ? first.get(hashed.keys[i]!) : undefined
    placeOf[i] = known ?? places.length
    if (known !== undefined) continue
    if (dedup) first.set(hashed.keys[i]!, places.length)
    places.push(i)
  }
  const requests: SequencedRequest[] = []
  let at = 0
  for (const submission of submissions) {
    const { idempotencyKey: key, leaves } = submission
    if (key !== undefined) {
      const own = [...placeOf.subarray(at, at + leaves.length)]
      requests.push({ key, request: requestDigest(submission), places: own })
    }
    at += leaves.length
  }
  return { submissions, hashed, unique: pick(hashed, places), placeOf, requests }
}

/** Sets apart what repeats an idempotency key of the same batch. */
export function byKey(submissions: readonly Sequencing[]): {
  readonly first: readonly Sequencing[]
  readonly repeated: readonly Sequencing[]
} {
  if (submissions.every(({ idempotencyKey }) => idempotencyKey === undefined)) {
    return { first: submissions, repeated: [] }
  }
  const seen = new Set<string>()
  const first: Sequencing[] = []
  const repeated: Sequencing[] = []
  for (const submission of submissions) {
    const { idempotencyKey: key } = submission
    const name = key && nameOf(key)
    if (name !== undefined && seen.has(name)) repeated.push(submission)
    else first.push(submission)
    if (name !== undefined) seen.add(name)
  }
  return { first, repeated }
}
