/** Whom the reader of the page trusts, from what they pasted: a policy, or keys of logs, a line each. */
import { utf8 } from '../../bytes.ts'
import type { Trust } from '../../client/verdict.ts'
import { CairnError, messageOf } from '../../errors.ts'
import { counted } from '../../formats/count.ts'
import { MAX_POLICY_SIZE, parsePolicy } from '../../formats/policy.ts'
import { parseVkey, type VerifierKey } from '../../formats/vkey.ts'

const POLICY_LINE = /^[ \t]*(log|witness|group|quorum)([ \t]|$)/
const VKEY = /^\s*[^\s+]+\+[0-9a-f]{8}\+[A-Za-z0-9+/=]+\s*$/

/** Whether a text is a policy or a list of keys, right or wrong, by its first line that is no comment. */
export function looksLikeTrust(text: string): boolean {
  const first = text.split('\n').find((line) => !isBlank(line))
  return first !== undefined && (POLICY_LINE.test(first) || VKEY.test(first))
}

function isBlank(line: string): boolean {
  return /^\s*(#|$)/.test(line)
}

/**
 * Reads it, by the rules of the command: a policy that names logs stands alone, one that names none needs keys.
 * @throws USAGE when no log is named, or logs are named in both ways
 * @throws MALFORMED when a line is neither a key nor of a policy, or the policy is none; TOO_LARGE
 */
export function readTrustText(text: string): Trust {
  const bytes = utf8(text)
  if (bytes.length > MAX_POLICY_SIZE) {
    throw new CairnError('TOO_LARGE', `this is longer than ${MAX_POLICY_SIZE} bytes`)
  }
  const lines = text.split('\n')
  const isPolicy = lines.some((line) => POLICY_LINE.test(line))
  const isKey = (line: string): boolean =>
    !isBlank(line) && (isPolicy ? VKEY.test(line) : !POLICY_LINE.test(line))
  const named = lines.flatMap((line, i) => (isKey(line) ? [readKey(line, i + 1)] : []))
  if (!isPolicy) {
    if (named.length > 0) return { logKeys: named }
    throw new CairnError('USAGE', 'no key is named here')
  }
  // Keys leave an empty line behind, so that an error names the right one.
  const rest = lines.map((line) => (isKey(line) ? '' : line)).join('\n')
  const policy = parsePolicy(utf8(rest.endsWith('\n') ? rest : `${rest}\n`))
  if (policy.logs.length > 0 && named.length > 0) {
    throw new CairnError(
      'USAGE',
      'the policy names the keys of its logs already: leave out the others',
    )
  }
  const logKeys = policy.logs.length > 0 ? policy.logs.map(({ key }) => key) : named
  if (logKeys.length > 0) return { logKeys, policy }
  throw new CairnError(
    'USAGE',
    'the policy names no log: add the key of the log on a line of its own',
  )
}

function readKey(line: string, number: number): VerifierKey {
  try {
    return parseVkey(line.trim())
  } catch (error) {
    const reason = VKEY.test(line) ? messageOf(error) : 'neither a key nor a line of a policy'
    throw new CairnError('MALFORMED', `line ${number}: ${reason}`)
  }
}

/** What it comes to, in a sentence. */
export function trustWords({ logKeys, policy }: Trust): string {
  const logs = [...new Set(logKeys.map(({ name }) => name))]
  const keys = `${counted(logKeys.length, 'key')} of ${logs.join(', ')}`
  if (policy?.quorum === undefined) return `${keys}; no witness is demanded`
  const group = policy.groups.find(({ name }) => name === policy.quorum)
  if (group === undefined) return `${keys}; the witness ${policy.quorum} must have cosigned`
  const { threshold, members, name } = group
  return `${keys}; ${threshold} of ${members.length} of the group ${name} must have cosigned`
}
