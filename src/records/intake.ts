/**
 * The way of records into the vault and then into the log, in order: a record's time is given to it when its turn has
 * come, and none overtakes another, so that times never go back along the log. What waits while a write is under way
 * goes into the vault together, with one sync for all; the log does the same behind it.
 *
 * Between vault and log it is noted in the vault which leaf to look for, so that after a crash there is nothing in the
 * vault that is not in the log: see recoverStaged().
 */
import { sha256 } from '#sha256'
import { CairnError } from '../errors.ts'
import type { SubmittedRecord } from '../formats/record.ts'
import type { Acceptance, LogService, SubmitOptions } from '../log/service.ts'
import { hashLeaf, type LeafHash, leafHash } from '../merkle/hash.ts'
import type { Staged } from '../vault/staging.ts'
import type { Vault } from '../vault/vault.ts'
import { type MadeRecord, makeRecord, type Pseudonyms } from './make-record.ts'
import { inRecord, isAboutRecord } from './read-submissions.ts'
import type { RecordClock } from './record-clock.ts'
import type { AcceptedRecord, AcceptedRecords } from './service.ts'
import { stampedRecord } from './stamp.ts'

export interface ReadyRecord {
  readonly submission: SubmittedRecord
  readonly pseudonyms: Pseudonyms
  readonly aboutPseudonym?: boolean
}

/** Records that go in together, all or none. */
export interface Batch {
  readonly tenant: string
  readonly records: readonly ReadyRecord[]
  /** Bytes of the submissions. */
  readonly bytes: number
  readonly options?: SubmitOptions | undefined
  /** Told of a record that cannot be made, by its place from 0; without it the others go in. By default none does. */
  readonly onRefused?: ((place: number, error: CairnError) => void) | undefined
}

/** What is in the log, for whoever follows it. */
export interface Logged {
  readonly accepted: AcceptedRecord
  readonly leaf: Uint8Array
  readonly blindTerms: readonly string[]
}

export interface IntakeOptions {
  readonly log: LogService
  readonly vault: Vault
  readonly clock: RecordClock
  readonly onLogged: (records: readonly Logged[]) => void
  /** Told once, when the vault can be written to no more. */
  readonly onFailed: (reason: string) => void
}

interface Waiting {
  readonly batch: Batch
  resolve(records: AcceptedRecords): void
  reject(error: unknown): void
}

interface Made {
  readonly waiting: Waiting
  readonly records: readonly MadeRecord[]
}

/** What waits at the most, in bytes of submissions and in records. */
const MAX_WAITING = { bytes: 64 * 2 ** 20, records: 20_000 } as const
/** What goes into the vault together, unless a single batch is larger. */
const TOGETHER = { bytes: 4 * 2 ** 20, records: 1_000 } as const
/** What the log is given before some of it is through; more would wait there, and may be refused. */
const MAX_LOGGING = 4_000
/** Records that are made before others get their turn. */
const TURN = 200

export class Intake {
  readonly #options: IntakeOptions
  #waiting: Waiting[] = []
  #bytes = 0
  #records = 0
  #running = false
  #hasFailed = false
  /** Records on their way into the log, and what tells when some are through. */
  #logging = 0
  #through: (() => void) | undefined

  constructor(options: IntakeOptions) {
    this.#options = options
  }

  /**
   * Resolves once a batch is durable in vault and log. Batches are made in the order of the calls.
   * @throws MALFORMED, TOO_LARGE, which name the record; ErasedMeanwhile; as LogService.submit() and Vault.stage()
   */
  add(batch: Batch): Promise<AcceptedRecords> {
    const { bytes, records } = batch
    const isFull =
      this.#bytes + bytes > MAX_WAITING.bytes ||
      this.#records + records.length > MAX_WAITING.records
    if (isFull && this.#records > 0) {
      const message = 'too many records wait to be stored; try again in a second'
      return Promise.reject(new CairnError('OVERLOADED', message))
    }
    return new Promise((resolve, reject) => {
      this.#waiting.push({ batch, resolve, reject })
      this.#bytes += bytes
      this.#records += records.length
      if (this.#running) return
      this.#running = true
      // One turn of the event loop: what arrived together is stored together.
      setImmediate(() => void this.#run())
    })
  }

  async #run(): Promise<void> {
    /** What was made before goes to the disk while the next is made. */
    let staging: Promise<void> = Promise.resolve()
    while (this.#waiting.length > 0) {
      while (this.#logging > MAX_LOGGING) {
        await new Promise<void>((resolve) => {
          this.#through = resolve
        })
      }
      const some = this.#take()
      const made: Made[] = []
      for (const waiting of some) {
        try {
          const records = await this.#make(waiting.batch)
          if (records.length > 0) made.push({ waiting, records })
          else waiting.resolve({ records: [], head: this.#options.log.head() })
        } catch (error) {
          waiting.reject(error)
        }
      }
      await staging
      staging = this.#stage(made)
      if (this.#waiting.length === 0) await staging
    }
    this.#running = false
  }

  #take(): Waiting[] {
    let [count, bytes, records] = [0, 0, 0]
    for (const { batch } of this.#waiting) {
      bytes += batch.bytes
      records += batch.records.length
      if (count > 0 && (bytes > TOGETHER.bytes || records > TOGETHER.records)) break
      count++
    }
    const taken = this.#waiting.splice(0, count)
    for (const { batch } of taken) {
      this.#bytes -= batch.bytes
      this.#records -= batch.records.length
    }
    return taken
  }

  async #make({ tenant, records, onRefused }: Batch): Promise<MadeRecord[]> {
    const { vault, clock } = this.#options
    const made: MadeRecord[] = []
    for (const [i, record] of records.entries()) {
      try {
        made.push(await makeRecord(vault, { ...record, tenant, time: clock.next() }))
      } catch (error) {
        if (onRefused === undefined || !isAboutRecord(error)) throw inRecord(i, error)
        onRefused(i, error)
      }
      if (i % TURN === TURN - 1) await new Promise((resume) => setImmediate(resume))
    }
    return made
  }

  /** Puts batches into the vault, and hands them to the log in their order. Settles each; never throws. */
  async #stage(made: readonly Made[]): Promise<void> {
    if (made.length === 0) return
    let staged: readonly Staged[]
    try {
      staged = await this.#options.vault.stage(
        made.map(({ records }) => ({
          entries: records.flatMap(({ entries }) => entries),
          mark: hashLeaf(records[0]!.leaf),
        })),
      )
    } catch (error) {
      this.#tell(error)
      if (made.length === 1) made[0]!.waiting.reject(explained(error))
      // One of them is to blame, and not the others.
      else for (const one of made) await this.#stage([one])
      return
    }
    // None waits for the one before it: the log keeps their order.
    for (const [i, one] of made.entries()) void this.#log(one, staged[i]!)
  }

  #tell(error: unknown): void {
    const isFailure =
      error instanceof CairnError && ['DISK_FULL', 'IO', 'STOPPED'].includes(error.code)
    if (!isFailure || this.#hasFailed) return
    this.#hasFailed = true
    this.#options.onFailed(error.message)
  }

  async #log({ waiting, records }: Made, staged: Staged): Promise<void> {
    const { log } = this.#options
    const { batch, resolve, reject } = waiting
    let acceptance: Acceptance
    this.#logging += records.length
    try {
      const leaves = records.map(({ leaf }) => leaf)
      acceptance = await log.submit(leaves, batch.options)
    } catch (error) {
      // What is not certain is found out at the next start.
      if (wasRefused(error, log)) await staged.withdraw().catch(() => undefined)
      reject(error)
      return
    } finally {
      this.#logging -= records.length
      this.#through?.()
    }
    try {
      resolve(await this.#answer(records, acceptance, staged))
    } catch (error) {
      reject(error)
    }
  }

  async #answer(
    records: readonly MadeRecord[],
    { leaves, head }: Acceptance,
    staged: Staged,
  ): Promise<AcceptedRecords> {
    if (leaves.some(({ duplicate }) => duplicate)) {
      // No two records are the same, so it is the idempotency key that was there before.
      await staged.withdraw()
      const first = leaves.map(({ index }) => recordAt(this.#options, index))
      return { records: await Promise.all(first), head }
    }
    staged.keep()
    const logged = records.map(({ id, leaf, blindTerms }, i): Logged => {
      const { index, leafHash } = leaves[i]!
      return { accepted: { id, index, leafHash }, leaf, blindTerms }
    })
    this.#options.onLogged(logged)
    return { records: logged.map(({ accepted }) => accepted), head }
  }
}

/** Somebody was erased while their record was on its way; it has to be made again. */
export class ErasedMeanwhile extends Error {}

function explained(error: unknown): unknown {
  const isConflict = error instanceof CairnError && error.code === 'CONFLICT'
  return isConflict ? new ErasedMeanwhile(error.message, { cause: error }) : error
}

/** Whether the log has refused a submission before it touched anything. */
function wasRefused(error: unknown, log: LogService): boolean {
  if (!(error instanceof CairnError)) return false
  if (['MALFORMED', 'TOO_LARGE', 'OVERLOADED', 'CONFLICT'].includes(error.code)) return true
  // A log that ran full while it wrote has stopped.
  return error.code === 'DISK_FULL' && log.mode().mode !== 'stopped'
}

async function recordAt(
  { log, vault }: Pick<IntakeOptions, 'log' | 'vault'>,
  index: AcceptedRecord['index'],
): Promise<AcceptedRecord> {
  const leaf = await log.entry(index)
  const record = leaf && (await stampedRecord(vault, leaf))
  if (leaf === undefined || record === undefined) {
    throw new CairnError(
      'CONFLICT',
      'this idempotency key was used for something else; choose a new one',
    )
  }
  return { id: record.id, index, leafHash: hashLeaf(leaf) }
}

/** What a retry has in common with the first try: the tenant and the submissions. */
export function requestDigest(tenant: string, submissions: readonly Uint8Array[]): Uint8Array {
  const digests = submissions.map((submission) => sha256(submission))
  return sha256(Buffer.concat([Buffer.from(`cairn-records ${tenant}\n`), ...digests]))
}

/**
 * The same for a key that stands for all submissions of which some are recorded. A retry of which others can be
 * recorded is no retry.
 */
export function someOptions(
  key: Uint8Array,
  tenant: string,
  recorded: readonly { readonly place: number }[],
): SubmitOptions {
  const places = recorded.map(({ place }) => place).join(' ')
  const request = sha256(Buffer.from(`cairn-some-records ${tenant}\n${places}`))
  return { idempotencyKey: sha256(Buffer.concat([key, request])).slice(0, 16), request }
}

/**
 * Settles what was in the vault, and on its way into the log, when the process ended. A log that must not be written
 * to may be the wrong one, so then it is left for later.
 * @returns how many batches were not in the log, and were taken out of the vault
 * @throws CORRUPT, DISK_FULL, IO
 */
export async function recoverStaged(log: LogService, vault: Vault): Promise<number> {
  if (log.mode().mode !== 'writable') return 0
  let withdrawn = 0
  for (const staged of await vault.staged()) {
    const mark: LeafHash = leafHash(staged.mark)
    if ((await log.indexOf(mark)) !== undefined) staged.keep()
    else {
      await staged.withdraw()
      withdrawn++
    }
  }
  return withdrawn
}
