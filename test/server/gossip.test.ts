/**
 * A whole server that gossips: all kinds of sinks at once, each real, some of them down; what is shown of it; restarts;
 * and that the way of a submission is not held up.
 */
import { createSocket } from 'node:dgram'
import { once } from 'node:events'
import { readdir, readFile, writeFile } from 'node:fs/promises'
import { createServer, type Server } from 'node:http'
import {
  type AddressInfo,
  createServer as createTcpServer,
  type Server as TcpServer,
} from 'node:net'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { utf8 } from '../../src/bytes.ts'
import { createLogClient } from '../../src/client/log-client.ts'
import { verifyReceipt } from '../../src/client/verify-receipt.ts'
import { verifyTimeStamp } from '../../src/client/verify-time-stamp.ts'
import { CairnError } from '../../src/errors.ts'
import { parseCertificates } from '../../src/formats/certificate.ts'
import { openCheckpoint } from '../../src/formats/open-checkpoint.ts'
import { parseVkey } from '../../src/formats/vkey.ts'
import { loadConfig } from '../../src/server/config.ts'
import type { ServerEvent } from '../../src/server/events.ts'
import { type RunningServer, serve } from '../../src/server/serve.ts'
import { newFolder, type Place, until } from '../gossip/heads.ts'
import { type LiveServer, liveServer } from '../support/live-server.ts'
import { hasOpenssl, opensslAuthority } from '../support/openssl-authority.ts'
import { discard, newPlace, openAt } from '../support/test-log.ts'

interface ShownSink {
  readonly name: string
  readonly last_size: number
  readonly lag: number
  readonly attempts: number
  readonly failures: number
  readonly last_error?: { readonly message: string }
  readonly last_receipt?: string
}

let place: Place
let closing: (() => unknown)[]
let events: ServerEvent[]

beforeEach(async () => {
  place = await newFolder()
  closing = []
  events = []
})
afterEach(async () => {
  for (const close of closing.reverse()) await close()
  await place.discard()
})

async function started(gossip: string, data = 'log', settings = ''): Promise<RunningServer> {
  const file = place.at(`${data}.yaml`)
  const own = `data: ${data}\nopen: true\nport: 0\norigin: gossip.example/log\npublish-interval: 20\n`
  await writeFile(file, own + settings + gossip)
  const server = await serve(await loadConfig({ flags: { config: file }, env: {} }), {
    onEvent: (event) => events.push(event),
  })
  closing.push(() => server.close())
  return server
}

async function append(url: string, ...leaves: string[]): Promise<void> {
  for (const leaf of leaves) await createLogClient({ url }).submit(utf8(leaf))
}

async function shown({ url }: { readonly url: string }): Promise<readonly ShownSink[]> {
  const answer = await fetch(`${url}/v1/gossip`)
  expect(answer.headers.get('cache-control')).toBe('no-store')
  const { sinks } = (await answer.json()) as { sinks: ShownSink[] }
  return sinks
}

async function sinkOf(server: RunningServer, name: string): Promise<ShownSink> {
  return (await shown(server)).find((sink) => sink.name === name)!
}

/** An HTTP server that takes everything and notes it. */
async function receiver(): Promise<{ readonly url: string; readonly bodies: string[] }> {
  const bodies: string[] = []
  const server = createServer(async (request, response) => {
    bodies.push(Buffer.concat(await request.toArray()).toString())
    response.end()
  })
  return { url: await listening(server), bodies }
}

async function listening(server: Server | TcpServer): Promise<string> {
  const sockets = new Set<{ destroy(): unknown }>()
  server.on('connection', (socket) => sockets.add(socket))
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  closing.push(() => {
    for (const socket of sockets) socket.destroy()
    server.close()
  })
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}`
}

/** Accepts connections and never says anything. */
const silent = (): Promise<string> => listening(createTcpServer(() => {}))

async function otherLog(): Promise<LiveServer & { readonly vkeys: readonly string[] }> {
  const data = await newPlace()
  const log = await openAt(data)
  const server = await liveServer({ '': log })
  closing.push(async () => {
    await server.close()
    await log.close()
    await discard(data)
  })
  return { ...server, vkeys: log.vkeys }
}

describe('a server that gossips', () => {
  it.runIf(hasOpenssl())('sends its head to sinks of all kinds', async () => {
    const authority = await opensslAuthority()
    closing.push(() => authority.close())
    const hook = await receiver()
    const other = await otherLog()
    const datagrams: string[] = []
    const udp = createSocket('udp4', (message) => datagrams.push(message.toString()))
    await once(udp.bind(0, '127.0.0.1'), 'listening')
    closing.push(() => udp.close())
    await writeFile(place.at('hook.secret'), `${Buffer.alloc(32, 7).toString('base64')}\n`)
    await writeFile(place.at('other.vkey'), other.vkeys.map((vkey) => `${vkey}\n`).join(''))

    const server = await started(`
gossip:
  stamps: { kind: time-stamp-authority, url: "${authority.url}", directory: stamps, trust: ${authority.caFile} }
  siem: { kind: syslog, address: "udp://127.0.0.1:${udp.address().port}" }
  hook: { kind: webhook, url: "${hook.url}/heads", secret-file: hook.secret }
  tape: { kind: file, path: heads.jsonl }
  share: { kind: file, path: heads, format: checkpoints }
  other: { kind: cairn-log, url: "${other.url}", directory: receipts, vkey: other.vkey }
`)
    expect((await shown(server)).every((sink) => sink.attempts === 0)).toBe(true)
    await append(server.url, 'one')
    await until('all sinks have it', async () =>
      (await shown(server)).every((sink) => sink.last_size === 1),
    )
    const sinks = await shown(server)
    expect(sinks.map((sink) => [sink.name, sink.lag, sink.failures])).toEqual(
      ['stamps', 'siem', 'hook', 'tape', 'share', 'other'].map((name) => [name, 0, 0]),
    )
    const { checkpoint } = JSON.parse(hook.bodies[0]!) as { checkpoint: string }
    const keys = (await readFile(place.at('log', 'log.vkey'), 'utf8')).trim().split('\n')
    const { origin, size } = openCheckpoint(utf8(checkpoint), keys.map(parseVkey)).checkpoint
    expect([origin, size]).toEqual(['gossip.example/log', 1])
    expect(JSON.parse(await readFile(place.at('heads.jsonl'), 'utf8'))).toMatchObject({
      checkpoint,
    })
    expect(datagrams[0]).toContain('"size":1')

    const [name] = await readdir(place.at('heads'))
    expect(await readFile(place.at('heads', name!), 'utf8')).toBe(checkpoint)
    const stamped = name!.replace('.checkpoint', '')
    const stamp = await verifyTimeStamp({
      data: utf8(checkpoint),
      response: await readFile(place.at('stamps', `${stamped}.tsr`)),
      anchors: parseCertificates(await readFile(authority.caFile)),
    })
    expect(stamp.ok).toBe(true)
    const receipt = verifyReceipt({
      leaf: utf8(checkpoint),
      receipt: await readFile(place.at('receipts', `${stamped}.tlog-proof`)),
      trust: { logKeys: other.vkeys.map(parseVkey) },
    })
    expect(receipt.ok).toBe(true)
  })

  it('shows how each sink is doing, also as metrics, and says nothing of where they are', async () => {
    const hook = await receiver()
    const server = await started(`
gossip:
  good: { kind: webhook, url: "${hook.url}/secret-path" }
  down: { kind: webhook, url: "http://127.0.0.1:1/secret-path" }
`)
    await append(server.url, 'one')
    await until('the good one has it', async () => (await sinkOf(server, 'good')).last_size > 0)
    await until('the other failed', async () => (await sinkOf(server, 'down')).failures > 0)
    expect(await sinkOf(server, 'good')).toEqual({
      name: 'good',
      kind: 'webhook',
      last_size: 1,
      lag: 0,
      last_success: expect.stringMatching(/^20.*Z$/),
      last_receipt: 'answered with status 200',
      attempts: 1,
      failures: 0,
      failures_in_a_row: 0,
    })
    expect(await sinkOf(server, 'down')).toMatchObject({
      last_size: 0,
      lag: 1,
      failures_in_a_row: 1,
      last_error: { message: expect.stringMatching(/^cannot be reached/) },
    })
    const body = await (await fetch(`${server.url}/v1/gossip`)).text()
    expect(body).not.toMatch(/127\.0\.0\.1|secret-path/)
    const metrics = await (await fetch(`${server.url}/metrics`)).text()
    for (const line of [
      'cairn_gossip_size{log="main",sink="good",kind="webhook"} 1',
      'cairn_gossip_size{log="main",sink="down",kind="webhook"} 0',
      'cairn_gossip_lag_leaves{log="main",sink="down",kind="webhook"} 1',
      'cairn_gossip_failing{log="main",sink="down",kind="webhook"} 1',
      'cairn_gossip_failing{log="main",sink="good",kind="webhook"} 0',
      'cairn_gossip_attempts_total{log="main",sink="good",kind="webhook"} 1',
      'cairn_gossip_failures_total{log="main",sink="down",kind="webhook"} 1',
      'cairn_gossip_contradiction{log="main",sink="good",kind="webhook"} 0',
    ]) {
      expect(metrics).toContain(line)
    }
    expect(metrics).toMatch(/cairn_gossip_success_age_seconds\{log="main",sink="good"/)
    expect(metrics).not.toMatch(/cairn_gossip_success_age_seconds\{log="main",sink="down"/)
    const failed = events.filter(({ event }) => event === 'gossip-failed')
    expect(failed).toMatchObject([{ log: 'main', sink: 'down' }])
  })

  it('of each log by itself', async () => {
    const hook = await receiver()
    const server = await started(`
gossip:
  own: { kind: webhook, url: "${hook.url}" }
logs:
  pay:
    data: pay
    open: true
    gossip:
      tape: { kind: file, path: pay.jsonl }
  quiet: { data: quiet }
`)
    await append(`${server.url}/logs/pay`, 'one')
    const pay = { url: `${server.url}/logs/pay` }
    await until('it is written', async () => (await shown(pay))[0]!.last_size === 1)
    expect((await shown(server)).map(({ name }) => name)).toEqual(['own'])
    expect((await shown(pay)).map(({ name }) => name)).toEqual(['tape'])
    expect(await shown({ url: `${server.url}/logs/quiet` })).toEqual([])
    expect(hook.bodies).toEqual([])
    const metrics = await (await fetch(`${server.url}/metrics`)).text()
    expect(metrics).toContain('cairn_gossip_size{log="pay",sink="tape",kind="file"} 1')
  })

  it('sends nothing again after a restart, and what is new', async () => {
    const hook = await receiver()
    const gossip = `gossip:\n  hook: { kind: webhook, url: "${hook.url}", every-entries: 2 }\n`
    const first = await started(gossip)
    await append(first.url, 'one')
    await until('it is sent', async () => (await sinkOf(first, 'hook')).last_size === 1)
    await first.close()
    const second = await started(gossip)
    expect(await sinkOf(second, 'hook')).toMatchObject({ last_size: 1, lag: 0, attempts: 1 })
    await append(second.url, 'two')
    await new Promise((resolve) => setTimeout(resolve, 100))
    expect(hook.bodies).toHaveLength(1)
    await append(second.url, 'three')
    await until('it is sent', async () => (await sinkOf(second, 'hook')).last_size === 3)
    expect(hook.bodies.map((body) => JSON.parse(body).size)).toEqual([1, 3])
  })

  it('ends at once while a sink hangs', async () => {
    const server = await started(`gossip:\n  hook: { kind: webhook, url: "${await silent()}" }\n`)
    await append(server.url, 'one')
    await new Promise((resolve) => setTimeout(resolve, 60))
    const begun = performance.now()
    await server.close()
    expect(performance.now() - begun).toBeLessThan(3_000)
  })

  it.each<[string, string, RegExp]>([
    ['is missing', 'none.pem', /cannot read .*none\.pem/],
    ['holds no certificate', 'empty.pem', /empty\.pem: there is no PEM certificate/],
  ])('does not start when a file of certificates %s', async (_, file, message) => {
    await writeFile(place.at('empty.pem'), '')
    const sink = `{ kind: time-stamp-authority, url: "http://x", directory: d, trust: ${file} }`
    const error = await started(`gossip:\n  it: ${sink}\n`).catch((thrown: unknown) => thrown)
    expect(error).toBeInstanceOf(CairnError)
    expect((error as CairnError).message).toMatch(message)
    // What was opened until then is let go of.
    expect(await started('')).toBeDefined()
  })

  it.each<[string, string, RegExp]>([
    [
      'a secret that is none',
      '{ kind: webhook, url: "http://x", secret-file: bad }',
      /bad: a webhook's secret is 24 to 64/,
    ],
    [
      'a token of several words',
      '{ kind: webhook, url: "http://x", authorization-file: words }',
      /first line of .*words is not/,
    ],
    [
      'a vkey that is none',
      '{ kind: cairn-log, url: "http://x", directory: d, vkey: a.example+00000000+AAAA }',
      /a\.example\+00000000\+AAAA: /,
    ],
    [
      'a file of no vkeys',
      '{ kind: cairn-log, url: "http://x", directory: d, vkey: words }',
      /words: /,
    ],
  ])('does not start with %s', async (_, sink, message) => {
    await writeFile(place.at('bad'), 'secret\n')
    await writeFile(place.at('words'), 'per\taspera\n')
    await expect(started(`gossip:\n  it: ${sink}\n`)).rejects.toThrow(message)
  })
})

describe('the way of a submission', () => {
  it('is no longer for sinks that hang, refuse and fail', { timeout: 60_000 }, async () => {
    const dead = await silent()
    const port = new URL(dead).port
    await writeFile(place.at('in-the-way'), 'a file')
    const busy = await started(
      `
gossip:
  hanging: { kind: webhook, url: "${dead}", every-entries: 1, timeout-seconds: 1 }
  deaf: { kind: syslog, address: "tls://127.0.0.1:${port}", every-entries: 1, timeout-seconds: 1 }
  gone: { kind: webhook, url: "http://127.0.0.1:1", every-entries: 1 }
  full: { kind: file, path: /dev/full, every-entries: 1 }
  blocked: { kind: file, path: in-the-way/heads, every-entries: 1 }
  good: { kind: file, path: heads.jsonl, every-entries: 1 }
`,
      'busy',
    )
    const calm = await started('', 'calm')
    const times = { busy: [] as number[], calm: [] as number[] }
    // In turn, so that whatever else this machine does falls on both.
    for (let i = 0; i < 150; i++) {
      for (const [name, { url }] of [['busy', busy] as const, ['calm', calm] as const]) {
        const begun = performance.now()
        const body = `leaf ${i}`
        const answer = await fetch(`${url}/v1/leaves`, {
          method: 'POST',
          headers: { 'content-type': 'application/octet-stream' },
          body,
        })
        expect(answer.status).toBe(201)
        await answer.arrayBuffer()
        times[name].push(performance.now() - begun)
      }
    }
    const at = (part: number, of: number[]) =>
      of.toSorted((a, b) => a - b)[Math.floor(of.length * part)]!
    const [with_, without] = [times.busy, times.calm].map(
      (of) => [at(0.5, of), at(0.9, of)] as const,
    )
    console.log(`median and 90th percentile: ${with_} ms with failing sinks, ${without} ms without`)
    expect(with_![0]).toBeLessThan(2 * without![0] + 3)
    const sinks = await shown(busy)
    expect(sinks.filter(({ last_size: size }) => size === 0).map(({ name }) => name)).toEqual([
      'hanging',
      'deaf',
      'gone',
      'full',
      'blocked',
    ])
    expect((await sinkOf(busy, 'good')).last_size).toBeGreaterThan(0)
    expect((await sinkOf(busy, 'full')).last_error?.message).toBe('cannot be written (ENOSPC)')
  })
})
