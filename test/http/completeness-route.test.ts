/** The proof of a complete list, asked for over HTTP. */
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { verifyCompleteList } from '../../src/client/verify-complete-list.ts'
import { parseVkey } from '../../src/formats/vkey.ts'
import { request } from '../records/records-place.ts'
import { type HostedPlace, hostedPlace, principal } from './hosted-place.ts'

let place: HostedPlace

beforeAll(async () => {
  place = await hostedPlace({ logOptions: { publishIntervalMs: 1 } }, { withMap: true })
  await place.records.submit([request(1), request(2)], principal('sam'))
  await place.records.settled()
})

afterAll(async () => {
  expect(place.errors).toEqual([])
  await place.close()
})

const ID = '019a9bd4-5c00-7abc-8def-000000000005'
const get = (who: string, query: string) => place.ask(who, 'GET', `/v1/completeness${query}`)

describe('GET /v1/completeness', () => {
  it.each([
    ['?request_id=req-1', [0]],
    ['?tenant=acme&request_id=req-9', []],
    ['?session_id=none%20of%20these', []],
    ['?subject=person-2%40example.com', [1]],
    [`?id=${ID}`, []],
  ])('%s', async (query, indices) => {
    const made = await get('audrey', query)
    expect(made.status, made.text).toBe(200)
    expect(made.headers.get('content-type')).toBe('application/vnd.cairn.complete-list')
    expect(made.headers.get('content-disposition')).toContain('complete-list.txt')
    const verdict = verifyCompleteList(made.bytes, { logKeys: place.log.vkeys.map(parseVkey) })
    expect(verdict.list).toMatchObject({ indices, size: 2 })
  })

  it.each([
    ['', 'expected exactly one of request_id, session_id'],
    ['?tenant=acme', 'expected exactly one of'],
    [`?request_id=a&id=${ID}`, 'expected exactly one of'],
    ['?request_id=a&request_id=b', 'the query gives "request_id" twice'],
    ['?request_id=', '"request_id"'],
    ['?request_id=a%0Ab', '"request_id"'],
    [`?request_id=${'x'.repeat(257)}`, '"request_id"'],
    ['?id=5', '"id"'],
    ['?model=gpt', 'a parameter that is not known'],
    ['?request_id=a+b', 'bare "+"'],
  ])('refuses %s', async (query, detail) => {
    const refused = await get('audrey', query)
    expect(refused).toMatchObject({ status: 400, json: { code: 'MALFORMED' } })
    expect(refused.json.detail).toContain(detail)
  })

  it('is for auditors, of their own tenant, about people whom the log knows', async () => {
    expect(await get('rita', '?request_id=req-1')).toMatchObject({ status: 403 })
    expect(await get('sam', '?request_id=req-1')).toMatchObject({ status: 403 })
    expect(await get('nobody', '?request_id=req-1')).toMatchObject({ status: 401 })
    const foreign = await get('audrey', '?tenant=other&request_id=req-1')
    expect(foreign).toMatchObject({ status: 403, json: { code: 'FORBIDDEN' } })
    const unknown = await get('audrey', '?subject=nobody')
    expect(unknown).toMatchObject({ status: 404, json: { code: 'NOT_FOUND' } })
  })
})
