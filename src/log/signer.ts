/**
 * The one thing that holds the log's private keys. Key files, an HSM or a key service can stand behind it; it signs
 * what the log has already checked (see `double-check.ts` and `signed-state.ts`).
 */
import type { NoteSignature } from '../formats/note.ts'
import type { VerifierKey } from '../formats/vkey.ts'

export interface LogSigner {
  /** The log's origin, which is also the name of its keys. */
  readonly origin: string
  /** Ed25519 (signed note type 0x01). */
  readonly ed25519: VerifierKey
  /** ML-DSA-44 (signed note type 0x06). */
  readonly mlDsa: VerifierKey
  /** DER SubjectPublicKeyInfo of the P-256 key for RFC 6962 tree heads. */
  readonly treeHeadKey: Uint8Array

  /** An Ed25519 signature over `message`: on the way of every submission, so it must be fast. */
  sign(message: Uint8Array): Uint8Array | Promise<Uint8Array>

  /**
   * The signatures that only a published head carries. May take milliseconds; must not hold up the thread.
   * `checkpoint` is the checkpoint's text, `treeHead` the 50 bytes of the RFC 6962 tree head.
   */
  signPublication(checkpoint: string, treeHead: Uint8Array): Promise<PublicationSignatures>

  close(): Promise<void>
}

export interface PublicationSignatures {
  /** ML-DSA-44 over the checkpoint. */
  readonly mlDsa: NoteSignature
  /** ECDSA P-256 with SHA-256 over the tree head, DER. */
  readonly treeHead: Uint8Array
}
