/** Lets requests in while there is room, and tells when the last one is out. */
import { CairnError } from '../errors.ts'

export interface RequestGate {
  /** Requests that are in. */
  readonly waiting: number
  /** @throws OVERLOADED when too many are in, STOPPED once it is closed, and what `run` throws */
  pass<T>(run: () => Promise<T>): Promise<T>
  /** Lets nobody in any more, and resolves when all are out. */
  close(): Promise<void>
}

export function requestGate(maxWaiting: number): RequestGate {
  let waiting = 0
  let isClosed = false
  let emptied = (): void => {}
  return {
    get waiting() {
      return waiting
    },
    async pass(run) {
      if (isClosed) throw new CairnError('STOPPED', 'the witness is shutting down')
      if (waiting >= maxWaiting) {
        throw new CairnError('OVERLOADED', 'too many requests wait here; try again in a second')
      }
      waiting++
      try {
        return await run()
      } finally {
        waiting--
        if (waiting === 0) emptied()
      }
    },
    async close() {
      isClosed = true
      if (waiting === 0) return
      await new Promise<void>((resolve) => {
        emptied = resolve
      })
    },
  }
}
