import { mkdtemp, rename, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { beforeEach, describe, expect, it } from 'vitest'
import { openS3Credentials, parseCredentials } from '../../src/storage/s3-credentials.ts'
import { afterThisTest } from '../support/endings.ts'

const environment = { AWS_ACCESS_KEY_ID: 'env-key', AWS_SECRET_ACCESS_KEY: 'env-secret' }

function textOf(key: string, profile = 'default'): string {
  return `[${profile}]\naws_access_key_id=${key}\naws_secret_access_key=secret of ${key}\n`
}

describe('credentials in a file', () => {
  it('are those of a profile', () => {
    const text = `# comment\n${textOf('one')}\r\n; comment\n[ other ]\r\nAWS_Access_Key_Id = two\r\naws_secret_access_key = a=b/c+d==\r\naws_session_token= t\r\nregion = x\n`
    expect(parseCredentials(text, 'default')).toEqual({
      accessKeyId: 'one',
      secretAccessKey: 'secret of one',
      sessionToken: undefined,
    })
    expect(parseCredentials(text, 'other')).toEqual({
      accessKeyId: 'two',
      secretAccessKey: 'a=b/c+d==',
      sessionToken: 't',
    })
  })

  it.each([
    '',
    '[default]',
    '[default]\naws_access_key_id = x',
    '[default]\naws_access_key_id =\naws_secret_access_key = y',
    'aws_access_key_id = x\naws_secret_access_key = y',
    textOf('x', 'another'),
  ])('are missing from %o', (text) => {
    expect(() => parseCredentials(text, 'default')).toThrow('[default] has no aws_access_key_id')
  })
})

describe('a source of credentials', () => {
  let file: string
  beforeEach(async () => {
    const directory = await mkdtemp(join(tmpdir(), 'cairn-credentials-'))
    afterThisTest(() => rm(directory, { recursive: true, force: true }))
    file = join(directory, 'credentials')
  })

  it('is the environment without a file', async () => {
    const source = await openS3Credentials(undefined, { environment })
    expect(await source.current()).toEqual({
      accessKeyId: 'env-key',
      secretAccessKey: 'env-secret',
      sessionToken: undefined,
    })
    expect(await source.renewed(await source.current())).toBeUndefined()
    const withToken = { ...environment, AWS_SESSION_TOKEN: 'token' }
    const other = await openS3Credentials(undefined, { environment: withToken })
    expect((await other.current()).sessionToken).toBe('token')
  })

  it('says what to do when there are none', async () => {
    for (const none of [{}, { AWS_ACCESS_KEY_ID: 'x' }]) {
      await expect(openS3Credentials(undefined, { environment: none })).rejects.toMatchObject({
        code: 'USAGE',
        message: expect.stringContaining('s3-credentials'),
      })
    }
  })

  it('names the file that cannot be used', async () => {
    const refusal = { code: 'USAGE', message: expect.stringContaining(file) }
    await expect(openS3Credentials(file, { environment })).rejects.toMatchObject(refusal)
    await writeFile(file, 'nothing of use')
    await expect(openS3Credentials(file, { environment })).rejects.toMatchObject(refusal)
  })

  it('takes the profile that is asked for, or that AWS_PROFILE names', async () => {
    await writeFile(file, textOf('one') + textOf('two', 'second'))
    const asked = await openS3Credentials(file, { environment, profile: 'second' })
    expect((await asked.current()).accessKeyId).toBe('two')
    const named = await openS3Credentials(file, { environment: { AWS_PROFILE: 'second' } })
    expect((await named.current()).accessKeyId).toBe('two')
  })

  it('follows the file by itself, and goes on while it is away', async () => {
    await writeFile(file, textOf('one'))
    const source = await openS3Credentials(file, { environment: {} })
    await writeFile(`${file}.new`, textOf('two'))
    await rename(`${file}.new`, file)
    await sleep(1_100)
    expect((await source.current()).accessKeyId).toBe('two')
    await rm(file)
    await sleep(1_100)
    expect((await source.current()).accessKeyId).toBe('two')
    await writeFile(file, 'half of it')
    await sleep(1_100)
    expect((await source.current()).accessKeyId).toBe('two')
  })

  it('has others at once when those are refused', async () => {
    await writeFile(file, textOf('one'))
    const source = await openS3Credentials(file, { environment: {} })
    const first = await source.current()
    expect(await source.renewed(first)).toBeUndefined()
    await writeFile(file, textOf('two'))
    expect((await source.renewed(first))?.accessKeyId).toBe('two')
    expect((await source.current()).accessKeyId).toBe('two')
  })
})
