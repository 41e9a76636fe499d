/**
 * What the head of a submission asks for, decided before its body is read: who submits, what the body may be and
 * what comes back. Nothing here needs a `Request`; header fields are looked up by their names in lower case.
 */
import { sha256 } from '#sha256'
import { concat, utf8 } from '../bytes.ts'
import { malformed } from '../errors.ts'
import { MAX_ENTRY_SIZE } from '../formats/bundle.ts'
import type { SubmitOptions } from '../log/service.ts'
import type { Submitter } from './authenticate.ts'
import { mediaTypeOf, negotiate } from './negotiate.ts'
import { Refusal } from './problem.ts'
import { parseQuery } from './query.ts'
import { RECEIPT_TYPES, type ReceiptType } from './receipt.ts'

/** Leaves in one batch. */
export const MAX_BATCH_LEAVES = 10_000
/** Bytes in the body of a batch. */
export const MAX_BATCH_SIZE: number = 16 * 1024 * 1024

const MAX_IDEMPOTENCY_KEY_LENGTH = 255

/** `add` is the one of tlog tools (`POST /add`), `leaves` is `POST /v1/leaves`. */
export type SubmitRoute = 'add' | 'leaves'

export type HeaderFields = Readonly<Record<string, string | readonly string[] | undefined>>

export interface Admission {
  readonly route: SubmitRoute
  /** Whether the body is a CBOR sequence of leaves rather than one leaf. */
  readonly batch: boolean
  /** Bytes that the body may have. */
  readonly limit: number
  /** What the answer holds: receipts in a format, or nothing but indices. */
  readonly answer: ReceiptType | 'indices'
  readonly options: SubmitOptions | undefined
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
  submitter: Submitter,
): Admission {
  const witnessed = query !== '' && waitsForWitnesses(route, query)
  const encoding = headers['content-encoding']
  if (encoding !== undefined && encoding !== 'identity') {
    // A leaf is the bytes that arrive; logging compressed ones would be a surprise to whoever verifies.
    throw new Refusal('UNSUPPORTED_MEDIA_TYPE', 'send the body without Content-Encoding', {
      'Accept-Encoding': 'identity',
    })
  }
  const options = submitOptions(text(headers['idempotency-key']), submitter)
  if (route === 'add') {
    return { route, batch: false, limit: MAX_ENTRY_SIZE, answer: 'indices', options }
  }
  const batch = isBatch(text(headers['content-type']))
  return {
    route,
    batch,
    limit: batch ? MAX_BATCH_SIZE : MAX_ENTRY_SIZE,
    answer: wanted(batch, text(headers.accept), text(headers.prefer)),
    options,
    ...(witnessed && { witnessed: { patienceMs: patience(text(headers.prefer)) } }),
  }
}

function text(value: string | readonly string[] | undefined): string | undefined {
  return value === undefined || typeof value === 'string' ? value : value.join(', ')
}

function waitsForWitnesses(route: SubmitRoute, query: string): boolean {
  const { wait = 'integrated' } = parseQuery(query, route === 'leaves' ? ['wait'] : [])
  if (wait !== 'integrated' && wait !== 'witnessed') {
    throw malformed('"wait" is either integrated or witnessed')
  }
  return wait === 'witnessed'
}

function isBatch(contentType: string | undefined): boolean {
  // The two exact spellings first: nearly every request has one of them.
  if (contentType === 'application/octet-stream') return false
  if (contentType === 'application/cbor-seq') return true
  switch (contentType === undefined ? undefined : mediaTypeOf(contentType)) {
    case 'application/octet-stream':
      return false
    case 'application/cbor-seq':
      return true
    default:
      throw new Refusal(
        'UNSUPPORTED_MEDIA_TYPE',
        'send one leaf as application/octet-stream, or many as application/cbor-seq (a CBOR sequence of byte strings)',
        { 'Accept-Post': 'application/octet-stream, application/cbor-seq' },
      )
  }
}

function wanted(
  batch: boolean,
  accept: string | undefined,
  prefer: string | undefined,
): Admission['answer'] {
  const offers = batch ? JSON_ONLY : RECEIPT_TYPES
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
function submitOptions(key: string | undefined, submitter: Submitter): SubmitOptions | undefined {
  if (key === undefined) return undefined
  if (key.length === 0 || key.length > MAX_IDEMPOTENCY_KEY_LENGTH || !/^[\x21-\x7e]+$/.test(key)) {
    throw malformed(
      `an idempotency key has 1 to ${MAX_IDEMPOTENCY_KEY_LENGTH} visible ASCII characters and no space`,
    )
  }
  const digest = sha256(concat(submitter.identity, utf8(key)))
  return { idempotencyKey: digest.slice(0, 16) }
}
