/** The reader of settings, with a table of its own that has everything a table can have. */
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join, resolve } from 'node:path'
import { Type } from 'typebox'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { type ConfigSources, readSettings } from '../../src/server/read-settings.ts'
import {
  countSetting,
  listSetting,
  pathSetting,
  settingsTable,
  switchSetting,
} from '../../src/server/setting.ts'

const VKEY = 'log.example+530d903a+AekyeRrm56hApGFkyQR4ZCbV54Id2LKaANYcrnKv3U2k'

const Sink = Type.Object({
  url: Type.String({ minLength: 1 }),
  ca: Type.Optional(Type.String({ kind: 'path' })),
  'batch-size': Type.Optional(Type.Integer({ minimum: 1 })),
})

const TABLE = settingsTable(
  {
    data: pathSetting('where it is'),
    'queue-leaves': countSetting(7, 'how many'),
    open: switchSetting(false, 'let anyone in'),
    log: listSetting('vkey or file of vkeys', { kind: 'path or vkey' }),
  },
  {
    sinks: Type.Optional(Type.Record(Type.String(), Sink)),
    files: Type.Optional(Type.Array(Type.String({ kind: 'path', minLength: 1 }), { maxItems: 2 })),
  },
)

let directory: string
let files = 0

beforeAll(async () => {
  directory = await mkdtemp(join(tmpdir(), 'cairn-settings-'))
})
afterAll(() => rm(directory, { recursive: true, force: true }))

async function load(
  yaml: string | undefined,
  flags: ConfigSources['flags'] = {},
  env: ConfigSources['env'] = {},
) {
  if (yaml === undefined) return readSettings(TABLE, { flags, env })
  const config = join(directory, `${files++}.yaml`)
  await writeFile(config, yaml)
  return readSettings(TABLE, { flags: { ...flags, config }, env })
}

const refusal = (message: RegExp) =>
  expect.objectContaining({ code: 'USAGE', message: expect.stringMatching(message) })

describe('members with parts', () => {
  it('are read from the file, with paths from where the file is', async () => {
    const yaml = 'sinks:\n  a:\n    url: u\n    ca: ./ca.pem\n  b:\n    url: v\nfiles: [x, /y]\n'
    expect(await load(yaml)).toEqual({
      data: undefined,
      'queue-leaves': 7,
      open: false,
      log: undefined,
      sinks: { a: { url: 'u', ca: join(directory, 'ca.pem') }, b: { url: 'v' } },
      files: [join(directory, 'x'), '/y'],
    })
  })

  it.each([
    ['sinks: 1\n', /^"sinks" in .* does not hold sinks by name$/],
    ['sinks: [a]\n', /^"sinks" in .* does not hold sinks by name$/],
    ['sinks:\n', /^"sinks" in .* does not hold sinks by name$/],
    ['sinks:\n  a: 1\n', /^"sinks.a" in .* does not hold settings by name$/],
    ['sinks:\n  a: {}\n', /^"sinks.a.url" in .* is missing$/],
    [
      'sinks:\n  a: {url: u, uri: v}\n',
      /^"sinks.a.uri" in .* is not a setting; did you mean url\?$/,
    ],
    ['sinks:\n  a: {url: 1}\n', /^"sinks.a.url" in .* must be string$/],
    ['sinks:\n  a: {url: u, batch-size: 0}\n', /^"sinks.a.batch-size" in .* must be >= 1$/],
    ['sinks:\n  a: {url: u, constructor: 1}\n', /^"sinks.a.constructor" in .* is not a setting/],
    ['files: x\n', /^"files" in .* must be array$/],
    ['files: [x, 1]\n', /^"files.2" in .* must be string$/],
    ['files: [x, y, z]\n', /^"files" in .* must not have more than 2 items$/],
    ['__proto__: {open: true}\n', /^"__proto__" in .* is not a setting$/],
  ])('are refused by the name of the wrong part: %j', async (yaml, message) => {
    await expect(load(yaml)).rejects.toEqual(refusal(message))
  })

  it('are no flags and no variables', async () => {
    await expect(load(undefined, { sinks: {} })).rejects.toEqual(
      refusal(/--sinks is not a setting/),
    )
    await expect(load(undefined, {}, { CAIRN_SINKS: '{}' })).rejects.toEqual(
      refusal(/CAIRN_SINKS is not a setting/),
    )
  })
})

describe('lists', () => {
  it('come from repeated flags, from words of a variable, or from a list in the file', async () => {
    const yaml = `log: [./a.vkey, ${VKEY}]\n`
    const inFile = [join(directory, 'a.vkey'), VKEY]
    expect(await load(yaml)).toMatchObject({ log: inFile })
    expect(await load(yaml, {}, { CAIRN_LOG: `  ${VKEY}\n b.vkey ` })).toMatchObject({
      log: [VKEY, resolve('b.vkey')],
    })
    expect(await load(yaml, { log: ['c d.vkey', VKEY] }, { CAIRN_LOG: 'b' })).toMatchObject({
      log: [resolve('c d.vkey'), VKEY],
    })
  })

  it.each([
    ['log: a.vkey\n', /^"log" in .* must be array$/],
    ['log: [""]\n', /^"log.1" in .* must not have fewer than 1 characters$/],
    ['log: [1]\n', /^"log.1" in .* must be string$/],
  ])('are refused when they are none: %j', async (yaml, message) => {
    await expect(load(yaml)).rejects.toEqual(refusal(message))
  })
})

describe('variables', () => {
  it('of other commands are left alone, unknown ones are not', async () => {
    expect(await load(undefined, {}, { CAIRN_PORT: '1', CAIRN_TOKEN: 't' })).toMatchObject({
      'queue-leaves': 7,
    })
    await expect(load(undefined, {}, { CAIRN_QUEUE_LEAFS: '1' })).rejects.toEqual(
      refusal(/CAIRN_QUEUE_LEAFS is not a setting; did you mean CAIRN_QUEUE_LEAVES\?$/),
    )
  })
})
