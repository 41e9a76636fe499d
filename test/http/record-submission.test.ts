import { createHash, generateKeyPairSync, sign } from 'node:crypto'
import type { AddressInfo } from 'node:net'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { toBase64Url, utf8 } from '../../src/bytes.ts'
import { openCompliance } from '../../src/compliance/compliance.ts'
import type { ComplianceService } from '../../src/compliance/service.ts'
import { canonicalJson } from '../../src/formats/canonical-json.ts'
import { openDisclosure } from '../../src/formats/disclosure.ts'
import { parseJsonReceipt } from '../../src/formats/json-receipt.ts'
import { parseSecretRules } from '../../src/formats/secrets.ts'
import { createApp } from '../../src/http/app.ts'
import { type Authenticate, orAnyone } from '../../src/http/authenticate.ts'
import { createServerFor } from '../../src/http/node-listener.ts'
import type { HttpServer } from '../../src/http/node-server.ts'
import { hashLeaf } from '../../src/merkle/hash.ts'
import { verifyInclusion } from '../../src/merkle/inclusion.ts'
import { leafIndex } from '../../src/merkle/position.ts'
import { type OpenedRecords, openRecordsAt } from '../records/records-place.ts'
import { principal } from '../support/principals.ts'
import { discard, newPlace, type TestLogPlace } from '../support/test-log.ts'

const ACME = { tenant: 'acme', roles: ['submitter'] } as const
const authenticate: Authenticate = (authorization) => {
  switch (authorization) {
    case 'Bearer sam':
      return principal('sam', ACME)
    case 'Bearer sue':
      return Promise.resolve(principal('sue', ACME))
    case 'Bearer rita':
      return principal('rita', { tenant: 'acme', roles: ['reader'] })
    default:
      return undefined
  }
}

/** The least that is accepted, as the documentation shows it. */
const LEAST = {
  type: 'llm_request',
  request_id: 'req-1',
  subject: 'ann@example.com',
  model: { name: 'm' },
  input: { prompt: '...' },
  output: { text: '...' },
}
const NDJSON = { 'content-type': 'application/x-ndjson' }
const { privateKey, publicKey } = generateKeyPairSync('ed25519')

let place: TestLogPlace
let opened: OpenedRecords
let compliance: ComplianceService
let http: HttpServer
let url: string
let app: ReturnType<typeof createApp>
const errors: unknown[] = []

beforeAll(async () => {
  place = await newPlace()
  opened = await openRecordsAt(place, {
    secrets: parseSecretRules({
      version: 'cairn-secret-rules/v1',
      rules: [{ name: 'project-name', pattern: 'project-[0-9]{4}', action: 'refuse' }],
    }),
    submitterKey: async (tenant, id) =>
      tenant === 'acme' && id === 'app'
        ? new Uint8Array(publicKey.export({ type: 'spki', format: 'der' }).subarray(-32))
        : undefined,
  })
  const { log, records, vault } = opened
  compliance = openCompliance({ log, records, vault })
  const hosted = {
    log,
    authenticate: orAnyone(authenticate, 'default'),
    records: { records, compliance },
  }
  const logs = new Map([['', hosted]])
  app = createApp({ logs, onError: (error) => errors.push(error) })
  http = createServerFor({ logs, onError: (error) => errors.push(error) })
  await new Promise<void>((resolve) => http.server.listen(0, '127.0.0.1', resolve))
  url = `http://127.0.0.1:${(http.server.address() as AddressInfo).port}`
})

afterAll(async () => {
  expect(errors).toEqual([])
  await http.close(100)
  await compliance.close()
  await opened.close()
  await discard(place)
})

type Body = string | Uint8Array
type Post = (body: Body, headers?: Record<string, string>, query?: string) => Promise<Response>

const JSON_BODY = { authorization: 'Bearer sam', 'content-type': 'application/json' }
const byServer: Post = (body, headers = {}, query = '') =>
  fetch(`${url}/v1/records${query}`, {
    method: 'POST',
    headers: { ...JSON_BODY, ...headers },
    body: body as RequestInit['body'] & {},
  })
const byApp: Post = async (body, headers = {}, query = '') =>
  app.request(`/v1/records${query}`, {
    method: 'POST',
    headers: { ...JSON_BODY, ...headers },
    body: body as RequestInit['body'] & {},
  })

const text = (...records: object[]): string =>
  records.map((record) => JSON.stringify(record)).join('\n')

async function refused(
  response: Response,
): Promise<{ status: number; code: string; detail: string }> {
  expect(response.headers.get('content-type')).toBe('application/problem+json')
  const { status, code, detail } = await response.json()
  expect(response.status).toBe(status)
  expect(detail).not.toMatch(/at .*\.(ts|js):\d/)
  return { status, code, detail }
}

describe.each([
  ['the server', byServer],
  ['an embedded app', byApp],
])('POST /v1/records to %s', (_, post) => {
  it('answers a record with its id, its index and a receipt that holds', async () => {
    const response = await post(JSON.stringify(LEAST))
    expect(response.status).toBe(201)
    const { id, index, receipt, ...rest } = await response.json()
    expect(rest).toEqual({})
    expect(response.headers.get('location')).toBe(`/v1/records/${index}`)
    const { leafHash, proof, size, root } = parseJsonReceipt(utf8(JSON.stringify(receipt)))
    const { record, leaf } = await opened.records.read(leafIndex(index), 'acme')
    expect(record).toMatchObject({ id, type: 'llm_request', request_id: 'req-1', tenant: 'acme' })
    expect(leafHash).toEqual(hashLeaf(leaf))
    expect(() => verifyInclusion(leafIndex(index), size, leafHash, proof, root)).not.toThrow()
    expect(Buffer.from(leaf).toString()).not.toMatch(/ann@example|\.\.\./)
  })

  it('answers many in their order, under one head', async () => {
    const batch = [1, 2, 3].map((n) => ({ ...LEAST, request_id: `many-${n}` }))
    for (const body of [text(...batch), `${text(...batch)}\n`]) {
      const response = await post(body, NDJSON)
      expect(response.status).toBe(201)
      const { records } = await response.json()
      const indices = records.map((one: { index: number }) => one.index)
      expect(indices).toEqual([indices[0], indices[0] + 1, indices[0] + 2])
      expect(
        new Set(records.map((one: { receipt: object }) => JSON.stringify(one.receipt))).size,
      ).toBe(3)
      const read = await Promise.all(
        indices.map((index: number) => opened.records.read(leafIndex(index), 'acme')),
      )
      expect(read.map(({ record }) => record.request_id)).toEqual(['many-1', 'many-2', 'many-3'])
    }
  })

  it.each(['application/ndjson', 'application/jsonl; charset=utf-8'])('takes %s', async (type) => {
    const response = await post(text(LEAST), { 'content-type': type })
    expect((await response.json()).records).toHaveLength(1)
  })

  it('leaves the receipts out when asked to', async () => {
    const prefer = { prefer: 'return=minimal' }
    const one = await post(JSON.stringify(LEAST), prefer)
    expect(Object.keys(await one.json())).toEqual(['id', 'index'])
    expect(one.headers.get('preference-applied')).toBe('return=minimal')
    const many = await post(text(LEAST, LEAST), { ...NDJSON, ...prefer })
    const { records } = await many.json()
    expect(records.map((item: object) => Object.keys(item))).toEqual([
      ['id', 'index'],
      ['id', 'index'],
    ])
  })

  it('gives a retry the records of the first try', async () => {
    const key = { 'idempotency-key': `key-${Math.random()}` }
    const body = text(LEAST, { ...LEAST, request_id: 'req-2' })
    const first = await (await post(body, { ...NDJSON, ...key })).json()
    const size = opened.log.head().size
    const second = await (await post(body, { ...NDJSON, ...key })).json()
    const ids = (answer: { records: { id: string }[] }) => answer.records.map(({ id }) => id)
    expect(ids(second)).toEqual(ids(first))
    expect(opened.log.head().size).toBe(size)
    expect(await refused(await post(text(LEAST), { ...NDJSON, ...key }))).toMatchObject({
      status: 422,
      code: 'CONFLICT',
    })
    // The same key of somebody else is another one.
    const other = await post(text(LEAST), { ...NDJSON, ...key, authorization: 'Bearer sue' })
    expect(other.status).toBe(201)
  })

  it('takes a signed record, and refuses a forged one', async () => {
    const submission = { ...LEAST, nonce: toBase64Url(createHash('sha256').update('n').digest()) }
    const message = Buffer.from(`cairn-record-submission/v1\n${canonicalJson(submission)}`)
    const value = toBase64Url(sign(null, message, privateKey))
    const signed = { ...submission, signature: { key_id: 'app', value } }
    expect((await post(JSON.stringify(signed))).status).toBe(201)
    const forged = { ...signed, output: { text: 'something else' } }
    expect(await refused(await post(JSON.stringify(forged)))).toMatchObject({
      status: 422,
      code: 'VERIFICATION_FAILED',
    })
    const unknown = { ...signed, signature: { key_id: 'nobody', value } }
    expect((await refused(await post(JSON.stringify(unknown)))).detail).toMatch(/signature\/key_id/)
  })

  it('refuses a batch with one bad line whole, and names the line and the member', async () => {
    const before = opened.log.head().size
    const bad = { ...LEAST, model: { name: 7 } }
    const problem = await refused(await post(text(LEAST, LEAST, bad, LEAST), NDJSON))
    expect(problem).toMatchObject({ status: 400, code: 'MALFORMED' })
    expect(problem.detail).toMatch(/^record 3: \/model\/name: /)
    expect(opened.log.head().size).toBe(before)
  })

  it.each([
    ['no JSON', '{', /^record 1: /],
    ['an array', '[]', /object/],
    ['nothing', '', /.+/],
    ['bytes that are no text', new Uint8Array([0x7b, 0xff, 0x7d]), /UTF-8/],
    ['a member twice', '{"type":"decision","type":"decision"}', /\/type/],
    ['a lone surrogate', '{"type":"decision","subject":"\\ud800"}', /\/subject/],
    [
      'a number beyond what survives',
      '{"type":"decision","decision":{"outcome":12345678901234567890}}',
      /\/decision\/outcome/,
    ],
    ['a number without end', '{"type":"decision","metrics":{"cost":1e999}}', /\/metrics\/cost/],
    ['a second value', '{"type":"decision"} {}', /.+/],
    ['no type', '{"request_id":"r"}', /\/type|type/],
    ['a type of the log', '{"type":"erasure"}', /\/type/],
    ['an unknown type', '{"type":"dream"}', /\/type/],
    ['what only the log gives', '{"type":"decision","id":"x"}', /\/id/],
    [
      'a time to come',
      '{"type":"decision","claimed_time":"2099-01-01T00:00:00Z"}',
      /\/claimed_time.*future/,
    ],
    ['too long a name', JSON.stringify({ type: 'decision', action: 'a'.repeat(300) }), /\/action/],
    [
      'a secret',
      '{"type":"decision","decision":{"reason":"of project-1234"}}',
      /\/decision\/reason/,
    ],
  ])('refuses %s', async (_, body, detail) => {
    const before = opened.log.head().size
    const problem = await refused(await post(body))
    expect(problem.status).toBe(400)
    expect(problem.detail).toMatch(detail)
    expect(problem.detail).not.toMatch(/project-1234/)
    expect(opened.log.head().size).toBe(before)
  })

  it.each([
    ['an empty line between', `${text(LEAST)}\n\n${text(LEAST)}`, /^record 2: the line is empty/],
    ['nothing but a newline', '\n', /^record 1: the line is empty/],
    ['nothing', '', /the body is empty/],
  ])('refuses NDJSON with %s', async (_, body, detail) => {
    const problem = await refused(await post(body, NDJSON))
    expect(problem).toMatchObject({ status: 400, detail: expect.stringMatching(detail) })
  })

  it('masks what it knows as a secret before anything is stored', async () => {
    const key = `AKIA${'QRSTUVWX34567ABC'}`
    const response = await post(JSON.stringify({ ...LEAST, input: { prompt: `use ${key}` } }))
    const { id } = await response.json()
    const disclosures = await opened.records.disclosures(id, 'acme')
    if (disclosures === undefined || disclosures === 'erased') throw new Error('nothing is kept')
    const values = disclosures.map((one) => JSON.stringify(openDisclosure(one).value))
    expect(values.join()).toContain('use ')
    expect(values.join()).not.toContain(key)
  })

  it('refuses too large a record before it has arrived', async () => {
    const problem = await refused(await post(new Uint8Array(8_388_609).fill(0x20)))
    expect(problem).toMatchObject({ status: 413, detail: 'a record has at most 8388608 bytes' })
  })

  it('refuses more records than fit in a batch', async () => {
    const body = `${'{"type":"decision"}\n'.repeat(10_001)}`
    expect(await refused(await post(body, NDJSON))).toMatchObject({
      status: 413,
      code: 'TOO_LARGE',
    })
  })

  it.each([
    ['no media type', 'text/plain', 415],
    ['leaves', 'application/cbor-seq', 415],
  ])('refuses %s', async (_, type, status) => {
    const response = await post(JSON.stringify(LEAST), { 'content-type': type })
    expect(response.headers.get('accept-post')).toContain('application/x-ndjson')
    expect((await refused(response)).status).toBe(status)
  })

  it('has no other receipts than JSON', async () => {
    const response = await post(JSON.stringify(LEAST), { accept: 'application/cose' })
    expect((await refused(response)).status).toBe(406)
  })

  it('does not wait for witnesses that nobody has configured', async () => {
    const before = opened.log.head().size
    const response = await post(JSON.stringify(LEAST), {}, '?wait=witnessed')
    expect((await refused(response)).detail).toMatch(/no quorum of witnesses/)
    expect((await refused(await post(JSON.stringify(LEAST), {}, '?wait=x'))).status).toBe(400)
    expect((await refused(await post(JSON.stringify(LEAST), {}, '?size=1'))).status).toBe(400)
    expect(opened.log.head().size).toBe(before)
  })

  it('refuses who is not known, and who may only read', async () => {
    const stranger = await post(JSON.stringify(LEAST), { authorization: 'Bearer nobody' })
    expect(await refused(stranger)).toMatchObject({ status: 401, code: 'UNAUTHORIZED' })
    const reader = await post(JSON.stringify(LEAST), { authorization: 'Bearer rita' })
    expect(await refused(reader)).toMatchObject({ status: 403, code: 'FORBIDDEN' })
  })

  it('refuses a record for another tenant, and records the attempt', async () => {
    const record = { ...LEAST, tenant: 'bank' }
    const own = { ...LEAST, tenant: 'acme' }
    const problem = await refused(await post(text(own, record), NDJSON))
    expect(problem).toMatchObject({ status: 403, code: 'FORBIDDEN' })
    await opened.records.settled()
    const { records } = await opened.records.search({ type: 'access', action: 'refuse' }, 'acme')
    expect(records.length).toBeGreaterThan(0)
    expect((await post(JSON.stringify(own))).status).toBe(201)
  })

  it('lets those without a token submit to the tenant of the log, where it is open', async () => {
    const headers = { 'content-type': 'application/json' }
    const body = JSON.stringify(LEAST)
    const response = await (post === byServer
      ? fetch(`${url}/v1/records`, { method: 'POST', headers, body })
      : app.request('/v1/records', { method: 'POST', headers, body }))
    const { index } = await response.json()
    expect((await opened.records.read(leafIndex(index), 'default')).record.tenant).toBe('default')
  })
})
