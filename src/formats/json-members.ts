/** Reads the JSON documents that operators write, such as tables of retention: member by member, refusing what is unknown. */
import { malformed } from '../errors.ts'
import { canonicalJson } from './canonical-json.ts'
import { pointerToken, shownPointer } from './json-pointer.ts'
import {
  isJsonObject,
  type JsonLimits,
  type JsonObject,
  type JsonValue,
  parseJson,
} from './json-strict.ts'
import type { ValueType } from './record-values.ts'

/** A document as it came in, or a value, such as YAML gives one. */
export type DocumentSource = string | Uint8Array | JsonValue

/** The document of a source. A string is the text of one. @throws MALFORMED, TOO_LARGE as parseJson */
export function readDocument(source: DocumentSource, limits: JsonLimits): JsonValue {
  // A value is written first: whatever it may turn into later, what is checked is what is kept.
  const text =
    source instanceof Uint8Array || typeof source === 'string' ? source : canonicalJson(source)
  return parseJson(text, limits)
}

/** An error that names the place. */
export function wrongAt(pointer: string, problem: string): Error {
  return malformed(`${shownPointer(pointer)}: ${problem}`)
}

/** The pointer of a member of what stands at `pointer`. */
function memberPointer(pointer: string, step: string | number): string {
  return `${pointer}/${pointerToken(step)}`
}

/** An object with all of the `required` members and none but those and the `optional`. @throws MALFORMED */
export function readObject(
  value: JsonValue | undefined,
  pointer: string,
  required: readonly string[],
  optional: readonly string[] = [],
): JsonObject {
  if (!isJsonObject(value)) throw wrongAt(pointer, 'expected an object')
  const known = [...required, ...optional]
  for (const name of Object.keys(value)) {
    if (known.includes(name)) continue
    throw wrongAt(memberPointer(pointer, name), `unknown; known here are ${known.join(', ')}`)
  }
  for (const name of required) {
    if (!Object.hasOwn(value, name)) throw wrongAt(memberPointer(pointer, name), 'is missing')
  }
  return value
}

/** The members of an object that may have any names of a type, at most so many. @throws MALFORMED */
export function readMap<Value>(
  value: JsonValue | undefined,
  pointer: string,
  names: ValueType,
  most: number,
  read: (value: JsonValue, pointer: string, name: string) => Value,
): ReadonlyMap<string, Value> {
  if (!isJsonObject(value)) throw wrongAt(pointer, 'expected an object')
  const members = Object.entries(value)
  if (members.length > most)
    throw wrongAt(pointer, `has ${members.length} members; ${most} at most`)
  return new Map(
    members.map(([name, member]) => {
      const place = memberPointer(pointer, name)
      if (!names.holds(name)) throw wrongAt(place, `its name must be ${names.expected}`)
      return [name, read(member, place, name)]
    }),
  )
}

/** The items of an array, at most so many; none when it is absent. @throws MALFORMED */
export function readItems<Value>(
  value: JsonValue | undefined,
  pointer: string,
  most: number,
  read: (value: JsonValue, pointer: string) => Value,
): readonly Value[] {
  if (value === undefined) return []
  if (!Array.isArray(value)) throw wrongAt(pointer, 'expected an array')
  if (value.length > most) throw wrongAt(pointer, `has ${value.length} items; ${most} at most`)
  return value.map((item: JsonValue, i) => read(item, memberPointer(pointer, i)))
}

/** A text of the type. @throws MALFORMED */
export function readText(value: JsonValue | undefined, pointer: string, type: ValueType): string {
  if (typeof value !== 'string' || !type.holds(value)) {
    throw wrongAt(pointer, `expected ${type.expected}`)
  }
  return value
}
