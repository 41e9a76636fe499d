/**
 * The search index's store over LevelDB: the ordered map of the port is what LevelDB is. Only purging is not: there, what
 * was replaced or dropped stays in a table until that table is merged with another one, and in files that a reader still
 * has open.
 */
import { concat } from '../bytes.ts'
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

/** Nothing of it is needed. */
const REMEDY = 'build it again with cairn fsck --reindex'
/** Enough for a scan to come in one trip to the engine. */
const SCAN_BYTES = 2 ** 24
/** Keys that are read by one thread of the engine, one after the other. */
const A_LOT = 64

/** Behind every key. */
const BEYOND = new Uint8Array(64).fill(0xff)
const ALL: KeyRange = { gte: Uint8Array.of(0), lt: BEYOND }
/** Only writes to a table what is in memory, as no table reaches here. */
const NOTHING: KeyRange = { gte: BEYOND, lt: BEYOND }

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
  return new LevelIndexStore(
    directory,
    await openDatabase(directory, { createIfMissing, remedy: REMEDY }),
  )
}

class LevelIndexStore implements IndexStore {
  readonly #directory: string
  readonly #database: LevelDatabase
  /** The first failed write. The engine's log may end in half a record after it, so nothing may follow. */
  #failure: CairnError | undefined
  /** The newest write, which the next one waits for. */
  #writing: Promise<unknown> = Promise.resolve()
  /** Reads on their way. The engine keeps what they may see, so purging waits for them. */
  readonly #reading = new Set<Promise<unknown>>()

  constructor(directory: string, database: LevelDatabase) {
    this.#directory = directory
    this.#database = database
  }

  get(keys: readonly Uint8Array[]): Promise<(Uint8Array | undefined)[]> {
    return this.#read(async () => {
      const values: (Uint8Array | undefined)[] = []
      const lots = Array.from({ length: Math.ceil(keys.length / A_LOT) }, (_, i) =>
        this.#database.getMany(keys.slice(i * A_LOT, (i + 1) * A_LOT)),
      )
      for (const lot of await Promise.all(lots)) {
        for (const value of lot) values.push(value === undefined ? undefined : plain(value))
      }
      return values
    })
  }

  async scan({ gte, lt }: KeyRange, { limit, reverse = false }: IndexScan): Promise<IndexEntry[]> {
    if (!Number.isSafeInteger(limit) || limit < 1) {
      throw new RangeError(`expected a limit of 1 or more, got ${limit}`)
    }
    return this.#read(async () => {
      const options = { gte, lt, limit, reverse, highWaterMarkBytes: SCAN_BYTES }
      const entries = await this.#database.iterator(options).all()
      return entries.map(([key, value]) => [plain(key), plain(value)])
    })
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
      await compact(this.#database, NOTHING)
      await this.#database.clear()
      await compact(this.#database, ALL)
    })
  }

  purge(ranges: readonly KeyRange[]): Promise<void> {
    return this.#alone('purge the search index', async () => {
      await Promise.allSettled(this.#reading)
      // A table is merged only with those below it. What is in memory with its replacement must not become one table.
      await compact(this.#database, NOTHING)
      for (const range of ranges) {
        await this.#writeEdges(range)
        await compact(this.#database, range)
      }
      // The files of before are deleted by the next such step after the last reader is gone.
      await Promise.allSettled(this.#reading)
      await compact(this.#database, NOTHING)
    })
  }

  async usage(): Promise<number> {
    try {
      return await directoryBytes(this.#directory)
    } catch (error) {
      throw engineFailure('measure the search index', error, REMEDY)
    }
  }

  async close(): Promise<void> {
    await this.#writing
    try {
      await this.#database.close()
    } catch (error) {
      throw engineFailure('close the search index', error, REMEDY)
    }
  }

  /** Writes the first and the last key that a range can have as they are, so that all its tables have one above them. */
  async #writeEdges({ gte, lt }: KeyRange): Promise<void> {
    const end = lt.slice(0, -1)
    const last = lt.at(-1)!
    const edges = [gte, concat(end, last === 0 ? new Uint8Array() : Uint8Array.of(last - 1, 0xff))]
    const values = await this.#database.getMany(edges)
    const batch = this.#database.batch()
    for (const [i, key] of edges.entries()) {
      const value = values[i]
      if (value === undefined) batch.del(key)
      else batch.put(key, value)
    }
    await batch.write({ sync: true })
  }

  async #read<T>(read: () => Promise<T>): Promise<T> {
    const reading = read()
    this.#reading.add(reading)
    try {
      return await reading
    } catch (error) {
      throw engineFailure('read the search index', error, REMEDY)
    } finally {
      this.#reading.delete(reading)
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
        this.#failure = engineFailure(what, error, REMEDY)
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
