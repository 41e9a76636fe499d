/** Checks a checkpoint against the keys that the caller trusts: the log's signature, and the witnesses' quorum. */
import { toHex } from '../bytes.ts'
import { CairnError, messageOf } from '../errors.ts'
import type { OpenedCheckpoint } from '../formats/open-checkpoint.ts'
import { quorumSatisfied } from '../formats/policy.ts'
import { unproven, witnessedWords } from './checks.ts'
import { formatTypes } from './key-types.ts'
import { printable } from './receipt-words.ts'
import { openTrusted } from './trust.ts'
import type { Check, Trust, Verdict } from './verdict.ts'

export interface CheckpointVerdict extends Verdict<'checkpoint'> {
  /** The checkpoint, when a trusted key of its log has signed it; whether or not its witnesses are those demanded. */
  readonly opened?: OpenedCheckpoint
}

/** Checks the signatures of a checkpoint. Says in its checks what does not hold, and throws nothing over it. */
export function verifyCheckpoint(note: Uint8Array, trust: Trust): CheckpointVerdict {
  let opened: OpenedCheckpoint
  try {
    opened = openTrusted(note, trust)
  } catch (error) {
    if (error instanceof CairnError && error.code === 'USAGE') throw error
    const detail = printable(messageOf(error))
    return verdictOn([{ name: 'log signature', status: 'failed', detail }])
  }
  const signers = opened.logSignatures
  const signed: Check = {
    name: 'log signature',
    status: 'held',
    detail: printable(`${opened.checkpoint.origin} signed this head (${formatTypes(signers)})`),
  }
  const quorum = checkQuorum(opened, trust)
  return verdictOn([signed, quorum], opened)
}

function verdictOn(checks: readonly Check[], opened?: OpenedCheckpoint): CheckpointVerdict {
  const isTrusted = opened !== undefined && checks.every(({ status }) => status !== 'failed')
  if (!isTrusted) {
    const more = opened && { opened }
    return { ok: false, kind: 'checkpoint', finding: unproven(checks), ...more, checks }
  }
  const { origin, size, root } = opened.checkpoint
  const leaves = `${size} ${size === 1 ? 'entry' : 'entries'}`
  const finding = `${origin} has signed its tree of ${leaves}, with the root hash ${toHex(root)}${witnessedWords(checks)}`
  return {
    ok: true,
    kind: 'checkpoint',
    finding: printable(finding),
    origin,
    size,
    root,
    opened,
    checks,
  }
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
  const seen =
    keys.length === 0 ? 'no known witness' : printable(keys.map((key) => key.name).join(', '))
  return quorumSatisfied(policy, keys)
    ? { name, status: 'held', detail: `cosigned by ${seen}, as the policy requires` }
    : { name, status: 'failed', detail: `cosigned by ${seen}: not the quorum the policy requires` }
}
