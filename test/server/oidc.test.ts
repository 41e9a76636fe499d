import { createHmac, KeyObject, sign } from 'node:crypto'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import fc from 'fast-check'
import { exportSPKI, type JWK } from 'jose'
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest'
import { type Principal, ROLES, type Role } from '../../src/compliance/principal.ts'
import {
  type Oidc,
  type OidcEvent,
  type OidcOptions,
  openOidc,
  orOidc,
} from '../../src/server/oidc.ts'
import type { OidcConfig } from '../../src/server/oidc-settings.ts'
import { principal } from '../support/principals.ts'
import {
  AUDIENCE,
  ISSUER,
  type IssuerKey,
  issuerKey,
  signedToken,
  type TokenIssuer,
  tokenIssuer,
} from '../support/token-issuer.ts'

let key: IssuerKey
let other: IssuerKey
let issuer: TokenIssuer
let folder: string
const opened: Oidc[] = []
const events: OidcEvent[] = []

beforeAll(async () => {
  ;[key, other] = await Promise.all([issuerKey('k1'), issuerKey('k2')])
  issuer = await tokenIssuer([key.jwk])
  folder = await mkdtemp(join(tmpdir(), 'cairn-oidc-'))
})
afterEach(async () => {
  await Promise.all(opened.splice(0).map((one) => one.close()))
  events.length = 0
  issuer.give([key.jwk])
})
afterAll(async () => {
  await issuer.close()
  await rm(folder, { recursive: true, force: true })
})

const ROLES_OF = new Map<string, readonly Role[]>([
  ['auditors', ['auditor', 'reader']],
  ['officers', ['approver']],
])

async function oidc(
  config: Partial<OidcConfig> = {},
  options: Partial<OidcOptions> = {},
): Promise<Oidc> {
  const own = {
    issuer: ISSUER,
    audience: AUDIENCE,
    jwks: issuer.url,
    nameClaim: 'email',
    rolesClaim: 'groups',
    roles: ROLES_OF,
  }
  const one = await openOidc(
    { ...own, ...config },
    { tenant: 'acme', onEvent: (event) => events.push(event), ...options },
  )
  opened.push(one)
  return one
}

const refusal = (message: RegExp, code = 'UNAUTHORIZED') =>
  expect.objectContaining({ code, message: expect.stringMatching(message) })

describe('a token of the issuer', () => {
  it('says who comes, from which tenant, and what they may do', async () => {
    const { recognise } = await oidc()
    expect(await recognise(await signedToken(key))).toEqual({
      name: 'ann@example.com',
      tenant: 'acme',
      roles: new Set(['auditor', 'reader']),
      identity: expect.any(Uint8Array),
    })
  })

  it.each(['RS256', 'PS256', 'ES384', 'EdDSA'])('may be signed with %s', async (alg) => {
    const own = await issuerKey('own', alg)
    issuer.give([own.jwk])
    const { recognise } = await oidc()
    expect(await recognise(await signedToken(own))).toMatchObject({ name: 'ann@example.com' })
  })

  it('is of the same person whenever it was issued, and of nobody else', async () => {
    const { recognise } = await oidc({ tenantClaim: 'org' })
    const by = async (claims: object): Promise<string> => {
      const found = await recognise(await signedToken(key, { claims: { org: 'acme', ...claims } }))
      return Buffer.from(found.identity).toString('hex')
    }
    const first = await by({})
    expect(await by({ iat: 5 })).toBe(first)
    expect(new Set([first, await by({ sub: 'u-2' }), await by({ org: 'globex' })]).size).toBe(3)
  })

  it.each<[string, Partial<OidcConfig>, object, Partial<Principal>]>([
    ['a fixed tenant', { tenant: 'globex' }, {}, { tenant: 'globex' }],
    ['a tenant that it names', { tenantClaim: 'org' }, { org: 'initech' }, { tenant: 'initech' }],
    ['its subject as a name', { nameClaim: 'sub' }, {}, { name: 'u-1' }],
    [
      'roles below another claim',
      { rolesClaim: 'realm_access.roles' },
      { realm_access: { roles: ['officers', 'auditors', 'cooks', 7] } },
      { roles: new Set(['approver', 'auditor', 'reader'] as const) },
    ],
    [
      'a claim whose name has dots',
      { rolesClaim: 'https://example.com/roles' },
      { 'https://example.com/roles': ['officers'] },
      { roles: new Set(['approver'] as const) },
    ],
    [
      'words',
      { rolesClaim: 'scope' },
      { scope: 'openid officers' },
      { roles: new Set(['approver'] as const) },
    ],
    ['no role at all', {}, { groups: undefined }, { roles: new Set() }],
    [
      'no role by a name that all objects have',
      { rolesClaim: 'constructor.name' },
      {},
      { roles: new Set() },
    ],
    ['one of several audiences', {}, { aud: ['x', AUDIENCE] }, {}],
  ])('can give %s', async (_, config, claims, expected) => {
    const { recognise } = await oidc(config)
    expect(await recognise(await signedToken(key, { claims: { ...claims } }))).toMatchObject(
      expected,
    )
  })

  it.each<[string, object, RegExp]>([
    ['of another issuer', { iss: 'https://evil.example' }, /another issuer/],
    ['of no issuer', { iss: undefined }, /another issuer/],
    ['for another audience', { aud: 'other' }, /another audience/],
    ['for no audience', { aud: undefined }, /another audience/],
    ['that never expires', { exp: undefined }, /"exp" is missing/],
    ['of nobody', { sub: undefined }, /"sub" is missing/],
    ['that is not valid yet', { nbf: Math.floor(Date.now() / 1000) + 600 }, /not valid yet/],
    ['without a name', { email: undefined }, /"email" is not a name/],
    ['with a name of two lines', { email: 'ann\nbob' }, /"email" is not a name/],
    ['with an unverified address', { email_verified: false }, /not verified/],
    ['with a tenant that cannot be one', { org: '../x' }, /"org" is not a tenant/],
    ['that is bound to a key', { cnf: { jkt: 'x' } }, /bound to a key/],
  ])('%s is refused', async (_, claims, message) => {
    const { recognise } = await oidc({ tenantClaim: 'org' })
    const token = await signedToken(key, { claims: { org: 'acme', ...claims } })
    await expect(async () => recognise(token)).rejects.toEqual(refusal(message))
  })

  it.each([
    ['expired', -31, /the token has expired/],
    ['expired within the tolerance', -25, undefined],
    ['about to expire', 1, undefined],
  ])('%s counts by the clocks of both', async (_, seconds, message) => {
    const { recognise } = await oidc()
    const token = await signedToken(key, { expires: Math.floor(Date.now() / 1000) + seconds })
    if (message === undefined) expect(await recognise(token)).toBeDefined()
    else await expect(async () => recognise(token)).rejects.toEqual(refusal(message))
  })

  it('that is meant to log somebody out lets nobody in', async () => {
    const { recognise } = await oidc()
    const token = await signedToken(key, { header: { typ: 'logout+jwt' } })
    await expect(async () => recognise(token)).rejects.toEqual(refusal(/of the type "logout\+jwt"/))
    const access = await signedToken(key, { header: { typ: 'at+JWT' } })
    expect(await recognise(access)).toBeDefined()
  })
})

describe('any claims', () => {
  it('give a person with a tenant and known roles, or a refusal', async () => {
    const { recognise } = await oidc({ tenantClaim: 'org', rolesClaim: 'realm.groups' })
    const value = fc.oneof(
      fc.jsonValue({ maxDepth: 2 }),
      fc.constantFrom('acme', 'auditors', ['officers'], { groups: ['auditors', null] }),
    )
    const names = fc.constantFrom(
      'email',
      'org',
      'realm',
      'realm.groups',
      'sub',
      'exp',
      'nbf',
      'typ',
    )
    const given = fc.dictionary(names, value, { noNullPrototype: true })
    await fc.assert(
      fc.asyncProperty(given, async (claims) => {
        const token = await signedToken(key, { claims: { org: 'acme', ...claims } })
        const found = await Promise.resolve(recognise(token)).catch((error: unknown) => error)
        if (found instanceof Error) {
          expect(found).toEqual(refusal(/./))
          return
        }
        const { name, tenant, roles } = found as Principal
        expect([typeof name, tenant]).toEqual(['string', expect.stringMatching(/^[\w.-]+$/)])
        expect([...roles].every((role) => ROLES.includes(role))).toBe(true)
      }),
      { numRuns: 200 },
    )
  })

  it('are read from a token that other software has signed', async () => {
    const { recognise } = await oidc()
    const part = (value: object) => Buffer.from(JSON.stringify(value)).toString('base64url')
    const exp = Math.floor(Date.now() / 1000) + 60
    const claims = { iss: ISSUER, aud: AUDIENCE, sub: 'u-9', email: 'bob@example.com', exp }
    const signed = `${part({ alg: 'ES256', kid: 'k1', typ: 'JWT' })}.${part(claims)}`
    const signature = sign('sha256', Buffer.from(signed), {
      key: KeyObject.from(key.privateKey as Parameters<typeof KeyObject.from>[0]),
      dsaEncoding: 'ieee-p1363',
    })
    const token = `${signed}.${signature.toString('base64url')}`
    expect(await recognise(token)).toMatchObject({ name: 'bob@example.com', roles: new Set() })
  })
})

describe('a forged token', () => {
  const encode = (value: object): string => Buffer.from(JSON.stringify(value)).toString('base64url')
  const bodyOf = async (): Promise<string> => (await signedToken(key)).split('.')[1]!

  it('without a signature is refused', async () => {
    const { recognise } = await oidc()
    for (const alg of ['none', 'None', 'NONE']) {
      const token = `${encode({ alg })}.${await bodyOf()}.`
      await expect(async () => recognise(token)).rejects.toEqual(refusal(/not signed in one of/))
    }
  })

  it('that takes the public key for a shared secret is refused', async () => {
    const rsa = await issuerKey('rsa', 'RS256')
    issuer.give([rsa.jwk])
    const { recognise } = await oidc()
    const publicKey = await crypto.subtle.importKey(
      'jwk',
      rsa.jwk as JsonWebKey,
      { name: 'RSASSA-PKCS1-v1_5', hash: 'SHA-256' },
      true,
      ['verify'],
    )
    for (const secret of [await exportSPKI(publicKey), JSON.stringify(rsa.jwk), rsa.jwk.n!]) {
      const signed = `${encode({ alg: 'HS256', kid: 'rsa' })}.${await bodyOf()}`
      const mac = createHmac('sha256', secret).update(signed).digest('base64url')
      const token = `${signed}.${mac}`
      await expect(async () => recognise(token)).rejects.toEqual(refusal(/not signed in one of/))
    }
  })

  it('that is verified by a shared secret among the keys is refused', async () => {
    issuer.give([{ kty: 'oct', k: 'c2VjcmV0', kid: 'k1', alg: 'HS256' } as JWK])
    const { recognise } = await oidc()
    const signed = `${encode({ alg: 'HS256', kid: 'k1' })}.${await bodyOf()}`
    const mac = createHmac('sha256', 'secret').update(signed).digest('base64url')
    await expect(async () => recognise(`${signed}.${mac}`)).rejects.toEqual(refusal(/not signed/))
  })

  it('with a key of its own in it is refused', async () => {
    const { recognise } = await oidc()
    const header = { jwk: other.jwk, jku: issuer.url, kid: 'k1' }
    const token = await signedToken({ ...other, kid: 'k1' }, { header })
    await expect(async () => recognise(token)).rejects.toEqual(refusal(/signature of the token/))
  })

  it('with another payload under a true signature is refused', async () => {
    const { recognise } = await oidc()
    const [head, , signature] = (await signedToken(key)).split('.')
    const body = encode({
      iss: ISSUER,
      aud: AUDIENCE,
      sub: 'u-2',
      email: 'eve@example.com',
      exp: 9e9,
    })
    await expect(async () => recognise(`${head}.${body}.${signature}`)).rejects.toEqual(
      refusal(/signature of the token/),
    )
  })

  it.each(['a.b.c', '..', 'e30.e30.e30', `${'A'.repeat(9_000)}.e30.e30`])(
    'that is nonsense is refused (%#)',
    async (text) => {
      const { recognise } = await oidc()
      await expect(async () => recognise(text)).rejects.toEqual(refusal(/token/))
    },
  )
})

describe('the keys of the issuer', () => {
  it('are fetched anew for a token that names another, and the old ones count no more', async () => {
    const { recognise } = await oidc({}, { cooldownMs: 0 })
    const before = await signedToken(key)
    expect(await recognise(before)).toBeDefined()
    issuer.give([other.jwk])
    expect(await recognise(await signedToken(other))).toBeDefined()
    await expect(async () => recognise(before)).rejects.toEqual(refusal(/does not have/))
  })

  it('are not fetched for every token that names another', async () => {
    const { recognise } = await oidc({}, { cooldownMs: 60_000 })
    const token = await signedToken(key)
    await recognise(token)
    const before = issuer.requests()
    for (let i = 0; i < 5; i++) {
      const unknown = await signedToken({ ...other, kid: `k-${i}` })
      await expect(async () => recognise(unknown)).rejects.toEqual(refusal(/does not have/))
    }
    expect(issuer.requests()).toBe(before)
  })

  it('need no names', async () => {
    const nameless = await Promise.all([1, 2, 3].map(() => issuerKey(undefined)))
    issuer.give(nameless.map(({ jwk }) => jwk))
    const { recognise } = await oidc()
    for (const one of nameless) expect(await recognise(await signedToken(one))).toBeDefined()
    const stranger = await signedToken(await issuerKey(undefined))
    await expect(async () => recognise(stranger)).rejects.toEqual(refusal(/signature of the token/))
  })

  it('that are too short count for nothing, and harm nobody', async () => {
    const { publicKey, privateKey } = await crypto.subtle.generateKey(
      {
        name: 'RSASSA-PKCS1-v1_5',
        hash: 'SHA-256',
        modulusLength: 1024,
        publicExponent: Uint8Array.of(1, 0, 1),
      },
      true,
      ['sign', 'verify'],
    )
    const jwk = (await crypto.subtle.exportKey('jwk', publicKey)) as JWK
    issuer.give([{ ...jwk, alg: 'RS256', kid: 'short' }, key.jwk])
    const { recognise } = await oidc()
    const head = Buffer.from('{"alg":"RS256","kid":"short"}').toString('base64url')
    const signed = `${head}.${(await signedToken(key)).split('.')[1]}`
    const made = await crypto.subtle.sign('RSASSA-PKCS1-v1_5', privateKey, Buffer.from(signed))
    const token = `${signed}.${Buffer.from(made).toString('base64url')}`
    await expect(async () => recognise(token)).rejects.toEqual(refusal(/cannot be used/))
    expect(await recognise(await signedToken(key))).toBeDefined()
  })

  it.each<[string, string | number, RegExp]>([
    ['an error', 500, /status 500/],
    ['a redirect', 302, /redirect/],
    ['no JSON', '<html>', /no JSON/],
    ['no keys', '{"keys":[]}', /no JSON Web Key Set/],
    ['too much', ' '.repeat(1_100_000), /larger than/],
  ])('cannot be had from an issuer that answers with %s', async (_, answer, reason) => {
    issuer.give(answer)
    const { recognise } = await oidc()
    const token = await signedToken(key)
    const failing = refusal(reason, 'OVERLOADED')
    await expect(async () => recognise(token)).rejects.toEqual(failing)
    expect(events).toEqual([
      { event: 'token-keys-failing', from: issuer.url, reason: expect.stringMatching(reason) },
    ])
  })

  it('go on while the issuer is down, for a day, and are there again when it is', async () => {
    let time = Date.now()
    const times = { refreshMs: 600_000, staleMs: 86_400_000, cooldownMs: 5_000 }
    const { recognise } = await oidc({}, { ...times, now: () => time })
    // Each is another token, so that none of them is remembered.
    const token = () =>
      signedToken(key, { expires: Math.floor(time / 1000) + 999, claims: { jti: Math.random() } })
    expect(await recognise(await token())).toBeDefined()

    await issuer.close()
    time += 86_000_000
    expect(await recognise(await token())).toBeDefined()
    const unknown = await signedToken(
      { ...other, kid: 'new' },
      { expires: Math.floor(time / 1000) + 999 },
    )
    await expect(async () => recognise(unknown)).rejects.toEqual(
      refusal(/cannot be had/, 'OVERLOADED'),
    )
    time += 500_000
    await expect(async () => recognise(await token())).rejects.toEqual(
      refusal(/cannot be had \(cannot reach .*\); try again/, 'OVERLOADED'),
    )
    await issuer.open()
    await expect(async () => recognise(await token())).rejects.toEqual(refusal(/./, 'OVERLOADED'))
    time += 5_000
    expect(await recognise(await token())).toBeDefined()
    expect(events.map(({ event }) => event)).toEqual(['token-keys-failing', 'token-keys-ok'])
  })

  it('are fetched anew when the clock is set back', async () => {
    let time = Date.now()
    const { recognise } = await oidc({}, { now: () => time })
    const token = await signedToken(key)
    await recognise(token)
    await recognise(token)
    expect(recognise(token)).not.toBeInstanceOf(Promise)
    const before = issuer.requests()
    time -= 3_600_000
    await recognise(token)
    expect(issuer.requests()).toBe(before + 1)
  })

  it('may be in a file, which has to be there', async () => {
    const file = join(folder, 'keys.json')
    await expect(oidc({ jwks: file })).rejects.toEqual(
      refusal(/cannot use the keys in .*keys\.json/, 'USAGE'),
    )
    await writeFile(file, '{}')
    await expect(oidc({ jwks: file })).rejects.toEqual(refusal(/no JSON Web Key Set/, 'USAGE'))
    await writeFile(file, JSON.stringify({ keys: [key.jwk] }))
    const { recognise } = await oidc({ jwks: file }, { cooldownMs: 0 })
    expect(await recognise(await signedToken(key))).toBeDefined()
    await writeFile(file, JSON.stringify({ keys: [other.jwk] }))
    expect(await recognise(await signedToken(other))).toBeDefined()
  })

  it('are given up when the server closes while they are fetched', async () => {
    issuer.give('hang')
    const one = await oidc()
    const token = await signedToken(key)
    const waiting = expect(async () => one.recognise(token)).rejects.toEqual(
      refusal(/./, 'OVERLOADED'),
    )
    await one.close()
    await waiting
    expect(events).toEqual([])
  })
})

describe('somebody who comes again', () => {
  it('is known at once, until the token expires or a while has passed', async () => {
    let time = Date.now()
    const { recognise } = await oidc({}, { now: () => time })
    await recognise(await signedToken(key))
    const token = await signedToken(key, { expires: Math.floor(time / 1000) + 400 })
    const first = recognise(token)
    expect(first).toBeInstanceOf(Promise)
    const principal = await first
    expect(recognise(token)).toBe(principal)
    time += 299_000
    expect(recognise(token)).toBe(principal)
    time += 2_000
    const again = recognise(token)
    expect(again).toBeInstanceOf(Promise)
    await again
    time += 130_000
    await expect(async () => recognise(token)).rejects.toEqual(refusal(/expired/))
  })

  it('is not known by what was refused', async () => {
    const { recognise } = await oidc()
    const token = await signedToken(key, { claims: { aud: 'other' } })
    for (let i = 0; i < 2; i++) await expect(async () => recognise(token)).rejects.toThrow()
  })
})

describe('beside tokens of the log itself', () => {
  it('those that look like a JWT are the issuer’s business', async () => {
    const admin = principal('admin')
    const one = await oidc()
    const authenticate = orOidc((header) => (header === 'Bearer cairn_x' ? admin : undefined), one)
    expect(authenticate('Bearer cairn_x')).toBe(admin)
    expect(authenticate(undefined)).toBeUndefined()
    expect(authenticate('Bearer nobody')).toBeUndefined()
    expect(authenticate(`Basic ${await signedToken(key)}`)).toBeUndefined()
    const ann = await authenticate(`bearer ${await signedToken(key)}`)
    expect(ann).toMatchObject({ name: 'ann@example.com' })
  })
})
