/** Records on their way out: each as a line of NDJSON, in batches that a log takes at once. */
import { utf8 } from '../bytes.ts'
import { CairnError, malformed } from '../errors.ts'
import type { RecordSource } from '../formats/record.ts'
import { MAX_SUBMISSION_SIZE } from '../formats/record-members.ts'

/** Records in any order of arrival: a file can be submitted while it is read. */
export type Records = Iterable<RecordSource> | AsyncIterable<RecordSource>

const NEWLINE = 0x0a

/** A record as JSON, whatever is in it. @throws MALFORMED when it is empty, TOO_LARGE beyond 8 MiB */
export function recordJson(record: RecordSource): Uint8Array {
  const json =
    record instanceof Uint8Array
      ? record
      : utf8(typeof record === 'string' ? record : JSON.stringify(record))
  if (json.length === 0) throw malformed('a record is a JSON object, and not empty')
  if (json.length > MAX_SUBMISSION_SIZE) {
    const message = `a record has ${json.length} bytes; at most ${MAX_SUBMISSION_SIZE} can be submitted`
    throw new CairnError('TOO_LARGE', message)
  }
  return json
}

/** The records as lines without their newlines. @throws MALFORMED, TOO_LARGE which name the record, counted from 1 */
export async function* recordLines(records: Records): AsyncGenerator<Uint8Array> {
  let number = 0
  for await (const record of records) {
    number++
    try {
      const line = recordJson(record)
      if (line.includes(NEWLINE)) throw malformed('a record of several is one line of JSON')
      yield line
    } catch (error) {
      throw inRecord(number, error)
    }
  }
}

/** The body of a batch. */
export function ndjson(lines: readonly Uint8Array[]): Uint8Array {
  const body = new Uint8Array(lines.reduce((sum, { length }) => sum + length + 1, 0))
  let at = 0
  for (const line of lines) {
    body.set(line, at)
    at += line.length
    body[at++] = NEWLINE
  }
  return body
}

const NAMED = /^record ([1-9][0-9]{0,8}): /

/** An error about a record, which names it by its number, from 1. */
export function inRecord(number: number, error: unknown): unknown {
  if (!(error instanceof CairnError)) return error
  return new CairnError(error.code, `record ${number}: ${error.message}`, { cause: error })
}

/** The same error, with the record of a batch counted from the first of all; `before` came before the batch. */
export function renumbered(error: unknown, before: number): unknown {
  const { number, message } = namedRecord(error)
  if (number === undefined || before === 0) return error
  return inRecord(
    before + number,
    new CairnError((error as CairnError).code, message, { cause: error }),
  )
}

/** The record that an error names, counted from 1, and what is wrong with it. */
export function namedRecord(error: unknown): {
  readonly number?: number
  readonly message: string
} {
  const message = error instanceof CairnError ? error.message : ''
  const [start = '', digits] = NAMED.exec(message) ?? []
  return digits === undefined
    ? { message }
    : { number: Number(digits), message: message.slice(start.length) }
}
