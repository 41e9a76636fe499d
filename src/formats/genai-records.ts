/**
 * Log records of OpenTelemetry that follow the semantic conventions for generative AI, as submissions of audit records
 * (spec/otlp.md). Nothing that a log record holds is lost: what has no member of its own is kept in `/extra/otel`.
 */
import { CairnError, malformed, messageOf } from '../errors.ts'
import { canonicalJson } from './canonical-json.ts'
import {
  ATTRIBUTE_RULES,
  RESOURCE_RULES,
  TYPE_OF_EVENT,
  TYPE_OF_METHOD,
  TYPE_OF_OPERATION,
} from './genai-attributes.ts'
import { isEmpty, type Members, put, take } from './genai-members.ts'
import { takeBody } from './genai-messages.ts'
import { shownPointer } from './json-pointer.ts'
import { type JsonValue, setMember } from './json-strict.ts'
import type {
  OtlpAttributes,
  OtlpLogRecord,
  OtlpLogs,
  OtlpResourceLogs,
  OtlpScopeLogs,
} from './otlp-logs.ts'
import type { RejectedLogRecord } from './otlp-response.ts'
import { parseSubmission, type SubmittedRecord } from './record.ts'

/** All submissions of an export together, in bytes: each repeats what it says of the resource. */
const MAX_GENAI_RECORDS_SIZE = 33_554_432

export interface GenaiRecord {
  /** Which log record it was: its JSON Pointer in the export. */
  readonly place: string
  readonly submission: SubmittedRecord
}

export interface GenaiRecords {
  readonly records: readonly GenaiRecord[]
  readonly rejected: readonly RejectedLogRecord[]
  /** Characters of all submissions as JSON. */
  readonly size: number
}

/**
 * The submissions of an export, each as parseSubmission has read it. What cannot be one is rejected by itself.
 * @throws TOO_LARGE when all of them together would be larger than MAX_GENAI_RECORDS_SIZE
 */
export function genaiRecords(logs: OtlpLogs): GenaiRecords {
  const turns = genaiRecordsInTurns(logs)
  for (;;) {
    const turn = turns.next()
    if (turn.done) return turn.value
  }
}

/** Log records that are read in one turn. */
const TURN = 100

/** The same, stopping now and then, for whoever has other work to do. @throws TOO_LARGE */
export function* genaiRecordsInTurns(logs: OtlpLogs): Generator<undefined, GenaiRecords> {
  const records: GenaiRecord[] = []
  const rejected: RejectedLogRecord[] = []
  let size = 0
  for (const [i, resource] of logs.resourceLogs.entries()) {
    const fromResource = frameOf(resource.resource.attributes, 'resource/attributes')
    for (const [j, scope] of resource.scopeLogs.entries()) {
      const fromScope = frameOf(scope.scope.attributes, 'scope/attributes')
      const around = { resource, fromResource, scope, fromScope }
      for (const [k, log] of scope.logRecords.entries()) {
        const place = `/resourceLogs/${i}/scopeLogs/${j}/logRecords/${k}`
        const outcome = recordOf(log, around)
        size += outcome.size
        if (size > MAX_GENAI_RECORDS_SIZE) throw tooLarge()
        const { submission, reason } = outcome
        if (submission === undefined) rejected.push({ place, reason })
        else records.push({ place, submission })
        if ((records.length + rejected.length) % TURN === 0) yield
      }
    }
  }
  return { records, rejected, size }
}

/** What stands around a log record, with the attributes read once for all of its log records. */
interface Around {
  readonly resource: OtlpResourceLogs
  readonly fromResource: Frame
  readonly scope: OtlpScopeLogs
  readonly fromScope: Frame
}

/** Attributes, or what is wrong with them and so with each log record in their resource or scope. */
type Frame = { readonly members: Members } | { readonly error: CairnError }

function frameOf(attributes: OtlpAttributes, where: string): Frame {
  try {
    return { members: membersOf(attributes, where) }
  } catch (error) {
    if (!(error instanceof CairnError)) throw error
    return { error }
  }
}

function membersIn(frame: Frame): Members {
  if ('error' in frame) throw frame.error
  return frame.members
}

function tooLarge(): CairnError {
  const message = `the records of the export have more than ${MAX_GENAI_RECORDS_SIZE} bytes`
  const why = 'each repeats the attributes of its resource and scope'
  return new CairnError('TOO_LARGE', `${message}, for ${why}. Export smaller batches`)
}

interface Outcome {
  /** Of the submission as JSON, taken or not. */
  readonly size: number
  readonly submission?: SubmittedRecord
  readonly reason: string
}

function recordOf(log: OtlpLogRecord, around: Around): Outcome {
  let size = 0
  try {
    const text = canonicalJson(submissionOf(log, around))
    size = text.length
    return { size, submission: parseSubmission(text), reason: '' }
  } catch (error) {
    if (!(error instanceof CairnError)) throw error
    return { size, reason: messageOf(error) }
  }
}

function submissionOf(log: OtlpLogRecord, around: Around): Members {
  const { resource, scope } = around
  const attributes = membersOf(log.attributes, 'attributes')
  const event = eventOf(log, attributes)
  if (!isGenai(event, attributes)) {
    throw malformed(
      'no event of generative AI: neither its name nor an attribute is gen_ai.* or mcp.*',
    )
  }
  const ofScope = membersIn(around.fromScope)
  const ofResource = membersIn(around.fromResource)
  const type = typeOf(event, attributes)
  const submission: Members = { type, ...whenAndWhere(log) }
  for (const rule of ATTRIBUTE_RULES) take(submission, rule, attributes)
  for (const rule of RESOURCE_RULES) take(submission, rule, attributes)
  // Copied last: whatever is rejected before must cost no more than its own size.
  const unused = { ...ofResource }
  for (const rule of RESOURCE_RULES) take(submission, rule, unused)
  if (type === 'tool_call') take(submission, ['error.type', '/tool_calls/0/error'], attributes)
  const body = takeBody(submission, event, log.body)
  complete(submission, event, attributes)
  const otel = without({
    event_name: event,
    severity_number: log.severityNumber,
    severity_text: log.severityText,
    observed_time: timeOf(log.observedTimeUnixNano) ?? '',
    flags: log.flags,
    body,
    attributes,
    dropped_attributes_count: log.droppedAttributesCount,
    resource: without({
      attributes: unused,
      dropped_attributes_count: resource.resource.droppedAttributesCount,
      schema_url: resource.schemaUrl,
    }),
    scope: without({
      name: scope.scope.name,
      version: scope.scope.version,
      attributes: ofScope,
      dropped_attributes_count: scope.scope.droppedAttributesCount,
      schema_url: scope.schemaUrl,
    }),
  })
  return Object.keys(otel).length === 0 ? submission : { ...submission, extra: { otel } }
}

function membersOf(attributes: OtlpAttributes, where: string): Members {
  const members: Members = {}
  for (const [name, value] of attributes) {
    if (Object.hasOwn(members, name)) {
      throw malformed(`${where}: ${shownPointer(name)} is there twice`)
    }
    setMember(members, name, value)
  }
  return members
}

/** The members that say something: protobuf does not tell empty from absent. */
function without(members: Members): Members {
  return Object.fromEntries(Object.entries(members).filter(([, value]) => !isEmpty(value)))
}

/** The name of the event, which older SDKs give as an attribute. */
function eventOf(log: OtlpLogRecord, attributes: Members): string {
  const name = attributes['event.name']
  if (log.eventName !== '' || typeof name !== 'string') return log.eventName
  delete attributes['event.name']
  return name
}

function isGenai(event: string, attributes: Members): boolean {
  const names = [event, ...Object.keys(attributes)]
  return names.some((name) => /^(?:gen_ai|mcp)\.|^cairn\.type$/.test(name))
}

function typeOf(event: string, attributes: Members): JsonValue {
  const type = attributes['cairn.type']
  if (type !== undefined) {
    delete attributes['cairn.type']
    return type
  }
  const operation = attributes['gen_ai.operation.name']
  const method = attributes['mcp.method.name']
  const known =
    found(TYPE_OF_EVENT, event) ??
    found(TYPE_OF_OPERATION, operation) ??
    found(TYPE_OF_METHOD, method) ??
    (typeof method === 'string' ? found(TYPE_OF_METHOD, method.split('/')[0]) : undefined)
  if (known !== undefined) return known
  const ofTool = ['mcp.method.name', 'gen_ai.tool.name', 'gen_ai.tool.call.id']
  const isToolCall =
    operation === undefined && ofTool.some((name) => Object.hasOwn(attributes, name))
  return isToolCall ? 'tool_call' : 'llm_request'
}

function found(table: Readonly<Record<string, string>>, name?: JsonValue): string | undefined {
  return typeof name === 'string' && Object.hasOwn(table, name) ? table[name] : undefined
}

function whenAndWhere(log: OtlpLogRecord): Members {
  const time = timeOf(log.timeUnixNano) ?? timeOf(log.observedTimeUnixNano)
  const trace = idOf(log.traceId, 16, 'traceId')
  const span = idOf(log.spanId, 8, 'spanId')
  return {
    ...(trace !== undefined && { trace_id: trace }),
    ...(span !== undefined && { span_id: span }),
    ...(time !== undefined && { claimed_time: time }),
  }
}

/** An id of zeros says that there is none (W3C Trace Context). */
function idOf(hex: string, bytes: number, what: string): string | undefined {
  if (/^0*$/.test(hex)) return undefined
  if (hex.length !== 2 * bytes) throw malformed(`${what}: expected ${bytes} bytes, or none`)
  return hex
}

/** RFC 3339 to the nanosecond; 0 is no time. All 64 bits reach the year 2554. */
function timeOf(nanoseconds: bigint): string | undefined {
  if (nanoseconds === 0n) return undefined
  const seconds = new Date(Number(nanoseconds / 1_000_000_000n) * 1000).toISOString().slice(0, 19)
  const fraction = (nanoseconds % 1_000_000_000n).toString().padStart(9, '0').replace(/0+$/, '')
  return fraction === '' ? `${seconds}Z` : `${seconds}.${fraction}Z`
}

/** What follows from what is there. */
function complete(submission: Members, event: string, attributes: Members): void {
  const model = submission.model as Members | undefined
  if (model?.version !== undefined && model.name === undefined) {
    model.name = model.version
    delete model.version
  }
  if (submission.request_id === undefined) {
    const id = submission.trace_id ?? attributes['gen_ai.response.id']
    if (id !== undefined) put(submission, '/request_id', id)
  }
  if (submission.action === undefined && event !== '') put(submission, '/action', event)
}
