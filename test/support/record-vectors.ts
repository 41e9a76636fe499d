/** The vectors of audit records: submissions with their records and disclosures, and what must be refused of either. */
import { ed25519PublicKey } from '#ed25519'
import { toBase64Url, toHex, utf8 } from '../../src/bytes.ts'
import { canonicalJson } from '../../src/formats/canonical-json.ts'
import { formatDisclosure } from '../../src/formats/disclosure.ts'
import type { JsonObject, JsonValue } from '../../src/formats/json-strict.ts'
import type { RecordToPrepare } from '../../src/formats/record.ts'
import { signedBytes, signSubmission } from '../../src/formats/record-signature.ts'
import { hashLeaf } from '../../src/merkle/hash.ts'
import {
  countedSalts,
  LEAST,
  NONCE,
  OTHER_ID,
  prepared,
  RECORD_ID,
  RECORD_TIME,
} from './records.ts'

export interface RecordVector {
  readonly name: string
  /** As it was submitted, to the letter. */
  readonly submission: string
  readonly by: 'submitter' | 'log'
  readonly id: string
  /** Milliseconds since 1970. */
  readonly time: number
  readonly tenant: string
  readonly pseudonyms: RecordToPrepare['pseudonyms']
  /** Base64url, in the order of the pointers. */
  readonly salts: readonly string[]
  /** The leaf, as text. */
  readonly record: string
  readonly leaf_hash: string
  /** In the order of their pointers. */
  readonly disclosures: readonly string[]
  /** When it is signed: the key, and what was signed. */
  readonly public_key?: string
  readonly signed?: string
}

export interface RefusedVector {
  readonly reason: string
  /** Where the trouble is: a JSON Pointer. */
  readonly pointer: string
  readonly submission: string
}

export interface RecordVectors {
  readonly about: string
  readonly canonical: readonly { readonly json: string; readonly canonical: string }[]
  readonly records: readonly RecordVector[]
  readonly submissions_refused: readonly RefusedVector[]
  readonly records_refused: readonly { readonly reason: string; readonly record: string }[]
  readonly disclosures_refused: readonly { readonly reason: string; readonly disclosure: string }[]
  readonly disclosures_foreign: readonly {
    readonly reason: string
    readonly record: string
    readonly disclosure: string
  }[]
  readonly signatures_refused: readonly {
    readonly reason: string
    readonly submission: string
    readonly public_key: string
  }[]
}

const SEED = new Uint8Array(32).fill(0x55)
const PUBLIC_KEY = toHex(ed25519PublicKey(SEED))

function vector(
  name: string,
  submission: string,
  by: 'submitter' | 'log' = 'submitter',
): RecordVector {
  const salts: string[] = []
  const draw = countedSalts()
  const { leaf, disclosures } = prepared(submission, {
    ...(by === 'log' && { by }),
    salts(count) {
      const drawn = draw(count)
      for (let i = 0; i < count; i++) salts.push(toBase64Url(drawn.subarray(16 * i, 16 * i + 16)))
      return drawn
    },
  })
  const record = Buffer.from(leaf).toString()
  const { tenant, actor, subject } = JSON.parse(record) as Record<string, string>
  return {
    name,
    submission,
    by,
    id: RECORD_ID,
    time: RECORD_TIME,
    tenant: tenant!,
    pseudonyms: {
      ...(actor !== undefined && { actor }),
      ...(subject !== undefined && { subject }),
    },
    salts,
    record,
    leaf_hash: toHex(hashLeaf(leaf)),
    disclosures: disclosures.map(formatDisclosure),
  }
}

const LEAST_TEXT = JSON.stringify(LEAST)
const SIGNED = signSubmission({ ...LEAST, nonce: NONCE }, { keyId: 'payments-2026', seed: SEED })

const TRAIL: JsonObject = {
  type: 'llm_request',
  request_id: 'req-7',
  session_id: 'session-2',
  parent_id: OTHER_ID,
  trace_id: '0af7651916cd43dd8448eb211c80319c',
  span_id: 'b7ad6b7169203331',
  tenant: 'acme',
  claimed_time: '2026-11-21T12:59:59.250+01:00',
  actor: 'support-bot',
  subject: 'ann@example.com',
  action: 'answer',
  resource: 'case/2026/117',
  input: {
    prompt: 'Where is my order?',
    system_prompt: 'You are kind.',
    system_prompt_version: 'v3',
    documents: [
      { id: 'faq-12', version: '4', hash: 'sha256:9f86d081884c7d65' },
      { id: 'order-117', version: '1', owner: 'Ann' },
    ],
  },
  model: {
    name: 'assistant-large',
    provider: 'example',
    version: '2026-10',
    version_hash: 'sha256:60303ae22b998861',
    parameters: { temperature: 0.2, top_p: 1, seed: '18446744073709551615', stop: ['Ann'] },
  },
  guardrails: [
    { name: 'pii', version: '2', verdict: 'pass', score: 0.02 },
    { name: 'tone', verdict: 'block', reason: 'too blunt', threshold: 0.5 },
  ],
  output: { text: 'On its way – “tomorrow”. 😀', finish_reason: 'stop' },
  tool_calls: [
    { id: 'call-1', name: 'find_order', arguments: { email: 'ann@example.com' }, result: [117] },
    { id: 'call-2', name: 'notify', error: null },
  ],
  decision: { outcome: { refund: false }, reason: 'not late' },
  effects: ['mail queued', { ticket: 9 }],
  metrics: {
    input_tokens: 812,
    output_tokens: 64,
    latency_ms: 840.5,
    cost: 0.00125,
    currency: 'EUR',
  },
  app_version: '1.4.0',
  environment: 'production',
  retention_class: 'ai-act-high-risk',
  policy: 'policy-2026-11',
  extra: { team: 'blue' },
  user: 'Ann',
}

/** The record of a vector after a change, written canonically again. */
function changed(base: RecordVector, change: (record: Record<string, JsonValue>) => void): string {
  const record = JSON.parse(base.record) as Record<string, JsonValue>
  change(record)
  return canonicalJson(record)
}

const least = vector('the least', LEAST_TEXT)

function recordsRefused(): RecordVectors['records_refused'] {
  const trail = vector('a whole trail', JSON.stringify(TRAIL))
  const refused = (reason: string, record: string) => ({ reason, record })
  return [
    refused('white space', least.record.replace(',', ', ')),
    refused('a newline at the end', `${least.record}\n`),
    refused(
      'members in another order',
      JSON.stringify({ type: 'llm_request', ...JSON.parse(least.record) }),
    ),
    refused('an escape too many', least.record.replace('"req-1"', '"\\u0072eq-1"')),
    refused('a number in another spelling', trail.record.replace('840.5', '8405e-1')),
    refused(
      'another version',
      changed(least, (record) => (record.version = 'cairn-record/v2')),
    ),
    refused(
      'no tenant',
      changed(least, (record) => delete record.tenant),
    ),
    refused(
      'an unknown member',
      changed(least, (record) => (record.user = 'Ann')),
    ),
    refused(
      'payload in the clear',
      changed(least, (record) => (record.input = { prompt: '...' })),
    ),
    refused(
      'a person in the clear',
      changed(least, (record) => (record.subject = 'ann@example.com')),
    ),
    refused(
      'a pseudonym without a commitment',
      changed(least, (record) => (record.actor = 'p_AAAAAAAAAAAAAAAAAAAAAA')),
    ),
    refused(
      'the frame of a commitment is gone',
      changed(least, (record) => delete record.input),
    ),
    refused(
      'a commitment in hexadecimal',
      changed(
        least,
        (record) =>
          ((record.commitments as Record<string, JsonValue>)['/subject'] = 'ab'.repeat(32)),
      ),
    ),
    refused(
      'a commitment to what is in the clear',
      changed(
        least,
        (record) =>
          ((record.commitments as Record<string, JsonValue>)['/model/name'] = `${'A'.repeat(42)}E`),
      ),
    ),
    refused(
      'not every document is committed to',
      changed(
        trail,
        (record) => delete (record.commitments as Record<string, JsonValue>)['/input/documents/0'],
      ),
    ),
    refused(
      'a signature without a nonce',
      changed(
        vector('', JSON.stringify(SIGNED)),
        (record) => delete (record.commitments as Record<string, JsonValue>)['/nonce'],
      ),
    ),
  ]
}

function submissionsRefused(): RecordVectors['submissions_refused'] {
  const refused = (
    reason: string,
    pointer: string,
    submission: string | object,
  ): RefusedVector => ({
    reason,
    pointer,
    submission: typeof submission === 'string' ? submission : JSON.stringify(submission),
  })
  return [
    refused('not an object', '', '[]'),
    refused('no type', '/type', {}),
    refused('an unknown type', '/type', { type: 'chat' }),
    refused('a type of the log', '/type', { type: 'erasure' }),
    refused('a member that the log gives', '/id', { type: 'deletion', id: RECORD_ID }),
    refused('a member twice', '/type', '{"type":"deletion","type":"deletion"}'),
    refused(
      'a member twice, once escaped',
      '/extra/a',
      '{"type":"deletion","extra":{"a":1,"\\u0061":1}}',
    ),
    refused(
      'half of a surrogate pair',
      '/input/prompt',
      '{"type":"llm_request","input":{"prompt":"\\ud800"}}',
    ),
    refused(
      'a number beyond 2^53-1',
      '/extra/n',
      '{"type":"deletion","extra":{"n":9007199254740992}}',
    ),
    refused(
      'a number with too many digits',
      '/metrics/cost',
      '{"type":"llm_request","metrics":{"cost":0.1000000000000000001}}',
    ),
    refused('a byte-order mark', '', '\ufeff{"type":"deletion"}'),
    refused('something after it', '', '{"type":"deletion"} {}'),
    refused('null for a member that is not there', '/session_id', {
      type: 'deletion',
      session_id: null,
    }),
    refused('a line break in a line', '/request_id', { type: 'deletion', request_id: 'a\nb' }),
    refused('text that reads backwards', '/request_id', {
      type: 'deletion',
      request_id: 'a\u202eb',
    }),
    refused('a day that is none', '/claimed_time', {
      type: 'deletion',
      claimed_time: '2026-02-29T12:00:00Z',
    }),
    refused('a trace id in capitals', '/trace_id', { type: 'deletion', trace_id: 'AB'.repeat(16) }),
    refused('a negative count', '/metrics/input_tokens', {
      type: 'llm_request',
      metrics: { input_tokens: -1 },
    }),
    refused('a correction of nothing', '/corrects', { type: 'correction' }),
    refused('a correction that is none', '/corrects', { type: 'deletion', corrects: OTHER_ID }),
    refused('a signature without a nonce', '/nonce', { ...SIGNED, nonce: undefined }),
    refused(
      '33 levels',
      '/extra/a',
      `{"type":"deletion","extra":{"a":${'['.repeat(31)}${']'.repeat(31)}}}`,
    ),
  ]
}

function disclosuresRefused(): RecordVectors['disclosures_refused'] {
  const salt = least.salts[0]!
  const good = `["${salt}","/input/prompt",{"a":1,"b":2}]`
  const refused = (reason: string, json: string) => ({
    reason,
    disclosure: toBase64Url(utf8(json)),
  })
  return [
    refused('white space', good.replace(',', ', ')),
    refused('members in another order', good.replace('"a":1,"b":2', '"b":2,"a":1')),
    refused('a member twice', good.replace('"a":1,', '"a":1,"a":1,')),
    refused('a number in another spelling', good.replace('1', '1.0')),
    refused('a salt of 15 bytes', good.replace(salt, salt.slice(2))),
    refused('a salt in a second spelling', good.replace(salt, `${salt.slice(0, -1)}B`)),
    refused('two items', `["${salt}","/input/prompt"]`),
    refused('a name for a pointer', good.replace('/input/prompt', 'prompt')),
    { reason: 'padding', disclosure: `${toBase64Url(utf8(good))}=` },
  ]
}

export function recordVectors(): RecordVectors {
  const signed: RecordVector = {
    ...vector('signed by the submitter', JSON.stringify(SIGNED)),
    public_key: PUBLIC_KEY,
    signed: Buffer.from(signedBytes(SIGNED)).toString(),
  }
  const canonical = [
    '{"b":[1.0,1e2,-0,0.1e1],"a":"\\u0041\\/\\u000a\\u001f\\u00e4"}',
    '{"\\u20ac":1,"\\r":2,"\\ufb33":3,"1":4,"\\ud83d\\ude00":5,"\\u0080":6,"\\u00f6":7}',
    '[0.000001,0.0000001,123456789012345.6,5e-324,0.30000000000000004,0.10000000000000001]',
    ' {"":{},"__proto__":[],"a":{"b":null,"":true}} ',
  ].map((json) => ({ json, canonical: canonicalJson(JSON.parse(json) as JsonValue) }))
  const other = vector('', LEAST_TEXT.replace('...', '!!!'))
  return {
    about:
      'Audit records (record.md). Salts and disclosures are in the order of their pointers; keys and hashes are in ' +
      'hexadecimal. The seed of the key that signs is 55 thirty-two times.',
    canonical,
    records: [
      least,
      vector(
        'the least, in another spelling',
        `{\n "output": {"text": "\\u002e.."},${LEAST_TEXT.replace(/,"output".*/, '}').slice(1)}`,
      ),
      vector('a whole trail', JSON.stringify(TRAIL)),
      signed,
      vector('nothing but a type', '{"type":"deletion"}'),
      vector(
        'empty objects and lists',
        '{"type":"llm_request","input":{"documents":[]},"output":{},"effects":[],"extra":{}}',
      ),
      vector(
        'names that are awkward',
        '{"type":"decision","__proto__":{"a":1},"a/b~":2,"model":{"":3},"decision":{"outcome":null}}',
      ),
      vector(
        'a correction',
        JSON.stringify({ type: 'correction', corrects: OTHER_ID, extra: { output: 'it was 8' } }),
      ),
      vector(
        'by the log itself',
        '{"type":"access","actor":"auditor-1","resource":"req-7"}',
        'log',
      ),
    ],
    submissions_refused: submissionsRefused(),
    records_refused: recordsRefused(),
    disclosures_refused: disclosuresRefused(),
    disclosures_foreign: [
      { reason: 'of another record', record: least.record, disclosure: other.disclosures[0]! },
      {
        reason: 'of another record of the same value',
        record: other.record,
        disclosure: least.disclosures[0]!,
      },
      {
        reason: 'the salt is another',
        record: least.record,
        disclosure: toBase64Url(utf8('["AAAAAAAAAAAAAAAAAAAAAA","/input/prompt","..."]')),
      },
    ],
    signatures_refused: [
      {
        reason: 'another prompt',
        submission: JSON.stringify({ ...SIGNED, input: { prompt: '!' } }),
        public_key: PUBLIC_KEY,
      },
      {
        reason: 'a member more',
        submission: JSON.stringify({ ...SIGNED, action: 'x' }),
        public_key: PUBLIC_KEY,
      },
      {
        reason: 'another nonce',
        submission: JSON.stringify({ ...SIGNED, nonce: 'A'.repeat(22) }),
        public_key: PUBLIC_KEY,
      },
      {
        reason: 'another key',
        submission: JSON.stringify(SIGNED),
        public_key: toHex(ed25519PublicKey(new Uint8Array(32))),
      },
      { reason: 'no signature', submission: LEAST_TEXT, public_key: PUBLIC_KEY },
    ],
  }
}
