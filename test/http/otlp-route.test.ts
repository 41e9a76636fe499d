/** OpenTelemetry logs over real HTTP into real records. */
import { randomBytes } from 'node:crypto'
import { once } from 'node:events'
import { connect } from 'node:net'
import { deflateRawSync, deflateSync, gzipSync } from 'node:zlib'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { CairnError } from '../../src/errors.ts'
import { MAX_OTLP_SIZE, type OtlpEncoding } from '../../src/formats/otlp-logs.ts'
import { createApp } from '../../src/http/app.ts'
import { allowAnyone } from '../../src/http/authenticate.ts'
import { OTLP_TYPES } from '../../src/http/otlp-body.ts'
import type { AcceptedRecord } from '../../src/records/service.ts'
import type { LiveServer } from '../support/live-server.ts'
import {
  attributesOf,
  type Export,
  exportOf,
  jsonOf,
  type LogRecord,
  protobufOf,
  sdkExport,
} from '../support/otlp-exports.ts'
import { type HostedPlace, hostedPlace } from './hosted-place.ts'

/** After what the SDKs sent once. */
const NOW = Date.parse('2026-11-21T13:00:00Z')

let place: HostedPlace
let server: LiveServer
/** What the log does instead of taking leaves. */
let failure: Error | undefined

beforeAll(async () => {
  place = await hostedPlace({
    now: () => NOW,
    wrapLog: (log) => ({
      ...log,
      submit: (leaves, options) =>
        failure === undefined ? log.submit(leaves, options) : Promise.reject(failure),
    }),
  })
  server = await place.listen()
})
afterAll(async () => {
  await server.close()
  await place.close()
})

type Headers = Readonly<Record<string, string>>

function post(body: Uint8Array, headers: Headers, path = '/otlp/v1/logs'): Promise<Response> {
  return fetch(server.url + path, {
    method: 'POST',
    body: body as RequestInit['body'] & {},
    headers: { authorization: 'Bearer sam', ...headers },
  })
}

const JSON_TYPE = { 'content-type': OTLP_TYPES.json }
const PROTOBUF = { 'content-type': OTLP_TYPES.protobuf }

let fresh = 0
/** A log record that becomes a record, unlike any other. */
function chat(more: Partial<LogRecord> = {}): Partial<LogRecord> {
  return {
    eventName: 'gen_ai.client.inference.operation.details',
    time: BigInt(NOW) * 1_000_000n + BigInt(fresh),
    traceId: randomBytes(16),
    spanId: randomBytes(8),
    attributes: attributesOf({
      'gen_ai.operation.name': 'chat',
      'gen_ai.request.model': 'gpt-4',
      'enduser.id': `person-${fresh++}@example.com`,
      'gen_ai.input.messages': [{ role: 'user', content: 'what is my balance?' }],
    }),
    ...more,
  }
}
const other: Partial<LogRecord> = { eventName: 'login', time: 1n }
const written = (exported: Export, encoding: OtlpEncoding): Uint8Array =>
  encoding === 'json' ? jsonOf(exported) : protobufOf(exported)

const size = (): number => place.log.head().size

/** The records that were added since the log had this size. */
async function since(first: number) {
  await place.records.settled()
  const indices = Array.from({ length: size() - first }, (_, i) => first + i)
  return Promise.all(
    indices.map((index) => place.records.read(index as AcceptedRecord['index'], 'acme')),
  )
}

async function statusOf(response: Response): Promise<string> {
  expect(response.headers.get('cache-control')).toBe('no-store')
  const bytes = Buffer.from(await response.arrayBuffer())
  if (response.headers.get('content-type') === OTLP_TYPES.json) {
    const { message, ...rest } = JSON.parse(bytes.toString()) as { message: string }
    expect(rest).toEqual({})
    return message
  }
  expect(response.headers.get('content-type')).toBe(OTLP_TYPES.protobuf)
  // google.rpc.Status.message is field 2, and the only one here.
  expect(bytes[0]).toBe(0x12)
  const long = bytes[1]! >= 0x80
  return bytes.subarray(long ? 3 : 2).toString()
}

describe.each(['protobuf', 'json'] as const)('an export in %s', (encoding) => {
  const headers = { 'content-type': OTLP_TYPES[encoding] }

  it('becomes records, each with its trace and span, and is answered with nothing', async () => {
    const before = size()
    const logs = [chat(), chat(), chat()]
    const response = await post(written(exportOf(...logs), encoding), headers)
    expect(response.status).toBe(200)
    expect(response.headers.get('content-type')).toBe(OTLP_TYPES[encoding])
    expect(response.headers.get('cache-control')).toBe('no-store')
    expect(await response.text()).toBe(encoding === 'json' ? '{}' : '')
    const found = await since(before)
    expect(found.map(({ record }) => [record.type, record.tenant, record.model?.name])).toEqual(
      logs.map(() => ['llm_request', 'acme', 'gpt-4']),
    )
    const hex = (id: Uint8Array = new Uint8Array()): string => Buffer.from(id).toString('hex')
    expect(found.map(({ record }) => [record.trace_id, record.span_id])).toEqual(
      logs.map(({ traceId, spanId }) => [hex(traceId), hex(spanId)]),
    )
    expect(Buffer.from(found[0]!.leaf).toString()).not.toContain('balance')
  })

  it('is taken in part, and the answer counts the rest and says why', async () => {
    const before = size()
    const late = chat({ time: BigInt(NOW + 3_600_000) * 1_000_000n })
    const exported = exportOf(other, chat(), late, other, chat({ traceId: Buffer.from('short') }))
    const response = await post(written(exported, encoding), headers)
    expect(response.status).toBe(200)
    const answer = Buffer.from(await response.arrayBuffer()).toString()
    if (encoding === 'json') {
      expect(JSON.parse(answer).partialSuccess.rejectedLogRecords).toBe('4')
    } else {
      expect(Buffer.from(answer).readUInt8(0)).toBe(0x0a)
    }
    expect(answer).toContain('4 of 5 log records became no records')
    expect(answer).toContain(
      '/resourceLogs/0/scopeLogs/0/logRecords/2: /claimed_time: it is in the',
    )
    expect(answer).toContain('/logRecords/0: no event of generative AI')
    expect(answer).toContain('/logRecords/4: traceId: expected 16 bytes')
    expect(await since(before)).toHaveLength(1)
  })

  it('may be empty, or have nothing that becomes a record', async () => {
    const before = size()
    for (const exported of [[], exportOf()]) {
      const response = await post(written(exported, encoding), headers)
      expect([response.status, await response.text()]).toEqual([
        200,
        encoding === 'json' ? '{}' : '',
      ])
    }
    const response = await post(written(exportOf(other), encoding), headers)
    expect(response.status).toBe(200)
    expect(await response.text()).toContain('1 of 1 log records')
    expect(size()).toBe(before)
  })

  it('is unpacked', async () => {
    const codings = [
      ['gzip', gzipSync],
      ['x-gzip', gzipSync],
      ['GZIP', gzipSync],
      ['deflate', deflateSync],
      ['zlib', deflateSync],
      ['identity', (bytes: Uint8Array) => bytes],
    ] as const
    for (const [coding, pack] of codings) {
      const before = size()
      const body = pack(Buffer.from(written(exportOf(chat()), encoding)))
      const response = await post(body, { ...headers, 'content-encoding': coding })
      expect(response.status, coding).toBe(200)
      expect(size(), coding).toBe(before + 1)
    }
  })

  it('is taken once, however often it is sent', async () => {
    const before = size()
    const body = written(exportOf(chat(), other, chat()), encoding)
    const answers = await Promise.all([1, 2, 3].map(() => post(body, headers)))
    // Those that come while the first is under way may be told to come again.
    for (const one of answers) expect([200, 503]).toContain(one.status)
    const again = await post(body, headers)
    expect(again.status).toBe(200)
    expect(await again.text()).toContain('1 of 3 log records')
    expect(size()).toBe(before + 2)
    const packed = await post(gzipSync(body), { ...headers, 'content-encoding': 'gzip' })
    expect(packed.status).toBe(200)
    expect(size()).toBe(before + 2)
    // Of somebody else it is another.
    expect((await post(body, { ...headers, authorization: 'Bearer ada' })).status).toBe(200)
    expect(size()).toBe(before + 4)
  })

  it('without times is taken each time: nobody knows whether it is the same', async () => {
    const before = size()
    const body = written(exportOf(chat({ time: 0n, traceId: Buffer.alloc(0) })), encoding)
    for (let i = 0; i < 2; i++) expect((await post(body, headers)).status).toBe(200)
    expect(size()).toBe(before + 2)
  })

  describe('is refused with a Status', () => {
    const good = written(exportOf(chat()), encoding)
    const packed = gzipSync(good)
    const changed = Buffer.from(packed)
    changed[changed.length - 6]! ^= 1
    const gzip = { 'content-encoding': 'gzip' }
    it.each<[string, number, Uint8Array, Headers, RegExp]>([
      ['that is neither', 400, Buffer.from('!!!!'), {}, /expected|wire|field|JSON/],
      ['cut off', 400, good.subarray(0, good.length - 3), {}, /./],
      ['that is not packed', 400, good, gzip, /the body is not gzip: it is damaged/],
      ['packed and cut off', 400, packed.subarray(0, -5), gzip, /is damaged, or was cut off/],
      ['with a wrong checksum', 400, changed, gzip, /is damaged/],
      ['with more behind', 400, Buffer.concat([packed, Buffer.from('more')]), gzip, /is damaged/],
      [
        'with more behind, in zlib',
        400,
        Buffer.concat([deflateSync(good), Buffer.from('more')]),
        { 'content-encoding': 'deflate' },
        /behind its end/,
      ],
      [
        'without a zlib header',
        400,
        deflateRawSync(good),
        { 'content-encoding': 'deflate' },
        /not/,
      ],
      ['packed otherwise', 415, good, { 'content-encoding': 'br' }, /"Content-Encoding: gzip"/],
      ['packed twice', 415, packed, { 'content-encoding': 'gzip, gzip' }, /gzip/],
      ['too large', 413, new Uint8Array(MAX_OTLP_SIZE + 1), {}, /8388608 bytes/],
      ['that grows too large', 413, gzipSync(new Uint8Array(MAX_OTLP_SIZE + 1)), gzip, /8388608/],
      ['of nobody', 401, good, { authorization: 'Bearer eve' }, /token/],
      ['of a reader', 403, good, { authorization: 'Bearer rita' }, /submitter/],
    ])('%s', async (_, status, body, more, words) => {
      const before = size()
      const response = await post(body, { ...headers, ...more })
      expect(response.status).toBe(status)
      expect(response.headers.get('retry-after')).toBeNull()
      expect(await statusOf(response)).toMatch(words)
      if (status === 415) expect(response.headers.get('accept-encoding')).toBe('gzip, deflate')
      expect(size()).toBe(before)
    })

    it('when something goes wrong that is no fault of it', async () => {
      const secret = 'something inside'
      failure = new Error(secret)
      const response = await post(written(exportOf(chat()), encoding), headers)
      failure = undefined
      expect(response.status).toBe(500)
      expect(response.headers.get('retry-after')).toBeNull()
      expect(await statusOf(response)).not.toContain(secret)
      expect(place.errors.splice(0)).toEqual([expect.objectContaining({ message: secret })])
    })

    it('by a log that keeps no records', async () => {
      const bare = createApp({
        logs: new Map([['', { log: place.log, authenticate: allowAnyone }]]),
      })
      const init = { method: 'POST', body: good as RequestInit['body'] & {}, headers }
      const response = await bare.request('/otlp/v1/logs', init)
      expect(response.status).toBe(404)
      expect(await statusOf(response)).toMatch(/this log keeps/)
    })
  })

  it.each([
    ['OVERLOADED', 1],
    ['DISK_FULL', 30],
    ['READ_ONLY', 30],
    ['STOPPED', 10],
    ['IO', 10],
  ] as const)('is to be sent again after %s', async (code, seconds) => {
    failure = new CairnError(code, 'for now')
    const response = await post(written(exportOf(chat()), encoding), headers)
    failure = undefined
    expect(response.status).toBe(503)
    expect(response.headers.get('retry-after')).toBe(String(seconds))
    expect(await statusOf(response)).not.toBe('')
    place.errors.length = 0
  })
})

it.each(['text/plain', 'application/x-ndjson', 'application/protobuf', ''])(
  'what is sent as %j gets a problem document, as nobody knows what else it reads',
  async (type) => {
    const response = await post(jsonOf(exportOf(chat())), { 'content-type': type })
    expect(response.status).toBe(415)
    expect(response.headers.get('content-type')).toBe('application/problem+json')
    expect(response.headers.get('accept-post')).toBe('application/x-protobuf, application/json')
    expect((await response.json()).code).toBe('UNSUPPORTED_MEDIA_TYPE')
  },
)

it('parameters of the media type do not matter', async () => {
  const type = 'Application/JSON; charset=utf-8'
  expect((await post(jsonOf(exportOf(chat())), { 'content-type': type })).status).toBe(200)
})

it('asks for a token where there is none', async () => {
  const body = jsonOf(exportOf(chat()))
  const response = await fetch(`${server.url}/otlp/v1/logs`, {
    method: 'POST',
    body: body as RequestInit['body'] & {},
    headers: JSON_TYPE,
  })
  expect(response.status).toBe(401)
  expect(response.headers.get('www-authenticate')).toContain('Bearer')
  expect(await statusOf(response)).toContain('Authorization')
})

it('answers as the OpenAPI document says', async () => {
  const text = (exported: Export): string => Buffer.from(jsonOf(exported)).toString()
  for (const [who, body, status] of [
    ['sam', text(exportOf(chat())), 200],
    ['sam', text(exportOf(chat(), other)), 200],
    ['sam', '{"resource_logs":[]}', 400],
    ['nobody', text(exportOf(chat())), 401],
    ['rita', text(exportOf(chat())), 403],
    ['sam', ' '.repeat(MAX_OTLP_SIZE + 1), 413],
  ] as const) {
    expect((await place.ask(who, 'POST', '/otlp/v1/logs', body)).status).toBe(status)
  }
  failure = new CairnError('OVERLOADED', 'for now')
  const busy = await place.ask('sam', 'POST', '/logs/second/otlp/v1/logs', text(exportOf(chat())))
  failure = undefined
  expect([busy.status, busy.json]).toEqual([503, { message: 'for now' }])
})

it('counts what became of log records', async () => {
  const counted = async (): Promise<number[]> => {
    const metrics = await (await fetch(`${server.url}/metrics`)).text()
    return ['accepted', 'rejected'].map((outcome) => {
      const series = `cairn_otlp_log_records_total{log="second",outcome="${outcome}"} `
      return Number(metrics.split(series)[1]?.split('\n')[0] ?? 0)
    })
  }
  const [accepted = 0, rejected = 0] = await counted()
  const body = jsonOf(exportOf(chat(), other, chat(), other, other))
  await post(body, JSON_TYPE, '/logs/second/otlp/v1/logs')
  expect(await counted()).toEqual([accepted + 2, rejected + 3])
})

it('takes POST alone, and no query', async () => {
  const url = `${server.url}/otlp/v1/logs`
  const response = await fetch(url)
  expect([response.status, response.headers.get('allow')]).toEqual([405, 'POST, OPTIONS'])
  const asked = await post(jsonOf(exportOf(chat())), JSON_TYPE, '/otlp/v1/logs?wait=witnessed')
  expect(asked.status).toBe(400)
})

it('lets in no more than there is memory for, and the others once there is', async () => {
  const lines = [
    'POST /otlp/v1/logs HTTP/1.1',
    'Host: log.example',
    'Authorization: Bearer sam',
    'Content-Type: application/json',
    `Content-Length: ${MAX_OTLP_SIZE}`,
    // Answered once the request is being handled.
    'Expect: 100-continue',
  ]
  const sockets = await Promise.all(
    Array.from({ length: 4 }, async () => {
      const socket = connect(server.port, '127.0.0.1')
      socket.write(`${lines.join('\r\n')}\r\n\r\n`)
      const [continued] = (await once(socket, 'data')) as [Buffer]
      expect(continued.toString()).toContain('100 Continue')
      return socket
    }),
  )
  const body = jsonOf(exportOf(chat()))
  const response = await post(body, JSON_TYPE)
  expect([response.status, response.headers.get('retry-after')]).toEqual([503, '1'])
  expect(await statusOf(response)).toMatch(/too many exports at once/)
  for (const socket of sockets) socket.destroy()
  await expect
    .poll(async () => (await post(body, JSON_TYPE)).status, { interval: 20, timeout: 5_000 })
    .toBe(200)
})

it('takes what the SDKs for JavaScript and Python send', async () => {
  const before = size()
  // All are of a fixed time; the first two are the same log records.
  for (const [file, headers] of [
    ['sdk-json.txt', JSON_TYPE],
    ['sdk.pb', PROTOBUF],
    ['python.pb', PROTOBUF],
  ] as const) {
    const response = await post(sdkExport(file), headers)
    expect(response.status, file).toBe(200)
    const answer = await response.text()
    if (file !== 'python.pb') expect(answer, file).toContain('1 of 8 log records')
  }
  const found = await since(before)
  const types = found.map(({ record }) => record.type)
  expect(types.slice(0, 7)).toEqual(types.slice(7, 14))
  expect(types).toContain('tool_call')
  expect(found[4]!.record.claimed_time).toBe('2026-11-21T12:00:00.123456004Z')
  const page = await place.records.search({ subject: 'ann@example.com' }, 'acme')
  expect(page.records.length).toBeGreaterThanOrEqual(2)
})
