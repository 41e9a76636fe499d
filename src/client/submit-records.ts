/** Submits records, one or any number of them, and reads what became of each. */
import { toHex } from '../bytes.ts'
import { CairnError } from '../errors.ts'
import type { RecordSource } from '../formats/record.ts'
import { batchesOf } from './batches.ts'
import type { SubmitOptions } from './log-client.ts'
import { listOf, type Members } from './read-answer.ts'
import {
  answerOf,
  type RecordPlace,
  type RecordReceipt,
  recordPlace,
  recordReceipt,
} from './record-answers.ts'
import {
  namedRecord,
  ndjson,
  type Records,
  recordJson,
  recordLines,
  renumbered,
} from './record-lines.ts'
import type { HttpRequest, Requester } from './request.ts'

export interface SubmitRecordOptions extends SubmitOptions {
  /**
   * Makes it safe to repeat a run that was cut short: batches that the log has already are not added again. Of one run
   * only, of the same records in the same order; 200 visible ASCII characters at the most. A random one by default, which
   * covers the retries of this call.
   */
  readonly idempotencyKey?: string
}

export interface RecordSubmitter {
  /**
   * Submits one record and returns its receipt once the log has stored it durably, its payload in the vault. The
   * receipt's inclusion proof is checked here, its signature is not: `verifyReceipt` does that, of the bytes from `leaf`.
   * @throws UNAUTHORIZED, FORBIDDEN, MALFORMED with the JSON Pointer of what is wrong, TOO_LARGE, CONFLICT, OVERLOADED,
   *   DISK_FULL, READ_ONLY, STOPPED, IO
   * @throws VERIFICATION_FAILED when its signature does not hold, or the proof of the receipt
   */
  submit(record: RecordSource, options?: SubmitRecordOptions): Promise<RecordReceipt>

  /**
   * Submits any number of records, as many at a time as the log takes, and yields the receipts of each batch in the
   * order of the records. A batch is added whole or not at all.
   * @throws as submit; an error about a record begins with its number: `record 17: /type: …`
   */
  submitMany(
    records: Records,
    options?: SubmitRecordOptions,
  ): AsyncGenerator<readonly RecordReceipt[]>

  /** As submitMany, for those who need no receipts now: yields ids and indices of each batch. */
  submitForPlaces(
    records: Records,
    options?: Omit<SubmitRecordOptions, 'witnessed' | 'onLate'>,
  ): AsyncGenerator<readonly RecordPlace[]>
}

/** A batch of receipts is a dozen times as large as its indices, so it holds fewer records. */
const RECEIPT_BATCH = { leaves: 2_000, bytes: 8 * 1024 * 1024 }
/** Well below what a log takes at once. */
const PLACE_BATCH = { leaves: 10_000, bytes: 16 * 1024 * 1024 }
/** Receipts with cosignatures. */
const WITNESSED_BATCH = { leaves: 500, bytes: 8 * 1024 * 1024 }
/** Bytes of a record's receipt in an answer, and of one with cosignatures. */
const RECEIPT_SIZE = 16 * 1024
const WITNESSED_RECEIPT_SIZE = 64 * 1024
/** `{"id":"…","index":…}` and a comma. */
const PLACE_SIZE = 96
const ACCEPTED = 202

const JSON_TYPE = 'application/json'

interface Batches<T> {
  /** Bytes of the answer for a record. */
  readonly size: number
  readonly limits: Parameters<typeof batchesOf>[1]
  readonly prefer: Readonly<Record<string, string>>
  readonly read: (value: Members) => T
}

/** Submits to the log that a requester asks. */
export function recordSubmitter(request: Requester): RecordSubmitter {
  /** Sends the batches of a run, and reads what became of each record. */
  async function* submitBatches<T>(
    records: Records,
    { size, limits, prefer, read }: Batches<T>,
    options: SubmitRecordOptions,
  ): AsyncGenerator<readonly T[]> {
    const key = options.idempotencyKey ?? randomKey()
    let before = 0
    let number = 0
    for await (const { leaves } of batchesOf(recordLines(records), limits)) {
      number++
      const answer = await request({
        method: 'POST',
        ...submission(leaves.length, options),
        headers: {
          'content-type': 'application/x-ndjson',
          accept: JSON_TYPE,
          'idempotency-key': `${key}-${number}`,
          ...prefer,
        },
        body: ndjson(leaves),
        limit: 64 + leaves.length * size,
      }).catch((error: unknown) => {
        throw renumbered(error, before)
      })
      const items = answerOf(answer, ({ records }) => listOf(records, read))
      if (items.length !== leaves.length) {
        throw new CairnError('IO', `the log did not answer for each of ${leaves.length} records`)
      }
      yield items
      before += leaves.length
    }
  }

  return {
    async submit(record, options = {}) {
      const answer = await request({
        method: 'POST',
        ...submission(1, options),
        headers: {
          'content-type': JSON_TYPE,
          accept: JSON_TYPE,
          'idempotency-key': options.idempotencyKey ?? randomKey(),
        },
        body: recordJson(record),
        limit: WITNESSED_RECEIPT_SIZE,
      }).catch((error: unknown) => {
        const { number, message } = namedRecord(error)
        // There is only one.
        if (number === undefined) throw error
        throw new CairnError((error as CairnError).code, message, { cause: error })
      })
      return answerOf(answer, recordReceipt)
    },

    submitMany(records, options = {}) {
      const witnessed = options.witnessed === true
      const batches = {
        size: witnessed ? WITNESSED_RECEIPT_SIZE : RECEIPT_SIZE,
        limits: witnessed ? WITNESSED_BATCH : RECEIPT_BATCH,
        prefer: {},
        read: recordReceipt,
      }
      return submitBatches(records, batches, options)
    },

    submitForPlaces(records, options = {}) {
      const prefer = { prefer: 'return=minimal' }
      const batches = { size: PLACE_SIZE, limits: PLACE_BATCH, prefer, read: recordPlace }
      return submitBatches(records, batches, options)
    },
  }
}

/** Where so many records are sent, and what is made of the answer's status. */
function submission(
  records: number,
  { witnessed, onLate, signal }: SubmitOptions,
): Pick<HttpRequest, 'path' | 'onStatus' | 'signal'> {
  if (witnessed !== true) return { path: 'v1/records', signal }
  const onStatus = (status: number): void => {
    if (status === ACCEPTED) onLate?.(records)
  }
  return { path: 'v1/records?wait=witnessed', onStatus, signal }
}

function randomKey(): string {
  return toHex(crypto.getRandomValues(new Uint8Array(16)))
}
