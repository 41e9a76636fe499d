import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { toBase64Url, utf8 } from '../../src/bytes.ts'
import { canonicalJson } from '../../src/formats/canonical-json.ts'
import {
  type Disclosure,
  disclosureDigest,
  disclosureOf,
  makeDisclosure,
} from '../../src/formats/disclosure.ts'
import { parsePointer } from '../../src/formats/json-pointer.ts'
import { type JsonObject, type JsonValue, parseJson } from '../../src/formats/json-strict.ts'
import { parseRecord, type RecordLeaf } from '../../src/formats/record.ts'
import {
  rebuildShown,
  rebuildSubmission,
  verifyDisclosures,
} from '../../src/formats/record-rebuild.ts'
import { splitSubmission } from '../../src/formats/record-split.ts'
import { anyJson, anySubmission, LEAST, prepared, refusalOf } from '../support/records.ts'

const read = (bytes: Uint8Array): JsonValue => parseJson(bytes, { size: 1e9, depth: 99 })
const pointers = (disclosures: readonly Disclosure[]): string[] =>
  disclosures.map(({ pointer }) => pointer)

describe('a submission', () => {
  it('comes back exactly, from its record and its disclosures in any order', () => {
    const shuffled = anySubmission.chain((submission) => {
      const { leaf, disclosures } = prepared(submission)
      return fc.record({
        submission: fc.constant(submission),
        leaf: fc.constant(leaf),
        disclosures: fc.shuffledSubarray([...disclosures], { minLength: disclosures.length }),
      })
    })
    fc.assert(
      fc.property(shuffled, ({ submission, leaf, disclosures }) => {
        const rebuilt = rebuildSubmission(parseRecord(leaf), disclosures)
        // By way of JSON, in which minus zero is zero.
        expect(rebuilt).toEqual(JSON.parse(canonicalJson(submission)))
        expect(canonicalJson(rebuilt as unknown as JsonObject)).toBe(canonicalJson(submission))
      }),
      { numRuns: 300 },
    )
  })

  it('comes back when the log itself recorded it', () => {
    const submission = { type: 'access', actor: 'bob', purpose: 'audit' }
    const { leaf, disclosures } = prepared(submission, { by: 'log' })
    expect(rebuildSubmission(parseRecord(leaf), disclosures)).toEqual(submission)
  })

  it('comes back from what was stored of its disclosures', () => {
    const { leaf, disclosures } = prepared(
      '{"type":"llm_request","__proto__":{"a":1},"effects":[1,2],"model":{"constructor":2}}',
    )
    const stored = disclosures.map(({ json }) => disclosureOf(json.slice()))
    expect(stored).toEqual(disclosures)
    const rebuilt = rebuildSubmission(parseRecord(leaf), stored)
    expect(Object.keys(rebuilt).sort()).toEqual(['__proto__', 'effects', 'model', 'type'])
    expect(Object.getPrototypeOf(rebuilt)).toBe(Object.prototype)
    expect(rebuilt.model).toEqual({ constructor: 2 })
  })
})

describe('the disclosures of a record', () => {
  it('are told from those of any other, and from what is missing', () => {
    const split = fc.tuple(anySubmission, fc.array(fc.boolean(), { minLength: 60, maxLength: 60 }))
    fc.assert(
      fc.property(split, ([submission, shown]) => {
        const { leaf, disclosures } = prepared(submission)
        const others = prepared(LEAST, { salts: (count) => new Uint8Array(16 * count) }).disclosures
        const some = disclosures.filter((_, i) => shown[i % 60])
        const verdict = verifyDisclosures(parseRecord(leaf), [...others, ...some])
        expect(pointers(verdict.held)).toEqual(pointers(some))
        expect(verdict.foreign).toEqual(others)
        expect([...verdict.undisclosed].sort()).toEqual(
          pointers(disclosures.filter((_, i) => !shown[i % 60])).sort(),
        )
        for (const { pointer, value, json } of verdict.held) {
          expect((read(json) as JsonValue[]).slice(1)).toEqual([pointer, value])
        }
      }),
      { numRuns: 50 },
    )
  })

  it('are noticed to be others after any change', () => {
    const { leaf, disclosures } = prepared({
      type: 'llm_request',
      input: { prompt: 'hello', data: [1] },
    })
    const record = parseRecord(leaf)
    const change = fc.tuple(fc.nat(), fc.integer({ min: 1, max: 255 }), fc.nat(1))
    fc.assert(
      fc.property(change, ([place, bits, which]) => {
        const { pointer, json } = disclosures[which]!
        const at = place % json.length
        const changed = { pointer, json: json.with(at, json[at]! ^ bits) }
        const verdict = verifyDisclosures(record, [changed])
        expect(verdict.held).toEqual([])
        expect(verdict.foreign).toEqual([changed])
        expect(
          refusalOf(() => rebuildSubmission(record, [changed, disclosures[1 - which]!])),
        ).toContain(`VERIFICATION_FAILED the record does not commit to the disclosure ${pointer}`)
      }),
    )
  })

  it('open what they are of, and nothing else: not by another pointer, nor twice', () => {
    const { leaf, disclosures } = prepared(LEAST)
    const record = parseRecord(leaf)
    const [prompt, , subject] = disclosures as [Disclosure, Disclosure, Disclosure]
    const moved = { pointer: '/input/prompt', json: subject.json }
    expect(verifyDisclosures(record, [moved]).foreign).toEqual([moved])
    expect(verifyDisclosures(record, [prompt, prompt]).foreign).toEqual([prompt])
    expect(verifyDisclosures(record, []).undisclosed).toHaveLength(3)
  })

  it('have all to be there for the submission', () => {
    const { leaf, disclosures } = prepared(LEAST)
    const record = parseRecord(leaf)
    expect(refusalOf(() => rebuildSubmission(record, disclosures.slice(1)))).toBe(
      'VERIFICATION_FAILED not disclosed: /input/prompt',
    )
    expect(refusalOf(() => rebuildSubmission(record, [...disclosures, disclosures[0]!]))).toBe(
      'VERIFICATION_FAILED the record does not commit to the disclosure /input/prompt',
    )
  })
})

describe('what is left of a submission', () => {
  /** Takes a member out, or leaves null where an item of an array was. */
  function take(root: JsonValue, pointer: string): void {
    const names = parsePointer(pointer)
    const last = names.pop()!
    const frame = names.reduce<unknown>((at, name) => (at as Record<string, unknown>)[name], root)
    if (Array.isArray(frame)) frame[Number(last)] = null
    else delete (frame as Record<string, unknown>)[last]
  }

  it('has all that is shown and nothing else, whatever that is', () => {
    const split = fc.tuple(anySubmission, fc.array(fc.boolean(), { minLength: 60, maxLength: 60 }))
    fc.assert(
      fc.property(split, ([submission, shown]) => {
        const { leaf, disclosures } = prepared(submission)
        const record = parseRecord(leaf)
        const some = disclosures.filter((_, i) => shown[i % 60])
        const { held, undisclosed } = verifyDisclosures(record, some)
        const left = JSON.parse(canonicalJson(submission)) as JsonObject
        const { taken } = splitSubmission(left)
        for (const { pointer, value } of taken) {
          if (!undisclosed.includes(pointer)) continue
          const pointers = pointer === '/extra' ? Object.keys(value as JsonObject) : [pointer]
          for (const one of pointers) take(left, one)
        }
        expect(rebuildShown(record, held)).toEqual(left)
      }),
      { numRuns: 100 },
    )
  })

  it('is in its place though what stood before it is gone', () => {
    const { leaf, disclosures } = prepared({
      type: 'tool_call',
      effects: ['a', 'b', 'c'],
      tool_calls: [{ name: 't', arguments: 1 }],
    })
    const record = parseRecord(leaf)
    const { held } = verifyDisclosures(
      record,
      disclosures.filter(({ pointer }) => pointer === '/effects/1'),
    )
    expect(rebuildShown(record, held)).toEqual({
      type: 'tool_call',
      effects: [null, 'b', null],
      tool_calls: [{ name: 't' }],
    })
  })
})

/** What a log would write that commits to whatever it likes. */
function lie(submission: JsonObject, taken: Record<string, JsonValue>): [RecordLeaf, Disclosure[]] {
  const { leaf, disclosures } = prepared(submission)
  const lies = Object.entries(taken).map(([pointer, value], i) =>
    makeDisclosure(pointer, value, new Uint8Array(16).fill(i)),
  )
  const digests = lies.map((one) => [one.pointer, toBase64Url(disclosureDigest(one))])
  const value = JSON.parse(Buffer.from(leaf).toString()) as { commitments: object }
  const commitments = { ...value.commitments, ...Object.fromEntries(digests) }
  const kept = disclosures.filter(({ pointer }) => !Object.hasOwn(taken, pointer))
  const record = parseRecord(utf8(canonicalJson({ ...value, commitments } as JsonObject)))
  return [record, [...kept, ...lies]]
}

describe('a log that commits to what nobody can have submitted', () => {
  const deep = (depth: number): JsonValue => (depth === 0 ? 1 : [deep(depth - 1)])
  it.each<[string, JsonObject, Record<string, JsonValue>, string]>([
    [
      'a prompt that is no text',
      { input: {} },
      { '/input/prompt': { a: 1 } },
      '/input/prompt: expected text',
    ],
    [
      'a person that is no text',
      { subject: 'ann' },
      { '/subject': ['ann'] },
      '/subject: expected a line',
    ],
    [
      'a document that is no object',
      { input: { documents: [{}] } },
      { '/input/documents/0': 1 },
      '/input/documents/0: expected an object',
    ],
    [
      'a list of pointers that is none',
      {},
      { '/extra': [] },
      '/extra: expected an object of pointers',
    ],
    ['no members under extra', {}, { '/extra': {} }, 'contradicts what is in the clear'],
    [
      'a member of the table under extra',
      { model: {} },
      { '/extra': { '/model/name': 'm' } },
      'contradicts what is in the clear',
    ],
    [
      'a member that is there',
      { model: { name: 'm' } },
      { '/extra': { '/model/name': 'n' } },
      '/model/name: there is no place for it',
    ],
    [
      'a prompt under extra',
      { input: {} },
      { '/extra': { '/input/prompt': 'x' } },
      'contradicts what is in the clear',
    ],
    [
      'a member of the log under extra',
      {},
      { '/extra': { '/id': 'x' } },
      '/id: it is given by the log',
    ],
    [
      'a type under extra',
      {},
      { '/extra': { '/type': 'deletion' } },
      '/type: there is no place for it',
    ],
    [
      'a member within extra',
      {},
      { '/extra': { '/extra': {}, '/extra/a': 1 } },
      'contradicts what is in the clear',
    ],
    [
      'a member without a frame',
      {},
      { '/extra': { '/input/foo': 1 } },
      '/input/foo: there is no place for it',
    ],
    [
      'an item of a list under extra',
      { effects: [] },
      { '/extra': { '/effects/0': 1 } },
      'contradicts what is in the clear',
    ],
    [
      'an item far out',
      { effects: [] },
      { '/extra': { '/effects/9': 1 } },
      '/effects/9: there is no place for it',
    ],
    [
      'the length of a list',
      { effects: [] },
      { '/extra': { '/effects/length': 1 } },
      '/effects/length: there is no place',
    ],
    [
      'a member of text',
      { model: { name: 'm' } },
      { '/extra': { '/model/name/0': 'x' } },
      '/model/name/0: there is no place',
    ],
    ['the whole', {}, { '/extra': { '': {} } }, 'the top level: there is no place for it'],
    ['what is no pointer', {}, { '/extra': { foo: 1 } }, 'a JSON Pointer is made of parts'],
    ['too much nesting', { input: {} }, { '/input/data': deep(31) }, 'it is nested too deep'],
    [
      'too much nesting under extra',
      { model: {} },
      { '/extra': { '/model/b': deep(31) } },
      'it is nested too deep',
    ],
    [
      'another tenant',
      { tenant: 'acme' },
      { '/tenant': 'other' },
      'contradicts what is in the clear',
    ],
  ])('%s', (_, members, taken, message) => {
    const [record, disclosures] = lie({ type: 'llm_request', ...members }, taken)
    const said = refusalOf(() => rebuildSubmission(record, disclosures))
    expect(said).toContain('VERIFICATION_FAILED')
    expect(said).toContain(message)
    const { held } = verifyDisclosures(record, disclosures)
    const shown = refusalOf(() => rebuildShown(record, held))
    expect(shown === 'accepted' || shown.startsWith('VERIFICATION_FAILED')).toBe(true)
  })

  it('as the nesting goes that may be submitted', () => {
    const [record, disclosures] = lie(
      { type: 'llm_request', input: {} },
      { '/input/data': deep(30) },
    )
    expect(rebuildSubmission(record, disclosures).input?.data).toEqual(deep(30))
  })

  it('a disclosure that is none, under a commitment that holds', () => {
    const value = JSON.parse(
      Buffer.from(prepared({ type: 'deletion' }).leaf).toString(),
    ) as JsonObject
    const json = utf8('["AAAAAAAAAAAAAAAAAAAAAA","/resource", "a"]')
    const commitments = { '/resource': toBase64Url(disclosureDigest({ json })) }
    const record = parseRecord(utf8(canonicalJson({ ...value, commitments })))
    const disclosure = { pointer: '/resource', json }
    expect(verifyDisclosures(record, [disclosure])).toEqual({
      held: [],
      foreign: [disclosure],
      undisclosed: ['/resource'],
    })
  })

  it('a disclosure of another member than the one committed to', () => {
    const value = JSON.parse(
      Buffer.from(prepared({ type: 'deletion', action: 'x' }).leaf).toString(),
    )
    const other = makeDisclosure('/nonce', 'AAECAwQFBgcICQoLDA0ODw', new Uint8Array(16))
    const commitments = { '/resource': toBase64Url(disclosureDigest(other)) }
    const record = parseRecord(utf8(canonicalJson({ ...(value as JsonObject), commitments })))
    for (const pointer of ['/nonce', '/resource']) {
      const given = { pointer, json: other.json }
      expect(verifyDisclosures(record, [given])).toMatchObject({ held: [], foreign: [given] })
    }
  })

  it('whatever it commits to under extra: a submission comes back that has this very record, or none', () => {
    const names = fc.constantFrom(
      '/a',
      '/model/b',
      '/model/name',
      '/input/prompt',
      '/extra',
      '/effects/0',
      '/tool_calls/0/x',
      '/x/y',
    )
    const members = { type: 'llm_request', model: {}, input: {}, effects: [], tool_calls: [{}] }
    let accepted = 0
    fc.assert(
      fc.property(fc.dictionary(names, anyJson, { noNullPrototype: true }), (extra) => {
        const [record, disclosures] = lie(members, { '/extra': extra })
        if (refusalOf(() => rebuildSubmission(record, disclosures)) !== 'accepted') return
        accepted++
        const again = prepared(rebuildSubmission(record, disclosures), {
          salts: () => new Uint8Array(16),
        })
        expect(parseRecord(again.leaf)).toEqual(record)
      }),
      { numRuns: 500 },
    )
    expect(accepted).toBeGreaterThan(10)
  })
})
