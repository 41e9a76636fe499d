/** What is answered to an OTLP export, in the encoding of the export. */
import { join, utf8 } from '../bytes.ts'
import type { OtlpEncoding } from './otlp-logs.ts'
import { bytesField, integerField, textField } from './protobuf.ts'

/** A log record that was not taken, by its JSON Pointer in the export. */
export interface RejectedLogRecord {
  readonly place: string
  readonly reason: string
}

/** So many reasons are told; a client shows them in a line of its own log. */
const REASONS_TOLD = 5
const LONGEST_REASON = 300

/**
 * An ExportLogsServiceResponse: `partial_success` is there when log records were rejected, and only then.
 * @param total log records in the export
 */
export function formatOtlpResponse(
  rejected: readonly RejectedLogRecord[],
  total: number,
  encoding: OtlpEncoding,
): Uint8Array {
  if (rejected.length === 0) return encoding === 'json' ? utf8('{}') : new Uint8Array(0)
  const message = messageOf(rejected, total)
  if (encoding === 'protobuf') {
    const partial = join([integerField(1, rejected.length), textField(2, message)])
    return bytesField(1, partial)
  }
  // 64-bit integers are strings in the JSON mapping.
  const partialSuccess = { rejectedLogRecords: String(rejected.length), errorMessage: message }
  return utf8(JSON.stringify({ partialSuccess }))
}

function messageOf(rejected: readonly RejectedLogRecord[], total: number): string {
  // Different reasons first: one that most have must not hide the others.
  const first = new Map<string, RejectedLogRecord>()
  for (const one of rejected) if (!first.has(one.reason)) first.set(one.reason, one)
  const rest = rejected.filter((one) => first.get(one.reason) !== one)
  const told = [...first.values(), ...rest]
    .slice(0, REASONS_TOLD)
    .map(({ place, reason }) => `${place}: ${cut(reason)}`)
  const left = rejected.length - told.length
  const more = left === 0 ? '' : `; and ${left} more`
  return `${rejected.length} of ${total} log records became no records. ${told.join('; ')}${more}`
}

function cut(reason: string): string {
  return reason.length > LONGEST_REASON ? `${reason.slice(0, LONGEST_REASON)}…` : reason
}

/** The body of a 4xx or 5xx answer: a google.rpc.Status with its message, which OTLP asks for in place of any other. */
export function formatOtlpStatus(message: string, encoding: OtlpEncoding): Uint8Array {
  return encoding === 'json' ? utf8(JSON.stringify({ message })) : textField(2, message)
}
