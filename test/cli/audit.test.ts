import { randomBytes } from 'node:crypto'
import { existsSync } from 'node:fs'
import { copyFile, mkdir, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { expectRefusal, type Fixture, startFixture } from './fixture.ts'
import { cairn, served } from './run.ts'

let log: Fixture
beforeAll(async () => {
  log = await startFixture()
})
afterAll(() => log.close())

describe('cairn audit', () => {
  it('audits a running log, and remembers its head', async () => {
    const state = log.at('state')
    const first = await cairn(['audit', log.url, '--vkey', log.vkey, '--state', state])
    expect(first).toMatchObject({ code: 0, stderr: '' })
    expect(first.stdout).toContain('–  history')
    const again = await cairn(['audit', log.url, '--vkey', log.vkey, '--state', state, '--json'])
    const { ok, origin, faults, fault_count: count, checks } = JSON.parse(again.stdout)
    expect({ ok, origin, faults, count }).toEqual({
      ok: true,
      origin: 'cli.example/log',
      faults: [],
      count: 0,
    })
    expect(checks.at(-1)).toMatchObject({ name: 'history', status: 'held' })
  })

  it('refuses the data directory of a running log', async () => {
    const run = await cairn(['audit', log.data])
    expect(run.code).toBe(2)
    expect(run.stderr).toContain('in use by another process')
  })

  it('fails with exit code 1 when the log has lost leaves, and keeps the evidence', async () => {
    const fork = log.at('fork')
    await copyKeys(fork)
    const started = await served(['--data', fork, '--origin', 'cli.example/log'])
    const run = await cairn(['audit', started.url, '--vkey', log.vkey, '--state', log.at('state')])
    await started.stop()
    expect(run.code).toBe(1)
    expect(run.stdout).toContain('rolled back')
    expect(run.stdout).toContain('AUDIT FAILED')
    expect(existsSync(log.at('state.conflict'))).toBe(true)
  })

  it('proves a fork with one file, when the log has forked', async () => {
    const fork = log.at('another')
    await copyKeys(fork)
    const started = await served(['--data', fork, '--origin', 'cli.example/log', '--open'])
    const leaves = log.at('other-leaves')
    await writeFile(leaves, Array.from({ length: 300 }, (_, i) => `other ${i}\n`).join(''))
    expect((await cairn(['append', leaves, '--lines', '--url', started.url])).code).toBe(0)
    const args = ['--vkey', log.vkey, '--state', log.at('state')]
    await expect
      .poll(async () => (await cairn(['audit', started.url, ...args])).stdout, { timeout: 10_000 })
      .toContain('fork:')
    await started.stop()
    const run = await cairn(['verify', log.at('state.split-view'), '--vkey', log.vkey])
    expect(run).toMatchObject({ code: 0 })
    expect(run.stdout).toContain('confirmed: cli.example/log')
  })

  /** A second data directory with the keys of the first, as a dishonest operator might have. */
  async function copyKeys(to: string): Promise<void> {
    await mkdir(join(to, 'keys'), { recursive: true })
    await mkdir(join(to, 'store'))
    await copyFile(join(log.data, 'format'), join(to, 'format'))
    await copyFile(join(log.data, 'keys', 'log.key'), join(to, 'keys', 'log.key'))
  }

  it.each([
    ['no key', ['http://127.0.0.1:9'], /whose log is it/],
    ['a folder that is no log', ['/etc', '--vkey', 'KEY'], /neither a data directory/],
    ['a folder that is not there', ['/nowhere', '--vkey', 'KEY'], /nor an existing folder/],
  ])('refuses %s', async (_, args, message) => {
    const named = args.map((arg) => (arg === 'KEY' ? log.vkey : arg))
    expectRefusal(await cairn(['audit', ...named]), message)
  })

  it('refuses a saved head that is none', async () => {
    await writeFile(log.at('bad-state'), randomBytes(100))
    const run = await cairn(['audit', log.url, '--vkey', log.vkey, '--state', log.at('bad-state')])
    expectRefusal(run, /./)
  })
})
