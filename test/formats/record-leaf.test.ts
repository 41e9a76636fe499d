import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { utf8 } from '../../src/bytes.ts'
import { canonicalJson } from '../../src/formats/canonical-json.ts'
import type { JsonObject, JsonValue } from '../../src/formats/json-strict.ts'
import { parseRecord } from '../../src/formats/record.ts'
import { LOG_RECORD_TYPES, MEMBER_RULES } from '../../src/formats/record-members.ts'
import {
  ACTOR,
  anyJson,
  anySubmission,
  NONCE,
  OTHER_ID,
  prepared,
  RECORD_ID,
  refusalOf,
  SIGNATURE,
} from '../support/records.ts'

const text = (bytes: Uint8Array): string => Buffer.from(bytes).toString()
type Json = Record<string, JsonValue>

const FULL: JsonObject = {
  type: 'llm_request',
  request_id: 'req-1',
  claimed_time: '2026-11-21T11:59:59Z',
  actor: 'support-bot',
  subject: 'ann@example.com',
  resource: 'case/7',
  input: { prompt: 'hello', system_prompt_version: 'v3', documents: [{ id: 'a' }, { id: 'b' }] },
  model: { name: 'm', parameters: { temperature: 0.7, seed: 1 } },
  guardrails: [{ name: 'pii', verdict: 'pass', score: 0.1, reason: 'nothing' }],
  output: { text: 'hi', finish_reason: 'stop' },
  tool_calls: [{ id: 'c1', name: 'search', arguments: { q: 'x' } }, { name: 'stop' }],
  effects: Array.from({ length: 11 }, (_, i) => i),
  metrics: { input_tokens: 3, cost: 0.5 },
  nonce: NONCE,
  signature: SIGNATURE,
  user: 'ann',
}
const LEAF = text(prepared(FULL).leaf)

/** The leaf after a change, written canonically again. */
function changed(
  change: (leaf: Json & { commitments: Json }) => void,
  leaf: string = LEAF,
): Uint8Array {
  const value = JSON.parse(leaf) as Json & { commitments: Json }
  change(value)
  // By way of text, which has no holes in its arrays.
  return utf8(canonicalJson(JSON.parse(JSON.stringify(value)) as JsonValue))
}
const refusal = (leaf: Uint8Array): string => refusalOf(() => parseRecord(leaf))
const at = (leaf: Json, name: string): Json => leaf[name] as Json

describe('a record that is read', () => {
  it('is what was prepared, whatever was submitted', () => {
    fc.assert(
      fc.property(anySubmission, (submission) => {
        const { leaf, disclosures } = prepared(submission)
        const record = parseRecord(leaf)
        expect(record).toEqual(JSON.parse(text(leaf)))
        expect(Object.keys(record.commitments).sort()).toEqual(
          disclosures.map(({ pointer }) => pointer).sort(),
        )
      }),
    )
  })

  it.each<[string, (leaf: string) => string]>([
    ['white space', (leaf) => leaf.replace(',', ', ')],
    ['a newline at the end', (leaf) => `${leaf}\n`],
    [
      'members in another order',
      (leaf) => leaf.replace(/"type":"llm_request",("version":"[^"]*")/, '$1,"type":"llm_request"'),
    ],
    ['an escape too many', (leaf) => leaf.replace('"req-1"', '"\\u0072eq-1"')],
    ['another spelling of a number', (leaf) => leaf.replace('"cost":0.5', '"cost":5e-1')],
    ['a fraction of zero', (leaf) => leaf.replace('"input_tokens":3', '"input_tokens":3.0')],
    ['a member twice', (leaf) => leaf.replace('"id":', `"id":"${RECORD_ID}","id":`)],
    ['a byte-order mark', (leaf) => `\ufeff${leaf}`],
    ['nothing', () => ''],
    ['an array', (leaf) => `[${leaf}]`],
    ['plain text', () => 'genesis'],
  ])('has one spelling: not with %s', (_, respell) => {
    expect(respell(LEAF)).not.toBe(LEAF)
    expect(refusal(utf8(respell(LEAF)))).toContain('MALFORMED')
  })

  it.each(['version', 'id', 'time', 'tenant', 'type', 'commitments'])('has a member %s', (name) => {
    expect(refusal(changed((leaf) => delete leaf[name]))).toContain(
      `MALFORMED /${name}: it is missing`,
    )
  })

  it.each<[string, (leaf: Json & { commitments: Json }) => void, string]>([
    [
      'of another version',
      (leaf) => (leaf.version = 'cairn-record/v2'),
      '/version: expected one of cairn-record/v1',
    ],
    [
      'with an id that is no UUIDv7',
      (leaf) => (leaf.id = 'req-1'),
      '/id: expected the id of a record',
    ],
    [
      'without milliseconds',
      (leaf) => (leaf.time = '2026-11-21T12:00:00Z'),
      '/time: expected a time of the form',
    ],
    [
      'of a day that is none',
      (leaf) => (leaf.time = '2026-11-31T12:00:00.000Z'),
      '/time: expected a time of the form',
    ],
    [
      'of another time zone',
      (leaf) => (leaf.time = '2026-11-21T12:00:00.000+00:00'),
      '/time: expected',
    ],
    ['with a tenant that is no name', (leaf) => (leaf.tenant = 'a b'), '/tenant: expected a name'],
    [
      'of a type that is none',
      (leaf) => (leaf.type = 'chat'),
      '/type: expected one of llm_request',
    ],
    [
      'with a person',
      (leaf) => (leaf.subject = 'ann@example.com'),
      '/subject: expected a pseudonym',
    ],
    [
      'with a short pseudonym',
      (leaf) => (leaf.actor = ACTOR.slice(0, -1)),
      '/actor: expected a pseudonym',
    ],
    [
      'with a pseudonym in a second spelling',
      (leaf) => (leaf.actor = `${ACTOR.slice(0, -1)}B`),
      '/actor: expected',
    ],
    ['with an unknown member', (leaf) => (leaf.user = 'ann'), '/user: no record has this member'],
    [
      'with an unknown member of the model',
      (leaf) => (at(leaf, 'model').owner = 'ann'),
      '/model/owner: no record has',
    ],
    [
      'with a prompt',
      (leaf) => (at(leaf, 'input').prompt = 'hello'),
      '/input/prompt: no record has this member in the clear',
    ],
    [
      'with a resource',
      (leaf) => (leaf.resource = 'case/7'),
      '/resource: no record has this member in the clear',
    ],
    [
      'with a nonce',
      (leaf) => (leaf.nonce = NONCE),
      '/nonce: no record has this member in the clear',
    ],
    ['with extra', (leaf) => (leaf.extra = {}), '/extra: no record has this member in the clear'],
    [
      'with a reason',
      (leaf) => ((leaf.guardrails as Json[])[0]!.reason = 'x'),
      '/guardrails/0/reason: no record has',
    ],
    [
      'with a document',
      (leaf) => (at(leaf, 'input').documents = [{}]),
      '/input/documents/0: no record has this member in the clear',
    ],
    [
      'with an effect',
      (leaf) => (leaf.effects = [0]),
      '/effects/0: no record has this member in the clear',
    ],
    [
      'with a metric that is text',
      (leaf) => (at(leaf, 'metrics').cost = '0.5'),
      '/metrics/cost: expected a number',
    ],
    ['with the wrong frame', (leaf) => (leaf.output = []), '/output: expected an object'],
    [
      'with a signature cut short',
      (leaf) => delete at(leaf, 'signature').value,
      '/signature/value: it is missing',
    ],
    [
      'with more in the signature',
      (leaf) => (at(leaf, 'signature').alg = 'none'),
      '/signature/alg: no record has',
    ],
    [
      'that corrects, and is no correction',
      (leaf) => (leaf.corrects = OTHER_ID),
      '/corrects: only a record of type correction',
    ],
    [
      'that is a correction of nothing',
      (leaf) => (leaf.type = 'correction'),
      '/corrects: it is missing',
    ],
    [
      'that is signed without a nonce',
      (leaf) => delete leaf.commitments['/nonce'],
      '/signature: a signed record commits to a nonce',
    ],
    [
      'with a pseudonym that nothing is behind',
      (leaf) => delete leaf.commitments['/subject'],
      '/subject: a pseudonym and a commitment go together',
    ],
    [
      'with a person but no pseudonym',
      (leaf) => delete leaf.actor,
      '/actor: a pseudonym and a commitment go together',
    ],
    [
      'with commitments in a list',
      (leaf) => (leaf.commitments = [] as never),
      '/commitments: expected an object',
    ],
    [
      'with a commitment in hexadecimal',
      (leaf) => (leaf.commitments['/resource'] = 'ab'.repeat(32)),
      'that to /resource is not a SHA-256',
    ],
    [
      'with a commitment of bits too many',
      (leaf) => (leaf.commitments['/resource'] = `${'A'.repeat(42)}B`),
      'that to /resource is not a SHA-256',
    ],
    [
      'with two commitments that are the same',
      (leaf) => (leaf.commitments['/resource'] = leaf.commitments['/nonce']!),
      '/commitments: two of them are the same',
    ],
    [
      'with the frame of a commitment gone',
      (leaf) => delete leaf.output,
      'the record has no place for /output/finish_reason',
    ],
    [
      'with an item of a list gone',
      (leaf) => delete leaf.effects,
      'the record has no place for /effects/0',
    ],
    [
      'with a list shorter than its commitments',
      (leaf) => (leaf.guardrails = []),
      'the record has no place for /guardrails/0/reason',
    ],
    [
      'with not all documents committed to',
      (leaf) => delete leaf.commitments['/input/documents/0'],
      'not every item of /input/documents is committed to',
    ],
    [
      'with a gap in the effects',
      (leaf) => delete leaf.commitments['/effects/10'] && delete leaf.commitments['/effects/4'],
      'not every item of /effects is committed to',
    ],
  ])('is none %s', (_, change, message) => {
    const said = refusal(changed(change))
    expect(said).toContain('MALFORMED')
    expect(said).toContain(message)
  })

  it.each([
    '',
    '/',
    '/user',
    '/type',
    '/version',
    '/commitments',
    '/input',
    '/input/documents',
    '/input/documents/02',
    '/input/documents/-1',
    '/input/documents/2x',
    '/input/documents/0/id',
    '/input/system_prompt_version',
    '/input/prompt/0',
    '/model/name',
    '/model/owner',
    '/tool_calls/2/arguments',
    '/tool_calls/01/arguments',
    '/tool_calls/1/name',
    '/tool_calls/arguments',
    '/decision/outcome',
    '/signature/value',
    '/extra/team',
    'resource',
    '/__proto__',
    '/output/constructor',
  ])('has no place for a commitment to %j', (pointer) => {
    const leaf = changed(({ commitments }) => (commitments[pointer] = `${'A'.repeat(42)}E`))
    expect(refusal(leaf)).toContain('MALFORMED /commitments: the record has no place for')
  })

  it('commits to 1000 members at most, and to 500 items of a list', () => {
    const digest = (i: number): string => Buffer.alloc(32, `${i} `).toString('base64url')
    const leaf = changed(({ commitments }) => {
      for (let i = 0; i < 501; i++) commitments[`/effects/${i}`] = digest(i)
    })
    expect(refusal(leaf)).toContain('not every item of /effects is committed to')
    const more = changed(({ commitments }) => {
      for (let i = 0; i < 1000; i++) commitments[`/x${i}`] = digest(i)
    })
    expect(refusal(more)).toMatch(/1000 of them at most|TOO_LARGE/)
  })

  it('is one that prepareRecord writes: what is accepted after any change could have been submitted', () => {
    const names = [
      'input',
      'output',
      'model',
      'metrics',
      'tool_calls',
      'guardrails',
      'effects',
      'tenant',
      'type',
    ]
    const places = fc.constantFrom(...names, 'commitments', 'subject', 'decision', 'action', 'x')
    const below = fc.constantFrom(
      'prompt',
      'documents',
      'name',
      'outcome',
      '/effects/0',
      '/effects/1',
      '/extra',
      '0',
    )
    const values = fc.oneof(
      anyJson,
      fc.constantFrom<JsonValue[]>(
        {},
        [],
        'm',
        ACTOR,
        'decision',
        `${'A'.repeat(42)}E`,
        [{ name: 'x' }],
        'acme',
      ),
    )
    const changes = fc.array(fc.tuple(places, fc.option(below), fc.option(values)), {
      minLength: 1,
      maxLength: 3,
    })
    let accepted = 0
    fc.assert(
      fc.property(changes, (edits) => {
        const leaf = changed(
          (value) => {
            for (const [place, name, put] of edits) {
              const frame = name === null ? value : value[place]
              const member = name ?? place
              if (typeof frame !== 'object' || frame === null) continue
              if (put === null) delete (frame as Json)[member]
              else (frame as Json)[member] = structuredClone(put)
            }
          },
          text(
            prepared({ type: 'llm_request', effects: [1], input: { prompt: 'x' }, model: {} }).leaf,
          ),
        )
        if (refusal(leaf) !== 'accepted') return
        accepted++
        expect(shapeOf(prepared(submissionLike(leaf), likeLeaf(leaf)).leaf)).toEqual(shapeOf(leaf))
      }),
      { numRuns: 3000 },
    )
    expect(accepted).toBeGreaterThan(30)
  })
})

/** A leaf with its commitments blanked. */
function shapeOf(leaf: Uint8Array): Json {
  const value = JSON.parse(text(leaf)) as Json & { commitments: Json }
  return { ...value, commitments: Object.keys(value.commitments).sort() }
}

function likeLeaf(leaf: Uint8Array): Parameters<typeof prepared>[1] {
  const { tenant, subject, actor, type } = parseRecord(leaf)
  return {
    tenant,
    pseudonyms: {
      ...(actor !== undefined && { actor }),
      ...(subject !== undefined && { subject }),
    },
    ...(LOG_RECORD_TYPES.some((own) => own === type) && { by: 'log' as const }),
  }
}

/** A submission that has such a leaf: the members in the clear, and something for each commitment. */
function submissionLike(leaf: Uint8Array): JsonObject {
  const { version, id, time, tenant, commitments, actor, subject, ...clear } = JSON.parse(
    text(leaf),
  ) as Json
  const submission = clear as Json
  for (const pointer of Object.keys(commitments as object)) {
    const names = pointer.split('/').slice(1)
    const last = names.pop()!
    const frame = names.reduce<Json>((one, name) => one[name] as Json, submission)
    const { type } = MEMBER_RULES.find((rule) => rule.pointer === pointer.replace(/\/\d+/g, '/*'))!
    const candidates: JsonValue[] = pointer === '/tenant' ? [tenant!] : ['x', NONCE, [], { a: 1 }]
    frame[last] = candidates.find((value) => type.holds(value))!
  }
  return submission
}
