/** What PostgreSQL and the way to it report, as our errors. */
import pg from 'pg'
import { CairnError, type CairnErrorCode, messageOf } from '../errors.ts'
import { isUntrusted } from './untrusted.ts'

/**
 * SQLSTATEs that our own functions and triggers raise, so that what they refuse arrives with its code:
 * `RAISE EXCEPTION 'the term is over' USING ERRCODE = 'CA409'`.
 */
const OURS: Readonly<Record<string, CairnErrorCode>> = {
  CA400: 'USAGE',
  CA403: 'FORBIDDEN',
  CA404: 'NOT_FOUND',
  CA409: 'CONFLICT',
  CA410: 'READ_ONLY',
  CA423: 'HELD',
  CA500: 'CORRUPT',
}

/** Of a connection or of another transaction: the same may go well in a moment. */
const PASSING =
  /^(08...|57P0.|57014|53[23]00|53000|40001|40P01|40003|55P03|25P0[1-4]|ECONN(REFUSED|RESET|ABORTED)|EPIPE|ETIMEDOUT|EHOSTUNREACH|ENETUNREACH|ENETDOWN|ENOTFOUND|EAI_AGAIN|ENOENT)$/
const LOST =
  /connection terminated|timeout (expired|exceeded)|read timeout|connection (ended|closed|error)|not queryable|client was closed|socket (hang up|disconnected)/i

/** The SQLSTATE of an error of the server, or the name the system has for one of the connection. */
export function failureCode(error: unknown): string | undefined {
  const first = error instanceof AggregateError ? error.errors[0] : error
  if (!(first instanceof Error) || !('code' in first)) return undefined
  return typeof first.code === 'string' ? first.code : undefined
}

/** Of a standby, which the next connection need not lead to. */
const READ_ONLY = '25006'

/** Whether the connection may be used on after an error: the server refused a statement, and is there. */
export function isStatementFailure(error: unknown): boolean {
  return error instanceof pg.DatabaseError && error.severity !== 'FATAL' && error.code !== READ_ONLY
}

/**
 * Our error for one of PostgreSQL, met while trying to do `what` ("read the head"). What is ours already stays as it
 * is, and so does a RangeError: a value that a caller must not give.
 */
export function databaseFailure(what: string, error: unknown): CairnError | RangeError {
  if (error instanceof CairnError || error instanceof RangeError) return error
  const code = failureCode(error) ?? ''
  const reason = reasonOf(error)
  const failed = (kind: CairnErrorCode, message: string): CairnError =>
    new CairnError(kind, message, { cause: error })
  const cannot = `cannot ${what}: ${reason}`

  // Functions of ours say what is wrong and what to do; it needs nothing before it.
  const ours = OURS[code]
  if (ours !== undefined) return failed(ours, reason)
  if (isUntrusted(error)) {
    return failed(
      'FORBIDDEN',
      `${cannot}; mend the host in the URL of the database, or its sslrootcert`,
    )
  }
  if (PASSING.test(code) || (code === '' && LOST.test(reason))) {
    return failed('UNAVAILABLE', `${cannot}; the database cannot be used just now`)
  }
  switch (code) {
    case '53100':
      return failed('DISK_FULL', `${cannot}; free space for the database`)
    case '42501':
      return failed('FORBIDDEN', `${cannot}; the database role lacks a privilege for it`)
    case '28P01':
    case '28000':
      return failed('FORBIDDEN', `${cannot}; mend the database's user, its password or pg_hba.conf`)
    case '3D000':
      return failed('NOT_FOUND', `${cannot}; create it, or mend the name in the database's URL`)
    case READ_ONLY:
      return failed('UNAVAILABLE', `${cannot}; this is a standby: the URL must lead to the primary`)
    default:
      return failed(/^(XX00[12])$/.test(code) ? 'CORRUPT' : 'IO', cannot)
  }
}

function reasonOf(error: unknown): string {
  // Of an address with several, none of which answered, the message is empty.
  if (error instanceof AggregateError && error.message === '') return messageOf(error.errors[0])
  return messageOf(error)
}
