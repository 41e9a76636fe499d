/**
 * Verifies a file, whatever it is that a log hands out, offline: what it is, is told from the file itself. The command
 * and the page in the browser ask this and nothing else, so that they cannot differ.
 */
import { unproven } from './checks.ts'
import { type FileKind, fileKind, foreignKind } from './file-kind.ts'
import { printable } from './receipt-words.ts'
import type { Check, Trust, Verdict } from './verdict.ts'
import { type CheckpointVerdict, verifyCheckpoint } from './verify-checkpoint.ts'
import { type CompleteListVerdict, verifyCompleteList } from './verify-complete-list.ts'
import { type EvidenceVerdict, verifyEvidence } from './verify-evidence.ts'
import { type ReceiptVerifier, receiptVerifier } from './verify-receipt.ts'
import { type SplitViewVerdict, verifySplitView } from './verify-split-view.ts'
import type { TimeStampVerdict } from './verify-time-stamp.ts'

export interface FileToVerify {
  readonly bytes: Uint8Array
  readonly trust: Trust
  /** The leaf that a receipt is for, to the byte. Without it a receipt proves nothing. */
  readonly leaf?: Uint8Array | undefined
  /** The checkpoint that a time-stamp is of. Without it a time-stamp proves nothing. */
  readonly data?: Uint8Array | undefined
  /** PEM certificates of those who are trusted with the time of a time-stamp. */
  readonly authorities?: Uint8Array | undefined
  /** One for many receipts, made with `trust`. */
  readonly verify?: ReceiptVerifier | undefined
}

export type FileVerdict =
  | Verdict<'tlog-proof' | 'json' | 'cose' | 'unknown'>
  | CheckpointVerdict
  | TimeStampVerdict
  | SplitViewVerdict
  | EvidenceVerdict
  | CompleteListVerdict

/**
 * Verifies a file. Says in its checks what does not hold; whatever the bytes of the file are, it throws nothing over them.
 * @throws MALFORMED when the authorities are no certificates
 */
export async function verifyFile(file: FileToVerify): Promise<FileVerdict> {
  const { bytes, trust } = file
  const kind = fileKind(bytes)
  switch (kind) {
    case 'evidence':
      return verifyEvidence(bytes, trust)
    case 'complete-list':
      return verifyCompleteList(bytes, trust)
    case 'split-view':
      return verifySplitView(bytes, trust)
    case 'checkpoint':
      return verifyCheckpoint(bytes, trust)
    case 'time-stamp':
      return verifyStamped(file)
    case 'unknown':
      return unknownFile(bytes)
    default:
      return (file.verify ?? receiptVerifier(trust))(file.leaf, bytes)
  }
}

/** What a kind of file is called in a sentence. */
export const KIND_WORDS: Readonly<Record<FileKind, string>> = {
  'tlog-proof': 'receipt (tlog-proof)',
  json: 'receipt (JSON)',
  cose: 'receipt (COSE)',
  checkpoint: 'checkpoint',
  'time-stamp': 'time-stamp of a checkpoint',
  'split-view': 'evidence of a split view',
  evidence: 'evidence',
  'complete-list': 'proof of a complete list',
  unknown: 'file of no known kind',
}

function unknownFile(bytes: Uint8Array): Verdict<'unknown'> {
  const what = foreignKind(bytes)
  const known =
    'a receipt (tlog-proof, JSON or COSE), a checkpoint, a time-stamp of one, evidence, the proof of a complete list, or a split view'
  const detail = `the file is ${what === undefined ? '' : `${what}; it is `}none of what can be verified: ${known}`
  return refusal('unknown', 'format', detail)
}

function refusal<Kind extends FileKind>(kind: Kind, name: string, detail: string): Verdict<Kind> {
  const checks: readonly Check[] = [{ name, status: 'failed', detail }]
  return { ok: false, kind, finding: unproven(checks), checks }
}

/** A time-stamp and the checkpoint that it is of: only when both hold does anything follow. */
async function verifyStamped(file: FileToVerify): Promise<TimeStampVerdict> {
  const { bytes, data, authorities, trust } = file
  if (data === undefined) {
    const reason =
      'a time-stamp proves nothing without the checkpoint that it is of, and none was given'
    return refusal('time-stamp', 'time-stamped data', reason)
  }
  if (authorities === undefined) {
    const reason = 'no certificate was given of anybody who is trusted with the time'
    return refusal('time-stamp', 'time-stamp authority', reason)
  }
  // Reading ASN.1 weighs more than all the rest, and is loaded only when it is needed.
  const [{ parseCertificates }, { statedWords, verifyTimeStamp }] = await Promise.all([
    import('../formats/certificate.ts'),
    import('./verify-time-stamp.ts'),
  ])
  const anchors = parseCertificates(authorities)
  const stamp = await verifyTimeStamp({ data, response: bytes, anchors })
  const head = verifyCheckpoint(data, trust)
  const checks = [...stamp.checks, ...head.checks]
  const { proven } = stamp
  if (proven === undefined || head.opened === undefined || !head.ok) {
    return { ok: false, kind: 'time-stamp', finding: unproven(checks), checks }
  }
  const { origin, size, root } = head.opened.checkpoint
  const leaves = `${size} ${size === 1 ? 'entry' : 'entries'}`
  const finding = `${statedWords(proven, 'this checkpoint')}; so by then ${origin} had signed its tree of ${leaves}`
  return {
    ok: true,
    kind: 'time-stamp',
    finding: printable(finding),
    origin,
    size,
    root,
    proven,
    checks,
  }
}
