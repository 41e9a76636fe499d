/** The data directory of a stopped log, opened to read: as an auditor's source, or as the bare store. */
import { existsSync } from 'node:fs'
import { join } from 'node:path'
import { CairnError } from '../errors.ts'
import type { LogStore } from '../storage/port.ts'
import type { TileSource } from '../tiles/source.ts'

export interface StoredLog {
  readonly source: TileSource
  /** The published checkpoint. */
  readonly checkpoint: Uint8Array
  close(): Promise<void>
}

/** Whether a folder is one that `cairn serve` made. */
export function isDataDirectory(path: string): boolean {
  return existsSync(join(path, 'format')) && existsSync(join(path, 'store'))
}

/** The store in a data directory. @throws LOCKED while a server has it open, NOT_FOUND, FOREIGN_DIRECTORY */
export async function openStore(path: string): Promise<LogStore> {
  const [{ openDataDirectory }, { openLevelStore }] = await Promise.all([
    import('../storage/data-directory.ts'),
    import('../storage/level.ts'),
  ])
  const directory = await openDataDirectory(path, { create: false })
  return openLevelStore(directory.store, { createIfMissing: false })
}

/** @throws as openStore, and NOT_FOUND when nothing was ever published */
export async function openStoredLog(path: string): Promise<StoredLog> {
  const { storedTiles } = await import('../log/stored-tiles.ts')
  const store = await openStore(path)
  try {
    const head = (await store.publication()) ?? (await store.head())
    if (head === undefined) {
      throw new CairnError('NOT_FOUND', `the log in ${path} has not published a checkpoint yet`)
    }
    return { source: storedTiles(store), checkpoint: head.checkpoint, close: () => store.close() }
  } catch (error) {
    await store.close()
    throw error
  }
}
