/**
 * The records of evidence against the timeline that lists them: which of them is missing, added, altered or out of
 * order. Each is told apart from its neighbours, so that one bad record does not hide what is wrong with another.
 */
import { fromUtf8, toHex } from '../bytes.ts'
import { malformed, messageOf } from '../errors.ts'
import {
  linesOf,
  parseTimelineRow,
  type ReadRow,
  TIMELINE_HEADER,
} from '../formats/evidence-lines.ts'
import { MAX_EVIDENCE_RECORDS } from '../formats/evidence-manifest.ts'
import { parseRecord, type RecordLeaf } from '../formats/record.ts'
import { hashLeaf, type LeafHash } from '../merkle/hash.ts'

/** What can be wrong with a record, or with what belongs to one. */
export type EvidenceProblemKind =
  /** It is listed and not there. */
  | 'missing'
  /** It is there and not listed. */
  | 'added'
  /** It is not the one that is listed, or the list says something else of it. */
  | 'altered'
  /** It does not stand where it should. */
  | 'reordered'
  /** It is of another tenant, or is not what was asked for. */
  | 'foreign'
  /** It is not shown to be in the log. */
  | 'not in the log'
  /** What is shown of its payload is not what it commits to. */
  | 'disclosure'
  /** A node of the proof that is not one of the tree, or that is not needed. */
  | 'proof'

export interface EvidenceProblem {
  readonly kind: EvidenceProblemKind
  /** Where the record stands in the log, as the timeline has it. */
  readonly index?: number
  readonly id?: string
  /** One sentence. */
  readonly detail: string
}

/** A record as it is listed, and as it is there. */
export interface TrailEntry {
  readonly listed?: ReadRow
  readonly leafHash?: LeafHash
  readonly leaf?: Uint8Array
  /** Unless the leaf is no record. */
  readonly record?: RecordLeaf
  readonly problems: EvidenceProblem[]
}

/** A line of records.jsonl. */
interface Line {
  readonly number: number
  readonly leaf: Uint8Array
  readonly hash: LeafHash
  readonly hex: string
  readonly record: RecordLeaf | undefined
  readonly reason: string
}

/** A line of the timeline; undefined when it cannot be read. */
interface Listed {
  readonly number: number
  readonly read: ReadRow | undefined
  readonly reason: string
}

/** The entry's name in a sentence. */
function entryName(index: number | undefined, id: string | undefined): string {
  if (id === undefined) return index === undefined ? 'a record' : `entry ${index}`
  return index === undefined ? `record ${id}` : `record ${id} (entry ${index})`
}

/** A problem of an entry, and what to call it. */
export function problemOf(
  { listed, record }: Pick<TrailEntry, 'listed' | 'record'>,
  kind: EvidenceProblemKind,
  what: string,
): EvidenceProblem {
  const index = listed?.index
  const id = record?.id ?? listed?.row.id
  return {
    kind,
    ...(index !== undefined && { index }),
    ...(id !== undefined && { id }),
    detail: `${entryName(index, id)} ${what}`,
  }
}

/**
 * Puts the lines of the timeline and those of the records together, in the order of the timeline; what is not listed
 * comes last.
 * @throws MALFORMED when one of the files has no lines, or not those columns
 */
export function readTrail(timeline: Uint8Array, records: Uint8Array): TrailEntry[] {
  const listed = readTimeline(timeline)
  const lines = linesOf(records, 'records.jsonl', MAX_EVIDENCE_RECORDS).map(readLine)
  const found = matched(listed, lines)
  const entries = listed.map((row, i) => entryOf(row, lines[found[i] ?? -1]))
  nameDisorder(listed, found, entries)
  const used = new Set(found)
  const strays = lines.filter((_, i) => !used.has(i)).map(strayOf)
  return [...entries, ...strays]
}

function readTimeline(bytes: Uint8Array): Listed[] {
  const [header, ...lines] = linesOf(bytes, 'timeline.txt', MAX_EVIDENCE_RECORDS + 1)
  if (header === undefined || fromUtf8(header, 'timeline.txt') !== TIMELINE_HEADER) {
    throw malformed('timeline.txt does not begin with the names of its columns')
  }
  return lines.map((line, i) => {
    const number = i + 2
    try {
      return { number, read: parseTimelineRow(line), reason: '' }
    } catch (error) {
      return { number, read: undefined, reason: messageOf(error) }
    }
  })
}

function readLine(leaf: Uint8Array, i: number): Line {
  const hash = hashLeaf(leaf)
  const line = { number: i + 1, leaf, hash, hex: toHex(hash) }
  try {
    return { ...line, record: parseRecord(leaf), reason: '' }
  } catch (error) {
    return { ...line, record: undefined, reason: messageOf(error) }
  }
}

/** For each line of the timeline the place of its record: by leaf hash, then by id, then by what is left between two. */
function matched(listed: readonly Listed[], lines: readonly Line[]): (number | undefined)[] {
  const free = new Set(lines.keys())
  const found: (number | undefined)[] = listed.map(() => undefined)
  const claim = (
    keyOfRow: (row: ReadRow) => string,
    keyOfLine: (line: Line) => string | undefined,
  ) => {
    const places = new Map<string, number[]>()
    for (const at of free) {
      const key = keyOfLine(lines[at]!)
      if (key === undefined) continue
      const known = places.get(key)
      if (known === undefined) places.set(key, [at])
      else known.push(at)
    }
    listed.forEach(({ read }, i) => {
      if (found[i] !== undefined || read === undefined) return
      const at = places.get(keyOfRow(read))?.shift()
      if (at === undefined) return
      found[i] = at
      free.delete(at)
    })
  }
  claim(
    ({ row }) => row.leaf_hash,
    ({ hex }) => hex,
  )
  claim(
    ({ row }) => row.id,
    ({ record }) => record?.id,
  )
  // What no longer names itself is known by its place: the one that follows, or comes before, one that was found.
  listed.forEach((_, i) => {
    const at = i === 0 ? 0 : (found[i - 1] ?? -2) + 1
    if (found[i] === undefined && free.delete(at)) found[i] = at
  })
  for (let i = listed.length - 1; i >= 0; i--) {
    const at = i === listed.length - 1 ? lines.length - 1 : (found[i + 1] ?? 0) - 1
    if (found[i] === undefined && free.delete(at)) found[i] = at
  }
  return found
}

function entryOf({ number, read, reason }: Listed, line: Line | undefined): TrailEntry {
  const entry = {
    ...(read && { listed: read }),
    ...(line && { leafHash: line.hash, leaf: line.leaf }),
    ...(line?.record && { record: line.record }),
  }
  const problems: EvidenceProblem[] = []
  const add = (kind: EvidenceProblemKind, what: string): void => {
    problems.push(problemOf(entry, kind, what))
  }
  if (line === undefined && read === undefined) {
    add('missing', `listed on line ${number} of timeline.txt cannot be told: ${reason}`)
  } else if (line === undefined) {
    add('missing', 'is missing: the timeline lists it, and records.jsonl does not have it')
  } else if (read === undefined) {
    add('altered', `is listed on line ${number} of timeline.txt, which cannot be read: ${reason}`)
  } else if (line.record === undefined) {
    add('altered', `is no record (line ${line.number} of records.jsonl): ${line.reason}`)
  } else if (line.hex !== read.row.leaf_hash) {
    const hashes = `has the leaf hash ${line.hex}, and ${read.row.leaf_hash} is listed`
    add('altered', `is not the one listed (line ${line.number} of records.jsonl): it ${hashes}`)
  }
  return { ...entry, problems }
}

function strayOf(line: Line): TrailEntry {
  const entry = {
    leafHash: line.hash,
    leaf: line.leaf,
    ...(line.record && { record: line.record }),
  }
  const where = `line ${line.number} of records.jsonl`
  const what =
    line.record === undefined
      ? `was added (${where}), which the timeline does not list and which is no record: ${line.reason}`
      : `was added (${where}): the timeline does not list it`
  return { ...entry, problems: [problemOf(entry, 'added', what)] }
}

/** Names the entries that are out of the order of the log, in either file, or that come twice. */
function nameDisorder(
  listed: readonly Listed[],
  found: readonly (number | undefined)[],
  entries: readonly TrailEntry[],
): void {
  const add = (i: number, what: string): void => {
    entries[i]!.problems.push(problemOf(entries[i]!, 'reordered', what))
  }
  for (const i of outOfOrder(listed.map(({ read }) => read?.index))) {
    add(i, `is out of order on line ${listed[i]!.number} of timeline.txt`)
  }
  for (const i of outOfOrder(found)) {
    add(i, `is out of order on line ${found[i]! + 1} of records.jsonl`)
  }
  const ids = new Set<string>()
  entries.forEach(({ record }, i) => {
    if (record === undefined) return
    if (ids.has(record.id)) add(i, 'is there twice')
    ids.add(record.id)
  })
}

/** The fewest places whose values, taken away, leave the rest in ascending order; undefined values are in no order. */
function outOfOrder(values: readonly (number | undefined)[]): number[] {
  /** For each length the place where a run of that length ends lowest, and of each place the one before it in its run. */
  const ends: number[] = []
  const before: (number | undefined)[] = []
  values.forEach((value, i) => {
    if (value === undefined) return
    let [low, high] = [0, ends.length]
    while (low < high) {
      const middle = Math.floor((low + high) / 2)
      if (values[ends[middle]!]! < value) low = middle + 1
      else high = middle
    }
    before[i] = ends[low - 1]
    ends[low] = i
  })
  const kept = new Set<number>()
  for (let i = ends.at(-1); i !== undefined; i = before[i]) kept.add(i)
  return values.flatMap((value, i) => (value === undefined || kept.has(i) ? [] : [i]))
}
