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
  /** A term has begun or ended. */
  readonly onChange: () => void
  readonly onDatabase: (error: unknown) => void
}

export class Election {
  readonly #options: ElectionOptions
  #term: Term | undefined
  #leadership: Leadership | undefined
  #timer: NodeJS.Timeout | undefined
  #looking: Promise<void> | undefined
  #lookAgain = false
  #withdrawn = false
  #notBefore = Number.NEGATIVE_INFINITY
  #closed = false
  /** When the lease of the own term runs out, by this server's monotonic clock. */
  #until = 0
  #expiry: NodeJS.Timeout | undefined

  constructor(options: ElectionOptions) {
    this.#options = options
  }

  /** The term of this server, while it lasts. */
  get term(): Term | undefined {
    return this.#term?.lasts() === true ? this.#term : undefined
  }

  /** Who leads, as far as is known. */
  get leadership(): Leadership | undefined {
    return this.#leadership
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
    const { store, holder, url, leaseMs, onDatabase, onChange } = this.#options
    try {
      if (this.#term?.lasts() === true) {
        await this.#renew(this.#term)
        return
      }
      this.#term = undefined
      this.#leadership = await store.leadership()
      const isOthers = this.#leadership?.valid === true && this.#leadership.holder !== holder
      if (isOthers || this.#withdrawn || performance.now() < this.#notBefore) return
      const asked = performance.now()
      const leader = await store.lead({ holder, url, leaseMs })
      if (leader === undefined) {
        this.#leadership = await store.leadership()
        return
      }
      if (this.#withdrawn) {
        await leader.resign()
        return
      }
      this.#term = this.#begin(leader, asked)
      this.#leadership = { epoch: leader.epoch, holder, url, valid: true }
      onChange()
    } catch (error) {
      onDatabase(error)
    }
  }

  #begin(leader: LeaderStore, asked: number): Term {
    let over = false
    this.#until = asked + this.#options.leaseMs
    const end = (): void => {
      if (over) return
      over = true
      clearTimeout(this.#expiry)
      this.#options.onChange()
      void this.look()
    }
    const lasts = (): boolean => !over && performance.now() < this.#until
    const expire = (): void => {
      const left = this.#until - performance.now()
      if (left > 0 && !over) this.#expiry = setTimeout(expire, left).unref()
      else end()
    }
    expire()
    return {
      leader,
      lasts,
      end,
      mustLast() {
        if (!lasts()) throw new CairnError('CONFLICT', 'the term of this server is over')
      },
    }
  }

  async #renew(term: Term): Promise<void> {
    const { leaseMs } = this.#options
    const asked = performance.now()
    if (!(await term.leader.renew(leaseMs))) {
      term.end()
      return
    }
    // A lease that ran out while this was on its way is over for whoever was told so.
    if (term.lasts()) this.#until = Math.max(this.#until, asked + leaseMs)
  }
}
