/**
 * A directory that is replaced by a whole copy of it, so that the process may die at any point:
 *
 *   DIR/       what counts
 *   DIR.new/   a copy that is being made; worthless before it is whole
 *   DIR.old/   what a whole copy has replaced
 *
 * All of these throw the file system's errors.
 */
import { rename, rm, stat } from 'node:fs/promises'
import { dirname } from 'node:path'
import { syncDirectory } from './durable-file.ts'

/** Where the copy of a directory is made. */
export function copyOf(directory: string): string {
  return `${directory}.new`
}

function replacedOf(directory: string): string {
  return `${directory}.old`
}

/** Deletes what stands beside a directory. */
export async function deleteCopies(directory: string): Promise<void> {
  const places = [copyOf(directory), replacedOf(directory)]
  const found = await Promise.all(places.map(exists))
  if (!found.includes(true)) return
  for (const place of places) await rm(place, { recursive: true, force: true })
  await syncDirectory(dirname(directory))
}

/** Puts the whole copy in the place of a directory. Whatever is cut off here, finishReplacement() finishes. */
export async function replaceByCopy(directory: string): Promise<void> {
  const made = copyOf(directory)
  const replaced = replacedOf(directory)
  const parent = dirname(directory)
  await syncDirectory(made)
  await rename(directory, replaced)
  await syncDirectory(parent)
  await rename(made, directory)
  await syncDirectory(parent)
  await rm(replaced, { recursive: true })
  await syncDirectory(parent)
}

/** Ends what a process that died has begun: the copy counts from the moment the directory was moved out of its way. */
export async function finishReplacement(directory: string): Promise<void> {
  if ((await exists(replacedOf(directory))) && !(await exists(directory))) {
    await rename(copyOf(directory), directory)
    await syncDirectory(dirname(directory))
  }
  if (await exists(dirname(directory))) await deleteCopies(directory)
}

async function exists(path: string): Promise<boolean> {
  return stat(path).then(
    () => true,
    (error: NodeJS.ErrnoException) => {
      if (error.code === 'ENOENT') return false
      throw error
    },
  )
}
