/**
 * What the head of a submission asks for, decided before its body is read: who submits, what the body may be and
 * what comes back. Nothing here needs a `Request`; header fields are looked up by their names in lower case.
 */
import { sha256 } from '#sha256'
import { concat, utf8 } from '../bytes.ts'
import type { Principal } from '../compliance/principal.ts'
import { malformed } from '../errors.ts'
import { MAX_ENTRY_SIZE } from '../formats/bundle.ts'
import { MAX_SUBMISSION_SIZE } from '../formats/record-members.ts'
import type { SubmitOptions } from '../log/service.ts'
import { MAX_SUBMITTED_BYTES } from '../records/read-submissions.ts'
import { mediaTypeOf, negotiate } from './negotiate.ts'
import { Refusal } from './problem.ts'
import { parseQuery } from './query.ts'
import { RECEIPT_TYPES, type ReceiptType } from './receipt.ts'

/** Leaves in one batch. */
export const MAX_BATCH_LEAVES = 10_000
/** Bytes in the body of a batch. */
export const MAX_BATCH_SIZE: number = 16 * 1024 * 1024

const MAX_IDEMPOTENCY_KEY_LENGTH = 255

/** `add` is the one of tlog tools (`POST /add`), the others are `POST /v1/leaves` and `POST /v1/records`. */
export type SubmitRoute = 'add' | 'leaves' | 'records'

/** What a route takes: the media types of one and of many, the bytes of each, and how to say so. */
interface Taken {
  readonly one: string
  readonly many: readonly string[]
  readonly limit: number
  readonly batchLimit: number
  readonly advice: string
}

const LEAVES: Taken = {
  one: 'application/octet-stream',
  many: ['application/cbor-seq'],
  limit: MAX_ENTRY_SIZE,
  batchLimit: MAX_BATCH_SIZE,
  advice:
    'send one leaf as application/octet-stream, or many as application/cbor-seq (a CBOR sequence of byte strings)',
}

const RECORDS: Taken = {
  one: 'application/json',
  many: ['application/x-ndjson', 'application/ndjson', 'application/jsonl'],
  limit: MAX_SUBMISSION_SIZE,
  batchLimit: MAX_SUBMITTED_BYTES,
  advice: 'send one record as application/json, or many as application/x-ndjson (a record a line)',
}

export type HeaderFields = Readonly<Record<string, string | readonly string[] | undefined>>

export interface Admission {
  readonly route: SubmitRoute
  readonly by: Principal
  /** Whether the body is a sequence of leaves or records rather than one. */
  readonly batch: boolean
  /** Bytes that the body may have. */
  readonly limit: number
  /** What the answer holds: receipts in a format, or nothing but indices. */
  readonly answer: ReceiptType | 'indices'
  readonly options: SubmitOptions | undefined
  /** Whether the client asks that a head has the leaves before it is answered, also where the answer shows no head. */
  readonly integrated: boolean
  /** Present when the answer is to wait until the witnesses' quorum has cosigned a head with the leaves. */
  readonly witnessed?: {
    /** Milliseconds that the client wants to wait at the most, when it says so (`Prefer: wait=<seconds>`). */
    readonly patienceMs: number | undefined
  }
}

/**
 * Decides on the head of a submission; `query` comes without its question mark.
 * @throws MALFORMED on an unusable query or idempotency key
 * @throws Refusal on a media type that is not taken or cannot be given
 */
export function admit(
  route: SubmitRoute,
  query: string,
  headers: HeaderFields,
  by: Principal,
): Admission {
  const waitsFor = query === '' ? undefined : waitOf(route, query)
  const encoding = headers['content-encoding']
  if (encoding !== undefined && encoding !== 'identity') {
    // A leaf is the bytes that arrive; logging compressed ones would be a surprise to whoever verifies.
    throw new Refusal('UNSUPPORTED_MEDIA_TYPE', 'send the body without Content-Encoding', {
      'Accept-Encoding': 'identity',
    })
  }
  const options = submitOptions(text(headers['idempotency-key']), by)
  if (route === 'add') {
    const limit = MAX_ENTRY_SIZE
    return { route, by, batch: false, limit, answer: 'indices', integrated: false, options }
  }
  const taken = route === 'leaves' ? LEAVES : RECORDS
  const batch = isBatch(taken, text(headers['content-type']))
  const offers = batch || route === 'records' ? JSON_ONLY : RECEIPT_TYPES
  return {
    route,
    by,
    batch,
    limit: batch ? taken.batchLimit : taken.limit,
    answer: wanted(offers, text(headers.accept), text(headers.prefer)),
    integrated: waitsFor === 'integrated',
    options,
    ...(waitsFor === 'witnessed' && { witnessed: { patienceMs: patience(text(headers.prefer)) } }),
  }
}

function text(value: string | readonly string[] | undefined): string | undefined {
  return value === undefined || typeof value === 'string' ? value : value.join(', ')
}

function waitOf(route: SubmitRoute, query: string): 'integrated' | 'witnessed' | undefined {
  const { wait } = parseQuery(query, route === 'add' ? [] : ['wait'])
  if (wait !== undefined && wait !== 'integrated' && wait !== 'witnessed') {
    throw malformed('"wait" is either integrated or witnessed')
  }
  return wait
}

function isBatch({ one, many, advice }: Taken, contentType: string | undefined): boolean {
  // The exact spellings first: nearly every request has one of them.
  if (contentType === one) return false
  if (contentType === many[0]) return true
  const type = contentType === undefined ? undefined : mediaTypeOf(contentType)
  if (type === one) return false
  if (type !== undefined && many.includes(type)) return true
  throw new Refusal('UNSUPPORTED_MEDIA_TYPE', advice, { 'Accept-Post': [one, ...many].join(', ') })
}

function wanted(
  offers: readonly ReceiptType[],
  accept: string | undefined,
  prefer: string | undefined,
): Admission['answer'] {
  if (prefer !== undefined && prefersMinimal(prefer)) {
    if (negotiate(accept, JSON_ONLY) !== undefined) return 'indices'
  }
  const type = negotiate(accept, offers)
  if (type === undefined) {
    throw new Refusal('NOT_ACCEPTABLE', `the answer can be had as ${offers.join(', ')}`)
  }
  return type
}

const JSON_ONLY = ['application/json'] as const

/** Whether `Prefer` asks for the least; other preferences may be ignored. */
function prefersMinimal(prefer: string): boolean {
  if (prefer === 'return=minimal') return true
  const wanted = preference(prefer, 'return')
  return wanted === 'minimal' || wanted === '"minimal"'
}

/** How long the client is ready to wait, in milliseconds (RFC 7240 section 4.3). */
function patience(prefer: string | undefined): number | undefined {
  const seconds = prefer === undefined ? undefined : preference(prefer, 'wait')
  return seconds !== undefined && /^[0-9]{1,6}$/.test(seconds) ? Number(seconds) * 1000 : undefined
}

/** The value of a preference (RFC 7240); of several of one name the first counts. */
function preference(prefer: string, name: string): string | undefined {
  return prefer
    .split(',')
    .map((one) => one.split(';')[0]!.replace(/\s/g, '').toLowerCase())
    .find((one) => one.startsWith(`${name}=`))
    ?.slice(name.length + 1)
}

/** The submitter is part of the digest, so nobody can meet the keys of somebody else. */
function submitOptions(
  key: string | undefined,
  { identity }: Principal,
): SubmitOptions | undefined {
  if (key === undefined) return undefined
  if (key.length === 0 || key.length > MAX_IDEMPOTENCY_KEY_LENGTH || !/^[\x21-\x7e]+$/.test(key)) {
    throw malformed(
      `an idempotency key has 1 to ${MAX_IDEMPOTENCY_KEY_LENGTH} visible ASCII characters and no space`,
    )
  }
  const digest = sha256(concat(identity, utf8(key)))
  return { idempotencyKey: digest.slice(0, 16) }
}
