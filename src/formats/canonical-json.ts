/**
 * Canonical JSON (RFC 8785): one spelling for a value, so that a hash of it means something. No white space, members
 * sorted by the UTF-16 code units of their names, numbers and escapes as ECMAScript writes them.
 */
import { malformed } from '../errors.ts'
import { formatPointer, shownPointer } from './json-pointer.ts'
import { hasLoneSurrogate, type JsonValue } from './json-strict.ts'

/** Nothing that is read as a record is deeper; what is has a cycle. */
const MAX_DEPTH = 128

/**
 * The canonical JSON of a value.
 * @throws MALFORMED with the JSON Pointer of the place when the value is not of JSON through and through: undefined, a
 *   number that is not finite, half of a surrogate pair, an object with a prototype or a hole in an array
 */
export function canonicalJson(value: JsonValue): string {
  const text = write(value, 0)
  if (text === undefined) throw malformed(culprit(value))
  return text
}

// A refusal is passed up as undefined, so that no path has to be kept on the way down.
function write(value: JsonValue | undefined, depth: number): string | undefined {
  switch (typeof value) {
    case 'string':
      return writeString(value)
    case 'number':
      return Number.isFinite(value) ? `${value}` : undefined
    case 'boolean':
      return value ? 'true' : 'false'
    case 'object':
      if (value === null) return 'null'
      if (depth >= MAX_DEPTH) return undefined
      return Array.isArray(value)
        ? writeArray(value, depth + 1)
        : writeObject(value as Readonly<Record<string, JsonValue>>, depth + 1)
    default:
      return undefined
  }
}

// biome-ignore lint/suspicious/noControlCharactersInRegex: they are what is looked for
const PLAIN = /^[^"\\\u0000-\u001f\ud800-\udfff]*$/

function writeString(text: string): string | undefined {
  if (PLAIN.test(text)) return `"${text}"`
  // SPEC RFC 8785 section 3.2.2.2: exactly the escapes of ECMAScript; lone surrogates are an error.
  return hasLoneSurrogate(text) ? undefined : JSON.stringify(text)
}

function writeArray(values: readonly JsonValue[], depth: number): string | undefined {
  let text = '['
  for (let i = 0; i < values.length; i++) {
    const item = write(values[i], depth)
    if (item === undefined) return undefined
    text += i === 0 ? item : `,${item}`
  }
  return `${text}]`
}

function writeObject(
  object: Readonly<Record<string, JsonValue>>,
  depth: number,
): string | undefined {
  if (!isPlain(object)) return undefined
  let text = '{'
  // SPEC RFC 8785 section 3.2.3: by UTF-16 code units, which is how sort() compares.
  for (const name of Object.keys(object).sort()) {
    const key = writeString(name)
    const member = write(object[name], depth)
    if (key === undefined || member === undefined) return undefined
    text += text.length === 1 ? `${key}:${member}` : `,${key}:${member}`
  }
  return `${text}}`
}

function isPlain(object: object): boolean {
  const prototype: unknown = Object.getPrototypeOf(object)
  return prototype === Object.prototype || prototype === null
}

/** Says what in the value is not JSON, and where. */
function culprit(root: JsonValue): string {
  const path: (string | number)[] = []
  const look = (value: unknown, depth: number): string | undefined => {
    if (typeof value === 'string') {
      return hasLoneSurrogate(value) ? 'half of a surrogate pair' : undefined
    }
    if (typeof value !== 'object' || value === null) {
      const fine = value === null || typeof value === 'boolean' || Number.isFinite(value)
      return fine ? undefined : `${String(value)} (${typeof value})`
    }
    if (depth >= MAX_DEPTH) return 'nesting without an end'
    if (!Array.isArray(value) && !isPlain(value)) return 'an object that is not a plain one'
    // Not Object.entries: it would skip the holes of an array.
    const steps = Array.isArray(value) ? Array.from(value, (_, i) => i) : Object.keys(value)
    for (const step of steps) {
      path.push(step)
      const name = typeof step === 'string' && hasLoneSurrogate(step)
      const found = name
        ? 'half of a surrogate pair in a name'
        : look((value as Readonly<Record<string | number, unknown>>)[step], depth + 1)
      if (found !== undefined) return found
      path.pop()
    }
    return undefined
  }
  const found = look(root, 0)
  return `${shownPointer(formatPointer(path))}: JSON cannot hold ${found ?? 'the value'}`
}
