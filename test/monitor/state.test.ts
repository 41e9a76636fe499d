/** What a monitor keeps: read back as it was written, and never taken for less when it is damaged. */
import {
  cp,
  mkdir,
  readdir,
  readFile,
  rename,
  rm,
  rmdir,
  truncate,
  writeFile,
} from 'node:fs/promises'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import { fromUtf8, utf8 } from '../../src/bytes.ts'
import { ed25519SigningKey } from '../../src/formats/signing-key.ts'
import { formatState, parseState } from '../../src/monitor/state.ts'
import { at, folder, frontOf, newTreeLog, saying, useScene, type Watching, watch } from './scene.ts'
import type { TreeLog } from './tree-log.ts'

useScene()

const state = (): string => join(folder, 'monitor')

/** The folder of the one log. */
async function place(): Promise<string> {
  const [name] = await readdir(join(state(), 'logs'))
  return join(state(), 'logs', name!)
}

/** A monitor that has seen something of everything, ended. */
async function seasoned(): Promise<{ log: TreeLog; again: Watching['again'] }> {
  const log = await newTreeLog()
  log.append(300)
  const fork = await log.fork()
  fork.append(100, 'other')
  const front = await frontOf(log.url)
  const watching = await watch({ logs: [...at(front.url, log), ...at(fork.url, log)] })
  await watching.round()
  await fork.close()
  front.instead.set('/checkpoint', saying('no'))
  await watching.round()
  await watching.monitor.close()
  return { log, again: watching.again }
}

describe('the state of a log', () => {
  it('is read back as it was written', async () => {
    const { log } = await seasoned()
    const bytes = new Uint8Array(await readFile(join(await place(), 'state')))
    expect(fromUtf8(bytes)).toMatch(/^cairn-monitor-state\/v1\ndigest [\w+/]{43}=\n\{\n/)
    const parsed = parseState(bytes, log, 'here')
    expect(formatState(parsed)).toEqual(bytes)
    expect(parsed.alerts.map(({ kind }) => kind).sort()).toEqual(['bad-checkpoint', 'unreachable'])
    expect(parsed.head?.checkpoint.size).toBe(400)
  })

  it('is refused with any byte changed', async () => {
    const { log } = await seasoned()
    const bytes = new Uint8Array(await readFile(join(await place(), 'state')))
    for (let i = 0; i < bytes.length; i += 13) {
      const changed = bytes.with(i, bytes[i]! ^ 1)
      expect(() => parseState(changed, log, 'here'), `byte ${i}`).toThrow()
      expect(() => parseState(bytes.subarray(0, i), log, 'here')).toThrow(/damaged/)
    }
  })

  it.each<[string, (file: string, folder: string) => Promise<void>]>([
    ['empty', (file) => writeFile(file, '')],
    ['cut', (file) => truncate(file, 300)],
    ['something else', (file) => writeFile(file, '{}')],
    ['missing', (file) => rm(file)],
    ['beside fewer hashes', (_, folder) => truncate(join(folder, 'hashes-0'), 32 * 399)],
    ['beside no hashes of a level', (_, folder) => rm(join(folder, 'hashes-1'))],
    [
      'beside changed hashes',
      async (_, folder) => {
        const file = join(folder, 'hashes-0')
        const bytes = await readFile(file)
        bytes[32 * 399]! ^= 1
        await writeFile(file, bytes)
      },
    ],
  ])('that is %s says what to do', async (_, damage) => {
    const { again } = await seasoned()
    const here = await place()
    await damage(join(here, 'state'), here)
    await expect(again()).rejects.toMatchObject({
      code: 'CORRUPT',
      message: expect.stringMatching(/tree\.example\/log is damaged \(.*logs.*: .*move it away/),
    })
    await rm(here, { recursive: true })
    const afresh = await again()
    expect(afresh.monitor.alerts()).toEqual([])
  })

  it('of a newer version is left to it', async () => {
    const { again } = await seasoned()
    await writeFile(join(await place(), 'state'), 'cairn-monitor-state/v2\n')
    await expect(again()).rejects.toMatchObject({ code: 'NEWER_FORMAT' })
  })

  it('with other keys is refused, not forgotten', async () => {
    const { log, again } = await seasoned()
    const { vkey } = ed25519SigningKey(log.origin, utf8('x'.repeat(32)))
    await expect(again({ logs: [{ key: vkey, url: log.url }] })).rejects.toMatchObject({
      code: 'USAGE',
      message: expect.stringMatching(/the given keys have not signed .* move that folder away/),
    })
  })

  it('whose hashes rot later is the trouble of the monitor, and no fault of the log', async () => {
    const log = await newTreeLog()
    log.append(600)
    const front = await frontOf(log.url)
    const watching = await watch({ logs: at(front.url, log) })
    await watching.round()
    const file = join(await place(), 'hashes-0')
    const bytes = await readFile(file)
    bytes[32 * 300]! ^= 1
    await writeFile(file, bytes)
    front.instead.set('/checkpoint', saying(log.note(310)))
    const alerts = await watching.round()
    expect(alerts.map(({ kind }) => kind)).toEqual(['monitor-failed'])
    expect(alerts[0]?.message).toContain('the hashes kept of tree.example/log are damaged')
  })
})

describe('the directory of a monitor', () => {
  it('is used by one at a time', async () => {
    const log = await newTreeLog()
    const first = await watch({ logs: at(log.url, log) })
    await expect(watch({ logs: at(log.url, log) })).rejects.toMatchObject({
      code: 'LOCKED',
      message: expect.stringContaining(`another cairn monitor uses ${state()}`),
    })
    await first.monitor.close()
    await watch({ logs: at(log.url, log) })
  })

  it.each<[string, string, () => Promise<unknown>]>([
    ['of something else', 'FOREIGN_DIRECTORY', () => writeFile(join(state(), 'notes.txt'), 'x')],
    ['of a log', 'FOREIGN_DIRECTORY', () => writeFile(join(state(), 'format'), 'cairn-log 1\n')],
    [
      'of a newer cairn',
      'NEWER_FORMAT',
      () => writeFile(join(state(), 'format'), 'cairn-monitor 2\n'),
    ],
  ])('is not one %s', async (_, code, prepare) => {
    await mkdir(state())
    await prepare()
    const log = await newTreeLog()
    await expect(watch({ logs: at(log.url, log) })).rejects.toMatchObject({ code })
  })

  it('can be copied while nothing runs', async () => {
    const log = await newTreeLog()
    log.append(300)
    const watching = await watch({ logs: at(log.url, log) })
    await watching.round()
    await watching.monitor.close()
    const copy = join(folder, 'copy')
    await cp(state(), copy, { recursive: true })
    const later = await watching.again({ state: copy })
    await later.round()
    expect(later.events).toMatchObject([{ event: 'round', logs: [{ size: 300, newEntries: 0 }] }])
  })
})

describe('a disk that fails', () => {
  it('is an alert while the state cannot be written, and nothing is lost', async () => {
    const log = await newTreeLog()
    log.append(300)
    const watching = await watch({ logs: at(log.url, log) })
    expect(await watching.round()).toEqual([])
    const here = await place()
    await rename(here, `${here}.away`)
    log.append(300)
    expect(await watching.round()).toMatchObject([{ kind: 'monitor-failed', source: log.origin }])
    await rename(`${here}.away`, here)
    expect(await watching.round()).toEqual([])
    const later = await watching.again()
    await later.round()
    expect(later.events).toMatchObject([{ event: 'round', logs: [{ size: 600, newEntries: 0 }] }])
  })

  it('is an alert while hashes cannot be kept, and they are read again', async () => {
    const log = await newTreeLog()
    log.append(256)
    const watching = await watch({ logs: at(log.url, log) })
    expect(await watching.round()).toEqual([])
    const hashes = join(await place(), 'hashes-0')
    await rename(hashes, `${hashes}.away`)
    await mkdir(hashes)
    log.append(256)
    for (let i = 0; i < 2; i++) {
      expect(await watching.round()).toMatchObject([{ kind: 'monitor-failed' }])
    }
    await rmdir(hashes)
    await rename(`${hashes}.away`, hashes)
    expect(await watching.round()).toEqual([])
    const later = await watching.again()
    await later.round()
    expect(later.events).toMatchObject([{ event: 'round', logs: [{ size: 512, newEntries: 0 }] }])
  })

  it('keeps no fork from being told, and its evidence is written once it can be', async () => {
    const log = await newTreeLog()
    log.append(10)
    const fork = await log.fork()
    log.append(5)
    fork.append(5, 'other')
    const front = await frontOf(log.url)
    const watching = await watch({ logs: at(front.url, log) })
    await watching.round()
    const evidence = join(state(), 'evidence')
    await rename(evidence, `${evidence}.away`)
    front.target = fork.url
    const [alert] = await watching.round()
    expect(alert).toMatchObject({
      kind: 'split-view',
      message: expect.stringMatching(/has forked.*could not be written, and will be tried again/),
    })
    expect(alert?.evidence).toBeUndefined()
    await watching.round()
    await rename(`${evidence}.away`, evidence)
    const [written] = await watching.round()
    expect(written?.evidence).toBeDefined()
    const told = watching.events.filter(({ event }) => event === 'alert')
    expect(told).toHaveLength(2)
    expect(await readdir(evidence)).toHaveLength(1)
    await fork.close()
  })
})
