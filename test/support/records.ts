/** Records for tests: prepared with salts that are the same each time, and submissions of any shape. */
import { createHash } from 'node:crypto'
import fc from 'fast-check'
import { CairnError } from '../../src/errors.ts'
import type { JsonObject, JsonValue } from '../../src/formats/json-strict.ts'
import {
  type PreparedRecord,
  parseLogSubmission,
  parseSubmission,
  prepareRecord,
  type RecordSource,
  type RecordToPrepare,
} from '../../src/formats/record.ts'
import { codePoint } from './code-points.ts'

export const RECORD_ID = '019a9bd4-5c00-7abc-8def-0123456789ab'
export const OTHER_ID = '019a9bd4-5c00-7abc-9def-0123456789ab'
export const RECORD_TIME: number = Date.UTC(2026, 10, 21, 12)
export const ACTOR = 'p_AAAAAAAAAAAAAAAAAAAAAA'
export const SUBJECT = 'p_abcdefghijklmnopqrstuw'
export const LEAST = {
  type: 'llm_request',
  request_id: 'req-1',
  subject: 'ann@example.com',
  model: { name: 'm' },
  input: { prompt: '...' },
  output: { text: '...' },
} as const
export const NONCE = 'AAECAwQFBgcICQoLDA0ODw'
export const SIGNATURE = { key_id: 'key-1', value: `${'A'.repeat(85)}Q` }

/** Salts that are never the same, but the same in the next run: SHA-256 of a counter. */
export function countedSalts(): (count: number) => Uint8Array {
  let drawn = 0
  return (count) =>
    new Uint8Array(
      Buffer.concat(
        Array.from({ length: count }, () =>
          createHash('sha256').update(`salt ${drawn++}`).digest().subarray(0, 16),
        ),
      ),
    )
}

/** The record of a submission, with a pseudonym for whoever it names. */
export function prepared(
  source: RecordSource,
  more: Partial<RecordToPrepare> & { readonly by?: 'log' } = {},
): PreparedRecord {
  const submission = more.by === 'log' ? parseLogSubmission(source) : parseSubmission(source)
  return prepareRecord({
    submission,
    id: RECORD_ID,
    time: RECORD_TIME,
    tenant: submission.tenant ?? 'acme',
    pseudonyms: {
      ...(submission.actor !== undefined && { actor: ACTOR }),
      ...(submission.subject !== undefined && { subject: SUBJECT }),
    },
    salts: countedSalts(),
    ...more,
  })
}

/** What a refusal says, after its code; fails when nothing is refused, or with another error. */
export function refusalOf(run: () => unknown): string {
  try {
    run()
  } catch (error) {
    if (!(error instanceof CairnError)) throw error
    return `${error.code} ${error.message}`
  }
  return 'accepted'
}

/** Text of any characters, controls and those beyond U+FFFF among them. */
export const anyText: fc.Arbitrary<string> = fc.oneof(
  fc.string({ unit: codePoint, maxLength: 12 }),
  fc.string({ maxLength: 12 }),
  fc.constantFrom(
    '',
    '__proto__',
    'constructor',
    '/',
    '~',
    '~1',
    '0',
    'ä',
    '\u2028',
    '"\\\n\u0000',
  ),
)

/** Numbers that I-JSON holds. */
export const anyNumber: fc.Arbitrary<number> = fc.oneof(
  fc.maxSafeInteger(),
  fc.double({ min: -Number.MAX_SAFE_INTEGER, max: Number.MAX_SAFE_INTEGER, noNaN: true }),
  fc.constantFrom(0, -0, 0.1, 1e-7, 5e-324, 0.1 + 0.2, Number.MAX_SAFE_INTEGER),
)

export const anyJson: fc.Arbitrary<JsonValue> = fc.letrec<{ value: JsonValue }>((tie) => ({
  value: fc.oneof(
    { maxDepth: 3, withCrossShrink: true },
    fc.oneof(fc.constant(null), fc.boolean(), anyNumber, anyText),
    fc.array(tie('value'), { maxLength: 4 }),
    fc.dictionary(anyText, tie('value'), { maxKeys: 4, noNullPrototype: true }),
  ),
})).value

const line = fc
  .string({ unit: 'grapheme', minLength: 1, maxLength: 30 })
  .filter((text) => !/[\p{Cc}\u200e\u200f\u2028-\u202e\u2066-\u2069\ufeff]/u.test(text))
const count = fc.nat()
const finite = fc.double({ min: -1e9, max: 1e9, noNaN: true })
const amount = fc.double({ min: 0, max: 1e9, noNaN: true })
const name = fc.stringMatching(/^[A-Za-z0-9][A-Za-z0-9._-]{0,20}$/)

type Shape = Readonly<Record<string, fc.Arbitrary<JsonValue>>>

/** An object with some of these members, and some that no table names, put in any order. */
function some(
  shape: Shape,
  more: fc.Arbitrary<JsonObject> = unknownMembers,
): fc.Arbitrary<JsonObject> {
  const known = fc.record(shape, { requiredKeys: [], noNullPrototype: true })
  return fc.tuple(known, more, fc.boolean()).map(([own, others, first]): JsonObject => {
    const names = Object.keys(shape)
    const foreign = Object.entries(others).filter(([member]) => !names.includes(member))
    const all = [...Object.entries(own), ...foreign]
    return Object.fromEntries(first ? all : all.reverse()) as JsonObject
  })
}

const unknownMembers = fc.dictionary(anyText, anyJson, { maxKeys: 2, noNullPrototype: true })

const shape: Shape = {
  request_id: line,
  session_id: line,
  parent_id: fc.constant(OTHER_ID),
  trace_id: fc.constant('0af7651916cd43dd8448eb211c80319c'),
  span_id: fc.constant('b7ad6b7169203331'),
  tenant: name,
  claimed_time: fc.constantFrom('2026-11-21T12:00:00Z', '2024-02-29T23:59:59.123456789+05:30'),
  actor: line,
  subject: line,
  action: line,
  resource: line,
  input: some({
    prompt: anyText,
    messages: fc.array(anyJson, { maxLength: 3 }),
    system_prompt: anyText,
    system_prompt_version: line,
    documents: fc.array(unknownMembers, { maxLength: 12 }),
    data: anyJson,
  }),
  model: some({
    name: line,
    provider: line,
    version: line,
    version_hash: line,
    parameters: some({
      temperature: finite,
      top_p: finite,
      top_k: finite,
      max_tokens: count,
      n: count,
      seed: fc.oneof<fc.Arbitrary<JsonValue>[]>(count, fc.constant('18446744073709551615')),
    }),
  }),
  guardrails: fc.array(
    some({ name: line, version: line, verdict: line, score: finite, reason: anyText }),
    { maxLength: 3 },
  ),
  output: some({
    text: anyText,
    messages: fc.array(anyJson, { maxLength: 3 }),
    finish_reason: line,
    data: anyJson,
  }),
  tool_calls: fc.array(
    some({ id: line, name: line, arguments: anyJson, result: anyJson, error: anyJson }),
    { maxLength: 3 },
  ),
  decision: some({ outcome: anyJson, reason: anyText }),
  effects: fc.array(anyJson, { maxLength: 12 }),
  metrics: some({
    input_tokens: count,
    output_tokens: count,
    latency_ms: amount,
    cost: amount,
    currency: fc.constantFrom('EUR', 'USD'),
  }),
  app_version: line,
  environment: line,
  retention_class: name,
  policy: line,
  nonce: fc
    .uint8Array({ minLength: 16, maxLength: 64 })
    .map((b) => Buffer.from(b).toString('base64url')),
  signature: fc.constant(SIGNATURE),
  extra: unknownMembers,
}

const LOG_GIVEN = ['version', 'id', 'time', 'commitments', 'type', 'corrects']

/** Submissions of any shape that is accepted. */
export const anySubmission: fc.Arbitrary<JsonObject> = fc
  .tuple(
    fc.constantFrom<string[]>('llm_request', 'tool_call', 'decision', 'deletion', 'correction'),
    some(shape),
  )
  .map(([type, members]) => {
    const kept = Object.entries(members).filter(([member]) => !LOG_GIVEN.includes(member))
    const submission = { ...Object.fromEntries(kept), type }
    return {
      ...submission,
      ...(type === 'correction' && { corrects: OTHER_ID }),
      ...('signature' in submission && !('nonce' in submission) && { nonce: NONCE }),
    } as JsonObject
  })
