/** Real input: 1,319 questions with the answers of four models, each answer a record of an llm_request. */
import { createHash } from 'node:crypto'
import { describe, expect, it } from 'vitest'
import { parseRecord } from '../../src/formats/record.ts'
import { rebuildSubmission } from '../../src/formats/record-rebuild.ts'
import { hashLeaf } from '../../src/merkle/hash.ts'
import { hasModelAnswers, modelAnswers } from '../support/model-answers.ts'
import { countedSalts, prepared } from '../support/records.ts'

const hasInput = hasModelAnswers()

describe.skipIf(!hasInput)('records of real model interactions', () => {
  const submissions = modelAnswers()
  const salts = countedSalts()
  const records = submissions.map((submission) => prepared(JSON.stringify(submission), { salts }))

  it('are one for each answer', () => {
    expect(records).toHaveLength(5276)
    expect(Math.max(...records.map(({ leaf }) => leaf.length))).toBeLessThan(1000)
  })

  it('hold no word of a question or an answer, and no pupil', () => {
    submissions.forEach(({ input, output, guardrails, subject }, i) => {
      const words = new Set(
        Buffer.from(records[i]!.leaf)
          .toString()
          .match(/\w{5,}/g),
      )
      for (const text of [input?.prompt, output?.text, guardrails?.[0]?.reason, subject]) {
        const told = text!.match(/\w{5,}/g)?.filter((word) => words.has(word) && !NAMES.has(word))
        expect(told ?? []).toEqual([])
      }
    })
  })

  it('hash as sha256sum does, and commit to what node:crypto finds', () => {
    for (const { leaf, disclosures } of records) {
      const digest = createHash('sha256').update('\0').update(leaf).digest('hex')
      expect(Buffer.from(hashLeaf(leaf)).toString('hex')).toBe(digest)
      const { commitments } = JSON.parse(Buffer.from(leaf).toString()) as { commitments: object }
      const found = disclosures.map(({ pointer, json }) => [
        pointer,
        createHash('sha256').update(Buffer.from(json).toString('base64url')).digest('base64url'),
      ])
      expect(commitments).toEqual(Object.fromEntries(found))
    }
  })

  it('give the submissions back', () => {
    records.forEach(({ leaf, disclosures }, i) => {
      expect(rebuildSubmission(parseRecord(leaf), disclosures)).toEqual(submissions[i])
    })
  })
})

/** Words of the format itself. */
const NAMES = new Set(
  (
    'request model answer prompt input output commitments guardrails reason subject school example ' +
    'provider verdict version record tenant session verification finetuning'
  ).split(' '),
)
