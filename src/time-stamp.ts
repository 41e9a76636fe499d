/**
 * Time-stamps, `cairn-log/time-stamp`: whether an RFC 3161 authority has seen a checkpoint, checked offline. Apart from
 * the verifier because it weighs more, and needs Web Crypto; runs in Node and in browsers.
 */

export type { Check, Verdict } from './client/verdict.ts'
export {
  type ProvenTime,
  type TimeStampCheckName,
  type TimeStampToVerify,
  type TimeStampVerdict,
  timeInWords,
  verifyTimeStamp,
} from './client/verify-time-stamp.ts'
export { CairnError, type CairnErrorCode } from './errors.ts'
export {
  parseCertificate,
  parseCertificates,
  type X509Certificate,
} from './formats/certificate.ts'
