/**
 * Changes of a vault's two maps on their way to the database. Calls that are made while others are on their way are
 * written together, whichever of the maps they change: one commit for all of them.
 */
import { CairnError } from '../errors.ts'
import { failureCode } from './postgres-failure.ts'
import type { PostgresPool } from './postgres-pool.ts'
import {
  type Fence,
  haveRows,
  persistently,
  type Row,
  type RowWrite,
  RowWriter,
} from './postgres-rows.ts'
import { Rounds, type Waiting } from './rounds.ts'
import { nameOfKey, sizeOfChange } from './vault-change.ts'
import type { VaultChange } from './vault-port.ts'

/** In the order in which they are written. */
const TABLES = ['vault_keys', 'vault_payloads'] as const
/** One of the two maps. */
export type VaultTable = (typeof TABLES)[number]
/** What a call changes in each. */
export type VaultChanges = Readonly<Partial<Record<VaultTable, readonly VaultChange[]>>>

/** Bytes of changes that go into one write, unless a single call brings more. */
const TOGETHER = 8 * 2 ** 20
const UNIQUE_VIOLATION = '23505'

interface Call {
  readonly changes: VaultChanges
}

export class PostgresVaultWrites {
  readonly writer: RowWriter
  readonly #pool: PostgresPool
  readonly #rounds = new Rounds<Call>((calls) => this.#writeTogether(calls), TOGETHER)
  /** The first failed write: what it left behind is not known. */
  #failure: CairnError | undefined
  #closed = false

  constructor(pool: PostgresPool, fence: Fence | undefined) {
    this.#pool = pool
    this.writer = new RowWriter(pool, fence, () => !this.#closed)
  }

  /** Makes all changes, or none. @throws as VaultRows.write() */
  async write(changes: VaultChanges): Promise<void> {
    let bytes = 0
    for (const table of TABLES) {
      for (const change of changes[table] ?? []) bytes += sizeOfChange(change)
    }
    return this.#rounds.add({ changes }, bytes)
  }

  /** Reads, also while the database is away for a moment. @throws STOPPED once it is closed */
  read<T>(read: () => Promise<T>): Promise<T> {
    const isOpen = (): boolean => !this.#closed
    return persistently(async () => {
      if (!isOpen()) throw stopped()
      return read()
    }, isOpen)
  }

  /** @throws STOPPED after a failed write, and once it is closed */
  assertWritable(): void {
    if (this.#failure !== undefined) {
      throw new CairnError(
        'STOPPED',
        `nothing more is written after a failure: ${this.#failure.message}; restart to recover`,
        { cause: this.#failure },
      )
    }
    if (this.#closed) throw stopped()
  }

  async close(): Promise<void> {
    await this.#rounds.idle()
    this.#closed = true
  }

  /** Settles each of them; never throws. */
  async #writeTogether(calls: readonly Waiting<Call>[]): Promise<void> {
    try {
      this.assertWritable()
      // Hardly ever is something there that is to be made, so that is asked only when the database says so.
      if (await this.#tryToWrite(calls, new Map())) return
      if (await this.#tryToWrite(calls, await this.#stored(calls))) return
      throw conflict()
    } catch (error) {
      // Those that were refused have been told so, and a second word changes nothing.
      for (const one of calls) one.reject(error)
    }
  }

  /** Which of the rows are there that calls want to make. */
  async #stored(calls: readonly Waiting<Call>[]): Promise<Map<string, boolean>> {
    const stored = new Map<string, boolean>()
    for (const table of TABLES) {
      const made = calls.flatMap(({ changes }) =>
        (changes[table] ?? []).flatMap(({ kind, key }) => (kind === 'create' ? [key] : [])),
      )
      const there = await this.read(() => haveRows(this.#pool, table, made))
      for (const [i, key] of made.entries()) stored.set(nameOf(table, key), there[i]!)
    }
    return stored
  }

  /** False when something is there that is not in `stored`; nothing was written then. */
  async #tryToWrite(
    calls: readonly Waiting<Call>[],
    stored: ReadonlyMap<string, boolean>,
  ): Promise<boolean> {
    const { writes, allowed, refused, isSure } = combine(calls, stored)
    if (!isSure) return false
    try {
      if (writes.size > 0) await this.writer.write(writes, true)
    } catch (error) {
      const cause = error instanceof CairnError ? error.cause : undefined
      if (failureCode(cause) === UNIQUE_VIOLATION) return false
      if (error instanceof CairnError) this.#failure = error
      throw error
    }
    for (const one of allowed) one.resolve()
    for (const one of refused) one.reject(conflict())
    return true
  }
}

interface Combined {
  /** Of the tables that change. */
  readonly writes: ReadonlyMap<VaultTable, RowWrite>
  readonly allowed: readonly Waiting<Call>[]
  readonly refused: readonly Waiting<Call>[]
  /** Whether the database notices when something is there that is to be made. */
  readonly isSure: boolean
}

/** What is to become of a row. */
interface Outcome {
  readonly table: VaultTable
  readonly key: Uint8Array
  readonly value: Uint8Array | undefined
  /** Whether it must not be there before. */
  readonly isMade: boolean
}

/** What calls leave behind, one after the other, except those that make a row which is there. */
function combine(calls: readonly Waiting<Call>[], stored: ReadonlyMap<string, boolean>): Combined {
  const outcomes = new Map<string, Outcome>()
  const refused = new Set<Waiting<Call>>()
  for (const call of calls) {
    const mine = new Map<string, Outcome>()
    for (const table of TABLES) {
      for (const change of call.changes[table] ?? []) {
        const name = nameOf(table, change.key)
        const before = mine.get(name) ?? outcomes.get(name)
        const isThere = before === undefined ? stored.get(name) : before.value !== undefined
        if (change.kind === 'create' && isThere === true) refused.add(call)
        mine.set(name, {
          table,
          key: change.key,
          value: change.kind === 'delete' ? undefined : change.value,
          isMade: before?.isMade ?? change.kind === 'create',
        })
      }
    }
    if (!refused.has(call)) for (const [name, outcome] of mine) outcomes.set(name, outcome)
  }
  // Made, and gone again.
  const isUnsure = ([name, { value, isMade }]: [string, Outcome]): boolean =>
    value === undefined && isMade && !stored.has(name)
  return {
    writes: writesOf([...outcomes.values()]),
    allowed: calls.filter((call) => !refused.has(call)),
    refused: [...refused],
    isSure: ![...outcomes].some(isUnsure),
  }
}

function writesOf(outcomes: readonly Outcome[]): Map<VaultTable, RowWrite> {
  const writes = new Map<VaultTable, RowWrite>()
  for (const table of TABLES) {
    const made: Row[] = []
    const put: Row[] = []
    const dropped: Uint8Array[] = []
    for (const { table: its, key, value, isMade } of outcomes) {
      if (its !== table) continue
      if (value === undefined) dropped.push(key)
      else (isMade ? made : put).push({ key, value })
    }
    if (made.length + put.length + dropped.length === 0) continue
    writes.set(table, { made: sorted(made), put: sorted(put), dropped })
  }
  return writes
}

function sorted(rows: Row[]): Row[] {
  return rows.sort((a, b) => Buffer.compare(a.key, b.key))
}

function nameOf(table: VaultTable, key: Uint8Array): string {
  return `${table} ${nameOfKey(key)}`
}

function conflict(): CairnError {
  return new CairnError('CONFLICT', 'the vault holds a row that was to be made')
}

function stopped(): CairnError {
  return new CairnError('STOPPED', 'the vault is closed')
}
