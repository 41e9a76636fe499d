import { readdir, readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { expectRefusal, type Fixture, startFixture } from './fixture.ts'
import { cairn, interrupted } from './run.ts'

let log: Fixture
beforeAll(async () => {
  log = await startFixture()
})
afterAll(() => log.close())

describe('cairn append', () => {
  it('keeps each leaf with its receipt', async () => {
    expect(await readdir(log.at('receipts'))).toHaveLength(600)
    expect(await readFile(log.at('receipts', '7.leaf'), 'utf8')).toBe('{"record":7}')
    expect(await readFile(log.at('receipts', '7.tlog-proof'), 'utf8')).toMatch(
      /^c2sp.org\/tlog-proof@v1\nindex 7\n/,
    )
  })

  it('finds leaves that are there, and says so', async () => {
    const run = await cairn(['append', log.at('records.ndjson'), '--lines', ...log.reach])
    expect(run.stdout).toContain('300 of them there before')
    const json = await cairn([
      'append',
      log.at('records.ndjson'),
      '--lines',
      '--json',
      ...log.reach,
    ])
    expect(JSON.parse(json.stdout)).toEqual({
      leaves: 300,
      duplicates: 300,
      first_index: 0,
      last_index: 299,
      indices: Array.from({ length: 300 }, (_, i) => i),
    })
  })

  it('takes a whole file as one leaf', async () => {
    const run = await cairn(['append', log.at('cairn-one'), ...log.reach])
    expectRefusal(run, /no such file/)
    await writeFile(log.at('one'), 'two\nlines\n')
    const args = [
      'append',
      log.at('one'),
      ...log.reach,
      '--json',
      '--receipts',
      log.at('one-receipt'),
    ]
    const { leaves, first_index: index } = JSON.parse((await cairn(args)).stdout)
    expect(leaves).toBe(1)
    expect(await readFile(log.at('one-receipt', `${index}.leaf`), 'utf8')).toBe('two\nlines\n')
  })

  it('reads standard input, and the environment', async () => {
    const token = (await readFile(join(log.data, 'admin.token'), 'utf8')).trim()
    const env = { CAIRN_URL: log.url, CAIRN_TOKEN: token }
    const run = await cairn(['append', '-', '--lines', '--json'], { env, input: 'a\nb' })
    expect(JSON.parse(run.stdout)).toMatchObject({ leaves: 2, duplicates: 0 })
  })

  it('stops at once when it is interrupted while it waits for input', async () => {
    const { code, stderr } = await interrupted(['append', '-', '--lines', ...log.reach])
    expect(stderr).toBe('cairn: interrupted before it was done\n')
    expect(code).toBe(2)
  })

  it('refuses empty lines by number, or leaves them out', async () => {
    const args = ['append', '-', '--lines', ...log.reach]
    expectRefusal(await cairn(args, { input: 'c\n\nd\n' }), /line 2 of standard input is empty/)
    const run = await cairn([...args, '--skip-empty'], { input: 'c\n\nd\n' })
    expect(run.stdout).toContain('2 leaves')
  })

  it.each([
    ['an empty input', ['-'], '', /is empty/],
    ['an input without a line', ['-', '--lines'], '', /has no leaf in it/],
    ['--skip-empty without --lines', ['-', '--skip-empty'], 'x', /goes with --lines/],
    ['a leaf that is too large', ['-'], 'x'.repeat(70_000), /larger than a leaf may be/],
  ])('refuses %s', async (_, args, input, message) => {
    expectRefusal(await cairn(['append', ...args, ...log.reach], { input }), message)
  })

  it('says when it may not', async () => {
    expectRefusal(await cairn(['append', '-', '--url', log.url], { input: 'x' }), /Authorization/)
    const wrong = ['append', '-', '--url', log.url, '--token', 'nope']
    expectRefusal(await cairn(wrong, { input: 'x' }), /not one that is known here/)
  })

  it('refuses an address that is none', async () => {
    expectRefusal(await cairn(['append', '-', '--url', 'nope'], { input: 'x' }), /not the address/)
  })
})

describe('cairn receipt', () => {
  it.each(['tlog-proof', 'json', 'cose'])('fetches a %s that verifies', async (format) => {
    const file = log.at(`r.${format}`)
    const run = await cairn(['receipt', '5', '--format', format, '--out', file, '--url', log.url])
    expect(run).toEqual({ code: 0, stdout: '', stderr: '' })
    const leaf = log.at('receipts', '5.leaf')
    const verified = await cairn(['verify', file, '--leaf', leaf, '--vkey', log.vkey])
    expect(verified).toMatchObject({ code: 0, stderr: '' })
    expect(verified.stdout).toMatch(/\nverified: /)
  })

  it('writes to standard output', async () => {
    const run = await cairn(['receipt', '5', '--url', log.url])
    expect(run.stdout).toMatch(/^c2sp.org\/tlog-proof@v1\nindex 5\n/)
  })

  it('prints JSON when told to', async () => {
    const run = await cairn(['receipt', '5', '--json', '--url', log.url])
    const { index, format, bytes, receipt } = JSON.parse(run.stdout)
    expect({ index, format }).toEqual({ index: 5, format: 'tlog-proof' })
    expect(Buffer.from(receipt, 'base64')).toHaveLength(bytes)
  })

  it.each([
    ['an index that is none', ['x'], /INDEX takes a number/],
    ['a negative index', ['--', '-1'], /INDEX takes a number/],
    ['a leaf that there is not', ['99999'], /./],
    ['a format that there is not', ['5', '--format', 'pdf'], /pdf/],
  ])('refuses %s', async (_, args, message) => {
    expectRefusal(await cairn(['receipt', '--url', log.url, ...args]), message)
  })
})
