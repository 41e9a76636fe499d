/** Audits of logs whose server breaks, lies, or tries to harm the auditor. */
import type { ServerResponse } from 'node:http'
import { gzipSync } from 'node:zlib'
import { afterEach, describe, expect, it } from 'vitest'
import { utf8 } from '../../src/bytes.ts'
import { auditLog } from '../../src/client/audit-log.ts'
import type { AuditVerdict } from '../../src/client/audit-verdict.ts'
import { createLogClient, type LogClientOptions } from '../../src/client/log-client.ts'
import { encodeBundle } from '../../src/formats/bundle.ts'
import { bundlePath, TILE_WIDTH, tilePath } from '../../src/formats/tile.ts'
import { hashLeaf } from '../../src/merkle/hash.ts'
import { naiveTreeOf } from '../merkle/naive.ts'
import { headOfLog } from '../support/evidence.ts'
import { LOG_KEY } from '../support/example-log.ts'
import {
  answer,
  type Behaviour,
  type FlakyServer,
  flakyServer,
  hangUp,
  silence,
} from './flaky-server.ts'

const LEAVES = Array.from({ length: 300 }, (_, i) => utf8(`entry ${i}`))
const tree = naiveTreeOf(LEAVES)
const HEAD = utf8(headOfLog({ leaves: LEAVES, disclosures: [], tree }))
const hashesOf = (leaves: readonly Uint8Array[]) => Buffer.concat(leaves.map(hashLeaf))
const [FIRST, REST] = [LEAVES.slice(0, TILE_WIDTH), LEAVES.slice(TILE_WIDTH)]

/** The log as files. */
const FILES: ReadonlyMap<string, Uint8Array> = new Map([
  ['checkpoint', HEAD],
  [bundlePath(0, 256), encodeBundle(FIRST)],
  [bundlePath(1, 44), encodeBundle(REST)],
  [tilePath(0, 0, 256), hashesOf(FIRST)],
  [tilePath(0, 1, 44), hashesOf(REST)],
  [tilePath(1, 0, 1), tree.root(0, 256)],
])
const TARGET = bundlePath(0, 256)

let server: FlakyServer | undefined
afterEach(async () => {
  await server?.close()
  server = undefined
})

/** Audits a log that serves its files, but for one bundle. */
async function audit(
  hostile: Behaviour,
  options: Partial<LogClientOptions> = {},
): Promise<AuditVerdict> {
  server = await flakyServer((response, request, call) => {
    const path = request.path.slice(1)
    if (path === TARGET) return hostile(response, request, call)
    const file = FILES.get(path)
    answer(file === undefined ? 404 : 200, file ?? '')(response, request, call)
  })
  const client = createLogClient({
    url: server.url,
    retries: 1,
    retryDelayMs: 1,
    timeoutMs: 300,
    ...options,
  })
  const checkpoint = await client.checkpoint()
  return auditLog({ source: client.tileSource(), checkpoint, trust: { logKeys: [LOG_KEY.vkey] } })
}

/** Sends without end, as fast as it is read. */
function pour(response: ServerResponse, sent: { bytes: number }): void {
  const part = Buffer.alloc(65_536)
  const more = (): void => {
    while (!response.destroyed) {
      sent.bytes += part.length
      if (!response.write(part)) break
    }
  }
  response.on('drain', more)
  more()
}

describe('an audit', () => {
  it('finds nothing wrong with these files', async () => {
    expect(await audit(answer(200, FILES.get(TARGET)!))).toMatchObject({ ok: true, faultCount: 0 })
  })

  it('waits for a log that asks it to', async () => {
    let refused = 0
    const verdict = await audit(
      (...call) => {
        const busy = answer(refused++ < 2 ? 503 : 200, FILES.get(TARGET)!, { 'retry-after': '0' })
        busy(...call)
      },
      { retries: 3 },
    )
    expect(verdict.ok).toBe(true)
    expect(refused).toBeGreaterThan(2)
  })

  it.each([
    ['is truncated', answer(200, FILES.get(TARGET)!.subarray(0, 1_000))],
    ['is a web page', answer(200, '<script>alert(1)</script>', { 'content-type': 'text/html' })],
    ['is empty', answer(200, '')],
    ['is gone', answer(404, 'gone')],
    ['claims longer entries than there are', answer(200, Buffer.alloc(600, 0xff))],
    [
      'unpacks to 64 MB',
      answer(200, gzipSync(Buffer.alloc(64 << 20)), { 'content-encoding': 'gzip' }),
    ],
  ] satisfies [string, Behaviour][])('names a bundle that %s', async (_, hostile) => {
    const verdict = await audit(hostile, { timeoutMs: 10_000 })
    expect(verdict.ok).toBe(false)
    expect(verdict.faults.map(({ name }) => name)).toEqual(['bundle 0'])
    expect(verdict.faults[0]!.detail).toMatch(/^[ -~]+$/)
    expect(verdict.checks.find(({ name }) => name === 'root hash')?.status).toBe('held')
  })

  it('reads no more of an endless answer than a bundle can have', async () => {
    const sent = { bytes: 0 }
    const verdict = await audit((response) => pour(response, sent), { timeoutMs: 10_000 })
    expect(verdict.faults[0]).toMatchObject({ name: 'bundle 0' })
    expect(verdict.faults[0]!.detail).toContain('larger than 16777472 bytes')
    // What it was to find the key of a map, and once more; and what the sockets hold.
    expect(sent.bytes).toBeLessThan(3 * 16_777_472)
  })

  it.each([
    ['promises more bytes than it sends', promise, /cannot reach/],
    ['promises a gigabyte and goes silent', silentPromise, /did not answer in time/],
    [
      'leads elsewhere',
      answer(302, '', { location: 'http://127.0.0.1:9/' }),
      /redirects elsewhere/,
    ],
    ['never answers', silence, /did not answer in time/],
    ['sends a byte now and then', drip, /did not answer in time/],
    ['hangs up', hangUp, /cannot reach/],
    ['is broken', answer(500, 'no'), /status 500/],
    ['always asks to wait', answer(503, '', { 'retry-after': '0' }), /status 503/],
  ] satisfies [string, Behaviour, RegExp][])(
    'ends, without a verdict, when the log %s',
    async (_, hostile, reason) => {
      await expect(audit(hostile)).rejects.toThrow(reason)
    },
  )

  it('takes no checkpoint without end', async () => {
    const sent = { bytes: 0 }
    server = await flakyServer((response) => pour(response, sent))
    const client = createLogClient({ url: server.url, retries: 0 })
    await expect(client.checkpoint()).rejects.toMatchObject({ code: 'TOO_LARGE' })
    expect(sent.bytes).toBeLessThan(10_000_000)
  })
})

function promise(response: ServerResponse): void {
  response.writeHead(200, { 'content-length': '5000' })
  response.write(Buffer.alloc(1_000), () => response.destroy())
}

function silentPromise(response: ServerResponse): void {
  response.writeHead(200, { 'content-length': String(2 ** 30) })
  response.write(Buffer.alloc(1_000))
}

function drip(response: ServerResponse): void {
  const timer = setInterval(() => response.write('x'), 20)
  response.once('close', () => clearInterval(timer))
}
