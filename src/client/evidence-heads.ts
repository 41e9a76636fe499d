/** The heads in evidence: the one that all of its records are proven to be under, and an earlier one that it grew from. */
import { equal } from '../bytes.ts'
import { verificationFailed } from '../errors.ts'
import type { EvidenceFiles } from '../formats/evidence.ts'
import { linesOf, parseHashLine } from '../formats/evidence-lines.ts'
import { type OpenedCheckpoint, openCheckpoint } from '../formats/open-checkpoint.ts'
import { parsePolicy } from '../formats/policy.ts'
import { MAX_PROOF_HASHES } from '../formats/tlog-proof.ts'
import { verifyConsistency } from '../merkle/consistency.ts'
import { EMPTY_ROOT } from '../merkle/hash.ts'
import type { Finding, OwnChecks } from './checks.ts'
import { quorumFinding } from './quorum.ts'
import { signatureSentence } from './receipt-words.ts'
import { openTrusted, trustedLogKeys } from './trust.ts'
import type { Trust } from './verdict.ts'

type Attempt = OwnChecks<'log signature' | 'witnesses' | 'policy'>['attempt']

/** Who has signed the tree. */
export function openHead(
  files: EvidenceFiles,
  trust: Trust,
  attempt: Attempt,
): OpenedCheckpoint | undefined {
  const note = files.parts.get('checkpoint.txt')!
  const opened = attempt('log signature', () => {
    const value = openTrusted(note, trust)
    const { origin, size } = value.checkpoint
    return { value, detail: signatureSentence(size, origin, value.logSignatures) }
  })
  if (opened === undefined) return undefined
  attempt('witnesses', () => quorumFinding(trust.policy, opened.cosignatures))
  attempt('policy', () => {
    const policy = parsePolicy(files.parts.get('policy.txt')!)
    const keys = policy.witnesses.map(({ key }) => key)
    const { cosignatures } = openCheckpoint(note, trustedLogKeys(trust), keys)
    // It says whom the log asks; whom the verifier believes is another question, and the check before this one.
    const { detail = '' } = quorumFinding(policy, cosignatures)
    return {
      value: undefined,
      detail: `by the policy in the file, which is not trusted: ${detail}`,
    }
  })
  return opened
}

/** That the tree grew from the one of an earlier head, which the log has signed as well. */
export function earlierHead(
  { parts }: EvidenceFiles,
  trust: Trust,
  opened: OpenedCheckpoint | undefined,
): Finding<undefined> {
  const value = undefined
  const note = parts.get('older-checkpoint.txt')
  if (note === undefined) {
    return { value, status: 'skipped', detail: 'the file has no earlier head' }
  }
  if (opened === undefined)
    throw verificationFailed('there is no trusted head to hold the earlier one against')
  const older = openTrusted(note, trust).checkpoint
  const newer = opened.checkpoint
  if (older.origin !== newer.origin)
    throw verificationFailed(`the earlier head is of ${older.origin}`)
  const lines = linesOf(parts.get('consistency.txt')!, 'consistency.txt', MAX_PROOF_HASHES)
  const proof = lines.map(parseHashLine)
  if (older.size > 0) verifyConsistency(older.size, newer.size, proof, older.root, newer.root)
  else if (proof.length > 0)
    throw verificationFailed('there is no consistency proof from an empty tree')
  else if (!equal(older.root, EMPTY_ROOT))
    throw verificationFailed('the earlier head is not that of an empty tree')
  return {
    value,
    detail: `the tree of ${newer.size} begins with that of ${older.size}, which ${older.origin} signed earlier`,
  }
}
