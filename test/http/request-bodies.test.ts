/** What the routes about records refuse before anything is done. */
import fc from 'fast-check'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { createApp } from '../../src/http/app.ts'
import { allowAnyone } from '../../src/http/authenticate.ts'
import { codePoint } from '../support/code-points.ts'
import { type HostedPlace, hostedPlace } from './hosted-place.ts'

const ID = '019a9bd4-5c00-7abc-8def-0123456789ab'
const ROUTES: readonly (readonly [method: string, path: string])[] = [
  ['GET', '/v1/records'],
  ['GET', '/v1/records/0'],
  ['GET', '/v1/records/0/leaf'],
  ['POST', '/v1/erasures'],
  ['GET', '/v1/erasures'],
  ['POST', '/v1/holds'],
  ['GET', '/v1/holds'],
  ['POST', '/v1/holds/a/lift'],
  ['POST', '/v1/grants'],
  ['GET', '/v1/grants'],
  ['GET', `/v1/grants/${ID}`],
  ['POST', `/v1/grants/${ID}/approve`],
  ['POST', `/v1/grants/${ID}/refuse`],
  ['POST', `/v1/grants/${ID}/revoke`],
  ['POST', '/v1/evidence'],
  ['GET', '/v1/completeness'],
  ['GET', '/v1/reports/2026-11'],
]

let place: HostedPlace

beforeAll(async () => {
  place = await hostedPlace()
})

afterAll(async () => {
  expect(place.errors).toEqual([])
  await place.close()
})

describe('every route about records', () => {
  it.each(ROUTES)('%s %s takes a token that is known', async (method, path) => {
    for (const [authorization, sent] of [
      [undefined, {}],
      ['Bearer nobody', { authorization: 'Bearer nobody' }],
      ['Basic ada', { authorization: 'Basic ada' }],
    ] as const) {
      const response = await place.request(path, { method, headers: sent })
      expect(response.status).toBe(401)
      expect(response.headers.get('cache-control')).toBe('no-store')
      expect(response.headers.has('www-authenticate')).toBe(true)
      expect(await response.json(), authorization).toMatchObject({ code: 'UNAUTHORIZED' })
    }
  })

  it.each(ROUTES)('%s %s is not there in a log of leaves alone', async (method, path) => {
    const app = createApp({
      logs: new Map([['', { log: place.log, authenticate: allowAnyone }]]),
    })
    const response = await app.request(path, { method })
    expect(response.status).toBe(404)
    expect(await response.json()).toMatchObject({
      code: 'NOT_FOUND',
      detail: 'this log keeps leaves only; records are turned off here',
    })
  })

  it.each(ROUTES)(
    '%s %s has no other methods, and takes no query it does not know',
    async (method, path) => {
      const other = await place.request(path, { method: 'DELETE' })
      expect(other.status).toBe(405)
      expect(other.headers.get('allow')).toContain(method)
      const asked = await place.ask('ada', method, `${path}?colour=red`)
      expect(asked.status).toBe(400)
      expect(asked.json.detail).toMatch(/the query has a parameter that is not known/)
    },
  )
})

const BODIES: readonly (readonly [path: string, good: object])[] = [
  ['/v1/erasures', { subject: 'ann', basis: 'Art. 17' }],
  ['/v1/holds', { name: 'acme-v-smith', reason: 'a claim', scope: {} }],
  ['/v1/holds/a/lift', { reason: 'it is over' }],
  ['/v1/grants', { purpose: 'a complaint', ticket: 'T-1', scope: { request_id: 'r' } }],
  ['/v1/evidence', { scope: {} }],
]

describe.each(BODIES)('POST %s', (path, good) => {
  const post = (body: unknown, headers: object = {}) =>
    place.ask('rita', 'POST', path, body, headers)

  it('understands what is well formed: that is refused for who asks', async () => {
    expect(await post(good)).toMatchObject({ status: 403, json: { code: 'FORBIDDEN' } })
    const typed = { 'content-type': 'application/json; charset=utf-8' }
    expect((await post(good, typed)).status).toBe(403)
  })

  it('takes JSON, and says so', async () => {
    for (const type of ['text/plain', 'application/x-www-form-urlencoded', 'application/jsonx']) {
      const refused = await post(good, { 'content-type': type })
      expect(refused).toMatchObject({ status: 415, json: { code: 'UNSUPPORTED_MEDIA_TYPE' } })
      expect(refused.headers.get('accept-post')).toBe('application/json')
    }
    expect((await post(undefined)).status).toBe(415)
    const coded = await post(good, { 'content-encoding': 'gzip' })
    expect(coded.status).toBe(415)
    expect(coded.headers.get('accept-encoding')).toBe('identity')
  })

  const first = Object.keys(good)[0]!
  const text = JSON.stringify(good)
  it.each([
    ['nothing', '', /^the top level: the JSON ends/],
    ['no JSON', 'subject=ann', /^the top level: not JSON at character 1/],
    ['an array', `[${text}]`, /^the top level: expected an object$/],
    ['null', 'null', /^the top level: expected an object$/],
    ['more after it', `${text} {}`, /^the top level: not JSON at character/],
    ['a member twice', text.replace('{', `{"${first}":"x",`), /the member is there twice/],
    ['an unknown member', text.replace('{', '{"colour":1,'), /^\/colour: unknown; known here are /],
    ['a misspelt one', text.replace(first, `${first}s`), new RegExp(`^/${first}s: unknown`)],
    ['no members', '{}', new RegExp(`^/${first}: is missing$`)],
    ['half a pair', text.replace('{', '{"x":"\\ud800",'), /half of a surrogate pair/],
    ['a byte-order mark', `\ufeff${text}`, /^the top level: not JSON at character 1/],
    ['deep nesting', `{"${first}":[[[[1]]]]}`, /nested deeper than 4/],
    ['a prototype', text.replace('{', '{"__proto__":{},'), /^\/__proto__: unknown/],
    ['a null', JSON.stringify({ ...good, [first]: null }), new RegExp(`^/${first}: expected `)],
  ])('refuses %s', async (_, body, detail) => {
    const refused = await post(body)
    expect(refused.status).toBe(400)
    expect(refused.json.code).toBe('MALFORMED')
    expect(refused.json.detail).toMatch(detail)
  })

  it('refuses what is too large, whatever it claims to be', async () => {
    const refused = await post(text.replace('{', `{${' '.repeat(66_000)}`))
    expect(refused).toMatchObject({ status: 413, json: { code: 'TOO_LARGE' } })
  })
})

describe('a member that does not fit is named', () => {
  const grant = { purpose: 'p', ticket: 't', scope: { request_id: 'r' } }
  const hold = { name: 'n', reason: 'r', scope: {} }
  it.each<[string, object, string]>([
    ['/v1/erasures', { subject: '', basis: 'b' }, '/subject: expected a line of text'],
    ['/v1/erasures', { subject: 7, basis: 'b' }, '/subject: expected a line of text'],
    ['/v1/erasures', { subject: 'a\nb', basis: 'b' }, '/subject: expected a line of text'],
    ['/v1/erasures', { subject: 'a'.repeat(513), basis: 'b' }, '/subject: expected a line'],
    ['/v1/erasures', { subject: 'a', basis: '' }, '/basis: expected a line of text'],
    ['/v1/erasures', { subject: 'a', basis: 'b'.repeat(1025) }, '/basis: expected a line'],
    ['/v1/erasures', { subject: 'a', basis: ['b'] }, '/basis: expected a line'],
    ['/v1/holds', { ...hold, name: 'two words' }, '/name: expected a name of 1 to 64'],
    ['/v1/holds', { ...hold, name: '../x' }, '/name: expected a name of 1 to 64'],
    ['/v1/holds', { ...hold, reason: 1 }, '/reason: expected a line'],
    ['/v1/holds', { ...hold, scope: [] }, '/scope: expected an object'],
    ['/v1/holds', { ...hold, scope: null }, '/scope: expected an object'],
    ['/v1/holds', { ...hold, scope: { colour: 'red' } }, '/scope/colour: unknown; known here are'],
    ['/v1/holds/a/lift', { reason: '' }, '/reason: expected a line'],
    ['/v1/grants', { ...grant, purpose: '\u202e' }, '/purpose: expected a line'],
    ['/v1/grants', { ...grant, ticket: 'x'.repeat(257) }, '/ticket: expected a line'],
    ['/v1/grants', { ...grant, minutes: 0 }, '/minutes: expected a whole number from 1 to 1440'],
    ['/v1/grants', { ...grant, minutes: 1441 }, '/minutes: expected a whole number from 1 to 1440'],
    ['/v1/grants', { ...grant, minutes: 1.5 }, '/minutes: expected a whole number'],
    ['/v1/grants', { ...grant, minutes: '60' }, '/minutes: expected a whole number'],
    ['/v1/grants', { ...grant, scope: { request_id: '' } }, '/scope/request_id: expected a line'],
    ['/v1/grants', { ...grant, scope: { type: 'gossip' } }, '/scope/type: expected one of llm_re'],
    ['/v1/grants', { ...grant, scope: { trace_id: 'AB' } }, '/scope/trace_id: expected 32 lower'],
    ['/v1/grants', { ...grant, scope: { from: '2026-11-21' } }, '/scope/from: expected a time'],
    ['/v1/grants', { ...grant, scope: { before: 1 } }, '/scope/before: expected a time'],
    [
      '/v1/grants',
      { ...grant, scope: { from: '2026-02-30T00:00:00Z' } },
      '/scope/from: expected a time',
    ],
    ['/v1/grants', { ...grant, scope: { minimum_cost: -1 } }, '/scope/minimum_cost: expected a n'],
    ['/v1/grants', { ...grant, scope: { minimum_cost: '1' } }, '/scope/minimum_cost: expected'],
    ['/v1/evidence', { scope: {}, grant: 'mine' }, '/grant: expected the id of a record'],
    ['/v1/evidence', { scope: {}, purpose: 1 }, '/purpose: expected a line'],
    ['/v1/evidence', { scope: { subject: 5 } }, '/scope/subject: expected a line'],
  ])('POST %s %j', async (path, body, detail) => {
    const refused = await place.ask('ada', 'POST', path, body)
    expect(refused).toMatchObject({ status: 400, json: { code: 'MALFORMED' } })
    expect(refused.json.detail.startsWith(detail), refused.json.detail).toBe(true)
  })

  it('in a number as it is written', async () => {
    const post = (minutes: string) => {
      const body = `{"purpose":"p","ticket":"t","scope":{"request_id":"r"},"minutes":${minutes}}`
      return place.ask('audrey', 'POST', '/v1/grants', body)
    }
    expect((await post('1e999')).json.detail).toMatch(/^\/minutes: the number 1e999 is beyond/)
    expect((await post('01')).json.detail).toMatch(/^\/minutes: not JSON|not JSON/)
    expect((await post('60.0000000000000001')).json.detail).toMatch(/digits that a double cannot/)
  })
})

describe('what needs no body', () => {
  it.each(['approve', 'refuse', 'revoke'])('%s refuses one', async (decision) => {
    for (const body of ['{}', ' ', 'yes']) {
      const refused = await place.ask('arthur', 'POST', `/v1/grants/${ID}/${decision}`, body)
      expect(refused).toMatchObject({ status: 400, json: { code: 'MALFORMED' } })
      expect(refused.json.detail).toBe('this takes no body; all it needs is in the path')
    }
    const known = await place.ask('arthur', 'POST', `/v1/grants/${ID}/${decision}`)
    expect(known.status).toBe(404)
  })
})

describe('a path or query that does not fit is named', () => {
  it.each([
    ['/v1/records/07', '"index" must be a decimal number'],
    ['/v1/records/x', '"index" must be a decimal number'],
    ['/v1/records/-1/leaf', '"index" must be a decimal number'],
    ['/v1/records/9007199254740992', '"index"'],
    ['/v1/records/0?grant=', '"grant" must be the id of a record'],
    ['/v1/records/0?grant=1', '"grant" must be the id of a record'],
    ['/v1/records/0/leaf?grant=1', 'the query has a parameter that is not known'],
    ['/v1/records?limit=0', '"limit" must be a whole number from 1 to 1000'],
    ['/v1/records?limit=1001', '"limit" must be a whole number from 1 to 1000'],
    ['/v1/records?limit=1e2', '"limit" must be a whole number from 1 to 1000'],
    ['/v1/records?order=random', '"order" must be one of newest, oldest, costliest, cheapest'],
    ['/v1/records?type=gossip', '"type" must be one of llm_request'],
    ['/v1/records?from=yesterday', '"from" must be a time as in RFC 3339'],
    ['/v1/records?from=2026-02-30T00:00:00Z', '"from" must be a time as in RFC 3339'],
    ['/v1/records?before=2026-11-21T00:00:00+01:00', 'the parameter "before" has a bare "+"'],
    ['/v1/records?minimum_cost=-1', '"minimum_cost" must be a decimal number from 0'],
    ['/v1/records?minimum_cost=1e3', '"minimum_cost" must be a decimal number from 0'],
    ['/v1/records?minimum_cost=.5', '"minimum_cost" must be a decimal number from 0'],
    ['/v1/records?minimum_cost=NaN', '"minimum_cost" must be a decimal number from 0'],
    ['/v1/records?request_id=', '"request_id" must be a line of text'],
    ['/v1/records?request_id=a%00b', '"request_id" must be a line of text'],
    [`/v1/records?request_id=${'a'.repeat(257)}`, '"request_id" must be a line of text'],
    ['/v1/records?subject=%E0%A4', 'the parameter "subject" has broken percent-encoding'],
    ['/v1/records?subject=a&subject=b', 'the query gives "subject" twice'],
    ['/v1/records?tenant=a%2Fb', '"tenant" must be a name'],
    ['/v1/records?cursor=!', '"cursor" must be the cursor of the page before'],
    ['/v1/records?cursor=AAAA', 'the cursor is damaged'],
    ['/v1/erasures?cursor=AAAA', 'the cursor is damaged'],
    ['/v1/erasures?limit=0', '"limit" must be a whole number from 1 to 1000'],
    ['/v1/grants/1', '"id" must be the id of a record'],
    [`/v1/grants/${ID.toUpperCase()}`, '"id" must be the id of a record'],
    ['/v1/reports/2026-13', '"month" must be a month such as 2026-11'],
    ['/v1/reports/2026-1', '"month" must be a month such as 2026-11'],
    ['/v1/reports/1969-12', '"month" must be a month such as 2026-11'],
    ['/v1/reports/november', '"month" must be a month such as 2026-11'],
  ])('GET %s', async (path, detail) => {
    const refused = await place.ask('ada', 'GET', path)
    expect(refused).toMatchObject({ status: 400, json: { code: 'MALFORMED' } })
    expect(refused.json.detail.startsWith(detail), refused.json.detail).toBe(true)
  })

  it.each([
    ['/v1/holds/two%20words/lift', 'BAD_REQUEST_TARGET'],
    ['/v1/holds/.x/lift', 'MALFORMED'],
    ['/v1/grants/1/approve', 'MALFORMED'],
  ])('POST %s', async (path, code) => {
    const body = path.includes('holds') ? { reason: 'r' } : undefined
    const init = {
      method: 'POST',
      headers: { authorization: 'Bearer ada', 'content-type': 'application/json' },
      ...(body && { body: JSON.stringify(body) }),
    }
    const response = await place.request(path, init)
    expect(response.status).toBe(400)
    expect(await response.json()).toMatchObject({ code })
  })

  it('a report is not to be had as anything else', async () => {
    const headers = { accept: 'application/pdf' }
    const refused = await place.ask('ada', 'GET', '/v1/reports/2026-11', undefined, headers)
    expect(refused).toMatchObject({ status: 406, json: { code: 'NOT_ACCEPTABLE' } })
  })
})

describe('whatever is sent', () => {
  const anyMember = fc.oneof(
    fc.jsonValue({ maxDepth: 2 }),
    fc.constantFrom('a', 'Art. 17', ID, 60, '2026-11-21T12:00:00Z'),
  )
  const anyScope = fc.dictionary(
    fc.constantFrom('request_id', 'subject', 'type', 'from', 'minimum_cost', '__proto__', 'x'),
    anyMember,
    { maxKeys: 3 },
  )
  const names = ['subject', 'basis', 'name', 'reason', 'purpose', 'ticket', 'minutes', 'grant']
  const anyBody = fc.oneof(
    fc.string({ unit: codePoint, maxLength: 20 }),
    fc.json(),
    fc
      .tuple(fc.dictionary(fc.constantFrom(...names), anyMember), anyScope)
      .map(([members, scope]) => JSON.stringify({ ...members, scope })),
  )
  const posts = [...BODIES.map(([path]) => path), `/v1/grants/${ID}/approve`]

  it('as a body is refused with a problem, and nothing else happens', async () => {
    const { size } = place.log.head()
    await fc.assert(
      fc.asyncProperty(fc.constantFrom(...posts), anyBody, async (path, body) => {
        const { status, json } = await place.ask('rita', 'POST', path, body)
        expect([400, 403, 415]).toContain(status)
        expect(json.detail).not.toMatch(/[\p{Cc}\p{Cs}]/u)
      }),
      { numRuns: 150 },
    )
    expect(place.log.head().size).toBe(size)
  })

  it('as a query is answered, or refused with a problem', async () => {
    const known = ['subject', 'type', 'from', 'before', 'order', 'limit', 'cursor', 'minimum_cost']
    const anyValue = fc.oneof(
      fc.string({ unit: codePoint, maxLength: 20 }).map(escaped),
      fc.string({ maxLength: 10 }),
      fc.constantFrom('10', 'newest', '2026-11-21T12:00:00Z', '9999-12-31T23:59:59-23:59', '0.5'),
    )
    const anyQuery = fc.array(fc.tuple(fc.constantFrom(...known), anyValue), { maxLength: 3 })
    await fc.assert(
      fc.asyncProperty(anyQuery, async (parameters) => {
        const query = parameters.map(([name, value]) => `${name}=${value}`).join('&')
        const { status } = await place.ask('rita', 'GET', `/v1/records?${query}`)
        expect([200, 400]).toContain(status)
      }),
      { numRuns: 150 },
    )
  })
})

/** In percent-encoding, halves of surrogate pairs left out. */
function escaped(text: string): string {
  return encodeURIComponent(text.replace(/\p{Cs}/gu, ''))
}

describe('over a connection', () => {
  it('a body that is too large is refused, and the next request answered', async () => {
    const server = await place.listen()
    try {
      const headers = { authorization: 'Bearer ada', 'content-type': 'application/json' }
      const post = (body: string) =>
        fetch(`${server.url}/v1/erasures`, { method: 'POST', headers, body })
      const refused = await post(`{"subject":"${'a'.repeat(1_000_000)}","basis":"b"}`)
      expect(refused.status).toBe(413)
      expect(await refused.json()).toMatchObject({ code: 'TOO_LARGE' })
      const unknown = await post('{"subject":"nobody","basis":"b"}')
      expect(unknown.status).toBe(404)
      const found = await fetch(`${server.url}/logs/second/v1/records?limit=1`, { headers })
      expect(await found.json()).toMatchObject({ records: [] })
      const head = await fetch(`${server.url}/v1/holds`, { method: 'HEAD', headers })
      expect(head.status).toBe(200)
      const preflight = await fetch(`${server.url}/v1/grants`, { method: 'OPTIONS' })
      expect(preflight.status).toBe(204)
      expect(preflight.headers.get('access-control-allow-headers')).not.toMatch(/authorization/i)
    } finally {
      await server.close()
    }
  })
})
