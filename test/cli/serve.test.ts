import { existsSync } from 'node:fs'
import { mkdir, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { expectRefusal, type Fixture, startFixture } from './fixture.ts'
import { cairn, served } from './run.ts'

let log: Fixture
beforeAll(async () => {
  log = await startFixture()
})
afterAll(() => log.close())

describe('cairn serve', () => {
  it('says where everything is, and stops when it is told to', async () => {
    const data = log.at('said')
    const started = await served(['--data', data, '--origin', 'said.example/log'])
    expect(started.stdout()).toContain('said.example/log (0 leaves)')
    expect(started.stdout()).toContain(join(data, 'log.vkey'))
    expect(started.stdout()).toContain(join(data, 'admin.token'))
    expect(await started.stop('SIGTERM')).toBe(0)
  })

  it('uses a folder beside it when none is named, and says so', async () => {
    const here = log.at('here')
    await mkdir(here)
    const started = await served([], { cwd: here })
    expect(started.stderr()).toContain('no --data was given: using ./cairn-data')
    expect(existsSync(join(here, 'cairn-data', 'log.vkey'))).toBe(true)
    expect(await started.stop('SIGINT')).toBe(0)
  })

  it('prints JSON when told to', async () => {
    const started = await served(['--data', log.at('json'), '--json', '--open'])
    expect(JSON.parse(started.stdout())).toEqual({
      url: started.url,
      origin: expect.any(String),
      size: 0,
      vkey_file: log.at('json', 'log.vkey'),
      token_file: log.at('json', 'admin.token'),
      open: true,
    })
    const open = await cairn(['append', log.at('records.ndjson'), '--url', started.url])
    expect(open.code).toBe(0)
    expect(await started.stop()).toBe(0)
  })

  it('takes settings from the environment and a file, flags first', async () => {
    await writeFile(log.at('cairn.yaml'), 'origin: from.file/log\nhost: 127.0.0.1\n')
    const started = await served(['--config', log.at('cairn.yaml')], {
      env: { CAIRN_DATA: log.at('env'), CAIRN_PORT: '1' },
    })
    expect(started.stdout()).toContain('from.file/log')
    expect(existsSync(log.at('env', 'log.vkey'))).toBe(true)
    await started.stop()
  })

  it('refuses a data directory that is in use', async () => {
    expectRefusal(
      await cairn(['serve', '--data', log.data, '--port', '0']),
      /in use by another process/,
    )
  })

  it('refuses a port that is taken', async () => {
    const { port } = new URL(log.url)
    expectRefusal(
      await cairn(['serve', '--data', log.at('other'), '--port', port]),
      /listens there/,
    )
  })

  it.each([
    ['a port that is none', ['--port', 'x']],
    ['a folder that is not its own', ['--data', '/etc', '--port', '0']],
    ['a configuration that is not there', ['--config', '/nowhere.yaml']],
    ['a policy that is not there', ['--data', '/nowhere', '--policy', '/no/policy']],
    ['an argument', ['data']],
  ])('refuses %s', async (_, args) => {
    expectRefusal(await cairn(['serve', ...args]), /./)
  })
})
