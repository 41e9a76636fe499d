/** `cairn verify` of evidence: what it says, and the trail that it draws. */
import { writeFile } from 'node:fs/promises'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { styleFor } from '../../src/cli/style.ts'
import { formatTrail } from '../../src/cli/trail.ts'
import { parseRecord } from '../../src/formats/record.ts'
import {
  EVIDENCE_POLICY,
  evidenceFile,
  forged,
  recordId,
  recordLog,
  withLines,
} from '../support/evidence.ts'
import { LEAST } from '../support/records.ts'
import { expectRefusal, type Fixture, temporaryFolder } from './fixture.ts'
import { cairn } from './run.ts'

const ASKED = {
  ...LEAST,
  request_id: 'req-7',
  model: { name: 'claims', version: '4.2', provider: 'acme' },
  input: { prompt: 'Is claim 4711 covered?\nThe roof leaks.\u001b[31m' },
  output: { text: 'Yes.' },
  metrics: { input_tokens: 812, cost: 0.01, currency: 'EUR' },
  guardrails: [{ name: 'pii', verdict: 'pass' }],
}
const log = recordLog([
  { ...LEAST, request_id: 'other' },
  ASKED,
  { ...LEAST, type: 'tool_call', action: 'look up', request_id: 'req-7', resource: 'policy/88' },
  { ...LEAST, type: 'grant', action: 'request', extra: { purpose: 'complaint', minutes: 60 } },
])
const GRANT = recordId(3)
const manifest = { query: { request_id: 'req-7' }, grant: GRANT }
const show = (pointer: string): boolean => pointer !== '/subject'
const good = evidenceFile(log, [1, 2, 3], { manifest, show })

let folder: Pick<Fixture, 'at' | 'close'>
beforeAll(async () => {
  folder = await temporaryFolder()
  await writeFile(folder.at('policy.txt'), EVIDENCE_POLICY)
})
afterAll(() => folder.close())

async function verify(name: string, file: Uint8Array, ...flags: readonly string[]) {
  await writeFile(folder.at(name), file)
  return cairn(['verify', folder.at(name), '--policy', folder.at('policy.txt'), ...flags])
}

describe('cairn verify of evidence', () => {
  it('says what holds, what was asked for, and what happened', async () => {
    const run = await verify('good.cairn', good)
    expect(run).toMatchObject({ code: 0, stderr: '' })
    const text = run.stdout
    expect(text).toMatch(/good\.cairn: evidence from log\.example\/audit\n/)
    for (const name of ['contents', 'witnesses', 'inclusion', 'disclosures']) {
      expect(text).toContain(`  ✓  ${name}`)
    }
    expect(text).toContain('asked for  request req-7, of the tenant acme')
    expect(text).toContain('purpose    complaint 2026/117')
    expect(text).toMatch(/● 2026-11-21 12:00:01\.000Z {2}llm_request {2}entry 1\n/)
    expect(text).toMatch(/│ model +claims 4\.2 · by acme\n/)
    expect(text).toMatch(/│ took +812 tokens in · 0\.01 EUR\n/)
    expect(text).toMatch(
      /│ input\.prompt +◆ Is claim 4711 covered\?\n│ +The roof leaks\.\\u\{1b\}\[31m\n/,
    )
    expect(text).toMatch(/│ not shown +subject\n/)
    expect(text).toMatch(/● .*tool_call look up {2}entry 2\n/)
    expect(text).toMatch(/│ resource +◆ policy\/88\n/)
    expect(text).toMatch(/│ purpose +◆ complaint\n/)
    expect(text).toMatch(/verified: 3 records of log\.example\/audit, in its tree of 4 leaves\n$/)
  })

  it('prints JSON when told to', async () => {
    const run = await verify('good.cairn', good, '--json')
    expect(run.code).toBe(0)
    const verdict = JSON.parse(run.stdout)
    expect(verdict).toMatchObject({
      file: folder.at('good.cairn'),
      kind: 'evidence',
      ok: true,
      size: 4,
      root: expect.stringMatching(/^[0-9a-f]{64}$/),
      claims: { query: { request_id: 'req-7' }, grant: GRANT },
      problems: [],
    })
    expect(verdict.records[1]).toMatchObject({
      ok: true,
      index: 2,
      record: { type: 'tool_call' },
      disclosed: expect.arrayContaining([{ pointer: '/resource', value: 'policy/88' }]),
      undisclosed: ['/subject'],
    })
  })

  it('names every record that is missing, added, reordered or altered, and shows nothing of it', async () => {
    const cases: [name: string, change: (lines: string[]) => string[], said: RegExp][] = [
      ['missing', ([, ...rest]) => rest, /\(entry 1\) is missing/],
      [
        'added',
        (lines) => [...lines, Buffer.from(log.leaves[0]!).toString()],
        /was added \(line 4 of records\.jsonl\)/,
      ],
      ['reordered', ([a, b, c]) => [b!, a!, c!], /is out of order on line [12] of records\.jsonl/],
      [
        'altered',
        ([a, b, c]) => [a!, b!.replace('look up', 'look in'), c!],
        /\(entry 2\) is not the one listed/,
      ],
    ]
    for (const [name, change, said] of cases) {
      const file = forged(good, (files) => withLines(files, 'records.jsonl', change))
      const run = await verify(`${name}.cairn`, file)
      expect(run, name).toMatchObject({ code: 1, stderr: '' })
      const text = run.stdout.replace(/\n│? +/g, ' ')
      expect(text, name).toMatch(said)
      expect(text, name).toMatch(/✗ (record|entry|2026)/)
      expect(text, name).toMatch(/NOT VERIFIED: .*; do not rely on this file\n$/)
      expect(text, name).not.toContain('verified: ')
    }
    const altered = await verify(
      'altered.cairn',
      forged(good, (files) => {
        withLines(files, 'records.jsonl', (lines) =>
          lines.map((l) => l.replace('look up', 'look in')),
        )
      }),
    )
    expect(altered.stdout).not.toContain('look in')
    expect(altered.stdout).toMatch(/NOT VERIFIED: 1 of 3 records does not hold/)
  })

  it('believes nothing of a log that is not trusted', async () => {
    const vkey = 'example.com/log/testdata+33d7b496+AeHTu4Q3hEIMHNqc6fASMsq3rKNx280NI+oO5xCFkkSx'
    const run = await cairn(['verify', folder.at('good.cairn'), '--vkey', vkey])
    expect(run.code).toBe(1)
    expect(run.stdout).toContain('  ✗  log signature')
    expect(run.stdout).toMatch(/○ record .* {2}entry 1\n/)
    expect(run.stdout).not.toContain('Is claim 4711 covered')
    expect(run.stdout).toMatch(/NOT VERIFIED: failed: log signature; do not rely/)
  })

  it('says of a damaged file which part was changed, and of half a one that it is none', async () => {
    const changed = good.slice()
    const at = Buffer.from(good).indexOf('checkpoint.txt\0') + 512 + 30
    changed[at]! ^= 1
    const run = await verify('changed.cairn', changed)
    expect(run.code).toBe(1)
    expect(run.stdout).toContain('changed since the evidence was made: checkpoint.txt')
    const half = await verify('half.cairn', good.slice(0, good.length / 2))
    expect(half).toMatchObject({ code: 1, stderr: '' })
    expect(half.stdout).toContain('  ✗  format')
  })

  it('takes no leaf', async () => {
    const run = await verify('good.cairn', good, '--leaf', folder.at('policy.txt'))
    expectRefusal(run, /--leaf goes with a receipt, not with evidence/)
  })

  it('shows the first of many records and all that are wrong, and all with --full', async () => {
    const many = recordLog(Array.from({ length: 60 }, () => ({ ...LEAST, request_id: 'r' })))
    const all = Array.from({ length: 60 }, (_, i) => i)
    const file = forged(evidenceFile(many, all, { show: () => false }), (files) =>
      withLines(files, 'records.jsonl', (lines) => lines.slice(0, -1)),
    )
    const run = await verify('many.cairn', file)
    expect(run.stdout.match(/^● /gm)).toHaveLength(50)
    expect(run.stdout.match(/^✗ record/gm)).toHaveLength(1)
    expect(run.stdout).toContain('… 9 more records (--full shows all)')
    const full = await verify('many.cairn', file, '--full')
    expect(full.stdout.match(/^● /gm)).toHaveLength(59)
  })
})

describe('the trail', () => {
  const record = parseRecord(log.leaves[1]!)
  const draw = (value: string, full = false) =>
    formatTrail(
      [
        {
          index: 1,
          state: 'good',
          record,
          disclosed: [{ pointer: '/input/prompt', value }],
          undisclosed: [],
          problems: [],
        },
      ],
      { style: styleFor({}, {}), columns: 60, full },
    )

  it('cuts long values, unless all of them is asked for', () => {
    const long = Array.from({ length: 30 }, (_, i) => `line ${i}`).join('\n')
    expect(draw(long)).toContain('… 22 more lines (--full)')
    expect(draw(long)).not.toContain('line 8')
    expect(draw(long, true)).toContain('line 29')
  })

  it('keeps within the width, whatever stands in a value', () => {
    const text = draw(`${'x'.repeat(500)} \t\u202e\r\n\u0007${'word '.repeat(100)}`, true)
    expect(text.split('\n').filter((line) => line.length > 60)).toEqual([])
    expect(text).toContain('\\u{202e}')
    expect(text).toContain('\\u{7}')
  })
})
