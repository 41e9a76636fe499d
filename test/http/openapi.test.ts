import { readFileSync, writeFileSync } from 'node:fs'
import type { TSchema } from 'typebox'
import { Compile } from 'typebox/compile'
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest'
import { utf8 } from '../../src/bytes.ts'
import { createApp } from '../../src/http/app.ts'
import { allowAnyone } from '../../src/http/authenticate.ts'
import type { LogService } from '../../src/log/service.ts'
import { discard, newPlace, openAt, type TestLogPlace } from '../support/test-log.ts'

const SAVED = new URL('../../spec/openapi.json', import.meta.url)

interface Operation {
  readonly operationId: string
  readonly responses: Readonly<
    Record<string, { content?: Readonly<Record<string, { schema: TSchema }>> }>
  >
}
interface Document {
  readonly openapi: string
  readonly paths: Readonly<Record<string, Readonly<Record<string, Operation>>>>
}

let place: TestLogPlace
let log: LogService
let app: ReturnType<typeof createApp>
let document: Document

beforeAll(async () => {
  place = await newPlace()
  log = await openAt(place)
  await log.submit([utf8('zero'), utf8('one'), utf8('two')])
  await vi.waitUntil(() => log.publication().size === 3)
  app = createApp({ logs: new Map([['', { log, authenticate: allowAnyone }]]) })
  document = (await (await app.request('/openapi.json')).json()) as Document
})

afterAll(async () => {
  await log.close()
  await discard(place)
})

/** The router's pattern for a path of the document. */
function patternOf(path: string): string {
  if (path === '/tile/entries/{bundle}') return '/tile/entries/*'
  if (path === '/tile/{level}/{tile}') return '/tile/*'
  return path.replace(/\{(\w+)\}/g, ':$1')
}

describe('/openapi.json', () => {
  it('has every route of the app, and no other', () => {
    const routed = app.routes
      .filter(({ method }) => method !== 'ALL')
      .map(({ method, path }) => `${method} ${path}`)
    const documented = Object.entries(document.paths).flatMap(([path, item]) =>
      Object.keys(item).map((method) => `${method.toUpperCase()} ${patternOf(path)}`),
    )
    expect(documented.sort()).toEqual([...new Set(routed)].sort())
    expect(documented.length).toBeGreaterThan(15)
  })

  it('gives each operation a name of its own, and a problem for what goes wrong', () => {
    const operations = Object.values(document.paths).flatMap((item) => Object.values(item))
    const names = operations.map(({ operationId }) => operationId)
    expect(new Set(names).size).toBe(names.length)
    for (const { responses } of operations) {
      expect(Object.keys(responses.default?.content ?? {})).toEqual(['application/problem+json'])
    }
  })

  it('is the document in spec/; UPDATE_SPEC=1 writes it anew', () => {
    const text = `${JSON.stringify(document, null, 2)}\n`
    if (process.env.UPDATE_SPEC === '1') writeFileSync(SAVED, text)
    expect(readFileSync(SAVED, 'utf8')).toBe(text)
  })

  it.each([
    ['/v1/receipts/{index}', '/v1/receipts/1'],
    ['/v1/proofs/inclusion/{size}/{leaf}', '/v1/proofs/inclusion/3/1'],
    ['/v1/proofs/consistency/{first}/{second}', '/v1/proofs/consistency/1/3'],
    ['/ct/v1/get-sth', '/ct/v1/get-sth'],
    ['/ct/v1/get-sth-consistency', '/ct/v1/get-sth-consistency?first=1&second=3'],
    ['/ct/v1/get-entries', '/ct/v1/get-entries?start=0&end=2'],
    ['/ct/v1/get-entry-and-proof', '/ct/v1/get-entry-and-proof?leaf_index=1&tree_size=3'],
    ['/readyz', '/readyz'],
    ['/openapi.json', '/openapi.json'],
  ])('describes the answers of %s', async (path, example) => {
    const response = await app.request(example)
    expect(response.status).toBe(200)
    const schema =
      document.paths[path]?.get?.responses['200']?.content?.['application/json']?.schema
    expect(schema).toBeDefined()
    expect(Compile(schema!).Errors(await response.json())).toEqual([])
  })

  it.each([
    ['application/octet-stream', utf8('three'), {}],
    ['application/octet-stream', utf8('four'), { prefer: 'return=minimal' }],
    ['application/cbor-seq', Uint8Array.of(0x41, 1, 0x41, 2), {}],
    ['application/cbor-seq', Uint8Array.of(0x41, 3), { prefer: 'return=minimal' }],
  ])('describes the answers to submissions of %s', async (type, body, headers) => {
    const response = await app.request('/v1/leaves', {
      method: 'POST',
      body: body as RequestInit['body'] & {},
      headers: { ...headers, 'content-type': type },
    })
    expect(response.status).toBe(201)
    const { schema } =
      document.paths['/v1/leaves']!.post!.responses['201']!.content!['application/json']!
    expect(Compile(schema).Errors(await response.json())).toEqual([])
  })
})
