import { join } from 'node:path'
import { afterAll, beforeAll, expect, it } from 'vitest'
import type { CompletenessService } from '../../src/completeness/service.ts'
import { openCompleteness } from '../../src/completeness/upkeep.ts'
import { createMetrics } from '../../src/http/metrics.ts'
import type { LogService } from '../../src/log/service.ts'
import type { IndexStore } from '../../src/storage/index-port.ts'
import { openLevelIndexStore } from '../../src/storage/level-index.ts'
import { prepared } from '../support/records.ts'
import { discard, newPlace, openAt, type TestLogPlace } from '../support/test-log.ts'

let place: TestLogPlace
let log: LogService
let store: IndexStore
let map: CompletenessService | undefined

beforeAll(async () => {
  place = await newPlace()
  log = await openAt(place)
  store = await openLevelIndexStore(join(place.directory, 'map'))
})

afterAll(async () => {
  await map?.close()
  await log.close()
  await store.close()
  await discard(place)
})

/** The values of the map's metrics, by their names. */
async function shown(): Promise<Record<string, number>> {
  const maps = new Map([['', { statistics: () => map?.statistics() }]])
  const { body } = await createMetrics(new Map([['', log]]), { maps }).expose()
  const lines = [...body.matchAll(/^cairn_map_(\w+)\{log="main"\} (.+)$/gm)]
  return Object.fromEntries(lines.map(([, name, value]) => [name, Number(value)]))
}

const open = () =>
  openCompleteness({ log, store, everyMs: 0, everyEntries: Number.POSITIVE_INFINITY })

function record(digit: number): Uint8Array {
  const id = `019a9bd4-5c00-7000-8000-00000000000${digit}`
  return prepared({ type: 'llm_request', request_id: 'req-1' }, { id }).leaf
}

it('say how far the map is, what its last round took, and nothing where there is none', async () => {
  expect(await shown()).toEqual({})
  map = await open()
  expect(await shown()).toEqual({ size: 0, lag_entries: 0, root_size: 0, failing: 0 })
  await log.submit([record(1), record(2)])
  await map.settled()
  expect(await shown()).toEqual({ size: 2, lag_entries: 0, root_size: 0, failing: 0 })
  await map.committed()
  const after = await shown()
  expect(after).toMatchObject({ size: 2, lag_entries: 1, root_size: 2, failing: 0 })
  expect(after.round_seconds).toBeGreaterThan(0)
  expect(after.round_seconds).toBeLessThan(60)
  await map.close()
  // It begins at the last block that is whole, and knows its root again.
  map = await open()
  await map.settled()
  expect(await shown()).toEqual({ size: 3, lag_entries: 0, root_size: 2, failing: 0 })
})

it('say that a map does not follow its log any more', async () => {
  await map!.close()
  map = await open()
  await store.close()
  await log.submit([
    record(3),
    ...Array.from({ length: 4_096 }, (_, i) => Uint8Array.of(i, i >> 8)),
  ])
  await expect(map.settled()).rejects.toThrow('closed')
  expect(await shown()).toMatchObject({ failing: 1, root_size: 2 })
})
