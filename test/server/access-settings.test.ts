/** The parts `oidc` and `tenants` of a configuration file: what they may say, and what is refused with which words. */
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { cosigningKey, ed25519SigningKey } from '../../src/formats/signing-key.ts'
import { formatVkey } from '../../src/formats/vkey.ts'
import { type Config, loadConfig } from '../../src/server/config.ts'
import { openTenants, type Tenants } from '../../src/server/tenants.ts'

let folder: string
let files = 0
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'cairn-access-'))
})
afterAll(() => rm(folder, { recursive: true, force: true }))

async function configOf(text: string): Promise<Config> {
  const file = join(folder, `${files++}.yaml`)
  await writeFile(file, `data: log\n${text}`)
  return loadConfig({ flags: { config: file }, env: {} })
}

const refusal = (message: RegExp) =>
  expect.objectContaining({ code: 'USAGE', message: expect.stringMatching(message) })

/** The part oidc, of the least that works and some more. */
function oidc(more: Readonly<Record<string, unknown>> = {}): string {
  const least = {
    issuer: 'https://login.example.org',
    audience: 'cairn',
    jwks: 'https://login.example.org/keys',
    roles: { auditors: ['auditor', 'reader'] },
  }
  return `oidc: ${JSON.stringify({ ...least, ...more })}\n`
}

describe('the part oidc', () => {
  it('is not needed', async () => {
    expect((await configOf('')).oidc).toBeUndefined()
  })

  it('takes names from the subject, roles from roles and the tenant of the log, unless told', async () => {
    expect((await configOf(oidc())).oidc).toEqual({
      issuer: 'https://login.example.org',
      audience: 'cairn',
      jwks: 'https://login.example.org/keys',
      nameClaim: 'sub',
      rolesClaim: 'roles',
      roles: new Map([['auditors', ['reader', 'auditor']]]),
    })
    const more = { 'name-claim': 'email', 'roles-claim': 'groups', 'tenant-claim': 'org' }
    expect((await configOf(oidc(more))).oidc).toMatchObject({
      nameClaim: 'email',
      rolesClaim: 'groups',
      tenantClaim: 'org',
    })
  })

  it('may name a file of keys, from where it stands itself', async () => {
    expect((await configOf(oidc({ jwks: 'keys.json' }))).oidc?.jwks).toBe(join(folder, 'keys.json'))
    const { oidc: local } = await configOf(oidc({ jwks: 'http://127.0.0.1:1/keys' }))
    expect(local?.jwks).toBe('http://127.0.0.1:1/keys')
  })

  it('may be another one for each log', async () => {
    const { logs, oidc: main } = await configOf(`logs:\n  payments:\n    data: p\n    ${oidc()}`)
    expect(main).toBeUndefined()
    expect(logs.get('payments')?.oidc?.audience).toBe('cairn')
  })

  it.each([
    [oidc({ issuer: undefined }), /"oidc\.issuer" in .*yaml is missing/],
    [oidc({ jwks: undefined }), /"oidc\.jwks" in .* is missing/],
    [oidc({ roles: undefined }), /"oidc\.roles" in .* is missing/],
    [oidc({ audience: 7 }), /"oidc\.audience" in .* must be string/],
    [oidc({ rolls: 'x' }), /"oidc\.rolls" in .* is not a setting; did you mean roles\?/],
    [oidc({ jwks: 'http://login.example.org/keys' }), /"oidc\.jwks" begins with https:\/\//],
    [oidc({ jwks: 'https://a:b@login.example.org/keys' }), /a user or a password/],
    [oidc({ jwks: 'https://' }), /"oidc\.jwks" is not an address/],
    [oidc({ tenant: 'a', 'tenant-claim': 'org' }), /both tenant and tenant-claim/],
    [oidc({ tenant: 'a b' }), /"oidc\.tenant" is a name/],
    [oidc({ roles: {} }), /"oidc\.roles" is empty, so that nobody could do anything/],
    [oidc({ roles: { x: ['king'] } }), /"oidc\.roles\.x": the roles are .*no role "king"/],
    [oidc({ roles: { x: 'reader' } }), /"oidc\.roles\.x" in .* must be array/],
    ['oidc: yes\n', /"oidc" in .* does not hold settings by name/],
  ])('%s is refused', async (text, message) => {
    await expect(configOf(text)).rejects.toEqual(refusal(message))
  })
})

describe('the part tenants', () => {
  const JURISDICTIONS = new Set(['none', 'eu'])
  const key = (name: string, byte: number) => ed25519SigningKey(name, new Uint8Array(32).fill(byte))
  const vkey = (name: string, byte: number): string => formatVkey(key(name, byte).vkey)

  async function opened(text: string, jurisdictions = JURISDICTIONS): Promise<Tenants> {
    const { tenants = new Map() } = await configOf(text)
    return openTenants(tenants, jurisdictions)
  }

  it('is not needed', async () => {
    const tenants = await opened('')
    expect(tenants.jurisdictionOf('acme')).toBeUndefined()
    expect(await tenants.submitterKey('acme', 'app')).toBeUndefined()
  })

  it('says where tenants are and with which keys their submitters sign', async () => {
    await writeFile(join(folder, 'apps.vkey'), `# ours\n${vkey('b', 2)}\n${vkey('c', 3)}\n`)
    const { jurisdictionOf, submitterKey } = await opened(`
tenants:
  acme:
    jurisdiction: eu
    submitter-keys: ["${vkey('a', 1)}", apps.vkey]
  globex:
    submitter-keys: ["${vkey('a', 9)}"]
`)
    expect(['acme', 'globex', 'other'].map(jurisdictionOf)).toEqual(['eu', undefined, undefined])
    expect(await submitterKey('acme', 'a')).toEqual(key('a', 1).vkey.publicKey)
    expect(await submitterKey('acme', 'c')).toEqual(key('c', 3).vkey.publicKey)
    expect(await submitterKey('globex', 'a')).toEqual(key('a', 9).vkey.publicKey)
    expect(await submitterKey('globex', 'c')).toBeUndefined()
    expect(await submitterKey('other', 'a')).toBeUndefined()
  })

  it('are where all of the log are, unless they say otherwise', async () => {
    const config = new Map([['acme', { jurisdiction: 'eu', submitterKeys: [] }]])
    const { jurisdictionOf } = await openTenants(config, JURISDICTIONS, 'none')
    expect(['acme', 'globex'].map(jurisdictionOf)).toEqual(['eu', 'none'])
    await expect(openTenants(config, JURISDICTIONS, 'mars')).rejects.toThrow(
      /the jurisdiction "mars" is none of the retention table, which has none, eu/,
    )
  })

  const cosigner = cosigningKey('w', new Uint8Array(32).fill(4), 'ed25519-cosignature')
  const of = (settings: object): string => `tenants: ${JSON.stringify({ acme: settings })}\n`
  it.each([
    [of({ jurisdiction: 'mars' }), /the tenant acme is "mars"; those .* are none, eu/],
    [of({ 'submitter-keys': [vkey('a', 1), vkey('a', 2)] }), /acme has two keys called a/],
    [of({ 'submitter-keys': [formatVkey(cosigner.vkey)] }), /w of the tenant acme is of type/],
    [of({ 'submitter-keys': ['a+00000000+x'] }), /a submitter key of the tenant acme: /],
    [of({ 'submitter-keys': ['nowhere.vkey'] }), /cannot use .* acme: .*nowhere\.vkey/],
    [of({ 'submitter-keys': 'a' }), /"tenants\.acme\.submitter-keys" in .* must be array/],
    [of({ keys: [] }), /"tenants\.acme\.keys" in .* is not a setting/],
    ['tenants: { "a b": {} }\n', /"tenants" has an unusable name/],
  ])('%s is refused', async (text, message) => {
    await expect(opened(text)).rejects.toEqual(refusal(message))
  })

  it('needs a table that says what applies where nothing is said', async () => {
    await expect(opened('', new Set(['eu']))).rejects.toEqual(
      refusal(/needs the jurisdiction "none"/),
    )
  })
})
