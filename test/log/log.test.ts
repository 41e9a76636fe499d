import { cp, rm } from 'node:fs/promises'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { equal, utf8 } from '../../src/bytes.ts'
import { CairnError } from '../../src/errors.ts'
import type { LogEvent } from '../../src/log/log.ts'
import type { LogService } from '../../src/log/service.ts'
import type { SignedState } from '../../src/log/signed-state.ts'
import { leafIndex } from '../../src/merkle/position.ts'
import type { LogStore } from '../../src/storage/port.ts'
import { discard, newKeys, newPlace, openAt, type TestLogPlace } from '../support/test-log.ts'
import { codeOf, leaves, logConformance, rootOf } from './log-conformance.ts'

let place: TestLogPlace
let opened: LogService[] = []

beforeEach(async () => {
  place = await newPlace()
})

afterEach(async () => {
  await Promise.all(opened.map((log) => log.close()))
  opened = []
  await discard(place)
})

async function open(
  ...args: Parameters<typeof openAt> extends [unknown, ...infer R] ? R : never
): Promise<LogService> {
  const log = await openAt(place, ...args)
  opened.push(log)
  return log
}

/** Opens the log with a fault in what its signer remembers. */
async function openWith(fault: (state: SignedState) => SignedState): Promise<LogService> {
  const log = await openAt(place, {}, undefined, fault)
  opened.push(log)
  return log
}

async function close(log: LogService): Promise<void> {
  opened = opened.filter((each) => each !== log)
  await log.close()
}

logConformance('a log', async () => {
  const own = await newPlace()
  return { open: (options) => openAt(own, options), discard: () => discard(own) }
})

describe('when a write fails', () => {
  /** Lets `good` commits through, then fails, before or after the store has done its work. */
  const failing =
    (good: number, when: 'before' | 'after', code: 'IO' | 'DISK_FULL' = 'IO') =>
    (store: LogStore): LogStore => ({
      head: () => store.head(),
      publication: () => store.publication(),
      publish: (publication) => store.publish(publication),
      tile: (level, tile) => store.tile(level, tile),
      bundle: (bundle) => store.bundle(bundle),
      find: (hashes) => store.find(hashes),
      idempotency: (key) => store.idempotency(key),
      inspect: (size) => store.inspect(size),
      usage: () => store.usage(),
      close: () => store.close(),
      async commit(commit) {
        const fail = good-- <= 0
        if (fail && when === 'before') throw new CairnError(code, 'the disk is gone')
        await store.commit(commit)
        if (fail) throw new CairnError(code, 'the disk is gone')
      },
    })

  for (const when of ['before', 'after'] as const) {
    it(`stops, acknowledges nothing more and opens again (failure ${when} the batch was stored)`, async () => {
      const events: LogEvent[] = []
      let log = await open(
        { onEvent: (event) => events.push(event), batch: { maxLeaves: 10, maxBytes: 1e6 } },
        failing(3, when),
      )
      const outcomes = await Promise.allSettled(leaves(100).map((leaf) => log.submit([leaf])))
      const kept = outcomes.flatMap((outcome) =>
        outcome.status === 'fulfilled' ? [outcome.value] : [],
      )
      expect(kept.map((each) => each.leaves[0]!.index)).toEqual(
        Array.from({ length: 30 }, (_, i) => i),
      )
      expect(log.mode().mode).toBe('stopped')
      expect(await codeOf(log.submit([utf8('more')]))).toBe('STOPPED')
      expect(events.map((each) => each.event)).toContain('stopped')
      expect(log.head().size).toBe(30)
      await close(log)

      log = await open()
      expect(log.mode().mode).toBe('writable')
      expect(log.head().size).toBe(when === 'before' ? 30 : 40)
      const again = await log.submit(leaves(100))
      expect(again.leaves.map((each) => each.index)).toEqual(leaves(100).map((_, i) => i))
      expect(equal(log.head().root, rootOf(leaves(100)))).toBe(true)
    })
  }

  it('says so when a head cannot be published, takes submissions all the same, and tries again', async () => {
    let broken = false
    const events: LogEvent[] = []
    const log = await open({ onEvent: (event) => events.push(event) }, (store) => ({
      ...failing(1_000, 'before')(store),
      publish: (publication) =>
        broken ? Promise.reject(new CairnError('IO', 'not now')) : store.publish(publication),
    }))
    broken = true
    await log.submit(leaves(3))
    await expect.poll(() => events).toEqual([{ event: 'publication-failed', reason: 'not now' }])
    expect(log.mode().mode).toBe('writable')
    expect(log.publication().size).toBe(0)
    broken = false
    await log.submit(leaves(5))
    await expect.poll(() => log.publication().size).toBe(5)
  })

  it('shows no head that the signer could not note', async () => {
    const log = await openWith((state) => {
      let good = 2
      return {
        ...state,
        record: (head) => (good-- > 0 ? state.record(head) : Promise.reject(new Error('gone'))),
      }
    })
    await log.submit(leaves(5))
    expect(await codeOf(log.submit(leaves(5, 'lost')))).toBe('STOPPED')
    expect(await codeOf(log.submit(leaves(5, 'later')))).toBe('STOPPED')
    expect(log.head().size).toBe(5)
    await close(log)
    const reopened = await open()
    expect(reopened.mode().mode).toBe('writable')
    expect(reopened.head().size).toBe(10)
  })

  it('says that the disk is full', async () => {
    const log = await open({}, failing(0, 'before', 'DISK_FULL'))
    expect(await codeOf(log.submit([utf8('x')]))).toBe('DISK_FULL')
  })

  it('refuses submissions while the disk is nearly full, and takes them again afterwards', async () => {
    let free = 1e12
    const events: LogEvent[] = []
    const log = await open(
      { onEvent: (event) => events.push(event), freeSpaceFloor: 1e9, spaceCheckMs: 5 },
      (store) => ({
        ...failing(1_000, 'before')(store),
        usage: async () => ({ used: 0, free }),
      }),
    )
    await log.submit([utf8('a')])
    free = 1
    await expect.poll(() => log.mode().mode).toBe('disk-full')
    expect(await codeOf(log.submit([utf8('b')]))).toBe('DISK_FULL')
    free = 1e12
    await expect.poll(() => log.mode().mode).toBe('writable')
    await log.submit([utf8('b')])
    expect(events.map((each) => each.event)).toEqual(['disk-low', 'disk-ok'])
  })
})

describe('what the signer remembers', () => {
  const submitAll = async (log: LogService, from: number, to: number): Promise<void> => {
    await log.submit(leaves(to).slice(from))
  }

  it('makes a log read-only whose data was rolled back, and signs nothing then', async () => {
    let log = await open()
    await submitAll(log, 0, 10)
    await close(log)
    await cp(join(place.directory, 'store'), join(place.directory, 'old'), { recursive: true })
    log = await open()
    await submitAll(log, 10, 20)
    await close(log)
    await rm(join(place.directory, 'store'), { recursive: true })
    await cp(join(place.directory, 'old'), join(place.directory, 'store'), { recursive: true })

    log = await open()
    const mode = log.mode()
    expect(mode.mode).toBe('read-only')
    expect(mode).toMatchObject({
      reason: expect.stringContaining('holds 10 leaves, but a head of 20 leaves'),
    })
    expect(await codeOf(log.submit([utf8('a fork')]))).toBe('READ_ONLY')
    expect(log.publication().size).toBe(10)
    expect(await log.entry(leafIndex(9))).toEqual(leaves(10)[9])
  })

  it('makes a log read-only whose data was replaced by another tree signed with the same key', async () => {
    let log = await open()
    await submitAll(log, 0, 10)
    await close(log)
    await rm(join(place.directory, 'store'), { recursive: true })
    await cp(join(place.directory, 'signed-head'), join(place.directory, 'kept'))
    await rm(join(place.directory, 'signed-head'))
    log = await open()
    await log.submit(leaves(12, 'another history'))
    await close(log)
    await cp(join(place.directory, 'kept'), join(place.directory, 'signed-head'))
    log = await open()
    expect(log.mode()).toMatchObject({
      mode: 'read-only',
      reason: expect.stringContaining('the data was replaced'),
    })
  })

  it('makes a log read-only whose signer state is gone, until the data is adopted', async () => {
    let log = await open()
    await submitAll(log, 0, 10)
    await close(log)
    await rm(join(place.directory, 'signed-head'))
    log = await open()
    expect(log.mode()).toMatchObject({
      mode: 'read-only',
      reason: expect.stringContaining('missing'),
    })
    await close(log)
    log = await open({ adoptHead: true })
    expect(log.mode().mode).toBe('writable')
    await submitAll(log, 10, 12)
    await close(log)
    log = await open()
    expect(log.mode().mode).toBe('writable')
    expect(log.head().size).toBe(12)
  })

  it('is not overruled by --adopt-head when it disagrees', async () => {
    let log = await open()
    await submitAll(log, 0, 10)
    await close(log)
    await rm(join(place.directory, 'store'), { recursive: true })
    log = await open({ adoptHead: true })
    expect(log.mode().mode).toBe('read-only')
  })

  it('refuses to open a store that was written with other keys', async () => {
    const log = await open()
    await submitAll(log, 0, 3)
    await close(log)
    await rm(join(place.directory, 'signed-head'))
    const other = { directory: place.directory, keys: newKeys(place.keys.origin) }
    await expect(openAt(other)).rejects.toMatchObject({ code: 'CORRUPT' })
  })
})
