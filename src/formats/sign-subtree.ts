/**
 * What is asked of a witness that signs subtrees (C2SP tlog-witness, sign-subtree): here is a tree that you have
 * cosigned, and the proof that it contains this subtree.
 *
 *     subtree <start> <end>
 *     <base64 of the subtree's hash>
 *     <base64 of a hash>                        the subtree consistency proof
 *
 *     <checkpoint, a note that the witness has cosigned>
 */
import { fromDecimal, fromUtf8, toBase64, utf8 } from '../bytes.ts'
import { CairnError, malformed } from '../errors.ts'
import type { NodeHash } from '../merkle/hash.ts'
import { type TreeSize, treeSize } from '../merkle/position.ts'
import { isSubtree, type Subtree } from '../merkle/subtree.ts'
import { MAX_ADD_CHECKPOINT_SIZE } from './add-checkpoint.ts'
import { type Checkpoint, parseCheckpoint } from './checkpoint.ts'
import { parseNote, type SignedNote } from './note.ts'
import { MAX_PROOF_HASHES, parseProofHash } from './tlog-proof.ts'

/** The longest request that is read, in bytes: as for add-checkpoint, which it resembles. */
export const MAX_SIGN_SUBTREE_SIZE: number = MAX_ADD_CHECKPOINT_SIZE

export interface SignSubtree {
  readonly subtree: Subtree
  readonly hash: NodeHash
  /** From the subtree to the checkpoint. */
  readonly proof: readonly NodeHash[]
  /** The signed note, verbatim. */
  readonly checkpoint: string
}

/** A request as it was read; neither its signatures nor its proof are verified. */
export interface ParsedSignSubtree extends SignSubtree {
  readonly note: SignedNote
  /** What the note's text says. */
  readonly head: Checkpoint
}

/** The body of a request. Checks nothing: its parts come from a log of one's own or from parseSignSubtree. */
export function formatSignSubtree({ subtree, hash, proof, checkpoint }: SignSubtree): string {
  const hashes = [hash, ...proof].map((each) => `${toBase64(each)}\n`).join('')
  return `subtree ${subtree.start} ${subtree.end}\n${hashes}\n${checkpoint}`
}

/**
 * Reads the body of a request. The subtree is one, and ends in the checkpoint's tree.
 * @throws MALFORMED on anything that formatSignSubtree would not write; TOO_LARGE beyond MAX_SIGN_SUBTREE_SIZE
 */
export function parseSignSubtree(bytes: Uint8Array): ParsedSignSubtree {
  if (bytes.length > MAX_SIGN_SUBTREE_SIZE) {
    throw new CairnError('TOO_LARGE', `a request has ${MAX_SIGN_SUBTREE_SIZE} bytes at most`)
  }
  const text = fromUtf8(bytes, 'the request')
  const end = text.indexOf('\n\n')
  if (end < 0) throw malformed('the request has no blank line before its checkpoint')
  const checkpoint = text.slice(end + 2)
  const [range = '', hash, ...hashes] = text.slice(0, end).split('\n')
  const subtree = parseRange(range)
  if (hash === undefined) throw malformed('the request has no hash of the subtree')
  // SPEC tlog-witness: at most 63 lines.
  if (hashes.length > MAX_PROOF_HASHES) {
    throw malformed(`the request has more than ${MAX_PROOF_HASHES} proof hashes`)
  }
  const note = parseNote(utf8(checkpoint))
  const head = parseCheckpoint(note.text)
  if (subtree.end > head.size) {
    throw malformed(`the subtree ends at ${subtree.end}, in a tree of ${head.size} leaves`)
  }
  return {
    subtree,
    hash: parseProofHash(hash, 'the subtree'),
    proof: hashes.map((each) => parseProofHash(each, 'the subtree proof')),
    checkpoint,
    note,
    head,
  }
}

function parseRange(line: string): Subtree {
  const [keyword, start, end, ...rest] = line.split(' ')
  if (keyword !== 'subtree' || start === undefined || end === undefined || rest.length > 0) {
    throw malformed('the request does not begin with "subtree <start> <end>"')
  }
  const subtree = { start: parseBound(start), end: parseBound(end) }
  if (!isSubtree(subtree)) throw malformed(`[${start}, ${end}) is no subtree of any tree`)
  return subtree
}

function parseBound(text: string): TreeSize {
  return treeSize(fromDecimal(text, 'a bound of the subtree'))
}
