/** Reads the JSON that a server answers with: member by member, so that what is no such server is told from one. */
import { fromUtf8 } from '../bytes.ts'
import { CairnError, malformed, messageOf } from '../errors.ts'

/** An object of an answer. */
export type Members = Readonly<Record<string, unknown>>

/**
 * What an answer means. One that cannot be read is the other side's failure, or `what` is not what answers there.
 * @throws IO
 */
export function meaningOf<T>(answer: Uint8Array, what: string, read: (value: Members) => T): T {
  try {
    return read(membersOf(JSON.parse(fromUtf8(answer))))
  } catch (cause) {
    // What it says may be false, and that is another thing than not being understood.
    if (cause instanceof CairnError && cause.code === 'VERIFICATION_FAILED') throw cause
    throw new CairnError('IO', `what answers there is not ${what}: ${messageOf(cause)}`, { cause })
  }
}

/** @throws MALFORMED */
export function listOf<T>(value: unknown, read: (value: Members) => T): T[] {
  return arrayOf(value).map((one) => read(membersOf(one)))
}

/** @throws MALFORMED */
export function arrayOf(value: unknown): readonly unknown[] {
  if (Array.isArray(value)) return value
  throw malformed('expected a list')
}

/** @throws MALFORMED */
export function membersOf(value: unknown): Members {
  if (typeof value === 'object' && value !== null && !Array.isArray(value)) return value as Members
  throw malformed('expected an object')
}

/** @throws MALFORMED */
export function textOf(value: unknown): string {
  if (typeof value === 'string') return value
  throw malformed('expected a text')
}

/** A whole number from 0: a size, an index, a count. @throws MALFORMED */
export function sizeOf(value: unknown): number {
  if (Number.isSafeInteger(value) && (value as number) >= 0) return value as number
  throw malformed('expected a size')
}

/** @throws MALFORMED */
export function timeOf(value: unknown): Date {
  const time = new Date(textOf(value))
  if (Number.isNaN(time.getTime())) throw malformed('expected a time')
  return time
}
