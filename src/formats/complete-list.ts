/**
 * The file in which the proof that a list is complete, or that there is nothing to list, is handed on: with the checkpoint
 * that it is held against, so that nothing else is needed but somebody to trust (spec/completeness.md, "The file").
 *
 *     cairn-complete-list/v1
 *
 *     <checkpoint, a signed note>
 *
 *     cairn-completeness/v1
 *     ...
 */
import { equal, fromUtf8, utf8 } from '../bytes.ts'
import { CairnError, malformed } from '../errors.ts'
import {
  COMPLETENESS_HEADER,
  type CompletenessProof,
  formatCompleteness,
  MAX_COMPLETENESS_SIZE,
  parseCompleteness,
} from './completeness.ts'
import { MAX_NOTE_SIZE, parseNote } from './note.ts'

/** The first line of the file. */
const COMPLETE_LIST_HEADER = 'cairn-complete-list/v1\n'
/** The largest file that is read, in bytes. */
export const MAX_COMPLETE_LIST_SIZE: number = MAX_COMPLETENESS_SIZE + MAX_NOTE_SIZE + 64
const ANY_VERSION = utf8(COMPLETE_LIST_HEADER.slice(0, COMPLETE_LIST_HEADER.indexOf('/') + 1))

export interface CompleteListFile {
  /** The signed note, verbatim. */
  readonly checkpoint: string
  readonly proof: CompletenessProof
}

/** Whether a file says that it is one, of whatever version. */
export function isCompleteList(bytes: Uint8Array): boolean {
  return equal(bytes.subarray(0, ANY_VERSION.length), ANY_VERSION)
}

/** The file. @throws MALFORMED unless the checkpoint is a signed note; TOO_LARGE beyond what a reader takes */
export function formatCompleteList({ checkpoint, proof }: CompleteListFile): Uint8Array {
  parseNote(utf8(checkpoint))
  const bytes = formatCompleteness(proof)
  const file = utf8(`${COMPLETE_LIST_HEADER}\n${checkpoint}\n${new TextDecoder().decode(bytes)}`)
  if (file.length > MAX_COMPLETE_LIST_SIZE) throw tooLarge()
  return file
}

/**
 * The parts of the file; nothing of it is verified.
 * @throws MALFORMED unless formatCompleteList would make the same bytes; TOO_LARGE
 */
export function parseCompleteList(bytes: Uint8Array): CompleteListFile {
  if (bytes.length > MAX_COMPLETE_LIST_SIZE) throw tooLarge()
  const text = fromUtf8(bytes, 'the file')
  if (!text.startsWith(`${COMPLETE_LIST_HEADER}\n`)) {
    throw malformed('the file begins with the line cairn-complete-list/v1, and a blank line')
  }
  // No proof has its first line a second time, while the checkpoint can be of a log of any name.
  const end = text.lastIndexOf(`\n\n${COMPLETENESS_HEADER}`)
  const start = COMPLETE_LIST_HEADER.length + 1
  if (end < start)
    throw malformed('the file has no checkpoint, or no proof of completeness after it')
  const checkpoint = text.slice(start, end + 1)
  parseNote(utf8(checkpoint))
  return { checkpoint, proof: parseCompleteness(utf8(text.slice(end + 2))) }
}

function tooLarge(): CairnError {
  const most = `the proof of a complete list has ${MAX_COMPLETE_LIST_SIZE} bytes at most`
  return new CairnError('TOO_LARGE', most)
}
