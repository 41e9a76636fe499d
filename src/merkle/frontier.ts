/**
 * The frontier of a growing tree: the roots of its complete subtrees, largest first, one for each set bit of the
 * size. It is all that is needed to append leaves and to know the root, at an amortised one hash a leaf.
 */
import {
  EMPTY_ROOT,
  hashChildren,
  type LeafHash,
  type NodeHash,
  type RootHash,
  rootHash,
} from './hash.ts'
import { isOdd, type Position, shiftRight, type TreeSize, treeSize } from './position.ts'

/** The complete subtrees that make up a tree of `size` leaves, left to right. */
export function frontierPositions(size: TreeSize): Position[] {
  const positions: Position[] = []
  for (let height = 0, rest: number = size; rest > 0; height++, rest = shiftRight(rest, 1)) {
    if (isOdd(rest)) positions.push({ height, index: rest - 1 })
  }
  return positions.reverse()
}

/** Folds the hashes of a frontier into the root, right to left. */
export function rootOfFrontier(hashes: readonly NodeHash[]): RootHash {
  let node = hashes.at(-1)
  if (node === undefined) return EMPTY_ROOT
  for (let i = hashes.length - 2; i >= 0; i--) node = hashChildren(hashes[i]!, node)
  return rootHash(node)
}

export class Frontier {
  #size: number
  readonly #hashes: NodeHash[]

  /** A frontier of `size` leaves; `hashes` belong to `frontierPositions(size)`. @throws RangeError if they do not fit */
  constructor(size: TreeSize = treeSize(0), hashes: readonly NodeHash[] = []) {
    if (hashes.length !== frontierPositions(size).length) {
      throw new RangeError(
        `a tree of ${size} leaves does not have ${hashes.length} complete subtrees`,
      )
    }
    this.#size = size
    this.#hashes = [...hashes]
  }

  get size(): TreeSize {
    return this.#size as TreeSize
  }

  get hashes(): readonly NodeHash[] {
    return this.#hashes
  }

  /** @throws RangeError when the tree has 2^53-1 leaves */
  append(leaf: LeafHash): void {
    if (this.#size === Number.MAX_SAFE_INTEGER) throw new RangeError('the tree is full')
    let node: NodeHash = leaf
    for (let rest = this.#size; isOdd(rest); rest = shiftRight(rest, 1)) {
      node = hashChildren(this.#hashes.pop()!, node)
    }
    this.#hashes.push(node)
    this.#size++
  }

  root(): RootHash {
    return rootOfFrontier(this.#hashes)
  }

  clone(): Frontier {
    return new Frontier(this.size, this.#hashes)
  }
}
