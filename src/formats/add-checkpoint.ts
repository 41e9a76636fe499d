/**
 * What a log asks of a witness (C2SP tlog-witness, add-checkpoint): here is a newer head of mine, and the proof that
 * it contains the one you know.
 *
 *     old <size of the head that the witness knows>
 *     <base64 of a hash>                        the consistency proof; none from size 0 and between equal sizes
 *
 *     <checkpoint, a signed note>
 */
import { fromDecimal, fromUtf8, toBase64, utf8 } from '../bytes.ts'
import { CairnError, malformed } from '../errors.ts'
import type { NodeHash } from '../merkle/hash.ts'
import { type TreeSize, treeSize } from '../merkle/position.ts'
import { type Checkpoint, parseCheckpoint } from './checkpoint.ts'
import { type NoteSignature, parseNote, type SignedNote } from './note.ts'
import { MAX_PROOF_HASHES, parseProofHash } from './tlog-proof.ts'

/** The longest request that is read, in bytes: room for a proof and some seventy ML-DSA-44 signatures. */
export const MAX_ADD_CHECKPOINT_SIZE = 262_144

export interface AddCheckpoint {
  /** Size of the last head that the witness cosigned, as far as the log knows; 0 for none. */
  readonly oldSize: TreeSize
  /** From the tree of `oldSize` leaves to that of the checkpoint. */
  readonly proof: readonly NodeHash[]
  /** The signed note, verbatim. */
  readonly checkpoint: string
}

/** What a witness can answer; anything else is trouble on the way. */
export type WitnessAnswer =
  /** It has cosigned. The signatures are not verified yet. */
  | { readonly kind: 'cosigned'; readonly signatures: readonly NoteSignature[] }
  /** It knows a head of another size than the request said. */
  | { readonly kind: 'conflict'; readonly size: TreeSize }
  /** The proof does not lead from the head it knows to this one. */
  | { readonly kind: 'inconsistent'; readonly detail: string }
  /** It does not know the log or its key, or finds the request wrong; asking again would not help. */
  | { readonly kind: 'refused'; readonly status: number; readonly detail: string }

/** A request as it was read; neither its signatures nor its proof are verified. */
export interface ParsedAddCheckpoint extends AddCheckpoint {
  readonly note: SignedNote
  /** What the note's text says. */
  readonly head: Checkpoint
}

/** The body of a request. Checks nothing: its parts come from a log of one's own or from parseAddCheckpoint. */
export function formatAddCheckpoint({ oldSize, proof, checkpoint }: AddCheckpoint): string {
  const hashes = proof.map((hash) => `${toBase64(hash)}\n`).join('')
  return `old ${oldSize}\n${hashes}\n${checkpoint}`
}

/**
 * Reads the body of a request.
 * @throws MALFORMED on anything that formatAddCheckpoint would not write; TOO_LARGE beyond MAX_ADD_CHECKPOINT_SIZE
 */
export function parseAddCheckpoint(bytes: Uint8Array): ParsedAddCheckpoint {
  if (bytes.length > MAX_ADD_CHECKPOINT_SIZE) {
    throw new CairnError('TOO_LARGE', `a request has ${MAX_ADD_CHECKPOINT_SIZE} bytes at most`)
  }
  const text = fromUtf8(bytes, 'the request')
  const end = text.indexOf('\n\n')
  if (end < 0) throw malformed('the request has no blank line before its checkpoint')
  const checkpoint = text.slice(end + 2)
  const [old, ...hashes] = text.slice(0, end).split('\n')
  if (!old?.startsWith('old ')) throw malformed('the request does not begin with "old <size>"')
  // SPEC tlog-witness: at most 63 lines.
  if (hashes.length > MAX_PROOF_HASHES) {
    throw malformed(`the request has more than ${MAX_PROOF_HASHES} proof hashes`)
  }
  const note = parseNote(utf8(checkpoint))
  return {
    oldSize: treeSize(fromDecimal(old.slice(4), 'the old size')),
    proof: hashes.map((hash) => parseProofHash(hash, 'the consistency proof')),
    checkpoint,
    note,
    head: parseCheckpoint(note.text),
  }
}
