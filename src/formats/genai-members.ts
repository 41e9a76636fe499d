/** How what a log record says is put into a submission: where the table of members has a place and it fits. */
import { malformed } from '../errors.ts'
import { type AttributeRule, NEVER_LEFT_OUT } from './genai-attributes.ts'
import { parsePointer } from './json-pointer.ts'
import { isJsonObject, type JsonValue, parseJson } from './json-strict.ts'
import {
  MAX_RECORD_DEPTH,
  MAX_SUBMISSION_SIZE,
  type MemberNode,
  RECORD_NODE,
} from './record-members.ts'

/** An object that is being made. */
export type Members = Record<string, JsonValue>

/** Whether it says nothing: protobuf does not tell empty from absent. */
export function isEmpty(value: JsonValue | undefined): boolean {
  if (isJsonObject(value)) return Object.keys(value).length === 0
  return value === undefined || value === null || value === '' || value === 0
}

/** Moves an attribute to its member, unless that is there already or the value does not fit. */
export function take(
  submission: Members,
  [name, pointer]: AttributeRule,
  attributes: Members,
): void {
  if (!Object.hasOwn(attributes, name)) return
  const value = attributes[name]!
  if (isEmpty(value) && value !== 0) return
  if (put(submission, pointer, shaped(value, pointer))) delete attributes[name]
  else if (NEVER_LEFT_OUT.includes(pointer) && !Object.hasOwn(submission, pointer.slice(1))) {
    throw malformed(`attributes: ${name}: expected ${nodeAt(pointer).type.expected}`)
  }
}

export function nodeAt(pointer: string): MemberNode {
  let node = RECORD_NODE
  for (const name of parsePointer(pointer)) node = node.item ?? node.members.get(name)!
  return node
}

export function fits(value: JsonValue, { type, item }: MemberNode): boolean {
  if (!type.holds(value)) return false
  return item === undefined || (value as readonly JsonValue[]).every((one) => fits(one, item))
}

/** Puts a value in its place; false when something is there or it does not fit. */
export function put(submission: Members, pointer: string, value: JsonValue): boolean {
  if (!fits(value, nodeAt(pointer))) return false
  const names = parsePointer(pointer)
  const last = names.pop()!
  let frame = submission
  for (const [i, name] of names.entries()) {
    const empty = (names[i + 1] ?? last) === '0' ? [] : {}
    if (!Object.hasOwn(frame, name)) frame[name] = empty
    frame = frame[name] as Members
  }
  if (Object.hasOwn(frame, last)) return false
  frame[last] = value
  return true
}

/** The value as the member wants it, where it comes in another shape; else as it is. */
function shaped(value: JsonValue, pointer: string): JsonValue {
  const { type, item } = nodeAt(pointer)
  if (pointer === '/input/system_prompt') return onlyText(value)
  if (pointer === '/output/finish_reason' && Array.isArray(value) && value.length === 1) {
    return value[0]
  }
  if (type.holds(value)) return value
  if (typeof value === 'number') return String(value)
  // Where attributes could only be scalars, lists were written as JSON.
  const isList = item !== undefined || type.holds([])
  return typeof value === 'string' && isList ? (parsedJson(value) ?? value) : value
}

function parsedJson(text: string): JsonValue | undefined {
  try {
    return parseJson(text, { size: MAX_SUBMISSION_SIZE, depth: MAX_RECORD_DEPTH })
  } catch {
    return undefined
  }
}

/** Instructions of one part that is text, as that text. */
function onlyText(value: JsonValue): JsonValue {
  const parts = typeof value === 'string' && value.startsWith('[') ? parsedJson(value) : value
  const [part, ...others] = Array.isArray(parts) ? (parts as readonly JsonValue[]) : []
  if (!isJsonObject(part) || others.length > 0 || Object.keys(part).length !== 2) return value
  return part.type === 'text' && typeof part.content === 'string' ? part.content : value
}
