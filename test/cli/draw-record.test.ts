import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { type DrawnRecord, drawRecord } from '../../src/cli/draw-record.ts'
import { styleFor } from '../../src/cli/style.ts'
import type { Payload } from '../../src/client/record-answers.ts'
import { openDisclosure } from '../../src/formats/disclosure.ts'
import type { JsonObject } from '../../src/formats/json-strict.ts'
import { parseRecord } from '../../src/formats/record.ts'
import { leafIndex } from '../../src/merkle/position.ts'
import { ACTOR, anySubmission, prepared, SUBJECT } from '../support/records.ts'

const PLAIN = styleFor({}, {})

const SUBMISSION: JsonObject = {
  type: 'llm_request',
  request_id: 'req-1',
  actor: 'clerk',
  subject: 'ann@example.com',
  input: {
    system_prompt_version: '7',
    messages: [
      { role: 'user', content: 'May I?' },
      { role: 'assistant', content: 'Why?' },
    ],
    documents: Array.from({ length: 11 }, (_, i) => ({ id: `doc-${i}` })),
  },
  model: { name: 'm', version: '1.2', parameters: { top_p: 0.9 } },
  guardrails: [
    { name: 'pii', verdict: 'pass' },
    { name: 'tone', verdict: 'block', reason: 'rude' },
  ],
  output: { text: 'a line\nanother \u202e line' },
  tool_calls: [{ id: 'c1', name: 'lookup', arguments: { q: 1 }, error: 'none found' }],
  metrics: { input_tokens: 1200, output_tokens: 34, latency_ms: 1200, cost: 0.25, currency: 'EUR' },
  environment: 'production',
  ward: 'cardio',
  extra: { shift: 'night' },
}

function drawn(submission: JsonObject, show: 'nothing' | 'all' | 'erased'): DrawnRecord {
  const { leaf, disclosures } = prepared(submission)
  const shown: Payload = {
    state: 'shown',
    submission,
    disclosures: disclosures.map(openDisclosure),
  }
  const payload = { all: shown, erased: { state: 'erased' } as const, nothing: undefined }[show]
  return { index: leafIndex(1234), record: parseRecord(leaf), ...(payload && { payload }) }
}

const draw = (show: 'nothing' | 'all' | 'erased', columns = 100): string[] =>
  drawRecord(drawn(SUBMISSION, show), PLAIN, columns)

describe('the picture of a record', () => {
  it('begins with what it is, and follows the way of the request', () => {
    const lines = draw('nothing')
    expect(lines.slice(0, 2)).toEqual([
      'LLM request  entry 1,234',
      '2026-11-21 12:00:00.000 UTC · tenant acme · request req-1',
    ])
    const stages = lines.flatMap((line) => /^ {2}● (\w[\w ]*?) {2}/.exec(line)?.[1] ?? [])
    expect(stages).toEqual([
      'who',
      'input',
      'model',
      'guardrails',
      'output',
      'tools',
      'metrics',
      'context',
      'besides',
      'in the log',
    ])
  })

  it('has what is in the clear, and says what it commits to', () => {
    const text = draw('nothing').join('\n')
    expect(text).toContain(`actor          ${ACTOR}`)
    expect(text).toContain('prompt version 7')
    expect(text).toContain('parameters     top p 0.9')
    expect(text).toContain('✓ pii')
    expect(text).toContain('✗ tone block')
    expect(text).toContain('1,200 tokens in, 34 out · 1.2 s · EUR 0.25')
    expect(text).toMatch(/● output {6}text {11}▒+ sealed\n/)
    expect(text).toMatch(/commits to {5}19 members$/)
    expect(text).not.toContain('ann@example.com')
  })

  it('has under a grant all that is left of the payload', () => {
    const text = draw('all').join('\n')
    expect(text).toContain(`subject        ann@example.com  (${SUBJECT})`)
    expect(text).toMatch(/messages {7}user: May I\?\n.* assistant: Why\?\n/)
    expect(text).toContain('document 11    {"id":"doc-10"}')
    expect(text).toContain('because        rude')
    expect(text).toContain('arguments      {"q":1}')
    expect(text).toContain('error          none found')
    expect(text).toMatch(/● besides {5}ward {11}cardio\n.* shift {10}night\n/)
    expect(text).toContain('19 members, 19 of them opened')
    expect(text).not.toContain('sealed')
  })

  it('says what was erased', () => {
    const text = draw('erased').join('\n')
    expect(text).toMatch(/text {11}▒+ erased\n/)
    expect(text).not.toContain('sealed')
  })

  it('lets no text move the cursor, and keeps within the width', () => {
    const lines = draw('all', 60)
    expect(lines.join('\n')).toContain('another \\u{202e} line')
    for (const line of lines) expect(line.length, line).toBeLessThanOrEqual(60)
  })

  it('gives long names a line of their own', () => {
    const extra = { type: 'decision', ['long\u001b'.repeat(30)]: 'value', short: 'other' }
    const lines = drawRecord(drawn(extra, 'all'), PLAIN, 60)
    const at = lines.findIndex((line) => line.includes('● besides'))
    expect(lines[at]).toMatch(/● besides {5}(long\\u\{1b\})+/)
    const value = lines.findIndex((line) => / │ {28}value$/.test(line))
    expect(value).toBeGreaterThan(at + 2)
    expect(lines[value + 1]).toMatch(/ │ {13}short {10}other$/)
    for (const line of lines) expect(line.length, line).toBeLessThanOrEqual(60)
  })

  it('leaves out the end of what is long, and says so', () => {
    const long = { type: 'decision', decision: { reason: 'why so. '.repeat(1000) } }
    const lines = drawRecord(drawn(long, 'all'), PLAIN, 100)
    expect(lines.length).toBeLessThan(30)
    expect(lines.join('\n')).toMatch(/… [0-9,]+ more lines, see --json/)
  })

  it('is text in lines, whatever is in the record', () => {
    fc.assert(
      fc.property(
        anySubmission,
        fc.constantFrom('nothing', 'all', 'erased'),
        (submission, show) => {
          for (const line of drawRecord(drawn(submission, show), PLAIN, 64)) {
            expect(line.length, line).toBeLessThanOrEqual(64)
            expect(line).not.toMatch(/[\p{Cc}\p{Cf}\p{Zl}\p{Zp}\p{Cs}]/u)
          }
        },
      ),
      { numRuns: 100 },
    )
  })

  it('draws the least that a record can be', () => {
    expect(drawRecord(drawn({ type: 'decision' }, 'nothing'), PLAIN, 80)).toEqual([
      'Decision  entry 1,234',
      '2026-11-21 12:00:00.000 UTC · tenant acme',
      '',
      '  ● in the log  id             019a9bd4-5c00-7abc-8def-0123456789ab',
      '                commits to     0 members',
    ])
  })
})
