/**
 * The RFC 6962 section 2.1 hash functions, and the brands that keep leaves, interior nodes and roots apart.
 * The prefix bytes are the defence against second preimages: a leaf can never be taken for a node.
 */
import { sha256, sha256Into } from '#sha256'

declare const node: unique symbol
declare const leaf: unique symbol
declare const root: unique symbol

/** The hash of a complete or partial subtree: 32 bytes. */
export type NodeHash = Uint8Array & { readonly [node]: true }
/** The hash of a leaf, which is also a subtree of one leaf: 32 bytes. */
export type LeafHash = NodeHash & { readonly [leaf]: true }
/** The hash of a whole tree: 32 bytes. */
export type RootHash = Uint8Array & { readonly [root]: true }

/** Bytes in every hash of the tree. */
export const HASH_SIZE = 32

function checked(bytes: Uint8Array, what: string): Uint8Array {
  if (bytes.length !== HASH_SIZE) {
    throw new RangeError(`expected a ${what} of ${HASH_SIZE} bytes, got ${bytes.length}`)
  }
  return bytes
}

/** Takes 32 bytes from elsewhere as a node hash. @throws RangeError on another length */
export function nodeHash(bytes: Uint8Array): NodeHash {
  return checked(bytes, 'node hash') as NodeHash
}

/** Takes 32 bytes from elsewhere as a leaf hash. @throws RangeError on another length */
export function leafHash(bytes: Uint8Array): LeafHash {
  return checked(bytes, 'leaf hash') as LeafHash
}

/** Takes 32 bytes from elsewhere as a root hash. @throws RangeError on another length */
export function rootHash(bytes: Uint8Array): RootHash {
  return checked(bytes, 'root hash') as RootHash
}

/** SHA-256(0x00 ‖ leaf). */
export function hashLeaf(bytes: Uint8Array): LeafHash {
  const message = new Uint8Array(1 + bytes.length)
  message.set(bytes, 1)
  return sha256(message) as LeafHash
}

const pair = new Uint8Array(1 + 2 * HASH_SIZE)
pair[0] = 1

/** SHA-256(0x01 ‖ left ‖ right). @throws RangeError unless both have 32 bytes */
export function hashChildren(left: Uint8Array, right: Uint8Array): NodeHash {
  // A shorter one would be filled up with bytes of the previous pair.
  if (left.length !== HASH_SIZE || right.length !== HASH_SIZE) {
    throw new RangeError(`expected two hashes of ${HASH_SIZE} bytes`)
  }
  pair.set(left, 1)
  pair.set(right, 1 + HASH_SIZE)
  return sha256(pair) as NodeHash
}

/**
 * As hashChildren, for two hashes that lie side by side at `children[at..at+64)`, written to `out[offset..offset+32)`,
 * which may be the same array.
 * @throws RangeError when either range ends beyond its array
 */
export function hashChildrenInto(
  children: Uint8Array,
  at: number,
  out: Uint8Array,
  offset: number,
): void {
  if (at + 2 * HASH_SIZE > children.length) {
    throw new RangeError('expected two hashes side by side')
  }
  pair.set(children.subarray(at, at + 2 * HASH_SIZE), 1)
  sha256Into(pair, out, offset)
}

/** The root of the empty tree: SHA-256(""). */
export const EMPTY_ROOT: RootHash = sha256(new Uint8Array()) as RootHash
