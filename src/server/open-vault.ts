/** A vault in a directory, opened with its master key. */
import { type LevelVaultStoreOptions, openLevelVaultStore } from '../storage/level-vault.ts'
import type { MasterKey } from '../vault/master-key.ts'
import { openVault, type Vault } from '../vault/vault.ts'

/** An erasure that was interrupted is finished by it. @throws as openLevelVaultStore() and openVault() */
export async function openVaultAt(
  directory: string,
  masterKey: MasterKey,
  options: LevelVaultStoreOptions = {},
): Promise<Vault> {
  const store = await openLevelVaultStore(directory, options)
  try {
    return await openVault({ store, masterKey, now: Date.now })
  } catch (error) {
    await store.close()
    throw error
  }
}
