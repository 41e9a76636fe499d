// The OpenTelemetry SDK for JavaScript sends logs to a log of Cairn's with both of its OTLP/HTTP exporters:
//   node test/interop/otlp.mjs
// Needs a built checkout, and npm to install the SDK into a folder of its own. Exits with 1 when anything differs.
import { spawnSync } from 'node:child_process'
import { once } from 'node:events'
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { createServer } from 'node:http'
import { createRequire } from 'node:module'
import { join } from 'node:path'
import { freePort, startCairn, until, withPrograms } from './programs.mjs'

const SDK = {
  '@opentelemetry/api': '1.9.1',
  '@opentelemetry/api-logs': '0.223.0',
  '@opentelemetry/exporter-logs-otlp-http': '0.223.0',
  '@opentelemetry/exporter-logs-otlp-proto': '0.223.0',
  '@opentelemetry/resources': '2.12.0',
  '@opentelemetry/sdk-logs': '0.223.0',
}

let held = 0
await withPrograms(async (programs) => {
  const load = install(join(programs.place, 'sdk'))
  const { diag, DiagLogLevel, ROOT_CONTEXT, trace } = load('@opentelemetry/api')
  const { BatchLogRecordProcessor, LoggerProvider } = load('@opentelemetry/sdk-logs')
  const { resourceFromAttributes } = load('@opentelemetry/resources')
  const EXPORTERS = {
    json: load('@opentelemetry/exporter-logs-otlp-http').OTLPLogExporter,
    protobuf: load('@opentelemetry/exporter-logs-otlp-proto').OTLPLogExporter,
  }
  /** What the SDK tells its user. */
  const told = []
  const tell = (...words) => told.push(words.map(String).join(' '))
  const logger = { error: tell, warn: tell, info() {}, debug() {}, verbose() {} }
  diag.setLogger(logger, { logLevel: DiagLogLevel.WARN, suppressOverrideMessage: true })

  const data = join(programs.place, 'log')
  const port = await freePort()
  const log = await startCairn(programs, ['serve', '--data', data, '--port', port])
  const base = `http://127.0.0.1:${port}`
  const token = readFileSync(join(data, 'admin.token'), 'utf8').trim()
  const headers = { authorization: `Bearer ${token}` }

  for (const encoding of ['json', 'protobuf']) {
    for (const compression of ['none', 'gzip']) await oneRequest(encoding, compression)
  }
  say(
    'chats and tool calls become records with their trace and span, in JSON and protobuf, packed and not',
  )

  told.length = 0
  await send('protobuf', { headers }, (emit) => {
    emit('login', { 'http.route': '/login' })
    emit('gen_ai.client.inference.operation.details', chatOf('among-others'))
  })
  equal(
    told.filter((line) => line.includes('no event of generative AI')).length,
    1,
    told.join('\n'),
  )
  await found({ session_id: 'among-others' }, 1)
  say('the SDK tells its user what became no record, and the rest is recorded')

  told.length = 0
  await send('json', { headers: { authorization: 'Bearer wrong' } }, (emit) =>
    emit('gen_ai.client.inference.operation.details', chatOf('of-nobody')),
  )
  if (!told.some((line) => /token/.test(line)))
    throw new Error(told.join('\n') || 'nothing was told')
  await found({ session_id: 'of-nobody' }, 0)
  say('a wrong token is refused, and the SDK says why')

  await afterTrouble()
  await log.stop()

  /** A chat with a tool call in one trace, and what is found of it. */
  async function oneRequest(encoding, compression) {
    const session = `${encoding}-${compression}`
    const context = newTrace()
    await send(encoding, { headers, compression }, (emit) => {
      emit('gen_ai.client.inference.operation.details', chatOf(session), context)
      emit('mcp.tools.call', toolOf(session), context)
    })
    const records = await found({ session_id: session }, 2)
    const { traceId, spanId } = trace.getSpanContext(context)
    const [chat, tool] = ['llm_request', 'tool_call'].map((type) =>
      records.find((one) => one.type === type),
    )
    for (const one of [chat, tool]) {
      equal([one.trace_id, one.span_id, one.request_id], [traceId, spanId, traceId])
    }
    equal(chat.model, { name: 'gpt-4', provider: 'openai', version: 'gpt-4-0613' })
    const { record } = await get(`/v1/records/${chat.index}`)
    equal(record.metrics, { input_tokens: 52, output_tokens: 47 })
    equal([record.app_version, record.environment], ['2.7.1', 'production'])
    if (JSON.stringify(record).includes('Weather in Paris')) throw new Error('a payload is clear')
    const byPerson = await get('/v1/records?subject=ann%40example.com&type=llm_request')
    if (!byPerson.records.some(({ index }) => index === chat.index)) throw new Error('not Ann')
  }

  /** A server in trouble tells the SDK to come again, and it does; what was taken meanwhile is not taken twice. */
  async function afterTrouble() {
    const bodies = []
    const proxy = createServer(async (request, response) => {
      const parts = []
      for await (const part of request) parts.push(part)
      bodies.push(Buffer.concat(parts))
      const { authorization, 'content-type': type } = request.headers
      const answer = await fetch(base + request.url, {
        method: 'POST',
        headers: { authorization, 'content-type': type },
        body: bodies.at(-1),
      })
      // The first answer is lost on its way.
      if (bodies.length === 1) response.writeHead(503, { 'retry-after': '1' }).end()
      else {
        response.writeHead(answer.status, { 'content-type': answer.headers.get('content-type') })
        response.end(Buffer.from(await answer.arrayBuffer()))
      }
    })
    proxy.listen(0, '127.0.0.1')
    await once(proxy, 'listening')
    const url = `http://127.0.0.1:${proxy.address().port}/otlp/v1/logs`
    await send('protobuf', { headers, url }, (emit) =>
      emit('gen_ai.client.inference.operation.details', chatOf('sent-again')),
    )
    proxy.close()
    equal([bodies.length, bodies[0].equals(bodies[1])], [2, true])
    await found({ session_id: 'sent-again' }, 1)
    say('what the SDK sends again after a lost answer is recorded once')
  }

  async function send(encoding, options, run) {
    const exporter = new EXPORTERS[encoding]({ url: `${base}/otlp/v1/logs`, ...options })
    const provider = new LoggerProvider({
      resource: resourceFromAttributes({
        'service.name': 'assistant',
        'service.version': '2.7.1',
        'deployment.environment.name': 'production',
      }),
      processors: [new BatchLogRecordProcessor({ exporter })],
    })
    const emitter = provider.getLogger('example.openai', '1.4.0')
    run((eventName, attributes, context = newTrace()) =>
      emitter.emit({ eventName, attributes, context, severityNumber: 9, timestamp: Date.now() }),
    )
    await provider.shutdown()
  }

  function newTrace() {
    const hex = (bytes) =>
      Buffer.from(crypto.getRandomValues(new Uint8Array(bytes))).toString('hex')
    return trace.setSpanContext(ROOT_CONTEXT, {
      traceId: hex(16),
      spanId: hex(8),
      traceFlags: 1,
    })
  }

  /** The records of a query, once there are so many. */
  async function found(query, count) {
    const path = `/v1/records?${new URLSearchParams(query)}`
    const { records } = await until(`${count} records of ${path}`, async () => {
      const page = await get(path)
      return page.records.length >= count ? page : undefined
    })
    equal(records.length, count)
    return records
  }

  async function get(path) {
    const response = await fetch(base + path, { headers })
    if (!response.ok) throw new Error(`${path}: ${response.status} ${await response.text()}`)
    return response.json()
  }
})
console.log(`${held} held`)

function chatOf(session) {
  return {
    'gen_ai.operation.name': 'chat',
    'gen_ai.provider.name': 'openai',
    'gen_ai.conversation.id': session,
    'gen_ai.request.model': 'gpt-4',
    'gen_ai.response.model': 'gpt-4-0613',
    'gen_ai.request.temperature': 0.2,
    'gen_ai.response.finish_reasons': ['stop'],
    'gen_ai.usage.input_tokens': 52,
    'gen_ai.usage.output_tokens': 47,
    'gen_ai.input.messages': [
      { role: 'user', parts: [{ type: 'text', content: 'Weather in Paris?' }] },
    ],
    'gen_ai.output.messages': [
      { role: 'assistant', parts: [{ type: 'text', content: 'Rain.' }], finish_reason: 'stop' },
    ],
    'enduser.id': 'ann@example.com',
  }
}

function toolOf(session) {
  return {
    'mcp.method.name': 'tools/call',
    'gen_ai.conversation.id': session,
    'gen_ai.tool.name': 'get_weather',
    'gen_ai.tool.call.id': 'call_2',
    'gen_ai.tool.call.arguments': { location: 'Paris', days: 3 },
    'enduser.id': 'ann@example.com',
  }
}

/** Installs the SDK into a folder, and gives what loads its packages. */
function install(folder) {
  mkdirSync(folder)
  writeFileSync(join(folder, 'package.json'), JSON.stringify({ private: true, dependencies: SDK }))
  const flags = ['install', '--ignore-scripts', '--no-audit', '--no-fund', '--loglevel=error']
  const { status } = spawnSync('npm', flags, { cwd: folder, stdio: 'inherit' })
  if (status !== 0) throw new Error('the SDK cannot be installed')
  return createRequire(join(folder, 'package.json'))
}

function equal(actual, expected, about = '') {
  const [a, b] = [actual, expected].map((value) => JSON.stringify(value))
  if (a !== b) throw new Error(`expected ${b}, got ${a} ${about}`)
}

function say(what) {
  held++
  console.log(`held: ${what}`)
}
