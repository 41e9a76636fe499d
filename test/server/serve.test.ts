import { mkdir, mkdtemp, readFile, rm, unlink, writeFile } from 'node:fs/promises'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest'
import { openCheckpoint } from '../../src/formats/open-checkpoint.ts'
import { parseVkey } from '../../src/formats/vkey.ts'
import { loadConfig } from '../../src/server/config.ts'
import {
  describe as describeEvent,
  eventWriter,
  type ServerEvent,
} from '../../src/server/events.ts'
import { type RunningServer, serve } from '../../src/server/serve.ts'

let place: string
let data: string
let running: RunningServer[]
let events: ServerEvent[]

beforeEach(async () => {
  place = await mkdtemp(join(tmpdir(), 'cairn-serve-'))
  data = join(place, 'data')
  running = []
  events = []
})
afterEach(async () => {
  for (const server of running) await server.close()
  await rm(place, { recursive: true, force: true })
})

async function start(flags: Record<string, unknown> = {}): Promise<RunningServer> {
  const config = await loadConfig({
    flags: { data, port: 0, 'free-space-floor': 1, 'publish-interval': 20, ...flags },
    env: {},
  })
  const server = await serve(config, { onEvent: (event) => events.push(event) })
  running.push(server)
  return server
}

const tokenOf = async (): Promise<string> =>
  (await readFile(join(data, 'admin.token'), 'utf8')).trimEnd()

async function add(server: RunningServer, leaf: string, token?: string): Promise<Response> {
  return fetch(`${server.url}/add`, {
    method: 'POST',
    body: leaf,
    headers: token === undefined ? {} : { authorization: `Bearer ${token}` },
  })
}

const refusal = (code: string, message: RegExp) =>
  expect.objectContaining({ code, message: expect.stringMatching(message) })

describe('a server', () => {
  it('makes everything at the first start and finds it at the second', async () => {
    const first = await start({ origin: 'log.example/audit' })
    expect(first.url).toMatch(/^http:\/\/127\.0\.0\.1:[0-9]+$/)
    const vkeys = await readFile(join(data, 'log.vkey'), 'utf8')
    expect(vkeys.split('\n').map((line) => line.split('+')[0])).toEqual([
      'log.example/audit',
      'log.example/audit',
      '',
    ])
    const token = await tokenOf()
    expect((await add(first, 'one')).status).toBe(401)
    expect(await (await add(first, 'one', token)).text()).toBe('0')
    await first.close()

    const second = await start()
    expect(second.origin).toBe('log.example/audit')
    expect(await readFile(join(data, 'log.vkey'), 'utf8')).toBe(vkeys)
    expect(await (await add(second, 'one', token)).text()).toBe('0')
    expect(await (await add(second, 'two', token)).text()).toBe('1')
    await vi.waitUntil(async () =>
      (await (await fetch(`${second.url}/checkpoint`)).text()).startsWith('log.example/audit\n2\n'),
    )
    const note = new Uint8Array(await (await fetch(`${second.url}/checkpoint`)).arrayBuffer())
    const keys = vkeys.trimEnd().split('\n').map(parseVkey)
    expect(openCheckpoint(note, keys).logSignatures).toHaveLength(2)
    expect(events.map(({ event }) => event)).toEqual([
      'keys-created',
      'vault-key-created',
      'log-opened',
      'listening',
      'closing',
      'closed',
      'log-opened',
      'listening',
    ])
  })

  it('takes submissions from anyone when it is open', async () => {
    const server = await start({ open: true })
    expect((await add(server, 'one')).status).toBe(200)
    expect(await tokenOf()).toMatch(/^cairn_/)
  })

  it('shows private entries to token holders only, and hashes and proofs to everyone', async () => {
    const server = await start({ open: true, 'private-entries': true })
    await add(server, 'one')
    await add(server, 'two')
    const headers = { authorization: `Bearer ${await tokenOf()}` }
    for (const path of [
      '/tile/entries/000.p/2',
      '/ct/v1/get-entries?start=0&end=1',
      '/ct/v1/get-entry-and-proof?leaf_index=0&tree_size=2',
    ]) {
      const refused = await fetch(server.url + path)
      expect(refused.status).toBe(401)
      expect(refused.headers.get('www-authenticate')).toContain('Bearer')
      expect(refused.headers.get('cache-control')).toBe('no-store')
      const given = await fetch(server.url + path, { headers })
      expect(given.status).toBe(200)
      expect(given.headers.get('cache-control')).not.toContain('public')
    }
    for (const path of ['/checkpoint', '/tile/0/000.p/2', '/v1/receipts/0', '/ct/v1/get-sth']) {
      expect((await fetch(server.url + path)).status).toBe(200)
    }
  })

  it('serves further logs with tokens and keys of their own', async () => {
    const config = join(place, 'cairn.yaml')
    await writeFile(config, 'data: ./main\nlogs:\n  second:\n    data: ./second\n')
    const main = join(place, 'main')
    const server = await start({ data: main, config })
    const tokens = await Promise.all(
      ['main', 'second'].map(async (name) =>
        (await readFile(join(place, name, 'admin.token'), 'utf8')).trimEnd(),
      ),
    )
    const post = (path: string, token: string) =>
      fetch(server.url + path, {
        method: 'POST',
        body: 'leaf',
        headers: { authorization: `Bearer ${token}` },
      })
    expect((await post('/add', tokens[0]!)).status).toBe(200)
    expect((await post('/add', tokens[1]!)).status).toBe(401)
    expect((await post('/logs/second/add', tokens[0]!)).status).toBe(401)
    expect((await post('/logs/second/add', tokens[1]!)).status).toBe(200)
  })

  it('finishes what it accepted before it closes, and may be closed twice', async () => {
    const server = await start({ open: true })
    const sent = Array.from({ length: 30 }, (_, i) => add(server, `leaf ${i}`))
    const answers = Promise.allSettled(sent)
    await Promise.race(sent)
    await Promise.all([server.close(), server.close()])
    const accepted = (await answers).filter(
      (answer) => answer.status === 'fulfilled' && answer.value.status === 200,
    ).length
    expect(accepted).toBeGreaterThan(0)
    const again = await start({ open: true })
    const text = await (await fetch(`${again.url}/checkpoint`)).text()
    expect(Number(text.split('\n')[1])).toBeGreaterThanOrEqual(accepted)
  })
})

describe('a server does not start', () => {
  it('under another origin', async () => {
    await (await start({ origin: 'log.example' })).close()
    await expect(start({ origin: 'other.example' })).rejects.toEqual(
      refusal('USAGE', /cannot become other\.example/),
    )
    await start({ origin: 'log.example' })
  })

  it('on data that another server holds', async () => {
    await start()
    await expect(start()).rejects.toEqual(expect.objectContaining({ code: 'LOCKED' }))
  })

  it('on a port that is taken, and then holds nothing', async () => {
    const other = createServer()
    await new Promise<void>((resolve) => other.listen(0, '127.0.0.1', resolve))
    const { port } = other.address() as AddressInfo
    await expect(start({ port })).rejects.toEqual(refusal('USAGE', /something else listens/))
    other.close()
    await start()
  })

  it('with new keys for an old log', async () => {
    await (await start()).close()
    await unlink(join(data, 'keys', 'log.key'))
    await expect(start()).rejects.toEqual(refusal('CORRUPT', /keys of this log are missing/))
  })

  it('with the keys of another log', async () => {
    await (await start()).close()
    const key = join(data, 'keys', 'log.key')
    const other = join(place, 'other')
    await (await start({ data: other })).close()
    await writeFile(key, await readFile(join(other, 'keys', 'log.key')))
    await expect(start()).rejects.toEqual(refusal('CORRUPT', /log\.vkey does not name the keys/))
  })

  it('in a directory that is not its own', async () => {
    await mkdir(data)
    await writeFile(join(data, 'thesis.txt'), 'mine')
    await expect(start()).rejects.toEqual(expect.objectContaining({ code: 'FOREIGN_DIRECTORY' }))
  })
})

describe('data without the signer state', () => {
  it('are served, but not written to, unless the head is adopted', async () => {
    const first = await start({ open: true })
    await add(first, 'one')
    await first.close()
    await rm(`${data}.signer`, { recursive: true })
    const second = await start({ open: true })
    expect((await add(second, 'two')).status).toBe(503)
    const ready = await fetch(`${second.url}/readyz`)
    expect(ready.status).toBe(503)
    expect(JSON.stringify(await ready.json())).toContain('--adopt-head')
    expect((await fetch(`${second.url}/checkpoint`)).status).toBe(200)
    await second.close()
    const third = await start({ open: true, 'adopt-head': true })
    expect((await add(third, 'two')).status).toBe(200)
  })

  it('may be kept elsewhere', async () => {
    const state = join(place, 'elsewhere', 'state')
    await start({ 'signer-state': state })
    expect((await readFile(state)).length).toBeGreaterThan(0)
  })
})

describe('events', () => {
  const event: ServerEvent = { event: 'keys-exposed', log: 'main', file: '/k' }

  it('are a line of words on a terminal', () => {
    const written: string[] = []
    eventWriter({ isTTY: true, write: (text) => written.push(text) })(event)
    expect(written).toEqual([`${describeEvent(event)}\n`])
    expect(written[0]).toContain('chmod 600')
  })

  it('are a line of JSON elsewhere', () => {
    const written: string[] = []
    const stream = { write: (text: string) => written.push(text) }
    eventWriter(stream, () => new Date(0))(event)
    expect(written).toEqual([`${JSON.stringify({ time: '1970-01-01T00:00:00.000Z', ...event })}\n`])
  })
})
