/**
 * Verifies an evidence file, offline: that each of its records is in a log that the verifier trusts, under a head that
 * the demanded witnesses cosigned, and that what it shows of payloads is what the records commit to. Whatever is wrong
 * with one record is said of that record, and says nothing against the others.
 */
import { verificationFailed } from '../errors.ts'
import { counted, grouped } from '../formats/count.ts'
import type { OpenedDisclosure } from '../formats/disclosure.ts'
import { checkSums, type EvidenceFiles, readEvidence } from '../formats/evidence.ts'
import { type EvidenceManifest, parseManifest, secondsOf } from '../formats/evidence-manifest.ts'
import type { OpenedCheckpoint } from '../formats/open-checkpoint.ts'
import type { RecordLeaf } from '../formats/record.ts'
import { type Finding, type OwnChecks, ownChecks, unproven, witnessedWords } from './checks.ts'
import { examineAnswer } from './evidence-answer.ts'
import { examineCompleteness } from './evidence-completeness.ts'
import { examineDisclosures, type ShownValues } from './evidence-disclosures.ts'
import { earlierHead, openHead } from './evidence-heads.ts'
import { examineInclusion } from './evidence-inclusion.ts'
import {
  type EvidenceProblem,
  type EvidenceProblemKind,
  readTrail,
  type TrailEntry,
} from './evidence-trail.ts'
import { printable } from './receipt-words.ts'
import type { Check, Trust, Verdict } from './verdict.ts'

/** The checks, in the order in which they are listed. */
export type EvidenceCheckName =
  /** It is an archive of the right files. */
  | 'format'
  /** All files are as they were when the evidence was made. */
  | 'contents'
  /** A trusted log has signed the tree. */
  | 'log signature'
  /** The witnesses that the verifier demands have cosigned it. */
  | 'witnesses'
  /** Those that the policy in the file demands have cosigned it. */
  | 'policy'
  /** The manifest is one, and is of this log. */
  | 'manifest'
  /** The records are those that are listed, in order, and what was asked for. */
  | 'records'
  /** All of them are in the tree. */
  | 'inclusion'
  /** What is shown is what they commit to. */
  | 'disclosures'
  /** The earlier head, when there is one, is of the same log. */
  | 'earlier head'
  /** The records, when the file says so, are all that the log has of what was asked for. */
  | 'completeness'

const ORDER: readonly EvidenceCheckName[] = [
  'format',
  'contents',
  'log signature',
  'witnesses',
  'policy',
  'manifest',
  'records',
  'inclusion',
  'disclosures',
  'earlier head',
  'completeness',
]

/** A record of the trail, in the order of the timeline. */
export interface EvidenceVerdictRecord {
  /** Whether it is proven to be in the log where it is listed, and all that is said and shown of it holds. */
  readonly ok: boolean
  /** As it is listed. */
  readonly index?: number
  readonly id?: string
  /** The record, when it is `ok`; so that a mere claim is never taken for one. */
  readonly record?: RecordLeaf
  /** What is shown of its payload, when it is `ok`. */
  readonly disclosed: readonly OpenedDisclosure[]
  /** The pointers of what it commits to and is not shown, when it is `ok`. */
  readonly undisclosed: readonly string[]
  /** A sentence each; empty when it is only the head that is not trusted. */
  readonly problems: readonly string[]
}

export interface EvidenceVerdict extends Verdict<'evidence'> {
  /** What the maker of the file says, which nobody signed: what was asked, and that this is all of it. */
  readonly claims?: EvidenceManifest
  /** The trail. */
  readonly records: readonly EvidenceVerdictRecord[]
  /** All that is wrong with records, and with what belongs to them. */
  readonly problems: readonly EvidenceProblem[]
}

/** Checks that may be skipped in evidence that holds. */
const OPTIONAL: readonly EvidenceCheckName[] = ['witnesses', 'earlier head', 'completeness']

type Attempt = OwnChecks<EvidenceCheckName>['attempt']

/**
 * Verifies evidence from a log that `trust` names. The policy in the file is not trusted: only that of `trust` tells
 * which witnesses are demanded. Never throws: whatever the bytes are, the verdict says in words what is wrong.
 */
export function verifyEvidence(bytes: Uint8Array, trust: Trust): EvidenceVerdict {
  const checks = ownChecks(ORDER)
  const { attempt } = checks
  const files = attempt('format', () => ({
    value: readEvidence(bytes),
    detail: 'the file is an archive of the files that evidence has',
  }))
  if (files === undefined) {
    const list = checks.list()
    const none = { records: [], problems: [], checks: list }
    return { ok: false, kind: 'evidence', finding: unproven(list), ...none }
  }
  attempt('contents', () => {
    checkSums(files)
    return { value: undefined, detail: 'all files are as they were when the evidence was made' }
  })
  const opened = openHead(files, trust, attempt)
  const claims = attempt('manifest', () => readManifest(files, opened))
  const trail = examine(files, opened, claims, attempt)
  attempt('earlier head', () => earlierHead(files, trust, opened))
  const proof = files.parts.get('completeness.txt')
  attempt('completeness', () => examineCompleteness(proof, trail.entries, opened, claims))

  const list = checks.list()
  const ok = list.every(
    ({ name, status }) =>
      status === 'held' || (status === 'skipped' && OPTIONAL.some((optional) => optional === name)),
  )
  const isTrusted = opened !== undefined && !checks.failed('witnesses')
  const records = trail.entries.map((entry) => resultOf(entry, isTrusted, trail.shown))
  const { origin, size, root } = opened?.checkpoint ?? {}
  return {
    ok,
    kind: 'evidence',
    finding: printable(ok ? provenWords(records.length, opened!, list) : unproven(list)),
    ...(ok && { origin: origin!, size: size!, root: root! }),
    ...(claims && { claims }),
    records,
    problems: trail.problems,
    checks: list,
  }
}

function provenWords(
  records: number,
  { checkpoint: { origin, size } }: OpenedCheckpoint,
  checks: readonly Check[],
): string {
  const are =
    records === 1 ? 'the 1 record is an entry' : `the ${counted(records, 'record')} are entries`
  return `${are} of the tree of ${grouped(size)} that ${origin} has signed, and what is shown of their payloads is what was recorded${witnessedWords(checks)}${completeWords(checks)}`
}

/** That none was left out, as the end of a sentence; empty when that is not shown. */
function completeWords(checks: readonly Check[]): string {
  const isHeld = checks.some(({ name, status }) => name === 'completeness' && status === 'held')
  return isHeld
    ? '; by the map that the log has committed to, none of what was asked for is left out'
    : ''
}

function readManifest(
  files: EvidenceFiles,
  opened: OpenedCheckpoint | undefined,
): Finding<EvidenceManifest> {
  const value = parseManifest(files.parts.get('manifest.json')!)
  if (secondsOf(value.made) !== files.time) {
    throw verificationFailed(
      `the manifest says that it was made at ${value.made}, and the files are of another time`,
    )
  }
  const origin = opened?.checkpoint.origin ?? value.origin
  if (value.origin !== origin) {
    throw verificationFailed(
      `the manifest is of the log ${value.origin}, and the checkpoint of ${origin}`,
    )
  }
  const detail = `made at ${value.made} for ${value.asked_by}; that these are all the records asked for is the word of whoever made it`
  return { value, detail }
}

interface Trail {
  readonly entries: readonly TrailEntry[]
  readonly shown: ShownValues | undefined
  readonly problems: readonly EvidenceProblem[]
}

/** Looks at every record from all sides, and then sums up. */
function examine(
  { parts }: EvidenceFiles,
  opened: OpenedCheckpoint | undefined,
  claims: EvidenceManifest | undefined,
  attempt: Attempt,
): Trail {
  let entries: readonly TrailEntry[]
  try {
    entries = readTrail(parts.get('timeline.txt')!, parts.get('records.jsonl')!)
  } catch (error) {
    attempt('records', () => {
      throw error
    })
    return { entries: [], shown: undefined, problems: [] }
  }
  const shown = examineDisclosures(parts.get('disclosures.txt')!, entries)
  const proof = opened && examineInclusion(parts.get('proof.txt')!, entries, opened.checkpoint)
  const answer = claims && examineAnswer(claims, entries, shown)
  const found = [entries.flatMap((entry) => entry.problems), shown.problems, proof, answer]
  const problems = found
    .flatMap((some) => some ?? [])
    .map((problem) => ({ ...problem, detail: printable(problem.detail) }))
  const conclude = (
    name: EvidenceCheckName,
    kinds: readonly EvidenceProblemKind[],
    detail: string,
  ): void => {
    attempt(name, () => {
      const details = problems.filter(({ kind }) => kinds.includes(kind)).map((one) => one.detail)
      if (details.length > 0) throw verificationFailed(summary(details))
      return { value: undefined, detail }
    })
  }
  const count = entries.length
  conclude(
    'records',
    ['missing', 'added', 'altered', 'reordered', 'foreign'],
    `the ${count} listed are there and in order${claims ? `, all of the tenant ${claims.tenant} and as asked for` : ''}`,
  )
  if (opened !== undefined) {
    const { origin, size } = opened.checkpoint
    const where = `entries of the ${size} in ${origin}'s tree, where they are listed`
    conclude('inclusion', ['not in the log', 'proof'], `all ${count} are ${where}`)
  }
  conclude('disclosures', ['disclosure'], shownSentence(shown))
  return { entries, shown, problems }
}

const NAMED = 3

function summary(details: readonly string[]): string {
  const more = details.length - NAMED
  return `${details.slice(0, NAMED).join('; ')}${more > 0 ? `; and ${more} more` : ''}`
}

function shownSentence({ count, byEntry }: ShownValues): string {
  let hidden = 0
  for (const { undisclosed } of byEntry.values()) hidden += undisclosed.length
  const rest = `${hidden} ${hidden === 1 ? 'is' : 'are'} not shown`
  if (count === 0) return `no value of a payload is shown; ${rest}`
  const values = count === 1 ? 'the 1 value shown is' : `the ${count} values shown are`
  return `${values} what the records commit to; ${rest}`
}

function resultOf(
  entry: TrailEntry,
  isTrusted: boolean,
  shown: ShownValues | undefined,
): EvidenceVerdictRecord {
  const { listed, record, problems } = entry
  const id = record?.id ?? listed?.row.id
  const names = {
    ...(listed && { index: listed.index }),
    ...(id !== undefined && { id: printable(id) }),
    problems: problems.map(({ detail }) => printable(detail)),
  }
  if (!isTrusted || record === undefined || problems.length > 0) {
    return { ok: false, ...names, disclosed: [], undisclosed: [] }
  }
  const { held = [], undisclosed = [] } = shown?.byEntry.get(entry) ?? {}
  return { ok: true, ...names, record, disclosed: held, undisclosed }
}
