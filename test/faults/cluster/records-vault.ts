/** The vault of a log whose servers have ended. */
import { join } from 'node:path'
import { openPool } from '../../../src/storage/postgres-pool.ts'
import { openPostgresVaultStore } from '../../../src/storage/postgres-vault.ts'
import { openMasterKeyFile } from '../../../src/vault/master-key-file.ts'
import { openVault, type Vault } from '../../../src/vault/vault.ts'
import { SCHEMA, type Stage } from './stage.ts'

export async function withVault<T>(
  { postgres, members }: Stage,
  work: (vault: Vault) => Promise<T>,
): Promise<T> {
  const pool = openPool({ url: postgres.url, schema: SCHEMA })
  try {
    const { masterKey } = await openMasterKeyFile(join(members[0]!.data, 'keys', 'vault.key'))
    const store = openPostgresVaultStore({ pool })
    const vault = await openVault({ store, masterKey, now: Date.now })
    try {
      return await work(vault)
    } finally {
      await vault.close()
    }
  } finally {
    await pool.close()
  }
}
