/**
 * Records on PostgreSQL, from submission to erasure, in every run. All suites of records run on it with
 * TEST_STORAGE=postgres.
 */
import { randomBytes } from 'node:crypto'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { fromUtf8 } from '../../src/bytes.ts'
import { leafIndex } from '../../src/merkle/position.ts'
import { whereStored } from '../support/stores.ts'
import { discard, newPlace, type TestLogPlace } from '../support/test-log.ts'
import { caller, json, type OpenedRecords, openRecordsAt, request } from './records-place.ts'

let place: TestLogPlace
let all: OpenedRecords
const open = async () => {
  all = await openRecordsAt(place, { storage: 'postgres' })
}
beforeEach(async () => {
  place = await newPlace()
  await open()
})
afterEach(async () => {
  await all.close()
  await discard(place)
})

const acme = caller('acme', 'privacy-officer')
const subjectOf = (n: number): string => `person-${n % 7}@example.com`

async function found(query: object): Promise<number[]> {
  const { records } = await all.records.search({ limit: 100, ...query }, 'acme')
  return records.map(({ index }) => index).sort((a, b) => a - b)
}

/** What the vault has of the record at an index, as text. */
async function opened(index: number): Promise<string> {
  const { record } = await all.records.read(leafIndex(index), 'acme')
  const found = await all.records.disclosures(record.id, 'acme')
  return JSON.stringify(
    Array.isArray(found) ? found.map(({ json: text }) => fromUtf8(text)) : found,
  )
}

describe('records on PostgreSQL', () => {
  it('are found and read, also after they are opened again', async () => {
    const batches = Array.from({ length: 6 }, (_, b) =>
      Array.from({ length: 10 }, (_, i) => request(10 * b + i)),
    )
    await Promise.all(batches.map((batch) => all.records.submit(batch, acme)))
    for (const again of [false, true]) {
      if (again) {
        await all.close()
        await open()
      }
      await all.records.settled()
      expect(await found({})).toHaveLength(60)
      expect(await found({ subject: subjectOf(3) })).toHaveLength(9)
      const [index] = await found({ request: 'req-42' })
      expect(await opened(index!)).toContain('question 42')
    }
  })

  it('of a person are erased, and of them there is not a byte in a file of a table', async () => {
    const [person, said] = [0, 1].map(() => randomBytes(48).toString('hex'))
    const subject = `ann-${person}@example.com`
    const mine = json({ type: 'llm_request', subject, input: { prompt: said! } })
    const { records } = await all.records.submit([request(1), mine, request(2)], acme)
    await all.records.settled()
    const { index } = records[1]!
    expect(await opened(index)).toContain(said)
    const outcome = await all.records.erase({
      tenant: 'acme',
      subject,
      basis: 'GDPR Art. 17(1)(b)',
      by: acme,
    })
    expect(outcome).toMatchObject({ records: 1 })
    for (const text of [person!, said!]) {
      expect(await whereStored(place.directory, Buffer.from(text), 'postgres')).toEqual([])
    }
    expect(await opened(index)).toBe('"erased"')
    expect(await found({ subject: subjectOf(1) })).toEqual([records[0]!.index])
  })
})
