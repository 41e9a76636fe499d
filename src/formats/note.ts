/**
 * Signed notes, C2SP signed-note: a text, a blank line, and signature lines. What is signed is the text with its last
 * newline, without the blank line. Parsing checks the form only; cosignature.ts and open-checkpoint.ts check signatures.
 *
 *     This is an example message.
 *
 *     — example.com/foo Uw2QOkn8srV1yJGh2VYRlL1Tnagv1YEq6TfXppzi2ONncAlTgK7Ztg1ERYNZXsYjOBH3mFXmRKuwHjG1Yu72IneyaQM=
 */
import { concat, fromBase64, fromHex, fromUtf8, toBase64, toHex, utf8 } from '../bytes.ts'
import { CairnError, malformed } from '../errors.ts'
import { checkKeyName, hasForbiddenCharacter } from './vkey.ts'

export interface NoteSignature {
  /** The name of the key that is said to have signed. */
  readonly name: string
  /** 8 lowercase hexadecimal digits. */
  readonly keyId: string
  /** What follows the key id: the signature itself, for cosignatures after a timestamp. */
  readonly signature: Uint8Array
}

export interface SignedNote {
  /** The signed text, up to and with its last newline. */
  readonly text: string
  readonly signatures: readonly NoteSignature[]
}

/** The largest note in bytes. */
export const MAX_NOTE_SIZE = 1_000_000
/** The most signature lines in a note; the standard asks for at least 16. */
export const MAX_NOTE_SIGNATURES = 100

/** What begins a signature line: an em dash and a space. */
const DASH = '\u2014 '
const KEY_ID_SIZE = 4

/** @throws MALFORMED unless `text` is a note's text: lines without control characters, each ended by a newline */
export function checkNoteText(text: string): void {
  if (!text.endsWith('\n')) throw malformed('note text does not end with a newline')
  if (hasForbiddenCharacter(text.replaceAll('\n', ''))) {
    throw malformed('note text contains a control character other than newline')
  }
}

function parseSignatureLine(line: string): NoteSignature {
  if (!line.startsWith(DASH)) {
    throw malformed('signature line does not begin with an em dash and a space')
  }
  const space = line.indexOf(' ', DASH.length)
  if (space < 0) throw malformed('signature line has no signature after the name')
  const name = line.slice(DASH.length, space)
  checkKeyName(name)
  const bytes = fromBase64(line.slice(space + 1), `signature of ${name}`)
  if (bytes.length <= KEY_ID_SIZE) throw malformed(`signature of ${name} is shorter than 5 bytes`)
  return {
    name,
    keyId: toHex(bytes.subarray(0, KEY_ID_SIZE)),
    signature: bytes.subarray(KEY_ID_SIZE),
  }
}

/**
 * Reads a note from its bytes, without checking any signature.
 * @throws TOO_LARGE above MAX_NOTE_SIZE or MAX_NOTE_SIGNATURES
 * @throws MALFORMED on anything else that formatNote would not write
 */
export function parseNote(bytes: Uint8Array): SignedNote {
  if (bytes.length > MAX_NOTE_SIZE) {
    throw new CairnError('TOO_LARGE', `note is larger than ${MAX_NOTE_SIZE} bytes`)
  }
  const note = fromUtf8(bytes, 'note')
  // SPEC signed-note: the text may have blank lines, so the last one is what separates.
  const split = note.lastIndexOf('\n\n')
  if (split < 0) throw malformed('note has no blank line before its signatures')
  const text = note.slice(0, split + 1)
  checkNoteText(text)
  return { text, signatures: parseSignatureBlock(note.slice(split + 2), 'note') }
}

/**
 * Reads signature lines that stand alone: how a witness answers (tlog-witness).
 * @throws TOO_LARGE above MAX_NOTE_SIZE or MAX_NOTE_SIGNATURES; MALFORMED unless there is at least one, and nothing else
 */
export function parseSignatureLines(bytes: Uint8Array): NoteSignature[] {
  if (bytes.length > MAX_NOTE_SIZE) {
    throw new CairnError('TOO_LARGE', `the signatures are larger than ${MAX_NOTE_SIZE} bytes`)
  }
  return parseSignatureBlock(fromUtf8(bytes, 'signatures'), 'answer')
}

function parseSignatureBlock(block: string, what: string): NoteSignature[] {
  if (block === '') throw malformed(`${what} has no signature`)
  if (!block.endsWith('\n')) throw malformed(`last line of ${what} does not end with a newline`)
  const lines = block.slice(0, -1).split('\n', MAX_NOTE_SIGNATURES + 1)
  if (lines.length > MAX_NOTE_SIGNATURES) {
    throw new CairnError('TOO_LARGE', `${what} has more than ${MAX_NOTE_SIGNATURES} signatures`)
  }
  return lines.map(parseSignatureLine)
}

/** One signature line with its newline. @throws MALFORMED when a part cannot stand in a note */
export function formatSignatureLine(signature: NoteSignature): string {
  checkKeyName(signature.name)
  const keyId = fromHex(signature.keyId, 'key id')
  if (keyId.length !== KEY_ID_SIZE) throw malformed('key id is not 8 hexadecimal digits')
  if (signature.signature.length === 0) throw malformed(`signature of ${signature.name} is empty`)
  return `${DASH}${signature.name} ${toBase64(concat(keyId, signature.signature))}\n`
}

/** The note as text. @throws MALFORMED, TOO_LARGE when parseNote would refuse it */
export function formatNote(note: SignedNote): string {
  checkNoteText(note.text)
  if (note.signatures.length === 0) throw malformed('note has no signature')
  if (note.signatures.length > MAX_NOTE_SIGNATURES) {
    throw new CairnError('TOO_LARGE', `note has more than ${MAX_NOTE_SIGNATURES} signatures`)
  }
  const formatted = `${note.text}\n${note.signatures.map(formatSignatureLine).join('')}`
  if (utf8(formatted).length > MAX_NOTE_SIZE) {
    throw new CairnError('TOO_LARGE', `note is larger than ${MAX_NOTE_SIZE} bytes`)
  }
  return formatted
}
