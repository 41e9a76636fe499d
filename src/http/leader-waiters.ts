/** Requests that wait until somebody leads who can answer them. */
import { CairnError } from '../errors.ts'
import { type LeaderPlace, unavailable } from './leader.ts'

/** Where a request can be answered. */
export type Found = Exclude<LeaderPlace, 'soon' | undefined>

interface Waiter {
  readonly accepts: (place: LeaderPlace) => boolean
  readonly until: number
  resolve(place: LeaderPlace): void
  reject(error: unknown): void
}

export interface LeaderWaiters {
  /** How many there are. */
  readonly count: number
  /**
   * The first place that is accepted. The signal's end is that of a client who went away: it is never answered then.
   * @throws UNAVAILABLE (NotLeading) when there is none by `until`, by performance.now(); OVERLOADED when too many wait
   */
  wait(
    accepts: (place: LeaderPlace) => boolean,
    until: number,
    gone: AbortSignal,
  ): Promise<LeaderPlace>
  /** Refuses all that wait, and all that come. */
  close(): void
}

/** How often it is looked who leads, while somebody waits. */
const LOOK_MS = 25

/** At most `limit` wait at the same time. */
export function leaderWaiters(leader: () => LeaderPlace, limit: number): LeaderWaiters {
  const waiters = new Set<Waiter>()
  let isClosed = false
  let timer: NodeJS.Timeout | undefined

  function look(): void {
    const place = leader()
    const now = performance.now()
    for (const waiter of waiters) {
      if (waiter.accepts(place)) waiter.resolve(place)
      else if (isClosed) waiter.reject(unavailable('this server is shutting down'))
      else if (now >= waiter.until) waiter.reject(unavailable(reasonAt(place)))
    }
  }

  return {
    get count() {
      return waiters.size
    },
    wait(accepts, until, gone) {
      const place = leader()
      if (accepts(place)) return Promise.resolve(place)
      if (isClosed) return Promise.reject(unavailable('this server is shutting down'))
      if (waiters.size >= limit) {
        const message =
          'too many requests wait for a server to lead this log; try again in a second'
        return Promise.reject(new CairnError('OVERLOADED', message))
      }
      return new Promise((resolve, reject) => {
        const leave = (): void => {
          waiters.delete(waiter)
          gone.removeEventListener('abort', leave)
          if (waiters.size > 0) return
          clearInterval(timer)
          timer = undefined
        }
        const waiter: Waiter = {
          accepts,
          until,
          resolve(found) {
            leave()
            resolve(found)
          },
          reject(error) {
            leave()
            reject(error)
          },
        }
        waiters.add(waiter)
        gone.addEventListener('abort', leave)
        timer ??= setInterval(look, LOOK_MS)
      })
    },
    close() {
      isClosed = true
      look()
    },
  }
}

function reasonAt(place: LeaderPlace): string {
  return typeof place === 'object'
    ? 'the server that leads this log cannot be reached'
    : 'no server leads this log at the moment'
}
