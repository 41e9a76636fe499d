/** What a file is that somebody was handed, told by how it begins; nothing is checked. */
import { equal, utf8 } from '../bytes.ts'
import { isCompleteList } from '../formats/complete-list.ts'
import { isEvidence } from '../formats/evidence.ts'
import { SPLIT_VIEW_HEADER } from '../formats/split-view.ts'
import type { VerdictKind } from './verdict.ts'
import { receiptKind } from './verify-receipt.ts'

export type FileKind = Exclude<VerdictKind, 'audit'>

/** Everything that a log, a witness, a monitor or an authority hands out, by its first bytes. */
export function fileKind(bytes: Uint8Array): FileKind {
  if (isEvidence(bytes)) return 'evidence'
  if (isCompleteList(bytes)) return 'complete-list'
  if (isSplitView(bytes)) return 'split-view'
  if (isTimeStamp(bytes)) return 'time-stamp'
  const kind = receiptKind(bytes)
  if (kind === 'tlog-proof' || kind === 'json') return kind
  if (isCheckpoint(bytes)) return 'checkpoint'
  return foreignKind(bytes) === undefined ? kind : 'unknown'
}

/** Whether a file says that it is the evidence of a split view, of whatever version. */
function isSplitView(bytes: Uint8Array): boolean {
  const start = utf8(SPLIT_VIEW_HEADER.slice(0, SPLIT_VIEW_HEADER.indexOf('/') + 1))
  return equal(bytes.subarray(0, start.length), start)
}

/** Whether bytes begin as an RFC 3161 response does: a sequence with, first, a sequence that begins with a number. */
function isTimeStamp(bytes: Uint8Array): boolean {
  const [tag, length = 0] = bytes
  const content = length < 0x80 ? 2 : 2 + (length & 0x7f)
  const [inner, , number, octets] = bytes.subarray(content, content + 4)
  return tag === 0x30 && inner === 0x30 && number === 0x02 && octets === 0x01
}

const BYTE_ORDER_MARK: readonly number[] = [0xef, 0xbb, 0xbf]
const SIGNATURE_LINE = utf8('\n— ')

/** Whether it is text with a line that begins as the signature lines of a note do. */
function isCheckpoint(bytes: Uint8Array): boolean {
  if (begins(bytes, BYTE_ORDER_MARK)) return false
  const last = bytes.length - SIGNATURE_LINE.length
  for (let at = bytes.indexOf(0x0a); at >= 0 && at <= last; at = bytes.indexOf(0x0a, at + 1)) {
    if (equal(bytes.subarray(at, at + SIGNATURE_LINE.length), SIGNATURE_LINE))
      return !bytes.subarray(0, at).includes(0)
  }
  return false
}

/** How files begin that people have at hand and take for another. */
const FOREIGN: readonly (readonly [what: string, start: readonly number[]])[] = [
  ['compressed (gzip): unpack it first', [0x1f, 0x8b]],
  ['compressed (zip): unpack it first', [0x50, 0x4b, 0x03, 0x04]],
  ['compressed (zstd): unpack it first', [0x28, 0xb5, 0x2f, 0xfd]],
  ['a PDF document', [0x25, 0x50, 0x44, 0x46]],
  ['a picture (PNG)', [0x89, 0x50, 0x4e, 0x47]],
  ['a picture (JPEG)', [0xff, 0xd8, 0xff]],
  ['marked as text by a program that put three bytes before it: save it without', BYTE_ORDER_MARK],
  ['a certificate or a key (PEM)', [0x2d, 0x2d, 0x2d, 0x2d, 0x2d]],
]

/** What a file is that no log hands out, where that can be told. */
export function foreignKind(bytes: Uint8Array): string | undefined {
  if (bytes.length === 0) return 'empty'
  // White space goes before many a web page.
  const text = bytes.subarray(
    Math.max(
      bytes.findIndex((byte) => byte > 0x20),
      0,
    ),
  )
  if (begins(text, [0x3c]))
    return 'a web page, perhaps one that a server shows in place of the file'
  return FOREIGN.find(([, start]) => begins(bytes, start))?.[0]
}

function begins(bytes: Uint8Array, start: readonly number[]): boolean {
  return start.every((byte, i) => bytes[i] === byte)
}
