/**
 * What goes wrong, as an RFC 9457 problem document. One table maps each error code to a status; what is not an
 * error of ours becomes a 500 that tells the outside nothing.
 */
import { CairnError, type CairnErrorCode } from '../errors.ts'
import { type Answer, COMMON, UNCACHED } from './answer.ts'
import { FATE, NotLeading } from './leader.ts'

/** Refusals that only HTTP knows. */
type HttpErrorCode =
  | 'BAD_REQUEST_TARGET'
  | 'UNTRUSTED'
  | 'METHOD_NOT_ALLOWED'
  | 'NOT_ACCEPTABLE'
  | 'UNSUPPORTED_MEDIA_TYPE'
  | 'REQUEST_TIMEOUT'
  | 'HEADERS_TOO_LARGE'
  | 'INTERNAL'

export type ProblemCode = CairnErrorCode | HttpErrorCode

interface Kind {
  readonly status: number
  readonly title: string
  readonly headers?: Readonly<Record<string, string>>
}

const INTERNAL: Kind = { status: 500, title: 'The server could not answer' }

const KINDS: Readonly<Record<ProblemCode, Kind>> = {
  MALFORMED: { status: 400, title: 'The request is not well formed' },
  BAD_REQUEST_TARGET: { status: 400, title: 'The request target cannot be used' },
  UNAUTHORIZED: {
    status: 401,
    title: 'A valid token is needed',
    headers: { 'WWW-Authenticate': 'Bearer realm="cairn", error="invalid_token"' },
  },
  FORBIDDEN: { status: 403, title: 'This is not for you' },
  UNTRUSTED: { status: 403, title: 'A trusted signature is needed' },
  NOT_FOUND: { status: 404, title: 'There is nothing here' },
  METHOD_NOT_ALLOWED: { status: 405, title: 'This resource does not have that method' },
  NOT_ACCEPTABLE: { status: 406, title: 'None of the accepted media types is offered' },
  REQUEST_TIMEOUT: { status: 408, title: 'The request took too long to arrive' },
  HELD: { status: 409, title: 'A legal hold forbids this' },
  TOO_LARGE: { status: 413, title: 'The request is larger than what is accepted' },
  UNSUPPORTED_MEDIA_TYPE: {
    status: 415,
    title: 'The body has a media type that is not taken here',
  },
  CONFLICT: { status: 422, title: 'The request contradicts an earlier one' },
  VERIFICATION_FAILED: { status: 422, title: 'A proof or signature does not hold' },
  HEADERS_TOO_LARGE: { status: 431, title: 'The header fields are larger than what is accepted' },
  OVERLOADED: {
    status: 503,
    title: 'The server is busy',
    headers: { 'Retry-After': '1' },
  },
  UNAVAILABLE: {
    status: 503,
    title: 'Something that the log needs cannot be reached just now',
    headers: { 'Retry-After': '1' },
  },
  READ_ONLY: { status: 503, title: 'The log takes no submissions' },
  STOPPED: { status: 503, title: 'Nothing is taken any more' },
  DISK_FULL: { status: 507, title: 'There is no space left' },
  LOCKED: INTERNAL,
  FOREIGN_DIRECTORY: INTERNAL,
  NEWER_FORMAT: INTERNAL,
  CORRUPT: INTERNAL,
  IO: INTERNAL,
  USAGE: INTERNAL,
  INTERNAL,
}

/** Thrown where a request is refused for a reason that only HTTP knows. */
export class Refusal extends Error {
  override readonly name = 'Refusal'
  readonly code: ProblemCode
  readonly headers: Readonly<Record<string, string>>

  constructor(code: HttpErrorCode, detail: string, headers: Readonly<Record<string, string>> = {}) {
    super(detail)
    this.code = code
    this.headers = headers
  }
}

/** A problem document: `detail` says what to mend. */
export function problem(
  code: ProblemCode,
  detail: string,
  headers?: Readonly<Record<string, string>>,
): Answer {
  const kind = KINDS[code]
  return {
    status: kind.status,
    headers: {
      'Content-Type': 'application/problem+json',
      'Cache-Control': UNCACHED,
      ...COMMON,
      ...kind.headers,
      ...headers,
    },
    body: JSON.stringify({
      type: `urn:cairn:problem:${code.toLowerCase().replaceAll('_', '-')}`,
      title: kind.title,
      status: kind.status,
      detail,
      code,
    }),
  }
}

function notLed({ code, message, fate }: NotLeading): Answer {
  const { headers, ...rest } = problem(code, message, { [FATE]: fate })
  // Who reads that it is to be tried again may do so, unasked.
  const { 'Retry-After': _, ...once } = headers
  return { ...rest, headers: fate === 'unknown' ? once : headers }
}

/**
 * The answer to a request that threw. What happened inside is for `report`, never for the client.
 */
export function problemOf(error: unknown, report: (error: unknown) => void): Answer {
  if (error instanceof Refusal) return problem(error.code, error.message, error.headers)
  if (error instanceof NotLeading) return notLed(error)
  if (error instanceof CairnError && KINDS[error.code] !== INTERNAL) {
    return problem(error.code, error.message)
  }
  report(error)
  return problem(
    error instanceof CairnError ? error.code : 'INTERNAL',
    'this request could not be answered; the operator finds the reason in the log of the server',
  )
}
