/**
 * The second opinion before a key is touched. It reads the very bytes that are about to be stored, hashes them along
 * another path and must arrive at the same root; a bit that flipped in memory stops the log instead of being signed.
 *
 * The first path (EdgeTree) appends leaf by leaf. This one joins the batch level by level, in a buffer of its own.
 */
import { sha256Into } from '#sha256'
import { equal } from '../bytes.ts'
import { CairnError } from '../errors.ts'
import { MAX_ENTRY_SIZE } from '../formats/bundle.ts'
import { type Frontier, rootOfFrontier } from '../merkle/frontier.ts'
import {
  HASH_SIZE,
  hashChildren,
  hashChildrenInto,
  type NodeHash,
  nodeHash,
  type RootHash,
} from '../merkle/hash.ts'
import { isOdd } from '../merkle/position.ts'
import type { BundleRun, Commit } from '../storage/port.ts'

type Unsigned = Pick<Commit, 'previousSize' | 'tiles' | 'leafHashes'> & {
  /** The entries, wherever they are cut. */
  readonly bundles: readonly Pick<BundleRun, 'count' | 'framed'>[]
}

export class DoubleCheck {
  #size: number
  /** The roots of the complete subtrees by height; undefined where the size has no such bit. */
  readonly #subtrees: (NodeHash | undefined)[] = []
  /** RFC 6962's 0x00, then the entry at hand. */
  readonly #message = new Uint8Array(1 + MAX_ENTRY_SIZE)

  /** Starts from the frontier of the tree as it is stored. */
  constructor(frontier: Frontier) {
    this.#size = frontier.size
    const hashes = [...frontier.hashes]
    for (let rest = this.#size; rest > 0; rest = Math.floor(rest / 2)) {
      this.#subtrees.push(isOdd(rest) ? hashes.pop() : undefined)
    }
  }

  /**
   * Follows one commit.
   * @throws CORRUPT when the stored bytes do not give the same leaf hashes or not the same root
   */
  follow({ previousSize, bundles, tiles, leafHashes }: Unsigned, root: RootHash): void {
    if (this.#size !== previousSize) disagree('another size')
    const count = leafHashes.length / HASH_SIZE
    const hashes = this.#leafHashes(bundles, count)
    if (!equal(hashes, leafHashes)) disagree('other leaf hashes')
    let tiled = 0
    for (const { level, hashes: run } of tiles) {
      if (level > 0) continue
      if (!equal(run, hashes.subarray(tiled, tiled + run.length))) disagree('another tile')
      tiled += run.length
    }
    if (tiled !== hashes.length) disagree('other tiles')
    this.#join(hashes, count)
    const frontier = this.#subtrees.filter((node) => node !== undefined).reverse()
    if (!equal(rootOfFrontier(frontier), root)) disagree('another root hash')
  }

  /** Hashes the entries of the bundles as they will be stored. */
  #leafHashes(bundles: Unsigned['bundles'], count: number): Uint8Array {
    const message = this.#message
    const hashes = new Uint8Array(count * HASH_SIZE)
    let leaf = 0
    for (const { framed, count: entries } of bundles) {
      let at = 0
      for (let i = 0; i < entries; i++, leaf++) {
        const start = at + 2
        at = start + framed[at]! * 256 + framed[at + 1]!
        if (at > framed.length || leaf >= count) disagree('another bundle')
        message.set(framed.subarray(start, at), 1)
        sha256Into(message.subarray(0, 1 + at - start), hashes, leaf * HASH_SIZE)
      }
      if (at !== framed.length) disagree('another bundle')
    }
    if (leaf !== count) disagree('another number of entries')
    return hashes
  }

  /** Joins new leaf hashes with the complete subtrees to their left, one level after the other. */
  #join(leaves: Uint8Array, count: number): void {
    const nodes = leaves.slice()
    let left = count
    let start = this.#size
    for (let height = 0; left > 0; height++) {
      // The first node's sibling may be an older subtree: the pair's hash takes its place.
      let from = 0
      const sibling = isOdd(start) ? this.#subtrees[height] : undefined
      if (isOdd(start)) {
        nodes.set(hashChildren(sibling!, nodes.subarray(0, HASH_SIZE)), 0)
        from = 1
      }
      const pairs = Math.floor((left - from) / 2)
      for (let i = 0; i < pairs; i++) {
        hashChildrenInto(nodes, (from + 2 * i) * HASH_SIZE, nodes, (from + i) * HASH_SIZE)
      }
      const odd = from + 2 * pairs < left
      const last = (left - 1) * HASH_SIZE
      this.#subtrees[height] = odd ? nodeHash(nodes.slice(last, last + HASH_SIZE)) : undefined
      start = Math.floor(start / 2)
      left = from + pairs
    }
    this.#size += count
  }
}

function disagree(what: string): never {
  const message = `hashing the batch a second time gave ${what}: memory may be faulty; nothing was signed`
  throw new CairnError('CORRUPT', message)
}
