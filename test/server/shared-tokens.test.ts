/** Tokens wherever they are kept, and those that several servers share. */
import { readFile, stat, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { afterEach, describe, expect, it } from 'vitest'
import { CairnError } from '../../src/errors.ts'
import { addToken, listTokens, revokeToken, tokenId } from '../../src/server/change-tokens.ts'
import {
  describeTokens,
  openTokens,
  readTokens,
  type TokenEvent,
  type TokenFiles,
  type Tokens,
} from '../../src/server/token-file.ts'
import { newToken } from '../../src/server/tokens.ts'
import type { TokenStore } from '../../src/storage/token-port.ts'
import { emptyDirectory, emptyTable, TOKEN_PLACES } from './token-places.ts'

const opened: Tokens[] = []
afterEach(async () => {
  for (const tokens of opened.splice(0)) await tokens.close()
})

interface Server extends TokenFiles {
  readonly events: TokenEvent[]
  open(intervalMs?: number): Promise<Tokens>
  admin(): Promise<string>
}

/** One of the servers that share tokens, with a data directory of its own. */
async function server(store: TokenStore): Promise<Server> {
  const directory = await emptyDirectory()
  const files = {
    adminTokenFile: join(directory, 'admin.token'),
    tokensFile: join(directory, 'tokens'),
  }
  const events: TokenEvent[] = []
  return {
    ...files,
    events,
    async open(intervalMs = 3_600_000) {
      const onEvent = (event: TokenEvent) => events.push(event)
      const tokens = await openTokens(files, { store, intervalMs, onEvent })
      opened.push(tokens)
      return tokens
    },
    admin: async () => (await readFile(files.adminTokenFile, 'utf8')).trimEnd(),
  }
}

const nameBy = ({ authenticate }: Tokens, token: string) => authenticate(`Bearer ${token}`)?.name

describe.each(TOKEN_PLACES)('tokens in %s', (_, place) => {
  it('begin with one that is in clear in one file, and nowhere else', async () => {
    const store = await place()
    expect(await store.stamp()).toBeUndefined()
    expect(await store.read()).toBeUndefined()
    const first = await server(store)
    const tokens = await first.open()
    const admin = await first.admin()
    expect(nameBy(tokens, admin)).toBe('admin')
    expect(JSON.stringify(await store.read())).not.toContain(admin.slice(6))
    expect((await stat(first.adminTokenFile)).mode & 0o777).toBe(0o600)
    // Again, also when a start was cut short after the file was written.
    expect(nameBy(await first.open(), admin)).toBe('admin')
    expect(first.events).toEqual([])
  })

  it('go on with a token that a start that was cut short has left', async () => {
    const store = await place()
    const first = await server(store)
    const token = newToken()
    await writeFile(first.adminTokenFile, `${token}\n`)
    expect(nameBy(await first.open(), token)).toBe('admin')
    expect(await first.admin()).toBe(token)
  })

  it('count and cease to count without a restart', async () => {
    const store = await place()
    const first = await server(store)
    const tokens = await first.open(50)
    const { token, known } = await addToken(store, { name: 'ann', roles: ['reader'] })
    await expect.poll(() => nameBy(tokens, token), { timeout: 1_000 }).toBe('ann')
    expect((await listTokens(store)).map(tokenId)).toContain(tokenId(known))
    await revokeToken(store, 'ann')
    await expect.poll(() => nameBy(tokens, token), { timeout: 1_000 }).toBeUndefined()
    const file = store.place
    expect(first.events).toEqual([
      { event: 'tokens-changed', file, tokens: 2 },
      { event: 'tokens-changed', file, tokens: 1 },
    ])
  })

  it('are changed by several at once without a loss, and a refusal changes nothing', async () => {
    const store = await place()
    await (await server(store)).open()
    const names = Array.from({ length: 8 }, (_, i) => `app-${i}`)
    await Promise.all(names.map((name) => addToken(store, { name, roles: ['reader'] })))
    expect((await listTokens(store)).map(({ name }) => name).sort()).toEqual(
      ['admin', ...names].sort(),
    )
    const before = await store.stamp()
    const again = addToken(store, { name: 'app-3', roles: ['reader'] })
    await expect(again).rejects.toMatchObject({ code: 'CONFLICT' })
    await expect(revokeToken(store, 'nobody')).rejects.toMatchObject({ code: 'NOT_FOUND' })
    expect((await listTokens(store)).length).toBe(9)
    // A file is replaced by none but the last, refused ones not being written.
    expect(await store.stamp()).toBe(before)
  })

  it('cannot be changed before the first', async () => {
    const store = await place()
    const missing = { code: 'NOT_FOUND', message: expect.stringContaining('first start') }
    const adding = addToken(store, { name: 'ann', roles: ['reader'] })
    await expect(adding).rejects.toMatchObject(missing)
    await expect(listTokens(store)).rejects.toMatchObject(missing)
    expect(await store.read()).toBeUndefined()
  })
})

describe('servers that share tokens', () => {
  it('have the first one’s token, and make none of their own', async () => {
    const { store } = await emptyTable()
    const [first, second] = [await server(store), await server(store)]
    await first.open()
    const tokens = await second.open()
    expect(nameBy(tokens, await first.admin())).toBe('admin')
    await expect(stat(second.adminTokenFile)).rejects.toMatchObject({ code: 'ENOENT' })
    expect(second.events).toEqual([
      {
        event: 'tokens-elsewhere',
        file: store.place,
        madeAt: expect.stringContaining(first.adminTokenFile),
      },
    ])
    expect(describeTokens(second.events[0]!)).toContain(first.adminTokenFile)
  })

  it('that start at once agree on one token, which one of them has', async () => {
    const { store } = await emptyTable()
    const servers = await Promise.all(Array.from({ length: 5 }, () => server(store)))
    const all = await Promise.all(servers.map((one) => one.open()))
    const kept = await Promise.all(servers.map((one) => one.admin().catch(() => undefined)))
    const [admin, ...more] = kept.filter((token) => token !== undefined)
    expect(more).toEqual([])
    for (const tokens of all) expect(nameBy(tokens, admin!)).toBe('admin')
  })

  it('keep the tokens they had while the database is away, and make no words about it', async () => {
    const { store } = await emptyTable()
    const away = new CairnError('UNAVAILABLE', 'the database cannot be used just now')
    let isAway = false
    const first = await server({
      ...store,
      stamp: async () => (isAway ? 'away' : store.stamp()),
      read: async () => (isAway ? Promise.reject(away) : store.read()),
    })
    const tokens = await first.open()
    const admin = await first.admin()
    isAway = true
    await tokens.look()
    await tokens.look()
    expect(nameBy(tokens, admin)).toBe('admin')
    isAway = false
    await tokens.look()
    expect(nameBy(tokens, admin)).toBe('admin')
    expect(first.events).toEqual([])
  })

  it('keep the tokens they had while the database is damaged, and go on later', async () => {
    const { store, pool } = await emptyTable()
    const first = await server(store)
    const tokens = await first.open()
    const admin = await first.admin()
    const [row] = await pool.query<{ lines: string }>('look', 'SELECT lines FROM tokens')
    await pool.execute('damage', `UPDATE tokens SET lines = 'x', version = version + 1`)
    await tokens.look()
    await tokens.look()
    expect(first.events).toMatchObject([{ event: 'tokens-damaged' }])
    expect(nameBy(tokens, admin)).toBe('admin')
    await expect(readTokens(first, store)).rejects.toMatchObject({ code: 'CORRUPT' })
    await pool.execute('mend', 'UPDATE tokens SET lines = $1, version = version + 1', [row!.lines])
    await tokens.look()
    expect(first.events.at(-1)).toMatchObject({ event: 'tokens-changed', tokens: 1 })
  })
})
