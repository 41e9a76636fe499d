/** The verdict on any file: the table that the library, the command and the page in the browser all agree on. */
import { beforeAll, describe, expect, it } from 'vitest'
import { utf8 } from '../../src/bytes.ts'
import { verdictJson } from '../../src/client/verdict-json.ts'
import { type FileVerdict, verifyFile } from '../../src/client/verify-file.ts'
import { LEAVES, LOG_KEY, tlogProofAt } from '../support/example-log.ts'
import { identity, issuing, stamp, timeStamping } from '../support/time-stamps.ts'
import { trustOf, type VerifierCase, verifierCases } from '../support/verifier-cases.ts'

const TRUST = { logKeys: [LOG_KEY.vkey] }

describe('the table of files to verify', () => {
  let cases: readonly VerifierCase[]
  let verdicts: readonly (readonly [VerifierCase, FileVerdict])[]
  beforeAll(async () => {
    cases = await verifierCases()
    verdicts = await Promise.all(
      cases.map(async (one) => [one, await verifyFile({ ...one, trust: trustOf(one) })] as const),
    )
  })

  it('has more than a hundred cases of every kind, good and bad, under names of their own', () => {
    expect(cases.length).toBeGreaterThan(150)
    expect(new Set(cases.map(({ name }) => name)).size).toBe(cases.length)
    const kinds = cases.map(({ kind, ok }) => `${kind} ${ok}`)
    const all = [
      'tlog-proof',
      'json',
      'cose',
      'checkpoint',
      'complete-list',
      'time-stamp',
      'split-view',
      'evidence',
    ]
    const expected = all.flatMap((kind) => [`${kind} true`, `${kind} false`])
    expect(new Set(kinds)).toEqual(new Set([...expected, 'unknown false']))
  })

  it('gets the verdicts that it names', () => {
    const given = verdicts.map(([{ name }, { ok, kind, checks }]) => {
      const failed = checks.filter(({ status }) => status === 'failed')
      return { name, ok, kind, failed: failed.map((check) => check.name) }
    })
    expect(given).toEqual(cases.map(({ name, ok, kind, failed }) => ({ name, ok, kind, failed })))
  })

  it('gets a sentence for each, and facts only where all is proven', () => {
    for (const [one, verdict] of verdicts) {
      const { finding, origin, size, index, root } = verdict
      expect(finding, one.name).toMatch(one.ok ? /\S/ : /^nothing is proven: ./)
      expect(finding, one.name).not.toMatch(/[\p{Cc}\p{Cf}]/u)
      if (!one.ok) expect([origin, size, index, root], one.name).toEqual(Array(4).fill(undefined))
      for (const { name, detail } of verdict.checks) {
        expect(detail, `${one.name}: ${name}`).toMatch(/^\P{Cc}+$/u)
      }
    }
  })

  it('says of evidence that nothing is left out only where that is shown', () => {
    const about = (start: string) =>
      verdicts.find(([{ name }]) => name === `evidence: ${start}`)![1].finding
    expect(about('all records of a request')).toMatch(/none of what was asked for is left out$/)
    expect(about('four records, and an earlier head')).not.toMatch(/left out/)
    expect(about('all records of a request but one')).toMatch(/^nothing is proven: the log lists/)
  })

  it('gets JSON that says all of it', () => {
    for (const [one, verdict] of verdicts) {
      const json = JSON.parse(JSON.stringify(verdictJson(verdict)))
      const { ok, kind, finding, checks, origin, size } = verdict
      expect(json, one.name).toMatchObject(
        JSON.parse(JSON.stringify({ ok, kind, finding, checks, origin, size })),
      )
    }
  })
})

describe('what is missing beside a file', () => {
  it('is named: the leaf of a receipt', async () => {
    const bytes = utf8(tlogProofAt(4, 13))
    const { ok, finding } = await verifyFile({ bytes, trust: TRUST })
    expect(ok).toBe(false)
    expect(finding).toMatch(/without the leaf that it is for/)
    expect((await verifyFile({ bytes, trust: TRUST, leaf: LEAVES[4] })).ok).toBe(true)
  })

  it('is named: the checkpoint of a time-stamp, and whom to trust with the time', async () => {
    const root = await identity({ name: 'Root', extensions: issuing() })
    const signer = await identity({ name: 'TSA', issuer: root, extensions: timeStamping() })
    const data = utf8('data')
    const bytes = await stamp({ signer, data })
    expect((await verifyFile({ bytes, trust: TRUST })).finding).toMatch(/without the checkpoint/)
    expect((await verifyFile({ bytes, data, trust: TRUST })).finding).toMatch(/no certificate/)
    const authorities = utf8('no certificate')
    await expect(verifyFile({ bytes, data, authorities, trust: TRUST })).rejects.toMatchObject({
      code: 'MALFORMED',
    })
  })
})
