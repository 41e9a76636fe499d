/** The files of evidence that have a line for each thing: timeline, disclosures, and the nodes of the proof. */
import { fromBase64, fromDecimal, fromUtf8, join, toBase64, toHex, utf8 } from '../bytes.ts'
import { CairnError, malformed } from '../errors.ts'
import { HASH_SIZE, type LeafHash, type NodeHash, nodeHash } from '../merkle/hash.ts'
import { type LeafIndex, leafIndex, type Position } from '../merkle/position.ts'
import { type Disclosure, disclosureOf, MAX_DISCLOSURE_SIZE } from './disclosure.ts'
import type { RecordLeaf } from './record.ts'

const NEWLINE = 0x0a
const TAB = 0x09

/**
 * The lines of a file, without their newlines; views of `bytes`.
 * @throws MALFORMED when the last one has no newline; TOO_LARGE when there are more than `most`
 */
export function linesOf(bytes: Uint8Array, what: string, most: number): Uint8Array[] {
  // Counted first: a view weighs more than a short line.
  let count = 0
  for (let at = bytes.indexOf(NEWLINE); at >= 0; at = bytes.indexOf(NEWLINE, at + 1)) {
    if (count++ === most) throw new CairnError('TOO_LARGE', `${what} has more than ${most} lines`)
  }
  const lines: Uint8Array[] = []
  for (let at = 0; at < bytes.length; ) {
    const end = bytes.indexOf(NEWLINE, at)
    if (end < 0) throw malformed(`${what} does not end with a newline`)
    lines.push(bytes.subarray(at, end))
    at = end + 1
  }
  return lines
}

/** The columns of the timeline, separated by tabs. */
export const TIMELINE_COLUMNS = [
  'index',
  'time',
  'type',
  'action',
  'model',
  'disclosed',
  'id',
  'leaf_hash',
] as const
export type TimelineColumn = (typeof TIMELINE_COLUMNS)[number]
export type TimelineRow = Readonly<Record<TimelineColumn, string>>

/** What a line of the timeline follows from. */
export interface TimelineFacts {
  readonly index: LeafIndex
  readonly leafHash: LeafHash
  readonly record: RecordLeaf
  /** The pointers of what is shown of its payload, in their order. */
  readonly disclosed: readonly string[]
}

export function timelineRow({ index, leafHash, record, disclosed }: TimelineFacts): TimelineRow {
  const { name, version } = record.model ?? {}
  return {
    index: String(index),
    time: record.time,
    type: record.type,
    action: record.action ?? '',
    model: [name, version].filter((text) => text !== undefined).join(' '),
    disclosed: disclosed.join(' '),
    id: record.id,
    leaf_hash: toHex(leafHash),
  }
}

/** The timeline as a file: a line with the names of the columns, and one for each record. */
export function formatTimeline(rows: readonly TimelineRow[]): Uint8Array {
  const lines = rows.map((row) => TIMELINE_COLUMNS.map((column) => row[column]).join('\t'))
  return utf8([TIMELINE_COLUMNS.join('\t'), ...lines, ''].join('\n'))
}

/** A line of the timeline as it was read: its cells, and the index they begin with. */
export interface ReadRow {
  readonly row: TimelineRow
  readonly index: LeafIndex
}

/** @throws MALFORMED unless it has the columns, an index among them */
export function parseTimelineRow(line: Uint8Array): ReadRow {
  const cells = fromUtf8(line, 'it').split('\t')
  if (cells.length !== TIMELINE_COLUMNS.length) {
    throw malformed(`it has ${cells.length} columns instead of ${TIMELINE_COLUMNS.length}`)
  }
  const row = Object.fromEntries(TIMELINE_COLUMNS.map((column, i) => [column, cells[i]]))
  return { row: row as TimelineRow, index: parseIndex(cells[0]!) }
}

/** The first line of the timeline. */
export const TIMELINE_HEADER: string = TIMELINE_COLUMNS.join('\t')

function parseIndex(text: string): LeafIndex {
  const index = fromDecimal(text, 'its index')
  if (index === Number.MAX_SAFE_INTEGER) throw malformed('its index is larger than 2^53-2')
  return leafIndex(index)
}

/** `<index> TAB <canonical JSON of salt, pointer and value>`, with its newline. JSON has no tab or newline of its own. */
export function formatDisclosureLine(index: LeafIndex, { json }: Disclosure): Uint8Array {
  return join([utf8(`${index}\t`), json, Uint8Array.of(NEWLINE)])
}

/** @throws MALFORMED, TOO_LARGE unless it is an index and what begins like a disclosure */
export function parseDisclosureLine(line: Uint8Array): {
  readonly index: LeafIndex
  readonly disclosure: Disclosure
} {
  const tab = line.subarray(0, 17).indexOf(TAB)
  if (tab < 0) throw malformed('it does not begin with an index and a tab')
  if (line.length > MAX_DISCLOSURE_SIZE + 17) throw malformed('it is too long for a disclosure')
  const index = parseIndex(fromUtf8(line.subarray(0, tab), 'its index'))
  return { index, disclosure: disclosureOf(line.subarray(tab + 1)) }
}

/** A node of the tree as the proof has it. */
export interface ProofNode {
  readonly position: Position
  readonly hash: NodeHash
}

/** The nodes as a file: `<height> <index> <base64>`. @throws RangeError unless there is a hash for each */
export function formatProof(
  positions: readonly Position[],
  hashes: readonly NodeHash[],
): Uint8Array {
  if (positions.length !== hashes.length) {
    throw new RangeError(`expected ${positions.length} hashes, got ${hashes.length}`)
  }
  const lines = positions.map(
    ({ height, index }, i) => `${height} ${index} ${toBase64(nodeHash(hashes[i]!))}\n`,
  )
  return utf8(lines.join(''))
}

/** @throws MALFORMED */
export function parseProofLine(line: Uint8Array): ProofNode {
  const cells = fromUtf8(line, 'it').split(' ')
  if (cells.length !== 3) throw malformed('it is not a height, an index and a hash')
  const [height, index, hash] = cells as [string, string, string]
  const position = {
    height: fromDecimal(height, 'its height'),
    index: fromDecimal(index, 'its index'),
  }
  if (position.height > 53) throw malformed('no tree is as high as that')
  return { position, hash: parseHash(hash) }
}

/** Hashes as a file, a line of base64 each. */
export function formatHashes(hashes: readonly NodeHash[]): Uint8Array {
  return utf8(hashes.map((hash) => `${toBase64(nodeHash(hash))}\n`).join(''))
}

/** @throws MALFORMED */
export function parseHashLine(line: Uint8Array): NodeHash {
  return parseHash(fromUtf8(line, 'it'))
}

function parseHash(text: string): NodeHash {
  const bytes = fromBase64(text, 'its hash')
  if (bytes.length !== HASH_SIZE) throw malformed(`its hash has ${bytes.length} bytes`)
  return nodeHash(bytes)
}
