/**
 * Leaf indices, tree sizes and the arithmetic of node positions. All of it is plain arithmetic on safe integers:
 * JavaScript's bit operators would cut a size to 32 bits.
 */
declare const index: unique symbol
declare const size: unique symbol

/** The position of a leaf, from 0 to 2^53-2. */
export type LeafIndex = number & { readonly [index]: true }
/** A number of leaves, from 0 to 2^53-1. */
export type TreeSize = number & { readonly [size]: true }

/** @throws RangeError unless `value` is an integer from 0 to 2^53-2 */
export function leafIndex(value: number): LeafIndex {
  if (!Number.isSafeInteger(value) || value < 0 || value === Number.MAX_SAFE_INTEGER) {
    throw new RangeError(`expected a leaf index from 0 to 2^53-2, got ${value}`)
  }
  return value as LeafIndex
}

/** @throws RangeError unless `value` is an integer from 0 to 2^53-1 */
export function treeSize(value: number): TreeSize {
  if (!Number.isSafeInteger(value) || value < 0) {
    throw new RangeError(`expected a tree size from 0 to 2^53-1, got ${value}`)
  }
  return value as TreeSize
}

/**
 * A subtree of the tree whose leaves number `2^height`, the `index`-th of its height; its leaves are
 * `[index·2^height, (index+1)·2^height)`. At the right edge of a tree of a given size it may hold fewer.
 */
export interface Position {
  readonly height: number
  readonly index: number
}

/** `value / 2^bits`, rounded down; exact for every safe integer. */
export function shiftRight(value: number, bits: number): number {
  return Math.floor(value / 2 ** bits)
}

export function isOdd(value: number): boolean {
  return value % 2 === 1
}

/** Whether the subtree is full in a tree of `size` leaves. */
export function isComplete(position: Position, size: TreeSize): boolean {
  return position.index < shiftRight(size, position.height)
}

/** Number of bits that `value` needs; 0 for 0. */
export function bitLength(value: number): number {
  let bits = 0
  for (let rest = value; rest >= 1; rest = Math.floor(rest / 2)) bits++
  return bits
}

/** The height of a tree of `size` leaves: the smallest h with `2^h >= size`. */
export function treeHeight(size: TreeSize): number {
  return size <= 1 ? 0 : bitLength(size - 1)
}

/** The largest power of two strictly below `count` (RFC 6962's k); `count` is at least 2. */
export function splitPoint(count: number): number {
  return 2 ** (bitLength(count - 1) - 1)
}
