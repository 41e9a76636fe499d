import { chmod, mkdir, mkdtemp, readFile, rm, stat, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import {
  decryptVaultKey,
  encryptVaultKey,
  findOrMakeVaultKey,
  vaultKeyForm,
} from '../../src/server/vault-key.ts'
import { cheaplyEncrypted } from '../support/cheaply-encrypted.ts'

let folder: string
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'cairn-vault-key-'))
})
afterEach(() => rm(folder, { recursive: true }))

async function open(passphrase?: string, hasVault = false) {
  const events: string[] = []
  const masterKey = await findOrMakeVaultKey({
    file: join(folder, 'keys', 'vault.key'),
    hasVault: async () => hasVault,
    passphrase,
    onEvent: (event) => events.push(event),
  })
  return { id: masterKey.id, events }
}

describe('the master key of a vault', () => {
  it('is made once, for its owner alone', async () => {
    const made = await open()
    expect(made.events).toEqual(['keys-created'])
    const { size, mode } = await stat(join(folder, 'keys', 'vault.key'))
    expect([size, mode & 0o777]).toEqual([32, 0o600])
    expect(await open()).toEqual({ id: made.id, events: [] })
    // A log that began without a passphrase may have one for its other keys.
    expect(await open('given for other keys')).toEqual({ id: made.id, events: [] })
  })

  it('is made out of the passphrase when there is one', async () => {
    const made = await open('correct horse')
    expect(await readFile(join(folder, 'keys', 'vault.key'), 'utf8')).toMatch(/^cairn-master-key/)
    expect((await open('correct horse')).id).toBe(made.id)
    await expect(open('battery staple')).rejects.toThrow(/the passphrase is not the one/)
    await expect(open()).rejects.toThrow(/give it in CAIRN_PASSPHRASE/)
  })

  it('encrypted to a passphrase is the same key, and can be had in clear again', async () => {
    const file = join(folder, 'keys', 'vault.key')
    const made = await open()
    const bytes = await readFile(file)
    await writeFile(file, await cheaplyEncrypted(`${bytes.toString('base64')}\n`, 'correct horse'))
    expect(await vaultKeyForm(file)).toBe('encrypted')
    expect(await open('correct horse')).toEqual({ id: made.id, events: [] })
    await expect(open()).rejects.toThrow(/is encrypted; give its passphrase/)
    await expect(open('battery staple')).rejects.toThrow(/the passphrase is wrong/)
    expect(await encryptVaultKey(file, 'correct horse')).toBe(false)
    await expect(encryptVaultKey(file, 'battery staple')).rejects.toMatchObject({ code: 'USAGE' })
    await expect(decryptVaultKey(file, undefined)).rejects.toMatchObject({ code: 'USAGE' })
    expect(await decryptVaultKey(file, 'correct horse')).toBe(true)
    expect(await readFile(file)).toEqual(bytes)
    expect((await stat(file)).mode & 0o777).toBe(0o600)
    expect(await decryptVaultKey(file, 'correct horse')).toBe(false)
    await writeFile(file, await cheaplyEncrypted('too short', 'x'))
    await expect(open('x')).rejects.toMatchObject({ code: 'CORRUPT' })
  })

  it('that was made out of a passphrase is left so by encryption, and can be had in clear', async () => {
    const file = join(folder, 'keys', 'vault.key')
    const made = await open('correct horse')
    expect(await encryptVaultKey(file, 'correct horse')).toBe(false)
    expect(await vaultKeyForm(file)).toBe('derived')
    expect(await decryptVaultKey(file, 'correct horse')).toBe(true)
    expect((await open()).id).toBe(made.id)
  })

  it('is not encrypted when it is none', async () => {
    const file = join(folder, 'vault.key')
    await writeFile(file, 'not a key')
    await expect(encryptVaultKey(file, 'x')).rejects.toThrow(/a master key has 32/)
    expect(await readFile(file, 'utf8')).toBe('not a key')
  })

  it('is not made anew for a vault that has one', async () => {
    await expect(open(undefined, true)).rejects.toThrow(/is missing from .*put its backup back/)
  })

  it('that others can read is complained about', async () => {
    await open()
    await chmod(join(folder, 'keys', 'vault.key'), 0o644)
    expect((await open()).events).toEqual(['keys-exposed'])
  })

  it.each([
    ['nothing', ''],
    ['a line of text', 'secret\n'],
    ['a cut form', 'cairn-master-key/v1\nscrypt'],
  ])('is not %s', async (_, text) => {
    await mkdir(join(folder, 'keys'))
    await writeFile(join(folder, 'keys', 'vault.key'), text)
    await expect(open('passphrase')).rejects.toMatchObject({
      code: expect.stringMatching(/^(USAGE|CORRUPT)$/),
    })
  })
})
