/** Work that takes much memory or time, a few at once. */
import { CairnError } from '../errors.ts'

export interface TurnsOptions {
  /** How many are worked on at once. */
  readonly atOnce: number
  /** How many may wait beside them. */
  readonly waiting: number
  /** What is said to those beyond. */
  readonly refusal: string
}

/** Does the work when it is its turn, first come, first served. @throws OVERLOADED when too many wait already */
export type Turns = <T>(work: () => Promise<T>) => Promise<T>

export function newTurns({ atOnce, waiting, refusal }: TurnsOptions): Turns {
  const queue: (() => void)[] = []
  let busy = 0
  return async (work) => {
    if (busy >= atOnce) {
      if (queue.length >= waiting) {
        throw new CairnError('OVERLOADED', refusal)
      }
      // Whoever is done hands its turn on.
      await new Promise<void>((resolve) => queue.push(resolve))
    } else {
      busy++
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
