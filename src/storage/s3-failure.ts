/** What S3 servers refuse with, as errors that say what to mend. */
import { CairnError, type CairnErrorCode, messageOf } from '../errors.ts'
import type { HttpAnswer } from './s3-connection.ts'
import { textOf } from './s3-xml.ts'
import { isUntrusted } from './untrusted.ts'

/** What was asked, for messages. */
export interface S3Asked {
  readonly bucket: string
  readonly endpoint: string
  /** Such as `write s3://bucket/prefix/checkpoint`. */
  readonly what: string
  /** Whether it was to be locked. */
  readonly locks: boolean
  /** Where the credentials are from. */
  readonly credentials: string
}

/** The server's own word for what is wrong, such as `NoSuchBucket`; empty when it gives none. */
export function errorCodeOf(answer: HttpAnswer): string {
  if (answer.body.length > 65_536) return ''
  return textOf(new TextDecoder().decode(answer.body), 'Code') ?? ''
}

/** Refusals of credentials that others may not meet: those of a file that was written anew, say. */
const STALE_CREDENTIALS = new Set([
  'ExpiredToken',
  'ExpiredTokenException',
  'TokenRefreshRequired',
  'InvalidToken',
  'InvalidAccessKeyId',
  'InvalidClientTokenId',
  'SignatureDoesNotMatch',
])

/** Whether other credentials may do better. Some servers only say that access is denied, whatever is wrong with them. */
export function areCredentialsRefused(answer: HttpAnswer): boolean {
  return isRefused(answer) || STALE_CREDENTIALS.has(errorCodeOf(answer))
}

function isRefused({ status }: HttpAnswer): boolean {
  return status === 401 || status === 403
}

const PASSING_CODES = new Set([
  'SlowDown',
  'RequestTimeout',
  'OperationAborted',
  'ServiceUnavailable',
])

/** Whether the same request may succeed a little later. */
export function isPassing(answer: HttpAnswer): boolean {
  return (
    answer.status === 429 ||
    (answer.status >= 500 && answer.status !== 501) ||
    PASSING_CODES.has(errorCodeOf(answer))
  )
}

/** What to mend, by the server's word. */
function advice(code: string, asked: S3Asked, answer: HttpAnswer): string | undefined {
  const keys = `the credentials in ${asked.credentials}`
  switch (code) {
    case 'ExpiredToken':
    case 'ExpiredTokenException':
    case 'TokenRefreshRequired':
      return `${keys} have expired: renew them`
    case 'InvalidToken':
      return `${keys} have a session token that the server does not take: renew them`
    case 'InvalidAccessKeyId':
    case 'InvalidClientTokenId':
      return `${keys} have an access key that the server does not know`
    case 'SignatureDoesNotMatch':
      return `${keys} have a secret key that does not belong to their access key`
    case 'RequestTimeTooSkewed':
      return `the clock of this machine says ${new Date().toISOString()}, that of the server ${answer.headers.date ?? 'another time'}: set them right`
    case 'AuthorizationHeaderMalformed':
    case 'PermanentRedirect':
    case 'IllegalLocationConstraintException':
      return `the bucket is in another region${regionIn(answer)}: set s3-region, and s3-endpoint to match`
    case 'ObjectLockConfigurationNotFoundError':
    case 'InvalidRequest':
      return asked.locks
        ? 'the bucket was made without Object Lock: make one with it, or set object-lock to none'
        : undefined
    case 'AccessDenied':
    case 'AllAccessDisabled':
    case 'MethodNotAllowed':
      return `${keys} do not allow it, or are not valid any more (is the bucket read-only, or the object locked?)`
    default:
      return undefined
  }
}

function regionIn(answer: HttpAnswer): string {
  const named =
    answer.headers['x-amz-bucket-region'] ??
    textOf(new TextDecoder().decode(answer.body.subarray(0, 4_096)), 'Region')
  return named === undefined ? '' : `, ${named}`
}

/** The error of an answer that is none of those expected. */
export function answerFailure(asked: S3Asked, answer: HttpAnswer): CairnError {
  const code = errorCodeOf(answer)
  if (code === 'NoSuchBucket') {
    return new CairnError(
      'NOT_FOUND',
      `cannot ${asked.what}: ${asked.endpoint} has no bucket ${asked.bucket}`,
    )
  }
  const said = [answer.status, code].filter((part) => part !== '').join(' ')
  const detail =
    advice(code, asked, answer) ??
    textOf(new TextDecoder().decode(answer.body.subarray(0, 4_096)), 'Message')
  const message = `cannot ${asked.what}: ${asked.endpoint} says ${said}${detail ? `: ${detail}` : ''}`
  return new CairnError(codeOfAnswer(asked, answer, code), message)
}

function codeOfAnswer(asked: S3Asked, answer: HttpAnswer, code: string): CairnErrorCode {
  if (isPassing(answer)) return 'UNAVAILABLE'
  const isMisled = answer.status === 301 || code === 'AuthorizationHeaderMalformed'
  const isUnlocked = asked.locks && answer.status === 400
  return areCredentialsRefused(answer) || isMisled || isUnlocked || answer.status === 405
    ? 'FORBIDDEN'
    : 'IO'
}

/** The error of a request that got no answer. */
export function connectionFailure(asked: S3Asked, error: unknown): CairnError {
  if (isUntrusted(error)) {
    return new CairnError(
      'FORBIDDEN',
      `cannot ${asked.what}: ${asked.endpoint} has a certificate that is not trusted (${messageOf(error)}): name its authority with s3-ca-file, or mend s3-endpoint`,
      { cause: error },
    )
  }
  return new CairnError(
    'UNAVAILABLE',
    `cannot ${asked.what}: ${asked.endpoint} cannot be reached: ${reasonOf(error)}`,
    { cause: error },
  )
}

/** A host name that has several addresses fails with an error that says nothing but has one for each. */
function reasonOf(error: unknown): string {
  if (error instanceof AggregateError) return error.errors.map(messageOf).join(', ')
  return messageOf(error)
}
