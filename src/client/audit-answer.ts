/**
 * Holds the answer to a search against the log itself: that every record in it is in the log as it is shown, and that
 * the log has no other that was asked for. What a record says in the clear is enough for both.
 */
import { malformed, messageOf, usage } from '../errors.ts'
import { canonicalJson } from '../formats/canonical-json.ts'
import { checkQuery, type EvidenceQuery, unaskedMember } from '../formats/evidence-manifest.ts'
import { isJsonObject, type JsonObject, type JsonValue, parseJson } from '../formats/json-strict.ts'
import type { RecordLeaf } from '../formats/record.ts'
import { PSEUDONYM } from '../formats/record-values.ts'
import { arrayOf, type Members, membersOf, sizeOf, textOf } from './read-answer.ts'

/** The largest answer, in bytes. */
export const MAX_ANSWER_SIZE = 268_435_456

/** How deep what is shown of a record is nested at the most. */
const MAX_DEPTH = 16

export interface SearchAnswer {
  /** The records as they are shown, by their index. */
  readonly records: ReadonlyMap<number, JsonObject>
  /** The entries of the log that the answer is about. */
  readonly size: number
  /** Whose records they are. */
  readonly tenant: string
  readonly query: EvidenceQuery
  /** The entries among which the answer has all that was asked for: from the first of them on, before the second. */
  readonly covers: readonly [from: number, before: number]
}

/** What was asked. */
export interface AskedSearch {
  /** People by their pseudonyms. */
  readonly query: JsonObject
  /** Whose records; told from the records where there are some. */
  readonly tenant?: string
  /** `newest` when left out. */
  readonly order?: string
  /** That the answer goes on where another ended. */
  readonly cursor?: string
}

/**
 * Reads an answer as `cairn search --json` writes it, or as `GET /v1/records` gives it; that one does not say what was
 * asked, so `search` has to.
 * @throws MALFORMED when it is none
 * @throws USAGE when it cannot be held against a log, and why
 */
export function parseSearchAnswer(bytes: Uint8Array, search?: AskedSearch): SearchAnswer {
  let answer: Members
  try {
    answer = membersOf(parseJson(bytes, { size: MAX_ANSWER_SIZE, depth: MAX_DEPTH }))
  } catch (cause) {
    throw malformed(`it is no answer to a search: ${messageOf(cause)}`, { cause })
  }
  const size = sizeOf(answer.size)
  const records = new Map<number, JsonObject>()
  for (const value of arrayOf(answer.records)) {
    const { index, ...shown } = membersOf(value)
    const at = sizeOf(index)
    if (records.has(at)) throw malformed(`it has the entry ${at} twice`)
    if (at >= size) throw malformed(`it has the entry ${at}, and is about ${size} entries`)
    records.set(at, shown as JsonObject)
  }
  const asked = search ?? (answer.asked === undefined ? undefined : askedIn(answer.asked))
  if (asked === undefined) {
    throw usage(
      "the answer does not say what was asked: give it as in the address of the search, such as --asked 'request_id=req-1'",
    )
  }
  checkComparable(asked.query)
  const query = checkQuery(asked.query, '/asked/query')
  const isPart = answer.cursor !== undefined || asked.cursor !== undefined
  const covers = isPart ? coveredBy(asked, answer, [...records.keys()], size) : ([0, size] as const)
  return { records, size, tenant: tenantOf(records, asked.tenant), query, covers }
}

function askedIn(value: unknown): AskedSearch {
  const { query, tenant, order, cursor } = membersOf(value)
  return {
    query: membersOf(query) as JsonObject,
    ...(tenant !== undefined && { tenant: textOf(tenant) }),
    ...(order !== undefined && { order: textOf(order) }),
    ...(cursor !== undefined && { cursor: textOf(cursor) }),
  }
}

/** @throws USAGE where a log does not say in the clear what was searched by */
function checkComparable(query: JsonObject): void {
  if (query.resource !== undefined) {
    throw usage(
      'no record says in the clear what its resource is: such an answer cannot be held against the log',
    )
  }
  for (const name of ['subject', 'actor'] as const) {
    const person = query[name]
    if (person === undefined || PSEUDONYM.holds(person)) continue
    throw usage(
      `no record names its ${name}: ask for the pseudonym that the records of the answer have, p_…`,
    )
  }
}

function tenantOf(records: ReadonlyMap<number, JsonObject>, named: string | undefined): string {
  const tenants = new Set([...records.values()].map(({ tenant }) => textOf(tenant)))
  if (named !== undefined) tenants.add(named)
  const [tenant, other] = tenants
  if (tenant === undefined) {
    throw usage("the answer has no records: say whose were asked for, as in --asked 'tenant=acme'")
  }
  if (other !== undefined) {
    throw usage(`the answer has records of ${tenant} and of ${other}; a search is of one tenant`)
  }
  return tenant
}

/** The part of the log that a page speaks of: one that another came before, or comes after. */
function coveredBy(
  asked: AskedSearch,
  answer: Members,
  indices: readonly number[],
  size: number,
): readonly [number, number] {
  const order = asked.order ?? 'newest'
  if (order !== 'newest' && order !== 'oldest') {
    throw usage(`a part of an answer in the order ${order} has gaps anyhow: search with --all`)
  }
  if (indices.length === 0) return [0, 0]
  const low = indices.reduce((least, index) => Math.min(least, index))
  const high = indices.reduce((most, index) => Math.max(most, index)) + 1
  const isBegun = asked.cursor !== undefined
  const goesOn = answer.cursor !== undefined
  if (order === 'newest') return [goesOn ? low : 0, isBegun ? high : size]
  return [isBegun ? low : 0, goesOn ? high : size]
}

/** What is wrong with the answer as to one entry, or nothing. `record` is the record that the entry is. */
export function answerFault(
  answer: SearchAnswer,
  index: number,
  record: RecordLeaf | undefined,
): string | undefined {
  const shown = answer.records.get(index)
  if (shown !== undefined) {
    if (record === undefined) return 'is no record, and the answer shows one'
    if (record.tenant !== answer.tenant) return `is a record of ${record.tenant}`
    const other = Object.keys(shown).find(
      (name) => !isShownOf(shown[name]!, memberOf(record, name)),
    )
    if (other !== undefined) return `does not say what the answer shows as its ${other}`
    const unasked = unaskedMember(answer.query, record)
    return unasked && `is in the answer, and was not asked for: its ${unasked} is another`
  }
  const [from, before] = answer.covers
  if (record === undefined || index < from || index >= before) return undefined
  if (record.tenant !== answer.tenant) return undefined
  return unaskedMember(answer.query, record) === undefined
    ? 'is a record that was asked for, and the answer leaves it out'
    : undefined
}

function memberOf(record: RecordLeaf, name: string): JsonValue | undefined {
  return Object.hasOwn(record, name) ? (record as unknown as JsonObject)[name] : undefined
}

/** Whether what is shown is what is there, as far as it is shown: of an object, some members. */
function isShownOf(shown: JsonValue, there: JsonValue | undefined): boolean {
  if (there === undefined) return false
  if (Array.isArray(shown) && Array.isArray(there)) {
    return shown.length === there.length && shown.every((one, i) => isShownOf(one, there[i]))
  }
  if (!isJsonObject(shown) || !isJsonObject(there)) {
    return canonicalJson(shown) === canonicalJson(there)
  }
  return Object.keys(shown).every(
    (name) => Object.hasOwn(there, name) && isShownOf(shown[name]!, there[name]),
  )
}
