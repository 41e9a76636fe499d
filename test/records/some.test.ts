/** Submissions of which some are recorded: each is taken or refused by itself. */
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import type { JsonObject } from '../../src/formats/json-strict.ts'
import { parseSubmission, type SubmittedRecord } from '../../src/formats/record.ts'
import { parseSecretRules } from '../../src/formats/secrets.ts'
import type { AcceptedSome } from '../../src/records/service.ts'
import { discard, newPlace, type TestLogPlace } from '../support/test-log.ts'
import { caller, type OpenedRecords, openRecordsAt, request } from './records-place.ts'

let place: TestLogPlace
let all: OpenedRecords
beforeEach(async () => {
  place = await newPlace()
  const secrets = parseSecretRules({
    version: 'cairn-secret-rules/v1',
    rules: [{ name: 'codename', pattern: 'project-[0-9]{4}', action: 'refuse' }],
  })
  all = await openRecordsAt(place, { secrets, now: () => clock })
})
afterEach(async () => {
  await all.close()
  await discard(place)
})

let clock = Date.parse('2026-11-21T12:00:00Z')
const acme = caller('acme')

const good = (n: number, more?: JsonObject): SubmittedRecord => parseSubmission(request(n, more))
const future = (n: number): SubmittedRecord =>
  good(n, { claimed_time: new Date(clock + 600_000).toISOString() })
const secret = (n: number): SubmittedRecord => good(n, { input: { prompt: 'about project-1234' } })
/** More in the clear than a leaf has room for. */
const large = (n: number): SubmittedRecord => {
  const name = 'x'.repeat(256)
  return good(n, { tool_calls: Array.from({ length: 280 }, () => ({ name })) })
}

function some(submissions: readonly SubmittedRecord[], key?: number): Promise<AcceptedSome> {
  const idempotencyKey = key === undefined ? {} : { idempotencyKey: new Uint8Array(16).fill(key) }
  return all.records.submitSome(submissions, acme, { size: 1_000, ...idempotencyKey })
}

async function requestsOf({ accepted }: AcceptedSome): Promise<(string | undefined)[]> {
  const read = await Promise.all(accepted.map(({ index }) => all.records.read(index, 'acme')))
  return read.map(({ record }) => record.request_id)
}

describe('some submissions', () => {
  it('become records but for those that cannot, which are named with the reason', async () => {
    const outcome = await some([future(0), good(1), secret(2), large(3), good(4)])
    expect(await requestsOf(outcome)).toEqual(['req-1', 'req-4'])
    expect(outcome.rejected).toEqual([
      { place: 0, reason: expect.stringMatching(/^\/claimed_time: it is in the future/) },
      { place: 2, reason: expect.stringMatching(/^\/input\/prompt: .*codename/) },
      { place: 3, reason: expect.stringMatching(/65535 at most/) },
    ])
    expect(outcome.rejected[1]!.reason).not.toContain('1234')
    expect(all.log.head().size).toBe(2)
    await all.records.settled()
    const page = await all.records.search({ subject: 'person-4@example.com' }, 'acme')
    expect(page.records.map(({ id }) => id)).toEqual([outcome.accepted[1]!.id])
  })

  it('may all be refused, and none given', async () => {
    const { rejected, accepted } = await some([future(0), large(1)])
    expect(rejected.map((one) => one.place)).toEqual([0, 1])
    expect(accepted).toEqual([])
    expect(await some([large(0)])).toMatchObject({ accepted: [], rejected: [{ place: 0 }] })
    expect(await some([])).toEqual({ accepted: [], rejected: [] })
    expect(all.log.head().size).toBe(0)
  })

  it('are refused by themselves when they name another tenant or carry a signature nobody knows', async () => {
    const signature = { key_id: 'key-1', value: 'A'.repeat(86) }
    const signed = good(1, { signature, nonce: 'A'.repeat(22) })
    const outcome = await some([good(0, { tenant: 'globex' }), signed, good(2)])
    expect(await requestsOf(outcome)).toEqual(['req-2'])
    expect(outcome.rejected.map(({ reason }) => reason)).toEqual([
      expect.stringMatching(/^\/tenant: /),
      expect.stringMatching(/^\/signature\/key_id: /),
    ])
  })

  it('are recorded once when they come again with their key', async () => {
    const submissions = [good(1), large(2), good(3)]
    const first = await some(submissions, 1)
    const again = await some(submissions, 1)
    expect(again).toEqual(first)
    expect(all.log.head().size).toBe(2)
    expect(await all.vault.staged()).toEqual([])
    expect((await some(submissions, 2)).accepted).toHaveLength(2)
    expect(all.log.head().size).toBe(4)
    const options = { size: 1_000, idempotencyKey: new Uint8Array(16).fill(1) }
    const elsewhere = await all.records.submitSome(submissions, caller('globex'), options)
    expect(elsewhere.accepted.map(({ index }) => index)).toEqual([4, 5])
  })

  it('are no retry when others of them can be recorded than at first', async () => {
    const submissions = [good(1), future(2)]
    const before = clock
    expect((await some(submissions, 1)).rejected).toHaveLength(1)
    clock += 3_600_000
    expect((await some(submissions, 1)).rejected).toEqual([])
    clock = before
    expect(all.log.head().size).toBe(3)
  })

  it('go in beside others, none of which is lost', async () => {
    const batches = Array.from({ length: 20 }, (_, i) => some([good(i), large(i), good(i + 100)]))
    const others = Array.from({ length: 20 }, (_, i) => all.records.submit([request(i)], acme))
    const outcomes = await Promise.all(batches)
    await Promise.all(others)
    expect(all.log.head().size).toBe(60)
    const indices = outcomes.flatMap(({ accepted }) => accepted.map(({ index }) => index))
    expect(new Set(indices).size).toBe(40)
  })

  it('are refused as a whole once the records are closed, or for a name that is no tenant', async () => {
    const { records } = all
    await expect(records.submitSome([good(1)], { tenant: 'a b' }, { size: 1 })).rejects.toThrow(
      expect.objectContaining({ code: 'MALFORMED' }),
    )
    await records.close()
    await expect(some([good(1)])).rejects.toThrow(expect.objectContaining({ code: 'STOPPED' }))
  })
})
