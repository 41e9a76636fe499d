/**
 * The heads that the log has published, as far as they are kept: of each day, in UTC, the newest, and the one with which
 * the history begins. A report on a month takes those at both ends from here, and evidence an earlier one.
 */
import { messageOf } from '../errors.ts'
import type { LogService, Publication } from '../log/service.ts'
import type { HeadStore, StoredHead } from '../storage/heads-port.ts'
import type { HeadHistory, KeptHead } from './context.ts'
import { publicationOf } from './published-head.ts'

export interface HeadHistoryOptions {
  readonly log: Pick<LogService, 'head' | 'publication'>
  readonly store: HeadStore
  /** Milliseconds since 1970. */
  readonly now?: () => number
  /** A head that is the newest of a day so far is stored after so long at the latest. */
  readonly storeMs?: number
  /** Told why a head could not be stored; it is tried again with the next. */
  readonly onError?: (reason: string) => void
}

export interface RunningHeadHistory extends HeadHistory {
  /** The log has published a head. */
  notify(): void
  /** Stores what is not stored yet, if it can, and nothing after that. The log must still be open. */
  close(): Promise<void>
}

const STORE_MS = 60_000
/** Twenty years; of the days before, nothing is kept. */
const MAX_HEADS = 7_306
const DAY_MS = 86_400_000

/**
 * Opens the history of a log. One that begins with an empty log begins with the head of size 0.
 * @throws DISK_FULL, IO
 */
export async function openHeadHistory(options: HeadHistoryOptions): Promise<RunningHeadHistory> {
  const { log, store, now = Date.now, storeMs = STORE_MS, onError = () => undefined } = options
  /** The newest head, as long as it is not stored. */
  let pending: StoredHead | undefined
  let timer: NodeJS.Timeout | undefined
  let isClosed = false
  /** Writes happen one after the other. */
  let work: Promise<unknown> = Promise.resolve()

  function inTurn<T>(write: () => Promise<T>): Promise<T> {
    const done = work.then(write)
    work = done.catch(() => undefined)
    return done
  }

  async function keep(head: StoredHead): Promise<void> {
    await store.keep(head)
    const [first, ...rest] = store.times()
    const sameDay = rest.filter((time) => time < head.time && dayOf(time) === dayOf(head.time))
    const tooMany = rest.slice(0, Math.max(0, rest.length + 1 - MAX_HEADS))
    for (const time of new Set([...sameDay, ...tooMany])) {
      if (time !== first) await store.forget(time)
    }
  }

  function clearTimer(): void {
    clearTimeout(timer)
    timer = undefined
  }

  /** Stores the newest head, with the cosignatures that it has by now. */
  function storePending(): Promise<void> {
    clearTimer()
    return inTurn(async () => {
      const head = pending
      if (head === undefined) return
      const published = publicationOf(log)
      await keep(published?.timestamp === head.time ? headOf(published) : head)
      if (pending === head) pending = undefined
    })
  }

  function storeLater(milliseconds: number): void {
    timer ??= setTimeout(() => {
      timer = undefined
      storePending().catch((error: unknown) => onError(messageOf(error)))
    }, milliseconds).unref()
  }

  function notify(): void {
    if (isClosed) return
    const published = publicationOf(log)
    if (published === undefined) return
    const head = headOf(published)
    const last = pending
    pending = head
    if (last !== undefined && dayOf(last.time) !== dayOf(head.time)) {
      // Nothing comes after it on its day.
      inTurn(() => keep(last)).catch((error: unknown) => onError(messageOf(error)))
    }
    const isFirstOfDay = !store.times().some((time) => dayOf(time) === dayOf(head.time))
    if (isFirstOfDay) clearTimer()
    storeLater(isFirstOfDay ? 0 : storeMs)
  }

  const { size, checkpoint } = log.head()
  if (store.times().length === 0 && size === 0) {
    const published = publicationOf(log)
    await keep(published?.size === 0 ? headOf(published) : { time: now(), checkpoint })
  }
  notify()

  /** All that is known, and is not lost with the process if that can be helped. */
  async function all(): Promise<readonly number[]> {
    await storePending().catch((error: unknown) => onError(messageOf(error)))
    return store.times()
  }

  async function read(times: readonly number[]): Promise<KeptHead[]> {
    const heads: KeptHead[] = []
    for (const time of times) heads.push(await store.read(time))
    return heads
  }

  return {
    notify,

    async between(from, before) {
      return read((await all()).filter((time) => time >= from && time < before))
    },

    async lastBefore(time) {
      const last = (await all()).filter((one) => one < time).at(-1)
      return last === undefined ? undefined : store.read(last)
    },

    async close() {
      notify()
      isClosed = true
      await all()
    },
  }
}

function headOf({ timestamp, checkpoint }: Publication): StoredHead {
  return { time: timestamp, checkpoint }
}

function dayOf(time: number): number {
  return Math.floor(time / DAY_MS)
}
