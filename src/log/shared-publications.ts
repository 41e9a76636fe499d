/** The published heads that a server of a shared log shows, whichever server made them. */
import { CairnError } from '../errors.ts'
import type { Publication } from './service.ts'

interface Waiter {
  readonly index: number
  resolve(publication: Publication): void
}

export class Publications {
  #newest: Publication | undefined
  readonly #waiters = new Set<Waiter>()

  constructor(publication: Publication | undefined) {
    this.#newest = publication
  }

  get newest(): Publication | undefined {
    return this.#newest
  }

  /** @throws NOT_FOUND before the first */
  mustHave(needsWitnesses: boolean): Publication {
    if (this.#newest !== undefined) return this.#newest
    const what = needsWitnesses
      ? 'its witnesses have not cosigned a head of this log yet; try again shortly'
      : 'the log has not published a head yet'
    throw new CairnError('NOT_FOUND', what)
  }

  /** The published head for the receipt of a leaf. */
  under(index: number): Publication | undefined {
    return this.#newest !== undefined && index < this.#newest.size ? this.#newest : undefined
  }

  /** The published head that has more than `index` leaves, as soon as there is one; undefined after so long. */
  async whenPublished(index: number, milliseconds: number): Promise<Publication | undefined> {
    const now = this.under(index)
    if (now !== undefined) return now
    return new Promise((resolve) => {
      const done = (publication: Publication | undefined): void => {
        clearTimeout(deadline)
        this.#waiters.delete(waiter)
        resolve(publication)
      }
      const waiter: Waiter = { index, resolve: done }
      const deadline = setTimeout(done, milliseconds, undefined)
      this.#waiters.add(waiter)
    })
  }

  show(publication: Publication): void {
    this.#newest = publication
    for (const waiter of this.#waiters) {
      if (waiter.index < publication.size) waiter.resolve(publication)
    }
  }
}
