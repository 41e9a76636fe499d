/**
 * Takes a submission apart by the table of members, and puts it together again: what stays in the clear, what is
 * committed member by member, and what is gathered under `/extra` because the table does not name it.
 */
import { malformed } from '../errors.ts'
import { parsePointer, pointerToken, shownPointer } from './json-pointer.ts'
import { isJsonObject, type JsonObject, type JsonValue, setMember } from './json-strict.ts'
import { type MemberNode, RECORD_NODE } from './record-members.ts'

/** A member that was taken out. */
export interface TakenMember {
  readonly pointer: string
  readonly value: JsonValue
}

export interface SplitRecord {
  /** What is left: members in the clear, and the frames of objects and arrays. */
  readonly clear: JsonObject
  /** In the order of their pointers. */
  readonly taken: readonly TakenMember[]
}

/** Where the members that the table does not name are committed to: an object from their pointers to their values. */
export const EXTRA = '/extra'

interface Parts {
  readonly taken: TakenMember[]
  readonly extra: Record<string, JsonValue>
}

/** Takes a submission apart; it must have passed checkSubmission. */
export function splitSubmission(submission: JsonObject): SplitRecord {
  const parts: Parts = { taken: [], extra: {} }
  const clear = splitObject(submission, RECORD_NODE, '', parts)
  if (Object.keys(parts.extra).length > 0) parts.taken.push({ pointer: EXTRA, value: parts.extra })
  return { clear, taken: parts.taken.sort((a, b) => (a.pointer < b.pointer ? -1 : 1)) }
}

function splitObject(object: JsonObject, node: MemberNode, pointer: string, parts: Parts) {
  const clear: Record<string, JsonValue> = {}
  for (const name of Object.keys(object)) {
    const value = object[name]!
    const member = node.members.get(name)
    if (member === undefined || member.treatment === 'extra') {
      parts.extra[`${pointer}/${pointerToken(name)}`] = value
    } else if (member.treatment === 'clear') {
      clear[name] = splitClear(value, member, `${pointer}/${name}`, parts)
    } else parts.taken.push({ pointer: `${pointer}/${name}`, value })
  }
  return clear
}

function splitClear(value: JsonValue, node: MemberNode, pointer: string, parts: Parts): JsonValue {
  const { item } = node
  if (isJsonObject(value)) return splitObject(value, node, pointer, parts)
  if (!Array.isArray(value) || item === undefined) return value
  const places = value.map((one: JsonValue, i) => ({ pointer: `${pointer}/${i}`, value: one }))
  if (item.treatment === 'clear') {
    return places.map((place) => splitClear(place.value, item, place.pointer, parts))
  }
  for (const place of places) parts.taken.push(place)
  return []
}

/**
 * Puts a submission together again.
 * @throws MALFORMED when a member has no place there, or one that is taken
 */
export function mergeSubmission({ clear, taken }: SplitRecord): JsonObject {
  const submission = copyOf(clear)
  for (const { pointer, value } of taken) {
    if (pointer !== EXTRA) place(submission, pointer, value)
    else if (!isJsonObject(value)) throw malformed(`${EXTRA}: expected an object of pointers`)
    else for (const [one, member] of Object.entries(value)) place(submission, one, member)
  }
  return submission
}

function copyOf<Value extends JsonValue>(value: Value): Value
function copyOf(value: JsonValue): JsonValue {
  if (Array.isArray(value)) return value.map((item: JsonValue) => copyOf(item))
  if (!isJsonObject(value)) return value
  return Object.fromEntries(Object.entries(value).map(([name, member]) => [name, copyOf(member)]))
}

function place(root: JsonObject, pointer: string, value: JsonValue): void {
  const names = parsePointer(pointer)
  const last = names.pop()
  let frame: JsonValue | undefined = root
  for (const name of names) frame = memberOf(frame, name)
  if (last === undefined || memberOf(frame, last) !== undefined) frame = undefined
  // The submission is still being made, and nobody else has it.
  if (isJsonObject(frame)) setMember(frame as Record<string, JsonValue>, last!, value)
  else if (Array.isArray(frame) && last === String(frame.length)) frame.push(value)
  else throw malformed(`${shownPointer(pointer)}: there is no place for it in the record`)
}

function memberOf(frame: JsonValue | undefined, name: string): JsonValue | undefined {
  if (typeof frame !== 'object' || frame === null || !Object.hasOwn(frame, name)) return undefined
  return (frame as JsonObject)[name]
}
