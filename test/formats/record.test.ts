import { createHash } from 'node:crypto'
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { utf8 } from '../../src/bytes.ts'
import { canonicalJson } from '../../src/formats/canonical-json.ts'
import type { JsonObject, JsonValue } from '../../src/formats/json-strict.ts'
import {
  parseLogSubmission,
  parseRecord,
  parseSubmission,
  prepareRecord,
} from '../../src/formats/record.ts'
import {
  LOG_RECORD_TYPES,
  MAX_RECORD_SIZE,
  MAX_SUBMISSION_SIZE,
  RECORD_TYPES,
} from '../../src/formats/record-members.ts'
import {
  ACTOR,
  anySubmission,
  countedSalts,
  LEAST,
  NONCE,
  OTHER_ID,
  prepared,
  RECORD_ID,
  RECORD_TIME,
  refusalOf,
  SIGNATURE,
  SUBJECT,
} from '../support/records.ts'

const text = (bytes: Uint8Array): string => Buffer.from(bytes).toString()
const leafOf = (submission: JsonObject): Record<string, JsonValue> =>
  JSON.parse(text(prepared(submission).leaf)) as Record<string, JsonValue>
const with_ = (members: object): JsonObject => ({ ...LEAST, ...members })
const refusal = (submission: unknown): string =>
  refusalOf(() => parseSubmission(JSON.stringify(submission)))

/** Every value that is no object or array, with its pointer. */
function scalars(value: JsonValue, pointer = ''): [string, JsonValue][] {
  if (typeof value !== 'object' || value === null) return [[pointer, value]]
  return Object.entries(value).flatMap(([name, one]) => scalars(one, `${pointer}/${name}`))
}

describe('the least that can be submitted', () => {
  const least =
    '{"type":"llm_request","request_id":"req-1","subject":"ann@example.com","model":{"name":"m"},' +
    '"input":{"prompt":"..."},"output":{"text":"..."}}'

  it('is accepted as text, as bytes and as a value', () => {
    for (const form of [least, utf8(least), JSON.parse(least) as JsonObject]) {
      expect(parseSubmission(form)).toEqual(LEAST)
    }
    expect(parseSubmission('{"type":"deletion"}')).toEqual({ type: 'deletion' })
  })

  it('gives a leaf in which the person and the payload are commitments', () => {
    const { leaf, disclosures } = prepared(least)
    const [prompt, output, subject] = disclosures.map(({ json }) =>
      createHash('sha256').update(Buffer.from(json).toString('base64url')).digest('base64url'),
    )
    expect(text(leaf)).toBe(
      `{"commitments":{"/input/prompt":"${prompt}","/output/text":"${output}","/subject":"${subject}"},` +
        `"id":"${RECORD_ID}","input":{},"model":{"name":"m"},"output":{},"request_id":"req-1",` +
        `"subject":"${SUBJECT}","tenant":"acme","time":"2026-11-21T12:00:00.000Z","type":"llm_request",` +
        '"version":"cairn-record/v1"}',
    )
    expect(disclosures.map(({ json }) => (JSON.parse(text(json)) as unknown[]).slice(1))).toEqual([
      ['/input/prompt', '...'],
      ['/output/text', '...'],
      ['/subject', 'ann@example.com'],
    ])
  })
})

describe('what is refused of a submission', () => {
  const long = 'x'.repeat(257)
  it.each<[string, object, string]>([
    ['/type', { type: undefined }, 'it is missing; expected one of llm_request, tool_call,'],
    ['/type', { type: 'chat' }, 'expected one of llm_request, tool_call, decision,'],
    ['/type', { type: 1 }, 'expected one of llm_request'],
    ['/type', { type: 'access' }, 'only the log itself records access'],
    ['/type', { type: 'erasure' }, 'only the log itself records erasure'],
    ['/version', { version: 'cairn-record/v1' }, 'it is given by the log; leave it out'],
    ['/id', { id: OTHER_ID }, 'it is given by the log; leave it out'],
    ['/time', { time: '2026-11-21T12:00:00.000Z' }, 'it is given by the log; leave it out'],
    ['/commitments', { commitments: {} }, 'it is given by the log; leave it out'],
    [
      '/request_id',
      { request_id: 7 },
      'expected a line of text of 1 to 256 characters, found another number',
    ],
    ['/request_id', { request_id: '' }, 'found empty text'],
    ['/request_id', { request_id: null }, 'found null'],
    ['/request_id', { request_id: long }, 'found other text'],
    ['/request_id', { request_id: 'a\nb' }, 'expected a line of text'],
    ['/request_id', { request_id: 'a\u0000' }, 'expected a line of text'],
    ['/request_id', { request_id: 'a\u0085' }, 'expected a line of text'],
    ['/request_id', { request_id: 'a\u2028b' }, 'expected a line of text'],
    ['/request_id', { request_id: 'gpj.\u202eexe' }, 'expected a line of text'],
    ['/session_id', { session_id: [] }, 'found an array of 0'],
    [
      '/parent_id',
      { parent_id: 'req-0' },
      'expected the id of a record, a UUID of version 7 in lowercase',
    ],
    ['/parent_id', { parent_id: OTHER_ID.toUpperCase() }, 'expected the id of a record'],
    ['/parent_id', { parent_id: OTHER_ID.replace('7abc', '4abc') }, 'expected the id of a record'],
    [
      '/trace_id',
      { trace_id: '0'.repeat(32) },
      'expected 32 lowercase hexadecimal digits, not all 0',
    ],
    ['/trace_id', { trace_id: 'AB'.repeat(16) }, 'expected 32 lowercase hexadecimal digits'],
    ['/trace_id', { trace_id: 'ab'.repeat(8) }, 'expected 32 lowercase hexadecimal digits'],
    ['/span_id', { span_id: 'ab'.repeat(16) }, 'expected 16 lowercase hexadecimal digits'],
    [
      '/span_id',
      { span_id: '0'.repeat(16) },
      'expected 16 lowercase hexadecimal digits, not all 0',
    ],
    ['/tenant', { tenant: 'a/b' }, 'expected a name of 1 to 64 letters'],
    ['/tenant', { tenant: '..' }, 'expected a name'],
    ['/tenant', { tenant: 'x'.repeat(65) }, 'expected a name'],
    ['/claimed_time', { claimed_time: 1763726400 }, 'expected a time as in RFC 3339'],
    ['/claimed_time', { claimed_time: '2026-11-21' }, 'expected a time as in RFC 3339'],
    ['/claimed_time', { claimed_time: '2026-11-21T12:00:00' }, 'expected a time as in RFC 3339'],
    ['/claimed_time', { claimed_time: '2026-11-21 12:00:00Z' }, 'expected a time as in RFC 3339'],
    ['/claimed_time', { claimed_time: '2026-11-21t12:00:00z' }, 'expected a time as in RFC 3339'],
    ['/claimed_time', { claimed_time: '2026-02-29T12:00:00Z' }, 'expected a time as in RFC 3339'],
    ['/claimed_time', { claimed_time: '2100-02-29T12:00:00Z' }, 'expected a time as in RFC 3339'],
    ['/claimed_time', { claimed_time: '2026-04-31T12:00:00Z' }, 'expected a time as in RFC 3339'],
    ['/claimed_time', { claimed_time: '2026-00-01T12:00:00Z' }, 'expected a time as in RFC 3339'],
    ['/claimed_time', { claimed_time: '2026-13-01T12:00:00Z' }, 'expected a time as in RFC 3339'],
    ['/claimed_time', { claimed_time: '2026-11-00T12:00:00Z' }, 'expected a time as in RFC 3339'],
    ['/claimed_time', { claimed_time: '2026-11-21T24:00:00Z' }, 'expected a time as in RFC 3339'],
    ['/claimed_time', { claimed_time: '2026-11-21T12:60:00Z' }, 'expected a time as in RFC 3339'],
    ['/claimed_time', { claimed_time: '2016-12-31T23:59:60Z' }, 'expected a time as in RFC 3339'],
    [
      '/claimed_time',
      { claimed_time: '2026-11-21T12:00:00+24:00' },
      'expected a time as in RFC 3339',
    ],
    ['/claimed_time', { claimed_time: '2026-11-21T12:00:00.Z' }, 'expected a time as in RFC 3339'],
    [
      '/claimed_time',
      { claimed_time: '2026-11-21T12:00:00.1234567890Z' },
      'expected a time as in RFC',
    ],
    ['/claimed_time', { claimed_time: '2026-11-21T12:00:00Z\n' }, 'expected a time as in RFC 3339'],
    [
      '/actor',
      { actor: { id: 'ann' } },
      'expected a line of text of 1 to 512 characters, found an object',
    ],
    ['/subject', { subject: '' }, 'found empty text'],
    ['/subject', { subject: 'x'.repeat(513) }, 'found other text'],
    ['/action', { action: true }, 'found true'],
    [
      '/resource',
      { resource: ['a'] },
      'expected a line of text of 1 to 2048 characters, found an array of 1',
    ],
    ['/input', { input: 'hello' }, 'expected an object, found other text'],
    ['/input', { input: [] }, 'expected an object, found an array of 0'],
    ['/input', { input: null }, 'expected an object, found null'],
    ['/input/prompt', { input: { prompt: ['hello'] } }, 'expected text, found an array of 1'],
    ['/input/messages', { input: { messages: {} } }, 'expected an array, found an object'],
    ['/input/system_prompt', { input: { system_prompt: 1 } }, 'expected text'],
    [
      '/input/system_prompt_version',
      { input: { system_prompt_version: 3 } },
      'expected a line of text',
    ],
    ['/input/documents', { input: { documents: {} } }, 'expected an array of at most 500 items'],
    ['/input/documents', { input: { documents: Array(501).fill({}) } }, 'found an array of 501'],
    [
      '/input/documents/1',
      { input: { documents: [{}, 'doc-1'] } },
      'expected an object, found other text',
    ],
    ['/model', { model: 'gpt' }, 'expected an object'],
    ['/model/name', { model: { name: {} } }, 'expected a line of text'],
    ['/model/provider', { model: { provider: '\u0007' } }, 'expected a line of text'],
    ['/model/version', { model: { version: 2 } }, 'expected a line of text'],
    ['/model/version_hash', { model: { version_hash: long } }, 'expected a line of text'],
    ['/model/parameters', { model: { parameters: [] } }, 'expected an object'],
    [
      '/model/parameters/temperature',
      { model: { parameters: { temperature: '0.7' } } },
      'expected a number',
    ],
    [
      '/model/parameters/max_tokens',
      { model: { parameters: { max_tokens: 1.5 } } },
      'expected a whole number',
    ],
    ['/model/parameters/n', { model: { parameters: { n: -1 } } }, 'expected a whole number from 0'],
    [
      '/model/parameters/seed',
      { model: { parameters: { seed: 0.5 } } },
      'expected a whole number, as a string',
    ],
    [
      '/model/parameters/seed',
      { model: { parameters: { seed: 'ann' } } },
      'expected a whole number',
    ],
    ['/guardrails', { guardrails: {} }, 'expected an array of at most 500 items, found an object'],
    ['/guardrails/0', { guardrails: ['pii'] }, 'expected an object'],
    ['/guardrails/1/name', { guardrails: [{}, { name: 1 }] }, 'expected a line of text'],
    ['/guardrails/0/version', { guardrails: [{ version: 1 }] }, 'expected a line of text'],
    ['/guardrails/0/verdict', { guardrails: [{ verdict: true }] }, 'expected a line of text'],
    ['/guardrails/0/score', { guardrails: [{ score: '1' }] }, 'expected a number'],
    ['/guardrails/0/reason', { guardrails: [{ reason: {} }] }, 'expected text'],
    ['/output', { output: 'hello' }, 'expected an object'],
    ['/output/text', { output: { text: null } }, 'expected text, found null'],
    ['/output/messages', { output: { messages: 'hello' } }, 'expected an array'],
    ['/output/finish_reason', { output: { finish_reason: 0 } }, 'expected a line of text'],
    ['/tool_calls', { tool_calls: {} }, 'expected an array of at most 500 items'],
    ['/tool_calls/0', { tool_calls: [null] }, 'expected an object, found null'],
    ['/tool_calls/0/id', { tool_calls: [{ id: 5 }] }, 'expected a line of text'],
    ['/tool_calls/0/name', { tool_calls: [{ name: '' }] }, 'expected a line of text'],
    ['/decision', { decision: 'approve' }, 'expected an object'],
    ['/decision/reason', { decision: { reason: 1 } }, 'expected text'],
    ['/effects', { effects: {} }, 'expected an array of at most 500 items'],
    ['/metrics', { metrics: [] }, 'expected an object'],
    [
      '/metrics/input_tokens',
      { metrics: { input_tokens: -1 } },
      'expected a whole number from 0 to 2^53-1',
    ],
    ['/metrics/output_tokens', { metrics: { output_tokens: '12' } }, 'expected a whole number'],
    ['/metrics/latency_ms', { metrics: { latency_ms: -0.5 } }, 'expected a number from 0'],
    ['/metrics/cost', { metrics: { cost: '0.01' } }, 'expected a number from 0, found other text'],
    [
      '/metrics/currency',
      { metrics: { currency: 'eur' } },
      'expected a currency of three capital letters',
    ],
    ['/app_version', { app_version: 1 }, 'expected a line of text'],
    ['/environment', { environment: [] }, 'expected a line of text'],
    ['/retention_class', { retention_class: 'ten years' }, 'expected a name'],
    ['/policy', { policy: {} }, 'expected a line of text'],
    ['/corrects', { corrects: OTHER_ID }, 'only a record of type correction has it'],
    ['/corrects', { type: 'correction' }, 'it is missing; a correction names a record'],
    ['/corrects', { type: 'correction', corrects: 'req-1' }, 'expected the id of a record'],
    ['/nonce', { nonce: NONCE.slice(1) }, 'expected base64url of 16 to 64 random bytes'],
    ['/nonce', { nonce: `${NONCE}=` }, 'expected base64url of 16 to 64 random bytes'],
    ['/nonce', { nonce: `${NONCE.slice(0, -1)}x` }, 'expected base64url of 16 to 64 random bytes'],
    ['/nonce', { nonce: 'A'.repeat(25) }, 'expected base64url of 16 to 64 random bytes'],
    ['/nonce', { nonce: 'A'.repeat(87) }, 'expected base64url of 16 to 64 random bytes'],
    [
      '/nonce',
      { signature: SIGNATURE },
      'it is missing; a signed record has 16 random bytes there',
    ],
    ['/signature', { nonce: NONCE, signature: 'sig' }, 'expected an object'],
    ['/signature/key_id', { nonce: NONCE, signature: { value: SIGNATURE.value } }, 'it is missing'],
    ['/signature/value', { nonce: NONCE, signature: { key_id: 'k' } }, 'it is missing'],
    [
      '/signature/value',
      { nonce: NONCE, signature: { key_id: 'k', value: `${'A'.repeat(85)}B` } },
      'expected an Ed25519 signature, base64url of 64 bytes',
    ],
    [
      '/signature',
      { nonce: NONCE, signature: { ...SIGNATURE, algorithm: 'none' } },
      'no other member',
    ],
    ['/extra', { extra: [] }, 'expected an object'],
  ])('%s of %j', (pointer, members, message) => {
    const said = refusal(with_(members))
    expect(said).toContain(`MALFORMED ${pointer}: `)
    expect(said).toContain(message)
  })

  it('is not quoted: it may be a secret', () => {
    expect(refusal(with_({ output: { finish_reason: 'sk-secret\n' } }))).not.toContain('secret')
    expect(refusal(with_({ metrics: { cost: 424242.4242, input_tokens: -424242 } }))).not.toContain(
      '4242',
    )
  })

  it.each(['null', '[]', '"llm_request"', '1'])('the whole of it when it is %s', (json) => {
    expect(refusalOf(() => parseSubmission(json))).toBe(
      'MALFORMED the top level: a record is a JSON object',
    )
  })

  it('two members of one name, numbers and text that are not of I-JSON', () => {
    const said = (json: string): string => refusalOf(() => parseSubmission(json))
    expect(said('{"type":"deletion","type":"deletion"}')).toContain(
      '/type: the member is there twice',
    )
    expect(said('{"type":"deletion","extra":{"n":1e400}}')).toContain(
      '/extra/n: the number 1e400 is',
    )
    expect(said('{"type":"deletion","input":{"prompt":"\\ud800"}}')).toContain(
      '/input/prompt: a string',
    )
  })

  it('values that no JSON can hold', () => {
    const value = { type: 'deletion', extra: { at: new Date(0) } } as unknown as JsonObject
    expect(refusalOf(() => parseSubmission(value))).toContain('/extra/at: JSON cannot hold')
  })

  it('more than 8 MiB, or 32 levels', () => {
    const sized = (size: number): string => {
      const [start, end] = ['{"type":"llm_request","input":{"prompt":"', '"}}']
      return `${start}${'x'.repeat(size - start.length - end.length)}${end}`
    }
    expect(prepared(sized(MAX_SUBMISSION_SIZE)).disclosures).toHaveLength(1)
    expect(refusalOf(() => parseSubmission(sized(MAX_SUBMISSION_SIZE + 1)))).toBe(
      'TOO_LARGE the JSON has 8388609 bytes; 8388608 at most',
    )
    const nested = (depth: number): string => {
      return `{"type":"deletion","extra":{"x":${'['.repeat(depth - 2)}${']'.repeat(depth - 2)}}}`
    }
    expect(prepared(nested(32)).disclosures).toHaveLength(1)
    expect(refusalOf(() => parseSubmission(nested(33)))).toContain('nested deeper than 32')
  })
})

describe('what is accepted of a submission', () => {
  it.each<[string, object]>([
    ['a line of 256 characters beyond U+FFFF', { request_id: '😀'.repeat(256) }],
    ['spaces, quotes and letters of any script', { session_id: ' "Größe" 漢字 ' }],
    [
      'a time with an offset and nanoseconds',
      { claimed_time: '2024-02-29T00:00:00.123456789-00:00' },
    ],
    ['a seed beyond 2^53', { model: { parameters: { seed: '18446744073709551615' } } }],
    ['a nonce of 64 bytes', { nonce: Buffer.alloc(64).toString('base64url') }],
    ['empty objects and lists', { input: {}, tool_calls: [], effects: [], extra: {}, metrics: {} }],
    ['empty text', { input: { prompt: '' }, output: { text: '' } }],
    ['any value in its place', { decision: { outcome: null }, tool_calls: [{ arguments: false }] }],
    [
      'members that nobody knows',
      { user: 'ann', model: { owner: 'ann' }, tool_calls: [{ kind: 1 }] },
    ],
    ['noncharacters in payload', { input: { prompt: 'soft\ufffehyphen' } }],
  ])('%s', (_, members) => {
    const submission = with_(members)
    expect(parseSubmission(JSON.stringify(submission))).toEqual(submission)
    expect(parseRecord(prepared(submission).leaf).id).toBe(RECORD_ID)
  })

  it.each(RECORD_TYPES.map((type) => [type]))('a record of type %s', (type) => {
    const submission = { type, ...(type === 'correction' && { corrects: OTHER_ID }) }
    expect(parseSubmission(submission)).toEqual(submission)
    expect(refusalOf(() => parseLogSubmission(submission))).toContain(
      '/type: expected one of access',
    )
  })

  it.each(LOG_RECORD_TYPES.map((type) => [type]))(
    'from the log itself, a record of type %s',
    (type) => {
      expect(parseLogSubmission({ type, actor: 'bob' })).toEqual({ type, actor: 'bob' })
      expect(parseRecord(prepared({ type }, { by: 'log' }).leaf).type).toBe(type)
      expect(refusalOf(() => parseSubmission({ type }))).toContain('only the log itself records')
    },
  )

  it('does not change with the value it was read from', () => {
    const value = { type: 'deletion', extra: { a: 1 } }
    const submission = parseSubmission(value)
    value.extra.a = 2
    expect(submission.extra).toEqual({ a: 1 })
  })
})

/** What design and contract allow in the clear, written down once more. */
const CLEAR = [
  /^\/(version|id|time|claimed_time|tenant|type|action|request_id|session_id|parent_id|trace_id|span_id)$/,
  /^\/(app_version|environment|retention_class|policy|corrects|actor|subject)$/,
  /^\/commitments\/.*$/,
  /^\/model\/(name|provider|version|version_hash)$/,
  /^\/model\/parameters\/(temperature|top_p|top_k|min_p|(frequency|presence|repetition)_penalty|max_tokens|n|seed)$/,
  /^\/input\/system_prompt_version$/,
  /^\/guardrails\/\d+\/(name|version|verdict|score)$/,
  /^\/tool_calls\/\d+\/(id|name)$/,
  /^\/metrics\/(input_tokens|output_tokens|latency_ms|cost|currency)$/,
  /^\/signature\/(key_id|value)$/,
]

describe('a leaf', () => {
  it('has nothing in the clear but what may be, whatever was submitted', () => {
    fc.assert(
      fc.property(anySubmission, (submission) => {
        const leaf = leafOf(submission)
        for (const [pointer] of scalars(leaf)) {
          expect(
            CLEAR.some((clear) => clear.test(pointer)),
            pointer,
          ).toBe(true)
        }
        expect(leaf.subject).toBe(submission.subject === undefined ? undefined : SUBJECT)
        expect(leaf.actor).toBe(submission.actor === undefined ? undefined : ACTOR)
      }),
    )
  })

  it('holds no byte of what it commits to, nor of unknown names', () => {
    let canary = 0
    // Each scalar and each unknown name is made one of a kind.
    const marked = (value: JsonValue): JsonValue => {
      if (Array.isArray(value)) return value.map(marked)
      if (typeof value !== 'object' || value === null) return `canary-${canary++}-`
      return Object.fromEntries(
        Object.values(value).map((one) => [`canary-${canary++}-`, marked(one)]),
      )
    }
    const PAYLOAD =
      /^\/(input\/(prompt|messages|system_prompt|data|documents\/\d+)|guardrails\/\d+\/reason|output\/(text|messages|finish_reason|data)|tool_calls\/\d+\/(arguments|result|error)|decision\/(outcome|reason)|effects\/\d+|actor|subject|resource|extra)$/
    const FRAMES =
      /^(\/(input|documents|model|parameters|guardrails|output|tool_calls|decision|effects|metrics|signature|\d+))*$/
    const KEPT = /^\/(nonce|tenant)$/
    const mark = (value: JsonValue, pointer: string): JsonValue => {
      if (PAYLOAD.test(pointer)) {
        // Lists stay lists and objects objects, so that the submission stays one.
        return /messages$/.test(pointer) ? [marked(value)] : marked(value)
      }
      if (Array.isArray(value)) return value.map((one, i) => mark(one, `${pointer}/${i}`))
      if (!FRAMES.test(pointer) || typeof value !== 'object' || value === null) return value
      const members = Object.entries(value).map(([name, one]): [string, JsonValue] => {
        const place = `${pointer}/${name}`
        const isKnown = PAYLOAD.test(place) || FRAMES.test(place) || KEPT.test(place)
        const isClear = CLEAR.some((clear) => clear.test(place))
        return isKnown || isClear ? [name, mark(one, place)] : [`canary-${canary++}-`, marked(one)]
      })
      return Object.fromEntries(members)
    }
    fc.assert(
      fc.property(anySubmission, (submission) => {
        const before = canary
        const changed = mark(submission, '') as JsonObject
        const leaf = text(prepared(changed).leaf)
        for (let i = before; i < canary; i++) expect(leaf).not.toContain(`canary-${i}-`)
        expect(canary === before || leaf.includes('"commitments":{"')).toBe(true)
      }),
    )
  })

  it('keeps the frames of objects and lists, empty or not', () => {
    const leaf = leafOf({
      type: 'llm_request',
      input: { documents: [{ id: 'a' }, { id: 'b' }], foo: 1 },
      output: {},
      guardrails: [],
      tool_calls: [{ arguments: 1, name: 'search' }, {}],
      effects: [1],
      model: { parameters: { temperature: 1, user: 'ann' } },
    })
    expect(leaf.input).toEqual({ documents: [] })
    expect(leaf.output).toEqual({})
    expect(leaf.guardrails).toEqual([])
    expect(leaf.tool_calls).toEqual([{ name: 'search' }, {}])
    expect(leaf.effects).toEqual([])
    expect(leaf.model).toEqual({ parameters: { temperature: 1 } })
    expect(Object.keys(leaf.commitments as object)).toEqual([
      '/effects/0',
      '/extra',
      '/input/documents/0',
      '/input/documents/1',
      '/tool_calls/0/arguments',
    ])
  })

  it('gathers what nobody knows under /extra, by its pointer', () => {
    const { disclosures } = prepared(
      '{"type":"deletion","a/b":1,"__proto__":{"x":2},"model":{"~":3,"name":"m"},"extra":{"team":"blue"},' +
        '"guardrails":[{},{"why":4}],"metrics":{"ttft":5}}',
    )
    expect(disclosures.map(({ pointer }) => pointer)).toEqual(['/extra'])
    expect((JSON.parse(text(disclosures[0]!.json)) as unknown[])[2]).toEqual({
      '/a~1b': 1,
      '/__proto__': { x: 2 },
      '/extra': { team: 'blue' },
      '/guardrails/1/why': 4,
      '/metrics/ttft': 5,
      '/model/~0': 3,
    })
  })

  it('is hashed as any leaf, by the tools of any Unix system', () => {
    const { leaf } = prepared(LEAST)
    expect(canonicalJson(JSON.parse(text(leaf)) as JsonValue)).toBe(text(leaf))
    expect(leaf.length).toBeLessThan(500)
  })

  it('commits with another salt to each member, and each time', () => {
    const salts = countedSalts()
    const commitments = [1, 2].flatMap(() => {
      const { leaf } = prepared(with_({ actor: '...', resource: '...' }), { salts })
      return Object.values(parseRecord(leaf).commitments)
    })
    expect(new Set(commitments).size).toBe(10)
  })

  it('is of the tenant it was accepted for, and of no other than the submission names', () => {
    expect(leafOf(with_({ tenant: 'acme' })).tenant).toBe('acme')
    expect(leafOf(with_({ tenant: 'acme' })).commitments).toHaveProperty('/tenant')
    expect(refusalOf(() => prepared(with_({ tenant: 'acme' }), { tenant: 'other' }))).toBe(
      'MALFORMED /tenant: the record was submitted for other; name that or leave it out',
    )
  })

  it.each<[string, Parameters<typeof prepared>[1]]>([
    ['an id that is no UUIDv7', { id: 'req-1' }],
    ['a tenant that is no name', { tenant: 'a b' }],
    ['no pseudonym for the subject', { pseudonyms: {} }],
    ['a pseudonym for nobody', { pseudonyms: { subject: SUBJECT, actor: ACTOR } }],
    ['the subject itself for a pseudonym', { pseudonyms: { subject: LEAST.subject } }],
  ])('is not made with %s', (_, more) => {
    expect(refusalOf(() => prepared(LEAST, more))).toContain('MALFORMED')
  })

  it('is not made with a time that is none, or with too few salts', () => {
    expect(() => prepared(LEAST, { time: Number.NaN })).toThrow(RangeError)
    expect(() => prepared(LEAST, { salts: () => new Uint8Array(32) })).toThrow(RangeError)
  })

  it('is not made of what was not checked', () => {
    const submission = { type: 'deletion', request_id: { name: 'Ann' } } as never
    const record = { submission, id: RECORD_ID, time: RECORD_TIME, tenant: 'acme' }
    const salts = countedSalts()
    expect(refusalOf(() => prepareRecord({ ...record, pseudonyms: {}, salts }))).toContain(
      'MALFORMED /request_id: expected a line of text',
    )
  })

  it('has room for 65,535 bytes, and no more', () => {
    const calls = (count: number, more: string): JsonObject => ({
      type: 'llm_request',
      action: `a${more}`,
      tool_calls: Array.from({ length: count }, () => ({ arguments: 1, result: 2 })),
    })
    const sizeOf = (submission: JsonObject): number => prepared(submission).leaf.length
    const per = (sizeOf(calls(200, '')) - sizeOf(calls(100, ''))) / 100
    const count = 100 + Math.floor((MAX_RECORD_SIZE - sizeOf(calls(100, ''))) / per)
    const room = MAX_RECORD_SIZE - sizeOf(calls(count, ''))
    const { leaf } = prepared(calls(count, 'x'.repeat(room)))
    expect(leaf.length).toBe(MAX_RECORD_SIZE)
    expect(parseRecord(leaf).tool_calls).toHaveLength(count)
    expect(refusalOf(() => prepared(calls(count, 'x'.repeat(room + 1))))).toBe(
      'TOO_LARGE the record has 65536 bytes in the log; 65535 at most. Split it into several records',
    )
    expect(refusalOf(() => parseRecord(new Uint8Array(MAX_RECORD_SIZE + 1)))).toContain('TOO_LARGE')
  })

  it('has room for 1000 commitments, and more are refused before they are made', () => {
    const submission = {
      type: 'llm_request',
      tool_calls: Array.from({ length: 500 }, () => ({ arguments: 1, result: 2 })),
      effects: [1],
    }
    const salts = (): never => {
      throw new Error('no salt should be asked for')
    }
    expect(refusalOf(() => prepared(submission, { salts }))).toBe(
      'TOO_LARGE the record has 1001 members to commit to; 1000 at most. Split it into several records',
    )
  })
})
