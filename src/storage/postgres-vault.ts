/**
 * The store of a vault in two tables of PostgreSQL: payloads, and keys with what leads to people, which are spread over
 * many small tables.
 *
 * PostgreSQL deletes by marking: what a row was stays in its table's file, also when vacuuming has freed the place. So
 * the tables that keys were destroyed in are written anew, of the rows that live, in one transaction; at its end the old
 * files are cut to nothing (rewrite_vault_keys() in the schema). Whoever reads the files of the tables finds no trace
 * then. The write-ahead log, copies of it and backups are the operator's: docs/postgres.md says what to set.
 */
import type { PostgresPool } from './postgres-pool.ts'
import type { Fence } from './postgres-rows.ts'
import { PostgresVaultKeys } from './postgres-vault-keys.ts'
import { PostgresVaultRows } from './postgres-vault-rows.ts'
import { PostgresVaultWrites } from './postgres-vault-writes.ts'
import type { VaultStore } from './vault-port.ts'

export interface PostgresVaultStoreOptions {
  /** Its schema has been migrated. It stays open when the store is closed. */
  readonly pool: PostgresPool
  /** Writes are refused when this is not the newest term. */
  readonly fence?: Fence
}

/** Opens the store. Whoever writes first takes it over: what wrote it before can write no more. */
export function openPostgresVaultStore({ pool, fence }: PostgresVaultStoreOptions): VaultStore {
  const writes = new PostgresVaultWrites(pool, fence)
  const keys = new PostgresVaultKeys(pool, writes)
  return {
    keys,
    payloads: new PostgresVaultRows(pool, 'vault_payloads', writes),
    write: (vault_keys, vault_payloads) => writes.write({ vault_keys, vault_payloads }),
    usage: () =>
      writes.read(async () => {
        // Of each partition, since the parent of them has no bytes of its own.
        const [row] = await pool.query<{ keys: number; payloads: number }>(
          'measure the vault',
          `SELECT pg_total_relation_size('vault_payloads') AS payloads,
                  (SELECT sum(pg_total_relation_size(relid))::bigint FROM pg_partition_tree('vault_keys')) AS keys`,
        )
        return { ...row!, free: undefined }
      }),
    async close() {
      await keys.idle()
      await writes.close()
    },
  }
}
