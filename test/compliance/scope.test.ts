/** Scopes: what they cover is what the index finds, whatever the scope and the records are. */
import fc from 'fast-check'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { recordsIn } from '../../src/compliance/own-records.ts'
import { isCovered, parseStoredScope, readScope, storedScope } from '../../src/compliance/scope.ts'
import type { Scope } from '../../src/compliance/service.ts'
import type { JsonObject } from '../../src/formats/json-strict.ts'
import { leafIndex } from '../../src/merkle/position.ts'
import { resourceIn } from '../../src/records/make-record.ts'
import { caller, json, type OpenedRecords, openRecordsAt } from '../records/records-place.ts'
import { discard, newPlace, type TestLogPlace } from '../support/test-log.ts'

let place: TestLogPlace
let all: OpenedRecords
const RECORDS = 300
const START = Date.parse('2026-11-01T00:00:00.000Z')
const TRACES = ['1', '2'].map((digit) => digit.repeat(32))
const MEMBERS: Readonly<Record<string, readonly unknown[]>> = {
  type: ['llm_request', 'tool_call', 'decision'],
  request_id: ['r-1', 'r-2', undefined],
  session_id: ['s-1', 's-2', undefined],
  trace_id: [...TRACES, undefined],
  subject: ['ann', 'bob', undefined],
  actor: ['bob', 'clerk', undefined],
  action: ['read', 'write', undefined],
  resource: ['file-1', 'file-2', undefined],
  environment: ['production', 'staging', undefined],
  model: [{ name: 'm-1', version: '1' }, { name: 'm-2' }, { version: '1' }, undefined],
  metrics: [{ cost: 0 }, { cost: 0.5 }, { latency_ms: 3 }, undefined],
}

/** The n-th of the records: each member takes all of its values, in no step with the others. */
function submission(n: number): JsonObject {
  const members = Object.entries(MEMBERS).map(([name, values], i) => {
    const at = Math.floor((n * (7 + 4 * i)) / 5 + i) % values.length
    return [name, values[at]] as const
  })
  return Object.fromEntries(members.filter(([, value]) => value !== undefined)) as JsonObject
}

beforeAll(async () => {
  place = await newPlace()
  let time = START
  all = await openRecordsAt(place, { now: () => ++time })
  const submissions = Array.from({ length: RECORDS }, (_, n) => json(submission(n)))
  await all.records.submit(submissions, caller())
})
afterAll(async () => {
  await all.close()
  await discard(place)
})

const time = fc
  .integer({ min: -5, max: RECORDS + 50 })
  .map((milliseconds) => new Date(START + milliseconds).toISOString())
const anyScope: fc.Arbitrary<Scope> = fc
  .record(
    {
      request_id: fc.constantFrom('r-1', 'r-2', 'r-3'),
      session_id: fc.constantFrom('s-1', 's-2'),
      trace_id: fc.constantFrom(...TRACES, '3'.repeat(32)),
      subject: fc.constantFrom('ann', 'bob', 'clerk'),
      actor: fc.constantFrom('bob', 'clerk'),
      type: fc.constantFrom('llm_request', 'decision', 'correction'),
      action: fc.constantFrom('read', 'write'),
      resource: fc.constantFrom('file-1', 'file-3'),
      model: fc.constantFrom('m-1', 'm-2'),
      model_version: fc.constantFrom('1', '2'),
      environment: fc.constantFrom('production', 'staging'),
      from: time,
      before: time,
      minimum_cost: fc.constantFrom(0, 0.5, 1),
    },
    { requiredKeys: [] },
  )
  // Most of all scopes have few members.
  .chain((scope) =>
    fc.subarray(Object.keys(scope), { maxLength: 3 }).map((names) => [scope, names]),
  )
  .map(([scope, names]) =>
    Object.fromEntries(
      Object.entries(scope as Scope).filter(([name]) => (names as string[]).includes(name)),
    ),
  )

describe('a scope', () => {
  it('covers the records that the index finds by it, and no others', async () => {
    await all.records.settled()
    const stored = await Promise.all(
      Array.from({ length: all.log.head().size }, async (_, n) => {
        const { record } = await all.records.read(leafIndex(n), 'acme')
        const disclosures = await all.records.disclosures(record.id, 'acme')
        const resource = Array.isArray(disclosures) ? resourceIn(disclosures) : undefined
        return { n, record, resource }
      }),
    )
    let some = 0
    await fc.assert(
      fc.asyncProperty(anyScope, async (asked) => {
        fc.pre(
          !(asked.from !== undefined && asked.before !== undefined && asked.from >= asked.before),
        )
        const scope = await storedScope(all.vault, asked, 'acme')
        expect(parseStoredScope(scope as JsonObject)).toEqual(scope)
        const found: number[] = []
        for await (const { index } of recordsIn(all, scope, 'acme')) found.push(index)
        const covered = stored.filter(({ record, resource }) => isCovered(scope, record, resource))
        expect(found).toEqual(covered.map(({ n }) => n))
        if (found.length > 0 && found.length < RECORDS) some++
      }),
      { numRuns: 150 },
    )
    // Most scopes are about something.
    expect(some).toBeGreaterThan(25)
  })

  it('has times of the log, none of which a record lies between', async () => {
    const from = async (text: string) => (await storedScope(all.vault, { from: text }, 'acme')).from
    expect(await from('2026-11-01T01:00:00+01:00')).toBe('2026-11-01T00:00:00.000Z')
    expect(await from('2026-11-01T00:00:00.5Z')).toBe('2026-11-01T00:00:00.500Z')
    expect(await from('2026-11-01T00:00:00.001000000Z')).toBe('2026-11-01T00:00:00.001Z')
    expect(await from('2026-11-01T00:00:00.001000001Z')).toBe('2026-11-01T00:00:00.002Z')
    expect(await from('2026-12-31T23:59:59.9999Z')).toBe('2027-01-01T00:00:00.000Z')
    for (const wrong of ['0000-01-01T00:00:00+01:00', '9999-12-31T23:59:59-01:00', '2026-11-01']) {
      await expect(from(wrong)).rejects.toMatchObject({
        code: 'MALFORMED',
        message: expect.stringMatching(/^\/scope\/from: /),
      })
    }
  })

  it.each([
    ['/scope', null],
    ['/scope', ['request_id']],
    ['/scope/request', { request: 'r-1' }],
    ['/scope/request_id', { request_id: 1 }],
    ['/scope/request_id', { request_id: '' }],
    ['/scope/trace_id', { trace_id: '0'.repeat(32) }],
    ['/scope/subject', { subject: 'x'.repeat(513) }],
    ['/scope/resource', { resource: 'a\u0000' }],
    ['/scope/minimum_cost', { minimum_cost: '1' }],
  ])('that is none is refused with the pointer of what is wrong: %s', (pointer, scope) => {
    expect(() => readScope(scope as JsonObject, '/scope')).toThrow(
      expect.objectContaining({
        code: 'MALFORMED',
        message: expect.stringMatching(new RegExp(`^${pointer}: `)),
      }),
    )
  })

  it('is stored with pseudonyms only', () => {
    for (const scope of [{ subject: 'ann' }, { actor: 'bob' }, { from: '2026-11-01T00:00:00Z' }]) {
      expect(() => parseStoredScope(scope)).toThrow(expect.objectContaining({ code: 'MALFORMED' }))
    }
  })
})
