/** What a client, a leader or an advertised address can try with requests that one server passes on to another. */
import { execFileSync } from 'node:child_process'
import { once } from 'node:events'
import { mkdtemp, readFile, rm } from 'node:fs/promises'
import {
  createServer,
  request as httpRequest,
  type IncomingMessage,
  type ServerResponse,
} from 'node:http'
import { type AddressInfo, connect, createServer as createTcpServer, type Server } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createServer as createTlsServer } from 'node:tls'
import { describe, expect, it, vi } from 'vitest'
import { type Forwarder, forwarder } from '../../src/http/forward.ts'
import type { LeaderPlace } from '../../src/http/leader.ts'
import { nodeServer } from '../../src/http/node-server.ts'
import { afterThisTest } from '../support/endings.ts'
import { exchange, type LiveServer, listening } from '../support/live-server.ts'
import { hasOpenssl } from '../support/openssl-authority.ts'

interface Follower extends LiveServer {
  readonly forwarder: Forwarder
  readonly errors: string[]
}

async function following(leader: () => LeaderPlace, patienceMs = 5_000): Promise<Follower> {
  const errors: string[] = []
  const one = forwarder({
    leader,
    patienceMs,
    serveHere: (_, response) => response.end('here'),
    onError: (error) => errors.push(String(error)),
  })
  const server = await listening(
    nodeServer((request, response) => {
      if (!one.forward(request, response)) response.end('here')
    }),
  )
  afterThisTest(async () => {
    one.close()
    await server.close()
  })
  return { ...server, forwarder: one, errors }
}

/** A server on a free port of this machine, ended after the test. Returns the port. */
async function portOf(server: Server): Promise<number> {
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  afterThisTest(() => server.close())
  return (server.address() as AddressInfo).port
}

type Answering = (request: IncomingMessage, response: ServerResponse) => void

async function leading(answer: Answering = (_, response) => response.end('there')) {
  const seen: IncomingMessage[] = []
  const server = createServer((request, response) => {
    seen.push(request)
    answer(request, response)
  })
  afterThisTest(() => server.closeAllConnections())
  return { seen, url: `http://127.0.0.1:${await portOf(server)}` }
}

/** A server that is none of HTTP's. */
async function speaking(text: string): Promise<string> {
  const server = createTcpServer((socket) => {
    socket.on('error', () => undefined)
    socket.once('data', () => socket.end(text))
  })
  return `http://127.0.0.1:${await portOf(server)}`
}

const lines = (...all: string[]): string => `${all.join('\r\n')}\r\n\r\n`

describe('header fields of a request', () => {
  it('about the connection stay on it, and so do those that it names', async () => {
    const there = await leading()
    const follower = await following(() => ({ url: there.url }))
    const answer = await exchange(
      follower.port,
      lines(
        'GET /v1/records HTTP/1.1',
        'Host: log.example.org',
        'Connection: close, X-Secret, Host, Cairn-Forwarded',
        'X-Secret: 1',
        'Keep-Alive: timeout=5',
        'Proxy-Authorization: Basic eDp5',
        'TE: trailers',
        'Trailer: X-Later',
        'Upgrade: h2c',
        'HTTP2-Settings: AAA',
        'X-Forwarded-For: 192.0.2.7',
        'X-Forwarded-Proto: https',
        'Cookie: a=1',
        'Cookie: b=2',
        'Authorization: Bearer t',
      ),
    )
    expect(answer).toMatch(/^HTTP\/1\.1 200 /)
    const { connection, ...rest } = there.seen[0]!.headers
    expect(connection).toBe('keep-alive')
    // Proxies before the servers say for whom they ask; it is not for servers to change that.
    expect(rest).toEqual({
      host: 'log.example.org',
      'x-forwarded-for': '192.0.2.7',
      'x-forwarded-proto': 'https',
      cookie: 'a=1; b=2',
      authorization: 'Bearer t',
      'cairn-forwarded': '1',
    })
  })

  it('cannot hide a second request behind the length of the first', async () => {
    const there = await leading()
    const follower = await following(() => ({ url: there.url }))
    const hidden = lines('GET /v1/hidden HTTP/1.1', 'Host: x')
    const post = ['POST /v1/records HTTP/1.1', 'Host: x', 'Connection: close']
    for (const lengths of [
      [`Content-Length: ${hidden.length}`, 'Transfer-Encoding: chunked'],
      ['Content-Length: 0', `Content-Length: ${hidden.length}`],
      ['Transfer-Encoding: chunked, identity'],
      ['Transfer-Encoding : chunked'],
      ['Content-Length: +5'],
      ['Content-Length: 5\r\n\tsome: thing'],
    ]) {
      const answer = await exchange(
        follower.port,
        `${lines(...post, ...lengths)}0\r\n\r\n${hidden}`,
      )
      expect(answer, String(lengths)).toMatch(/^HTTP\/1\.1 400 /)
      expect(answer.match(/HTTP\/1\.1 \d/g)).toHaveLength(1)
    }
    expect(there.seen).toEqual([])
    // One that is whole goes on with a length of its own, and the next one is another.
    const chunked = `${lines(...post.slice(0, 2), 'Transfer-Encoding: chunked')}3\r\nabc\r\n0\r\nX-Late: 1\r\n\r\n`
    const second = lines('GET /v1/second HTTP/1.1', 'Host: x', 'Connection: close')
    await exchange(follower.port, chunked + second)
    expect(there.seen.map(({ url }) => url)).toEqual(['/v1/records', '/v1/second'])
    const [{ headers, trailers }] = there.seen as [IncomingMessage]
    expect(headers).toMatchObject({ 'content-length': '3' })
    expect(headers['transfer-encoding']).toBeUndefined()
    expect(trailers).toEqual({})
  })

  it('do not lead elsewhere', async () => {
    const there = await leading()
    const follower = await following(() => ({ url: there.url }))
    for (const fields of [
      ['Host: evil.example'],
      ['Host: 127.0.0.1:9'],
      ['Host: x', 'X-Forwarded-Host: evil.example', 'Forwarded: host=evil.example'],
    ]) {
      const answer = await exchange(
        follower.port,
        lines('GET /v1/records HTTP/1.1', ...fields, 'Connection: close'),
      )
      expect(answer).toMatch(/\r\n\r\nthere$|\r\nthere\r\n/)
    }
    expect(there.seen).toHaveLength(3)
  })

  it('that say that it was passed on keep it from being passed on', async () => {
    const there = await leading()
    const follower = await following(() => ({ url: there.url }))
    const headers = { 'Cairn-Forwarded': 'anything' }
    expect((await fetch(follower.url, { headers })).status).toBe(503)
    expect(there.seen).toEqual([])
  })
})

describe('an advertised address', () => {
  it.each([
    '',
    'no address',
    'ftp://127.0.0.1/',
    'file:///etc/passwd',
    'javascript:0',
    'http://',
    'http://somebody:secret@127.0.0.1:9',
    'http://127.0.0.1:9/?query',
    'http://127.0.0.1:99999',
  ])('%j is not asked, and clients are not told what it is', async (url) => {
    const follower = await following(() => ({ url }), 40)
    const answer = await fetch(`${follower.url}/v1/records`, { method: 'POST', body: '{}' })
    expect(answer.status).toBe(503)
    const text = await answer.text()
    expect(text).toMatch(/advertises no URL|cannot be reached/)
    expect(text).not.toMatch(/secret|passwd|127\.0\.0\.1/)
    expect(follower.errors).toEqual([expect.stringContaining('no URL to pass requests to')])
  })

  it('of the server itself, or of one that names this one, ends in a refusal and not in a circle', async () => {
    const self: Follower = await following(() => ({ url: self.url }), 250)
    expect((await fetch(self.url)).status).toBe(503)
    expect(self.forwarder.report().outcomes.refused).toBeLessThan(8)
    const one: Follower = await following(() => ({ url: other.url }), 250)
    const other: Follower = await following(() => ({ url: one.url }), 250)
    const answers = await Promise.all([fetch(one.url), fetch(other.url)])
    expect(answers.map(({ status }) => status)).toEqual([503, 503])
    expect(one.forwarder.report().outcomes.refused).toBeLessThan(10)
  })

  it('that redirects is not followed: nobody else gets the token', async () => {
    const elsewhere = await leading()
    const there = await leading((_, response) => {
      response.writeHead(307, { Location: `${elsewhere.url}/v1/records` }).end()
    })
    const follower = await following(() => ({ url: there.url }))
    const answer = await fetch(`${follower.url}/v1/records`, {
      method: 'POST',
      body: '{}',
      headers: { Authorization: 'Bearer t' },
      redirect: 'manual',
    })
    expect(answer.status).toBe(307)
    expect(elsewhere.seen).toEqual([])
  })

  it('with https is checked by its own name, whatever the client calls the server', async () => {
    if (!hasOpenssl()) return
    const folder = await mkdtemp(join(tmpdir(), 'cairn-tls-'))
    afterThisTest(() => rm(folder, { recursive: true, force: true }))
    const [keyFile, certFile] = [join(folder, 'key'), join(folder, 'cert')]
    const made = ['-keyout', keyFile, '-out', certFile, '-subj', '/CN=evil.example', '-days', '1']
    const curve = ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:prime256v1']
    const args = ['req', '-x509', '-nodes', ...curve, ...made]
    execFileSync('openssl', args, { stdio: 'ignore' })
    const names: string[] = []
    const server = createTlsServer({
      key: await readFile(keyFile),
      cert: await readFile(certFile),
      SNICallback(name, done) {
        names.push(name)
        done(null)
      },
    })
    server.on('secureConnection', (socket) => socket.on('data', () => names.push('some bytes')))
    const port = await portOf(server)
    const follower = await following(() => ({ url: `https://localhost:${port}` }), 40)
    const request = lines('GET /v1/records HTTP/1.1', 'Host: evil.example', 'Connection: close')
    const answer = await exchange(follower.port, request)
    expect(answer).toMatch(/^HTTP\/1\.1 503 /)
    expect(new Set(names)).toEqual(new Set(['localhost']))
  })
})

describe('the answer of a leader', () => {
  it('keeps what is about the connection to itself', async () => {
    const there = await leading((_, response) => {
      response.writeHead(200, {
        Connection: 'close, X-Inner',
        'X-Inner': '1',
        'Cairn-Fate': 'anything',
        'Set-Cookie': ['a=1', 'b=2'],
        'X-Outer': '2',
      })
      response.end('there')
    })
    const follower = await following(() => ({ url: there.url }))
    const { headers } = await fetch(follower.url)
    expect(headers.get('x-outer')).toBe('2')
    expect(headers.getSetCookie()).toEqual(['a=1', 'b=2'])
    expect([headers.get('x-inner'), headers.get('cairn-fate')]).toEqual([null, null])
    expect(headers.get('connection')).toBe('keep-alive')
  })

  it.each([
    ['that is no HTTP', 'SSH-2.0-OpenSSH_9\r\n'],
    ['whose head is too large', `HTTP/1.1 200 OK\r\nX: ${'x'.repeat(100_000)}\r\n\r\n`],
    [
      'that changes the protocol',
      lines('HTTP/1.1 101 Switching Protocols', 'Upgrade: other', 'Connection: upgrade'),
    ],
    [
      'that has two lengths',
      `${lines('HTTP/1.1 200 OK', 'Content-Length: 3', 'Content-Length: 5')}abcde`,
    ],
    ['that is nothing', ''],
  ])('%s is a refusal', async (_, text) => {
    const url = await speaking(text)
    const follower = await following(() => ({ url }), 150)
    const answer = await fetch(`${follower.url}/v1/records`)
    expect(answer.status).toBe(503)
    expect(await answer.json()).toMatchObject({ code: 'UNAVAILABLE' })
  })

  it('that is huge is not held in memory for a client that does not take it', async () => {
    const piece = Buffer.alloc(65_536)
    let sent = 0
    const there = await leading((_, response) => {
      const more = (): void => {
        if (response.destroyed) return
        sent += piece.length
        if (response.write(piece)) setImmediate(more)
        else response.once('drain', more)
      }
      more()
    })
    const follower = await following(() => ({ url: there.url }))
    const socket = connect(follower.port, '127.0.0.1')
    afterThisTest(() => socket.destroy())
    socket.pause()
    socket.write(lines('GET /v1/backup HTTP/1.1', 'Host: x'))
    let before = -1
    // It stands still once the sockets between are full.
    await vi.waitUntil(
      () => {
        const stands = sent > 0 && sent === before
        before = sent
        return stands
      },
      { interval: 200, timeout: 10_000 },
    )
    expect(sent).toBeLessThan(64 * 2 ** 20)
    socket.destroy()
  })

  it('that comes before the body was asked for is the answer', async () => {
    const there = createServer()
    there.on('checkContinue', (_, response: ServerResponse) => response.writeHead(413).end('no'))
    afterThisTest(() => there.closeAllConnections())
    const url = `http://127.0.0.1:${await portOf(there)}`
    const follower = await following(() => ({ url }))
    for (let i = 0; i < 3; i++) {
      const answer = await fetch(`${follower.url}/v1/records`, { method: 'POST', body: 'x' })
      expect([answer.status, await answer.text()]).toEqual([413, 'no'])
    }
  })
})

it('a body that is larger than any route takes is refused, and the rest of it is not kept', async () => {
  const there = await leading()
  const follower = await following(() => ({ url: there.url }))
  const request = httpRequest(`${follower.url}/v1/records`, { method: 'POST' })
  request.on('error', () => undefined)
  const piece = Buffer.alloc(2 ** 20)
  for (let i = 0; i < 34; i++) request.write(piece)
  const [answer] = (await once(request, 'response')) as [IncomingMessage]
  expect(answer.statusCode).toBe(413)
  request.destroy()
  expect(there.seen).toEqual([])
  expect(follower.forwarder.report().heldBytes).toBe(0)
})
