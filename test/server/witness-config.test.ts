import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join, resolve } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { cosigningKey, ed25519SigningKey, mlDsaSigningKey } from '../../src/formats/signing-key.ts'
import { formatVkey } from '../../src/formats/vkey.ts'
import type { ConfigSources } from '../../src/server/read-settings.ts'
import { loadWitnessConfig } from '../../src/server/witness-config.ts'
import { WITNESS_SETTINGS } from '../../src/server/witness-settings.ts'

const seed = (value: number) => new Uint8Array(32).fill(value)
const LOG = [ed25519SigningKey('log.example', seed(1)), mlDsaSigningKey('log.example', seed(2))]
const OTHER = ed25519SigningKey('other.example', seed(3))
const WITNESS = cosigningKey('witness.example', seed(4), 'ed25519-cosignature')
const [LOG_VKEY, LOG_ML_DSA_VKEY] = LOG.map(({ vkey }) => formatVkey(vkey)) as [string, string]
const OTHER_VKEY = formatVkey(OTHER.vkey)

let directory: string
let files = 0

beforeAll(async () => {
  directory = await mkdtemp(join(tmpdir(), 'cairn-witness-config-'))
})
afterAll(() => rm(directory, { recursive: true, force: true }))

async function file(text: string): Promise<string> {
  const path = join(directory, `file-${files++}`)
  await writeFile(path, text)
  return path
}

const load = (flags: ConfigSources['flags'] = {}, env: ConfigSources['env'] = {}) =>
  loadWitnessConfig({ flags, env })

const refusal = (message: RegExp) =>
  expect.objectContaining({ code: 'USAGE', message: expect.stringMatching(message) })

describe('the settings of a witness', () => {
  it('are all described, and spelt alike as flag and variable', () => {
    for (const { name, variable, description } of WITNESS_SETTINGS.settings) {
      expect(name).toMatch(/^[a-z]+(-[a-z]+)*$/)
      expect(variable).toBe(`CAIRN_${name.toUpperCase().replaceAll('-', '_')}`)
      expect(description.length).toBeGreaterThan(10)
    }
  })

  it('have safe defaults, except for the data', async () => {
    expect(await load({ data: 'here' })).toEqual({
      data: resolve('here'),
      logs: new Map(),
      host: '127.0.0.1',
      port: 7962,
      mlDsa: true,
      signSubtree: false,
      requestTimeoutMs: 15_000,
    })
    await expect(load()).rejects.toEqual(refusal(/--data/))
  })

  it('come from flags, variables and a file', async () => {
    const config = await file(
      'data: d\nname: from.file\nport: 1\nml-dsa: false\npublic-url: https://w.example/a/\n',
    )
    expect(await load({ config, port: '3' }, { CAIRN_NAME: 'from.env', CAIRN_PORT: '2' })).toEqual({
      data: join(directory, 'd'),
      name: 'from.env',
      logs: new Map(),
      host: '127.0.0.1',
      port: 3,
      publicUrl: 'https://w.example/a',
      mlDsa: false,
      signSubtree: false,
      requestTimeoutMs: 15_000,
    })
  })

  it.each([
    [{ port: 'x' }, {}, /^--port is a number/],
    [{ port: '65536' }, {}, /^--port must be <= 65535/],
    [{ name: '' }, {}, /^--name must not have fewer than 1/],
    [{ 'public-url': 'w.example' }, {}, /^public-url cannot be used: /],
    [{ 'public-url': 'ftp://w.example' }, {}, /^public-url cannot be used: /],
    [{ 'request-timeout': '0' }, {}, /^--request-timeout must be >= 1/],
    [{ 'sign-subtree': true, 'ml-dsa': false }, {}, /signed with ML-DSA-44/],
    [{ origin: 'x' }, {}, /^--origin is not a setting/],
    [{}, { CAIRN_ML_DSA: 'perhaps' }, /^CAIRN_ML_DSA is true or false/],
    [{}, { CAIRN_LOGS: 'x' }, /CAIRN_LOGS is not a setting; did you mean CAIRN_LOG\?$/],
    [{}, { CAIRN_PASSPHRASE: '' }, /CAIRN_PASSPHRASE is empty/],
    [{ 'passphrase-file': '/nowhere' }, {}, /cannot read the passphrase file/],
  ])('%j with %j is refused', async (flags, env, message) => {
    await expect(load({ data: 'd', ...flags }, env)).rejects.toEqual(refusal(message))
  })

  it('leave the variables of the log server alone', async () => {
    expect(await load({ data: 'd' }, { CAIRN_ORIGIN: 'x', CAIRN_OPEN: 'true' })).toMatchObject({
      port: 7962,
    })
  })
})

describe('the logs to watch', () => {
  it('are vkeys or files of vkeys, gathered by origin, each key once', async () => {
    const vkeyFile = await file(`# two keys\n${LOG_VKEY}\n\n${LOG_ML_DSA_VKEY}\n`)
    const { logs } = await load({ data: 'd', log: [OTHER_VKEY, vkeyFile, LOG_VKEY] })
    expect([...logs].map(([origin, keys]) => [origin, keys.map(formatVkey)])).toEqual([
      ['other.example', [OTHER_VKEY]],
      ['log.example', [LOG_VKEY, LOG_ML_DSA_VKEY]],
    ])
  })

  it('may be in the configuration file, with paths from where it is', async () => {
    await writeFile(join(directory, 'some.vkey'), `${LOG_VKEY}\n`)
    const config = await file(`data: d\nlog:\n  - some.vkey\n  - ${OTHER_VKEY}\n`)
    const { logs } = await load({ config })
    expect([...logs.keys()]).toEqual(['log.example', 'other.example'])
  })

  it('may be a list as networks of witnesses publish them, if all of it can be watched', async () => {
    const list = `logs/v0\nvkey ${LOG_VKEY}\nqpd 1\ncontact c\nvkey ${OTHER_VKEY}\n`
    const { logs } = await load({ data: 'd', log: [await file(`${list}qpd 1\ncontact c\n`)] })
    expect([...logs.keys()]).toEqual(['log.example', 'other.example'])
    const renamed = await file(`${list}origin other name\nqpd 1\ncontact c\n`)
    await expect(load({ data: 'd', log: [renamed] })).rejects.toEqual(
      refusal(/^log other name cannot be watched: its key is called other\.example/),
    )
    const broken = await file(list)
    await expect(load({ data: 'd', log: [broken] })).rejects.toEqual(
      refusal(/^log .*file-\d+: list of logs ends where qpd is expected$/),
    )
  })

  it.each([
    ['/nowhere/log.vkey', /^log \/nowhere\/log.vkey is neither a vkey nor an existing file$/],
    ['/', /^log \/: /],
    [`${LOG_VKEY}x`, /^log log.example\+.*: /],
    [LOG_VKEY.replace('log.', 'lag.'), /^log lag.example\+.*: key id of vkey lag.example is /],
    [formatVkey(WITNESS.vkey), /is a key of type ed25519-cosignature; a log has ed25519 or/],
  ])('are refused when they are none: %s', async (value, message) => {
    await expect(load({ data: 'd', log: [value] })).rejects.toEqual(refusal(message))
  })

  it.each([
    ['', /file-\d+: there is no vkey in it/],
    ['# nothing\n', /file-\d+: there is no vkey in it/],
    ['garbage\n', /file-\d+: vkey is not of the form/],
    [`${LOG_VKEY} ${OTHER_VKEY}\n`, /file-\d+: /],
    [`${formatVkey(WITNESS.vkey)}\n`, /is a key of type ed25519-cosignature/],
    ['\u0000', /file-\d+: /],
  ])('are refused when their file holds %j', async (text, message) => {
    const path = await file(text)
    await expect(load({ data: 'd', log: [path] })).rejects.toEqual(refusal(message))
  })
})
