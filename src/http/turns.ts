/** Work that takes memory and time: so much of it at once, some of it waiting, and no more. */
import { CairnError } from '../errors.ts'

export interface TurnLimits {
  /** Works that may run at the same time. */
  readonly running: number
  /** Works that may wait for their turn. */
  readonly waiting: number
}

/** Runs a work in its turn. @throws OVERLOADED when too many wait already; what the work throws */
export type InTurn = <T>(work: () => Promise<T>) => Promise<T>

/** Turns for one kind of work; `what` names it in the refusal: `evidence`. */
export function turnsFor(what: string, { running, waiting }: TurnLimits): InTurn {
  let busy = 0
  const queue: (() => void)[] = []
  return async (work) => {
    if (busy < running) busy++
    else if (queue.length >= waiting) {
      throw new CairnError('OVERLOADED', `too much ${what} is asked for at once; try again shortly`)
    } else {
      // Whoever ends hands on the turn, so `busy` stays as it is.
      await new Promise<void>((resolve) => queue.push(resolve))
    }
    try {
      return await work()
    } finally {
      const next = queue.shift()
      if (next === undefined) busy--
      else next()
    }
  }
}
