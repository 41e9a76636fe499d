/**
 * The evidence file, `.cairn`: records of one tenant, what may be shown of their payloads, and the proof that they are in
 * a tree that its log signed and witnesses cosigned (spec/evidence.md). It is a tar archive of text files, so that whoever
 * gets one can unpack it, read it, and check it by `sha256sum`:
 *
 *     SHA256SUMS            of all that follow, for `sha256sum -c`
 *     manifest.json         what was asked, by whom, when
 *     timeline.txt          a line for each record: where it is in the log, and what it says in the clear
 *     records.jsonl         the leaves, a line each, to the byte
 *     disclosures.txt       what is shown of the payloads, a line each
 *     proof.txt             the nodes of the tree that lead from the leaves to its root
 *     checkpoint.txt        the signed head of that tree
 *     policy.txt            whose cosignatures its log asks for
 *     older-checkpoint.txt  and consistency.txt: that an earlier head is of the same log
 *     completeness.txt      the proof that these are all the records of what was asked for
 */
import { sha256 } from '#sha256'
import { equal, fromUtf8, join, toHex, utf8 } from '../bytes.ts'
import { CairnError, malformed } from '../errors.ts'
import { hashLeaf, type NodeHash } from '../merkle/hash.ts'
import type { LeafIndex } from '../merkle/position.ts'
import { sharedInclusionPath } from '../merkle/shared-inclusion.ts'
import { parseCheckpoint } from './checkpoint.ts'
import { type CompletenessProof, formatCompleteness } from './completeness.ts'
import type { Disclosure } from './disclosure.ts'
import {
  formatDisclosureLine,
  formatHashes,
  formatProof,
  formatTimeline,
  type TimelineRow,
  timelineRow,
} from './evidence-lines.ts'
import {
  type EvidenceManifest,
  formatManifest,
  MAX_EVIDENCE_RECORDS,
  secondsOf,
} from './evidence-manifest.ts'
import { parseNote } from './note.ts'
import { parseRecord, type RecordLeaf } from './record.ts'
import { formatArchive, parseArchive } from './ustar.ts'

/** The largest evidence that is made or read, in bytes. */
export const MAX_EVIDENCE_SIZE = 536_870_912

const PARTS = [
  'SHA256SUMS',
  'manifest.json',
  'timeline.txt',
  'records.jsonl',
  'disclosures.txt',
  'proof.txt',
  'checkpoint.txt',
  'policy.txt',
] as const
const HISTORY = ['older-checkpoint.txt', 'consistency.txt'] as const
const COMPLETENESS = 'completeness.txt'
const FOLDER = 'cairn-evidence/'

/** The name of a file in the archive, without the folder they are all in. */
export type EvidencePart = (typeof PARTS)[number] | (typeof HISTORY)[number] | typeof COMPLETENESS

/** A record to be shown. */
export interface EvidenceRecord {
  readonly index: LeafIndex
  readonly leaf: Uint8Array
  /** What the leaf says, where that was read before; reading a hundred thousand takes seconds. */
  readonly record?: RecordLeaf
  /** Those that may be shown. */
  readonly disclosures: readonly Disclosure[]
}

/** What evidence is made of. */
export interface Evidence {
  readonly manifest: Omit<EvidenceManifest, 'records' | 'disclosures'>
  /** In any order; 1 to 100,000. */
  readonly records: readonly EvidenceRecord[]
  /** The hashes of the nodes at sharedInclusionPath of the records in the checkpoint's tree. */
  readonly proof: readonly NodeHash[]
  /** The signed note, verbatim. */
  readonly checkpoint: string
  /** A tlog-policy, verbatim. */
  readonly policy: Uint8Array
  /** A head from before, and the consistency proof from it to the checkpoint. */
  readonly older?: { readonly checkpoint: string; readonly proof: readonly NodeHash[] }
  /** The proof, under the checkpoint, of all entries that a term of the query has. */
  readonly completeness?: CompletenessProof
}

/** Whether the bytes begin as evidence does. */
export function isEvidence(bytes: Uint8Array): boolean {
  const start = utf8(`${FOLDER}${PARTS[0]}\0`)
  return equal(bytes.subarray(0, start.length), start)
}

/**
 * The evidence as a file. Verifies nothing: see verifyEvidence.
 * @throws RangeError when records are none, too many or twice at one index, or the proof does not have a hash for each node
 * @throws MALFORMED when a leaf is no record, or the manifest or the checkpoint no such thing
 * @throws TOO_LARGE beyond MAX_EVIDENCE_SIZE
 */
export function formatEvidence(evidence: Evidence): Uint8Array {
  const steps = formatEvidenceInSteps(evidence)
  for (;;) {
    const step = steps.next()
    if (step.done === true) return step.value
  }
}

/** Records that a step is about. */
const STEP = 2_000

/** The same, for whoever has other things to do in between: large evidence takes seconds. @throws as formatEvidence */
export function* formatEvidenceInSteps(evidence: Evidence): Generator<undefined, Uint8Array> {
  const records = [...evidence.records].sort((a, b) => a.index - b.index)
  if (records.length < 1 || records.length > MAX_EVIDENCE_RECORDS) {
    throw new RangeError(`expected 1 to ${MAX_EVIDENCE_RECORDS} records, got ${records.length}`)
  }
  const twice = records.find(({ index }, i) => index === records[i - 1]?.index)
  if (twice !== undefined) throw new RangeError(`entry ${twice.index} is there twice`)
  const { size } = parseCheckpoint(parseNote(utf8(evidence.checkpoint)).text)
  const positions = sharedInclusionPath(
    records.map(({ index }) => index),
    size,
  )
  const rows: TimelineRow[] = []
  const shown: Uint8Array[] = []
  for (const one of records) {
    const { index, leaf, record = parseRecord(leaf) } = one
    const disclosures = inOrder(one)
    const disclosed = disclosures.map(({ pointer }) => pointer)
    rows.push(timelineRow({ index, leafHash: hashLeaf(leaf), record, disclosed }))
    for (const disclosure of disclosures) shown.push(formatDisclosureLine(index, disclosure))
    if (rows.length % STEP === 0) yield
  }
  const manifest = { ...evidence.manifest, records: records.length, disclosures: shown.length }
  const newline = Uint8Array.of(0x0a)
  const { older, completeness } = evidence
  const parts = new Map<EvidencePart, Uint8Array>()
  parts.set('manifest.json', formatManifest(manifest))
  parts.set('timeline.txt', formatTimeline(rows))
  yield
  parts.set('records.jsonl', join(records.flatMap(({ leaf }) => [leaf, newline])))
  yield
  parts.set('disclosures.txt', join(shown))
  yield
  parts.set('proof.txt', formatProof(positions, evidence.proof))
  parts.set('checkpoint.txt', utf8(evidence.checkpoint))
  parts.set('policy.txt', evidence.policy)
  yield
  if (older !== undefined) {
    parts.set('older-checkpoint.txt', utf8(older.checkpoint))
    parts.set('consistency.txt', formatHashes(older.proof))
  }
  if (completeness !== undefined) parts.set(COMPLETENESS, formatCompleteness(completeness))
  const sums: [EvidencePart, Uint8Array] = ['SHA256SUMS', utf8(sumsOf(parts).join(''))]
  yield
  const files = [sums, ...parts].map(([name, bytes]) => ({ name: `${FOLDER}${name}`, bytes }))
  checkSize(files.reduce((sum, { bytes }) => sum + bytes.length + 1024, 1024))
  return formatArchive({ time: secondsOf(manifest.made), files })
}

/** The disclosures of a record in the order of their pointers. */
function inOrder({ disclosures }: EvidenceRecord): readonly Disclosure[] {
  return [...disclosures].sort((a, b) =>
    a.pointer < b.pointer ? -1 : a.pointer > b.pointer ? 1 : 0,
  )
}

function checkSize(size: number): void {
  if (size > MAX_EVIDENCE_SIZE) {
    throw new CairnError('TOO_LARGE', `evidence has ${MAX_EVIDENCE_SIZE} bytes at most`)
  }
}

/** The lines of SHA256SUMS for these parts. */
function sumsOf(parts: ReadonlyMap<EvidencePart, Uint8Array>): string[] {
  return [...parts].map(([name, bytes]) => `${toHex(sha256(bytes))}  ${name}\n`)
}

/** The files of the evidence, as they are in the archive. */
export interface EvidenceFiles {
  /** That of the files, in seconds since 1970. */
  readonly time: number
  /** Without SHA256SUMS. */
  readonly parts: ReadonlyMap<EvidencePart, Uint8Array>
  readonly sums: Uint8Array
}

/**
 * Takes evidence apart. What its files say is read elsewhere.
 * @throws TOO_LARGE beyond MAX_EVIDENCE_SIZE
 * @throws MALFORMED unless it is an archive of the right files
 */
export function readEvidence(bytes: Uint8Array): EvidenceFiles {
  if (!isEvidence(bytes)) throw malformed(`evidence begins with the file ${FOLDER}${PARTS[0]}`)
  checkSize(bytes.length)
  const { time, files } = parseArchive(bytes, PARTS.length + HISTORY.length + 1)
  const optional = files.slice(PARTS.length).map(({ name }) => name)
  const isComplete = optional.at(-1) === `${FOLDER}${COMPLETENESS}`
  const expected: readonly EvidencePart[] = [
    ...PARTS,
    ...(optional.length > (isComplete ? 1 : 0) ? HISTORY : []),
    ...(isComplete ? [COMPLETENESS as typeof COMPLETENESS] : []),
  ]
  for (const [i, name] of expected.entries()) {
    const found = files[i]?.name
    if (found === `${FOLDER}${name}`) continue
    throw malformed(
      found === undefined
        ? `the evidence has no file ${name}`
        : `the evidence has the file ${found} where ${FOLDER}${name} should be`,
    )
  }
  const more = files[expected.length]
  if (more !== undefined) throw malformed(`the evidence has the file ${more.name}, too`)
  const parts = new Map(expected.map((name, i) => [name, files[i]!.bytes]))
  const sums = parts.get('SHA256SUMS')!
  parts.delete('SHA256SUMS')
  return { time, parts, sums }
}

/**
 * Checks that the files are those that SHA256SUMS lists.
 * @throws MALFORMED when it is no such list; VERIFICATION_FAILED with the names of files that are others
 */
export function checkSums({ parts, sums }: EvidenceFiles): void {
  // Not by a look behind, which Safari has learnt in 2023 only.
  const lines = fromUtf8(sums, 'SHA256SUMS').match(/[^\n]*\n|[^\n]+$/g) ?? []
  const names = [...parts.keys()]
  const isList = lines.every(
    (line, i) => /^[0-9a-f]{64} {2}/.test(line) && line.slice(66) === `${names[i]}\n`,
  )
  if (lines.length !== names.length || !isList) {
    throw malformed('SHA256SUMS is not the list of the files in the evidence')
  }
  const changed = sumsOf(parts).flatMap((line, i) => (line === lines[i] ? [] : [names[i]]))
  if (changed.length > 0) {
    const message = `changed since the evidence was made: ${changed.join(', ')}`
    throw new CairnError('VERIFICATION_FAILED', message)
  }
}
