/**
 * The first index of each leaf, kept by 16 bytes of its hash. What is found is compared with the whole hash in the
 * level-0 tile, so an answer is exact. Of two leaves whose hashes share those 16 bytes (nobody can make a pair with
 * less than 2^64 work) the first keeps the key, and the second is never found: it is only stored again when it is
 * submitted again.
 */
import { equal } from '../bytes.ts'
import { CairnError } from '../errors.ts'
import { TILE_WIDTH } from '../formats/tile.ts'
import { HASH_SIZE, type LeafHash } from '../merkle/hash.ts'
import type { LeafIndex, TreeSize } from '../merkle/position.ts'
import { LeafFilter } from './leaf-filter.ts'
import { engineFailure, type LevelBatch, type LevelDatabase } from './level-engine.ts'
import {
  DEDUP_KEY_BYTES,
  dedupKey,
  describeKey,
  INDEX_BYTES,
  readIndex,
  TILE,
  writeDedupKey,
  writeIndex,
} from './level-keys.ts'
import { readTile } from './level-runs.ts'

export class LevelDedup {
  readonly #database: LevelDatabase
  readonly #leavesAreNew: boolean
  readonly #filter = new LeafFilter()
  /** Whether the filter knows every stored leaf yet; until then it cannot deny any. */
  #complete: boolean
  readonly #filling: Promise<void>
  /** Keys found to be another leaf's, which a commit must leave alone. Practically empty. */
  readonly #taken = new Set<string>()

  /** Starts to read the hashes of the `size` leaves stored, and serves meanwhile. */
  constructor(database: LevelDatabase, size: TreeSize, leavesAreNew: boolean) {
    this.#database = database
    this.#leavesAreNew = leavesAreNew
    this.#complete = size === 0
    this.#filling = this.#complete ? Promise.resolve() : this.#fill(size)
  }

  /** For each leaf hash the index of the first such leaf. @throws CORRUPT, IO, STOPPED */
  async find(leafHashes: readonly LeafHash[]): Promise<(LeafIndex | undefined)[]> {
    const found = new Array<LeafIndex | undefined>(leafHashes.length).fill(undefined)
    const asked: number[] = []
    const keys: Uint8Array[] = []
    for (let i = 0; i < leafHashes.length; i++) {
      const hash = leafHashes[i]!
      if (this.#complete && !this.#filter.mayHold(hash, 0)) continue
      asked.push(i)
      keys.push(dedupKey(hash))
    }
    if (keys.length === 0) return found
    const values = await this.#ask(() => this.#database.getMany(keys))
    const tiles = new Map<number, Promise<Uint8Array>>()
    for (const [at, value] of values.entries()) {
      if (value === undefined) continue
      const key = keys[at]!
      if (value.length !== INDEX_BYTES) throw stray(key)
      const index = readIndex(value, 0)
      const stored = await this.#leafHash(index, tiles)
      if (stored.length !== HASH_SIZE) throw stray(key)
      if (equal(stored, leafHashes[asked[at]!]!)) found[asked[at]!] = index as LeafIndex
      else this.#taken.add(String(key))
    }
    return found
  }

  /**
   * Readies the keys of new leaves, the first of which gets `index`; the result puts them into the batch of their
   * commit. @throws IO, STOPPED
   */
  async prepare(leafHashes: Uint8Array, index: number): Promise<(batch: LevelBatch) => void> {
    const present = this.#leavesAreNew ? undefined : await this.#present(leafHashes)
    // Before the write: once a leaf can be found, the filter must not deny it.
    this.#filter.add(leafHashes)
    return (batch) => {
      // A put copies key and value at once, so one of each serves all.
      const key = new Uint8Array(DEDUP_KEY_BYTES)
      const value = new Uint8Array(INDEX_BYTES)
      // Backwards: of two puts to one key the later wins, and the first index of a leaf is the one to keep.
      for (let i = leafHashes.length / HASH_SIZE - 1; i >= 0; i--) {
        if (present?.has(i)) continue
        writeDedupKey(key, 0, leafHashes, HASH_SIZE * i)
        if (this.#taken.size > 0 && this.#taken.has(String(key))) continue
        writeIndex(value, 0, index + i)
        batch.put(key, value)
      }
    }
  }

  /** Waits until nothing is read in the background any more; the database must be closing. */
  async stopped(): Promise<void> {
    await this.#filling
  }

  /** Which of the leaves, by their place, have a key already. */
  async #present(leafHashes: Uint8Array): Promise<Set<number>> {
    const asked: number[] = []
    const keys: Uint8Array[] = []
    for (let at = 0; at < leafHashes.length; at += HASH_SIZE) {
      if (this.#complete && !this.#filter.mayHold(leafHashes, at)) continue
      asked.push(at / HASH_SIZE)
      keys.push(dedupKey(leafHashes.subarray(at, at + HASH_SIZE)))
    }
    if (keys.length === 0) return new Set()
    const has = await this.#ask(() => this.#database.hasMany(keys))
    return new Set(asked.filter((_, at) => has[at]))
  }

  /** The leaf hash at an index, each tile read once; empty when there is none. */
  async #leafHash(index: number, tiles: Map<number, Promise<Uint8Array>>): Promise<Uint8Array> {
    const number = Math.floor(index / TILE_WIDTH)
    let tile = tiles.get(number)
    if (tile === undefined) {
      tile = readTile(this.#database, 0, number)
      tiles.set(number, tile)
    }
    const at = (index % TILE_WIDTH) * HASH_SIZE
    return (await tile).subarray(at, at + HASH_SIZE)
  }

  async #ask<T>(question: () => Promise<T>): Promise<T> {
    try {
      return await question()
    } catch (error) {
      throw engineFailure('look for leaves', error)
    }
  }

  /** Takes the hashes of all leaves from the level-0 tiles, which is sequential and quick (a second for 5 million). */
  async #fill(size: TreeSize): Promise<void> {
    const range = { gte: Uint8Array.of(TILE, 0), lt: Uint8Array.of(TILE, 1) }
    let count = 0
    try {
      for await (const hashes of this.#database.values(range)) {
        this.#filter.add(hashes)
        count += hashes.length / HASH_SIZE
        if (count >= size) break
      }
      // With tiles missing, the engine goes on to be asked about every leaf.
      this.#complete = count === size
    } catch {
      // The store was closed, or cannot be read: whoever asks for something will be told.
    }
  }
}

function stray(key: Uint8Array): CairnError {
  return new CairnError(
    'CORRUPT',
    `${describeKey(key)} leads to no entry; keep a copy of the directory and restore a backup`,
  )
}
