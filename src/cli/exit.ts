/** The exit codes of every command, decided here and nowhere else. */
import { CairnError, messageOf } from '../errors.ts'

export const EXIT = {
  /** What was asked for was done, and everything that was checked held. */
  good: 0,
  /** A proof, signature, hash or stored value that does not hold. */
  failed: 1,
  /** A command line that cannot be used, or a file, disk or network that failed. */
  usage: 2,
} as const

export type ExitCode = (typeof EXIT)[keyof typeof EXIT]

/** The exit code for a verdict. */
export function exitFor(ok: boolean): ExitCode {
  return ok ? EXIT.good : EXIT.failed
}

/** The exit code for an error that ended a command. */
export function exitForError(error: unknown): ExitCode {
  if (!(error instanceof CairnError)) return EXIT.usage
  return error.code === 'VERIFICATION_FAILED' || error.code === 'CORRUPT' ? EXIT.failed : EXIT.usage
}

/** An error of the operating system in words; its own message repeats the system call. */
const SYSTEM_ERRORS: Readonly<Record<string, string>> = {
  ENOENT: 'no such file or directory',
  EACCES: 'permission denied',
  EPERM: 'operation not permitted',
  EISDIR: 'is a directory',
  ENOTDIR: 'is not a directory',
  EEXIST: 'exists already',
  ENOSPC: 'no space left on the disk',
  EMFILE: 'too many open files',
  EROFS: 'the file system is read-only',
  EADDRINUSE: 'the address is in use: choose another --port, or stop what listens there',
  EADDRNOTAVAIL: 'this machine does not have that address',
}

/** One line that says what went wrong. */
export function errorLine(error: unknown): string {
  const { code, path, address, port } = error as NodeJS.ErrnoException & {
    address?: string
    port?: number
  }
  const known = typeof code === 'string' ? SYSTEM_ERRORS[code] : undefined
  const where = path ?? (address === undefined ? undefined : `${address}:${port}`)
  const text = known === undefined || where === undefined ? messageOf(error) : `${where}: ${known}`
  return text.replace(/\s*\n\s*/g, ' ')
}
