/** Records on their way in: an admitted body becomes submissions, records in the log, and the answer that was asked for. */
import type { ComplianceService } from '../compliance/service.ts'
import { CairnError, malformed } from '../errors.ts'
import type { Head, Inclusion, LogService } from '../log/service.ts'
import { foreignTenantIn } from '../records/read-submissions.ts'
import type { AcceptedRecord, AcceptedRecords, RecordsService } from '../records/service.ts'
import type { Admission } from './admission.ts'
import type { Answer } from './answer.ts'
import type { ReportedMap } from './map-metrics.ts'
import { type JsonReceiptWriter, jsonReceiptWriter } from './receipt.ts'
import { DEFAULT_DEADLINE_MS, type Submit } from './submit.ts'
import { answerWitnessed, mustHaveQuorum } from './witnessed.ts'

/** The records of a log, and what is done with them. */
export interface HostedRecords {
  readonly records: RecordsService
  readonly compliance: ComplianceService
  /** The map that their lists are proven to be complete by, for metrics. */
  readonly map?: ReportedMap
}

/** The refusal of a log that takes leaves alone. */
export function withoutRecords(): CairnError {
  return new CairnError('NOT_FOUND', 'this log keeps leaves only; records are turned off here')
}

/** After so many receipts of a batch others get a turn. */
const RECEIPTS_AT_ONCE = 256
const NEWLINE = 0x0a

// No cache keeps the answer to a POST unasked, so these say nothing of caching.
const HEADERS = { 'Content-Type': 'application/json' }
const MINIMAL_HEADERS = { ...HEADERS, 'Preference-Applied': 'return=minimal' }

/**
 * Submissions of records to a log whose routes begin with `prefix`; without records all are refused. One that is to be witnessed is held for
 * `deadlineMs` at the most, and then answered with 202.
 */
export function recordSubmitter(
  log: LogService,
  hosted: HostedRecords | undefined,
  prefix: string,
  deadlineMs: number = DEFAULT_DEADLINE_MS,
): Submit {
  if (hosted === undefined) return () => Promise.reject(withoutRecords())
  const { records, compliance } = hosted
  const writeReceipt = jsonReceiptWriter(log.origin)
  const location = `${prefix}/v1/records/`

  async function answer(admission: Admission, accepted: AcceptedRecords): Promise<Answer> {
    const minimal = admission.answer === 'indices'
    const headers = minimal ? MINIMAL_HEADERS : HEADERS
    const items: string[] = []
    for (const record of accepted.records) {
      const item = minimal
        ? minimalItem(record)
        : withReceipt(writeReceipt, log, record, accepted.head)
      items.push(item instanceof Promise ? await item : item)
      if (items.length % RECEIPTS_AT_ONCE === 0) await new Promise(setImmediate)
    }
    if (admission.batch) return { status: 201, headers, body: `{"records":[${items.join(',')}]}` }
    const { index } = accepted.records[0]!
    return { status: 201, headers: { ...headers, Location: location + index }, body: items[0]! }
  }

  return async (admission, body) => {
    const { by, witnessed: wait, options } = admission
    if (wait !== undefined) mustHaveQuorum(log)
    const submissions = admission.batch ? linesOf(body) : [body]
    let accepted: AcceptedRecords
    try {
      accepted = await records.submit(submissions, by, options)
    } catch (error) {
      const tenant = foreignTenantIn(error)
      if (tenant === undefined) throw error
      return compliance.refuseTenant(tenant, by, 'submit a record')
    }
    if (wait === undefined) return answer(admission, accepted)
    const { records: entries, head } = accepted
    const under = (head: Head): Promise<Answer> => answer(admission, { ...accepted, head })
    const patienceMs = Math.min(wait.patienceMs ?? deadlineMs, deadlineMs)
    return answerWitnessed(log, { entries, head, answer: under }, patienceMs)
  }
}

/**
 * The lines of NDJSON; the last one may end without a newline.
 * @throws MALFORMED when there is none, or one is empty
 */
function linesOf(body: Uint8Array): Uint8Array[] {
  const lines: Uint8Array[] = []
  for (let start = 0; start < body.length; ) {
    const newline = body.indexOf(NEWLINE, start)
    const end = newline === -1 ? body.length : newline
    if (end === start) {
      throw malformed(`record ${lines.length + 1}: the line is empty; send a record on each`)
    }
    lines.push(body.subarray(start, end))
    start = end + 1
  }
  if (lines.length === 0) throw malformed('the body is empty; send a record on each line')
  return lines
}

function minimalItem({ id, index }: AcceptedRecord): string {
  return `{"id":"${id}","index":${index}}`
}

function withReceipt(
  writeReceipt: JsonReceiptWriter,
  log: LogService,
  { id, index, leafHash }: AcceptedRecord,
  head: Head,
): string | Promise<string> {
  const write = (found: Inclusion): string =>
    `{"id":"${id}","index":${index},"receipt":${writeReceipt(found)}}`
  const inclusion = log.inclusionUnder(index, leafHash, head)
  return inclusion instanceof Promise ? inclusion.then(write) : write(inclusion)
}
