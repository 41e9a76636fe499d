import { describe, expect, it } from 'vitest'
import { verifyEvidence } from '../../src/client/verify-evidence.ts'
import type { CompletenessProof } from '../../src/formats/completeness.ts'
import type { MapTerm } from '../../src/formats/completeness-terms.ts'
import type { EvidenceQuery } from '../../src/formats/evidence-manifest.ts'
import { completenessOf, mapRootOf } from '../support/completeness-vectors.ts'
import {
  EVIDENCE_TRUST,
  type EvidenceOptions,
  evidenceFile,
  forged,
  MANIFEST,
  type RecordLog,
  recordId,
  recordLog,
} from '../support/evidence.ts'
import { LEAST, SUBJECT } from '../support/records.ts'

const FIRST = [
  { ...LEAST, request_id: 'req-7' },
  { ...LEAST, request_id: 'req-8' },
  { ...LEAST, request_id: 'req-7', action: 'step 2' },
  { type: 'correction', corrects: recordId(2), extra: {} },
] as const
const { leaves } = recordLog(FIRST)
const LAST = { ...LEAST, request_id: 'req-7', action: 'later' }
/** Four records, the root of their map, and one record more. */
const LOG = recordLog([...FIRST, mapRootOf(leaves), LAST])

const REQUEST: MapTerm = { tenant: 'acme', field: 'request', value: 'req-7' }
const proofOf = (term: MapTerm, log: RecordLog = LOG): CompletenessProof =>
  completenessOf(log, term, { size: 4, entry: 4 })

function check(
  indices: readonly number[],
  query: EvidenceQuery,
  completeness: CompletenessProof = proofOf(REQUEST),
  log = LOG,
): { ok: boolean; said: string } {
  const manifest: EvidenceOptions['manifest'] = { ...MANIFEST, query }
  const evidence = evidenceFile(log, indices, { manifest, completeness })
  return verdictOf(evidence)
}

function verdictOf(evidence: Uint8Array): { ok: boolean; said: string } {
  const { ok, checks } = verifyEvidence(evidence, EVIDENCE_TRUST)
  const failed = checks.filter(({ status }) => status === 'failed').map(({ name }) => name)
  expect(failed).toEqual(ok ? [] : ['completeness'])
  const { status, detail } = checks.find(({ name }) => name === 'completeness')!
  return { ok, said: `${status}: ${detail}` }
}

describe('evidence that is said to be complete', () => {
  it('is, when it has all that the log lists', () => {
    const said =
      'held: all 2 entries of the first 4 that the log lists under request req-7 are here, by the map to which it has committed in entry 4; an audit tells whether that map is right'
    expect(check([0, 2], { request_id: 'req-7' })).toEqual({ ok: true, said })
    // Corrections, and what came after the map.
    expect(check([0, 2, 3, 5], { request_id: 'req-7' })).toEqual({ ok: true, said })
    const one = check([1], { request_id: 'req-8' }, proofOf({ ...REQUEST, value: 'req-8' }))
    expect(one.said).toContain('the only entry of the first 4')
    const about = { tenant: 'acme', field: 'subject', value: SUBJECT } as const
    const both = check([0, 1, 2], { subject: SUBJECT, type: 'llm_request' }, proofOf(about))
    expect(both.said).toContain('all 3 entries')
  })

  it('is not, when a record is missing', () => {
    const { ok, said } = check([0], { request_id: 'req-7' })
    expect(ok).toBe(false)
    expect(said).toBe('failed: the log lists entry 2 under request req-7, too')
  })

  it('is not by the proof of something else', () => {
    const other = proofOf({ ...REQUEST, value: 'req-8' })
    expect(check([0, 2], { request_id: 'req-7' }, other).said).toContain(
      'failed: the proof is of request req-8, which was not asked for',
    )
    const foreign = proofOf({ ...REQUEST, tenant: 'other' })
    expect(check([0, 2], { request_id: 'req-7' }, foreign).ok).toBe(false)
    expect(check([0, 2], {}, proofOf(REQUEST)).ok).toBe(false)
  })

  it('convicts a log whose map leaves out a record that is there', () => {
    const wrong = leaves.with(2, leaves[1]!)
    const log = recordLog([...FIRST, mapRootOf(wrong), LAST])
    const { term, ...proof } = completenessOf({ leaves: wrong, tree: log.tree }, REQUEST, {
      size: 4,
      entry: 4,
      of: 6,
    })
    expect(check([0], { request_id: 'req-7' }, { term, ...proof }, log).ok).toBe(true)
    expect(check([0, 2], { request_id: 'req-7' }, { term, ...proof }, log).said).toBe(
      'failed: the log does not list entry 2 under request req-7: its map in entry 4 is wrong',
    )
  })

  it('is not by a proof that was changed, or is no proof', () => {
    const manifest = { ...MANIFEST, query: { request_id: 'req-7' } }
    const file = evidenceFile(LOG, [0, 2], { manifest, completeness: proofOf(REQUEST) })
    const changed = (from: string | RegExp, to: string): string =>
      verdictOf(
        forged(file, (files) => {
          files['completeness.txt'] = files['completeness.txt']!.replace(from, to)
        }),
      ).said
    expect(changed('has 0 2', 'has 0')).toContain('another root hash of the map')
    expect(changed('has 0 2', 'has 00 2')).toContain('not a decimal number')
    expect(changed('\n4\n4\n', '\n3\n3\n')).toContain('failed')
    expect(changed(/^[\s\S]*$/, '<script>alert(1)</script>\n')).toContain('begins with the line')
  })

  it('has its proof at the end, and nothing else', () => {
    const manifest = { ...MANIFEST, query: { request_id: 'req-7' } }
    const options = { manifest, completeness: proofOf(REQUEST) }
    const both = evidenceFile(LOG, [0, 2], { ...options, olderSize: 3 })
    expect(verdictOf(both).ok).toBe(true)
    const names = (change: (files: Record<string, string>) => void): string => {
      const { checks } = verifyEvidence(forged(both, change), EVIDENCE_TRUST)
      return `${checks[0]!.status}: ${checks[0]!.detail}`
    }
    expect(
      names((files) => {
        delete files['consistency.txt']
      }),
    ).toContain('failed: the evidence has the file cairn-evidence/completeness.txt where')
    expect(
      names((files) => {
        delete files['completeness.txt']
        files['more.txt'] = ''
      }),
    ).toContain('failed: the evidence has the file cairn-evidence/more.txt, too')
    expect(
      names((files) => {
        files['more.txt'] = ''
      }),
    ).toContain('failed')
  })
})
