/** A vault's keys in PostgreSQL, and how they are destroyed there. */
import { CairnError } from '../errors.ts'
import { KEY_PARTITIONS } from './postgres-migration-records.ts'
import type { PostgresPool } from './postgres-pool.ts'
import { byteaArray } from './postgres-types.ts'
import { PostgresVaultRows } from './postgres-vault-rows.ts'
import type { PostgresVaultWrites } from './postgres-vault-writes.ts'
import type { Destruction } from './vault-change.ts'
import { Destructions } from './vault-destructions.ts'
import type { VaultChange, VaultKeyRows, VaultRow } from './vault-port.ts'

/** As many traces are looked for in one pass over the rows. */
const TRACES_AT_ONCE = 256

export class PostgresVaultKeys implements VaultKeyRows {
  readonly #rows: PostgresVaultRows
  readonly #writes: PostgresVaultWrites
  readonly #pool: PostgresPool
  readonly #destructions = new Destructions((changes, traces) => this.#destroy(changes, traces))

  constructor(pool: PostgresPool, writes: PostgresVaultWrites) {
    this.#pool = pool
    this.#writes = writes
    this.#rows = new PostgresVaultRows(pool, 'vault_keys', writes)
  }

  get(keys: readonly Uint8Array[]): Promise<(Uint8Array | undefined)[]> {
    return this.#rows.get(keys)
  }

  has(keys: readonly Uint8Array[]): Promise<boolean[]> {
    return this.#rows.has(keys)
  }

  list(prefix: Uint8Array): AsyncIterable<VaultRow> {
    return this.#rows.list(prefix)
  }

  write(changes: readonly VaultChange[]): Promise<void> {
    return this.#rows.write(changes)
  }

  destroy(changes: readonly Destruction[], traces: readonly Uint8Array[]): Promise<void> {
    return this.#destructions.add(changes, traces)
  }

  async scrub(): Promise<void> {
    // One after the other, so that readers of the others go on.
    for (let part = 0; part < KEY_PARTITIONS; part++) await this.#rewrite(part, part + 1, undefined)
  }

  /** Waits until nothing is being destroyed. */
  async idle(): Promise<void> {
    await this.#destructions.idle()
  }

  async #destroy(changes: readonly Destruction[], traces: readonly Uint8Array[]): Promise<void> {
    this.#writes.assertWritable()
    await this.#rows.write(changes)
    if (changes.length > 0) {
      const keys = changes.map(({ key }) => key)
      await this.#rewrite(0, KEY_PARTITIONS, keys)
    }
    for (let at = 0; at < traces.length; at += TRACES_AT_ONCE) {
      if (!(await this.#isThere(traces.slice(at, at + TRACES_AT_ONCE)))) continue
      throw new CairnError('IO', 'what was destroyed is still in the vault’s keys')
    }
  }

  /** Writes partitions anew: those that these keys are in, or all of a range. */
  async #rewrite(
    first: number,
    beyond: number,
    keys: readonly Uint8Array[] | undefined,
  ): Promise<void> {
    this.#writes.assertWritable()
    const what = 'destroy keys in the vault'
    await this.#writes.writer.again((term) =>
      this.#pool.query(what, 'SELECT rewrite_vault_keys($1, $2, $3, $4::bytea[])', [
        term,
        first,
        beyond,
        keys === undefined ? null : byteaArray(keys),
      ]),
    )
  }

  /** Whether a row that lives has one of the traces. */
  async #isThere(traces: readonly Uint8Array[]): Promise<boolean> {
    const rows = await this.#writes.read(() =>
      this.#pool.query(
        'search the vault’s keys',
        `SELECT 1 FROM vault_keys, unnest($1::bytea[]) AS t (trace)
          WHERE position(trace IN value) > 0 OR position(trace IN key) > 0 LIMIT 1`,
        [byteaArray(traces)],
      ),
    )
    return rows.length > 0
  }
}
