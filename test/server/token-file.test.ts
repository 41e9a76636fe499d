import {
  appendFile,
  mkdtemp,
  readFile,
  rm,
  stat,
  unlink,
  utimes,
  writeFile,
} from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { ROLES } from '../../src/compliance/principal.ts'
import { addToken, listTokens, revokeToken, tokenId } from '../../src/server/change-tokens.ts'
import {
  openTokens,
  readTokens,
  type TokenEvent,
  type TokenFiles,
  type Tokens,
} from '../../src/server/token-file.ts'
import { formatTokens, hashToken, newToken } from '../../src/server/tokens.ts'

let directory: string
let files: TokenFiles
let opened: Tokens | undefined

beforeEach(async () => {
  directory = await mkdtemp(join(tmpdir(), 'cairn-tokens-'))
  files = {
    adminTokenFile: join(directory, 'admin.token'),
    tokensFile: join(directory, 'tokens'),
  }
})
afterEach(async () => {
  await opened?.close()
  opened = undefined
  await rm(directory, { recursive: true, force: true })
})

const refusal = (code: string, message = /./) =>
  expect.objectContaining({ code, message: expect.stringMatching(message) })

describe('the first start', () => {
  it('makes a token, in clear for the operator alone and hashed for the server', async () => {
    const tokens = await readTokens(files)
    const token = (await readFile(files.adminTokenFile, 'utf8')).trimEnd()
    expect(token).toMatch(/^cairn_[A-Za-z0-9_-]{43}$/)
    for (const file of Object.values(files)) expect((await stat(file)).mode & 0o777).toBe(0o600)
    expect(await readFile(files.tokensFile, 'utf8')).not.toContain(token)
    expect(tokens).toEqual([{ name: 'admin', hash: hashToken(token), roles: ROLES }])
    expect(await readTokens(files)).toEqual(tokens)
  })

  it('that was cut short after the token was written goes on with it', async () => {
    const tokens = await readTokens(files)
    const token = await readFile(files.adminTokenFile, 'utf8')
    await unlink(files.tokensFile)
    expect(await readTokens(files)).toEqual(tokens)
    expect(await readFile(files.adminTokenFile, 'utf8')).toBe(token)
  })

  it('makes no new token when the operator has taken the first away', async () => {
    const tokens = await readTokens(files)
    await unlink(files.adminTokenFile)
    expect(await readTokens(files)).toEqual(tokens)
    await expect(stat(files.adminTokenFile)).rejects.toThrow()
  })

  it('does not take just any text for a token', async () => {
    await writeFile(files.adminTokenFile, 'password\n')
    await expect(readTokens(files)).rejects.toEqual(refusal('CORRUPT', /admin\.token/))
  })

  it.each([
    ['a damaged file', 'x\n'],
    ['bytes that are no text', Uint8Array.of(0xff, 0x0a)],
  ])('stops at %s', async (_, bytes) => {
    await writeFile(files.tokensFile, bytes)
    await expect(openTokens(files)).rejects.toEqual(refusal('CORRUPT', /mend or remove it/))
  })
})

describe('a file that is in use', () => {
  const events: TokenEvent[] = []
  const follow = async (intervalMs = 3_600_000): Promise<Tokens> => {
    events.length = 0
    opened = await openTokens(files, { intervalMs, onEvent: (event) => events.push(event) })
    return opened
  }
  const by = (token: string): string | undefined => opened!.authenticate(`Bearer ${token}`)?.name

  it('gives what is added, and takes what is revoked, without a restart', async () => {
    const { look } = await follow()
    const { token } = await addToken(files.tokensFile, { name: 'ann', roles: ['reader'] })
    expect(by(token)).toBeUndefined()
    await look()
    expect(by(token)).toBe('ann')
    await revokeToken(files.tokensFile, 'ann')
    await look()
    expect(by(token)).toBeUndefined()
    const file = files.tokensFile
    expect(events).toEqual([
      { event: 'tokens-changed', file, tokens: 2 },
      { event: 'tokens-changed', file, tokens: 1 },
    ])
  })

  it('is looked at again and again, and a look finds nothing where nothing changed', async () => {
    const { look } = await follow(5)
    await Promise.all([look(), look()])
    const token = newToken()
    const line = formatTokens([{ name: 'bob', hash: hashToken(token), roles: ['submitter'] }])
    await appendFile(files.tokensFile, line)
    await expect.poll(() => by(token)).toBe('bob')
    expect(events).toHaveLength(1)
  })

  it.each([
    ['damaged', () => appendFile(files.tokensFile, 'half a li')],
    ['emptied of sense', () => writeFile(files.tokensFile, 'tokens:\n')],
    ['taken away', () => rm(files.tokensFile)],
  ])('keeps the tokens it had when it is %s, says so once, and goes on later', async (_, harm) => {
    const { look } = await follow()
    const admin = (await readFile(files.adminTokenFile, 'utf8')).trimEnd()
    const before = await readFile(files.tokensFile)
    await harm()
    await look()
    await look()
    expect(by(admin)).toBe('admin')
    expect(events).toEqual([
      {
        event: 'tokens-damaged',
        file: files.tokensFile,
        reason: expect.stringContaining('tokens'),
      },
    ])
    await writeFile(files.tokensFile, before)
    await look()
    expect(events.at(-1)).toMatchObject({ event: 'tokens-changed', tokens: 1 })
  })
})

describe('changing the tokens', () => {
  it('needs a file that was made', async () => {
    const adding = addToken(files.tokensFile, { name: 'ann', roles: ['reader'] })
    await expect(adding).rejects.toEqual(refusal('NOT_FOUND', /first start/))
    await expect(listTokens(files.tokensFile)).rejects.toEqual(refusal('NOT_FOUND'))
  })

  it('gives nobody a second token unasked, and then tells the two apart', async () => {
    await readTokens(files)
    const ann = { name: 'ann', tenant: 'acme', roles: ['reader'] } as const
    const first = await addToken(files.tokensFile, ann)
    await expect(addToken(files.tokensFile, ann)).rejects.toEqual(
      refusal('CONFLICT', new RegExp(tokenId(first.known))),
    )
    const second = await addToken(files.tokensFile, { ...ann, another: true })
    await addToken(files.tokensFile, { ...ann, tenant: 'globex' })
    await expect(revokeToken(files.tokensFile, 'ann')).rejects.toEqual(
      refusal('USAGE', /could be .* \(tenant acme\) or .* \(tenant globex\); give the id/),
    )
    const id = tokenId(second.known)
    expect(await revokeToken(files.tokensFile, id)).toEqual(second.known)
    await expect(revokeToken(files.tokensFile, id)).rejects.toEqual(refusal('NOT_FOUND'))
    expect((await listTokens(files.tokensFile)).map(({ tenant }) => tenant)).toEqual([
      undefined,
      'acme',
      'globex',
    ])
  })

  it('by several commands at once loses none', async () => {
    await readTokens(files)
    const names = Array.from({ length: 12 }, (_, i) => `app-${i}`)
    await Promise.all(names.map((name) => addToken(files.tokensFile, { name, roles: ['reader'] })))
    const known = (await listTokens(files.tokensFile)).map(({ name }) => name)
    expect(known.sort()).toEqual(['admin', ...names].sort())
    await expect(stat(`${files.tokensFile}.lock`)).rejects.toThrow()
  })

  it('waits for a command that is at it, but not for one that was killed', async () => {
    await readTokens(files)
    const lock = `${files.tokensFile}.lock`
    await writeFile(lock, '')
    const adding = addToken(files.tokensFile, { name: 'ann', roles: ['reader'] })
    setTimeout(() => void rm(lock), 50)
    await adding
    await writeFile(lock, '')
    const longAgo = Date.now() / 1000 - 60
    await utimes(lock, longAgo, longAgo)
    await revokeToken(files.tokensFile, 'ann')
  })
})
