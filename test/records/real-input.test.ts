/** 5,276 answers of real models: recorded, found, and one person among them erased. */
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { rebuildSubmission } from '../../src/formats/record-rebuild.ts'
import { verifyInclusion } from '../../src/merkle/inclusion.ts'
import type { AcceptedRecord } from '../../src/records/service.ts'
import { hasModelAnswers, modelAnswers } from '../support/model-answers.ts'
import { filesHolding } from '../support/stored-bytes.ts'
import { discard, newPlace, type TestLogPlace } from '../support/test-log.ts'
import { caller, json, type OpenedRecords, openRecordsAt } from './records-place.ts'

const hasInput = hasModelAnswers()
const BATCH = 500

describe.skipIf(!hasInput)('answers of real models', () => {
  const answers = modelAnswers()
  const accepted: AcceptedRecord[] = []
  const by = caller('school')
  let place: TestLogPlace
  let all: OpenedRecords

  beforeAll(async () => {
    place = await newPlace()
    all = await openRecordsAt(place)
    for (let at = 0; at < answers.length; at += BATCH) {
      const batch = answers.slice(at, at + BATCH).map((one) => json(one as never))
      accepted.push(...(await all.records.submit(batch, by)).records)
    }
    await all.records.settled()
  }, 120_000)
  afterAll(async () => {
    await all.close()
    await discard(place)
  })

  it('are all in the log, and come back word for word', async () => {
    expect(all.log.head().size).toBe(5276)
    for (let i = 0; i < answers.length; i += 13) {
      const { record } = await all.records.read(accepted[i]!.index, 'school')
      const disclosures = await all.records.disclosures(record.id, 'school')
      expect(rebuildSubmission(record, disclosures as never)).toEqual(answers[i])
    }
  })

  it('are found by model, by session and by pupil', async () => {
    const counts = async (query: object): Promise<number> => {
      let [found, cursor]: [number, string | undefined] = [0, undefined]
      do {
        const page = await all.records.search(
          { ...query, limit: 1000, ...(cursor !== undefined && { cursor }) },
          'school',
        )
        found += page.records.length
        cursor = page.cursor
      } while (cursor !== undefined)
      return found
    }
    expect(await counts({})).toBe(5276)
    expect(await counts({ model: '175b_verification' })).toBe(1319)
    expect(await counts({ session: 'gsm8k-7' })).toBe(4)
    const mine = answers.filter(({ subject }) => subject === 'pupil-3@school.example').length
    expect(await counts({ subject: 'pupil-3@school.example' })).toBe(mine)
  })

  it('still verify when a pupil is erased, whose questions nobody can read any more', async () => {
    const subject = 'pupil-3@school.example'
    const theirs = accepted.filter((_, i) => answers[i]!.subject === subject)
    const { records } = await all.records.erase({ tenant: 'school', subject, basis: 'Art. 17', by })
    expect(records).toBe(theirs.length)
    const { size, root } = all.log.head()
    for (const [i, { index, leafHash, id }] of accepted.entries()) {
      const isTheirs = answers[i]!.subject === subject
      if (!isTheirs && i % 50 !== 0) continue
      const proof = await all.log.inclusionProof(index, size)
      verifyInclusion(index, size, leafHash, proof, root)
      const left = await all.records.disclosures(id, 'school')
      expect(left === 'erased').toBe(isTheirs)
    }
    expect((await all.records.search({ subject }, 'school')).records).toEqual([])
    expect(await filesHolding(place.directory, Buffer.from('pupil-3@school'))).toEqual([])
  })
})
