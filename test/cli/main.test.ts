import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { expectRefusal, type Fixture, startFixture } from './fixture.ts'
import { cairn, cairnProcess } from './run.ts'

let log: Fixture
beforeAll(async () => {
  log = await startFixture()
})
afterAll(() => log.close())

const COMMANDS = ['serve', 'append', 'receipt', 'verify', 'audit', 'witness', 'key', 'fsck', 'demo']

describe('cairn', () => {
  it('shows its help, quickly', async () => {
    const run = await cairnProcess(['--help'])
    expect(run.code).toBe(0)
    for (const command of COMMANDS) expect(run.stdout).toMatch(new RegExp(`^ {2}${command} `, 'm'))
    expect(run.stdout).toContain('Examples:')
  })

  it('has a version', async () => {
    expect((await cairnProcess(['--version'])).stdout).toMatch(/^\d+\.\d+\.\d+\n$/)
  })

  it.each(COMMANDS)('explains %s with an example, and --json', async (command) => {
    const run = await cairn([command, '--help'])
    expect(run.code).toBe(0)
    expect(run.stdout).toMatch(new RegExp(`Examples?:\\n +\\$ .*cairn ${command}`))
    if (command !== 'key') expect(run.stdout).toContain('--json')
  })

  it.each(COMMANDS)('refuses a flag that %s does not have', async (command) => {
    const args = command === 'key' ? ['key', 'show', '--data', 'x'] : [command]
    expectRefusal(await cairn([...args, '--nonsense']), /unknown option '--nonsense'/)
  })

  it('suggests the command that was meant', async () => {
    expectRefusal(await cairnProcess(['audti']), /unknown command 'audti'.*Did you mean audit/)
  })

  it('shows its help and fails when no command is given', async () => {
    expect((await cairnProcess([])).code).toBe(2)
    expect((await cairn(['key'])).code).toBe(2)
  })

  it('says nothing about its insides unless asked to', async () => {
    const args = ['verify', log.at('nowhere'), '--vkey', log.vkey]
    expectRefusal(await cairnProcess(args), /nowhere: no such file or directory/)
    const debug = await cairnProcess(args, { env: { CAIRN_DEBUG: '1' } })
    expect(debug.code).toBe(2)
    expect(debug.stderr).toMatch(/\n {4}at /)
  })

  it('colours only where that is wanted', async () => {
    const args = ['verify', log.at('receipts', '7.tlog-proof'), '--vkey', log.vkey]
    const red = '\x1b['
    expect((await cairnProcess(args)).stdout).not.toContain(red)
    expect((await cairnProcess(args, { env: { FORCE_COLOR: '1' } })).stdout).toContain(red)
    expect((await cairnProcess(args, { env: { NO_COLOR: '1' } })).stdout).not.toContain(red)
  })
})
