/**
 * The one table of a record's members. Validation, what stays in the clear, the JSON Schema and the table in
 * spec/record.md all follow from it. Whatever is not in it may be submitted at any place; it is kept under `/extra`.
 */
import {
  AMOUNT,
  ANYTHING,
  arrayOf,
  COUNT,
  CURRENCY,
  LIST,
  LOG_TIME,
  line,
  NAME,
  NONCE,
  NUMBER,
  OBJECT,
  oneOf,
  SIGNATURE,
  SPAN_ID,
  TEXT,
  TIME,
  TRACE_ID,
  UUID_V7,
  type ValueType,
  WHOLE_NUMBER,
} from './record-values.ts'

/** `version` of every record. */
export const RECORD_VERSION = 'cairn-record/v1'
/** The largest submission, in bytes. */
export const MAX_SUBMISSION_SIZE = 8_388_608
/** How deep a submission may be nested. */
export const MAX_RECORD_DEPTH = 32
/** The largest record in the log, in bytes: that of any leaf. */
export const MAX_RECORD_SIZE = 65_535
/** The most commitments a record has room for. */
export const MAX_COMMITMENTS = 1000

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

/**
 * What becomes of a member in the log:
 * - `clear`: it stays. Of an object or array the frame stays, and each member below goes its own way.
 * - `committed`: it is taken out, with all that is in it, and committed to.
 * - `person`: as committed, and a pseudonym takes its place.
 * - `tenant`: as committed, and the tenant that the log knows takes its place.
 * - `extra`: it is gathered with all members that are not in the table, and committed to with them.
 * - `log`: it is given by the log; an error in a submission.
 */
export type Treatment = 'clear' | 'committed' | 'person' | 'tenant' | 'extra' | 'log'

export interface MemberRule {
  /** A JSON Pointer in which `*` stands for any index. */
  readonly pointer: string
  readonly treatment: Treatment
  readonly type: ValueType
  readonly about: string
}

type Row = readonly [pointer: string, treatment: Treatment, type: ValueType, about: string]

const LINE = line(256)
const PERSON = line(512)
const ANY_TYPE = oneOf([...RECORD_TYPES, ...LOG_RECORD_TYPES])

// biome-ignore format: a table
const ROWS: readonly Row[] = [
  ['/version', 'log', oneOf([RECORD_VERSION]), 'the version of this format'],
  ['/id', 'log', UUID_V7, 'its id'],
  ['/time', 'log', LOG_TIME, 'when the log took it'],
  ['/commitments', 'log', OBJECT, 'from the pointer of each member taken out to its commitment'],
  ['/type', 'clear', ANY_TYPE, 'what happened; the one member that must be there'],
  ['/request_id', 'clear', LINE, 'the request that the record is part of'],
  ['/session_id', 'clear', LINE, 'the session or conversation'],
  ['/parent_id', 'clear', UUID_V7, 'the record that led to this one'],
  ['/trace_id', 'clear', TRACE_ID, 'the trace it belongs to'],
  ['/span_id', 'clear', SPAN_ID, 'its span in the trace'],
  ['/tenant', 'tenant', NAME, 'the tenant; in the log, the one it was accepted for'],
  ['/claimed_time', 'clear', TIME, 'when it happened, by the clock of the submitter'],
  ['/actor', 'person', PERSON, 'who acted'],
  ['/subject', 'person', PERSON, 'whom it is about: the data subject'],
  ['/action', 'clear', LINE, 'what was done'],
  ['/resource', 'committed', line(2048), 'what it was done to'],
  ['/input', 'clear', OBJECT, 'what went in'],
  ['/input/prompt', 'committed', TEXT, 'the prompt'],
  ['/input/messages', 'committed', LIST, 'the messages of a conversation'],
  ['/input/system_prompt', 'committed', TEXT, 'the system prompt'],
  ['/input/system_prompt_version', 'clear', LINE, 'its version'],
  ['/input/documents', 'clear', arrayOf(500), 'the documents retrieved'],
  ['/input/documents/*', 'committed', OBJECT, 'one of them: id, version, hash and whatever else is known of it'],
  ['/input/data', 'committed', ANYTHING, 'what is neither prompt nor message: features, an image'],
  ['/model', 'clear', OBJECT, 'the model'],
  ['/model/name', 'clear', LINE, 'its name'],
  ['/model/provider', 'clear', LINE, 'who provides it'],
  ['/model/version', 'clear', LINE, 'its version'],
  ['/model/version_hash', 'clear', LINE, 'the hash of its weights or artefact'],
  ['/model/parameters', 'clear', OBJECT, 'how it samples'],
  ['/model/parameters/temperature', 'clear', NUMBER, 'sampling parameters, as the model takes them'],
  ['/model/parameters/top_p', 'clear', NUMBER, 'the same'],
  ['/model/parameters/top_k', 'clear', NUMBER, 'the same'],
  ['/model/parameters/min_p', 'clear', NUMBER, 'the same'],
  ['/model/parameters/frequency_penalty', 'clear', NUMBER, 'the same'],
  ['/model/parameters/presence_penalty', 'clear', NUMBER, 'the same'],
  ['/model/parameters/repetition_penalty', 'clear', NUMBER, 'the same'],
  ['/model/parameters/max_tokens', 'clear', COUNT, 'the longest answer allowed'],
  ['/model/parameters/n', 'clear', COUNT, 'answers asked for'],
  ['/model/parameters/seed', 'clear', WHOLE_NUMBER, 'what its randomness came from'],
  ['/guardrails', 'clear', arrayOf(500), 'the guardrails that judged it'],
  ['/guardrails/*', 'clear', OBJECT, 'one of them'],
  ['/guardrails/*/name', 'clear', LINE, 'its name'],
  ['/guardrails/*/version', 'clear', LINE, 'its version'],
  ['/guardrails/*/verdict', 'clear', LINE, 'what it said: pass, block, ...'],
  ['/guardrails/*/score', 'clear', NUMBER, 'how sure it was'],
  ['/guardrails/*/reason', 'committed', TEXT, 'why'],
  ['/output', 'clear', OBJECT, 'what came out'],
  ['/output/text', 'committed', TEXT, 'the answer'],
  ['/output/messages', 'committed', LIST, 'the answer, as messages'],
  ['/output/finish_reason', 'committed', LINE, 'why it ended'],
  ['/output/data', 'committed', ANYTHING, 'what is no text: scores, an image'],
  ['/tool_calls', 'clear', arrayOf(500), 'the tools that were called'],
  ['/tool_calls/*', 'clear', OBJECT, 'one call'],
  ['/tool_calls/*/id', 'clear', LINE, 'its id'],
  ['/tool_calls/*/name', 'clear', LINE, 'the name of the tool'],
  ['/tool_calls/*/arguments', 'committed', ANYTHING, 'what the tool was given'],
  ['/tool_calls/*/result', 'committed', ANYTHING, 'what it answered'],
  ['/tool_calls/*/error', 'committed', ANYTHING, 'how it failed'],
  ['/decision', 'clear', OBJECT, 'what was decided'],
  ['/decision/outcome', 'committed', ANYTHING, 'the decision'],
  ['/decision/reason', 'committed', TEXT, 'why'],
  ['/effects', 'clear', arrayOf(500), 'what changed in the world'],
  ['/effects/*', 'committed', ANYTHING, 'one change'],
  ['/metrics', 'clear', OBJECT, 'what it took'],
  ['/metrics/input_tokens', 'clear', COUNT, 'tokens read'],
  ['/metrics/output_tokens', 'clear', COUNT, 'tokens written'],
  ['/metrics/latency_ms', 'clear', AMOUNT, 'milliseconds until the answer was there'],
  ['/metrics/cost', 'clear', AMOUNT, 'the price'],
  ['/metrics/currency', 'clear', CURRENCY, 'of the cost'],
  ['/app_version', 'clear', LINE, 'the version of the application'],
  ['/environment', 'clear', LINE, 'production, staging, ...'],
  ['/retention_class', 'clear', NAME, 'how long the payload is kept'],
  ['/policy', 'clear', LINE, 'the version of the policy in force'],
  ['/corrects', 'clear', UUID_V7, 'the record that this one corrects; of a correction, and of nothing else'],
  ['/nonce', 'committed', NONCE, 'makes the signature say nothing about the rest; goes with a signature'],
  ['/signature', 'clear', OBJECT, "the submitter's signature; both members, and no others"],
  ['/signature/key_id', 'clear', LINE, 'which key signed'],
  ['/signature/value', 'clear', SIGNATURE, 'the signature'],
  ['/extra', 'extra', OBJECT, 'whatever else is worth keeping'],
]

/** Every member of a record, in the order in which a request flows. */
export const MEMBER_RULES: readonly MemberRule[] = ROWS.map(
  ([pointer, treatment, type, about]) => ({
    pointer,
    treatment,
    type,
    about,
  }),
)

/** A row of the table with the rows below it. */
export interface MemberNode extends MemberRule {
  readonly members: ReadonlyMap<string, MemberNode>
  /** What stands in the array, when it is one. */
  readonly item?: MemberNode
}

function below(parent: string): Pick<MemberNode, 'members' | 'item'> {
  const children = MEMBER_RULES.filter(
    ({ pointer }) => pointer.slice(0, pointer.lastIndexOf('/')) === parent,
  ).map((rule): MemberNode => ({ ...rule, ...below(rule.pointer) }))
  const item = children.find(({ pointer }) => pointer.endsWith('/*'))
  const named = children.filter((child) => child !== item)
  const members = new Map(
    named.map((child) => [child.pointer.slice(parent.length + 1), child] as const),
  )
  return item === undefined ? { members } : { members, item }
}

/** The table as a tree; the root is the record itself. */
export const RECORD_NODE: MemberNode = {
  pointer: '',
  treatment: 'clear',
  type: OBJECT,
  about: 'the record',
  ...below(''),
}

/** What the log gives, and a submission must not have. */
export const LOG_GIVEN: readonly string[] = MEMBER_RULES.filter(
  ({ treatment }) => treatment === 'log',
).map(({ pointer }) => pointer.slice(1))
