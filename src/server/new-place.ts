/** A place that a run makes where nothing was, and takes away again when the run is refused before anything is in it. */
import { readdir, rm, rmdir } from 'node:fs/promises'
import { dirname, join, resolve } from 'node:path'

/** What is made first, and holds nothing of a log by itself. The mark goes last: without it the rest would be a log's. */
const MADE = ['store', 'lock', 'format', 'unfinished']

export interface NewPlace {
  /** Takes away what was made, unless something was there before, or there are keys now. Never fails. */
  leave(): Promise<void>
}

/** Looks what is at a path, before anything is made there. */
export async function newPlace(data: string): Promise<NewPlace> {
  const path = resolve(data)
  const missing = await missingAbove(path)
  const wasEmpty = missing.length > 0 || (await namesIn(path))?.length === 0
  return {
    async leave() {
      if (!wasEmpty) return
      try {
        const keys = join(path, 'keys')
        if ((await namesIn(keys)) !== undefined) await rmdir(keys)
        for (const name of MADE) await rm(join(path, name), { recursive: true, force: true })
        for (const made of missing) await rmdir(made)
      } catch {
        // Something else is there by now, which is to stay.
      }
    },
  }
}

/** Those of a path and the directories above it that are not there, the path first. */
async function missingAbove(path: string): Promise<string[]> {
  const missing: string[] = []
  for (let one = path; (await namesIn(one)) === undefined; one = dirname(one)) {
    if (one === dirname(one)) break
    missing.push(one)
  }
  return missing
}

/** Undefined when there is none; what cannot be read is somebody's. */
async function namesIn(path: string): Promise<readonly string[] | undefined> {
  try {
    return await readdir(path)
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === 'ENOENT' ? undefined : [path]
  }
}
