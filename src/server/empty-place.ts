/** A place for a log that is written from outside: a move or a restore. Until that is done, no log runs in it. */
import { readdir } from 'node:fs/promises'
import { resolve } from 'node:path'
import { CairnError, messageOf, usage } from '../errors.ts'
import { directoryKind, markDirectory, markOf } from '../storage/data-directory.ts'

/** What writes a place. */
export type Writing = 'migrate' | 'restore'

const REMEDIES: Readonly<Record<Writing, string>> = {
  migrate:
    'a move into here has not come to its end; run the same cairn migrate again, which goes on where it stopped',
  restore:
    'a restore into here has not come to its end; run the same cairn restore again, which begins anew',
}

/**
 * Takes a place, durably, before anything is written to it.
 * @returns whether the same work was begun in it before
 * @throws USAGE when it holds a log, or other work in it is unfinished; FOREIGN_DIRECTORY when it holds other files; IO
 */
export async function takePlace(data: string, work: Writing): Promise<boolean> {
  const path = resolve(data)
  const mark = await markOf(path, 'unfinished')
  if (mark === REMEDIES[work]) return true
  if (mark !== undefined) throw usage(`${path} is not free: ${mark}; or remove it`)
  const kind = await directoryKind(path)
  if (kind !== undefined) {
    throw usage(`${path} holds the data of a ${kind} already; choose a new or empty directory`)
  }
  const [other] = (await namesIn(path)).sort()
  if (other !== undefined) {
    throw new CairnError(
      'FOREIGN_DIRECTORY',
      `${path} holds other files (${other}); choose a new or empty directory`,
    )
  }
  await markDirectory(path, 'unfinished', REMEDIES[work])
  return false
}

/** Lets a log run in a place: all of it is there, and on stable storage. @throws IO */
export function releasePlace(data: string): Promise<void> {
  return markDirectory(data, 'unfinished', undefined)
}

async function namesIn(path: string): Promise<string[]> {
  try {
    return (await readdir(path)).filter((name) => name !== 'lost+found')
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException
    if (code === 'ENOENT') return []
    if (code === 'ENOTDIR') {
      throw new CairnError('FOREIGN_DIRECTORY', `${path} is not a directory; choose another one`)
    }
    throw new CairnError('IO', `cannot use ${path}: ${messageOf(error)}`, { cause: error })
  }
}
