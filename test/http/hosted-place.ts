/** A log with records behind its routes, and people who ask: every answer is held against the OpenAPI document. */
import { createHash } from 'node:crypto'
import { join } from 'node:path'
import type { TSchema } from 'typebox'
import { Compile } from 'typebox/compile'
import { expect } from 'vitest'
import { openCompleteness } from '../../src/completeness/upkeep.ts'
import { openCompliance } from '../../src/compliance/compliance.ts'
import type { Principal, Role } from '../../src/compliance/principal.ts'
import type { ComplianceService } from '../../src/compliance/service.ts'
import { createApp } from '../../src/http/app.ts'
import type { Authenticate } from '../../src/http/authenticate.ts'
import { createServerFor } from '../../src/http/node-listener.ts'
import { type OpenedRecords, type Opening, openRecordsAt } from '../records/records-place.ts'
import { type LiveServer, listening } from '../support/live-server.ts'
import { openIndexStore } from '../support/stores.ts'
import { discard, newPlace } from '../support/test-log.ts'

const PEOPLE: Readonly<Record<string, readonly [tenant: string, ...roles: Role[]]>> = {
  sam: ['acme', 'submitter'],
  rita: ['acme', 'reader'],
  audrey: ['acme', 'auditor'],
  arthur: ['acme', 'approver'],
  ada: ['acme', 'administrator'],
  // Audits and approves, but not what he asked for himself.
  both: ['acme', 'auditor', 'approver'],
  oscar: ['other', 'auditor', 'administrator'],
}

export function principal(name: string): Principal {
  const [tenant, ...roles] = PEOPLE[name]!
  const identity = new Uint8Array(createHash('sha256').update(name).digest())
  return { name, tenant, roles: new Set(roles), identity }
}

const authenticate: Authenticate = (authorization) => {
  const name = /^Bearer (\w+)$/.exec(authorization ?? '')?.[1]
  return name !== undefined && Object.hasOwn(PEOPLE, name) ? principal(name) : undefined
}

interface Answered {
  readonly status: number
  readonly headers: Headers
  readonly bytes: Uint8Array
  readonly text: string
  /** Of an answer in JSON. */
  // biome-ignore lint/suspicious/noExplicitAny: what it holds is what the tests are about
  readonly json: any
}

export interface HostedPlace extends OpenedRecords {
  readonly compliance: ComplianceService
  /** What clients are not told. */
  readonly errors: unknown[]
  /** Asks as somebody; a value as body is sent as JSON. */
  ask(
    who: string,
    method: string,
    path: string,
    body?: unknown,
    headers?: object,
  ): Promise<Answered>
  request(path: string, init?: RequestInit): Promise<Response>
  /** The same behind a real server. */
  listen(): Promise<LiveServer>
}

/** @param withMap whether the log commits to its map when it is asked for a proof */
export async function hostedPlace(
  opening: Opening = {},
  { withMap = false }: { readonly withMap?: boolean } = {},
): Promise<HostedPlace> {
  const place = await newPlace()
  const opened = await openRecordsAt(place, opening)
  const { log, records, vault } = opened
  const store = withMap ? await openIndexStore(join(place.directory, 'map')) : undefined
  const completeness = store && (await openCompleteness({ log, store, everyMs: 0 }))
  const compliance = openCompliance({
    log,
    records,
    vault,
    ...(completeness && { completeness }),
    ...(opening.now && { now: opening.now }),
  })
  const errors: unknown[] = []
  const hosted = { log, authenticate, records: { records, compliance } }
  const logs = new Map([
    ['', hosted],
    ['second', hosted],
  ])
  const onError = (error: unknown): void => void errors.push(error)
  const app = createApp({ logs, onError })
  const document = await (await app.request('/openapi.json')).json()
  return {
    ...opened,
    compliance,
    errors,
    request: async (path, init) => app.request(path, init),
    listen: () => listening(createServerFor({ logs, onError })),
    async ask(who, method, path, body, headers) {
      const isJson = body !== undefined && typeof body !== 'string'
      const response = await app.request(path, {
        method,
        headers: {
          authorization: `Bearer ${who}`,
          ...(body !== undefined && { 'content-type': 'application/json' }),
          ...headers,
        },
        ...(body !== undefined && { body: isJson ? JSON.stringify(body) : (body as string) }),
      })
      expect(response.headers.get('cache-control')).toBe('no-store')
      return described(document, method, path, response)
    },
    async close() {
      await compliance.close()
      await completeness?.close()
      await store?.close()
      await opened.close()
      await discard(place)
    },
  }
}

/** Fails unless the answer is what the document says of its route. */
async function described(
  document: {
    paths: Record<string, Record<string, { responses: Record<string, { content: object }> }>>
  },
  method: string,
  path: string,
  response: Response,
): Promise<Answered> {
  const bytes = new Uint8Array(await response.arrayBuffer())
  const text = new TextDecoder().decode(bytes)
  const type = response.headers.get('content-type')!
  const own = path.replace(/^\/logs\/\w+/, '').replace(/\?.*/, '')
  const template = Object.keys(document.paths).find(
    (one) =>
      document.paths[one]![method.toLowerCase()] !== undefined &&
      new RegExp(`^${one.replace(/\{\w+\}/g, '[^/]+')}$`).test(own),
  )
  const responses = template && document.paths[template]![method.toLowerCase()]!.responses
  if (!responses) throw new Error(`the document has no ${method} ${own}`)
  const given = responses[response.status] ?? responses.default!
  const content = given.content as Record<string, { schema: TSchema }>
  expect(Object.keys(content)).toContain(type)
  const isJson = type.endsWith('json')
  const json = isJson ? JSON.parse(text) : undefined
  if (type === 'application/json') {
    expect([...Compile(content[type]!.schema).Errors(json)]).toEqual([])
  }
  return { status: response.status, headers: response.headers, bytes, text, json }
}
