/** Audit records in a file: a JSON document each line, or one document that is a record or a list of them. */
import { CairnError, malformed, messageOf } from '../errors.ts'
import { canonicalJson } from '../formats/canonical-json.ts'
import { isJsonObject, type JsonValue, parseJson } from '../formats/json-strict.ts'
import { MAX_RECORD_DEPTH, MAX_SUBMISSION_SIZE } from '../formats/record-members.ts'
import { nameOf, readLines } from './input.ts'

/** Bytes of a document that is no JSON lines: it is held whole. */
const MAX_DOCUMENT_SIZE = 67_108_864

export interface RecordInputOptions {
  /** Each line is a record, whatever the first one looks like. */
  readonly lines?: boolean
  /** Told how many bytes of the input are behind each record. */
  readonly onBytes?: (bytes: number) => void
  readonly signal?: AbortSignal
}

export interface RecordInput {
  /** The records as JSON, each in one line; to be read once. */
  readonly records: AsyncIterable<Uint8Array>
  /** Where a record is, counted from 1, as a person finds it: `line 7 of records.ndjson`. */
  place(record: number): string
}

/** The records of a file, or of standard input for `-`. @throws MALFORMED, TOO_LARGE while they are read */
export function readRecords(path: string, options: RecordInputOptions = {}): RecordInput {
  const name = nameOf(path)
  /** For each line that is left out, how many records were before it. */
  const gaps: number[] = []
  let isDocument = false

  async function* records(): AsyncGenerator<Uint8Array> {
    const lines = readLines(path, { ...options, empty: 'keep', unit: RECORD })
    let number = 0
    for await (const line of lines) {
      if (isBlank(line)) {
        gaps.push(number)
        continue
      }
      number++
      if (number === 1 && options.lines !== true && !isLineOfJson(line)) {
        isDocument = true
        yield* recordsOf(await document(line, lines, name), name)
        return
      }
      yield line
    }
  }

  return {
    records: records(),
    place(record) {
      if (isDocument) return `record ${record} of ${name}`
      return `line ${record + gaps.filter((before) => before < record).length} of ${name}`
    },
  }
}

const RECORD = { name: 'a record', size: MAX_SUBMISSION_SIZE }

function isBlank(line: Uint8Array): boolean {
  return line.every((byte) => byte === 0x20 || byte === 0x09 || byte === 0x0d)
}

/** Whether the first line is a record by itself, or was meant to be: else a document begins there. */
function isLineOfJson(line: Uint8Array): boolean {
  const text = new TextDecoder().decode(line).trim()
  return text.startsWith('{') && text.endsWith('}')
}

/** The rest of the input with its first line. */
async function document(
  first: Uint8Array,
  lines: AsyncIterable<Uint8Array>,
  name: string,
): Promise<Uint8Array> {
  const parts = [first]
  let length = first.length
  for await (const line of lines) {
    parts.push(Uint8Array.of(0x0a), line)
    length += line.length + 1
    if (length > MAX_DOCUMENT_SIZE) {
      const message = `${name} is neither JSON lines nor a JSON document of at most ${MAX_DOCUMENT_SIZE} bytes`
      throw new CairnError('TOO_LARGE', message)
    }
  }
  return new Uint8Array(Buffer.concat(parts))
}

function* recordsOf(bytes: Uint8Array, name: string): Generator<Uint8Array> {
  let value: JsonValue
  try {
    // One deeper than a record, for the list that it may stand in.
    value = parseJson(bytes, { size: MAX_DOCUMENT_SIZE, depth: MAX_RECORD_DEPTH + 1 })
  } catch (cause) {
    throw malformed(`${name} is neither JSON lines nor a JSON document: ${messageOf(cause)}`, {
      cause,
    })
  }
  if (!isJsonObject(value) && !Array.isArray(value)) {
    throw malformed(`${name} holds neither a record nor a list of records`)
  }
  for (const record of Array.isArray(value) ? value : [value]) {
    yield new Uint8Array(Buffer.from(canonicalJson(record)))
  }
}
