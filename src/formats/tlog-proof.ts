/**
 * tlog-proof (c2sp.org/tlog-proof), the receipt as a text file: a leaf's index, its inclusion proof, and the
 * checkpoint that the proof leads to. The checkpoint is kept to the byte and is not opened here.
 *
 *   c2sp.org/tlog-proof@v1
 *   extra <base64>                   optional, and authenticated by nothing
 *   index <decimal>
 *   <base64 of a hash>               none for a tree of one leaf; the leaf's sibling first
 *
 *   <checkpoint, a signed note>
 */
import { fromBase64, fromDecimal, fromUtf8, toBase64 } from '../bytes.ts'
import { CairnError, malformed } from '../errors.ts'
import { HASH_SIZE, type NodeHash, nodeHash } from '../merkle/hash.ts'
import { type LeafIndex, leafIndex } from '../merkle/position.ts'

/** The longest tlog-proof that is read, in bytes: the largest note and as much again as the rest can need. */
export const MAX_TLOG_PROOF_SIZE = 1_048_576
/** The first line of the file. */
export const TLOG_PROOF_HEADER = 'c2sp.org/tlog-proof@v1\n'
/** No tree of 2^63 leaves or fewer needs more hashes than this. */
export const MAX_PROOF_HASHES = 63

export interface TlogProof {
  /** Bytes for the application's use. Nothing authenticates them. */
  readonly extra?: Uint8Array
  readonly index: LeafIndex
  readonly proof: readonly NodeHash[]
  /** The signed note, verbatim. */
  readonly checkpoint: string
}

/** The text of a tlog-proof. Checks nothing: its parts come from a log of one's own or from parseTlogProof. */
export function formatTlogProof(receipt: TlogProof): string {
  let text = TLOG_PROOF_HEADER
  if (receipt.extra !== undefined && receipt.extra.length > 0)
    text += `extra ${toBase64(receipt.extra)}\n`
  text += `index ${receipt.index}\n`
  for (const hash of receipt.proof) text += `${toBase64(hash)}\n`
  return `${text}\n${receipt.checkpoint}`
}

/**
 * The parts of a tlog-proof. Neither the proof nor the checkpoint is verified.
 * @throws MALFORMED unless formatTlogProof would make the same bytes; TOO_LARGE beyond MAX_TLOG_PROOF_SIZE
 */
export function parseTlogProof(bytes: Uint8Array): TlogProof {
  if (bytes.length > MAX_TLOG_PROOF_SIZE) {
    throw new CairnError('TOO_LARGE', `a tlog-proof has ${MAX_TLOG_PROOF_SIZE} bytes at most`)
  }
  const text = fromUtf8(bytes, 'the tlog-proof')
  if (!text.startsWith(TLOG_PROOF_HEADER)) {
    throw malformed('a tlog-proof begins with the line c2sp.org/tlog-proof@v1')
  }
  const end = text.indexOf('\n\n')
  if (end < 0) throw malformed('a tlog-proof has a blank line before its checkpoint')
  const checkpoint = text.slice(end + 2)
  if (checkpoint === '') throw malformed('the tlog-proof has no checkpoint')

  const lines = text.slice(TLOG_PROOF_HEADER.length, end).split('\n')
  const extra = lines[0]?.startsWith('extra ')
    ? fromBase64(lines.shift()!.slice(6), 'extra')
    : undefined
  if (extra?.length === 0) throw malformed('the extra line of a tlog-proof is empty')
  const index = lines.shift()
  if (!index?.startsWith('index ')) throw malformed('the tlog-proof has no index line')
  if (lines.length > MAX_PROOF_HASHES) {
    throw malformed(`the tlog-proof has more than ${MAX_PROOF_HASHES} hashes`)
  }
  return {
    ...(extra && { extra }),
    index: parseIndex(index.slice(6)),
    proof: lines.map((line) => parseProofHash(line)),
    checkpoint,
  }
}

function parseIndex(text: string): LeafIndex {
  const value = fromDecimal(text, 'the index')
  if (value === Number.MAX_SAFE_INTEGER) throw malformed('the index is larger than 2^53-2')
  return leafIndex(value)
}

/** A hash of a proof from its base64. @throws MALFORMED */
export function parseProofHash(line: string, what = 'the inclusion proof'): NodeHash {
  const bytes = fromBase64(line, `a hash of ${what}`)
  if (bytes.length !== HASH_SIZE) {
    throw malformed(`a hash of ${what} has ${bytes.length} bytes instead of ${HASH_SIZE}`)
  }
  return nodeHash(bytes)
}
