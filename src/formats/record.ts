/**
 * An audit record: what an AI system did, as it is submitted and as it stands in the log (spec/record.md). The leaf is
 * canonical JSON (RFC 8785) of at most 65,535 bytes. Whatever names a person or is payload is taken out of it; in its
 * place the leaf commits to salted disclosures, which can be shown one by one, or destroyed.
 */
import { fromUtf8, toBase64Url, utf8 } from '../bytes.ts'
import { CairnError, malformed } from '../errors.ts'
import { canonicalJson } from './canonical-json.ts'
import { type Disclosure, disclosureDigest, makeDisclosure, SALT_SIZE } from './disclosure.ts'
import { isJsonObject, type JsonObject, type JsonValue, parseJson } from './json-strict.ts'
import { checkLeaf, checkSubmission } from './record-check.ts'
import {
  type LogRecordType,
  MAX_COMMITMENTS,
  MAX_RECORD_DEPTH,
  MAX_RECORD_SIZE,
  MAX_SUBMISSION_SIZE,
  RECORD_VERSION,
  type RecordType,
} from './record-members.ts'
import { splitSubmission } from './record-split.ts'

/** What is the same in a submission and in its leaf. All text is one line; numbers are finite. */
interface ClearMembers {
  readonly type: RecordType | LogRecordType
  readonly request_id?: string
  readonly session_id?: string
  /** The id of an earlier record. */
  readonly parent_id?: string
  /** 32 lowercase hexadecimal digits (W3C Trace Context). */
  readonly trace_id?: string
  /** 16 lowercase hexadecimal digits. */
  readonly span_id?: string
  /** RFC 3339, as the submitter claims it. */
  readonly claimed_time?: string
  readonly action?: string
  readonly metrics?: RecordMetrics
  readonly app_version?: string
  readonly environment?: string
  readonly retention_class?: string
  /** The version of the policy in force. */
  readonly policy?: string
  /** The id of the record that a record of type correction corrects. */
  readonly corrects?: string
  readonly signature?: RecordSignature
}

export interface RecordModel {
  readonly name?: string
  readonly provider?: string
  readonly version?: string
  readonly version_hash?: string
  readonly parameters?: Readonly<Record<string, JsonValue>>
}

export interface RecordMetrics {
  readonly input_tokens?: number
  readonly output_tokens?: number
  readonly latency_ms?: number
  readonly cost?: number
  /** ISO 4217. */
  readonly currency?: string
}

export interface RecordSignature {
  readonly key_id: string
  /** Base64url of an Ed25519 signature. */
  readonly value: string
}

/** A guardrail's verdict, without its reason. */
export interface ClearGuardrail {
  readonly name?: string
  readonly version?: string
  readonly verdict?: string
  readonly score?: number
}

/** A tool call, without its arguments, result and error. */
export interface ClearToolCall {
  readonly id?: string
  readonly name?: string
}

/** A record as it is submitted; members that are not named here may stand beside these, at any place. */
export interface SubmittedRecord extends ClearMembers {
  readonly type: RecordType | LogRecordType
  readonly tenant?: string
  readonly actor?: string
  readonly subject?: string
  readonly resource?: string
  readonly input?: {
    readonly prompt?: string
    readonly messages?: readonly JsonValue[]
    readonly system_prompt?: string
    readonly system_prompt_version?: string
    readonly documents?: readonly JsonObject[]
    readonly data?: JsonValue
  }
  readonly model?: RecordModel
  readonly guardrails?: readonly (ClearGuardrail & { readonly reason?: string })[]
  readonly output?: {
    readonly text?: string
    readonly messages?: readonly JsonValue[]
    readonly finish_reason?: string
    readonly data?: JsonValue
  }
  readonly tool_calls?: readonly (ClearToolCall & {
    readonly arguments?: JsonValue
    readonly result?: JsonValue
    readonly error?: JsonValue
  })[]
  readonly decision?: { readonly outcome?: JsonValue; readonly reason?: string }
  readonly effects?: readonly JsonValue[]
  /** Base64url of 16 random bytes or more; a signed record has one. */
  readonly nonce?: string
  readonly extra?: JsonObject
}

/** A record as it stands in the log, read from its leaf. */
export interface RecordLeaf extends ClearMembers {
  readonly version: typeof RECORD_VERSION
  /** UUIDv7. */
  readonly id: string
  /** The server's time, UTC: `2026-11-21T12:00:00.000Z`. */
  readonly time: string
  readonly tenant: string
  /** Pseudonyms: `p_` and 22 base64url characters. */
  readonly actor?: string
  readonly subject?: string
  /** What is left of the objects and arrays of the submission: the members in the clear. */
  readonly input?: {
    readonly system_prompt_version?: string
    readonly documents?: readonly never[]
  }
  readonly model?: RecordModel
  readonly guardrails?: readonly ClearGuardrail[]
  readonly output?: Readonly<Record<string, never>>
  readonly tool_calls?: readonly ClearToolCall[]
  readonly decision?: Readonly<Record<string, never>>
  readonly effects?: readonly never[]
  /** From the pointer of each member that was taken out to base64url(SHA-256(disclosure)). */
  readonly commitments: Readonly<Record<string, string>>
}

/** Members of a record that are short, and there in some: what a list of records shows beside the ones all have. */
export type ShortMember =
  | 'request_id'
  | 'session_id'
  | 'parent_id'
  | 'trace_id'
  | 'span_id'
  | 'claimed_time'
  | 'actor'
  | 'subject'
  | 'action'
  | 'metrics'
  | 'app_version'
  | 'environment'
  | 'retention_class'
  | 'policy'
  | 'corrects'

/** JSON as it came in, or a value that can be written as JSON. */
export type RecordSource = Uint8Array | string | JsonObject | SubmittedRecord

/**
 * Reads a submission.
 * @throws MALFORMED with the JSON Pointer of the member that is wrong, and what it should be
 * @throws TOO_LARGE beyond 8 MiB
 */
export function parseSubmission(json: RecordSource): SubmittedRecord {
  return readSubmission(json, 'submitter')
}

/** As parseSubmission, for what the log itself records: its types and no others. @throws MALFORMED, TOO_LARGE */
export function parseLogSubmission(json: RecordSource): SubmittedRecord {
  return readSubmission(json, 'log')
}

function readSubmission(json: RecordSource, by: 'submitter' | 'log'): SubmittedRecord {
  // A value is written first: whatever it may turn into later, what was checked is what is kept.
  const text =
    typeof json === 'string' || ArrayBuffer.isView(json)
      ? json
      : canonicalJson(json as unknown as JsonObject)
  const value = parseJson(text, { size: MAX_SUBMISSION_SIZE, depth: MAX_RECORD_DEPTH })
  if (!isJsonObject(value)) throw malformed('the top level: a record is a JSON object')
  checkSubmission(value, by)
  return value as unknown as SubmittedRecord
}

/** A submission as plain JSON. */
export function jsonOf(submission: SubmittedRecord): JsonObject {
  return submission as unknown as JsonObject
}

export interface RecordToPrepare {
  /** As parseSubmission gave it. */
  readonly submission: SubmittedRecord
  /** A new UUIDv7. */
  readonly id: string
  /** Milliseconds since 1970. */
  readonly time: number
  /** The tenant it was accepted for. */
  readonly tenant: string
  /** One for each person that the submission names. */
  readonly pseudonyms: { readonly actor?: string; readonly subject?: string }
  /** Random bytes: 16 for each of so many salts. */
  readonly salts: (count: number) => Uint8Array
}

export interface PreparedRecord {
  /** What is hashed and logged. */
  readonly leaf: Uint8Array
  /** What opens its commitments, in the order of their pointers. Secret. */
  readonly disclosures: readonly Disclosure[]
}

/**
 * Makes the leaf of a submission, and the disclosures of all that is not in it.
 * @throws TOO_LARGE when the leaf would have more than 65,535 bytes, or a disclosure more than fits
 * @throws MALFORMED when the submission names another tenant, or the rest would not give a record
 */
export function prepareRecord(record: RecordToPrepare): PreparedRecord {
  const { submission, id, time, tenant, pseudonyms } = record
  if (submission.tenant !== undefined && submission.tenant !== tenant) {
    throw malformed(`/tenant: the record was submitted for ${tenant}; name that or leave it out`)
  }
  const { clear, taken } = splitSubmission(jsonOf(submission))
  if (taken.length > MAX_COMMITMENTS) {
    const message = `the record has ${taken.length} members to commit to; ${MAX_COMMITMENTS} at most`
    throw new CairnError('TOO_LARGE', `${message}. Split it into several records`)
  }
  const salts = record.salts(taken.length)
  const disclosures = taken.map(({ pointer, value }, i) =>
    makeDisclosure(pointer, value, salts.subarray(i * SALT_SIZE, (i + 1) * SALT_SIZE)),
  )
  const leaf: Record<string, JsonValue> = {
    ...clear,
    ...pseudonyms,
    version: RECORD_VERSION,
    id,
    time: new Date(time).toISOString(),
    tenant,
    commitments: Object.fromEntries(
      disclosures.map((one) => [one.pointer, toBase64Url(disclosureDigest(one))]),
    ),
  }
  // The last look before anything is published: only what the table allows in the clear.
  checkLeaf(leaf)
  const bytes = utf8(canonicalJson(leaf))
  checkLeafSize(bytes)
  return { leaf: bytes, disclosures }
}

function checkLeafSize(leaf: Uint8Array): void {
  if (leaf.length > MAX_RECORD_SIZE) {
    const message = `the record has ${leaf.length} bytes in the log; ${MAX_RECORD_SIZE} at most`
    throw new CairnError('TOO_LARGE', `${message}. Split it into several records`)
  }
}

/**
 * Reads a record from its leaf.
 * @throws MALFORMED on anything that prepareRecord would not write
 * @throws TOO_LARGE beyond 65,535 bytes
 */
export function parseRecord(leaf: Uint8Array): RecordLeaf {
  checkLeafSize(leaf)
  const text = fromUtf8(leaf, 'the record')
  const value = parseJson(text, { size: MAX_RECORD_SIZE, depth: MAX_RECORD_DEPTH })
  if (!isJsonObject(value)) throw malformed('the top level: a record is a JSON object')
  checkLeaf(value)
  if (canonicalJson(value) !== text) {
    throw malformed('the top level: the record is not canonical JSON (RFC 8785)')
  }
  return value as unknown as RecordLeaf
}
