/** Files that are there whole or not at all, also after a power cut. */
import { open, rename, rm } from 'node:fs/promises'
import { dirname } from 'node:path'

/** The ending of a file that is still being written; one found at start is left over from a crash. */
export const UNFINISHED = '.tmp'

/**
 * Replaces a file in one step and makes it durable: written beside its place, synced, renamed, and the rename synced
 * with its directory. A reader sees the old or the new bytes, never a part.
 * @throws the file system's own errors, with the old file untouched
 */
export async function durableWriteFile(
  path: string,
  bytes: Uint8Array,
  mode: number,
): Promise<void> {
  const unfinished = `${path}.${process.pid}${UNFINISHED}`
  // A process of the same id may have died here; its file could have another mode.
  await rm(unfinished, { force: true })
  try {
    const file = await open(unfinished, 'wx', mode)
    try {
      // The umask may have taken bits away that the caller wants.
      await file.chmod(mode)
      await file.writeFile(bytes)
      await file.sync()
    } finally {
      await file.close()
    }
    await rename(unfinished, path)
  } catch (error) {
    await rm(unfinished, { force: true }).catch(() => undefined)
    throw error
  }
  await syncDirectory(dirname(path))
}

/** Makes the names in a directory durable: files created, renamed or removed there. */
export async function syncDirectory(path: string): Promise<void> {
  const directory = await open(path, 'r')
  try {
    await directory.sync()
  } finally {
    await directory.close()
  }
}
