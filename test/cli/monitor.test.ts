import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { cp, readdir, readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest'
import { formatVkey } from '../../src/formats/vkey.ts'
import {
  folder,
  frontOf,
  newRealWitness,
  newTreeLog,
  saying,
  until,
  useScene,
} from '../monitor/scene.ts'
import { CLI } from '../support/cairn-process.ts'
import { hasSharedVectors, sharedBytes } from '../support/shared-vectors.ts'
import { expectRefusal, type Fixture, startFixture } from './fixture.ts'
import { cairn, type Run, served } from './run.ts'

useScene()

let log: Fixture
beforeAll(async () => {
  log = await startFixture()
})
afterAll(() => log.close())

const state = (): string => join(folder, 'state')

function once_(...args: string[]): Promise<Run> {
  return cairn(['monitor', ...args, '--state', state(), '--once'])
}

/** The events of `--json`. */
const linesOf = (stdout: string): Record<string, unknown>[] =>
  stdout
    .trim()
    .split('\n')
    .map((line) => JSON.parse(line) as Record<string, unknown>)

const running = new Set<ChildProcess>()
afterEach(() => {
  for (const child of running) child.kill('SIGKILL')
  running.clear()
})

/** Starts `cairn monitor` without `--once`. */
function started(...args: string[]) {
  const child = spawn(process.execPath, [CLI, 'monitor', ...args, '--state', state()], {
    env: { PATH: process.env.PATH },
    stdio: ['ignore', 'pipe', 'pipe'],
  })
  running.add(child)
  const output = { out: '', err: '' }
  child.stdout.on('data', (part) => (output.out += part))
  child.stderr.on('data', (part) => (output.err += part))
  const ended = once(child, 'close')
  return {
    output,
    async stop(signal: NodeJS.Signals = 'SIGTERM'): Promise<number | null> {
      child.kill(signal)
      await ended
      return child.exitCode
    },
  }
}

describe('cairn monitor --once', () => {
  it('looks at a real log, and ends with 0 when all is well', async () => {
    const run = await once_(log.url, '--vkey', log.vkey)
    expect(run).toMatchObject({ code: 0, stderr: '' })
    expect(run.stdout).toMatch(/^\d{4}-\d\d-\d\d \d\d:\d\d:\d\dZ {2}round 1, 1 log, /)
    expect(run.stdout).toMatch(/LOG +SIZE +NEW +LAG +AGE +STATUS\n/)
    expect(run.stdout).toMatch(/cli\.example\/log +300 +\+300 +same for 0 s +✓ verified\n/)
    expect(run.stdout).toMatch(/\nall well\n$/)
    const again = await once_(log.url, '--vkey', log.vkey)
    expect(again.stdout).toMatch(/cli\.example\/log +300 {2,}same for/)
    expect(again.code).toBe(0)
  })

  it('prints its events as lines of JSON', async () => {
    const { code, stdout } = await once_(log.url, '--vkey', log.vkey, '--json')
    expect(code).toBe(0)
    const root = expect.stringMatching(/^[0-9a-f]{64}$/)
    expect(linesOf(stdout)).toMatchObject([
      { event: 'started', state: state(), logs: [{ origin: 'cli.example/log', urls: [log.url] }] },
      { event: 'head', origin: 'cli.example/log', size: 300, root, new_entries: 300 },
      {
        event: 'round',
        round: 1,
        logs: [{ size: 300, entries: 'read', places: [{ role: 'log', lag: 0, alerts: [] }] }],
      },
      { event: 'stopped', alerts: [] },
    ])
  })

  it('ends with 2 when a log cannot be reached', async () => {
    const run = await once_('http://127.0.0.1:1', '--vkey', log.vkey)
    expect(run.code).toBe(2)
    expect(run.stdout).toMatch(/^! \d{4}.*Z unreachable: cannot get a checkpoint of cli\.example/m)
    expect(run.stdout).toContain('there is trouble, and no sign of misbehaviour')
  })

  it('ends with 1 when a head is not signed by the log, and says it once', async () => {
    const front = await frontOf(log.url)
    const note = await (await fetch(`${log.url}/checkpoint`)).text()
    front.instead.set('/checkpoint', saying(note.replace('\n300\n', '\n301\n')))
    const run = await once_(front.url, '--vkey', log.vkey)
    expect(run.code).toBe(1)
    expect(run.stdout.match(/bad signature: /g)).toHaveLength(1)
    expect(run.stdout).toContain('MISBEHAVIOUR')
    // The next run shows what lasts, and sends it to nobody again.
    const again = await once_(front.url, '--vkey', log.vkey, '--json')
    expect(linesOf(again.stdout).map(({ event }) => event)).toEqual(['started', 'round', 'stopped'])
  })

  it('follows a log whose entries are not public by their hashes', async () => {
    const data = log.at('private')
    const server = await served(['--data', data, '--private-entries', '--origin', 'p.example/log'])
    const token = ['--url', server.url, '--token-file', join(data, 'admin.token')]
    await cairn(['append', log.at('records.ndjson'), '--lines', ...token])
    await until(async () => (await checkpointSize(server.url)) === 300)
    const run = await once_(server.url, '--vkey', join(data, 'log.vkey'))
    expect(run).toMatchObject({ code: 0, stderr: '' })
    expect(run.stdout).toMatch(/300 .*✓ verified \(hashes only\)/)
    await server.stop()
  })

  it('follows the logs and witnesses of a policy', async () => {
    const tree = await newTreeLog()
    tree.append(10)
    const witness = await newRealWitness('w.example', tree)
    await witness.cosign(tree)
    const vkeys = (await readFile(log.vkey, 'utf8')).trim().split('\n')
    const lines = [
      ...vkeys.map((vkey) => `log ${vkey} ${log.url}`),
      ...tree.keys.map((key) => `log ${formatVkey(key)} ${tree.url}`),
      ...witness.keys.map((key) => `witness north ${formatVkey(key)} ${witness.url}`),
      'quorum none\n',
    ]
    await writeFile(join(folder, 'policy.txt'), lines.join('\n'))
    const run = await once_('--policy', join(folder, 'policy.txt'))
    expect(run).toMatchObject({ code: 0, stderr: '' })
    expect(run.stdout).toMatch(
      /cli\.example\/log +300 .*✓ verified\n +witness north +– has not cos/,
    )
    expect(run.stdout).toMatch(/tree\.example\/log +10 .*✓ verified\n +witness north +10 +0 +\d s/)
  })

  it.each<[string, string[], RegExp]>([
    ['no log', [], /which log\? name its address/],
    ['an address without a key', ['http://127.0.0.1:1'], /whose log is it/],
    ['a key without an address', ['--vkey', 'VKEY'], /which log/],
    ['a place that is no address', ['file:///etc', '--vkey', 'VKEY'], /begins with http/],
    [
      'an interval of nothing',
      ['http://127.0.0.1:1', '--vkey', 'VKEY', '--interval', '0'],
      /1 second/,
    ],
    [
      'an age that is none',
      ['http://127.0.0.1:1', '--vkey', 'VKEY', '--max-age', 'old'],
      /--max-age/,
    ],
    [
      'a webhook that is none',
      ['http://127.0.0.1:1', '--vkey', 'VKEY', '--webhook', 'x'],
      /webhook/,
    ],
    ['a policy that is not there', ['--policy', '/nowhere'], /nowhere/],
  ])('refuses %s', async (_, args, words) => {
    expectRefusal(await once_(...args.map((arg) => (arg === 'VKEY' ? log.vkey : arg))), words)
  })

  it('refuses a policy that says of no log where it is', async () => {
    const [vkey] = (await readFile(log.vkey, 'utf8')).split('\n')
    await writeFile(join(folder, 'policy.txt'), `log ${vkey}\nquorum none\n`)
    expectRefusal(await once_('--policy', join(folder, 'policy.txt')), /no address for the log/)
  })

  it('refuses a damaged state, and says what to do', async () => {
    await once_(log.url, '--vkey', log.vkey)
    const [name] = await readdir(join(state(), 'logs'))
    await writeFile(join(state(), 'logs', name!, 'state'), 'x')
    const run = await once_(log.url, '--vkey', log.vkey)
    expect(run.stderr).toMatch(/^cairn: what is known of cli\.example\/log is damaged .*start over/)
    expect(run.code).toBe(1)
  })
})

async function checkpointSize(url: string): Promise<number> {
  return Number((await (await fetch(`${url}/checkpoint`)).text()).split('\n')[1])
}

describe('a log that forks, as processes', () => {
  it('is caught, and anybody can check the evidence', { timeout: 60_000 }, async () => {
    const [one, two] = [log.at('one'), log.at('two')]
    const append = async (url: string, data: string, input: string): Promise<void> => {
      const token = ['--url', url, '--token-file', join(data, 'admin.token')]
      const size = await checkpointSize(url)
      expect((await cairn(['append', '-', '--lines', ...token], { input })).code).toBe(0)
      const lines = input.trim().split('\n').length
      await until(async () => (await checkpointSize(url)) === size + lines)
    }
    const original = await served(['--data', one, '--origin', 'forked.example/log'])
    await append(original.url, one, 'a\nb\nc\n')
    await original.stop()
    // The data and the signer's memory: a copy of one without the other would refuse to sign.
    await cp(one, two, { recursive: true })
    await cp(`${one}.signer`, `${two}.signer`, { recursive: true })
    const a = await served(['--data', one])
    const b = await served(['--data', two])
    await append(a.url, one, 'd\ne\nf\n')
    await append(b.url, two, 'another d\n')

    const front = await frontOf(a.url)
    const vkey = join(one, 'log.vkey')
    expect((await once_(front.url, '--vkey', vkey)).code).toBe(0)
    front.target = b.url
    const caught = await once_(front.url, '--vkey', vkey)
    expect(caught.code).toBe(1)
    expect(caught.stdout).toContain('✗ split view')
    await Promise.all([a.stop(), b.stop()])

    const [name, ...others] = await readdir(join(state(), 'evidence'))
    expect(others).toEqual([])
    const file = join(state(), 'evidence', name!)
    expect(caught.stdout).toContain(`\n  evidence: ${file}\n`)
    expect(name).toMatch(/^forked\.example_log-4-6-[0-9a-f]{16}\.split-view$/)
    expect(await cairn(['verify', file, '--vkey', vkey])).toMatchObject({ code: 0 })
    const bytes = await readFile(file)
    for (const at of [0, 30, 100, 200, bytes.length >> 1, bytes.length - 2]) {
      const changed = join(folder, 'changed.split-view')
      await writeFile(
        changed,
        bytes.map((byte, i) => (i === at ? byte ^ 1 : byte)),
      )
      expect((await cairn(['verify', changed, '--vkey', vkey])).code, `byte ${at}`).not.toBe(0)
    }
    expect((await cairn(['verify', file, '--vkey', log.vkey])).code).toBe(1)
  })
})

describe('cairn monitor', () => {
  it('goes on until it is told to stop, and shows what changes', async () => {
    const tree = await newTreeLog()
    tree.append(10)
    const front = await frontOf(tree.url)
    const key = formatVkey(tree.keys[0]!)
    const monitor = started(front.url, '--vkey', key, '--interval', '1', '--metrics', '0')
    await until(() => /✓ verified/.test(monitor.output.out))
    expect(monitor.output.out).toContain('watching 1 log and 0 witnesses, every 1.0 s')
    tree.append(5)
    await until(() => /15 +\+5 /.test(monitor.output.out))
    front.instead.set('/checkpoint', saying('no', 500))
    await until(() => /unreachable: /.test(monitor.output.out))
    front.instead.clear()
    await until(() => /over: /.test(monitor.output.out))
    const url = /http:\/\/127\.0\.0\.1:\d+\/metrics/.exec(monitor.output.out)![0]
    const metrics = await (await fetch(url)).text()
    expect(metrics).toMatch(/^cairn_monitor_tree_size\{log="tree\.example\/log"\} 15$/m)
    expect(metrics).toMatch(
      /^cairn_monitor_alerts_raised_total\{log="tree\.example\/log",kind="unreachable"\} 1$/m,
    )
    expect((await fetch(url.replace('/metrics', '/'))).status).toBe(404)
    expect(await monitor.stop()).toBe(0)
  })

  it('ends with 1 when it has seen misbehaviour, also by Ctrl-C', async () => {
    const tree = await newTreeLog()
    tree.append(10)
    const front = await frontOf(tree.url)
    const older = tree.note(5)
    const key = formatVkey(tree.keys[0]!)
    const monitor = started(front.url, '--vkey', key, '--interval', '1', '--json')
    await until(() => monitor.output.out.includes('"event":"round"'))
    front.instead.set('/checkpoint', saying(older))
    await until(() => monitor.output.out.includes('"event":"alert"'))
    front.instead.clear()
    await until(() => monitor.output.out.includes('"event":"cleared"'))
    expect(await monitor.stop('SIGINT')).toBe(1)
    const events = linesOf(monitor.output.out)
    expect(events.filter(({ event }) => event === 'alert')).toMatchObject([
      { kind: 'rollback', severity: 'misbehaviour', source: front.url },
    ])
    expect(events.at(-1)).toMatchObject({ event: 'stopped', alerts: [] })
  })

  it('lets no second one use its state', async () => {
    const monitor = started(log.url, '--vkey', log.vkey)
    await until(() => /✓ verified/.test(monitor.output.out))
    expectRefusal(await once_(log.url, '--vkey', log.vkey), /another cairn monitor uses/)
    expect(await monitor.stop()).toBe(0)
  })

  it('goes on where it was killed', { timeout: 60_000 }, async () => {
    const tree = await newTreeLog()
    tree.append(100_000)
    const front = await frontOf(tree.url)
    const bundles = (): string[] => front.seen.filter((path) => path.includes('entries'))
    front.instead.set('*', async (request, response) => {
      if (request.url?.includes('entries')) await new Promise((done) => setTimeout(done, 150))
      const answer = await fetch(tree.url + request.url)
      response.writeHead(answer.status).end(new Uint8Array(await answer.arrayBuffer()))
    })
    const key = formatVkey(tree.keys[0]!)
    const monitor = started(front.url, '--vkey', key)
    const progress = async (): Promise<number> => {
      const [name = ''] = await readdir(join(state(), 'logs')).catch(() => [])
      const file = join(state(), 'logs', name, 'state')
      const text = await readFile(file, 'utf8').catch(() => '')
      return Number(/"progress": \{\s*"size": (\d+)/.exec(text)?.[1] ?? 0)
    }
    await until(async () => (await progress()) > 0)
    await monitor.stop('SIGKILL')
    const kept = await progress()
    expect(kept).toBeLessThan(100_000)

    front.instead.clear()
    front.seen.length = 0
    const run = await once_(front.url, '--vkey', key, '--json')
    expect(run.code).toBe(0)
    expect(linesOf(run.stdout)).toContainEqual(
      expect.objectContaining({ event: 'head', size: 100_000 }),
    )
    expect(bundles()).toHaveLength(Math.ceil((100_000 - kept) / 256))
  })
})

describe.skipIf(!hasSharedVectors)('a log written by Tessera', () => {
  it('is followed as it grew', async () => {
    const vkey = 'example.com/log/testdata+33d7b496+AeHTu4Q3hEIMHNqc6fASMsq3rKNx280NI+oO5xCFkkSx'
    const front = await frontOf('http://127.0.0.1:1')
    let size = 0
    front.instead.set('*', (request, response) => {
      const path = request.url === '/checkpoint' ? `/checkpoint.${size}` : request.url
      try {
        response.end(sharedBytes(`transparency-dev-tessera/log${path}`))
      } catch {
        response.writeHead(404).end()
      }
    })
    for (size of [0, 1, 7, 8, 15]) {
      const run = await once_(front.url, '--vkey', vkey, '--json')
      expect(run.code, run.stdout).toBe(0)
      expect(linesOf(run.stdout)).toContainEqual(expect.objectContaining({ event: 'head', size }))
    }
    size = 7
    expect((await once_(front.url, '--vkey', vkey)).code).toBe(1)
  })
})
