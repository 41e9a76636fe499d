/** Work that takes memory and time: so much of it at once, some of it waiting, and no more. */
import { newTurns, type Turns } from '../compliance/turns.ts'

export interface TurnLimits {
  /** Works that may run at the same time. */
  readonly running: number
  /** Works that may wait for their turn. */
  readonly waiting: number
}

/** Turns for one kind of work; `what` names it in the refusal: `evidence`. */
export function turnsFor(what: string, { running, waiting }: TurnLimits): Turns {
  const refusal = `too much ${what} is asked for at once; try again shortly`
  return newTurns({ atOnce: running, waiting, refusal })
}
