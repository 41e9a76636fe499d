/**
 * The embedded store: a LogStore over LevelDB, in one directory and one process.
 *
 * Everything of the log is append-only inside the engine. A commit adds one key for each run of hashes or entries it
 * appends to a tile or bundle, so nothing written is ever rewritten; reading a tile joins its runs and insists that
 * they follow on. The keys are laid out in level-keys.ts, the records in level-records.ts.
 */
import { concat, equal } from '../bytes.ts'
import { CairnError } from '../errors.ts'
import { HASH_SIZE, type LeafHash } from '../merkle/hash.ts'
import { type LeafIndex, type TreeSize, treeSize } from '../merkle/position.ts'
import { checkCommit, framedCount } from './commit-shape.ts'
import { directoryBytes, freeBytes } from './disk-space.ts'
import { engineFailure, type LevelDatabase, openDatabase } from './level-engine.ts'
import { inspectLevel } from './level-inspect.ts'
import {
  bundleKey,
  bundleRange,
  DEDUP_KEY_BYTES,
  describeKey,
  HEAD_KEY,
  INDEX_BYTES,
  idempotencyKey,
  PUBLICATION_KEY,
  parseKey,
  readIndex,
  tileKey,
  tileRange,
  writeDedupKey,
  writeIndex,
} from './level-keys.ts'
import {
  decodeHead,
  decodeIdempotency,
  decodePublication,
  encodeHead,
  encodeIdempotency,
  encodePublication,
} from './level-records.ts'
import type { Commit, IdempotencyRecord, LogStore, StoredHead, StoredPublication } from './port.ts'

const WIDTH = 256

type Batch = ReturnType<LevelDatabase['batch']>

interface KeyRange {
  readonly gte: Uint8Array
  readonly lte: Uint8Array
}

/** More than a whole bundle of the largest entries, so that one trip to the engine brings all runs. */
const ALL_AT_ONCE = { highWaterMarkBytes: 17 * 2 ** 20 }

const USED_TTL_MS = 10_000

export interface LevelStoreOptions {
  /** Makes the store when there is none. Default true. */
  readonly createIfMissing?: boolean
  /**
   * Promises that no committed leaf is stored already, because the caller asked find() about each one first and is
   * the only writer. The store then skips a look-up of its own that keeps the first index of a repeated leaf.
   * Default false.
   */
  readonly leavesAreNew?: boolean
}

/**
 * Opens the store in a directory, which no other process may have open.
 * @throws LOCKED, CORRUPT, NEWER_FORMAT, DISK_FULL, IO
 */
export async function openLevelStore(
  directory: string,
  options: LevelStoreOptions = {},
): Promise<LogStore> {
  const database = await openDatabase(directory, {
    createIfMissing: options.createIfMissing ?? true,
  })
  try {
    const value = await database.get(HEAD_KEY)
    const size = value === undefined ? treeSize(0) : decodeHead(plain(value)).size
    return new LevelStore(directory, database, size, options.leavesAreNew ?? false)
  } catch (error) {
    await database.close()
    throw engineFailure('read the head', error)
  }
}

class LevelStore implements LogStore {
  readonly #directory: string
  readonly #database: LevelDatabase
  readonly #leavesAreNew: boolean
  /** The committed size; the only writer of it is commit(). */
  #size: TreeSize
  #committing = false
  /** The first failed write. The engine's log may end in half a record after it, so nothing may follow. */
  #failure: CairnError | undefined
  /** Deduplication keys seen to be taken by another leaf, which a commit must leave alone. Practically empty. */
  readonly #taken = new Set<string>()
  #used: { at: number; bytes: number } | undefined

  constructor(directory: string, database: LevelDatabase, size: TreeSize, leavesAreNew: boolean) {
    this.#directory = directory
    this.#database = database
    this.#size = size
    this.#leavesAreNew = leavesAreNew
  }

  async head(): Promise<StoredHead | undefined> {
    const value = await this.#get(HEAD_KEY, 'the head')
    return value === undefined ? undefined : decodeHead(value)
  }

  async publication(): Promise<StoredPublication | undefined> {
    const value = await this.#get(PUBLICATION_KEY, 'the publication')
    return value === undefined ? undefined : decodePublication(value)
  }

  async idempotency(key: Uint8Array): Promise<IdempotencyRecord | undefined> {
    const value = await this.#get(idempotencyKey(key), 'an idempotency record')
    return value === undefined ? undefined : decodeIdempotency(key, value)
  }

  async commit(commit: Commit): Promise<void> {
    this.#assertWritable()
    if (this.#committing) throw new CairnError('CONFLICT', 'another commit is still being written')
    if (commit.previousSize !== this.#size) {
      throw new CairnError(
        'CONFLICT',
        `the store holds ${this.#size} entries, but the commit extends ${commit.previousSize}`,
      )
    }
    checkCommit(commit)
    this.#committing = true
    try {
      const skip = this.#leavesAreNew ? undefined : await this.#presentKeys(commit.leafHashes)
      await this.#write((batch) => {
        for (const { bundle, offset, count, framed } of commit.bundles) {
          batch.put(bundleKey(bundle, offset, offset + count - 1), framed)
        }
        for (const { level, tile, offset, hashes } of commit.tiles) {
          batch.put(tileKey(level, tile, offset), hashes)
        }
        this.#putDedupKeys(batch, commit, skip)
        for (const record of commit.idempotency) {
          batch.put(idempotencyKey(record.key), encodeIdempotency(record))
        }
        batch.put(HEAD_KEY, encodeHead(commit.head))
      })
      this.#size = commit.head.size
    } finally {
      this.#committing = false
    }
  }

  async publish(publication: StoredPublication): Promise<void> {
    this.#assertWritable()
    if (publication.size > this.#size) {
      throw new RangeError(`publication of ${publication.size}, but ${this.#size} are committed`)
    }
    const value = encodePublication(publication)
    await this.#write((batch) => batch.put(PUBLICATION_KEY, value))
  }

  async tile(level: number, tile: number): Promise<Uint8Array> {
    const runs = await this.#runs(tileRange(level, tile), `tile ${level}/${tile}`)
    let end = 0
    for (const [key, value] of runs) {
      const parsed = parseKey(key)
      if (parsed.kind !== 'tile' || parsed.offset !== end || value.length % HASH_SIZE !== 0) {
        throw brokenRuns(`tile ${level}/${tile}`, end)
      }
      end += value.length / HASH_SIZE
    }
    if (end > WIDTH) throw brokenRuns(`tile ${level}/${tile}`, end)
    return joined(runs)
  }

  async bundle(bundle: number): Promise<Uint8Array> {
    const runs = await this.#runs(bundleRange(bundle), `bundle ${bundle}`)
    let end = 0
    for (const [key, value] of runs) {
      const parsed = parseKey(key)
      if (
        parsed.kind !== 'bundle' ||
        parsed.first !== end ||
        framedCount(value) !== parsed.last - parsed.first + 1
      ) {
        throw brokenRuns(`bundle ${bundle}`, end)
      }
      end = parsed.last + 1
    }
    return joined(runs)
  }

  async find(leafHashes: readonly LeafHash[]): Promise<(LeafIndex | undefined)[]> {
    const keys = dedupKeys(leafHashes)
    let values: (Uint8Array | undefined)[]
    try {
      values = await this.#database.getMany(keys)
    } catch (error) {
      throw engineFailure('look for leaves', error)
    }
    const found = new Array<LeafIndex | undefined>(leafHashes.length).fill(undefined)
    const tiles = new Map<number, Promise<Uint8Array>>()
    for (let i = 0; i < values.length; i++) {
      const value = values[i]
      if (value === undefined) continue
      const index = readIndex(value, 0)
      if (value.length !== INDEX_BYTES || index >= this.#size) throw strayKey(keys[i]!)
      const number = Math.floor(index / WIDTH)
      let tile = tiles.get(number)
      if (tile === undefined) {
        tile = this.tile(0, number)
        tiles.set(number, tile)
      }
      const at = (index % WIDTH) * HASH_SIZE
      const stored = (await tile).subarray(at, at + HASH_SIZE)
      if (equal(stored, leafHashes[i]!)) found[i] = index as LeafIndex
      else this.#taken.add(String(keys[i]))
    }
    return found
  }

  inspect(size: TreeSize, progress?: (keys: number) => void): AsyncIterable<string> {
    return inspectLevel(this.#database, size, progress)
  }

  async usage(): Promise<{ readonly used: number; readonly free: number }> {
    const directory = this.#directory
    try {
      const now = performance.now()
      // The listing grows with the log, so it is not made for each look at the free space.
      if (this.#used === undefined || now - this.#used.at > USED_TTL_MS) {
        this.#used = { at: now, bytes: await directoryBytes(directory) }
      }
      return { used: this.#used.bytes, free: await freeBytes(directory) }
    } catch (error) {
      throw engineFailure('measure the disk', error)
    }
  }

  async close(): Promise<void> {
    try {
      await this.#database.close()
    } catch (error) {
      throw engineFailure('close the store', error)
    }
  }

  #assertWritable(): void {
    if (this.#failure === undefined) return
    throw new CairnError(
      'STOPPED',
      `nothing more is written after a failure: ${this.#failure.message}; restart to recover`,
      { cause: this.#failure },
    )
  }

  /** One atomic, synced write. The chained form costs a tenth of the main-thread time of an array of operations. */
  async #write(fill: (batch: Batch) => void): Promise<void> {
    try {
      const batch = this.#database.batch()
      fill(batch)
      await batch.write({ sync: true })
    } catch (error) {
      this.#failure ??= engineFailure('write to the store', error)
      throw this.#failure
    }
  }

  #putDedupKeys(batch: Batch, commit: Commit, skip: readonly boolean[] | undefined): void {
    const { leafHashes, previousSize } = commit
    // A put copies key and value at once, so one of each serves all.
    const key = new Uint8Array(DEDUP_KEY_BYTES)
    const value = new Uint8Array(INDEX_BYTES)
    // Backwards: of two puts to one key the later wins, and the first index of a leaf is the one to keep.
    for (let i = leafHashes.length / HASH_SIZE - 1; i >= 0; i--) {
      if (skip?.[i]) continue
      writeDedupKey(key, 0, leafHashes, HASH_SIZE * i)
      if (this.#taken.size > 0 && this.#taken.has(String(key))) continue
      writeIndex(value, 0, previousSize + i)
      batch.put(key, value)
    }
  }

  async #presentKeys(leafHashes: Uint8Array): Promise<boolean[]> {
    const keys = dedupKeys(hashesOf(leafHashes))
    try {
      return await this.#database.hasMany(keys)
    } catch (error) {
      throw engineFailure('look for leaves', error)
    }
  }

  async #get(key: Uint8Array, what: string): Promise<Uint8Array | undefined> {
    try {
      const value = await this.#database.get(key)
      return value === undefined ? undefined : plain(value)
    } catch (error) {
      throw engineFailure(`read ${what}`, error)
    }
  }

  async #runs(range: KeyRange, what: string): Promise<[Uint8Array, Uint8Array][]> {
    try {
      return await this.#database.iterator({ ...range, ...ALL_AT_ONCE }).all()
    } catch (error) {
      throw engineFailure(`read ${what}`, error)
    }
  }
}

/** Keys in one allocation, a view of it for each. */
function dedupKeys(leafHashes: readonly Uint8Array[]): Uint8Array[] {
  const slab = new Uint8Array(DEDUP_KEY_BYTES * leafHashes.length)
  return leafHashes.map((hash, i) => {
    writeDedupKey(slab, DEDUP_KEY_BYTES * i, hash, 0)
    return slab.subarray(DEDUP_KEY_BYTES * i, DEDUP_KEY_BYTES * (i + 1))
  })
}

function hashesOf(bytes: Uint8Array): Uint8Array[] {
  return Array.from({ length: bytes.length / HASH_SIZE }, (_, i) =>
    bytes.subarray(HASH_SIZE * i, HASH_SIZE * (i + 1)),
  )
}

function strayKey(key: Uint8Array): CairnError {
  return new CairnError(
    'CORRUPT',
    `${describeKey(key)} leads to no entry; keep a copy of the directory and restore a backup`,
  )
}

function brokenRuns(what: string, end: number): CairnError {
  return new CairnError(
    'CORRUPT',
    `${what} does not continue at ${end}; keep a copy of the directory and restore a backup`,
  )
}

/** The values one after another, as a Uint8Array of its own. */
function joined(runs: readonly (readonly [Uint8Array, Uint8Array])[]): Uint8Array {
  return runs.length === 1 ? plain(runs[0]![1]) : concat(...runs.map(([, value]) => value))
}

/** The engine gives Buffers, whose slice() does not copy; nothing above should meet one. */
function plain(buffer: Uint8Array): Uint8Array {
  return new Uint8Array(buffer.buffer, buffer.byteOffset, buffer.length)
}
