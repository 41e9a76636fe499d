/**
 * Verifies the proof that a list of entries is complete, or that there is nothing to list, against keys that the caller
 * trusts; offline. It is the log's word to everybody: whether the map that it goes by is right, an audit tells.
 */
import { utf8 } from '../bytes.ts'
import { parseCompleteList } from '../formats/complete-list.ts'
import { type CompleteList, verifyCompleteness } from '../formats/completeness.ts'
import type { MapTerm } from '../formats/completeness-terms.ts'
import { counted } from '../formats/count.ts'
import type { OpenedCheckpoint } from '../formats/open-checkpoint.ts'
import { type Finding, runChecks, unproven, witnessedWords } from './checks.ts'
import { quorumFinding } from './quorum.ts'
import { printable, signatureSentence } from './receipt-words.ts'
import { openTrusted } from './trust.ts'
import type { Check, Trust, Verdict } from './verdict.ts'

/** The checks, in the order in which they are made. */
export type CompleteListCheckName =
  /** It is written as the format demands. */
  | 'format'
  /** A trusted log has signed the tree. */
  | 'log signature'
  /** The witnesses that the verifier demands have cosigned it. */
  | 'witnesses'
  /** The list is what the log's map has under the term. */
  | 'completeness'
  /** What the proof says nothing of; always skipped. */
  | 'not covered'

const ORDER: readonly CompleteListCheckName[] = [
  'format',
  'log signature',
  'witnesses',
  'completeness',
  'not covered',
]

export interface CompleteListVerdict extends Verdict<'complete-list'> {
  /** What is proven: all entries before `size` that the log lists under the term, or none; absent unless `ok`. */
  readonly list?: CompleteList
}

/** Indices that a sentence names. */
const NAMED = 50

/**
 * Verifies a complete list of a log that `trust` names. Never throws over the bytes: the verdict says what is wrong.
 */
export function verifyCompleteList(bytes: Uint8Array, trust: Trust): CompleteListVerdict {
  const { proven, checks } = runChecks(ORDER, (check) => {
    const file = check('format', () => ({
      value: parseCompleteList(bytes),
      detail: 'the file is a checkpoint and a proof of completeness',
    }))
    const opened = check('log signature', (): Finding<OpenedCheckpoint> => {
      const value = openTrusted(utf8(file.checkpoint), trust)
      const { origin, size } = value.checkpoint
      return { value, detail: signatureSentence(size, origin, value.logSignatures) }
    })
    check('witnesses', () => quorumFinding(trust.policy, opened.cosignatures))
    const list = check('completeness', () => {
      const value = verifyCompleteness(file.proof, opened.checkpoint)
      const committed = `by the map to which it has committed in entry ${value.entry}; an audit tells whether that map is right`
      return { value, detail: `${listWords(value)}, ${committed}` }
    })
    check('not covered', () => ({
      value: undefined,
      status: 'skipped',
      detail: uncoveredWords(list),
    }))
    return { list, head: opened.checkpoint }
  })
  if (proven === undefined) {
    return { ok: false, kind: 'complete-list', finding: unproven(checks), checks }
  }
  const { list, head } = proven
  const { origin, size, root } = head
  return {
    ok: true,
    kind: 'complete-list',
    finding: printable(provenWords(list, origin, checks)),
    origin,
    size,
    root,
    list,
    checks,
  }
}

function provenWords(list: CompleteList, origin: string, checks: readonly Check[]): string {
  const { indices, size } = list
  const words =
    indices.length === 0
      ? `up to tree size ${size}, ${origin} has no entry of ${termWords(list.term)}`
      : `these are all entries of ${termWords(list.term)} in ${origin} up to tree size ${size}: ${indexWords(indices)}`
  return `${words}; the log has said so to everybody, in its entry ${list.entry}${witnessedWords(checks)}`
}

function listWords({ term, indices, size }: CompleteList): string {
  const first = `of the first ${counted(size, 'entry', 'entries')}`
  if (indices.length === 0) return `${first} the log lists none under ${termWords(term)}`
  const all = `${indices.length} ${indices.length === 1 ? 'entry' : 'entries'}: ${indexWords(indices)}`
  return `${first} the log lists under ${termWords(term)} ${all}`
}

function termWords(term: MapTerm): string {
  return `${namedTerm(term)} of the tenant ${term.tenant}`
}

/** What can only be an id; anything else could go on like the sentence that it stands in. */
const PLAIN = /^[A-Za-z0-9._:@/-]+$/

/** `request req-1`, or `request "what I was asked"`: who chose the value cannot add words to a verdict. */
export function namedTerm({ field, value }: Pick<MapTerm, 'field' | 'value'>): string {
  return `${field} ${PLAIN.test(value) ? value : JSON.stringify(value)}`
}

function indexWords(indices: readonly number[]): string {
  const more = indices.length - NAMED
  return `${indices.slice(0, NAMED).join(', ')}${more > 0 ? `, and ${more} more` : ''}`
}

function uncoveredWords({ term: { field }, size }: CompleteList): string {
  return `entry ${size} and later ones; another spelling of the ${field}; what never came into the log. An entry that only looks like such a record is listed as well`
}
