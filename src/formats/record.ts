/**
 * An audit record: what an AI system did, as it is submitted and as it stands in the log (spec/record.md). The leaf is
 * canonical JSON (RFC 8785) of at most 65,535 bytes. Whatever names a person or is payload is taken out of it; in its
 * place the leaf commits to salted disclosures, which can be shown one by one, or destroyed.
 */
import type { JsonObject, JsonValue } from './json-strict.ts'

/** `version` of every record. */
export const RECORD_VERSION = 'cairn-record/v1'

/** What a submitter can record. */
export const RECORD_TYPES = [
  'llm_request',
  'tool_call',
  'decision',
  'guardrail',
  'data_access',
  'model_training',
  'model_evaluation',
  'model_promotion',
  'model_deployment',
  'inference_request',
  'inference_response',
  'configuration_change',
  'permission_change',
  'deletion',
  'correction',
] as const
/** What only the log itself records. */
export const LOG_RECORD_TYPES = ['access', 'erasure', 'hold', 'grant', 'retention'] as const

export type RecordType = (typeof RECORD_TYPES)[number]
export type LogRecordType = (typeof LOG_RECORD_TYPES)[number]

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
