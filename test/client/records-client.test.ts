import { mkdtemp, readFile, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest'
import { fromUtf8, toBase64, utf8 } from '../../src/bytes.ts'
import { createLogClient } from '../../src/client/log-client.ts'
import {
  createRecordsClient,
  type ListedBy,
  type RecordsClient,
} from '../../src/client/records-client.ts'
import { verifyCompleteList } from '../../src/client/verify-complete-list.ts'
import { verifyEvidence } from '../../src/client/verify-evidence.ts'
import { verifyReceipt } from '../../src/client/verify-receipt.ts'
import { canonicalJson } from '../../src/formats/canonical-json.ts'
import { formatDisclosure } from '../../src/formats/disclosure.ts'
import type { JsonObject } from '../../src/formats/json-strict.ts'
import type { RecordSource } from '../../src/formats/record.ts'
import { parseVkey } from '../../src/formats/vkey.ts'
import { hashLeaf } from '../../src/merkle/hash.ts'
import { loadConfig } from '../../src/server/config.ts'
import { type RunningServer, serve } from '../../src/server/serve.ts'
import { jsonReceiptAt } from '../support/example-log.ts'
import { LEAST, OTHER_ID, prepared, RECORD_ID, SUBJECT } from '../support/records.ts'
import { readText } from '../support/sources.ts'
import {
  answer,
  type Behaviour,
  type FlakyServer,
  flakyServer,
  hangUp,
  problem,
} from './flaky-server.ts'

let server: FlakyServer | undefined
afterEach(async () => {
  await server?.close()
  server = undefined
})

async function clientOf(...behaviours: readonly Behaviour[]): Promise<RecordsClient> {
  server = await flakyServer(...behaviours)
  return createRecordsClient({ url: `${server.url}/logs/a`, token: 't', retryDelayMs: 1 })
}

const json = (value: unknown, status = 200): Behaviour => answer(status, JSON.stringify(value))

function item(index: number, size = 9): object {
  return { id: RECORD_ID, index, receipt: JSON.parse(jsonReceiptAt(index, size)) }
}

async function all<T>(batches: AsyncIterable<readonly T[]>): Promise<T[]> {
  const items: T[] = []
  for await (const batch of batches) items.push(...batch)
  return items
}

/** Answers a batch with a place for each of its lines. */
const places: Behaviour = (response, { body }) => {
  const lines = fromUtf8(body).trimEnd().split('\n')
  response.end(JSON.stringify({ records: lines.map((_, i) => ({ id: RECORD_ID, index: i })) }))
}

describe('submitting records', () => {
  it('sends one as it is, and gives its receipt', async () => {
    const client = await clientOf(json(item(3), 201))
    const text = `{\n "type": "llm_request", "n": 1.50\n}`
    expect(await client.submit(text)).toMatchObject({
      id: RECORD_ID,
      index: 3,
      receipt: { size: 9 },
    })
    const { method, path, headers, body } = server!.seen[0]!
    expect([method, path, fromUtf8(body)]).toEqual(['POST', '/logs/a/v1/records', text])
    expect(headers).toMatchObject({ 'content-type': 'application/json', authorization: 'Bearer t' })
  })

  it('retries with the same idempotency key, so that no record is there twice', async () => {
    const client = await clientOf(hangUp, json(item(3), 201))
    await client.submit(LEAST)
    const keys = server!.seen.map(({ headers }) => headers['idempotency-key'])
    expect(keys[0]).toMatch(/^[0-9a-f]{32}$/)
    expect(keys[1]).toBe(keys[0])
  })

  it('sends many as lines, in batches with keys of their own', async () => {
    const client = await clientOf(places)
    const records = Array.from({ length: 10_001 }, (_, i) => ({ type: 'decision', n: i }))
    const options = { idempotencyKey: 'load-1' }
    expect(await all(client.submitForPlaces(records, options))).toHaveLength(10_001)
    expect(server!.seen.map(({ headers }) => headers['idempotency-key'])).toEqual([
      'load-1-1',
      'load-1-2',
    ])
    expect(fromUtf8(server!.seen[1]!.body)).toBe('{"type":"decision","n":10000}\n')
    expect(server!.seen[0]!.headers).toMatchObject({
      'content-type': 'application/x-ndjson',
      prefer: 'return=minimal',
    })
  })

  it('takes objects, text and bytes as they come, and gives receipts', async () => {
    const client = await clientOf(json({ records: [item(3), item(4), item(5)] }, 201))
    async function* records(): AsyncGenerator<RecordSource> {
      yield LEAST
      yield '{"type":"decision"}'
      yield utf8('{"type":"deletion"}')
    }
    const receipts = await all(client.submitMany(records()))
    expect(receipts.map(({ index }) => index)).toEqual([3, 4, 5])
    expect(fromUtf8(server!.seen[0]!.body).split('\n').slice(1)).toEqual([
      '{"type":"decision"}',
      '{"type":"deletion"}',
      '',
    ])
  })

  it('says which are not witnessed yet', async () => {
    const client = await clientOf(json({ records: [item(3)] }, 202))
    let late = 0
    const onLate = (records: number): void => {
      late += records
    }
    await all(client.submitMany([LEAST], { witnessed: true, onLate }))
    expect(late).toBe(1)
    expect(server!.seen[0]!.path).toBe('/logs/a/v1/records?wait=witnessed')
  })

  it('counts a bad record from the first of all', async () => {
    const refusal = problem(400, 'MALFORMED', 'record 3: /type: is missing')
    const client = await clientOf(places, refusal)
    const records = Array.from({ length: 10_010 }, () => LEAST)
    await expect(all(client.submitForPlaces(records))).rejects.toMatchObject({
      code: 'MALFORMED',
      message: 'record 10003: /type: is missing',
    })
  })

  it('names no number where there is only one', async () => {
    const client = await clientOf(problem(400, 'MALFORMED', 'record 1: /type: is missing'))
    await expect(client.submit('{}')).rejects.toMatchObject({ message: '/type: is missing' })
  })

  it.each([
    ['an empty one', '', 'MALFORMED', 'record 2: a record is a JSON object, and not empty'],
    ['one of several lines', '{\n}', 'MALFORMED', 'record 2: a record of several is one line'],
    ['one that is too large', 'x'.repeat(8_388_609), 'TOO_LARGE', 'record 2: a record has 8388609'],
  ])('refuses %s before anything is sent', async (_, bad, code, message) => {
    const client = await clientOf(places)
    await expect(all(client.submitForPlaces([LEAST, bad]))).rejects.toMatchObject({
      code,
      message: expect.stringContaining(message),
    })
    expect(server!.seen).toEqual([])
  })

  it('refuses the receipt of another entry, and one whose proof does not hold', async () => {
    const { receipt } = item(4) as { receipt: { inclusion_path: string[] } }
    const crooked = { ...receipt, inclusion_path: receipt.inclusion_path.toReversed() }
    for (const wrong of [
      { ...item(3), receipt },
      { ...item(4), receipt: crooked },
    ]) {
      const client = await clientOf(json(wrong, 201))
      await expect(client.submit(LEAST)).rejects.toMatchObject({ code: 'VERIFICATION_FAILED' })
      await server!.close()
    }
  })

  it.each(['', '[]', '{"records":[]}', '{"records":[{"id":"a"}]}', '{"records":[{"index":0}]}'])(
    'refuses %j as the answer to a batch',
    async (body) => {
      const client = await clientOf(answer(201, body))
      await expect(all(client.submitForPlaces([LEAST]))).rejects.toMatchObject({ code: 'IO' })
    },
  )
})

const FOUND = {
  index: 7,
  receipt: '/v1/receipts/7',
  id: RECORD_ID,
  time: '2026-11-21T12:00:00.000Z',
  tenant: 'acme',
  type: 'llm_request',
  subject: SUBJECT,
  model: { name: 'm' },
  metrics: { cost: 0.5, currency: 'EUR' },
  guardrails: [{ name: 'pii', verdict: 'pass' }],
}

describe('finding records', () => {
  it('asks for all that a query has', async () => {
    const client = await clientOf(json({ records: [FOUND], size: 9, cursor: 'abc' }))
    const page = await client.search({
      subject: 'ann & bob@example.com',
      minimum_cost: 0.0000005,
      order: 'oldest',
      limit: 10,
    })
    const { receipt: _, ...found } = FOUND
    expect(page).toEqual({ records: [found], size: 9, cursor: 'abc' })
    expect(server!.seen[0]!.path).toBe(
      '/logs/a/v1/records?subject=ann%20%26%20bob%40example.com&minimum_cost=0.000000500000000&order=oldest&limit=10',
    )
  })

  it('follows the pages, also those that are empty', async () => {
    const client = await clientOf(
      json({ records: [FOUND], size: 9, cursor: 'a' }),
      json({ records: [], size: 9, cursor: 'b' }),
      json({ records: [FOUND], size: 9 }),
    )
    const found: number[] = []
    for await (const { index } of client.searchAll({ type: 'llm_request' })) found.push(index)
    expect(found).toEqual([7, 7])
    expect(server!.seen.map(({ path }) => path.split('?')[1])).toEqual([
      'type=llm_request',
      'type=llm_request&cursor=a',
      'type=llm_request&cursor=b',
    ])
  })

  it.each([
    { ...FOUND, index: -1 },
    { ...FOUND, type: undefined },
    { ...FOUND, subject: 1 },
    { ...FOUND, model: 'm' },
    { ...FOUND, metrics: { cost: '0.5' } },
    { ...FOUND, guardrails: {} },
  ])('refuses what is no record: %j', async (record) => {
    const client = await clientOf(json({ records: [record], size: 9 }))
    await expect(client.search()).rejects.toMatchObject({ code: 'IO' })
  })
})

const RECORD = prepared(LEAST)
const LEAF_HASH = hashLeaf(RECORD.leaf)
const READ = {
  index: 7,
  receipt: '/v1/receipts/7',
  leaf_hash: toBase64(LEAF_HASH),
  record: JSON.parse(fromUtf8(RECORD.leaf)),
}
const SHOWN = {
  state: 'shown',
  submission: LEAST,
  disclosures: RECORD.disclosures.map(formatDisclosure),
}

/** An answer with another record, and its leaf hash. */
function hashed(record: JsonObject): object {
  const leafHash = hashLeaf(utf8(canonicalJson(record)))
  return { ...READ, record, leaf_hash: toBase64(leafHash) }
}

describe('reading a record', () => {
  it('has the bytes in the log, and nothing of the payload without a grant', async () => {
    const client = await clientOf(json(READ))
    const { leaf, leafHash, record, payload } = await client.read(7)
    expect([leaf, leafHash, payload]).toEqual([RECORD.leaf, LEAF_HASH, undefined])
    expect(record.subject).toBe(SUBJECT)
    expect(server!.seen[0]!.path).toBe('/logs/a/v1/records/7')
  })

  it('has under a grant what opens the commitments', async () => {
    const client = await clientOf(json({ ...READ, payload: SHOWN }))
    const { payload } = await client.read(7, { grant: OTHER_ID })
    if (payload?.state !== 'shown') throw new Error('not shown')
    expect(payload.submission).toEqual(LEAST)
    const opened = payload.disclosures.map(({ pointer, value }) => [pointer, value])
    expect(Object.fromEntries(opened)).toMatchObject({ '/subject': 'ann@example.com' })
    expect(server!.seen[0]!.path).toBe(`/logs/a/v1/records/7?grant=${OTHER_ID}`)
  })

  it('knows what was erased', async () => {
    const client = await clientOf(json({ ...READ, payload: { state: 'erased' } }))
    expect((await client.read(7)).payload).toEqual({ state: 'erased' })
  })

  const OTHER = prepared({ ...LEAST, output: { text: 'another answer' } })
  it.each([
    [
      'another record than the leaf hash says',
      { ...READ, record: { ...READ.record, action: 'x' } },
    ],
    ['another entry', { ...READ, index: 8 }],
    [
      'a payload that the record does not commit to',
      { ...READ, payload: { ...SHOWN, disclosures: OTHER.disclosures.map(formatDisclosure) } },
    ],
  ])('refuses %s', async (_, wrong) => {
    const client = await clientOf(json(wrong))
    await expect(client.read(7)).rejects.toMatchObject({ code: 'VERIFICATION_FAILED' })
  })

  it.each([
    ['no record', { ...READ, record: [] }],
    [
      'what is no record, with the leaf hash that it has',
      hashed({ ...READ.record, guardrails: {} }),
    ],
    ['a leaf hash that is none', { ...READ, leaf_hash: 'x' }],
    ['a payload in no known state', { ...READ, payload: { state: 'lost' } }],
    ['a disclosure that is none', { ...READ, payload: { ...SHOWN, disclosures: ['e30'] } }],
  ])('refuses %s as an answer', async (_, wrong) => {
    const client = await clientOf(json(wrong))
    await expect(client.read(7)).rejects.toMatchObject({ code: 'IO' })
  })

  it('fetches a leaf only if it is the one', async () => {
    const client = await clientOf(answer(200, RECORD.leaf))
    expect(await client.leaf(7, LEAF_HASH)).toEqual(RECORD.leaf)
    await expect(client.leaf(7, hashLeaf(OTHER.leaf))).rejects.toMatchObject({
      code: 'VERIFICATION_FAILED',
    })
  })
})

const HOLD = {
  id: RECORD_ID,
  name: 'acme-v-smith',
  state: 'active',
  reason: 'litigation',
  scope: { subject: SUBJECT },
  placed: '2026-11-21T12:00:00.000Z',
  placed_by: 'counsel',
}
const GRANT = {
  id: RECORD_ID,
  state: 'approved',
  purpose: 'complaint',
  ticket: 'T-1',
  scope: { request_id: 'req-1' },
  minutes: 60,
  requested: '2026-11-21T12:00:00.000Z',
  requested_by: 'auditor',
  decided: '2026-11-21T12:01:00.000Z',
  decided_by: 'approver',
  until: '2026-11-21T13:01:00.000Z',
}

describe('what the law asks for', () => {
  it('goes where it belongs, and comes back as it is called here', async () => {
    const erased = { pseudonym: SUBJECT, records: 3, erasure: { id: RECORD_ID, index: 9 } }
    const recorded = { id: RECORD_ID, index: 9, receipt: '/', time: HOLD.placed, basis: 'GDPR 17' }
    const client = await clientOf(
      json(erased, 201),
      json({ erasures: [recorded], size: 10, cursor: 'c' }),
      json(HOLD, 201),
      json({ ...HOLD, state: 'lifted', lifted: HOLD.placed, lifted_by: 'counsel' }),
      json({ holds: [HOLD] }),
      json(GRANT, 201),
      json(GRANT),
      json(GRANT),
      json({ grants: [GRANT] }),
      json(GRANT),
      answer(200, 'evidence'),
      answer(200, '<!doctype html>'),
    )
    expect(await client.erase({ subject: 'ann', basis: 'GDPR 17' })).toEqual(erased)
    const { receipt: _, ...shown } = recorded
    expect(await client.erasures()).toEqual({ erasures: [shown], cursor: 'c' })
    const { placed_by, ...placed } = HOLD
    const hold = { ...placed, placedBy: placed_by }
    expect(await client.placeHold({ name: 'n', reason: 'r', scope: {} })).toEqual(hold)
    expect(await client.liftHold('n', 'settled')).toMatchObject({ liftedBy: 'counsel' })
    expect(await client.holds({ limit: 5 })).toEqual({ holds: [hold] })
    const { requested_by, decided_by, ...asked } = GRANT
    const grant = { ...asked, requestedBy: requested_by, decidedBy: decided_by }
    const scope = { request_id: 'req-1' }
    expect(await client.requestGrant({ purpose: 'p', ticket: 't', scope })).toEqual(grant)
    await client.decideGrant(RECORD_ID, 'approve')
    await client.revokeGrant(RECORD_ID)
    expect(await client.grants({ cursor: 'c' })).toEqual({ grants: [grant] })
    expect(await client.grant(RECORD_ID)).toEqual(grant)
    expect(fromUtf8(await client.evidence({ scope }))).toBe('evidence')
    expect(fromUtf8(await client.report('2026-11', 'html'))).toBe('<!doctype html>')
    expect(
      server!.seen.map(({ method, path, body }) => [
        `${method} ${path.replace('/logs/a/v1', '')}`,
        fromUtf8(body),
      ]),
    ).toEqual([
      ['POST /erasures', '{"subject":"ann","basis":"GDPR 17"}'],
      ['GET /erasures', ''],
      ['POST /holds', '{"name":"n","reason":"r","scope":{}}'],
      ['POST /holds/n/lift', '{"reason":"settled"}'],
      ['GET /holds?limit=5', ''],
      ['POST /grants', '{"purpose":"p","ticket":"t","scope":{"request_id":"req-1"}}'],
      [`POST /grants/${RECORD_ID}/approve`, ''],
      [`POST /grants/${RECORD_ID}/revoke`, ''],
      ['GET /grants?cursor=c', ''],
      [`GET /grants/${RECORD_ID}`, ''],
      ['POST /evidence', '{"scope":{"request_id":"req-1"}}'],
      ['GET /reports/2026-11', ''],
    ])
    expect(server!.seen.at(-1)!.headers.accept).toBe('text/html')
  })

  it('takes no list of something else', async () => {
    const { files } = JSON.parse(readText('spec/vectors/completeness.json'))
    const [{ file: list }] = files
    const pseudonym = `p_${'A'.repeat(22)}`
    const about = list.replace('request req-1', `subject ${pseudonym}`)
    const answers = [list, list, list, list, about, about, about, about, '{}']
    const client = await clientOf(...answers.map((file) => answer(200, file)))
    const of = (asked: ListedBy): Promise<string> =>
      client.completeList(asked).then(
        () => 'taken',
        ({ code, message }) => `${code} ${message}`,
      )
    expect(await of({ request_id: 'req-1' })).toBe('taken')
    expect(server!.seen.at(-1)!.path).toBe('/logs/a/v1/completeness?request_id=req-1')
    const other =
      'VERIFICATION_FAILED the log answered with the list of request req-1, which was not'
    expect(await of({ request_id: 'req-2' })).toContain(other)
    expect(await of({ session_id: 'req-1' })).toContain(other)
    expect(await of({ subject: 'ann' })).toContain(other)
    expect(await of({ subject: 'ann' })).toBe('taken')
    expect(await of({ subject: pseudonym })).toBe('taken')
    expect(await of({ subject: pseudonym.replace('A', 'B') })).toContain('VERIFICATION_FAILED')
    expect(await of({ actor: 'ann' })).toContain('VERIFICATION_FAILED')
    expect(await of({ actor: 'ann' })).toContain('IO what the log sent is no complete list')
  })

  it('is not sent twice when the answer gets lost', async () => {
    const client = await clientOf(hangUp)
    const request = { subject: 'ann', basis: 'GDPR 17' }
    await expect(client.erase(request)).rejects.toMatchObject({ code: 'IO' })
    expect(server!.seen).toHaveLength(1)
  })

  it.each(['', '.', '..'])('has no id or name that is another path: %j', async (id) => {
    const client = await clientOf(json(GRANT))
    await expect(client.grant(id)).rejects.toMatchObject({ code: 'MALFORMED' })
    await expect(client.liftHold(id, 'r')).rejects.toMatchObject({
      code: 'MALFORMED',
    })
    expect(server!.seen).toEqual([])
  })

  it('says why it is refused', async () => {
    const client = await clientOf(problem(409, 'HELD', 'the hold acme-v-smith keeps it'))
    const request = { subject: 'ann', basis: 'GDPR 17' }
    await expect(client.erase(request)).rejects.toMatchObject({
      code: 'HELD',
      message: 'the hold acme-v-smith keeps it',
    })
  })

  it.each([
    { ...HOLD, state: 'paused' },
    { ...HOLD, scope: [] },
    { ...HOLD, scope: { subject: {} } },
    { ...HOLD, placed_by: undefined },
  ])('refuses what is no hold: %j', async (hold) => {
    const client = await clientOf(json({ holds: [hold] }))
    await expect(client.holds()).rejects.toMatchObject({ code: 'IO' })
  })

  it.each([
    { ...GRANT, state: 'active' },
    { ...GRANT, minutes: '60' },
    { ...GRANT, until: 0 },
  ])('refuses what is no grant: %j', async (grant) => {
    const client = await clientOf(json(grant))
    await expect(client.grant(RECORD_ID)).rejects.toMatchObject({ code: 'IO' })
  })
})

describe('the client of the records of a running log', () => {
  let data: string
  let log: RunningServer
  let client: RecordsClient
  let token: string

  beforeAll(async () => {
    data = await mkdtemp(join(tmpdir(), 'cairn-client-'))
    const flags = { data: join(data, 'log'), port: 0, 'publish-interval': 10 }
    log = await serve(await loadConfig({ flags, env: {} }))
    token = (await readFile(join(data, 'log', 'admin.token'), 'utf8')).trim()
    client = createRecordsClient({ url: log.url, token, retryDelayMs: 5 })
  })
  afterAll(async () => {
    await log.close()
    await rm(data, { recursive: true, force: true })
  })

  const trust = async () => {
    const [vkey = ''] = (await readFile(join(data, 'log', 'log.vkey'), 'utf8')).split('\n')
    return { logKeys: [parseVkey(vkey)] }
  }

  it('submits a record, reads it back, and has a receipt that verifies', async () => {
    const { index, id, receipt } = await client.submit(LEAST)
    const { record, leaf } = await client.read(index)
    expect(record).toMatchObject({ id, type: 'llm_request', request_id: 'req-1' })
    expect(await client.leaf(index, receipt.leafHash)).toEqual(leaf)
    const json = await createLogClient({ url: log.url }).receipt(index, 'json')
    expect(verifyReceipt({ leaf, receipt: json, trust: await trust() }).ok).toBe(true)
  })

  it('submits a stream in batches, and finds all of it page by page', async () => {
    async function* records() {
      for (let i = 0; i < 2_500; i++) yield { type: 'decision', request_id: `d-${i}` } as const
    }
    const sizes: number[] = []
    for await (const receipts of client.submitMany(records())) sizes.push(receipts.length)
    expect(sizes).toEqual([2_000, 500])
    const found: string[] = []
    const query = { type: 'decision', order: 'oldest', limit: 1_000 } as const
    for await (const { request_id } of client.searchAll(query)) found.push(request_id!)
    expect(found).toEqual(Array.from({ length: 2_500 }, (_, i) => `d-${i}`))
  })

  it('adds nothing when one record of a batch is bad', async () => {
    const { size } = await client.search()
    const bad = [LEAST, { type: 'decision', corrects: 'x' }] as RecordSource[]
    await expect(all(client.submitForPlaces(bad))).rejects.toMatchObject({
      code: 'MALFORMED',
      message: expect.stringMatching(/^record 2: \/corrects: /),
    })
    expect((await client.search()).size).toBe(size)
  })

  it('places and lifts holds, which keep a person from erasure', async () => {
    const { subject } = LEAST
    const hold = await client.placeHold({ name: 'case', reason: 'litigation', scope: { subject } })
    expect(hold).toMatchObject({ state: 'active', placedBy: 'admin' })
    const request = { subject, basis: 'GDPR Art. 17' }
    await expect(client.erase(request)).rejects.toMatchObject({ code: 'HELD' })
    expect(await client.liftHold('case', 'settled')).toMatchObject({ id: hold.id, state: 'lifted' })
    const { pseudonym, erasure } = await client.erase(request)
    expect((await client.erasures()).erasures).toMatchObject([{ ...erasure, pseudonym }])
    await expect(client.erase(request)).rejects.toMatchObject({ code: 'NOT_FOUND' })
  })

  it('asks for a grant, and cannot approve it itself', async () => {
    const scope = { request_id: 'req-1' }
    const { id, requestedBy } = await client.requestGrant({ purpose: 'p', ticket: 't', scope })
    expect(requestedBy).toBe('admin')
    await expect(client.decideGrant(id, 'approve')).rejects.toMatchObject({ code: 'FORBIDDEN' })
    expect(await client.grants()).toMatchObject({
      grants: [{ id, state: 'requested', minutes: 60 }],
    })
    expect(await client.decideGrant(id, 'refuse').catch(({ code }) => code)).toBe('FORBIDDEN')
  })

  it('gets evidence that verifies, and reports', async () => {
    const evidence = await client.evidence({ scope: { request_id: 'd-7' }, purpose: 'a question' })
    expect(verifyEvidence(evidence, await trust())).toMatchObject({ ok: true })
    const none = verifyCompleteList(
      await client.completeList({ request_id: 'never' }),
      await trust(),
    )
    expect(none).toMatchObject({ ok: true, list: { indices: [] } })
    const month = new Date().toISOString().slice(0, 7)
    const report = JSON.parse(fromUtf8(await client.report(month, 'json')))
    expect(report.records.total).toBeGreaterThan(2_500)
    expect(fromUtf8(await client.report(month, 'html'))).toMatch(/^<!doctype html>/i)
  })

  it('is told when it may not', async () => {
    const stranger = createRecordsClient({ url: log.url, retries: 0 })
    await expect(stranger.search()).rejects.toMatchObject({ code: 'UNAUTHORIZED' })
    await expect(stranger.submit(LEAST)).rejects.toMatchObject({ code: 'UNAUTHORIZED' })
    await expect(client.read(1_000_000)).rejects.toMatchObject({ code: 'NOT_FOUND' })
  })
})
