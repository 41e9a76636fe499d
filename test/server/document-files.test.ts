/** The files in which an operator says how long payloads are kept, and what must never be recorded. */
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { stringify } from 'yaml'
import {
  DEFAULT_RETENTION_DOCUMENT,
  DEFAULT_RETENTION_TABLE,
} from '../../src/formats/retention-table.ts'
import { DEFAULT_SECRET_RULES } from '../../src/formats/secrets.ts'
import { readRetentionFile } from '../../src/server/retention-file.ts'
import { readSecretRulesFile } from '../../src/server/secret-rules-file.ts'

let directory: string
let file: string
beforeAll(async () => {
  directory = await mkdtemp(join(tmpdir(), 'cairn-documents-'))
  file = join(directory, 'document')
})
afterAll(() => rm(directory, { recursive: true }))

async function table(text: string | Uint8Array) {
  await writeFile(file, text)
  return readRetentionFile(file)
}

const SHORTEST = `version: cairn-retention/v1
regimes: {}
classes:
  brief: { about: not for long, keep: P1D }
jurisdictions:
  none: { about: nowhere, class: brief }
`

describe('a table of retention', () => {
  it('is that of this program when no file is named', async () => {
    expect(await readRetentionFile(undefined)).toBe(DEFAULT_RETENTION_TABLE)
  })

  it('is the same in YAML and in JSON', async () => {
    expect(await table(stringify(DEFAULT_RETENTION_DOCUMENT))).toEqual(DEFAULT_RETENTION_TABLE)
    const json = JSON.stringify(DEFAULT_RETENTION_DOCUMENT, null, '\t')
    expect(await table(json)).toEqual(DEFAULT_RETENTION_TABLE)
    expect(await table(`\n ${json}\n`)).toEqual(DEFAULT_RETENTION_TABLE)
  })

  it.each([
    ['nothing', '', 'the top level: expected an object'],
    ['a list', '- P1Y', 'the top level: expected an object'],
    ['another format', 'version: cairn-retention/v2\n', '/regimes: is missing'],
    ['a number for a time', SHORTEST.replace('P1D', '1'), '/classes/brief/keep: expected a dur'],
    ['a member too many', `${SHORTEST}classe: {}\n`, '/classe: unknown; known here are version'],
    [
      'an unknown class',
      SHORTEST.replace('class: brief', 'class: long'),
      '/jurisdictions/none/class',
    ],
    ['a key twice', `${SHORTEST}regimes: {}\n`, 'Map keys must be unique at line 7'],
    ['what is no YAML', 'a: [1', 'Flow sequence in block collection must be'],
    ['a member twice in JSON', '{"version":1,"version":2}', '/version: the member is there twice'],
    ['what JSON has no word for', 'version: .nan', '/version: JSON cannot hold NaN'],
    ['itself', 'version: &a [*a]', 'JSON cannot hold nesting without an end'],
    ['a bomb', bomb(), 'Excessive alias count'],
    ['bytes that are no text', Uint8Array.of(0xff, 0xfe), 'is not valid UTF-8'],
    ['too much', `${SHORTEST}#${'x'.repeat(262_144)}`, 'is larger than 262144 bytes'],
  ])('is refused with %s, in one line that names the file', async (_, text, words) => {
    const error = await table(text).catch((refused: unknown) => refused)
    expect(error).toMatchObject({ code: 'USAGE' })
    const { message } = error as Error
    expect(message).toContain(`cannot use the retention table ${file}: `)
    expect(message).toContain(words)
    expect(message).not.toMatch(/\n|:$/)
  })

  it('is refused when it is not there, or is a directory', async () => {
    await expect(readRetentionFile(join(directory, 'none'))).rejects.toMatchObject({
      code: 'USAGE',
      message: expect.stringContaining('ENOENT'),
    })
    await expect(readRetentionFile(directory)).rejects.toMatchObject({
      code: 'USAGE',
      message: expect.stringContaining('EISDIR'),
    })
  })
})

describe('rules for secrets', () => {
  it('are those of this program when no file is named', async () => {
    expect(await readSecretRulesFile(undefined)).toBe(DEFAULT_SECRET_RULES)
  })

  it('add to those of this program, and switch them off', async () => {
    await writeFile(
      file,
      `version: cairn-secret-rules/v1
actions: { iban: off, card-number: refuse }
rules:
  - { name: acme-key, pattern: 'acme_(live|test)_[A-Za-z0-9]{32}', check: entropy, action: mask }
`,
    )
    const { rules } = await readSecretRulesFile(file)
    const action = (rule: string) => rules.find(({ name }) => name === rule)?.action
    expect(['acme-key', 'iban', 'card-number', 'jwt'].map(action)).toEqual([
      'mask',
      undefined,
      'refuse',
      'mask',
    ])
  })

  it('are refused with the file and the place', async () => {
    await writeFile(
      file,
      'version: cairn-secret-rules/v1\nrules: [{ name: a, pattern: "(", action: mask }]\n',
    )
    await expect(readSecretRulesFile(file)).rejects.toMatchObject({
      code: 'USAGE',
      message: expect.stringMatching(
        /^cannot use the secret rules \/.*\/document: \/rules\/0\/pattern: /,
      ),
    })
  })
})

/** A few lines that stand for 10^5 values. */
function bomb(): string {
  const names = ['a', 'b', 'c', 'd', 'e']
  return names
    .map((name, i) => {
      const inner = i === 0 ? '1' : `*${names[i - 1]}`
      return `${name}: &${name} [${new Array(10).fill(inner).join()}]\n`
    })
    .join('')
}
