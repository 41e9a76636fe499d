import { cp, mkdir, mkdtemp, readFile, rm, stat, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { utf8 } from '../../src/bytes.ts'
import {
  contentsOf,
  KEYED_LEAF,
  type MadeLog,
  makeLog,
  payloadOf,
  submitKeyed,
  whileServed,
} from '../support/moving-place.ts'
import { expectRefusal } from './fixture.ts'
import { cairn, cairnProcess, killedAfter, served } from './run.ts'

let folder: string
let made: MadeLog
const at = (name: string): string => join(folder, name)

/** A copy of the log that was made, stopped, under another name. */
async function copy(name: string): Promise<string> {
  await cp(at('made'), at(name), { recursive: true })
  await cp(at('made.signer'), at(`${name}.signer`), { recursive: true })
  return at(name)
}

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'cairn-migrate-'))
  made = await makeLog(at('made'))
})
afterAll(() => rm(folder, { recursive: true }))

describe('cairn migrate from one data directory to another', () => {
  it('brings everything, byte for byte, and the log goes on there', async () => {
    const [from, to] = [await copy('whole'), at('whole-moved')]
    const before = await contentsOf({ data: from })
    const run = await cairn(['migrate', '--from', from, '--to', to])
    expect(run).toMatchObject({ code: 0, stderr: '' })
    expect(run.stdout).toMatch(
      /^✓ moved: 606 entries; they lead to the signed root\n {2}it goes on in .*\n$/,
    )
    expect(await contentsOf({ data: to })).toEqual(before)

    for (const { leaf, proof } of made.receipts) {
      await writeFile(at('receipt.tlog-proof'), proof)
      await writeFile(at('leaf'), leaf)
      const verified = await cairn([
        'verify',
        at('receipt.tlog-proof'),
        '--leaf',
        at('leaf'),
        '--vkey',
        join(to, 'log.vkey'),
      ])
      expect(verified).toMatchObject({ code: 0 })
    }
    expect(await payloadOf(to, made.kept)).toEqual(expect.any(Array))
    expect(await payloadOf(to, made.erased)).toBe('erased')
    expect((await cairn(['audit', to])).code).toBe(0)
    expect((await cairn(['fsck', to])).stdout).toMatch(/nothing wrong/)

    await whileServed(to, async ({ log, records, url, token }) => {
      expect(Number((await log.submit(utf8('leaf 7'))).index)).toBe(7)
      expect(await submitKeyed(url, token)).toBe(600)
      expect(Number((await log.submit(utf8('a new leaf'))).index)).toBeGreaterThan(605)
      expect((await records.search({ subject: 'bob' })).records).toHaveLength(2)
      await records.submit({ type: 'llm_request', subject: 'bob', input: { prompt: 'new' } })
    })
    expect((await cairn(['fsck', to])).stdout).toMatch(/nothing wrong/)
    expect((await cairn(['audit', to])).code).toBe(0)
  })

  it('lets nobody run the log from its old place, nor move it twice', async () => {
    const [from, to] = [await copy('old'), at('old-moved')]
    expect((await cairn(['migrate', '--from', from, '--to', to])).code).toBe(0)
    const added = await cairn(['token', 'add', 'ann', '--data', from])
    expectRefusal(added, /was moved to .*old-moved on/)
    const run = await cairnProcess(['serve', '--data', from, '--port', '0'])
    expectRefusal(run, /was moved to .*old-moved on .*cairn migrate --undo makes it go on here/)
    expectRefusal(await cairn(['migrate', '--from', from, '--to', at('elsewhere')]), /was moved to/)
    // What was there can still be checked.
    expect((await cairn(['audit', from])).code).toBe(0)
  })

  it('goes on after it was killed, wherever that was', async () => {
    const from = at('large')
    await whileServed(from, async ({ log, records }) => {
      const leaves = Array.from({ length: 20_000 }, (_, i) => utf8(`${'x'.repeat(500)} ${i}`))
      for await (const _ of log.submitForIndices(leaves));
      await records.submit({ type: 'llm_request', subject: 'ann', input: { prompt: 'kept' } })
    })
    const before = await contentsOf({ data: from })
    const to = at('large-moved')
    const args = ['migrate', '--from', from, '--to', to, '--json']
    let killed = 0
    for (const milliseconds of [0, 40, 120, 200]) {
      if (!(await killedAfter(args, join(to, 'unfinished'), milliseconds))) break
      killed++
      const refused = await cairnProcess(['serve', '--data', to, '--port', '0'])
      expect(refused.code).toBe(2)
      expect(refused.stderr).toMatch(/is not whole: a move into here|there is no/)
      expectRefusal(await cairn(['audit', to, '--vkey', join(from, 'log.vkey')]), /./)
    }
    expect(killed).toBeGreaterThan(0)
    const run = await cairn(args)
    // When the last one was not killed in time, the log has been moved already.
    if (run.code === 0) expect(JSON.parse(run.stdout)).toMatchObject({ size: 20_001 })
    else expect(run.stderr).toMatch(/holds the data of a log already|was moved/)
    expect(await contentsOf({ data: to })).toEqual(before)
    expect((await cairn(['fsck', to])).stdout).toMatch(/nothing wrong/)
  }, 60_000)

  it('takes what an unfinished move left of another state of the payloads, and nothing stays of what was erased since', async () => {
    const [from, to] = [await copy('erased-since'), at('erased-since-moved')]
    await mkdir(to)
    for (const part of ['vault', 'format']) {
      await cp(join(from, part), join(to, part), { recursive: true })
    }
    await writeFile(join(to, 'unfinished'), `${await unfinishedText()}\n`)
    await whileServed(from, ({ records }) => records.erase({ subject: 'bob', basis: 'asked' }))
    const run = await cairn(['migrate', '--from', from, '--to', to])
    expect(run).toMatchObject({ code: 0 })
    expect(await payloadOf(to, made.kept)).toBe('erased')
    expect(await contentsOf({ data: to })).toEqual(await contentsOf({ data: from }))
  })

  it('leaves nothing where it is refused, and says what is to be said', async () => {
    const from = await copy('refused')
    const nowhere = ['--to-database', 'postgres://cairn@127.0.0.1:9/cairn']
    const to = join(at('refused-above'), 'new')
    const run = await cairn(['migrate', '--from', from, '--to', to, ...nowhere])
    expectRefusal(run, /ECONNREFUSED/)
    await expect(stat(at('refused-above'))).rejects.toMatchObject({ code: 'ENOENT' })
    expectRefusal(
      await cairn(['migrate', '--from', from, '--to', '/proc/cairn']),
      /cannot use \/proc\/cairn: no directory can be made in \/proc; choose another place/,
    )
    expectRefusal(
      await cairn(['migrate']),
      /where the log is and where it is to be: --from .* --to /,
    )
  })

  /** What an unfinished move says of its place. */
  async function unfinishedText(): Promise<string> {
    const { takePlace } = await import('../../src/server/empty-place.ts')
    await takePlace(at('taken'), 'migrate')
    return (await readFile(join(at('taken'), 'unfinished'), 'utf8')).trimEnd()
  }

  it('is taken back by --undo, which closes the new place', async () => {
    const [from, to] = [await copy('undone'), at('undone-moved')]
    expect((await cairn(['migrate', '--from', from, '--to', to])).code).toBe(0)
    const flags = ['migrate', '--undo', '--from', from]
    expectRefusal(await cairn(flags), /was moved to .*; say so with --to/)
    expectRefusal(
      await cairn(['migrate', '--undo', '--from', 'https://log.example', '--to', to]),
      /an address is not marked/,
    )
    const run = await cairn([...flags, '--to', to, '--json'])
    expect(JSON.parse(run.stdout)).toEqual({ from, size: 606, closed: true })
    expectRefusal(await cairn([...flags, '--to', to]), /was not moved away/)
    expectRefusal(await cairn(['migrate', '--from', to, '--to', at('on')]), /was moved to/)
    await whileServed(from, async ({ log }) => void (await log.submit(utf8('goes on'))))
  })

  it('moves one of several logs, or all of them, and saves and restores one', async () => {
    const small = at('small')
    const options = { origin: 'small.example/log' }
    await whileServed(small, async ({ log }) => void (await log.submit(utf8('a leaf'))), options)
    const config = async (name: string, main: string, logs: Record<string, string>) => {
      const lines = Object.entries(logs).map(([log, data]) => `  ${log}:\n    data: ${data}`)
      await writeFile(at(name), [`data: ${main}`, 'logs:', ...lines, ''].join('\n'))
      return at(name)
    }
    const main = await copy('several')
    const old = await config('old.yaml', main, { small })
    const logs = { small: at('small-moved') }
    const next = await config('new.yaml', at('several-moved'), logs)
    const other = await config('other.yaml', at('several-moved'), { else: at('else') })

    const out = ['--out', at('small.backup')]
    const backup = (log: string) => cairn(['backup', '--config', old, '--log', log, ...out])
    expectRefusal(await backup('large'), /has no log "large"; besides the one at \/ it has small/)
    const saved = await cairn(['backup', '--config', old, '--log', 'small', ...out, '--with-keys'])
    expect(saved.stdout).toMatch(/saved: 1 entry/)
    const into = ['--to-config', other, '--to-log', 'else', '--adopt-head', '--json']
    const restored = await cairn(['restore', at('small.backup'), ...into])
    expect(JSON.parse(restored.stdout)).toMatchObject({ to: at('else'), size: 1, may_sign: true })

    const all = ['migrate', '--all-logs', '--from-config', old]
    expectRefusal(await cairn([...all, '--to-config', other]), /other.yaml has no log "small"/)
    expectRefusal(await cairn([...all, '--to', at('x')]), /--from-config and --to-config alone/)
    expectRefusal(await cairn([...all, '--to-config', next, '--undo']), /one log at a time/)
    const one = ['migrate', '--from-config', old, '--from-log', 'small', '--to', logs.small]
    expect((await cairn(one)).code).toBe(0)
    const run = await cairn([...all, '--to-config', next, '--json'])
    expect(JSON.parse(run.stdout)).toMatchObject({ logs: [{ log: '', size: 606 }] })
    const again = await cairn([...all, '--to-config', next])
    expect(again).toMatchObject({
      code: 0,
      stdout: 'the log at / was moved before\nthe log small was moved before\n',
    })
    expect((await contentsOf({ data: at('else') })).head).toBe(
      (await contentsOf({ data: logs.small })).head,
    )
  })

  it('refuses a place that is not free', async () => {
    const from = await copy('kept')
    await mkdir(at('full'))
    await writeFile(join(at('full'), 'letter.txt'), 'mine')
    const to = (place: string) => cairn(['migrate', '--from', from, '--to', place])
    expectRefusal(await to(at('full')), /holds other files \(letter.txt\)/)
    expectRefusal(await to(from), /holds the data of a log already/)
    expectRefusal(await to(join(at('full'), 'letter.txt')), /is not a directory/)
    expectRefusal(await to('/dev/null/log'), /not a directory/)
  })

  it('refuses to go on in a place that holds another log', async () => {
    const other = at('other')
    await whileServed(other, async ({ log }) => void (await log.submit(utf8('another log'))))
    const to = at('mixed')
    await cp(other, to, { recursive: true })
    await writeFile(join(to, 'unfinished'), `${await unfinishedText()}\n`)
    const run = await cairn(['migrate', '--from', await copy('kept-too'), '--to', to])
    expectRefusal(run, /holds another log: its keys are others/)
  })

  it('refuses a log that is served, rolled back, or none', async () => {
    const from = await copy('busy')
    const started = await served(['--data', from])
    expectRefusal(await cairn(['migrate', '--from', from, '--to', at('none')]), /use|running|open/)
    const args = ['append', '-', '--url', started.url, '--token-file', join(from, 'admin.token')]
    expect((await cairn(args, { input: 'one more' })).code).toBe(0)
    await started.stop()
    await rm(from, { recursive: true })
    await cp(at('made'), from, { recursive: true })
    const run = await cairn(['migrate', '--from', from, '--to', at('none')])
    expect(run).toMatchObject({ code: 1, stdout: '' })
    expect(run.stderr).toMatch(/rolled back/)
    expectRefusal(
      await cairn(['migrate', '--from', at('nowhere'), '--to', at('none')]),
      /no log in/,
    )
  })

  it('gives no right to sign where what the signer remembers is missing', async () => {
    const from = await copy('forgetful')
    await rm(`${from}.signer`, { recursive: true })
    const to = at('forgetful-moved')
    const run = await cairn(['migrate', '--from', from, '--to', to])
    expect(run.code).toBe(0)
    expect(run.stdout).toMatch(/start once with --adopt-head/)
    await whileServed(to, async ({ url }) => {
      expect(await (await fetch(`${url}/readyz`)).json()).toMatchObject({
        logs: [{ mode: 'read-only' }],
      })
    })
  })

  it('refuses entries that do not lead to the signed root', async () => {
    const from = await copy('altered')
    const { openLevelStore } = await import('../../src/storage/level.ts')
    const { ClassicLevel } = await import('classic-level')
    const store = await openLevelStore(join(from, 'store'))
    await store.close()
    const database = new ClassicLevel<Uint8Array, Uint8Array>(join(from, 'store'), {
      keyEncoding: 'view',
      valueEncoding: 'view',
    })
    for await (const [key, value] of database.iterator({ gte: utf8('b'), lt: utf8('c') })) {
      const altered = value.slice()
      altered[altered.length - 1]! ^= 1
      await database.put(key, altered)
      break
    }
    await database.close()
    const run = await cairn(['migrate', '--from', from, '--to', at('altered-moved')])
    expect(run).toMatchObject({ code: 1, stdout: '' })
    expect(run.stderr).toMatch(/entries of the source do not give the root/)
    const refused = await cairnProcess(['serve', '--data', at('altered-moved'), '--port', '0'])
    expectRefusal(refused, /is not whole/)
  })
})

describe('cairn migrate from an address', () => {
  it('brings the entries under the same head, and signs only once it is told to', async () => {
    const from = await copy('address')
    const to = at('from-address')
    const run = await whileServed(from, ({ url }) =>
      cairn(['migrate', '--from', url, '--keys', join(from, 'keys'), '--to', to]),
    )
    expect(run.code).toBe(0)
    expect(run.stdout).toMatch(/payloads, tokens and kept heads did not come along/)
    expect(run.stdout).toMatch(/--adopt-head/)
    const [source, copied] = [await contentsOf({ data: from }), await contentsOf({ data: to })]
    for (const [name, value] of Object.entries(copied)) {
      // The log went on while it was read.
      if (/^(tile|bundle|log.vkey)/.test(name)) {
        expect(source[name]?.startsWith(value), name).toBe(true)
      }
    }
    expect(Object.keys(copied).filter((name) => name.startsWith('bundle'))).toHaveLength(3)
    await whileServed(to, async ({ url }) => {
      expect(await (await fetch(`${url}/readyz`)).json()).toMatchObject({
        logs: [{ mode: 'read-only' }],
      })
    })
    await rm(join(to, 'vault'), { recursive: true, force: true })
    await whileServed(
      to,
      async ({ log }) => {
        expect(Number((await log.submit(utf8(KEYED_LEAF))).index)).toBe(600)
        expect(Number((await log.submit(utf8('goes on'))).index)).toBeGreaterThan(604)
      },
      { 'adopt-head': true },
    )
  })

  it('needs the keys of that very log', async () => {
    const from = await copy('keys-of')
    await whileServed(at('stranger'), async () => undefined)
    await mkdir(at('no-keys'))
    await whileServed(from, async ({ url }) => {
      const args = ['migrate', '--from', url, '--to', at('refused')]
      expectRefusal(await cairn(args), /private keys .* --keys/)
      expectRefusal(await cairn([...args, '--keys', at('no-keys')]), /there is no .*log.key/)
      const run = await cairn([...args, '--keys', join(at('stranger'), 'keys')])
      expect(run).toMatchObject({ code: 1, stdout: '' })
      expect(run.stderr).toMatch(/not trusted/)
    })
  })
})

describe('the flags of cairn migrate', () => {
  it.each([
    [['--to', 'x'], /say where the log is: --from DIR or --from-config FILE/],
    [['--from', 'x'], /say where the log is to be: --to DIR or --to-config FILE/],
    [['--from', 'x', '--from-config', 'y', '--to', 'z'], /--from-config says where/],
    [['--from', 'x', '--to', 'z', '--to-schema', 's'], /database-schema needs database/],
    [['--from', 'x', '--to', 'z', '--to-database', 'mysql://x'], /must be a URL such as postgres/],
    [['--from', 'x', '--to', 'z', '--keys', 'k'], /--keys goes with the address/],
    [['--from', 'x', '--to', 'z', '--token-file', 'k'], /--token-file goes with the address/],
    [
      ['--from', 'http://127.0.0.1:1', '--from-schema', 's', '--keys', 'k', '--to', 'z'],
      /leave the other --from flags out/,
    ],
    [
      ['--from', 'http://127.0.0.1:1', '--keys', '/nowhere', '--to', 'z'],
      /there is no \/nowhere\/log.key/,
    ],
    [['--from-config', '/nowhere.yaml', '--to', 'z'], /nowhere.yaml/],
  ])('are refused: %j', async (flags, message) => {
    expectRefusal(await cairn(['migrate', ...flags], { cwd: folder }), message)
  })
})
