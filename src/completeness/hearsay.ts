/**
 * What others have found out about entries that the map will take in, so that they need not be read and parsed again: the
 * terms of the records in one range of entries. Only a short cut; what is not here is read from the log.
 */
import type { MapTerm } from '../formats/completeness-terms.ts'

/** Records that are kept at the most. */
const MAX_KEPT = 65_536

export interface HeardEntry {
  readonly index: number
  readonly terms: readonly MapTerm[]
}

export class Hearsay {
  #from = 0
  #to = 0
  #entries: HeardEntry[] = []
  /** How many of the entries were taken. */
  #taken = 0

  /** Keeps the terms of all records from `from` on and before `to`; drops what it does not go on from. */
  keep(from: number, to: number, entries: readonly HeardEntry[]): void {
    if (from !== this.#to || this.#entries.length - this.#taken > MAX_KEPT) {
      this.#from = from
      this.#entries = []
      this.#taken = 0
    }
    this.#to = to
    for (const entry of entries) this.#entries.push(entry)
  }

  /** The next entries from `from` on of which all is known; undefined when they have to be read. */
  take(
    from: number,
    before: number,
  ): { readonly to: number; readonly entries: readonly HeardEntry[] } | undefined {
    const to = Math.min(this.#to, before)
    if (from < this.#from || from >= to) return undefined
    const first = this.#taken
    while (this.#taken < this.#entries.length && this.#entries[this.#taken]!.index < to)
      this.#taken++
    const entries = this.#entries.slice(first, this.#taken).filter(({ index }) => index >= from)
    this.#from = to
    if (this.#taken === this.#entries.length) {
      this.#entries = []
      this.#taken = 0
    }
    return { to, entries }
  }
}
