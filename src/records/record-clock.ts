/** The time of records: that of the server's clock, and never earlier than the record before. */

/** Records that one millisecond has room for: 12 bits of their ids count them. */
const COUNTS = 4_096

/** What a record's place in time is; a later one is greater in `time`, or in `counter`. */
export interface RecordTime {
  /** Milliseconds since 1970. */
  readonly time: number
  /** 0 to 4,095. */
  readonly counter: number
}

export class RecordClock {
  readonly #now: () => number
  #time: number
  #counter = COUNTS - 1

  /** `last` is the time of the newest record, or 0. */
  constructor(now: () => number, last: number) {
    this.#now = now
    this.#time = last
  }

  /** How far the clock is behind the newest record, in milliseconds. */
  get behind(): number {
    return Math.max(0, this.#time - this.#now())
  }

  /**
   * The time of the next record. While the clock does not go on, or goes back, it counts instead; a millisecond that is
   * full is followed by the next one, ahead of the clock.
   */
  next(): RecordTime {
    const now = this.#now()
    if (now > this.#time) {
      this.#time = now
      this.#counter = 0
    } else if (++this.#counter === COUNTS) {
      this.#time++
      this.#counter = 0
    }
    return { time: this.#time, counter: this.#counter }
  }
}
