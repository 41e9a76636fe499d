/**
 * The SDK, `cairn-log/client`: submit leaves, keep receipts, audit a log. Runs in Node and in browsers. What verifies
 * receipts offline is `cairn-log/verify`.
 */

export { type AuditOptions, type AuditVerdict, auditLog } from './client/audit-log.ts'
export {
  type CallOptions,
  createLogClient,
  type Leaves,
  type LogClient,
  type LogClientOptions,
  type ReceiptFormat,
  type SubmitOptions,
} from './client/log-client.ts'
export type { Check, Trust } from './client/verdict.ts'
export { type CheckpointVerdict, verifyCheckpoint } from './client/verify-checkpoint.ts'
export { CairnError, type CairnErrorCode } from './errors.ts'
export type { ParsedJsonReceipt } from './formats/json-receipt.ts'
export type { TreeFault } from './tiles/check-tree.ts'
export type { TileSource } from './tiles/source.ts'
