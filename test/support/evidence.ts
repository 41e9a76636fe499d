/** Evidence for tests: a log of records in memory, files made from it, and files changed behind their sums. */
import { createHash } from 'node:crypto'
import { utf8 } from '../../src/bytes.ts'
import type { Trust } from '../../src/client/verdict.ts'
import { formatCheckpoint } from '../../src/formats/checkpoint.ts'
import type { CompletenessProof } from '../../src/formats/completeness.ts'
import type { Disclosure } from '../../src/formats/disclosure.ts'
import { type Evidence, formatEvidence } from '../../src/formats/evidence.ts'
import { formatNote } from '../../src/formats/note.ts'
import { parsePolicy } from '../../src/formats/policy.ts'
import type { SubmittedRecord } from '../../src/formats/record.ts'
import { formatArchive, parseArchive } from '../../src/formats/ustar.ts'
import { nodeHash, rootHash } from '../../src/merkle/hash.ts'
import { leafIndex, treeSize } from '../../src/merkle/position.ts'
import { sharedInclusionPath } from '../../src/merkle/shared-inclusion.ts'
import { type Hash, type NaiveTree, naiveTreeOf } from '../merkle/naive.ts'
import { COSIGNED_AT, LOG_KEY, ORIGIN, WITNESS_1, WITNESS_2 } from './example-log.ts'
import { countedSalts, prepared, RECORD_TIME } from './records.ts'
import { POLICY } from './vector-keys.ts'

export const EVIDENCE_POLICY: Uint8Array = utf8(POLICY)
/** The log's key, and both of its witnesses. */
export const EVIDENCE_TRUST: Trust = { logKeys: [], policy: parsePolicy(EVIDENCE_POLICY) }

export interface RecordLog {
  readonly leaves: readonly Uint8Array[]
  readonly disclosures: readonly (readonly Disclosure[])[]
  readonly tree: NaiveTree
}

/** A UUIDv7 for each number. */
export function recordId(number: number): string {
  return `019a9bd4-5c00-7abc-8def-${number.toString(16).padStart(12, '0')}`
}

/** A log whose entries are records of these submissions, each a second after the one before; bytes go in as they are. */
export function recordLog(
  submissions: readonly (SubmittedRecord | Uint8Array)[],
  by: 'log' | undefined = undefined,
): RecordLog {
  const salts = countedSalts()
  const made = submissions.map((submission, i) => {
    if (submission instanceof Uint8Array) return { leaf: submission, disclosures: [] }
    const isLogs = by === 'log' || ['grant', 'access', 'erasure'].includes(submission.type)
    const time = RECORD_TIME + 1000 * i
    return prepared(submission, {
      id: recordId(i),
      time,
      salts,
      ...(isLogs && { by: 'log' }),
    })
  })
  const leaves = made.map(({ leaf }) => leaf)
  return {
    leaves,
    disclosures: made.map(({ disclosures }) => disclosures),
    tree: naiveTreeOf(leaves),
  }
}

export function headOfLog(
  log: RecordLog,
  size = log.leaves.length,
  witnesses: readonly (typeof WITNESS_1)[] = [WITNESS_1, WITNESS_2],
): string {
  const root = rootHash(log.tree.root(0, size))
  const text = formatCheckpoint({ origin: ORIGIN, size: treeSize(size), root, extensions: [] })
  const signatures = [
    LOG_KEY.sign(text),
    ...witnesses.map((witness) => witness.cosign(text, COSIGNED_AT)),
  ]
  return formatNote({ text, signatures })
}

/** The hash of a node of the tree of `size` leaves. */
export function nodeOf(
  tree: NaiveTree,
  { height, index }: { height: number; index: number },
  size: number,
): Hash {
  return tree.root(index * 2 ** height, Math.min(size, (index + 1) * 2 ** height))
}

export interface EvidenceOptions {
  readonly size?: number
  readonly manifest?: Partial<Evidence['manifest']>
  /** Whether to show what stands at the pointer. */
  readonly show?: (pointer: string, index: number) => boolean
  readonly witnesses?: readonly (typeof WITNESS_1)[]
  readonly policy?: Uint8Array
  readonly checkpoint?: string
  readonly olderSize?: number
  readonly completeness?: CompletenessProof
}

export const MANIFEST: Evidence['manifest'] = {
  origin: ORIGIN,
  tenant: 'acme',
  query: {},
  asked_by: 'auditor@example.com',
  purpose: 'complaint 2026/117',
  made: '2026-11-21T18:30:00.250Z',
}

/** What evidence of these entries is made of. */
export function evidenceOf(
  log: RecordLog,
  indices: readonly number[],
  options: EvidenceOptions = {},
): Evidence {
  const { size = log.leaves.length, show = () => true, olderSize } = options
  const path = sharedInclusionPath(indices.map(leafIndex), treeSize(size))
  return {
    manifest: { ...MANIFEST, ...options.manifest },
    records: indices.map((index) => ({
      index: leafIndex(index),
      leaf: log.leaves[index]!,
      disclosures: log.disclosures[index]!.filter(({ pointer }) => show(pointer, index)),
    })),
    proof: path.map((position) => nodeHash(nodeOf(log.tree, position, size))),
    checkpoint: options.checkpoint ?? headOfLog(log, size, options.witnesses),
    policy: options.policy ?? EVIDENCE_POLICY,
    ...(olderSize !== undefined && {
      older: {
        checkpoint: headOfLog(log, olderSize, []),
        proof: olderSize === 0 ? [] : log.tree.proof(olderSize, size).map(nodeHash),
      },
    }),
    ...(options.completeness && { completeness: options.completeness }),
  }
}

export function evidenceFile(
  log: RecordLog,
  indices: readonly number[],
  options: EvidenceOptions = {},
): Uint8Array {
  return formatEvidence(evidenceOf(log, indices, options))
}

export type Files = Record<string, string>

/** The files of the archive as text, by the names they have without the folder. */
export function filesOf(evidence: Uint8Array): Files {
  return Object.fromEntries(
    parseArchive(evidence, 20).files.map(({ name, bytes }) => [
      name.slice(name.indexOf('/') + 1),
      Buffer.from(bytes).toString('utf8'),
    ]),
  )
}

/** The file as somebody makes it who changes its files, and then their sums. */
export function forged(evidence: Uint8Array, change: (files: Files) => void): Uint8Array {
  const { time } = parseArchive(evidence, 20)
  const files = filesOf(evidence)
  change(files)
  return archiveOf(files, time)
}

/** An archive of these files, with the sums that they have. */
export function archiveOf({ SHA256SUMS: _, ...files }: Files, time: number): Uint8Array {
  const sums = Object.entries(files).map(
    ([name, text]) => `${createHash('sha256').update(text).digest('hex')}  ${name}\n`,
  )
  const all = { SHA256SUMS: sums.join(''), ...files }
  return formatArchive({
    time,
    files: Object.entries(all).map(([name, text]) => ({
      name: `cairn-evidence/${name}`,
      bytes: utf8(text),
    })),
  })
}

/** The lines of one of the files, changed. */
export function withLines(
  files: Files,
  name: string,
  change: (lines: string[]) => readonly string[],
): void {
  const lines = change(files[name]!.split('\n').slice(0, -1))
  files[name] = lines.map((line) => `${line}\n`).join('')
}
