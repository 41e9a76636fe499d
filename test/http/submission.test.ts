import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { utf8 } from '../../src/bytes.ts'
import { encodeByteStrings } from '../../src/formats/cbor.ts'
import { parseCoseReceipt } from '../../src/formats/cose-receipt.ts'
import { formatJsonReceipt, parseJsonReceipt } from '../../src/formats/json-receipt.ts'
import { parseTlogProof } from '../../src/formats/tlog-proof.ts'
import { createApp } from '../../src/http/app.ts'
import { type Authenticate, allowAnyone } from '../../src/http/authenticate.ts'
import type { LogService } from '../../src/log/service.ts'
import { hashLeaf } from '../../src/merkle/hash.ts'
import { verifyInclusion } from '../../src/merkle/inclusion.ts'
import { type LiveServer, liveServer } from '../support/live-server.ts'
import { principal } from '../support/principals.ts'
import { discard, newPlace, openAt, type TestLogPlace } from '../support/test-log.ts'

const OCTETS = { 'content-type': 'application/octet-stream' }
const SEQUENCE = { 'content-type': 'application/cbor-seq' }
const ALICE: Authenticate = (authorization) =>
  authorization === 'Bearer alice'
    ? principal('alice')
    : authorization === 'Bearer bob'
      ? principal('bob')
      : undefined

let place: TestLogPlace
let log: LogService
let open: LiveServer
let closed: LiveServer
let fresh = 0

beforeAll(async () => {
  place = await newPlace()
  log = await openAt(place)
  await log.submit([utf8('the first leaf'), utf8('the second leaf')])
  open = await liveServer({ '': log, second: log })
  closed = await liveServer({ '': log }, { authenticate: ALICE })
})

afterAll(async () => {
  await open.close()
  await closed.close()
  await log.close()
  await discard(place)
})

const newLeaf = (): Uint8Array => utf8(`leaf ${fresh++}`)

type Body = Uint8Array | string
type Post = (path: string, body: Body, headers?: Record<string, string>) => Promise<Response>

const byServer: Post = (path, body, headers = {}) =>
  fetch(open.url + path, { method: 'POST', body: body as RequestInit['body'] & {}, headers })

/** As an embedding application sees the same routes. */
const byApp: Post = async (path, body, headers = {}) => {
  const hosted = { log, authenticate: allowAnyone }
  const app = createApp({
    logs: new Map([
      ['', hosted],
      ['second', hosted],
    ]),
  })
  const init = { method: 'POST', body: body as RequestInit['body'] & {}, headers }
  return await app.fetch(new Request(`http://log.example${path}`, init))
}

describe.each<[string, Post]>([
  ['the server', byServer],
  ['app.fetch', byApp],
])('through %s', (_, post) => {
  describe('POST /add', () => {
    it('answers with the index in decimal', async () => {
      const leaf = newLeaf()
      const response = await post('/add', leaf)
      expect(response.status).toBe(200)
      expect(response.headers.get('content-type')).toBe('text/plain; charset=utf-8')
      const index = await response.text()
      expect(index).toBe(String(log.head().size - 1))
      expect(await (await post('/add', leaf, OCTETS)).text()).toBe(index)
    })

    it('takes any content type, since tools send all kinds', async () => {
      const headers = { 'content-type': 'application/x-www-form-urlencoded' }
      expect((await post('/add', newLeaf(), headers)).status).toBe(200)
    })
  })

  describe('POST /v1/leaves', () => {
    it('answers with a JSON receipt that proves the leaf', async () => {
      const leaf = newLeaf()
      const response = await post('/v1/leaves', leaf, OCTETS)
      expect(response.status).toBe(201)
      expect(response.headers.get('content-type')).toBe('application/json')
      const text = await response.text()
      const receipt = parseJsonReceipt(text)
      expect(response.headers.get('location')).toBe(`/v1/receipts/${receipt.index}`)
      verifyInclusion(receipt.index, receipt.size, hashLeaf(leaf), receipt.proof, receipt.root)
      expect(JSON.parse(text)).toEqual(formatJsonReceipt(receipt))
    })

    it('answers 200 for a leaf it had, with its first index', async () => {
      const leaf = newLeaf()
      const first = (await (await post('/v1/leaves', leaf, OCTETS)).json()) as { index: number }
      const again = await post('/v1/leaves', leaf, OCTETS)
      expect(again.status).toBe(200)
      expect(((await again.json()) as { index: number }).index).toBe(first.index)
    })

    it('answers with a tlog-proof or a COSE receipt when these are accepted', async () => {
      const text = await post('/v1/leaves', newLeaf(), { ...OCTETS, accept: 'text/plain' })
      expect(text.headers.get('content-type')).toBe('text/plain; charset=utf-8')
      expect(parseTlogProof(new Uint8Array(await text.arrayBuffer())).index).toBe(
        log.head().size - 1,
      )
      const cose = await post('/v1/leaves', newLeaf(), { ...OCTETS, accept: 'application/cose' })
      expect(cose.status).toBe(201)
      expect(cose.headers.get('content-type')).toBe('application/cose')
      const receipt = parseCoseReceipt(new Uint8Array(await cose.arrayBuffer()))
      expect(receipt.index).toBe(log.head().size - 1)
    })

    it('answers with the index alone when the least is preferred', async () => {
      const leaf = newLeaf()
      for (const [prefer, status] of [
        ['return=minimal', 201],
        ['respond-async, return="minimal"; x=1', 200],
      ] as const) {
        const response = await post('/v1/leaves', leaf, { ...OCTETS, prefer })
        expect(response.status).toBe(status)
        expect(response.headers.get('preference-applied')).toBe('return=minimal')
        expect(await response.json()).toEqual({ index: log.head().size - 1 })
      }
    })

    it('takes many leaves in order, all or none', async () => {
      const leaves = [newLeaf(), newLeaf(), newLeaf()]
      const size = log.head().size
      const response = await post('/v1/leaves', encodeByteStrings(leaves), SEQUENCE)
      expect(response.status).toBe(201)
      const { receipts } = (await response.json()) as { receipts: object[] }
      expect(receipts).toHaveLength(3)
      receipts.forEach((one, i) => {
        const receipt = parseJsonReceipt(JSON.stringify(one))
        expect(receipt.index).toBe(size + i)
        verifyInclusion(
          receipt.index,
          receipt.size,
          hashLeaf(leaves[i]!),
          receipt.proof,
          receipt.root,
        )
      })
      const again = await post('/v1/leaves', encodeByteStrings(leaves), {
        ...SEQUENCE,
        prefer: 'return=minimal',
      })
      expect(again.status).toBe(200)
      expect(await again.json()).toEqual({ indices: [size, size + 1, size + 2] })
      const mixed = await post('/v1/leaves', encodeByteStrings([leaves[1]!, newLeaf()]), {
        ...SEQUENCE,
        prefer: 'return=minimal',
      })
      expect(mixed.status).toBe(201)
      expect(await mixed.json()).toEqual({ indices: [size + 1, size + 3] })
    })

    it('takes wait=integrated, which is what it does anyway', async () => {
      expect((await post('/v1/leaves?wait=integrated', newLeaf(), OCTETS)).status).toBe(201)
    })

    it('gives a retry with the same idempotency key the same answer', async () => {
      const headers = { ...OCTETS, 'idempotency-key': `key-${fresh}`, prefer: 'return=minimal' }
      const leaf = newLeaf()
      const first = await (await post('/v1/leaves', leaf, headers)).json()
      expect(await (await post('/v1/leaves', leaf, headers)).json()).toEqual(first)
      const conflict = await post('/v1/leaves', newLeaf(), headers)
      expect(conflict.status).toBe(422)
      expect(await conflict.json()).toMatchObject({ code: 'CONFLICT', status: 422 })
    })

    it('names the receipt of a further log below its prefix', async () => {
      const response = await post('/logs/second/v1/leaves', newLeaf(), OCTETS)
      expect(response.status).toBe(201)
      expect(response.headers.get('location')).toMatch(/^\/logs\/second\/v1\/receipts\/[0-9]+$/)
      expect((await post('/logs/second/add', newLeaf())).status).toBe(200)
      expect((await post('/logs/third/add', newLeaf())).status).toBe(404)
    })
  })

  const big = new Uint8Array(65_536).fill(7)
  const tooMany = encodeByteStrings(Array.from({ length: 10_001 }, () => Uint8Array.of(1)))
  it.each<[string, string, Body, Record<string, string>, number, RegExp]>([
    ['an empty leaf', '/add', '', {}, 400, /empty/],
    ['an empty leaf', '/v1/leaves', '', OCTETS, 400, /empty/],
    ['an empty batch', '/v1/leaves', '', SEQUENCE, 400, /empty/],
    ['a leaf of 65,536 bytes', '/add', big, {}, 413, /65535/],
    ['a leaf of 65,536 bytes', '/v1/leaves', big, OCTETS, 413, /65535/],
    ['a batch with such a leaf', '/v1/leaves', encodeByteStrings([big]), SEQUENCE, 413, /65535/],
    ['a batch of 10,001 leaves', '/v1/leaves', tooMany, SEQUENCE, 413, /10000/],
    [
      'a batch of 16 MiB and a byte',
      '/v1/leaves',
      new Uint8Array(2 ** 24 + 1),
      SEQUENCE,
      413,
      /16777216/,
    ],
    [
      'a batch with an empty leaf',
      '/v1/leaves',
      Uint8Array.of(0x41, 1, 0x40),
      SEQUENCE,
      400,
      /empty/,
    ],
    ['a batch cut short', '/v1/leaves', Uint8Array.of(0x43, 1), SEQUENCE, 400, /./],
    ['a batch that is no CBOR', '/v1/leaves', 'not cbor', SEQUENCE, 400, /./],
    ['a batch of text strings', '/v1/leaves', Uint8Array.of(0x61, 0x61), SEQUENCE, 400, /./],
    ['a length not at its shortest', '/v1/leaves', Uint8Array.of(0x58, 1, 1), SEQUENCE, 400, /./],
    ['an indefinite length', '/v1/leaves', Uint8Array.of(0x5f, 0x41, 1, 0xff), SEQUENCE, 400, /./],
    ['JSON', '/v1/leaves', '{}', { 'content-type': 'application/json' }, 415, /cbor-seq/],
    [
      'a form',
      '/v1/leaves',
      'a=b',
      { 'content-type': 'multipart/form-data; boundary=x' },
      415,
      /cbor-seq/,
    ],
    [
      'a compressed body',
      '/v1/leaves',
      'x',
      { ...OCTETS, 'content-encoding': 'gzip' },
      415,
      /Content-Encoding/,
    ],
    [
      'an answer as HTML',
      '/v1/leaves',
      'x',
      { ...OCTETS, accept: 'text/html' },
      406,
      /application\/cose/,
    ],
    [
      'a batch as COSE',
      '/v1/leaves',
      Uint8Array.of(0x41, 1),
      { ...SEQUENCE, accept: 'application/cose' },
      406,
      /json/,
    ],
    ['wait=witnessed', '/v1/leaves?wait=witnessed', 'x', OCTETS, 400, /no quorum of witnesses/],
    ['wait=forever', '/v1/leaves?wait=forever', 'x', OCTETS, 400, /integrated or witnessed/],
    ['wait twice', '/v1/leaves?wait=integrated&wait=integrated', 'x', OCTETS, 400, /twice/],
    ['an unknown parameter', '/v1/leaves?wiat=integrated', 'x', OCTETS, 400, /not known/],
    ['a parameter of /add', '/add?wait=integrated', 'x', {}, 400, /not known/],
    [
      'an empty idempotency key',
      '/v1/leaves',
      'x',
      { ...OCTETS, 'idempotency-key': '' },
      400,
      /idempotency/,
    ],
    [
      'one with a space',
      '/v1/leaves',
      'x',
      { ...OCTETS, 'idempotency-key': 'a b' },
      400,
      /idempotency/,
    ],
    ['one of 256 characters', '/add', 'x', { 'idempotency-key': 'k'.repeat(256) }, 400, /255/],
  ])('refuses %s at %s', async (_what, path, body, headers, status, detail) => {
    const size = log.head().size
    const response = await post(path, body, headers)
    expect(response.headers.get('content-type')).toBe('application/problem+json')
    expect(response.headers.get('cache-control')).toBe('no-store')
    const problem = (await response.json()) as { status: number; detail: string; type: string }
    expect(problem.detail).toMatch(detail)
    expect([response.status, problem.status]).toEqual([status, status])
    expect(problem.type).toMatch(/^urn:cairn:problem:[a-z-]+$/)
    expect(JSON.stringify(problem)).not.toMatch(/\.ts|node:|\n\s+at /)
    expect(log.head().size).toBe(size)
  })

  it('takes a leaf of one byte, and one of 65,535', async () => {
    expect((await post('/v1/leaves', Uint8Array.of(fresh++ % 256), OCTETS)).ok).toBe(true)
    expect((await post('/add', big.subarray(1))).ok).toBe(true)
  })
})

describe('with tokens', () => {
  const post = (path: string, headers: Record<string, string>, body: Body = newLeaf()) =>
    fetch(closed.url + path, { method: 'POST', body: body as RequestInit['body'] & {}, headers })

  it.each(['/add', '/v1/leaves'])('%s needs one', async (path) => {
    const missing = await post(path, OCTETS)
    expect(missing.status).toBe(401)
    expect(missing.headers.get('www-authenticate')).toBe('Bearer realm="cairn"')
    expect(await missing.json()).toMatchObject({ code: 'UNAUTHORIZED' })
    const wrong = await post(path, { ...OCTETS, authorization: 'Bearer mallory' })
    expect(wrong.status).toBe(401)
    expect(wrong.headers.get('www-authenticate')).toContain('invalid_token')
    expect((await post(path, { ...OCTETS, authorization: 'Bearer alice' })).ok).toBe(true)
  })

  it('reads need none', async () => {
    expect((await fetch(`${closed.url}/checkpoint`)).status).toBe(200)
  })

  it('keeps the idempotency keys of submitters apart', async () => {
    const key = { ...OCTETS, 'idempotency-key': 'the-same' }
    expect((await post('/v1/leaves', { ...key, authorization: 'Bearer alice' })).status).toBe(201)
    expect((await post('/v1/leaves', { ...key, authorization: 'Bearer bob' })).status).toBe(201)
    expect((await post('/v1/leaves', { ...key, authorization: 'Bearer bob' })).status).toBe(422)
  })
})

describe('a log that cannot take submissions', () => {
  it('says that its queue is full, and when to come again', async () => {
    const own = await newPlace()
    const small = await openAt(own, { queue: { maxLeaves: 1, maxBytes: 100 } })
    const server = await liveServer({ '': small })
    try {
      const answers = await Promise.all(
        Array.from({ length: 40 }, (_, i) =>
          fetch(`${server.url}/add`, { method: 'POST', body: `leaf ${i}` }),
        ),
      )
      const refused = answers.filter(({ status }) => status !== 200)
      expect(refused.length).toBeGreaterThan(0)
      for (const response of refused) {
        expect(response.status).toBe(503)
        expect(response.headers.get('retry-after')).toBe('1')
        expect(await response.json()).toMatchObject({ code: 'OVERLOADED' })
      }
      expect(small.head().size).toBe(answers.length - refused.length)
    } finally {
      await server.close()
      await small.close()
      await discard(own)
    }
  })

  it('says that the disk is nearly full, and that it has stopped', async () => {
    const own = await newPlace()
    const floor = await openAt(own, { freeSpaceFloor: 2 ** 53 - 1 })
    const server = await liveServer({ '': floor })
    const post = () => fetch(`${server.url}/add`, { method: 'POST', body: 'leaf' })
    try {
      await expect
        .poll(() => floor.mode().mode, { timeout: 10_000, interval: 100 })
        .toBe('disk-full')
      const low = await post()
      expect(low.status).toBe(507)
      expect(((await low.json()) as { detail: string }).detail).toMatch(/free/)
      const ready = await fetch(`${server.url}/readyz`)
      expect(ready.status).toBe(503)
      expect(await ready.json()).toMatchObject({ logs: [{ name: 'main', mode: 'disk-full' }] })
      await floor.close()
      const stopped = await post()
      expect(stopped.status).toBe(503)
    } finally {
      await server.close()
      await discard(own)
    }
  })
})
