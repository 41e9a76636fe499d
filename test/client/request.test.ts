import { afterEach, describe, expect, it } from 'vitest'
import { fromUtf8, utf8 } from '../../src/bytes.ts'
import { createRequester, type RequesterOptions } from '../../src/client/request.ts'
import { CairnError } from '../../src/errors.ts'
import {
  answer,
  type Behaviour,
  type FlakyServer,
  flakyServer,
  hangUp,
  problem,
  silence,
} from './flaky-server.ts'

let server: FlakyServer | undefined
afterEach(async () => {
  await server?.close()
  server = undefined
})

async function requester(options: Partial<RequesterOptions>, ...behaviours: Behaviour[]) {
  server = await flakyServer(...behaviours)
  return createRequester({ url: server.url, retryDelayMs: 1, ...options })
}

const ok = answer(200, 'good')
const get = { path: 'x', limit: 100 }

describe('requests', () => {
  it('return the body of a good answer', async () => {
    const request = await requester({}, ok)
    expect(fromUtf8(await request(get))).toBe('good')
  })

  it('tell how much of the answer has come', async () => {
    const told: number[] = []
    const long = 'x'.repeat(300_000)
    const request = await requester({}, answer(200, long))
    await request({ path: 'x', limit: 400_000, onBytes: (bytes) => told.push(bytes) })
    expect(told.at(-1)).toBe(long.length)
    expect(told).toEqual([...told].sort((a, b) => a - b))
  })

  it('go below the address of the log, with the token', async () => {
    server = await flakyServer(ok)
    const request = createRequester({ url: `${server.url}/logs/one/`, token: 'secret' })
    await request({ ...get, path: 'v1/leaves', method: 'POST', body: utf8('leaf') })
    expect(server.seen[0]).toMatchObject({
      method: 'POST',
      path: '/logs/one/v1/leaves',
      headers: { authorization: 'Bearer secret' },
      body: utf8('leaf'),
    })
  })

  it.each([
    ['a busy log', problem(503, 'OVERLOADED', 'the queue is full')],
    ['too many requests', answer(429, '')],
    ['a proxy without a log behind it', answer(502, '')],
    ['a proxy that ran out of patience', answer(504, '')],
    ['a connection that breaks', hangUp],
  ])('are repeated after %s', async (_, failure) => {
    const request = await requester({}, failure, failure, ok)
    expect(fromUtf8(await request(get))).toBe('good')
    expect(server!.seen).toHaveLength(3)
  })

  it('send the same body again', async () => {
    const request = await requester({}, hangUp, ok)
    await request({ ...get, method: 'POST', body: utf8('leaf') })
    expect(server!.seen.map(({ body }) => fromUtf8(body))).toEqual(['leaf', 'leaf'])
  })

  it.each([
    [400, 'MALFORMED'],
    [401, 'UNAUTHORIZED'],
    [403, 'FORBIDDEN'],
    [404, 'NOT_FOUND'],
    [413, 'TOO_LARGE'],
    [507, 'DISK_FULL'],
    [500, 'IO'],
  ])('are not repeated after status %i, which is %s', async (status, code) => {
    const request = await requester({}, problem(status, code, 'what to mend'))
    await expect(request(get)).rejects.toMatchObject({ code, message: 'what to mend' })
    expect(server!.seen).toHaveLength(1)
  })

  it.each([
    ['cut off', hangUp, 'IO'],
    ['refused by a proxy', answer(502, ''), 'IO'],
    ['met by a log that stops', problem(503, 'STOPPED', 'it is over'), 'STOPPED'],
    ['lost with the server that led', problem(503, 'UNAVAILABLE', 'maybe done'), 'UNAVAILABLE'],
  ])('are not repeated if that is not safe and they are %s', async (_, behaviour, code) => {
    const request = await requester({}, behaviour, ok)
    await expect(request({ ...get, once: true })).rejects.toMatchObject({ code })
    expect(server!.seen).toHaveLength(1)
  })

  it('are repeated until the first attempt is through, which got no answer', async () => {
    const underWay = problem(422, 'CONFLICT', 'the key is being used')
    const request = await requester({}, hangUp, underWay, underWay, ok)
    await request(get)
    expect(server!.seen).toHaveLength(4)
  })

  it('are not repeated when they contradict something else', async () => {
    const busy = problem(503, 'OVERLOADED', 'the queue is full')
    const request = await requester({}, busy, problem(422, 'CONFLICT', 'the key was used'), ok)
    await expect(request(get)).rejects.toMatchObject({ code: 'CONFLICT' })
    expect(server!.seen).toHaveLength(2)
  })

  it('are repeated in any case when the log was too busy for them', async () => {
    const request = await requester({}, problem(503, 'OVERLOADED', 'the queue is full'), ok)
    await request({ ...get, once: true })
    expect(server!.seen).toHaveLength(2)
  })

  it.each([
    [403, 'FORBIDDEN', 'this takes the role auditor'],
    [409, 'HELD', 'the hold acme-v-smith keeps it'],
  ])('are told what else a refusal means: %i, %s', async (status, code, message) => {
    const request = await requester({}, problem(status, code, message))
    await expect(request(get)).rejects.toMatchObject({ code, message })
  })

  it('are not repeated when the log is read-only', async () => {
    const request = await requester({}, problem(503, 'READ_ONLY', 'rolled back'))
    await expect(request(get)).rejects.toMatchObject({ code: 'READ_ONLY', message: 'rolled back' })
    expect(server!.seen).toHaveLength(1)
  })

  it('give up in the end', async () => {
    const request = await requester({ retries: 2 }, problem(503, 'OVERLOADED', 'the queue is full'))
    await expect(request(get)).rejects.toMatchObject({ code: 'OVERLOADED' })
    expect(server!.seen).toHaveLength(3)
  })

  it.each([
    ['seconds', () => '1'],
    ['a date', () => new Date(Date.now() + 1500).toUTCString()],
  ])('wait as long as Retry-After asks for in %s', async (_, value) => {
    const pauses: number[] = []
    const onRetry = (_reason: string, pauseMs: number) => void pauses.push(pauseMs)
    const busy = answer(503, '', { 'retry-after': value() })
    const request = await requester({ onRetry }, busy, ok)
    await request(get)
    expect(pauses).toHaveLength(1)
    expect(pauses[0]).toBeGreaterThan(300)
    expect(pauses[0]).toBeLessThanOrEqual(1500)
  })

  it('pause longer from one attempt to the next, each time differently', async () => {
    const pauses: number[] = []
    const onRetry = (_reason: string, pauseMs: number) => void pauses.push(pauseMs)
    const request = await requester({ onRetry, retryDelayMs: 8 }, hangUp, hangUp, hangUp, ok)
    await request(get)
    expect(pauses).toHaveLength(3)
    for (const [i, pause] of pauses.entries()) {
      expect(pause).toBeGreaterThanOrEqual(4 * 2 ** i)
      expect(pause).toBeLessThanOrEqual(8 * 2 ** i)
    }
  })

  it('say that the log cannot be reached', async () => {
    server = await flakyServer(ok)
    const { url } = server
    await server.close()
    const request = createRequester({ url, retries: 1, retryDelayMs: 1 })
    await expect(request(get)).rejects.toMatchObject({
      code: 'IO',
      message: expect.stringMatching(/^cannot reach http:.*: connect ECONNREFUSED/),
    })
  })

  it('refuse an answer that is too large, whatever its length says', async () => {
    const request = await requester({}, (response) => {
      response.writeHead(200, { 'transfer-encoding': 'chunked' })
      response.end('x'.repeat(101))
    })
    await expect(request(get)).rejects.toMatchObject({ code: 'TOO_LARGE' })
    expect(server!.seen).toHaveLength(1)
  })

  it('do not follow redirects', async () => {
    const request = await requester({}, answer(302, '', { location: 'http://127.0.0.1:9/' }), ok)
    await expect(request(get)).rejects.toMatchObject({
      code: 'IO',
      message: expect.stringContaining('redirects'),
    })
    expect(server!.seen).toHaveLength(1)
  })

  it('time out, and are repeated then', async () => {
    const request = await requester({ timeoutMs: 50 }, silence, ok)
    expect(fromUtf8(await request(get))).toBe('good')
  })

  it('stop at once when they are aborted, also in a pause', async () => {
    const controller = new AbortController()
    const reason = new CairnError('STOPPED', 'enough')
    const onRetry = () => void setTimeout(() => controller.abort(reason), 5)
    const request = await requester({ onRetry, retryDelayMs: 60_000 }, hangUp)
    await expect(request({ ...get, signal: controller.signal })).rejects.toBe(reason)
  })

  it('stop when they are aborted while the log is silent', async () => {
    const reason = new CairnError('STOPPED', 'enough')
    const controller = new AbortController()
    const request = await requester({}, () => controller.abort(reason))
    await expect(request({ ...get, signal: controller.signal })).rejects.toBe(reason)
  })

  it.each([
    'ftp://log.example',
    'log.example',
    'http://user:pw@log.example',
    'http://log.example/?x',
    'http://log.example/#x',
  ])('refuse the address %s', (url) => {
    expect(() => createRequester({ url })).toThrow(expect.objectContaining({ code: 'USAGE' }))
  })

  it('survive a problem document that is none', async () => {
    const request = await requester(
      {},
      answer(400, '[', { 'content-type': 'application/problem+json' }),
    )
    await expect(request(get)).rejects.toMatchObject({
      code: 'MALFORMED',
      message: expect.stringContaining('answered with status 400'),
    })
  })
})
