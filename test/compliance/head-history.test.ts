/** Heads of a real log, kept by the day; only the clock is the test's. */
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { utf8 } from '../../src/bytes.ts'
import { openHeadHistory, type RunningHeadHistory } from '../../src/compliance/head-history.ts'
import { openCheckpoint } from '../../src/formats/open-checkpoint.ts'
import { parseVkey } from '../../src/formats/vkey.ts'
import type { LogService } from '../../src/log/service.ts'
import type { HeadStore } from '../../src/storage/heads-port.ts'
import { openHeadStore, openLogAt } from '../support/stores.ts'
import { discard, newPlace, type TestLogPlace } from '../support/test-log.ts'

const DAY = 86_400_000
const START = Date.UTC(2026, 9, 30, 12)

let place: TestLogPlace
let log: LogService
let store: HeadStore
let history: RunningHeadHistory
let clock: number
const errors: string[] = []

beforeEach(async () => {
  clock = START
  errors.length = 0
  place = await newPlace()
  log = await openLog()
  store = await openHeadStore(join(place.directory, 'heads'))
  history = await open(store)
})
afterEach(async () => {
  await history.close().catch(() => undefined)
  await log.close()
  await discard(place)
})

const openLog = () =>
  openLogAt(place, {
    now: () => clock,
    publishIntervalMs: 1,
    onPublished: () => history?.notify(),
  })
const open = (store: HeadStore) =>
  openHeadHistory({
    log,
    store,
    now: () => clock,
    storeMs: 60_000,
    onError: (why) => errors.push(why),
  })

/** Adds a leaf and waits until a head with it is published. */
async function grow(text: string): Promise<void> {
  const { leaves } = await log.submit([utf8(text)])
  const { index } = leaves[0]!
  while (log.publication().size <= index) await new Promise((resolve) => setTimeout(resolve, 2))
}

const sizeOf = ({ checkpoint }: { checkpoint: string }): number =>
  openCheckpoint(utf8(checkpoint), log.vkeys.map(parseVkey)).checkpoint.size
const kept = async (from = 0, before = Number.POSITIVE_INFINITY) =>
  (await history.between(from, before)).map((head) => [
    new Date(head.time).toISOString().slice(0, 10),
    sizeOf(head),
  ])

describe('the heads of a log', () => {
  it('are kept from its beginning: the first, and of each day the newest', async () => {
    expect(await kept()).toEqual([['2026-10-30', 0]])
    await grow('one')
    await grow('two')
    clock += DAY
    await grow('three')
    clock += 3 * DAY
    await grow('four')
    await grow('five')
    expect(await kept()).toEqual([
      ['2026-10-30', 0],
      ['2026-10-30', 2],
      ['2026-10-31', 3],
      ['2026-11-03', 5],
    ])
    expect(errors).toEqual([])
  })

  it('are found by time', async () => {
    await grow('one')
    clock += DAY
    await grow('two')
    const november = Date.UTC(2026, 10, 1)
    clock = november + 5
    await grow('three')
    expect(sizeOf((await history.lastBefore(november))!)).toBe(2)
    expect(await history.lastBefore(START)).toBeUndefined()
    expect(await kept(november, november + DAY)).toEqual([['2026-11-01', 3]])
    expect(await kept(november + DAY)).toEqual([])
  })

  it('are those of before after a restart, and of a day still one', async () => {
    await grow('one')
    await history.close()
    await log.close()
    clock += 1_000
    log = await openLog()
    store = await openHeadStore(join(place.directory, 'heads'))
    history = await open(store)
    await grow('two')
    expect(await kept()).toEqual([
      ['2026-10-30', 0],
      ['2026-10-30', 2],
    ])
  })

  it('are stored soon on a new day, and now and then during it', async () => {
    clock += DAY
    await grow('one')
    await expect.poll(() => store.times().length).toBe(2)
    clock += 1_000
    await grow('two')
    await new Promise((resolve) => setTimeout(resolve, 20))
    const again = await openHeadStore(join(place.directory, 'heads'))
    expect(sizeOf(await again.read(again.times().at(-1)!))).toBe(1)
    expect(await kept()).toContainEqual(['2026-10-31', 2])
  })

  it('are left as they are once the history is closed', async () => {
    await history.close()
    clock += DAY
    await grow('one')
    await new Promise((resolve) => setTimeout(resolve, 20))
    expect(store.times()).toHaveLength(1)
  })

  it('have no beginning where the log is older than its history', async () => {
    await grow('one')
    await history.close()
    const fresh = await openHeadStore(join(place.directory, 'fresh'))
    history = await open(fresh)
    expect(await kept()).toEqual([['2026-10-30', 1]])
  })

  it('are tried again when one could not be stored', async () => {
    let isFull = true
    const full: HeadStore = {
      ...store,
      keep: (head) => (isFull ? Promise.reject(new Error('no space')) : store.keep(head)),
    }
    history = await open(full)
    clock += DAY
    await grow('one')
    await expect.poll(() => errors).toContain('no space')
    // What is there can be read all the same.
    expect(await kept()).not.toContainEqual(['2026-10-31', 1])
    isFull = false
    expect(await kept()).toContainEqual(['2026-10-31', 1])
  })
})
