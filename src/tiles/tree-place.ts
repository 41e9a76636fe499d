/** Where a pass over a tree from left to right stands: the tiles of each level that are not full yet. */
import { malformed } from '../errors.ts'
import { TILE_WIDTH } from '../formats/tile.ts'
import {
  EMPTY_ROOT,
  HASH_SIZE,
  hashChildren,
  type NodeHash,
  nodeHash,
  type RootHash,
  rootHash,
} from '../merkle/hash.ts'
import { splitPoint } from '../merkle/position.ts'

/** Where a pass stands: all that it has to know of what is behind it. */
export interface TreePlace {
  /** Entries behind: whole bundles. */
  readonly size: number
  /** Of each level from 1 up, the hashes that do not fill a tile yet, one after the other. */
  readonly levels: readonly Uint8Array[]
}

/** The hashes of one level that do not fill a tile yet. */
export class OpenTile {
  tile = 0
  count = 0
  readonly hashes: Uint8Array = new Uint8Array(TILE_WIDTH * HASH_SIZE)
  /** 1 for each hash that was recomputed, or taken from the stored tile in want of anything better. */
  readonly known: Uint8Array = new Uint8Array(TILE_WIDTH)

  push(hash: NodeHash | undefined): void {
    if (hash !== undefined) this.hashes.set(hash, this.count * HASH_SIZE)
    this.known[this.count] = hash === undefined ? 0 : 1
    this.count++
  }

  isKnown(): boolean {
    return !this.known.subarray(0, this.count).includes(0)
  }
}

/** Where a pass stands that has these levels. */
export function placeOf(size: number, levels: readonly OpenTile[]): TreePlace | undefined {
  if (size % TILE_WIDTH !== 0 || !levels.every((level) => level.isKnown())) return undefined
  return { size, levels: levels.map(({ hashes, count }) => hashes.slice(0, count * HASH_SIZE)) }
}

/** @throws MALFORMED unless a pass can go on from there */
export function checkPlace(place: TreePlace): void {
  levelsAt(place)
}

/** The levels of a place. @throws MALFORMED when they are not those of a tree of its size */
export function levelsAt({ size, levels }: TreePlace): OpenTile[] {
  if (size % TILE_WIDTH !== 0) throw malformed(`no bundle ends at entry ${size}`)
  const opened: OpenTile[] = []
  for (let count = size / TILE_WIDTH; count > 0; count = Math.floor(count / TILE_WIDTH)) {
    const hashes = levels[opened.length] ?? new Uint8Array()
    if (hashes.length !== (count % TILE_WIDTH) * HASH_SIZE) {
      throw malformed(
        `a tree of ${size} leaves has ${count % TILE_WIDTH} hashes in its last tile of level ${opened.length + 1}`,
      )
    }
    const level = new OpenTile()
    level.tile = Math.floor(count / TILE_WIDTH)
    level.count = count % TILE_WIDTH
    level.hashes.set(hashes)
    level.known.fill(1, 0, level.count)
    opened.push(level)
  }
  if (levels.length > opened.length) throw malformed(`a tree of ${size} leaves has fewer levels`)
  return opened
}

export function hashAt(hashes: Uint8Array, index: number): NodeHash {
  return nodeHash(hashes.subarray(index * HASH_SIZE, (index + 1) * HASH_SIZE))
}

/** The root over subtrees of one size, of which the last may be smaller (RFC 6962 section 2.1). */
function rootOver(subtrees: readonly NodeHash[]): NodeHash {
  if (subtrees.length === 1) return subtrees[0]!
  const k = splitPoint(subtrees.length)
  return hashChildren(rootOver(subtrees.slice(0, k)), rootOver(subtrees.slice(k)))
}

/** The root of the tree whose complete tiles ended up in `levels` (from level 1 up) and whose last leaves are given. */
export function rootOfEdge(
  levels: readonly OpenTile[],
  leafHashes: Uint8Array,
): RootHash | undefined {
  const leaves = Array.from({ length: leafHashes.length / HASH_SIZE }, (_, i) =>
    hashAt(leafHashes, i),
  )
  let right = leaves.length > 0 ? rootOver(leaves) : undefined
  for (const level of levels) {
    if (!level.isKnown()) return undefined
    const subtrees = Array.from({ length: level.count }, (_, i) => hashAt(level.hashes, i))
    if (right !== undefined) subtrees.push(right)
    if (subtrees.length > 0) right = rootOver(subtrees)
  }
  // A copy: a single subtree is a view of a tile that goes on to be filled.
  return right === undefined ? EMPTY_ROOT : rootHash(right.slice())
}
