/** The answer to sign-subtree (C2SP tlog-witness): it needs no state, for what it builds on is signed by this witness. */
import type { MlDsaThread } from '../crypto/ml-dsa-thread.ts'
import { CairnError } from '../errors.ts'
import { verifyNoteSignatureAside } from '../formats/cosignature.ts'
import { formatSignatureLine, type SignedNote } from '../formats/note.ts'
import { type ParsedSignSubtree, parseSignSubtree } from '../formats/sign-subtree.ts'
import type { VerifierKey } from '../formats/vkey.ts'
import { verifySubtreeConsistency } from '../merkle/subtree.ts'
import { refuse, unreadable } from './refusal.ts'
import type { SignSubtreeOutcome } from './service.ts'
import type { WitnessSigner } from './signer.ts'

export interface SubtreeSignerOptions {
  readonly signer: WitnessSigner
  readonly mlDsa: MlDsaThread
  readonly isWatched: (origin: string) => boolean
}

/** @throws IO when ML-DSA-44 cannot be done at all */
export async function signSubtree(
  body: Uint8Array,
  { signer, mlDsa, isWatched }: SubtreeSignerOptions,
): Promise<SignSubtreeOutcome> {
  let request: ParsedSignSubtree
  try {
    request = parseSignSubtree(body)
  } catch (error) {
    return unreadable(error)
  }
  const { subtree, hash, proof, note, head } = request
  if (head.extensions.length > 0) {
    return refuse('malformed', 'checkpoints with extension lines are not cosigned here')
  }
  if (!isWatched(head.origin)) return refuse('unknown-log', 'this witness does not watch that log')
  const own = [signer.ed25519, ...(signer.mlDsa === undefined ? [] : [signer.mlDsa])]
  try {
    if (!(await isCosigned(note, own, mlDsa))) {
      return refuse('untrusted', 'the checkpoint has no cosignature by this witness')
    }
  } catch (error) {
    return refuse('untrusted', failure(error))
  }
  try {
    verifySubtreeConsistency(subtree, hash, head.size, proof, head.root)
  } catch (error) {
    return refuse('inconsistent', failure(error))
  }
  const signed = await signer.cosignSubtree({ origin: head.origin, subtree, hash })
  return { outcome: 'signed', cosignatures: formatSignatureLine(signed) }
}

/** Whether one of our keys has signed. @throws VERIFICATION_FAILED when a line of one of them does not verify */
async function isCosigned(
  note: SignedNote,
  own: readonly VerifierKey[],
  mlDsa: MlDsaThread,
): Promise<boolean> {
  let cosigned = false
  for (const signature of note.signatures) {
    const key = own.find(({ name, keyId }) => name === signature.name && keyId === signature.keyId)
    if (key === undefined) continue
    const { timestamp = 0 } = await verifyNoteSignatureAside(note, signature, key, mlDsa)
    // At the time 0 it is our signature of a subtree, which says nothing about the tree around it.
    if (timestamp > 0) cosigned = true
  }
  return cosigned
}

/** What did not verify. @throws anything else */
function failure(error: unknown): string {
  if (error instanceof CairnError && error.code === 'VERIFICATION_FAILED') return error.message
  throw error
}
