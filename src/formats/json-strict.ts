/**
 * JSON as the records are written in it: I-JSON (RFC 7493), read by a tokenizer of its own. JSON.parse keeps the last of
 * two members of one name and rounds numbers without a word; here both are errors that name the place.
 */
import { fromUtf8, utf8 } from '../bytes.ts'
import { CairnError, malformed } from '../errors.ts'
import { formatPointer, shownPointer } from './json-pointer.ts'

export type JsonValue = null | boolean | number | string | readonly JsonValue[] | JsonObject
export interface JsonObject {
  readonly [name: string]: JsonValue
}

export interface JsonLimits {
  /** The longest text, in bytes of UTF-8. */
  readonly size: number
  /** How deep arrays and objects may stand in each other; a document without any has the depth 0. */
  readonly depth: number
}

/** Whether the value is an object, and not an array or null. */
export function isJsonObject(value: JsonValue | undefined): value is JsonObject {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}

/** Whether `text` has half of a surrogate pair, which no UTF-8 can hold. */
export function hasLoneSurrogate(text: string): boolean {
  return /\p{Surrogate}/u.test(text)
}

/** Sets a member of an object that is being made; `__proto__` becomes a member like any other. */
export function setMember(object: Record<string, JsonValue>, name: string, value: JsonValue): void {
  if (name !== '__proto__') object[name] = value
  else {
    const descriptor = { value, enumerable: true, configurable: true, writable: true }
    Object.defineProperty(object, name, descriptor)
  }
}

/**
 * Reads a JSON document. Refuses, beside what is not JSON: a byte-order mark, two members of one name, halves of
 * surrogate pairs, numbers beyond 2^53-1 or with digits that a double does not have, and deeper nesting than `limits`
 * allow.
 * @throws MALFORMED with the JSON Pointer of the place
 * @throws TOO_LARGE beyond the size limit
 */
export function parseJson(json: string | Uint8Array, limits: JsonLimits): JsonValue {
  const size = sizeOf(json, limits.size)
  if (size > limits.size) {
    throw new CairnError('TOO_LARGE', `the JSON has ${size} bytes; ${limits.size} at most`)
  }
  const text = typeof json === 'string' ? json : fromUtf8(json, 'the JSON')
  return new JsonReader(text, limits.depth).document()
}

/** Bytes of UTF-8; of a text that cannot have more than `limit`, no more is said. */
function sizeOf(json: string | Uint8Array, limit: number): number {
  return typeof json === 'string' && json.length * 3 > limit ? utf8(json).length : json.length
}

const NUMBER = /-?(?:0|[1-9][0-9]*)(?:\.[0-9]+)?(?:[eE][+-]?[0-9]+)?/y
/** Any decimal of so many characters comes back from a double as it was, unless it has an exponent. */
const SURELY_EXACT = 15

/** A document and how far it has been read. */
class JsonReader {
  readonly #text: string
  readonly #maxDepth: number
  readonly #path: (string | number)[] = []
  #at = 0

  constructor(text: string, maxDepth: number) {
    this.#text = text
    this.#maxDepth = maxDepth
  }

  document(): JsonValue {
    const value = this.#value(0)
    if (!Number.isNaN(this.#next())) this.#unexpected('nothing more')
    return value
  }

  #fail(problem: string): never {
    throw malformed(`${shownPointer(formatPointer(this.#path))}: ${problem}`)
  }

  #unexpected(wanted: string): never {
    const code = this.#text.codePointAt(this.#at)
    if (code === undefined) this.#fail(`the JSON ends where ${wanted} should be`)
    const shown =
      code > 0x20 && code < 0x7f
        ? String.fromCodePoint(code)
        : `U+${code.toString(16).toUpperCase().padStart(4, '0')}`
    this.#fail(`not JSON at character ${this.#at + 1}: expected ${wanted}, found ${shown}`)
  }

  /** The code of the next character that is not white space; NaN at the end. */
  #next(): number {
    const text = this.#text
    let at = this.#at
    let code = text.charCodeAt(at)
    while (code === 0x20 || code === 0x0a || code === 0x0d || code === 0x09) {
      code = text.charCodeAt(++at)
    }
    this.#at = at
    return code
  }

  #value(depth: number): JsonValue {
    switch (this.#next()) {
      case 0x22:
        return this.#string()
      case 0x7b:
        return this.#object(depth + 1)
      case 0x5b:
        return this.#array(depth + 1)
      case 0x74:
        return this.#word('true', true)
      case 0x66:
        return this.#word('false', false)
      case 0x6e:
        return this.#word('null', null)
      default:
        return this.#number()
    }
  }

  #word<Value extends JsonValue>(word: string, value: Value): Value {
    if (!this.#text.startsWith(word, this.#at)) this.#unexpected('a value')
    this.#at += word.length
    return value
  }

  #enter(depth: number): void {
    if (depth > this.#maxDepth) {
      this.#fail(`nested deeper than ${this.#maxDepth} arrays and objects`)
    }
    this.#at++
  }

  #object(depth: number): JsonObject {
    this.#enter(depth)
    const object: Record<string, JsonValue> = {}
    if (this.#next() === 0x7d) {
      this.#at++
      return object
    }
    for (;;) {
      if (this.#next() !== 0x22) this.#unexpected('a member name in double quotes')
      const name = this.#string()
      this.#path.push(name)
      if (Object.hasOwn(object, name)) this.#fail('the member is there twice')
      if (this.#next() !== 0x3a) this.#unexpected('":"')
      this.#at++
      setMember(object, name, this.#value(depth))
      this.#path.pop()
      const code = this.#next()
      if (code !== 0x2c && code !== 0x7d) this.#unexpected('"," or "}"')
      this.#at++
      if (code === 0x7d) return object
    }
  }

  #array(depth: number): readonly JsonValue[] {
    this.#enter(depth)
    const array: JsonValue[] = []
    if (this.#next() === 0x5d) {
      this.#at++
      return array
    }
    for (;;) {
      this.#path.push(array.length)
      array.push(this.#value(depth))
      this.#path.pop()
      const code = this.#next()
      if (code !== 0x2c && code !== 0x5d) this.#unexpected('"," or "]"')
      this.#at++
      if (code === 0x5d) return array
    }
  }

  #string(): string {
    const text = this.#text
    const start = this.#at
    let escaped = false
    let surrogates = false
    let at = start + 1
    for (; ; at++) {
      const code = text.charCodeAt(at)
      if (code === 0x22) break
      if (code === 0x5c) {
        escaped = true
        if (text.charCodeAt(++at) === 0x75) surrogates = true
      } else if (code >= 0xd800) surrogates = true
      else if (!(code >= 0x20)) {
        this.#at = at
        this.#unexpected(Number.isNaN(code) ? 'the end of a string' : 'an escaped control')
      }
    }
    this.#at = at + 1
    const value = escaped ? this.#unescape(start, at + 1) : text.slice(start + 1, at)
    if (surrogates && hasLoneSurrogate(value)) {
      this.#fail('a string has half of a surrogate pair')
    }
    return value
  }

  /** The string between two quotes; its escapes are the one thing left to the platform. */
  #unescape(start: number, end: number): string {
    try {
      return JSON.parse(this.#text.slice(start, end)) as string
    } catch {
      return this.#fail(`not JSON: a wrong escape in the string at character ${start + 1}`)
    }
  }

  #number(): number {
    NUMBER.lastIndex = this.#at
    const written = NUMBER.exec(this.#text)?.[0]
    if (written === undefined) this.#unexpected('a value')
    this.#at += written.length
    const value = Number(written)
    if (written.length > SURELY_EXACT || /[eE]/.test(written)) this.#checkExact(written, value)
    // Minus zero is written 0 in canonical JSON.
    return value + 0
  }

  #checkExact(written: string, value: number): void {
    // SPEC RFC 7493 section 2.2. From 2^53 on, not every integer is a double.
    if (Math.abs(value) > Number.MAX_SAFE_INTEGER) {
      this.#fail(`the number ${shownNumber(written)} is beyond 2^53-1; write it as a string`)
    }
    if (`${value}` !== written && !hasDigitsOf(written, value)) {
      const shown = shownNumber(written)
      this.#fail(`the number ${shown} has digits that a double cannot hold; write it as a string`)
    }
  }
}

function shownNumber(written: string): string {
  return written.length > 40 ? `${written.slice(0, 40)}…` : written
}

/** The digits of a number as written, from the first to the last that is not zero. */
function significantDigits(written: string): string {
  const [digits = ''] = written.replace(/[-.]/g, '').split(/[eE]/)
  return digits.replace(/^0+/, '').replace(/0+$/, '')
}

/**
 * Whether a number as written has no digit that the double closest to it does not have: it is that double, rounded to
 * as many digits. So 0.1 passes, and 0.10000000000000001, which is how C prints it with 17 digits; 12345678901234.567 does
 * not, for the closest double is 12345678901234.566.
 */
function hasDigitsOf(written: string, value: number): boolean {
  const digits = significantDigits(written)
  if (digits === '') return true
  return digits.length <= 100 && significantDigits(value.toPrecision(digits.length)) === digits
}
