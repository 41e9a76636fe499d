/**
 * Evidence, `cairn-log/evidence`: whether the records of a `.cairn` file are in a log that one trusts, and what they say,
 * checked offline. Apart from the verifier because it weighs more; runs in Node and in browsers.
 */

export type { EvidenceProblem, EvidenceProblemKind } from './client/evidence-trail.ts'
export type { Check, Trust, Verdict } from './client/verdict.ts'
export {
  type CompleteListCheckName,
  type CompleteListVerdict,
  verifyCompleteList,
} from './client/verify-complete-list.ts'
export {
  type EvidenceCheckName,
  type EvidenceVerdict,
  type EvidenceVerdictRecord,
  verifyEvidence,
} from './client/verify-evidence.ts'
export { CairnError, type CairnErrorCode } from './errors.ts'
export {
  type CompleteListFile,
  isCompleteList,
  parseCompleteList,
} from './formats/complete-list.ts'
export {
  type CompleteList,
  type CompletenessProof,
  parseCompleteness,
  verifyCompleteness,
} from './formats/completeness.ts'
export type { MapTerm } from './formats/completeness-terms.ts'
export {
  type Disclosure,
  disclosureDigest,
  formatDisclosure,
  type OpenedDisclosure,
  openDisclosure,
  parseDisclosure,
} from './formats/disclosure.ts'
export {
  type EvidenceFiles,
  type EvidencePart,
  isEvidence,
  readEvidence,
} from './formats/evidence.ts'
export {
  type EvidenceManifest,
  type EvidenceQuery,
  parseManifest,
} from './formats/evidence-manifest.ts'
export type { JsonObject, JsonValue } from './formats/json-strict.ts'
export { type Policy, parsePolicy } from './formats/policy.ts'
export { parseRecord, type RecordLeaf, type SubmittedRecord } from './formats/record.ts'
export { rebuildSubmission, verifyDisclosures } from './formats/record-rebuild.ts'
export { parseVkey, type VerifierKey } from './formats/vkey.ts'
export { hashLeaf, type LeafHash, type RootHash } from './merkle/hash.ts'
