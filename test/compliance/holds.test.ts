/** Holds and erasures over the records of a real log. */
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import type { Principal } from '../../src/compliance/principal.ts'
import type { Hold, HoldRequest, Scope } from '../../src/compliance/service.ts'
import { rebuildSubmission } from '../../src/formats/record-rebuild.ts'
import { leafIndex } from '../../src/merkle/position.ts'
import type { AcceptedRecord } from '../../src/records/service.ts'
import { json, request } from '../records/records-place.ts'
import { discard, newPlace, type TestLogPlace } from '../support/test-log.ts'
import {
  type OpenedCompliance,
  openComplianceAt,
  principal,
  type Staff,
  staffOf,
} from './compliance-place.ts'

let place: TestLogPlace
let all: OpenedCompliance
let records: readonly AcceptedRecord[]

/** Each test has a tenant of its own. */
let tenant: string
let { submitter, reader, auditor, approver, administrator }: Staff = staffOf('none')
let tenants = 0

beforeAll(async () => {
  place = await newPlace()
  all = await openComplianceAt(place)
})
afterAll(async () => {
  await all.close()
  await discard(place)
})
beforeEach(async () => {
  tenant = `tenant-${++tenants}`
  ;({ submitter, reader, auditor, approver, administrator } = staffOf(tenant))
  const submissions = Array.from({ length: 6 }, (_, i) =>
    request(i, { actor: `clerk-${i % 2}`, session_id: `s-${i % 3}` }),
  )
  ;({ records } = await all.records.submit(submissions, submitter))
})

const lawsuit: HoldRequest = {
  name: 'acme-v-smith',
  reason: 'lawsuit 4 O 12/26',
  scope: { subject: 'person-1@example.com' },
}

function hold(scope: Scope, name = 'acme-v-smith'): Promise<Hold> {
  return all.compliance.placeHold({ ...lawsuit, name, scope }, administrator)
}

function erase(subject: string) {
  return all.compliance.erase({ subject, basis: 'GDPR Art. 17(1)(b)' }, administrator)
}

describe('a hold', () => {
  it('keeps a person from being erased until it is lifted, and both are on record', async () => {
    const placed = await all.compliance.placeHold(lawsuit, administrator)
    const subject = await all.vault.knownPseudonym(tenant, 'person-1@example.com')
    expect(placed).toEqual({
      id: expect.any(String),
      name: 'acme-v-smith',
      state: 'active',
      reason: 'lawsuit 4 O 12/26',
      scope: { subject },
      placed: expect.any(String),
      placedBy: 'administrator',
    })
    const size = all.log.head().size
    for (const person of ['person-1@example.com', subject!]) {
      await expect(erase(person)).rejects.toMatchObject({
        code: 'HELD',
        message: expect.stringContaining('acme-v-smith'),
      })
    }
    expect(all.log.head().size).toBe(size)
    expect(await all.records.disclosures(records[1]!.id, tenant)).toHaveLength(5)

    const lifted = await all.compliance.liftHold('acme-v-smith', 'settled', administrator)
    expect(lifted).toMatchObject({ id: placed.id, state: 'lifted', liftedBy: 'administrator' })
    expect(await erase('person-1@example.com')).toMatchObject({ pseudonym: subject, records: 1 })

    await all.records.settled()
    const { records: found } = await all.compliance.search(
      { type: 'hold', order: 'oldest' },
      administrator,
    )
    const said = await Promise.all(
      found.map(async ({ index }) => {
        const { record, disclosures } = await all.compliance.read(index, administrator)
        return rebuildSubmission(record, disclosures as never)
      }),
    )
    const facts = { name: 'acme-v-smith', scope: { subject } }
    expect(said).toEqual([
      {
        type: 'hold',
        action: 'place',
        actor: 'administrator',
        extra: { ...facts, purpose: 'lawsuit 4 O 12/26' },
      },
      {
        type: 'hold',
        action: 'lift',
        actor: 'administrator',
        parent_id: placed.id,
        extra: { ...facts, purpose: 'settled' },
      },
    ])
  })

  it.each([
    ['everything', {}],
    ['what somebody did', { actor: 'clerk-1' }],
    ['a session', { session_id: 's-1' }],
    ['a model, from a time on', { model: 'model-1', from: '2026-01-01T00:00:00Z' }],
    ['a resource', { resource: 'file-1' }],
    ['a price', { minimum_cost: 0.01, before: '2999-01-01T00:00:00Z' }],
  ] as [string, Scope][])('over %s keeps whoever is in it', async (_, scope) => {
    await hold(scope)
    await expect(erase('person-1@example.com')).rejects.toMatchObject({ code: 'HELD' })
    // Their name is part of what is held, too.
    await expect(erase('clerk-1')).rejects.toMatchObject({ code: 'HELD' })
  })

  it.each([
    ['somebody else', { subject: 'person-2@example.com' }],
    ['another session', { session_id: 's-2' }],
    ['another resource', { resource: 'file-2' }],
    ['another time', { before: '2026-01-01T00:00:00Z' }],
    ['another trace', { trace_id: '0af7651916cd43dd8448eb211c80319c' }],
  ] as [string, Scope][])('over %s keeps nobody else', async (_, scope) => {
    await hold(scope)
    expect(await erase('person-1@example.com')).toMatchObject({ records: 1 })
  })

  it('over a trace keeps whoever is in it, also in records that come later', async () => {
    const trace_id = '0af7651916cd43dd8448eb211c80319c'
    await hold({ trace_id })
    await all.records.submit([request(1, { trace_id })], submitter)
    await expect(erase('person-1@example.com')).rejects.toMatchObject({ code: 'HELD' })
  })

  it('is one of several: all are named, and each has to be lifted', async () => {
    await hold({ session_id: 's-1' }, 'first')
    const second = await hold({ actor: 'clerk-1' }, 'second')
    await hold({ actor: 'clerk-0' }, 'third')
    await expect(erase('person-1@example.com')).rejects.toMatchObject({
      message: expect.stringContaining('first, second;'),
    })
    await all.compliance.liftHold('first', 'over', administrator)
    await expect(erase('person-1@example.com')).rejects.toMatchObject({ code: 'HELD' })
    await all.compliance.liftHold(second.id, 'over', administrator)
    await erase('person-1@example.com')
    expect(
      (await all.compliance.holds(auditor)).items.map(({ name, state }) => [name, state]),
    ).toEqual([
      ['third', 'active'],
      ['second', 'lifted'],
      ['first', 'lifted'],
    ])
  })

  it('and an erasure asked for at once: the first of them counts', async () => {
    const [held, erased] = await Promise.allSettled([
      hold({ session_id: 's-1' }),
      erase('person-1@example.com'),
    ])
    expect(held.status).toBe('fulfilled')
    expect(erased).toMatchObject({ status: 'rejected', reason: { code: 'HELD' } })
  })

  it('has a name that no other active hold has', async () => {
    const twice = await Promise.allSettled([hold({}), hold({ session_id: 's-1' })])
    expect(twice).toMatchObject([
      { status: 'fulfilled' },
      { status: 'rejected', reason: { code: 'CONFLICT' } },
    ])
    await all.compliance.liftHold('acme-v-smith', 'over', administrator)
    await expect(
      all.compliance.liftHold('acme-v-smith', 'over', administrator),
    ).rejects.toMatchObject({ code: 'CONFLICT' })
    const again = await hold({ session_id: 's-1' })
    expect(await all.compliance.liftHold('acme-v-smith', 'over', administrator)).toMatchObject({
      id: again.id,
    })
  })

  it('holds after a restart and on a new index', async () => {
    await all.compliance.placeHold(lawsuit, administrator)
    const before = await all.compliance.holds(administrator)
    await all.close()
    all = await openComplianceAt(place)
    // Nobody waits for the index here.
    void all.records.reindex()
    await expect(erase('person-1@example.com')).rejects.toMatchObject({ code: 'HELD' })
    expect(await all.compliance.holds(administrator)).toEqual(before)
  })

  it('that cannot be read any more keeps everything, until it is lifted by its id', async () => {
    const { id } = await hold({ session_id: 's-2' })
    await all.vault.eraseRecord(tenant, id)
    await all.close()
    all = await openComplianceAt(place)
    await expect(erase('person-1@example.com')).rejects.toMatchObject({
      code: 'HELD',
      message: expect.stringContaining(id),
    })
    await all.compliance.liftHold(id, 'its record is lost', administrator)
    await erase('person-1@example.com')
  })

  it.each([
    ['/name', { name: 'two words' }],
    ['/name', { name: '' }],
    ['/name', { name: '018f0000-0000-7000-8000-000000000000' }],
    ['/reason', { reason: '' }],
    ['/scope/subject', { scope: { subject: '' } }],
    ['/scope/environment', { scope: { environment: 'a\u202eb' } }],
    ['/scope/whatever', { scope: { whatever: 1 } as never }],
  ] as [string, Partial<HoldRequest>][])(
    'names the member that is wrong: %s',
    async (pointer, wrong) => {
      await expect(
        all.compliance.placeHold({ ...lawsuit, ...wrong }, administrator),
      ).rejects.toMatchObject({
        code: 'MALFORMED',
        message: expect.stringMatching(new RegExp(`^${pointer}: `)),
      })
    },
  )

  it('names nobody in words', async () => {
    const subject = 'person-1@example.com'
    const named = { code: 'MALFORMED', message: expect.stringContaining('leave out the name') }
    const reason = 'lawsuit of PERSON-1@example.com'
    await expect(
      all.compliance.placeHold({ ...lawsuit, reason }, administrator),
    ).rejects.toMatchObject(named)
    await all.compliance.placeHold(lawsuit, administrator)
    await expect(
      all.compliance.liftHold('acme-v-smith', `settled with ${subject}`, administrator),
    ).rejects.toMatchObject(named)
    const pseudonym = (await all.vault.knownPseudonym(tenant, subject))!
    for (const [scope, member] of [
      [{ subject }, 'purpose'],
      [{ actor: pseudonym }, 'ticket'],
    ] as const) {
      const asked = { purpose: 'complaint', ticket: 'CASE-7', scope, [member]: `of ${subject}` }
      await expect(all.compliance.requestGrant(asked, auditor)).rejects.toMatchObject(named)
    }
  })

  it('is for administrators, and auditors may see it', async () => {
    await all.compliance.placeHold(lawsuit, administrator)
    for (const by of [submitter, reader, auditor, approver]) {
      const forbidden = { code: 'FORBIDDEN' }
      await expect(all.compliance.placeHold(lawsuit, by)).rejects.toMatchObject(forbidden)
      await expect(all.compliance.liftHold('acme-v-smith', 'x', by)).rejects.toMatchObject(
        forbidden,
      )
      await expect(
        all.compliance.erase({ subject: 'person-2@example.com', basis: 'b' }, by),
      ).rejects.toMatchObject(forbidden)
    }
    const elsewhere = principal('administrator', ['administrator'], 'other')
    expect(await all.compliance.holds(elsewhere)).toEqual({ items: [] })
    await expect(all.compliance.liftHold('acme-v-smith', 'x', elsewhere)).rejects.toMatchObject({
      code: 'NOT_FOUND',
    })
    await expect(all.compliance.liftHold('acme-v-smith', '', administrator)).rejects.toMatchObject({
      code: 'MALFORMED',
      message: expect.stringMatching(/^\/reason: /),
    })
    await expect(all.compliance.liftHold('no-such', 'x', administrator)).rejects.toMatchObject({
      code: 'NOT_FOUND',
    })
  })
})

describe('an erasure', () => {
  it('is asked for by name or by pseudonym, of somebody who is there', async () => {
    const pseudonym = await all.vault.knownPseudonym(tenant, 'person-2@example.com')
    expect(await erase(pseudonym!)).toMatchObject({ pseudonym, records: 1 })
    expect(await all.vault.knownPseudonym(tenant, 'person-2@example.com')).toBeUndefined()
    for (const nobody of [pseudonym!, 'person-2@example.com', `p_${'A'.repeat(22)}`, 'nobody']) {
      await expect(erase(nobody)).rejects.toMatchObject({ code: 'NOT_FOUND' })
    }
  })

  it('reaches whom a pseudonym stands for: nobody calls themselves by one', async () => {
    const pseudonym = (await all.vault.knownPseudonym(tenant, 'person-2@example.com'))!
    const posing = json({ type: 'decision', subject: pseudonym })
    await expect(all.records.submit([posing], submitter)).rejects.toMatchObject({
      code: 'MALFORMED',
      message: expect.stringMatching(/^record 1: \/subject: this is a pseudonym/),
    })
    const found = await all.compliance.search({ subject: pseudonym }, reader)
    expect(found.records.map(({ index }) => index)).toEqual([records[2]!.index])
    expect(await erase(pseudonym)).toMatchObject({ pseudonym })
    expect(await all.records.disclosures(records[2]!.id, tenant)).toMatchObject([
      { pointer: '/actor' },
    ])
  })

  it('has a basis that names nobody', async () => {
    for (const subject of [
      'person-2@example.com',
      (await all.vault.knownPseudonym(tenant, 'person-2@example.com'))!,
    ]) {
      const basis = 'asked for by Person-2@example.com'
      await expect(all.compliance.erase({ subject, basis }, administrator)).rejects.toMatchObject({
        code: 'MALFORMED',
        message: expect.stringMatching(/^\/basis: /),
      })
    }
    await expect(
      all.compliance.erase({ subject: 'person-2@example.com', basis: ' ' }, administrator),
    ).rejects.toMatchObject({ code: 'MALFORMED' })
  })

  it('can be one of oneself', async () => {
    const leaver = principal('leaver', ['administrator'], tenant)
    await all.compliance.placeHold({ ...lawsuit, scope: { session_id: 's-9' } }, leaver)
    const { pseudonym } = await all.compliance.erase({ subject: 'leaver', basis: 'left' }, leaver)
    expect((await all.compliance.holds(administrator)).items).toMatchObject([
      { placedBy: pseudonym },
    ])
  })
})

describe('records of others', () => {
  let outsider: Principal
  beforeEach(() => {
    outsider = principal('outsider', ['auditor'], `other-${tenants}`)
  })

  async function attempts(): Promise<unknown[]> {
    await all.records.settled()
    const query = { type: 'access', action: 'refuse', order: 'oldest' } as const
    const { records: found } = await all.compliance.search(query, outsider)
    return Promise.all(
      found.map(async ({ index }) => {
        const { record, disclosures } = await all.compliance.read(index, outsider)
        return rebuildSubmission(record, disclosures as never)
      }),
    )
  }

  it('are as if they were not there, and the attempt is recorded where it came from', async () => {
    const { index } = records[0]!
    const notFound = {
      code: 'NOT_FOUND',
      message: `entry ${index} of the log is not a record of ${outsider.tenant}`,
    }
    await expect(all.compliance.read(index, outsider)).rejects.toMatchObject(notFound)
    await expect(all.compliance.read(leafIndex(4_711), outsider)).rejects.toMatchObject({
      code: 'NOT_FOUND',
    })
    await expect(
      all.compliance.refuseTenant(tenant, outsider, 'GET /v1/records'),
    ).rejects.toMatchObject({
      code: 'FORBIDDEN',
      message: expect.stringContaining(`tenant ${outsider.tenant}`),
    })
    await expect(
      all.compliance.refuseTenant('\u0000', outsider, 'GET /v1/records'),
    ).rejects.toMatchObject({ code: 'FORBIDDEN' })
    const made = (extra: object) => ({ type: 'access', action: 'refuse', actor: 'outsider', extra })
    expect(await attempts()).toEqual([
      made({ purpose: `to read the record at ${index}`, tenant }),
      made({ purpose: 'GET /v1/records', tenant }),
      made({ purpose: 'GET /v1/records', tenant: 'none that can be' }),
    ])
    const { records: theirs } = await all.compliance.search({ type: 'access' }, administrator)
    expect(theirs).toEqual([])
    expect((await all.compliance.search({ model: 'model-1' }, outsider)).records).toEqual([])
  })

  it('asked for again and again, do not fill the log', async () => {
    const size = all.log.head().size
    const refused = Array.from({ length: 200 }, () =>
      all.compliance.refuseTenant(tenant, outsider, 'GET /v1/records'),
    )
    const outcomes = await Promise.allSettled(refused)
    expect(outcomes.every(({ status }) => status === 'rejected')).toBe(true)
    expect(all.log.head().size).toBe(size + 60)
  })
})
