/** Erasures, holds, grants, evidence and reports, asked for over HTTP. */
import { Compile } from 'typebox/compile'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { verifyEvidence } from '../../src/client/verify-evidence.ts'
import { parseVkey } from '../../src/formats/vkey.ts'
import { reportSchema } from '../../src/reports/report-schema.ts'
import { request } from '../records/records-place.ts'
import { type HostedPlace, hostedPlace, principal } from './hosted-place.ts'

let place: HostedPlace

beforeAll(async () => {
  place = await hostedPlace()
  const submissions = Array.from({ length: 14 }, (_, n) => request(n))
  await place.records.submit(submissions, principal('sam'))
  await place.records.settled()
})

afterAll(async () => {
  expect(place.errors).toEqual([])
  await place.close()
})

const post = (who: string, path: string, body?: unknown) => place.ask(who, 'POST', path, body)
const get = (who: string, path: string) => place.ask(who, 'GET', path)
const ISO = /^2\d{3}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$/

describe('/v1/erasures', () => {
  it('erases a person once, and lists that with its basis', async () => {
    const body = { subject: 'person-1@example.com', basis: `Art. 17 (1) (b) ${'x'.repeat(1000)}` }
    const erased = await post('ada', '/v1/erasures', body)
    expect(erased.status, erased.text).toBe(201)
    expect(erased.json).toMatchObject({ records: 2, pseudonym: expect.stringMatching(/^p_/) })
    const { index, id } = erased.json.erasure
    expect(erased.headers.get('location')).toBe(`/v1/records/${index}`)
    expect((await get('ada', `/v1/records/${index}`)).json.record).toMatchObject({ id })
    await place.records.settled()
    const listed = await get('audrey', '/v1/erasures')
    const row = {
      index,
      id,
      receipt: `/v1/receipts/${index}`,
      time: expect.stringMatching(ISO),
      actor: expect.stringMatching(/^p_/),
    }
    const facts = { pseudonym: erased.json.pseudonym, basis: body.basis }
    expect(listed.json.erasures).toEqual([{ ...row, ...facts }])
    expect((await get('rita', '/v1/erasures')).json.erasures).toEqual([row])
    expect((await get('sam', '/v1/erasures')).status).toBe(403)
    expect(listed.text).not.toContain('person-1')
    const read = await get('audrey', `/v1/records/${index}`)
    expect(read.json.payload.submission).toMatchObject({ type: 'erasure', extra: facts })
    expect((await get('rita', `/v1/records/${index}`)).json).not.toHaveProperty('payload')
    const again = await post('ada', '/v1/erasures', body)
    expect(again).toMatchObject({ status: 404, json: { code: 'NOT_FOUND' } })
    expect((await get('oscar', '/v1/erasures')).json.erasures).toEqual([])
  })

  it('takes a pseudonym for the person', async () => {
    const found = await get('ada', '/v1/records?request_id=req-2')
    const { subject } = found.json.records[0]
    const erased = await post('ada', '/v1/erasures', { subject, basis: 'Art. 17' })
    expect(erased.json).toMatchObject({ pseudonym: subject, records: 2 })
  })

  it('comes a page at a time', async () => {
    await place.records.settled()
    const first = await get('ada', '/v1/erasures?limit=1')
    const second = await get('ada', `/v1/erasures?limit=1&cursor=${first.json.cursor}`)
    expect(first.json.erasures[0].index).toBeGreaterThan(second.json.erasures[0].index)
    expect(second.json.cursor).toBeUndefined()
  })

  it('is for administrators', async () => {
    for (const who of ['sam', 'rita', 'audrey', 'arthur']) {
      const refused = await post(who, '/v1/erasures', { subject: 'x', basis: 'y' })
      expect(refused, who).toMatchObject({ status: 403, json: { code: 'FORBIDDEN' } })
    }
  })
})

describe('/v1/holds', () => {
  const body = {
    name: 'acme-v-smith',
    reason: 'a claim is expected',
    scope: { subject: 'person-3@example.com' },
  }

  it('keeps a person from being erased until it is lifted', async () => {
    const placed = await post('ada', '/v1/holds', body)
    expect(placed.status, placed.text).toBe(201)
    expect(placed.json).toMatchObject({
      name: body.name,
      reason: body.reason,
      state: 'active',
      placed: expect.stringMatching(ISO),
      placed_by: 'ada',
    })
    expect(placed.json.scope.subject).toMatch(/^p_/)
    expect(placed.json).not.toHaveProperty('lifted')

    const erasure = { subject: 'person-3@example.com', basis: 'Art. 17' }
    const held = await post('ada', '/v1/erasures', erasure)
    expect(held).toMatchObject({ status: 409, json: { code: 'HELD' } })
    expect(held.json.detail).toContain('acme-v-smith')

    const again = await post('ada', '/v1/holds', body)
    expect(again).toMatchObject({ status: 422, json: { code: 'CONFLICT' } })

    const lifted = await post('ada', '/v1/holds/acme-v-smith/lift', { reason: 'settled' })
    expect(lifted.json).toMatchObject({
      id: placed.json.id,
      state: 'lifted',
      lifted: expect.stringMatching(ISO),
      lifted_by: 'ada',
    })
    const gone = await post('ada', '/v1/holds/acme-v-smith/lift', { reason: 'settled' })
    expect([404, 422]).toContain(gone.status)
    const twice = await post('ada', `/v1/holds/${placed.json.id}/lift`, { reason: 'settled' })
    expect(twice).toMatchObject({ status: 422, json: { code: 'CONFLICT' } })
    expect((await get('ada', '/v1/holds')).json.holds).toEqual([lifted.json])
    expect((await post('ada', '/v1/erasures', erasure)).status).toBe(201)
  })

  it('lifts one by its id', async () => {
    const all = { name: 'everything', reason: 'an audit', scope: {} }
    const { id } = (await post('ada', '/v1/holds', all)).json
    expect((await post('ada', `/v1/holds/${id}/lift`, { reason: 'over' })).status).toBe(200)
  })

  it('knows no other, of nobody else', async () => {
    const unknown = await post('ada', '/v1/holds/nothing/lift', { reason: 'r' })
    expect(unknown).toMatchObject({ status: 404, json: { code: 'NOT_FOUND' } })
    expect((await get('oscar', '/v1/holds')).json).toEqual({ holds: [] })
    const { holds } = (await get('ada', '/v1/holds')).json
    const { json: first } = await get('ada', '/v1/holds?limit=1')
    expect(first).toEqual({ holds: holds.slice(0, 1), cursor: holds[0].id })
    const next = await get('ada', `/v1/holds?cursor=${first.cursor}`)
    expect(next.json).toEqual({ holds: holds.slice(1) })
    const theirs = await post('oscar', `/v1/holds/${holds[0].id}/lift`, { reason: 'r' })
    expect(theirs.status).toBe(404)
  })

  it('is for administrators', async () => {
    for (const who of ['sam', 'rita', 'audrey', 'arthur']) {
      for (const path of ['/v1/holds', '/v1/holds/x/lift']) {
        const good = path === '/v1/holds' ? body : { reason: 'r' }
        expect(await post(who, path, good)).toMatchObject({ status: 403 })
      }
    }
    expect((await get('sam', '/v1/holds')).status).toBe(403)
  })

  it('names somebody who is not known', async () => {
    const refused = await post('ada', '/v1/holds', { ...body, scope: { subject: 'nobody' } })
    expect(refused).toMatchObject({ status: 404, json: { code: 'NOT_FOUND' } })
    expect(refused.json.detail).toContain('/scope/subject')
  })
})

describe('/v1/grants', () => {
  const body = {
    purpose: 'a complaint',
    ticket: 'T-1',
    scope: { request_id: 'req-5', from: '2026-01-01T01:00:00+01:00' },
    minutes: 5,
  }

  it('are asked for, approved by somebody else, and ended', async () => {
    const asked = await post('audrey', '/v1/grants', body)
    expect(asked.status, asked.text).toBe(201)
    const { id } = asked.json
    expect(asked.headers.get('location')).toBe(`/v1/grants/${id}`)
    expect(asked.json).toEqual({
      id,
      state: 'requested',
      purpose: body.purpose,
      ticket: body.ticket,
      scope: { request_id: 'req-5', from: '2026-01-01T00:00:00.000Z' },
      minutes: 5,
      requested: expect.stringMatching(ISO),
      requested_by: 'audrey',
    })
    expect((await get('audrey', `/v1/grants/${id}`)).json).toEqual(asked.json)

    const approved = await post('arthur', `/v1/grants/${id}/approve`)
    expect(approved.json).toMatchObject({ state: 'approved', decided_by: 'arthur' })
    const life = Date.parse(approved.json.until) - Date.parse(approved.json.decided)
    expect(life).toBeGreaterThan(4.9 * 60_000)
    expect(life).toBeLessThanOrEqual(5 * 60_000 + 1000)

    const twice = await post('arthur', `/v1/grants/${id}/approve`)
    expect(twice).toMatchObject({ status: 422, json: { code: 'CONFLICT' } })
    const revoked = await post('audrey', `/v1/grants/${id}/revoke`)
    expect(revoked.json).toMatchObject({ state: 'revoked' })
    const read = await get('audrey', `/v1/records/5?grant=${id}`)
    expect(read).toMatchObject({ status: 403, json: { code: 'FORBIDDEN' } })
  })

  it('are not approved by who asks for them', async () => {
    const { id } = (await post('both', '/v1/grants', body)).json
    const own = await post('both', `/v1/grants/${id}/approve`)
    expect(own).toMatchObject({ status: 403, json: { code: 'FORBIDDEN' } })
    const unapproved = await get('both', `/v1/records/5?grant=${id}`)
    expect(unapproved).toMatchObject({ status: 403, json: { code: 'FORBIDDEN' } })
    expect((await post('arthur', `/v1/grants/${id}/refuse`)).json).toMatchObject({
      state: 'refused',
      decided_by: 'arthur',
    })
  })

  it('last an hour unless told otherwise, and need a scope', async () => {
    const { minutes: _, ...short } = body
    const asked = await post('audrey', '/v1/grants', short)
    expect(asked.json).toMatchObject({ minutes: 60 })
    const all = await post('audrey', '/v1/grants', { ...body, scope: {} })
    expect(all).toMatchObject({ status: 400, json: { code: 'MALFORMED' } })
    expect(all.json.detail).toContain('/scope')
  })

  it('are listed with the newest first, those of the tenant only', async () => {
    const { grants } = (await get('ada', '/v1/grants')).json
    expect(grants.map(({ state }: { state: string }) => state)).toEqual([
      'requested',
      'refused',
      'revoked',
    ])
    expect((await get('oscar', '/v1/grants')).json).toEqual({ grants: [] })
    const { json: first } = await get('ada', '/v1/grants?limit=2')
    expect(first.grants).toEqual(grants.slice(0, 2))
    const next = await get('ada', `/v1/grants?limit=2&cursor=${first.cursor}`)
    expect(next.json).toEqual({ grants: grants.slice(2) })
    for (const wrong of ['limit=0', 'limit=1001', 'cursor=abc', `cursor=${first.cursor}&x=1`]) {
      expect((await get('ada', `/v1/grants?${wrong}`)).status, wrong).toBe(400)
    }
    // Somebody else's grants are no place to go on from.
    expect((await get('oscar', `/v1/grants?cursor=${first.cursor}`)).status).toBe(400)
    const theirs = await get('oscar', `/v1/grants/${grants[0].id}`)
    expect(theirs).toMatchObject({ status: 404, json: { code: 'NOT_FOUND' } })
  })

  it('are asked for by auditors, and decided by approvers', async () => {
    for (const who of ['sam', 'rita', 'arthur', 'ada']) {
      expect(await post(who, '/v1/grants', body), who).toMatchObject({ status: 403 })
    }
    const { id } = (await post('audrey', '/v1/grants', body)).json
    for (const who of ['sam', 'rita', 'audrey', 'ada', 'oscar']) {
      const refused = await post(who, `/v1/grants/${id}/approve`)
      expect([403, 404], who).toContain(refused.status)
    }
  })
})

describe('/v1/evidence', () => {
  it('is a file that is named after what was asked', async () => {
    const made = await post('audrey', '/v1/evidence', {
      scope: { request_id: 'req-6' },
      purpose: 'a complaint',
    })
    expect(made.status, made.text).toBe(200)
    expect(made.headers.get('content-type')).toBe('application/vnd.cairn.evidence')
    expect(made.headers.get('content-disposition')).toBe('attachment; filename="req-6.cairn"')
    expect(made.text).not.toContain('question 6')
    const verdict = verifyEvidence(made.bytes, { logKeys: place.log.vkeys.map(parseVkey) })
    expect(verdict).toMatchObject({ ok: true })
  })

  it('is named plainly where the name would not do', async () => {
    const made = await post('audrey', '/v1/evidence', { scope: { model: 'model-0' } })
    expect(made.headers.get('content-disposition')).toBe('attachment; filename="evidence.cairn"')
  })

  it('shows payloads under a grant', async () => {
    const scope = { request_id: 'req-7' }
    const { id } = (
      await post('audrey', '/v1/grants', { purpose: 'a complaint', ticket: 'T-2', scope })
    ).json
    await post('arthur', `/v1/grants/${id}/approve`)
    const made = await post('audrey', '/v1/evidence', { scope, grant: id })
    expect(made.status, made.text).toBe(200)
    expect(made.text).toContain(id)
    const unknown = { scope, grant: id.replace(/.$/, (one: string) => (one === '0' ? '1' : '0')) }
    expect((await post('audrey', '/v1/evidence', unknown)).status).toBe(404)
  })

  it('is not made of nothing, nor for everyone', async () => {
    const nothing = await post('audrey', '/v1/evidence', { scope: { request_id: 'none' } })
    expect(nothing).toMatchObject({ status: 404, json: { code: 'NOT_FOUND' } })
    const refused = await post('rita', '/v1/evidence', { scope: {} })
    expect(refused).toMatchObject({ status: 403, json: { code: 'FORBIDDEN' } })
  })
})

describe('/v1/reports/<month>', () => {
  const month = new Date().toISOString().slice(0, 7)

  it('is JSON, or a page for people', async () => {
    const report = await get('audrey', `/v1/reports/${month}`)
    expect(report.status, report.text).toBe(200)
    expect(report.json).toMatchObject({ version: 'cairn-report/v1', tenant: 'acme', month })
    expect([...Compile(reportSchema()).Errors(report.json)]).toEqual([])
    expect(report.headers.get('vary')).toBe('Accept')
    const headers = { accept: 'text/html,application/xhtml+xml;q=0.9,*/*;q=0.8' }
    const page = await place.ask('audrey', 'GET', `/v1/reports/${month}`, undefined, headers)
    expect(page.headers.get('content-type')).toBe('text/html; charset=utf-8')
    expect(page.headers.get('content-security-policy')).toContain("default-src 'none'")
    expect(page.text).toMatch(/^<!doctype html>/)
    expect(page.text).toContain('acme')
  })

  it('is for auditors and administrators', async () => {
    for (const who of ['sam', 'rita', 'arthur']) {
      expect((await get(who, `/v1/reports/${month}`)).status, who).toBe(403)
    }
  })
})
