/**
 * The records of a log, opened: the log, the vault and the search index behind one small interface.
 *
 *     submissions ──▶ vault: disclosures ──▶ log: leaves ──▶ index
 *
 * The log says what is there. What is in the vault and not in the log is taken out at the next start (intake.ts); the
 * index follows the log (follower.ts); an erasure is in the log before anything is destroyed, and is carried out by
 * whoever meets it there.
 */
import { CairnError, malformed } from '../errors.ts'
import { parseLogSubmission, type SubmittedRecord } from '../formats/record.ts'
import { NAME } from '../formats/record-values.ts'
import type { RetentionTable } from '../formats/retention.ts'
import type { SecretRules } from '../formats/secrets.ts'
import type { LogService } from '../log/service.ts'
import { hashLeaf } from '../merkle/hash.ts'
import { treeSize } from '../merkle/position.ts'
import type { Page, SearchIndex } from '../search/search-index.ts'
import type { Vault } from '../vault/vault.ts'
import { Follower, type OnFollowed } from './follower.ts'
import {
  type Batch,
  ErasedMeanwhile,
  Intake,
  recoverStaged,
  requestDigest,
  someOptions,
} from './intake.ts'
import { Leaving } from './leaving.ts'
import { knownResourceTerm, type Pseudonyms } from './make-record.ts'
import { askedPseudonym, livePseudonym, People } from './people.ts'
import {
  type ReadingOptions,
  readNote,
  readSome,
  readSubmissions,
  type SubmitterKey,
} from './read-submissions.ts'
import { RecordClock } from './record-clock.ts'
import { repeatErasures } from './repeat-erasures.ts'
import type {
  AcceptedRecords,
  ErasureOutcome,
  ErasureRequest,
  RecordQuery,
  RecordsEvent,
  RecordsService,
} from './service.ts'
import { stampedRecord } from './stamp.ts'

export interface RecordsOptions {
  readonly log: LogService
  readonly vault: Vault
  readonly index: SearchIndex
  /** Milliseconds since 1970. */
  readonly now?: () => number
  readonly onEvent?: (event: RecordsEvent) => void
  /** Told of the entries that were gone through, and the records among them. */
  readonly onFollowed?: OnFollowed
  /** What must never be logged; by default nothing is looked for. */
  readonly secrets?: SecretRules
  /** The retention classes that a submission can name; by default any, since none means anything. */
  readonly retention?: Pick<RetentionTable, 'classes'>
  /** The keys of submitters who sign; by default no signed record is taken. */
  readonly submitterKey?: SubmitterKey
}

/** How often it is looked whether the log has grown by leaves that are no records. */
const LOOK_MS = 5_000
/** How long a search waits for the newest records to be indexed. */
const PATIENCE_MS = 1_000
/** Characters of a legal basis. */
const MAX_BASIS = 1_024
/** How often a record is made again because somebody was erased meanwhile. */
const TRIES = 5

/**
 * Opens the records of a log. Finishes what a crash interrupted, and brings the index up to the log, which takes long
 * when there is none yet: some seconds for 100,000 records.
 * @throws CORRUPT, DISK_FULL, IO
 */
export async function openRecords(options: RecordsOptions): Promise<RecordsService> {
  const { log, vault, index, secrets, retention, submitterKey } = options
  const { now = Date.now, onEvent = () => undefined } = options
  const withdrawn = await recoverStaged(log, vault)
  if (withdrawn > 0) onEvent({ event: 'withdrawn', batches: withdrawn })
  // An index of another log, or of one that was longer, is of no use.
  if (index.next > log.head().size) await index.clear()
  const follower = new Follower({
    log,
    vault,
    index,
    onEvent,
    ...(options.onFollowed && { onFollowed: options.onFollowed }),
  })
  await follower.reached(log.head().size)
  const again = await repeatErasures(vault, index)
  if (again > 0) onEvent({ event: 'erased-again', people: again })
  const clock = new RecordClock(now, index.latest ?? 0)
  if (clock.behind > 0) onEvent({ event: 'clock-behind', milliseconds: clock.behind })
  const intake = new Intake({
    log,
    vault,
    clock,
    onLogged: (records) => follower.remember(records),
    onFailed: (reason) => onEvent({ event: 'vault-failed', reason }),
  })
  const leaving = new Leaving()
  const people = new People(vault)
  const look = setInterval(() => follower.follow(), LOOK_MS).unref()
  const reading: ReadingOptions = {
    now,
    secrets,
    retention,
    submitterKey,
    onSecret: (tenant, rule) => onEvent({ event: 'secret-found', tenant, rule }),
  }
  let isClosed = false
  /** What close() waits for. */
  const pending = new Set<Promise<unknown>>()

  function whileOpen<T>(work: () => Promise<T>): Promise<T> {
    if (isClosed) return Promise.reject(new CairnError('STOPPED', 'the records are closed'))
    const done = work().finally(() => pending.delete(done))
    pending.add(done)
    return done
  }

  function mustAccept(): void {
    const state = log.mode()
    if (state.mode === 'writable') return
    const codes = {
      'read-only': 'READ_ONLY',
      'disk-full': 'DISK_FULL',
      stopped: 'STOPPED',
    } as const
    throw new CairnError(codes[state.mode], state.reason)
  }

  /** Pseudonyms for all people of some submissions; each person is asked for once. */
  async function pseudonymsOf(
    submissions: readonly SubmittedRecord[],
    tenant: string,
  ): Promise<Pseudonyms[]> {
    const asked = new Map<string, Promise<string>>()
    const pseudonymOf = (person: string): Promise<string> => {
      const known = asked.get(person) ?? people.pseudonym(tenant, person)
      asked.set(person, known)
      return known
    }
    return Promise.all(
      submissions.map(async ({ actor, subject }) => ({
        ...(actor !== undefined && { actor: await pseudonymOf(actor) }),
        ...(subject !== undefined && { subject: await pseudonymOf(subject) }),
      })),
    )
  }

  /** Makes records again when somebody was erased meanwhile, who has another pseudonym now. */
  async function tryAgain<T>(work: () => Promise<T>): Promise<T> {
    for (let tries = 1; ; tries++) {
      try {
        return await work()
      } catch (error) {
        if (!(error instanceof ErasedMeanwhile)) throw error
        if (tries === TRIES) throw error.cause
        people.forget()
      }
    }
  }

  /** What was handed on, and is not in the log yet. */
  const adding = new Set<Promise<unknown>>()
  function add(batch: Batch): Promise<AcceptedRecords> {
    const added = intake.add(batch)
    const through: Promise<unknown> = added.then(
      () => adding.delete(through),
      () => adding.delete(through),
    )
    adding.add(through)
    return added
  }

  /** Brings submissions into vault and log, under the pseudonyms that their people have by then. */
  async function record(
    submissions: readonly SubmittedRecord[],
    tenant: string,
    rest: Pick<Batch, 'bytes' | 'options' | 'onRefused'>,
  ): Promise<AcceptedRecords> {
    return tryAgain(async () => {
      for (;;) {
        const pseudonyms = await pseudonymsOf(submissions, tenant)
        const names = namesOf(tenant, pseudonyms)
        // From here until they are handed on, nothing may be awaited.
        const erasure = leaving.of(names)
        if (erasure === undefined) {
          const records = submissions.map((submission, i) => ({
            submission,
            pseudonyms: pseudonyms[i]!,
          }))
          return add({ tenant, records, ...rest })
        }
        await erasure
      }
    })
  }

  async function erase(request: ErasureRequest): Promise<ErasureOutcome> {
    const { tenant, subject, basis, by, unlessKept } = request
    mustAccept()
    if (basis.trim() === '' || basis.length > MAX_BASIS) {
      throw malformed(`basis: expected the legal basis, in at most ${MAX_BASIS} characters`)
    }
    for (;;) {
      const pseudonym = await livePseudonym(vault, tenant, subject)
      if (pseudonym === undefined) {
        throw new CairnError('NOT_FOUND', `nobody is known by this name in tenant ${tenant}`)
      }
      const name = nameOf(tenant, pseudonym)
      const underWay = leaving.of([name])
      if (underWay === undefined) {
        const outcome = await leaving.erase(name, () => eraseNow(pseudonym))
        await follower.reached(outcome.erasure.index + 1)
        return outcome
      }
      await underWay
    }

    async function eraseNow(pseudonym: string) {
      if (unlessKept !== undefined) {
        // What is on its way may be what they are kept for; what comes now waits.
        await Promise.all(adding)
        await unlessKept(pseudonym)
      }
      const submission = parseLogSubmission({
        type: 'erasure',
        action: 'erase',
        actor: by.name,
        subject: pseudonym,
        extra: { basis, pseudonym },
      })
      const { records } = await tryAgain(async () => {
        const actor = await people.pseudonym(tenant, by.name)
        const pseudonyms = { actor, subject: pseudonym }
        return intake.add({
          tenant,
          records: [{ submission, pseudonyms, aboutPseudonym: true }],
          bytes: 0,
        })
      })
      const erasure = records[0]!
      return {
        // From here on it is in the log: what fails now is done at the next start, and nobody is let in before.
        done: (async () => {
          const { records } = await vault.eraseSubject(tenant, pseudonym).catch(unfinished)
          // Nothing of them is kept in memory.
          people.forget()
          return { pseudonym, records, erasure }
        })(),
      }
    }
  }

  async function search(query: RecordQuery, tenant: string): Promise<Page> {
    const { subject, actor, resource, ...rest } = query
    const [subjectName, actorName, term] = await Promise.all([
      subject === undefined ? undefined : askedPseudonym(vault, tenant, subject),
      actor === undefined ? undefined : askedPseudonym(vault, tenant, actor),
      resource === undefined ? undefined : knownResourceTerm(vault, tenant, resource),
    ])
    const isUnknown =
      (subject !== undefined && subjectName === undefined) ||
      (actor !== undefined && actorName === undefined) ||
      (resource !== undefined && term === undefined)
    if (isUnknown) return { records: [], cursor: undefined, size: treeSize(index.next) }
    // What its submitter was told is in the log can be found; further pages are of the same entries as the first.
    if (query.cursor === undefined) await follower.caughtUp(log.head().size, PATIENCE_MS)
    try {
      return await index.search({
        ...rest,
        tenant,
        ...(subjectName !== undefined && { subject: subjectName }),
        ...(actorName !== undefined && { actor: actorName }),
        ...(term !== undefined && { blind: [term] }),
      })
    } catch (error) {
      if (error instanceof RangeError) throw malformed(error.message, { cause: error })
      throw error
    }
  }

  return {
    submit: (submissions, { tenant }, { idempotencyKey } = {}) =>
      whileOpen(async () => {
        mustAccept()
        mustBeName(tenant)
        const read = await readSubmissions(submissions, tenant, reading)
        const bytes = submissions.reduce((sum, { length }) => sum + length, 0)
        const options = idempotencyKey && {
          idempotencyKey,
          request: requestDigest(tenant, submissions),
        }
        return record(read, tenant, { bytes, options })
      }),

    submitSome: (submissions, { tenant }, { size, idempotencyKey }) =>
      whileOpen(async () => {
        mustAccept()
        mustBeName(tenant)
        const refused = new Map<number, string>()
        const refuse = (place: number, error: CairnError): void => {
          refused.set(place, error.message)
        }
        const read = await readSome(submissions, tenant, { ...reading, onRefused: refuse })
        const placeOf = (one: number): number => read[one]!.place
        const { records } = await record(
          read.map(({ submission }) => submission),
          tenant,
          {
            bytes: size,
            options: idempotencyKey && someOptions(idempotencyKey, tenant, read),
            onRefused: (one, error) => refuse(placeOf(one), error),
          },
        )
        const rejected = [...refused].map(([place, reason]) => ({ place, reason }))
        return { accepted: records, rejected: rejected.sort((a, b) => a.place - b.place) }
      }),

    note: (source, tenant) =>
      whileOpen(async () => {
        mustAccept()
        mustBeName(tenant)
        const { records } = await record([readNote(source)], tenant, { bytes: 0 })
        return records[0]!
      }),

    async read(at, tenant) {
      const leaf = await log.entry(at)
      const found = leaf && (await stampedRecord(vault, leaf))
      // Somebody may have submitted the same bytes again, where a log takes them twice.
      const isFirst = leaf !== undefined && (await log.indexOf(hashLeaf(leaf))) === at
      if (leaf === undefined || found?.tenant !== tenant || !isFirst) {
        throw new CairnError('NOT_FOUND', `entry ${at} of the log is not a record of ${tenant}`)
      }
      return { record: found, leaf }
    },

    disclosures: (recordId, tenant) => vault.get(tenant, recordId),
    search,
    erase: (request) => whileOpen(() => erase(request)),
    reindex: (progress = () => undefined) => follower.rebuild(progress),
    settled: () => follower.reached(log.head().size),

    async close() {
      isClosed = true
      clearInterval(look)
      await Promise.allSettled(pending)
      await follower.close()
    },
  }
}

function mustBeName(tenant: string): void {
  if (!NAME.holds(tenant)) throw malformed(`a tenant is ${NAME.expected}`)
}

/** There is no way back, whatever the answer to it may look like. */
function unfinished(error: unknown): never {
  if (!(error instanceof CairnError)) throw error
  throw new CairnError(
    error.code,
    `the log has recorded the erasure, and the next start finishes it: ${error.message}`,
    { cause: error },
  )
}

function nameOf(tenant: string, pseudonym: string): string {
  return `${tenant} ${pseudonym}`
}

function namesOf(tenant: string, pseudonyms: readonly Pseudonyms[]): string[] {
  const people = pseudonyms.flatMap(({ actor, subject }) => [actor, subject])
  return [...new Set(people)].flatMap((one) => (one === undefined ? [] : [nameOf(tenant, one)]))
}
