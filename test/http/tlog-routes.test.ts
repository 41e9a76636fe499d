import { gunzipSync } from 'node:zlib'
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest'
import { utf8 } from '../../src/bytes.ts'
import { decodeBundle } from '../../src/formats/bundle.ts'
import { openCheckpoint } from '../../src/formats/open-checkpoint.ts'
import { parseVkey } from '../../src/formats/vkey.ts'
import type { LogService } from '../../src/log/service.ts'
import { hashLeaf } from '../../src/merkle/hash.ts'
import { exchange, type LiveServer, liveServer } from '../support/live-server.ts'
import { discard, newPlace, openAt, type TestLogPlace } from '../support/test-log.ts'

const LEAVES = Array.from({ length: 260 }, (_, i) => utf8(`{"record":${i},"text":"some of it"}`))
const IMMUTABLE = 'public, max-age=31536000, immutable'

let place: TestLogPlace
let log: LogService
let server: LiveServer

beforeAll(async () => {
  place = await newPlace()
  log = await openAt(place)
  await log.submit(LEAVES)
  await vi.waitUntil(() => log.publication().size === LEAVES.length)
  server = await liveServer({ '': log })
})

afterAll(async () => {
  await server.close()
  await log.close()
  await discard(place)
})

const get = (path: string, headers: Record<string, string> = {}): Promise<Response> =>
  fetch(server.url + path, { headers })

describe('GET /checkpoint', () => {
  it('is a note with both signatures of the log, to be asked for again each time', async () => {
    const response = await get('/checkpoint')
    expect(response.status).toBe(200)
    expect(response.headers.get('content-type')).toBe('text/plain; charset=utf-8')
    expect(response.headers.get('cache-control')).toBe('no-cache')
    expect(response.headers.get('access-control-allow-origin')).toBe('*')
    const bytes = new Uint8Array(await response.arrayBuffer())
    const opened = openCheckpoint(bytes, log.vkeys.map(parseVkey))
    expect(opened.logSignatures).toHaveLength(2)
    expect(opened.checkpoint.size).toBe(LEAVES.length)
  })

  it('is not sent again to who has it already', async () => {
    const tag = (await get('/checkpoint')).headers.get('etag')!
    expect(tag).toMatch(/^"[0-9a-f]{32}"$/)
    for (const known of [tag, `W/${tag}`, `"other", ${tag}`, '*']) {
      const response = await get('/checkpoint', { 'if-none-match': known })
      expect(response.status).toBe(304)
      expect(response.headers.get('etag')).toBe(tag)
      expect(await response.text()).toBe('')
    }
    expect((await get('/checkpoint', { 'if-none-match': '"other"' })).status).toBe(200)
  })

  it('answers HEAD with the header fields alone', async () => {
    const answer = await exchange(
      server.port,
      'HEAD /checkpoint HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n',
    )
    expect(answer).toMatch(/^HTTP\/1\.1 200 OK\r\n/)
    expect(answer.toLowerCase()).toContain(
      `content-length: ${utf8(log.publication().checkpoint).length}`,
    )
    expect(answer.endsWith('\r\n\r\n')).toBe(true)
  })
})

describe('tiles', () => {
  it.each([
    ['/tile/0/000', 256],
    ['/tile/0/000.p/7', 7],
    ['/tile/0/001.p/4', 4],
    ['/tile/1/000.p/1', 1],
  ])('%s holds %i hashes and never changes', async (path, width) => {
    const response = await get(path)
    expect(response.status).toBe(200)
    expect(response.headers.get('content-type')).toBe('application/octet-stream')
    expect(response.headers.get('cache-control')).toBe(IMMUTABLE)
    expect(response.headers.get('content-length')).toBe(String(32 * width))
    expect(response.headers.get('x-content-type-options')).toBe('nosniff')
    expect((await response.arrayBuffer()).byteLength).toBe(32 * width)
  })

  it('hold the hashes of the leaves', async () => {
    const bytes = new Uint8Array(await (await get('/tile/0/001.p/4')).arrayBuffer())
    expect(bytes.slice(96)).toEqual(hashLeaf(LEAVES[259]!))
  })

  it.each([
    '/tile/0/001',
    '/tile/0/001.p/5',
    '/tile/0/002',
    '/tile/1/000.p/2',
    '/tile/2/000.p/1',
    '/tile/63/x999/x999/x999/x999/x999/999.p/255',
    '/tile/entries/001.p/5',
    '/tile/entries/x004/503/599/627/370/495'.replaceAll('/5', '/x5'),
  ])('are not found where the tree has none: %s', async (path) => {
    const response = await get(path)
    expect([400, 404]).toContain(response.status)
    expect(response.headers.get('cache-control')).toBe('no-store')
  })

  it.each([
    '/tile/0/000.p/0',
    '/tile/0/000.p/256',
    '/tile/0/000.p/01',
    '/tile/0/000.p/',
    '/tile/0/000.p',
    '/tile/64/000',
    '/tile/00/000',
    '/tile/-1/000',
    '/tile/0/0',
    '/tile/0/0000',
    '/tile/0/001/002',
    '/tile/0/x001',
    '/tile/0/x001/',
    '/tile/0/x001/0002',
    '/tile/0/x000/001',
    '/tile/0/x018/x446/x744/x073/x709/x551/616',
    '/tile/0/',
    '/tile/0',
    '/tile/entries/',
    '/tile/entries',
    '/tile/entries/0',
    '/tile/entries/000.p/256',
    '/tile/0/000?x=1',
    '/tile/0/%30%30%30',
    '/tile/data/000',
  ])('refuse a path that is not spelt as it must be: %s', async (path) => {
    const response = await get(path)
    expect(response.status).toBe(400)
    expect(response.headers.get('content-type')).toBe('application/problem+json')
    expect(response.headers.get('cache-control')).toBe('no-store')
  })
})

describe('entry bundles', () => {
  it('are sent as they are to who does not take gzip', async () => {
    const response = await get('/tile/entries/000', { 'accept-encoding': 'identity' })
    expect(response.headers.get('content-encoding')).toBeNull()
    expect(response.headers.get('vary')).toBe('Accept-Encoding')
    expect(response.headers.get('cache-control')).toBe(IMMUTABLE)
    expect(response.headers.get('content-type')).toBe('application/octet-stream')
    const bytes = new Uint8Array(await response.arrayBuffer())
    expect(decodeBundle(bytes, 256)).toEqual(LEAVES.slice(0, 256))
  })

  it('are sent compressed to who does', async () => {
    const answer = await exchange(
      server.port,
      'GET /tile/entries/000 HTTP/1.1\r\nHost: x\r\nAccept-Encoding: gzip\r\nConnection: close\r\n\r\n',
    )
    const [head, body] = [
      answer.slice(0, answer.indexOf('\r\n\r\n')),
      answer.slice(answer.indexOf('\r\n\r\n') + 4),
    ]
    expect(head.toLowerCase()).toContain('content-encoding: gzip')
    const bundle = new Uint8Array(gunzipSync(Buffer.from(body, 'latin1')))
    expect(decodeBundle(bundle, 256)).toEqual(LEAVES.slice(0, 256))
  })

  it('can be had in part', async () => {
    const bytes = new Uint8Array(await (await get('/tile/entries/001.p/3')).arrayBuffer())
    expect(decodeBundle(bytes, 3)).toEqual(LEAVES.slice(256, 259))
  })
})
