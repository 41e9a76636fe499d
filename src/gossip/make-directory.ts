/** Directories that are there to stay. */
import { mkdir } from 'node:fs/promises'
import { dirname } from 'node:path'
import { syncDirectory } from '../storage/durable-file.ts'

/**
 * Makes a directory and those above it, durably, where they are missing. Not by `mkdir` with `recursive`: it never
 * comes back on some file systems that refuse.
 * @throws the file system's errors
 */
export async function makeDirectory(path: string, mode = 0o755): Promise<void> {
  if (await made(path, mode, ['EEXIST', 'ENOENT'])) return
  const above = dirname(path)
  if (above !== path) await makeDirectory(above, mode)
  await made(path, mode, ['EEXIST'])
}

/** Whether it is there now; `excused` are the errors that are none. */
async function made(path: string, mode: number, excused: readonly string[]): Promise<boolean> {
  try {
    await mkdir(path, mode)
  } catch (error) {
    const code = (error as NodeJS.ErrnoException).code ?? ''
    if (!excused.includes(code)) throw error
    return code === 'EEXIST'
  }
  await syncDirectory(dirname(path))
  return true
}
