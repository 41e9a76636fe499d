/** What evidence shows of the payloads of its records: whether it is what the records commit to, and what the timeline says. */
import { messageOf } from '../errors.ts'
import type { Disclosure } from '../formats/disclosure.ts'
import {
  linesOf,
  parseDisclosureLine,
  TIMELINE_COLUMNS,
  timelineRow,
} from '../formats/evidence-lines.ts'
import { type DisclosureVerdict, verifyDisclosures } from '../formats/record-rebuild.ts'
import type { LeafIndex } from '../merkle/position.ts'
import { type EvidenceProblem, problemOf, type TrailEntry } from './evidence-trail.ts'

/** The most disclosures in one file. */
export const MAX_EVIDENCE_DISCLOSURES = 2_000_000

export interface ShownValues {
  /** Lines of the file. */
  readonly count: number
  /** What is shown of each record that could be read. */
  readonly byEntry: ReadonlyMap<TrailEntry, DisclosureVerdict>
  /** What is wrong and belongs to no record. */
  readonly problems: readonly EvidenceProblem[]
}

/** Holds what is shown against the records, and what the timeline says against both. Adds to the problems of entries. */
export function examineDisclosures(bytes: Uint8Array, entries: readonly TrailEntry[]): ShownValues {
  const { groups, count, problems } = readGroups(bytes)
  const byEntry = new Map<TrailEntry, DisclosureVerdict>()
  for (const entry of entries) {
    const { listed, record } = entry
    const group = (listed && groups.get(listed.index)) ?? []
    if (listed !== undefined) groups.delete(listed.index)
    if (record === undefined) continue
    const verdict = verifyDisclosures(record, group)
    byEntry.set(entry, verdict)
    for (const { pointer } of verdict.foreign) {
      const what = `does not commit to what is shown as its ${pointer}`
      entry.problems.push(problemOf(entry, 'disclosure', what))
    }
    compareRow(entry, group)
  }
  for (const [index, [first]] of groups) {
    const detail = `something is shown as ${first!.pointer} of entry ${index}, and no such record is listed`
    problems.push({ kind: 'disclosure', index, detail })
  }
  return { count, byEntry, problems }
}

interface Groups {
  readonly groups: Map<LeafIndex, Disclosure[]>
  readonly count: number
  readonly problems: EvidenceProblem[]
}

function readGroups(bytes: Uint8Array): Groups {
  const groups = new Map<LeafIndex, Disclosure[]>()
  const problems: EvidenceProblem[] = []
  const add = (detail: string): void => {
    problems.push({ kind: 'disclosure', detail })
  }
  let lines: readonly Uint8Array[] = []
  try {
    lines = linesOf(bytes, 'disclosures.txt', MAX_EVIDENCE_DISCLOSURES)
  } catch (error) {
    add(messageOf(error))
  }
  let last = { index: -1, pointer: '' }
  lines.forEach((line, i) => {
    try {
      const { index, disclosure } = parseDisclosureLine(line)
      const { pointer } = disclosure
      if (index < last.index || (index === last.index && pointer <= last.pointer)) {
        add(`line ${i + 1} of disclosures.txt is out of order: ${pointer} of entry ${index}`)
      }
      last = { index, pointer }
      const group = groups.get(index)
      if (group === undefined) groups.set(index, [disclosure])
      else group.push(disclosure)
    } catch (error) {
      add(`line ${i + 1} of disclosures.txt cannot be read: ${messageOf(error)}`)
    }
  })
  return { groups, count: lines.length, problems }
}

/** Names the first thing that the timeline says of a record and that is not so. */
function compareRow(entry: TrailEntry, group: readonly Disclosure[]): void {
  const { listed, record, leafHash, problems } = entry
  // Of another record than the one listed, all is different.
  if (listed === undefined || record === undefined || leafHash === undefined) return
  if (problems.some(({ kind }) => kind === 'altered')) return
  const disclosed = group.map(({ pointer }) => pointer)
  const row = timelineRow({ index: listed.index, leafHash, record, disclosed })
  const column = TIMELINE_COLUMNS.find((name) => row[name] !== listed.row[name])
  if (column === undefined) return
  const told = `${quoted(listed.row[column])} as its ${column}`
  if (column === 'disclosed') {
    const what = `is listed with ${told}, and disclosures.txt shows ${quoted(row[column])}`
    problems.push(problemOf(entry, 'disclosure', what))
  } else {
    const what = `is listed with ${told}, and the record has ${quoted(row[column])}`
    problems.push(problemOf(entry, 'altered', what))
  }
}

function quoted(text: string): string {
  return text === '' ? 'nothing' : `"${text.slice(0, 300)}"`
}
