/** Reports made by a real log with a history of heads; only the clock is the test's. */
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { utf8 } from '../../src/bytes.ts'
import { openCompliance } from '../../src/compliance/compliance.ts'
import { openHeadHistory, type RunningHeadHistory } from '../../src/compliance/head-history.ts'
import { formatPolicy, type Policy } from '../../src/formats/policy.ts'
import type { LogOptions } from '../../src/log/log.ts'
import type { Report, ReportCheck } from '../../src/reports/report.ts'
import { reportHtml } from '../../src/reports/report-html.ts'
import type { HeadStore } from '../../src/storage/heads-port.ts'
import { caller, json, request } from '../records/records-place.ts'
import { openHeadStore } from '../support/stores.ts'
import { discard, newPlace, type TestLogPlace } from '../support/test-log.ts'
import { newWitness, policyOf, type TestWitness } from '../support/test-witness.ts'
import {
  administrator,
  approver,
  auditor,
  type OpenedCompliance,
  openComplianceAt,
  principal,
  reader,
} from './compliance-place.ts'

const DAY = 86_400_000
const START = Date.UTC(2026, 9, 29, 12)
const NOVEMBER = Date.UTC(2026, 10, 1)
const DECEMBER = Date.UTC(2026, 11, 1)

let now = START
let place: TestLogPlace
let opened: OpenedCompliance
let store: HeadStore
let history: RunningHeadHistory | undefined
const cleanup: (() => Promise<unknown>)[] = []

beforeEach(async () => {
  now = START
  place = await newPlace()
})
afterEach(async () => {
  await close()
  for (const one of cleanup.splice(0)) await one()
  await discard(place)
})

async function open(policy?: Policy, witnesses?: LogOptions['witnesses']): Promise<void> {
  const logOptions = {
    now: () => now,
    publishIntervalMs: 1,
    onPublished: () => history?.notify(),
    ...(witnesses && { witnesses }),
  }
  const first = await openComplianceAt(place, { now: () => now, logOptions })
  await first.compliance.close()
  const { log, records, vault } = first
  store = await openHeadStore(join(place.directory, 'heads'))
  history = await openHeadHistory({ log, store, now: () => now })
  const compliance = openCompliance({
    log,
    records,
    vault,
    heads: history,
    now: () => now,
    expireEveryMs: 0,
    ...(policy && { policy: utf8(formatPolicy(policy)) }),
  })
  opened = { ...first, compliance }
}

async function close(): Promise<void> {
  await history?.close().catch(() => undefined)
  history = undefined
  await opened.compliance.close()
  await opened.close()
}

async function add(...submissions: readonly Uint8Array[]): Promise<void> {
  await opened.records.submit(submissions, caller('acme'))
  await expect.poll(() => opened.log.publication().size).toBe(opened.log.head().size)
}

const report = (month: string, by = auditor) => opened.compliance.report(month, by)
const checkOf = ({ integrity }: Report, name: ReportCheck['name']): ReportCheck =>
  integrity.checks.find((check) => check.name === name)!

describe('a report', () => {
  beforeEach(() => open())

  it('counts a month of a tenant between two heads, and says what was done with payloads', async () => {
    await add(request(0))
    now = NOVEMBER + DAY
    await add(request(1), request(2), json({ type: 'permission_change', action: 'granted' }))
    await opened.records.submit([request(9)], caller('globex'))
    const { id } = await opened.compliance.requestGrant(
      { purpose: 'complaint', ticket: 'CASE-7', scope: { request_id: 'req-1' } },
      auditor,
    )
    await opened.compliance.decideGrant(id, 'approve', approver)
    await opened.compliance.evidence({ scope: { request_id: 'req-1' }, grant: id }, auditor)
    await opened.compliance.placeHold(
      { name: 'smith', reason: 'a suit', scope: { request_id: 'req-1' } },
      administrator,
    )
    await opened.compliance.erase(
      { subject: 'person-2@example.com', basis: 'GDPR art. 17(1)(b)' },
      administrator,
    )
    now = DECEMBER + DAY
    await add(request(3))

    const made = await report('2026-11')
    expect(made).toMatchObject({
      origin: 'test.example/log',
      tenant: 'acme',
      month: '2026-11',
      complete: true,
      generated: '2026-12-02T00:00:00.000Z',
      records: { total: 8, first_index: 1, last_index: 9 },
    })
    expect(made.records.by_type).toContainEqual({ type: 'llm_request', records: 2 })
    expect(made.grants.rows.map(({ action, facts }) => [action, facts.ticket])).toEqual([
      ['request', 'CASE-7'],
      ['approve', undefined],
    ])
    expect(made.accesses.rows).toMatchObject([
      {
        action: 'evidence',
        parent_id: id,
        facts: { purpose: 'complaint', records: 3, sha256: expect.any(String) },
      },
    ])
    expect(made.holds.rows).toMatchObject([{ action: 'place', facts: { name: 'smith' } }])
    expect(made.erasures.by_basis!.rows).toEqual([{ basis: 'GDPR art. 17(1)(b)', records: 1 }])
    expect(made.permission_changes.total).toBe(1)
    const { integrity } = made
    expect(integrity).toMatchObject({ start: { size: 1 }, end: { size: 10 } })
    const open = integrity.checks.filter(({ status }) => status !== 'held')
    // No witness is asked, and the report says so.
    expect(open.map(({ name }) => name)).toEqual(['witnesses'])
    expect(reportHtml(made)).toContain('Integrity not fully proven')
  })

  it('begins with the empty log where that began in the month, and may be of a month that goes on', async () => {
    await add(request(1), request(2))
    const made = await report('2026-10')
    expect(made).toMatchObject({ complete: false, records: { total: 2 } })
    expect(made.integrity).toMatchObject({ start: { size: 0 }, end: { size: 2 } })
    for (const name of ['heads', 'consistency', 'coverage', 'order'] as const) {
      expect(checkOf(made, name).status).toBe('held')
    }
  })

  it('has nothing to say of months without records', async () => {
    await add(request(1))
    now = DECEMBER
    await add(request(2))
    const made = await report('2026-11')
    expect(made.records.total).toBe(0)
    expect(made.integrity).toMatchObject({ start: { size: 1 }, end: { size: 2 } })
    const before = await report('2025-01')
    expect(before.records.total).toBe(0)
    expect(checkOf(before, 'heads')).toMatchObject({ status: 'open' })
  })

  it('proves less where no heads were kept', async () => {
    await add(request(1))
    await opened.compliance.close()
    const { log, records, vault } = opened
    const compliance = openCompliance({ log, records, vault, now: () => now, expireEveryMs: 0 })
    opened = { ...opened, compliance }
    const { integrity } = await report('2026-10')
    expect(integrity.verdict).toBe('unproven')
    expect(integrity).not.toHaveProperty('start')
    expect(integrity.end).toMatchObject({ size: 1 })
  })

  it('tells when the log no longer has what it signed, or signed something else', async () => {
    await add(request(1))
    now = NOVEMBER + DAY
    await add(request(2))
    // Heads of another tree that the same key has signed.
    const elsewhere = { ...(await newPlace()), keys: place.keys }
    const other = await openComplianceAt(elsewhere, { logOptions: { publishIntervalMs: 1 } })
    await other.records.submit([request(7), request(8)], caller('acme'))
    await expect.poll(() => other.log.publication().size).toBe(2)
    const forged = other.log.publication().checkpoint
    await other.records.submit([request(9)], caller('acme'))
    await expect.poll(() => other.log.publication().size).toBe(3)
    const larger = other.log.publication().checkpoint
    await other.close()
    await discard(elsewhere)

    const keep = async (time: number, checkpoint: string) => {
      for (const one of store.times()) if (one < NOVEMBER) await store.forget(one)
      await store.keep({ time, checkpoint })
    }
    await history!.between(0, 0)
    await keep(NOVEMBER - 1, forged)
    const fork = await report('2026-11')
    expect(fork.integrity.verdict).toBe('broken')
    expect(checkOf(fork, 'heads')).toMatchObject({
      status: 'failed',
      detail: expect.stringContaining('two different trees'),
    })
    expect(checkOf(fork, 'consistency')).toMatchObject({ status: 'failed' })
    await keep(NOVEMBER - 1, larger)
    expect(checkOf(await report('2026-11'), 'heads')).toMatchObject({
      status: 'failed',
      detail: expect.stringContaining('the tree shrank'),
    })
    await keep(NOVEMBER - 1, 'damaged\n')
    expect(checkOf(await report('2026-11'), 'heads').status).toBe('open')
  })

  it('is refused to whoever may not audit, and of what is no month', async () => {
    await expect(report('2026-11', reader)).rejects.toMatchObject({ code: 'FORBIDDEN' })
    for (const month of ['2026-13', '2026-1', '1969-12', '', '2026-11-01']) {
      await expect(report(month)).rejects.toMatchObject({ code: 'MALFORMED' })
    }
    const other = await report('2026-10', principal('eve', ['auditor'], 'globex'))
    expect(other).toMatchObject({ tenant: 'globex', records: { total: 0 } })
  })
})

describe('the witnesses in a report', () => {
  it('are those of the policy, with what each has cosigned', async () => {
    await open()
    const witnesses: TestWitness[] = []
    for (const name of ['witness.example/1', 'witness.example/2']) {
      const witness = await newWitness(name, opened.log.vkeys, { now: () => now })
      witnesses.push(witness)
      cleanup.push(() => witness.discard())
    }
    await close()
    const policy = policyOf(witnesses, 1)
    await open(policy, {
      policy,
      ports: witnesses.map(({ port }) => port),
      firstPauseMs: 5,
      longestPauseMs: 20,
    })
    const [first, second] = witnesses as [TestWitness, TestWitness]
    const cosigned = (count: number) =>
      expect.poll(() => opened.log.publication().checkpoint.match(/— witness/g)?.length).toBe(count)
    await add(request(0))
    await cosigned(2)
    now = NOVEMBER + DAY
    await add(request(1))
    await cosigned(2)
    now += DAY
    second.line.down = true
    await add(request(2))
    await cosigned(1)
    const made = await report('2026-11')
    expect(made.integrity.verdict).toBe('intact')
    expect(made.integrity.end!.cosigned_by).toEqual([first.name])
    expect(made.integrity.witnesses).toEqual({
      quorum: '1 of witness.example/1, witness.example/2',
      heads: 2,
      covered: 2,
      each: [
        { name: first.name, cosigned: 2, last: '2026-11-03T00:00:00.000Z' },
        { name: second.name, cosigned: 1, last: '2026-11-02T00:00:00.000Z' },
      ],
    })
  })
})
