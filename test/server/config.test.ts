import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join, resolve } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { loadConfig } from '../../src/server/config.ts'
import type { ConfigSources } from '../../src/server/read-settings.ts'
import { SETTINGS } from '../../src/server/settings.ts'

let directory: string
let files = 0

beforeAll(async () => {
  directory = await mkdtemp(join(tmpdir(), 'cairn-config-'))
})
afterAll(() => rm(directory, { recursive: true, force: true }))

async function file(text: string): Promise<string> {
  const path = join(directory, `file-${files++}.yaml`)
  await writeFile(path, text)
  return path
}

const load = (flags: ConfigSources['flags'] = {}, env: ConfigSources['env'] = {}) =>
  loadConfig({ flags, env })

const refusal = (message: RegExp) =>
  expect.objectContaining({ code: 'USAGE', message: expect.stringMatching(message) })

describe('the settings', () => {
  it('are all described, and spelt alike as flag and variable', () => {
    for (const { name, variable, description } of SETTINGS) {
      expect(name).toMatch(/^[a-z]+[0-9]?(-[a-z]+)*$/)
      expect(variable).toBe(`CAIRN_${name.toUpperCase().replaceAll('-', '_')}`)
      expect(description.length).toBeGreaterThan(10)
    }
  })

  it('have safe defaults, except for the data', async () => {
    expect(await load({ data: 'here' })).toEqual({
      data: resolve('here'),
      host: '127.0.0.1',
      port: 6962,
      open: false,
      privateEntries: false,
      adoptHead: false,
      newVault: false,
      tenant: 'default',
      dedup: true,
      queueLeaves: 20_000,
      queueBytes: 67_108_864,
      publishIntervalMs: 250,
      integrateIntervalMs: 20,
      leaseMs: 3_000,
      archiveIntervalMs: 1_000,
      mapIntervalMs: 300_000,
      renewIntervalMs: 600_000,
      witnessIntervalMs: 25,
      witnessTimeoutMs: 5_000,
      witnessDeadlineMs: 10_000,
      freeSpaceFloor: 67_108_864,
      requestTimeoutMs: 60_000,
      logs: new Map(),
    })
    await expect(load()).rejects.toEqual(refusal(/--data/))
  })
})

describe('where a setting is given more than once', () => {
  it('the flag wins over the variable, and that over the file', async () => {
    const config = await file('port: 1\nhost: file\norigin: file.example\n')
    const env = { CAIRN_PORT: '2', CAIRN_HOST: 'variable', CAIRN_DATA: 'd' }
    expect(await load({ config, port: 3 }, env)).toMatchObject({
      port: 3,
      host: 'variable',
      origin: 'file.example',
    })
  })

  it('the file may be named by a variable', async () => {
    const config = await file('data: d\nport: 7\n')
    expect(await load({}, { CAIRN_CONFIG: config })).toMatchObject({ port: 7 })
  })

  it('a flag that was not given does not count', async () => {
    expect(await load({ data: 'd', port: undefined }, { CAIRN_PORT: '2' })).toMatchObject({
      port: 2,
    })
  })
})

describe('texts', () => {
  it('become numbers and switches', async () => {
    const env = { CAIRN_DATA: 'd', CAIRN_OPEN: 'true', CAIRN_DEDUP: '0', CAIRN_PORT: '0' }
    expect(await load({}, env)).toMatchObject({ open: true, dedup: false, port: 0 })
    expect(await load({ data: 'd', port: '80' })).toMatchObject({ port: 80 })
  })

  it.each([
    ['CAIRN_PORT', 'http', /CAIRN_PORT is a number, not "http"/],
    ['CAIRN_PORT', '080', /CAIRN_PORT is a number/],
    ['CAIRN_PORT', '1e3', /CAIRN_PORT is a number/],
    ['CAIRN_PORT', '65536', /CAIRN_PORT must be <= 65535/],
    ['CAIRN_OPEN', 'yes', /CAIRN_OPEN is true or false/],
    ['CAIRN_ORIGIN', '', /CAIRN_ORIGIN/],
    ['CAIRN_QUEUE_LEAVES', '0', /CAIRN_QUEUE_LEAVES must be >= 1/],
    ['CAIRN_PROT', '1', /CAIRN_PROT is not a setting; did you mean CAIRN_PORT\?/],
    ['CAIRN_WHATEVER_ELSE', '1', /CAIRN_WHATEVER_ELSE is not a setting$/],
  ])('%s=%s is refused', async (name, value, message) => {
    await expect(load({ data: 'd' }, { [name]: value })).rejects.toEqual(refusal(message))
  })

  it('of other commands and programs are left alone', async () => {
    const env = { CAIRN_URL: 'u', CAIRN_TOKEN: 't', PATH: 'p', OTHER_PORT: 'x' }
    expect(await load({ data: 'd' }, env)).toMatchObject({ port: 6962 })
  })

  it('of flags are checked as well', async () => {
    await expect(load({ data: 'd', port: '1x' })).rejects.toEqual(refusal(/^--port is a number/))
    await expect(load({ data: 'd', prt: 1 })).rejects.toEqual(refusal(/^--prt is not a setting/))
  })
})

describe('a file', () => {
  it('has paths from where it is', async () => {
    const config = await file('data: ./d\nsigner-state: /absolute\n')
    expect(await load({ config })).toMatchObject({
      data: join(directory, 'd'),
      signerState: '/absolute',
    })
  })

  it('may have further logs, each with its own settings', async () => {
    const config = await file(
      'data: d\nopen: true\nlogs:\n  second:\n    data: e\n    origin: second.example\n    private-entries: true\n',
    )
    const { logs } = await load({ config })
    expect([...logs]).toEqual([
      [
        'second',
        {
          data: join(directory, 'e'),
          origin: 'second.example',
          open: false,
          privateEntries: true,
          adoptHead: false,
          newVault: false,
          tenant: 'default',
        },
      ],
    ])
  })

  it('may be empty', async () => {
    expect(await load({ config: await file(''), data: 'd' })).toMatchObject({ port: 6962 })
    expect(await load({ config: await file('# nothing\n'), data: 'd' })).toMatchObject({
      port: 6962,
    })
  })

  it.each([
    ['prot: 1\n', /"prot" in .*file-\d+\.yaml is not a setting; did you mean port\?/],
    ['port: "80"\n', /"port" in .* must be integer/],
    ['port: 1.5\n', /"port" in .* must be integer/],
    ['open: 1\n', /"open" in .* must be boolean/],
    ['port: 1\nport: 2\n', /cannot use the configuration file/],
    ['port: [\n', /cannot use the configuration file/],
    ['- port\n', /does not hold settings/],
    ['text\n', /does not hold settings/],
    ['logs: 1\n', /"logs" in .* does not hold logs/],
    ['logs:\n  Second:\n    data: d\n', /unusable name/],
    ['logs:\n  second: 1\n', /does not hold settings/],
    ['data: d\nlogs:\n  second: {}\n', /data of the log "second" is missing/],
    ['logs:\n  second:\n    data: d\n    port: 1\n', /"logs.second.port" in .* is not a setting/],
    ['passphrase: secret\n', /"passphrase" in .* is not a setting/],
  ])('with %j is refused', async (text, message) => {
    const config = await file(text)
    await expect(load({ config, data: 'd' })).rejects.toEqual(refusal(message))
  })

  it('that is not there is refused', async () => {
    await expect(load({ config: join(directory, 'none'), data: 'd' })).rejects.toEqual(
      refusal(/cannot use the configuration file/),
    )
  })
})

describe('the passphrase', () => {
  it('comes from a variable or the first line of a file', async () => {
    expect(await load({ data: 'd' }, { CAIRN_PASSPHRASE: 'p q' })).toMatchObject({
      passphrase: 'p q',
    })
    const path = await file('from a file\nnot this\n')
    expect(await load({ data: 'd', 'passphrase-file': path })).toMatchObject({
      passphrase: 'from a file',
    })
  })

  it('is never a flag, never empty, and never in two places', async () => {
    await expect(load({ data: 'd', passphrase: 'p' })).rejects.toEqual(refusal(/--passphrase/))
    await expect(load({ data: 'd' }, { CAIRN_PASSPHRASE: '' })).rejects.toEqual(refusal(/empty/))
    const path = await file('\n')
    await expect(load({ data: 'd', 'passphrase-file': path })).rejects.toEqual(refusal(/empty/))
    await expect(
      load({ data: 'd', 'passphrase-file': path }, { CAIRN_PASSPHRASE: 'p' }),
    ).rejects.toEqual(refusal(/either/))
    await expect(load({ data: 'd', 'passphrase-file': '/none' })).rejects.toEqual(
      refusal(/cannot read the passphrase file/),
    )
  })
})
