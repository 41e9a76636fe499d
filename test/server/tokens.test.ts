import { mkdtemp, readFile, rm, stat, unlink, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import {
  authenticateBy,
  formatTokens,
  hashToken,
  newToken,
  openTokens,
  parseTokens,
  type TokenFiles,
} from '../../src/server/tokens.ts'

let directory: string
let files: TokenFiles

beforeEach(async () => {
  directory = await mkdtemp(join(tmpdir(), 'cairn-tokens-'))
  files = {
    adminTokenFile: join(directory, 'admin.token'),
    tokensFile: join(directory, 'tokens'),
  }
})
afterEach(() => rm(directory, { recursive: true, force: true }))

describe('the first start', () => {
  it('makes a token, in clear for the operator alone and hashed for the server', async () => {
    const tokens = await openTokens(files)
    const token = (await readFile(files.adminTokenFile, 'utf8')).trimEnd()
    expect(token).toMatch(/^cairn_[A-Za-z0-9_-]{43}$/)
    for (const file of Object.values(files)) expect((await stat(file)).mode & 0o777).toBe(0o600)
    expect(await readFile(files.tokensFile, 'utf8')).not.toContain(token)
    expect(tokens).toEqual([{ name: 'admin', hash: hashToken(token) }])
    expect(await openTokens(files)).toEqual(tokens)
  })

  it('that was cut short after the token was written goes on with it', async () => {
    await openTokens(files)
    const token = await readFile(files.adminTokenFile, 'utf8')
    await unlink(files.tokensFile)
    expect(await openTokens(files)).toEqual([{ name: 'admin', hash: hashToken(token.trimEnd()) }])
    expect(await readFile(files.adminTokenFile, 'utf8')).toBe(token)
  })

  it('makes no new token when the operator has taken the first away', async () => {
    const tokens = await openTokens(files)
    await unlink(files.adminTokenFile)
    expect(await openTokens(files)).toEqual(tokens)
    await expect(stat(files.adminTokenFile)).rejects.toThrow()
  })

  it('does not take just any text for a token', async () => {
    await writeFile(files.adminTokenFile, 'password\n')
    await expect(openTokens(files)).rejects.toEqual(expect.objectContaining({ code: 'CORRUPT' }))
  })
})

describe('the file of tokens', () => {
  it('reads what it writes', () => {
    const tokens = ['admin', 'team-a.2'].map((name) => ({ name, hash: hashToken(newToken()) }))
    expect(parseTokens(formatTokens(tokens), 'tokens')).toEqual(tokens)
    expect(parseTokens('', 'tokens')).toEqual([])
  })

  it.each([
    'x',
    `${'a'.repeat(64)} admin`,
    `${'a'.repeat(63)} admin\n`,
    `${'A'.repeat(64)} admin\n`,
    `${'a'.repeat(64)}  admin\n`,
    `${'a'.repeat(64)} Admin\n`,
    `${'a'.repeat(64)} admin\r\n`,
    `${'a'.repeat(64)} admin\n\n`,
  ])('refuses %j, naming the line', (text) => {
    expect(() => parseTokens(text, 'tokens')).toThrow(
      expect.objectContaining({
        code: 'CORRUPT',
        message: expect.stringMatching(/^line \d of tokens/),
      }),
    )
  })
})

describe('a request', () => {
  const tokens = [newToken(), newToken()]
  const authenticate = authenticateBy(
    tokens.map((token, i) => ({ name: `t${i}`, hash: hashToken(token) })),
  )

  it('is known by any of the tokens, each somebody else', () => {
    const found = tokens.map((token) => authenticate(`Bearer ${token}`))
    expect(found[0]?.identity).toEqual(hashToken(tokens[0]!))
    expect(found[1]?.identity).toEqual(hashToken(tokens[1]!))
    expect(authenticate(`bearer ${tokens[0]}`)).toBe(found[0])
  })

  it.each([
    undefined,
    '',
    'Bearer',
    'Bearer ',
    'Bearer x',
    `Basic ${tokens[0]}`,
    tokens[0],
    `Bearer  ${tokens[0]}`,
    `Bearer ${tokens[0]} `,
    `Bearer ${tokens[0]},${tokens[1]}`,
    `Bearer ${tokens[0]!.slice(0, -1)}`,
  ])('is not known by %s', (authorization) => {
    expect(authenticate(authorization)).toBeUndefined()
  })

  it('is known by nothing when there are no tokens', () => {
    expect(authenticateBy([])(`Bearer ${tokens[0]}`)).toBeUndefined()
  })
})
