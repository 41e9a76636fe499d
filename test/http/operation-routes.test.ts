import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { utf8 } from '../../src/bytes.ts'
import type { Answer } from '../../src/http/answer.ts'
import { createApp, prefixOf } from '../../src/http/app.ts'
import { allowAnyone } from '../../src/http/authenticate.ts'
import { readinessRoute } from '../../src/http/operation-routes.ts'
import type { LogService } from '../../src/log/service.ts'
import { exchange, type LiveServer, liveServer } from '../support/live-server.ts'
import { discard, newKeys, newPlace, openAt, type TestLogPlace } from '../support/test-log.ts'

let place: TestLogPlace
let otherPlace: TestLogPlace
let log: LogService
let other: LogService
let server: LiveServer

beforeAll(async () => {
  place = await newPlace()
  otherPlace = { ...(await newPlace()), keys: newKeys('other.example/<b>&log') }
  log = await openAt(place)
  other = await openAt(otherPlace)
  await log.submit([utf8('zero'), utf8('one')])
  server = await liveServer({ '': log, other })
})

afterAll(async () => {
  await server.close()
  await log.close()
  await other.close()
  await discard(place)
  await discard(otherPlace)
})

describe('health', () => {
  it('says that the process is up', async () => {
    const response = await fetch(`${server.url}/healthz`)
    expect(response.status).toBe(200)
    expect(await response.text()).toBe('ok\n')
  })

  it('says which logs take submissions', async () => {
    const all = await fetch(`${server.url}/readyz`)
    expect(all.status).toBe(200)
    expect(await all.json()).toEqual({
      logs: [
        { name: 'main', mode: 'writable' },
        { name: 'other', mode: 'writable' },
      ],
    })
    const one = await fetch(`${server.url}/logs/other/readyz`)
    expect(await one.json()).toEqual({ logs: [{ name: 'other', mode: 'writable' }] })
  })
})

it('a log whose vault has stopped is not ready, though it takes leaves', async () => {
  let fault: string | undefined = 'the vault takes nothing more: the disk is full'
  const hosted = { log, authenticate: allowAnyone, recordsFault: () => fault }
  const app = createApp({ logs: new Map([['', hosted]]) })
  const stopped = await app.request('/readyz')
  expect(stopped.status).toBe(503)
  expect(await stopped.json()).toEqual({
    logs: [{ name: 'main', mode: 'records-stopped', reason: fault }],
  })
  fault = undefined
  expect((await app.request('/readyz')).status).toBe(200)
})

it('a log whose database is away for longer than a restart takes is not ready', async () => {
  let databaseFailingMs: number | undefined = 9_000
  const shared = { cluster: () => ({ databaseFailingMs }) }
  const { handle } = readinessRoute(new Map([['', { log, shared }]]))
  const ask = async () =>
    (await handle({
      params: {},
      path: 'readyz',
      query: '',
      rawQuery: '',
      headers: {},
      body: async () => new Uint8Array(),
    })) as Answer
  expect((await ask()).status).toBe(200)
  databaseFailingMs = 12_345
  const away = await ask()
  expect(away.status).toBe(503)
  expect(JSON.parse(String(away.body))).toEqual({
    logs: [{ name: 'main', mode: 'database-failing', reason: 'the database has failed for 12 s' }],
  })
  databaseFailingMs = undefined
  expect((await ask()).status).toBe(200)
})

describe('/metrics', () => {
  it('counts what the log and the server did', async () => {
    for (let i = 0; i < 3; i++) {
      await fetch(`${server.url}/add`, { method: 'POST', body: 'counted' })
    }
    await fetch(`${server.url}/checkpoint`)
    const response = await fetch(`${server.url}/metrics`)
    expect(response.headers.get('content-type')).toMatch(/^text\/plain; version=0\.0\.4/)
    const text = await response.text()
    for (const line of [
      'cairn_leaves_accepted_total{log="main"} 3',
      'cairn_leaves_duplicate_total{log="main"} 2',
      'cairn_leaves_refused_total{log="main"} 0',
      'cairn_tree_size{log="main"} 3',
      'cairn_tree_size{log="other"} 0',
      'cairn_queue_leaves{log="main"} 0',
      'cairn_writable{log="main"} 1',
      'cairn_http_answers_total{method="POST",route="/add",status="200"} 3',
      'cairn_http_request_duration_seconds_count{method="GET",route="/checkpoint"} 1',
    ]) {
      expect(text.split('\n')).toContain(line)
    }
    for (const name of [
      'cairn_commits_total',
      'cairn_publication_age_seconds',
      'process_cpu_seconds_total',
    ]) {
      expect(text).toContain(`# TYPE ${name}`)
    }
  })

  it('has each series once, also of a route that is served in two ways', async () => {
    const direct =
      'POST /add HTTP/1.1\r\nHost: x\r\nConnection: close\r\nContent-Length: 1\r\n\r\na'
    await exchange(server.port, direct)
    const answer = await exchange(server.port, direct.replace('/add', 'http://x/add'))
    expect(answer).toMatch(/^HTTP\/1\.1 200 OK/)
    const text = await (await fetch(`${server.url}/metrics`)).text()
    const series = text.split('\n').filter((line) => line !== '' && !line.startsWith('#'))
    const names = series.map((line) => line.slice(0, line.lastIndexOf(' ')))
    expect(names.filter((name, i) => names.indexOf(name) !== i)).toEqual([])
  })

  it('counts from the log, however often it is asked', async () => {
    const count = async () =>
      /cairn_leaves_accepted_total\{log="main"\} ([0-9]+)/.exec(
        await (await fetch(`${server.url}/metrics`)).text(),
      )?.[1]
    expect(await count()).toBe(await count())
  })
})

describe('the first page', () => {
  it('is text for programs', async () => {
    const response = await fetch(server.url)
    expect(response.headers.get('content-type')).toBe('text/plain; charset=utf-8')
    const text = await response.text()
    expect(text).toContain(log.origin)
    for (const vkey of log.vkeys) expect(text.split('\n')).toContain(vkey)
  })

  it('is HTML for browsers, and lets nothing in that it did not write', async () => {
    const accept = 'text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8'
    const response = await fetch(`${server.url}/logs/other/`, { headers: { accept } })
    expect(response.headers.get('content-type')).toBe('text/html; charset=utf-8')
    expect(response.headers.get('content-security-policy')).toContain("default-src 'none'")
    const html = await response.text()
    expect(html).toContain('other.example/&lt;b&gt;&amp;log')
    expect(html).not.toContain('<b>')
    expect(html).toContain('href="/logs/other/checkpoint"')
  })
})

describe('further logs', () => {
  it('have every route below their prefix', async () => {
    const checkpoint = await (await fetch(`${server.url}/logs/other/checkpoint`)).text()
    expect(checkpoint.startsWith('other.example/<b>&log\n0\n')).toBe(true)
    expect((await fetch(`${server.url}/logs/other/tile/0/000.p/1`)).status).toBe(404)
    expect((await fetch(`${server.url}/logs/other/tile/0/0`)).status).toBe(400)
    const posted = await fetch(`${server.url}/logs/other/add`, { method: 'POST', body: 'zero' })
    expect(await posted.text()).toBe('0')
    expect((await fetch(`${server.url}/logs/other/tile/0/000.p/1`)).status).toBe(200)
    expect((await fetch(`${server.url}/logs/nobody/checkpoint`)).status).toBe(404)
  })

  it.each(['Upper', 'a/b', '-a', 'a b', '..', 'x'.repeat(64)])('may not be called %s', (name) => {
    expect(() => prefixOf(name)).toThrow(RangeError)
  })
})
