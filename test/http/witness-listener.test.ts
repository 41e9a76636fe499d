/** A witness behind a real server: connections, bodies that come slowly, and many requests at once. */
import type { AddressInfo } from 'node:net'
import { connect } from 'node:net'
import { setTimeout as sleep } from 'node:timers/promises'
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest'
import { fromUtf8, utf8 } from '../../src/bytes.ts'
import { originHash, witnessClient } from '../../src/client/witness-client.ts'
import { MAX_ADD_CHECKPOINT_SIZE } from '../../src/formats/add-checkpoint.ts'
import { openCheckpoint } from '../../src/formats/open-checkpoint.ts'
import { parseVkey } from '../../src/formats/vkey.ts'
import { createWitnessServer } from '../../src/http/witness-listener.ts'
import { treeSize } from '../../src/merkle/position.ts'
import type { WitnessService } from '../../src/witness/service.ts'
import { exchange } from '../support/live-server.ts'
import { heldStore, type WitnessPlace, witnessPlace } from '../witness/test-witness.ts'
import { WitnessedLog } from '../witness/witnessed-log.ts'

let place: WitnessPlace
let witness: WitnessService
let url: string
let port: number
let close: () => Promise<void>
const store = heldStore()
const errors: unknown[] = []
let logs = 0

beforeAll(async () => {
  place = await witnessPlace()
  witness = await place.open({ maxWaiting: 60, wrap: (inner) => store.wrap(inner) })
  const http = createWitnessServer({
    witness,
    authenticate: () => undefined,
    requestTimeoutMs: 1_000,
    onError: (error) => errors.push(error),
  })
  await new Promise<void>((resolve) => http.server.listen(0, '127.0.0.1', resolve))
  port = (http.server.address() as AddressInfo).port
  url = `http://127.0.0.1:${port}`
  close = () => http.close(200)
})
afterAll(async () => {
  await close()
  await place.remove()
  expect(errors).toEqual([])
})

async function watched(): Promise<WitnessedLog> {
  const log = new WitnessedLog(`log.example/${logs++}`)
  await witness.watch([log.key.vkey])
  return log
}

function post(body: Uint8Array): Promise<Response> {
  return fetch(`${url}/add-checkpoint`, { method: 'POST', body: body as BodyInit })
}

/** A request as it goes over the wire. */
function wire(body: Uint8Array, headers = 'Connection: close\r\n'): string {
  const text = fromUtf8(body)
  return `POST /add-checkpoint HTTP/1.1\r\nHost: x\r\n${headers}Content-Length: ${body.length}\r\n\r\n${text}`
}

describe('a witness over HTTP', () => {
  it('is understood by the client of logs', async () => {
    const log = await watched()
    const client = witnessClient({ url })
    const ask = (from: number, to: number, proof = log.proof(from, to), tree = log) =>
      client.addCheckpoint({ oldSize: treeSize(from), proof, checkpoint: tree.head(to) })
    const answer = await ask(0, 3)
    expect(answer).toMatchObject({ kind: 'cosigned', signatures: [{ name: 'witness.example/w' }] })
    expect(await ask(2, 4)).toEqual({ kind: 'conflict', size: 3 })
    expect(await ask(3, 4, [])).toMatchObject({ kind: 'inconsistent' })
    const other = new WitnessedLog('log.example/other')
    expect(await ask(0, 3, [], other)).toMatchObject({ kind: 'refused', status: 404 })
    const latest = await client.latest(log.origin)
    const keys = witness.vkeys.map(parseVkey)
    expect(openCheckpoint(latest!, [log.key.vkey], keys).cosignatures).toHaveLength(1)
    expect(await client.latest(other.origin)).toBeUndefined()
  })

  it('says the size in exactly the media type of the standard', async () => {
    const log = await watched()
    const answer = await exchange(port, wire(log.request(4, 5)))
    expect(answer).toMatch(/^HTTP\/1\.1 409 Conflict\r\n/)
    expect(answer).toMatch(/\r\nContent-Type: text\/x\.tlog\.size\r\n/)
    expect(answer.endsWith('\r\n\r\n0\n')).toBe(true)
  })

  it('answers 50 heads of one log at once as if they had come one by one', async () => {
    const log = await watched()
    let known = 0
    for (let round = 0; round < 5; round++) {
      const sizes = Array.from({ length: 50 }, (_, i) => known + 1 + ((i * 3 + round) % 50))
      const answers = await Promise.all(
        sizes.map(async (size) => {
          const answer = await post(log.request(known, size))
          return { size, status: answer.status, body: await answer.text() }
        }),
      )
      const cosigned = answers.filter(({ status }) => status === 200)
      expect(cosigned).toHaveLength(1)
      const [{ size, body }] = cosigned as [(typeof answers)[number]]
      const keys = witness.vkeys.map(parseVkey)
      const opened = openCheckpoint(utf8(log.head(size) + body), [log.key.vkey], keys)
      expect(opened.cosignatures).toHaveLength(1)
      for (const other of answers) {
        if (other.status !== 200) expect([other.status, other.body]).toEqual([409, `${size}\n`])
      }
      known = size
      const shown = await (await fetch(`${url}/${originHash(log.origin)}/checkpoint`)).text()
      expect(shown).toBe(log.head(known) + body)
    }
  })

  it('asks to come back when too many requests wait', async () => {
    const log = await watched()
    store.hold()
    const bodies = Array.from({ length: 70 }, (_, i) => log.request(0, i + 1))
    const refused: Response[] = []
    const asked = bodies.map(async (body) => {
      const answer = await post(body)
      if (answer.status === 503) refused.push(answer)
      return answer.status
    })
    await vi.waitUntil(() => refused.length === 10)
    store.letGo()
    expect(refused[0]!.headers.get('retry-after')).toBe('1')
    expect(await refused[0]!.json()).toMatchObject({ code: 'OVERLOADED' })
    const statuses = await Promise.all(asked)
    expect(statuses.filter((status) => status === 503)).toHaveLength(10)
    expect(statuses.filter((status) => status === 200)).toHaveLength(1)
    expect(statuses.filter((status) => status === 409)).toHaveLength(59)
    expect((await post(log.request(0, 1))).status).toBe(409)
  })
})

describe('a request', () => {
  it('may come in pieces, or in chunks of unknown number', async () => {
    const log = await watched()
    const text = wire(log.request(0, 3), '')
    const socket = connect(port, '127.0.0.1')
    let answer = ''
    socket.on('data', (bytes) => {
      answer += bytes.toString()
    })
    for (let at = 0; at < text.length; at += 150) {
      socket.write(text.slice(at, at + 150))
      await sleep(2)
    }
    await vi.waitUntil(() => answer.includes('\r\n\r\n'))
    expect(answer).toMatch(/^HTTP\/1\.1 200 OK\r\n/)
    socket.destroy()
    const body = fromUtf8(log.request(3, 4))
    const length = utf8(body).length.toString(16)
    const chunked = await exchange(
      port,
      `POST /add-checkpoint HTTP/1.1\r\nHost: x\r\nConnection: close\r\nTransfer-Encoding: chunked\r\n\r\n${length}\r\n${body}\r\n0\r\n\r\n`,
    )
    expect(chunked).toMatch(/^HTTP\/1\.1 200 OK\r\n/)
  })

  it('may follow another on the same connection without waiting, and is answered in order', async () => {
    const [one, two] = [await watched(), await watched()]
    const answer = await exchange(
      port,
      wire(one.request(0, 3), '') + wire(two.request(5, 6), '') + wire(one.request(0, 9)),
    )
    const statuses = [...answer.matchAll(/HTTP\/1\.1 (\d+)/g)].map(([, status]) => status)
    expect(statuses).toEqual(['200', '409', '409'])
  })

  it('counts although the client hangs up once it is sent', async () => {
    const log = await watched()
    const socket = connect(port, '127.0.0.1', () => socket.write(wire(log.request(0, 3))))
    await sleep(10)
    socket.destroy()
    const size = () => witness.logs().find(({ origin }) => origin === log.origin)?.head?.size
    await vi.waitUntil(() => size() === 3)
  })

  it('that never ends is cut in time, and counts for nothing', async () => {
    const log = await watched()
    const text = wire(log.request(0, 3))
    const started = performance.now()
    const answer = await exchange(port, text.slice(0, -1))
    expect(answer).toMatch(/^HTTP\/1\.1 408 /)
    expect(performance.now() - started).toBeLessThan(5_000)
    expect(witness.logs().find(({ origin }) => origin === log.origin)?.head).toBeUndefined()
  })

  it('is refused before its body comes when that is too long, and the connection goes on', async () => {
    const log = await watched()
    const socket = connect(port, '127.0.0.1')
    let answer = ''
    socket.on('data', (bytes) => {
      answer += bytes.toString()
    })
    const length = MAX_ADD_CHECKPOINT_SIZE + 1
    socket.write(`POST /add-checkpoint HTTP/1.1\r\nHost: x\r\nContent-Length: ${length}\r\n\r\n`)
    await vi.waitUntil(() => answer.includes('TOO_LARGE'))
    expect(answer).toMatch(/^HTTP\/1\.1 413 /)
    socket.write('x'.repeat(length))
    socket.write(wire(log.request(0, 3)))
    await vi.waitUntil(() => answer.includes('HTTP/1.1 200 OK'))
    socket.destroy()
  })

  it('of chunks without end is cut at the limit', async () => {
    const chunk = `4000\r\n${'x'.repeat(0x4000)}\r\n`
    const answer = await exchange(
      port,
      `POST /add-checkpoint HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n${chunk.repeat(17)}`,
    )
    expect(answer).toMatch(/^HTTP\/1\.1 413 /)
    expect(answer).toMatch(/connection: close/i)
  })

  it('with another encoding, a query or an empty body is refused', async () => {
    const log = await watched()
    const status = async (request: string) => (await exchange(port, request)).slice(9, 12)
    const close = 'Connection: close\r\n'
    expect(await status(wire(log.request(0, 3), `${close}Content-Encoding: gzip\r\n`))).toBe('415')
    expect(await status(wire(new Uint8Array()))).toBe('400')
    expect(await status(`POST /add-checkpoint HTTP/1.1\r\nHost: x\r\n${close}\r\n`)).toBe('400')
    const query = wire(log.request(0, 3)).replace('/add-checkpoint', '/add-checkpoint?x=1')
    expect(await status(query)).toBe('400')
    expect(await status(wire(log.request(0, 3)).replace('Host: x\r\n', ''))).toBe('400')
    expect(await status(wire(log.request(0, 3)).replace('POST', 'GET'))).toBe('405')
    expect(
      await status('OPTIONS /add-checkpoint HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n'),
    ).toBe('204')
  })
})

describe('/metrics', () => {
  it('counts what the server answered', async () => {
    const metrics = await (await fetch(`${url}/metrics`)).text()
    const counted = (status: number) =>
      Number(
        new RegExp(
          `^cairn_http_answers_total\\{method="POST",route="/add-checkpoint",status="${status}"\\} (\\d+)$`,
          'm',
        ).exec(metrics)?.[1] ?? 0,
      )
    for (const status of [200, 409, 413, 415, 503]) expect(counted(status)).toBeGreaterThan(0)
    expect(metrics).toMatch(/^cairn_witness_answers_total\{outcome="failed"\} 10$/m)
  })
})
