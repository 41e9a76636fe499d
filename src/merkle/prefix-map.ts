/**
 * A Merkle prefix map: a binary tree over 32-byte keys in which each key has one place, told by its bits, and holds one
 * 32-byte value (spec/completeness.md). Whoever knows the root can be shown the value of a key, or that it has none, and
 * no root can show both, however it was made.
 *
 *     node of no keys          32 zero bytes
 *     node of one key          SHA-256(0x02 ‖ key ‖ value), wherever in the tree it is
 *     node of several keys     SHA-256(0x03 ‖ node of those whose next bit is 0 ‖ node of those whose next bit is 1)
 */
import { sha256 } from '#sha256'
import { equal } from '../bytes.ts'
import { verificationFailed } from '../errors.ts'
import { HASH_SIZE, type NodeHash, nodeHash, type RootHash, rootHash } from './hash.ts'

/** Bits of a key, and so the most hashes in a proof. */
export const MAX_PREFIX_DEPTH = 256

/** The node of no keys, and the root of an empty map: 32 zero bytes, which are the hash of nothing that is known. */
export const NO_KEYS: NodeHash = nodeHash(new Uint8Array(HASH_SIZE))

/** A key with the hash of its node. */
export interface PrefixLeaf {
  readonly key: Uint8Array
  readonly hash: NodeHash
}

/** A node, and how many keys are below it: none, one, or several. */
export interface PrefixNode {
  readonly kind: 'none' | 'one' | 'several'
  readonly hash: NodeHash
}

export const EMPTY_NODE: PrefixNode = { kind: 'none', hash: NO_KEYS }

/**
 * What is found where a key would be, and the nodes beside the way there, the lowest first; undefined stands for a node
 * of no keys.
 */
export interface PrefixProof {
  readonly found: /** The key. */
    | { readonly kind: 'key' }
    /** Nothing. */
    | { readonly kind: 'nothing' }
    /** Another key, alone below the node in which the way ends. */
    | { readonly kind: 'other'; readonly key: Uint8Array; readonly value: Uint8Array }
  readonly path: readonly (NodeHash | undefined)[]
}

const leafMessage = new Uint8Array(1 + 2 * HASH_SIZE)
leafMessage[0] = 2
const branchMessage = new Uint8Array(1 + 2 * HASH_SIZE)
branchMessage[0] = 3

/** The node of one key. @throws RangeError unless both have 32 bytes */
export function hashKeyValue(key: Uint8Array, value: Uint8Array): NodeHash {
  return hashPair(leafMessage, key, value)
}

function hashPair(message: Uint8Array, first: Uint8Array, second: Uint8Array): NodeHash {
  // A shorter one would be filled up with bytes of the previous pair.
  if (first.length !== HASH_SIZE || second.length !== HASH_SIZE) {
    throw new RangeError(`expected two strings of ${HASH_SIZE} bytes`)
  }
  message.set(first, 1)
  message.set(second, 1 + HASH_SIZE)
  return sha256(message) as NodeHash
}

/** The node above two: that of a single key is the same at every height. */
export function joinNodes(left: PrefixNode, right: PrefixNode): PrefixNode {
  if (left.kind === 'none' && right.kind !== 'several') return right
  if (right.kind === 'none' && left.kind === 'one') return left
  return { kind: 'several', hash: hashPair(branchMessage, left.hash, right.hash) }
}

const BITS = [128, 64, 32, 16, 8, 4, 2, 1] as const

/** Whether bit `depth` of a key is 1; bit 0 is the highest of its first byte. */
export function keyBit(key: Uint8Array, depth: number): boolean {
  return (key[Math.floor(depth / 8)]! & BITS[depth % 8]!) !== 0
}

/** The first of leaves[from..to) whose bit is 1, or `to`. */
function splitAt(leaves: readonly PrefixLeaf[], depth: number, from: number, to: number): number {
  let [low, high] = [from, to]
  while (low < high) {
    const middle = Math.floor((low + high) / 2)
    if (keyBit(leaves[middle]!.key, depth)) high = middle
    else low = middle + 1
  }
  return low
}

/**
 * The node of leaves[from..to), which are sorted by their keys and share the first `depth` bits.
 * @throws RangeError when two keys are the same
 */
export function prefixNode(
  leaves: readonly PrefixLeaf[],
  depth = 0,
  from = 0,
  to: number = leaves.length,
): PrefixNode {
  if (from === to) return EMPTY_NODE
  if (to - from === 1) return { kind: 'one', hash: leaves[from]!.hash }
  if (depth === MAX_PREFIX_DEPTH) throw new RangeError('a key is there twice')
  const split = splitAt(leaves, depth, from, to)
  return joinNodes(
    prefixNode(leaves, depth + 1, from, split),
    prefixNode(leaves, depth + 1, split, to),
  )
}

/** Where the way of a key ends among leaves, and the nodes beside it from there up to `depth`. */
export interface PrefixSearch {
  /** The place of the only leaf there; undefined when there is none. */
  readonly at: number | undefined
  readonly path: readonly (NodeHash | undefined)[]
}

/** Follows a key through leaves as prefixNode() has them. @throws RangeError when two keys are the same */
export function searchPrefix(
  leaves: readonly PrefixLeaf[],
  key: Uint8Array,
  depth = 0,
  from = 0,
  to: number = leaves.length,
): PrefixSearch {
  if (to - from < 2) return { at: from === to ? undefined : from, path: [] }
  if (depth === MAX_PREFIX_DEPTH) throw new RangeError('a key is there twice')
  const split = splitAt(leaves, depth, from, to)
  const isRight = keyBit(key, depth)
  const { at, path } = isRight
    ? searchPrefix(leaves, key, depth + 1, split, to)
    : searchPrefix(leaves, key, depth + 1, from, split)
  const beside = isRight
    ? prefixNode(leaves, depth + 1, from, split)
    : prefixNode(leaves, depth + 1, split, to)
  return { at, path: [...path, besideOf(beside)] }
}

/** A node as it stands in a proof. */
export function besideOf({ kind, hash }: PrefixNode): NodeHash | undefined {
  return kind === 'none' ? undefined : hash
}

/**
 * The root that a proof about a key leads to; `value` is that of the key, and given when the proof shows the key.
 * @throws VERIFICATION_FAILED when no map has such a proof
 */
export function rootFromPrefix(
  key: Uint8Array,
  value: Uint8Array | undefined,
  { found, path }: PrefixProof,
): RootHash {
  if ((found.kind === 'key') !== (value !== undefined)) {
    throw verificationFailed('the proof does not show what it is said to show')
  }
  if (path.length > MAX_PREFIX_DEPTH) throw verificationFailed('the proof is longer than a key')
  const strings = [key, value, ...(found.kind === 'other' ? [found.key, found.value] : []), ...path]
  if (strings.some((one) => one !== undefined && one.length !== HASH_SIZE)) {
    throw verificationFailed(`a key, value or hash of the proof does not have ${HASH_SIZE} bytes`)
  }
  if (path.length > 0 && path[0] === undefined) {
    throw verificationFailed('the proof is longer than the way to the only key there')
  }
  let hash = NO_KEYS
  if (value !== undefined) hash = hashKeyValue(key, value)
  else if (found.kind === 'other') {
    if (equal(found.key, key)) throw verificationFailed('the key is said to be another')
    for (let depth = 0; depth < path.length; depth++) {
      if (keyBit(found.key, depth) !== keyBit(key, depth)) {
        throw verificationFailed('the other key does not belong where it is said to be')
      }
    }
    hash = hashKeyValue(found.key, found.value)
  }
  for (const [i, node = NO_KEYS] of path.entries()) {
    hash = keyBit(key, path.length - 1 - i)
      ? hashPair(branchMessage, node, hash)
      : hashPair(branchMessage, hash, node)
  }
  return rootHash(hash)
}
