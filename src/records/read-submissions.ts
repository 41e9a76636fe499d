/** Reads submissions, and refuses what must not be recorded. What is wrong is named by record and member. */
import { CairnError, type CairnErrorCode, malformed, messageOf } from '../errors.ts'
import {
  parseLogSubmission,
  parseSubmission,
  type RecordSource,
  type SubmittedRecord,
} from '../formats/record.ts'
import { verifySubmission } from '../formats/record-signature.ts'
import { PSEUDONYM } from '../formats/record-values.ts'
import { checkRetentionClass, type RetentionTable } from '../formats/retention.ts'
import { findSecrets, maskSecrets, type SecretRules } from '../formats/secrets.ts'

/** Records in one call. */
const MAX_SUBMISSIONS = 10_000
/** Bytes in one call; what the vault makes of it must fit there, too. */
export const MAX_SUBMITTED_BYTES: number = 32 * 2 ** 20

/** How far the clock of a submitter may be ahead of the server's. */
const MAX_AHEAD_MS = 300_000
/** Bytes that are read before others get their turn. */
const TURN_BYTES = 262_144
/** Records that are looked at before others get their turn. */
const TURN_RECORDS = 100

/** The Ed25519 public key of a tenant's submitter, 32 bytes, or undefined when there is none of that name. */
export type SubmitterKey = (tenant: string, keyId: string) => Promise<Uint8Array | undefined>

export interface ReadingOptions {
  readonly now: () => number
  /** Looks for secrets in all that is submitted. */
  readonly secrets?: SecretRules | undefined
  /** The classes that a submission can name; without it, any. */
  readonly retention?: Pick<RetentionTable, 'classes'> | undefined
  /** Without it no signed submission is taken. */
  readonly submitterKey?: SubmitterKey | undefined
  /** Told of a finding that is let pass. */
  readonly onSecret: (tenant: string, rule: string) => void
}

/** @throws MALFORMED, TOO_LARGE, VERIFICATION_FAILED; FORBIDDEN when one names another tenant */
export async function readSubmissions(
  submissions: readonly Uint8Array[],
  tenant: string,
  options: ReadingOptions,
): Promise<SubmittedRecord[]> {
  if (submissions.length === 0) throw malformed('there is no record to add')
  const bytes = submissions.reduce((sum, { length }) => sum + length, 0)
  if (submissions.length > MAX_SUBMISSIONS || bytes > MAX_SUBMITTED_BYTES) {
    throw new CairnError(
      'TOO_LARGE',
      `at most ${MAX_SUBMISSIONS} records and ${MAX_SUBMITTED_BYTES} bytes can be submitted at once; send several batches`,
    )
  }
  const records: SubmittedRecord[] = []
  let turn = 0
  for (const [i, submission] of submissions.entries()) {
    try {
      records.push(await acceptable(parseSubmission(submission), tenant, options))
    } catch (error) {
      throw inRecord(i, error)
    }
    turn += submission.length
    if (turn > TURN_BYTES) {
      turn = 0
      await new Promise((resume) => setImmediate(resume))
    }
  }
  return records
}

/** A record of the log's own. @throws MALFORMED, TOO_LARGE */
export function readNote(source: RecordSource): SubmittedRecord {
  const submission = parseLogSubmission(source)
  if (submission.type === 'erasure' && submission.subject !== undefined) {
    // The index takes such a record as the order to erase.
    throw malformed('/subject: only an erasure itself records whom it erased; leave it out')
  }
  return submission
}

/** A submission among others that were read before. */
export interface PlacedSubmission {
  /** Its place among them, from 0. */
  readonly place: number
  readonly submission: SubmittedRecord
}

/** Keeps what may be recorded of some submissions, and tells of each of the others. @throws what is no fault of a record */
export async function readSome(
  submissions: readonly SubmittedRecord[],
  tenant: string,
  options: ReadingOptions & { readonly onRefused: (place: number, error: CairnError) => void },
): Promise<PlacedSubmission[]> {
  const records: PlacedSubmission[] = []
  for (const [place, submission] of submissions.entries()) {
    try {
      records.push({ place, submission: await acceptable(submission, tenant, options) })
    } catch (error) {
      if (!isAboutRecord(error)) throw error
      options.onRefused(place, error)
    }
    if (place % TURN_RECORDS === TURN_RECORDS - 1)
      await new Promise((resume) => setImmediate(resume))
  }
  return records
}

const ABOUT_RECORDS: readonly CairnErrorCode[] = [
  'MALFORMED',
  'TOO_LARGE',
  'VERIFICATION_FAILED',
  'FORBIDDEN',
]

/** Whether it was refused for what the record is, so that others need not be. */
export function isAboutRecord(error: unknown): error is CairnError {
  return error instanceof CairnError && ABOUT_RECORDS.includes(error.code)
}

/** The same error, with the record that it is about. */
export function inRecord(place: number, error: unknown): unknown {
  if (!(error instanceof CairnError)) return error
  return new CairnError(error.code, `record ${place + 1}: ${messageOf(error)}`, { cause: error })
}

/** A record that was submitted for another tenant than that of its submitter. */
class ForeignTenant extends CairnError {
  readonly tenant: string

  constructor(tenant: string, own: string) {
    super('FORBIDDEN', `/tenant: the record was submitted for ${own}; name that or leave it out`)
    this.tenant = tenant
  }
}

/** The other tenant that a refused record names, if that is why it was refused. */
export function foreignTenantIn(error: unknown): string | undefined {
  if (error instanceof ForeignTenant) return error.tenant
  return error instanceof CairnError && error.cause !== undefined
    ? foreignTenantIn(error.cause)
    : undefined
}

async function acceptable(
  submission: SubmittedRecord,
  tenant: string,
  { now, secrets, retention, submitterKey, onSecret }: ReadingOptions,
): Promise<SubmittedRecord> {
  const { claimed_time: claimed, signature } = submission
  if (submission.tenant !== undefined && submission.tenant !== tenant) {
    throw new ForeignTenant(submission.tenant, tenant)
  }
  for (const member of ['actor', 'subject'] as const) {
    const person = submission[member]
    // It would become somebody of that name, who is not found by it, and not erased with whom it stands for.
    if (person !== undefined && PSEUDONYM.holds(person)) {
      throw malformed(`/${member}: this is a pseudonym; submit the name that it stands for`)
    }
  }
  if (claimed !== undefined && Date.parse(claimed) > now() + MAX_AHEAD_MS) {
    throw malformed('/claimed_time: it is in the future; set the clock that it comes from')
  }
  if (retention !== undefined) checkRetentionClass(submission, retention)
  if (signature !== undefined) {
    const key = await submitterKey?.(tenant, signature.key_id)
    if (key === undefined) {
      throw new CairnError(
        'VERIFICATION_FAILED',
        '/signature/key_id: no key of this name is registered for the tenant',
      )
    }
    verifySubmission(submission, key)
  }
  if (secrets === undefined) return submission
  const findings = findSecrets(submission, secrets)
  for (const { action, rule } of findings) if (action === 'warn') onSecret(tenant, rule)
  return maskSecrets(submission, findings)
}
