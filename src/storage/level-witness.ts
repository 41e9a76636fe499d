/**
 * The embedded store of a witness: a WitnessStore over LevelDB, in one directory and one process. Each log has a record
 * of its keys and one of its newest head, which a batch compares with what it was made from before it replaces them.
 */
import { equal } from '../bytes.ts'
import { CairnError } from '../errors.ts'
import {
  engineFailure,
  type LevelBatch,
  type LevelDatabase,
  openDatabase,
  plain,
} from './level-engine.ts'
import {
  conflictKey,
  conflictRange,
  cosignaturesKey,
  decodeConflict,
  decodeHead,
  decodeLog,
  encodeConflict,
  encodeHead,
  encodeLog,
  headKey,
  LOG_RANGE,
  logKey,
} from './level-witness-records.ts'
import type {
  CosignedHead,
  StoredConflict,
  StoredCosignedHead,
  StoredLog,
  WitnessChange,
  WitnessStore,
} from './witness-port.ts'

/** Logs whose heads are read in one go. */
const LOGS_AT_ONCE = 1_000

type Advance = Extract<WitnessChange, { kind: 'advance' }>

export interface LevelWitnessStoreOptions {
  /** Makes the store when there is none. Default true. */
  readonly createIfMissing?: boolean
}

/**
 * Opens the store in a directory, which no other process may have open.
 * @throws LOCKED, NOT_FOUND, CORRUPT, DISK_FULL, IO
 */
export async function openLevelWitnessStore(
  directory: string,
  { createIfMissing = true }: LevelWitnessStoreOptions = {},
): Promise<WitnessStore> {
  return new LevelWitnessStore(await openDatabase(directory, { createIfMissing }))
}

class LevelWitnessStore implements WitnessStore {
  readonly #database: LevelDatabase
  /** The first failed write. The engine's log may end in half a record after it, so nothing may follow. */
  #failure: CairnError | undefined
  /** The newest write: the next one compares with what it leaves behind. */
  #writing: Promise<unknown> = Promise.resolve()

  constructor(database: LevelDatabase) {
    this.#database = database
  }

  async *logs(): AsyncGenerator<StoredLog> {
    let some: { readonly origin: string; readonly vkeys: readonly string[] }[] = []
    for await (const [key, value] of this.#entries(LOG_RANGE, 'the logs')) {
      some.push(decodeLog(key, value))
      if (some.length < LOGS_AT_ONCE) continue
      yield* await this.#withHeads(some)
      some = []
    }
    yield* await this.#withHeads(some)
  }

  async head(origin: string): Promise<StoredCosignedHead | undefined> {
    const [stored, signed] = await this.#read(
      [headKey(origin), cosignaturesKey(origin)],
      'the head of a log',
    )
    if (stored === undefined) return undefined
    const { head, rest } = decodeHead(stored)
    const over = signed === undefined ? undefined : decodeHead(signed)
    const cosignatures = over !== undefined && isSame(over.head, head) ? over.rest : undefined
    return { ...head, checkpoint: rest, cosignatures }
  }

  write(changes: readonly WitnessChange[]): Promise<void> {
    const written = this.#writing.then(() => this.#write(changes))
    this.#writing = written.catch(() => undefined)
    return written
  }

  async *conflicts(origin?: string): AsyncGenerator<StoredConflict> {
    for await (const [key, value] of this.#entries(conflictRange(origin), 'the conflicts')) {
      yield decodeConflict(key, value)
    }
  }

  async close(): Promise<void> {
    await this.#writing
    try {
      await this.#database.close()
    } catch (error) {
      throw engineFailure('close the store', error)
    }
  }

  async #write(changes: readonly WitnessChange[]): Promise<void> {
    if (this.#failure !== undefined) {
      throw new CairnError(
        'STOPPED',
        `nothing more is written after a failure: ${this.#failure.message}; restart to recover`,
        { cause: this.#failure },
      )
    }
    if (this.#database.status !== 'open') throw new CairnError('STOPPED', 'the store is closed')
    await this.#compare(changes.filter((change) => change.kind === 'advance'))
    const batch = this.#database.batch()
    try {
      for (const change of changes) put(batch, change)
    } catch (error) {
      await batch.close()
      throw error
    }
    try {
      await batch.write({ sync: changes.some(({ kind }) => kind !== 'keep-cosignatures') })
    } catch (error) {
      this.#failure = engineFailure('write to the store', error)
      throw this.#failure
    }
  }

  /** @throws CONFLICT unless the stored heads are those that the changes are made from */
  async #compare(advances: readonly Advance[]): Promise<void> {
    if (advances.length === 0) return
    const found = await this.#read(
      advances.map(({ origin }) => headKey(origin)),
      'the heads of logs',
    )
    const origins = new Set<string>()
    for (const [i, { origin, previous, head }] of advances.entries()) {
      const value = found[i]
      const stored = value === undefined ? undefined : decodeHead(value).head
      if (!isSame(stored, previous)) {
        throw new CairnError(
          'CONFLICT',
          `the stored head of ${origin} is of size ${stored?.size ?? 'none'}, not ${previous?.size ?? 'none'}: another process has written it`,
        )
      }
      if (stored !== undefined && (head.size < stored.size || head.timestamp < stored.timestamp)) {
        throw new CairnError('CONFLICT', `the head of ${origin} would go back`)
      }
      if (origins.has(origin)) throw new RangeError(`two heads of ${origin} in one batch`)
      origins.add(origin)
    }
  }

  async #withHeads(
    logs: readonly { readonly origin: string; readonly vkeys: readonly string[] }[],
  ): Promise<StoredLog[]> {
    const heads = await this.#read(
      logs.map(({ origin }) => headKey(origin)),
      'the heads of logs',
    )
    return logs.map((log, i) => {
      const value = heads[i]
      return { ...log, head: value === undefined ? undefined : decodeHead(value).head }
    })
  }

  async #read(keys: Uint8Array[], what: string): Promise<(Uint8Array | undefined)[]> {
    try {
      const values = await this.#database.getMany(keys)
      return values.map((value) => (value === undefined ? undefined : plain(value)))
    } catch (error) {
      throw engineFailure(`read ${what}`, error)
    }
  }

  async *#entries(
    range: { readonly gte: Uint8Array; readonly lt: Uint8Array },
    what: string,
  ): AsyncGenerator<[key: Uint8Array, value: Uint8Array]> {
    try {
      for await (const [key, value] of this.#database.iterator(range)) {
        yield [plain(key), plain(value)]
      }
    } catch (error) {
      throw engineFailure(`read ${what}`, error)
    }
  }
}

function put(batch: LevelBatch, change: WitnessChange): void {
  switch (change.kind) {
    case 'watch':
      batch.put(logKey(change.origin), encodeLog(change.origin, change.vkeys))
      break
    case 'advance':
      batch.put(headKey(change.origin), encodeHead(change.head, change.checkpoint))
      batch.del(cosignaturesKey(change.origin))
      break
    case 'keep-cosignatures':
      batch.put(cosignaturesKey(change.origin), encodeHead(change.head, change.cosignatures))
      break
    case 'keep-conflict': {
      const { conflict } = change
      batch.put(conflictKey(conflict.origin, conflict.id), encodeConflict(conflict))
      break
    }
    case 'drop-conflict':
      batch.del(conflictKey(change.origin, change.id))
      break
  }
}

function isSame(one: CosignedHead | undefined, other: CosignedHead | undefined): boolean {
  if (one === undefined || other === undefined) return one === other
  return one.size === other.size && one.timestamp === other.timestamp && equal(one.root, other.root)
}
