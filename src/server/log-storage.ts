/**
 * Where a log keeps everything but its keys: in its data directory, or in a database that several servers share. What
 * moves, saves or checks a log that nobody runs opens its storage here, and knows ports only.
 */
import {
  type DataDirectory,
  type DirectoryMark,
  openDataDirectory,
} from '../storage/data-directory.ts'
import { openLevelStore } from '../storage/level.ts'
import type { LogStore } from '../storage/port.ts'
import { type RecordStores, recordStoresIn } from './record-stores.ts'
import type { SharedStorageConfig } from './storage-settings.ts'

/** A log's place. Its keys, and its signer's state beside it, are in the directory in any case. */
export interface LogPlace {
  /** Path of the data directory. */
  readonly data: string
  /** The database that holds what is not in the directory then. */
  readonly shared?: SharedStorageConfig | undefined
  /** Path of the signer's state; without it, one beside the data directory. */
  readonly signerState?: string | undefined
}

export interface OpenStorageOptions {
  /** Makes what is not there yet. */
  readonly create: boolean
  /** Marks of the place that are no reason to refuse it. Default: none. */
  readonly despite?: readonly DirectoryMark[]
}

export interface LogStorage {
  readonly directory: DataDirectory
  readonly log: LogStore
  readonly stores: RecordStores
  /** Lets go of the log's store. */
  close(): Promise<void>
}

/**
 * Opens the storage of a log that nobody runs.
 * @throws LOCKED while somebody does; NOT_FOUND, FOREIGN_DIRECTORY, NEWER_FORMAT, CORRUPT, DISK_FULL, IO;
 *   USAGE when the log was moved away
 */
export async function openStorage(
  place: LogPlace,
  { create, despite = [] }: OpenStorageOptions,
): Promise<LogStorage> {
  const directory = await openDataDirectory(place.data, { create, despite })
  const log = await openLevelStore(directory.store, { createIfMissing: create })
  return { directory, log, stores: recordStoresIn(directory), close: () => log.close() }
}
