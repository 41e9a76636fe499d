import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest'
import { fromBase64, toBase64, toHex, utf8 } from '../../src/bytes.ts'
import { verifyReceipt } from '../../src/client/verify-receipt.ts'
import { parseVkey } from '../../src/formats/vkey.ts'
import type { LogService } from '../../src/log/service.ts'
import { verifyConsistency } from '../../src/merkle/consistency.ts'
import { hashLeaf, type NodeHash, nodeHash, type RootHash } from '../../src/merkle/hash.ts'
import { verifyInclusion } from '../../src/merkle/inclusion.ts'
import { leafIndex, treeSize } from '../../src/merkle/position.ts'
import { type LiveServer, liveServer } from '../support/live-server.ts'
import { discard, newPlace, openAt, type TestLogPlace } from '../support/test-log.ts'

const LEAVES = Array.from({ length: 300 }, (_, i) => utf8(`leaf ${i}`))
const IMMUTABLE = 'public, max-age=31536000, immutable'

let place: TestLogPlace
let log: LogService
let server: LiveServer
let firstRoot: RootHash
let root: RootHash

beforeAll(async () => {
  place = await newPlace()
  log = await openAt(place)
  await log.submit(LEAVES.slice(0, 100))
  firstRoot = log.head().root
  await log.submit(LEAVES.slice(100))
  root = log.head().root
  await vi.waitUntil(() => log.publication().size === LEAVES.length)
  server = await liveServer({ '': log })
})

afterAll(async () => {
  await server.close()
  await log.close()
  await discard(place)
})

const get = (path: string, headers: Record<string, string> = {}): Promise<Response> =>
  fetch(server.url + path, { headers })

const hashesOf = (texts: readonly string[]): NodeHash[] =>
  texts.map((text) => nodeHash(fromBase64(text)))

describe('GET /v1/receipts/<index>', () => {
  it.each([
    [undefined, 'application/json', 'json'],
    ['*/*', 'application/json', 'json'],
    ['text/plain', 'text/plain; charset=utf-8', 'tlog-proof'],
    ['text/*;q=0.9, application/json;q=0.1', 'text/plain; charset=utf-8', 'tlog-proof'],
    ['application/cose', 'application/cose', 'cose'],
    ['application/cose, */*;q=0.1', 'application/cose', 'cose'],
  ])('accepting %s gives %s, which verifies', async (accept, mediaType, kind) => {
    const response = await get('/v1/receipts/7', accept === undefined ? {} : { accept })
    expect(response.status).toBe(200)
    expect(response.headers.get('content-type')).toBe(mediaType)
    expect(response.headers.get('cache-control')).toBe('no-cache')
    expect(response.headers.get('vary')).toBe('Accept')
    const verdict = verifyReceipt({
      leaf: LEAVES[7]!,
      receipt: new Uint8Array(await response.arrayBuffer()),
      trust: { logKeys: log.vkeys.map(parseVkey) },
    })
    expect(verdict).toMatchObject({ ok: true, kind, index: 7, size: LEAVES.length })
  })

  it('is not acceptable as anything else', async () => {
    for (const accept of ['text/html', 'application/json;q=0', 'image/*']) {
      const response = await get('/v1/receipts/7', { accept })
      expect(response.status).toBe(406)
      expect(await response.json()).toMatchObject({ code: 'NOT_ACCEPTABLE' })
    }
  })

  it('has no COSE form for a log of one leaf', async () => {
    const own = await newPlace()
    const small = await openAt(own)
    const other = await liveServer({ '': small })
    const headers = { 'content-type': 'application/octet-stream', accept: 'application/cose' }
    const posted = await fetch(`${other.url}/v1/leaves`, { method: 'POST', body: 'only', headers })
    expect(posted.status).toBe(201)
    expect(posted.headers.get('content-type')).toBe('application/json')
    const got = await fetch(`${other.url}/v1/receipts/0`, { headers })
    expect(got.status).toBe(404)
    await other.close()
    await small.close()
    await discard(own)
  })
})

describe('GET /v1/proofs/inclusion/<size>/<leaf>', () => {
  it.each([7, 299])('proves leaf %i by index and by hash, for ever', async (index) => {
    const byIndex = await get(`/v1/proofs/inclusion/300/${index}`)
    expect(byIndex.status).toBe(200)
    expect(byIndex.headers.get('content-type')).toBe('application/json')
    expect(byIndex.headers.get('cache-control')).toBe(IMMUTABLE)
    const proof = (await byIndex.json()) as { inclusion_path: string[] }
    const hash = hashLeaf(LEAVES[index]!)
    const path = hashesOf(proof.inclusion_path)
    verifyInclusion(leafIndex(index), treeSize(300), hash, path, root)
    expect(proof).toMatchObject({ leaf_index: index, tree_size: 300 })
    expect(await (await get(`/v1/proofs/inclusion/300/${toHex(hash)}`)).json()).toEqual(proof)
  })

  it('proves a leaf in a tree of the past', async () => {
    const proof = (await (await get('/v1/proofs/inclusion/100/7')).json()) as {
      inclusion_path: string[]
    }
    const path = hashesOf(proof.inclusion_path)
    verifyInclusion(leafIndex(7), treeSize(100), hashLeaf(LEAVES[7]!), path, firstRoot)
  })
})

describe('GET /v1/proofs/consistency/<first>/<second>', () => {
  it('proves that one tree begins another, for ever', async () => {
    const response = await get('/v1/proofs/consistency/100/300')
    expect(response.headers.get('cache-control')).toBe(IMMUTABLE)
    const proof = (await response.json()) as { consistency_path: string[] }
    const path = hashesOf(proof.consistency_path)
    verifyConsistency(treeSize(100), treeSize(300), path, firstRoot, root)
    expect(proof).toMatchObject({ first_size: 100, second_size: 300 })
  })

  it('is empty between equal sizes', async () => {
    const response = await get('/v1/proofs/consistency/300/300')
    expect(await response.json()).toMatchObject({ consistency_path: [] })
  })
})

const UNKNOWN = 'ab'.repeat(32)

describe('what is not there', () => {
  it.each([
    '/v1/receipts/300',
    '/v1/receipts/9007199254740990',
    '/v1/receipts/9007199254740991',
    '/v1/proofs/inclusion/301/0',
    '/v1/proofs/inclusion/300/300',
    '/v1/proofs/inclusion/100/100',
    `/v1/proofs/inclusion/300/${UNKNOWN}`,
    '/v1/proofs/inclusion/7/HASH',
    '/v1/proofs/consistency/1/301',
  ])('%s is not found, and not kept by caches', async (path) => {
    const hash = toHex(hashLeaf(LEAVES[7]!))
    const response = await get(path.replace('HASH', hash))
    expect(response.status).toBe(404)
    expect(response.headers.get('content-type')).toBe('application/problem+json')
    expect(response.headers.get('cache-control')).toBe('no-store')
  })
})

describe('a badly spelt path', () => {
  it.each([
    '/v1/receipts/07',
    '/v1/receipts/-1',
    '/v1/receipts/1.0',
    '/v1/receipts/x',
    '/v1/receipts/%37',
    '/v1/receipts/7%20',
    '/v1/receipts/9007199254740992',
    '/v1/receipts/99999999999999999999',
    '/v1/receipts/7?format=cose',
    '/v1/proofs/inclusion/0300/7',
    '/v1/proofs/inclusion/300/07',
    `/v1/proofs/inclusion/300/${UNKNOWN.toUpperCase()}`,
    `/v1/proofs/inclusion/300/${UNKNOWN}0`,
    '/v1/proofs/inclusion/300/7?x=1',
    '/v1/proofs/consistency/0/300',
    '/v1/proofs/consistency/300/100',
    '/v1/proofs/consistency/01/300',
    '/v1/proofs/consistency/100/300?first=1',
    '/v1/proofs/consistency/100/300?',
  ])('%s is refused', async (path) => {
    const response = await get(path)
    // A lone "?" is not sent by fetch; that it is no parameter is all the same.
    expect(response.status).toBe(path.endsWith('?') ? 200 : 400)
    if (path.endsWith('?')) return
    expect(response.headers.get('content-type')).toBe('application/problem+json')
    expect(((await response.json()) as { detail: string }).detail).not.toBe('')
  })
})

describe('the RFC 6962 read API', () => {
  const json = async (path: string): Promise<Record<string, unknown>> => {
    const response = await get(path)
    expect(response.status).toBe(200)
    expect(response.headers.get('content-type')).toBe('application/json')
    expect(response.headers.get('cache-control')).toBe('no-store')
    return (await response.json()) as Record<string, unknown>
  }
  const hash = toBase64(hashLeaf(LEAVES[7]!))

  it('has the signed tree head', async () => {
    const { timestamp, treeHeadSignature } = log.publication()
    expect(await json('/ct/v1/get-sth')).toEqual({
      tree_size: 300,
      timestamp,
      sha256_root_hash: toBase64(root),
      tree_head_signature: toBase64(treeHeadSignature),
    })
  })

  it('has consistency proofs', async () => {
    const { consistency } = await json('/ct/v1/get-sth-consistency?first=100&second=300')
    const path = hashesOf(consistency as string[])
    verifyConsistency(treeSize(100), treeSize(300), path, firstRoot, root)
  })

  it('has proofs by hash', async () => {
    const query = `hash=${encodeURIComponent(hash)}&tree_size=300`
    const { leaf_index, audit_path } = await json(`/ct/v1/get-proof-by-hash?${query}`)
    expect(leaf_index).toBe(7)
    const path = hashesOf(audit_path as string[])
    verifyInclusion(leafIndex(7), treeSize(300), hashLeaf(LEAVES[7]!), path, root)
  })

  it('has entries, up to the end of a bundle at a time', async () => {
    const entry = (i: number) => ({ leaf_input: toBase64(LEAVES[i]!), extra_data: '' })
    expect(await json('/ct/v1/get-entries?start=3&end=5')).toEqual({
      entries: [3, 4, 5].map(entry),
    })
    const long = await json('/ct/v1/get-entries?start=250&end=100000')
    expect(long).toEqual({ entries: [250, 251, 252, 253, 254, 255].map(entry) })
    const tail = (await json('/ct/v1/get-entries?start=256&end=400')) as { entries: object[] }
    expect(tail.entries).toHaveLength(44)
    expect(tail.entries.at(-1)).toEqual(entry(299))
    const whole = (await json('/ct/v1/get-entries?start=0&end=299')) as { entries: object[] }
    expect(whole.entries).toHaveLength(256)
  })

  it('has an entry with its proof', async () => {
    const answer = await json('/ct/v1/get-entry-and-proof?leaf_index=7&tree_size=300')
    expect(answer).toMatchObject({ leaf_input: toBase64(LEAVES[7]!), extra_data: '' })
    const path = hashesOf(answer.audit_path as string[])
    verifyInclusion(leafIndex(7), treeSize(300), hashLeaf(LEAVES[7]!), path, root)
  })

  it.each([
    ['get-sth?x=1', 400, /there are none/],
    ['get-sth-consistency', 400, /"first" is missing/],
    ['get-sth-consistency?first=1', 400, /"second" is missing/],
    ['get-sth-consistency?first=01&second=2', 400, /"first" must be a decimal/],
    ['get-sth-consistency?first=2&second=1', 400, /first/],
    ['get-sth-consistency?first=1&second=301', 404, /300 leaves/],
    ['get-proof-by-hash?hash=a+b/&tree_size=300', 400, /%2B/],
    ['get-proof-by-hash?hash=%zz&tree_size=300', 400, /percent-encoding/],
    ['get-proof-by-hash?hash=%ff&tree_size=300', 400, /percent-encoding/],
    ['get-proof-by-hash?hash=QUJD&tree_size=300', 400, /32 bytes/],
    ['get-proof-by-hash?hash=!&tree_size=300', 400, /base64/],
    [`get-proof-by-hash?hash=${'A'.repeat(43)}%3D&tree_size=300`, 404, /no leaf/],
    ['get-entries?start=5&end=4', 400, /beyond/],
    ['get-entries?start=300&end=301', 404, /300 leaves/],
    ['get-entries?start=0', 400, /"end" is missing/],
    ['get-entries?start=0&end=1&end=2', 400, /twice/],
    ['get-entries?start=-1&end=1', 400, /"start" must be/],
    ['get-entry-and-proof?leaf_index=300&tree_size=300', 404, /./],
    ['get-entry-and-proof?leaf_index=0&tree_size=301', 404, /./],
    ['get-roots', 404, /./],
  ])('refuses %s', async (path, status, detail) => {
    const response = await get(`/ct/v1/${path}`)
    expect(response.status).toBe(status)
    expect(((await response.json()) as { detail: string }).detail).toMatch(detail)
  })
})
