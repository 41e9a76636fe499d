import { chmod, mkdtemp, readdir, readFile, rm, stat, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { keyFiles } from '../../src/server/key-file.ts'
import { createKeys, formatKeys, parseKeys, readKeys } from '../../src/server/keys.ts'

let directory: string

beforeEach(async () => {
  directory = await mkdtemp(join(tmpdir(), 'cairn-keys-'))
})
afterEach(() => rm(directory, { recursive: true, force: true }))

const refusal = (code: string, message: RegExp) =>
  expect.objectContaining({ code, message: expect.stringMatching(message) })

describe('keys', () => {
  it('are made for an origin, for the owner alone, and read back', async () => {
    expect(await readKeys({ directory })).toBeUndefined()
    const made = await createKeys({ directory, origin: 'log.example/audit' })
    expect((await stat(made.file)).mode & 0o777).toBe(0o600)
    const found = await readKeys({ directory, origin: 'log.example/audit' })
    expect(found).toEqual(made)
    expect(made.keys.origin).toBe('log.example/audit')
    expect(await readdir(directory)).toEqual(['log.key'])
  })

  it('are different each time, and so is an origin that nobody chose', async () => {
    const one = await createKeys({ directory })
    const two = await createKeys({ directory })
    expect(one.keys.origin).toMatch(/^cairn\.local\/[0-9a-f]{8}$/)
    expect(two.keys.origin).not.toBe(one.keys.origin)
    expect(two.keys.ed25519Seed).not.toEqual(one.keys.ed25519Seed)
    expect(two.keys.mlDsaSeed).not.toEqual(one.keys.mlDsaSeed)
    expect(one.keys.mlDsaSeed).not.toEqual(one.keys.ed25519Seed)
    expect(two.keys.treeHeadKey).not.toBe(one.keys.treeHeadKey)
  })

  it('are two skeys and a PEM in one file', async () => {
    const { file, keys } = await createKeys({ directory, origin: 'log.example' })
    const text = await readFile(file, 'utf8')
    expect(text).toMatch(
      /^(PRIVATE\+KEY\+log\.example\+[0-9a-f]{8}\+[A-Za-z0-9+/=]{44}\n){2}-----BEGIN PRIVATE KEY-----\n/,
    )
    expect(parseKeys(text, file)).toEqual(keys)
    expect(formatKeys(keys)).toBe(text)
  })

  it('do not change their origin', async () => {
    await createKeys({ directory, origin: 'log.example' })
    await expect(readKeys({ directory, origin: 'other.example' })).rejects.toEqual(
      refusal('USAGE', /origin is log\.example and cannot become other\.example/),
    )
  })

  it.each(['a b', 'a+b', '', 'a\nb', 'x'.repeat(256)])(
    'cannot have the origin %j',
    async (origin) => {
      await expect(createKeys({ directory, origin })).rejects.toEqual(
        refusal('USAGE', /cannot be an origin/),
      )
      expect(await readdir(directory)).toEqual([])
    },
  )

  it('that others may read are noticed', async () => {
    const { file } = await createKeys({ directory })
    await chmod(file, 0o644)
    expect((await readKeys({ directory }))?.exposed).toBe(true)
  })

  it('that are damaged are refused without being quoted', async () => {
    const { file } = await createKeys({ directory, origin: 'log.example' })
    const text = await readFile(file, 'utf8')
    const [first = '', second = '', ...pem] = text.split('\n')
    const damaged = [
      '',
      text.slice(1),
      [second, first, ...pem].join('\n'),
      [first, first, ...pem].join('\n'),
      [first, second].join('\n'),
      text.replace('log.example', 'lag.example'),
      text.replaceAll('log.example', 'lag.example'),
      `${text.slice(0, 60)}\u0000${text.slice(61)}`,
      'x'.repeat(20_000),
    ]
    for (const bad of damaged) {
      await writeFile(file, bad)
      const error = await readKeys({ directory }).catch((caught: Error) => caught)
      expect(error).toEqual(refusal('CORRUPT', /backup/))
      expect((error as Error).message).not.toContain(first.slice(-20))
    }
  })
})

describe('with a passphrase, keys', () => {
  it('are encrypted, and need it again', { timeout: 60_000 }, async () => {
    const passphrase = 'correct horse'
    const made = await createKeys({ directory, origin: 'log.example', passphrase })
    const { encrypted, plain } = keyFiles(directory)
    expect(made.file).toBe(encrypted)
    expect((await stat(encrypted)).mode & 0o777).toBe(0o600)
    const text = await readFile(encrypted, 'utf8')
    expect(text).toMatch(/^-----BEGIN AGE ENCRYPTED FILE-----\n/)
    expect(await readKeys({ directory, passphrase })).toEqual(made)
    await expect(readKeys({ directory })).rejects.toEqual(refusal('USAGE', /CAIRN_PASSPHRASE/))
    await expect(readKeys({ directory, passphrase: 'wrong' })).rejects.toEqual(
      refusal('USAGE', /passphrase is wrong/),
    )
    await writeFile(plain, formatKeys(made.keys))
    await expect(readKeys({ directory, passphrase })).rejects.toEqual(refusal('USAGE', /both/))
  })

  it('that are not encrypted are not taken to be', async () => {
    await createKeys({ directory })
    await expect(readKeys({ directory, passphrase: 'p' })).rejects.toEqual(
      refusal('USAGE', /is not encrypted/),
    )
  })
})
