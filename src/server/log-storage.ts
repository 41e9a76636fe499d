/**
 * Where a log keeps everything but its keys: in its data directory, or in a database that several servers share. What
 * runs, moves, saves or checks a log opens its storage here, and knows ports only.
 */
import { existsSync } from 'node:fs'
import { join } from 'node:path'
import {
  type DataDirectory,
  type DirectoryMark,
  openDataDirectory,
} from '../storage/data-directory.ts'
import { openHeadDirectory } from '../storage/head-directory.ts'
import type { HeadStore } from '../storage/heads-port.ts'
import type { IndexStore } from '../storage/index-port.ts'
import { openLevelStore } from '../storage/level.ts'
import { openLevelIndexStore } from '../storage/level-index.ts'
import { openLevelVaultStore } from '../storage/level-vault.ts'
import type { LogStore } from '../storage/port.ts'
import type { VaultStore } from '../storage/vault-port.ts'
import type { SharedStorageConfig } from './storage-settings.ts'

/** A log's place. Its keys, and its signer's state beside it, are in the directory in any case. */
export interface LogPlace {
  /** Path of the data directory. */
  readonly data: string
  /** The database that holds what is not in the directory then. */
  readonly shared?: SharedStorageConfig | undefined
}

export interface OpenStorageOptions {
  /** Makes what is not there yet. */
  readonly create: boolean
  /** Marks of the place that are no reason to refuse it. Default: none. */
  readonly despite?: readonly DirectoryMark[]
  /** As LevelStoreOptions.leavesAreNew. */
  readonly leavesAreNew?: boolean
}

export interface LogStorage {
  readonly directory: DataDirectory
  readonly log: LogStore
  /** Whether there is a vault, which there is once the log was served. */
  hasVault(): Promise<boolean>
  /** Each of these is opened by the call, made where `create` allows it, and closed by the caller. */
  vault(): Promise<VaultStore>
  index(): Promise<IndexStore>
  map(): Promise<IndexStore>
  heads(): Promise<HeadStore>
  /** Lets go of the log's store. */
  close(): Promise<void>
}

/**
 * Opens the storage of a log.
 * @throws LOCKED while another process has it; NOT_FOUND, FOREIGN_DIRECTORY, NEWER_FORMAT, CORRUPT, DISK_FULL, IO;
 *   USAGE when the log was moved away
 */
export async function openStorage(
  place: LogPlace,
  { create, despite = [], leavesAreNew = false }: OpenStorageOptions,
): Promise<LogStorage> {
  const directory = await openDataDirectory(place.data, { create, despite })
  const log = await openLevelStore(directory.store, { createIfMissing: create, leavesAreNew })
  const options = { createIfMissing: create }
  return {
    directory,
    log,
    hasVault: async () => existsSync(join(directory.vault, 'payloads')),
    vault: () => openLevelVaultStore(directory.vault, options),
    index: () => openLevelIndexStore(directory.index, options),
    map: () => openLevelIndexStore(directory.map, options),
    heads: () => openHeadDirectory(directory.heads),
    close: () => log.close(),
  }
}
