/** What a log does not take, whatever its state and storage. */
import { CairnError } from '../errors.ts'
import { MAX_ENTRY_SIZE } from '../formats/bundle.ts'
import { isMapRoot } from '../formats/completeness-root.ts'
import type { LogMode, SubmitOptions } from './service.ts'

const LONGEST_SUBMISSION = 10_000

/** Why a submission is refused whatever the log holds, or undefined. */
export function refusalOfLeaves(
  leaves: readonly Uint8Array[],
  { ownStatement = false }: SubmitOptions,
): CairnError | undefined {
  if (leaves.length === 0) return new CairnError('MALFORMED', 'there is no leaf to add')
  if (leaves.length > LONGEST_SUBMISSION) {
    return new CairnError(
      'TOO_LARGE',
      `a submission has at most ${LONGEST_SUBMISSION} leaves; send several`,
    )
  }
  for (const leaf of leaves) {
    if (leaf.length === 0) return new CairnError('MALFORMED', 'a leaf has at least one byte')
    if (leaf.length > MAX_ENTRY_SIZE) {
      return new CairnError(
        'TOO_LARGE',
        `a leaf has at most ${MAX_ENTRY_SIZE} bytes, this one has ${leaf.length}`,
      )
    }
    if (!ownStatement && isMapRoot(leaf)) {
      const message = 'a leaf that begins with cairn-map/ is written by the log itself only'
      return new CairnError('MALFORMED', message)
    }
  }
  return undefined
}

/** The refusal of a queue that has no room. */
export function queueIsFull(): CairnError {
  return new CairnError('OVERLOADED', 'the submission queue is full; try again in a second')
}

const REFUSAL = { 'read-only': 'READ_ONLY', 'disk-full': 'DISK_FULL', stopped: 'STOPPED' } as const

/** The refusal of a log that takes no submissions at present. */
export function refusalOf({ mode, reason }: Exclude<LogMode, { mode: 'writable' }>): CairnError {
  return new CairnError(REFUSAL[mode], reason)
}

export function bytesOf(leaves: readonly Uint8Array[]): number {
  let bytes = 0
  for (const leaf of leaves) bytes += leaf.length
  return bytes
}
