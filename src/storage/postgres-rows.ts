/**
 * Rows of bytes in tables of PostgreSQL, ordered by their keys, and how they are written: by one writer, one write
 * after the other, each at most once and in order.
 *
 * A write whose answer does not come may have been made. It is sent again with its number, until the database answers:
 * one that was made is not made again, and one that arrives late is refused (take_turn() in the schema). So a restart
 * of the database interrupts writers and ends none.
 */
import { randomUUID } from 'node:crypto'
import { setTimeout as sleep } from 'node:timers/promises'
import { CairnError } from '../errors.ts'
import type { PostgresPool } from './postgres-pool.ts'
import { byteaArray } from './postgres-types.ts'

/** How long a database that is away is waited for. */
const PATIENCE_MS = 20_000
const FIRST_PAUSE_MS = 50
const LONGEST_PAUSE_MS = 1_000

/** The term within which something may be written. */
export interface Fence {
  readonly epoch: number
}

export type RowTable = 'index_rows' | 'map_rows' | 'vault_keys' | 'vault_payloads'

export interface Row {
  readonly key: Uint8Array
  readonly value: Uint8Array
}

/** Changes of a table. No key is named twice. */
export interface RowWrite {
  /** Rows that must not be there yet. */
  readonly made: readonly Row[]
  readonly put: readonly Row[]
  readonly dropped: readonly Uint8Array[]
}

/** Does work again for as long as the database is away and `isWanted`. @throws whatever else `work` does */
export async function persistently<T>(work: () => Promise<T>, isWanted: () => boolean): Promise<T> {
  const deadline = Date.now() + PATIENCE_MS
  for (let pause = FIRST_PAUSE_MS; ; pause = Math.min(2 * pause, LONGEST_PAUSE_MS)) {
    try {
      return await work()
    } catch (error) {
      const isAway = error instanceof CairnError && error.code === 'UNAVAILABLE'
      if (!isAway || !isWanted() || Date.now() + pause > deadline) throw error
    }
    await sleep(pause)
  }
}

/** The value of each key, or undefined. */
export async function readRows(
  pool: PostgresPool,
  table: RowTable,
  keys: readonly Uint8Array[],
): Promise<(Uint8Array | undefined)[]> {
  const found: (Uint8Array | undefined)[] = new Array(keys.length).fill(undefined)
  if (keys.length === 0) return found
  // A loop over keys, each of which leads to its partition; the planner would rather read small tables as a whole.
  const rows = await pool.query<{ place: number; value: Uint8Array }>(
    `read ${table}`,
    `SELECT k.place::int AS place, r.value
       FROM unnest($1::bytea[]) WITH ORDINALITY AS k (key, place),
       LATERAL (SELECT value FROM ${table} AS t WHERE t.key = k.key OFFSET 0) AS r`,
    [byteaArray(keys)],
    `read_${table}`,
  )
  for (const { place, value } of rows) found[place - 1] = value
  return found
}

/** Which of these keys have a row. */
export async function haveRows(
  pool: PostgresPool,
  table: RowTable,
  keys: readonly Uint8Array[],
): Promise<boolean[]> {
  const found: boolean[] = new Array(keys.length).fill(false)
  if (keys.length === 0) return found
  const rows = await pool.query<{ place: number }>(
    `read ${table}`,
    `SELECT k.place::int AS place
       FROM unnest($1::bytea[]) WITH ORDINALITY AS k (key, place),
       LATERAL (SELECT FROM ${table} AS t WHERE t.key = k.key OFFSET 0) AS r`,
    [byteaArray(keys)],
    `have_${table}`,
  )
  for (const { place } of rows) found[place - 1] = true
  return found
}

/** Where a scan begins and ends. */
export interface RowRange {
  readonly from: Uint8Array
  /** Whether a row with the key `from` is in it. */
  readonly inclusive: boolean
  /** The first key that is not in it. */
  readonly before: Uint8Array
  readonly limit: number
  readonly reverse: boolean
}

/** The first rows of a range, in the order of their keys or against it. */
export function scanRows(
  pool: PostgresPool,
  table: RowTable,
  { from, inclusive, before, limit, reverse }: RowRange,
): Promise<Row[]> {
  const order = reverse ? 'DESC' : 'ASC'
  return pool.query<Row>(
    `read ${table}`,
    `SELECT key, value FROM ${table}
      WHERE key ${inclusive ? '>=' : '>'} $1 AND key < $2 ORDER BY key ${order} LIMIT $3`,
    [Buffer.from(from), Buffer.from(before), limit],
    `scan_${table}_${inclusive ? 'from' : 'after'}_${order}`,
  )
}

/** Writes some tables, one write after the other: the caller waits for each before the next. */
export class RowWriter {
  readonly #pool: PostgresPool
  readonly #fence: Fence | undefined
  readonly #isWanted: () => boolean
  readonly #id = randomUUID()
  /** The newest write of each table that was made. */
  readonly #numbers = new Map<RowTable, number>()

  constructor(pool: PostgresPool, fence: Fence | undefined, isWanted: () => boolean) {
    this.#pool = pool
    this.#fence = fence
    this.#isWanted = isWanted
  }

  /**
   * Commits changes of some tables together, in their order. @throws CONFLICT when the term is over or another has written
   * since; IO with the cause 23505 when a row of `made` is there; UNAVAILABLE when the database stays away; DISK_FULL, IO
   */
  write(writes: ReadonlyMap<RowTable, RowWrite>, durable: boolean): Promise<void> {
    const calls: string[] = []
    const values: unknown[] = [durable]
    for (const [table, { made, put, dropped }] of writes) {
      const own = [this.#next(table), ...columns(made), ...columns(put), byteaArray(dropped)]
      // The term and the writer are the first two parameters.
      const [number, ...rows] = own.map((_, i) => `$${values.length + 3 + i}`)
      calls.push(
        `write_${table}($1, $2, ${number}, $3, ${rows.map((each) => `${each}::bytea[]`).join(', ')})`,
      )
      values.push(...own)
    }
    const tables = [...writes.keys()]
    return this.#inTurn(tables, `SELECT ${calls.join(', ')}`, values, `write_${tables.join('_')}`)
  }

  /** Removes all rows of a table. @throws as write() */
  clear(table: RowTable): Promise<void> {
    return this.#inTurn([table], `SELECT clear_${table}($1, $2, $3)`, [this.#next(table)])
  }

  /** Does work within the term that may be done twice. `term` is the epoch, or null. */
  again<T>(work: (term: number | null) => Promise<T>): Promise<T> {
    return persistently(() => work(this.#fence?.epoch ?? null), this.#isWanted)
  }

  #next(table: RowTable): number {
    return (this.#numbers.get(table) ?? 0) + 1
  }

  async #inTurn(
    tables: readonly RowTable[],
    text: string,
    values: readonly unknown[],
    name?: string,
  ): Promise<void> {
    const what = `write ${tables.join(' and ')}`
    await this.again((term) => this.#pool.query(what, text, [term, this.#id, ...values], name))
    for (const table of tables) this.#numbers.set(table, this.#next(table))
  }
}

function columns(rows: readonly Row[]): [keys: Buffer, values: Buffer] {
  return [byteaArray(rows.map(({ key }) => key)), byteaArray(rows.map(({ value }) => value))]
}
