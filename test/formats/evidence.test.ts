import { execFileSync } from 'node:child_process'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, describe, expect, it } from 'vitest'
import { toHex, utf8 } from '../../src/bytes.ts'
import {
  checkSums,
  formatEvidence,
  isEvidence,
  MAX_EVIDENCE_SIZE,
  readEvidence,
} from '../../src/formats/evidence.ts'
import {
  type EvidenceManifest,
  formatManifest,
  MAX_EVIDENCE_RECORDS,
  parseManifest,
} from '../../src/formats/evidence-manifest.ts'
import { hashLeaf } from '../../src/merkle/hash.ts'
import {
  evidenceFile,
  evidenceOf,
  filesOf,
  forged,
  headOfLog,
  MANIFEST,
  recordLog,
} from '../support/evidence.ts'
import { LEAST, refusalOf } from '../support/records.ts'
import { readText } from '../support/sources.ts'

const log = recordLog([0, 1, 2, 3, 4].map((i) => ({ ...LEAST, action: `step ${i}` })))
const file = evidenceFile(log, [1, 3], { olderSize: 2 })

let folder: string | undefined
afterEach(() => {
  if (folder !== undefined) rmSync(folder, { recursive: true })
  folder = undefined
})

/** Unpacks evidence with tar, and gives what runs a command where its files are. */
function unpacked(evidence: Uint8Array): (command: string) => string {
  folder = mkdtempSync(join(tmpdir(), 'cairn-evidence-'))
  writeFileSync(join(folder, 'trail.cairn'), evidence)
  execFileSync('tar', ['xf', 'trail.cairn'], { cwd: folder, stdio: ['ignore', 'pipe', 'inherit'] })
  const cwd = join(folder, 'cairn-evidence')
  return (command) =>
    execFileSync('bash', ['-euo', 'pipefail', '-c', command], { cwd, encoding: 'utf8' })
}

describe('an evidence file', () => {
  it('is the same whatever order its records come in', () => {
    const evidence = evidenceOf(log, [1, 3], { olderSize: 2 })
    const records = [...evidence.records]
      .reverse()
      .map((one) => ({ ...one, disclosures: [...one.disclosures].reverse() }))
    expect(formatEvidence({ ...evidence, records })).toEqual(file)
  })

  it('is known by its first bytes', () => {
    expect(isEvidence(file)).toBe(true)
    expect(isEvidence(file.subarray(0, 20))).toBe(false)
    expect(refusalOf(() => readEvidence(utf8('{}')))).toBe(
      'MALFORMED evidence begins with the file cairn-evidence/SHA256SUMS',
    )
  })

  it('has the files that it should, in their order', () => {
    expect(Object.keys(filesOf(file))).toEqual([
      'SHA256SUMS',
      'manifest.json',
      'timeline.txt',
      'records.jsonl',
      'disclosures.txt',
      'proof.txt',
      'checkpoint.txt',
      'policy.txt',
      'older-checkpoint.txt',
      'consistency.txt',
    ])
    const renamed = (from: string, to?: string) =>
      refusalOf(() =>
        readEvidence(
          forged(file, (files) => {
            const text = files[from]!
            delete files[from]
            if (to !== undefined) files[to] = text
          }),
        ),
      )
    expect(renamed('policy.txt')).toMatch(
      /has the file cairn-evidence\/older-checkpoint.txt where cairn-evidence\/policy.txt should be/,
    )
    expect(renamed('consistency.txt')).toMatch(/has no file consistency.txt/)
    expect(renamed('consistency.txt', '../../etc/passwd')).toMatch(
      /where cairn-evidence\/consistency.txt should be/,
    )
    expect(renamed('policy.txt', 'policy.txt')).toMatch(
      /where cairn-evidence\/policy.txt should be/,
    )
  })

  it('has sums of all its files', () => {
    const { parts, time } = readEvidence(file)
    const sums = (text: string) => refusalOf(() => checkSums({ parts, time, sums: utf8(text) }))
    const text = filesOf(file).SHA256SUMS!
    expect(sums(text)).toBe('accepted')
    expect(sums(text.replace(/^./, (c) => (c === '0' ? '1' : '0')))).toBe(
      'VERIFICATION_FAILED changed since the evidence was made: manifest.json',
    )
    for (const wrong of [
      '',
      `${text}\n`,
      text.slice(0, -1),
      text.toUpperCase(),
      text.replace('  ', ' *'),
      text.replace(/^.*\n/, ''),
    ]) {
      expect(sums(wrong)).toBe('MALFORMED SHA256SUMS is not the list of the files in the evidence')
    }
  })

  it('has one record or more, each once, with a hash for each node', () => {
    const evidence = evidenceOf(log, [1, 3])
    const [record] = evidence.records
    const made = (more: object) => () => formatEvidence({ ...evidence, ...more })
    expect(made({ records: [] })).toThrow('expected 1 to 100000 records, got 0')
    const tooMany = Array.from({ length: MAX_EVIDENCE_RECORDS + 1 }, () => record)
    expect(made({ records: tooMany })).toThrow('expected 1 to 100000 records, got 100001')
    expect(made({ records: [record, record] })).toThrow('entry 1 is there twice')
    expect(made({ proof: [] })).toThrow(/expected \d hashes, got 0/)
    expect(made({ checkpoint: headOfLog(log, 3) })).toThrow('leaf 3 is not in a tree of 3')
    expect(refusalOf(made({ records: [{ ...record, leaf: utf8('{}') }] }))).toMatch(/^MALFORMED/)
    const policy = new Uint8Array(MAX_EVIDENCE_SIZE)
    expect(refusalOf(made({ policy }))).toBe('TOO_LARGE evidence has 536870912 bytes at most')
  })

  it('is unpacked by tar, and checked by sha256sum', () => {
    const run = unpacked(file)
    expect(run('sha256sum -c --quiet SHA256SUMS')).toBe('')
    expect(run('ls').split('\n')).toHaveLength(11)
  })

  it('gives leaf hashes and commitments to whoever has a shell', () => {
    const run = unpacked(file)
    expect(
      run("(printf '\\0'; sed -n 2p records.jsonl | tr -d '\\n') | sha256sum | cut -c-64"),
    ).toBe(`${toHex(hashLeaf(log.leaves[3]!))}\n`)
    expect(run('sed -n 3p timeline.txt | cut -f8')).toBe(`${toHex(hashLeaf(log.leaves[3]!))}\n`)
    const commitment = run(
      "sed -n 1p disclosures.txt | cut -f2 | tr -d '\\n' | basenc -w0 --base64url | tr -d = | sha256sum | xxd -r -p | basenc --base64url | tr -d =",
    )
    const { commitments } = JSON.parse(Buffer.from(log.leaves[1]!).toString()) as {
      commitments: object
    }
    expect(Object.values(commitments)).toContain(commitment.trim())
  })

  it('is checked up to the root hash by the script in the specification', () => {
    const script = /```bash\n(#!\/bin\/bash[\s\S]*?)```/.exec(readText('spec/evidence.md'))?.[1]
    expect(script).toBeDefined()
    for (const size of [4, 5]) {
      const run = unpacked(evidenceFile(log, size === 4 ? [0, 3] : [1, 2, 4], { size }))
      const root = run('sed -n 3p checkpoint.txt | base64 -d | xxd -p -c 32')
      const said = run(script!)
      expect(said.split('\n').filter(Boolean)).toHaveLength(size === 4 ? 2 : 3)
      for (const line of said.trim().split('\n')) expect(line).toMatch(/^entry \d: in the tree$/)
      expect(root).toMatch(/^[0-9a-f]{64}\n$/)
      rmSync(folder!, { recursive: true })
      folder = undefined
    }
    const altered = forged(file, (files) => {
      files['records.jsonl'] = files['records.jsonl']!.replace('step 3', 'step 4')
    })
    expect(unpacked(altered)(`${script!}`)).toBe('entry 1: in the tree\nentry 3: NOT in the tree\n')
  })
})

describe('a manifest', () => {
  const manifest: EvidenceManifest = {
    ...MANIFEST,
    query: { type: 'decision', minimum_cost: 0.5, before: '2026-11-21T12:00:00.000Z' },
    grant: '019a9bd4-5c00-7abc-8def-0123456789ab',
    records: 3,
    disclosures: 0,
  }

  it('comes back as it was', () => {
    expect(parseManifest(formatManifest(manifest))).toEqual({
      version: 'cairn-evidence/v1',
      ...manifest,
    })
  })

  it.each<[string, object, RegExp]>([
    ['an origin', { origin: '' }, /\/origin/],
    ['a tenant', { tenant: 'a b' }, /\/tenant/],
    ['who asked', { asked_by: 'a\nb' }, /\/asked_by: expected a line/],
    ['a purpose', { purpose: '' }, /\/purpose/],
    ['a grant', { grant: 'x' }, /\/grant/],
    ['a time', { made: '2026-11-21' }, /\/made/],
    [
      'a time after 1970',
      { made: '1969-12-31T23:59:59.999Z' },
      /\/made: expected a time from 1970 to 2242/,
    ],
    [
      'a time before 2243',
      { made: '2243-01-01T00:00:00.000Z' },
      /\/made: expected a time from 1970/,
    ],
    ['records', { records: 0 }, /\/records: expected 1 to 100000/],
    ['fewer records', { records: 100_001 }, /\/records: expected 1 to 100000/],
    ['disclosures', { disclosures: -1 }, /\/disclosures: expected a whole number/],
    ['a type in its query', { query: { type: 'x' } }, /\/query\/type: expected one of/],
    [
      'a pseudonym in its query',
      { query: { subject: 'ann@example.com' } },
      /\/query\/subject: expected a pseudonym/,
    ],
    ['a number in its query', { query: { minimum_cost: -1 } }, /\/query\/minimum_cost/],
  ])('must have %s', (_, wrong, why) => {
    expect(refusalOf(() => formatManifest({ ...manifest, ...wrong }))).toMatch(why)
  })

  it.each<[string, (text: string) => string, RegExp]>([
    [
      'another version',
      (text) => text.replace('/v1', '/v2'),
      /\/version: expected one of cairn-evidence\/v1/,
    ],
    ['a member more', (text) => text.replace('{', '{"x": 1,'), /\/x: unknown/],
    [
      'a member twice',
      (text) => text.replace('{', '{"made": 1,'),
      /twice|again|duplicate|already/i,
    ],
    ['a member less', (text) => text.replace(/ {2}"made".*\n/, ''), /\/made: is missing/],
    [
      'an unknown member in its query',
      (text) => text.replace('"type"', '"kind"'),
      /\/query\/kind: unknown/,
    ],
    [
      'members in another order',
      (text) => text.replace(/( {2}"asked_by".*\n)( {2}"purpose".*\n)/, '$2$1'),
      /not written as manifests are/,
    ],
    ['other white space', (text) => text.trim(), /not written as manifests are/],
    [
      'another spelling of a number',
      (text) => text.replace('0.5', '5e-1'),
      /not written as manifests are/,
    ],
    [
      'another spelling of a text',
      (text) => text.replace('acme', '\\u0061cme'),
      /not written as manifests are/,
    ],
    ['too many bytes', (text) => text + ' '.repeat(65_536), /TOO_LARGE/],
  ])('is refused with %s', (_, change, why) => {
    const text = change(Buffer.from(formatManifest(manifest)).toString())
    expect(refusalOf(() => parseManifest(utf8(text)))).toMatch(why)
  })
})
