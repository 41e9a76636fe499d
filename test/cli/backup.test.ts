import {
  cp,
  mkdir,
  mkdtemp,
  readdir,
  readFile,
  rename,
  rm,
  stat,
  writeFile,
} from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { utf8 } from '../../src/bytes.ts'
import {
  contentsOf,
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
const at = (...names: string[]): string => join(folder, ...names)

/** A copy of the log that was made, stopped, under another name. */
async function copy(name: string): Promise<string> {
  await cp(at('made'), at(name), { recursive: true })
  await cp(at('made.signer'), at(`${name}.signer`), { recursive: true })
  return at(name)
}

async function backUp(data: string, name: string, ...flags: string[]): Promise<string> {
  const file = at(name)
  const run = await cairn(['backup', '--data', data, '--out', file, ...flags])
  expect(run).toMatchObject({ code: 0 })
  return file
}

const restore = (file: string, to: string, ...flags: string[]) =>
  cairn(['restore', file, '--to', to, ...flags])

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'cairn-backup-'))
  made = await makeLog(at('made'))
})
afterAll(() => rm(folder, { recursive: true }))

describe('a backup of a stopped log', () => {
  it('gives back everything, byte for byte, and the log goes on', async () => {
    const data = await copy('whole')
    const before = await contentsOf({ data })
    const run = await cairn(['backup', '--data', data, '--out', at('whole.backup')])
    expect(run).toMatchObject({ code: 0, stderr: '' })
    expect(run.stdout).toMatch(/saved: 606 entries, .* in .*\n {2}without the private keys/)
    expect((await stat(at('whole.backup'))).mode % 0o1000).toBe(0o600)
    const to = at('whole-restored')
    const restored = await restore(
      at('whole.backup'),
      to,
      '--keys',
      join(data, 'keys'),
      '--adopt-head',
    )
    expect(restored).toMatchObject({ code: 0, stderr: '' })
    expect(restored.stdout).toMatch(/restored: 606 entries in .*, as of 20/)
    expect(await contentsOf({ data: to })).toEqual(before)
    expect(await payloadOf(to, made.kept)).toEqual(expect.any(Array))
    expect(await payloadOf(to, made.erased)).toBe('erased')
    for (const { leaf, proof } of made.receipts) {
      await writeFile(at('receipt.tlog-proof'), proof)
      await writeFile(at('leaf'), leaf)
      const flags = ['--leaf', at('leaf'), '--vkey', join(to, 'log.vkey')]
      expect((await cairn(['verify', at('receipt.tlog-proof'), ...flags])).code).toBe(0)
    }
    // The first token in clear is not in a backup.
    await cp(join(data, 'admin.token'), join(to, 'admin.token'))
    await whileServed(to, async ({ log, records, url, token }) => {
      expect(Number((await log.submit(utf8('leaf 7'))).index)).toBe(7)
      expect(await submitKeyed(url, token)).toBe(600)
      expect(Number((await log.submit(utf8('goes on'))).index)).toBeGreaterThan(605)
      expect((await records.search({ subject: 'bob' })).records).toHaveLength(2)
    })
    expect((await cairn(['fsck', to])).stdout).toMatch(/nothing wrong/)
    expect((await cairn(['audit', to])).code).toBe(0)
  })

  it('has private keys only when that is asked for, which is said loudly', async () => {
    const data = await copy('keyed')
    const without = await readFile(await backUp(data, 'without.backup'))
    const key = await readFile(join(data, 'keys', 'log.key'))
    expect(without.includes(key.subarray(0, 60))).toBe(false)
    expect(without.includes(await readFile(join(data, 'keys', 'vault.key')))).toBe(false)
    expect(without.includes((await readFile(join(data, 'admin.token'))).subarray(0, 30))).toBe(
      false,
    )
    const run = await cairn(['backup', '--data', data, '--with-keys', '--out', at('with.backup')])
    expect(run.code).toBe(0)
    expect(run.stderr).toMatch(/^WARNING: the file holds the private keys/)
    expect((await restore(at('with.backup'), at('with-restored'), '--adopt-head')).code).toBe(0)
    expect(await readFile(join(at('with-restored'), 'keys', 'log.key'))).toEqual(key)
    const keyless = await restore(at('without.backup'), at('keyless'))
    expect(keyless.stdout).toMatch(/no right to sign yet.*--adopt-head/)
    expect(keyless.stdout).toMatch(/its private keys are not there/)
    const refused = await cairnProcess(['serve', '--data', at('keyless'), '--port', '0'])
    expect(refused.code).toBe(1)
    expect(refused.stderr).toMatch(/keys of this log are missing/)
  })

  it('may not sign without being told to, where no witness can say whether it is the newest', async () => {
    const data = await copy('unsure')
    const file = await backUp(data, 'unsure.backup')
    const run = await restore(file, at('unsure-restored'), '--keys', join(data, 'keys'), '--json')
    expect(JSON.parse(run.stdout)).toMatchObject({ size: 606, witnesses: null, may_sign: false })
    await cp(join(data, 'admin.token'), join(at('unsure-restored'), 'admin.token'))
    await whileServed(at('unsure-restored'), async ({ url }) => {
      expect(await (await fetch(`${url}/readyz`)).json()).toMatchObject({
        logs: [{ mode: 'read-only' }],
      })
    })
  })

  it('is of an empty log, too', async () => {
    await whileServed(at('empty'), async () => undefined)
    const file = await backUp(at('empty'), 'empty.backup', '--with-keys')
    expect((await restore(file, at('empty-restored'), '--adopt-head')).code).toBe(0)
    await cp(join(at('empty'), 'admin.token'), join(at('empty-restored'), 'admin.token'))
    await whileServed(at('empty-restored'), async ({ log }) => {
      expect(Number((await log.submit(utf8('first'))).index)).toBe(0)
    })
  })

  it('is restored nowhere without the keys that are named', async () => {
    const file = await backUp(await copy('other-keys'), 'other-keys.backup')
    const refused = await restore(file, at('other-keys-restored'), '--keys', at('no-keys'))
    expectRefusal(refused, /there are no keys of a log in .*no-keys/)
    await expect(stat(at('other-keys-restored'))).rejects.toMatchObject({ code: 'ENOENT' })
  })

  it('is refused where it is cut off, or changed anywhere', async () => {
    const data = await copy('damaged')
    const whole = await readFile(await backUp(data, 'damaged.backup'))
    const spoilt = async (bytes: Uint8Array) => {
      await writeFile(at('spoilt.backup'), bytes)
      const run = await restore(at('spoilt.backup'), at('spoilt'))
      expect(run).toMatchObject({ code: 1, stdout: '' })
      expect(run.stderr).toMatch(/^cairn: .*is no whole backup: .*\n$/)
      await expect(stat(at('spoilt'))).rejects.toMatchObject({ code: 'ENOENT' })
      return run
    }
    for (const [bytes, what] of [
      ['', 'it is empty'],
      ['hello\n', 'it is a file of another kind'],
      ['hello\n'.repeat(1_000), 'it is a file of another kind'],
      ['\0'.repeat(1_024), 'it is a file of another kind'],
    ] as const) {
      expect((await spoilt(Buffer.from(bytes))).stderr).toContain(`no whole backup: ${what}\n`)
    }
    for (const part of [0, 0.001, 0.3, 0.9]) {
      await spoilt(whole.subarray(0, Math.floor(part * whole.length)))
    }
    await spoilt(whole.subarray(0, whole.length - 1))
    await spoilt(whole.subarray(0, whole.length - 1024))
    await spoilt(Buffer.concat([whole, utf8('x')]))
    for (let i = 1; i < 30; i++) {
      const changed = Buffer.from(whole)
      changed[Math.floor((i / 30) * whole.length)]! ^= 1
      await spoilt(changed)
    }
    await spoilt(utf8('no backup at all'))
    expectRefusal(await restore(at('nowhere.backup'), at('spoilt')), /nowhere.backup/)
  })

  it('replaces no file, and leaves no half of one', async () => {
    const data = await copy('twice')
    const file = await backUp(data, 'twice.backup')
    const again = await cairn(['backup', '--data', data, '--out', file])
    expectRefusal(again, /is there already/)
    const out = at('no-folder', 'x.backup')
    expectRefusal(await cairn(['backup', '--data', data, '--out', out]), /cannot write/)
    const started = await served(['--data', data])
    const locked = await cairn(['backup', '--data', data, '--out', at('locked.backup')])
    expectRefusal(locked, /to save a log while it is served, give --url/)
    await started.stop()
    expect((await readdir(folder)).filter((name) => /unfinished|locked/.test(name))).toEqual([])
  })
})

describe('a backup of a running log', () => {
  it('is consistent while leaves, records and erasures go on', async () => {
    const data = await copy('running')
    await whileServed(data, async ({ log, records, url }) => {
      for await (const _ of log.submitForIndices(
        Array.from({ length: 3_000 }, (_, i) => utf8(`${'x'.repeat(1_000)} ${i}`)),
      ));
      let stop = false
      const busy = (async () => {
        for (let i = 0; !stop; i++) {
          await log.submit(utf8(`meanwhile ${i}`))
          const subject = `person ${i % 40}`
          await records.submit({ type: 'llm_request', subject, input: { prompt: `p ${i}` } })
          if (i % 7 === 6)
            await records
              .erase({ subject: `person ${(i * 3) % 40}`, basis: 'b' })
              .catch(() => undefined)
        }
      })()
      for (let round = 0; round < 3; round++) {
        const flags = ['--url', url, '--token-file', join(data, 'admin.token')]
        const run = await cairn(['backup', ...flags, '--out', at(`running-${round}.backup`)])
        expect(run).toMatchObject({ code: 0, stderr: '' })
      }
      stop = true
      await busy
      // Ends although the server would have sent more than anybody reads.
      const flags = ['--url', url, '--token-file', join(data, 'admin.token')]
      const nowhere = await cairn(['backup', ...flags, '--out', at('no/such/folder/x.backup')])
      expectRefusal(nowhere, /cannot write/)
    })
    for (let round = 0; round < 3; round++) {
      const to = at(`running-${round}`)
      const run = await restore(
        at(`running-${round}.backup`),
        to,
        '--keys',
        join(data, 'keys'),
        '--adopt-head',
      )
      expect(run).toMatchObject({ code: 0, stderr: '' })
      await cp(join(data, 'admin.token'), join(to, 'admin.token'))
      await whileServed(to, async ({ log, records }) => {
        await log.submit(utf8('goes on'))
        for (const subject of ['bob', 'person 1', 'person 39']) {
          await records.submit({ type: 'llm_request', subject, input: { prompt: 'after' } })
          expect((await records.search({ subject })).records.length).toBeGreaterThan(0)
        }
      })
      // The first start has finished what was under way.
      expect((await cairn(['fsck', to])).stdout).toMatch(/nothing wrong/)
      expect((await cairn(['audit', to])).code).toBe(0)
    }
  }, 60_000)

  it('is for administrators, one at a time', async () => {
    const data = await copy('guarded')
    const add = (...args: string[]) => cairn(['token', 'add', ...args, '--data', data])
    const reader = (await add('rita', '--roles', 'reader,auditor')).stdout.trim()
    const other = (await add('otto', '--roles', 'administrator', '--tenant', 'acme')).stdout.trim()
    await whileServed(data, async ({ url, token, log }) => {
      for await (const _ of log.submitForIndices(
        Array.from({ length: 1_500 }, (_, i) => utf8(`${'x'.repeat(20_000)} ${i}`)),
      ));
      const get = (bearer?: string) =>
        fetch(`${url}/v1/backup`, bearer ? { headers: { authorization: `Bearer ${bearer}` } } : {})
      expect((await get()).status).toBe(401)
      expect((await get(reader)).status).toBe(403)
      expect((await get(other)).status).toBe(403)
      const first = await get(token)
      expect(first.headers.get('content-type')).toBe('application/vnd.cairn.backup+tar')
      expect((await get(token)).status).toBe(503)
      await first.body!.cancel()
      // Whoever goes away makes room.
      let status = 0
      for (let tried = 0; tried < 100 && status !== 200; tried++) {
        const next = await get(token)
        status = next.status
        await next.body!.cancel()
        await new Promise((resolve) => setTimeout(resolve, 20))
      }
      expect(status).toBe(200)
      const flags = ['--url', url, '--token', reader, '--out', at('never.backup')]
      expectRefusal(await cairn(['backup', ...flags]), /role administrator/)
      const keys = ['--url', url, '--token', token, '--with-keys', '--out', at('never.backup')]
      expectRefusal(await cairn(['backup', ...keys]), /does not give its private keys away/)
    })
    const gone = ['--url', 'http://127.0.0.1:1', '--token', 'x', '--out', at('never.backup')]
    expectRefusal(await cairn(['backup', ...gone]), /127.0.0.1:1/)
    expect((await readdir(folder)).filter((name) => name.startsWith('never'))).toEqual([])
  }, 30_000)
})

describe('what is cut off', () => {
  it('leaves nothing that could be taken for a backup, or for a log', async () => {
    const data = await copy('cut')
    await whileServed(data, async ({ log }) => {
      const leaves = Array.from({ length: 3_000 }, (_, i) => utf8(`${'x'.repeat(10_000)} ${i}`))
      for await (const _ of log.submitForIndices(leaves));
    })
    const out = at('cut.backup')
    const saving = ['backup', '--data', data, '--out', out]
    expect(await killedAfter(saving, `${out}.unfinished`, 10)).toBe(true)
    await expect(stat(out)).rejects.toMatchObject({ code: 'ENOENT' })
    expect((await restore(`${out}.unfinished`, at('cut-restored'))).code).toBe(1)
    expect((await cairn(saving)).code).toBe(0)

    const to = at('cut-restored')
    const args = ['restore', out, '--to', to, '--keys', join(data, 'keys'), '--adopt-head']
    let killed = 0
    for (const milliseconds of [0, 40, 120]) {
      if (!(await killedAfter(args, join(to, 'unfinished'), milliseconds))) break
      killed++
      const refused = await cairnProcess(['serve', '--data', to, '--port', '0'])
      expectRefusal(refused, /is not whole: a restore into here/)
      expectRefusal(await cairn(['migrate', '--from', data, '--to', to]), /is not free/)
    }
    expect(killed).toBeGreaterThan(0)
    expect((await cairn(args)).code).toBe(0)
    expect(await contentsOf({ data: to })).toEqual(await contentsOf({ data }))
  }, 60_000)
})

describe('a restore of a log with witnesses', () => {
  it('is refused behind them, and may sign when they know nothing later', async () => {
    const data = await copy('witnessed')
    const vkey = join(data, 'log.vkey')
    const witness = ['--data', at('witness'), '--name', 'w.example', '--log', vkey, '--no-ml-dsa']
    const first = await served(witness, {}, 'witness')
    const policy = at('policy')
    await writeFile(policy, await readFile(join(at('witness'), 'witness.policy')))
    const flags = { policy }
    const grow = (leaf: string) =>
      whileServed(
        data,
        async ({ log }) => void (await log.submit(utf8(leaf), { witnessed: true })),
        flags,
      )
    await grow('one')
    const older = await backUp(data, 'older.backup', '--policy', policy, '--with-keys')
    await grow('two')
    const newest = await backUp(data, 'newest.backup', '--policy', policy, '--with-keys')

    const behind = await restore(older, at('behind'))
    expect(behind).toMatchObject({ code: 1, stdout: '' })
    expect(behind.stderr).toMatch(/must not go on: the data was rolled back.*--without-witnesses/)
    const refused = await cairnProcess(['serve', '--data', at('behind'), '--port', '0'])
    expectRefusal(refused, /is not whole/)

    const agreed = await restore(newest, at('agreed'), '--json')
    expect(JSON.parse(agreed.stdout)).toMatchObject({ may_sign: true, witnesses: { silent: [] } })
    await cp(join(data, 'admin.token'), join(at('agreed'), 'admin.token'))
    await whileServed(
      at('agreed'),
      async ({ log }) => void (await log.submit(utf8('three'))),
      flags,
    )

    // To be read, it can be restored all the same; it asks again when it starts.
    const readable = await restore(older, at('behind'), '--without-witnesses', '--adopt-head')
    expect(readable).toMatchObject({ code: 0 })
    expect(readable.stdout).toMatch(/must not go on/)
    await cp(join(data, 'admin.token'), join(at('behind'), 'admin.token'))
    await whileServed(
      at('behind'),
      async ({ url }) => {
        expect(await (await fetch(`${url}/readyz`)).json()).toMatchObject({
          logs: [{ mode: 'read-only' }],
        })
      },
      flags,
    )

    // What a mirror has beyond the backup takes it to where its witnesses are; its payloads come from the backup.
    const catchUp = (file: string, to: string, mirror: string, ...more: string[]) =>
      whileServed(mirror, ({ url }) => restore(file, to, '--catch-up', url, '--json', ...more))
    await cp(at('agreed'), at('mirror'), { recursive: true })
    await cp(at('agreed.signer'), at('mirror.signer'), { recursive: true })
    const caughtUp = await catchUp(older, at('caught-up'), at('mirror'))
    expect(caughtUp).toMatchObject({ code: 0, stderr: '' })
    const result = JSON.parse(caughtUp.stdout) as { size: number; caught_up: number }
    expect(result).toMatchObject({ may_sign: true, witnesses: { silent: [] } })
    expect(result.caught_up).toBeGreaterThan(1)
    expect(await payloadOf(at('caught-up'), made.kept)).toEqual(expect.any(Array))
    await cp(join(data, 'admin.token'), join(at('caught-up'), 'admin.token'))
    await whileServed(
      at('caught-up'),
      async ({ log, records }) => {
        expect(Number((await log.submit(utf8('three'))).index)).toBeLessThan(result.size)
        await log.submit(utf8('four'), { witnessed: true })
        expect((await records.search({ subject: 'bob' })).records).toHaveLength(2)
      },
      flags,
    )
    // One that has nothing newer, and one that has gone another way.
    const nothing = await catchUp(newest, at('same'), at('behind'), '--without-witnesses')
    expect(JSON.parse(nothing.stdout)).toMatchObject({ caught_up: 0 })
    await whileServed(at('behind'), async ({ log }) => {
      for await (const _ of log.submitForIndices(['a', 'b', 'c', 'd'].map(utf8)));
    })
    const forked = await catchUp(newest, at('forked'), at('behind'))
    expect(forked).toMatchObject({ code: 1, stdout: '' })
    expect(forked.stderr).toMatch(/shows another history of this log than the backup has/)
    expectRefusal(await restore(newest, at('x'), '--catch-up', 'ftp://x'), /address of a tlog-/)

    await first.stop()
    const alone = await restore(newest, at('alone'))
    expectRefusal(alone, /too few witnesses can be asked .*--without-witnesses/)
    const told = await restore(newest, at('alone'), '--without-witnesses', '--json')
    expect(JSON.parse(told.stdout)).toMatchObject({ may_sign: false })
  }, 60_000)
})

describe('the flags', () => {
  it.each([
    [['backup', '--out', 'x'], /say where the log is: --data DIR or --config FILE/],
    [['backup', '--data', 'x'], /--out/],
    [
      ['backup', '--data', 'x', '--url', 'http://127.0.0.1:1', '--out', 'y'],
      /both only with --with-keys/,
    ],
    [['backup', '--url', 'http://127.0.0.1:1', '--policy', 'p', '--out', 'y'], /--url says where/],
    [['backup', '--url', 'ftp://x', '--out', 'y'], /http/],
    [['backup', '--data', 'x', '--token', 't', '--out', 'y'], /a token goes with --url/],
    [['backup', '--data', '/nowhere', '--out', 'y'], /no log in/],
    [['backup', '--data', '/nowhere', '--with-keys', '--out', 'y'], /no keys of a log/],
    [['backup', '--data', '/nowhere', '--policy', '/nowhere', '--out', 'y'], /policy/],
    [['restore', 'x'], /say where the log is to be: --to DIR/],
    [['restore', '--to', 'x'], /file/],
    [['restore', 'x', '--to', 'y', '--policy', '/nowhere'], /policy/],
  ])('are refused: %j', async (args, message) => {
    expectRefusal(await cairn(args, { cwd: folder }), message)
  })

  it('say where keys are that are none, and a place that is not free', async () => {
    const data = await copy('flags')
    const file = await backUp(data, 'flags.backup')
    await mkdir(at('no-keys'))
    expectRefusal(
      await restore(file, at('flags-restored'), '--keys', at('no-keys')),
      /no keys of a log/,
    )
    expectRefusal(await restore(file, data), /holds the data of a log already/)
    await rename(at('no-keys'), at('letters'))
    await writeFile(at('letters', 'mine.txt'), 'mine')
    expectRefusal(await restore(file, at('letters')), /holds other files \(mine.txt\)/)
  })
})
