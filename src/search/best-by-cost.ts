/** The first records of an answer by cost, picked from all that match. */
import { stepOf } from './cost-ladder.ts'
import type { Plan } from './query.ts'

/** A record that was found. */
export interface Found {
  readonly index: number
  /** In an answer by cost what the record cost; infinite when it does not say, so that it comes last. */
  readonly cost: number | undefined
}

interface Priced extends Found {
  readonly cost: number
}

export class BestByCost {
  /** One more than fit on the page, at the most; the best first. */
  readonly found: Priced[] = []
  readonly #room: number
  readonly #minimumCost: number | undefined
  /** 1 when a low cost is better, -1 when a high one is. */
  readonly #sign: 1 | -1
  readonly #after: Priced | undefined

  /** Takes only records that come after `after`. */
  constructor({ order, limit, minimumCost }: Plan, after: Found | undefined) {
    this.#room = limit + 1
    this.#minimumCost = minimumCost
    this.#sign = order === 'cheapest' ? 1 : -1
    if (after?.cost !== undefined) this.#after = { index: after.index, cost: after.cost }
  }

  /** Offers a record with its cost, which is NaN when it does not say. */
  offer(index: number, says: number): void {
    if (this.#minimumCost !== undefined && !(says >= this.#minimumCost)) return
    const cost = Number.isNaN(says) ? this.#sign * Number.POSITIVE_INFINITY : says
    const after = this.#after
    if (after !== undefined && this.#compare(index, cost, after) <= 0) return
    const { found } = this
    const worst = found[this.#room - 1]
    if (worst !== undefined) {
      if (this.#compare(index, cost, worst) > 0) return
      found.pop()
    }
    let low = 0
    let high = found.length
    while (low < high) {
      const middle = (low + high) >>> 1
      if (this.#compare(index, cost, found[middle]!) < 0) high = middle
      else low = middle + 1
    }
    found.splice(low, 0, { index, cost })
  }

  get isFull(): boolean {
    return this.found.length === this.#room
  }

  /** Whether all that comes after a step of the ladder is worse than each of as many as there is room for. */
  isSettledBy(step: number): boolean {
    const worst = this.found[this.#room - 1]
    return worst !== undefined && this.#sign * (stepOf(worst.cost) - step) <= 0
  }

  /** Negative when the record comes before the other one: better, or as good and newer. */
  #compare(index: number, cost: number, other: Priced): number {
    return this.#sign * compareNumbers(cost, other.cost) || other.index - index
  }
}

function compareNumbers(a: number, b: number): number {
  return a < b ? -1 : a > b ? 1 : 0
}
