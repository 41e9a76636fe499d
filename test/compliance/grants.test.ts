/** Grants over the records of a real log: who may ask, decide, use and end them, and what of it is on record. */
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import type { Grant, GrantRequest } from '../../src/compliance/service.ts'
import { formatDisclosure } from '../../src/formats/disclosure.ts'
import { rebuildSubmission } from '../../src/formats/record-rebuild.ts'
import type { AcceptedRecord } from '../../src/records/service.ts'
import { json, request } from '../records/records-place.ts'
import { discard, newPlace, type TestLogPlace } from '../support/test-log.ts'
import {
  administrator,
  approver,
  auditor,
  type OpenedCompliance,
  openComplianceAt,
  principal,
  reader,
  submitter,
} from './compliance-place.ts'

let place: TestLogPlace
let all: OpenedCompliance
let records: readonly AcceptedRecord[]
/** Set forward by tests that let time pass. */
let ahead = 0
const now = (): number => Date.now() + ahead

beforeAll(async () => {
  place = await newPlace()
  all = await openComplianceAt(place, { now })
  const submissions = Array.from({ length: 8 }, (_, i) => request(i))
  ;({ records } = await all.records.submit(submissions, submitter))
})
afterAll(async () => {
  await all.close()
  await discard(place)
})

const complaint: GrantRequest = {
  purpose: 'complaint of a customer',
  ticket: 'CASE-7',
  scope: { request_id: 'req-3' },
}

async function approved(asked: Partial<GrantRequest> = {}): Promise<Grant> {
  const { id } = await all.compliance.requestGrant({ ...complaint, ...asked }, auditor)
  return all.compliance.decideGrant(id, 'approve', approver)
}

function submissionOf(grant: Grant, place: number): Promise<unknown> {
  return all.compliance.read(records[place]!.index, auditor, grant.id)
}

describe('a grant', () => {
  it('shows the payload that it covers to who asked for it, and each reading is a record', async () => {
    const asked = await all.compliance.requestGrant(complaint, auditor)
    expect(asked).toEqual({
      id: expect.any(String),
      state: 'requested',
      purpose: 'complaint of a customer',
      ticket: 'CASE-7',
      scope: { request_id: 'req-3' },
      minutes: 60,
      requested: expect.any(String),
      requestedBy: 'auditor',
    })
    await expect(submissionOf(asked, 3)).rejects.toMatchObject({
      code: 'FORBIDDEN',
      message: expect.stringContaining('not approved yet'),
    })
    const grant = await all.compliance.decideGrant(asked.id, 'approve', approver)
    expect(grant).toMatchObject({ state: 'approved', decidedBy: 'approver' })
    const minutes = (Date.parse(grant.until!) - Date.parse(grant.decided!)) / 60_000
    expect(minutes).toBeCloseTo(60, 1)

    const { index, id } = records[3]!
    const read = await all.compliance.read(index, auditor, grant.id)
    expect(read.record.id).toBe(id)
    expect(rebuildSubmission(read.record, read.disclosures as never)).toMatchObject({
      subject: 'person-3@example.com',
      input: { prompt: 'question 3' },
      output: { text: 'answer 3' },
    })

    // It says who, why and which, and to nobody who has the leaf alone.
    await all.records.settled()
    const found = await all.compliance.search({ resource: id }, auditor)
    expect(found.records).toMatchObject([{ type: 'access', action: 'read', parent_id: grant.id }])
    const access = await all.compliance.read(found.records[0]!.index, auditor)
    expect(rebuildSubmission(access.record, access.disclosures as never)).toEqual({
      type: 'access',
      action: 'read',
      actor: 'auditor',
      parent_id: grant.id,
      resource: id,
      extra: { purpose: 'complaint of a customer', ticket: 'CASE-7' },
    })
    expect(Buffer.from(access.leaf).toString()).not.toMatch(/complaint|CASE-7|auditor/)
  })

  it('covers nothing else, and shows it to nobody else', async () => {
    const grant = await approved()
    const size = all.log.head().size
    const forbidden = (message: string) => ({
      code: 'FORBIDDEN',
      message: expect.stringContaining(message),
    })
    await expect(submissionOf(grant, 4)).rejects.toMatchObject(forbidden('does not cover'))
    const { index } = records[3]!
    const other = principal('second-auditor', ['auditor'])
    await expect(all.compliance.read(index, other, grant.id)).rejects.toMatchObject(
      forbidden('nobody but who asked'),
    )
    for (const one of [reader, approver, administrator]) {
      await expect(all.compliance.read(index, one, grant.id)).rejects.toMatchObject(
        forbidden('role auditor'),
      )
      expect(await all.compliance.read(index, one)).not.toHaveProperty('disclosures')
    }
    await expect(all.compliance.read(index, submitter)).rejects.toMatchObject(forbidden('role'))
    await expect(
      all.compliance.read(index, auditor, '018f0000-0000-7000-8000-000000000000'),
    ).rejects.toMatchObject({ code: 'NOT_FOUND' })
    expect(all.log.head().size).toBe(size)
  })

  it('covers what its scope says: people, models, resources, times, costs', async () => {
    const { record } = await all.records.read(records[3]!.index, 'acme')
    const millisecond = (time: string, by: number) => new Date(Date.parse(time) + by).toISOString()
    const covering: GrantRequest['scope'][] = [
      { subject: 'person-3@example.com' },
      { subject: record.subject! },
      { model: 'model-1', model_version: '1', type: 'llm_request' },
      { resource: 'file-0' },
      { minimum_cost: 0.03 },
      { from: record.time, before: millisecond(record.time, 1) },
      { from: millisecond(record.time, -1).replace('Z', '999Z'), request_id: 'req-3' },
    ]
    const missing: GrantRequest['scope'][] = [
      { subject: 'person-4@example.com' },
      { actor: record.subject! },
      { model: 'model-1', model_version: '2' },
      { resource: 'file-1' },
      { minimum_cost: 0.031 },
      { before: record.time },
      { from: millisecond(record.time, 1) },
      { trace_id: '0af7651916cd43dd8448eb211c80319c' },
    ]
    for (const scope of covering) {
      const read = await all.compliance.read(
        records[3]!.index,
        auditor,
        (await approved({ scope })).id,
      )
      expect(read.disclosures, JSON.stringify(scope)).toHaveLength(4)
    }
    for (const scope of missing) {
      const grant = await approved({ scope })
      await expect(submissionOf(grant, 3), JSON.stringify(scope)).rejects.toMatchObject({
        code: 'FORBIDDEN',
      })
    }
  })

  it('is stored with people as pseudonyms', async () => {
    const grant = await approved({
      scope: { subject: 'person-3@example.com', from: '2026-01-01T02:00:00+02:00' },
    })
    const subject = await all.vault.knownPseudonym('acme', 'person-3@example.com')
    expect(grant.scope).toEqual({ subject, from: '2026-01-01T00:00:00.000Z' })
    const disclosures = await all.records.disclosures(grant.id, 'acme')
    const shown = (disclosures as never[])
      .map(formatDisclosure)
      .map((text) => Buffer.from(text, 'base64url').toString())
    expect(shown.join()).not.toContain('person-3')
  })

  it('is approved by a second person', async () => {
    const both = principal('both', ['auditor', 'approver'])
    const { id } = await all.compliance.requestGrant(complaint, both)
    for (const decision of ['approve', 'refuse'] as const) {
      await expect(all.compliance.decideGrant(id, decision, both)).rejects.toMatchObject({
        code: 'FORBIDDEN',
        message: expect.stringContaining('they asked for'),
      })
      for (const one of [auditor, reader, administrator]) {
        await expect(all.compliance.decideGrant(id, decision, one)).rejects.toMatchObject({
          code: 'FORBIDDEN',
        })
      }
    }
    expect(await all.compliance.grant(id, both)).toMatchObject({ state: 'requested' })
    expect(await all.compliance.decideGrant(id, 'approve', approver)).toMatchObject({
      state: 'approved',
    })
  })

  it('is decided once, also when two decide at once', async () => {
    const { id } = await all.compliance.requestGrant(complaint, auditor)
    const second = principal('second-approver', ['approver'])
    const outcomes = await Promise.allSettled([
      all.compliance.decideGrant(id, 'approve', approver),
      all.compliance.decideGrant(id, 'refuse', second),
    ])
    expect(outcomes).toMatchObject([
      { status: 'fulfilled', value: { state: 'approved' } },
      { status: 'rejected', reason: { code: 'CONFLICT' } },
    ])
    const refused = await all.compliance.requestGrant(complaint, auditor)
    expect(await all.compliance.decideGrant(refused.id, 'refuse', approver)).toMatchObject({
      state: 'refused',
      decidedBy: 'approver',
    })
    await expect(submissionOf(refused, 3)).rejects.toMatchObject({ code: 'FORBIDDEN' })
    await expect(all.compliance.decideGrant(refused.id, 'approve', approver)).rejects.toMatchObject(
      { code: 'CONFLICT' },
    )
  })

  it('ends when it is revoked, by an approver or by who asked', async () => {
    const other = principal('second-auditor', ['auditor'])
    for (const by of [auditor, approver, administrator]) {
      const grant = await approved()
      await expect(all.compliance.revokeGrant(grant.id, other)).rejects.toMatchObject({
        code: 'FORBIDDEN',
      })
      const revoked = await all.compliance.revokeGrant(grant.id, by)
      expect(revoked).toMatchObject({ state: 'revoked', decidedBy: by.name })
      await expect(submissionOf(grant, 3)).rejects.toMatchObject({
        code: 'FORBIDDEN',
        message: expect.stringContaining('revoked'),
      })
      await expect(all.compliance.revokeGrant(grant.id, by)).rejects.toMatchObject({
        code: 'CONFLICT',
      })
    }
  })

  it('is of one tenant', async () => {
    const grant = await approved()
    const elsewhere = (role: 'auditor' | 'approver') => principal(role, [role], 'other')
    await expect(all.compliance.grant(grant.id, elsewhere('auditor'))).rejects.toMatchObject({
      code: 'NOT_FOUND',
    })
    await expect(all.compliance.revokeGrant(grant.id, elsewhere('approver'))).rejects.toMatchObject(
      { code: 'NOT_FOUND' },
    )
    expect(await all.compliance.grants(elsewhere('auditor'))).toEqual({ items: [] })
  })

  it.each([
    ['/purpose', { purpose: '' }],
    ['/purpose', { purpose: 'a\nb' }],
    ['/ticket', { ticket: 'x'.repeat(257) }],
    ['/minutes', { minutes: 0 }],
    ['/minutes', { minutes: 1441 }],
    ['/minutes', { minutes: 1.5 }],
    ['/scope', { scope: {} }],
    ['/scope/nobody', { scope: { nobody: 'x' } as never }],
    ['/scope/type', { scope: { type: 'opinion' } }],
    ['/scope/from', { scope: { from: 'yesterday' } }],
    ['/scope/from', { scope: { from: '0000-01-01T00:00:00+01:00' } }],
    ['/scope/before', { scope: { from: '2026-02-01T00:00:00Z', before: '2026-01-01T00:00:00Z' } }],
    ['/scope/minimum_cost', { scope: { minimum_cost: -1 } }],
    ['/scope/trace_id', { scope: { trace_id: '0' } }],
  ] as [string, Partial<GrantRequest>][])(
    'names the member that is wrong: %s',
    async (pointer, wrong) => {
      const size = all.log.head().size
      await expect(
        all.compliance.requestGrant({ ...complaint, ...wrong }, auditor),
      ).rejects.toMatchObject({
        code: 'MALFORMED',
        message: expect.stringMatching(new RegExp(`^${pointer}: `)),
      })
      expect(all.log.head().size).toBe(size)
    },
  )

  it('is asked for by auditors, and about people who are known', async () => {
    for (const one of [submitter, reader, approver, administrator]) {
      await expect(all.compliance.requestGrant(complaint, one)).rejects.toMatchObject({
        code: 'FORBIDDEN',
      })
    }
    await expect(
      all.compliance.requestGrant({ ...complaint, scope: { subject: 'nobody' } }, auditor),
    ).rejects.toMatchObject({
      code: 'NOT_FOUND',
      message: expect.stringMatching(/^\/scope\/subject: /),
    })
    for (const one of [submitter, reader]) {
      await expect(all.compliance.grants(one)).rejects.toMatchObject({ code: 'FORBIDDEN' })
    }
  })
})

describe('as time passes', () => {
  it('a grant is over when its time is, and stays over when the clock is set back', async () => {
    const grant = await approved({ minutes: 1440 })
    const short = await approved({ minutes: 1 })
    ahead += 60_001
    expect(await all.compliance.grant(short.id, auditor)).toMatchObject({ state: 'expired' })
    await expect(submissionOf(short, 3)).rejects.toMatchObject({
      code: 'FORBIDDEN',
      message: expect.stringContaining('expired'),
    })
    await expect(all.compliance.revokeGrant(short.id, auditor)).rejects.toMatchObject({
      code: 'CONFLICT',
    })
    ahead -= 60_001
    await expect(submissionOf(short, 3)).rejects.toMatchObject({ code: 'FORBIDDEN' })
    await submissionOf(grant, 3)
    ahead += 60_001
  })

  it('all is known again after a restart, from the log alone', async () => {
    const waiting = await all.compliance.requestGrant(complaint, auditor)
    const grant = await approved({ scope: { resource: 'file-0' } })
    const before = await all.compliance.grants(auditor)
    await all.close()
    all = await openComplianceAt(place, { now })
    expect(await all.compliance.grants(auditor)).toEqual(before)
    expect(before.items[0]).toEqual(grant)
    await submissionOf(grant, 3)
    await all.records.reindex()
    await all.close()
    all = await openComplianceAt(place, { now })
    const decided = await all.compliance.decideGrant(waiting.id, 'approve', approver)
    expect(decided).toMatchObject({ state: 'approved' })
    expect((await all.compliance.grants(auditor)).items).toHaveLength(before.items.length)
  })

  it('who is erased has no grant any more, not even under the same name', async () => {
    const leaver = principal('leaver', ['auditor', 'approver'])
    const used = await all.compliance.requestGrant(complaint, leaver)
    await all.compliance.decideGrant(used.id, 'approve', approver)
    const waiting = await all.compliance.requestGrant(complaint, leaver)
    await all.compliance.erase({ subject: 'leaver', basis: 'left the company' }, administrator)
    const { index } = records[3]!
    await expect(all.compliance.read(index, leaver, used.id)).rejects.toMatchObject({
      code: 'FORBIDDEN',
    })
    for (const by of [leaver, approver]) {
      await expect(all.compliance.decideGrant(waiting.id, 'approve', by)).rejects.toMatchObject({
        code: 'CONFLICT',
        message: expect.stringContaining('erased'),
      })
    }
    const { requestedBy } = await all.compliance.grant(used.id, auditor)
    expect(requestedBy).toMatch(/^p_/)
    expect(await all.compliance.decideGrant(waiting.id, 'refuse', approver)).toMatchObject({
      state: 'refused',
    })
  })

  it('an erased payload is said to be erased', async () => {
    const gone = json({
      type: 'llm_request',
      subject: 'gone',
      request_id: 'r-gone',
      input: { prompt: 'p' },
    })
    const { records: added } = await all.records.submit([gone], submitter)
    const { index } = added[0]!
    const grant = await approved({ scope: { request_id: 'r-gone' } })
    expect((await all.compliance.read(index, auditor, grant.id)).disclosures).toHaveLength(2)
    await all.compliance.erase({ subject: 'gone', basis: 'GDPR Art. 17' }, administrator)
    expect((await all.compliance.read(index, auditor, grant.id)).disclosures).toBe('erased')
  })
})
