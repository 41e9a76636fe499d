/** evidence.json, held against the specification by this code, and its hashes by node:crypto alone. */
import { createHash } from 'node:crypto'
import { describe, expect, it } from 'vitest'
import { utf8 } from '../../src/bytes.ts'
import { verifyEvidence } from '../../src/client/verify-evidence.ts'
import { parsePolicy } from '../../src/formats/policy.ts'
import { formatArchive } from '../../src/formats/ustar.ts'
import { parseVkey } from '../../src/formats/vkey.ts'
import { EVIDENCE_TRUST } from '../support/evidence.ts'
import type { EvidenceVector, EvidenceVectors } from '../support/evidence-vectors.ts'
import { readText } from '../support/sources.ts'

const vectors = JSON.parse(readText('spec/vectors/evidence.json')) as EvidenceVectors

function archiveOf({ time, files }: EvidenceVector): Uint8Array {
  return formatArchive({
    time,
    files: files.map(({ name, text }) => ({ name: `cairn-evidence/${name}`, bytes: utf8(text) })),
  })
}
const sha256 = (data: string | Uint8Array): string =>
  createHash('sha256').update(data).digest('hex')

describe('evidence.json', () => {
  it.each(vectors.evidence.map((one) => [one.name, one] as const))('%s', (_, one) => {
    const archive = archiveOf(one)
    expect(sha256(archive)).toBe(one.sha256)
    const [sums, ...files] = one.files
    expect(sums).toEqual({
      name: 'SHA256SUMS',
      text: files.map(({ name, text }) => `${sha256(text)}  ${name}\n`).join(''),
    })
    const verdict = verifyEvidence(archive, {
      logKeys: one.vkeys.map(parseVkey),
      ...(one.policy !== undefined && { policy: parsePolicy(utf8(one.policy)) }),
    })
    const failed = verdict.checks.filter(({ status }) => status === 'failed')
    expect(failed.map(({ name }) => name)).toEqual(one.failed_checks)
    expect(verdict.ok).toBe(one.valid)
    const problems = verdict.problems.map(({ kind, index }) => ({ kind, index }))
    expect(problems).toEqual(one.problems.map(({ kind, index }) => ({ kind, index })))
  })

  it('has the first as an archive', () => {
    expect(sha256(Buffer.from(vectors.archive, 'base64'))).toBe(vectors.evidence[0]!.sha256)
  })

  it.each(vectors.archives_refused.map((one) => [one.name, one] as const))(
    'refuses %s',
    (_, one) => {
      const whole = Buffer.from(vectors.archive, 'base64')
      const bytes = Buffer.from(one.bytes, 'base64')
      const end = one.at + bytes.length
      const changed = Buffer.concat([whole.subarray(0, one.at), bytes, whole.subarray(end)])
      expect(changed.equals(whole)).toBe(false)
      expect(verifyEvidence(changed, EVIDENCE_TRUST).ok).toBe(false)
    },
  )
})
