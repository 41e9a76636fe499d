import { cp, readdir, readFile, rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { expectRefusal, temporaryFolder } from './fixture.ts'
import { cairn, served } from './run.ts'

let folder: Awaited<ReturnType<typeof temporaryFolder>>
beforeAll(async () => {
  folder = await temporaryFolder()
})
afterAll(() => folder.close())

describe('a stopped log', () => {
  const place = () => folder.at('stopped')

  beforeAll(async () => {
    const started = await served(['--data', place(), '--origin', 'stopped.example/log'])
    const token = join(place(), 'admin.token')
    const args = ['append', folder.at('records.ndjson'), '--lines', '--url', started.url]
    expect((await cairn([...args, '--token-file', token])).code).toBe(0)
    expect(await started.stop()).toBe(0)
  })

  it('is audited in place, with its own keys', async () => {
    const run = await cairn(['audit', place()])
    expect(run.code).toBe(0)
    expect(run.stderr).toContain("using the log's own keys")
    expect(run.stdout).toContain('stopped.example/log, 300 leaves')
  })

  it('passes fsck', async () => {
    const run = await cairn(['fsck', place()])
    expect(run).toMatchObject({ code: 0, stderr: '' })
    expect(run.stdout).toContain('nothing wrong: 300 entries')
    expect(JSON.parse((await cairn(['fsck', place(), '--json'])).stdout)).toEqual({
      folder: place(),
      ok: true,
      size: 300,
      vault_rows: 1,
      map_entries: 0,
      bytes: expect.any(Number),
      findings: [],
    })
  })

  it('fails fsck when its data is older than what it has signed', async () => {
    const copy = folder.at('older')
    await cp(place(), copy, { recursive: true })
    const started = await served(['--data', place()])
    const token = join(place(), 'admin.token')
    const args = ['append', '-', '--url', started.url, '--token-file', token]
    expect((await cairn(args, { input: 'one more' })).code).toBe(0)
    await started.stop()
    await rm(place(), { recursive: true })
    await cp(copy, place(), { recursive: true })
    const run = await cairn(['fsck', place()])
    await rm(`${place()}.signer`, { recursive: true })
    expect(run).toMatchObject({ code: 1, stderr: '' })
    expect(run.stdout).toContain("✗ signer's last head")
    expect(run.stdout).toContain('rolled back')
  })

  it('fails fsck when a signature is not by its key', async () => {
    const mine = await readFile(join(place(), 'log.vkey'), 'utf8')
    const stranger =
      'example.com/log/testdata+33d7b496+AeHTu4Q3hEIMHNqc6fASMsq3rKNx280NI+oO5xCFkkSx'
    await writeFile(join(place(), 'log.vkey'), stranger)
    const run = await cairn(['fsck', place()])
    await writeFile(join(place(), 'log.vkey'), mine)
    expect(run.code).toBe(1)
    expect(run.stdout).toContain('✗ checkpoint of the head')
  })

  it.each([
    ['a folder that is not there', '/nowhere'],
    ['a folder that is no log', '/etc'],
  ])('is not %s', async (_, path) => {
    expectRefusal(await cairn(['fsck', path]), new RegExp(path))
    expectRefusal(await cairn(['key', 'show', '--data', path]), new RegExp(path))
  })

  it('shows its keys', async () => {
    const run = await cairn(['key', 'show', '--data', place()])
    expect(run.code).toBe(0)
    expect(run.stdout).toBe(await readFile(join(place(), 'log.vkey'), 'utf8'))
  })

  it('has its keys encrypted and decrypted', async () => {
    const env = { CAIRN_PASSPHRASE: 'correct horse' }
    const args = ['--data', place(), '--json']
    expectRefusal(await cairn(['key', 'encrypt', '--data', place()]), /passphrase/)
    const encrypted = JSON.parse((await cairn(['key', 'encrypt', ...args], { env })).stdout)
    expect(encrypted).toMatchObject({ origin: 'stopped.example/log', encrypted: true })
    expect(await readdir(join(place(), 'keys'))).not.toContain('log.key')
    const vaultKey = join(place(), 'keys', 'vault.key')
    expect(encrypted.vault_key).toEqual({ file: vaultKey, encrypted: true })
    expect(await readFile(vaultKey, 'utf8')).toMatch(/^-----BEGIN AGE ENCRYPTED FILE-----\n/)
    expect(JSON.parse((await cairn(['key', 'show', ...args])).stdout)).toEqual(encrypted)
    const wrong = { CAIRN_PASSPHRASE: 'wrong' }
    expectRefusal(await cairn(['key', 'decrypt', '--data', place()], { env: wrong }), /passphrase/)
    const decrypted = JSON.parse((await cairn(['key', 'decrypt', ...args], { env })).stdout)
    expect(decrypted).toMatchObject({ encrypted: false, vkeys: encrypted.vkeys })
    expect(decrypted.vault_key).toEqual({ file: vaultKey, encrypted: false })
    expect((await cairn(['fsck', place()])).code).toBe(0)
  })

  it('does not get other keys', async () => {
    expectRefusal(await cairn(['key', 'generate', '--data', place()]), /never replaced/)
  })

  it('can have its keys before it starts', async () => {
    const args = [
      'key',
      'generate',
      '--data',
      folder.at('new'),
      '--origin',
      'new.example/log',
      '--json',
    ]
    const { vkeys } = JSON.parse((await cairn(args)).stdout)
    const vaultKey = await readFile(folder.at('new', 'keys', 'vault.key'))
    const started = await served(['--data', folder.at('new')])
    expect(started.stdout()).toContain('new.example/log')
    await started.stop()
    expect(await readFile(folder.at('new', 'log.vkey'), 'utf8')).toBe(`${vkeys.join('\n')}\n`)
    // The key of the vault was made with them, and is the one that is used.
    expect(await readFile(folder.at('new', 'keys', 'vault.key'))).toEqual(vaultKey)
  })
})
