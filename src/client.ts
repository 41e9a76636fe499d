/**
 * The SDK, `cairn-log/client`: submit leaves and audit records, keep receipts, find and read records, audit a log. Runs in Node and in browsers. What verifies
 * receipts offline is `cairn-log/verify`.
 */

export { type AuditOptions, auditLog, type NamedNote } from './client/audit-log.ts'
export type { AuditFault, AuditVerdict } from './client/audit-verdict.ts'
export {
  type CallOptions,
  createLogClient,
  type Leaves,
  type LogClient,
  type LogClientOptions,
  type ReceiptFormat,
  type SubmitOptions,
} from './client/log-client.ts'
export type {
  Erasure,
  ErasurePage,
  FoundRecord,
  Grant,
  GrantPage,
  Hold,
  HoldPage,
  Payload,
  RecordedErasure,
  RecordPage,
  RecordPlace,
  RecordReading,
  RecordReceipt,
} from './client/record-answers.ts'
export type { Records } from './client/record-lines.ts'
export {
  createRecordsClient,
  type EvidenceToMake,
  type GrantToRequest,
  type HoldToPlace,
  type ListedBy,
  type PageOptions,
  type ReadOptions,
  type RecordSearch,
  type RecordsClient,
} from './client/records-client.ts'
export type { RequesterOptions } from './client/request.ts'
export type { SubmitRecordOptions } from './client/submit-records.ts'
export type { Check, Trust } from './client/verdict.ts'
export { type CheckpointVerdict, verifyCheckpoint } from './client/verify-checkpoint.ts'
export { CairnError, type CairnErrorCode } from './errors.ts'
export type { OpenedDisclosure } from './formats/disclosure.ts'
export type { EvidenceQuery } from './formats/evidence-manifest.ts'
export type { ParsedJsonReceipt } from './formats/json-receipt.ts'
export type { RecordLeaf, RecordSource, SubmittedRecord } from './formats/record.ts'
export { type SubmitterKey, signSubmission } from './formats/record-signature.ts'
export type { TreeFault } from './tiles/check-tree.ts'
export type { TileSource } from './tiles/source.ts'
