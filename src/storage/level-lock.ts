/**
 * A lock on a directory that ends with its process, however that ends. Node has none; the one of LevelDB is the operating
 * system's, so an empty database serves as the lock.
 */
import { openDatabase } from './level-engine.ts'

export interface DirectoryLock {
  release(): Promise<void>
}

/** Takes the lock that is kept in `directory`, made when there is none. @throws LOCKED, IO */
export async function lockDirectory(directory: string): Promise<DirectoryLock> {
  const database = await openDatabase(directory, { createIfMissing: true })
  return { release: () => database.close() }
}
