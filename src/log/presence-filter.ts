/**
 * Tells quickly that a leaf is new. A blocked Bloom filter over leaf hashes, two bytes a leaf, answers "certainly not in
 * the log" for more than 99 of 100 new leaves, which spares the store a look-up; "perhaps" is for the store to decide.
 * Leaf hashes are already uniform, so their own bits choose the places.
 *
 * The filter grows by segments of doubling capacity. It is filled from the tiles in the background after the log was
 * opened; until then, and beyond its largest size, every answer is "perhaps".
 */

import { TILE_WIDTH } from '../formats/tile.ts'
import { HASH_SIZE } from '../merkle/hash.ts'
import type { TreeSize } from '../merkle/position.ts'
import type { TileSource } from '../tiles/source.ts'

/** One cache line. */
const BLOCK_WORDS = 16
const FIRST_CAPACITY = 2 ** 20
const BITS_PER_LEAF = 16

interface Segment {
  readonly words: Uint32Array
  readonly blocks: number
  readonly capacity: number
  count: number
}

export class PresenceFilter {
  readonly #segments: Segment[] = []
  readonly #maxLeaves: number
  #leaves = 0
  #complete: boolean

  /** A filter that gives up beyond `maxLeaves`. It is complete at once when the log is empty. */
  constructor(maxLeaves: number, size: TreeSize) {
    this.#maxLeaves = maxLeaves
    this.#complete = size === 0
  }

  /** Whether the leaf hash at `hashes[at..at+32)` is certainly not in the log. */
  isNew(hashes: Buffer, at: number): boolean {
    if (!this.#complete) return false
    for (const segment of this.#segments) if (contains(segment, hashes, at)) return false
    return true
  }

  /** Notes leaf hashes, 32 bytes each. */
  add(hashes: Buffer): void {
    this.#leaves += hashes.length / HASH_SIZE
    if (this.#leaves > this.#maxLeaves) {
      this.#complete = false
      this.#segments.length = 0
      return
    }
    for (let at = 0; at < hashes.length; at += HASH_SIZE) insert(this.#roomy(), hashes, at)
  }

  /**
   * Notes all leaves of a tree of `size` leaves, in small steps that leave room for others, until `stop` is aborted.
   * Leaves that are added meanwhile by `add` count as well.
   */
  async fill(tiles: TileSource, size: TreeSize, stop: AbortSignal): Promise<void> {
    if (size > this.#maxLeaves) return
    for (let at = 0; at < size; at += TILE_WIDTH) {
      const tile = await tiles.tile(0, at / TILE_WIDTH, Math.min(TILE_WIDTH, size - at))
      if (stop.aborted) return
      this.add(Buffer.from(tile.buffer, tile.byteOffset, tile.length))
    }
    this.#complete = this.#leaves <= this.#maxLeaves
  }

  #roomy(): Segment {
    const last = this.#segments.at(-1)
    if (last !== undefined && last.count < last.capacity) return last
    const capacity = last === undefined ? FIRST_CAPACITY : last.capacity * 2
    const blocks = (capacity * BITS_PER_LEAF) / (BLOCK_WORDS * 32)
    const segment = { words: new Uint32Array(blocks * BLOCK_WORDS), blocks, capacity, count: 0 }
    this.#segments.push(segment)
    return segment
  }
}

/** A leaf's block comes from its first four bytes; six bits in it from the next eight, nine bits of the hash each. */
function insert(segment: Segment, hashes: Buffer, at: number): void {
  const { words } = segment
  const block = (hashes.readUInt32LE(at) % segment.blocks) * BLOCK_WORDS
  const a = hashes.readUInt32LE(at + 4)
  const b = hashes.readUInt32LE(at + 8)
  for (const bits of [
    a & 511,
    (a >>> 9) & 511,
    (a >>> 18) & 511,
    b & 511,
    (b >>> 9) & 511,
    (b >>> 18) & 511,
  ]) {
    words[block + (bits >>> 5)]! |= 1 << (bits & 31)
  }
  segment.count++
}

function contains({ words, blocks }: Segment, hashes: Buffer, at: number): boolean {
  const block = (hashes.readUInt32LE(at) % blocks) * BLOCK_WORDS
  const a = hashes.readUInt32LE(at + 4)
  const b = hashes.readUInt32LE(at + 8)
  return (
    isSet(words, block, a & 511) &&
    isSet(words, block, (a >>> 9) & 511) &&
    isSet(words, block, (a >>> 18) & 511) &&
    isSet(words, block, b & 511) &&
    isSet(words, block, (b >>> 9) & 511) &&
    isSet(words, block, (b >>> 18) & 511)
  )
}

function isSet(words: Uint32Array, block: number, bit: number): boolean {
  return (words[block + (bit >>> 5)]! & (1 << (bit & 31))) !== 0
}
