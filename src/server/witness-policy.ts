/**
 * The policy that a log's operator takes over to have a witness's cosignature: a `witness` line for each of its keys
 * and, when there are two, a group that either of them satisfies and that is called as the witness is. By itself it
 * requires this witness; in a larger policy its last line gives way to that policy's own.
 */
import { formatPolicy } from '../formats/policy.ts'
import type { VerifierKey } from '../formats/vkey.ts'

export interface WitnessIdentity {
  readonly name: string
  /** Cosignature type 04. */
  readonly ed25519: VerifierKey
  /** Cosignature type 06. */
  readonly mlDsa?: VerifierKey
  /** Where logs reach the witness. */
  readonly url: string
}

/** The policy as text. @throws MALFORMED when name or address cannot stand in one */
export function witnessPolicy({ name, ed25519, mlDsa, url }: WitnessIdentity): string {
  if (mlDsa === undefined) {
    const witnesses = [{ name, key: ed25519, url }]
    return formatPolicy({ logs: [], witnesses, groups: [], quorum: name })
  }
  const witnesses = [
    { name: `${name}/ed25519`, key: ed25519, url },
    { name: `${name}/ml-dsa-44`, key: mlDsa, url },
  ]
  const members = witnesses.map((witness) => witness.name)
  const groups = [{ name, threshold: 1, members }]
  return formatPolicy({ logs: [], witnesses, groups, quorum: name })
}
