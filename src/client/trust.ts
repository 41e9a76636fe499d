/** What follows from whom a verifier believes: every check of a signed head begins here. */
import { type OpenedCheckpoint, openCheckpoint } from '../formats/open-checkpoint.ts'
import type { VerifierKey } from '../formats/vkey.ts'
import type { Trust } from './verdict.ts'

/** The keys of logs that are believed: those named one by one, and those of the policy. */
export function trustedLogKeys({ logKeys, policy }: Trust): VerifierKey[] {
  return [...logKeys, ...(policy?.logs ?? []).map(({ key }) => key)]
}

/**
 * Opens a checkpoint of a log that is believed, with the cosignatures of the policy's witnesses. Whether they satisfy
 * the quorum is another question.
 * @throws as openCheckpoint
 */
export function openTrusted(note: Uint8Array, trust: Trust): OpenedCheckpoint {
  const witnesses = trust.policy?.witnesses.map(({ key }) => key)
  return openCheckpoint(note, trustedLogKeys(trust), witnesses)
}
