import { mkdtemp, readdir, readFile, rm, stat, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { utf8 } from '../../src/bytes.ts'
import { lockDirectory } from '../../src/storage/level-lock.ts'
import { claimMonitorDirectory, openMonitorDirectory } from '../../src/storage/monitor-directory.ts'

let parent: string
let path: string
beforeEach(async () => {
  parent = await mkdtemp(join(tmpdir(), 'cairn-monitor-directory-'))
  path = join(parent, 'monitor')
})
afterEach(() => rm(parent, { recursive: true }))

const open = async () => openMonitorDirectory(await claimMonitorDirectory(path))
const hash = (byte: number): Uint8Array => new Uint8Array(32).fill(byte)

describe("a monitor's directory", () => {
  it('is made for the owner only, and found again', async () => {
    expect(await claimMonitorDirectory(path)).toBe(path)
    expect(await readFile(join(path, 'format'), 'utf8')).toBe('cairn-monitor 1\n')
    expect((await stat(path)).mode % 0o1000).toBe(0o700)
    await claimMonitorDirectory(path)
    expect(await readdir(path)).toEqual(['format'])
  })

  it('keeps hashes level by level, and a state', async () => {
    const log = await (await open()).openLog('a')
    expect(await log.readState()).toBeUndefined()
    await log.append(0, new Uint8Array([...hash(1), ...hash(2)]))
    await log.append(0, hash(3))
    await log.append(1, hash(4))
    await log.writeState(utf8('known'))

    const again = await (await open()).openLog('a')
    expect([0, 1, 2, 9].map((level) => again.count(level))).toEqual([3, 1, 0, 0])
    expect(await again.read(0, 1, 2)).toEqual(new Uint8Array([...hash(2), ...hash(3)]))
    expect(await again.readState()).toEqual(utf8('known'))
    await expect(again.read(0, 2, 2)).rejects.toMatchObject({ code: 'NOT_FOUND' })
    await expect(again.read(9, 0, 1)).rejects.toMatchObject({ code: 'NOT_FOUND' })
  })

  it('drops hashes, and writes others in their place', async () => {
    const log = await (await open()).openLog('a')
    await log.append(0, new Uint8Array([...hash(1), ...hash(2), ...hash(3)]))
    await log.cut(0, 5)
    expect(log.count(0)).toBe(3)
    await log.cut(0, 1)
    await log.append(0, hash(9))
    expect(await log.read(0, 0, 2)).toEqual(new Uint8Array([...hash(1), ...hash(9)]))
    expect((await stat(join(path, 'logs', 'a', 'hashes-0'))).size).toBe(64)
  })

  it('does not count half a hash that a crash left', async () => {
    const log = await (await open()).openLog('a')
    await log.append(0, hash(1))
    await writeFile(join(path, 'logs', 'a', 'hashes-0'), new Uint8Array(50))
    const again = await (await open()).openLog('a')
    expect(again.count(0)).toBe(1)
    await again.append(0, hash(2))
    expect(await again.read(0, 1, 1)).toEqual(hash(2))
  })

  it('says that a file of hashes got shorter', async () => {
    const log = await (await open()).openLog('a')
    await log.append(0, new Uint8Array([...hash(1), ...hash(2)]))
    await writeFile(join(path, 'logs', 'a', 'hashes-0'), new Uint8Array(40))
    await expect(log.read(0, 0, 2)).rejects.toMatchObject({ code: 'CORRUPT' })
  })

  it('never writes over evidence', async () => {
    const store = await open()
    const place = await store.keepEvidence('a.split-view', utf8('first'))
    expect(place).toBe(join(path, 'evidence', 'a.split-view'))
    expect(await store.keepEvidence('a.split-view', utf8('second'))).toBe(place)
    expect(await readFile(place, 'utf8')).toBe('first')
    expect(await readdir(join(path, 'evidence'))).toEqual(['a.split-view'])
  })

  it('keeps evidence elsewhere when told to', async () => {
    const evidence = join(parent, 'proofs', 'deep')
    const store = await openMonitorDirectory(await claimMonitorDirectory(path), { evidence })
    expect(await store.keepEvidence('a', utf8('x'))).toBe(join(evidence, 'a'))
    await writeFile(join(parent, 'file'), '')
    await expect(
      openMonitorDirectory(path, { evidence: join(parent, 'file') }),
    ).rejects.toMatchObject({ code: 'IO', message: expect.stringContaining('keep evidence in') })
  })

  it('is not made where there is a file', async () => {
    await writeFile(path, '')
    await expect(claimMonitorDirectory(path)).rejects.toMatchObject({ code: 'IO' })
  })
})

describe('a lock', () => {
  it('is held once, until it is let go', async () => {
    const lock = await lockDirectory(join(parent, 'lock'))
    await expect(lockDirectory(join(parent, 'lock'))).rejects.toMatchObject({ code: 'LOCKED' })
    await lock.release()
    await (await lockDirectory(join(parent, 'lock'))).release()
  })
})
