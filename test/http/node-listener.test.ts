import { connect, type Socket } from 'node:net'
import { setTimeout as sleep } from 'node:timers/promises'
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest'
import { utf8 } from '../../src/bytes.ts'
import type { LogService } from '../../src/log/service.ts'
import { exchange, type LiveServer, liveServer } from '../support/live-server.ts'
import { discard, newPlace, openAt, type TestLogPlace } from '../support/test-log.ts'

let place: TestLogPlace
let log: LogService
let server: LiveServer
const errors: unknown[] = []

beforeAll(async () => {
  place = await newPlace()
  log = await openAt(place)
  await log.submit([utf8('zero'), utf8('one')])
  server = await liveServer(
    { '': log },
    { requestTimeoutMs: 1_000, onError: (e) => errors.push(e) },
  )
})

afterAll(async () => {
  await server.close()
  await log.close()
  await discard(place)
})

const CLOSE = 'Host: x\r\nConnection: close\r\n'

function open(): Promise<Socket> {
  return new Promise((resolve, reject) => {
    const socket = connect(server.port, '127.0.0.1', () => resolve(socket))
    socket.once('error', reject)
  })
}

describe('a submission', () => {
  it('may come in pieces', async () => {
    const size = log.head().size
    const socket = await open()
    let answer = ''
    socket.on('data', (bytes) => {
      answer += bytes.toString()
    })
    for (const part of [
      'POST /add HTTP/1.1\r\nHost: x\r\nContent-',
      'Length: 6\r\n\r\nle',
      'a',
      'f-1',
    ]) {
      socket.write(part)
      await sleep(15)
    }
    await vi.waitUntil(() => answer.includes('\r\n\r\n'))
    expect(answer).toMatch(/^HTTP\/1\.1 200 OK\r\n/)
    expect(answer.endsWith(`\r\n\r\n${size}`)).toBe(true)
    expect(await log.entry((log.head().size - 1) as never)).toEqual(utf8('leaf-1'))
    socket.destroy()
  })

  it('may come in chunks of unknown number', async () => {
    const answer = await exchange(
      server.port,
      `POST /add HTTP/1.1\r\n${CLOSE}Transfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n4\r\ndefg\r\n0\r\n\r\n`,
    )
    expect(answer).toMatch(/^HTTP\/1\.1 200 OK\r\n/)
    expect(await log.entry((log.head().size - 1) as never)).toEqual(utf8('abcdefg'))
  })

  it('may follow another on the same connection without waiting', async () => {
    const size = log.head().size
    const one = (leaf: string, extra = 'Host: x\r\n') =>
      `POST /add HTTP/1.1\r\n${extra}Content-Length: ${leaf.length}\r\n\r\n${leaf}`
    const answer = await exchange(server.port, one('p1') + one('p2') + one('p3', CLOSE))
    expect(answer.match(/HTTP\/1\.1 200 OK/g)).toHaveLength(3)
    expect(log.head().size).toBe(size + 3)
  })

  it('has a Content-Length and goes out in one piece', async () => {
    const answer = await exchange(
      server.port,
      `POST /v1/leaves HTTP/1.1\r\n${CLOSE}Content-Type: application/octet-stream\r\nContent-Length: 3\r\n\r\none`,
    )
    const [head, body] = answer.split('\r\n\r\n') as [string, string]
    expect(head.toLowerCase()).toContain(`content-length: ${body.length}`)
    expect(head).not.toMatch(/transfer-encoding/i)
  })

  it('is committed although the client hangs up', async () => {
    const size = log.head().size
    const socket = await open()
    socket.write('POST /add HTTP/1.1\r\nHost: x\r\nContent-Length: 9\r\n\r\nhung up 1')
    await sleep(1)
    socket.destroy()
    await vi.waitUntil(() => log.head().size === size + 1)
    expect(await log.entry(size as never)).toEqual(utf8('hung up 1'))
  })

  it('is not committed when the client hangs up before its end', async () => {
    const size = log.head().size
    const socket = await open()
    socket.write('POST /add HTTP/1.1\r\nHost: x\r\nContent-Length: 99\r\n\r\nhung up 2')
    await sleep(20)
    socket.destroy()
    await sleep(50)
    expect(log.head().size).toBe(size)
    expect((await fetch(`${server.url}/healthz`)).status).toBe(200)
  })

  it('is refused before its body comes when it says that it is too long, and the connection goes on', async () => {
    const socket = await open()
    let answer = ''
    socket.on('data', (bytes) => {
      answer += bytes.toString()
    })
    socket.write('POST /add HTTP/1.1\r\nHost: x\r\nContent-Length: 70000\r\n\r\n')
    await vi.waitUntil(() => answer.includes('TOO_LARGE'))
    expect(answer).toMatch(/^HTTP\/1\.1 413 /)
    socket.write('x'.repeat(70_000))
    socket.write(`GET /healthz HTTP/1.1\r\n${CLOSE}\r\n`)
    await vi.waitUntil(() => answer.includes('HTTP/1.1 200 OK'))
    socket.destroy()
  })

  it('of chunks without end is cut at the limit', async () => {
    const chunk = `4000\r\n${'x'.repeat(0x4000)}\r\n`
    const answer = await exchange(
      server.port,
      `POST /add HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n${chunk.repeat(5)}`,
    )
    expect(answer).toMatch(/^HTTP\/1\.1 413 /)
    expect(answer).toMatch(/connection: close/i)
    expect(answer.match(/HTTP\/1\.1/g)).toHaveLength(1)
  })

  it('waits its turn when too many large batches are arriving', async () => {
    const other = await liveServer({ '': log })
    const batch = (length: number) =>
      `POST /v1/leaves HTTP/1.1\r\n${CLOSE}Content-Type: application/cbor-seq\r\nContent-Length: ${length}\r\n\r\n`
    const sockets = await Promise.all(
      Array.from({ length: 16 }, async () => {
        const socket = connect(other.port, '127.0.0.1')
        await new Promise((resolve) => socket.once('connect', resolve))
        socket.write(batch(2 ** 24))
        return socket
      }),
    )
    const small = `${batch(2)}\x41z`
    await vi.waitUntil(async () => (await exchange(other.port, small)).startsWith('HTTP/1.1 503'))
    const refused = await exchange(other.port, small)
    expect(refused).toMatch(/retry-after: 1/i)
    expect((await fetch(`${other.url}/add`, { method: 'POST', body: 'single' })).status).toBe(200)
    for (const socket of sockets) socket.destroy()
    await vi.waitUntil(async () => /^HTTP\/1\.1 20/.test(await exchange(other.port, small)))
    await other.close()
  })

  it('that never ends is cut in time', async () => {
    const started = performance.now()
    const answer = await exchange(
      server.port,
      'POST /add HTTP/1.1\r\nHost: x\r\nContent-Length: 100\r\n\r\nslow',
    )
    expect(answer).toMatch(/^HTTP\/1\.1 408 Request Timeout\r\n/)
    expect(answer).toContain('application/problem+json')
    expect(answer).toContain('REQUEST_TIMEOUT')
    expect(performance.now() - started).toBeLessThan(5_000)
  })
})

describe('what is not a usable request', () => {
  it.each<[string, string, number[]]>([
    ['no HTTP', 'hello\r\n\r\n', [400]],
    ['a bad length', `POST /add HTTP/1.1\r\n${CLOSE}Content-Length: x\r\n\r\n`, [400]],
    [
      'two lengths',
      `POST /add HTTP/1.1\r\n${CLOSE}Content-Length: 1\r\nContent-Length: 2\r\n\r\nxx`,
      [400],
    ],
    [
      'length and chunks',
      `POST /add HTTP/1.1\r\n${CLOSE}Content-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\nx`,
      [400],
    ],
    ['large header fields', `GET / HTTP/1.1\r\n${CLOSE}X: ${'x'.repeat(20_000)}\r\n\r\n`, [431]],
    ['no Host', 'GET / HTTP/1.1\r\nConnection: close\r\n\r\n', [400]],
    ['an unusable Host', 'GET / HTTP/1.1\r\nHost: a b/c\r\nConnection: close\r\n\r\n', [400]],
    ['a path that is not one', `GET x HTTP/1.1\r\n${CLOSE}\r\n`, [400, 404]],
    ['an asterisk', `OPTIONS * HTTP/1.1\r\n${CLOSE}\r\n`, [400, 404]],
    ['an absolute target', `GET http://x/nothing HTTP/1.1\r\n${CLOSE}\r\n`, [404]],
    ['broken percent-encoding', `GET /v1/receipts/%E0%A4%A HTTP/1.1\r\n${CLOSE}\r\n`, [400]],
    ['a null byte', `GET /v1/%00 HTTP/1.1\r\n${CLOSE}\r\n`, [400]],
    ['dots that climb', `GET /tile/../../etc/passwd HTTP/1.1\r\n${CLOSE}\r\n`, [400, 404]],
    ['a double slash', `GET //checkpoint HTTP/1.1\r\n${CLOSE}\r\n`, [400, 404]],
    ['a backslash', `GET /\\checkpoint HTTP/1.1\r\n${CLOSE}\r\n`, [400, 404]],
    ['a trailing slash', `GET /checkpoint/ HTTP/1.1\r\n${CLOSE}\r\n`, [404]],
    [
      'an encoded submission path',
      `POST /%61dd HTTP/1.1\r\n${CLOSE}Content-Length: 1\r\n\r\nx`,
      [400],
    ],
    ['CONNECT', `CONNECT x:1 HTTP/1.1\r\n${CLOSE}\r\n`, []],
    ['TRACE', `TRACE /checkpoint HTTP/1.1\r\n${CLOSE}\r\n`, [405]],
    [
      'an upgrade',
      `GET /checkpoint HTTP/1.1\r\nHost: x\r\nConnection: Upgrade, close\r\nUpgrade: websocket\r\n\r\n`,
      [200],
    ],
  ])('%s is answered with a problem, never with a 500', async (_what, request, statuses) => {
    const answer = await exchange(server.port, request)
    const status = Number(/^HTTP\/1\.1 ([0-9]{3}) /.exec(answer)?.[1])
    if (statuses.length === 0) expect(answer).toBe('')
    else expect(statuses).toContain(status)
    if (status >= 400) expect(answer.toLowerCase()).toContain('application/problem+json')
    expect(answer).not.toMatch(/\.ts:|node:internal|\n\s+at /)
  })

  it('has told the operator of nothing', () => {
    expect(errors).toEqual([])
  })
})

describe('other methods', () => {
  it.each([
    ['GET', '/add', 'POST, OPTIONS'],
    ['PUT', '/v1/leaves', 'POST, OPTIONS'],
    ['DELETE', '/v1/receipts/0', 'GET, HEAD, OPTIONS'],
    ['POST', '/checkpoint', 'GET, HEAD, OPTIONS'],
    ['PATCH', '/tile/0/000', 'GET, HEAD, OPTIONS'],
  ])('%s %s says which there are', async (method, path, allow) => {
    const response = await fetch(server.url + path, { method })
    expect(response.status).toBe(405)
    expect(response.headers.get('allow')).toBe(allow)
    expect(await response.json()).toMatchObject({ code: 'METHOD_NOT_ALLOWED' })
  })

  it('a browser on another origin may read, but not submit', async () => {
    const preflight = (path: string, method: string) =>
      fetch(server.url + path, {
        method: 'OPTIONS',
        headers: { origin: 'https://other.example', 'access-control-request-method': method },
      })
    const read = await preflight('/checkpoint', 'GET')
    expect(read.status).toBe(204)
    expect(read.headers.get('access-control-allow-origin')).toBe('*')
    expect(read.headers.get('access-control-allow-methods')).toBe('GET, HEAD')
    const submit = await preflight('/v1/leaves', 'POST')
    expect(submit.headers.get('access-control-allow-origin')).toBeNull()
    expect(submit.headers.get('allow')).toBe('POST, OPTIONS')
  })
})

describe('an error inside', () => {
  it('is told to the operator, and to nobody else', async () => {
    const broken: LogService = {
      ...log,
      sequence: () => Promise.reject(new Error('secret detail')),
      tile: () => Promise.reject(new TypeError('secret detail')),
      publication: () => {
        throw new RangeError('secret detail')
      },
    }
    const told: unknown[] = []
    const other = await liveServer({ '': broken }, { onError: (error) => told.push(error) })
    const answers = [
      await fetch(`${other.url}/add`, { method: 'POST', body: 'x' }),
      await fetch(`${other.url}/tile/0/000`),
      await fetch(`${other.url}/checkpoint`),
    ]
    for (const response of answers) {
      expect(response.status).toBe(500)
      const text = await response.text()
      expect(JSON.parse(text)).toMatchObject({ code: 'INTERNAL', status: 500 })
      expect(text).not.toContain('secret')
    }
    expect(told).toHaveLength(3)
    await other.close()
  })
})

describe('closing', () => {
  it('answers what has arrived, then takes no more', async () => {
    const other = await liveServer({ '': log })
    const size = log.head().size
    const clients = await Promise.all(
      Array.from({ length: 20 }, async () => {
        const client = { socket: connect(other.port, '127.0.0.1'), answer: '', ended: false }
        client.socket.on('data', (bytes) => {
          client.answer += bytes.toString()
        })
        client.socket.on('end', () => {
          client.ended = true
        })
        client.socket.write('GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n')
        await vi.waitUntil(() => client.answer.endsWith('ok\n'))
        client.answer = ''
        return client
      }),
    )
    const leaf = (i: number) => `closing ${String(i).padStart(2, '0')}`
    clients.forEach(({ socket }, i) => {
      if (i === 0) return
      socket.write(`POST /add HTTP/1.1\r\nHost: x\r\nContent-Length: 10\r\n\r\n${leaf(i)}`)
    })
    const started = performance.now()
    await other.close(5_000)
    expect(performance.now() - started).toBeLessThan(4_000)
    await vi.waitUntil(() => clients.every(({ ended }) => ended))
    const [idle, ...busy] = clients.map(({ answer }) => answer)
    expect(idle).toBe('')
    for (const answer of busy) expect(answer).toMatch(/^HTTP\/1\.1 200 OK\r\n/)
    expect(log.head().size).toBe(size + 19)
    await expect(fetch(`${other.url}/healthz`)).rejects.toThrow()
  })

  it('cuts a client that keeps it waiting', async () => {
    const other = await liveServer({ '': log })
    const waiting = exchange(
      other.port,
      'POST /add HTTP/1.1\r\nHost: x\r\nContent-Length: 9\r\n\r\nab',
    )
    await sleep(50)
    const started = performance.now()
    await other.close(100)
    expect(performance.now() - started).toBeLessThan(2_000)
    await waiting.catch(() => undefined)
  })
})
