/** Evidence that proves it is complete, made by a real log, and held against the verifier that strangers run. */
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { MapAudit } from '../../src/client/recompute-map.ts'
import { verifyCompleteList } from '../../src/client/verify-complete-list.ts'
import { verifyEvidence } from '../../src/client/verify-evidence.ts'
import type { CompletenessService } from '../../src/completeness/service.ts'
import { openCompleteness } from '../../src/completeness/upkeep.ts'
import { openCompliance } from '../../src/compliance/compliance.ts'
import type { ComplianceService, ListedBy, Scope } from '../../src/compliance/service.ts'
import { CairnError } from '../../src/errors.ts'
import { parseCompleteList } from '../../src/formats/complete-list.ts'
import { isMapRoot } from '../../src/formats/completeness-root.ts'
import { parseRecord } from '../../src/formats/record.ts'
import { parseVkey } from '../../src/formats/vkey.ts'
import { leafIndex } from '../../src/merkle/position.ts'
import type { IndexStore } from '../../src/storage/index-port.ts'
import { caller, type OpenedRecords, openRecordsAt, request } from '../records/records-place.ts'
import { prepared } from '../support/records.ts'
import { openIndexStore } from '../support/stores.ts'
import { discard, newPlace, type TestLogPlace } from '../support/test-log.ts'
import { auditor } from './compliance-place.ts'

let place: TestLogPlace
let opened: OpenedRecords
let store: IndexStore
let map: CompletenessService | undefined
let compliance: ComplianceService
/** Comes before the log commits to its map. */
let beforeCommit: () => Promise<unknown>

beforeEach(async () => {
  place = await newPlace()
  opened = await openRecordsAt(place, {
    logOptions: { publishIntervalMs: 1 },
    onFollowed: (from, to, found) => map?.hear(from, to, found),
  })
  const { log, records, vault } = opened
  store = await openIndexStore(join(place.directory, 'map'))
  map = await openCompleteness({ log, store, everyMs: 0 })
  beforeCommit = async () => undefined
  compliance = openCompliance({
    log,
    records,
    vault,
    expireEveryMs: 0,
    completeness: {
      committed: () => beforeCommit().then(() => map!.committed()),
      prove: (term, committed, size) => map!.prove(term, committed, size),
    },
  })
})

afterEach(async () => {
  await compliance.close()
  await map!.close()
  map = undefined
  await opened.close()
  await store.close()
  await discard(place)
})

const add = (...submissions: readonly Uint8Array[]) =>
  opened.records.submit(submissions, caller('acme'))

async function said(scope: Scope): Promise<{ indices: unknown[]; status: string; detail: string }> {
  const file = await compliance.evidence({ scope }, auditor)
  const verdict = verifyEvidence(file, { logKeys: opened.log.vkeys.map(parseVkey) })
  expect(verdict.checks.filter(({ status }) => status === 'failed')).toEqual([])
  expect(verdict.ok).toBe(true)
  const { status, detail = '' } = verdict.checks.find(({ name }) => name === 'completeness')!
  return { indices: verdict.records.map(({ index }) => index), status, detail }
}

async function leaves(): Promise<Uint8Array[]> {
  const { log } = opened
  const all = Array.from({ length: log.head().size }, (_, i) => log.entry(leafIndex(i)))
  return (await Promise.all(all)).map((leaf) => leaf!)
}

describe('evidence of a log that keeps a map', () => {
  it('proves that it is complete, by a map that an auditor finds right', async () => {
    await add(request(1), request(2), request(1, { type: 'tool_call' }), request(3))
    const { indices, status, detail } = await said({ request_id: 'req-1' })
    expect(indices).toEqual([0, 2])
    expect(status).toBe('held')
    expect(detail).toContain('all 2 entries of the first 4 that the log lists under request req-1')
    const audit = new MapAudit({ origin: opened.log.origin })
    for (const leaf of await leaves()) expect(audit.next(leaf)).toBe(undefined)
    expect(audit.statistics().roots).toBe(1)
  })

  it('does so of people and sessions, and commits to nothing new when there is nothing new', async () => {
    const who = { session_id: 's', subject: 'ann' }
    await add(request(1, who), request(2, who))
    const { vault } = opened
    const subject = (await vault.knownPseudonym('acme', 'ann'))!
    expect((await said({ session_id: 's' })).status).toBe('held')
    const people = await said({ subject })
    expect(people.status).toBe('held')
    expect(people.indices).toEqual([0, 1])
    expect((await leaves()).filter(isMapRoot)).toHaveLength(1)
  })

  it('has no proof where more was recorded than was asked for', async () => {
    await add(request(1), request(1, { type: 'tool_call' }))
    expect((await said({ request_id: 'req-1', type: 'tool_call' })).status).toBe('skipped')
    expect((await said({ type: 'tool_call' })).status).toBe('skipped')
    await add(request(2))
    expect((await said({ request_id: 'req-2', type: 'llm_request' })).status).toBe('held')
  })

  it('has what came in while the log committed to its map', async () => {
    await add(request(1), request(2))
    beforeCommit = async () => {
      beforeCommit = async () => undefined
      await add(request(1, { type: 'tool_call' }))
    }
    const { indices, status } = await said({ request_id: 'req-1' })
    expect(status).toBe('held')
    expect(indices).toEqual([0, 2])
  })

  it('has no proof where somebody has planted what looks like a record', async () => {
    await add(request(1))
    const { leaf } = prepared({ type: 'llm_request', request_id: 'req-1', tenant: 'acme' })
    await opened.log.submit([leaf])
    const { indices, status } = await said({ request_id: 'req-1' })
    expect(status).toBe('skipped')
    expect(indices).toEqual([0])
  })

  it('can be had, without proof, where the log cannot commit to its map', async () => {
    await add(request(1))
    beforeCommit = () => Promise.reject(new CairnError('READ_ONLY', 'not now'))
    expect((await said({ request_id: 'req-1' })).status).toBe('skipped')
  })

  it('leaves no trace in the log when there is nothing to show', async () => {
    await add(request(1))
    await expect(said({ request_id: 'req-9' })).rejects.toThrow('no record answers this')
    expect(opened.log.head().size).toBe(1)
  })
})

describe('the complete list alone', () => {
  const list = (asked: ListedBy, by = auditor) => compliance.completeList(asked, by)
  async function listed(
    asked: ListedBy,
  ): Promise<{ term: string; indices: unknown; size: number }> {
    const trust = { logKeys: opened.log.vkeys.map(parseVkey) }
    const verdict = verifyCompleteList(await list(asked), trust)
    expect(verdict.finding).toBe(verdict.ok ? verdict.finding : '')
    const { term, indices, size } = verdict.list!
    return { term: `${term.tenant} ${term.field} ${term.value}`, indices, size }
  }

  it('is proven, and that there is none', async () => {
    await add(request(1), request(2), request(1, { type: 'tool_call', session_id: 's' }))
    const some = { term: 'acme request req-1', indices: [0, 2], size: 3 }
    expect(await listed({ request_id: 'req-1' })).toEqual(some)
    expect(await listed({ session_id: 's' })).toMatchObject({ indices: [2] })
    expect(await listed({ request_id: 'req-9' })).toMatchObject({ indices: [], size: 3 })
    const id = parseRecord((await opened.log.entry(leafIndex(0)))!).id
    expect(await listed({ id })).toMatchObject({ term: `acme record ${id}`, indices: [0] })
    expect((await leaves()).filter(isMapRoot)).toHaveLength(1)
    // A new record is in the next one.
    await add(request(9))
    expect(await listed({ request_id: 'req-9' })).toMatchObject({ indices: [4], size: 5 })
  })

  it('is of people by their names or pseudonyms', async () => {
    await add(request(1, { subject: 'ann' }))
    const subject = (await opened.vault.knownPseudonym('acme', 'ann'))!
    const found = { term: `acme subject ${subject}`, indices: [0], size: 1 }
    expect(await listed({ subject: 'ann' })).toEqual(found)
    expect(await listed({ subject })).toEqual(found)
    expect(await listed({ actor: subject })).toMatchObject({ indices: [] })
    await expect(list({ subject: 'nobody' })).rejects.toMatchObject({
      code: 'NOT_FOUND',
      message: '/subject: nobody is known by this name in tenant acme',
    })
  })

  it('is of the tenant of whoever asks, who may audit', async () => {
    await add(request(1))
    const other = { ...auditor, tenant: 'other' }
    const { proof } = parseCompleteList(await list({ request_id: 'req-1' }, other))
    expect(proof.term.tenant).toBe('other')
    expect(proof.blocks.flatMap(({ indices }) => indices)).toEqual([])
    const reader = { ...auditor, roles: new Set(['reader'] as const) }
    await expect(list({ request_id: 'req-1' }, reader)).rejects.toMatchObject({ code: 'FORBIDDEN' })
  })

  it('is refused where it is not said of what, or cannot be had', async () => {
    await expect(list({ request_id: 'req-1' })).rejects.toMatchObject({ code: 'NOT_FOUND' })
    await add(request(1))
    const id = '019a9bd4-5c00-7abc-8def-000000000005'
    for (const asked of [{}, { id, request_id: 'r' }, { subject: 'nobody', actor: 'nobody' }]) {
      await expect(list(asked)).rejects.toMatchObject({ code: 'MALFORMED' })
    }
    beforeCommit = () => Promise.reject(new CairnError('READ_ONLY', 'not now'))
    await expect(list({ id })).rejects.toMatchObject({ code: 'READ_ONLY' })
  })
})
