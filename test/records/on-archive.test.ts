/**
 * Records of a log whose full bundles are in its archive alone, in every run. All suites of records run on such a log
 * with TEST_STORAGE=postgres+directory or postgres+s3.
 */
import { join } from 'node:path'
import { afterEach, beforeEach, expect, it } from 'vitest'
import { fromUtf8 } from '../../src/bytes.ts'
import { verifyEvidence } from '../../src/client/verify-evidence.ts'
import type { CompletenessService } from '../../src/completeness/service.ts'
import { openCompleteness } from '../../src/completeness/upkeep.ts'
import { openCompliance } from '../../src/compliance/compliance.ts'
import type { ComplianceService } from '../../src/compliance/service.ts'
import { parseVkey } from '../../src/formats/vkey.ts'
import { leafIndex } from '../../src/merkle/position.ts'
import type { IndexStore } from '../../src/storage/index-port.ts'
import { auditor } from '../compliance/compliance-place.ts'
import { discardStore, openIndexStore, releasedAt } from '../support/stores.ts'
import { discard, newPlace, type TestLogPlace } from '../support/test-log.ts'
import { caller, type OpenedRecords, openRecordsAt, request } from './records-place.ts'

const storage = 'postgres+directory'
const COUNT = 600

let place: TestLogPlace
let all: OpenedRecords
let store: IndexStore
let map: CompletenessService
let compliance: ComplianceService

async function open(): Promise<void> {
  all = await openRecordsAt(place, {
    storage,
    logOptions: { publishIntervalMs: 1 },
    onFollowed: (from, to, found) => map?.hear(from, to, found),
  })
  const { log, records, vault } = all
  store = await openIndexStore(join(place.directory, 'map'), storage)
  map = await openCompleteness({ log, store, everyMs: 0 })
  compliance = openCompliance({
    log,
    records,
    vault,
    expireEveryMs: 0,
    completeness: {
      committed: () => map.committed(),
      prove: (term, committed, size) => map.prove(term, committed, size),
    },
  })
}

async function close(): Promise<void> {
  await compliance.close()
  await map.close()
  await all.close()
  await store.close()
}

beforeEach(async () => {
  place = await newPlace()
  await open()
})
afterEach(async () => {
  await close()
  await discard(place)
})

const acme = caller('acme', 'privacy-officer')

async function found(query: object): Promise<number[]> {
  const { records } = await all.records.search({ limit: 100, ...query }, 'acme')
  return records.map(({ index }) => index).sort((a, b) => a - b)
}

async function opened(index: number): Promise<string> {
  const { record } = await all.records.read(leafIndex(index), 'acme')
  const payload = await all.records.disclosures(record.id, 'acme')
  return JSON.stringify(
    Array.isArray(payload) ? payload.map(({ json }) => fromUtf8(json)) : payload,
  )
}

async function evidence(request_id: string): Promise<[indices: unknown[], completeness: unknown]> {
  const file = await compliance.evidence({ scope: { request_id } }, auditor)
  const verdict = verifyEvidence(file, { logKeys: all.log.vkeys.map(parseVkey) })
  expect(verdict.ok).toBe(true)
  const { status } = verdict.checks.find(({ name }) => name === 'completeness')!
  return [verdict.records.map(({ index }) => index), status]
}

it('records in bundles that the database has let go of are found, read, proven complete, indexed anew and erased', async () => {
  for (let at = 0; at < COUNT; at += 100) {
    const batch = Array.from({ length: 100 }, (_, i) => request(at + i))
    await all.records.submit(batch, acme)
  }
  await all.records.settled()
  await close()
  // Nothing is left of the map and of the index but what the entries say.
  for (const part of ['map', 'index']) await discardStore(join(place.directory, part), storage)
  await open()
  expect(await releasedAt(place)).toBe(512)
  await all.records.settled()

  const [index] = await found({ request: 'req-42' })
  expect(index).toBe(42)
  expect(await opened(42)).toContain('question 42')
  expect(await found({ subject: 'person-3@example.com', request: 'req-24' })).toEqual([24])
  expect(await evidence('req-42')).toEqual([[42], 'held'])
  await all.records.reindex()
  expect(await found({ request: 'req-300' })).toEqual([300])

  const subject = 'person-5@example.com'
  const outcome = await all.records.erase({ tenant: 'acme', subject, basis: 'Art. 17', by: acme })
  expect(outcome).toMatchObject({ records: 85 })
  expect(await opened(5)).toBe('"erased"')
  expect(await opened(6)).toContain('question 6')
})
