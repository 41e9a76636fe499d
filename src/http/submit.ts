/** Submissions: a body that was admitted becomes leaves, an acceptance, and the answer that was asked for. */
import { CairnError, malformed } from '../errors.ts'
import { MAX_ENTRY_SIZE } from '../formats/bundle.ts'
import { decodeByteStrings } from '../formats/cbor.ts'
import type { Acceptance, Accepted, Head, Inclusion, LogService } from '../log/service.ts'
import { type Admission, MAX_BATCH_LEAVES } from './admission.ts'
import type { Answer } from './answer.ts'
import { type JsonReceiptWriter, jsonReceiptWriter, receipt } from './receipt.ts'
import { answerWitnessed, mustHaveQuorum } from './witnessed.ts'

/** Takes the body of an admitted submission to its answer. */
export type Submit = (admission: Admission, body: Uint8Array) => Promise<Answer>

const BATCH_LIMITS = { count: MAX_BATCH_LEAVES, length: MAX_ENTRY_SIZE }
/** After so many receipts of a batch others get a turn. */
const RECEIPTS_AT_ONCE = 256
/** How long a submission is held for the witnesses unless configured. */
export const DEFAULT_DEADLINE_MS = 10_000

// No cache keeps the answer to a POST unasked, so these say nothing of caching.
const INDEX_HEADERS = { 'Content-Type': 'text/plain; charset=utf-8' }
const JSON_HEADERS = { 'Content-Type': 'application/json' }
const MINIMAL_HEADERS = { ...JSON_HEADERS, 'Preference-Applied': 'return=minimal' }

/**
 * Submissions to a log whose routes begin with `prefix`. One that is to be witnessed is held for `deadlineMs` at the
 * most, and then answered with 202: its leaves are in the log, under a head that the witnesses have not cosigned yet.
 */
export function submitter(
  log: LogService,
  prefix: string,
  deadlineMs: number = DEFAULT_DEADLINE_MS,
): Submit {
  const writeJson = jsonReceiptWriter(log.origin)
  const location = `${prefix}/v1/receipts/`

  function answerTo(admission: Admission, accepted: Promise<Acceptance>): Promise<Answer> {
    const { answer, batch } = admission
    if (answer === 'indices') return accepted.then(({ leaves }) => indicesTo(admission, leaves))
    if (batch) return accepted.then((all) => batchAnswer(log, writeJson, all))
    return accepted.then((one) =>
      receiptAnswer(log, writeJson, one.leaves[0]!, one, answer, location),
    )
  }

  function indicesTo({ route, batch }: Admission, leaves: readonly Accepted[]): Answer {
    if (route === 'add') return addAnswer(leaves[0]!)
    return batch ? batchOfIndices(leaves) : minimalAnswer(leaves[0]!, location)
  }

  async function witnessed(
    admission: Admission,
    patienceMs: number,
    leaves: readonly Uint8Array[],
  ): Promise<Answer> {
    mustHaveQuorum(log)
    const accepted = await log.submit(leaves, admission.options)
    const { leaves: entries, head } = accepted
    const answer = (head: Head): Promise<Answer> =>
      answerTo(admission, Promise.resolve({ ...accepted, head }))
    return answerWitnessed(log, { entries, head, answer }, Math.min(patienceMs, deadlineMs))
  }

  return (admission, body) => {
    const leaves = admission.batch ? batchOf(body) : [leafOf(body)]
    const { witnessed: wait } = admission
    if (wait !== undefined) return witnessed(admission, wait.patienceMs ?? deadlineMs, leaves)
    // An index is final before a head has the leaf, and an answer without a head need not wait for one.
    if (admission.answer === 'indices' && !admission.integrated) {
      return log.sequence(leaves, admission.options).then((all) => indicesTo(admission, all))
    }
    return answerTo(admission, log.submit(leaves, admission.options))
  }
}

/** The error for a body beyond the limit of its admission. */
export function tooLarge({ limit, batch, route }: Admission): CairnError {
  const what = batch ? 'the body of a batch' : route === 'records' ? 'a record' : 'a leaf'
  return new CairnError('TOO_LARGE', `${what} has at most ${limit} bytes`)
}

function leafOf(body: Uint8Array): Uint8Array {
  if (body.length === 0)
    throw malformed(`the body is empty; a leaf has 1 to ${MAX_ENTRY_SIZE} bytes`)
  return body
}

function batchOf(body: Uint8Array): Uint8Array[] {
  const leaves = decodeByteStrings(body, BATCH_LIMITS)
  if (leaves.length === 0) throw malformed('the body is empty; send 1 leaf or more')
  const empty = leaves.findIndex((leaf) => leaf.length === 0)
  if (empty >= 0) throw malformed(`leaf ${empty} of the batch is empty; a leaf has 1 byte or more`)
  return leaves
}

/** Existing tools take nothing but 200 here, also for a leaf that is new. */
function addAnswer({ index }: Accepted): Answer {
  return { status: 200, headers: INDEX_HEADERS, body: String(index) }
}

function statusOf({ duplicate }: Accepted): number {
  return duplicate ? 200 : 201
}

function statusOfAll(leaves: readonly Accepted[]): number {
  return leaves.every((leaf) => leaf.duplicate) ? 200 : 201
}

function batchOfIndices(leaves: readonly Accepted[]): Answer {
  const indices = leaves.map((leaf) => leaf.index).join(',')
  return {
    status: statusOfAll(leaves),
    headers: MINIMAL_HEADERS,
    body: `{"indices":[${indices}]}`,
  }
}

function minimalAnswer(leaf: Accepted, location: string): Answer {
  return {
    status: statusOf(leaf),
    headers: { ...MINIMAL_HEADERS, Location: location + leaf.index },
    body: `{"index":${leaf.index}}`,
  }
}

function receiptAnswer(
  log: LogService,
  writeJson: JsonReceiptWriter,
  leaf: Accepted,
  { head }: Acceptance,
  type: Exclude<Admission['answer'], 'indices'>,
  location: string,
): Answer | Promise<Answer> {
  const inclusion = log.inclusionUnder(leaf.index, leaf.leafHash, head)
  const finish = (found: Inclusion): Answer | Promise<Answer> =>
    type === 'application/json' || !canBe(type, found)
      ? {
          status: statusOf(leaf),
          headers: {
            'Content-Type': 'application/json',
            Location: location + leaf.index,
          },
          body: writeJson(found),
        }
      : otherReceipt(log, writeJson, leaf, found, type, location)
  return inclusion instanceof Promise ? inclusion.then(finish) : finish(inclusion)
}

/** A COSE receipt has no form for a tree of one leaf. That leaf is accepted all the same, so it gets the JSON one. */
function canBe(type: Admission['answer'], { head }: Inclusion): boolean {
  return type !== 'application/cose' || head.size > 1
}

async function otherReceipt(
  log: LogService,
  writeJson: JsonReceiptWriter,
  leaf: Accepted,
  inclusion: Inclusion,
  type: Exclude<Admission['answer'], 'indices'>,
  location: string,
): Promise<Answer> {
  const { mediaType, body } = await receipt(log, writeJson, inclusion, type)
  return {
    status: statusOf(leaf),
    headers: {
      'Content-Type': mediaType,
      Location: location + leaf.index,
    },
    body,
  }
}

async function batchAnswer(
  log: LogService,
  writeJson: JsonReceiptWriter,
  { leaves, head }: Acceptance,
): Promise<Answer> {
  const receipts: string[] = []
  for (const leaf of leaves) {
    const inclusion = log.inclusionUnder(leaf.index, leaf.leafHash, head)
    receipts.push(writeJson(inclusion instanceof Promise ? await inclusion : inclusion))
    if (receipts.length % RECEIPTS_AT_ONCE === 0) await new Promise(setImmediate)
  }
  return {
    status: statusOfAll(leaves),
    headers: JSON_HEADERS,
    body: `{"receipts":[${receipts.join(',')}]}`,
  }
}
