/** Entity tags, for what changes now and then: RFC 9110 sections 8.8.3 and 13.1.2. */
import { sha256 } from '#sha256'
import { toHex, utf8 } from '../bytes.ts'
import type { HeaderFields } from './admission.ts'
import type { Answer } from './answer.ts'

/** The strong entity tag of a text. */
export function entityTag(text: string): string {
  return `"${toHex(sha256(utf8(text)).subarray(0, 16))}"`
}

/** Whether `If-None-Match` names a tag; a weak one matches as well. */
export function matchesTag(ifNoneMatch: HeaderFields[string], tag: string): boolean {
  if (ifNoneMatch === undefined) return false
  const value = typeof ifNoneMatch === 'string' ? ifNoneMatch : ifNoneMatch.join(', ')
  return value.split(',').some((part) => {
    const candidate = part.trim()
    return candidate === '*' || candidate === tag || candidate === `W/${tag}`
  })
}

/** The answer to somebody who has it already. */
export function notModified({ headers }: Answer): Answer {
  const { 'Content-Type': _, ...rest } = headers
  return { status: 304, headers: rest, body: '' }
}
