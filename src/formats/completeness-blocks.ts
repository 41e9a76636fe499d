/**
 * How the map of a log is put together (spec/completeness.md): of the maps of blocks, each of which follows from a range
 * of entries and never changes. A block that is complete has 4,096 entries, and 64 of them make one of 262,144.
 */
import { sha256 } from '#sha256'
import { HASH_SIZE, type NodeHash, type RootHash, rootHash } from '../merkle/hash.ts'
import type { TreeSize } from '../merkle/position.ts'

/** Entries of a small and of a large block. */
export const SMALL_BLOCK = 4_096
export const LARGE_BLOCK = 262_144

/** The entries from `start` up to but without `end`. */
export interface Block {
  readonly start: number
  readonly end: number
}

/** The blocks of the map of so many entries, in order: large ones, then small ones, then what is left. */
export function blocksOf(size: TreeSize): Block[] {
  const blocks: Block[] = []
  let start = 0
  for (const width of [LARGE_BLOCK, SMALL_BLOCK]) {
    for (; start + width <= size; start += width) blocks.push({ start, end: start + width })
  }
  if (start < size) blocks.push({ start, end: size })
  return blocks
}

/** How many blocks blocksOf() gives. */
export function blockCount(size: TreeSize): number {
  const rest = size % LARGE_BLOCK
  return Math.floor(size / LARGE_BLOCK) + Math.ceil(rest / SMALL_BLOCK)
}

/** SHA-256(0x04 ‖ indices, u64 each): what the map of a block has for a key. */
export function hashList(indices: readonly number[]): Uint8Array {
  return hashListBytes(listBytes(indices))
}

/** Indices as u64 each. */
export function listBytes(indices: readonly number[]): Uint8Array {
  const list = new Uint8Array(8 * indices.length)
  for (let i = 0; i < indices.length; i++) {
    let rest = indices[i]!
    for (let at = 8 * i + 7; rest > 0; at--) {
      const above = Math.floor(rest / 256)
      list[at] = rest - 256 * above
      rest = above
    }
  }
  return list
}

/** Most lists are that short. */
const listOfOne = new Uint8Array(9)

/** As hashList, of indices that are u64 already. */
export function hashListBytes(list: Uint8Array): Uint8Array {
  const message = list.length === 8 ? listOfOne : new Uint8Array(1 + list.length)
  message[0] = 4
  message.set(list, 1)
  return sha256(message)
}

/** SHA-256(0x06 ‖ roots of the blocks): the root hash of the map. */
export function mapRoot(roots: readonly (RootHash | NodeHash)[]): RootHash {
  const message = new Uint8Array(1 + HASH_SIZE * roots.length)
  message[0] = 6
  for (const [i, root] of roots.entries()) message.set(root, 1 + HASH_SIZE * i)
  return rootHash(sha256(message))
}
