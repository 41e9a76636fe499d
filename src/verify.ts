/**
 * The verifier, `cairn-log/verify`: everything that is needed to check receipts, proofs and checkpoints offline. No
 * network, no files, no clock; runs in Node and in browsers.
 */

export type {
  Check,
  ReceiptKind,
  ReceiptVerdict,
  Trust,
  Verdict,
  VerdictKind,
} from './client/verdict.ts'
export { type CheckpointVerdict, verifyCheckpoint } from './client/verify-checkpoint.ts'
export {
  type ReceiptCheckName,
  type ReceiptToVerify,
  type ReceiptVerifier,
  receiptVerifier,
  verifyReceipt,
} from './client/verify-receipt.ts'
export {
  type SplitHead,
  type SplitViewCheckName,
  type SplitViewVerdict,
  verifySplitView,
} from './client/verify-split-view.ts'
export { CairnError, type CairnErrorCode } from './errors.ts'
export { type Checkpoint, formatCheckpoint, parseCheckpoint } from './formats/checkpoint.ts'
export {
  type CoseReceipt,
  type ParsedCoseReceipt,
  parseCoseReceipt,
} from './formats/cose-receipt.ts'
export { type LogSubtree, verifySubtreeSignature } from './formats/cosignature.ts'
export {
  formatJsonReceipt,
  type JsonReceipt,
  type JsonReceiptParts,
  type ParsedJsonReceipt,
  parseJsonReceipt,
} from './formats/json-receipt.ts'
export { formatNote, type NoteSignature, parseNote, type SignedNote } from './formats/note.ts'
export {
  type OpenedCheckpoint,
  openCheckpoint,
  type VerifiedCosignature,
} from './formats/open-checkpoint.ts'
export {
  formatPolicy,
  type Policy,
  type PolicyGroup,
  type PolicyLog,
  type PolicyWitness,
  parsePolicy,
  quorumSatisfied,
} from './formats/policy.ts'
export {
  formatSplitView,
  type ParsedSplitView,
  parseSplitView,
  type SplitPrefix,
  type SplitView,
} from './formats/split-view.ts'
export { formatTlogProof, parseTlogProof, type TlogProof } from './formats/tlog-proof.ts'
export { formatVkey, parseVkey, type SignatureType, type VerifierKey } from './formats/vkey.ts'
export { verifyConsistency } from './merkle/consistency.ts'
export {
  hashChildren,
  hashLeaf,
  type LeafHash,
  leafHash,
  type NodeHash,
  nodeHash,
  type RootHash,
  rootHash,
} from './merkle/hash.ts'
export { rootFromInclusion, verifyInclusion } from './merkle/inclusion.ts'
export { type LeafIndex, leafIndex, type TreeSize, treeSize } from './merkle/position.ts'
export { type Subtree, verifySubtreeConsistency } from './merkle/subtree.ts'
