/** Evidence made by a real log of real records, and held against the verifier that strangers run. */
import { createHash } from 'node:crypto'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { utf8 } from '../../src/bytes.ts'
import type { Trust } from '../../src/client/verdict.ts'
import { type EvidenceVerdict, verifyEvidence } from '../../src/client/verify-evidence.ts'
import { openCompliance } from '../../src/compliance/compliance.ts'
import type { ComplianceContext } from '../../src/compliance/context.ts'
import { newCore } from '../../src/compliance/core.ts'
import { type EvidenceOptions, makeEvidence } from '../../src/compliance/evidence.ts'
import { usableGrant } from '../../src/compliance/grants.ts'
import { openHeadHistory, type RunningHeadHistory } from '../../src/compliance/head-history.ts'
import { activeHolds } from '../../src/compliance/holds.ts'
import { extraIn, ownRecords, recordsIn } from '../../src/compliance/own-records.ts'
import { storedScope } from '../../src/compliance/scope.ts'
import type { Grant, Scope } from '../../src/compliance/service.ts'
import { readEvidence } from '../../src/formats/evidence.ts'
import { formatPolicy, parsePolicy } from '../../src/formats/policy.ts'
import { parseVkey } from '../../src/formats/vkey.ts'
import { caller, json, request } from '../records/records-place.ts'
import { openHeadStore } from '../support/stores.ts'
import { discard, newPlace, type TestLogPlace } from '../support/test-log.ts'
import { newWitness, policyOf, type TestWitness } from '../support/test-witness.ts'
import {
  administrator,
  approver,
  auditor,
  type ComplianceOpening,
  type OpenedCompliance,
  openComplianceAt,
  principal,
  reader,
  submitter,
} from './compliance-place.ts'

const DAY = 86_400_000
const START = Date.UTC(2026, 10, 20, 12)

let now = START
let place: TestLogPlace
let opened: OpenedCompliance
const cleanup: (() => Promise<unknown>)[] = []

beforeEach(async () => {
  now = START
  place = await newPlace()
})
afterEach(async () => {
  await opened.close()
  for (const one of cleanup.splice(0)) await one()
  await discard(place)
})

const open = async (opening: ComplianceOpening = {}): Promise<void> => {
  const logOptions = { now: () => now, publishIntervalMs: 1, ...opening.logOptions }
  opened = await openComplianceAt(place, { now: () => now, ...opening, logOptions })
}

const trust = (): Trust => ({ logKeys: opened.log.vkeys.map(parseVkey) })
const add = (...submissions: readonly Uint8Array[]) =>
  opened.records.submit(submissions, caller('acme'))

async function verified(
  scope: Scope,
  more: { grant?: string; purpose?: string } = {},
  by = auditor,
): Promise<EvidenceVerdict> {
  const file = await opened.compliance.evidence({ scope, ...more }, by)
  const verdict = verifyEvidence(file, trust())
  expect(verdict.checks.filter(({ status }) => status === 'failed')).toEqual([])
  expect(verdict.ok).toBe(true)
  return verdict
}

async function granted(scope: Scope): Promise<Grant> {
  const asked = { purpose: 'complaint 117', ticket: 'CASE-1', scope }
  const { id } = await opened.compliance.requestGrant(asked, auditor)
  return opened.compliance.decideGrant(id, 'approve', approver)
}

const typesOf = ({ records }: EvidenceVerdict) => records.map(({ record }) => record!.type)
const shownBy = ({ records }: EvidenceVerdict) =>
  records.map(({ disclosed }) => disclosed.map(({ pointer }) => pointer))

describe('evidence', () => {
  beforeEach(() => open())

  it('has the records that match, proven, and nothing of their payload without a grant', async () => {
    await add(request(1), request(2), request(1, { type: 'tool_call' }), request(3))
    const verdict = await verified({ request_id: 'req-1' })
    expect(verdict.records.map(({ index }) => index)).toEqual([0, 2])
    expect(typesOf(verdict)).toEqual(['llm_request', 'tool_call'])
    expect(shownBy(verdict)).toEqual([[], []])
    expect(verdict.claims).toMatchObject({
      origin: 'test.example/log',
      tenant: 'acme',
      query: { request_id: 'req-1' },
      asked_by: 'auditor',
      made: new Date(now).toISOString(),
      records: 2,
    })
    expect(verdict.claims).not.toHaveProperty('grant')
    // No payload was shown, so there is nothing to record.
    expect((await opened.records.search({ type: 'access' }, 'acme')).records).toEqual([])
  })

  it('has the policy of the log: its keys, where no witness is asked', async () => {
    await add(request(1))
    const file = await opened.compliance.evidence({ scope: {} }, administrator)
    const policy = parsePolicy(readEvidence(file).parts.get('policy.txt')!)
    expect(policy.quorum).toBeUndefined()
    expect(verifyEvidence(file, { logKeys: [], policy }).ok).toBe(true)
  })

  it('asks for people by name, and says their pseudonyms', async () => {
    await add(request(1), request(2))
    const verdict = await verified({ subject: 'person-2@example.com' })
    expect(verdict.records).toHaveLength(1)
    const { subject } = verdict.records[0]!.record!
    expect(verdict.claims!.query).toEqual({ subject })
    expect((await verified({ subject: subject! })).records).toHaveLength(1)
    await expect(verified({ subject: 'nobody@example.com' })).rejects.toMatchObject({
      code: 'NOT_FOUND',
    })
  })

  it('has the corrections of what matches, and those of corrections', async () => {
    const { records } = await add(request(1), request(2))
    const correct = async (id: string) =>
      (await add(json({ type: 'correction', corrects: id, action: 'mended' }))).records[0]!.id
    const first = await correct(records[0]!.id)
    await correct(records[1]!.id)
    await correct(first)
    const verdict = await verified({ request_id: 'req-1' })
    expect(typesOf(verdict)).toEqual(['llm_request', 'correction', 'correction'])
    expect(verdict.records.map(({ index }) => index)).toEqual([0, 2, 4])
  })

  it('shows what the grant allows, has the request for it, and is recorded before it is given', async () => {
    await add(request(1), request(1, { session_id: 's' }), request(2))
    const { id } = await granted({ request_id: 'req-1', session_id: 's' })
    const file = await opened.compliance.evidence(
      { scope: { request_id: 'req-1' }, grant: id },
      auditor,
    )
    const verdict = verifyEvidence(file, trust())
    expect(verdict.ok).toBe(true)
    expect(typesOf(verdict)).toEqual(['llm_request', 'llm_request', 'grant', 'grant'])
    expect(verdict.claims).toMatchObject({ grant: id, purpose: 'complaint 117' })
    const [outside, inside, asked, approved] = shownBy(verdict)
    expect(outside).toEqual([])
    expect(inside).toEqual(['/input/prompt', '/output/text', '/resource', '/subject'])
    expect([asked, approved]).toEqual([['/extra'], ['/extra']])
    const [by, other] = verdict.records.slice(2).map(({ record }) => record!.actor)
    expect(by).not.toBe(other)
    const values = verdict.records[1]!.disclosed.map(({ value }) => value)
    expect(values).toEqual(['question 1', 'answer 1', 'file-1', 'person-1@example.com'])

    await opened.records.settled()
    const page = await opened.records.search({ type: 'access' }, 'acme')
    expect(page.records).toMatchObject([{ action: 'evidence', parent_id: id }])
    const disclosures = await opened.records.disclosures(page.records[0]!.id, 'acme')
    expect(extraIn(disclosures as Exclude<typeof disclosures, 'erased' | undefined>)).toEqual({
      purpose: 'complaint 117',
      ticket: 'CASE-1',
      scope: { request_id: 'req-1' },
      records: 4,
      sha256: createHash('sha256').update(file).digest('hex'),
    })
  })

  it('goes by the resource that a grant names', async () => {
    await add(request(1), request(1, { resource: 'file-9' }), request(1, { resource: 'file-9' }))
    const { id } = await granted({ resource: 'file-9' })
    const verdict = await verified({ request_id: 'req-1' }, { grant: id, purpose: 'the files' })
    expect(shownBy(verdict).map((shown) => shown.includes('/input/prompt'))).toEqual([
      false,
      true,
      true,
      false,
      false,
    ])
    expect(shownBy(verdict)[0]).toEqual([])
    expect(verdict.claims!.purpose).toBe('the files')
    expect((await verified({ resource: 'file-9' })).records).toHaveLength(2)
  })

  it('always shows what the log says of its own doings, and names nobody', async () => {
    await add(request(1))
    await opened.compliance.placeHold(
      { name: 'smith', reason: 'a suit', scope: { request_id: 'req-1' } },
      administrator,
    )
    const [hold] = (await verified({ type: 'hold' })).records
    expect(hold!.disclosed.map(({ pointer, value }) => [pointer, value])).toEqual([
      [
        '/extra',
        { '/extra': { name: 'smith', purpose: 'a suit', scope: { request_id: 'req-1' } } },
      ],
    ])
    expect(hold!.undisclosed).toEqual(['/actor'])
  })

  it('holds after an erasure, with nothing shown', async () => {
    await add(request(1))
    const { id } = await granted({ request_id: 'req-1' })
    const before = await opened.compliance.evidence(
      { scope: { request_id: 'req-1' }, grant: id },
      auditor,
    )
    const basis = 'GDPR art. 17(1)(b)'
    await opened.compliance.erase({ subject: 'person-1@example.com', basis }, administrator)
    const verdict = await verified({ request_id: 'req-1' }, { grant: id })
    expect(shownBy(verdict)[0]).toEqual([])
    // What was given away earlier cannot be taken back, and is as true as it was.
    expect(verifyEvidence(before, trust()).ok).toBe(true)
  })

  it('is one tenant’s', async () => {
    await add(request(1))
    await opened.records.submit([request(1)], caller('globex'))
    expect((await verified({ request_id: 'req-1' })).records.map(({ index }) => index)).toEqual([0])
    const theirs = await verified({}, {}, principal('eve', ['auditor'], 'globex'))
    expect(theirs.records.map(({ index }) => index)).toEqual([1])
    expect(theirs.claims!.tenant).toBe('globex')
  })

  it('is refused with the reason', async () => {
    await add(request(1))
    const evidence = (
      scope: Scope,
      more: { grant?: string; purpose?: string } = {},
      by = auditor,
    ) => opened.compliance.evidence({ scope, ...more }, by)
    for (const by of [reader, submitter, approver]) {
      await expect(evidence({}, {}, by)).rejects.toMatchObject({ code: 'FORBIDDEN' })
    }
    await expect(evidence({ request_id: 'req-9' })).rejects.toMatchObject({
      code: 'NOT_FOUND',
      message: 'no record answers this',
    })
    await expect(evidence({ from: 'yesterday' })).rejects.toMatchObject({
      code: 'MALFORMED',
      message: expect.stringContaining('/scope/from'),
    })
    await expect(evidence({}, { purpose: 'two\nlines' })).rejects.toMatchObject({
      code: 'MALFORMED',
      message: expect.stringContaining('/purpose'),
    })
    const { id } = await opened.compliance.requestGrant(
      { purpose: 'p', ticket: 't', scope: { request_id: 'req-1' } },
      auditor,
    )
    const under = (by = auditor) => evidence({ request_id: 'req-1' }, { grant: id }, by)
    await expect(under()).rejects.toMatchObject({ code: 'FORBIDDEN' })
    await opened.compliance.decideGrant(id, 'approve', approver)
    const other = principal('another', ['auditor'])
    await expect(under(other)).rejects.toMatchObject({ code: 'FORBIDDEN' })
    await expect(under(administrator)).rejects.toMatchObject({ code: 'FORBIDDEN' })
    now += 61 * 60_000
    await expect(under()).rejects.toMatchObject({ code: 'FORBIDDEN' })
    expect((await opened.records.search({ type: 'access' }, 'acme')).records).toEqual([])
  })
})

describe('evidence of too much', () => {
  it('is refused, and says what to do', async () => {
    await open()
    await add(...Array.from({ length: 5 }, (_, i) => request(i)))
    const make = (options: EvidenceOptions) =>
      makeEvidence(contextOf(opened), { scope: {} }, auditor, options)
    await expect(make({ maxRecords: 4 })).rejects.toMatchObject({
      code: 'TOO_LARGE',
      message: expect.stringMatching(/^more than 4 records match.*narrow the question by time$/),
    })
    await expect(make({ maxBytes: 1_000 })).rejects.toMatchObject({
      code: 'TOO_LARGE',
      message: expect.stringMatching(/more than 1000 bytes; narrow the question by time$/),
    })
    expect(verifyEvidence(await make({ maxRecords: 5 }), trust()).ok).toBe(true)
  })
})

describe('the head that evidence is under', () => {
  it('is cosigned as the policy demands; until there is one, evidence is refused', async () => {
    await open()
    const witness = await newWitness('witness.example/1', opened.log.vkeys, { now: () => now })
    cleanup.push(() => witness.discard())
    await opened.close()
    const listed = policyWith([witness])
    await open({
      logOptions: {
        witnesses: { policy: listed, ports: [witness.port], firstPauseMs: 5, longestPauseMs: 20 },
      },
      compliance: { policy: utf8(formatPolicy(listed)) },
    })
    await add(request(1))
    const file = await opened.compliance.evidence({ scope: {} }, auditor)
    const verdict = verifyEvidence(file, { ...trust(), policy: listed })
    expect(verdict.ok).toBe(true)
    const said = verdict.checks.find(({ name }) => name === 'witnesses')
    expect(said).toMatchObject({
      status: 'held',
      detail: expect.stringContaining('witness.example/1'),
    })

    witness.line.down = true
    await add(request(2))
    const soon = makeEvidence(contextOf(opened), { scope: {} }, auditor, { headWaitMs: 50 })
    await expect(soon).rejects.toMatchObject({ code: 'OVERLOADED' })
    // What was published before is enough for what it has.
    expect((await verified({ request_id: 'req-1' })).records).toHaveLength(1)
    witness.line.down = false
    expect((await verified({})).records).toHaveLength(2)
  })

  it('comes with an earlier one that was kept, which shows how old the records are', async () => {
    let history: RunningHeadHistory | undefined
    await open({ logOptions: { onPublished: () => history?.notify() } })
    const store = await openHeadStore(join(place.directory, 'heads'))
    history = await openHeadHistory({ log: opened.log, store, now: () => now })
    cleanup.push(async () => history?.close().catch(() => undefined))
    await opened.compliance.close()
    const { log, records, vault } = opened
    const compliance = openCompliance({
      log,
      records,
      vault,
      now: () => now,
      heads: history,
      expireEveryMs: 0,
    })
    opened = { ...opened, compliance }
    await add(request(1))
    await published()
    now += DAY
    await add(request(2))
    await published()
    const older = (verdict: EvidenceVerdict) =>
      verdict.checks.find(({ name }) => name === 'earlier head')!
    expect(older(await verified({ request_id: 'req-1' }))).toMatchObject({
      status: 'held',
      detail: expect.stringContaining('the tree of 2 begins with that of 1'),
    })
    expect(older(await verified({ request_id: 'req-2' })).status).toBe('skipped')
    // A kept head that was tampered with proves nothing, and is left out.
    for (const time of store.times()) await store.keep({ time, checkpoint: 'forged\n' })
    expect(older(await verified({ request_id: 'req-1' })).status).toBe('skipped')
  })
})

function policyWith(witnesses: readonly TestWitness[]) {
  return policyOf(witnesses, witnesses.length)
}

/** What the parts of the compliance work are given, to be called one by one. */
function contextOf({ log, records, vault }: OpenedCompliance): ComplianceContext {
  const core = newCore({ log, records, vault, now: () => now, onEvent: () => {} })
  return {
    ...core,
    retention: undefined,
    policy: undefined,
    heads: undefined,
    completeness: undefined,
    tenants: () => vault.tenants(),
    ownRecords: (query, tenant) => ownRecords(core, query, tenant),
    recordsIn: (scope, tenant, order) => recordsIn(core, scope, tenant, order),
    activeHolds: (tenant) => activeHolds(core, tenant),
    usableGrant: (id, by) => usableGrant(core, id, by),
    storedScope: (scope, tenant) => storedScope(vault, scope, tenant),
  }
}

async function published(): Promise<void> {
  await expect.poll(() => opened.log.publication().size).toBe(opened.log.head().size)
}
