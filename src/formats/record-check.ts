/** Checks the members of a submission, and those of a record in the log, against the table of members. */
import { malformed } from '../errors.ts'
import { shownPointer } from './json-pointer.ts'
import { isJsonObject, type JsonObject, type JsonValue } from './json-strict.ts'
import {
  LOG_GIVEN,
  LOG_RECORD_TYPES,
  MAX_COMMITMENTS,
  type MemberNode,
  RECORD_NODE,
  RECORD_TYPES,
} from './record-members.ts'
import { DIGEST, NAME, oneOf, PSEUDONYM, type ValueType } from './record-values.ts'

function refuse(pointer: string, problem: string): never {
  throw malformed(`${shownPointer(pointer)}: ${problem}`)
}

/** The value itself may be a secret, so that only its kind is said. */
function checkType(value: JsonValue | undefined, type: ValueType, pointer: string): void {
  if (value === undefined) refuse(pointer, `it is missing; expected ${type.expected}`)
  if (!type.holds(value)) refuse(pointer, `expected ${type.expected}, found ${kindOf(value)}`)
}

function kindOf(value: JsonValue): string {
  if (value === null) return 'null'
  if (Array.isArray(value)) return `an array of ${value.length}`
  if (typeof value === 'object') return 'an object'
  if (typeof value === 'string') return value === '' ? 'empty text' : 'other text'
  return typeof value === 'number' ? 'another number' : String(value)
}

const SUBMITTED_TYPE = oneOf(RECORD_TYPES)
const LOG_TYPE = oneOf(LOG_RECORD_TYPES)

/**
 * Checks a submission; members that the table does not name may be anything.
 * @throws MALFORMED with the JSON Pointer of the member, and what it should be
 */
export function checkSubmission(submission: JsonObject, by: 'submitter' | 'log'): void {
  const given = LOG_GIVEN.find((name) => Object.hasOwn(submission, name))
  if (given !== undefined) refuse(`/${given}`, 'it is given by the log; leave it out')
  const { type } = submission
  if (by === 'submitter' && type !== undefined && LOG_TYPE.holds(type)) {
    refuse('/type', `only the log itself records ${String(type)}`)
  }
  checkType(type, by === 'submitter' ? SUBMITTED_TYPE : LOG_TYPE, '/type')
  checkMembers(submission, RECORD_NODE, '')
  if (submission.signature !== undefined && submission.nonce === undefined) {
    // Ed25519 draws no randomness: without a nonce, the signature would confirm a guess of what was signed.
    refuse('/nonce', 'it is missing; a signed record has 16 random bytes there, in base64url')
  }
  checkTogether(submission)
}

function checkMembers(object: JsonObject, node: MemberNode, pointer: string): void {
  for (const name of Object.keys(object)) {
    const member = node.members.get(name)
    if (member !== undefined) checkMember(object[name]!, member, `${pointer}/${name}`)
  }
}

function checkMember(value: JsonValue, node: MemberNode, pointer: string): void {
  checkType(value, node.type, pointer)
  const { item } = node
  if (isJsonObject(value)) {
    if (node.members.size > 0) checkMembers(value, node, pointer)
  } else if (Array.isArray(value) && item !== undefined) {
    for (const [i, one] of value.entries()) checkMember(one, item, `${pointer}/${i}`)
  }
}

/** What goes together, in a submission as in a record. */
function checkTogether({ type, corrects, signature }: JsonObject): void {
  if (type === 'correction') {
    if (corrects === undefined) refuse('/corrects', 'it is missing; a correction names a record')
  } else if (corrects !== undefined) refuse('/corrects', 'only a record of type correction has it')
  if (isJsonObject(signature)) {
    const { members } = RECORD_NODE.members.get('signature')!
    for (const { pointer, type: expected } of members.values()) {
      checkType(signature[pointer.slice('/signature/'.length)], expected, pointer)
    }
    const other = Object.keys(signature).find((name) => !members.has(name))
    if (other !== undefined) refuse('/signature', 'it has key_id and value, and no other member')
  }
}

/**
 * Checks a record in the log: nothing in it but what the table allows there, and commitments that fit it.
 * @throws MALFORMED with the JSON Pointer of the member
 */
export function checkLeaf(leaf: JsonObject): void {
  for (const name of [...LOG_GIVEN, 'tenant', 'type']) {
    const node = RECORD_NODE.members.get(name)!
    checkType(leaf[name], node.type, node.pointer)
  }
  checkLeafMembers(leaf, RECORD_NODE, '')
  checkTogether(leaf)
  const commitments = leaf.commitments as JsonObject
  checkCommitments(leaf, commitments)
  for (const name of ['actor', 'subject']) {
    if (Object.hasOwn(leaf, name) !== Object.hasOwn(commitments, `/${name}`)) {
      refuse(`/${name}`, 'a pseudonym and a commitment go together')
    }
  }
  if (leaf.signature !== undefined && !Object.hasOwn(commitments, '/nonce')) {
    refuse('/signature', 'a signed record commits to a nonce')
  }
}

function checkLeafMembers(object: JsonObject, node: MemberNode, pointer: string): void {
  for (const name of Object.keys(object)) {
    const member = node.members.get(name)
    const place = `${pointer}/${name}`
    if (member === undefined) refuse(place, 'no record has this member')
    else if (member.treatment === 'clear') checkClear(object[name]!, member, place)
    else if (member.treatment === 'person') checkType(object[name], PSEUDONYM, place)
    else if (member.treatment === 'tenant') checkType(object[name], NAME, place)
    else if (member.treatment !== 'log') refuse(place, 'no record has this member in the clear')
  }
}

function checkClear(value: JsonValue, node: MemberNode, pointer: string): void {
  checkType(value, node.type, pointer)
  const { item } = node
  if (isJsonObject(value)) checkLeafMembers(value, node, pointer)
  else if (Array.isArray(value) && item !== undefined) {
    if (item.treatment !== 'clear' && value.length > 0) {
      refuse(`${pointer}/0`, 'no record has this member in the clear')
    }
    for (const [i, one] of value.entries()) checkClear(one, item, `${pointer}/${i}`)
  }
}

/** Each commitment is to a member that the record has a place for, and of an array to every item. */
function checkCommitments(leaf: JsonObject, commitments: JsonObject): void {
  const pointers = Object.keys(commitments)
  if (pointers.length > MAX_COMMITMENTS) {
    refuse('/commitments', `a record has ${MAX_COMMITMENTS} of them at most`)
  }
  const items = new Map<MemberNode, number[]>()
  for (const pointer of pointers) {
    if (!DIGEST.holds(commitments[pointer]!)) {
      refuse('/commitments', `that to ${shownPointer(pointer)} is not ${DIGEST.expected}`)
    }
    const frame = placeOf(pointer, leaf)
    if (frame === undefined) {
      refuse('/commitments', `the record has no place for ${shownPointer(pointer)}`)
    }
    if (frame.item !== undefined) {
      const indices = items.get(frame) ?? []
      items.set(frame, indices)
      indices.push(Number(pointer.slice(pointer.lastIndexOf('/') + 1)))
    }
  }
  for (const [array, indices] of items) {
    if (Math.max(...indices) >= indices.length || !array.type.holds(indices)) {
      refuse('/commitments', `not every item of ${array.pointer} is committed to`)
    }
  }
  if (new Set(Object.values(commitments)).size !== pointers.length) {
    refuse('/commitments', 'two of them are the same')
  }
}

/** The object or array in which a committed member stood; undefined when the record has no place for it. */
function placeOf(pointer: string, leaf: JsonObject): MemberNode | undefined {
  const names = pointer.split('/').slice(1)
  const last = names.pop() ?? ''
  let node: MemberNode | undefined = RECORD_NODE
  let frame: JsonValue | undefined = leaf
  for (const name of names) {
    node = below(node, name)
    frame = Object.hasOwn(frame, name) ? (frame as JsonObject)[name] : undefined
    if (node === undefined || typeof frame !== 'object' || frame === null) return undefined
  }
  const member = below(node, last)
  if (member === undefined || member.treatment === 'clear' || member.treatment === 'log') {
    return undefined
  }
  return node
}

function below(node: MemberNode, name: string): MemberNode | undefined {
  if (node.item === undefined) return node.members.get(name)
  return /^(0|[1-9][0-9]*)$/.test(name) ? node.item : undefined
}
