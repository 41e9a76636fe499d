// How sdk-json.txt and sdk.pb beside this file were made: by the OpenTelemetry SDK for JavaScript, the same log records sent
// by its two OTLP/HTTP exporters and kept as they arrived. In an empty folder, with this file copied into it:
//   npm install @opentelemetry/api@1.9.1 @opentelemetry/api-logs@0.223.0 @opentelemetry/sdk-logs@0.223.0 \
//     @opentelemetry/resources@2.12.0 @opentelemetry/exporter-logs-otlp-http@0.223.0 \
//     @opentelemetry/exporter-logs-otlp-proto@0.223.0
//   node make-exports.mjs
// The times are fixed, so that the two exports are of the same moment.
import { writeFileSync } from 'node:fs'
import { createServer } from 'node:http'
import { ROOT_CONTEXT, trace } from '@opentelemetry/api'
import { OTLPLogExporter as JsonExporter } from '@opentelemetry/exporter-logs-otlp-http'
import { OTLPLogExporter as ProtobufExporter } from '@opentelemetry/exporter-logs-otlp-proto'
import { resourceFromAttributes } from '@opentelemetry/resources'
import { BatchLogRecordProcessor, LoggerProvider } from '@opentelemetry/sdk-logs'

const context = trace.setSpanContext(ROOT_CONTEXT, {
  traceId: '0af7651916cd43dd8448eb211c80319c',
  spanId: 'b7ad6b7169203331',
  traceFlags: 1,
})
let tick = 0
const record = (eventName, attributes, body, more = {}) => ({
  eventName,
  attributes,
  ...(body !== undefined && { body }),
  severityNumber: 9,
  timestamp: [1795262400, 123456000 + tick],
  observedTimestamp: [1795262400, 223456000 + tick++],
  context,
  ...more,
})
const openai = { 'gen_ai.system': 'openai' }
const weather = { name: 'get_weather', arguments: '{"location":"Paris"}' }

const RECORDS = [
  record('gen_ai.system.message', openai, { content: "You're a helpful bot" }),
  record('gen_ai.user.message', openai, { content: "What's the weather in Paris? ☔" }),
  record('gen_ai.choice', openai, {
    index: 0,
    finish_reason: 'tool_calls',
    message: { tool_calls: [{ id: 'call_1', type: 'function', function: weather }] },
  }),
  record('gen_ai.tool.message', openai, { id: 'call_1', content: 'rainy, 57°F' }),
  record('gen_ai.client.inference.operation.details', {
    'gen_ai.operation.name': 'chat',
    'gen_ai.provider.name': 'openai',
    'gen_ai.conversation.id': 'conv_5j66',
    'gen_ai.request.model': 'gpt-4',
    'gen_ai.response.model': 'gpt-4-0613',
    'gen_ai.response.id': 'chatcmpl-123',
    'gen_ai.response.finish_reasons': ['stop'],
    'gen_ai.request.temperature': 0.2,
    'gen_ai.request.top_p': 1,
    'gen_ai.request.max_tokens': 200,
    'gen_ai.request.seed': 42,
    'gen_ai.request.stop_sequences': ['END', 'STOP'],
    'gen_ai.usage.input_tokens': 52,
    'gen_ai.usage.output_tokens': 47,
    'gen_ai.input.messages': [
      { role: 'user', parts: [{ type: 'text', content: 'Weather in Paris?' }] },
    ],
    'gen_ai.output.messages': [
      { role: 'assistant', parts: [{ type: 'text', content: 'Rain.' }], finish_reason: 'stop' },
    ],
    'gen_ai.system_instructions': [{ type: 'text', content: 'Be brief.' }],
    'enduser.id': 'ann@example.com',
    'app.image': new Uint8Array([0, 1, 254, 255]),
    'app.nanoseconds': 1_795_262_400_000_000_000,
    'app.huge': 1e300,
    'app.score': -0.125,
    'app.cached': false,
    'app.nothing': null,
    'server.port': 443,
  }),
  record('mcp.tools.call', {
    'mcp.method.name': 'tools/call',
    'mcp.session.id': '191c4850af6c49e08843a3f6c80e5046',
    'gen_ai.tool.name': 'get_weather',
    'gen_ai.tool.call.id': 'call_2',
    'gen_ai.tool.call.arguments': { location: 'Paris', days: 3 },
    'gen_ai.tool.call.result': { sky: 'rain', high: 13.5 },
  }),
  record('', { 'http.route': '/login' }, 'a log line of something else', { severityText: 'INFO' }),
  record('gen_ai.user.message', openai, { content: 'without a span' }, { context: ROOT_CONTEXT }),
]

async function made(exporterFor, file) {
  const bodies = []
  const server = createServer((request, response) => {
    const parts = []
    request.on('data', (part) => parts.push(part))
    request.on('end', () => {
      bodies.push(Buffer.concat(parts))
      response.end()
    })
  })
  await new Promise((resolve) => server.listen(0, '127.0.0.1', resolve))
  const url = `http://127.0.0.1:${server.address().port}/v1/logs`
  const provider = new LoggerProvider({
    resource: resourceFromAttributes({
      'service.name': 'assistant',
      'service.version': '2.7.1',
      'deployment.environment.name': 'production',
    }),
    processors: [new BatchLogRecordProcessor({ exporter: exporterFor(url) })],
  })
  const logger = provider.getLogger('example.openai', '1.4.0')
  for (const one of RECORDS) logger.emit(one)
  await provider.shutdown()
  await new Promise((resolve) => server.close(resolve))
  if (bodies.length !== 1) throw new Error(`${bodies.length} exports, not 1`)
  writeFileSync(file, bodies[0])
}

await made((url) => new JsonExporter({ url }), 'sdk-json.txt')
await made((url) => new ProtobufExporter({ url }), 'sdk.pb')
