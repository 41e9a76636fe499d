import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { utf8 } from '../../src/bytes.ts'
import { MapAudit } from '../../src/client/recompute-map.ts'
import { type InspectMapOptions, inspectMap } from '../../src/completeness/inspect-map.ts'
import type { CompletenessEvent, CompletenessService } from '../../src/completeness/service.ts'
import { type CompletenessOptions, openCompleteness } from '../../src/completeness/upkeep.ts'
import { CairnError } from '../../src/errors.ts'
import { decodeBundle } from '../../src/formats/bundle.ts'
import {
  formatCompleteness,
  parseCompleteness,
  verifyCompleteness,
} from '../../src/formats/completeness.ts'
import { isMapRoot, parseMapRoot } from '../../src/formats/completeness-root.ts'
import type { MapTerm } from '../../src/formats/completeness-terms.ts'
import type { RecordLeaf } from '../../src/formats/record.ts'
import type { LogService } from '../../src/log/service.ts'
import { leafIndex } from '../../src/merkle/position.ts'
import type { IndexStore } from '../../src/storage/index-port.ts'
import { prepared } from '../support/records.ts'
import { discardStore, openIndexStore, openLogAt } from '../support/stores.ts'
import { discard, newPlace, type TestLogPlace } from '../support/test-log.ts'

let place: TestLogPlace
let log: LogService
let store: IndexStore
let map: CompletenessService
let events: CompletenessEvent[]

const mapDirectory = (): string => join(place.directory, 'map')

async function open(options: Partial<CompletenessOptions> = {}): Promise<void> {
  log = await openLogAt(place)
  store = await openIndexStore(mapDirectory())
  await openMap(options)
}

async function openMap(options: Partial<CompletenessOptions> = {}): Promise<void> {
  const onEvent = (event: CompletenessEvent): unknown => events.push(event)
  map = await openCompleteness({
    log,
    store,
    everyMs: 0,
    everyEntries: 10 ** 9,
    onEvent,
    ...options,
  })
}

async function close(): Promise<void> {
  await map.close()
  await log.close()
  await store.close()
}

beforeEach(async () => {
  place = await newPlace()
  events = []
  await open()
})

afterEach(async () => {
  await close()
  await discard(place)
})

let made = 0
function record(request: string, more: object = {}): Uint8Array {
  const digits = String(made++).padStart(12, '0')
  const id = `019a9bd4-5c00-7000-8000-${digits}`
  return prepared({ type: 'llm_request', request_id: request, ...more }, { id }).leaf
}

function others(count: number): Uint8Array[] {
  return Array.from({ length: count }, () => utf8(`leaf ${made++}`))
}

const request = (value: string): MapTerm => ({ tenant: 'acme', field: 'request', value })

async function entries(): Promise<Uint8Array[]> {
  const { size } = log.head()
  const leaves: Uint8Array[] = []
  for (let first = 0; first < size; first += 256) {
    const width = Math.min(256, size - first)
    leaves.push(...decodeBundle((await log.bundle(first / 256, width))!, width))
  }
  return leaves
}

/** What is proven to be listed under a term, as somebody would see it who has the head and the proof. */
async function listed(term: MapTerm): Promise<readonly number[]> {
  const committed = await map.committed()
  const { size, root } = log.head()
  const proof = await map.prove(term, committed, size)
  const { origin } = log
  const read = parseCompleteness(formatCompleteness(proof))
  expect(read).toEqual(proof)
  const { indices, entry } = verifyCompleteness(read, { origin, size, root })
  expect(entry).toBe(committed.entry)
  return indices
}

/** An auditor goes through the whole log; gives how many map roots were right. */
async function audited(): Promise<number> {
  const audit = new MapAudit({ origin: log.origin })
  const problems = (await entries())
    .map((leaf) => audit.next(leaf))
    .filter((problem) => problem !== undefined)
  expect(problems).toEqual([])
  return audit.statistics().roots
}

describe('the map of a log', () => {
  it('proves what is listed, and that nothing is', async () => {
    await log.submit([record('req-1'), ...others(2), record('req-2'), record('req-1')])
    expect(await listed(request('req-1'))).toEqual([0, 4])
    expect(await listed(request('req-2'))).toEqual([3])
    expect(await listed(request('req-3'))).toEqual([])
    expect(await listed({ ...request('req-1'), tenant: 'other' })).toEqual([])
    await log.submit([record('req-1'), record('req-3')])
    expect(await listed(request('req-1'))).toEqual([0, 4, log.head().size - 3])
    expect(await audited()).toBe(2)
    expect(events).toEqual([])
  })

  it('commits once to the same entries', async () => {
    await log.submit([record('req-1')])
    const first = await map.committed()
    expect(await map.committed()).toEqual(first)
    expect(first).toEqual({ size: 1, entry: 1 })
    expect(map.statistics()).toMatchObject({ next: 2, committed: first })
    expect((await entries()).filter(isMapRoot)).toHaveLength(1)
  })

  it('goes on over small blocks, and after a restart where it was', async () => {
    for (let i = 0; i < 12; i++) await log.submit([record(`req-${i % 3}`), ...others(700)])
    const before = await listed(request('req-1'))
    expect(before).toHaveLength(4)
    await close()
    await open()
    expect(map.statistics().next).toBeGreaterThan(0)
    expect(await listed(request('req-1'))).toEqual(before)
    await log.submit([record('req-1')])
    expect(await listed(request('req-1'))).toHaveLength(5)
    expect(await audited()).toBe(3)
  })

  it('goes on over large blocks', async () => {
    const batch = 8_192
    for (let i = 0; i < 33; i++) {
      await log.submit([record(`req-${i % 4}`), record('req-9'), ...others(batch - 2)])
      if (i === 12) await expect(map.committed()).rejects.toThrow('is being made')
      if (i < 20) continue
      await map.settled()
      if (i === 20) await map.committed()
    }
    expect(log.head().size).toBeGreaterThan(262_144 + 4_096)
    expect(await listed(request('req-9'))).toHaveLength(33)
    expect(await listed(request('req-2'))).toHaveLength(8)
    expect(await listed(request('req-4'))).toEqual([])
    // Proofs of the older map root hold as long as there are not too many newer ones.
    const older = { size: 172_032, entry: leafIndex(172_032) }
    const { size } = log.head()
    const proof = await map.prove(request('req-9'), older as never, size)
    const { origin } = log
    const { indices } = verifyCompleteness(proof, { ...log.head(), origin })
    expect(indices).toHaveLength(21)
    for (let i = 0; i < 2; i++) {
      await log.submit([record('req-9')])
      await map.committed()
    }
    await expect(map.prove(request('req-9'), older as never, size)).rejects.toThrow('newer maps')
    expect(await listed(request('req-9'))).toHaveLength(35)
    const smallPages = { gte: Uint8Array.of(1, 1), lt: Uint8Array.of(1, 2) }
    const [first] = await store.scan(smallPages, { limit: 1 })
    // What the large block has taken the place of is gone.
    expect(first![0][7]).toBeGreaterThanOrEqual(64)
    expect(await audited()).toBeGreaterThan(2)
    await close()
    await open()
    expect(await listed(request('req-9'))).toHaveLength(35)
    const source = log as unknown as InspectMapOptions['source']
    for await (const { detail } of inspectMap({ ...log.head(), store, origin, source }))
      expect.fail(detail)
  })

  it('is made again, with the same key, when what was stored is lost or damaged', async () => {
    await log.submit([record('req-1'), ...others(5_000), record('req-1')])
    const before = await listed(request('req-1'))
    await close()
    await discardStore(mapDirectory())
    await open()
    expect(await listed(request('req-1'))).toEqual(before)
    expect(await audited()).toBe(2)
    await map.close()
    await store.write({ put: [[Uint8Array.of(0), Uint8Array.of(1, 2, 3)]] })
    await openMap()
    expect(events).toEqual([
      { event: 'map-discarded', reason: 'what is stored of the map is damaged' },
    ])
    expect(await listed(request('req-1'))).toEqual(before)
    await map.close()
    await store.write({ put: [[Uint8Array.of(0), Uint8Array.of(2)]] })
    await openMap()
    expect(events.at(-1)).toMatchObject({ event: 'map-discarded' })
    expect(await audited()).toBe(3)
    const keys = (await entries()).filter(isMapRoot).map((leaf) => parseMapRoot(leaf).key)
    expect(new Set(keys.map(String)).size).toBe(1)
  })

  it('of another log is not gone on with', async () => {
    await log.submit([record('req-1')])
    await map.committed()
    await map.close()
    await log.close()
    const another = await newPlace()
    log = await openLogAt(another)
    await log.submit([record('req-2'), record('req-3'), record('req-4')])
    await openMap()
    expect(await listed(request('req-1'))).toEqual([])
    expect(await listed(request('req-3'))).toEqual([1])
    await discard(another)
  })

  it('of another history is not gone on with, even before there was a map root', async () => {
    await log.submit([record('req-1'), ...others(4_200)])
    await map.settled()
    await map.close()
    await log.close()
    // As after a backup that has grown in another way since.
    const another = await newPlace()
    log = await openLogAt(another)
    await log.submit([...others(4_096), record('req-2'), ...others(200)])
    await openMap()
    expect(await listed(request('req-1'))).toEqual([])
    expect(await listed(request('req-2'))).toEqual([4_096])
    expect(await audited()).toBe(1)
    await discard(another)
  })

  it('is committed to by itself when there are new records, and is not even made without', async () => {
    await map.close()
    await openMap({ everyMs: 20 })
    await log.submit(others(3))
    await new Promise((resolve) => setTimeout(resolve, 60))
    expect(log.head().size).toBe(3)
    expect(map.statistics().next).toBe(0)
    await log.submit([record('req-1')])
    await map.settled()
    await expect.poll(() => log.head().size).toBe(5)
    await new Promise((resolve) => setTimeout(resolve, 80))
    expect(log.head().size).toBe(5)
    await close()
    await open({ everyMs: 20 })
    await new Promise((resolve) => setTimeout(resolve, 80))
    expect(log.head().size).toBe(5)
    expect(await audited()).toBe(1)
  })

  it('is committed to by itself after so many entries', async () => {
    await map.close()
    await openMap({ everyEntries: 300 })
    await log.submit([record('req-1'), ...others(298)])
    await map.settled()
    expect(log.head().size).toBe(299)
    await log.submit(others(2))
    await expect.poll(() => log.head().size, { timeout: 5_000 }).toBe(302)
    expect(await audited()).toBe(1)
  })

  it('takes the word of who follows the log for what is in it', async () => {
    await log.submit([record('req-1'), ...others(2), record('req-2'), ...others(4_200)])
    await map.settled()
    const heard = (from: number, to: number, index: number, name: string): void => {
      const id = '019a9bd4-5c00-7000-8000-000000000000'
      map.hear(from, to, [
        { index, record: { tenant: 'acme', id, request_id: name } as RecordLeaf },
      ])
    }
    const { size } = log.head()
    await log.submit(others(20))
    // Entries that were taken in already, entries with a gap before them, and the next ones.
    heard(0, 10, 3, 'req-9')
    heard(size + 15, size + 20, size + 16, 'req-3')
    heard(size, size + 10, size + 4, 'req-4')
    await map.settled()
    expect(await listed(request('req-9'))).toEqual([])
    expect(await listed(request('req-3'))).toEqual([])
    expect(await listed(request('req-4'))).toEqual([size + 4])
    expect(await listed(request('req-2'))).toEqual([3])
  })

  it('does not go on with what could not be stored, and says so', async () => {
    await map.close()
    const failing: IndexStore = {
      get: (keys) => store.get(keys),
      scan: (range, scan) => store.scan(range, scan),
      write: (write) =>
        (write.put ?? []).length > 1
          ? Promise.reject(new CairnError('DISK_FULL', 'no room'))
          : store.write(write),
      clear: () => store.clear(),
      purge: (ranges) => store.purge(ranges),
      usage: () => store.usage(),
      close: () => store.close(),
    }
    await openMap({ store: failing })
    await log.submit([record('req-1'), ...others(4_200)])
    await expect(map.committed()).rejects.toThrow('no room')
    expect(events).toEqual([{ event: 'map-failed', reason: 'no room', code: 'DISK_FULL' }])
    await expect(map.committed()).rejects.toThrow('no room')
    await map.close()
    await openMap()
    expect(await listed(request('req-1'))).toEqual([0])
    expect(await audited()).toBe(1)
  })

  it('has its key back from a log that a newer version has written to', async () => {
    await log.submit([record('req-1')])
    await map.committed()
    await log.submit([utf8('cairn-map/v2\n')], { ownStatement: true })
    const [first] = (await entries()).filter(isMapRoot)
    await map.close()
    await store.clear()
    await openMap()
    await log.submit([record('req-2')])
    const committed = await map.committed()
    const leaf = (await log.entry(committed.entry))!
    expect(parseMapRoot(leaf).key).toEqual(parseMapRoot(first!).key)
  })

  it('refuses what no map can answer', async () => {
    await expect(map.committed()).rejects.toThrow('no map of no entries')
    await log.submit([record('req-1')])
    const committed = await map.committed()
    const refused = map.prove(request(''), committed, log.head().size)
    await expect(refused).rejects.toThrow('the request of a term is a line of text')
    await map.close()
    await expect(map.committed()).rejects.toThrow(CairnError)
  })
})
