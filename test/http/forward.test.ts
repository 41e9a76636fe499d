import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { setTimeout as sleep } from 'node:timers/promises'
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest'
import openapi from '../../spec/openapi.json' with { type: 'json' }
import { utf8 } from '../../src/bytes.ts'
import type { HostedLog } from '../../src/http/app.ts'
import { allowAnyone } from '../../src/http/authenticate.ts'
import { isForLeader } from '../../src/http/forward.ts'
import type { LeaderPlace } from '../../src/http/leader.ts'
import { createServerFor } from '../../src/http/node-listener.ts'
import type { LogService } from '../../src/log/service.ts'
import { afterThisTest } from '../support/endings.ts'
import { type LiveServer, listening } from '../support/live-server.ts'
import { discard, newPlace, openAt, type TestLogPlace } from '../support/test-log.ts'

let place: TestLogPlace
let log: LogService
let server: LiveServer
let leader: LeaderPlace

beforeAll(async () => {
  place = await newPlace()
  log = await openAt(place)
  await log.submit([utf8('zero')])
  const hosted: HostedLog = {
    log,
    authenticate: allowAnyone,
    leader: () => leader,
    leaderPatienceMs: 300,
  }
  const alone: HostedLog = { log, authenticate: allowAnyone }
  const logs = new Map([
    ['', hosted],
    ['second', hosted],
    ['alone', alone],
  ])
  server = await listening(createServerFor({ logs }))
})

afterAll(async () => {
  await server.close()
  await log.close()
  await discard(place)
})

interface Seen {
  readonly method: string | undefined
  readonly url: string | undefined
  readonly headers: IncomingMessage['headers']
  readonly body: Buffer
}

/** A server that leads: it answers as it is told, and keeps what it was asked. */
async function leading(
  answer: (response: ServerResponse, seen: Seen) => void,
): Promise<{ url: string; seen: Seen[]; aborted: () => number }> {
  const seen: Seen[] = []
  let aborted = 0
  const upstream = createServer(async (request, response) => {
    response.on('close', () => {
      if (!response.writableFinished) aborted++
    })
    const chunks: Buffer[] = []
    try {
      for await (const chunk of request) chunks.push(chunk as Buffer)
    } catch {
      return
    }
    const { method, url, headers } = request
    const one = { method, url, headers, body: Buffer.concat(chunks) }
    seen.push(one)
    answer(response, one)
  })
  await new Promise<void>((resolve) => upstream.listen(0, '127.0.0.1', resolve))
  afterThisTest(() => {
    upstream.closeAllConnections()
    return new Promise((resolve) => upstream.close(resolve))
  })
  const { port } = upstream.address() as AddressInfo
  return { url: `http://127.0.0.1:${port}`, seen, aborted: () => aborted }
}

async function expectUnavailable(answer: Response, reason: RegExp): Promise<void> {
  expect(answer.status).toBe(503)
  expect(answer.headers.get('retry-after')).toBe('1')
  const problem = (await answer.json()) as { code: string; detail: string }
  expect(problem.code).toBe('UNAVAILABLE')
  expect(problem.detail).toMatch(reason)
}

describe('a server that does not lead', () => {
  it('passes on what is about records, with its query and its body, and passes the answer back', async () => {
    const there = await leading((response) => {
      response.writeHead(201, { 'Content-Type': 'application/json', Location: '/v1/records/7' })
      response.end('{"index":7}')
    })
    leader = { url: `${there.url}/below` }
    const answer = await fetch(`${server.url}/v1/records?wait=witnessed`, {
      method: 'POST',
      headers: { Authorization: 'Bearer x', 'Idempotency-Key': 'k' },
      body: '{"a":1}',
    })
    expect(answer.status).toBe(201)
    expect(answer.headers.get('location')).toBe('/v1/records/7')
    expect(await answer.json()).toEqual({ index: 7 })
    const [asked] = there.seen
    expect(asked).toMatchObject({ method: 'POST', url: '/below/v1/records?wait=witnessed' })
    expect(asked!.headers).toMatchObject({ authorization: 'Bearer x', 'idempotency-key': 'k' })
    // Pages that name their own address name the one that the client knows.
    expect(asked!.headers.host).toBe(new URL(server.url).host)
    expect(asked!.body.toString()).toBe('{"a":1}')
  })

  it('streams what is large', async () => {
    const there = await leading((response, { body }) => response.end(body))
    leader = { url: there.url }
    const body = new Uint8Array(12_000_000).map((_, i) => i % 251)
    const answer = await fetch(`${server.url}/v1/records`, { method: 'POST', body })
    expect(Buffer.from(await answer.arrayBuffer()).equals(Buffer.from(body))).toBe(true)
  })

  it('answers by itself what every server can answer', async () => {
    const there = await leading((response) => response.end('of the leader'))
    leader = { url: there.url }
    for (const path of ['/healthz', '/readyz', '/checkpoint', '/tile/0/000.p/1', '/openapi.json']) {
      const answer = await fetch(server.url + path)
      expect(answer.status, path).toBe(200)
      expect(await answer.text()).not.toBe('of the leader')
    }
    const added = await fetch(`${server.url}/add`, { method: 'POST', body: 'one' })
    expect(await added.text()).toBe('1')
    expect(there.seen).toEqual([])
  })

  it('passes on for each of its logs, and for none that is not shared', async () => {
    const there = await leading((response) => response.end('of the leader'))
    leader = { url: there.url }
    expect(await (await fetch(`${server.url}/logs/second/v1/holds`)).text()).toBe('of the leader')
    expect(there.seen[0]!.url).toBe('/logs/second/v1/holds')
    expect((await fetch(`${server.url}/logs/second/checkpoint`)).status).toBe(200)
    expect((await fetch(`${server.url}/logs/alone/v1/holds`)).status).toBe(404)
    expect(there.seen).toHaveLength(1)
  })

  it('counts what it passes on', async () => {
    const there = await leading((response) => response.writeHead(204).end())
    leader = { url: there.url }
    expect((await fetch(`${server.url}/v1/grants`)).status).toBe(204)
    const metrics = await (await fetch(`${server.url}/metrics`)).text()
    expect(metrics).toMatch(
      /cairn_http_answers_total\{method="ANY",route="\/ of the leader",status="204"\} 1/,
    )
    expect(metrics).toMatch(/cairn_forward_requests_total\{log="main",outcome="passed"\} [1-9]/)
    expect(metrics).toMatch(/cairn_forward_waiting_requests\{log="second"\} 0/)
    expect(metrics).not.toMatch(/cairn_forward_.*"alone"/)
  })
})

describe('a server that does not lead is refused', () => {
  it('while nobody leads', async () => {
    leader = undefined
    const answer = await fetch(`${server.url}/v1/records`, { method: 'POST', body: '{}' })
    await expectUnavailable(answer, /no server leads this log at the moment; try again/)
  })

  it('when the leader is gone, and no other comes', async () => {
    const there = await leading((response) => response.destroy())
    leader = { url: there.url }
    const unreachable = /could not be asked: ECONN|cannot be reached/
    await expectUnavailable(await fetch(`${server.url}/v1/records`), unreachable)
    leader = { url: 'http://127.0.0.1:9' }
    await expectUnavailable(await fetch(`${server.url}/v1/records`), unreachable)
  })

  it('what was passed on to it already', async () => {
    leader = { url: 'http://127.0.0.1:9' }
    const headers = { 'Cairn-Forwarded': '1' }
    const answer = await fetch(`${server.url}/v1/records`, { headers })
    expect(answer.headers.get('cairn-fate')).toBe('not-done')
    await expectUnavailable(answer, /does not lead the log any more/)
  })
})

it('gives up what nobody waits for any more', async () => {
  const there = await leading(() => {})
  leader = { url: there.url }
  const closing = new AbortController()
  const asked = fetch(`${server.url}/v1/records`, { signal: closing.signal }).catch(() => 'gone')
  await vi.waitUntil(() => there.seen.length === 1)
  closing.abort()
  expect(await asked).toBe('gone')
  await vi.waitUntil(() => there.aborted() === 1)
})

it('cuts an answer that the leader cut', async () => {
  const there = await leading((response) => {
    response.writeHead(200, { 'Content-Length': 100 })
    response.write('some')
    void sleep(20).then(() => response.destroy())
  })
  leader = { url: there.url }
  const answer = await fetch(`${server.url}/v1/reports/2026-11`)
  await expect(answer.text()).rejects.toThrow()
})

it('the leader answers by itself', async () => {
  leader = 'here'
  // It keeps leaves only, and says so itself.
  expect((await fetch(`${server.url}/v1/records/0`)).status).toBe(404)
})

it('every route is either for the leader or for all, by what it needs', () => {
  const paths = Object.keys(openapi.paths).map((path) => path.replaceAll(/\{[a-z]+\}/g, '1'))
  expect(paths.filter((path) => !isForLeader(path)).sort()).toEqual([
    '/add',
    '/checkpoint',
    '/ct/v1/get-entries',
    '/ct/v1/get-entry-and-proof',
    '/ct/v1/get-proof-by-hash',
    '/ct/v1/get-sth',
    '/ct/v1/get-sth-consistency',
    '/healthz',
    '/metrics',
    '/openapi.json',
    '/readyz',
    '/tile/1/1',
    '/tile/entries/1',
    '/v1/leaves',
    '/v1/proofs/consistency/1/1',
    '/v1/proofs/inclusion/1/1',
    '/v1/receipts/1',
    '/verify',
  ])
  expect(isForLeader('/')).toBe(true)
})
