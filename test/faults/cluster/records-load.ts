/**
 * People who keep records in a log on several servers, beside those who add leaves: submissions with idempotency keys,
 * sent to one server after the other until they are answered; now and then a person is erased, or held.
 */
import { setTimeout as sleep } from 'node:timers/promises'
import { type Moments, newMoments } from './journal.ts'
import { detailOf } from './load.ts'
import { type Random, seededRandom } from './random.ts'
import { type Answered, exchange } from './request.ts'

export const RECORD_TYPE = 'llm_request'

export interface PlacedRecord {
  readonly id: string
  readonly index: number
}

/** One submission. */
export interface RecordJob {
  readonly key: string
  readonly type: 'application/json' | 'application/x-ndjson'
  readonly body: Uint8Array
  /** `request_id`s, each of one record. */
  readonly requests: readonly string[]
  placed?: readonly PlacedRecord[]
}

export interface RecordsLoad {
  readonly jobs: readonly RecordJob[]
  /** What was submitted in secret, by `request_id`. */
  readonly prompts: ReadonlyMap<string, string>
  /** Pseudonyms of those whose erasure was acknowledged. */
  readonly erased: ReadonlySet<string>
  /** Names of those who are under a hold that was acknowledged. */
  readonly held: ReadonlySet<string>
  /** By `request_id`: whom it is about. */
  readonly subjects: ReadonlyMap<string, string>
  readonly counts: {
    acknowledged: number
    retries: number
    unanswered: number
    /** Erasures that a hold was in the way of. */
    refused: number
    /** Attempts that failed, by what the client saw. */
    readonly failures: Map<string, number>
  }
  readonly acknowledgements: Moments
  /** Answers that should not have been given, in words. */
  readonly complaints: readonly string[]
  stop(): Promise<void>
}

export interface RecordsLoadOptions {
  readonly urls: readonly string[]
  readonly token: string
  readonly seed: number
  readonly clients: number
}

/** A leader that has just begun reads the vault and the index first. */
const ATTEMPT_MS = 8_000
const LONGEST_PAUSE_MS = 500
const GRACE_MS = 45_000
const PEOPLE = 12
const DECIDE_EVERY_MS = 1_500
const PASSING = new Set([429, 502, 503, 504])

export function startRecords(options: RecordsLoadOptions): RecordsLoad {
  const { urls, token, seed, clients } = options
  const jobs: RecordJob[] = []
  const prompts = new Map<string, string>()
  const subjects = new Map<string, string>()
  const erased = new Set<string>()
  const held = new Set<string>()
  const complaints: string[] = []
  const acknowledgements = newMoments()
  const counts: RecordsLoad['counts'] = {
    acknowledged: 0,
    retries: 0,
    unanswered: 0,
    refused: 0,
    failures: new Map(),
  }
  let isStopped = false
  let giveUpAt = Number.POSITIVE_INFINITY
  let serial = 0
  let born = 0
  const newPerson = (): string => `person-${seed}-${born++}@example.com`
  const people = Array.from({ length: PEOPLE }, newPerson)

  function invent(random: Random): RecordJob {
    const count = random.next() < 0.6 ? 1 : 2 + random.below(12)
    const records = Array.from({ length: count }, () => {
      const request_id = `request-${seed}-${serial++}`
      const subject = people[random.below(PEOPLE)]!
      const prompt = `${request_id} ${random.next()}`
      prompts.set(request_id, prompt)
      subjects.set(request_id, subject)
      return { type: RECORD_TYPE, request_id, subject, model: { name: 'm' }, input: { prompt } }
    })
    const job: RecordJob = {
      key: `records-${seed}-${jobs.length}`,
      type: count === 1 ? 'application/json' : 'application/x-ndjson',
      body: Buffer.from(records.map((record) => JSON.stringify(record)).join('\n')),
      requests: records.map(({ request_id }) => request_id),
    }
    jobs.push(job)
    return job
  }

  /** Asks one server after the other until one answers for good; undefined when none did before the end. */
  async function ask(
    path: string,
    body: Uint8Array,
    headers: Readonly<Record<string, string>>,
    from: number,
  ): Promise<(Answered & { readonly isFirst: boolean }) | undefined> {
    const authorization = `Bearer ${token}`
    for (let tried = 0; performance.now() < giveUpAt; tried++) {
      if (tried > 0) counts.retries++
      const url = urls[(from + tried) % urls.length]! + path
      try {
        const outgoing = { headers: { ...headers, authorization }, body, timeoutMs: ATTEMPT_MS }
        const answer = await exchange(url, { method: 'POST', ...outgoing })
        // A conflict after the first attempt may be about that one, which is still under way.
        const isOwn = isConflict(answer) && tried > 0 && path === '/v1/records'
        if (!PASSING.has(answer.status) && !isOwn) return { ...answer, isFirst: tried === 0 }
        failed(`${answer.status} ${detailOf(answer)}`)
      } catch (error) {
        failed((error as NodeJS.ErrnoException).code ?? (error as Error).message)
      }
      await sleep(Math.min(20 * 2 ** tried, LONGEST_PAUSE_MS))
    }
    counts.unanswered++
    return undefined
  }

  function failed(what: string): void {
    counts.failures.set(what, (counts.failures.get(what) ?? 0) + 1)
  }

  async function submit(job: RecordJob, from: number): Promise<void> {
    const headers = { 'Content-Type': job.type, 'Idempotency-Key': job.key }
    const prefer = { Prefer: 'return=minimal' }
    const answer = await ask('/v1/records', job.body, { ...headers, ...prefer }, from)
    if (answer === undefined) return
    if (answer.status !== 201) {
      complaints.push(`a record was answered with ${answer.status}: ${answer.body.toString()}`)
      return
    }
    const said = JSON.parse(answer.body.toString())
    const placed = ((said.records ?? [said]) as PlacedRecord[]).map(({ id, index }) => ({
      id,
      index,
    }))
    if (placed.length !== job.requests.length) {
      complaints.push(`${placed.length} answers to ${job.requests.length} records`)
    } else if (job.placed === undefined) {
      job.placed = placed
      counts.acknowledged += placed.length
      acknowledgements.mark(performance.now())
    } else if (JSON.stringify(placed) !== JSON.stringify(job.placed)) {
      complaints.push(`${job.key} was answered with other records than the first time`)
    }
  }

  async function client(number: number): Promise<void> {
    const random = seededRandom(seed * 1_000 + 500 + number)
    while (!isStopped) {
      await submit(invent(random), random.below(urls.length))
      const again = jobs[random.below(jobs.length)]
      // Somebody who is not sure sends it once more, whatever has become of the person meanwhile.
      if (random.next() < 0.1 && again?.placed !== undefined) {
        await submit(again, random.below(urls.length))
      }
    }
  }

  async function decider(): Promise<void> {
    const random = seededRandom(seed * 1_000 + 499)
    const json = { 'Content-Type': 'application/json' }
    for (let turn = 1; !isStopped; turn++) {
      await sleep(DECIDE_EVERY_MS)
      const place = random.below(PEOPLE)
      const subject = people[place]!
      const from = random.below(urls.length)
      if (turn % 5 === 2 && held.size < 2) {
        const hold = { name: `hold-${seed}-${turn}`, reason: 'a case', scope: { subject } }
        const answer = await ask('/v1/holds', Buffer.from(JSON.stringify(hold)), json, from)
        if (answer === undefined) continue
        // A conflict of a repeated attempt: the first one has placed it. Nobody is held who has no records yet.
        const isPlaced = answer.status === 201 || (isConflict(answer) && !answer.isFirst)
        if (isPlaced) held.add(subject)
        else if (answer.status !== 404) told('a hold', answer)
        continue
      }
      if (!held.has(subject)) people[place] = newPerson()
      const body = Buffer.from(JSON.stringify({ subject, basis: 'Art. 17(1) GDPR' }))
      const answer = await ask('/v1/erasures', body, json, from)
      if (answer === undefined) continue
      if (held.has(subject)) {
        if (isHeld(answer)) counts.refused++
        else told('the erasure of somebody who is held', answer)
      } else if (answer.status === 201) erased.add(JSON.parse(answer.body.toString()).pseudonym)
      else if (answer.status !== 404) told('an erasure', answer)
    }
  }

  function told(what: string, { status, body }: Answered): void {
    complaints.push(`${what} was answered with ${status}: ${body.toString().slice(0, 300)}`)
  }

  const all = Promise.all([...Array.from({ length: clients }, (_, i) => client(i)), decider()])
  return {
    jobs,
    prompts,
    subjects,
    erased,
    held,
    counts,
    acknowledgements,
    complaints,
    async stop() {
      isStopped = true
      giveUpAt = performance.now() + GRACE_MS
      await all
    },
  }
}

function isHeld({ body }: Answered): boolean {
  return body.toString().includes('"HELD"')
}

function isConflict({ status, body }: Answered): boolean {
  return status >= 400 && body.toString().includes('"CONFLICT"')
}
