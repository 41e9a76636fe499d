/** JSON Pointers (RFC 6901): how a member of a JSON document is named, `/tool_calls/0/arguments`. */
import { malformed } from '../errors.ts'

/** A member name or array index as it stands in a pointer. */
export function pointerToken(step: string | number): string {
  if (typeof step === 'number') return String(step)
  return step.includes('~') || step.includes('/')
    ? step.replaceAll('~', '~0').replaceAll('/', '~1')
    : step
}

/** The pointer of a path; `''` is the document itself. */
export function formatPointer(path: readonly (string | number)[]): string {
  return path.map((step) => `/${pointerToken(step)}`).join('')
}

/** The names along a pointer; indices are names too. @throws MALFORMED when it is not a JSON Pointer */
export function parsePointer(pointer: string): string[] {
  if (pointer === '') return []
  if (!pointer.startsWith('/') || /~(?![01])/.test(pointer)) {
    throw malformed('a JSON Pointer is made of parts that begin with "/", with ~ only in ~0 and ~1')
  }
  const tokens = pointer.slice(1).split('/')
  return tokens.map((token) => token.replaceAll('~1', '/').replaceAll('~0', '~'))
}

const LONGEST_SHOWN = 200

/** The place of a pointer in a message for people: one line, of a bounded length. */
export function shownPointer(pointer: string): string {
  if (pointer === '') return 'the top level'
  const cut = pointer.length > LONGEST_SHOWN ? `${pointer.slice(0, LONGEST_SHOWN)}…` : pointer
  // Controls, halves of surrogate pairs, and what reorders or breaks a line.
  return cut.replace(
    /[\p{Cc}\p{Cs}\u2028\u2029\u200e\u200f\u202a-\u202e\u2066-\u2069]/gu,
    (character) => `\\u${character.charCodeAt(0).toString(16).padStart(4, '0')}`,
  )
}
