/**
 * Verifies a receipt of any format, offline: one function, one answer. An inclusion proof proves nothing unless the
 * tree it leads to is signed by a log that the verifier trusts, so there is no way to ask for one without the other.
 */
import { equal, toHex, utf8 } from '../bytes.ts'
import { CairnError, malformed, messageOf, verificationFailed } from '../errors.ts'
import { MAX_ENTRY_SIZE } from '../formats/bundle.ts'
import { parseCheckpoint } from '../formats/checkpoint.ts'
import { parseCoseReceipt } from '../formats/cose-receipt.ts'
import { verifyCoseSign1 } from '../formats/cose-sign1.ts'
import { parseJsonReceipt } from '../formats/json-receipt.ts'
import { parseNote } from '../formats/note.ts'
import type { OpenedCheckpoint, VerifiedCosignature } from '../formats/open-checkpoint.ts'
import { parseTlogProof, TLOG_PROOF_HEADER } from '../formats/tlog-proof.ts'
import { hashLeaf, type LeafHash, type NodeHash } from '../merkle/hash.ts'
import { rootFromInclusion, verifyInclusion } from '../merkle/inclusion.ts'
import type { LeafIndex } from '../merkle/position.ts'
import { type Checker, runChecks, unproven, witnessedWords } from './checks.ts'
import { quorumFinding } from './quorum.ts'
import { inclusionSentence, notIncluded, printable, signatureSentence } from './receipt-words.ts'
import { openTrusted, trustedLogKeys } from './trust.ts'
import type { Check, ReceiptKind, ReceiptVerdict, Trust } from './verdict.ts'

export interface ReceiptToVerify {
  /** The bytes that were logged, exactly. */
  readonly leaf: Uint8Array
  /** A tlog-proof, a JSON receipt or a COSE receipt. */
  readonly receipt: Uint8Array
  readonly trust: Trust
}

/** The checks, in the order in which they are made. */
export type ReceiptCheckName =
  /** The receipt follows its format. */
  | 'format'
  /** What the receipt states is what is signed in it. */
  | 'signed facts'
  /** The leaf can be one, and is the one that the receipt names. */
  | 'leaf'
  /** A trusted log has signed the tree. */
  | 'log signature'
  /** The witnesses that the policy demands have cosigned the tree. */
  | 'witnesses'
  /** The leaf is in the tree, at its index. */
  | 'inclusion'

const ORDER: readonly ReceiptCheckName[] = [
  'format',
  'signed facts',
  'leaf',
  'log signature',
  'witnesses',
  'inclusion',
]

type Proven = Required<Pick<ReceiptVerdict, 'origin' | 'index' | 'size' | 'root'>>

type ReceiptChecker = Checker<ReceiptCheckName>

/**
 * Verifies that `receipt` proves `leaf` to be in a log that `trust` names. Never throws: whatever the bytes are, the
 * verdict says in words which check they fail.
 */
export function verifyReceipt({ leaf, receipt, trust }: ReceiptToVerify): ReceiptVerdict {
  return receiptVerifier(trust)(leaf, receipt)
}

/** Verifies one receipt as `verifyReceipt` does. Without the leaf, the verdict is that it proves nothing. */
export type ReceiptVerifier = (leaf: Uint8Array | undefined, receipt: Uint8Array) => ReceiptVerdict

/** Checkpoints that a verifier of many receipts remembers. */
const REMEMBERED = 64

/** A verifier of many receipts: signatures of a checkpoint that several of them carry are verified once. */
export function receiptVerifier(trust: Trust): ReceiptVerifier {
  const opened = new Map<string, OpenedCheckpoint>()
  const open = (checkpoint: string): OpenedCheckpoint => {
    const known = opened.get(checkpoint)
    if (known !== undefined) return known
    const verified = openTrusted(utf8(checkpoint), trust)
    if (opened.size === REMEMBERED) opened.delete(opened.keys().next().value!)
    opened.set(checkpoint, verified)
    return verified
  }
  return (leaf, receipt) => judge({ leaf, receipt, trust, open })
}

interface Request extends Omit<ReceiptToVerify, 'leaf'> {
  readonly leaf: Uint8Array | undefined
  /** Verifies the signatures of a checkpoint by the keys that are trusted. @throws VERIFICATION_FAILED */
  open(checkpoint: string): OpenedCheckpoint
}

function judge(request: Request): ReceiptVerdict {
  const kind = receiptKind(request.receipt)
  const { proven, checks } = runChecks(ORDER, (check) =>
    kind === 'cose' ? verifyCose(request, check) : verifyNote(kind, request, check),
  )
  const finding = proven === undefined ? unproven(checks) : provenWords(proven, checks)
  return { ok: proven !== undefined, kind, finding: printable(finding), ...proven, checks }
}

function provenWords({ origin, index, size }: Proven, checks: readonly Check[]): string {
  return `${inclusionSentence(index, size, origin)}, which ${origin} has signed${witnessedWords(checks)}`
}

const WHITE_SPACE: readonly number[] = [0x20, 0x09, 0x0a, 0x0d]

/** What the first bytes of a receipt promise; nothing is checked. */
export function receiptKind(receipt: Uint8Array): ReceiptKind {
  // Up to the version, so that a tlog-proof of another version is refused as what it is.
  const header = utf8(TLOG_PROOF_HEADER.slice(0, TLOG_PROOF_HEADER.indexOf('@') + 1))
  if (equal(receipt.subarray(0, header.length), header)) return 'tlog-proof'
  const first = receipt.find((byte) => !WHITE_SPACE.includes(byte)) ?? 0
  if (first === 0x7b) return 'json'
  // An array, a map or a tag of CBOR.
  return first >= 0x80 && first <= 0xdb ? 'cose' : 'unknown'
}

/** The content of tlog-proofs and JSON receipts: an inclusion proof, and the checkpoint that it leads to. */
interface NoteReceipt {
  readonly index: LeafIndex
  readonly proof: readonly NodeHash[]
  readonly checkpoint: string
  /** Stated by JSON receipts, and signed by nobody. */
  readonly leafHash?: LeafHash
}

function verifyNote(kind: ReceiptKind, request: Request, check: ReceiptChecker): Proven {
  const receipt = parseReceipt(FORMAT_NAMES[kind], check, () =>
    parseNoteReceipt(kind, request.receipt),
  )
  const leaf = checkLeaf(request.leaf, receipt.leafHash, check)
  const { checkpoint, cosignatures } = check('log signature', () => {
    const opened = request.open(receipt.checkpoint)
    const { origin, size } = opened.checkpoint
    return { value: opened, detail: signatureSentence(size, origin, opened.logSignatures) }
  })
  checkQuorum(request.trust, cosignatures, check)
  const { origin, size, root } = checkpoint
  check('inclusion', () => {
    explained(notIncluded(receipt.index, size, origin), () =>
      verifyInclusion(receipt.index, size, leaf, receipt.proof, root),
    )
    return { value: undefined, detail: inclusionSentence(receipt.index, size, origin) }
  })
  return { origin, index: receipt.index, size, root }
}

function parseNoteReceipt(kind: ReceiptKind, bytes: Uint8Array): NoteReceipt {
  if (kind === 'tlog-proof') {
    const receipt = parseTlogProof(bytes)
    // Opened again with its signatures; here, only so that a broken one is a matter of format.
    parseCheckpoint(parseNote(utf8(receipt.checkpoint)).text)
    return receipt
  }
  if (kind === 'json') return parseJsonReceipt(bytes)
  throw malformed('the receipt is neither a tlog-proof, nor a JSON receipt, nor a COSE receipt')
}

function verifyCose(request: Request, check: ReceiptChecker): Proven {
  const receipt = parseReceipt(FORMAT_NAMES.cose, check, () => parseCoseReceipt(request.receipt))
  const { origin, index, size, keyId } = receipt
  const leaf = checkLeaf(request.leaf, receipt.leafHash, check)
  // The root is nowhere in the receipt: the signature tells whether this is the one that the log signed.
  const root = check('inclusion', () => ({
    value: explained(notIncluded(index, size, origin), () =>
      rootFromInclusion(index, size, leaf, receipt.proof),
    ),
  }))
  check('log signature', () => {
    const key = trustedLogKeys(request.trust).find(
      (candidate) =>
        candidate.type === 'ed25519' && candidate.name === origin && candidate.keyId === keyId,
    )
    if (key === undefined) {
      throw verificationFailed(
        `no given log key is the Ed25519 key ${keyId} of ${origin}, which the receipt names`,
      )
    }
    explained(`${origin} has not signed that the leaf is entry ${index} of ${size}`, () =>
      verifyCoseSign1(receipt.message, key.publicKey, { payload: root }),
    )
    return { value: undefined, detail: signatureSentence(size, origin, [key]) }
  })
  checkQuorum(request.trust, undefined, check)
  check('inclusion', () => ({ value: undefined, detail: inclusionSentence(index, size, origin) }))
  return { origin, index, size, root }
}

const FORMAT_NAMES: Readonly<Record<ReceiptKind, string>> = {
  'tlog-proof': 'tlog-proof',
  json: 'JSON receipt',
  cose: 'COSE receipt',
  unknown: 'receipt',
}

/** Parsers tell a receipt that is malformed from one that states something else than what is signed in it. */
function parseReceipt<T>(format: string, check: ReceiptChecker, parse: () => T): T {
  const wellFormed = `the receipt is a well-formed ${format}`
  let disagreement: CairnError | undefined
  const receipt = check('format', () => {
    try {
      return { value: parse(), detail: wellFormed }
    } catch (error) {
      if (!(error instanceof CairnError) || error.code !== 'VERIFICATION_FAILED') throw error
      disagreement = error
      return { value: undefined, detail: wellFormed }
    }
  })
  return check('signed facts', () => {
    if (receipt === undefined) throw disagreement
    return {
      value: receipt,
      detail: 'whatever the receipt states is stated by the part that is signed',
    }
  })
}

function checkLeaf(
  leaf: Uint8Array | undefined,
  stated: LeafHash | undefined,
  check: ReceiptChecker,
): LeafHash {
  return check('leaf', () => {
    if (leaf === undefined) {
      throw verificationFailed(
        'a receipt proves nothing without the leaf that it is for, and none was given',
      )
    }
    if (leaf.length === 0) throw malformed('the leaf is empty, and no log has empty leaves')
    if (leaf.length > MAX_ENTRY_SIZE) {
      throw malformed(
        `the leaf has ${leaf.length} bytes, and no log has leaves of more than ${MAX_ENTRY_SIZE}`,
      )
    }
    const hash = hashLeaf(leaf)
    if (stated !== undefined && !equal(stated, hash)) {
      const reason = `the receipt is for another leaf: it names leaf hash ${toHex(stated)}, the leaf given has ${toHex(hash)}`
      throw verificationFailed(reason)
    }
    return {
      value: hash,
      detail: `the leaf given has ${leaf.length} bytes and the leaf hash ${toHex(hash)}`,
    }
  })
}

/** `cosignatures` is undefined for a receipt that cannot carry any. */
function checkQuorum(
  { policy }: Trust,
  cosignatures: readonly VerifiedCosignature[] | undefined,
  check: ReceiptChecker,
): void {
  check('witnesses', () => {
    if (policy?.quorum !== undefined && cosignatures === undefined) {
      const reason = `the policy demands the quorum ${policy.quorum}, and a COSE receipt carries no witness signatures; verify the tlog-proof or the JSON receipt of the leaf instead`
      throw verificationFailed(reason)
    }
    return quorumFinding(policy, cosignatures ?? [])
  })
}

/** Puts what a failure means before what it was. */
function explained<T>(meaning: string, run: () => T): T {
  try {
    return run()
  } catch (cause) {
    throw new CairnError('VERIFICATION_FAILED', `${meaning}: ${messageOf(cause)}`, { cause })
  }
}
