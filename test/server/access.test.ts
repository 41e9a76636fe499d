/** Who may do what at a server that runs: tokens of its own, an issuer's, and nobody's. */
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { addToken, revokeToken } from '../../src/server/change-tokens.ts'
import { loadConfig } from '../../src/server/config.ts'
import { describe as describeEvent, type ServerEvent } from '../../src/server/events.ts'
import { type RunningServer, serve } from '../../src/server/serve.ts'
import {
  AUDIENCE,
  ISSUER,
  type IssuerKey,
  issuerKey,
  signedToken,
  type TokenIssuer,
  tokenIssuer,
} from '../support/token-issuer.ts'

let folder: string
let issuer: TokenIssuer
let key: IssuerKey
let server: RunningServer
let admin: string
const events: ServerEvent[] = []
const at = (name: string): string => join(folder, name)

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'cairn-access-'))
  key = await issuerKey('k1')
  issuer = await tokenIssuer([key.jwk])
  const oidc = {
    issuer: ISSUER,
    audience: AUDIENCE,
    jwks: issuer.url,
    'name-claim': 'email',
    'tenant-claim': 'org',
    'roles-claim': 'groups',
    roles: { apps: ['submitter'], auditors: ['auditor'], officers: ['approver'] },
  }
  const log = { 'private-entries': true, tenant: 'acme', oidc }
  const logs = { open: { data: 'open', open: true } }
  await writeFile(at('cairn.yaml'), JSON.stringify({ data: 'log', ...log, logs }))
  const config = await loadConfig({ flags: { config: at('cairn.yaml'), port: 0 }, env: {} })
  server = await serve(config, { onEvent: (event) => events.push(event) })
  admin = (await readFile(at('log/admin.token'), 'utf8')).trim()
})
afterAll(async () => {
  await server.close()
  await issuer.close()
  await rm(folder, { recursive: true, force: true })
})

const claims = (more: object): string | Promise<string> =>
  signedToken(key, { claims: { org: 'acme', ...more } })

async function ask(path: string, token?: string, body?: string, type?: string): Promise<Response> {
  return fetch(server.url + path, {
    ...(body !== undefined && { method: 'POST', body }),
    headers: {
      ...(token !== undefined && { authorization: `Bearer ${token}` }),
      'content-type': type ?? 'application/octet-stream',
    },
  })
}
const add = (token?: string): Promise<Response> => ask('/add', token, `leaf ${Math.random()}`)

describe('a server with an issuer', () => {
  it('takes what its groups may do, and nothing else', async () => {
    const app = await claims({ groups: ['apps'] })
    expect((await add(app)).status).toBe(200)
    // Once verified, it is known on the path without a promise.
    expect((await add(app)).status).toBe(200)
    const auditor = await add(await claims({ groups: ['auditors'] }))
    expect(auditor.status).toBe(403)
    expect(await auditor.json()).toMatchObject({
      code: 'FORBIDDEN',
      detail: 'this takes the role submitter or administrator, which ann@example.com has not',
    })
    expect((await add(await claims({ groups: undefined }))).status).toBe(403)
    expect((await add(admin)).status).toBe(200)
  })

  it('says why a token is refused', async () => {
    const expired = await signedToken(key, { claims: { org: 'acme' }, expires: 1_000_000_000 })
    const answer = await add(expired)
    expect(answer.status).toBe(401)
    expect(answer.headers.get('www-authenticate')).toContain('invalid_token')
    expect(await answer.json()).toMatchObject({ detail: 'the token has expired' })
    const other = await add(await claims({ iss: 'https://evil.example' }))
    expect(await other.json()).toMatchObject({ detail: expect.stringContaining('another issuer') })
  })

  it('shows entries to those of its own tenant who may read', async () => {
    await add(admin)
    const path = '/tile/entries/000.p/1'
    const status = async (more: object) => (await ask(path, await claims(more))).status
    expect(await status({ groups: ['auditors'] })).toBe(200)
    expect(await status({ groups: ['apps'] })).toBe(403)
    expect(await status({ groups: ['auditors'], org: 'globex' })).toBe(403)
    expect((await ask(path, admin)).status).toBe(200)
    expect((await ask(path)).status).toBe(401)
    expect((await ask('/checkpoint')).status).toBe(200)
  })

  it('keeps the records of tenants apart', async () => {
    const record = '{"type":"llm_request","request_id":"req-acme"}'
    const apps = await Promise.all(
      ['acme', 'globex'].map((org) => claims({ groups: ['apps', 'auditors'], org })),
    )
    for (const app of apps) {
      expect((await ask('/v1/records', app, record, 'application/json')).status).toBe(201)
    }
    for (const [i, tenant] of ['acme', 'globex'].entries()) {
      const answer = await ask('/v1/records?request_id=req-acme', apps[i])
      const { records } = (await answer.json()) as { records: { tenant: string }[] }
      expect(records.map((found) => found.tenant)).toEqual([tenant])
    }
    expect((await ask('/v1/records?tenant=globex', apps[0])).status).toBe(403)
  })

  it('goes on with its own tokens and those it has verified while the issuer is away', async () => {
    const app = await claims({ groups: ['apps'] })
    expect((await add(app)).status).toBe(200)
    await issuer.close()
    expect((await add(app)).status).toBe(200)
    expect((await add(admin)).status).toBe(200)
    await issuer.open()
  })
})

describe('a token', () => {
  it('that is made or revoked counts without a restart', async () => {
    const file = at('log/tokens')
    const { token } = await addToken(file, { name: 'payments', roles: ['submitter'] })
    const status = async () => (await add(token)).status
    await expect.poll(status, { timeout: 3_000 }).toBe(200)
    await revokeToken(file, 'payments')
    await expect.poll(status, { timeout: 3_000 }).toBe(401)
    const changes = events.filter(({ event }) => event === 'tokens-changed')
    expect(changes.map(describeEvent)).toEqual([
      `main: 2 tokens are known now (${file})`,
      `main: 1 token is known now (${file})`,
    ])
  })

  it('is of one log, and not of another in the same process', async () => {
    expect((await ask('/logs/open/add', admin, 'leaf')).status).toBe(401)
    expect((await ask('/logs/open/add', await claims({ groups: ['apps'] }), 'leaf')).status).toBe(
      401,
    )
  })

  it('is not needed where the log is open, for adding and for nothing else', async () => {
    expect((await ask('/logs/open/add', undefined, 'leaf')).status).toBe(200)
    expect((await ask('/logs/open/v1/records')).status).toBe(403)
  })
})
