/**
 * The way back from a move, as long as the log has not gone on at its new place: that is closed first, if it is there,
 * and only then the old one may be served again, so that the log goes on in one place at any moment.
 */
import { resolve } from 'node:path'
import { CairnError, usage } from '../errors.ts'
import { directoryKind } from '../storage/data-directory.ts'
import { type LogPlace, type LogStorage, openStorage } from './log-storage.ts'
import { movedMark, placeInMark } from './moved-log.ts'

export interface UndoneMove {
  /** Leaves of the log, at its old place. */
  readonly size: number
  /** Whether there was a new place, which may not be served any more. */
  readonly closed: boolean
}

/**
 * Lets a log go on where it was moved away from. Cut off, it can be run again.
 * @param to where it was moved to; left out when nothing is there any more
 * @throws USAGE when it was not moved there; CONFLICT when it has gone on there; LOCKED while a server has either;
 *   FORBIDDEN, NOT_FOUND, UNAVAILABLE, IO
 */
export async function undoMove(from: LogPlace, to: LogPlace | undefined): Promise<UndoneMove> {
  const old = await openStorage(from, { create: false, despite: ['moved'] })
  try {
    const moved = await old.mark('moved')
    if (moved === undefined) throw usage(`the log in ${old.place} was not moved away`)
    const where = placeInMark(moved)
    if (to === undefined) {
      if (where !== undefined && (await directoryKind(where)) !== undefined) {
        throw usage(
          `the log in ${old.place} ${moved}; say so with --to as for the move, so that it cannot go on there`,
        )
      }
    } else if (where !== resolve(to.data)) {
      throw usage(`the log in ${old.place} ${moved}, not to ${resolve(to.data)}`)
    }
    const size = (await old.log.head())?.size ?? 0
    const closed = to !== undefined && (await close(to, old, size))
    await old.unmarkMoved()
    return { size, closed }
  } finally {
    await old.close()
  }
}

/** @returns whether there is a log that could have been served */
async function close(place: LogPlace, old: LogStorage, size: number): Promise<boolean> {
  let storage: LogStorage
  try {
    storage = await openStorage(place, { create: false, despite: ['moved', 'unfinished'] })
  } catch (error) {
    if (error instanceof CairnError && error.code === 'NOT_FOUND') return false
    throw error
  }
  try {
    if ((await storage.mark('unfinished')) !== undefined) return false
    if ((await storage.mark('moved')) !== undefined) return true
    const head = await storage.log.head()
    const sequenced = await storage.markMoved(movedMark(old.directory.path), head)
    if (sequenced === (head?.size ?? 0) && sequenced <= size) return true
    await storage.unmarkMoved()
    throw new CairnError(
      'CONFLICT',
      `the log has gone on in ${storage.place}: ${sequenced} leaves, of which ${size} are in ${old.place}; move it back with cairn migrate`,
    )
  } finally {
    await storage.close()
  }
}
