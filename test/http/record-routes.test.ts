/** Finding records over HTTP, and reading one, with its payload and without. */
import { createHash } from 'node:crypto'
import { Compile } from 'typebox/compile'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { parseDisclosure } from '../../src/formats/disclosure.ts'
import type { JsonObject } from '../../src/formats/json-strict.ts'
import { parseRecord } from '../../src/formats/record.ts'
import { verifyDisclosures } from '../../src/formats/record-rebuild.ts'
import { recordSchema } from '../../src/formats/record-schema.ts'
import { json as bytes, request } from '../records/records-place.ts'
import { type HostedPlace, hostedPlace, principal } from './hosted-place.ts'

const SECOND = Date.UTC(2026, 10, 21, 12)
const at = (seconds: number): string => new Date(SECOND + seconds * 1000).toISOString()

let place: HostedPlace
let clock = SECOND

beforeAll(async () => {
  place = await hostedPlace({ now: () => clock })
  for (let n = 0; n < 12; n++) {
    clock = SECOND + n * 1000
    await place.records.submit(
      [request(n, n === 3 ? { session_id: 's 3', actor: 'ann', environment: 'test' } : {})],
      principal('sam'),
    )
  }
  await place.log.submit([new TextEncoder().encode('no record')])
  await place.records.submit([request(0)], principal('oscar'))
  await place.records.settled()
})

afterAll(async () => {
  expect(place.errors).toEqual([])
  await place.close()
})

const search = (query: string, who = 'rita') => place.ask(who, 'GET', `/v1/records${query}`)
const indices = async (query: string): Promise<number[]> => {
  const found = await search(query)
  expect(found.status, found.text).toBe(200)
  return found.json.records.map(({ index }: { index: number }) => index)
}

describe('GET /v1/records', () => {
  it('gives the newest first, with index and receipt, and nothing of the payload', async () => {
    const found = await search('?limit=2')
    expect(found.json.size).toBe(14)
    expect(found.json.records).toMatchObject([
      { index: 11, receipt: '/v1/receipts/11', request_id: 'req-11', tenant: 'acme' },
      { index: 10, receipt: '/v1/receipts/10', request_id: 'req-10', time: at(10) },
    ])
    expect(found.json.records[0].subject).toMatch(/^p_/)
    expect(found.text).not.toMatch(/question|answer|person-/)
  })

  it.each([
    ['?request_id=req-3', [3]],
    ['?session_id=s%203', [3]],
    ['?subject=person-3%40example.com', [10, 3]],
    ['?actor=ann', [3]],
    ['?actor=ann&environment=test&model=model-1&model_version=1', [3]],
    ['?actor=ann&environment=production', []],
    ['?model=model-0&resource=file-0', [6, 0]],
    ['?type=llm_request&order=oldest&limit=3', [0, 1, 2]],
    ['?type=deletion', []],
    ['?action=none', []],
    ['?subject=nobody', []],
    ['?minimum_cost=0.1', [11, 10]],
    ['?order=costliest&limit=2', [11, 10]],
    ['?order=cheapest&limit=2', [0, 1]],
    [`?from=${at(9)}`, [11, 10, 9]],
    [`?from=${at(9).replace('Z', '0001Z')}`, [11, 10]],
    [`?from=2026-11-21T13:00:10%2B01:00`, [11, 10]],
    [`?before=${at(2)}`, [1, 0]],
    [`?before=${at(2).replace('Z', '0001Z')}`, [2, 1, 0]],
    [`?before=2026-11-21T12:00:02.0000Z&from=2026-11-21T12:00:01Z`, [1]],
    ['?tenant=acme&request_id=req-3', [3]],
  ])('%s finds %j', async (query, expected) => {
    expect(await indices(query)).toEqual(expected)
  })

  it('finds people by what stands for them, too', async () => {
    const [record] = (await search('?request_id=req-3')).json.records
    expect(await indices(`?subject=${record.subject}`)).toEqual([10, 3])
    expect(await indices(`?actor=${record.actor}`)).toEqual([3])
  })

  it('goes on where a page ended', async () => {
    const all: number[] = []
    let cursor: string | undefined
    do {
      const more = cursor === undefined ? '' : `&cursor=${cursor}`
      const page = await search(`?limit=5&order=oldest${more}`)
      all.push(...page.json.records.map(({ index }: { index: number }) => index))
      cursor = page.json.cursor
    } while (cursor !== undefined)
    expect(all).toEqual([0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11])
  })

  it('takes a cursor for its own query only', async () => {
    const { cursor } = (await search('?limit=5')).json
    const refused = await search(`?limit=5&order=oldest&cursor=${cursor}`)
    expect(refused).toMatchObject({ status: 400, json: { code: 'MALFORMED' } })
  })

  it('points to receipts of its own log', async () => {
    const found = await place.ask('rita', 'GET', '/logs/second/v1/records?request_id=req-3')
    expect(found.json.records[0].receipt).toBe('/logs/second/v1/receipts/3')
  })

  it('is not for submitters', async () => {
    const refused = await search('', 'sam')
    expect(refused).toMatchObject({ status: 403, json: { code: 'FORBIDDEN' } })
    expect(refused.json.detail).toContain('sam')
  })

  it('answers HEAD as GET, without a body', async () => {
    const headers = { authorization: 'Bearer rita' }
    const response = await place.request('/v1/records?limit=1', { method: 'HEAD', headers })
    expect(response.status).toBe(200)
    expect(await response.text()).toBe('')
  })
})

describe('another tenant', () => {
  it('is refused, and that is recorded in the own one', async () => {
    const refused = await search('?tenant=other&subject=ann')
    expect(refused).toMatchObject({ status: 403, json: { code: 'FORBIDDEN' } })
    await place.records.settled()
    const noted = await search('?type=access&action=refuse&actor=rita')
    expect(noted.json.records).toHaveLength(1)
    expect((await search('?type=access', 'oscar')).json.records).toEqual([])
  })

  it('has records that nobody else can read, nor tell from what is none', async () => {
    const theirs = await place.ask('oscar', 'GET', '/v1/records/13')
    expect(theirs).toMatchObject({ status: 200, json: { record: { tenant: 'other' } } })
    const refused = await place.ask('rita', 'GET', '/v1/records/13')
    const none = await place.ask('rita', 'GET', '/v1/records/12')
    for (const one of [refused, none]) {
      expect(one).toMatchObject({ status: 404, json: { code: 'NOT_FOUND' } })
    }
    expect(refused.json.detail.replace('13', '12')).toBe(none.json.detail)
    expect((await place.ask('rita', 'GET', '/v1/records/13/leaf')).status).toBe(404)
    expect((await place.ask('rita', 'GET', '/v1/records/99')).status).toBe(404)
  })
})

describe('GET /v1/records/<index>', () => {
  it('shows the record, and no payload without a grant', async () => {
    const read = await place.ask('rita', 'GET', '/v1/records/3')
    expect(read.json).toMatchObject({
      index: 3,
      receipt: '/v1/receipts/3',
      record: { version: 'cairn-record/v1', request_id: 'req-3', model: { name: 'model-1' } },
    })
    const { $defs } = recordSchema() as { $defs: { record: JsonObject } }
    expect([...Compile($defs.record).Errors(read.json.record)]).toEqual([])
    expect(Object.keys(read.json)).toEqual(['index', 'receipt', 'leaf_hash', 'record'])
    expect(Object.keys(read.json.record.commitments)).toContain('/input/prompt')
    const receipt = await place.request('/v1/receipts/3')
    expect(await receipt.json()).toMatchObject({ leaf_hash: read.json.leaf_hash })
  })

  it('has the bytes that are hashed beside it', async () => {
    const read = await place.ask('rita', 'GET', '/v1/records/3')
    const leaf = await place.ask('rita', 'GET', '/v1/records/3/leaf')
    expect(leaf.headers.get('content-type')).toBe('application/json')
    const hash = createHash('sha256').update('\0').update(leaf.text).digest('base64')
    expect(hash).toBe(read.json.leaf_hash)
    expect(leaf.json).toEqual(read.json.record)
  })

  async function grantFor(scope: object): Promise<string> {
    const body = { purpose: 'a complaint', ticket: 'T-1', scope }
    const asked = await place.ask('audrey', 'POST', '/v1/grants', body)
    expect(asked.status, asked.text).toBe(201)
    const { id } = asked.json
    const approved = await place.ask('arthur', 'POST', `/v1/grants/${id}/approve`)
    expect(approved.json).toMatchObject({ state: 'approved' })
    return id
  }

  it('shows the payload under a grant, with what opens the commitments', async () => {
    const id = await grantFor({ request_id: 'req-3' })
    const read = await place.ask('audrey', 'GET', `/v1/records/3?grant=${id}`)
    expect(read.status, read.text).toBe(200)
    const { state, submission, disclosures } = read.json.payload
    expect(state).toBe('shown')
    expect(bytes(submission)).toHaveLength(
      request(3, { session_id: 's 3', actor: 'ann', environment: 'test' }).length,
    )
    expect(submission).toMatchObject({
      subject: 'person-3@example.com',
      actor: 'ann',
      resource: 'file-0',
      input: { prompt: 'question 3' },
      output: { text: 'answer 3' },
    })
    const leaf = await place.ask('audrey', 'GET', '/v1/records/3/leaf')
    const record = parseRecord(new TextEncoder().encode(leaf.text))
    const verdict = verifyDisclosures(record, disclosures.map(parseDisclosure))
    expect(verdict).toMatchObject({ foreign: [], undisclosed: [] })
  })

  it('records who read it', async () => {
    await place.records.settled()
    const { id } = (await place.ask('rita', 'GET', '/v1/records/3')).json.record
    const reads = await search(`?type=access&action=read&resource=${id}&actor=audrey`)
    expect(reads.json.records).toHaveLength(1)
  })

  it('shows it to nobody else, nor what the grant does not cover', async () => {
    const id = await grantFor({ request_id: 'req-3' })
    for (const who of ['rita', 'both', 'arthur', 'ada']) {
      const refused = await place.ask(who, 'GET', `/v1/records/3?grant=${id}`)
      expect(refused, who).toMatchObject({ status: 403, json: { code: 'FORBIDDEN' } })
      expect(refused.text).not.toContain('question')
    }
    const other = await place.ask('audrey', 'GET', `/v1/records/4?grant=${id}`)
    expect(other).toMatchObject({ status: 403, json: { code: 'FORBIDDEN' } })
    const theirs = await place.ask('oscar', 'GET', `/v1/records/13?grant=${id}`)
    expect([403, 404]).toContain(theirs.status)
  })

  it('shows it for as long as the grant lasts', async () => {
    const id = await grantFor({ request_id: 'req-4' })
    const read = () => place.ask('audrey', 'GET', `/v1/records/4?grant=${id}`)
    clock += 59 * 60_000
    expect((await read()).json.payload.state).toBe('shown')
    clock += 2 * 60_000
    const over = await read()
    expect(over).toMatchObject({ status: 403, json: { code: 'FORBIDDEN' } })
    expect(over.json.detail).toMatch(/over: it is expired/)
    const grant = await place.ask('audrey', 'GET', `/v1/grants/${id}`)
    expect(grant.json).toMatchObject({ state: 'expired' })
  })

  it('shows what is left once somebody in it was erased, and then that it was erased', async () => {
    const id = await grantFor({ request_id: 'req-3' })
    const erase = (subject: string) =>
      place.ask('ada', 'POST', '/v1/erasures', { subject, basis: 'Art. 17' })
    expect((await erase('ann')).status).toBe(201)
    const left = await place.ask('audrey', 'GET', `/v1/records/3?grant=${id}`)
    expect(left.json.payload.state).toBe('shown')
    expect(left.json.payload.submission).not.toHaveProperty('actor')
    expect(left.json.payload.submission).toMatchObject({ input: { prompt: 'question 3' } })
    expect((await erase('person-3@example.com')).status).toBe(201)
    const gone = await place.ask('audrey', 'GET', `/v1/records/3?grant=${id}`)
    expect(gone.json.payload).toEqual({ state: 'erased' })
    expect(gone.json.record).toEqual(left.json.record)
  })
})
