/**
 * The second opinion before a key is touched. It reads the very bytes that are about to be stored, hashes them along
 * another path and must arrive at the same root; a bit that flipped in memory stops the log instead of being signed.
 */
import { sha256 } from '#sha256'
import { equal } from '../bytes.ts'
import { CairnError } from '../errors.ts'
import { MAX_ENTRY_SIZE } from '../formats/bundle.ts'
import type { Frontier } from '../merkle/frontier.ts'
import { HASH_SIZE, leafHash, type RootHash } from '../merkle/hash.ts'
import type { Commit } from '../storage/port.ts'

type Unsigned = Pick<Commit, 'previousSize' | 'bundles' | 'tiles' | 'leafHashes'>

export class DoubleCheck {
  readonly #frontier: Frontier
  /** RFC 6962's 0x00, then the entry at hand. */
  readonly #message = new Uint8Array(1 + MAX_ENTRY_SIZE)

  /** Starts from the frontier of the tree as it is stored. */
  constructor(frontier: Frontier) {
    this.#frontier = frontier.clone()
  }

  /**
   * Follows one commit.
   * @throws CORRUPT when the stored bytes do not give the same leaf hashes or not the same root
   */
  follow(commit: Unsigned, root: RootHash): void {
    const fail = (what: string): never => {
      throw new CairnError(
        'CORRUPT',
        `hashing the batch a second time gave ${what}: memory may be faulty; nothing was signed`,
      )
    }
    if (this.#frontier.size !== commit.previousSize) fail('another size')
    let leaves = 0
    for (const { framed, count } of commit.bundles) {
      let at = 0
      for (let i = 0; i < count; i++) {
        const start = at + 2
        at = start + framed[at]! * 256 + framed[at + 1]!
        this.#message.set(framed.subarray(start, at), 1)
        const hash = leafHash(sha256(this.#message.subarray(0, 1 + at - start)))
        const told = leaves++ * HASH_SIZE
        if (!equal(hash, commit.leafHashes.subarray(told, told + HASH_SIZE)))
          fail('another leaf hash')
        this.#frontier.append(hash)
      }
      if (at !== framed.length) fail('another bundle')
    }
    let tiled = 0
    for (const { level, hashes } of commit.tiles) {
      if (level > 0) continue
      if (!equal(hashes, commit.leafHashes.subarray(tiled, tiled + hashes.length)))
        fail('another tile')
      tiled += hashes.length
    }
    if (leaves * HASH_SIZE !== commit.leafHashes.length || tiled !== commit.leafHashes.length)
      fail('another count')
    if (!equal(this.#frontier.root(), root)) fail('another root hash')
  }
}
