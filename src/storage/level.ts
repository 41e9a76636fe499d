/**
 * The embedded store: a LogStore over LevelDB, in one directory and one process.
 *
 * Everything of the log is append-only inside the engine. A commit adds one key for each run of hashes or entries it
 * appends to a tile or bundle, so nothing written is ever rewritten; reading a tile joins its runs and insists that
 * they follow on. The keys are laid out in level-keys.ts, the records in level-records.ts.
 */
import { CairnError } from '../errors.ts'
import type { LeafHash } from '../merkle/hash.ts'
import { type LeafIndex, type TreeSize, treeSize } from '../merkle/position.ts'
import { checkCommit } from './commit-shape.ts'
import { directoryBytes, freeBytes } from './disk-space.ts'
import { LevelDedup } from './level-dedup.ts'
import {
  engineFailure,
  type LevelBatch,
  type LevelDatabase,
  openDatabase,
  plain,
} from './level-engine.ts'
import { inspectLevel } from './level-inspect.ts'
import {
  bundleKey,
  HEAD_KEY,
  IDEMPOTENCY,
  idempotencyKey,
  PUBLICATION_KEY,
  tileKey,
} from './level-keys.ts'
import {
  decodeHead,
  decodeIdempotency,
  decodePublication,
  encodeHead,
  encodeIdempotency,
  encodePublication,
} from './level-records.ts'
import { readBundle, readTile } from './level-runs.ts'
import type { Commit, IdempotencyRecord, LogStore, StoredHead, StoredPublication } from './port.ts'

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
  readonly #dedup: LevelDedup
  /** The committed size; the only writer of it is commit(). */
  #size: TreeSize
  #committing = false
  /** The first failed write. The engine's log may end in half a record after it, so nothing may follow. */
  #failure: CairnError | undefined
  #used: { at: number; bytes: number } | undefined

  constructor(directory: string, database: LevelDatabase, size: TreeSize, leavesAreNew: boolean) {
    this.#directory = directory
    this.#database = database
    this.#size = size
    this.#dedup = new LevelDedup(database, size, leavesAreNew)
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

  async *idempotencyRecords(): AsyncGenerator<IdempotencyRecord> {
    const range = { gte: Uint8Array.of(IDEMPOTENCY), lt: Uint8Array.of(IDEMPOTENCY + 1) }
    try {
      for await (const [key, value] of this.#database.iterator(range)) {
        yield decodeIdempotency(plain(key).slice(1), plain(value))
      }
    } catch (error) {
      throw engineFailure('read the idempotency records', error)
    }
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
      const putDedupKeys = await this.#dedup.prepare(commit.leafHashes, commit.previousSize)
      await this.#write((batch) => {
        for (const { bundle, offset, count, framed } of commit.bundles) {
          batch.put(bundleKey(bundle, offset, offset + count - 1), framed)
        }
        for (const { level, tile, offset, hashes } of commit.tiles) {
          batch.put(tileKey(level, tile, offset), hashes)
        }
        putDedupKeys(batch)
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
    return readTile(this.#database, level, tile)
  }

  async bundle(bundle: number): Promise<Uint8Array> {
    return readBundle(this.#database, bundle)
  }

  async find(leafHashes: readonly LeafHash[]): Promise<(LeafIndex | undefined)[]> {
    this.#assertOpen()
    return this.#dedup.find(leafHashes)
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
      await this.#dedup.stopped()
    } catch (error) {
      throw engineFailure('close the store', error)
    }
  }

  #assertOpen(): void {
    if (this.#database.status !== 'open') throw new CairnError('STOPPED', 'the store is closed')
  }

  #assertWritable(): void {
    this.#assertOpen()
    if (this.#failure === undefined) return
    throw new CairnError(
      'STOPPED',
      `nothing more is written after a failure: ${this.#failure.message}; restart to recover`,
      { cause: this.#failure },
    )
  }

  /** One atomic, synced write. The chained form costs a tenth of the main-thread time of an array of operations. */
  async #write(fill: (batch: LevelBatch) => void): Promise<void> {
    const batch = this.#database.batch()
    try {
      fill(batch)
    } catch (error) {
      await batch.close()
      throw error
    }
    try {
      await batch.write({ sync: true })
    } catch (error) {
      this.#failure ??= engineFailure('write to the store', error)
      throw this.#failure
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
}
