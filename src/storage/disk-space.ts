/** How much room a directory takes, and how much its file system has left. */
import { readdir, stat, statfs } from 'node:fs/promises'
import { join } from 'node:path'

/** Bytes an unprivileged process can still write to the file system of `path`. */
export async function freeBytes(path: string): Promise<number> {
  const { bavail, bsize } = await statfs(path)
  return bavail * bsize
}

/** Bytes allocated to the files of a directory, not those of directories inside it. */
export async function directoryBytes(path: string): Promise<number> {
  let bytes = 0
  for (const name of await readdir(path)) {
    // A compaction may delete a file between the listing and the look.
    const found = await stat(join(path, name)).catch(() => undefined)
    if (found?.isFile()) bytes += found.blocks * 512
  }
  return bytes
}
