/**
 * Leaves into the bytes of a commit. Pure: hashes a batch, drops the leaves that are already in the log, and cuts the
 * rest into the runs that tiles and entry bundles grow by. This is the hot path: leaves are copied once, into their
 * framing, and hashed where they lie.
 */
import { hash } from 'node:crypto'
import { TILE_WIDTH } from '../formats/tile.ts'
import { HASH_SIZE, type LeafHash, leafHash } from '../merkle/hash.ts'
import type { TreeSize } from '../merkle/position.ts'
import type { BundleRun, TileRun } from '../storage/port.ts'
import type { EdgeTree } from './edge-tree.ts'

/** A batch of leaves in order: framed as in an entry bundle, and hashed. */
export interface HashedLeaves {
  readonly count: number
  /** u16 length ‖ leaf, repeated. */
  readonly framed: Buffer
  /** Where leaf i begins in `framed`, with one more number for the end of the last. */
  readonly starts: Uint32Array
  /** 32 bytes a leaf. */
  readonly hashes: Buffer
  /** The same, a view each. */
  readonly leafHashes: readonly LeafHash[]
  /** The hash of each leaf as 32 latin-1 characters: a cheap map key. */
  readonly keys: readonly string[]
}

/** Frames and hashes leaves of 1 to 65,535 bytes. */
export function hashLeaves(leaves: readonly Uint8Array[]): HashedLeaves {
  let length = 0
  for (const leaf of leaves) length += 2 + leaf.length
  const framed = Buffer.allocUnsafeSlow(length)
  const starts = new Uint32Array(leaves.length + 1)
  const hashes = Buffer.allocUnsafeSlow(leaves.length * HASH_SIZE)
  const leafHashes = new Array<LeafHash>(leaves.length)
  const keys = new Array<string>(leaves.length)
  let at = 0
  for (let i = 0; i < leaves.length; i++) {
    const leaf = leaves[i]!
    const end = at + 2 + leaf.length
    starts[i] = at
    framed[at] = leaf.length >> 8
    // RFC 6962's 0x00 prefix stands for a moment where the low length byte belongs, so the leaf is hashed in place.
    framed[at + 1] = 0
    framed.set(leaf, at + 2)
    const key = hash('sha256', framed.subarray(at + 1, end), 'binary')
    framed[at + 1] = leaf.length & 0xff
    hashes.write(key, i * HASH_SIZE, HASH_SIZE, 'latin1')
    leafHashes[i] = leafHash(new Uint8Array(hashes.buffer, i * HASH_SIZE, HASH_SIZE))
    keys[i] = key
    at = end
  }
  starts[leaves.length] = at
  return { count: leaves.length, framed, starts, hashes, leafHashes, keys }
}

/** The leaves at the given places, in that order (ascending). Returns the same object when that is all of them. */
export function pick(leaves: HashedLeaves, places: readonly number[]): HashedLeaves {
  if (places.length === leaves.count) return leaves
  const starts = new Uint32Array(places.length + 1)
  const hashes = Buffer.allocUnsafeSlow(places.length * HASH_SIZE)
  const leafHashes = new Array<LeafHash>(places.length)
  const keys = new Array<string>(places.length)
  let at = 0
  places.forEach((place, i) => {
    const from = leaves.starts[place]!
    const to = leaves.starts[place + 1]!
    // Leaves only ever move towards the front, so moving them inside their buffer is safe.
    leaves.framed.copyWithin(at, from, to)
    leaves.hashes.copy(hashes, i * HASH_SIZE, place * HASH_SIZE, (place + 1) * HASH_SIZE)
    starts[i] = at
    leafHashes[i] = leaves.leafHashes[place]!
    keys[i] = leaves.keys[place]!
    at += to - from
  })
  starts[places.length] = at
  return {
    count: places.length,
    framed: leaves.framed.subarray(0, at),
    starts,
    hashes,
    leafHashes,
    keys,
  }
}

/** Calls `visit` for each stretch of `[start, start+count)` that lies within one tile or bundle. */
function eachRun(
  start: number,
  count: number,
  visit: (run: { tile: number; offset: number; from: number; count: number }) => void,
): void {
  for (let from = 0; from < count; ) {
    const tile = Math.floor((start + from) / TILE_WIDTH)
    const offset = start + from - tile * TILE_WIDTH
    const width = Math.min(TILE_WIDTH - offset, count - from)
    visit({ tile, offset, from, count: width })
    from += width
  }
}

/** The entry bundle runs of leaves that are appended to a tree of `size` leaves. */
export function bundleRuns(size: TreeSize, leaves: HashedLeaves): BundleRun[] {
  const runs: BundleRun[] = []
  eachRun(size, leaves.count, ({ tile, offset, from, count }) => {
    const framed = leaves.framed.subarray(leaves.starts[from], leaves.starts[from + count])
    runs.push({ bundle: tile, offset, count, framed })
  })
  return runs
}

/** Appends the leaves to the tree, and gives the runs by which its tiles grow, at every level. */
export function growTiles(
  tree: EdgeTree,
  leaves: { readonly count: number; readonly hashes: Uint8Array },
): TileRun[] {
  const before: number = tree.size
  for (let i = 0; i < leaves.count; i++) tree.append(leaves.hashes, i * HASH_SIZE)
  const runs: TileRun[] = []
  let start = before
  let end: number = tree.size
  for (let level = 0; end > start; level++) {
    eachRun(start, end - start, ({ tile, offset, count }) => {
      runs.push({
        level,
        tile,
        offset,
        hashes: tree.tileHashes(level, tile, offset, offset + count),
      })
    })
    start = Math.floor(start / TILE_WIDTH)
    end = Math.floor(end / TILE_WIDTH)
  }
  return runs
}
