/**
 * Who leads a shared log: tries for a term when nobody has one, and holds on to it. The storage decides, and refuses
 * what is written after the end of a term; by its own clock a server stops before that, so that it signs nothing in
 * vain.
 */
import { CairnError } from '../errors.ts'
import type { LeaderStore, Leadership, SharedLogStore } from '../storage/shared-port.ts'

/** The time during which this server leads. */
export interface Term {
  readonly leader: LeaderStore
  /** Whether it lasts, as far as this server knows. */
  lasts(): boolean
  /** @throws CONFLICT when it is over */
  mustLast(): void
  /** Ends it here, because the storage has said so. */
  end(): void
}

export interface ElectionOptions {
  readonly store: Pick<SharedLogStore, 'lead' | 'leadership'>
  readonly holder: string
  readonly url: string
  readonly leaseMs: number
  /** Whether this server gets on with what a leader has to do. A lease is not kept for one that does not. */
  readonly getsOn: () => boolean
  /** A term has begun or ended. */
  readonly onChange: () => void
  readonly onDatabase: (error: unknown) => void
}

/** A term here: beside what others see of it, how long its lease lasts by this server's monotonic clock. */
interface OwnTerm extends Term {
  /** Holds on to it, as was asked at such a time. */
  extend(asked: number): void
}

export class Election {
  readonly #options: ElectionOptions
  #term: OwnTerm | undefined
  #leadership: Leadership | undefined
  /** When the storage last said who leads. */
  #toldAt = Number.NEGATIVE_INFINITY
  #timer: NodeJS.Timeout | undefined
  #looking: Promise<void> | undefined
  #lookAgain = false
  #withdrawn = false
  #notBefore = Number.NEGATIVE_INFINITY
  #closed = false

  constructor(options: ElectionOptions) {
    this.#options = options
  }

  /** The term of this server, while it lasts. */
  get term(): Term | undefined {
    return this.#term?.lasts() === true ? this.#term : undefined
  }

  /** Who leads, as far as is known: whoever has not heard of it for two leases does not know any more. */
  get leadership(): Leadership | undefined {
    const isStale = performance.now() - this.#toldAt > 2 * this.#options.leaseMs
    return this.#leadership && isStale ? { ...this.#leadership, valid: false } : this.#leadership
  }

  /** Looks who leads, and begins a term when nobody does; from then on by itself. Never rejects. */
  look(): Promise<void> {
    if (this.#closed) return Promise.resolve()
    if (this.#looking !== undefined) {
      this.#lookAgain = true
      return this.#looking
    }
    clearTimeout(this.#timer)
    this.#looking = this.#look().finally(() => {
      this.#looking = undefined
      if (this.#closed) return
      const pause = this.#lookAgain ? 0 : this.#options.leaseMs / 3
      this.#lookAgain = false
      this.#timer = setTimeout(() => void this.look(), pause)
    })
    return this.#looking
  }

  /** Ends the own term, and lets others try first: this server cannot do what a leader has to. */
  async stepBack(): Promise<void> {
    this.#notBefore = performance.now() + this.#options.leaseMs
    await this.#resign()
  }

  /** Ends the own term so that others need not wait for its lease, and begins no other. */
  async withdraw(): Promise<void> {
    this.#withdrawn = true
    await this.#resign()
  }

  /** Withdraws, and looks no more. */
  async close(): Promise<void> {
    this.#withdrawn = true
    this.#closed = true
    clearTimeout(this.#timer)
    await this.#looking
    await this.withdraw()
  }

  async #resign(): Promise<void> {
    const term = this.#term
    if (term?.lasts() !== true) return
    term.end()
    await term.leader.resign().catch(this.#options.onDatabase)
  }

  async #look(): Promise<void> {
    const { store, holder, url, leaseMs, getsOn, onDatabase, onChange } = this.#options
    try {
      if (this.#term?.lasts() === true) {
        if (getsOn()) await this.#renew(this.#term)
        else await this.#giveWay()
        return
      }
      this.#term = undefined
      await this.#ask()
      const isOthers = this.#leadership?.valid === true && this.#leadership.holder !== holder
      if (isOthers || this.#withdrawn || performance.now() < this.#notBefore || !getsOn()) return
      const asked = performance.now()
      const leader = await store.lead({ holder, url, leaseMs })
      if (leader === undefined) {
        await this.#ask()
        return
      }
      if (this.#withdrawn) {
        await leader.resign()
        return
      }
      this.#tell({ epoch: leader.epoch, holder, url, valid: true })
      this.#term = this.#begin(leader, asked)
      onChange()
    } catch (error) {
      onDatabase(error)
    }
  }

  async #ask(): Promise<void> {
    this.#tell(await this.#options.store.leadership())
  }

  #tell(leadership: Leadership | undefined): void {
    this.#leadership = leadership
    this.#toldAt = performance.now()
  }

  async #giveWay(): Promise<void> {
    const stuck = 'this server has the lease and gets nowhere with it: another one may try'
    this.#options.onDatabase(new CairnError('UNAVAILABLE', stuck))
    await this.stepBack()
  }

  #begin(leader: LeaderStore, asked: number): OwnTerm {
    const { leaseMs, onChange } = this.#options
    let over = false
    let until = asked + leaseMs
    let expiry: NodeJS.Timeout | undefined
    const end = (): void => {
      if (over) return
      over = true
      clearTimeout(expiry)
      onChange()
      void this.look()
    }
    const lasts = (): boolean => !over && performance.now() < until
    const expire = (): void => {
      const left = until - performance.now()
      if (left > 0 && !over) expiry = setTimeout(expire, left).unref()
      else end()
    }
    expire()
    return {
      leader,
      lasts,
      end,
      extend(renewed) {
        // A lease that ran out while this was on its way is over for whoever was told so.
        if (lasts()) until = Math.max(until, renewed + leaseMs)
      },
      mustLast() {
        if (!lasts()) throw new CairnError('CONFLICT', 'the term of this server is over')
      },
    }
  }

  async #renew(term: OwnTerm): Promise<void> {
    const asked = performance.now()
    if (await term.leader.renew(this.#options.leaseMs)) term.extend(asked)
    else term.end()
  }
}
