import { randomBytes } from 'node:crypto'
import { copyFile, mkdir, readFile, writeFile } from 'node:fs/promises'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { recordLog } from '../support/evidence.ts'
import { checkpointAt } from '../support/example-log.ts'
import { LEAST } from '../support/records.ts'
import { expectRefusal, type Fixture, startFixture } from './fixture.ts'
import { cairn, cairnProcess } from './run.ts'

let log: Fixture
beforeAll(async () => {
  log = await startFixture()
})
afterAll(() => log.close())

describe('cairn verify', () => {
  const receipt = () => log.at('receipts', '7.tlog-proof')

  it('shows its checks', async () => {
    const run = await cairn(['verify', receipt(), '--vkey', log.vkey])
    expect(run.code).toBe(0)
    expect(run.stdout).toContain('leaf 7 of cli.example/log')
    expect(run.stdout).toContain('  ✓  inclusion')
    for (const line of run.stdout.split('\n').slice(1)) expect(line.length).toBeLessThanOrEqual(80)
  })

  it('prints JSON when told to', async () => {
    const run = await cairn(['verify', receipt(), '--vkey', log.vkey, '--json'])
    expect(JSON.parse(run.stdout)).toEqual({
      file: receipt(),
      kind: 'tlog-proof',
      ok: true,
      finding:
        "the leaf is entry 7 of the 300 in cli.example/log's tree (the first is entry 0), which cli.example/log has signed",
      origin: 'cli.example/log',
      index: 7,
      size: 300,
      root: expect.stringMatching(/^[0-9a-f]{64}$/),
      checks: expect.arrayContaining([
        { name: 'inclusion', status: 'held', detail: expect.any(String) },
      ]),
    })
  })

  it.each(['key text', '@file', 'file'])('takes the key as %s', async (form) => {
    const text = (await readFile(log.vkey, 'utf8')).split('\n')[0]!
    const value = form === 'file' ? log.vkey : form === '@file' ? `@${log.vkey}` : text
    expect((await cairn(['verify', receipt(), '--vkey', value])).code).toBe(0)
  })

  it('fails with exit code 1 for another leaf', async () => {
    const run = await cairn([
      'verify',
      receipt(),
      '--leaf',
      log.at('receipts', '8.leaf'),
      '--vkey',
      log.vkey,
    ])
    expect(run).toMatchObject({ code: 1, stderr: '' })
    expect(run.stdout).toContain('  ✗  inclusion')
    expect(run.stdout).toContain('NOT VERIFIED')
  })

  it('fails with exit code 1 for another log', async () => {
    const key = 'example.com/log/testdata+33d7b496+AeHTu4Q3hEIMHNqc6fASMsq3rKNx280NI+oO5xCFkkSx'
    const run = await cairn(['verify', receipt(), '--vkey', key])
    expect(run.code).toBe(1)
    expect(run.stdout).toContain('  ✗  log signature')
  })

  it.each(['', '{}', '\x00\xff garbage', 'c2sp.org/tlog-proof@v1\nindex 1\n'])(
    'fails with exit code 1 for a receipt of %j',
    async (content) => {
      await writeFile(log.at('bad.tlog-proof'), content, 'latin1')
      const leaf = log.at('receipts', '7.leaf')
      const run = await cairn([
        'verify',
        log.at('bad.tlog-proof'),
        '--leaf',
        leaf,
        '--vkey',
        log.vkey,
      ])
      expect(run).toMatchObject({ code: 1, stderr: '' })
    },
  )

  it('verifies a folder, and shows what fails in it', async () => {
    const good = await cairn(['verify', log.at('receipts'), '--vkey', log.vkey])
    expect(good).toMatchObject({
      code: 0,
      stdout: 'verified: 300 receipts under 1 head\n',
      stderr: '',
    })
    await mkdir(log.at('mixed'))
    for (const name of ['1.leaf', '1.tlog-proof', '2.tlog-proof']) {
      await copyFile(log.at('receipts', name), log.at('mixed', name))
    }
    await writeFile(log.at('mixed', '2.leaf'), 'changed')
    const bad = await cairn(['verify', log.at('mixed'), '--vkey', log.vkey])
    expect(bad.code).toBe(1)
    expect(bad.stdout).toContain('NOT VERIFIED: 1 of 2 receipts failed')
    expect(bad.stdout).toContain('2.tlog-proof')
    const json = JSON.parse(
      (await cairn(['verify', log.at('mixed'), '--vkey', log.vkey, '--json'])).stdout,
    )
    expect(json).toMatchObject({ ok: false, receipts: 2, verified: 1, failed: 1 })
    expect(json.failures).toHaveLength(1)
  })

  it('verifies a bare checkpoint', async () => {
    await writeFile(
      log.at('checkpoint'),
      Buffer.from(await (await fetch(`${log.url}/checkpoint`)).arrayBuffer()),
    )
    const run = await cairn(['verify', log.at('checkpoint'), '--vkey', log.vkey])
    expect(run.code).toBe(0)
    expect(run.stdout).toContain('checkpoint of cli.example/log')
    const text = await readFile(log.at('checkpoint'), 'utf8')
    await writeFile(log.at('checkpoint'), text.replace(/\n\d+\n/, '\n9999\n'))
    expect((await cairn(['verify', log.at('checkpoint'), '--vkey', log.vkey])).code).toBe(1)
  })

  it('needs no network', async () => {
    // A module that throws at the first socket.
    const trap = log.at('no-network.cjs')
    const throwing = "() => { throw new Error('a socket was opened') }"
    await writeFile(
      trap,
      `require('node:net').Socket.prototype.connect = globalThis.fetch = ${throwing}`,
    )
    const env = { NODE_OPTIONS: `--require ${trap}` }
    const verify = ['verify', log.at('receipts'), '--vkey', log.vkey]
    expect((await cairnProcess(verify, { env })).code).toBe(0)
    const control = await cairnProcess(['receipt', '5', '--url', log.url], { env })
    expect(control.stderr).toContain('a socket was opened')
  })

  it.each([
    ['no key', [], /whose log is it/],
    ['a key that is none', ['--vkey', 'nope'], /neither a vkey nor an existing file/],
    ['a damaged key', ['--vkey', 'a.example+00000000+AeHTu4Q3'], /a.example/],
    ['a policy that is not there', ['--policy', '/nowhere'], /nowhere/],
  ])('refuses %s', async (_, args, message) => {
    expectRefusal(await cairn(['verify', receipt(), ...args]), message)
  })

  it('refuses garbage as a policy or a file of keys', async () => {
    await writeFile(log.at('garbage'), randomBytes(500))
    expectRefusal(await cairn(['verify', receipt(), '--policy', log.at('garbage')]), /garbage/)
    expectRefusal(await cairn(['verify', receipt(), '--vkey', log.at('garbage')]), /garbage/)
    await writeFile(log.at('empty'), '')
    expectRefusal(await cairn(['verify', receipt(), '--vkey', log.at('empty')]), /no vkey/)
    expectRefusal(await cairn(['verify', log.data, '--vkey', log.vkey]), /no receipts/)
  })

  it('says where it looked for the leaf', async () => {
    await copyFile(receipt(), log.at('alone.tlog-proof'))
    const run = await cairn(['verify', log.at('alone.tlog-proof'), '--vkey', log.vkey])
    expectRefusal(run, /--leaf.*alone\.leaf/)
  })

  it('knows a record, and asks for its receipt', async () => {
    await writeFile(log.at('record.json'), recordLog([LEAST]).leaves[0]!)
    const run = await cairn(['verify', log.at('record.json'), '--vkey', log.vkey])
    expectRefusal(run, /is an audit record, which proves nothing alone: verify its receipt/)
  })

  it('takes a leaf for receipts only', async () => {
    await writeFile(log.at('head.checkpoint'), checkpointAt(3))
    const leaf = ['--leaf', log.at('receipts', '7.leaf')]
    const run = await cairn(['verify', log.at('head.checkpoint'), '--vkey', log.vkey, ...leaf])
    expectRefusal(run, /--leaf goes with a receipt, not with a checkpoint/)
  })
})
