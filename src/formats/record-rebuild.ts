/** From a record and its disclosures back to what was submitted. */
import { toBase64Url } from '../bytes.ts'
import { CairnError, malformed, messageOf } from '../errors.ts'
import { canonicalJson } from './canonical-json.ts'
import {
  type Disclosure,
  disclosureDigest,
  type OpenedDisclosure,
  openDisclosure,
} from './disclosure.ts'
import type { JsonObject, JsonValue } from './json-strict.ts'
import type { RecordLeaf, SubmittedRecord } from './record.ts'
import { checkSubmission } from './record-check.ts'
import { LOG_RECORD_TYPES, MAX_RECORD_DEPTH, RECORD_NODE } from './record-members.ts'
import {
  mergeSubmission,
  type SplitRecord,
  splitSubmission,
  type TakenMember,
} from './record-split.ts'

export interface DisclosureVerdict {
  /** Those that the record commits to, opened. */
  readonly held: readonly OpenedDisclosure[]
  /** Those that it does not commit to, and what comes a second time. */
  readonly foreign: readonly Disclosure[]
  /** The pointers that it commits to and that none of them opens. */
  readonly undisclosed: readonly string[]
}

/** Tells which disclosures open a commitment of the record. */
export function verifyDisclosures(
  record: RecordLeaf,
  disclosures: readonly Disclosure[],
): DisclosureVerdict {
  const open = new Set(Object.keys(record.commitments))
  const held: OpenedDisclosure[] = []
  const foreign: Disclosure[] = []
  for (const disclosure of disclosures) {
    const opened = openIfHeld(record, disclosure)
    if (opened !== undefined && open.delete(opened.pointer)) held.push(opened)
    else foreign.push(disclosure)
  }
  return { held, foreign, undisclosed: [...open] }
}

function openIfHeld(record: RecordLeaf, disclosure: Disclosure): OpenedDisclosure | undefined {
  const { commitments } = record
  const digest = toBase64Url(disclosureDigest(disclosure))
  // The hash first: what nobody committed to is not worth reading.
  if (commitments[disclosure.pointer] !== digest) return undefined
  try {
    const opened = openDisclosure(disclosure)
    return opened.pointer === disclosure.pointer ? opened : undefined
  } catch {
    return undefined
  }
}

/**
 * The submission again, exactly as it was, from the record and all of its disclosures.
 * @throws VERIFICATION_FAILED when one is missing or foreign, or when together they are no submission that has this
 *   record: the log has made it up
 */
export function rebuildSubmission(
  record: RecordLeaf,
  disclosures: readonly Disclosure[],
): SubmittedRecord {
  const { held, foreign, undisclosed } = verifyDisclosures(record, disclosures)
  const [stray] = foreign
  if (stray !== undefined) failed(`the record does not commit to the disclosure ${stray.pointer}`)
  if (undisclosed.length > 0) failed(`not disclosed: ${undisclosed.join(', ')}`)
  const split = { clear: clearOf(record), taken: [...held].sort(byPlace) }
  const submission = merged(split, record)
  // An honest log leaves nothing to find here: it keeps what is known where it is known, and the tenant.
  const isOther = submission.tenant !== undefined && submission.tenant !== record.tenant
  if (isOther || !isSame(splitSubmission(submission), split)) {
    failed('what is disclosed contradicts what is in the clear')
  }
  return submission as unknown as SubmittedRecord
}

/** Where an item of an array stands. */
const ITEM = /\/(?:0|[1-9][0-9]*)$/

/**
 * What is left of the submission, from the record and those of its disclosures that are left; null stands for each item
 * of an array that is not.
 * @throws VERIFICATION_FAILED when there is no place for one in the record: the log has made it up
 */
export function rebuildShown(record: RecordLeaf, held: readonly OpenedDisclosure[]): JsonObject {
  const shown = new Set(held.map(({ pointer }) => pointer))
  const gaps = Object.keys(record.commitments)
    .filter((pointer) => ITEM.test(pointer) && !shown.has(pointer))
    .map((pointer) => ({ pointer, value: null }))
  try {
    return mergeSubmission({ clear: clearOf(record), taken: [...held, ...gaps].sort(byPlace) })
  } catch (cause) {
    return failed(`the disclosures do not fit the record: ${messageOf(cause)}`, cause)
  }
}

function failed(message: string, cause?: unknown): never {
  throw new CairnError('VERIFICATION_FAILED', message, cause === undefined ? {} : { cause })
}

/** The items of an array in their order. */
function byPlace(a: TakenMember, b: TakenMember): number {
  return a.pointer.length - b.pointer.length || (a.pointer < b.pointer ? -1 : 1)
}

function merged(split: SplitRecord, { type }: RecordLeaf): JsonObject {
  const byLog = LOG_RECORD_TYPES.some((own) => own === type)
  try {
    const submission = mergeSubmission(split)
    if (depthOf(submission) > MAX_RECORD_DEPTH) throw malformed('it is nested too deep')
    checkSubmission(submission, byLog ? 'log' : 'submitter')
    return submission
  } catch (cause) {
    return failed(`the disclosures do not fit the record: ${messageOf(cause)}`, cause)
  }
}

/** How deep arrays and objects stand in each other. */
function depthOf(value: JsonValue): number {
  if (typeof value !== 'object' || value === null) return 0
  return 1 + Object.values(value).reduce<number>((most, one) => Math.max(most, depthOf(one)), 0)
}

/** What of the record was in the submission, too. */
function clearOf(record: RecordLeaf): JsonObject {
  const members = Object.entries(record as unknown as JsonObject)
  return Object.fromEntries(
    members.filter(([name]) => RECORD_NODE.members.get(name)?.treatment === 'clear'),
  )
}

function isSame(one: SplitRecord, other: SplitRecord): boolean {
  return spelling(one) === spelling(other)
}

function spelling({ clear, taken }: SplitRecord): string {
  const members: [string, JsonValue][] = taken.map(({ pointer, value }) => [pointer, value])
  return canonicalJson([clear, Object.fromEntries(members)])
}
