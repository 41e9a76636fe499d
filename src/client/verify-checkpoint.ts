/** Checks a checkpoint against the keys that the caller trusts: the log's signature, and the witnesses' quorum. */
import { CairnError, messageOf } from '../errors.ts'
import type { OpenedCheckpoint } from '../formats/open-checkpoint.ts'
import { quorumSatisfied } from '../formats/policy.ts'
import { formatTypes } from './key-types.ts'
import { openTrusted } from './trust.ts'
import type { Check, Trust } from './verdict.ts'

export interface CheckpointVerdict {
  readonly ok: boolean
  /** The checkpoint, when a trusted key of its log has signed it. */
  readonly opened?: OpenedCheckpoint
  readonly checks: readonly Check[]
}

/** Checks the signatures of a checkpoint. Says in its checks what does not hold, and throws nothing over it. */
export function verifyCheckpoint(note: Uint8Array, trust: Trust): CheckpointVerdict {
  let opened: OpenedCheckpoint
  try {
    opened = openTrusted(note, trust)
  } catch (error) {
    if (error instanceof CairnError && error.code === 'USAGE') throw error
    const detail = messageOf(error)
    return { ok: false, checks: [{ name: 'log signature', status: 'failed', detail }] }
  }
  const signers = opened.logSignatures
  const signed: Check = {
    name: 'log signature',
    status: 'held',
    detail: `${opened.checkpoint.origin} signed this head (${formatTypes(signers)})`,
  }
  const quorum = checkQuorum(opened, trust)
  return { ok: quorum.status !== 'failed', opened, checks: [signed, quorum] }
}

function checkQuorum(opened: OpenedCheckpoint, { policy }: Trust): Check {
  const name = 'witnesses'
  if (policy === undefined) {
    return { name, status: 'skipped', detail: 'no policy was given, so no witness is required' }
  }
  if (policy.quorum === undefined) {
    return { name, status: 'skipped', detail: 'the policy requires no witness' }
  }
  const keys = opened.cosignatures.map((cosignature) => cosignature.key)
  const seen = keys.length === 0 ? 'no known witness' : keys.map((key) => key.name).join(', ')
  return quorumSatisfied(policy, keys)
    ? { name, status: 'held', detail: `cosigned by ${seen}, as the policy requires` }
    : { name, status: 'failed', detail: `cosigned by ${seen}: not the quorum the policy requires` }
}
