import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { CairnError } from '../../src/errors.ts'
import { ATTRIBUTE_RULES, RESOURCE_RULES } from '../../src/formats/genai-attributes.ts'
import { type GenaiRecords, genaiRecords } from '../../src/formats/genai-records.ts'
import type { JsonObject, JsonValue } from '../../src/formats/json-strict.ts'
import { parseOtlpJson } from '../../src/formats/otlp-json.ts'
import type {
  OtlpAttributes,
  OtlpLogRecord,
  OtlpResourceLogs,
} from '../../src/formats/otlp-logs.ts'
import { parseOtlpProtobuf } from '../../src/formats/otlp-protobuf.ts'
import { parseSubmission } from '../../src/formats/record.ts'
import { RECORD_TYPES } from '../../src/formats/record-members.ts'
import {
  anyExport,
  attributeOf,
  attributesOf,
  type Export,
  exportOf,
  jsonOf,
  type LogRecord,
  protobufOf,
  sdkExport,
} from '../support/otlp-exports.ts'
import { prepared } from '../support/records.ts'
import { readText } from '../support/sources.ts'

const mapped = (exported: Export): GenaiRecords =>
  genaiRecords(parseOtlpProtobuf(protobufOf(exported)))

interface Log extends Partial<Omit<LogRecord, 'attributes' | 'body'>> {
  readonly attributes?: Readonly<Record<string, JsonValue>>
  readonly body?: JsonValue
}

function logOf({ attributes = {}, body, ...more }: Log): Partial<LogRecord> {
  return {
    ...more,
    attributes: attributesOf(attributes),
    ...(body !== undefined && { body: attributeOf(body) }),
  }
}

/** The submission of a log record. */
function submission(log: Log): JsonObject {
  const { records, rejected } = mapped(exportOf(logOf(log)))
  expect(rejected).toEqual([])
  return records[0]!.submission as unknown as JsonObject
}
const of = (attributes: Readonly<Record<string, JsonValue>>): JsonObject =>
  submission({ attributes })
const otel = (record: JsonObject): JsonObject =>
  ((record.extra as JsonObject | undefined)?.otel ?? {}) as JsonObject

/** Why a log record is rejected. */
function reason(log: Log): string | undefined {
  return mapped(exportOf(logOf(log))).rejected[0]?.reason
}
const CHAT = { 'gen_ai.operation.name': 'chat' }

describe('any export', () => {
  it('gives the same in both encodings: submissions and reasons, each log record once', () => {
    let taken = 0
    fc.assert(
      fc.property(anyExport, (exported) => {
        const outcome = mapped(exported)
        expect(genaiRecords(parseOtlpJson(jsonOf(exported)))).toEqual(outcome)
        const places = [...outcome.records, ...outcome.rejected].map(({ place }) => place)
        const all = exported.flatMap(({ scopes }, i) =>
          scopes.flatMap(({ records }, j) =>
            records.map((_, k) => `/resourceLogs/${i}/scopeLogs/${j}/logRecords/${k}`),
          ),
        )
        expect(places.sort()).toEqual(all.sort())
        for (const { submission } of outcome.records) {
          taken++
          expect(parseSubmission(JSON.stringify(submission))).toEqual(submission)
        }
      }),
      { numRuns: 150 },
    )
    expect(taken).toBeGreaterThan(20)
  })

  it('loses no attribute: each is a member, or stands in /extra/otel', () => {
    const scalars = fc.oneof(fc.string({ maxLength: 8 }), fc.integer(), fc.boolean())
    const names = fc.constantFrom(...ATTRIBUTE_RULES.map(([name]) => name), 'gen_ai.x', 'y')
    fc.assert(
      fc.property(fc.dictionary(names, scalars, { maxKeys: 6 }), (attributes) => {
        const { records } = mapped(exportOf(logOf({ eventName: 'gen_ai.x', attributes })))
        for (const { submission } of records) {
          const text = JSON.stringify(submission)
          for (const [name, value] of Object.entries(attributes)) {
            const left = (otel(submission as unknown as JsonObject).attributes ?? {}) as JsonObject
            if (!Object.hasOwn(left, name))
              expect(text).toContain(JSON.stringify(value).slice(1, -1))
          }
        }
      }),
    )
  })
})

describe('what SDKs send', () => {
  it('gives the same records in both encodings of the JavaScript SDK', () => {
    const outcome = genaiRecords(parseOtlpJson(sdkExport('sdk-json.txt')))
    expect(genaiRecords(parseOtlpProtobuf(sdkExport('sdk.pb')))).toEqual(outcome)
    expect(outcome.records.map(({ submission }) => submission.type)).toEqual([
      'inference_request',
      'inference_request',
      'inference_response',
      'tool_call',
      'llm_request',
      'tool_call',
      'inference_request',
    ])
    expect(outcome.rejected).toEqual([
      {
        place: '/resourceLogs/0/scopeLogs/0/logRecords/6',
        reason: 'no event of generative AI: neither its name nor an attribute is gen_ai.* or mcp.*',
      },
    ])
    // The pieces of one exchange stay apart, under one span.
    const spans = outcome.records.map(({ submission }) => submission.span_id)
    expect(new Set(spans.slice(0, 6))).toEqual(new Set(['b7ad6b7169203331']))
    expect(outcome.records[4]!.submission).toEqual({
      type: 'llm_request',
      request_id: '0af7651916cd43dd8448eb211c80319c',
      session_id: 'conv_5j66',
      trace_id: '0af7651916cd43dd8448eb211c80319c',
      span_id: 'b7ad6b7169203331',
      claimed_time: '2026-11-21T12:00:00.123456004Z',
      subject: 'ann@example.com',
      action: 'chat',
      input: {
        messages: [{ role: 'user', parts: [{ type: 'text', content: 'Weather in Paris?' }] }],
        system_prompt: 'Be brief.',
      },
      model: {
        name: 'gpt-4',
        version: 'gpt-4-0613',
        provider: 'openai',
        parameters: { temperature: 0.2, top_p: 1, max_tokens: 200, seed: 42 },
      },
      output: {
        messages: [
          { role: 'assistant', parts: [{ type: 'text', content: 'Rain.' }], finish_reason: 'stop' },
        ],
        finish_reason: 'stop',
      },
      metrics: { input_tokens: 52, output_tokens: 47 },
      app_version: '2.7.1',
      environment: 'production',
      extra: {
        otel: {
          event_name: 'gen_ai.client.inference.operation.details',
          severity_number: 9,
          flags: 1,
          observed_time: '2026-11-21T12:00:00.223456004Z',
          attributes: {
            'gen_ai.response.id': 'chatcmpl-123',
            'gen_ai.request.stop_sequences': ['END', 'STOP'],
            'app.image': 'AAH+/w==',
            'app.nanoseconds': '1795262400000000000',
            'app.huge': '1e+300',
            'app.score': -0.125,
            'app.cached': false,
            'app.nothing': null,
            'server.port': 443,
          },
          resource: { attributes: { 'service.name': 'assistant' } },
          scope: { name: 'example.openai', version: '1.4.0' },
        },
      },
    })
  })

  it('becomes leaves that hold no payload', () => {
    for (const file of ['sdk.pb', 'python.pb'] as const) {
      for (const { submission } of genaiRecords(parseOtlpProtobuf(sdkExport(file))).records) {
        const leaf = Buffer.from(prepared(submission).leaf).toString()
        expect(leaf).not.toMatch(/Paris|rain|helpful|ann@|Wetter|Regen|Hallo|brief|assistant/)
        expect(leaf).toContain('"span_id"'.slice(0, submission.span_id === undefined ? 0 : 9))
      }
    }
  })

  it('is understood from the Python SDK', () => {
    const { records, rejected } = genaiRecords(parseOtlpProtobuf(sdkExport('python.pb')))
    expect(rejected).toEqual([])
    expect(records.map(({ submission }) => submission)).toMatchObject([
      {
        type: 'inference_request',
        environment: 'staging',
        claimed_time: '2026-11-21T12:00:00.123456789Z',
        input: { messages: [{ role: 'user', content: 'Wie ist das Wetter in Köln?' }] },
      },
      {
        type: 'inference_response',
        output: { finish_reason: 'stop', messages: [{ role: 'assistant', content: 'Regen.' }] },
      },
      { type: 'llm_request', model: { parameters: { seed: '9007199254740993' } } },
    ])
  })
})

describe('the type', () => {
  it.each([
    ['gen_ai.system.message', {}, 'inference_request'],
    ['gen_ai.assistant.message', {}, 'inference_request'],
    ['gen_ai.tool.message', {}, 'tool_call'],
    ['gen_ai.choice', {}, 'inference_response'],
    ['gen_ai.evaluation.result', {}, 'guardrail'],
    ['gen_ai.client.operation.exception', CHAT, 'llm_request'],
    ['', CHAT, 'llm_request'],
    ['', { 'gen_ai.operation.name': 'execute_tool' }, 'tool_call'],
    ['', { 'gen_ai.operation.name': 'retrieval' }, 'data_access'],
    ['', { 'gen_ai.operation.name': 'delete_memory' }, 'deletion'],
    ['', { 'gen_ai.operation.name': 'create_agent' }, 'configuration_change'],
    ['', { 'gen_ai.operation.name': 'constructor' }, 'llm_request'],
    ['', { 'gen_ai.operation.name': 'chat', 'gen_ai.tool.name': 't' }, 'llm_request'],
    ['', { 'gen_ai.tool.name': 't' }, 'tool_call'],
    ['', { 'mcp.method.name': 'tools/call' }, 'tool_call'],
    ['', { 'mcp.method.name': 'resources/read' }, 'data_access'],
    ['', { 'mcp.method.name': 'sampling/createMessage' }, 'llm_request'],
    ['', { 'cairn.type': 'decision' }, 'decision'],
    ['gen_ai.choice', { 'cairn.type': 'decision' }, 'decision'],
    ['', { 'event.name': 'gen_ai.choice' }, 'inference_response'],
  ])('of %s %j is %s', (eventName, attributes, type) => {
    expect(submission({ eventName, attributes }).type).toBe(type)
  })

  it('that an attribute gives must be one', () => {
    expect(reason({ attributes: { 'cairn.type': 'dream' } })).toMatch(/^\/type: expected one of /)
    expect(reason({ attributes: { 'cairn.type': 'erasure' } })).toMatch(/^\/type: only the log/)
  })
})

describe('attributes', () => {
  it('go to their members, the first that fits', () => {
    expect(of({ ...CHAT, 'session.id': 's', 'mcp.session.id': 'm' })).toMatchObject({
      session_id: 's',
      extra: { otel: { attributes: { 'mcp.session.id': 'm' } } },
    })
    expect(of({ 'gen_ai.system': 'old' })).toMatchObject({ model: { provider: 'old' } })
    expect(of({ 'gen_ai.response.model': 'only' })).toMatchObject({ model: { name: 'only' } })
    expect(
      of({ 'gen_ai.usage.prompt_tokens': 3, 'gen_ai.usage.completion_tokens': 0 }),
    ).toMatchObject({ metrics: { input_tokens: 3, output_tokens: 0 } })
    expect(of({ 'gen_ai.conversation.id': 17 })).toMatchObject({ session_id: '17' })
  })

  it('of an evaluation are those of a guardrail', () => {
    expect(
      of({
        'gen_ai.evaluation.name': 'Relevance',
        'gen_ai.evaluation.score.label': 'pass',
        'gen_ai.evaluation.score.value': 0.75,
        'gen_ai.evaluation.explanation': 'to the point',
      }),
    ).toMatchObject({
      guardrails: [{ name: 'Relevance', verdict: 'pass', score: 0.75, reason: 'to the point' }],
    })
  })

  it('that do not fit stay as they are', () => {
    const wrong = {
      'gen_ai.request.model': 'x'.repeat(257),
      'gen_ai.request.temperature': 'hot',
      'gen_ai.usage.input_tokens': -1,
      'gen_ai.input.messages': 'no list',
      'gen_ai.retrieval.documents': ['no object'],
      'gen_ai.response.finish_reasons': ['stop', 'length'],
      'gen_ai.system_instructions': [
        { type: 'text', content: 'a' },
        { type: 'text', content: 'b' },
      ],
      'gen_ai.operation.name': 'two\nlines',
      'mcp.resource.uri': '',
    }
    const record = of(wrong)
    expect(otel(record).attributes).toEqual(wrong)
    expect(Object.keys(record).sort()).toEqual(['extra', 'type'])
  })

  it('that are lists may be written as JSON', () => {
    expect(
      of({
        'gen_ai.input.messages': '[{"role":"user","parts":[]}]',
        'gen_ai.retrieval.documents': '[{"id":"doc_1","score":0.5}]',
        'gen_ai.system_instructions': '[{"type":"text","content":"Be brief."}]',
      }),
    ).toEqual({
      type: 'llm_request',
      input: {
        messages: [{ role: 'user', parts: [] }],
        documents: [{ id: 'doc_1', score: 0.5 }],
        system_prompt: 'Be brief.',
      },
    })
  })

  it('that name a person are taken or the log record is not', () => {
    expect(of({ ...CHAT, 'enduser.id': 'ann', 'user.id': 'bob' })).toMatchObject({ subject: 'ann' })
    expect(of({ ...CHAT, 'user.id': 'bob' })).toMatchObject({ subject: 'bob' })
    expect(of({ ...CHAT, 'enduser.id': 1234 })).toMatchObject({ subject: '1234' })
    expect(reason({ attributes: { ...CHAT, 'enduser.id': 'x'.repeat(513) } })).toBe(
      'attributes: enduser.id: expected a line of text of 1 to 512 characters',
    )
    expect(reason({ attributes: { ...CHAT, 'cairn.retention_class': 'a b' } })).toMatch(
      /^attributes: cairn.retention_class: expected a name/,
    )
  })

  it('of the resource stand back behind those of the log record', () => {
    const resource = {
      attributes: attributesOf({
        'service.version': '1',
        'deployment.environment': 'prod',
        'service.name': 'a',
      }),
      dropped: 2,
    }
    const [{ scopes, schemaUrl }] = exportOf(
      logOf({ attributes: { ...CHAT, 'service.version': '2' } }),
    ) as [Export[number]]
    const record = mapped([{ resource, scopes, schemaUrl }]).records[0]!.submission
    expect(record).toMatchObject({ app_version: '2', environment: 'prod' })
    expect(otel(record as unknown as JsonObject).resource).toEqual({
      attributes: { 'service.version': '1', 'service.name': 'a' },
      dropped_attributes_count: 2,
    })
  })

  it('are all told in spec/otlp.md', () => {
    const spec = readText('spec/otlp.md')
    for (const [name, pointer] of [...ATTRIBUTE_RULES, ...RESOURCE_RULES]) {
      expect(spec).toContain(`| \`${name}\` | \`${pointer}\` |`)
    }
    for (const type of new Set(spec.match(/\| `(\w+)` \|$/gm)?.map((one) => one.slice(3, -3)))) {
      expect(RECORD_TYPES).toContain(type)
    }
  })
})

describe('events', () => {
  it('keep what their body says beyond the message', () => {
    const call = { id: 'call_1', type: 'function', function: { name: 'f', arguments: '{}' } }
    expect(
      submission({
        eventName: 'gen_ai.choice',
        body: {
          index: 1,
          finish_reason: 'tool_calls',
          message: { content: 'x' },
          tool_calls: [call],
        },
      }),
    ).toEqual({
      type: 'inference_response',
      action: 'gen_ai.choice',
      output: { finish_reason: 'tool_calls', messages: [{ role: 'assistant', content: 'x' }] },
      tool_calls: [{ id: 'call_1', name: 'f', arguments: '{}' }],
      extra: { otel: { event_name: 'gen_ai.choice', body: { index: 1 } } },
    })
    expect(
      submission({ eventName: 'gen_ai.tool.message', body: { id: 'c', content: [1], role: 'fn' } }),
    ).toMatchObject({
      tool_calls: [{ id: 'c', result: [1] }],
      extra: { otel: { body: { role: 'fn' } } },
    })
    expect(
      submission({ eventName: 'gen_ai.user.message', body: { role: 'customer' } }),
    ).toMatchObject({
      input: { messages: [{ role: 'customer' }] },
    })
    expect(submission({ eventName: 'gen_ai.user.message', body: 'plain' })).toMatchObject({
      input: { messages: [{ role: 'user', content: 'plain' }] },
    })
  })

  it('leave tool calls of another shape in their message', () => {
    const odd = [{ id: 'call_1', type: 'custom', custom: { name: 'f' } }]
    const record = submission({
      eventName: 'gen_ai.choice',
      body: { message: { tool_calls: odd } },
    })
    expect(record.output).toEqual({ messages: [{ role: 'assistant', tool_calls: odd }] })
    expect(record.tool_calls).toBeUndefined()
  })

  it('of other kinds keep their body', () => {
    expect(otel(submission({ eventName: 'gen_ai.other', body: ['a', 1] })).body).toEqual(['a', 1])
    expect(otel(submission({ eventName: 'gen_ai.choice', body: 5 })).body).toBe(5)
    expect(submission({ eventName: 'gen_ai.choice', body: {} })).not.toHaveProperty('output')
  })

  it('of a failed tool call have its error', () => {
    const attributes = { 'gen_ai.operation.name': 'execute_tool', 'error.type': 'timeout' }
    expect(of(attributes)).toMatchObject({ tool_calls: [{ error: 'timeout' }] })
    expect(otel(of({ ...CHAT, 'error.type': 'timeout' })).attributes).toEqual({
      'error.type': 'timeout',
    })
  })
})

describe('time and place', () => {
  it.each([
    [1n, '1970-01-01T00:00:00.000000001Z'],
    [1795262400000000000n, '2026-11-21T12:00:00Z'],
    [1795262400123456789n, '2026-11-21T12:00:00.123456789Z'],
    [1795262399999999999n, '2026-11-21T11:59:59.999999999Z'],
    [1795262400100000000n, '2026-11-21T12:00:00.1Z'],
    [2n ** 64n - 1n, '2554-07-21T23:34:33.709551615Z'],
  ])('%s nanoseconds are %s', (time, claimed_time) => {
    expect(submission({ attributes: CHAT, time })).toMatchObject({ claimed_time })
  })

  it('the time of observation stands in for one that is not known', () => {
    expect(submission({ attributes: CHAT, observed: 1n })).toMatchObject({
      claimed_time: '1970-01-01T00:00:00.000000001Z',
    })
    expect(submission({ attributes: CHAT })).not.toHaveProperty('claimed_time')
  })

  it('the trace is the request, unless another is named', () => {
    const traceId = new Uint8Array(16).fill(0xab)
    const response = { ...CHAT, 'gen_ai.response.id': 'r1' }
    expect(submission({ attributes: response, traceId })).toMatchObject({
      request_id: 'ab'.repeat(16),
      trace_id: 'ab'.repeat(16),
    })
    expect(of(response)).toMatchObject({ request_id: 'r1' })
    expect(of({ ...response, 'cairn.request_id': 'q' })).toMatchObject({ request_id: 'q' })
  })

  it('ids of zeros are none, those of another length an error', () => {
    const none = submission({
      attributes: CHAT,
      traceId: new Uint8Array(16),
      spanId: new Uint8Array(8),
    })
    expect(none).not.toHaveProperty('trace_id')
    expect(none).not.toHaveProperty('span_id')
    expect(reason({ attributes: CHAT, traceId: Uint8Array.of(1) })).toBe(
      'traceId: expected 16 bytes, or none',
    )
    expect(reason({ attributes: CHAT, spanId: new Uint8Array(16).fill(1) })).toBe(
      'spanId: expected 8 bytes, or none',
    )
  })
})

describe('what cannot be a record', () => {
  it('is rejected by itself', () => {
    const twice = {
      eventName: 'gen_ai.x',
      attributes: [...attributesOf({ a: 1 }), ...attributesOf({ a: 2 })],
    }
    let deep: JsonValue = 1
    for (let i = 0; i < 32; i++) deep = [deep]
    const { records, rejected } = mapped(
      exportOf(
        logOf({ attributes: CHAT }),
        twice,
        logOf({ attributes: { ...CHAT, deep } }),
        logOf({}),
      ),
    )
    expect(records.map(({ place }) => place)).toEqual(['/resourceLogs/0/scopeLogs/0/logRecords/0'])
    expect(rejected.map(({ reason }) => reason)).toEqual([
      'attributes: a is there twice',
      expect.stringContaining('nested deeper than 32'),
      expect.stringContaining('no event of generative AI'),
    ])
  })

  it('costs no more than its own size, however large its resource is', () => {
    const resource = {
      attributes: Array.from({ length: 100_000 }, (_, i) => [`a${i}`, 1] as const),
      droppedAttributesCount: 0,
    }
    const [{ scopeLogs, schemaUrl }] = parseOtlpProtobuf(protobufOf(exportOf({}))).resourceLogs as [
      OtlpResourceLogs,
    ]
    const log = scopeLogs[0]!.logRecords[0]!
    const rejectedIn = (logRecords: readonly OtlpLogRecord[], attributes: OtlpAttributes) =>
      genaiRecords({
        resourceLogs: [
          {
            resource: { ...resource, attributes },
            scopeLogs: [{ ...scopeLogs[0]!, logRecords }],
            schemaUrl,
          },
        ],
      }).rejected
    const started = performance.now()
    const none = Array<OtlpLogRecord>(10_000).fill(log)
    expect(rejectedIn(none, resource.attributes)).toHaveLength(10_000)
    const chat: OtlpLogRecord = { ...log, eventName: 'gen_ai.choice' }
    const short = Array<OtlpLogRecord>(10_000).fill({ ...chat, spanId: '01' })
    expect(rejectedIn(short, resource.attributes)).toHaveLength(10_000)
    const twice = rejectedIn(Array<OtlpLogRecord>(10_000).fill(chat), [
      ...resource.attributes,
      ['a0', 2],
    ])
    expect(twice).toHaveLength(10_000)
    expect(twice[0]!.reason).toBe('resource/attributes: a0 is there twice')
    expect(performance.now() - started).toBeLessThan(10_000)
  })

  it('is told, whatever the attributes hold', () => {
    const odd: JsonValue = { toString: 'x', valueOf: null, constructor: 1, length: -1 }
    for (const [name] of [...ATTRIBUTE_RULES, ...RESOURCE_RULES, ['cairn.type'], ['event.name']]) {
      for (const value of [odd, [odd], [], null, '', -1, 0.5, true]) {
        const { records, rejected } = mapped(
          exportOf(logOf({ attributes: { ...CHAT, [name!]: value } })),
        )
        expect(records.length + rejected.length).toBe(1)
      }
    }
    expect(of({ 'mcp.method.name': odd }).type).toBe('tool_call')
  })

  it('all together are bounded, for each repeats its resource', () => {
    const resource = { attributes: attributesOf({ big: 'x'.repeat(1_000_000) }), dropped: 0 }
    const [{ scopes, schemaUrl }] = exportOf(...Array(34).fill(logOf({ attributes: CHAT }))) as [
      Export[number],
    ]
    const parsed = parseOtlpJson(jsonOf([{ resource, scopes, schemaUrl }]))
    let thrown: unknown
    try {
      genaiRecords(parsed)
    } catch (error) {
      thrown = error
    }
    expect(thrown).toBeInstanceOf(CairnError)
    expect(thrown).toMatchObject({ code: 'TOO_LARGE' })
  })
})
