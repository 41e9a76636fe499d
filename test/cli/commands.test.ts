import { randomBytes } from 'node:crypto'
import { existsSync } from 'node:fs'
import { copyFile, mkdir, mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { cairn, type Run, type Served, served } from './run.ts'

const COMMANDS = ['serve', 'append', 'receipt', 'verify', 'audit', 'key', 'fsck', 'demo']

let folder: string
let data: string
let vkey: string
let server: Served
let url: string

const at = (...parts: string[]): string => join(folder, ...parts)
const client = () => ['--url', url, '--token-file', join(data, 'admin.token')]

/** Refused in one line on standard error, with nothing on standard output. */
function expectRefusal(run: Run, message: RegExp): void {
  // A server tells what it has done by then, a JSON object a line.
  expect(run.stderr).toMatch(/^(\{.*\}\n)*cairn: .*\n$/)
  expect(run.stderr).toMatch(message)
  expect(run.stderr).not.toMatch(/\n {4}at /)
  expect(run.stdout).toBe('')
  expect(run.code).toBe(2)
}

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'cairn-cli-'))
  data = at('data')
  vkey = join(data, 'log.vkey')
  server = await served(['--data', data, '--origin', 'cli.example/log'])
  url = server.url
  const lines = Array.from({ length: 300 }, (_, i) => `{"record":${i}}\n`)
  await writeFile(at('records.ndjson'), lines.join(''))
  const run = await cairn([
    'append',
    at('records.ndjson'),
    '--lines',
    ...client(),
    '--receipts',
    at('receipts'),
  ])
  expect(run).toMatchObject({ code: 0, stderr: '' })
  expect(run.stdout).toContain('300 leaves in cli.example/log, indices 0 to 299')
})
afterAll(async () => {
  await server.stop()
  await rm(folder, { recursive: true, force: true })
})

describe('cairn', () => {
  it('shows its help, quickly', async () => {
    const run = await cairn(['--help'])
    expect(run.code).toBe(0)
    for (const command of COMMANDS) expect(run.stdout).toMatch(new RegExp(`^ {2}${command} `, 'm'))
    expect(run.stdout).toContain('Examples:')
  })

  it('has a version', async () => {
    expect((await cairn(['--version'])).stdout).toMatch(/^\d+\.\d+\.\d+\n$/)
  })

  it.each(COMMANDS)('explains %s with an example', async (command) => {
    const run = await cairn([command, '--help'])
    expect(run.code).toBe(0)
    expect(run.stdout).toMatch(new RegExp(`Examples?:\\n +\\$ .*cairn ${command}`))
  })

  it.each(COMMANDS.filter((command) => command !== 'key'))('has --json for %s', async (command) => {
    expect((await cairn([command, '--help'])).stdout).toContain('--json')
  })

  it.each(COMMANDS)('refuses a flag that %s does not have', async (command) => {
    const args = command === 'key' ? ['key', 'show', '--data', 'x'] : [command]
    expectRefusal(await cairn([...args, '--nonsense']), /unknown option '--nonsense'/)
  })

  it('suggests the command that was meant', async () => {
    expectRefusal(await cairn(['audti']), /unknown command 'audti'.*Did you mean audit/)
  })

  it('shows its help and fails when no command is given', async () => {
    expect((await cairn([])).code).toBe(2)
    expect((await cairn(['key'])).code).toBe(2)
  })

  it('says nothing about its insides unless asked to', async () => {
    const args = ['verify', at('nowhere'), '--vkey', vkey]
    expectRefusal(await cairn(args), /nowhere: no such file or directory/)
    const debug = await cairn(args, { env: { CAIRN_DEBUG: '1' } })
    expect(debug.code).toBe(2)
    expect(debug.stderr).toMatch(/\n {4}at /)
  })

  it('colours only where that is wanted', async () => {
    const args = ['verify', at('receipts', '7.tlog-proof'), '--vkey', vkey]
    const red = '\x1b['
    expect((await cairn(args)).stdout).not.toContain(red)
    expect((await cairn(args, { env: { FORCE_COLOR: '1' } })).stdout).toContain(red)
    expect((await cairn(args, { env: { NO_COLOR: '1' } })).stdout).not.toContain(red)
  })
})

describe('cairn serve', () => {
  it('says where everything is', () => {
    expect(server.stdout()).toContain(vkey)
    expect(server.stdout()).toContain(join(data, 'admin.token'))
    expect(server.stdout()).toContain('cli.example/log')
  })

  it('uses a folder beside it when none is named, and says so', async () => {
    const here = at('here')
    await mkdir(here)
    const started = await served([], { cwd: here })
    expect(started.stderr()).toContain('no --data was given: using ./cairn-data')
    expect(existsSync(join(here, 'cairn-data', 'log.vkey'))).toBe(true)
    expect(await started.stop('SIGINT')).toBe(0)
  })

  it('prints JSON when told to', async () => {
    const started = await served(['--data', at('json'), '--json', '--open'])
    expect(JSON.parse(started.stdout())).toEqual({
      url: started.url,
      origin: expect.any(String),
      size: 0,
      vkey_file: at('json', 'log.vkey'),
      token_file: at('json', 'admin.token'),
      open: true,
    })
    const open = await cairn(['append', at('records.ndjson'), '--url', started.url])
    expect(open.code).toBe(0)
    expect(await started.stop()).toBe(0)
  })

  it('takes settings from the environment and a file, flags first', async () => {
    await writeFile(at('cairn.yaml'), 'origin: from.file/log\nhost: 127.0.0.1\n')
    const started = await served(['--config', at('cairn.yaml')], {
      env: { CAIRN_DATA: at('env'), CAIRN_PORT: '1' },
    })
    expect(started.stdout()).toContain('from.file/log')
    expect(existsSync(at('env', 'log.vkey'))).toBe(true)
    await started.stop()
  })

  it('refuses a data directory that is in use', async () => {
    expectRefusal(
      await cairn(['serve', '--data', data, '--port', '0']),
      /in use by another process/,
    )
  })

  it('refuses a port that is taken', async () => {
    const { port } = new URL(url)
    expectRefusal(await cairn(['serve', '--data', at('other'), '--port', port]), /listens there/)
  })

  it.each([
    ['a port that is none', ['--port', 'x']],
    ['a folder that is not its own', ['--data', '/etc', '--port', '0']],
    ['a configuration that is not there', ['--config', '/nowhere.yaml']],
    ['a policy, which it cannot keep to yet', ['--policy', 'policy.txt']],
    ['an argument', ['data']],
  ])('refuses %s', async (_, args) => {
    expectRefusal(await cairn(['serve', ...args]), /./)
  })
})

describe('cairn append', () => {
  it('keeps each leaf with its receipt', async () => {
    expect(await readdir(at('receipts'))).toHaveLength(600)
    expect(await readFile(at('receipts', '7.leaf'), 'utf8')).toBe('{"record":7}')
    expect(await readFile(at('receipts', '7.tlog-proof'), 'utf8')).toMatch(
      /^c2sp.org\/tlog-proof@v1\nindex 7\n/,
    )
  })

  it('finds leaves that are there, and says so', async () => {
    const run = await cairn(['append', at('records.ndjson'), '--lines', ...client()])
    expect(run.stdout).toContain('300 of them there before')
    const json = await cairn(['append', at('records.ndjson'), '--lines', '--json', ...client()])
    expect(JSON.parse(json.stdout)).toEqual({
      leaves: 300,
      duplicates: 300,
      first_index: 0,
      last_index: 299,
      indices: Array.from({ length: 300 }, (_, i) => i),
    })
  })

  it('takes a whole file as one leaf', async () => {
    const run = await cairn(['append', at('cairn-one'), ...client()])
    expectRefusal(run, /no such file/)
    await writeFile(at('one'), 'two\nlines\n')
    const args = ['append', at('one'), ...client(), '--json', '--receipts', at('one-receipt')]
    const { leaves, first_index: index } = JSON.parse((await cairn(args)).stdout)
    expect(leaves).toBe(1)
    expect(await readFile(at('one-receipt', `${index}.leaf`), 'utf8')).toBe('two\nlines\n')
  })

  it('reads standard input, and the environment', async () => {
    const token = (await readFile(join(data, 'admin.token'), 'utf8')).trim()
    const env = { CAIRN_URL: url, CAIRN_TOKEN: token }
    const run = await cairn(['append', '-', '--lines', '--json'], { env, input: 'a\nb' })
    expect(JSON.parse(run.stdout)).toMatchObject({ leaves: 2, duplicates: 0 })
  })

  it('refuses empty lines by number, or leaves them out', async () => {
    const args = ['append', '-', '--lines', ...client()]
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
    expectRefusal(await cairn(['append', ...args, ...client()], { input }), message)
  })

  it('says when it may not', async () => {
    expectRefusal(await cairn(['append', '-', '--url', url], { input: 'x' }), /Authorization/)
    const wrong = ['append', '-', '--url', url, '--token', 'nope']
    expectRefusal(await cairn(wrong, { input: 'x' }), /not one of this log/)
  })

  it('refuses an address that is none', async () => {
    expectRefusal(await cairn(['append', '-', '--url', 'nope'], { input: 'x' }), /not the address/)
  })
})

describe('cairn receipt', () => {
  it.each(['tlog-proof', 'json', 'cose'])('fetches a %s that verifies', async (format) => {
    const file = at(`r.${format}`)
    const run = await cairn(['receipt', '5', '--format', format, '--out', file, '--url', url])
    expect(run).toEqual({ code: 0, stdout: '', stderr: '' })
    const leaf = at('receipts', '5.leaf')
    const verified = await cairn(['verify', file, '--leaf', leaf, '--vkey', vkey])
    expect(verified).toMatchObject({ code: 0, stderr: '' })
    expect(verified.stdout).toMatch(/\nverified\n$/)
  })

  it('writes to standard output', async () => {
    const run = await cairn(['receipt', '5', '--url', url])
    expect(run.stdout).toMatch(/^c2sp.org\/tlog-proof@v1\nindex 5\n/)
  })

  it('prints JSON when told to', async () => {
    const run = await cairn(['receipt', '5', '--json', '--url', url])
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
    expectRefusal(await cairn(['receipt', '--url', url, ...args]), message)
  })
})

describe('cairn verify', () => {
  const receipt = () => at('receipts', '7.tlog-proof')

  it('shows its checks', async () => {
    const run = await cairn(['verify', receipt(), '--vkey', vkey])
    expect(run.code).toBe(0)
    expect(run.stdout).toContain('leaf 7 of cli.example/log')
    expect(run.stdout).toContain('  ✓  inclusion')
    for (const line of run.stdout.split('\n').slice(1)) expect(line.length).toBeLessThanOrEqual(80)
  })

  it('prints JSON when told to', async () => {
    const run = await cairn(['verify', receipt(), '--vkey', vkey, '--json'])
    expect(JSON.parse(run.stdout)).toEqual({
      file: receipt(),
      kind: 'tlog-proof',
      ok: true,
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
    const text = (await readFile(vkey, 'utf8')).split('\n')[0]!
    const value = form === 'file' ? vkey : form === '@file' ? `@${vkey}` : text
    expect((await cairn(['verify', receipt(), '--vkey', value])).code).toBe(0)
  })

  it('fails with exit code 1 for another leaf', async () => {
    const run = await cairn([
      'verify',
      receipt(),
      '--leaf',
      at('receipts', '8.leaf'),
      '--vkey',
      vkey,
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
      await writeFile(at('bad.tlog-proof'), content, 'latin1')
      const leaf = at('receipts', '7.leaf')
      const run = await cairn(['verify', at('bad.tlog-proof'), '--leaf', leaf, '--vkey', vkey])
      expect(run).toMatchObject({ code: 1, stderr: '' })
    },
  )

  it('verifies a folder, and shows what fails in it', async () => {
    const good = await cairn(['verify', at('receipts'), '--vkey', vkey])
    expect(good).toMatchObject({
      code: 0,
      stdout: 'verified: 300 receipts under 1 head\n',
      stderr: '',
    })
    await mkdir(at('mixed'))
    for (const name of ['1.leaf', '1.tlog-proof', '2.tlog-proof']) {
      await copyFile(at('receipts', name), at('mixed', name))
    }
    await writeFile(at('mixed', '2.leaf'), 'changed')
    const bad = await cairn(['verify', at('mixed'), '--vkey', vkey])
    expect(bad.code).toBe(1)
    expect(bad.stdout).toContain('NOT VERIFIED: 1 of 2 receipts failed')
    expect(bad.stdout).toContain('2.tlog-proof')
    const json = JSON.parse((await cairn(['verify', at('mixed'), '--vkey', vkey, '--json'])).stdout)
    expect(json).toMatchObject({ ok: false, receipts: 2, verified: 1, failed: 1 })
    expect(json.failures).toHaveLength(1)
  })

  it('verifies a bare checkpoint', async () => {
    await writeFile(
      at('checkpoint'),
      Buffer.from(await (await fetch(`${url}/checkpoint`)).arrayBuffer()),
    )
    const run = await cairn(['verify', at('checkpoint'), '--vkey', vkey])
    expect(run.code).toBe(0)
    expect(run.stdout).toContain('checkpoint of cli.example/log')
    const text = await readFile(at('checkpoint'), 'utf8')
    await writeFile(at('checkpoint'), text.replace(/\n\d+\n/, '\n9999\n'))
    expect((await cairn(['verify', at('checkpoint'), '--vkey', vkey])).code).toBe(1)
  })

  it('needs no network', async () => {
    // A module that throws at the first socket.
    const trap = at('no-network.cjs')
    const throwing = "() => { throw new Error('a socket was opened') }"
    await writeFile(
      trap,
      `require('node:net').Socket.prototype.connect = globalThis.fetch = ${throwing}`,
    )
    const env = { NODE_OPTIONS: `--require ${trap}` }
    expect((await cairn(['verify', at('receipts'), '--vkey', vkey], { env })).code).toBe(0)
    const control = await cairn(['receipt', '5', '--url', url], { env })
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
    await writeFile(at('garbage'), randomBytes(500))
    expectRefusal(await cairn(['verify', receipt(), '--policy', at('garbage')]), /garbage/)
    expectRefusal(await cairn(['verify', receipt(), '--vkey', at('garbage')]), /garbage/)
    await writeFile(at('empty'), '')
    expectRefusal(await cairn(['verify', receipt(), '--vkey', at('empty')]), /no vkey/)
    expectRefusal(await cairn(['verify', data, '--vkey', vkey]), /no receipts/)
  })

  it('says where it looked for the leaf', async () => {
    await copyFile(receipt(), at('alone.tlog-proof'))
    const run = await cairn(['verify', at('alone.tlog-proof'), '--vkey', vkey])
    expectRefusal(run, /--leaf.*alone\.leaf/)
  })
})

describe('cairn audit', () => {
  it('audits a running log, and remembers its head', async () => {
    const state = at('state')
    const first = await cairn(['audit', url, '--vkey', vkey, '--state', state])
    expect(first).toMatchObject({ code: 0, stderr: '' })
    expect(first.stdout).toContain('–  history')
    const again = await cairn(['audit', url, '--vkey', vkey, '--state', state, '--json'])
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
    const run = await cairn(['audit', data])
    expect(run.code).toBe(2)
    expect(run.stderr).toContain('in use by another process')
  })

  it('fails with exit code 1 when the log has lost leaves, and keeps the evidence', async () => {
    const fork = at('fork')
    await copyKeys(fork)
    const started = await served(['--data', fork, '--origin', 'cli.example/log'])
    const run = await cairn(['audit', started.url, '--vkey', vkey, '--state', at('state')])
    await started.stop()
    expect(run.code).toBe(1)
    expect(run.stdout).toContain('rolled back')
    expect(run.stdout).toContain('AUDIT FAILED')
    expect(existsSync(at('state.conflict'))).toBe(true)
  })

  /** A second data directory with the keys of the first, as a dishonest operator might have. */
  async function copyKeys(to: string): Promise<void> {
    await mkdir(join(to, 'keys'), { recursive: true })
    await mkdir(join(to, 'store'))
    await copyFile(join(data, 'format'), join(to, 'format'))
    await copyFile(join(data, 'keys', 'log.key'), join(to, 'keys', 'log.key'))
  }

  it.each([
    ['no key', ['http://127.0.0.1:9'], /whose log is it/],
    ['a folder that is no log', ['/etc', '--vkey', 'KEY'], /neither a data directory/],
    ['a folder that is not there', ['/nowhere', '--vkey', 'KEY'], /nor an existing folder/],
  ])('refuses %s', async (_, args, message) => {
    const named = args.map((arg) => (arg === 'KEY' ? vkey : arg))
    expectRefusal(await cairn(['audit', ...named]), message)
  })

  it('refuses a saved head that is none', async () => {
    await writeFile(at('bad-state'), randomBytes(100))
    const run = await cairn(['audit', url, '--vkey', vkey, '--state', at('bad-state')])
    expectRefusal(run, /./)
  })
})

describe('a stopped log', () => {
  const place = () => at('stopped')

  beforeAll(async () => {
    const started = await served(['--data', place(), '--origin', 'stopped.example/log'])
    const token = join(place(), 'admin.token')
    const args = ['append', at('records.ndjson'), '--lines', '--url', started.url]
    expect((await cairn([...args, '--token-file', token])).code).toBe(0)
    expect(await started.stop()).toBe(0)
  })

  it('is audited in place, with its own keys', async () => {
    const run = await cairn(['audit', place()])
    expect(run.code).toBe(0)
    expect(run.stderr).toContain("using the log's own keys")
    expect(run.stdout).toContain('stopped.example/log, 300 leaves')
  })

  it('passes fsck', async () => {
    const run = await cairn(['fsck', place()])
    expect(run).toMatchObject({ code: 0, stderr: '' })
    expect(run.stdout).toContain('nothing wrong: 300 entries')
    expect(JSON.parse((await cairn(['fsck', place(), '--json'])).stdout)).toEqual({
      folder: place(),
      ok: true,
      size: 300,
      bytes: expect.any(Number),
      findings: [],
    })
  })

  it('fails fsck when a signature is not by its key', async () => {
    const mine = await readFile(join(place(), 'log.vkey'), 'utf8')
    await writeFile(join(place(), 'log.vkey'), await readFile(vkey, 'utf8'))
    const run = await cairn(['fsck', place()])
    await writeFile(join(place(), 'log.vkey'), mine)
    expect(run.code).toBe(1)
    expect(run.stdout).toContain('✗ checkpoint of the head')
  })

  it.each([
    ['a folder that is not there', '/nowhere'],
    ['a folder that is no log', '/etc'],
  ])('is not %s', async (_, path) => {
    expectRefusal(await cairn(['fsck', path]), new RegExp(path))
    expectRefusal(await cairn(['key', 'show', '--data', path]), new RegExp(path))
  })

  it('shows its keys', async () => {
    const run = await cairn(['key', 'show', '--data', place()])
    expect(run.code).toBe(0)
    expect(run.stdout).toBe(await readFile(join(place(), 'log.vkey'), 'utf8'))
  })

  it('has its keys encrypted and decrypted', async () => {
    const env = { CAIRN_PASSPHRASE: 'correct horse' }
    const args = ['--data', place(), '--json']
    expectRefusal(await cairn(['key', 'encrypt', '--data', place()]), /passphrase/)
    const encrypted = JSON.parse((await cairn(['key', 'encrypt', ...args], { env })).stdout)
    expect(encrypted).toMatchObject({ origin: 'stopped.example/log', encrypted: true })
    expect(await readdir(join(place(), 'keys'))).not.toContain('log.key')
    expect(JSON.parse((await cairn(['key', 'show', ...args])).stdout)).toEqual(encrypted)
    const wrong = { CAIRN_PASSPHRASE: 'wrong' }
    expectRefusal(await cairn(['key', 'decrypt', '--data', place()], { env: wrong }), /passphrase/)
    const decrypted = JSON.parse((await cairn(['key', 'decrypt', ...args], { env })).stdout)
    expect(decrypted).toMatchObject({ encrypted: false, vkeys: encrypted.vkeys })
    expect((await cairn(['fsck', place()])).code).toBe(0)
  })

  it('does not get other keys', async () => {
    expectRefusal(await cairn(['key', 'generate', '--data', place()]), /never replaced/)
  })

  it('can have its keys before it starts', async () => {
    const args = ['key', 'generate', '--data', at('new'), '--origin', 'new.example/log', '--json']
    const { vkeys } = JSON.parse((await cairn(args)).stdout)
    const started = await served(['--data', at('new')])
    expect(started.stdout()).toContain('new.example/log')
    await started.stop()
    expect(await readFile(at('new', 'log.vkey'), 'utf8')).toBe(`${vkeys.join('\n')}\n`)
  })
})

describe('cairn demo', () => {
  it('goes through, and leaves nothing behind', async () => {
    const temporary = at('tmp')
    await mkdir(temporary)
    const run = await cairn(['demo'], { env: { TMPDIR: temporary } })
    expect(run).toMatchObject({ code: 0, stderr: '' })
    expect(run.stdout).toContain('200 of 200 receipts hold')
    expect(run.stdout.match(/✓ found out/g)).toHaveLength(3)
    for (const line of run.stdout.split('\n')) expect(line.length, line).toBeLessThanOrEqual(80)
    expect(await readdir(temporary)).toEqual([])
  })

  it('keeps its log when told to', async () => {
    const run = await cairn(['demo', '--keep', at('demo'), '--json'])
    const { ok, steps, kept } = JSON.parse(run.stdout)
    expect({ ok, kept }).toEqual({ ok: true, kept: at('demo') })
    expect(steps.every((step: { ok: boolean }) => step.ok)).toBe(true)
    expect((await cairn(['audit', at('demo', 'data')])).code).toBe(0)
    expectRefusal(await cairn(['demo', '--keep', at('demo')]), /name a new folder/)
  })
})
