/**
 * Any file that a log hands out, `cairn-log/verify-file`: told what it is and verified, offline. All verifiers in one; for
 * who knows what they have, `cairn-log/verify` weighs less. Runs in Node and in browsers.
 */

export { type FileKind, fileKind } from './client/file-kind.ts'
export type { Check, Trust, Verdict, VerdictKind } from './client/verdict.ts'
export { verdictJson } from './client/verdict-json.ts'
export {
  type FileToVerify,
  type FileVerdict,
  KIND_WORDS,
  verifyFile,
} from './client/verify-file.ts'
export { CairnError, type CairnErrorCode } from './errors.ts'
export { type Policy, parsePolicy } from './formats/policy.ts'
export { parseVkey, type VerifierKey } from './formats/vkey.ts'
