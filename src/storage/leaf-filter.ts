/**
 * Tells at once that a leaf is new. Nearly every leaf submitted is, and asking the engine about a key it does not have
 * means a look into a dozen tables: several microseconds of CPU, more than the rest of a commit. This Bloom filter
 * answers from memory; it may say "perhaps" of a leaf that is not stored, never "no" of one that is.
 *
 * Each leaf sets six bits within one cache line, chosen by the 16 bytes of its hash that also make its key in the
 * store, so that two leaves with one key are alike here too. Segments double as the log grows, up to 48 MB for 32
 * million leaves; from there on the last one fills up, and "perhaps" becomes the commoner answer.
 */
const BITS_PER_LEAF = 12
const BLOCK_WORDS = 16
const BLOCK_BITS = 32 * BLOCK_WORDS
const PROBES = 6

export interface LeafFilterLimits {
  /** Leaves in the first segment. Default 2^20. */
  readonly first?: number
  /** Leaves in the last segment. Default 2^24. */
  readonly last?: number
}

interface Segment {
  readonly words: Uint32Array
  readonly blocks: number
  readonly capacity: number
}

function segmentFor(capacity: number): Segment {
  const blocks = Math.ceil((capacity * BITS_PER_LEAF) / BLOCK_BITS)
  return { words: new Uint32Array(blocks * BLOCK_WORDS), blocks, capacity }
}

export class LeafFilter {
  readonly #last: number
  readonly #segments: Segment[]
  /** Leaves added to the newest segment. */
  #count = 0

  constructor(limits: LeafFilterLimits = {}) {
    this.#last = limits.last ?? 2 ** 24
    this.#segments = [segmentFor(limits.first ?? 2 ** 20)]
  }

  /** Adds the leaf hashes that lie side by side. */
  add(hashes: Uint8Array): void {
    for (let at = 0; at + 32 <= hashes.length; at += 32) {
      let segment = this.#segments.at(-1)!
      if (this.#count >= segment.capacity && segment.capacity < this.#last) {
        segment = segmentFor(segment.capacity * 2)
        this.#segments.push(segment)
        this.#count = 0
      }
      this.#count++
      const { words } = segment
      const block = blockOf(segment, hashes, at)
      for (let probe = 0; probe < PROBES; probe++) {
        const bit = probeBit(hashes, at, probe)
        words[block + (bit >>> 5)]! |= 1 << (bit & 31)
      }
    }
  }

  /** Whether the leaf hash at `hashes[at..at+32)` may have been added; false is certain. */
  mayHold(hashes: Uint8Array, at: number): boolean {
    for (const segment of this.#segments) {
      const { words } = segment
      const block = blockOf(segment, hashes, at)
      let probe = 0
      for (; probe < PROBES; probe++) {
        const bit = probeBit(hashes, at, probe)
        if ((words[block + (bit >>> 5)]! & (1 << (bit & 31))) === 0) break
      }
      if (probe === PROBES) return true
    }
    return false
  }
}

/** Where the leaf's block starts: its hash's first four bytes, taken as a fraction of all blocks. */
function blockOf(segment: Segment, hashes: Uint8Array, at: number): number {
  const head =
    hashes[at]! * 2 ** 24 + hashes[at + 1]! * 2 ** 16 + hashes[at + 2]! * 256 + hashes[at + 3]!
  return Math.floor((head / 2 ** 32) * segment.blocks) * BLOCK_WORDS
}

/** Nine bits out of the two bytes that belong to a probe. */
function probeBit(hashes: Uint8Array, at: number, probe: number): number {
  const from = at + 4 + 2 * probe
  return ((hashes[from]! & 1) << 8) | hashes[from + 1]!
}
