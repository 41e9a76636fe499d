/** The table of members, the JSON Schema that follows from it, and the specification that tells of both. */
import { readFileSync, writeFileSync } from 'node:fs'
import fc from 'fast-check'
import { Compile } from 'typebox/schema'
import { describe, expect, it } from 'vitest'
import type { JsonObject, JsonValue } from '../../src/formats/json-strict.ts'
import { parseRecord, parseSubmission } from '../../src/formats/record.ts'
import {
  LOG_RECORD_TYPES,
  MEMBER_RULES,
  type MemberRule,
  RECORD_TYPES,
} from '../../src/formats/record-members.ts'
import { recordSchema } from '../../src/formats/record-schema.ts'
import { anyJson, anySubmission, LEAST, prepared, refusalOf } from '../support/records.ts'
import { readText } from '../support/sources.ts'

const SAVED = new URL('../../spec/record.schema.json', import.meta.url)

const { $defs } = recordSchema() as { $defs: { submission: JsonObject; record: JsonObject } }
const submission = Compile($defs.submission)
const record = Compile($defs.record)
const either = Compile(recordSchema())

const leafOf = (value: JsonObject): JsonObject =>
  JSON.parse(Buffer.from(prepared(value).leaf).toString()) as JsonObject

/** Puts a value somewhere in a copy, along a path of names. */
function put(root: JsonObject, path: readonly string[], value: JsonValue): JsonObject {
  const copy = structuredClone(root) as Record<string, JsonValue>
  let frame = copy
  for (const name of path.slice(0, -1)) {
    const next = Object.hasOwn(frame, name) ? frame[name] : undefined
    if (typeof next !== 'object' || next === null || Array.isArray(next)) frame[name] = {}
    frame = frame[name] as Record<string, JsonValue>
  }
  frame[path.at(-1)!] = value
  return copy
}

describe('the JSON Schema', () => {
  it('is the document in spec/; UPDATE_SPEC=1 writes it anew', () => {
    const text = `${JSON.stringify(recordSchema(), null, 2)}\n`
    if (process.env.UPDATE_SPEC === '1') writeFileSync(SAVED, text)
    expect(readFileSync(SAVED, 'utf8') === text, 'UPDATE_SPEC=1 npx vitest run this').toBe(true)
  })

  it('accepts every submission, and every record', () => {
    fc.assert(
      fc.property(anySubmission, (value) => {
        expect(submission.Errors(value)[1]).toEqual([])
        expect(record.Errors(leafOf(value))[1]).toEqual([])
        expect(either.Check(value) && either.Check(leafOf(value))).toBe(true)
        expect(submission.Check(leafOf(value)) || record.Check(value)).toBe(false)
      }),
    )
  })

  const values = fc.oneof(
    anyJson,
    // Of the patterns that can be generated from: none that look ahead, nor times, whose days no pattern knows.
    ...MEMBER_RULES.flatMap(({ type: { schema } }) =>
      typeof schema.pattern === 'string' && !/\(\?!|T\(/.test(schema.pattern)
        ? [fc.stringMatching(new RegExp(schema.pattern, 'u'), { maxLength: 90 })]
        : [],
    ),
    fc.constantFrom(
      '0'.repeat(32),
      'ab'.repeat(16),
      '0'.repeat(16),
      'ab'.repeat(8),
      '2026-11-21T12:00:00Z',
    ),
    fc.constantFrom<JsonValue[]>(
      -1,
      0.5,
      Number.MAX_SAFE_INTEGER,
      'x'.repeat(256),
      'x'.repeat(257),
      '😀'.repeat(256),
      {},
      [],
    ),
  )
  const paths = fc.constantFrom(
    ...MEMBER_RULES.filter(({ pointer }) => !pointer.includes('*')).map(({ pointer }) => pointer),
  )

  it('accepts of a submission what parseSubmission accepts', () => {
    let accepted = 0
    fc.assert(
      fc.property(paths, values, (pointer, value) => {
        const changed = put(LEAST, pointer.split('/').slice(1), value)
        const isAccepted = refusalOf(() => parseSubmission(changed)) === 'accepted'
        if (isAccepted) accepted++
        expect(submission.Check(changed)).toBe(isAccepted)
      }),
      { numRuns: 2000 },
    )
    expect(accepted).toBeGreaterThan(300)
  })

  it('bounds numbers where it names them', () => {
    for (const pointer of ['/model/parameters/seed', '/model/parameters/top_p', '/metrics/cost']) {
      expect(submission.Check(put(LEAST, pointer.split('/').slice(1), 2 ** 53 - 1))).toBe(true)
      expect(submission.Check(put(LEAST, pointer.split('/').slice(1), 2 ** 53))).toBe(false)
    }
  })

  it('accepts of a record what parseRecord accepts, but for what needs more than one member to tell', () => {
    const leaf = leafOf({ ...LEAST, tool_calls: [{ name: 'x' }] })
    let refused = 0
    fc.assert(
      fc.property(paths, values, (pointer, value) => {
        const changed = put(leaf, pointer.split('/').slice(1), value)
        const bytes = Buffer.from(canonical(changed))
        const said = refusalOf(() => parseRecord(bytes))
        if (said === 'accepted') expect(record.Check(changed)).toBe(true)
        else if (
          !/no place for|go together|not every item|commits to a nonce|are the same/.test(said)
        ) {
          refused++
          expect(record.Check(changed), said).toBe(false)
        }
      }),
      { numRuns: 2000 },
    )
    expect(refused).toBeGreaterThan(300)
  })
})

/** Sorted, which is all that canonical JSON is for values of one's own. */
function canonical(value: JsonValue): string {
  return JSON.stringify(value, (_, one: unknown) =>
    typeof one === 'object' && one !== null && !Array.isArray(one)
      ? Object.fromEntries(Object.entries(one).sort(([a], [b]) => (a < b ? -1 : 1)))
      : one,
  )
}

describe('the specification of records', () => {
  const spec = readText('spec/record.md')

  it('has the table of members, row by row', () => {
    const rows = [...spec.matchAll(/^\| `(\/[^`]*)` \| (.*?) \| (.*?) \| (.*?) \|$/gm)]
    const told = rows.map(([, pointer, treatment, type, about]) => [
      pointer,
      treatment,
      type,
      about,
    ])
    expect(told).toEqual(MEMBER_RULES.map(rowOf))
  })

  it('names every type of record', () => {
    for (const type of [...RECORD_TYPES, ...LOG_RECORD_TYPES]) expect(spec).toContain(`\`${type}\``)
  })
})

function rowOf({ pointer, treatment, type, about }: MemberRule): string[] {
  const isType = pointer === '/type'
  return [pointer, treatment, isType ? 'one of the types below' : type.expected, about]
}
