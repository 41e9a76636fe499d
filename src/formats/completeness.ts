/**
 * The proof that a list of entries is complete: that these, and no others of those before some size, are listed in the
 * map of the log under a term (spec/completeness.md). It is held against a checkpoint that comes with it.
 *
 *     cairn-completeness/v1
 *     acme request req-1         tenant, field, value
 *     8193                       the entry that has the root of the map
 *     8192                       the entries that the map is of
 *     <base64>                   the root hash of the map
 *     <base64>                   the key of the map
 *
 *     <base64>                   the inclusion proof of that entry
 *     ...
 *
 *     has 17 18 4095             of each block: what it lists,
 *     <base64>                   and the nodes beside the way there, the lowest first
 *     -                          one below which there is no key
 *     ...
 *
 *     none
 *     ...
 *
 *     other <base64> <base64>    another key and its value
 *     ...
 */
import { equal, fromBase64, fromDecimal, fromUtf8, toBase64, utf8 } from '../bytes.ts'
import { CairnError, malformed, verificationFailed } from '../errors.ts'
import { HASH_SIZE, hashLeaf, type NodeHash, type RootHash, rootHash } from '../merkle/hash.ts'
import { verifyInclusion } from '../merkle/inclusion.ts'
import { type LeafIndex, leafIndex, type TreeSize, treeSize } from '../merkle/position.ts'
import { MAX_PREFIX_DEPTH, type PrefixProof, rootFromPrefix } from '../merkle/prefix-map.ts'
import type { Checkpoint } from './checkpoint.ts'
import { type Block, blockCount, blocksOf, hashList, mapRoot } from './completeness-blocks.ts'
import { formatMapRoot, isVoid } from './completeness-root.ts'
import {
  checkTerm,
  MAP_KEY_SIZE,
  type MapTerm,
  type TermField,
  termKey,
} from './completeness-terms.ts'
import { MAX_PROOF_HASHES, parseProofHash } from './tlog-proof.ts'

/** The largest proof that is made or read, in bytes. */
export const MAX_COMPLETENESS_SIZE = 33_554_432
/** The most blocks in a proof: of a log of more than ten thousand million entries. */
const MAX_COMPLETENESS_BLOCKS = 40_000
/** The first line of a proof. */
export const COMPLETENESS_HEADER = 'cairn-completeness/v1\n'

/** What a block lists under the term, and the proof of it. */
export interface BlockProof {
  /** Rising; empty unless the proof shows the key. */
  readonly indices: readonly LeafIndex[]
  readonly proof: PrefixProof
}

export interface CompletenessProof {
  readonly term: MapTerm
  /** The entry by which the log has committed to the map. */
  readonly entry: LeafIndex
  /** What that entry says. */
  readonly size: TreeSize
  readonly root: RootHash
  readonly key: Uint8Array
  /** Its inclusion proof. */
  readonly inclusion: readonly NodeHash[]
  /** One for each of blocksOf(size). */
  readonly blocks: readonly BlockProof[]
}

/** The proof as text. Checks nothing: its parts come from a map of one's own or from parseCompleteness. */
export function formatCompleteness(proof: CompletenessProof): Uint8Array {
  const { term, entry, size, root, key, inclusion, blocks } = proof
  const head = [
    COMPLETENESS_HEADER.slice(0, -1),
    `${term.tenant} ${term.field} ${term.value}`,
    String(entry),
    String(size),
    toBase64(root),
    toBase64(key),
  ]
  const sections = [head, inclusion.map(toBase64), ...blocks.map(blockLines)]
  return utf8(sections.map((lines) => `${lines.join('\n')}\n`).join('\n'))
}

function blockLines({ indices, proof: { found, path } }: BlockProof): string[] {
  const nodes = path.map((hash) => (hash === undefined ? '-' : toBase64(hash)))
  switch (found.kind) {
    case 'key':
      return [`has ${indices.join(' ')}`, ...nodes]
    case 'nothing':
      return ['none', ...nodes]
    case 'other':
      return [`other ${toBase64(found.key)} ${toBase64(found.value)}`, ...nodes]
  }
}

/**
 * The parts of a proof; nothing of it is verified.
 * @throws MALFORMED unless formatCompleteness would make the same bytes; TOO_LARGE
 */
export function parseCompleteness(bytes: Uint8Array): CompletenessProof {
  if (bytes.length > MAX_COMPLETENESS_SIZE) {
    const most = `a proof of completeness has ${MAX_COMPLETENESS_SIZE} bytes at most`
    throw new CairnError('TOO_LARGE', most)
  }
  const text = fromUtf8(bytes, 'the proof of completeness')
  if (!text.startsWith(COMPLETENESS_HEADER)) {
    throw malformed('a proof of completeness begins with the line cairn-completeness/v1')
  }
  if (!text.endsWith('\n')) throw malformed('the proof of completeness is cut short')
  const sections = text.slice(0, -1).split('\n\n')
  const [head, inclusion, ...blocks] = sections.map((section) => section.split('\n'))
  if (head?.length !== 6 || inclusion === undefined) {
    throw malformed('the proof of completeness has no map root, or no inclusion proof of it')
  }
  const [, term, entry, entries, root, key] = head
  const size = treeSize(fromDecimal(entries!, 'size of map'))
  if (size === 0) throw malformed('there is no map of no entries')
  if (inclusion.length > MAX_PROOF_HASHES) {
    throw malformed(`the inclusion proof has more than ${MAX_PROOF_HASHES} hashes`)
  }
  const count = blockCount(size)
  if (count > MAX_COMPLETENESS_BLOCKS) {
    throw new CairnError('TOO_LARGE', `a map of ${size} entries has too many blocks for a proof`)
  }
  if (blocks.length !== count) {
    throw malformed(`a map of ${size} entries has ${count} blocks, and the proof ${blocks.length}`)
  }
  return {
    term: parseTerm(term!),
    entry: parseIndex(entry!),
    size,
    root: rootHash(parseBytes(root!, 'the root hash of the map', HASH_SIZE)),
    key: parseBytes(key!, 'the key of the map', MAP_KEY_SIZE),
    inclusion: inclusion.map((line) => parseProofHash(line)),
    blocks: blocks.map(parseBlock),
  }
}

function parseTerm(line: string): MapTerm {
  const [tenant = '', field = '', ...value] = line.split(' ')
  const term = { tenant, field: field as TermField, value: value.join(' ') }
  checkTerm(term)
  return term
}

function parseIndex(text: string): LeafIndex {
  const value = fromDecimal(text, 'an index')
  if (value === Number.MAX_SAFE_INTEGER) throw malformed('an index is larger than 2^53-2')
  return leafIndex(value)
}

function parseBytes(text: string, what: string, size: number): Uint8Array {
  const bytes = fromBase64(text, what)
  if (bytes.length !== size) throw malformed(`${what} has ${bytes.length} bytes, not ${size}`)
  return bytes
}

function parseBlock([first = '', ...path]: readonly string[]): BlockProof {
  if (path.length > MAX_PREFIX_DEPTH) throw malformed('a proof of a block is longer than a key')
  const nodes = path.map((line) =>
    line === '-' ? undefined : parseProofHash(line, 'the proof of a block'),
  )
  const [kind, ...words] = first.split(' ')
  if (kind === 'has' && words.length > 0) {
    return { indices: words.map(parseIndex), proof: { found: { kind: 'key' }, path: nodes } }
  }
  if (kind === 'none' && words.length === 0) {
    return { indices: [], proof: { found: { kind: 'nothing' }, path: nodes } }
  }
  const [key, value] = words
  if (kind === 'other' && value !== undefined && words.length === 2) {
    const found = {
      kind: 'other',
      key: parseBytes(key!, 'another key', HASH_SIZE),
      value: parseBytes(value, 'the value of another key', HASH_SIZE),
    } as const
    return { indices: [], proof: { found, path: nodes } }
  }
  throw malformed('a block of the proof begins with has, none or other, and what goes with it')
}

/** What a proof shows: these are all the entries before `size` that the log's map lists under a term. */
export interface CompleteList {
  readonly term: MapTerm
  /** Rising; empty when there are none. */
  readonly indices: readonly LeafIndex[]
  readonly size: TreeSize
  /** The entry by which the log has committed to it. */
  readonly entry: LeafIndex
}

/**
 * Checks a proof against a head whose signatures have been verified. That the map is the one that follows from the
 * entries is for those to check who have them: this shows that the log has committed to it, for everybody.
 * @throws VERIFICATION_FAILED
 */
export function verifyCompleteness(
  proof: CompletenessProof,
  head: Pick<Checkpoint, 'origin' | 'size' | 'root'>,
): CompleteList {
  const { term, entry, size, key, root, inclusion, blocks } = proof
  checkTerm(term)
  if (size > entry) throw verificationFailed(`entry ${entry} cannot be about the first ${size}`)
  if (isVoid(entry, size))
    throw verificationFailed(`entry ${entry} says too late what the first ${size} are`)
  const leaf = formatMapRoot({ origin: head.origin, size, root, key })
  verifyInclusion(entry, head.size, hashLeaf(leaf), inclusion, head.root)

  // Asked first, for a log can be of any size.
  if (blocks.length !== blockCount(size))
    throw verificationFailed('the proof is not of the blocks of its map')
  const termHash = termKey(key, term)
  const roots = blocksOf(size).map((block, i) => blockRoot(termHash, blocks[i]!, block))
  if (!equal(mapRoot(roots), root))
    throw verificationFailed('the proof leads to another root hash of the map')
  return { term, indices: blocks.flatMap(({ indices }) => indices), size, entry }
}

function blockRoot(key: Uint8Array, { indices, proof }: BlockProof, block: Block): RootHash {
  const { start, end } = block
  let next = start
  for (const index of indices) {
    if (!(index >= next && index < end)) {
      throw verificationFailed(
        `a list of the entries from ${start} to ${end - 1} has ${index} where it cannot`,
      )
    }
    next = index + 1
  }
  return rootFromPrefix(key, indices.length === 0 ? undefined : hashList(indices), proof)
}
