import type { TSchema } from 'typebox'
import { Compile } from 'typebox/compile'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { toBase64, utf8 } from '../../src/bytes.ts'
import { originHash } from '../../src/client/witness-client.ts'
import { parseSplitView } from '../../src/formats/split-view.ts'
import { formatVkey } from '../../src/formats/vkey.ts'
import { createWitnessApp } from '../../src/http/witness-app.ts'
import type { WitnessService } from '../../src/witness/service.ts'
import { principal } from '../support/principals.ts'
import { cosign, NAME, type WitnessPlace, witnessPlace } from '../witness/test-witness.ts'
import { WitnessedLog } from '../witness/witnessed-log.ts'

const TOKEN = 'Bearer secret'
const log = new WitnessedLog('log.example/one')
const fork = new WitnessedLog('log.example/one', 'fork')
const HASH = originHash(log.origin)
const VKEY = formatVkey(log.key.vkey)

const people = new Map([
  [TOKEN, principal('operator')],
  ['Bearer reader', principal('reader', { roles: ['reader', 'auditor', 'approver', 'submitter'] })],
])

let place: WitnessPlace
let witness: WitnessService
let app: ReturnType<typeof createWitnessApp>
const errors: unknown[] = []

beforeAll(async () => {
  place = await witnessPlace()
  witness = await place.open({ mlDsa: true, signSubtrees: true, now: () => 1_700_000_000_123 })
  app = createWitnessApp({
    witness,
    authenticate: (header) => people.get(header ?? ''),
    onError: (error) => errors.push(error),
  })
})
afterAll(async () => {
  await place.remove()
  expect(errors).toEqual([])
})

async function send(method: string, path: string, body?: unknown, headers = {}): Promise<Response> {
  return app.request(path, {
    method,
    headers: {
      authorization: TOKEN,
      ...(body !== undefined && { 'content-type': 'application/json' }),
      ...headers,
    },
    ...(body !== undefined && { body: typeof body === 'string' ? body : JSON.stringify(body) }),
  })
}

describe('the logs of a witness', () => {
  it.each([
    ['GET', '/v1/logs'],
    ['POST', '/v1/logs'],
    ['DELETE', `/v1/logs/${HASH}`],
  ])('are for its operator alone: %s %s', async (method, path) => {
    for (const headers of [{}, { authorization: 'Bearer another' }, { authorization: 'secret' }]) {
      const answer = await app.request(path, { method, headers })
      expect(answer.status).toBe(401)
      expect(answer.headers.get('www-authenticate')).toMatch(/^Bearer /)
    }
  })

  it('are for an administrator, whatever else somebody is', async () => {
    const answer = await app.request('/v1/logs', { headers: { authorization: 'Bearer reader' } })
    expect(answer.status).toBe(403)
    expect(await answer.json()).toMatchObject({
      code: 'FORBIDDEN',
      detail: 'this takes the role administrator, which reader has not',
    })
  })

  it('are added, listed and removed', async () => {
    expect(await (await send('GET', '/v1/logs')).json()).toEqual({ logs: [] })
    const added = await send('POST', '/v1/logs', { vkeys: [VKEY] })
    const watched = { origin: log.origin, origin_hash: HASH, vkeys: [VKEY] }
    expect([added.status, await added.json()]).toEqual([200, watched])
    expect(added.headers.get('cache-control')).toBe('no-store')

    await cosign(witness, log.request(0, 4))
    const cosigned = {
      ...watched,
      tree_size: 4,
      root_hash: toBase64(log.root(4)),
      cosigned_at: '2023-11-14T22:13:20.000Z',
    }
    expect(await (await send('GET', '/v1/logs')).json()).toEqual({ logs: [cosigned] })

    const vkeys = [VKEY, formatVkey(log.mlDsaKey.vkey)]
    expect(await (await send('POST', '/v1/logs', { vkeys })).json()).toEqual({ ...cosigned, vkeys })

    const removed = await send('DELETE', `/v1/logs/${HASH}`)
    expect([removed.status, await removed.text()]).toEqual([204, ''])
    expect((await send('DELETE', `/v1/logs/${HASH}`)).status).toBe(404)
    expect(await (await send('GET', '/v1/logs')).json()).toEqual({ logs: [] })
    expect((await app.request(`/${HASH}/checkpoint`)).status).toBe(200)
    await send('POST', '/v1/logs', { vkeys: [VKEY] })
    expect(await (await send('GET', '/v1/logs')).json()).toEqual({ logs: [cosigned] })
  })

  it.each([
    ['no JSON', 400, 'what'],
    ['no object', 400, '[]'],
    ['nothing', 400, ''],
    ['null', 400, 'null'],
    ['no vkeys', 400, '{}'],
    ['an empty list', 400, { vkeys: [] }],
    ['one that is no list', 400, { vkeys: VKEY }],
    ['one that is no text', 400, { vkeys: [1] }],
    ['one that is no vkey', 400, { vkeys: [VKEY.slice(1)] }],
    ['more than the vkeys', 400, { vkeys: [VKEY], origin: 'x' }],
    [
      'the keys of two logs',
      400,
      { vkeys: [VKEY, 'PeterNeumann+c74f20a3+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW'] },
    ],
    [
      'a witness’s key',
      400,
      { vkeys: ['remora.n621.de+da77ade7+BOvN63jn/bLvkieywe8R6UYAtVtNbZpXh34x7onlmtw2'] },
    ],
    ['too much', 413, 'x'.repeat(70_000)],
  ])('are not added by %s', async (_, status, body) => {
    const before = witness.logs()
    const answer = await send('POST', '/v1/logs', body)
    expect(answer.status).toBe(status)
    expect(((await answer.json()) as { detail: string }).detail.length).toBeGreaterThan(10)
    expect(witness.logs()).toEqual(before)
  })

  it('are added as JSON only', async () => {
    const answer = await send(
      'POST',
      '/v1/logs',
      { vkeys: [VKEY] },
      { 'content-type': 'text/plain' },
    )
    expect(answer.status).toBe(415)
  })

  it.each(['x', HASH.slice(1), `${HASH}0`])('are named by 64 digits, not by %s', async (name) => {
    expect((await send('DELETE', `/v1/logs/${name}`)).status).toBe(400)
  })
})

describe('conflicts', () => {
  it('are for everyone', async () => {
    await witness.addCheckpoint(fork.request(4, 4))
    await witness.addCheckpoint(fork.request(4, 7))
    const listed = await app.request('/v1/conflicts')
    expect(listed.status).toBe(200)
    const { conflicts } = (await listed.json()) as { conflicts: { id: string; kind: string }[] }
    expect(conflicts).toHaveLength(2)
    const split = conflicts.find(({ kind }) => kind === 'split-view')!
    const head = (tree: WitnessedLog, size: number) => ({
      tree_size: size,
      root_hash: toBase64(tree.root(size)),
    })
    expect(split).toEqual({
      id: split.id,
      origin: log.origin,
      origin_hash: HASH,
      kind: 'split-view',
      seen_at: '2023-11-14T22:13:20.123Z',
      cosigned: head(log, 4),
      refused: head(fork, 4),
    })
    const one = await app.request(`/v1/conflicts/${split.id}`)
    expect(await one.json()).toEqual({
      ...split,
      cosigned: { ...head(log, 4), checkpoint: log.head(4) },
      refused: { ...head(fork, 4), checkpoint: fork.head(4) },
    })
    const file = await app.request(`/v1/conflicts/${split.id}/split-view`)
    expect(file.headers.get('content-type')).toBe('text/plain; charset=utf-8')
    expect(file.headers.get('cache-control')).toMatch(/immutable/)
    const view = parseSplitView(utf8(await file.text()))
    expect(new Set([view.first, view.second])).toEqual(new Set([log.head(4), fork.head(4)]))

    const unproven = conflicts.find(({ kind }) => kind === 'unproven')!
    expect((await app.request(`/v1/conflicts/${unproven.id}/split-view`)).status).toBe(404)
    expect(await (await app.request(`/v1/conflicts/${unproven.id}`)).json()).toMatchObject({
      refused: { tree_size: 7 },
    })
  })

  it('of an empty tree with another root are a file as well', async () => {
    await witness.addCheckpoint(log.request(0, 0, { root: log.root(1) }))
    const { conflicts } = (await (await app.request('/v1/conflicts')).json()) as {
      conflicts: { id: string; refused: { tree_size: number } }[]
    }
    const empty = conflicts.find(({ refused }) => refused.tree_size === 0)!
    const file = await app.request(`/v1/conflicts/${empty.id}/split-view`)
    const { heads } = parseSplitView(utf8(await file.text()))
    expect([heads.first.size, heads.second.size]).toEqual([0, 4])
  })

  it('may be asked for by log', async () => {
    const of = async (hash: string) => {
      const answer = await app.request(`/v1/conflicts?origin_hash=${hash}`)
      return [answer.status, ((await answer.json()) as { conflicts?: [] }).conflicts?.length]
    }
    expect(await of(HASH)).toEqual([200, 3])
    expect(await of('0'.repeat(64))).toEqual([200, 0])
    expect(await of('x')).toEqual([400, undefined])
    expect((await app.request('/v1/conflicts?x=1')).status).toBe(400)
  })

  it.each([
    ['0'.repeat(32), 404],
    ['x', 400],
    ['0'.repeat(31), 400],
  ])('of no such id, %s, are not there', async (id, status) => {
    expect((await app.request(`/v1/conflicts/${id}`)).status).toBe(status)
    expect((await app.request(`/v1/conflicts/${id}/split-view`)).status).toBe(status)
  })
})

describe('operations', () => {
  it('say that it is up and cosigns', async () => {
    expect(await (await app.request('/healthz')).text()).toBe('ok\n')
    const ready = await app.request('/readyz')
    expect([ready.status, await ready.json()]).toEqual([200, { mode: 'ready' }])
  })

  it('say that it has stopped, and why', async () => {
    const other = await witnessPlace()
    const stopped = await other.open({
      wrap: (store) => ({
        logs: () => store.logs(),
        head: (origin) => store.head(origin),
        conflicts: () => store.conflicts(),
        close: () => store.close(),
        write: () => Promise.reject(new Error('the disk is gone')),
      }),
    })
    const theirs = createWitnessApp({ witness: stopped, authenticate: () => undefined })
    await expect(stopped.watch([log.key.vkey])).rejects.toThrow()
    const ready = await theirs.request('/readyz')
    expect(ready.status).toBe(503)
    expect(await ready.json()).toMatchObject({ mode: 'stopped', reason: /the disk is gone/ })
    const asked = await theirs.request('/add-checkpoint', { method: 'POST', body: 'x' })
    expect(asked.status).toBe(503)
    expect(await asked.json()).toMatchObject({ code: 'STOPPED' })
    expect(await (await theirs.request('/metrics')).text()).toContain('\ncairn_witness_ready 0\n')
    await other.remove()
  })

  it('count what was answered', async () => {
    await app.request('/add-checkpoint', { method: 'POST', body: 'x' })
    const metrics = await (await app.request('/metrics')).text()
    for (const line of [
      /^cairn_witness_answers_total\{outcome="cosigned"\} 1$/m,
      /^cairn_witness_answers_total\{outcome="malformed"\} 1$/m,
      /^cairn_witness_subtree_answers_total\{outcome="signed"\} 0$/m,
      /^cairn_witness_cosignatures_total 1$/m,
      /^cairn_witness_conflicts 3$/m,
      /^cairn_witness_logs 1$/m,
      /^cairn_witness_ready 1$/m,
      /^cairn_witness_requests_waiting 0$/m,
      /^cairn_witness_commits_total [1-9]/m,
      /^cairn_witness_commit_changes_total [1-9]/m,
      /^cairn_witness_commit_seconds_total 0\.\d+$/m,
      /^cairn_http_answers_total\{method="POST",route="\/add-checkpoint",status="400"\} 1$/m,
      /^cairn_http_request_duration_seconds_count\{method="POST",route="\/add-checkpoint"\} 1$/m,
    ]) {
      expect(metrics).toMatch(line)
    }
  })

  it('have a page for people, with the keys', async () => {
    const text = await (await app.request('/')).text()
    for (const vkey of witness.vkeys) expect(text).toContain(`\n${vkey}\n`)
    expect(text).toMatch(new RegExp(`^${NAME}: `))
    const page = await app.request('/', { headers: { accept: 'text/html' } })
    expect(page.headers.get('content-type')).toBe('text/html; charset=utf-8')
    expect(page.headers.get('content-security-policy')).toMatch(/default-src 'none'/)
    const html = await page.text()
    expect(html).toContain('/v1/conflicts')
    expect(html).toContain(NAME)
  })
})

interface Operation {
  readonly operationId: string
  readonly responses: Readonly<
    Record<string, { content?: Readonly<Record<string, { schema: TSchema }>> }>
  >
}

describe('/openapi.json', () => {
  async function read() {
    return (await (await app.request('/openapi.json')).json()) as {
      readonly paths: Readonly<Record<string, Readonly<Record<string, Operation>>>>
    }
  }

  it('has every route of the app, and no other', async () => {
    const { paths } = await read()
    const routed = app.routes
      .filter(({ method }) => method !== 'ALL')
      .map(({ method, path }) => `${method} ${path.replace('{[0-9a-f]+}', '')}`)
    const documented = Object.entries(paths).flatMap(([path, item]) =>
      Object.keys(item).map(
        (method) => `${method.toUpperCase()} ${path.replace(/\{(\w+)\}/g, ':$1')}`,
      ),
    )
    expect(documented.sort()).toEqual([...new Set(routed)].sort())
    const names = Object.values(paths).flatMap((item) =>
      Object.values(item).map(({ operationId }) => operationId),
    )
    expect(new Set(names).size).toBe(names.length)
  })

  it('describes what is answered', async () => {
    const { paths } = await read()
    const [conflict] = await witness.conflicts()
    for (const [path, template = path] of [
      ['/v1/logs'],
      ['/v1/conflicts'],
      [`/v1/conflicts/${conflict!.id}`, '/v1/conflicts/{id}'],
      ['/readyz'],
    ] as [string, string?][]) {
      const answer = await (await send('GET', path)).json()
      const schema = paths[template]?.get?.responses['200']?.content?.['application/json']?.schema
      expect([...Compile(schema!).Errors(answer)], path).toEqual([])
    }
    expect(Object.keys(paths['/add-checkpoint']!.post!.responses['409']!.content!)).toEqual([
      'text/x.tlog.size',
    ])
  })
})
