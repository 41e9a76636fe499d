/**
 * The one thing that holds the witness's private keys. Key files, an HSM or a key service can stand behind it; it signs
 * what the witness has already checked and stored.
 */
import type { LogSubtree } from '../formats/cosignature.ts'
import type { NoteSignature } from '../formats/note.ts'
import type { VerifierKey } from '../formats/vkey.ts'

export interface WitnessSigner {
  /** Cosignature type 04, named as the witness is. */
  readonly ed25519: VerifierKey
  /** Cosignature type 06, under a name of its own; without it no subtrees can be signed. */
  readonly mlDsa?: VerifierKey

  /** Cosignatures of a checkpoint's text at a time in seconds since 1970, Ed25519 first. Must not hold up the thread. */
  cosign(text: string, timestamp: number): Promise<readonly NoteSignature[]>

  /** An ML-DSA-44 cosignature of a subtree. @throws USAGE without such a key */
  cosignSubtree(subtree: LogSubtree): Promise<NoteSignature>

  close(): Promise<void>
}
