/** One of a vault's two maps, in a table. */
import type { PostgresPool } from './postgres-pool.ts'
import { haveRows, type Row, readRows, scanRows } from './postgres-rows.ts'
import type { PostgresVaultWrites, VaultTable } from './postgres-vault-writes.ts'
import { MAX_VAULT_KEY } from './vault-change.ts'
import type { VaultChange, VaultRow, VaultRows } from './vault-port.ts'

const ROWS_AT_ONCE = 1_000
/** Keys may lead to payloads of megabytes. */
const PAYLOADS_AT_ONCE = 50

export class PostgresVaultRows implements VaultRows {
  readonly #pool: PostgresPool
  readonly #table: VaultTable
  readonly #writes: PostgresVaultWrites

  constructor(pool: PostgresPool, table: VaultTable, writes: PostgresVaultWrites) {
    this.#pool = pool
    this.#table = table
    this.#writes = writes
  }

  async get(keys: readonly Uint8Array[]): Promise<(Uint8Array | undefined)[]> {
    return this.#writes.read(() => readRows(this.#pool, this.#table, keys))
  }

  async has(keys: readonly Uint8Array[]): Promise<boolean[]> {
    return this.#writes.read(() => haveRows(this.#pool, this.#table, keys))
  }

  async *list(prefix: Uint8Array): AsyncGenerator<VaultRow> {
    const limit = this.#table === 'vault_keys' ? ROWS_AT_ONCE : PAYLOADS_AT_ONCE
    const before = endOf(prefix)
    let from: Row | undefined
    for (;;) {
      const range = { from: from?.key ?? prefix, inclusive: from === undefined, before }
      const rows = await this.#writes.read(() =>
        scanRows(this.#pool, this.#table, { ...range, limit, reverse: false }),
      )
      yield* rows
      if (rows.length < limit) return
      from = rows.at(-1)!
    }
  }

  write(changes: readonly VaultChange[]): Promise<void> {
    return this.#writes.write({ [this.#table]: changes })
  }
}

/** What comes after all keys that begin with `prefix`. */
function endOf(prefix: Uint8Array): Uint8Array {
  const end = new Uint8Array(MAX_VAULT_KEY + 1).fill(0xff)
  end.set(prefix)
  return end
}
