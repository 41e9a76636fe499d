/** The names of the files below a directory, in the order that object stores list them. */
import { readdir } from 'node:fs/promises'
import { join } from 'node:path'
import { compareNames } from './object-name.ts'

/**
 * The names below `root` that begin with `prefix` and come after `after`, by their bytes, at most `limit`. Directories
 * with none of them are not read.
 * @throws the file system's own errors
 */
export async function namesBelow(
  root: string,
  prefix: string,
  after: string,
  limit: number,
): Promise<string[]> {
  const found: string[] = []
  await visit('')
  return found

  async function visit(directory: string): Promise<void> {
    for (const name of await inOrder(directory)) {
      if (found.length >= limit) return
      if (name.endsWith('/')) {
        const mayHold = name.startsWith(prefix) || prefix.startsWith(name)
        // Names in it come after its own; the last of them may still come before `after`.
        const isPassed = name < after && !after.startsWith(name)
        if (mayHold && !isPassed) await visit(name)
      } else if (name.startsWith(prefix) && name > after) {
        found.push(name)
      }
    }
  }

  /** What is in a directory, by full names; those of directories end in a slash, which decides their place. */
  async function inOrder(directory: string): Promise<string[]> {
    const entries = await readdir(join(root, directory), { withFileTypes: true }).catch(
      (error: unknown) => {
        // Removed since it was listed, as it became empty.
        if (directory !== '' && isMissing(error)) return []
        throw error
      },
    )
    return entries
      .filter((entry) => !entry.name.startsWith('.') && (entry.isFile() || entry.isDirectory()))
      .map((entry) => `${directory}${entry.name}${entry.isDirectory() ? '/' : ''}`)
      .sort(compareNames)
  }
}

function isMissing(error: unknown): boolean {
  return error instanceof Error && 'code' in error && error.code === 'ENOENT'
}
