/**
 * The signature of a submitter: Ed25519 over a line that names the format and the canonical JSON of the submission
 * without its signature. It stays in the record, so that the operator of a log cannot invent what somebody submitted.
 *
 * Ed25519 draws no randomness, so that the signature of a text that can be guessed confirms the guess. A signed
 * submission therefore has a nonce, which is committed to, and erased, like payload.
 */
import { ed25519Sign, ed25519Verify } from '#ed25519'
import { fromBase64Url, toBase64Url, utf8 } from '../bytes.ts'
import { CairnError } from '../errors.ts'
import { canonicalJson } from './canonical-json.ts'
import type { JsonObject } from './json-strict.ts'
import { parseSubmission, type SubmittedRecord } from './record.ts'

const DOMAIN = 'cairn-record-submission/v1\n'

/** The bytes that a submitter signs. */
export function signedBytes(submission: SubmittedRecord): Uint8Array {
  const members = Object.entries(submission).filter(([name]) => name !== 'signature')
  return utf8(`${DOMAIN}${canonicalJson(Object.fromEntries(members) as JsonObject)}`)
}

export interface SubmitterKey {
  /** The name under which the log knows the key. */
  readonly keyId: string
  /** 32 bytes. */
  readonly seed: Uint8Array
}

/**
 * The submission with a signature; one that it had is replaced.
 * @throws MALFORMED when it is no submission, or has no nonce
 */
export function signSubmission(
  submission: Omit<SubmittedRecord, 'signature'>,
  { keyId, seed }: SubmitterKey,
): SubmittedRecord {
  const unsigned = submission as SubmittedRecord
  const value = toBase64Url(ed25519Sign(signedBytes(unsigned), seed))
  return parseSubmission({ ...submission, signature: { key_id: keyId, value } })
}

/**
 * Checks the signature of a submission.
 * @throws VERIFICATION_FAILED when it has none, or it is not the key's
 */
export function verifySubmission(submission: SubmittedRecord, publicKey: Uint8Array): void {
  const { signature } = submission
  if (signature === undefined) throw new CairnError('VERIFICATION_FAILED', 'it is not signed')
  const bytes = fromBase64Url(signature.value, 'the signature')
  if (!ed25519Verify(bytes, signedBytes(submission), publicKey)) {
    const message = `/signature: it is not the signature of key ${signature.key_id} over this record`
    throw new CairnError('VERIFICATION_FAILED', message)
  }
}
