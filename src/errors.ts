/**
 * The one error family. `code` is stable and documented in docs/errors.md; the message says what happened and
 * what to do about it, in one line fit to be shown to a person.
 */
export type CairnErrorCode =
  /** Bytes or text that do not follow their format. */
  | 'MALFORMED'
  /** A well-formed input larger than what is accepted. */
  | 'TOO_LARGE'
  /** A proof, signature or hash that does not hold. */
  | 'VERIFICATION_FAILED'
  /** Something asked for that does not exist (an index or size beyond the head, an unknown leaf hash). */
  | 'NOT_FOUND'
  /** The request contradicts what the log already holds (an idempotency key used for another body). */
  | 'CONFLICT'
  /** Credentials that are missing or wrong. */
  | 'UNAUTHORIZED'
  /** Somebody known who may not do this: it takes another role, another tenant, or a grant. */
  | 'FORBIDDEN'
  /** A legal hold keeps what was to be destroyed; the message names it. */
  | 'HELD'
  /** The submission queue is full; try again shortly. */
  | 'OVERLOADED'
  /** A database, an object store or another server that cannot be reached just now; try again shortly. */
  | 'UNAVAILABLE'
  /** The disk is full, or below the free-space floor. */
  | 'DISK_FULL'
  /** The log serves reads but refuses writes; the message says why and how to recover. */
  | 'READ_ONLY'
  /** The log is shutting down, or stopped after a failed write. */
  | 'STOPPED'
  /** Another process holds the data directory. */
  | 'LOCKED'
  /** A directory that is not a Cairn data directory. */
  | 'FOREIGN_DIRECTORY'
  /** A data directory written by a newer Cairn. */
  | 'NEWER_FORMAT'
  /** Stored data that contradicts itself. */
  | 'CORRUPT'
  /** The operating system or the storage engine failed. */
  | 'IO'
  /** A command line, environment or configuration file that cannot be used. */
  | 'USAGE'

export class CairnError extends Error {
  override readonly name = 'CairnError'
  readonly code: CairnErrorCode

  constructor(code: CairnErrorCode, message: string, options?: ErrorOptions) {
    super(message, options)
    this.code = code
  }
}

/** Shorthand for the commonest error of parsers. */
export function malformed(message: string, options?: ErrorOptions): CairnError {
  return new CairnError('MALFORMED', message, options)
}

/** Shorthand for the commonest error of verifiers. */
export function verificationFailed(message: string, cause?: unknown): CairnError {
  return new CairnError('VERIFICATION_FAILED', message, cause === undefined ? {} : { cause })
}

/** Shorthand for what a person has to mend in a flag, a variable or a file. */
export function usage(message: string, cause?: unknown): CairnError {
  return new CairnError('USAGE', message, cause === undefined ? {} : { cause })
}

/** What is told of an error that ends something. */
export function reasonOf(error: unknown): {
  readonly reason: string
  readonly code?: CairnErrorCode
} {
  const reason = messageOf(error)
  return error instanceof CairnError ? { reason, code: error.code } : { reason }
}

/** The message of anything that can be thrown. */
export function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error)
}
