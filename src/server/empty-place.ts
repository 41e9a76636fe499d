/** A place for a log that is written from outside: a move or a restore. Until that is done, no log runs in it. */
import { readdir, rm } from 'node:fs/promises'
import { join, resolve } from 'node:path'
import { CairnError, messageOf, usage } from '../errors.ts'
import { directoryKind, markDirectory, markOf } from '../storage/data-directory.ts'
import type { LogIdentity } from '../storage/postgres-settings.ts'
import { type LogPlace, type LogStorage, openStorage } from './log-storage.ts'
import { newPlace } from './new-place.ts'

/** What writes a place. */
export type Writing = 'migrate' | 'restore'

const REMEDIES: Readonly<Record<Writing, string>> = {
  migrate:
    'a move into here has not come to its end; run the same cairn migrate again, which goes on where it stopped',
  restore:
    'a restore into here has not come to its end; run the same cairn restore again, which begins anew',
}

/** Of a directory whose database no longer says so: all of it is there. */
const ENDING =
  'a move into here is over but for its last step; run the same cairn migrate again, which takes it'

/** What was found of the same work where a place is taken. */
export type Begun = 'nothing' | 'some' | 'all but the last step'

/**
 * Takes a place for a log, with its database where it has one, durably, before anything is written to it. A refusal
 * leaves nothing that was not there.
 * @throws USAGE when it holds a log, or other work in it is unfinished; FOREIGN_DIRECTORY when it holds other files; as
 *   openStorage
 */
export async function openTakenPlace(
  to: LogPlace,
  work: Writing,
  identity: LogIdentity,
): Promise<LogStorage> {
  const place = await newPlace(to.data)
  try {
    const begun = await takePlace(to.data, work)
    if (begun !== 'nothing' && work === 'restore') await emptyPlace(to.data)
    const storage = await openStorage(to, { create: true, despite: ['unfinished'], identity })
    try {
      await takeStorage(storage, work, begun)
      return storage
    } catch (error) {
      await storage.close().catch(() => undefined)
      throw error
    }
  } catch (error) {
    await place.leave()
    throw error
  }
}

/**
 * Takes a place, durably, before anything is written to it.
 * @throws USAGE when it holds a log, or other work in it is unfinished; FOREIGN_DIRECTORY when it holds other files; IO
 */
export async function takePlace(data: string, work: Writing): Promise<Begun> {
  const path = resolve(data)
  const mark = await markOf(path, 'unfinished')
  if (mark === REMEDIES[work]) return 'some'
  if (mark === ENDING && work === 'migrate') return 'all but the last step'
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
  return 'nothing'
}

/** Removes what unfinished work has left of a data directory, and keeps the mark. @throws IO */
async function emptyPlace(data: string): Promise<void> {
  const path = resolve(data)
  for (const name of await namesIn(path)) {
    if (name !== 'unfinished') await rm(join(path, name), { recursive: true, force: true })
  }
}

/**
 * Takes the database of a place as well, where it has one.
 * @throws USAGE when it holds a log already, or other work in it is unfinished; UNAVAILABLE, IO
 */
async function takeStorage(storage: LogStorage, work: Writing, begun: Begun): Promise<void> {
  if (begun === 'all but the last step') return
  const mark = await storage.mark('unfinished')
  if (mark === REMEDIES[work]) {
    // A directory has been emptied by now. Tables of a log let nothing be taken out of them.
    if (work === 'migrate' || storage.place === storage.directory.path) return
    throw usage(`a restore into ${storage.place} was cut off; drop that schema and run it again`)
  }
  if (mark !== undefined) throw usage(`${storage.place} is not free: ${mark}`)
  if ((await storage.log.head()) !== undefined || (await storage.log.publication()) !== undefined) {
    throw usage(`${storage.place} holds a log already; choose another schema`)
  }
  await storage.setUnfinished(REMEDIES[work])
}

/** Lets a log run in a place: all of it is there, and on stable storage. @throws IO */
export async function releasePlace(storage: LogStorage, work: Writing): Promise<void> {
  const { path } = storage.directory
  // Two marks go one after the other: what cuts this off between them must not look like a log that was there before.
  if (storage.place !== path && work === 'migrate') await markDirectory(path, 'unfinished', ENDING)
  await storage.setUnfinished(undefined)
  await markDirectory(path, 'unfinished', undefined)
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
