/**
 * The store of a search index, or of the map of records, in a table of PostgreSQL. Writes that wait for each other are
 * made as one. What was replaced or dropped stays in the table's files until they are vacuumed, and longer; so purging
 * writes the table anew.
 */
import { CairnError } from '../errors.ts'
import type { IndexEntry, IndexScan, IndexStore, IndexWrite, KeyRange } from './index-port.ts'
import type { PostgresPool } from './postgres-pool.ts'
import { type Fence, persistently, RowWriter, readRows, scanRows } from './postgres-rows.ts'

/** Bytes that waiting writes have together at most, unless one has more. */
const TOGETHER = 8 * 2 ** 20

export interface PostgresIndexStoreOptions {
  /** Its schema has been migrated. It stays open when the store is closed. */
  readonly pool: PostgresPool
  /** Which of the stores of a log. */
  readonly space: 'index' | 'map'
  /** Writes are refused when this is not the newest term. */
  readonly fence?: Fence
}

/** Opens the store. Whoever writes first takes it over: what wrote it before can write no more. */
export function openPostgresIndexStore(options: PostgresIndexStoreOptions): IndexStore {
  return new PostgresIndexStore(options)
}

interface Waiting {
  readonly write: IndexWrite
  readonly bytes: number
  readonly resolve: () => void
  readonly reject: (error: unknown) => void
}

class PostgresIndexStore implements IndexStore {
  readonly #pool: PostgresPool
  readonly #table: 'index_rows' | 'map_rows'
  readonly #writer: RowWriter
  #closed = false
  /** The first failed write: what it left behind is not known. */
  #failure: CairnError | undefined
  /** Writes that are made together, as long as nothing else was asked for. */
  #gathering: Waiting[] | undefined
  /** The newest change, which the next one waits for. */
  #changing: Promise<unknown> = Promise.resolve()

  constructor({ pool, space, fence }: PostgresIndexStoreOptions) {
    this.#pool = pool
    this.#table = `${space}_rows`
    this.#writer = new RowWriter(pool, fence, () => !this.#closed)
  }

  get(keys: readonly Uint8Array[]): Promise<(Uint8Array | undefined)[]> {
    return this.#read(() => readRows(this.#pool, this.#table, keys))
  }

  async scan({ gte, lt }: KeyRange, { limit, reverse = false }: IndexScan): Promise<IndexEntry[]> {
    if (!Number.isSafeInteger(limit) || limit < 1) {
      throw new RangeError(`expected a limit of 1 or more, got ${limit}`)
    }
    const range = { from: gte, inclusive: true, before: lt, limit, reverse }
    const rows = await this.#read(() => scanRows(this.#pool, this.#table, range))
    return rows.map(({ key, value }) => [key, value])
  }

  write(write: IndexWrite): Promise<void> {
    return new Promise((resolve, reject) => {
      const one = { write, bytes: sizeOf(write), resolve, reject }
      if (this.#gathering !== undefined) {
        this.#gathering.push(one)
        return
      }
      const gathering = [one]
      this.#gathering = gathering
      void this.#alone(async () => {
        if (this.#gathering === gathering) this.#gathering = undefined
        await this.#writeAll(gathering)
      })
    })
  }

  clear(): Promise<void> {
    this.#gathering = undefined
    return this.#alone(() => this.#change('clear', () => this.#writer.clear(this.#table)))
  }

  purge(_: readonly KeyRange[]): Promise<void> {
    this.#gathering = undefined
    const what = `purge ${this.#table}`
    return this.#alone(() =>
      this.#change('purge', () =>
        this.#writer.again((term) =>
          this.#pool.transaction(what, async (db) => {
            // A large table takes longer than a statement may.
            await db.execute(what, 'SET LOCAL statement_timeout = 0')
            await db.query(what, `SELECT rewrite_${this.#table}($1)`, [term])
          }),
        ),
      ),
    )
  }

  async usage(): Promise<number> {
    const [row] = await this.#read(() =>
      this.#pool.query<{ bytes: number }>(
        `measure ${this.#table}`,
        `SELECT pg_total_relation_size('${this.#table}') AS bytes`,
      ),
    )
    return row!.bytes
  }

  async close(): Promise<void> {
    await this.#changing
    this.#closed = true
  }

  /** Makes writes in as few as they fit into. Settles each; never throws. */
  async #writeAll(waiting: Waiting[]): Promise<void> {
    while (waiting.length > 0) {
      let bytes = 0
      const beyond = waiting.findIndex((one, i) => {
        bytes += one.bytes
        return i > 0 && bytes > TOGETHER
      })
      const some = waiting.splice(0, beyond === -1 ? waiting.length : beyond)
      const { durable, ...write } = together(some.map((one) => one.write))
      try {
        await this.#change('write', () =>
          this.#writer.write(new Map([[this.#table, write]]), durable),
        )
        for (const { resolve } of some) resolve()
      } catch (error) {
        for (const { reject } of some) reject(error)
      }
    }
  }

  async #change(what: string, change: () => Promise<void>): Promise<void> {
    if (this.#failure !== undefined) {
      throw new CairnError(
        'STOPPED',
        `nothing more is written after a failure: ${this.#failure.message}; restart to recover`,
        { cause: this.#failure },
      )
    }
    if (this.#closed) throw stopped(what)
    try {
      await change()
    } catch (error) {
      if (error instanceof CairnError) this.#failure = error
      throw error
    }
  }

  #read<T>(read: () => Promise<T>): Promise<T> {
    return persistently(
      async () => {
        if (this.#closed) throw stopped('read')
        return read()
      },
      () => !this.#closed,
    )
  }

  /** One change after the other. */
  #alone(change: () => Promise<void>): Promise<void> {
    const changed = this.#changing.then(change)
    this.#changing = changed.catch(() => undefined)
    return changed
  }
}

function stopped(what: string): CairnError {
  return new CairnError('STOPPED', `cannot ${what} the search index: the store is closed`)
}

function sizeOf({ put = [], drop = [] }: IndexWrite): number {
  let bytes = 0
  for (const [key, value] of put) bytes += key.length + value.length
  for (const key of drop) bytes += key.length
  return bytes
}

/** What writes leave behind, one after the other. */
function together(writes: readonly IndexWrite[]) {
  const durable = writes.some((write) => write.durable === true)
  const [only] = writes
  if (only !== undefined && writes.length === 1) {
    const put = (only.put ?? []).map(([key, value]) => ({ key, value }))
    return { made: [], put: sorted(put), dropped: only.drop ?? [], durable }
  }
  const last = new Map<string, { key: Uint8Array; value?: Uint8Array }>()
  for (const { put = [], drop = [] } of writes) {
    for (const [key, value] of put) last.set(nameOf(key), { key, value })
    for (const key of drop) last.set(nameOf(key), { key })
  }
  const put: { key: Uint8Array; value: Uint8Array }[] = []
  const dropped: Uint8Array[] = []
  for (const { key, value } of last.values()) {
    if (value === undefined) dropped.push(key)
    else put.push({ key, value })
  }
  return { made: [], put: sorted(put), dropped, durable }
}

/** Neighbours end up in the same pages of the index. */
function sorted<T extends { readonly key: Uint8Array }>(rows: T[]): T[] {
  return rows.sort((a, b) => Buffer.compare(a.key, b.key))
}

function nameOf(key: Uint8Array): string {
  return Buffer.from(key.buffer, key.byteOffset, key.length).toString('latin1')
}
