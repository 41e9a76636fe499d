/**
 * The verifier of tlog-proofs, JSON receipts and checkpoints by Ed25519 alone, `cairn-log/browser/verify-ed25519.js`: one
 * module that a page or a worker imports as it stands, small. Keys of another type are not believed: what only they have
 * signed is refused, and so are COSE receipts.
 */
import type { ReceiptVerdict, Trust } from '../client/verdict.ts'
import {
  type CheckpointVerdict,
  verifyCheckpoint as verifyCheckpointBy,
} from '../client/verify-checkpoint.ts'
import { type ReceiptToVerify, verifyReceipt as verifyReceiptBy } from '../client/verify-receipt.ts'
import type { VerifierKey } from '../formats/vkey.ts'

export type { Check, ReceiptKind, ReceiptVerdict, Trust, Verdict } from '../client/verdict.ts'
export type { CheckpointVerdict } from '../client/verify-checkpoint.ts'
export type { ReceiptToVerify } from '../client/verify-receipt.ts'
export { CairnError, type CairnErrorCode } from '../errors.ts'
export { type Policy, parsePolicy } from '../formats/policy.ts'
export { parseVkey, type VerifierKey } from '../formats/vkey.ts'

/** As `verifyReceipt` of `cairn-log/verify`. */
export function verifyReceipt({ leaf, receipt, trust }: ReceiptToVerify): ReceiptVerdict {
  return verifyReceiptBy({ leaf, receipt, trust: byEd25519(trust) })
}

/** As `verifyCheckpoint` of `cairn-log/verify`. */
export function verifyCheckpoint(note: Uint8Array, trust: Trust): CheckpointVerdict {
  return verifyCheckpointBy(note, byEd25519(trust))
}

/** Without keys of other types. A quorum that needs one of them is not there, which only makes the policy stricter. */
function byEd25519({ logKeys, policy }: Trust): Trust {
  const known = ({ type }: VerifierKey): boolean => type !== 'ml-dsa-44'
  return {
    logKeys: logKeys.filter(known),
    ...(policy && {
      policy: {
        ...policy,
        logs: policy.logs.filter(({ key }) => known(key)),
        witnesses: policy.witnesses.filter(({ key }) => known(key)),
      },
    }),
  }
}
