/** Directories that are there to stay, with those above them. */
import { mkdir, stat } from 'node:fs/promises'
import { dirname } from 'node:path'
import { syncDirectory } from './durable-file.ts'

/**
 * Makes a directory and those above it, durably, where they are missing. Not by `mkdir` with `recursive`: it never
 * comes back on some file systems that refuse, as `/proc` does.
 * @throws the file system's errors
 */
export async function makeDirectory(path: string, mode = 0o755): Promise<void> {
  if (await made(path, mode)) return
  const above = dirname(path)
  if (above !== path) await makeDirectory(above, mode)
  if (await made(path, mode)) return
  // The file system's own words are that there is none such, which everybody knows.
  throw Object.assign(new Error(`no directory can be made in ${above}; choose another place`), {
    code: 'ENOENT',
  })
}

/** Whether it is there now; false when the one above it is not. */
async function made(path: string, mode: number): Promise<boolean> {
  try {
    await mkdir(path, mode)
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return false
    if (await isDirectory(path)) return true
    throw error
  }
  await syncDirectory(dirname(path))
  return true
}

function isDirectory(path: string): Promise<boolean> {
  return stat(path).then(
    (found) => found.isDirectory(),
    () => false,
  )
}
