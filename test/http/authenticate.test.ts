import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { type Principal, ROLES, type Role } from '../../src/compliance/principal.ts'
import { CairnError } from '../../src/errors.ts'
import { createApp } from '../../src/http/app.ts'
import { type Authenticate, allowAnyone, orAnyone } from '../../src/http/authenticate.ts'
import type { LogService } from '../../src/log/service.ts'
import { type LiveServer, liveServer } from '../support/live-server.ts'
import { principal } from '../support/principals.ts'
import { discard, newPlace, openAt, type TestLogPlace } from '../support/test-log.ts'

const OCTETS = { 'content-type': 'application/octet-stream' }

/** `Bearer <role>` is somebody with that role, `Bearer slow-<role>` takes a moment; some words go wrong. */
const byRole: Authenticate = (authorization = '') => {
  const word = authorization.replace('Bearer ', '')
  if (word === 'expired') throw new CairnError('UNAUTHORIZED', 'the token has expired')
  if (word === 'broken') throw new Error('a fault')
  if (word === 'unsure') {
    return Promise.reject(new CairnError('OVERLOADED', 'the issuer cannot be asked'))
  }
  const role = ROLES.find((one) => word.endsWith(one))
  const found = role && principal(word, { roles: [role] })
  return word.startsWith('slow-') ? Promise.resolve(found) : found
}

let place: TestLogPlace
let log: LogService
let server: LiveServer
const errors: unknown[] = []
let fresh = 0

beforeAll(async () => {
  place = await newPlace()
  log = await openAt(place)
  await log.submit([new Uint8Array(600)])
  const onError = (error: unknown) => errors.push(error)
  server = await liveServer({ '': log }, { authenticate: byRole, onError })
})
afterAll(async () => {
  await server.close()
  await log.close()
  await discard(place)
})

type Post = (path: string, token: string) => Promise<Response>

const leaf = (token: string): RequestInit => ({
  method: 'POST',
  body: `leaf ${fresh++}`,
  headers: { ...OCTETS, authorization: `Bearer ${token}` },
})
const byServer: Post = (path, token) => fetch(server.url + path, leaf(token))
const byApp: Post = async (path, token) => {
  const hosted = { log, authenticate: byRole }
  const onError = (error: unknown) => errors.push(error)
  return createApp({ logs: new Map([['', hosted]]), onError }).request(path, leaf(token))
}

describe.each([
  ['the server', byServer],
  ['the app', byApp],
])('a submission to %s', (_, post) => {
  it.each(['/add', '/v1/leaves'])('%s takes the role of a submitter', async (path) => {
    for (const role of ROLES) {
      const answer = await post(path, role)
      const may = role === 'submitter' || role === 'administrator'
      expect([role, answer.status]).toEqual([role, may ? answer.status : 403])
      if (may) expect(answer.ok).toBe(true)
      else {
        expect(await answer.json()).toMatchObject({
          code: 'FORBIDDEN',
          detail: `this takes the role submitter or administrator, which ${role} has not`,
        })
      }
    }
  })

  it('waits until it is known who sends it', async () => {
    expect((await post('/add', 'slow-submitter')).status).toBe(200)
    expect((await post('/add', 'slow-reader')).status).toBe(403)
    expect((await post('/add', 'slow-nobody')).status).toBe(401)
  })

  it.each([
    ['expired', 401, 'UNAUTHORIZED', 'the token has expired'],
    ['unsure', 503, 'OVERLOADED', 'the issuer cannot be asked'],
    ['broken', 500, 'INTERNAL', expect.stringContaining('operator')],
  ])('of somebody %s is answered with %i', async (token, status, code, detail) => {
    errors.length = 0
    const answer = await post('/add', token)
    expect(answer.status).toBe(status)
    expect(await answer.json()).toMatchObject({ code, detail })
    const challenge = answer.headers.get('www-authenticate')
    if (status === 401) expect(challenge).toBe('Bearer realm="cairn", error="invalid_token"')
    else expect(challenge).toBeNull()
    expect(errors).toHaveLength(status === 500 ? 1 : 0)
  })
})

describe('entries that are not for everyone', () => {
  const people = new Map<string, Principal>()
  const person = (name: string, roles: readonly Role[], tenant = 'acme'): void => {
    people.set(`Bearer ${name}`, principal(name, { roles, tenant }))
  }
  for (const role of ROLES) person(role, [role])
  person('stranger', ROLES, 'globex')

  const get = (path: string, token?: string): Promise<Response> => {
    const authenticate: Authenticate = async (authorization) => people.get(authorization ?? '')
    const hosted = { log, authenticate, readEntries: { authenticate, tenant: 'acme' } }
    const app = createApp({ logs: new Map([['', hosted]]) })
    const headers = token === undefined ? {} : { authorization: `Bearer ${token}` }
    return Promise.resolve(app.request(path, { headers }))
  }
  const PATHS = [
    '/tile/entries/000.p/1',
    '/ct/v1/get-entries?start=0&end=0',
    '/ct/v1/get-entry-and-proof?leaf_index=0&tree_size=1',
  ]

  it.each(PATHS)('are shown at %s to who may read them', async (path) => {
    const statuses = await Promise.all(ROLES.map(async (role) => (await get(path, role)).status))
    expect(Object.fromEntries(ROLES.map((role, i) => [role, statuses[i]]))).toEqual({
      submitter: 403,
      reader: 200,
      auditor: 200,
      approver: 403,
      administrator: 200,
    })
    expect((await get(path)).status).toBe(401)
    expect((await get(path, 'nobody')).status).toBe(401)
  })

  it.each(PATHS)('are not shown at %s to another tenant, whatever its roles', async (path) => {
    const answer = await get(path, 'stranger')
    expect(answer.status).toBe(403)
    expect(await answer.json()).toMatchObject({ detail: expect.stringContaining('own tenant') })
  })
})

describe('an open log', () => {
  it('takes whoever has no token for anyone, who may submit and nothing else', async () => {
    const anyone = await orAnyone(byRole, 'acme')(undefined)
    expect(anyone).toMatchObject({ name: 'anyone', tenant: 'acme', roles: new Set(['submitter']) })
    expect(await allowAnyone('Bearer x')).toMatchObject({ name: 'anyone', tenant: 'default' })
  })

  it('knows who has a token, and refuses a wrong one', async () => {
    const authenticate = orAnyone(byRole, 'acme')
    expect(await authenticate('Bearer reader')).toMatchObject({ name: 'reader' })
    expect(await authenticate('Bearer nobody')).toBeUndefined()
  })
})
