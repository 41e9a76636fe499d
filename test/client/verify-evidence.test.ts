import * as fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { utf8 } from '../../src/bytes.ts'
import type { EvidenceProblemKind } from '../../src/client/evidence-trail.ts'
import type { Trust } from '../../src/client/verdict.ts'
import {
  type EvidenceCheckName,
  type EvidenceVerdict,
  verifyEvidence,
} from '../../src/client/verify-evidence.ts'
import { formatDisclosure, makeDisclosure } from '../../src/formats/disclosure.ts'
import { checkSums, MAX_EVIDENCE_SIZE, readEvidence } from '../../src/formats/evidence.ts'
import { formatNote, parseNote } from '../../src/formats/note.ts'
import type { SubmittedRecord } from '../../src/formats/record.ts'
import { ed25519SigningKey } from '../../src/formats/signing-key.ts'
import { formatVkey } from '../../src/formats/vkey.ts'
import { codePoint } from '../support/code-points.ts'
import {
  EVIDENCE_TRUST,
  type EvidenceOptions,
  evidenceFile,
  type Files,
  filesOf,
  forged,
  headOfLog,
  recordId,
  recordLog,
  withLines,
} from '../support/evidence.ts'
import { LOG_KEY, ORIGIN, WITNESS_1 } from '../support/example-log.ts'
import { anySubmission, LEAST, refusalOf } from '../support/records.ts'

const INDICES = [2, 3, 5, 8, 12, 13, 21]
const log = recordLog(
  Array.from({ length: 23 }, (_, i) =>
    i === 7
      ? utf8('a leaf that is no record')
      : {
          ...LEAST,
          request_id: INDICES.includes(i) ? 'req-7' : `req-${i + 100}`,
          action: `step ${i}`,
          input: { prompt: `question ${i}` },
        },
  ),
)
const show = (pointer: string): boolean => pointer !== '/subject'
const QUERY = { manifest: { query: { request_id: 'req-7' } }, show }
const file = evidenceFile(log, INDICES, { ...QUERY, olderSize: 11 })

const failedOf = ({ checks }: EvidenceVerdict): string[] =>
  checks.filter(({ status }) => status === 'failed').map(({ name }) => name)
const detailOf = ({ checks }: EvidenceVerdict, name: EvidenceCheckName): string =>
  checks.find((check) => check.name === name)!.detail

/** The verdict on what somebody makes of the file who also mends its sums. */
const onForged = (change: (files: Files) => void, evidence = file): EvidenceVerdict =>
  verifyEvidence(forged(evidence, change), EVIDENCE_TRUST)

function expectProblems(
  verdict: EvidenceVerdict,
  problems: readonly (readonly [EvidenceProblemKind, number | undefined, RegExp])[],
): void {
  expect(verdict.ok).toBe(false)
  expect(verdict).not.toHaveProperty('origin')
  const found = verdict.problems.map(({ kind, index, detail }) => [kind, index, detail])
  expect(found).toEqual(
    problems.map(([kind, index, detail]) => [kind, index, expect.stringMatching(detail)]),
  )
}

/** Which records still hold. */
const heldOf = ({ records }: EvidenceVerdict): unknown[] =>
  records.filter(({ ok }) => ok).map(({ index }) => index)
const without = (...bad: readonly number[]): number[] => INDICES.filter((i) => !bad.includes(i))

describe('evidence', () => {
  it('is verified, and tells its trail', () => {
    const verdict = verifyEvidence(file, EVIDENCE_TRUST)
    expect(verdict).toMatchObject({
      ok: true,
      kind: 'evidence',
      origin: ORIGIN,
      size: 23,
      claims: { query: { request_id: 'req-7' }, records: 7, disclosures: 14 },
      problems: [],
    })
    expect(heldOf(verdict)).toEqual(INDICES)
    expect(verdict.records[0]).toMatchObject({
      ok: true,
      index: 2,
      id: recordId(2),
      record: { time: '2026-11-21T12:00:02.000Z', type: 'llm_request', action: 'step 2' },
      disclosed: [
        { pointer: '/input/prompt', value: 'question 2' },
        { pointer: '/output/text', value: '...' },
      ],
      undisclosed: ['/subject'],
      problems: [],
    })
    expect(
      verdict.checks.map(({ name, status, detail }) => `${name} ${status}: ${detail}`),
    ).toEqual([
      'format held: the file is an archive of the files that evidence has',
      'contents held: all files are as they were when the evidence was made',
      `log signature held: ${ORIGIN} has signed its tree of 23 entries with the Ed25519 key ${LOG_KEY.vkey.keyId}`,
      'witnesses held: the tree is cosigned by witness.example/one at 2023-11-14T22:13:20Z, by witness.example/two at 2023-11-14T22:13:20Z, which satisfies the quorum both of the policy',
      'policy held: by the policy in the file, which is not trusted: the tree is cosigned by witness.example/one at 2023-11-14T22:13:20Z, by witness.example/two at 2023-11-14T22:13:20Z, which satisfies the quorum both of the policy',
      'manifest held: made at 2026-11-21T18:30:00.250Z for auditor@example.com; that these are all the records asked for is the word of whoever made it',
      'records held: the 7 listed are there and in order, all of the tenant acme and as asked for',
      `inclusion held: all 7 are entries of the 23 in ${ORIGIN}'s tree, where they are listed`,
      'disclosures held: the 14 values shown are what the records commit to; 7 are not shown',
      `earlier head held: the tree of 23 begins with that of 11, which ${ORIGIN} signed earlier`,
      'completeness skipped: the file has no proof that these are all the records asked for',
    ])
  })

  it('is verified whatever the records are, how many of how many, and what is shown', () => {
    const logs = fc.array(anySubmission, { minLength: 1, maxLength: 12 }).chain((submissions) =>
      fc.record({
        submissions: fc.constant(submissions),
        indices: fc.uniqueArray(fc.nat(submissions.length - 1), { minLength: 1 }),
        older: fc.option(fc.nat(submissions.length), { nil: undefined }),
        shown: fc.func(fc.boolean()),
      }),
    )
    fc.assert(
      fc.property(logs, ({ submissions, indices, older, shown }) => {
        const all = submissions.map(
          (one) => ({ ...one, tenant: 'acme' }) as unknown as SubmittedRecord,
        )
        const some = recordLog(all)
        const evidence = evidenceFile(some, indices, {
          show: shown,
          ...(older !== undefined && { olderSize: older }),
        })
        const verdict = verifyEvidence(evidence, EVIDENCE_TRUST)
        expect(verdict.problems).toEqual([])
        expect(failedOf(verdict)).toEqual([])
        expect(verdict.ok).toBe(true)
        for (const { index, disclosed } of verdict.records) {
          const given = some.disclosures[index!]!.filter(({ pointer }) => shown(pointer, index!))
          expect(disclosed.map(formatDisclosure).sort()).toEqual(given.map(formatDisclosure).sort())
        }
      }),
      { numRuns: 40 },
    )
  })

  it('needs no more than the key of the log, and then asks for no witness', () => {
    const bare = evidenceFile(log, [4], {
      witnesses: [],
      policy: utf8(`log ${formatVkey(LOG_KEY.vkey)}\nquorum none\n`),
    })
    const verdict = verifyEvidence(bare, { logKeys: [LOG_KEY.vkey] })
    expect(verdict.ok).toBe(true)
    expect(detailOf(verdict, 'witnesses')).toBe('no policy was given, so no witness was asked for')
    expect(detailOf(verdict, 'policy')).toMatch(/the policy demands no witness$/)
    expect(detailOf(verdict, 'earlier head')).toBe('the file has no earlier head')
  })

  it('says the same of every tree it can be of', () => {
    for (let size = 1; size <= 23; size++) {
      const all = Array.from({ length: size }, (_, i) => i).filter((i) => i !== 7)
      expect(verifyEvidence(evidenceFile(log, all, { size }), EVIDENCE_TRUST).problems).toEqual([])
      expect(
        verifyEvidence(evidenceFile(log, [size === 8 ? 6 : size - 1], { size }), EVIDENCE_TRUST).ok,
      ).toBe(true)
    }
  })
})

describe('a byte that was changed', () => {
  /** Which file of the archive the byte is in, if any, and where that begins. */
  const partOf = (evidence: Uint8Array) => {
    const { parts, sums } = readEvidence(evidence)
    const places = [['SHA256SUMS', sums] as const, ...parts].map(([name, bytes]) => {
      const start = bytes.byteOffset - evidence.byteOffset
      return { name, start, end: start + bytes.length }
    })
    return (at: number) => places.find(({ start, end }) => start <= at && at < end)
  }

  it('is noticed wherever it is, and the file that it is in is named', () => {
    const small = evidenceFile(log, [4])
    const partAt = partOf(small)
    const changed = small.slice()
    const unnamed: unknown[] = []
    for (let at = 0; at < small.length; at++) {
      changed[at]! ^= 1 << (at % 8)
      const part = partAt(at)?.name
      const refusal = refusalOf(() => checkSums(readEvidence(changed)))
      const isNamed =
        part === undefined || part === 'SHA256SUMS'
          ? /^(MALFORMED|VERIFICATION_FAILED) .*(archive|evidence|SHA256SUMS|zeros)/.test(refusal)
          : refusal === `VERIFICATION_FAILED changed since the evidence was made: ${part}`
      if (!isNamed) unnamed.push([at, part, refusal])
      changed[at] = small[at]!
    }
    expect(unnamed).toEqual([])
  })

  it('leaves nothing verified, and names the record where it is in one', () => {
    const partAt = partOf(file)
    fc.assert(
      fc.property(fc.nat(file.length - 1), fc.integer({ min: 1, max: 255 }), (at, bits) => {
        const changed = file.slice()
        changed[at]! ^= bits
        const verdict = verifyEvidence(changed, EVIDENCE_TRUST)
        expect(verdict.ok).toBe(false)
        const { name: part, start = 0 } = partAt(at) ?? {}
        if (part === 'records.jsonl') {
          const line = Buffer.from(file.subarray(start, at)).toString('latin1').split('\n').length
          const index = INDICES[line - 1]
          expect(verdict.problems.map((problem) => problem.index)).toContain(index)
          expect(heldOf(verdict)).not.toContain(index)
        } else if (part === 'timeline.txt' || part === 'disclosures.txt' || part === 'proof.txt') {
          expect(
            verdict.problems.length + Number(failedOf(verdict).includes('records')),
          ).toBeGreaterThan(0)
        }
      }),
      { numRuns: 200 },
    )
  })
})

describe('a forged file, the sums of which are mended', () => {
  const place = (index: number): number => INDICES.indexOf(index)
  const anyPlace = fc.nat(INDICES.length - 1)

  it('lacks a record: it is named, whichever it is', () => {
    fc.assert(
      fc.property(anyPlace, (at) => {
        const index = INDICES[at]!
        const verdict = onForged((files) => {
          withLines(files, 'records.jsonl', (lines) => lines.filter((_, i) => i !== at))
          withLines(files, 'disclosures.txt', (lines) =>
            lines.filter((line) => !line.startsWith(`${index}\t`)),
          )
        })
        expectProblems(verdict, [
          [
            'missing',
            index,
            new RegExp(`^record ${recordId(index)} \\(entry ${index}\\) is missing`),
          ],
          ['missing', undefined, /counts 7 records, and there are 6/],
          ['disclosure', undefined, /counts 14 disclosures, and there are 12/],
        ])
        expect(heldOf(verdict)).toEqual(without(index))
      }),
    )
  })

  it('lacks a record and its line: the manifest has counted it', () => {
    const verdict = onForged((files) => {
      for (const [name, offset] of [
        ['timeline.txt', 1],
        ['records.jsonl', 0],
      ] as const) {
        withLines(files, name, (lines) => lines.filter((_, i) => i !== place(8) + offset))
      }
    })
    expect(verdict.problems.map(({ detail }) => detail)).toContain(
      'the manifest counts 7 records, and there are 6',
    )
    expect(verdict.problems.map(({ detail }) => detail)).toContain(
      'something is shown as /input/prompt of entry 8, and no such record is listed',
    )
    expect(failedOf(verdict)).toEqual(['records', 'inclusion', 'disclosures'])
  })

  it('has a record more: it is named, whether it is listed or not', () => {
    const leaf = Buffer.from(log.leaves[6]!).toString()
    fc.assert(
      fc.property(fc.nat(INDICES.length), (at) => {
        const verdict = onForged((files) => {
          withLines(files, 'records.jsonl', (lines) => lines.toSpliced(at, 0, leaf))
        })
        expectProblems(verdict, [
          ['added', undefined, new RegExp(`^record ${recordId(6)} was added \\(line ${at + 1} of`)],
          ['foreign', undefined, /was not asked for: its request_id is not "req-7"/],
          ['added', undefined, /counts 7 records, and there are 8/],
        ])
        expect(heldOf(verdict)).toEqual(INDICES)
      }),
    )
    const other = filesOf(evidenceFile(log, [6], { show: () => false }))
    const verdict = onForged((files) => {
      withLines(files, 'records.jsonl', (lines) => lines.toSpliced(3, 0, leaf))
      withLines(files, 'timeline.txt', (lines) =>
        lines.toSpliced(4, 0, other['timeline.txt']!.split('\n')[1]!),
      )
    })
    expect(verdict.problems).toContainEqual(
      expect.objectContaining({ kind: 'foreign', index: 6, id: recordId(6) }),
    )
    expect(detailOf(verdict, 'inclusion')).toMatch(/; line \d+ of proof.txt should be node/)
    expect(heldOf(verdict)).toEqual(INDICES)
  })

  it("has two records in each other's places", () => {
    fc.assert(
      fc.property(anyPlace, anyPlace, (one, other) => {
        fc.pre(one < other)
        const indices = [INDICES[one], INDICES[other]]
        const there = onForged((files) => {
          withLines(files, 'records.jsonl', (lines) => swapped(lines, one, other))
        })
        const both = onForged((files) => {
          withLines(files, 'records.jsonl', (lines) => swapped(lines, one, other))
          withLines(files, 'timeline.txt', (lines) => swapped(lines, one + 1, other + 1))
        })
        for (const { ok, problems } of [there, both]) {
          expect(ok).toBe(false)
          expect(new Set(problems.map(({ kind }) => kind))).toEqual(new Set(['reordered']))
          // Of two neighbours either is out of order; of three in a row, so is the one between.
          const named = problems.map(({ index }) => index)
          expect(named.some((index) => indices.includes(index))).toBe(true)
        }
      }),
      { numRuns: 30 },
    )
  })

  it('has a record that was moved: it is named, and no other', () => {
    fc.assert(
      fc.property(anyPlace, anyPlace, (from, to) => {
        fc.pre(Math.abs(from - to) > 1)
        const verdict = onForged((files) => {
          withLines(files, 'records.jsonl', (lines) =>
            lines.toSpliced(from, 1).toSpliced(to, 0, lines[from]!),
          )
        })
        expectProblems(verdict, [
          ['reordered', INDICES[from], /is out of order on line \d of records/],
        ])
        expect(heldOf(verdict)).toEqual(without(INDICES[from]!))
      }),
      { numRuns: 30 },
    )
  })

  it("has records under each other's indices", () => {
    const verdict = onForged((files) => {
      withLines(files, 'timeline.txt', (lines) =>
        lines.map((line) =>
          line.replace(/^8\t/, 'x\t').replace(/^12\t/, '8\t').replace(/^x\t/, '12\t'),
        ),
      )
    })
    expect(
      verdict.problems.filter(({ kind }) => kind === 'not in the log').map(({ index }) => index),
    ).toEqual([12, 8])
    expect(heldOf(verdict)).toEqual(without(8, 12))
  })

  it('has a record that says something else: it is named, whatever else was mended', () => {
    fc.assert(
      fc.property(anyPlace, (at) => {
        const index = INDICES[at]!
        const rewrite = (files: Files): void => {
          withLines(files, 'records.jsonl', (lines) =>
            lines.with(at, lines[at]!.replace('"model":{"name":"m"}', '"model":{"name":"n"}')),
          )
        }
        const verdict = onForged(rewrite)
        expectProblems(verdict, [
          [
            'altered',
            index,
            /is not the one listed \(line \d of records.jsonl\): it has the leaf hash/,
          ],
          ['not in the log', index, /is not shown to be in the tree of 23/],
        ])
        expect(heldOf(verdict)).toEqual(without(index))
        const forgedLog = {
          ...log,
          leaves: log.leaves.with(
            index,
            utf8(
              Buffer.from(log.leaves[index]!).toString().replace('{"name":"m"}', '{"name":"n"}'),
            ),
          ),
        }
        const mended = verifyEvidence(evidenceFile(forgedLog, INDICES, QUERY), EVIDENCE_TRUST)
        expectProblems(mended, [['not in the log', index, /leads to another root hash$/]])
        expect(heldOf(mended)).toEqual(without(index))
      }),
    )
  })

  it('has a record that is none', () => {
    for (const line of ['{}', '', '[', '\u0000']) {
      const verdict = onForged((files) => {
        withLines(files, 'records.jsonl', (lines) => lines.with(place(8), line))
      })
      expect(verdict.problems).toContainEqual(
        expect.objectContaining({ kind: 'altered', index: 8 }),
      )
      expect(heldOf(verdict)).toEqual(without(8))
    }
  })

  it('has a record twice', () => {
    const verdict = onForged((files) => {
      withLines(files, 'records.jsonl', (lines) => lines.toSpliced(2, 0, lines[2]!))
      withLines(files, 'timeline.txt', (lines) =>
        lines.toSpliced(3, 0, lines[3]!.replace(/^5\t/, '4\t')),
      )
    })
    expect(verdict.problems.map(({ detail }) => detail)).toContain(
      `record ${recordId(5)} (entry 5) is there twice`,
    )
  })

  it.each([
    ['time', '2026-11-21T12:00:08.000Z', '2026-11-21T12:00:07.000Z'],
    ['type', 'llm_request', 'tool_call'],
    ['action', 'step 8', 'step 9'],
    ['model', '\tm\t', '\tm 2\t'],
    ['id', recordId(8), recordId(9)],
  ])('lists another %s', (column, from, to) => {
    const verdict = onForged((files) => {
      withLines(files, 'timeline.txt', (lines) =>
        lines.with(place(8) + 1, lines[place(8) + 1]!.replace(from, to)),
      )
    })
    expectProblems(verdict, [
      ['altered', 8, new RegExp(`is listed with "${to.trim()}" as its ${column}`)],
    ])
    expect(heldOf(verdict)).toEqual(without(8))
  })

  it.each<[string, (line: string) => string, RegExp]>([
    [
      'of fewer columns',
      (line) => line.slice(0, line.lastIndexOf('\t')),
      /listed on line 5 .* 7 columns/,
    ],
    [
      'with an index that is none',
      (line) => line.replace('8', '08'),
      /cannot be read: its index is not/,
    ],
    [
      'with an index too large',
      (line) => line.replace('8', '9007199254740991'),
      /larger than 2\^53-2/,
    ],
    [
      'with an index beyond the tree',
      (line) => line.replace('8', '23'),
      /leaf 23 is not in a tree of 23/,
    ],
    [
      'with another hash',
      (line) => line.replace(/[0-9a-f]{64}$/, 'ab'.repeat(32)),
      /is not the one listed/,
    ],
  ])('has a line in its timeline %s', (_, change, why) => {
    const verdict = onForged((files) => {
      withLines(files, 'timeline.txt', (lines) =>
        lines.with(place(8) + 1, change(lines[place(8) + 1]!)),
      )
    })
    expect(verdict.problems.some(({ id, detail }) => id === recordId(8) && why.test(detail))).toBe(
      true,
    )
    expect(heldOf(verdict)).toEqual(without(8))
  })

  it('has nothing listed, or nothing there', () => {
    const unlisted = onForged((files) => withLines(files, 'timeline.txt', ([header]) => [header!]))
    expect(unlisted.problems.filter(({ kind }) => kind === 'added')).toHaveLength(7)
    const empty = onForged((files) => {
      files['records.jsonl'] = ''
    })
    expect(empty.problems.filter(({ kind, id }) => kind === 'missing' && id)).toHaveLength(7)
    const headless = onForged((files) => {
      files['timeline.txt'] = ''
    })
    expect(detailOf(headless, 'records')).toMatch(/does not begin with the names of its columns/)
    const cut = onForged((files) => {
      files['records.jsonl'] = files['records.jsonl']!.slice(0, -1)
    })
    expect(detailOf(cut, 'records')).toBe('records.jsonl does not end with a newline')
  })

  it("shows as a payload what is another record's", () => {
    const verdict = onForged((files) => {
      withLines(files, 'disclosures.txt', (lines) => {
        const [a, b] = [2 * place(5), 2 * place(8)]
        const payload = (i: number) => lines[i]!.slice(lines[i]!.indexOf('\t'))
        return lines.with(a, `5${payload(b)}`).with(b, `8${payload(a)}`)
      })
    })
    expectProblems(verdict, [
      ['disclosure', 5, /does not commit to what is shown as its \/input\/prompt/],
      ['disclosure', 8, /does not commit to what is shown as its \/input\/prompt/],
    ])
    expect(heldOf(verdict)).toEqual(without(5, 8))
  })

  it.each<[string, (lines: string[]) => readonly string[], RegExp]>([
    [
      'another value',
      (lines) => lines.with(4, lines[4]!.replace('question 5', 'question 6')),
      /\(entry 5\) does not commit to what is shown as its \/input\/prompt/,
    ],
    [
      'another salt',
      (lines) => lines.with(4, lines[4]!.replace(/\["./, '["_')),
      /\(entry 5\) does not commit/,
    ],
    [
      'a value of which the record says nothing',
      (lines) =>
        lines.toSpliced(
          6,
          0,
          `5\t${Buffer.from(makeDisclosure('/resource', 'x', new Uint8Array(16)).json).toString()}`,
        ),
      /\(entry 5\) does not commit to what is shown as its \/resource/,
    ],
    [
      'nothing, where the timeline says so',
      (lines) => lines.toSpliced(4, 1),
      /entry 5\) is listed with "\/input\/prompt \/output\/text" as its disclosed, and disclosures.txt shows "\/output\/text"/,
    ],
    [
      'something of a record that is not there',
      (lines) => lines.with(13, lines[13]!.replace(/^21/, '22')),
      /shown as \/output\/text of entry 22, and no such record/,
    ],
    [
      'values in another order',
      (lines) => swapped(lines, 4, 5),
      /line 6 of disclosures.txt is out of order: \/input\/prompt of entry 5/,
    ],
    [
      'a value twice',
      (lines) => lines.toSpliced(4, 0, lines[4]!),
      /line 6 of disclosures.txt is out of order/,
    ],
    [
      'what is no disclosure',
      (lines) => lines.with(4, '5\t[]'),
      /line 5 of disclosures.txt cannot be read: a disclosure is an array/,
    ],
    [
      'a line without an index',
      (lines) => lines.with(4, ''),
      /line 5 of disclosures.txt cannot be read: it does not begin with an index/,
    ],
  ])('shows %s', (_, change, why) => {
    const verdict = onForged((files) => withLines(files, 'disclosures.txt', change))
    expect(verdict.ok).toBe(false)
    expect(verdict.problems.map(({ detail }) => detail)).toContainEqual(expect.stringMatching(why))
    expect(failedOf(verdict)).toEqual(['disclosures'])
  })

  it('has nodes in its proof that are not those of the tree', () => {
    const { length } = filesOf(file)['proof.txt']!.split('\n')
    fc.assert(
      fc.property(fc.nat(length - 2), fc.nat(length - 2), (one, other) => {
        fc.pre(one !== other)
        const hash = (line: string): string => line.slice(line.lastIndexOf(' '))
        const changes: ((lines: string[]) => readonly string[])[] = [
          (lines) => swapped(lines, one, other),
          (lines) => lines.with(one, lines[one]!.replace(hash(lines[one]!), hash(lines[other]!))),
          (lines) => lines.toSpliced(one, 1),
          (lines) => lines.toSpliced(one, 0, lines[other]!),
          (lines) => lines.with(one, lines[one]!.replace(/=$/, '')),
          (lines) => lines.with(one, lines[one]!.replace(/^\d+/, '54')),
          (lines) => [...lines, `50 0${hash(lines[one]!)}`],
        ]
        for (const change of changes) {
          const verdict = onForged((files) => withLines(files, 'proof.txt', change))
          expect(failedOf(verdict)).toEqual(['inclusion'])
          expect(detailOf(verdict, 'inclusion')).toMatch(/proof|not shown to be in the tree/)
        }
      }),
      { numRuns: 40 },
    )
  })

  it.each<[string, (text: string) => string, RegExp]>([
    [
      'another tenant',
      (text) => text.replace('"acme"', '"other"'),
      /entry 2\) is of the tenant acme, and the evidence of other/,
    ],
    [
      'another question',
      (text) => text.replace('req-7', 'req-8'),
      /entry 2\) was not asked for: its request_id is not "req-8"/,
    ],
    [
      'more records',
      (text) => text.replace('"records": 7', '"records": 8'),
      /counts 8 records, and there are 7/,
    ],
  ])('has a manifest of %s', (_, change, why) => {
    const verdict = onForged((files) => {
      files['manifest.json'] = change(files['manifest.json']!)
    })
    expect(failedOf(verdict)).toEqual(['records'])
    expect(detailOf(verdict, 'records')).toMatch(why)
  })

  it.each<[string, (text: string) => string, RegExp]>([
    [
      'another log',
      (text) => text.replace(ORIGIN, 'log.example/other'),
      /is of the log log.example\/other, and the checkpoint of/,
    ],
    ['another time', (text) => text.replace('18:30:00', '18:30:01'), /files are of another time/],
    [
      'another spelling',
      (text) => text.replace('  "made"', ' "made"'),
      /not written as manifests are/,
    ],
    ['no JSON', () => '', /the JSON ends/],
  ])('has a manifest with %s', (_, change, why) => {
    const verdict = onForged((files) => {
      files['manifest.json'] = change(files['manifest.json']!)
    })
    expect(failedOf(verdict)).toContain('manifest')
    expect(detailOf(verdict, 'manifest')).toMatch(why)
  })
})

function swapped(lines: readonly string[], one: number, other: number): string[] {
  return lines.with(one, lines[other]!).with(other, lines[one]!)
}

describe('who is believed', () => {
  const failing = (evidence: Uint8Array, trust: Trust): [string[], unknown[]] => {
    const verdict = verifyEvidence(evidence, trust)
    expect(verdict.ok).toBe(false)
    return [failedOf(verdict), heldOf(verdict)]
  }

  it('is no log that is not named, and then nothing is in a log', () => {
    const stranger = ed25519SigningKey('other.example/log', new Uint8Array(32).fill(9))
    expect(failing(file, { logKeys: [stranger.vkey] })).toEqual([
      ['log signature', 'earlier head'],
      [],
    ])
    const forger = ed25519SigningKey(ORIGIN, new Uint8Array(32).fill(9))
    const { text } = parseNote(utf8(headOfLog(log)))
    const { name, keyId } = LOG_KEY.vkey
    const signatures = [{ name, keyId, signature: forger.sign(text).signature }]
    const checkpoint = formatNote({ text, signatures })
    const evidence = evidenceFile(log, INDICES, { ...QUERY, checkpoint })
    expect(failing(evidence, EVIDENCE_TRUST)).toEqual([['log signature'], []])
  })

  it('is no head without the witnesses that the verifier demands', () => {
    const lonely = evidenceFile(log, INDICES, { ...QUERY, witnesses: [WITNESS_1] })
    expect(failing(lonely, EVIDENCE_TRUST)).toEqual([['witnesses', 'policy'], []])
  })

  it('is not the policy in the file', () => {
    const own = utf8(`log ${formatVkey(LOG_KEY.vkey)}\nquorum none\n`)
    const lonely = evidenceFile(log, INDICES, { ...QUERY, witnesses: [], policy: own })
    expect(failing(lonely, EVIDENCE_TRUST)).toEqual([['witnesses'], []])
    const [checks, held] = failing(evidenceFile(log, INDICES, { ...QUERY, witnesses: [] }), {
      logKeys: [LOG_KEY.vkey],
    })
    expect([checks, held]).toEqual([['policy'], INDICES])
    const broken = evidenceFile(log, INDICES, { ...QUERY, policy: utf8('quorum all\n') })
    expect(failing(broken, EVIDENCE_TRUST)).toEqual([['policy'], INDICES])
  })

  it('is no earlier head of another tree, nor of another log', () => {
    const fork = recordLog(Array.from({ length: 11 }, (_, i) => ({ ...LEAST, action: `not ${i}` })))
    const evidence = forged(file, (files) => {
      files['older-checkpoint.txt'] = headOfLog(fork, 11, [])
    })
    expect(failing(evidence, EVIDENCE_TRUST)).toEqual([['earlier head'], INDICES])
    const stranger = ed25519SigningKey('other.example/log', new Uint8Array(32).fill(9))
    const text = parseNote(utf8(headOfLog(log, 11))).text.replace(ORIGIN, 'other.example/log')
    const other = forged(file, (files) => {
      files['older-checkpoint.txt'] = formatNote({ text, signatures: [stranger.sign(text)] })
    })
    const both = { ...EVIDENCE_TRUST, logKeys: [stranger.vkey] }
    expect(failing(other, both)).toEqual([['earlier head'], INDICES])
  })

  it('may have signed an empty tree, or the same one, earlier', () => {
    for (const olderSize of [0, 23]) {
      const evidence = evidenceFile(log, INDICES, { ...QUERY, olderSize })
      expect(verifyEvidence(evidence, EVIDENCE_TRUST).ok).toBe(true)
      const more = forged(evidence, (files) => {
        files['consistency.txt'] = filesOf(file)['consistency.txt']!
      })
      expect(failing(more, EVIDENCE_TRUST)).toEqual([['earlier head'], INDICES])
    }
  })
})

describe('what was asked', () => {
  const model = { name: 'm', version: '2' }
  const asked = recordLog([
    {
      ...LEAST,
      model,
      resource: 'file/1',
      trace_id: '0af7651916cd43dd8448eb211c80319c',
      actor: 'bot',
      session_id: 's',
      environment: 'production',
      action: 'a',
      metrics: { cost: 2, currency: 'EUR' },
    },
    { type: 'correction', corrects: recordId(0), extra: { prompt: 'was another' } },
    { type: 'grant' },
    { ...LEAST, tenant: 'other' },
    { type: 'decision' },
    { type: 'grant', parent_id: recordId(2) },
    { type: 'grant', parent_id: recordId(1) },
    { type: 'decision', parent_id: recordId(2) },
  ])
  const answer = (
    indices: readonly number[],
    manifest: EvidenceOptions['manifest'],
    more?: EvidenceOptions,
  ) =>
    verifyEvidence(evidenceFile(asked, indices, { manifest: manifest!, ...more }), EVIDENCE_TRUST)

  it.each([
    [{ request_id: 'req-1' }, { request_id: 'req-2' }],
    [{ session_id: 's' }, { session_id: 't' }],
    [
      { trace_id: '0af7651916cd43dd8448eb211c80319c' },
      { trace_id: '1af7651916cd43dd8448eb211c80319c' },
    ],
    [{ subject: 'p_abcdefghijklmnopqrstuw' }, { subject: 'p_AAAAAAAAAAAAAAAAAAAAAA' }],
    [{ actor: 'p_AAAAAAAAAAAAAAAAAAAAAA' }, { actor: 'p_abcdefghijklmnopqrstuw' }],
    [{ type: 'llm_request' }, { type: 'decision' }],
    [{ action: 'a' }, { action: 'b' }],
    [{ resource: 'file/1' }, { resource: 'file/2' }],
    [{ model: 'm' }, { model: 'n' }],
    [{ model_version: '2' }, { model_version: '1' }],
    [{ environment: 'production' }, { environment: 'staging' }],
    [{ from: '2026-11-21T12:00:00.000Z' }, { from: '2026-11-21T12:00:00.001Z' }],
    [{ before: '2026-11-21T12:00:00.001Z' }, { before: '2026-11-21T12:00:00.000Z' }],
    [{ minimum_cost: 2 }, { minimum_cost: 2.01 }],
  ])('%j is answered, and %j is not', (right, wrong) => {
    expect(answer([0], { query: right }).problems).toEqual([])
    const name = Object.keys(wrong)[0]!
    expectProblems(answer([0], { query: wrong }), [
      ['foreign', 0, new RegExp(`its ${name} is not`)],
    ])
    expect(answer([4], { query: right }).ok).toBe(name === 'from')
  })

  it('is a resource that is not shown, on the word of the log', () => {
    const hidden = { show: (pointer: string) => pointer !== '/resource' }
    expect(answer([0], { query: { resource: 'file/2' } }, hidden).ok).toBe(true)
    expect(answer([4], { query: { resource: 'file/2' } }, hidden).ok).toBe(false)
  })

  it('may come with the corrections of what it is answered by, and with the grant and who gave it', () => {
    const query = { request_id: 'req-1' }
    expect(answer([0, 1], { query }).ok).toBe(true)
    expectProblems(answer([1], { query }), [['foreign', 1, /request_id/]])
    expect(answer([0, 2], { query, grant: recordId(2) }).ok).toBe(true)
    expectProblems(answer([0, 2], { query }), [['foreign', 2, /request_id/]])
    expect(answer([0, 2, 5], { query, grant: recordId(2) }).ok).toBe(true)
    expectProblems(answer([0, 5], { query }), [['foreign', 5, /request_id/]])
    expectProblems(answer([0, 2, 6, 7], { query, grant: recordId(2) }), [
      ['foreign', 6, /request_id/],
      ['foreign', 7, /request_id/],
    ])
  })

  it("is never answered by what is another tenant's", () => {
    expectProblems(answer([0, 3], {}), [
      ['foreign', 3, /is of the tenant other, and the evidence of acme/],
    ])
  })
})

describe('garbage', () => {
  it('gets a verdict', () => {
    const parts = fc.constantFrom(
      ...Object.keys(filesOf(file)).filter((name) => name !== 'SHA256SUMS'),
    )
    const text = fc.oneof(
      fc.string({ unit: codePoint }),
      fc.constantFrom('', '\n', '\n\n', '\t\n', '0 0\n', '1\t[\n'),
    )
    fc.assert(
      fc.property(
        fc.array(fc.tuple(parts, text, fc.nat()), { minLength: 1, maxLength: 4 }),
        (changes) => {
          const verdict = onForged((files) => {
            for (const [name, some, seed] of changes) {
              const whole = files[name]!
              const at = seed % (whole.length + 1)
              files[name] =
                seed % 3 === 0 ? some : whole.slice(0, at) + some + whole.slice(at + some.length)
            }
          })
          expect(verdict.kind).toBe('evidence')
          expect(verdict.ok).toBe(failedOf(verdict).length === 0)
        },
      ),
      { numRuns: 100 },
    )
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 2000 }), fc.nat(file.length), (bytes, at) => {
        const spliced = file.slice(0, Math.max(file.length, 1))
        spliced.set(bytes.subarray(0, file.length - at), at)
        for (const given of [bytes, file.subarray(0, at), spliced]) {
          const verdict = verifyEvidence(given, EVIDENCE_TRUST)
          expect(verdict.ok).toBe(Buffer.compare(given, file) === 0)
        }
      }),
      { numRuns: 100 },
    )
  })

  it('cannot steer a terminal', () => {
    const verdict = onForged((files) => {
      withLines(files, 'timeline.txt', (lines) =>
        lines.with(3, lines[3]!.replace('step 5', '\u001b[2J\u202e')),
      )
    })
    expect(JSON.stringify(verdict.problems)).toContain('\ufffd[2J')
    expect(JSON.stringify(verdict)).not.toMatch(/\u202e|\\u001b/)
  })

  it('of half a gigabyte is refused unread', () => {
    const huge = new Uint8Array(MAX_EVIDENCE_SIZE + 1)
    huge.set(file.subarray(0, 512))
    expect(detailOf(verifyEvidence(huge, EVIDENCE_TRUST), 'format')).toBe(
      'evidence has 536870912 bytes at most',
    )
  })
})

describe('much evidence', () => {
  it('is verified at once: a thousand records in well under a second', () => {
    const many = recordLog(
      Array.from({ length: 3000 }, (_, i) => ({ ...LEAST, request_id: `req-${i % 3}` })),
    )
    const indices = Array.from({ length: 1000 }, (_, i) => 3 * i)
    const evidence = evidenceFile(many, indices, { manifest: { query: { request_id: 'req-0' } } })
    const times = [1, 2, 3].map(() => {
      const started = performance.now()
      expect(verifyEvidence(evidence, EVIDENCE_TRUST).ok).toBe(true)
      return performance.now() - started
    })
    // A tenth of it on an idle machine.
    expect(Math.min(...times)).toBeLessThan(1000)
  })

  it('has payloads and records as large as they come', () => {
    const actions = Array.from({ length: 500 }, (_, i) => ({
      id: `${i}`.padStart(60, '0'),
      name: 'n'.repeat(30),
    }))
    const large = recordLog([
      { ...LEAST, input: { prompt: 'x'.repeat(8_000_000) }, tool_calls: actions },
    ])
    expect(large.leaves[0]!.length).toBeGreaterThan(50_000)
    const verdict = verifyEvidence(evidenceFile(large, [0]), EVIDENCE_TRUST)
    expect(verdict.ok).toBe(true)
    expect(verdict.records[0]!.disclosed.map(({ pointer }) => pointer)).toContain('/input/prompt')
  })
})
