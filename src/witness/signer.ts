/**
 * The one thing that holds the witness's private keys. Key files, an HSM or a key service can stand behind it; it signs
 * what the witness has already checked and stored.
 */
import type { Checkpoint } from '../formats/checkpoint.ts'
import type { LogSubtree } from '../formats/cosignature.ts'
import type { NoteSignature } from '../formats/note.ts'
import type { VerifierKey } from '../formats/vkey.ts'

export interface WitnessSigner {
  /** Cosignature type 04, named as the witness is. */
  readonly ed25519: VerifierKey
  /** Cosignature type 06, under a name of its own; without it no subtrees can be signed. */
  readonly mlDsa?: VerifierKey

  /**
   * Cosignatures of a checkpoint at a time in seconds since 1970, Ed25519 first. What is signed is written anew from the
   * checkpoint's parts, so that a text that was read wrongly is never signed. Must not hold up the thread.
   */
  cosign(checkpoint: Checkpoint, timestamp: number): Promise<readonly NoteSignature[]>

  /** An ML-DSA-44 cosignature of a subtree. @throws USAGE without such a key */
  cosignSubtree(subtree: LogSubtree): Promise<NoteSignature>

  close(): Promise<void>
}
