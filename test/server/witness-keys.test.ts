import { chmod, mkdtemp, readdir, readFile, rm, stat, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { utf8 } from '../../src/bytes.ts'
import { parsePolicy, quorumSatisfied } from '../../src/formats/policy.ts'
import { cosigningKey, parseSkey } from '../../src/formats/signing-key.ts'
import { formatVkey } from '../../src/formats/vkey.ts'
import {
  createWitnessKeys,
  formatWitnessKeys,
  mlDsaName,
  parseWitnessKeys,
  readWitnessKeys,
} from '../../src/server/witness-keys.ts'
import { witnessPolicy } from '../../src/server/witness-policy.ts'

let directory: string

beforeEach(async () => {
  directory = await mkdtemp(join(tmpdir(), 'cairn-witness-keys-'))
})
afterEach(() => rm(directory, { recursive: true, force: true }))

const refusal = (code: string, message: RegExp) =>
  expect.objectContaining({ code, message: expect.stringMatching(message) })

describe('the keys of a witness', () => {
  it('are made for a name, for the owner alone, and read back', async () => {
    expect(await readWitnessKeys({ directory })).toBeUndefined()
    const made = await createWitnessKeys({ directory, name: 'w.example' })
    expect((await stat(made.file)).mode & 0o777).toBe(0o600)
    expect(await readdir(directory)).toEqual(['witness.key'])
    expect(await readWitnessKeys({ directory, name: 'w.example' })).toEqual(made)
  })

  it('are two skeys, with a name each', async () => {
    const { file, keys } = await createWitnessKeys({ directory, name: 'w.example' })
    const text = await readFile(file, 'utf8')
    const lines = text.split('\n')
    expect(lines.slice(0, 2).map((line) => parseSkey(line))).toEqual([
      { name: 'w.example', type: 'ed25519-cosignature', seed: keys.ed25519Seed },
      { name: 'w.example/ml-dsa-44', type: 'ml-dsa-44', seed: keys.mlDsaSeed },
    ])
    expect(lines.slice(2)).toEqual([''])
    expect(formatWitnessKeys(parseWitnessKeys(text, file))).toBe(text)
  })

  it('are different each time, and so is a name that nobody chose', async () => {
    const one = await createWitnessKeys({ directory })
    const two = await createWitnessKeys({ directory })
    expect(one.keys.name).toMatch(/^witness\.cairn\.local\/[0-9a-f]{8}$/)
    expect(two.keys.name).not.toBe(one.keys.name)
    expect(two.keys.ed25519Seed).not.toEqual(one.keys.ed25519Seed)
    expect(two.keys.mlDsaSeed).not.toEqual(one.keys.mlDsaSeed)
    expect(one.keys.mlDsaSeed).not.toEqual(one.keys.ed25519Seed)
  })

  it('do not change their name', async () => {
    await createWitnessKeys({ directory, name: 'w.example' })
    await expect(readWitnessKeys({ directory, name: 'v.example' })).rejects.toEqual(
      refusal('USAGE', /name is w\.example and cannot become v\.example/),
    )
  })

  it.each(['a b', 'a+b', '', 'a\nb', 'x'.repeat(246), 'none', 'a\u007fb'])(
    'cannot have the name %j',
    async (name) => {
      await expect(createWitnessKeys({ directory, name })).rejects.toEqual(
        refusal('USAGE', /cannot be a witness's name/),
      )
      expect(await readdir(directory)).toEqual([])
    },
  )

  it('that others may read are noticed', async () => {
    const { file } = await createWitnessKeys({ directory })
    await chmod(file, 0o640)
    expect((await readWitnessKeys({ directory }))?.exposed).toBe(true)
  })

  it('that are damaged are refused without being quoted', async () => {
    const { file } = await createWitnessKeys({ directory, name: 'w.example' })
    const text = await readFile(file, 'utf8')
    const [first = '', second = ''] = text.split('\n')
    const damaged = [
      '',
      first,
      text.slice(0, -1),
      `${text}\n`,
      `${second}\n${first}\n`,
      `${first}\n${first}\n`,
      text.replace('w.example', 'v.example'),
      `${first}\n${second.slice(0, -4)}AAA=\n`,
    ]
    for (const bad of damaged) {
      await writeFile(file, bad)
      const error = await readWitnessKeys({ directory }).catch((caught: Error) => caught)
      expect(error).toEqual(refusal('CORRUPT', /backup/))
      expect((error as Error).message).not.toContain(first.slice(-20))
    }
  })

  it('are encrypted with a passphrase, and need it again', { timeout: 60_000 }, async () => {
    const passphrase = 'correct horse'
    const made = await createWitnessKeys({ directory, name: 'w.example', passphrase })
    expect(await readdir(directory)).toEqual(['witness.key.age'])
    expect(await readWitnessKeys({ directory, passphrase })).toEqual(made)
    await expect(readWitnessKeys({ directory })).rejects.toEqual(
      refusal('USAGE', /CAIRN_PASSPHRASE/),
    )
  })
})

describe('the policy of a witness', () => {
  const seed = (value: number) => new Uint8Array(32).fill(value)
  const name = 'w.example/x'
  const ed25519 = cosigningKey(name, seed(1), 'ed25519-cosignature').vkey
  const mlDsa = cosigningKey(mlDsaName(name), seed(2), 'ml-dsa-44').vkey
  const url = 'https://w.example/x'

  it('is satisfied by either key, and names where the witness is', () => {
    const text = witnessPolicy({ name, ed25519, mlDsa, url })
    const policy = parsePolicy(utf8(text))
    expect(policy.witnesses.map((witness) => [formatVkey(witness.key), witness.url])).toEqual([
      [formatVkey(ed25519), url],
      [formatVkey(mlDsa), url],
    ])
    expect(text).toMatch(/\ngroup w\.example\/x 1 .*\nquorum w\.example\/x\n$/)
    expect(quorumSatisfied(policy, [ed25519])).toBe(true)
    expect(quorumSatisfied(policy, [mlDsa])).toBe(true)
    expect(quorumSatisfied(policy, [])).toBe(false)
  })

  it('is short with one key', () => {
    expect(witnessPolicy({ name, ed25519, url })).toBe(
      `witness ${name} ${formatVkey(ed25519)} ${url}\nquorum ${name}\n`,
    )
  })
})
