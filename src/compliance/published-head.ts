/** The head by which records are proven to others: one that the log has published. */
import { CairnError } from '../errors.ts'
import type { Head, LogService, Publication } from '../log/service.ts'
import type { LeafIndex } from '../merkle/position.ts'

/** How long it is waited for, in milliseconds. */
const HEAD_WAIT_MS = 10_000
const LOOK_MS = 25

/**
 * A published head that has the leaf, with the witnesses' quorum where one is demanded.
 * @throws OVERLOADED when there is none after so many milliseconds
 */
export async function publishedHead(
  log: LogService,
  index: LeafIndex,
  waitMs: number = HEAD_WAIT_MS,
): Promise<Head> {
  if (log.witnesses()?.quorum !== undefined) {
    const head = await log.witnessed(index, waitMs)
    if (head !== undefined) return head
  } else {
    for (let waited = 0; waited <= waitMs; waited += LOOK_MS) {
      const head = publicationOf(log)
      if (head !== undefined && head.size > index) return head
      await new Promise((resolve) => setTimeout(resolve, LOOK_MS))
    }
  }
  throw new CairnError(
    'OVERLOADED',
    'no head with these records is published yet; try again in a minute',
  )
}

/** The newest published head; undefined before the first. */
export function publicationOf(log: Pick<LogService, 'publication'>): Publication | undefined {
  try {
    return log.publication()
  } catch (error) {
    if (error instanceof CairnError && error.code === 'NOT_FOUND') return undefined
    throw error
  }
}
