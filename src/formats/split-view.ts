/**
 * The evidence of a split view: two heads that one log signed and that cannot both be true. Whoever knows the log's key
 * can check it, offline, and an honest log cannot be framed by it.
 *
 *     cairn-split-view/v1
 *     digest <base64 of the SHA-256 of all that follows this line>
 *     prefix <base64 of a root hash>            when the sizes differ: what the second tree has in the first one's place
 *     <base64 of a hash>                        the consistency proof from that root to the second head's
 *
 *     <first checkpoint, a signed note>         of the smaller tree, or the one whose root hash sorts first
 *
 *     <second checkpoint, a signed note>
 *
 * There is no proof from the empty tree: a first head of size 0 contradicts any other when its root is not the empty
 * tree's, and then there is no prefix either.
 */
import { sha256 } from '#sha256'
import { equal, fromBase64, fromUtf8, toBase64, utf8 } from '../bytes.ts'
import { CairnError, malformed } from '../errors.ts'
import { type NodeHash, type RootHash, rootHash } from '../merkle/hash.ts'
import { type Checkpoint, parseCheckpoint } from './checkpoint.ts'
import { MAX_NOTE_SIZE, parseNote } from './note.ts'
import { MAX_PROOF_HASHES, parseProofHash } from './tlog-proof.ts'

/** The first line of the file. */
export const SPLIT_VIEW_HEADER = 'cairn-split-view/v1\n'
/** The longest file that is read, in bytes: two of the largest notes, and more than the rest can need. */
export const MAX_SPLIT_VIEW_SIZE: number = 2 * MAX_NOTE_SIZE + 65_536

/** What the second tree has in the place of the first one. */
export interface SplitPrefix {
  /** The root of as many leaves of the second tree as the first tree has. */
  readonly root: RootHash
  /** The consistency proof from there to the second head. */
  readonly proof: readonly NodeHash[]
}

export interface SplitView {
  /** The signed note of the smaller tree, verbatim; for equal sizes the one whose root hash sorts first. */
  readonly first: string
  /** The signed note of the other one, verbatim. */
  readonly second: string
  /** There unless the sizes are equal or the first is 0. */
  readonly prefix?: SplitPrefix
}

/** A head as it was signed, and what it says. */
export interface SignedHead {
  /** The signed note, verbatim. */
  readonly note: string
  readonly checkpoint: Checkpoint
}

/** The evidence as it was read; neither the signatures nor the proof are verified. */
export interface ParsedSplitView extends SplitView {
  /** What the notes say. */
  readonly heads: { readonly first: Checkpoint; readonly second: Checkpoint }
}

/** Whether a checkpoint comes before another in the evidence: a smaller tree, or a root hash that sorts first. */
function comesBefore(one: Checkpoint, other: Checkpoint): boolean {
  if (one.size !== other.size) return one.size < other.size
  const at = one.root.findIndex((byte, i) => byte !== other.root[i])
  return at >= 0 && one.root[at]! < other.root[at]!
}

/** Two heads in the order in which the evidence has them; any order when size and root are the same. */
export function inSplitOrder(one: SignedHead, other: SignedHead): [SignedHead, SignedHead] {
  return comesBefore(other.checkpoint, one.checkpoint) ? [other, one] : [one, other]
}

/** @throws MALFORMED unless the parts are in order, and all that evidence of these sizes has */
function checkShape(first: Checkpoint, second: Checkpoint, hashes: number | undefined): void {
  if (first.size === second.size && equal(first.root, second.root)) {
    throw malformed('the heads of the split view are of the same tree')
  }
  if (!comesBefore(first, second)) {
    throw malformed('the heads of the split view are in the wrong order')
  }
  const needed = first.size > 0 && first.size < second.size
  if (needed && hashes === undefined) {
    throw malformed('the split view has no prefix, and the trees differ in size')
  }
  if (!needed && hashes !== undefined) {
    throw malformed('the split view has a prefix, and heads of these sizes need none')
  }
  if (hashes === 0) throw malformed('the split view has no proof for its prefix')
  if (hashes !== undefined && hashes > MAX_PROOF_HASHES) {
    throw malformed(`the split view has more than ${MAX_PROOF_HASHES} hashes`)
  }
}

function headOf(note: string): Checkpoint {
  return parseCheckpoint(parseNote(utf8(note)).text)
}

/**
 * The evidence as a file. Neither signatures nor the proof are verified.
 * @throws MALFORMED, TOO_LARGE when parseSplitView would refuse its form
 */
export function formatSplitView({ first, second, prefix }: SplitView): string {
  checkShape(headOf(first), headOf(second), prefix?.proof.length)
  const hashes = prefix?.proof.map((hash) => `${toBase64(hash)}\n`).join('')
  const proof = prefix === undefined ? '' : `prefix ${toBase64(rootHash(prefix.root))}\n${hashes}`
  const content = `${proof}\n${first}\n${second}`
  return `${SPLIT_VIEW_HEADER}digest ${toBase64(sha256(utf8(content)))}\n${content}`
}

/**
 * Reads the evidence. Neither the signatures nor the proof are verified: see verifySplitView.
 * @throws TOO_LARGE beyond MAX_SPLIT_VIEW_SIZE
 * @throws VERIFICATION_FAILED when the file has another digest than the one it states
 * @throws MALFORMED on anything else that formatSplitView would not write
 */
export function parseSplitView(bytes: Uint8Array): ParsedSplitView {
  if (bytes.length > MAX_SPLIT_VIEW_SIZE) {
    throw new CairnError('TOO_LARGE', `a split view has ${MAX_SPLIT_VIEW_SIZE} bytes at most`)
  }
  const content = fromUtf8(withoutDigest(bytes), 'the split view')
  const end = content.startsWith('\n') ? 0 : content.indexOf('\n\n') + 1
  if (end === 0 && !content.startsWith('\n')) {
    throw malformed('the split view has no blank line before its heads')
  }
  // Checkpoints have no empty lines, so the blank ones are: after each text, and between the notes.
  const parts = content.slice(end + 1).split('\n\n')
  if (parts.length !== 4) throw malformed('the split view does not have two heads')
  const first = `${parts[0]}\n\n${parts[1]}\n`
  const second = `${parts[2]}\n\n${parts[3]}`
  const heads = { first: headOf(first), second: headOf(second) }
  const prefix = end === 0 ? undefined : parsePrefix(content.slice(0, end - 1))
  checkShape(heads.first, heads.second, prefix?.proof.length)
  return { first, second, ...(prefix && { prefix }), heads }
}

const DIGEST_START = 'digest '

/** What follows the first two lines, once it is what the second one says. */
function withoutDigest(bytes: Uint8Array): Uint8Array {
  const header = utf8(SPLIT_VIEW_HEADER)
  if (!equal(bytes.subarray(0, header.length), header)) {
    throw malformed('a split view begins with the line cairn-split-view/v1')
  }
  const end = bytes.indexOf(0x0a, header.length)
  const line = fromUtf8(bytes.subarray(header.length, Math.max(end, 0)), 'the split view')
  if (!line.startsWith(DIGEST_START)) throw malformed('the split view has no digest line')
  const digest = fromBase64(line.slice(DIGEST_START.length), 'the digest of the split view')
  const content = bytes.subarray(end + 1)
  if (!equal(digest, sha256(content))) {
    const message = 'the split view was changed since it was made: its digest is another'
    throw new CairnError('VERIFICATION_FAILED', message)
  }
  return content
}

function parsePrefix(text: string): SplitPrefix {
  const [line = '', ...hashes] = text.split('\n')
  if (!line.startsWith('prefix ')) throw malformed('the proof of the split view has no prefix line')
  const root = rootHash(parseProofHash(line.slice('prefix '.length), 'the split view'))
  return { root, proof: hashes.map((hash) => parseProofHash(hash, 'the split view')) }
}
