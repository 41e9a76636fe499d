import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { utf8 } from '../../src/bytes.ts'
import { inspectMap, type MapFinding } from '../../src/completeness/inspect-map.ts'
import { remakeMap } from '../../src/completeness/remake-map.ts'
import type { CompletenessService } from '../../src/completeness/service.ts'
import { openCompleteness } from '../../src/completeness/upkeep.ts'
import { formatMapRoot } from '../../src/formats/completeness-root.ts'
import type { LogService } from '../../src/log/service.ts'
import { HASH_SIZE, rootHash } from '../../src/merkle/hash.ts'
import { treeSize } from '../../src/merkle/position.ts'
import type { IndexEntry, IndexStore } from '../../src/storage/index-port.ts'
import { prepared } from '../support/records.ts'
import { openIndexStore, openLogAt } from '../support/stores.ts'
import { discard, newPlace, type TestLogPlace } from '../support/test-log.ts'

let place: TestLogPlace
let log: LogService
let store: IndexStore
let map: CompletenessService

beforeEach(async () => {
  place = await newPlace()
  log = await openLogAt(place)
  store = await openIndexStore(join(place.directory, 'map'))
  map = await openCompleteness({ log, store, everyMs: 0, everyEntries: Infinity })
})

afterEach(async () => {
  await map.close()
  await log.close()
  await store.close()
  await discard(place)
})

let made = 0
function record(request: string): Uint8Array {
  const id = `019a9bd4-5c00-7000-8000-${String(made++).padStart(12, '0')}`
  return prepared({ type: 'llm_request', request_id: request }, { id }).leaf
}

const others = (count: number): Uint8Array[] =>
  Array.from({ length: count }, () => utf8(`leaf ${made++}`))

function parts() {
  const there = <T>(value: T | undefined): T => value ?? expect.fail('the log has lost it')
  return {
    store,
    origin: log.origin,
    size: log.head().size,
    source: {
      tile: async (level: number, tile: number, width: number) =>
        there(await log.tile(level, tile, width)),
      bundle: async (bundle: number, width: number) => there(await log.bundle(bundle, width)),
    },
  }
}

async function findings(): Promise<{ found: MapFinding[]; of: number | undefined }> {
  const pass = inspectMap(parts())
  const found: MapFinding[] = []
  for (;;) {
    const step = await pass.next()
    if (step.done) return { found, of: step.value }
    found.push(step.value)
  }
}

const everything = { gte: Uint8Array.of(0), lt: Uint8Array.of(255) }

/** The stored values whose keys begin so. */
async function rows(...start: number[]): Promise<IndexEntry[]> {
  const all = await store.scan(everything, { limit: 100_000 })
  return all.filter(([key]) => start.every((byte, i) => key[i] === byte))
}

describe('an inspection of the map', () => {
  it('finds nothing in one that was kept well, and none where there is none', async () => {
    await log.submit([record('req-1'), ...others(5_000), record('req-2'), ...others(4_000)])
    await map.committed()
    await log.submit([record('req-2'), ...others(10)])
    await map.committed()
    expect(await findings()).toEqual({ found: [], of: 8_192 })
    await store.clear()
    expect(await findings()).toEqual({ found: [], of: undefined })
  })

  it('names each block that does not follow from the entries, once', async () => {
    await log.submit([record('req-1'), record('req-2'), ...others(5_000), record('req-2')])
    await log.submit(others(8_000))
    await map.settled()
    const [page] = await rows(1, 1, 0, 0, 0, 0, 0, 0)
    const changed = page![1].slice()
    changed[changed.length - 1]! ^= 1
    const [nodes] = await rows(2, 1, 0, 0, 0, 0, 0, 1)
    await store.write({ put: [[page![0], changed]], drop: [nodes![0]] })
    expect(await findings()).toEqual({
      of: 12_288,
      found: [
        {
          kind: 'map',
          name: 'block 0-4095 of the map',
          detail: `page ${page![0][8]} is not what follows from the entries`,
        },
        { kind: 'map', name: 'block 4096-8191 of the map', detail: 'list of nodes is missing' },
      ],
    })
    // One more page than the entries make.
    const empty = (await rows(1, 1)).every(([key]) => key[8] !== 7)
    expect(empty).toBe(true)
    await store.write({ put: [page!, nodes!, [page![0].with(8, 7), page![1]]] })
    expect((await findings()).found).toMatchObject(
      [{ detail: /^page 7 is not what/ }].map(matching),
    )
  })

  it('holds each map root in the log against the entries', async () => {
    await log.submit([record('req-1')])
    const { entry } = await map.committed()
    const [[, state]] = (await rows(0)) as [IndexEntry]
    const key = state.slice(1, 33)
    const root = rootHash(new Uint8Array(HASH_SIZE).fill(7))
    const lie = formatMapRoot({ origin: log.origin, size: treeSize(2), root, key })
    await log.submit([lie], { ownStatement: true })
    const { found } = await findings()
    expect(found).toHaveLength(1)
    expect(found[0]).toMatchObject({ kind: 'map', name: `entry ${entry + 1}` })
    expect(found[0]!.detail).toMatch(/map of the first 2 entries has another root hash/)
  })

  it('says that a map is of another log, of a longer one, or damaged, in one finding', async () => {
    await log.submit([record('req-1'), ...others(5_000)])
    await map.committed()
    const [[name, state]] = (await rows(0)) as [IndexEntry]
    const put = async (change: (bytes: Uint8Array) => void) => {
      const bytes = state.slice()
      change(bytes)
      await store.write({ put: [[name, bytes]] })
      const { found } = await findings()
      expect(found).toHaveLength(1)
      return found[0]!.detail
    }
    expect(await put((bytes) => bytes.set([1], bytes.length - 1))).toMatch(/made of other entries/)
    expect(await put((bytes) => bytes.set([1], 38))).toMatch(
      /has taken in \d+ entries, and the log has 5002/,
    )
    expect(await put((bytes) => bytes.set([0], 55))).toMatch(/has another entry there/)
    expect(await put((bytes) => bytes.set([9], 0))).toMatch(/format 9/)
  })

  it('finds nothing in one that was made again, which has the same key and goes on', async () => {
    await log.submit([record('req-1'), ...others(5_000), record('req-2')])
    await map.committed()
    const [before] = await rows(0)
    await map.close()
    await store.write({ put: [[Uint8Array.of(1), Uint8Array.of(1)]] })
    const seen: number[] = []
    const { signal } = new AbortController()
    const size = await remakeMap({ ...parts(), progress: (at) => seen.push(at), signal })
    expect(size).toBe(log.head().size)
    expect(seen).toEqual([4_096, log.head().size])
    expect(await findings()).toEqual({ found: [], of: 4_096 })
    expect((await rows(0))[0]![1].slice(0, 33)).toEqual(before![1].slice(0, 33))
    map = await openCompleteness({ log, store, everyMs: 0, everyEntries: Infinity })
    expect(map.statistics().next).toBe(4_096)
    await map.committed()
    expect(await findings()).toEqual({ found: [], of: 4_096 })
  })
})

function matching({ detail }: { readonly detail: RegExp }) {
  return { detail: expect.stringMatching(detail) as string }
}
