/** The values of the vault's rows, whose forms stand in row-keys.ts. All that decode throw CORRUPT and NEWER_FORMAT. */
import { concat, fromUtf8, u64, utf8 } from '../bytes.ts'
import { CairnError } from '../errors.ts'
import { ID_SIZE } from './names.ts'
import { corrupt } from './row-keys.ts'
import { SEALED_KEY_SIZE } from './sealing.ts'

const VERSION = 1
const LIVE = 1
const ERASED = 2

/** The value after its version byte, which is all that an older or newer form may share with this one. */
function body(value: Uint8Array, what: string, least: number): Uint8Array {
  if (value.length < 1 + least) throw corrupt(what)
  if (value[0] !== VERSION) {
    throw new CairnError(
      'NEWER_FORMAT',
      `the vault's ${what} has format ${value[0]}, but this version reads ${VERSION} only; use a newer cairn`,
    )
  }
  return value.subarray(1)
}

export interface Wrapped {
  readonly masterKeyId: string
  readonly wrapped: Uint8Array
}

function encodeShort(text: Uint8Array, what: string): Uint8Array {
  if (text.length === 0 || text.length > 255) {
    throw new RangeError(`expected ${what} of 1 to 255 bytes, got ${text.length}`)
  }
  return concat(Uint8Array.of(text.length), text)
}

/** A text behind its length, and what follows. */
function decodeShort(bytes: Uint8Array, what: string): { text: string; rest: Uint8Array } {
  const end = 1 + (bytes[0] ?? 0)
  if (end === 1 || bytes.length < end) throw corrupt(what)
  try {
    return { text: fromUtf8(bytes.subarray(1, end)), rest: bytes.slice(end) }
  } catch {
    throw corrupt(what)
  }
}

export function encodeHeader({ masterKeyId, wrapped }: Wrapped): Uint8Array {
  return concat(Uint8Array.of(VERSION), encodeShort(utf8(masterKeyId), 'an id'), wrapped)
}

export function decodeHeader(value: Uint8Array): Wrapped {
  const { text, rest } = decodeShort(body(value, 'header', 1), 'header')
  return { masterKeyId: text, wrapped: rest }
}

export interface StoredTenant extends Wrapped {
  readonly name: string
}

export function encodeTenant({ masterKeyId, name, wrapped }: StoredTenant): Uint8Array {
  return concat(
    Uint8Array.of(VERSION),
    encodeShort(utf8(masterKeyId), 'an id'),
    encodeShort(utf8(name), 'a name'),
    wrapped,
  )
}

export function decodeTenant(value: Uint8Array): StoredTenant {
  const id = decodeShort(body(value, 'tenant', 1), 'tenant')
  const name = decodeShort(id.rest, 'tenant')
  return { masterKeyId: id.text, name: name.text, wrapped: name.rest }
}

export type StoredSubject =
  | { readonly state: 'live'; readonly key: Uint8Array; readonly person: Uint8Array }
  | { readonly state: 'erased'; readonly seal: Uint8Array }

export type StoredRecordKey =
  | { readonly state: 'live'; readonly key: Uint8Array }
  | { readonly state: 'erased'; readonly seal: Uint8Array }

export function encodeSubject(subject: StoredSubject): Uint8Array {
  return subject.state === 'live'
    ? concat(Uint8Array.of(VERSION, LIVE), subject.key, subject.person)
    : concat(Uint8Array.of(VERSION, ERASED), subject.seal)
}

export function decodeSubject(value: Uint8Array): StoredSubject {
  const rest = body(value, 'row of a person', 1)
  if (rest[0] === ERASED) return { state: 'erased', seal: rest.slice(1) }
  const end = 1 + SEALED_KEY_SIZE
  if (rest[0] !== LIVE || rest.length < end) throw corrupt('row of a person')
  return { state: 'live', key: rest.slice(1, end), person: rest.slice(end) }
}

export function encodeRecordKey(record: StoredRecordKey): Uint8Array {
  return record.state === 'live'
    ? concat(Uint8Array.of(VERSION, LIVE), record.key)
    : concat(Uint8Array.of(VERSION, ERASED), record.seal)
}

export function decodeRecordKey(value: Uint8Array): StoredRecordKey {
  const rest = body(value, 'key of a record', 1)
  if (rest[0] === ERASED) return { state: 'erased', seal: rest.slice(1) }
  if (rest[0] !== LIVE) throw corrupt('key of a record')
  return { state: 'live', key: rest.slice(1) }
}

export function encodeLink(sealed: Uint8Array): Uint8Array {
  return concat(Uint8Array.of(VERSION), sealed)
}

export function decodeLink(value: Uint8Array): Uint8Array {
  return body(value, 'link', 1).slice()
}

/** When something was erased, and how many records it took. */
export interface ErasedAt {
  /** Milliseconds since 1970. */
  readonly time: number
  readonly records: number
}

export function encodeErasedAt({ time, records }: ErasedAt): Uint8Array {
  return concat(u64(time), u64(records))
}

export function decodeErasedAt(bytes: Uint8Array): ErasedAt {
  if (bytes.length !== 16) throw corrupt('note of an erasure')
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length)
  const [time, records] = [Number(view.getBigUint64(0)), Number(view.getBigUint64(8))]
  if (!Number.isSafeInteger(time) || !Number.isSafeInteger(records)) {
    throw corrupt('note of an erasure')
  }
  return { time, records }
}

/** How far an erasure is: its bytes have yet to go from the storage of keys, or only payloads have yet to be dropped. */
export type ErasureStage = 'scrub' | 'drop'
const STAGES = { scrub: 1, drop: 2 } as const

export function encodeErasureStage(stage: ErasureStage): Uint8Array {
  return Uint8Array.of(VERSION, STAGES[stage])
}

export function decodeErasureStage(value: Uint8Array): ErasureStage {
  const [stage, ...rest] = body(value, 'note of an erasure', 1)
  // In doubt the whole way: it does no harm to go it twice.
  return stage === STAGES.drop && rest.length === 0 ? 'drop' : 'scrub'
}

export interface StoredPayload {
  /** How many parts the record has. */
  readonly parts: number
  readonly owner: Uint8Array | undefined
  /** Undefined once dropped. */
  readonly sealed: Uint8Array | undefined
}

export function encodePayload({ parts, owner, sealed }: StoredPayload): Uint8Array {
  const id = owner ?? new Uint8Array()
  return concat(
    Uint8Array.of(VERSION, sealed === undefined ? ERASED : LIVE, parts, id.length),
    id,
    sealed ?? new Uint8Array(),
  )
}

export function decodePayload(value: Uint8Array): StoredPayload {
  const [state, parts, length] = body(value, 'payload', 3)
  const end = 4 + length!
  if (value.length < end || parts === 0 || (length !== 0 && length !== ID_SIZE)) {
    throw corrupt('payload')
  }
  const owner = length === 0 ? undefined : value.slice(4, end)
  if (state === LIVE) return { parts: parts!, owner, sealed: value.subarray(end) }
  if (state === ERASED && value.length === end) return { parts: parts!, owner, sealed: undefined }
  throw corrupt('payload')
}
