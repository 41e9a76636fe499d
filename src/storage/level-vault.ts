/**
 * The embedded store of a vault: a VaultStore over LevelDB, in one directory and one process.
 *
 *   DIR/payloads/   ciphertext and what belongs to whom
 *   DIR/keys/       keys and what leads to people (level-vault-keys.ts)
 *
 * A deleted payload stays in DIR/payloads until the engine merges the tables it is in. That may take long, and nobody
 * waits for it: the key it was encrypted with is gone, and it was never used for anything else. To merge it away at once
 * would move up to megabytes for each record, and would reach no copy of these files that was made before.
 */
import { access } from 'node:fs/promises'
import { join } from 'node:path'
import { CairnError } from '../errors.ts'
import { directoryBytes, freeBytes } from './disk-space.ts'
import { engineFailure, openDatabase } from './level-engine.ts'
import { type LevelVaultKeys, openLevelVaultKeys } from './level-vault-keys.ts'
import { LevelVaultRows } from './level-vault-rows.ts'
import { makeDirectory } from './make-directory.ts'
import type { VaultStore } from './vault-port.ts'

const PRIVATE_DIRECTORY = 0o700

export interface LevelVaultStoreOptions {
  /** Makes the store when there is none. Default true. */
  readonly createIfMissing?: boolean
}

/**
 * Opens the store in a directory, which no other process may have open.
 * @throws LOCKED, NOT_FOUND, CORRUPT, DISK_FULL, IO
 */
export async function openLevelVaultStore(
  directory: string,
  { createIfMissing = true }: LevelVaultStoreOptions = {},
): Promise<VaultStore> {
  const [payloadsIn, keysIn] = [join(directory, 'payloads'), join(directory, 'keys')]
  if (createIfMissing) await makeFolder(directory)
  else await assertThere(directory)
  await assertPayloadsAreThere(payloadsIn, keysIn)
  // First the payloads: their lock stays with this process while the keys are opened anew.
  const database = await openDatabase(payloadsIn, { createIfMissing, compression: false })
  let keys: LevelVaultKeys
  try {
    keys = await openLevelVaultKeys(keysIn, { createIfMissing })
  } catch (error) {
    await database.close()
    throw error
  }
  const payloads = new LevelVaultRows(database, 'the vault’s payloads')
  return {
    keys,
    payloads,
    async write(keyChanges, payloadChanges) {
      // Keys first: a payload without its key would look like damage.
      await keys.write(keyChanges)
      try {
        await payloads.write(payloadChanges)
      } catch (error) {
        if (error instanceof CairnError && error.code === 'CONFLICT') {
          await keys.write(keyChanges.map(({ key }) => ({ kind: 'delete', key })))
        }
        throw error
      }
    },
    async usage() {
      try {
        const [ofKeys, ofPayloads, free] = await Promise.all([
          keys.usage(),
          directoryBytes(payloadsIn),
          freeBytes(directory),
        ])
        return { keys: ofKeys, payloads: ofPayloads, free }
      } catch (error) {
        throw engineFailure('measure the disk', error)
      }
    },
    async close() {
      try {
        await keys.close()
        await payloads.idle()
        await database.close()
      } catch (error) {
        throw engineFailure('close the vault', error)
      }
    },
  }
}

async function assertThere(directory: string): Promise<void> {
  try {
    await access(directory)
  } catch (cause) {
    throw new CairnError('NOT_FOUND', `there is no vault in ${directory}`, { cause })
  }
}

/** The payloads are made before the keys, so that there are never keys alone. */
async function assertPayloadsAreThere(payloadsIn: string, keysIn: string): Promise<void> {
  const isThere = (path: string): Promise<boolean> =>
    access(path).then(
      () => true,
      () => false,
    )
  if ((await isThere(payloadsIn)) || !(await isThere(keysIn))) return
  throw new CairnError('CORRUPT', `${payloadsIn} is missing; restore a backup of the vault`)
}

async function makeFolder(directory: string): Promise<void> {
  try {
    await makeDirectory(directory, PRIVATE_DIRECTORY)
  } catch (error) {
    throw engineFailure(`make ${directory}`, error)
  }
}
