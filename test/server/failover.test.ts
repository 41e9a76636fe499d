/** Three servers of one log under a steady load of records: the one that leads is stopped, the next one is killed. */
import { cp, mkdtemp, readFile, rm } from 'node:fs/promises'
import { Agent, request as httpRequest } from 'node:http'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { expect, it, vi } from 'vitest'
import { freePort, type ServeProcess, startServe } from '../support/cairn-process.ts'
import { afterThisTest } from '../support/endings.ts'
import { testDatabase } from '../support/postgres.ts'

const LEASE_MS = 3_000
const RECORD = { type: 'decision', action: 'approve', subject: 'ann@example.org' }

interface Asked {
  readonly url: string
  readonly token: string
}

interface Answered {
  readonly status: number
  readonly text: string
}

/** What a client met, by what it had asked for. */
interface Met {
  readonly kind: Kind
  readonly server: number
  readonly tookMs: number
  /** The status, or the error that came after the request was sent. */
  readonly end: string
  readonly text: string
}

type Kind = 'plain' | 'keyed' | 'search'
const KINDS: readonly Kind[] = ['plain', 'keyed', 'search']

function ask(agent: Agent, { url, token }: Asked, kind: Kind, id: string): Promise<Answered> {
  const isSearch = kind === 'search'
  const path = isSearch ? '/v1/records?limit=1' : '/v1/records'
  const headers = {
    Authorization: `Bearer ${token}`,
    'Content-Type': 'application/json',
    Prefer: 'return=minimal',
    ...(kind === 'keyed' && { 'Idempotency-Key': id }),
  }
  return new Promise((resolve, reject) => {
    const method = isSearch ? 'GET' : 'POST'
    const request = httpRequest(url + path, { method, headers, agent })
    request.on('error', (error) =>
      reject(Object.assign(error, { wasReused: request.reusedSocket })),
    )
    request.on('response', (response) => {
      let text = ''
      response.setEncoding('utf8')
      response.on('data', (part: string) => {
        text += part
      })
      response.on('error', reject)
      response.on('end', () => resolve({ status: response.statusCode!, text }))
    })
    request.end(isSearch ? undefined : JSON.stringify({ ...RECORD, request_id: id }))
  })
}

interface Failure extends NodeJS.ErrnoException {
  /** Of a request without an answer: whether another one was answered on its connection before. */
  readonly wasReused?: boolean
}

/** Clients at each server, which go to the next one when theirs takes no connection. */
function startLoad(
  servers: readonly ServeProcess[],
  token: string,
  clients: number,
  isStopping: (server: number) => boolean,
) {
  const met: Met[] = []
  /** Ids of records that were acknowledged. */
  const acknowledged: string[] = []
  let isStopped = false

  async function client(number: number): Promise<void> {
    const agent = new Agent({ keepAlive: true, maxSockets: 1 })
    const kind = KINDS[number % KINDS.length]!
    let server = Math.floor(number / KINDS.length) % servers.length
    for (let i = 0; !isStopped; i++) {
      const id = `${number}-${i}`
      const at = performance.now()
      const note = (end: string, text: string = ''): void => {
        met.push({ kind, server, tookMs: performance.now() - at, end, text })
      }
      try {
        const { status, text } = await ask(agent, { url: servers[server]!.url, token }, kind, id)
        note(String(status), status < 300 ? '' : text)
        if (status === 201) acknowledged.push(id)
      } catch (error) {
        const { code = 'broken off', wasReused } = error as Failure
        // A server that stops closes idle connections: who is about to use one has to take another.
        const wasIdle = wasReused === true && isStopping(server)
        if (code !== 'ECONNREFUSED' && !wasIdle) note(code)
        server = (server + 1) % servers.length
      }
      await sleep(20)
    }
    agent.destroy()
  }
  const all = Promise.all(Array.from({ length: clients }, (_, i) => client(i)))
  return {
    met,
    acknowledged,
    async stop() {
      isStopped = true
      await all
    },
  }
}

async function startServers(
  count: number,
): Promise<{ readonly servers: readonly ServeProcess[]; readonly token: string }> {
  const { url, schema } = await testDatabase()
  const folder = await mkdtemp(join(tmpdir(), 'cairn-failover-'))
  afterThisTest(() => rm(folder, { recursive: true, force: true }))
  const started: ServeProcess[] = []
  afterThisTest(() => Promise.all(started.map((one) => one.stop())))
  const place = ['--database', url, '--database-schema', schema]
  const own = [...place, '--lease', String(LEASE_MS), '--origin', 'failover.example/log']
  const first = join(folder, '0')
  started.push(await startServe(first, await freePort(), own))
  const others = Array.from({ length: count - 1 }, async (_, i) => {
    const data = join(folder, String(i + 1))
    await cp(join(first, 'keys'), join(data, 'keys'), { recursive: true })
    await cp(join(first, 'format'), join(data, 'format'))
    return startServe(data, await freePort(), own)
  })
  started.push(...(await Promise.all(others)))
  const token = (await readFile(join(first, 'admin.token'), 'utf8')).trim()
  return { servers: started, token }
}

async function metric(server: ServeProcess, name: string): Promise<number> {
  const text = await fetch(`${server.url}/metrics`).then(
    (answer) => answer.text(),
    () => '',
  )
  return Number(new RegExp(`^${name}\\{[^}]*\\} (\\d+)`, 'm').exec(text)?.[1] ?? Number.NaN)
}

/** The place of the server that leads. */
async function leaderOf(servers: readonly ServeProcess[]): Promise<number> {
  return vi
    .waitUntil(
      async () => {
        const leading = await Promise.all(servers.map((one) => metric(one, 'cairn_leading')))
        const place = leading.indexOf(1)
        return place === -1 ? undefined : { place }
      },
      { timeout: 20_000 },
    )
    .then(({ place }) => place)
}

const failed = ({ end }: Met): boolean => !/^20[01]$/.test(end)

it('stopping the leader refuses nothing, and killing it only what may have been done', async () => {
  const { servers, token } = await startServers(3)
  let stopped: number | undefined
  const load = startLoad(servers, token, 18, (server) => server === stopped)
  await vi.waitUntil(() => load.acknowledged.length > 40, { timeout: 20_000 })

  stopped = await leaderOf(servers)
  expect(await servers[stopped]!.stop()).toBe(0)
  const next = await leaderOf(servers)
  const count = load.acknowledged.length
  await vi.waitUntil(() => load.acknowledged.length > count + 40, { timeout: 20_000 })
  expect(load.met.filter(failed)).toEqual([])

  await servers[next]!.kill()
  const last = await leaderOf(servers)
  const before = load.acknowledged.length
  await vi.waitUntil(() => load.acknowledged.length > before + 40, { timeout: 20_000 })
  await load.stop()
  // Those whose own server was killed are cut off, whatever they asked.
  const refused = load.met.filter((one) => failed(one) && one.server !== next)
  for (const { kind, end, text } of refused) {
    expect({ kind, end }).toEqual({ kind: 'plain', end: '503' })
    expect(text).toMatch(/it may have been done/)
  }
  expect(new Set([stopped, next, last]).size).toBe(3)
  // No request has waited for as long as a server lets one wait.
  expect(Math.max(...load.met.map(({ tookMs }) => tookMs))).toBeLessThan(10_000)

  // What was acknowledged is there, and no submission under a key is there twice.
  const ids: string[] = []
  for (let cursor = ''; ; ) {
    const answer = await fetch(`${servers[last]!.url}/v1/records?limit=1000${cursor}`, {
      headers: { Authorization: `Bearer ${token}` },
    })
    const page = (await answer.json()) as { records: { request_id: string }[]; cursor?: string }
    ids.push(...page.records.map(({ request_id }) => request_id))
    if (page.cursor === undefined) break
    cursor = `&cursor=${page.cursor}`
  }
  expect(load.acknowledged.filter((id) => !ids.includes(id))).toEqual([])
  const twice = ids.filter((id, i) => ids.indexOf(id) !== i)
  expect(twice).toEqual([])
}, 120_000)
