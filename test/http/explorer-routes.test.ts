/** The pages of a log over HTTP: what each shows to whom, and what it answers to bad input. */
import { createHash } from 'node:crypto'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { toHex, utf8 } from '../../src/bytes.ts'
import { verifyReceipt } from '../../src/client/verify-receipt.ts'
import { CairnError } from '../../src/errors.ts'
import { parseVkey } from '../../src/formats/vkey.ts'
import { createApp } from '../../src/http/app.ts'
import type { Authenticate } from '../../src/http/authenticate.ts'
import { hashLeaf } from '../../src/merkle/hash.ts'
import { json, request } from '../records/records-place.ts'
import { type HostedPlace, hostedPlace, principal } from './hosted-place.ts'

const HTML = { accept: 'text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8' }
const INERT = '"><script>alert(1)</script>'

let place: HostedPlace
let open: ReturnType<typeof createApp>
let closed: ReturnType<typeof createApp>
const revoked = new Set<string>()
const expired = new Set<string>()
const authenticate: Authenticate = (authorization) => {
  const name = authorization?.slice('Bearer '.length) ?? ''
  // As the tokens of an issuer are refused.
  if (expired.has(name)) throw new CairnError('UNAUTHORIZED', 'the token has expired')
  const known = ['rita', 'audrey', 'arthur', 'sam', 'oscar'].includes(name) && !revoked.has(name)
  return known ? principal(name) : undefined
}

beforeAll(async () => {
  place = await hostedPlace()
  const { log, records, compliance } = place
  await log.submit([utf8('a leaf that is no record <b>')])
  for (let n = 0; n < 6; n++)
    await records.submit([request(n, { action: INERT })], principal('sam'))
  await records.submit([json({ type: 'decision', request_id: 'theirs' })], { tenant: 'other' })
  await records.settled()
  const hosted = { log, authenticate, records: { records, compliance } }
  const readEntries = { authenticate, tenant: 'acme' }
  const logs = (one: object) => new Map([['', { ...hosted, ...one }]])
  const onError = (error: unknown): void => void place.errors.push(error)
  open = createApp({ logs: logs({}), onError })
  closed = createApp({ logs: logs({ readEntries }), onError })
})

afterAll(async () => {
  expect(place.errors).toEqual([])
  await place.close()
})

type Fields = Readonly<Record<string, string>>

async function get(app: typeof open, path: string, headers: Fields = {}) {
  const response = await app.request(path, { headers: { ...HTML, ...headers } })
  return { response, status: response.status, text: await response.text() }
}

function post(app: typeof open, path: string, form: Fields, headers: Fields = {}) {
  const type = { 'content-type': 'application/x-www-form-urlencoded' }
  const body = new URLSearchParams(form).toString()
  return app.request(path, { method: 'POST', headers: { ...type, ...headers }, body })
}

/** The header fields of who signed in. */
async function signedIn(app: typeof open, token: string): Promise<Fields> {
  const response = await post(app, '/explore/sign-in', { token })
  expect(response.status).toBe(303)
  return { cookie: response.headers.get('set-cookie')!.split(';')[0]! }
}

describe('/', () => {
  it('is a page for browsers, and for programs what it was', async () => {
    for (const accept of ['application/json', '*/*', 'text/plain', undefined]) {
      const response = await open.request('/', accept === undefined ? {} : { headers: { accept } })
      expect(response.headers.get('content-type')).toBe('text/plain; charset=utf-8')
      expect(await response.text()).toMatch(/^test\.example\/log: a Cairn transparency log\n/)
    }
    const { response, text } = await get(open, '/')
    expect(response.headers.get('content-type')).toBe('text/html; charset=utf-8')
    expect(response.headers.get('vary')).toBe('Accept, Cookie')
    expect(text).toMatch(/^<!doctype html><html lang="en">/)
    expect(text.includes('href="/explore/entries/7"')).toBe(true)
    expect(text.includes('href="/verify"')).toBe(true)
  })

  it('lets nothing run but what it brings', async () => {
    const { response, text } = await get(open, '/')
    const policy = response.headers.get('content-security-policy')!
    for (const tag of ['style', 'script']) {
      const [, inside] = new RegExp(`<${tag}>([^]*?)</${tag}>`).exec(text)!
      const hash = createHash('sha256').update(inside!).digest('base64')
      expect(policy).toContain(`${tag}-src 'sha256-${hash}'`)
    }
    expect(text).not.toMatch(/ style="| on\w+="|<script src|<link rel="stylesheet/)
    expect(response.headers.get('access-control-allow-origin')).toBeNull()
    expect(response.headers.get('cache-control')).toBe('no-store')
  })
})

describe('the entries', () => {
  it('are listed a page at a time, the newest first', async () => {
    const { text } = await get(open, '/explore/entries?before=3')
    const listed = [...text.matchAll(/<th scope="row" class="n"><a href="([^"]*)"/g)]
    expect(listed.map(([, href]) => href)).toEqual(
      [2, 1, 0].map((index) => `/explore/entries/${index}`),
    )
    expect(text.includes('← Newer')).toBe(true)
    expect(text.includes('Older →')).toBe(false)
    expect(text.includes('28 B, no record')).toBe(true)
    expect(text.includes(INERT)).toBe(false)
  })

  it('have their record, their proof and their receipt on a page of their own', async () => {
    const { text } = await get(open, '/explore/entries/1')
    expect(text.includes('<h1>Entry 1: LLM request</h1>')).toBe(true)
    expect(text.includes('✓ This is the root hash')).toBe(true)
    expect(text.includes('<span class="sealed">sealed</span>')).toBe(true)
    expect(text.includes(INERT)).toBe(false)
    // The payload is nowhere.
    expect(text.includes('question 0')).toBe(false)
  })

  it('are found by index and by leaf hash', async () => {
    const hash = toHex(hashLeaf((await place.log.entry(4 as never))!))
    for (const asked of ['4', ' 4 ', hash, hash.toUpperCase()]) {
      const { response } = await get(open, `/explore/find?q=${encodeURIComponent(asked)}`)
      expect(response.status).toBe(303)
      expect(response.headers.get('location')).toBe('/explore/entries/4')
    }
  })

  it('come as files that verify', async () => {
    const leaf = new Uint8Array(
      await (await open.request('/explore/entries/2/2.leaf')).arrayBuffer(),
    )
    expect(leaf).toEqual(await place.log.entry(2 as never))
    const trust = { logKeys: place.log.vkeys.map(parseVkey) }
    for (const kind of ['tlog-proof', 'json', 'cose']) {
      const response = await open.request(`/explore/entries/2/2.${kind}`)
      expect(response.headers.get('content-disposition')).toBe(`attachment; filename="2.${kind}"`)
      const receipt = new Uint8Array(await response.arrayBuffer())
      expect(await verifyReceipt({ leaf, receipt, trust })).toMatchObject({ ok: true })
    }
  })

  it('are hashes for strangers where they are private', async () => {
    const list = await get(closed, '/explore/entries')
    expect(list.text.includes('not public')).toBe(true)
    const one = await get(closed, '/explore/entries/1')
    expect(one.text.includes('not for everyone')).toBe(true)
    expect(one.text.includes('/explore/sign-in?place=/explore/entries/1')).toBe(true)
    expect(one.text.includes('✓ This is the root hash')).toBe(true)
    for (const page of [list, one]) expect(page.text.includes('req-')).toBe(false)
    expect((await get(closed, '/explore/entries/1/1.leaf')).status).toBe(403)
    expect((await get(closed, '/explore/entries/1/1.json')).status).toBe(200)
  })

  it('are shown to who may read them', async () => {
    const rita = await signedIn(closed, 'rita')
    expect((await get(closed, '/explore/entries', rita)).text.includes('req-0')).toBe(true)
    const oscar = await signedIn(closed, 'oscar')
    const theirs = await get(closed, '/explore/entries/7', oscar)
    expect(theirs.text.includes('theirs')).toBe(true)
    const ours = await get(closed, '/explore/entries/1', oscar)
    expect(ours.text.includes('This entry is not for oscar')).toBe(true)
    expect(ours.text.includes('req-0')).toBe(false)
    // Somebody who may submit only.
    const sam = await signedIn(closed, 'sam')
    expect((await get(closed, '/explore/entries/1', sam)).text.includes('req-0')).toBe(false)
  })
})

describe('signing in', () => {
  it('takes a token, keeps it from the browser, and leads on', async () => {
    const form = { token: 'rita', place: '/explore/search?type=decision' }
    const response = await post(open, '/explore/sign-in', form, {
      host: 'log.example',
      origin: 'https://log.example',
    })
    expect(response.status).toBe(303)
    expect(response.headers.get('location')).toBe(form.place)
    const cookie = response.headers.get('set-cookie')!
    expect(cookie).toMatch(/; HttpOnly; SameSite=Strict; Max-Age=28800; Secure$/)
    expect(cookie.includes('rita')).toBe(false)
    const page = await get(open, '/', { cookie: cookie.split(';')[0]! })
    expect(page.text.includes('Sign out')).toBe(true)
    // The API knows nothing of it.
    const api = await open.request('/v1/records', { headers: { cookie: cookie.split(';')[0]! } })
    expect(api.status).toBe(401)
  })

  it.each(['nobody', '', 'two words', 'é', 'x'.repeat(9_000)])('refuses %j', async (token) => {
    const response = await post(open, '/explore/sign-in', { token })
    expect(response.status).toBe(401)
    expect(response.headers.get('set-cookie')).toBeNull()
    expect((await response.text()).includes('role="alert"')).toBe(true)
  })

  it.each([
    '//evil.example',
    'https://evil.example/',
    '/explore/../v1/records',
    '/explore/entries/1\r\nSet-Cookie: a=b',
  ])('does not lead to %j', async (place) => {
    const response = await post(open, '/explore/sign-in', { token: 'rita', place })
    expect(response.headers.get('location')).toBe('/')
  })

  it.each([
    { origin: 'https://evil.example', host: 'log.example' },
    { origin: 'null', host: 'log.example' },
    { 'sec-fetch-site': 'cross-site' },
    { 'sec-fetch-site': 'same-site', origin: 'http://log.example', host: 'log.example' },
  ])('takes no form of another site: %j', async (headers) => {
    for (const path of ['/explore/sign-in', '/explore/sign-out']) {
      const response = await post(open, path, { token: 'rita' }, headers as Fields)
      expect(response.status).toBe(403)
      expect(response.headers.get('set-cookie')).toBeNull()
    }
  })

  it('ends with the token, or when one signs out', async () => {
    const cookie = await signedIn(open, 'arthur')
    expect((await get(open, '/', cookie)).text.includes('arthur')).toBe(true)
    revoked.add('arthur')
    expect((await get(open, '/', cookie)).text.includes('arthur')).toBe(false)
    const audrey = await signedIn(open, 'audrey')
    expired.add('audrey')
    const late = await get(open, '/', audrey)
    expect([late.status, late.text.includes('audrey')]).toEqual([200, false])
    const again = await post(open, '/explore/sign-in', { token: 'audrey' })
    expect((await again.text()).includes('the token has expired')).toBe(true)
    expired.delete('audrey')
    const rita = await signedIn(open, 'rita')
    const out = await post(open, '/explore/sign-out', {}, rita)
    expect(out.headers.get('set-cookie')).toContain('Max-Age=0')
    expect((await get(open, '/', rita)).text.includes('Sign out')).toBe(false)
  })
})

describe('the search', () => {
  it('asks who is there', async () => {
    const { response } = await get(open, '/explore/search?type=decision')
    expect(response.status).toBe(303)
    expect(response.headers.get('location')).toBe(
      '/explore/sign-in?place=%2Fexplore%2Fsearch%3Ftype%3Ddecision',
    )
  })

  it('finds records of one’s own tenant, by what a form sends', async () => {
    const rita = await signedIn(open, 'rita')
    const all = await get(open, '/explore/search', rita)
    expect(all.text.match(/<th scope="row"/g)).toHaveLength(6)
    expect(all.text.includes('theirs')).toBe(false)
    const blank = 'request_id=req-3&session_id=&type=&actor=+&order=oldest'
    const one = await get(open, `/explore/search?${blank}`, rita)
    expect(one.text.match(/<th scope="row"/g)).toHaveLength(1)
    const person = await get(open, '/explore/search?subject=person-2%40example.com', rita)
    expect(person.text.match(/<th scope="row"/g)).toHaveLength(1)
    const none = await get(open, '/explore/search?request_id=nothing', rita)
    expect(none.text.includes('No record has all of that')).toBe(true)
  })

  it('says at the field what is wrong with it', async () => {
    const rita = await signedIn(open, 'rita')
    for (const query of ['from=yesterday', 'type=poem', 'cursor=AAAA']) {
      const { status, text } = await get(open, `/explore/search?${query}`, rita)
      expect([query, status]).toEqual([query, 400])
      expect(/aria-invalid="true" aria-describedby="\w+-fault"/.test(text)).toBe(true)
    }
  })

  it('takes the role of a reader', async () => {
    const { status, text } = await get(open, '/explore/search', await signedIn(open, 'sam'))
    expect(status).toBe(403)
    expect(text.includes('this takes the role reader')).toBe(true)
  })
})

describe('a payload', () => {
  it('is shown under a grant, which is recorded, and else it is said why not', async () => {
    revoked.delete('arthur')
    const { compliance } = place
    const audrey = await signedIn(open, 'audrey')
    const without = await get(open, '/explore/entries/2', audrey)
    expect(without.text.includes('name="grant"')).toBe(true)
    expect(without.text.includes('question 1')).toBe(false)

    const asked = { purpose: 'inquiry', ticket: 'T-1', scope: { request_id: 'req-1' } }
    const { id } = await compliance.requestGrant(asked, principal('audrey'))
    const early = await get(open, `/explore/entries/2?grant=${id}`, audrey)
    expect(early.text.includes('The payload is not shown: ')).toBe(true)
    expect(early.text.includes('question 1')).toBe(false)

    await compliance.decideGrant(id, 'approve', principal('arthur'))
    const before = place.log.head().size
    const shown = await get(open, `/explore/entries/2?grant=${id}`, audrey)
    expect(shown.text.includes('question 1')).toBe(true)
    expect(shown.text.includes('person-1@example.com')).toBe(true)
    expect(place.log.head().size).toBe(before + 1)
    const other = await get(open, `/explore/entries/3?grant=${id}`, audrey)
    expect(other.text.includes('question 2')).toBe(false)
    const anotherId = id.slice(0, -1) + (id.endsWith('0') ? '1' : '0')
    for (const grant of ['nonsense', '%3Cscript%3E', anotherId]) {
      const refused = await get(open, `/explore/entries/2?grant=${grant}`, audrey)
      expect(refused.text.includes('The payload is not shown: ')).toBe(true)
      expect(refused.text.includes('question 1')).toBe(false)
    }
    // A grant is of who asked for it.
    const rita = await get(open, `/explore/entries/2?grant=${id}`, await signedIn(open, 'rita'))
    expect(rita.text.includes('question 1')).toBe(false)
  })
})

describe('bad input', () => {
  it.each([
    ['/explore/entries/999', 404],
    ['/explore/entries/01', 400],
    ['/explore/entries/-1', 400],
    ['/explore/entries/x', 400],
    ['/explore/entries/1/2.json', 404],
    ['/explore/entries/1/1.exe', 400],
    ['/explore/entries/999/999.json', 404],
    ['/explore/entries?before=x', 400],
    ['/explore/entries?after=1', 400],
    ['/explore/find', 400],
    ['/explore/find?q=%3Cscript%3E', 400],
    [`/explore/find?q=${'0'.repeat(64)}`, 404],
  ])('%s gives a page that says so: %i', async (path, expected) => {
    const { response, status, text } = await get(open, path)
    expect(status).toBe(expected)
    expect(response.headers.get('content-type')).toBe('text/html; charset=utf-8')
    expect(response.headers.get('content-security-policy')).toContain("default-src 'none'")
    expect(text.includes('<script>')).toBe(false)
  })

  it('is no form of many megabytes', async () => {
    const response = await post(open, '/explore/sign-in', { token: 'x'.repeat(20_000) })
    expect(response.status).toBe(413)
  })

  it('is a method that a page does not have', async () => {
    expect((await post(open, '/explore/entries', {})).status).toBe(405)
  })
})

describe('a path that nothing has', () => {
  it('is a page for browsers, and a problem document for programs', async () => {
    for (const [path, status] of [
      ['/nowhere', 404],
      ['/explore', 404],
      ['/a%20b', 400],
    ] as const) {
      const { response, status: shown, text } = await get(open, path)
      expect([shown, response.headers.get('content-type')]).toEqual([
        status,
        'text/html; charset=utf-8',
      ])
      expect(response.headers.get('vary')).toBe('Accept')
      expect(text).toContain('<a href="/">To the overview</a>')
      for (const accept of ['application/json', '*/*', undefined]) {
        const headers = accept === undefined ? {} : { accept }
        const answer = await open.request(path, { headers })
        expect([answer.status, answer.headers.get('content-type')]).toEqual([
          status,
          'application/problem+json',
        ])
      }
    }
  })

  it('is a page of the log that it is below', async () => {
    const hosted = { log: place.log, authenticate }
    const several = createApp({ logs: new Map([['payments', hosted]]) })
    const { text } = await get(several, '/logs/payments/nowhere')
    expect(text).toContain('<a href="/logs/payments/">To the overview</a>')
    expect((await get(several, '/nowhere')).text).toMatch(/^\{/)
  })
})

describe('a log below a prefix', () => {
  it('leads to itself only', async () => {
    const { text } = await get(place as never, '/logs/second/explore/entries/1')
    const links = [...text.matchAll(/(?:href|action)="(\/[^"]*)"/g)].map(([, href]) => href!)
    expect(links.length).toBeGreaterThan(8)
    const elsewhere = links.filter((href) => !href.startsWith('/logs/second/'))
    expect([...new Set(elsewhere)].sort()).toEqual(['/openapi.json', '/verify'])
  })

  it('searches nothing where there are no records', async () => {
    const logs = new Map([['', { log: place.log, authenticate }]])
    const bare = createApp({ logs })
    expect((await get(bare, '/explore/search')).status).toBe(404)
    expect((await get(bare, '/')).text.includes('>Search<')).toBe(false)
  })
})
