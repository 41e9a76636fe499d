/**
 * Verifies the evidence of a split view, offline: that a log signed two heads which cannot both be true. All of it
 * follows from the log's own signatures, so that nobody who brings it need be believed.
 */
import { equal, toHex, utf8 } from '../bytes.ts'
import { messageOf, verificationFailed } from '../errors.ts'
import type { Checkpoint } from '../formats/checkpoint.ts'
import { verifyNoteSignature } from '../formats/cosignature.ts'
import { parseNote } from '../formats/note.ts'
import { LOG_KEY_TYPES } from '../formats/open-checkpoint.ts'
import { type ParsedSplitView, parseSplitView } from '../formats/split-view.ts'
import type { VerifierKey } from '../formats/vkey.ts'
import { verifyConsistency } from '../merkle/consistency.ts'
import { EMPTY_ROOT, type RootHash } from '../merkle/hash.ts'
import { type Checker, runChecks, unproven } from './checks.ts'
import { keyWords, printable } from './receipt-words.ts'
import { trustedLogKeys } from './trust.ts'
import type { Trust, Verdict } from './verdict.ts'

/** The checks, in the order in which they are made. */
export type SplitViewCheckName =
  /** The file follows its format, and is as it was made. */
  | 'format'
  /** Both heads are of the same log. */
  | 'one log'
  /** A trusted key of that log has signed both. */
  | 'log signature'
  /** They cannot both be true. */
  | 'contradiction'

const ORDER: readonly SplitViewCheckName[] = ['format', 'one log', 'log signature', 'contradiction']

type SplitViewChecker = Checker<SplitViewCheckName>

export interface SplitHead {
  readonly size: number
  readonly root: RootHash
}

/**
 * Whether it is proven that the log signed two heads that cannot both be true. Then the finding says what the log did;
 * it is bad news about the log.
 */
export interface SplitViewVerdict extends Verdict<'split-view'> {
  /** Absent unless `ok`. */
  readonly heads?: readonly [SplitHead, SplitHead]
}

/**
 * Verifies the evidence of a split view by a log that `trust` names; its policy's quorum plays no part. Never throws:
 * whatever the bytes are, the verdict says in words which check they fail.
 */
export function verifySplitView(bytes: Uint8Array, trust: Trust): SplitViewVerdict {
  const { proven, checks } = runChecks(ORDER, (check) => {
    const evidence = check('format', () => ({
      value: parseSplitView(bytes),
      detail: 'the file is a well-formed split view, unchanged since it was made',
    }))
    const origin = checkOrigins(evidence, check)
    checkSignatures(evidence, origin, trust, check)
    const finding = check('contradiction', () => {
      const value = contradiction(evidence, origin)
      return { value, detail: value }
    })
    const { first, second } = evidence.heads
    return { origin, heads: [headOf(first), headOf(second)] as const, finding: printable(finding) }
  })
  return {
    ok: proven !== undefined,
    kind: 'split-view',
    finding: unproven(checks),
    ...proven,
    checks,
  }
}

function headOf({ size, root }: Checkpoint): SplitHead {
  return { size, root }
}

function checkOrigins({ heads }: ParsedSplitView, check: SplitViewChecker): string {
  return check('one log', () => {
    const { origin } = heads.first
    if (heads.second.origin !== origin) {
      throw verificationFailed(`the heads are of two logs, ${origin} and ${heads.second.origin}`)
    }
    return { value: origin, detail: `both heads are of ${origin}` }
  })
}

function checkSignatures(
  { first, second, heads }: ParsedSplitView,
  origin: string,
  trust: Trust,
  check: SplitViewChecker,
): void {
  check('log signature', () => {
    const keys = trustedLogKeys(trust).filter(
      ({ name, type }) => name === origin && LOG_KEY_TYPES.includes(type),
    )
    if (keys.length === 0)
      throw verificationFailed(`none of the given log keys is one of ${origin}`)
    const signers = [
      signersOf(first, heads.first, keys),
      signersOf(second, heads.second, keys),
    ] as const
    const [one, other] = signers.map(keyWords)
    const detail = `${origin} signed both heads: the first with its ${one}, the second with its ${other}`
    return { value: undefined, detail }
  })
}

/**
 * The log's keys that have signed a head, at least one. A further line that does not verify takes nothing away from
 * one that does: otherwise a log could spoil one line of a head and deny the rest of it.
 */
function signersOf(
  text: string,
  head: Checkpoint,
  keys: readonly VerifierKey[],
): readonly VerifierKey[] {
  const note = parseNote(utf8(text))
  const signers = new Set<VerifierKey>()
  let reason = 'it has no signature line by one'
  for (const line of note.signatures) {
    const key = keys.find(({ name, keyId }) => name === line.name && keyId === line.keyId)
    if (key === undefined || signers.has(key)) continue
    try {
      verifyNoteSignature(note, line, key)
      signers.add(key)
    } catch (error) {
      reason = messageOf(error)
    }
  }
  if (signers.size > 0) return [...signers]
  throw verificationFailed(
    `the head of ${head.size} is not signed by a given key of ${head.origin}: ${reason}`,
  )
}

/** Says how the heads contradict each other. @throws VERIFICATION_FAILED when they do not */
function contradiction({ heads, prefix }: ParsedSplitView, origin: string): string {
  const { first, second } = heads
  if (first.size === second.size) {
    // The format has no room for two heads of the same size and root.
    return `${origin} signed two different trees of ${leaves(first.size)}, with the root hashes ${toHex(first.root)} and ${toHex(second.root)}`
  }
  if (first.size === 0) {
    if (equal(first.root, EMPTY_ROOT)) {
      throw verificationFailed(
        'the first head is that of the empty tree, with which every tree begins',
      )
    }
    return `${origin} signed a tree of no leaves with the root hash ${toHex(first.root)}, which is not that of the empty tree`
  }
  // The format has a prefix for these sizes.
  const { root, proof } = prefix!
  try {
    verifyConsistency(first.size, second.size, proof, root, second.root)
  } catch (cause) {
    const reason = `it is not shown what the tree of ${second.size} begins with: ${messageOf(cause)}`
    throw verificationFailed(reason, cause)
  }
  if (equal(root, first.root)) {
    throw verificationFailed(
      `the heads agree: the tree of ${second.size} begins with that of ${leaves(first.size)}`,
    )
  }
  const start =
    first.size === 1
      ? `the first leaf under its head of ${second.size} is not the one`
      : `the first ${first.size} leaves under its head of ${second.size} are not those`
  return `${origin} signed two trees that cannot both be true: ${start} it signed as its head of ${first.size}`
}

function leaves(count: number): string {
  return count === 1 ? '1 leaf' : `${count} leaves`
}
