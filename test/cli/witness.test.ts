/** `cairn witness` as people run it: what it prints, what it refuses, and the commands that talk to it. */
import { execFileSync } from 'node:child_process'
import { chmod, mkdir, mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest'
import { utf8 } from '../../src/bytes.ts'
import { originHash } from '../../src/client/witness-client.ts'
import { parsePolicy } from '../../src/formats/policy.ts'
import { formatVkey } from '../../src/formats/vkey.ts'
import { canMount } from '../storage/store-worker.ts'
import { WitnessedLog } from '../witness/witnessed-log.ts'
import { expectRefusal } from './fixture.ts'
import { cairn, type RunOptions, type Served, served } from './run.ts'

const LOG = new WitnessedLog('log.example/audit')
const FORK = new WitnessedLog('log.example/audit', 'other leaf')
const OTHER = new WitnessedLog('other.example')
const vkeysOf = (log: WitnessedLog) => [log.key, log.mlDsaKey].map(({ vkey }) => formatVkey(vkey))

let folder: string
const at = (...parts: string[]) => join(folder, ...parts)
const running: Served[] = []

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'cairn-cli-witness-'))
  await writeFile(at('log.vkey'), `${vkeysOf(LOG).join('\n')}\n`)
  await writeFile(at('other.vkey'), `${vkeysOf(OTHER)[0]}\n`)
})
afterEach(async () => {
  for (const one of running.splice(0)) await one.stop()
})
afterAll(() => rm(folder, { recursive: true, force: true }))

async function witness(args: readonly string[], options: RunOptions = {}): Promise<Served> {
  const started = await served(args, options, 'witness')
  running.push(started)
  return started
}
const add = (url: string, body: Uint8Array): Promise<Response> =>
  fetch(`${url}/add-checkpoint`, { method: 'POST', body: body as Uint8Array<ArrayBuffer> })

describe('cairn witness', () => {
  it('says where everything is and what to give away, and stops when it is told to', async () => {
    const data = at('said')
    const started = await witness(['--data', data, '--name', 'w.example', '--log', at('log.vkey')])
    const said = started.stdout()
    expect(said).toMatch(/^w\.example \(witness of 1 log\)\n/)
    for (const line of [
      `  address         ${started.url}`,
      `  data            ${data}`,
      `  access token    ${join(data, 'admin.token')}`,
      `  verifier keys   ${join(data, 'witness.vkey')}`,
      `  policy          ${join(data, 'witness.policy')}`,
    ]) {
      expect(said).toContain(`${line}\n`)
    }
    const vkeys = (await readFile(join(data, 'witness.vkey'), 'utf8')).trimEnd().split('\n')
    expect(vkeys).toHaveLength(2)
    for (const vkey of vkeys) expect(said).toContain(`\n                  ${vkey}\n`)
    // What is to be pasted, pasted.
    const pasted = said.slice(said.indexOf('\n# For the policy'), said.indexOf('\nstop it'))
    const policy = parsePolicy(utf8(pasted))
    expect(policy).toEqual(parsePolicy(await readFile(join(data, 'witness.policy'))))
    expect(policy.witnesses.map(({ key }) => formatVkey(key))).toEqual(vkeys)
    expect(policy.quorum).toBe('w.example')
    expect(await started.stop('SIGTERM')).toBe(0)
    expect(started.stderr()).toMatch(/"event":"closing".*\n.*"event":"closed"\}\n$/)
  })

  it('prints JSON when told to, and ends at Ctrl-C', async () => {
    const data = at('json')
    const started = await witness(['--data', data, '--json', '--no-ml-dsa'])
    const said = JSON.parse(started.stdout())
    expect(said).toEqual({
      url: started.url,
      name: expect.stringMatching(/^witness\.cairn\.local\/[0-9a-f]{8}$/),
      vkeys: [(await readFile(join(data, 'witness.vkey'), 'utf8')).trimEnd()],
      policy: await readFile(join(data, 'witness.policy'), 'utf8'),
      logs: 0,
      data,
      vkey_file: join(data, 'witness.vkey'),
      policy_file: join(data, 'witness.policy'),
      token_file: join(data, 'admin.token'),
      sign_subtree: false,
    })
    expect(await started.stop('SIGINT')).toBe(0)
  })

  it('uses a folder beside it when none is named, also in the commands that talk to it', async () => {
    await mkdir(at('here'))
    const started = await witness([], { cwd: at('here') })
    expect(started.stderr()).toContain('no --data was given: using ./cairn-witness')
    expect(started.stdout()).toContain('No log is watched yet: cairn witness add LOG.vkey')
    const listed = await cairn(['witness', 'list', '--json'], { cwd: at('here') })
    expect(JSON.parse(listed.stdout)).toEqual({ logs: [] })
  })

  it('takes settings from the environment and a file, flags first', async () => {
    await writeFile(at('witness.yaml'), 'name: from.file\nhost: 127.0.0.1\nlog:\n  - log.vkey\n')
    const env = { CAIRN_DATA: at('env'), CAIRN_PORT: '1', CAIRN_ORIGIN: 'of.a.log' }
    const started = await witness(['--config', at('witness.yaml')], { env })
    expect(started.stdout()).toMatch(/^from\.file \(witness of 1 log\)/)
  })

  it('goes on where it was after a restart, and keeps what was added while it ran', async () => {
    const data = at('again')
    const flags = ['--data', data, '--log', at('log.vkey')]
    const first = await witness(flags)
    await cairn(['witness', 'add', at('other.vkey'), '--data', data])
    expect((await add(first.url, LOG.request(0, 4))).status).toBe(200)
    expect((await add(first.url, OTHER.request(0, 9))).status).toBe(200)
    await first.stop()
    const second = await witness(flags)
    expect(second.stdout()).toContain('(witness of 2 logs)')
    const conflict = await add(second.url, OTHER.request(0, 9))
    expect([conflict.status, await conflict.text()]).toEqual([409, '9\n'])
  })
})

describe('cairn witness refuses', () => {
  const nowhere = '/nowhere/x'
  let places = 0
  it.concurrent.each([
    ['a port that is none', ['--port', 'x'], /--port is a number, not "x"/],
    ['a port beyond all', ['--port', '65536'], /--port must be <= 65535/],
    ['an address that is none', ['--host', 'no such host'], /cannot listen on no such host/],
    ['an address of another machine', ['--host', '192.0.2.1'], /cannot listen on 192\.0\.2\.1/],
    ['a name with a space', ['--name', 'a b'], /"a b" cannot be a witness's name/],
    ['an empty name', ['--name', ''], /--name must not have fewer than 1/],
    ['a log that is neither key nor file', ['--log', nowhere], /neither a vkey nor an existing/],
    ['a log key with a wrong id', ['--log', `x${vkeysOf(LOG)[0]}`], /key id of vkey xlog.example/],
    ['a folder of logs', ['--log', '/etc'], /^cairn: log \/etc: /],
    [
      'a file of something else',
      ['--log', '/etc/passwd'],
      /\/etc\/passwd: vkey is not of the form/,
    ],
    ['a public address that is none', ['--public-url', 'w.example'], /public-url cannot be used/],
    ['a timeout of nothing', ['--request-timeout', '0'], /--request-timeout must be >= 1/],
    ['subtrees without ML-DSA', ['--sign-subtree', '--no-ml-dsa'], /signed with ML-DSA-44/],
    ['a passphrase that is nowhere', ['--passphrase-file', nowhere], /cannot read the passphrase/],
    ['a configuration that is not there', ['--config', nowhere], /cannot use the configuration/],
    ['a folder that is not its own', ['--data', '/etc'], /\/etc is not a witness's data directory/],
    ['a file for a folder', ['--data', '/etc/passwd'], /not a directory/],
    ['a flag of the log server', ['--origin', 'x'], /unknown option '--origin'/],
    ['a flag without its value', ['--log'], /argument missing/],
    ['a word', ['nonsense'], /has no command 'nonsense'; it has add, remove, list, conflicts/],
  ])('%s', async (_, flags, message) => {
    const place = flags.includes('--data') ? [] : ['--data', at(`refused-${places++}`)]
    const run = await cairn(['witness', ...place, '--port', '0', ...flags])
    expectRefusal(run, message)
  })

  it.concurrent.each([
    ['port: x\n', /"port" in .*garbage-\d+\.yaml must be integer/],
    ['log: log.vkey\n', /"log" in .* must be array/],
    ['log: [{}]\n', /"log\.1" in .* must be string/],
    ['ml-dsa: perhaps\n', /"ml-dsa" in .* must be boolean/],
    ['prot: 1\n', /"prot" in .* is not a setting; did you mean port\?/],
    ['\t- :\n', /cannot use the configuration file/],
    ['\u0000\u0001', /cannot use the configuration file|does not hold settings/],
  ])('a configuration of %j', async (text, message) => {
    const file = at(`garbage-${places++}.yaml`)
    await writeFile(file, text)
    const flags = ['--config', file, '--data', at('refused')]
    expectRefusal(await cairn(['witness', ...flags]), message)
  })

  it.concurrent.each([
    [{ CAIRN_PORT: 'x' }, /CAIRN_PORT is a number/],
    [{ CAIRN_LOG: '/nowhere/x' }, /neither a vkey nor an existing file/],
    [{ CAIRN_ML_DSA: 'maybe' }, /CAIRN_ML_DSA is true or false/],
    [{ CAIRN_PASSPHRASE: '' }, /CAIRN_PASSPHRASE is empty/],
    [{ CAIRN_WITNESS: '1' }, /CAIRN_WITNESS is not a setting/],
  ])('the environment %j', async (env, message) => {
    expectRefusal(await cairn(['witness', '--data', at('refused')], { env }), message)
  })

  it('a directory that is in use, and a port that is taken', async () => {
    const started = await witness(['--data', at('used')])
    expectRefusal(
      await cairn(['witness', '--data', at('used'), '--port', '0']),
      /in use by another process/,
    )
    const { port } = new URL(started.url)
    const taken = await cairn(['witness', '--data', at('taken'), '--port', port])
    expectRefusal(taken, /something else listens there/)
  })

  it("a log's directory, and cairn serve refuses its own", async () => {
    const log = await served(['--data', at('a-log')])
    await log.stop()
    await (await witness(['--data', at('a-witness')])).stop()
    expectRefusal(
      await cairn(['witness', '--data', at('a-log')]),
      /data of a log, which cairn serve/,
    )
    expectRefusal(await cairn(['serve', '--data', at('a-witness')]), /data of a witness, which/)
    expectRefusal(await cairn(['fsck', at('a-witness')]), /data of a witness/)
    expectRefusal(await cairn(['witness', 'list', '--data', at('a-log')]), /data of a log, not/)
  })

  it('files that were damaged, or emptied', async () => {
    const data = at('damaged')
    await (await witness(['--data', data])).stop()
    for (const [file, code] of [
      ['keys/witness.key', 1],
      ['witness.vkey', 1],
      ['tokens', 1],
      ['format', 2],
    ] as const) {
      const kept = await readFile(join(data, file))
      for (const text of ['garbage\n', ...(file === 'tokens' ? [] : [''])]) {
        await writeFile(join(data, file), text)
        const run = await cairn(['witness', '--data', data, '--port', '0'])
        expect(run.stderr, file).toMatch(/^(\{.*\}\n)*cairn: .*\n$/)
        expect(run.code, `${file}: ${run.stderr}`).toBe(code)
      }
      await writeFile(join(data, file), kept)
    }
    await witness(['--data', data])
  })

  it.skipIf(process.getuid?.() === 0)('a directory that it may not write', async () => {
    await mkdir(at('closed'))
    await chmod(at('closed'), 0o500)
    expectRefusal(await cairn(['witness', '--data', at('closed', 'w')]), /may not read and write/)
  })

  it.skipIf(!canMount())('a directory on a read-only file system', async () => {
    const data = at('read-only')
    await (await witness(['--data', data])).stop()
    execFileSync('mount', ['--bind', data, data])
    try {
      execFileSync('mount', ['-o', 'remount,bind,ro', data])
      expectRefusal(await cairn(['witness', '--data', data]), /read-only file system/)
    } finally {
      execFileSync('umount', [data])
    }
  })

  it('to start without its passphrase', { timeout: 60_000 }, async () => {
    const data = at('secret')
    await writeFile(at('passphrase'), 'correct horse\n')
    const file = ['--passphrase-file', at('passphrase')]
    const started = await witness(['--data', data, '--name', 'w.example', ...file])
    await started.stop()
    expect(await readdir(join(data, 'keys'))).toEqual(['witness.key.age'])
    expectRefusal(await cairn(['witness', '--data', data]), /is encrypted; give its passphrase/)
    const shown = JSON.parse((await cairn(['key', 'show', '--data', data, '--json'])).stdout)
    expect(shown).toMatchObject({ name: 'w.example', encrypted: true })
    const decrypted = await cairn(['key', 'decrypt', '--data', data, '--json', ...file])
    expect(JSON.parse(decrypted.stdout)).toMatchObject({ encrypted: false, vkeys: shown.vkeys })
    await witness(['--data', data])
    expectRefusal(
      await cairn(['key', 'encrypt', '--data', data, ...file]),
      /in use by another process/,
    )
  })
})

describe('the commands that talk to a witness', () => {
  let data: string
  let started: Served
  beforeAll(async () => {
    data = at('told')
    started = await served(['--data', data, '--name', 'w.example'], {}, 'witness')
  })
  afterAll(() => started.stop())

  const tell = (...args: string[]) => cairn(['witness', ...args, '--data', data])
  const json = async (...args: string[]) => JSON.parse((await tell(...args, '--json')).stdout)

  it('add, list and remove logs', async () => {
    expect((await tell('list')).stderr).toBe('no log is watched yet: cairn witness add LOG.vkey\n')
    const added = await tell('add', at('log.vkey'), vkeysOf(OTHER)[0]!)
    expect([added.code, added.stdout]).toEqual([
      0,
      'added  log.example/audit\nadded  other.example\n',
    ])
    expect((await tell('add', at('log.vkey'))).stdout).toBe('watched already  log.example/audit\n')
    await add(started.url, LOG.request(0, 1234))
    expect((await tell('list')).stdout).toMatch(
      /^size +cosigned +keys +origin\n1,234 +(now|\d s ago) +Ed25519 ML-DSA-44 +log\.example\/audit\n– +never +Ed25519 +other\.example\n$/,
    )
    expect(await json('list')).toEqual({
      logs: [
        {
          origin: 'log.example/audit',
          origin_hash: originHash('log.example/audit'),
          vkeys: vkeysOf(LOG),
          tree_size: 1234,
          root_hash: Buffer.from(LOG.root(1234)).toString('base64'),
          cosigned_at: expect.stringMatching(/^\d{4}-\d\d-\d\dT/),
        },
        {
          origin: 'other.example',
          origin_hash: originHash('other.example'),
          vkeys: vkeysOf(OTHER).slice(0, 1),
        },
      ],
    })
    expect((await tell('remove', 'log.example/audit')).stdout).toBe('removed  log.example/audit\n')
    expect((await add(started.url, LOG.request(1234, 1235))).status).toBe(404)
    const again = await tell('remove', 'log.example/audit')
    expectRefusal(again, /^cairn: not watched: log\.example\/audit\n$/)
    // Watched again, it goes on where it was.
    await tell('add', at('log.vkey'))
    expect((await add(started.url, LOG.request(0, 1))).status).toBe(409)
    expect((await add(started.url, LOG.request(1234, 1235))).status).toBe(200)
  })

  it('replace the keys of a log, unless only new logs are wanted', async () => {
    expect(await json('add', vkeysOf(OTHER)[1]!, '--new')).toEqual({
      logs: [{ origin: 'other.example', change: 'watched already' }],
      unusable: [],
    })
    expect((await json('list')).logs[1].vkeys).toEqual(vkeysOf(OTHER).slice(0, 1))
    expect((await tell('add', vkeysOf(OTHER)[1]!)).stdout).toBe('keys replaced  other.example\n')
    expect((await json('list')).logs[1].vkeys).toEqual(vkeysOf(OTHER).slice(1))
  })

  it('take a published list from standard input, and leave out what is not for a witness', async () => {
    const listed = new WitnessedLog('listed.example')
    const list = [
      'logs/v0',
      `vkey ${vkeysOf(listed)[0]}\nqpd 24\ncontact c`,
      `vkey ${vkeysOf(LOG)[0]}\norigin another name\nqpd 24\ncontact c`,
      'vkey strange.example+aaaaaaaa+AAAA\nqpd 24\ncontact c\n',
    ].join('\n')
    const run = await cairn(['witness', 'add', '-', '--new', '--data', data], { input: list })
    expect([run.code, run.stdout]).toEqual([0, 'added  listed.example\n'])
    expect(run.stderr).toMatch(
      /^left out another name: its key is called log\.example\/audit.*\nleft out strange\.example: .*\n$/,
    )
  })

  it('show what did not fit, and write its evidence for cairn verify', async () => {
    expect((await tell('conflicts')).stderr).toBe('no head was refused that did not fit\n')
    await add(started.url, FORK.request(1235, 1235))
    await add(started.url, FORK.request(1235, 1300))
    const out = at('evidence')
    const run = await tell('conflicts', '--out', out)
    expect(run.stdout).toContain('SPLIT VIEW: the log has signed two heads that contradict')
    expect(run.stdout).toContain('not proven: the log has forked, or the proof')
    expect(run.stderr).toBe('2 conflicts\n')
    const { conflicts } = await json('conflicts', '--out', out)
    expect(conflicts).toMatchObject([
      { kind: 'split-view', origin: 'log.example/audit', refused: { tree_size: 1235 } },
      { kind: 'unproven', cosigned: { tree_size: 1235 }, refused: { tree_size: 1300 } },
    ])
    const [[evidence], [cosigned]] = conflicts.map(({ files }: { files: string[] }) => files)
    const verified = await cairn(['verify', evidence, '--vkey', at('log.vkey')])
    expect(verified.code, verified.stderr).toBe(0)
    expect(await readFile(cosigned, 'utf8')).toBe(LOG.head(1235))
    expect(started.stderr()).toMatch(
      /"event":"conflict","origin":"log\.example\/audit".*"split-view"/,
    )
  })

  it('are let in by a token in a file, a flag or a variable', async () => {
    const token = (await readFile(join(data, 'admin.token'), 'utf8')).trim()
    const list = ['witness', 'list', '--url', started.url]
    expect((await cairn([...list, '--token', token])).code).toBe(0)
    expect((await cairn([...list, '--token-file', join(data, 'admin.token')])).code).toBe(0)
    expect((await cairn(list, { env: { CAIRN_TOKEN: token } })).code).toBe(0)
    const env = { CAIRN_TOKEN: token, CAIRN_URL: started.url }
    expect((await cairn(['witness', 'list'], { env, cwd: folder })).code).toBe(0)
    expect((await cairn(['witness', 'conflicts', '--url', started.url])).code).toBe(0)
    expectRefusal(await cairn(list), /the witness refuses the token/)
    expectRefusal(await cairn([...list, '--token', 'wrong']), /the witness refuses the token/)
  })

  it.concurrent.each([
    [['add'], /missing required argument/],
    [['add', '/nowhere/x'], /neither a vkey nor an existing file/],
    [['add', 'x+00000000+AAAA'], /x\+00000000\+AAAA: /],
    [['remove'], /missing required argument/],
    [['remove', ''], /not watched: /],
    [['list', 'x'], /too many arguments/],
    [['list', '--nonsense'], /unknown option '--nonsense'/],
    [['conflicts', '--out', '/dev/null/x'], /\/dev\/null\/x/],
  ])('refuse %j', async (args, message) => {
    expectRefusal(await tell(...args), message)
  })

  it.concurrent.each([
    [['--data', '/nowhere/x'], /there is no witness in \/nowhere\/x; start one with/],
    [['--data', '/etc'], /there is no witness in \/etc/],
    [['--url', 'witness.example'], /not the address of a witness/],
    [['--url', 'http://127.0.0.1:9/'], /cannot reach http:\/\/127\.0\.0\.1:9/],
    [['--url', 'http://x', '--token-file', '/etc/hostname/x'], /hostname/],
    [['--url', 'http://x', '--token', 'a', '--token-file', 'b'], /cannot be used with/],
  ])('refuse a witness that is not there: %j', async (flags, message) => {
    expectRefusal(await cairn(['witness', 'list', ...flags]), message)
  })

  it('refuse flags that would be ignored', async () => {
    expectRefusal(
      await cairn(['witness', '--data', data, 'list']),
      /put --data behind list: cairn witness list/,
    )
  })
})
