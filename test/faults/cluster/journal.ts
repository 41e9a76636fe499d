/** What a run was told: which leaf has which index, and every head that was shown, by whomever. */
import { toBase64, utf8 } from '../../../src/bytes.ts'
import { openCheckpoint } from '../../../src/formats/open-checkpoint.ts'
import type { VerifierKey } from '../../../src/formats/vkey.ts'

/** A signed head, as somebody showed it. */
export interface SeenHead {
  readonly size: number
  /** Base64. */
  readonly root: string
  readonly note: string
  /** Who showed it first. */
  readonly where: string
}

/** Moments, in milliseconds of one clock. */
export interface Moments {
  mark(at: number): void
  /** The longest time without one from `from` to `to`, both of which count as one. */
  longestGap(from: number, to: number): number
}

export interface Journal {
  /** By the leaf's number: the index it was acknowledged at, or undefined. */
  readonly indices: readonly (number | undefined)[]
  /** How many leaves have been acknowledged. */
  readonly acknowledged: number
  /** Numbers of acknowledged leaves, in the order of their acknowledgement. */
  readonly order: readonly number[]
  /** Leaves that were acknowledged at two indices, in words. */
  readonly contradictions: readonly string[]
  /** Answers that should not have been given, in words. */
  readonly complaints: readonly string[]
  /** Each note once. */
  readonly heads: readonly SeenHead[]
  readonly acknowledgements: Moments
  /** When a head was first seen that is larger than all before. */
  readonly newHeads: Moments
  acknowledge(serial: number, index: number): void
  /** Notes a head; what is no signed head of this log is complained about. Returns its size. */
  see(note: string, where: string): number | undefined
  complain(complaint: string): void
}

/** Complaints that are kept; after so many the rest says nothing new. */
const MAX_COMPLAINTS = 1_000

export function newJournal(keys: readonly VerifierKey[]): Journal {
  const indices: (number | undefined)[] = []
  const order: number[] = []
  const contradictions: string[] = []
  const complaints: string[] = []
  const heads: SeenHead[] = []
  const sizes = new Map<string, number>()
  const acknowledgements = newMoments()
  const newHeads = newMoments()
  let largest = -1

  const complain = (complaint: string): void => {
    if (complaints.length < MAX_COMPLAINTS) complaints.push(complaint)
  }
  return {
    indices,
    order,
    contradictions,
    complaints,
    heads,
    acknowledgements,
    newHeads,
    complain,
    get acknowledged() {
      return order.length
    },
    acknowledge(serial, index) {
      const before = indices[serial]
      acknowledgements.mark(performance.now())
      if (before === undefined) {
        indices[serial] = index
        order.push(serial)
      } else if (before !== index) {
        contradictions.push(`leaf ${serial} was acknowledged at ${before}, and again at ${index}`)
      }
    },
    see(note, where) {
      const known = sizes.get(note)
      if (known !== undefined) return known
      try {
        const { size, root } = openCheckpoint(utf8(note), keys).checkpoint
        sizes.set(note, size)
        heads.push({ size, root: toBase64(root), note, where })
        if (size > largest) newHeads.mark(performance.now())
        largest = Math.max(largest, size)
        return size
      } catch (error) {
        complain(`${where} showed something else than a head of this log: ${String(error)}`)
        return undefined
      }
    },
  }
}

/** Two moments closer than this are one. */
const RESOLUTION_MS = 1

export function newMoments(): Moments {
  const moments: number[] = []
  return {
    mark(at) {
      const last = moments.at(-1)
      if (last === undefined || at - last >= RESOLUTION_MS) moments.push(at)
    },
    longestGap(from, to) {
      let longest = 0
      let before = from
      for (const moment of moments) {
        if (moment <= from) continue
        if (moment >= to) break
        longest = Math.max(longest, moment - before)
        before = moment
      }
      return Math.max(longest, to - before)
    },
  }
}
