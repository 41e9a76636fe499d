import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { CairnError } from '../../src/errors.ts'
import { parseOtlpJson } from '../../src/formats/otlp-json.ts'
import {
  MAX_OTLP_DEPTH,
  MAX_OTLP_RECORDS,
  MAX_OTLP_SIZE,
  MAX_OTLP_VALUES,
  type OtlpLogs,
} from '../../src/formats/otlp-logs.ts'
import { parseOtlpProtobuf } from '../../src/formats/otlp-protobuf.ts'
import { formatOtlpResponse, formatOtlpStatus } from '../../src/formats/otlp-response.ts'
import {
  anyExport,
  BARE,
  type Export,
  exportOf,
  jsonOf,
  type Pair,
  plainOf,
  protobufOf,
  sdkExport,
  type Value,
} from '../support/otlp-exports.ts'

const json = (value: unknown): OtlpLogs => parseOtlpJson(Buffer.from(JSON.stringify(value)))
const raw = (text: string): OtlpLogs => parseOtlpJson(Buffer.from(text))
const hex = (text: string): OtlpLogs =>
  parseOtlpProtobuf(Buffer.from(text.replaceAll(' ', ''), 'hex'))
const attribute = (text: string): string =>
  `{"resourceLogs":[{"scopeLogs":[{"logRecords":[{"attributes":[{"key":"a","value":${text}}]}]}]}]}`
const valueIn = (logs: OtlpLogs): unknown =>
  logs.resourceLogs[0]!.scopeLogs[0]!.logRecords[0]!.attributes[0]![1]

function refusal(read: () => unknown): string {
  try {
    read()
  } catch (error) {
    if (error instanceof CairnError) return `${error.code} ${error.message}`
    throw error
  }
  return 'accepted'
}

const entriesOf = (pairs: readonly Pair[]) => pairs.map(([key, value]) => [key, plainOf(value)])

/** What both decoders should read. */
function expected(exported: Export): unknown {
  return {
    resourceLogs: exported.map(({ resource, scopes, schemaUrl }) => ({
      resource: {
        attributes: entriesOf(resource?.attributes ?? []),
        droppedAttributesCount: resource?.dropped ?? 0,
      },
      scopeLogs: scopes.map(({ scope, records, schemaUrl }) => ({
        scope: {
          name: scope?.name ?? '',
          version: scope?.version ?? '',
          attributes: entriesOf(scope?.attributes ?? []),
          droppedAttributesCount: 0,
        },
        logRecords: records.map((one) => ({
          timeUnixNano: one.time,
          observedTimeUnixNano: one.observed,
          severityNumber: one.severity,
          severityText: one.severityText,
          eventName: one.eventName,
          body: one.body === undefined ? null : plainOf(one.body),
          attributes: entriesOf(one.attributes),
          droppedAttributesCount: one.dropped,
          flags: one.flags,
          traceId: Buffer.from(one.traceId).toString('hex'),
          spanId: Buffer.from(one.spanId).toString('hex'),
        })),
        schemaUrl,
      })),
      schemaUrl,
    })),
  }
}

/** A value in so many arrays. */
function nested(depth: number): Value {
  let value: Value = { kind: 'none' }
  for (let i = 0; i < depth; i++) {
    value = i % 2 === 0 ? { kind: 'array', value: [value] } : { kind: 'map', value: [['k', value]] }
  }
  return value
}

describe('any export', () => {
  it('is read from both encodings, to the same values', () => {
    fc.assert(
      fc.property(anyExport, (exported) => {
        expect(parseOtlpProtobuf(protobufOf(exported))).toEqual(expected(exported))
        expect(parseOtlpJson(jsonOf(exported))).toEqual(expected(exported))
      }),
      { numRuns: 150 },
    )
  })

  it('with changed bytes is read or refused, and nothing else', () => {
    const changes = fc.array(fc.tuple(fc.nat(), fc.nat({ max: 255 })), {
      minLength: 1,
      maxLength: 4,
    })
    fc.assert(
      fc.property(anyExport, changes, fc.nat(), (exported, changed, end) => {
        for (const [parse, bytes] of [
          [parseOtlpProtobuf, protobufOf(exported)],
          [parseOtlpJson, jsonOf(exported)],
        ] as const) {
          const broken = Uint8Array.from(bytes)
          for (const [at, byte] of changed) if (broken.length > 0) broken[at % broken.length] = byte
          for (const input of [broken, bytes.subarray(0, end % (bytes.length + 1))]) {
            const outcome = refusal(() => parse(input))
            expect(outcome).toMatch(/^(accepted$|MALFORMED |TOO_LARGE )/)
          }
        }
      }),
      { numRuns: 150 },
    )
  })

  it('made of random bytes is refused or holds next to nothing', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 200 }), (bytes) => {
        expect(refusal(() => parseOtlpProtobuf(bytes))).toMatch(/^(accepted$|MALFORMED )/)
        expect(refusal(() => parseOtlpJson(bytes))).toMatch(/^MALFORMED /)
      }),
    )
  })
})

describe('what SDKs send', () => {
  it('is the same in both encodings of the JavaScript SDK', () => {
    const logs = parseOtlpJson(sdkExport('sdk-json.txt'))
    expect(logs).toEqual(parseOtlpProtobuf(sdkExport('sdk.pb')))
    const [record] = logs.resourceLogs[0]!.scopeLogs[0]!.logRecords
    expect(record).toMatchObject({
      timeUnixNano: 1795262400123456000n,
      traceId: '0af7651916cd43dd8448eb211c80319c',
      spanId: 'b7ad6b7169203331',
      eventName: 'gen_ai.system.message',
      body: { content: "You're a helpful bot" },
    })
  })

  it('is read from the Python SDK', () => {
    const [{ resource, scopeLogs }] = parseOtlpProtobuf(sdkExport('python.pb')).resourceLogs as [
      OtlpLogs['resourceLogs'][number],
    ]
    expect(resource.attributes).toContainEqual(['service.version', '2.7.1'])
    const { scope, logRecords, schemaUrl } = scopeLogs[0]!
    expect([scope.name, scope.version, schemaUrl]).toEqual([
      'example.openai',
      '2.1b0',
      'https://opentelemetry.io/schemas/1.30.0',
    ])
    expect(logRecords.map(({ eventName }) => eventName)).toEqual([
      'gen_ai.user.message',
      'gen_ai.choice',
      'gen_ai.client.inference.operation.details',
    ])
    expect(Object.fromEntries(logRecords[2]!.attributes)).toMatchObject({
      'gen_ai.request.seed': '9007199254740993',
      'app.infinite': 'Infinity',
      'app.negative': '-9223372036854775808',
      'app.bytes': 'AP8=',
    })
  })

  it('may be nothing', () => {
    for (const logs of [raw('{}'), raw('{"resourceLogs":null}'), hex('')]) {
      expect(logs).toEqual({ resourceLogs: [] })
    }
  })
})

describe('JSON', () => {
  it.each([
    ['{"intValue":"9223372036854775807"}', '9223372036854775807'],
    ['{"intValue":9223372036854775807}', '9223372036854775807'],
    ['{"intValue":-9223372036854775808}', '-9223372036854775808'],
    ['{"intValue":9007199254740993}', '9007199254740993'],
    ['{"intValue":"12"}', 12],
    ['{"intValue":1.20e1}', 12],
    ['{"intValue":"1e3"}', 1000],
    ['{"intValue":-0}', 0],
    ['{"intValue":1e+300}', '1e+300'],
    ['{"doubleValue":1e300}', '1e+300'],
    ['{"doubleValue":0.10000000000000001}', 0.1],
    ['{"doubleValue":"0.5"}', 0.5],
    ['{"doubleValue":"-Infinity"}', '-Infinity'],
    ['{"doubleValue":"NaN"}', 'NaN'],
    ['{"doubleValue":-0.0}', 0],
    ['{"bytesValue":"-_8="}', '+/8='],
    ['{"bytesValue":"+/8"}', '+/8='],
    ['{"stringValue":"1e300 \\" 12345678901234567890"}', '1e300 " 12345678901234567890'],
    ['{"stringValue":"\\\\","intValue":null}', '\\'],
    ['{"stringValue":null}', null],
    ['null', null],
    ['{"somethingNew":5}', null],
    ['{"arrayValue":{}}', []],
    [
      '{"kvlistValue":{"values":[{"key":"__proto__","value":{"intValue":1}}]}}',
      JSON.parse('{"__proto__":1}'),
    ],
  ])('reads %s', (text, value) => {
    expect(valueIn(raw(attribute(text)))).toEqual(value)
  })

  const AT = '/resourceLogs/0/scopeLogs/0/logRecords/0/attributes/0/value'
  it.each([
    ['{"intValue":1.5}', `${AT}/intValue: expected a whole number`],
    ['{"intValue":""}', `${AT}/intValue: expected a whole number`],
    ['{"intValue":"1e999999999999"}', `${AT}/intValue: expected a whole number`],
    ['{"intValue":true}', `${AT}/intValue: expected a whole number`],
    ['{"doubleValue":"0x10"}', `${AT}/doubleValue: expected a number`],
    ['{"boolValue":1}', `${AT}/boolValue: expected true or false`],
    ['{"stringValue":1}', `${AT}/stringValue: expected text`],
    ['{"bytesValue":"a"}', `${AT}/bytesValue: expected bytes in base64`],
    ['{"bytesValue":"ab*="}', `${AT}/bytesValue: expected bytes in base64`],
    ['{"stringValue":"a","intValue":1}', `${AT}: a value is of one kind only`],
    ['{"string_value":"a"}', `${AT}: OTLP in JSON has no member string_value; write stringValue`],
    ['{"stringValueStrindex":1}', `${AT}: a string by number needs a table`],
    ['{"arrayValue":[]}', `${AT}/arrayValue: expected an object`],
    ['{"arrayValue":{"values":{}}}', `${AT}/arrayValue/values: expected an array`],
    ['{"arrayValue":{"values":[null]}}', `${AT}/arrayValue/values/0: expected an object`],
    [
      '{"kvlistValue":{"values":[{"key":"a"},{"key":"a"}]}}',
      `${AT}/kvlistValue: the key a is there twice`,
    ],
    ['"text"', `${AT}: expected an object`],
    ['{"stringValue":"\\ud800"}', `${AT}/stringValue: a string has half of a surrogate pair`],
    ['{"stringValue":"a","stringValue":"b"}', `${AT}/stringValue: the member is there twice`],
    ['{1e5:1}', `${AT}: not JSON`],
  ])('refuses %s', (text, message) => {
    expect(refusal(() => raw(attribute(text)))).toContain(`MALFORMED ${message}`)
  })

  it.each([
    [{ resource_logs: [] }, 'the top level: OTLP in JSON has no member resource_logs'],
    [[], 'the top level: expected an object'],
    [
      { resourceLogs: [{ scopeLogs: [{ logRecords: [{ traceId: 'xyz0' }] }] }] },
      '/traceId: expected bytes in hex',
    ],
    [
      { resourceLogs: [{ scopeLogs: [{ logRecords: [{ spanId: 'abc' }] }] }] },
      '/spanId: expected bytes in hex',
    ],
    [
      { resourceLogs: [{ scopeLogs: [{ logRecords: [{ severityNumber: 'INFO' }] }] }] },
      '/severityNumber: expected a whole number',
    ],
    [
      { resourceLogs: [{ scopeLogs: [{ logRecords: [{ timeUnixNano: '-1' }] }] }] },
      '/timeUnixNano: expected a whole number from 0 to 18446744073709551615',
    ],
    [
      {
        resourceLogs: [{ scopeLogs: [{ logRecords: [{ timeUnixNano: '18446744073709551616' }] }] }],
      },
      '/timeUnixNano: expected a whole number from 0',
    ],
    [
      { resourceLogs: [{ scopeLogs: [{ logRecords: [{ flags: 2 ** 32 }] }] }] },
      '/flags: expected a whole number from 0 to 4294967295',
    ],
  ])('refuses %j', (value, message) => {
    expect(refusal(() => json(value))).toMatch(/^MALFORMED /)
    expect(refusal(() => json(value))).toContain(message)
  })

  it('reads times that are written as numbers to the nanosecond', () => {
    const logs = raw(
      '{"resourceLogs":[{"scopeLogs":[{"logRecords":[{"timeUnixNano":1795262400123456789}]}]}]}',
    )
    expect(logs.resourceLogs[0]!.scopeLogs[0]!.logRecords[0]!.timeUnixNano).toBe(
      1795262400123456789n,
    )
  })
})

describe('protobuf', () => {
  it.each([
    ['0a', '/resourceLogs/0: not protobuf: the message ends within a field'],
    ['0a05 00', 'not protobuf: the message ends within a field'],
    ['0a ffffffffff7f', 'not protobuf: a length of more than 32 bits'],
    ['0a 80808080808080808080', 'not protobuf: a length of more than 32 bits'],
    ['0b', 'no field has this number and wire type'],
    ['0c', 'no field has this number and wire type'],
    ['0e', 'no field has this number and wire type'],
    ['02', 'no field has this number and wire type'],
    ['08 01', '/resourceLogs: expected a field of the wire type bytes, found varint'],
    ['0a04 0a00 0a00', '/resourceLogs/0/resource: the field is there twice'],
    ['0a03 1a01ff', '/resourceLogs/0/schemaUrl: not valid UTF-8'],
    // A value with two kinds, a key twice, a string by number.
    [
      '0a0b 1209 1207 2a05 0a0161 1001',
      '/resourceLogs/0/scopeLogs/0/logRecords/0/body: a value is of one kind only',
    ],
    ['0a0c 120a 1208 3206 0a0161 0a0162', '/attributes/0: the key or the value is there twice'],
    ['0a08 1206 1204 3202 1801', '/attributes/0: a string by number needs a table'],
    ['0a08 1206 1204 2a02 4001', '/body: a string by number needs a table'],
    ['10 ffffffffffffffffff02', 'a varint of more than 64 bits'],
  ])('refuses %s', (bytes, message) => {
    const refused = refusal(() => hex(bytes))
    expect(refused).toMatch(/^MALFORMED /)
    expect(refused).toContain(message)
  })

  it('passes over fields it does not know, of every wire type', () => {
    // Fields 100 to 103 before an empty ResourceLogs, and 13 in it.
    const unknown = 'a00601 a9060000000000000000 b2060161 bd0600000000'
    expect(hex(`${unknown} 0a026801`)).toEqual(hex('0a00'))
    expect(hex('0a00').resourceLogs).toHaveLength(1)
  })

  it('reads lengths that are written longer than need be', () => {
    expect(hex('0a 82808000 2a00')).toEqual(hex('0a00'))
  })
})

describe('the limits', () => {
  it('end the nesting in both encodings at the same depth', () => {
    for (const [parse, encode] of [
      [parseOtlpJson, jsonOf],
      [parseOtlpProtobuf, protobufOf],
    ] as const) {
      const at = (depth: number) => encode(exportOf({ body: nested(depth) }))
      expect(refusal(() => parse(at(MAX_OTLP_DEPTH)))).toBe('accepted')
      expect(refusal(() => parse(at(MAX_OTLP_DEPTH + 1)))).toMatch(
        /^MALFORMED \/resourceLogs\/0\/scopeLogs\/0\/logRecords\/0\/body\/.*nested deeper than 64/,
      )
    }
  })

  it('are told by size, log records and values', () => {
    const records = {
      resourceLogs: [{ scopeLogs: [{ logRecords: Array(MAX_OTLP_RECORDS + 1).fill({}) }] }],
    }
    const refused = 'TOO_LARGE the export has more than 10000 log records. Export smaller batches'
    expect(refusal(() => json(records))).toBe(refused)
    const empty = Buffer.from('1200'.repeat(MAX_OTLP_RECORDS + 1), 'hex')
    const length = (n: number) => Buffer.from([(n & 127) | 128, ((n >> 7) & 127) | 128, n >> 14])
    const scope = Buffer.concat([Buffer.from([0x12]), length(empty.length), empty])
    const bytes = Buffer.concat([Buffer.from([0x0a]), length(scope.length), scope])
    expect(refusal(() => parseOtlpProtobuf(bytes))).toBe(refused)
    expect(
      refusal(() =>
        raw(attribute(`{"arrayValue":{"values":[${'{},'.repeat(MAX_OTLP_VALUES)}{}]}}`)),
      ),
    ).toBe(
      'TOO_LARGE the export has more than 500000 attributes and other values. Export smaller batches',
    )
    for (const parse of [parseOtlpJson, parseOtlpProtobuf]) {
      expect(refusal(() => parse(new Uint8Array(MAX_OTLP_SIZE + 1)))).toBe(
        'TOO_LARGE the export has 8388609 bytes; 8388608 at most. Export smaller batches',
      )
    }
  })

  it('leave no input that takes long', () => {
    const started = performance.now()
    for (const text of [
      '"'.repeat(1e6),
      '\\'.repeat(1e6),
      `"${'\\"'.repeat(1e6)}`,
      '1e5:'.repeat(1e5),
      '['.repeat(1e6),
      '1'.repeat(1e6),
      `"a"${' '.repeat(1e6)}`.repeat(2),
      `1e5${' '.repeat(1e3)}`.repeat(1e3),
    ]) {
      expect(refusal(() => raw(text))).toMatch(/^MALFORMED/)
    }
    expect(performance.now() - started).toBeLessThan(10_000)
  })
})

describe('the answer', () => {
  const rejected = [{ place: '/resourceLogs/0/scopeLogs/0/logRecords/6', reason: 'no event' }]
  const message =
    '1 of 8 log records became no records. /resourceLogs/0/scopeLogs/0/logRecords/6: no event'

  it('is empty when every log record was taken', () => {
    expect(formatOtlpResponse([], 3, 'protobuf')).toHaveLength(0)
    expect(Buffer.from(formatOtlpResponse([], 3, 'json')).toString()).toBe('{}')
  })

  it('counts what was rejected and says why', () => {
    expect(JSON.parse(Buffer.from(formatOtlpResponse(rejected, 8, 'json')).toString())).toEqual({
      partialSuccess: { rejectedLogRecords: '1', errorMessage: message },
    })
    const length = message.length.toString(16)
    const inner = (message.length + 4).toString(16)
    expect(Buffer.from(formatOtlpResponse(rejected, 8, 'protobuf')).toString('hex')).toBe(
      `0a${inner}080112${length}${Buffer.from(message).toString('hex')}`,
    )
  })

  it('stays short', () => {
    const many = Array.from({ length: 300 }, () => ({ place: '/x', reason: 'y'.repeat(1000) }))
    const { partialSuccess } = JSON.parse(
      Buffer.from(formatOtlpResponse(many, 300, 'json')).toString(),
    )
    expect(partialSuccess.rejectedLogRecords).toBe('300')
    expect(partialSuccess.errorMessage).toMatch(/^300 of 300 .*; and 295 more$/)
    expect(partialSuccess.errorMessage.length).toBeLessThan(2000)
    expect(Buffer.from(formatOtlpResponse(many, 300, 'protobuf')).toString('hex')).toMatch(
      /^0a....08ac0212/,
    )
  })

  it('says each reason, before it repeats one', () => {
    const many = [1, 2, 3, 1, 1, 2].map((n, i) => ({ place: `/${i}`, reason: `reason ${n}` }))
    const { partialSuccess } = JSON.parse(
      Buffer.from(formatOtlpResponse(many, 6, 'json')).toString(),
    )
    expect(partialSuccess.errorMessage).toMatch(
      /\. \/0: reason 1; \/1: reason 2; \/2: reason 3; \/3: reason 1; \/4: reason 1; and 1 more$/,
    )
  })

  it('to what is refused as a whole is a Status', () => {
    expect(Buffer.from(formatOtlpStatus('bad', 'json')).toString()).toBe('{"message":"bad"}')
    expect(Buffer.from(formatOtlpStatus('bad', 'protobuf')).toString('hex')).toBe('1203626164')
  })
})

it('BARE is an export of one empty log record', () => {
  expect(parseOtlpProtobuf(protobufOf(exportOf({})))).toEqual(expected(exportOf(BARE)))
})
