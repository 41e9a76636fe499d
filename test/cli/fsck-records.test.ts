/** `cairn fsck` on a log that has records: its vault, and its index built again. */
import { cp, mkdtemp, readdir, readFile, rename, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { createRecordsClient } from '../../src/client/records-client.ts'
import { loadConfig } from '../../src/server/config.ts'
import { serve } from '../../src/server/serve.ts'
import { openLevelIndexStore } from '../../src/storage/level-index.ts'
import { cheaplyEncrypted } from '../support/cheaply-encrypted.ts'
import { cairn } from './run.ts'

const RECORDS = 40
const SECRET = 'a prompt that is somewhere in the vault'

let folder: string
const at = (name: string): string => join(folder, name)

/** Serves a data directory of its own while something is done with it. */
async function served<T>(
  data: string,
  work: (client: ReturnType<typeof createRecordsClient>) => Promise<T>,
  env: Readonly<Record<string, string>> = {},
): Promise<T> {
  const server = await serve(await loadConfig({ flags: { data, port: 0 }, env }))
  try {
    const token = (await readFile(join(data, 'admin.token'), 'utf8')).trim()
    return await work(createRecordsClient({ url: server.url, token }))
  } finally {
    await server.close()
  }
}

/** How many records of a person are found. */
function found(data: string, env: Readonly<Record<string, string>> = {}): Promise<number> {
  return served(
    data,
    async (client) => (await client.search({ subject: 'ann', limit: 100 })).records.length,
    env,
  )
}

async function copy(name: string): Promise<string> {
  await cp(at('log'), at(name), { recursive: true })
  await cp(at('log.signer'), at(`${name}.signer`), { recursive: true })
  return at(name)
}

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'cairn-fsck-records-'))
  await served(at('log'), async (client) => {
    const records = Array.from({ length: RECORDS }, (_, i) => ({
      type: 'llm_request' as const,
      subject: i % 2 === 0 ? 'ann' : 'bob',
      resource: `file-${i % 3}`,
      input: { prompt: `${SECRET} ${i}` },
    }))
    for await (const _ of client.submitMany(records));
  })
})
afterAll(() => rm(folder, { recursive: true }))

describe('cairn fsck', () => {
  it('opens every payload', async () => {
    const run = await cairn(['fsck', at('log')])
    expect(run).toMatchObject({ code: 0, stderr: '' })
    expect(run.stdout).toMatch(
      /nothing wrong: 40 entries, [\d.]+ KiB, \d+ rows of the vault, the map of records/,
    )
  })

  it('builds an index again that was lost, damaged, or is as good as any', async () => {
    const data = await copy('reindexed')
    expect(await cairn(['fsck', data, '--reindex'])).toMatchObject({
      code: 0,
      stdout: expect.stringMatching(/the index was built again: 40 records/),
    })
    expect(await found(data)).toBe(RECORDS / 2)
    // The next start has recorded by which table payloads are kept.
    await rm(join(data, 'index'), { recursive: true })
    expect(JSON.parse((await cairn(['fsck', data, '--reindex', '--json'])).stdout)).toMatchObject({
      ok: true,
      size: RECORDS + 1,
      indexed: RECORDS + 1,
      findings: [],
    })
    await writeFile(join(data, 'index', 'CURRENT'), 'no such file\n')
    const run = await cairn(['fsck', data, '--reindex'])
    expect(run.code).toBe(0)
    expect(run.stderr).toMatch(/^the former index cannot be opened: .+\n$/)
    expect(await found(data)).toBe(RECORDS / 2)
  })

  it('names what is damaged in the vault, and goes on', async () => {
    const data = await copy('damaged')
    const payloads = join(data, 'vault', 'payloads')
    const log = (await readdir(payloads)).find((name) => /\.(log|ldb)$/.test(name))!
    const bytes = await readFile(join(payloads, log))
    bytes[Math.floor(bytes.length / 2)]! ^= 1
    await writeFile(join(payloads, log), bytes)
    const run = await cairn(['fsck', data])
    expect(run.code).toBe(1)
    expect(run.stdout).toMatch(/✗ vault .+/)
    expect(run.stdout).toMatch(/\d+ findings? in 40 entries/)
    expect(run.stdout + run.stderr).not.toContain(SECRET)
  })

  it('names what is damaged of the map, and makes it again when told to', async () => {
    const data = await copy('mapped')
    const opened = await openLevelIndexStore(join(data, 'map'))
    await opened.write({ put: [[Uint8Array.of(0), Uint8Array.of(1, 2, 3)]], durable: true })
    await opened.close()
    const run = await cairn(['fsck', data])
    expect(run.code).toBe(1)
    expect(run.stdout).toContain('✗ map what is stored of the map is damaged')
    expect(run.stdout).toContain(
      `the map can be made again from the log: cairn fsck ${data} --remap`,
    )
    const remade = await cairn(['fsck', data, '--remap'])
    expect(remade).toMatchObject({ code: 0, stderr: '' })
    expect(remade.stdout).toMatch(/the map was made again: 40 entries\n$/)
    await writeFile(join(data, 'map', 'CURRENT'), 'no such file\n')
    expect(JSON.parse((await cairn(['fsck', data, '--json'])).stdout)).toMatchObject({
      ok: false,
      findings: [{ kind: 'map', name: 'map' }],
    })
    const again = await cairn(['fsck', data, '--remap', '--json'])
    expect(again.stderr).toMatch(/^the former map cannot be opened: .+\n$/)
    expect(JSON.parse(again.stdout)).toMatchObject({ ok: true, map_entries: 0, findings: [] })
  })

  it('says that payloads are not checked without their key, and needs it to build the index', async () => {
    const data = await copy('keyless')
    await rename(join(data, 'keys', 'vault.key'), at('elsewhere.key'))
    const run = await cairn(['fsck', data])
    expect(run.code).toBe(0)
    expect(run.stderr).toMatch(/^payloads are not checked: the master key .* is missing from .*\n$/)
    const refused = await cairn(['fsck', data, '--reindex'])
    expect(refused).toMatchObject({ code: 2, stdout: '' })
    expect(refused.stderr).toMatch(/^cairn: the master key of the vault is missing .*\n$/)
    const told = await cairn(['fsck', data, '--reindex', '--vault-key', at('elsewhere.key')])
    expect(told).toMatchObject({ code: 0, stderr: '' })
    await writeFile(at('other.key'), new Uint8Array(32))
    const other = await cairn(['fsck', data, '--reindex', '--vault-key', at('other.key')])
    expect(other).toMatchObject({ code: 2, stdout: '' })
    expect(other.stderr).toMatch(/^cairn: .*key.*\n$/)
    expect(await readdir(join(data, 'index'))).toContain('CURRENT')
  })

  it('opens payloads whose key was encrypted, with its passphrase, and so does a server', async () => {
    const data = await copy('encrypted')
    const env = { CAIRN_PASSPHRASE: 'correct horse' }
    for (const [name, text] of [
      ['vault.key', (await readFile(join(data, 'keys', 'vault.key'))).toString('base64')],
      ['log.key', await readFile(join(data, 'keys', 'log.key'), 'utf8')],
    ] as const) {
      const file = join(data, 'keys', name === 'log.key' ? 'log.key.age' : name)
      await rm(join(data, 'keys', name))
      await writeFile(file, await cheaplyEncrypted(`${text.trimEnd()}\n`, env.CAIRN_PASSPHRASE))
    }
    const keyless = await cairn(['fsck', data])
    expect(keyless.code).toBe(0)
    expect(keyless.stderr).toMatch(/payloads are not checked: their master key takes a passphrase/)
    expect((await cairn(['fsck', data], { env })).stdout).toMatch(/\d+ rows of the vault/)
    expect(await found(data, env)).toBe(RECORDS / 2)
  })

  it('leaves a log alone while it is served, and one without records', async () => {
    const refusal = await served(at('log'), () => cairn(['fsck', at('log'), '--reindex']))
    expect(refusal).toMatchObject({ code: 2, stdout: '' })
    expect(refusal.stderr).toMatch(/^cairn: .*(use|running|open).*\n$/)
    const data = await copy('leaves')
    await rm(join(data, 'vault'), { recursive: true })
    const run = await cairn(['fsck', data, '--reindex'])
    expect(run.stderr).toMatch(/has no records: there is nothing to index/)
  })
})
