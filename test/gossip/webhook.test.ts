/** Heads that are posted to a real HTTP receiver. */
import { createHmac, randomBytes } from 'node:crypto'
import { once } from 'node:events'
import {
  createServer,
  type IncomingHttpHeaders,
  type RequestListener,
  type Server,
} from 'node:http'
import type { AddressInfo } from 'node:net'
import { afterEach, describe, expect, it } from 'vitest'
import { toBase64 } from '../../src/bytes.ts'
import { CairnError } from '../../src/errors.ts'
import { headName } from '../../src/gossip/head-files.ts'
import { parseWebhookSecret, webhook } from '../../src/gossip/webhook.ts'
import { headAt, noSignal } from './heads.ts'

const NOW = Date.UTC(2026, 0, 15, 12)

interface Received {
  readonly method: string | undefined
  readonly url: string | undefined
  readonly headers: IncomingHttpHeaders
  readonly body: string
}

describe('a webhook', () => {
  let server: Server | undefined
  const received: Received[] = []
  afterEach(() => {
    server?.closeAllConnections()
    server?.close()
    received.length = 0
  })

  /** Receives, and answers as told. */
  async function receiver(answer: RequestListener): Promise<string> {
    server = createServer(async (request, response) => {
      const body = Buffer.concat(await request.toArray()).toString()
      const { method, url, headers } = request
      received.push({ method, url, headers, body })
      answer(request, response)
    })
    server.listen(0, '127.0.0.1')
    await once(server, 'listening')
    return `http://127.0.0.1:${(server.address() as AddressInfo).port}/hook?channel=heads`
  }

  const sinkAt = (url: string, more: object = {}) =>
    webhook({ name: 'hook', url, now: () => NOW, ...more })

  it('gets the head as JSON, with an id that stays the same and the time', async () => {
    const url = await receiver((_, response) => response.writeHead(204).end())
    const sink = sinkAt(url)
    await sink.send(headAt(7), noSignal())
    await sink.send(headAt(7), noSignal())
    const { origin, root, checkpoint } = headAt(7)
    expect(received).toHaveLength(2)
    for (const { method, url: path, headers, body } of received) {
      expect(method).toBe('POST')
      expect(path).toBe('/hook?channel=heads')
      expect(headers['content-type']).toBe('application/json')
      expect(headers['webhook-id']).toBe(`head-${headName(headAt(7))}`)
      expect(headers['webhook-timestamp']).toBe(String(NOW / 1000))
      expect(headers['webhook-signature']).toBeUndefined()
      expect(headers.authorization).toBeUndefined()
      expect(JSON.parse(body)).toEqual({
        type: 'cairn.head',
        origin,
        size: 7,
        root: toBase64(root),
        checkpoint,
      })
    }
  })

  it('is signed with the secret, and the secret can be replaced', async () => {
    const url = await receiver((_, response) => response.end('thanks'))
    const keys = [randomBytes(32), randomBytes(24)]
    let secret = ''
    const sink = sinkAt(url, { secret: async () => secret, authorization: async () => 'Bearer x' })
    for (const [i, key] of keys.entries()) {
      secret = `${i === 0 ? 'whsec_' : ''}${key.toString('base64')}`
      await sink.send(headAt(7), noSignal())
      const { headers, body } = received[i]!
      const signed = `${headers['webhook-id']}.${headers['webhook-timestamp']}.${body}`
      const expected = createHmac('sha256', key).update(signed).digest('base64')
      expect(headers['webhook-signature']).toBe(`v1,${expected}`)
      expect(headers.authorization).toBe('Bearer x')
    }
  })

  it('is known by the example of the Standard Webhooks specification', async () => {
    // Their example: id, time, body, secret and signature.
    const key = parseWebhookSecret('whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw')
    const signed = 'msg_p5jXN8AQM9LWM0D4loKWxJek.1614265330.{"test": 2432232314}'
    const signature = createHmac('sha256', key).update(signed).digest('base64')
    expect(signature).toBe('g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=')
  })

  it.each<[string, RequestListener, string, RegExp]>([
    ['an error', (_, r) => r.writeHead(500).end(), 'IO', /^answered with status 500$/],
    ['a refusal', (_, r) => r.writeHead(401).end(), 'IO', /^answered with status 401$/],
    [
      'a redirect',
      (_, r) => r.writeHead(307, { location: '/elsewhere' }).end(),
      'IO',
      /^answered with status 307, a redirect, which is not followed$/,
    ],
    ['far too much', (_, r) => r.end(Buffer.alloc(70_000)), 'TOO_LARGE', /larger than 65536 bytes/],
    [
      'half an answer',
      (_, r) => r.writeHead(200, { 'content-length': 9 }).write('x', () => r.destroy()),
      'IO',
      /reached/,
    ],
    [
      'no answer',
      (request) => request.socket.destroy(),
      'IO',
      /^cannot be reached \(UND_ERR_SOCKET\)$/,
    ],
  ])('is refused when it answers with %s', async (_, answer, code, reason) => {
    const url = await receiver(answer)
    const error = await sinkAt(url)
      .send(headAt(7), noSignal())
      .then(
        () => undefined,
        (thrown: unknown) => thrown,
      )
    expect(error).toBeInstanceOf(CairnError)
    expect((error as CairnError).message).toMatch(reason)
    expect((error as CairnError).code).toBe(code)
    expect((error as CairnError).message).not.toContain('127.0.0.1')
    expect(received).toHaveLength(1)
  })

  it('is left alone when it hangs, also in the middle of its answer', async () => {
    const silent = await receiver(() => {})
    await expect(sinkAt(silent).send(headAt(7), AbortSignal.timeout(50))).rejects.toThrow(/timeout/)
    server?.closeAllConnections()
    server?.close()
    const slow = await receiver((_, response) => response.writeHead(200).write('x'))
    await expect(sinkAt(slow).send(headAt(7), AbortSignal.timeout(50))).rejects.toThrow(/timeout/)
  })

  it.each(['', 'whsec_', 'short', 'AAAA', `${'A'.repeat(31)}*`, toBase64(new Uint8Array(65))])(
    'does not take %j as a secret, and does not repeat it',
    (secret) => {
      expect(() => parseWebhookSecret(secret)).toThrow(/24 to 64 random bytes in base64/)
      const message = (() => {
        try {
          parseWebhookSecret(secret)
        } catch (error) {
          return String(error)
        }
        return ''
      })()
      if (secret.length > 4)
        expect(message.replace('whsec_', '')).not.toContain(secret.slice(0, 20))
    },
  )
})
