/**
 * Where a log keeps everything but its keys: in its data directory, or in a database that several servers share. What
 * moves, saves or checks a log that nobody runs opens its storage here, and knows ports only.
 */
import { type TreeSize, treeSize } from '../merkle/position.ts'
import {
  type DataDirectory,
  type DirectoryMark,
  markDirectory,
  markOf,
  openDataDirectory,
} from '../storage/data-directory.ts'
import { openLevelStore } from '../storage/level.ts'
import type { ObjectStore } from '../storage/object-port.ts'
import type { LogStore, StoredHead } from '../storage/port.ts'
import type { LogIdentity } from '../storage/postgres-settings.ts'
import type { ArchiveMark } from '../storage/shared-port.ts'
import type { TokenStore } from '../storage/token-port.ts'
import { tokensInFile } from '../storage/tokens-file.ts'
import { assertKeptHere, assertKeptInDatabase } from './kept-where.ts'
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
  /** Path of the vault's master key; without it, one in the data directory. */
  readonly vaultKey?: string | undefined
  /** Path of the policy that names its witnesses, where a configuration says so. */
  readonly policy?: string | undefined
}

export interface OpenStorageOptions {
  /** Makes what is not there yet. */
  readonly create: boolean
  /** Marks of the place that are no reason to refuse it. Default: none. */
  readonly despite?: readonly DirectoryMark[]
  /** Which log it is to be; needed to make one in a database. */
  readonly identity?: LogIdentity
}

/** The archive of a log, and what its database says of it. */
export interface StoredArchive {
  /** Undefined when nobody has said where it is, or there is none. */
  readonly objects: ObjectStore | undefined
  mark(): Promise<ArchiveMark>
}

export interface LogStorage {
  readonly directory: DataDirectory
  readonly log: LogStore
  readonly stores: RecordStores
  readonly tokens: TokenStore
  /** Of a log in a database. */
  readonly archive?: StoredArchive
  /** For messages. */
  readonly place: string
  mark(name: DirectoryMark): Promise<string | undefined>
  /** Says that the log is not whole yet, or that it is. @throws IO */
  setUnfinished(text: string | undefined): Promise<void>
  /**
   * Says that the log goes on elsewhere; from then on nothing is added to it here.
   * @returns how many leaves have an index: those of `head`, the newest one, or it is not marked
   * @throws CONFLICT when it has another head; FORBIDDEN, UNAVAILABLE, IO
   */
  markMoved(text: string, head: StoredHead | undefined): Promise<TreeSize>
  /** Takes that back. @throws FORBIDDEN, UNAVAILABLE, IO */
  unmarkMoved(): Promise<void>
  /** Leaves that have an index; those beyond the head are acknowledged, and not in the tree yet. */
  sequenced(): Promise<TreeSize | undefined>
  /** Notes which master key the vault has, where that is noted apart from it. @throws USAGE when it is another */
  noteVault(masterKeyId: string, file: string): Promise<void>
  /** Lets go of the storage. */
  close(): Promise<void>
}

/**
 * Opens the storage of a log that nobody runs.
 * @throws LOCKED while somebody does; NOT_FOUND, FOREIGN_DIRECTORY, NEWER_FORMAT, CORRUPT, DISK_FULL, UNAVAILABLE, IO;
 *   USAGE when the log was moved away
 */
export async function openStorage(
  place: LogPlace,
  options: OpenStorageOptions,
): Promise<LogStorage> {
  const { create, despite = [] } = options
  const directory = await openDataDirectory(place.data, { create, despite })
  if (place.shared !== undefined) {
    assertKeptInDatabase(directory)
    // Loaded where it is needed: most logs are in a directory.
    const { openStoppedDatabase } = await import('./stopped-database.ts')
    return openStoppedDatabase(directory, place.shared, options)
  }
  assertKeptHere(directory)
  const log = await openLevelStore(directory.store, { createIfMissing: create })
  return {
    directory,
    log,
    stores: recordStoresIn(directory),
    tokens: tokensInFile(directory.tokensFile),
    place: directory.path,
    mark: (name) => markOf(directory.path, name),
    setUnfinished: (text) => markDirectory(directory.path, 'unfinished', text),
    async markMoved(text, head) {
      // Whoever has the store open is the only one who could add to it.
      await markDirectory(directory.path, 'moved', text)
      return head?.size ?? treeSize(0)
    },
    unmarkMoved: () => markDirectory(directory.path, 'moved', undefined),
    sequenced: async () => undefined,
    noteVault: async () => undefined,
    close: () => log.close(),
  }
}
