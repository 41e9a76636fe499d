/**
 * Clients that submit to several servers of one log as good clients do: what was not answered is sent again, the same
 * and with the same idempotency key, to another server, until it is. All they are told goes into a journal.
 */
import { setTimeout as sleep } from 'node:timers/promises'
import { equal } from '../../../src/bytes.ts'
import { encodeByteStrings } from '../../../src/formats/cbor.ts'
import { parseJsonReceipt } from '../../../src/formats/json-receipt.ts'
import { hashLeaf } from '../../../src/merkle/hash.ts'
import { verifyInclusion } from '../../../src/merkle/inclusion.ts'
import type { Journal } from './journal.ts'
import type { Leaves } from './leaves.ts'
import { type Random, seededRandom } from './random.ts'
import { type Answered, exchange } from './request.ts'

export interface LoadOptions {
  /** Where servers of the log are, as they are asked from now on. */
  readonly urls: readonly string[]
  readonly leaves: Leaves
  readonly journal: Journal
  readonly clients: number
  readonly seed: number
  /** Submissions that are under way when the load ends get so long. */
  readonly graceMs?: number
}

export interface LoadCounts {
  submissions: number
  /** Submissions that were sent more than once. */
  repeated: number
  /** Attempts after the first. */
  retries: number
  /** Leaves that had been acknowledged before, and were sent again. */
  resubmitted: number
  /** Submissions whose answer never came. */
  unanswered: number
  /** Attempts that failed, by what the client saw. */
  readonly failures: Map<string, number>
}

export interface Load {
  readonly counts: LoadCounts
  /** Ends it: nothing new is submitted, and what is under way is waited for. */
  stop(): Promise<void>
}

/** What is submitted at once, and how. */
interface Submission {
  readonly path: '/add' | '/v1/leaves'
  /** Numbers of leaves, in their order; one can be there twice. */
  readonly serials: readonly number[]
  readonly batch: boolean
  readonly receipts: boolean
  readonly idempotencyKey: string | undefined
}

const ATTEMPT_MS = 4_000
const LONGEST_PAUSE_MS = 1_000
const GRACE_MS = 30_000
/** "Try again": busy, restarting, not the leader just now. */
const PASSING = new Set([429, 502, 503, 504])
/** The same request, or one with the same key, is under way. */
const IN_USE = 409

export function startLoad(options: LoadOptions): Load {
  const { urls, leaves, journal, clients, seed, graceMs = GRACE_MS } = options
  const counts: LoadCounts = {
    submissions: 0,
    repeated: 0,
    retries: 0,
    resubmitted: 0,
    unanswered: 0,
    failures: new Map(),
  }
  let serial = 0
  let isStopped = false
  let giveUpAt = Number.POSITIVE_INFINITY

  function invent(random: Random, client: number): Submission {
    const chance = random.next()
    const one = (more: Partial<Submission> = {}): Submission => ({
      path: '/add',
      serials: [serial++],
      batch: false,
      receipts: false,
      idempotencyKey: undefined,
      ...more,
    })
    const key = `${seed}-${client}-${counts.submissions}`
    // Some never ask for receipts: they need not wait for a leader.
    if (chance < 0.6 || client % 3 === 0) return one()
    if (chance < 0.72) return one({ path: '/v1/leaves', receipts: true })
    if (chance < 0.8) {
      const idempotencyKey = random.next() < 0.7 ? key : undefined
      return one({ path: '/v1/leaves', receipts: random.next() < 0.3, idempotencyKey })
    }
    const again = journal.order[random.below(journal.order.length || 1)]
    if (chance < 0.9 && again !== undefined) {
      const path = random.next() < 0.5 ? '/add' : '/v1/leaves'
      return one({ path, serials: [again], receipts: path !== '/add' && random.next() < 0.5 })
    }
    const serials = Array.from({ length: 2 + random.below(24) }, () => serial++)
    // Twice in one batch, and one that has its index already.
    if (random.next() < 0.3) serials.push(serials[random.below(serials.length)]!)
    if (random.next() < 0.3 && again !== undefined) serials.unshift(again)
    const idempotencyKey = random.next() < 0.4 ? key : undefined
    const receipts = random.next() < 0.2
    return { path: '/v1/leaves', serials, batch: true, receipts, idempotencyKey }
  }

  async function client(number: number): Promise<void> {
    const random = seededRandom(seed * 1_000 + number)
    const needsNoLeader = number % 3 === 0
    // A third of the clients at each server, and as many of those that need no leader.
    let home = Math.floor(number / 3) % urls.length
    const send = async (submission: Submission): Promise<void> => {
      const isElsewhere = !needsNoLeader && random.next() < 0.2
      const from = isElsewhere ? random.below(urls.length) : home
      const answered = await submit(submission, from, random)
      if (!isElsewhere) home = answered
    }
    while (!isStopped) {
      const submission = invent(random, number)
      counts.submissions++
      counts.resubmitted += submission.serials.filter(
        (one) => journal.indices[one] !== undefined,
      ).length
      await send(submission)
      const { idempotencyKey } = submission
      // A client that is not sure sends it once more: nothing changes.
      if (idempotencyKey !== undefined && random.next() < 0.3) await send(submission)
    }
  }

  /** Sends it to one server after the other until it is answered, from one on. Returns which one answered. */
  async function submit(submission: Submission, from: number, random: Random): Promise<number> {
    const request = requestOf(submission, leaves)
    let at = from
    for (let tried = 0; performance.now() < giveUpAt; tried++, at = (at + 1) % urls.length) {
      if (tried > 0) counts.retries++
      if (tried === 1) counts.repeated++
      const url = urls[at]!
      let waitMs = Math.min(20 * 2 ** tried * (0.5 + random.next()), LONGEST_PAUSE_MS)
      try {
        const answer = await exchange(url + submission.path, { ...request, timeoutMs: ATTEMPT_MS })
        if (answer.status === 200 || answer.status === 201) {
          take(submission, answer, url)
          return at
        }
        failed(`${answer.status} ${detailOf(answer)}`)
        const isOwnFirst = answer.status === IN_USE && tried > 0
        if (!PASSING.has(answer.status) && !isOwnFirst) {
          journal.complain(`${url} answered ${answer.status}: ${detailOf(answer)}`)
          counts.unanswered++
          return at
        }
        const asked = Number(answer.headers['retry-after'] ?? 0) * 1_000
        waitMs = Math.max(waitMs, Math.min(asked, LONGEST_PAUSE_MS))
      } catch (error) {
        failed((error as NodeJS.ErrnoException).code ?? (error as Error).message)
      }
      await sleep(waitMs)
    }
    counts.unanswered++
    return at
  }

  function failed(what: string): void {
    counts.failures.set(what, (counts.failures.get(what) ?? 0) + 1)
  }

  /** Notes what an answer says; one that does not hold what it must is complained about, and acknowledges nothing. */
  function take(submission: Submission, answer: Answered, url: string): void {
    const { serials } = submission
    try {
      for (const [i, index] of indicesIn(submission, answer.body.toString(), url).entries()) {
        if (!Number.isSafeInteger(index)) throw new Error(`index ${index}`)
        journal.acknowledge(serials[i]!, index)
      }
    } catch (error) {
      journal.complain(`${url} answered a submission with what it must not: ${String(error)}`)
    }
  }

  function indicesIn(submission: Submission, text: string, url: string): readonly number[] {
    const { path, batch, receipts, serials } = submission
    if (path === '/add') return [/^(0|[1-9][0-9]*)$/.test(text) ? Number(text) : Number.NaN]
    if (!batch && receipts) return [checkedReceipt(serials[0]!, text, url)]
    const { index, indices, receipts: items } = JSON.parse(text) as Record<string, unknown>
    if (!batch) return [index as number]
    const all = (receipts ? items : indices) as unknown[]
    if (all.length !== serials.length) {
      throw new Error(`${all.length} answers to ${serials.length} leaves`)
    }
    if (!receipts) return all as number[]
    return all.map((item, i) => checkedReceipt(serials[i]!, JSON.stringify(item), url))
  }

  function checkedReceipt(serial: number, text: string, url: string): number {
    const receipt = parseJsonReceipt(text)
    const { index, size, leafHash, proof, root, checkpoint } = receipt
    if (!equal(leafHash, hashLeaf(leaves.of(serial)))) throw new Error('receipt of another leaf')
    verifyInclusion(index, size, leafHash, proof, root)
    journal.see(checkpoint, `a receipt of ${url}`)
    return index
  }

  const all = Promise.all(Array.from({ length: clients }, (_, i) => client(i)))
  return {
    counts,
    async stop() {
      isStopped = true
      giveUpAt = performance.now() + graceMs
      await all
    },
  }
}

function requestOf(submission: Submission, leaves: Leaves) {
  const { serials, batch, receipts, idempotencyKey } = submission
  const headers: Record<string, string> = {
    'Content-Type': batch ? 'application/cbor-seq' : 'application/octet-stream',
  }
  if (!receipts) headers.Prefer = 'return=minimal'
  if (idempotencyKey !== undefined) headers['Idempotency-Key'] = idempotencyKey
  const bytes = serials.map((serial) => leaves.of(serial))
  return {
    method: 'POST' as const,
    headers,
    body: batch ? encodeByteStrings(bytes) : bytes[0]!,
  }
}

/** What a problem document says, without what differs from one to the next. */
export function detailOf({ body }: Answered): string {
  const text = body.toString()
  try {
    const { detail, title } = JSON.parse(text) as { detail?: string; title?: string }
    return (detail ?? title ?? text).slice(0, 200)
  } catch {
    return text.slice(0, 200)
  }
}
