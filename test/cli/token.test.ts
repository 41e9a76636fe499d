import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { expiryOf } from '../../src/cli/token.ts'
import { listTokens } from '../../src/server/change-tokens.ts'
import { loadConfig } from '../../src/server/config.ts'
import { type RunningServer, serve } from '../../src/server/serve.ts'
import { readTokens } from '../../src/server/token-file.ts'
import { openDataDirectory } from '../../src/storage/data-directory.ts'
import { openPool } from '../../src/storage/postgres-pool.ts'
import { migrateSchema } from '../../src/storage/postgres-schema.ts'
import { tokensInPostgres } from '../../src/storage/postgres-tokens.ts'
import { afterThisTest } from '../support/endings.ts'
import { testDatabase } from '../support/postgres.ts'
import { expectRefusal } from './fixture.ts'
import { cairn, type Run } from './run.ts'

let folder: string
let server: RunningServer
const data = () => join(folder, 'log')
const token = (...args: string[]): Promise<Run> => cairn(['token', ...args, '--data', data()])

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'cairn-token-'))
  server = await serve(await loadConfig({ flags: { data: data(), port: '0' }, env: {} }))
})
afterAll(async () => {
  await server.close()
  await rm(folder, { recursive: true, force: true })
})

async function statusOf(token: string): Promise<number> {
  const headers = {
    authorization: `Bearer ${token}`,
    'content-type': 'application/octet-stream',
  }
  const answer = await fetch(`${server.url}/add`, { method: 'POST', body: 'leaf', headers })
  return answer.status
}

describe('a token', () => {
  it('is printed once, good while the server runs, listed, and good for nothing once revoked', async () => {
    const added = await token('add', 'payments-app', '--expires', '90d')
    expect(added).toMatchObject({
      code: 0,
      stderr: expect.stringMatching(/^payments-app: submitter, until 20/),
    })
    expect(added.stdout).toMatch(/^cairn_[A-Za-z0-9_-]{43}\n$/)
    const bearer = added.stdout.trim()
    await expect.poll(() => statusOf(bearer), { timeout: 3_000 }).toBe(200)

    const [again, reader] = await Promise.all([
      token('add', 'payments-app'),
      token('add', 'ann@example.com', '--roles', 'auditor,reader', '--tenant', 'acme', '--json'),
    ])
    expectRefusal(again, /payments-app has the token [0-9a-f]{12} already/)
    const made = JSON.parse(reader.stdout)
    expect(made).toMatchObject({
      name: 'ann@example.com',
      tenant: 'acme',
      roles: ['reader', 'auditor'],
    })
    await expect.poll(() => statusOf(made.token), { timeout: 3_000 }).toBe(403)

    const list = await token('list')
    expect(list.stdout).toMatch(/^id +name +tenant +expires +roles\n[0-9a-f]{12} +admin +- +never/)
    expect(list.stdout).toMatch(/ ann@example\.com +acme +never +reader, auditor\n/)
    expect(list.stdout).not.toContain('cairn_')

    expect((await token('revoke', 'payments-app')).stdout).toContain('good for nothing any more')
    await expect.poll(() => statusOf(bearer), { timeout: 3_000 }).toBe(401)
    const left = JSON.parse((await token('list', '--json')).stdout)
    expect(left.tokens.map(({ name }: { name: string }) => name)).toEqual([
      'admin',
      'ann@example.com',
    ])
    expect(JSON.stringify(left)).not.toContain(made.token)
  })

  it.each([
    [['add', 'Ann Smith'], /a name has 1 to 127 lowercase letters/],
    [['add', 'ann', '--roles', 'king'], /the roles are .*no role "king"/],
    [['add', 'ann', '--tenant', '../x'], /a tenant is a name/],
    [['add', 'ann', '--expires', 'soon'], /12h, 90d and 2w/],
    [['revoke', 'nobody'], /no token has the name or id "nobody"/],
  ])('is refused: %j', async (args, message) => {
    expectRefusal(await token(...args), message)
  })

  it('of a witness is for its operator unless it is said', async () => {
    const witness = await openDataDirectory(join(folder, 'witness'), {
      create: true,
      kind: 'witness',
    })
    await readTokens(witness)
    const added = await cairn(['token', 'add', 'ops', '--data', witness.path, '--json'])
    expect(JSON.parse(added.stdout)).toMatchObject({ name: 'ops', roles: ['administrator'] })
  })

  it('is not made where there is no log', async () => {
    expectRefusal(await cairn(['token', 'list', '--data', join(folder, 'nowhere')]), /there is no/)
  })
})

describe('the life of a token', () => {
  const now = Date.UTC(2026, 10, 21, 12)

  it.each([
    ['12h', '2026-11-22T00:00:00Z'],
    ['90d', '2027-02-19T12:00:00Z'],
    ['2w', '2026-12-05T12:00:00Z'],
    ['2026-12-01T01:00:00+01:00', '2026-12-01T00:00:00Z'],
  ])('of %s ends at %s', (text, time) => {
    expect(expiryOf(text, now)).toBe(Date.parse(time))
  })

  it.each([
    ['0d', /12h/],
    ['90', /12h/],
    ['-1d', /12h/],
    ['999999d', /ten years/],
    ['2026-11-21T12:00:00Z', /over already/],
    ['2026-02-30T00:00:00Z', /12h/],
  ])('is not %s', (text, message) => {
    expect(() => expiryOf(text, now)).toThrow(message)
  })
})

describe('tokens in a database', () => {
  it('are added, listed and revoked as those of a directory are', async () => {
    const { url, schema } = await testDatabase()
    const at = ['--database', url, '--database-schema', schema]
    expectRefusal(
      await cairn(['token', 'list', ...at]),
      /there is no log of this version in postgres/,
    )
    const pool = openPool({ url, schema })
    afterThisTest(() => pool.close())
    await migrateSchema(pool)
    expectRefusal(
      await cairn(['token', 'list', ...at]),
      /there are no tokens in postgres.*first start/,
    )
    const store = tokensInPostgres(pool)
    const files = { adminTokenFile: join(folder, 'shared.token'), tokensFile: '' }
    await readTokens(files, store)
    const added = await cairn(['token', 'add', 'ann', '--roles', 'reader', ...at])
    expect(added).toMatchObject({ code: 0, stdout: expect.stringMatching(/^cairn_.{43}\n$/) })
    const list = await cairn(['token', 'list', '--json', ...at])
    expect(JSON.parse(list.stdout).tokens).toMatchObject([
      { name: 'admin' },
      { name: 'ann', roles: ['reader'] },
    ])
    expect((await cairn(['token', 'revoke', 'ann', ...at])).code).toBe(0)
    expect(await listTokens(store)).toMatchObject([{ name: 'admin' }])

    await pool.query(
      'move',
      "UPDATE sequence SET moved = 'was moved to /x on 2026-01-02T03:04:05Z'",
    )
    for (const change of [
      ['add', 'bob'],
      ['revoke', 'admin'],
    ]) {
      expectRefusal(
        await cairn(['token', ...change, ...at]),
        /the log in postgres.* was moved to \/x on .*two that go on with the same keys/,
      )
    }
    expect((await cairn(['token', 'list', ...at])).code).toBe(0)
  })

  it.each([
    ['no place', [], /--data DIR, or --database URL/],
    ['two places', ['--data', 'x', '--database', 'postgres://localhost/x'], /give one of them/],
    ['a schema alone', ['--database-schema', 'x'], /--database-schema needs --database/],
    ['no URL', ['--database', 'localhost'], /--database must be a URL/],
  ])('are not looked for with %s', async (_, flags, reason) => {
    expectRefusal(await cairn(['token', 'list', ...flags]), reason)
  })
})
