/**
 * One of a vault's two maps, in a table. Calls that are made while a write is on its way to the database are written
 * together: one commit for all of them.
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
  readRows,
  scanRows,
} from './postgres-rows.ts'
import { Rounds, type Waiting } from './rounds.ts'
import { MAX_VAULT_KEY, nameOfKey, sizeOfChange } from './vault-change.ts'
import type { VaultChange, VaultRow, VaultRows } from './vault-port.ts'

/** Bytes of changes that go into one write, unless a single call brings more. */
const TOGETHER = 8 * 2 ** 20
const ROWS_AT_ONCE = 1_000
/** Keys may lead to payloads of megabytes. */
const PAYLOADS_AT_ONCE = 50
const UNIQUE_VIOLATION = '23505'

interface Write {
  readonly changes: readonly VaultChange[]
}

export class PostgresVaultRows implements VaultRows {
  readonly writer: RowWriter
  readonly #pool: PostgresPool
  readonly #table: 'vault_keys' | 'vault_payloads'
  readonly #name: string
  readonly #writes = new Rounds<Write>((calls) => this.#writeTogether(calls), TOGETHER)
  /** The first failed write: what it left behind is not known. */
  #failure: CairnError | undefined
  #closed = false

  constructor(
    pool: PostgresPool,
    table: 'vault_keys' | 'vault_payloads',
    fence: Fence | undefined,
    name: string,
  ) {
    this.#pool = pool
    this.#table = table
    this.#name = name
    this.writer = new RowWriter(pool, table, fence, () => !this.#closed)
  }

  async get(keys: readonly Uint8Array[]): Promise<(Uint8Array | undefined)[]> {
    return this.read(() => readRows(this.#pool, this.#table, keys))
  }

  async has(keys: readonly Uint8Array[]): Promise<boolean[]> {
    return this.read(() => haveRows(this.#pool, this.#table, keys))
  }

  async *list(prefix: Uint8Array): AsyncGenerator<VaultRow> {
    const limit = this.#table === 'vault_keys' ? ROWS_AT_ONCE : PAYLOADS_AT_ONCE
    const before = endOf(prefix)
    let from: Row | undefined
    for (;;) {
      const range = { from: from?.key ?? prefix, inclusive: from === undefined, before }
      const rows = await this.read(() =>
        scanRows(this.#pool, this.#table, { ...range, limit, reverse: false }),
      )
      yield* rows
      if (rows.length < limit) return
      from = rows.at(-1)!
    }
  }

  async write(changes: readonly VaultChange[]): Promise<void> {
    const bytes = changes.reduce((sum, change) => sum + sizeOfChange(change), 0)
    return this.#writes.add({ changes }, bytes)
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
    await this.#writes.idle()
    this.#closed = true
  }

  /** Settles each of them; never throws. */
  async #writeTogether(calls: readonly Waiting<Write>[]): Promise<void> {
    try {
      this.assertWritable()
      // Hardly ever is something there that is to be made, so that is asked only when the database says so.
      if (await this.#tryToWrite(calls, new Map())) return
      const made = calls.flatMap(({ changes }) =>
        changes.flatMap(({ kind, key }) => (kind === 'create' ? [key] : [])),
      )
      const there = await this.has(made)
      const stored = new Map(made.map((key, i) => [nameOfKey(key), there[i]!]))
      if (await this.#tryToWrite(calls, stored)) return
      throw this.#conflict()
    } catch (error) {
      // Those that were refused have been told so, and a second word changes nothing.
      for (const one of calls) one.reject(error)
    }
  }

  /** False when something is there that is not in `stored`; nothing was written then. */
  async #tryToWrite(
    calls: readonly Waiting<Write>[],
    stored: ReadonlyMap<string, boolean>,
  ): Promise<boolean> {
    const { write, allowed, refused, isSure } = combine(calls, stored)
    if (!isSure) return false
    const isEmpty = write.made.length + write.put.length + write.dropped.length === 0
    try {
      if (!isEmpty) await this.writer.write(write)
    } catch (error) {
      const cause = error instanceof CairnError ? error.cause : undefined
      if (failureCode(cause) === UNIQUE_VIOLATION) return false
      if (error instanceof CairnError) this.#failure = error
      throw error
    }
    for (const one of allowed) one.resolve()
    for (const one of refused) one.reject(this.#conflict())
    return true
  }

  #conflict(): CairnError {
    return new CairnError('CONFLICT', `${this.#name} hold a row that was to be made`)
  }
}

interface Combined {
  readonly write: RowWrite
  readonly allowed: readonly Waiting<Write>[]
  readonly refused: readonly Waiting<Write>[]
  /** Whether the database notices when something is there that is to be made. */
  readonly isSure: boolean
}

/** What is to become of a row. */
interface Outcome {
  readonly key: Uint8Array
  readonly value: Uint8Array | undefined
  /** Whether it must not be there before. */
  readonly isMade: boolean
}

/** What calls leave behind, one after the other, except those that make a row which is there. */
function combine(calls: readonly Waiting<Write>[], stored: ReadonlyMap<string, boolean>): Combined {
  const outcomes = new Map<string, Outcome>()
  const refused = new Set<Waiting<Write>>()
  for (const call of calls) {
    const mine = new Map<string, Outcome>()
    for (const change of call.changes) {
      const name = nameOfKey(change.key)
      const before = mine.get(name) ?? outcomes.get(name)
      const isThere = before === undefined ? stored.get(name) : before.value !== undefined
      if (change.kind === 'create' && isThere === true) refused.add(call)
      mine.set(name, {
        key: change.key,
        value: change.kind === 'delete' ? undefined : change.value,
        isMade: before?.isMade ?? change.kind === 'create',
      })
    }
    if (!refused.has(call)) for (const [name, outcome] of mine) outcomes.set(name, outcome)
  }
  const made: Row[] = []
  const put: Row[] = []
  const dropped: Uint8Array[] = []
  let isSure = true
  for (const [name, { key, value, isMade }] of outcomes) {
    if (value !== undefined) (isMade ? made : put).push({ key, value })
    else dropped.push(key)
    // Made, and gone again.
    if (value === undefined && isMade && !stored.has(name)) isSure = false
  }
  return {
    write: { made: sorted(made), put: sorted(put), dropped, durable: true },
    allowed: calls.filter((call) => !refused.has(call)),
    refused: [...refused],
    isSure,
  }
}

function sorted(rows: Row[]): Row[] {
  return rows.sort((a, b) => Buffer.compare(a.key, b.key))
}

function stopped(): CairnError {
  return new CairnError('STOPPED', 'the vault is closed')
}

/** What comes after all keys that begin with `prefix`. */
function endOf(prefix: Uint8Array): Uint8Array {
  const end = new Uint8Array(MAX_VAULT_KEY + 1).fill(0xff)
  end.set(prefix)
  return end
}
