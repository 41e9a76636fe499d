/** From a policy file to the witnesses that a log asks. */
import { baseUrl } from '../client/request.ts'
import { witnessClient } from '../client/witness-client.ts'
import { messageOf, usage } from '../errors.ts'
import { type MlDsaVerifier, verifyNoteSignatureAside } from '../formats/cosignature.ts'
import { MAX_POLICY_SIZE, type Policy, parsePolicy, quorumSatisfied } from '../formats/policy.ts'
import { formatVkey, type VerifierKey } from '../formats/vkey.ts'
import type { WitnessOptions } from '../log/witness-options.ts'
import type { WitnessKey, WitnessPort } from '../log/witness-port.ts'
import { readFileUpTo } from './bounded-file.ts'

/** A policy, and the file that it is in. */
export interface PolicyFile {
  readonly file: string
  readonly bytes: Uint8Array
  readonly policy: Policy
}

/**
 * Reads a policy file by which a log is to ask its witnesses.
 * @throws USAGE when it cannot be read, is no policy, or asks for a quorum of witnesses that cannot be asked
 */
export async function readPolicyFile(file: string): Promise<PolicyFile> {
  let bytes: Uint8Array
  try {
    bytes = await readFileUpTo(file, MAX_POLICY_SIZE)
  } catch (cause) {
    throw usage(`cannot use the policy ${file}: ${messageOf(cause)}`, cause)
  }
  return policyIn(bytes, file)
}

/** The policy in the bytes of a file, by whose name it is called. @throws USAGE as readPolicyFile() */
export function policyIn(bytes: Uint8Array, file: string): PolicyFile {
  let policy: Policy
  try {
    policy = parsePolicy(bytes)
    for (const { url } of policy.witnesses) if (url !== undefined) baseUrl(url, 'a witness')
  } catch (cause) {
    throw usage(`cannot use the policy ${file}: ${messageOf(cause)}`, cause)
  }
  const asked = policy.witnesses.filter(({ url }) => url !== undefined).map(({ key }) => key)
  if (!quorumSatisfied(policy, asked)) {
    throw usage(
      `the quorum ${policy.quorum} of the policy ${file} cannot be met: give enough of its witnesses an address (witness <name> <vkey> <url>)`,
    )
  }
  return { file, bytes, policy }
}

export interface WitnessSettings {
  /** The log's own keys, which the policy may name. */
  readonly logKeys: readonly VerifierKey[]
  readonly hurriedIntervalMs: number
  readonly timeoutMs: number
  readonly mlDsa: MlDsaVerifier
}

/** The witnesses of a policy, to be asked by HTTP. @throws USAGE when the policy is another log's */
export function witnessesOf(
  { file, policy }: PolicyFile,
  { logKeys, hurriedIntervalMs, timeoutMs, mlDsa }: WitnessSettings,
): WitnessOptions {
  mustName(logKeys, policy, file)
  return {
    policy,
    ports: portsOf(policy, timeoutMs),
    hurriedIntervalMs,
    verify: (note, line, key) => verifyNoteSignatureAside(note, line, key, mlDsa),
  }
}

/** A policy that lists logs, and not this one, was written for another. */
function mustName(logKeys: readonly VerifierKey[], { logs }: Policy, file: string): void {
  if (logs.length === 0) return
  const own = new Set(logKeys.map(formatVkey))
  if (logs.some(({ key }) => own.has(formatVkey(key)))) return
  throw usage(
    `the policy ${file} lists logs, but no key of this one; add the line: log ${formatVkey(logKeys[0]!)}`,
  )
}

/** An operator's keys often answer at one address, which is asked once. */
function portsOf({ witnesses }: Policy, timeoutMs: number): WitnessPort[] {
  const byUrl = new Map<string, WitnessKey[]>()
  for (const { name, key, url } of witnesses) {
    if (url === undefined) continue
    const place = url.replace(/\/+$/, '')
    byUrl.set(place, [...(byUrl.get(place) ?? []), { name, key }])
  }
  return [...byUrl].map(([url, keys]) => ({ ...witnessClient({ url, timeoutMs }), url, keys }))
}
