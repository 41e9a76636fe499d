/** Whether the witnesses that a policy demands have cosigned, in words. */
import { CairnError } from '../errors.ts'
import type { VerifiedCosignature } from '../formats/open-checkpoint.ts'
import { type Policy, quorumSatisfied } from '../formats/policy.ts'
import type { Finding } from './checks.ts'
import { cosignatureWords } from './receipt-words.ts'

/** @throws VERIFICATION_FAILED when the policy demands a quorum that is not there */
export function quorumFinding(
  policy: Policy | undefined,
  cosignatures: readonly VerifiedCosignature[],
): Finding<undefined> {
  const value = undefined
  if (policy === undefined) {
    return { value, status: 'skipped', detail: 'no policy was given, so no witness was asked for' }
  }
  if (policy.quorum === undefined) {
    return { value, status: 'skipped', detail: 'the policy demands no witness' }
  }
  const who =
    cosignatures.length === 0
      ? 'by no witness of the policy'
      : `by ${cosignatures.map(cosignatureWords).join(', by ')}`
  const keys = cosignatures.map(({ key }) => key)
  if (!quorumSatisfied(policy, keys)) {
    const reason = `the policy demands the quorum ${policy.quorum}, but the tree is cosigned ${who}`
    throw new CairnError('VERIFICATION_FAILED', reason)
  }
  const detail = `the tree is cosigned ${who}, which satisfies the quorum ${policy.quorum} of the policy`
  return { value, detail }
}
