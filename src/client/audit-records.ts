/**
 * What an audit looks at in the entries that are audit records: whether each is written as records are, whether their
 * time ever goes back, whether submitters signed what they are said to have submitted, and whether a search answer and
 * the log agree. One entry after the other, in their order.
 */
import { CairnError, messageOf } from '../errors.ts'
import { mayBeRecord } from '../formats/completeness-terms.ts'
import { counted, countedAll, grouped } from '../formats/count.ts'
import type { Disclosure } from '../formats/disclosure.ts'
import { parseRecord, type RecordLeaf } from '../formats/record.ts'
import { rebuildSubmission, verifyDisclosures } from '../formats/record-rebuild.ts'
import { verifySubmission } from '../formats/record-signature.ts'
import type { VerifierKey } from '../formats/vkey.ts'
import { answerFault, type SearchAnswer } from './audit-answer.ts'
import type { Check } from './verdict.ts'

/** What may be wrong with an entry as a record. */
export type RecordFaultKind = 'record' | 'time' | 'disclosure' | 'signature' | 'answer'

export interface RecordFault {
  readonly kind: RecordFaultKind
  readonly detail: string
}

export interface RecordAuditOptions {
  /** Of submitters, as they are registered; a signature names its key. */
  readonly submitterKeys?: readonly VerifierKey[] | undefined
  /** What is shown of payloads, by the index of the entry. */
  readonly disclosures?: ReadonlyMap<number, readonly Disclosure[]> | undefined
  readonly answer?: SearchAnswer | undefined
}

/** What is known of the entries behind; all that the audit of those to come needs. */
export interface RecordCounts {
  records: number
  /** Of the last record. */
  time: string
  signed: number
  /** Signatures that are the submitter's. */
  verified: number
  /** Signatures by keys that were not given. */
  unknown: number
  /** Records whose payload was shown. */
  shown: number
  /** Of each kind. */
  faults: Record<RecordFaultKind, number>
}

export function noRecords(): RecordCounts {
  const faults = { record: 0, time: 0, disclosure: 0, signature: 0, answer: 0 }
  return { records: 0, time: '', signed: 0, verified: 0, unknown: 0, shown: 0, faults }
}

export class RecordAudit {
  readonly #options: RecordAuditOptions
  readonly counts: RecordCounts

  constructor(options: RecordAuditOptions, counts: RecordCounts = noRecords()) {
    this.#options = options
    this.counts = counts
  }

  /** Looks at the next entry, which may be anything. Gives the record that it is, and what is wrong with it. */
  next(
    index: number,
    leaf: Uint8Array,
  ): { readonly record?: RecordLeaf; readonly faults: RecordFault[] } {
    const faults: RecordFault[] = []
    const fault = (kind: RecordFaultKind, detail: string): void => {
      faults.push({ kind, detail })
      this.counts.faults[kind]++
    }
    const record = mayBeRecord(leaf) ? this.#read(leaf, fault) : undefined
    const { answer } = this.#options
    const unanswered = answer && answerFault(answer, index, record)
    if (unanswered !== undefined) fault('answer', unanswered)
    if (record === undefined) return { faults }

    const { counts } = this
    counts.records++
    // Times of records are all of one length, and sort as text.
    if (record.time < counts.time) {
      fault('time', `was recorded at ${record.time}, and the record before it at ${counts.time}`)
    }
    counts.time = record.time
    if (record.signature !== undefined) counts.signed++
    const disclosures = this.#options.disclosures?.get(index)
    if (disclosures !== undefined) this.#open(record, disclosures, fault)
    return { record, faults }
  }

  #read(leaf: Uint8Array, fault: (kind: 'record', detail: string) => void): RecordLeaf | undefined {
    try {
      return parseRecord(leaf)
    } catch (error) {
      if (!(error instanceof CairnError)) throw error
      fault('record', `says that it is an audit record, and is none: ${messageOf(error)}`)
      return undefined
    }
  }

  #open(
    record: RecordLeaf,
    disclosures: readonly Disclosure[],
    fault: (kind: 'disclosure' | 'signature', detail: string) => void,
  ): void {
    const { counts } = this
    const { foreign, undisclosed } = verifyDisclosures(record, disclosures)
    for (const { pointer } of foreign) {
      fault('disclosure', `does not commit to what is shown as its ${pointer}`)
    }
    counts.shown++
    const { signature } = record
    if (signature === undefined || foreign.length > 0 || undisclosed.length > 0) return
    const keys = (this.#options.submitterKeys ?? []).filter(({ name }) => name === signature.key_id)
    if (keys.length === 0) {
      counts.unknown++
      return
    }
    try {
      const submission = rebuildSubmission(record, disclosures)
      // Two tenants may each have a key of one name.
      const errors = keys.map(({ publicKey }) =>
        errorOf(() => verifySubmission(submission, publicKey)),
      )
      if (errors.includes(undefined)) counts.verified++
      else fault('signature', messageOf(errors[0]))
    } catch (error) {
      if (!(error instanceof CairnError)) throw error
      fault('disclosure', messageOf(error))
    }
  }

  /** What it comes to. Empty for a log without records. */
  checks(): Check[] {
    const { records, faults } = this.counts
    const { answer } = this.#options
    const checks: Check[] = []
    if (records > 0 || faults.record > 0)
      checks.push(this.#schema(), this.#times(), this.#signatures())
    if (this.#options.disclosures !== undefined) checks.push(this.#disclosures())
    if (answer !== undefined) checks.push(this.#answered(answer))
    return checks
  }

  #schema(): Check {
    const { records, faults } = this.counts
    return conclude(
      'records',
      faults.record,
      `${countedAll(records, 'audit record')} ${records === 1 ? 'is written as a record is' : 'are written as records are'}`,
      faults.record === 1
        ? `1 of ${counted(records + 1, 'entry', 'entries')} says that it is an audit record, and is none`
        : `${grouped(faults.record)} of ${counted(records + faults.record, 'entry', 'entries')} say that they are audit records, and are none`,
    )
  }

  #times(): Check {
    const { faults } = this.counts
    return conclude(
      'record time',
      faults.time,
      'the time of records never goes back',
      `the time of records goes back ${faults.time === 1 ? 'once' : `${grouped(faults.time)} times`}: the log's clock did, or somebody submitted a leaf that looks like a record`,
    )
  }

  #signatures(): Check {
    const name = 'submitter signatures'
    const { signed, verified, unknown, faults } = this.counts
    const left = signed - verified - faults.signature
    if (signed === 0)
      return { name, status: 'skipped', detail: 'no record is signed by its submitter' }
    if (faults.signature > 0) {
      const detail = `${grouped(faults.signature)} of ${counted(signed, 'signed record')} ${faults.signature === 1 ? 'is not signed by the key that it names' : 'are not signed by the key that they name'}`
      return { name, status: 'failed', detail }
    }
    const why =
      unknown > 0
        ? `${grouped(unknown)} by keys that were not given`
        : 'their payloads are not at hand'
    if (verified === 0) {
      const detail = `${counted(signed, 'record is', 'records are')} signed; none was checked: ${why}`
      return { name, status: 'skipped', detail }
    }
    const rest =
      left > 0
        ? `; ${grouped(left)} of ${grouped(signed)} ${left === 1 ? 'was' : 'were'} not checked (${why})`
        : ''
    return {
      name,
      status: 'held',
      detail: `${counted(verified, 'record is', 'records are')} signed by the submitter${rest}`,
    }
  }

  #disclosures(): Check {
    const { shown, faults } = this.counts
    return conclude(
      'disclosures',
      faults.disclosure,
      `what is shown of ${counted(shown, 'record')} is what ${shown === 1 ? 'it commits' : 'they commit'} to`,
      `${counted(faults.disclosure, 'value')} shown, and not what was recorded`,
    )
  }

  #answered({ records, size, covers: [from, before] }: SearchAnswer): Check {
    const { faults } = this.counts
    const where =
      from === 0 && before === size
        ? `the first ${counted(size, 'entry', 'entries')}`
        : `entries ${grouped(from)} to ${grouped(before - 1)}`
    return conclude(
      'search answer',
      faults.answer,
      records.size === 1
        ? `its 1 record is the one among ${where} of the log that was asked for`
        : `its ${counted(records.size, 'record')} are those among ${where} of the log that were asked for`,
      `${counted(faults.answer, 'record is', 'records are')} missing from it, added to it, or shown otherwise than in the log`,
    )
  }
}

function conclude(name: string, wrong: number, good: string, bad: string): Check {
  return wrong === 0
    ? { name, status: 'held', detail: good }
    : { name, status: 'failed', detail: bad }
}

function errorOf(run: () => void): unknown {
  try {
    run()
    return undefined
  } catch (error) {
    return error
  }
}
