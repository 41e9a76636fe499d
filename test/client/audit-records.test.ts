import { describe, expect, it } from 'vitest'
import { utf8 } from '../../src/bytes.ts'
import { type AskedSearch, parseSearchAnswer } from '../../src/client/audit-answer.ts'
import { shownByEvidence } from '../../src/client/audit-disclosures.ts'
import { type AuditOptions, auditLog } from '../../src/client/audit-log.ts'
import type { AuditVerdict } from '../../src/client/audit-verdict.ts'
import { formatMapRoot } from '../../src/formats/completeness-root.ts'
import { termsOf } from '../../src/formats/completeness-terms.ts'
import type { Disclosure } from '../../src/formats/disclosure.ts'
import type { JsonObject } from '../../src/formats/json-strict.ts'
import { parseRecord, parseSubmission, type SubmittedRecord } from '../../src/formats/record.ts'
import { signSubmission } from '../../src/formats/record-signature.ts'
import { ed25519SigningKey } from '../../src/formats/signing-key.ts'
import { rootHash } from '../../src/merkle/hash.ts'
import { treeSize } from '../../src/merkle/position.ts'
import { naiveTreeOf } from '../merkle/naive.ts'
import { MAP_KEY } from '../support/completeness-vectors.ts'
import { evidenceFile, headOfLog, type RecordLog, recordLog } from '../support/evidence.ts'
import { LOG_KEY, ORIGIN } from '../support/example-log.ts'
import { naiveMap } from '../support/naive-map.ts'
import { LEAST, NONCE, prepared, RECORD_TIME, refusalOf, SUBJECT } from '../support/records.ts'
import { memorySource } from './memory-source.ts'

const trust = { logKeys: [LOG_KEY.vkey] }
const SEED = new Uint8Array(32).fill(5)
const KEY = ed25519SigningKey('key-1', SEED)
const signed = signSubmission({ ...LEAST, nonce: NONCE }, { keyId: 'key-1', seed: SEED })
const submissions: readonly SubmittedRecord[] = [
  parseSubmission({ ...LEAST }),
  parseSubmission({ ...LEAST, request_id: 'req-2' }),
  signed,
  parseSubmission({ type: 'llm_request', request_id: 'req-1' }),
]
/** Four records, and a leaf that is none. */
const log = recordLog([...submissions, utf8('no record')])

function audit(of: RecordLog, options: Partial<AuditOptions> = {}): Promise<AuditVerdict> {
  const checkpoint = utf8(headOfLog(of))
  return auditLog({ source: memorySource(of.leaves), checkpoint, trust, ...options })
}

const checkOf = (verdict: AuditVerdict, name: string) =>
  verdict.checks.find((check) => check.name === name)
const shown = (indices: readonly number[]): ReadonlyMap<number, readonly Disclosure[]> =>
  new Map(indices.map((index) => [index, log.disclosures[index]!]))

describe('the audit of records', () => {
  it('finds nothing wrong with an honest log', async () => {
    const verdict = await audit(log)
    expect(verdict).toMatchObject({ ok: true, kind: 'audit', records: 4, faultCount: 0 })
    expect(verdict.finding).toContain('the 5 entries of log.example/audit are all there')
    expect(checkOf(verdict, 'records')?.status).toBe('held')
    expect(checkOf(verdict, 'record time')?.status).toBe('held')
    expect(checkOf(verdict, 'submitter signatures')).toEqual({
      name: 'submitter signatures',
      status: 'skipped',
      detail: '1 record is signed; none was checked: their payloads are not at hand',
    })
  })

  it('leaves records alone when it is told to', async () => {
    const bad = recordLog([utf8('{"version":"cairn-record/v1"}')])
    const verdict = await audit(bad, { records: false })
    expect(verdict).toMatchObject({ ok: true, records: 0 })
    expect(checkOf(verdict, 'records')?.status).toBe('skipped')
  })

  it('names an entry that says it is a record, and is none', async () => {
    const verdict = await audit(recordLog([...submissions, utf8('{"version":"cairn-record/v1"}')]))
    expect(verdict.ok).toBe(false)
    expect(verdict.faults).toEqual([
      { kind: 'record', name: 'entry 4', detail: expect.stringContaining('/id: it is missing') },
    ])
    expect(checkOf(verdict, 'records')?.detail).toContain('1 of 5')
    expect(verdict.finding).toMatch(/^something is wrong with log\.example\/audit: records: /)
    expect(verdict.origin).toBeUndefined()
    expect(verdict.head).toMatchObject({ size: 5 })
  })

  it('sees that time goes back', async () => {
    const late = prepared(submissions[0]!, { time: RECORD_TIME - 1 }).leaf
    const verdict = await audit(recordLog([...submissions, late, submissions[1]!]))
    expect(verdict.faults.map(({ kind, name }) => [kind, name])).toEqual([['time', 'entry 4']])
    expect(checkOf(verdict, 'record time')?.status).toBe('failed')
  })

  describe('with payloads at hand', () => {
    it('checks the signatures of submitters', async () => {
      const records = { submitterKeys: [KEY.vkey], disclosures: shown([0, 2]) }
      const verdict = await audit(log, { records })
      expect(verdict.ok).toBe(true)
      expect(checkOf(verdict, 'submitter signatures')?.detail).toBe(
        '1 record is signed by the submitter',
      )
      expect(checkOf(verdict, 'disclosures')?.detail).toBe(
        'what is shown of 2 records is what they commit to',
      )
    })

    it('says which it could not check', async () => {
      const stranger = await audit(log, { records: { disclosures: shown([2]) } })
      expect(checkOf(stranger, 'submitter signatures')).toMatchObject({
        status: 'skipped',
        detail: '1 record is signed; none was checked: 1 by keys that were not given',
      })
      const part = new Map([[2, log.disclosures[2]!.slice(1)]])
      const partly = await audit(log, { records: { submitterKeys: [KEY.vkey], disclosures: part } })
      expect(checkOf(partly, 'submitter signatures')?.status).toBe('skipped')
    })

    it('sees a record that its submitter has not signed', async () => {
      const other = ed25519SigningKey('key-1', new Uint8Array(32).fill(6))
      const records = { submitterKeys: [other.vkey], disclosures: shown([2]) }
      const verdict = await audit(log, { records })
      expect(verdict.faults.map(({ kind, name }) => [kind, name])).toEqual([
        ['signature', 'entry 2'],
      ])
      expect(checkOf(verdict, 'submitter signatures')?.status).toBe('failed')
      const both = await audit(log, {
        records: { ...records, submitterKeys: [other.vkey, KEY.vkey] },
      })
      expect(both.ok).toBe(true)
    })

    it('sees that something else is shown than was recorded', async () => {
      const wrong = new Map([[0, log.disclosures[1]!]])
      const verdict = await audit(log, { records: { disclosures: wrong } })
      expect(verdict.faults[0]).toMatchObject({ kind: 'disclosure', name: 'entry 0' })
      expect(checkOf(verdict, 'disclosures')?.status).toBe('failed')
    })

    it('takes them, and the head, from evidence', async () => {
      const { disclosures, checkpoint } = shownByEvidence(evidenceFile(log, [0, 2]))
      expect([...disclosures.keys()]).toEqual([0, 2])
      const records = { submitterKeys: [KEY.vkey], disclosures }
      const checkpoints = [{ name: 'complaint.cairn', note: checkpoint }]
      const verdict = await audit(log, { records, checkpoints })
      expect(verdict.ok).toBe(true)
      expect(checkOf(verdict, 'checkpoints')?.status).toBe('held')
      expect(() => shownByEvidence(utf8('no evidence'))).toThrow('evidence')
    })
  })
})

describe('the answer to a search', () => {
  const found = (index: number): JsonObject => {
    const { id, time, tenant, type, request_id, model } = parseRecord(log.leaves[index]!)
    const more = {
      ...(request_id !== undefined && { request_id }),
      ...(model && { model: { name: model.name! } }),
    }
    return { index, id, time, tenant, type, ...more }
  }
  const asked = { query: { request_id: 'req-1' } }
  const answer = (indices: readonly number[], more: JsonObject = {}): JsonObject => ({
    records: indices.map(found),
    size: 5,
    asked,
    ...more,
  })
  const held = (value: JsonObject, search?: AskedSearch) =>
    audit(log, { records: { answer: parseSearchAnswer(utf8(JSON.stringify(value)), search) } })
  const faultsOf = async (value: JsonObject, search?: AskedSearch) =>
    (await held(value, search)).faults.map(({ name, detail }) => `${name} ${detail}`)

  it('holds when it has all that was asked for, and nothing else', async () => {
    const verdict = await held(answer([3, 2, 0]))
    expect(verdict.ok).toBe(true)
    expect(checkOf(verdict, 'search answer')?.detail).toBe(
      'its 3 records are those among the first 5 entries of the log that were asked for',
    )
    expect(
      await faultsOf(
        answer([3, 2, 0], { asked: { query: { request_id: 'req-1' }, order: 'oldest' } }),
      ),
    ).toEqual([])
    expect(
      await faultsOf({ records: [], size: 5 }, { query: { request_id: 'req-9' }, tenant: 'acme' }),
    ).toEqual([])
    expect(await faultsOf(answer([2, 1, 0], { asked: { query: { subject: SUBJECT } } }))).toEqual(
      [],
    )
  })

  it.each([
    [
      'leaves a record out',
      answer([3, 0]),
      ['entry 2 is a record that was asked for, and the answer leaves it out'],
    ],
    ['is of an older log, and complete', answer([0], { size: 2 }), []],
    [
      'shows what was not asked for',
      answer([3, 2, 1, 0]),
      ['entry 1 is in the answer, and was not asked for: its request_id is another'],
    ],
    [
      'shows a record otherwise than it is',
      { ...answer([3, 2]), records: [found(3), found(2), { ...found(0), type: 'tool_call' }] },
      ['entry 0 does not say what the answer shows as its type'],
    ],
    [
      'shows a member that the record has not',
      { ...answer([3, 2]), records: [found(3), found(2), { ...found(0), session_id: 's' }] },
      ['entry 0 does not say what the answer shows as its session_id'],
    ],
    [
      'shows another model',
      { ...answer([3, 2]), records: [found(3), found(2), { ...found(0), model: { name: 'x' } }] },
      ['entry 0 does not say what the answer shows as its model'],
    ],
    [
      'shows a leaf that is no record',
      answer([3, 2, 0], { records: [{ ...found(0), index: 4 }, ...[3, 2, 0].map(found)] }),
      ['entry 4 is no record, and the answer shows one'],
    ],
    ['is a page that others follow', answer([3, 2], { cursor: 'c' }), []],
    [
      'is a page with a gap',
      answer([3, 0], { cursor: 'c' }),
      ['entry 2 is a record that was asked for, and the answer leaves it out'],
    ],
    ['is the last page', answer([2, 0], { asked: { ...asked, cursor: 'c' } }), []],
    [
      'is a page of the oldest',
      answer([0, 2], { asked: { ...asked, order: 'oldest' }, cursor: 'c' }),
      [],
    ],
  ])('is looked through when it %s', async (_, value, faults) => {
    expect(await faultsOf(value)).toEqual(faults)
  })

  it.each([
    ['no JSON', 'nothing', /^MALFORMED it is no answer to a search/],
    ['a list', '[]', /^MALFORMED/],
    ['an entry twice', answer([0, 0]), /^MALFORMED it has the entry 0 twice/],
    ['an entry beyond its size', answer([3], { size: 2 }), /^MALFORMED it has the entry 3/],
    [
      'nothing of what was asked',
      { records: [], size: 5 },
      /^USAGE the answer does not say what was asked/,
    ],
    [
      'an unknown thing asked',
      answer([], { asked: { query: { colour: 'red' }, tenant: 'acme' } }),
      /^MALFORMED .*colour/,
    ],
    ['a search that is none', answer([], { asked: { query: null } }), /^MALFORMED/],
    [
      'a person by name',
      answer([0], { asked: { query: { subject: 'ann' } } }),
      /^USAGE no record names its subject/,
    ],
    [
      'a resource',
      answer([0], { asked: { query: { resource: 'x' } } }),
      /^USAGE no record says in the clear/,
    ],
    ['no records, and nobody', answer([]), /^USAGE the answer has no records/],
    [
      'records of two tenants',
      answer([0], { asked: { ...asked, tenant: 'other' } }),
      /^USAGE .* of one tenant/,
    ],
    [
      'a part in another order',
      answer([0], { asked: { ...asked, order: 'costliest' }, cursor: 'c' }),
      /^USAGE a part/,
    ],
    ['too deep nesting', `{"size":1,"records":${'['.repeat(50)}${']'.repeat(50)}}`, /^MALFORMED/],
  ])('is refused with %s', (_, value, reason) => {
    const text = typeof value === 'string' ? value : JSON.stringify(value)
    expect(refusalOf(() => parseSearchAnswer(utf8(text)))).toMatch(reason)
  })
})

describe('the map of a log, in its audit', () => {
  const records = recordLog(submissions)
  const terms = (index: number) => {
    const leaf = records.leaves[index]
    return leaf === undefined ? [] : termsOf(parseRecord(leaf))
  }
  const statement = (size: number, change: object = {}) => {
    const root = rootHash(naiveMap(MAP_KEY, terms, size).root)
    return formatMapRoot({ origin: ORIGIN, size: treeSize(size), root, key: MAP_KEY, ...change })
  }
  const withMap = (...statements: readonly Uint8Array[]) =>
    recordLog([...submissions, ...statements])

  it('is made again from the entries', async () => {
    const verdict = await audit(withMap(statement(3), statement(4)))
    expect(verdict.ok).toBe(true)
    expect(checkOf(verdict, 'map')?.detail).toContain('2 times; the newest lists the first 4')
    expect(checkOf(await audit(records), 'map')).toBeUndefined()
  })

  it('is not the one that the log says it is', async () => {
    const verdict = await audit(withMap(statement(4, { root: rootHash(new Uint8Array(32)) })))
    expect(verdict.faults.map(({ kind, name }) => [kind, name])).toEqual([['map', 'entry 4']])
    expect(checkOf(verdict, 'map')?.status).toBe('failed')
  })

  it('is left alone where entries are missing', async () => {
    const leaves = [...Array.from({ length: 256 }, () => utf8('x')), statement(4)]
    const source = memorySource(leaves)
    const bundle = async (at: number, width: number) =>
      at === 0 ? new Uint8Array() : source.bundle(at, width)
    const other = { leaves, disclosures: [], tree: naiveTreeOf(leaves) }
    const verdict = await audit(other, { source: { ...source, bundle } })
    expect(checkOf(verdict, 'map')).toMatchObject({
      status: 'skipped',
      detail: 'not checked: entry 0 cannot be read, so that the map cannot be made again',
    })
  })
})
