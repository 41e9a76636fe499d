/** Requests for a leader that is not there, or goes away before it has answered. */
import { once } from 'node:events'
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'
import { type AddressInfo, connect, createServer as createTcpServer } from 'node:net'
import { expect, it, vi } from 'vitest'
import { type Forwarder, type ForwarderOptions, forwarder } from '../../src/http/forward.ts'
import type { LeaderPlace } from '../../src/http/leader.ts'
import { nodeServer } from '../../src/http/node-server.ts'
import { afterThisTest } from '../support/endings.ts'
import { listening } from '../support/live-server.ts'

interface Follower {
  readonly url: string
  readonly port: number
  readonly forwarder: Forwarder
  lead(place: LeaderPlace): void
}

/** A server that passes everything on, and itself answers with what it was asked. */
async function following(options: Partial<ForwarderOptions> = {}): Promise<Follower> {
  let place: LeaderPlace
  const one = forwarder({
    leader: () => place,
    patienceMs: 5_000,
    async serveHere(request, response, body) {
      response.end(`here: ${request.method} ${body ?? (await bodyOf(request))}`)
    },
    ...options,
  })
  const server = await listening(
    nodeServer((request, response) => {
      if (!one.forward(request, response)) response.end('here at once')
    }),
  )
  afterThisTest(async () => {
    one.close()
    await server.close()
  })
  const lead = (next: LeaderPlace): void => {
    place = next
  }
  return { url: server.url, port: server.port, forwarder: one, lead }
}

async function bodyOf(request: IncomingMessage): Promise<string> {
  const chunks: Buffer[] = []
  for await (const chunk of request) chunks.push(chunk as Buffer)
  return Buffer.concat(chunks).toString()
}

interface Leader {
  readonly url: string
  /** The bodies that have come, whole. */
  readonly seen: string[]
  readonly requests: IncomingMessage[]
}

type Answering = (response: ServerResponse, body: string) => void

/** A server that leads; `invite` decides about requests whose bodies are held back. */
async function leading(
  answer: Answering = (response, body) => response.end(`there: ${body}`),
  invite: (response: ServerResponse) => void = (response) => response.writeContinue(),
): Promise<Leader> {
  const seen: string[] = []
  const requests: IncomingMessage[] = []
  const take = async (request: IncomingMessage, response: ServerResponse): Promise<void> => {
    requests.push(request)
    const body = await bodyOf(request).catch(() => undefined)
    if (body === undefined) return
    seen.push(body)
    answer(response, body)
  }
  const server = createServer((request, response) => void take(request, response))
  server.on('checkContinue', (request, response) => {
    invite(response)
    if (!response.destroyed) void take(request, response)
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  afterThisTest(() => {
    server.closeAllConnections()
    return new Promise((resolve) => server.close(resolve))
  })
  return { url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`, seen, requests }
}

const NOBODY = 'http://127.0.0.1:9'
const post = (url: string, headers: Record<string, string> = {}, body: string = 'a body') =>
  fetch(`${url}/v1/records`, { method: 'POST', body, headers })
const waits = ({ forwarder: one }: Follower, count: number) =>
  vi.waitUntil(() => one.report().waiting === count)

async function refused(answer: Response): Promise<{ again: string | null; detail: string }> {
  expect(answer.status).toBe(503)
  const { code, detail } = (await answer.json()) as { code: string; detail: string }
  expect(code).toBe('UNAVAILABLE')
  return { again: answer.headers.get('retry-after'), detail }
}

it('waits while nobody leads, and is passed on to whoever does then', async () => {
  const follower = await following()
  const there = await leading()
  const asked = [post(follower.url), fetch(`${follower.url}/v1/records/7`)]
  await waits(follower, 2)
  expect(follower.forwarder.report().heldBytes).toBe(0)
  follower.lead({ url: there.url })
  const texts = await Promise.all(asked.map(async (one) => (await one).text()))
  expect(texts).toEqual(['there: a body', 'there: '])
  const { waits: waited, waitedMs, waiting, outcomes } = follower.forwarder.report()
  expect({ waited, waiting }).toEqual({ waited: 2, waiting: 0 })
  expect(waitedMs).toBeGreaterThan(0)
  expect(outcomes).toMatchObject({ passed: 2, here: 0, refused: 0 })
  await vi.waitUntil(() => follower.forwarder.report().heldBytes === 0)
})

it('is answered here when this server leads then, whether its body was read or not', async () => {
  const follower = await following()
  const unread = post(follower.url)
  await waits(follower, 1)
  follower.lead('soon')
  follower.lead('here')
  expect(await (await unread).text()).toBe('here: POST a body')
  follower.lead({ url: NOBODY })
  const read = post(follower.url)
  await vi.waitUntil(() => follower.forwarder.report().heldBytes > 0)
  follower.lead('here')
  expect(await (await read).text()).toBe('here: POST a body')
  expect(await (await post(follower.url)).text()).toBe('here at once')
})

it('is passed on again when the connection broke before its body was asked for', async () => {
  const follower = await following()
  const first = await leading(undefined, (response) => response.destroy())
  follower.lead({ url: first.url })
  const asked = post(follower.url)
  await vi.waitUntil(() => follower.forwarder.report().waits > 0)
  const second = await leading()
  follower.lead({ url: second.url })
  expect(await (await asked).text()).toBe('there: a body')
  expect([first.seen, second.seen]).toEqual([[], ['a body']])
  expect(follower.forwarder.report().repeats).toBe(0)
})

it('is refused without advice to try again when it may have been done', async () => {
  const follower = await following()
  const first = await leading((response) => response.destroy())
  follower.lead({ url: first.url })
  const { again, detail } = await refused(await post(follower.url))
  expect(detail).toMatch(/it may have been done: look before it is sent again/)
  expect(again).toBeNull()
  expect(first.seen).toEqual(['a body'])
  expect(follower.forwarder.report().outcomes.unknown).toBe(1)
})

it('is sent again when it asks only, or is a submission under a key', async () => {
  const follower = await following()
  const cut: Answering = (response) => {
    follower.lead({ url: second.url })
    response.destroy()
  }
  const first = await leading(cut)
  const second = await leading()
  follower.lead({ url: first.url })
  expect(await (await post(follower.url, { 'Idempotency-Key': 'k' })).text()).toBe('there: a body')
  follower.lead({ url: first.url })
  expect(await (await fetch(`${follower.url}/v1/grants`)).text()).toBe('there: ')
  expect(follower.forwarder.report().repeats).toBe(2)
  expect(first.seen).toEqual(['a body', ''])
})

it('is sent again once: it may be what ends the servers', async () => {
  const follower = await following()
  const there = await leading((response) => response.destroy())
  follower.lead({ url: there.url })
  const { again } = await refused(await fetch(`${follower.url}/v1/reports/2026-11`))
  expect(there.seen).toHaveLength(2)
  expect(again).toBe('1')
})

it('is passed on again, whatever it is, when the server that was asked leads no more', async () => {
  const follower = await following()
  const first = await leading((response) => {
    response.writeHead(503, { 'Cairn-Fate': 'not-done' })
    response.end()
    follower.lead({ url: second.url })
  })
  const second = await leading()
  follower.lead({ url: first.url })
  expect(await (await post(follower.url)).text()).toBe('there: a body')
  expect(first.seen).toEqual(['a body'])
  expect(follower.forwarder.report().repeats).toBe(0)
})

it('without a body it is not whole before it is asked for', async () => {
  const follower = await following()
  const first = await leading(undefined, (response) => response.destroy())
  const second = await leading()
  follower.lead({ url: first.url })
  const asked = fetch(`${follower.url}/v1/holds/h/lift`, { method: 'POST' })
  await vi.waitUntil(() => follower.forwarder.report().waits > 0)
  follower.lead({ url: second.url })
  expect(await (await asked).text()).toBe('there: ')
  expect(second.requests[0]!.headers['transfer-encoding']).toBe('chunked')
})

it('is given up by a leader that is paused once another leads', async () => {
  const follower = await following()
  const paused = await leading(
    () => {},
    () => {},
  )
  follower.lead({ url: paused.url })
  const asked = [post(follower.url), fetch(`${follower.url}/v1/holds`)]
  await vi.waitUntil(() => paused.requests.length === 2)
  const there = await leading()
  follower.lead({ url: there.url })
  const texts = await Promise.all(asked.map(async (one) => (await one).text()))
  expect(texts).toEqual(['there: a body', 'there: '])
})

it('waits no longer than its patience, also for a leader that takes no body', async () => {
  const follower = await following({ patienceMs: 60 })
  expect(await refused(await post(follower.url))).toMatchObject({
    again: '1',
    detail: expect.stringMatching(/no server leads this log at the moment; try again/),
  })
  const silent = await leading(undefined, () => {})
  follower.lead({ url: silent.url })
  const { again, detail } = await refused(await post(follower.url))
  expect({ again, detail }).toMatchObject({
    again: '1',
    detail: expect.stringMatching(/does not take/),
  })
  expect(silent.seen).toEqual([])
})

it('waits no longer than its client', async () => {
  const follower = await following()
  const leaving = new AbortController()
  const { signal } = leaving
  const asked = fetch(follower.url, { method: 'POST', body: 'x', signal }).catch(() => 'gone')
  await waits(follower, 1)
  leaving.abort()
  expect(await asked).toBe('gone')
  await waits(follower, 0)
  expect(follower.forwarder.report().outcomes).toMatchObject({ gone: 1, refused: 0 })
})

it('is refused when too many wait, or too much is held', async () => {
  const follower = await following({ limits: { waiting: 2, heldBytes: 1_000 } })
  const asked = [fetch(follower.url), fetch(follower.url)]
  await waits(follower, 2)
  const third = await fetch(follower.url)
  expect([third.status, third.headers.get('retry-after')]).toEqual([503, '1'])
  expect(await third.json()).toMatchObject({ code: 'OVERLOADED' })
  const there = await leading(() => {})
  follower.lead({ url: there.url })
  const held = post(follower.url, { 'Idempotency-Key': 'k' }, 'x'.repeat(600))
  await vi.waitUntil(() => there.seen.length === 3)
  expect(follower.forwarder.report().heldBytes).toBe(600)
  const more = await post(follower.url, {}, 'x'.repeat(600))
  expect(await more.json()).toMatchObject({ code: 'OVERLOADED' })
  follower.lead('here')
  for (const one of [...asked, held]) expect((await one).status).toBe(200)
})

it('is refused at once when the server that it waits at shuts down', async () => {
  const follower = await following()
  const asked = post(follower.url)
  await waits(follower, 1)
  follower.forwarder.end()
  expect((await refused(await asked)).detail).toMatch(/shutting down/)
  expect((await refused(await post(follower.url))).detail).toMatch(/shutting down/)
})

it('what another server has passed on waits for this one to be ready, and for nobody else', async () => {
  const follower = await following()
  const headers = { 'Cairn-Forwarded': '1' }
  follower.lead('soon')
  const asked = post(follower.url, headers)
  await waits(follower, 1)
  follower.lead('here')
  expect(await (await asked).text()).toBe('here: POST a body')
  for (const place of [undefined, { url: NOBODY }]) {
    follower.lead('soon')
    const waiting = post(follower.url, headers)
    await waits(follower, 1)
    follower.lead(place)
    const answer = await waiting
    expect(answer.headers.get('cairn-fate')).toBe('not-done')
    expect((await refused(answer)).again).toBe('1')
  }
})

it('is seen to again when this server, which took it, turns out not to lead', async () => {
  const follower: Follower = await following({
    serveHere(request, response, body) {
      // As one whose term has ended meanwhile.
      if (!follower.forwarder.again(request, response, body!)) response.writeHead(503).end('late')
    },
    patienceMs: 400,
  })
  follower.lead({ url: NOBODY })
  const asked = post(follower.url)
  await vi.waitUntil(() => follower.forwarder.report().heldBytes > 0)
  follower.lead('here')
  await vi.waitUntil(() => follower.forwarder.report().outcomes.here === 1)
  const there = await leading()
  follower.lead({ url: there.url })
  expect(await (await asked).text()).toBe('there: a body')
  follower.lead({ url: NOBODY })
  const never = post(follower.url)
  await vi.waitUntil(() => follower.forwarder.report().heldBytes > 0)
  follower.lead('here')
  expect((await never).status).toBe(503)
  // It tries now and then, and not all the time.
  expect(follower.forwarder.report().outcomes.here).toBeLessThan(8)
})

it('a body that its client holds back is asked for by whoever wants it', async () => {
  const follower = await following()
  const there = await leading()
  const socket = connect(follower.port, '127.0.0.1')
  afterThisTest(() => socket.destroy())
  socket.setEncoding('latin1')
  let said = ''
  socket.on('data', (text: string) => {
    said += text
  })
  const head =
    'POST /v1/records HTTP/1.1\r\nHost: x\r\nExpect: 100-continue\r\nContent-Length: 4\r\n\r\n'
  socket.write(head)
  await waits(follower, 1)
  expect(said).toBe('')
  follower.lead({ url: there.url })
  await vi.waitUntil(() => said.startsWith('HTTP/1.1 100 Continue\r\n\r\n'))
  socket.write('body')
  await vi.waitUntil(() => said.endsWith('there: body'))
})

it('many that wait for an address that answers nothing try it one at a time', async () => {
  let connections = 0
  const dead = createTcpServer((socket) => {
    connections++
    socket.destroy()
  })
  dead.listen(0, '127.0.0.1')
  await once(dead, 'listening')
  afterThisTest(() => dead.close())
  const follower = await following()
  follower.lead({ url: `http://127.0.0.1:${(dead.address() as AddressInfo).port}` })
  const asked = Array.from({ length: 30 }, () => post(follower.url))
  await waits(follower, 30)
  const before = connections
  await vi.waitUntil(() => connections >= before + 3)
  expect(connections).toBeLessThan(before + 10)
  const there = await leading()
  follower.lead({ url: there.url })
  for (const one of asked) expect((await one).status).toBe(200)
})
