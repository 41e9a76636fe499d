import fc from 'fast-check'
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest'
import { utf8 } from '../../src/bytes.ts'
import { encodeByteStrings } from '../../src/formats/cbor.ts'
import { createApp } from '../../src/http/app.ts'
import { allowAnyone } from '../../src/http/authenticate.ts'
import type { LogService } from '../../src/log/service.ts'
import { discard, newPlace, openAt, type TestLogPlace } from '../support/test-log.ts'

let place: TestLogPlace
let log: LogService
let app: ReturnType<typeof createApp>
const errors: unknown[] = []

beforeAll(async () => {
  place = await newPlace()
  log = await openAt(place)
  await log.submit([utf8('zero'), utf8('one'), utf8('two')])
  await vi.waitUntil(() => log.publication().size === 3)
  const onError = (error: unknown) => errors.push(error)
  app = createApp({ logs: new Map([['', { log, authenticate: allowAnyone }]]), onError })
})

afterAll(async () => {
  await log.close()
  await discard(place)
})

const number = fc.oneof(
  fc.nat(5),
  fc.constantFrom('00', '-1', '1e3', '0x1', '9007199254740991', '9007199254740993', '٣', ''),
  fc.string({ maxLength: 8 }),
)
const segment = fc.oneof(
  fc.constantFrom(
    'tile',
    'entries',
    'checkpoint',
    'v1',
    'ct',
    'proofs',
    'inclusion',
    'consistency',
  ),
  fc.constantFrom(
    'receipts',
    'get-entries',
    '000',
    'x001',
    '000.p',
    '..',
    '%',
    '%2f',
    '%00',
    'logs',
  ),
  number.map(String),
)
const target = fc
  .tuple(
    fc.array(segment, { maxLength: 6 }),
    fc.array(
      fc.tuple(
        fc.constantFrom('start', 'end', 'first', 'hash', 'tree_size', 'wait', '__proto__'),
        number,
      ),
      { maxLength: 3 },
    ),
  )
  .map(([path, query]) => {
    const pairs = query.map(([name, value]) => `${name}=${value}`).join('&')
    return `/${path.join('/')}${pairs === '' ? '' : `?${pairs}`}`
  })

describe('whatever is asked', () => {
  it('is answered, or refused with a problem that says what to mend', async () => {
    await fc.assert(
      fc.asyncProperty(
        target,
        fc.constantFrom('GET', 'HEAD', 'POST', 'PUT', 'DELETE', 'OPTIONS'),
        async (path, method) => {
          const response = await app.request(`http://log.example${path}`, { method })
          expect(response.status).toBeLessThan(500)
          if (response.status < 400) return
          expect(response.headers.get('content-type')).toBe('application/problem+json')
          expect(response.headers.get('cache-control')).toBe('no-store')
        },
      ),
      { numRuns: 500 },
    )
    expect(errors).toEqual([])
  })

  it('any header value leads to an answer or a refusal', async () => {
    const value = fc.string({ maxLength: 20 }).map((text) => text.replace(/[^\x20-\x7e]/g, ''))
    await fc.assert(
      fc.asyncProperty(
        fc.constantFrom(
          'accept',
          'accept-encoding',
          'if-none-match',
          'prefer',
          'content-type',
          'idempotency-key',
        ),
        value,
        fc.constantFrom('/v1/receipts/0', '/tile/entries/000.p/3', '/checkpoint', '/v1/leaves'),
        async (name, text, path) => {
          const headers = { 'content-type': 'application/octet-stream', [name]: text }
          const init =
            path === '/v1/leaves' ? { method: 'POST', body: 'zero', headers } : { headers }
          expect((await app.request(path, init)).status).toBeLessThan(500)
        },
      ),
      { numRuns: 300 },
    )
    expect(errors).toEqual([])
  })

  it('any bytes as a batch are taken whole or not at all', async () => {
    const bytes = fc.oneof(
      fc.uint8Array({ maxLength: 40 }),
      fc
        .tuple(
          fc.array(fc.uint8Array({ maxLength: 9 }), { minLength: 1, maxLength: 4 }),
          fc.nat(40),
        )
        .map(([leaves, cut]) => encodeByteStrings(leaves).slice(0, 40 - cut)),
    )
    await fc.assert(
      fc.asyncProperty(bytes, async (body) => {
        const before = log.head().size
        const response = await app.request('/v1/leaves', {
          method: 'POST',
          body: body as RequestInit['body'] & {},
          headers: { 'content-type': 'application/cbor-seq', prefer: 'return=minimal' },
        })
        if (response.ok) {
          const { indices } = (await response.json()) as { indices: number[] }
          expect(Math.max(...indices)).toBeLessThan(log.head().size)
        } else {
          expect([400, 413]).toContain(response.status)
          expect(log.head().size).toBe(before)
        }
      }),
      { numRuns: 200 },
    )
    expect(errors).toEqual([])
  })
})
