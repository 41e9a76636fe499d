/**
 * How far the index is, stored with what it has taken in:
 *
 *   1 ‖ clearing[1] ‖ next[7] ‖ records[7] ‖ sealed[6]
 */
import { CairnError } from '../errors.ts'
import { INDEX_BYTES, readNumber, SEGMENT_BYTES, writeNumber } from './keys.ts'

const VERSION = 1
const STATE_BYTES = 2 + 2 * INDEX_BYTES + SEGMENT_BYTES

export interface IndexState {
  /** Everything is being removed. */
  readonly clearing: boolean
  /** The first index of the log that was not taken in. */
  readonly next: number
  /** Records taken in. */
  readonly records: number
  /** Segments whose postings are stored: all before this one. Postings of later ones are half-written, and count for nothing. */
  readonly sealed: number
}

export const EMPTY_STATE: IndexState = { clearing: false, next: 0, records: 0, sealed: 0 }

export function encodeState({ clearing, next, records, sealed }: IndexState): Uint8Array {
  const out = new Uint8Array(STATE_BYTES)
  out[0] = VERSION
  out[1] = clearing ? 1 : 0
  writeNumber(out, 2, INDEX_BYTES, next)
  writeNumber(out, 2 + INDEX_BYTES, INDEX_BYTES, records)
  writeNumber(out, 2 + 2 * INDEX_BYTES, SEGMENT_BYTES, sealed)
  return out
}

/** @throws CORRUPT, NEWER_FORMAT */
export function decodeState(value: Uint8Array): IndexState {
  if (value[0] !== VERSION && value.length > 0) {
    throw new CairnError(
      'NEWER_FORMAT',
      `the search index has format ${value[0]}, but this version reads ${VERSION} only; use a newer cairn, or build it again`,
    )
  }
  const state = {
    clearing: value[1] === 1,
    next: readNumber(value, 2, INDEX_BYTES),
    records: readNumber(value, 2 + INDEX_BYTES, INDEX_BYTES),
    sealed: readNumber(value, 2 + 2 * INDEX_BYTES, SEGMENT_BYTES),
  }
  const fits = Number.isSafeInteger(state.next) && state.records <= state.next
  if (value.length !== STATE_BYTES || value[1]! > 1 || !fits) {
    throw new CairnError('CORRUPT', 'the state of the search index is damaged; build it again')
  }
  return state
}
