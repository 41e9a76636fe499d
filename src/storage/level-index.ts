/** The search index's store over LevelDB: the ordered map of the port is what LevelDB is. */
import { CairnError } from '../errors.ts'
import { directoryBytes } from './disk-space.ts'
import type { IndexEntry, IndexScan, IndexStore, IndexWrite, KeyRange } from './index-port.ts'
import {
  compact,
  engineFailure,
  type LevelBatch,
  type LevelDatabase,
  openDatabase,
  plain,
} from './level-engine.ts'

/** Enough for a scan to come in one trip to the engine. */
const SCAN_BYTES = 2 ** 24

/** More than any key. */
const ALL: KeyRange = { gte: Uint8Array.of(0), lt: new Uint8Array(64).fill(0xff) }

export interface LevelIndexStoreOptions {
  /** Makes the store when there is none. Default true. */
  readonly createIfMissing?: boolean
}

/**
 * Opens the store in a directory, which no other process may have open.
 * @throws LOCKED, NOT_FOUND, CORRUPT, DISK_FULL, IO
 */
export async function openLevelIndexStore(
  directory: string,
  { createIfMissing = true }: LevelIndexStoreOptions = {},
): Promise<IndexStore> {
  return new LevelIndexStore(directory, await openDatabase(directory, { createIfMissing }))
}

class LevelIndexStore implements IndexStore {
  readonly #directory: string
  readonly #database: LevelDatabase
  /** The first failed write. The engine's log may end in half a record after it, so nothing may follow. */
  #failure: CairnError | undefined
  /** The newest write, which the next one waits for. */
  #writing: Promise<unknown> = Promise.resolve()
  /** Scans on their way. The engine keeps what they see, so purging waits for them. */
  readonly #scanning = new Set<Promise<unknown>>()

  constructor(directory: string, database: LevelDatabase) {
    this.#directory = directory
    this.#database = database
  }

  async get(keys: readonly Uint8Array[]): Promise<(Uint8Array | undefined)[]> {
    try {
      const values = await this.#database.getMany([...keys])
      return values.map((value) => (value === undefined ? undefined : plain(value)))
    } catch (error) {
      throw engineFailure('read the search index', error)
    }
  }

  async scan({ gte, lt }: KeyRange, { limit, reverse = false }: IndexScan): Promise<IndexEntry[]> {
    if (!Number.isSafeInteger(limit) || limit < 1) {
      throw new RangeError(`expected a limit of 1 or more, got ${limit}`)
    }
    try {
      const options = { gte, lt, limit, reverse, highWaterMarkBytes: SCAN_BYTES }
      const scanned = this.#database.iterator(options).all()
      this.#scanning.add(scanned)
      try {
        return (await scanned).map(([key, value]) => [plain(key), plain(value)])
      } finally {
        this.#scanning.delete(scanned)
      }
    } catch (error) {
      throw engineFailure('read the search index', error)
    }
  }

  write({ put = [], drop = [], durable = false }: IndexWrite): Promise<void> {
    return this.#alone('write to the search index', async () => {
      const batch = this.#database.batch()
      try {
        fill(batch, put, drop)
      } catch (error) {
        await batch.close()
        throw error
      }
      await batch.write({ sync: durable })
    })
  }

  clear(): Promise<void> {
    return this.#alone('clear the search index', async () => {
      await this.#database.clear()
      await compact(this.#database, ALL)
    })
  }

  async purge(ranges: readonly KeyRange[]): Promise<void> {
    await this.#writing
    await Promise.allSettled(this.#scanning)
    try {
      for (const range of ranges) await compact(this.#database, range)
    } catch (error) {
      throw engineFailure('purge the search index', error)
    }
  }

  async usage(): Promise<number> {
    try {
      return await directoryBytes(this.#directory)
    } catch (error) {
      throw engineFailure('measure the search index', error)
    }
  }

  async close(): Promise<void> {
    await this.#writing
    try {
      await this.#database.close()
    } catch (error) {
      throw engineFailure('close the search index', error)
    }
  }

  /** One change after the other. */
  #alone(what: string, change: () => Promise<void>): Promise<void> {
    const changed = this.#writing.then(async () => {
      if (this.#failure !== undefined) {
        throw new CairnError(
          'STOPPED',
          `nothing more is written after a failure: ${this.#failure.message}; restart to recover`,
          { cause: this.#failure },
        )
      }
      if (this.#database.status !== 'open') {
        throw new CairnError('STOPPED', `cannot ${what}: the store is closed`)
      }
      try {
        await change()
      } catch (error) {
        this.#failure = engineFailure(what, error)
        throw this.#failure
      }
    })
    this.#writing = changed.catch(() => undefined)
    return changed
  }
}

function fill(batch: LevelBatch, put: readonly IndexEntry[], drop: readonly Uint8Array[]): void {
  for (const [key, value] of put) batch.put(key, value)
  for (const key of drop) batch.del(key)
}
