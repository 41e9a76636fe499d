/** When the server that leads a shared log takes what is sequenced into the tree: at once, but not too often. */
import { CairnError } from '../errors.ts'
import { LIMITS } from './shared-integrator.ts'
import type { Leading } from './shared-leading.ts'
import type { Replica } from './shared-replica.ts'
import type { Sequencer } from './shared-sequencer.ts'

export interface IntegratingOptions {
  readonly replica: Replica
  readonly sequencer: Pick<Sequencer, 'size' | 'busy'>
  /** Least time between the beginnings of two integrations while more leaves are on their way. */
  readonly intervalMs: number
  /** Whether something may be signed. */
  readonly mayGoOn: () => boolean
  /** An integration is done: there may be a new head. */
  readonly onDone: () => void
}

/** Why a log is not written to whose database has fewer leaves than were sequenced. */
export function lostLeaves(size: number, known: number): string {
  return (
    `the data was rolled back: it holds ${size} leaves, but ${known} were sequenced and acknowledged; ` +
    'restore the newest copy of the data'
  )
}

export class Integrating {
  readonly #options: IntegratingOptions
  /** Whether leaves may have been sequenced that this server does not know of. */
  #isNoticed = true
  #lastBegun = Number.NEGATIVE_INFINITY

  constructor(options: IntegratingOptions) {
    this.#options = options
  }

  /** Leaves may have been sequenced elsewhere. */
  notice(): void {
    this.#isNoticed = true
  }

  /** Takes in all of `sequenced` leaves. @throws CORRUPT when there are fewer; CONFLICT when the term is over; as Leading.integrate() */
  async upTo(sequenced: number, { term, integrate }: Leading): Promise<void> {
    const { replica, mayGoOn, onDone } = this.#options
    while (replica.head.size < sequenced && mayGoOn()) {
      term.mustLast()
      const count = await integrate()
      onDone()
      const { size } = replica.head
      if (count === 0 && size < sequenced) {
        throw new CairnError('CORRUPT', lostLeaves(size, sequenced))
      }
    }
  }

  /** Takes in what is new, for as long as `lasts` says. @throws as upTo() */
  async newest(lead: Leading, lasts: () => boolean): Promise<void> {
    const { replica, sequencer, intervalMs, onDone } = this.#options
    let more = this.#isNoticed
    this.#isNoticed = false
    while (lasts()) {
      if (!more && sequencer.size <= replica.head.size) return
      const wait = this.#lastBegun + intervalMs - performance.now()
      // Nobody gains by waiting when nothing is on its way here.
      if (wait > 0 && sequencer.busy) await new Promise((resolve) => setTimeout(resolve, wait))
      const begun = performance.now()
      const known = sequencer.size
      const count = await lead.integrate()
      // Also when there was nothing new: an earlier attempt may have got through.
      onDone()
      if (count === 0 && known > replica.head.size) {
        throw new CairnError('CORRUPT', lostLeaves(replica.head.size, known))
      }
      more = count >= LIMITS.maxLeaves
      if (count === 0) return
      this.#lastBegun = begun
    }
  }
}
