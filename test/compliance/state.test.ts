/** What is known of grants and holds is what the log says, also when something goes wrong on the way. */
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import type { GrantRequest } from '../../src/compliance/service.ts'
import { CairnError } from '../../src/errors.ts'
import type { LogService } from '../../src/log/service.ts'
import type { Vault } from '../../src/vault/vault.ts'
import { request } from '../records/records-place.ts'
import { discard, newPlace, type TestLogPlace } from '../support/test-log.ts'
import {
  administrator,
  approver,
  auditor,
  type OpenedCompliance,
  openComplianceAt,
  principal,
  submitter,
} from './compliance-place.ts'

let place: TestLogPlace
let all: OpenedCompliance
/** What befalls the next leaves. */
let trouble: 'none' | 'refused' | 'unanswered' | 'slow' = 'none'
/** Records whose row in the vault is damaged. */
const damaged = new Set<string>()

function troubled(log: LogService): LogService {
  return {
    ...log,
    async submit(leaves, options) {
      const befalls = trouble
      trouble = 'none'
      if (befalls === 'refused') throw new CairnError('OVERLOADED', 'the queue is full')
      if (befalls === 'slow') await new Promise((resume) => setTimeout(resume, 100))
      const acceptance = await log.submit(leaves, options)
      if (befalls === 'unanswered') throw new CairnError('IO', 'the answer was lost')
      return acceptance
    },
  }
}

function partlyDamaged(vault: Vault): Vault {
  return new Proxy(vault, {
    get(target, name) {
      if (name !== 'get') {
        const member: unknown = Reflect.get(target, name)
        return typeof member === 'function' ? member.bind(target) : member
      }
      return async (tenant: string, recordId: string) => {
        if (damaged.has(recordId)) throw new CairnError('CORRUPT', 'a payload is damaged')
        return target.get(tenant, recordId)
      }
    },
  })
}

function open(): Promise<OpenedCompliance> {
  return openComplianceAt(place, { wrapLog: troubled, wrapVault: partlyDamaged })
}

beforeEach(async () => {
  trouble = 'none'
  damaged.clear()
  place = await newPlace()
  all = await open()
  await all.records.submit([request(1), request(2)], submitter)
})
afterEach(async () => {
  await all.close()
  await discard(place)
})

const asked: GrantRequest = { purpose: 'audit', ticket: 'T-1', scope: { request_id: 'req-1' } }

describe('a decision', () => {
  it('that the log refuses was not made', async () => {
    const { id } = await all.compliance.requestGrant(asked, auditor)
    trouble = 'refused'
    await expect(all.compliance.decideGrant(id, 'approve', approver)).rejects.toMatchObject({
      code: 'OVERLOADED',
    })
    expect(await all.compliance.grant(id, auditor)).toMatchObject({ state: 'requested' })
    expect(await all.compliance.decideGrant(id, 'approve', approver)).toMatchObject({
      state: 'approved',
    })
  })

  it('that the log has taken was made, even when that was not told', async () => {
    const { id } = await all.compliance.requestGrant(asked, auditor)
    trouble = 'unanswered'
    await expect(all.compliance.decideGrant(id, 'approve', approver)).rejects.toMatchObject({
      code: 'IO',
    })
    expect(await all.compliance.grant(id, auditor)).toMatchObject({ state: 'approved' })
    await expect(all.compliance.decideGrant(id, 'refuse', approver)).rejects.toMatchObject({
      code: 'CONFLICT',
    })
    trouble = 'unanswered'
    const hold = { name: 'everything', reason: 'lawsuit', scope: {} }
    await expect(all.compliance.placeHold(hold, administrator)).rejects.toMatchObject({
      code: 'IO',
    })
    await expect(
      all.compliance.erase({ subject: 'person-1@example.com', basis: 'b' }, administrator),
    ).rejects.toMatchObject({ code: 'HELD' })
  })

  it('shows no payload when the reading cannot be recorded', async () => {
    const { id } = await all.compliance.requestGrant(asked, auditor)
    await all.compliance.decideGrant(id, 'approve', approver)
    const { records } = await all.compliance.search({ request: 'req-1' }, auditor)
    trouble = 'refused'
    await expect(all.compliance.read(records[0]!.index, auditor, id)).rejects.toMatchObject({
      code: 'OVERLOADED',
    })
  })
})

describe('damage', () => {
  it('to a grant takes that grant alone', async () => {
    const [lost, kept] = [
      await all.compliance.requestGrant(asked, auditor),
      await all.compliance.requestGrant(asked, auditor),
    ]
    damaged.add(lost.id)
    await all.close()
    all = await open()
    expect((await all.compliance.grants(auditor)).items.map(({ id }) => id)).toEqual([kept.id])
    await expect(all.compliance.grant(lost.id, auditor)).rejects.toMatchObject({
      code: 'NOT_FOUND',
    })
    expect(all.complianceEvents).toEqual([
      { event: 'grant-unreadable', id: lost.id, reason: expect.stringContaining('damaged') },
    ])
  })

  it('to an approval makes it none', async () => {
    const { id } = await all.compliance.requestGrant(asked, auditor)
    await all.compliance.decideGrant(id, 'approve', approver)
    await all.records.settled()
    const { records } = await all.compliance.search({ type: 'grant' }, auditor)
    damaged.add(records[0]!.id)
    await all.close()
    all = await open()
    expect(await all.compliance.grant(id, auditor)).toMatchObject({ state: 'requested' })
    expect(all.complianceEvents).toMatchObject([{ event: 'grant-unreadable' }])
  })

  it('to a hold makes it one over everything', async () => {
    const reason = 'lawsuit'
    const scope = { request_id: 'req-2' }
    const { id } = await all.compliance.placeHold({ name: 'small', reason, scope }, administrator)
    damaged.add(id)
    await all.close()
    all = await open()
    await expect(
      all.compliance.erase({ subject: 'person-1@example.com', basis: 'b' }, administrator),
    ).rejects.toMatchObject({ code: 'HELD', message: expect.stringContaining(id) })
    expect((await all.compliance.holds(administrator)).items).toMatchObject([
      { name: id, scope: {} },
    ])
  })

  it('to what a hold may cover keeps it', async () => {
    const { records } = await all.compliance.search({ request: 'req-1' }, auditor)
    const context = { name: 'file', reason: 'lawsuit', scope: { resource: 'file-1' } }
    await all.compliance.placeHold(context, administrator)
    damaged.add(records[0]!.id)
    await expect(
      all.compliance.erase({ subject: 'person-1@example.com', basis: 'b' }, administrator),
    ).rejects.toMatchObject({ code: 'HELD' })
  })
})

describe('what a hold covers and is on its way', () => {
  it('keeps a person, too', async () => {
    const scope = { session_id: 's-1' }
    await all.compliance.placeHold({ name: 'one', reason: 'lawsuit', scope }, administrator)
    trouble = 'slow'
    const added = all.records.submit([request(1, scope)], submitter)
    // It is on its way as soon as its person is known.
    await new Promise((resume) => setTimeout(resume, 20))
    const erased = all.compliance.erase(
      { subject: 'person-1@example.com', basis: 'b' },
      administrator,
    )
    const late = all.records.submit([request(1)], submitter)
    await expect(erased).rejects.toMatchObject({ code: 'HELD' })
    for (const { records } of [await added, await late]) {
      expect(await all.records.disclosures(records[0]!.id, 'acme')).toHaveLength(4)
    }
  })
})

describe('a refusal', () => {
  it('is one even when it cannot be recorded, which is told', async () => {
    const outsider = principal('outsider', ['reader'], 'other')
    const refused = () => all.compliance.refuseTenant('acme', outsider, 'GET /v1/records')
    trouble = 'refused'
    await expect(refused()).rejects.toMatchObject({ code: 'FORBIDDEN' })
    expect(all.complianceEvents).toEqual([
      { event: 'refusal-not-recorded', tenant: 'other', reason: 'the queue is full' },
    ])
    // The next record stands for both.
    await expect(refused()).rejects.toMatchObject({ code: 'FORBIDDEN' })
    await all.records.settled()
    const { records } = await all.records.search({ type: 'access' }, 'other')
    expect(records).toHaveLength(1)
    const disclosures = await all.records.disclosures(records[0]!.id, 'other')
    const extra = (disclosures as { pointer: string; json: Uint8Array }[]).find(
      ({ pointer }) => pointer === '/extra',
    )
    expect(Buffer.from(extra!.json).toString()).toContain('"records":2')
  })
})

describe('once it is closed', () => {
  it('nothing is taken on any more', async () => {
    const { compliance } = all
    await compliance.close()
    await expect(compliance.holds(administrator)).rejects.toMatchObject({ code: 'STOPPED' })
    await expect(compliance.requestGrant(asked, auditor)).rejects.toMatchObject({
      code: 'STOPPED',
    })
  })
})
