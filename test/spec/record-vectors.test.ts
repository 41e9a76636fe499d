/** records.json, held against the specification by node:crypto and JSON.parse alone, and against this code. */
import { createHash, createPublicKey, verify } from 'node:crypto'
import { describe, expect, it } from 'vitest'
import { fromHex, utf8 } from '../../src/bytes.ts'
import { canonicalJson } from '../../src/formats/canonical-json.ts'
import { parseDisclosure } from '../../src/formats/disclosure.ts'
import { type JsonObject, type JsonValue, parseJson } from '../../src/formats/json-strict.ts'
import { parseRecord, parseSubmission } from '../../src/formats/record.ts'
import { rebuildSubmission, verifyDisclosures } from '../../src/formats/record-rebuild.ts'
import { verifySubmission } from '../../src/formats/record-signature.ts'
import type { RecordVectors } from '../support/record-vectors.ts'
import { prepared, refusalOf } from '../support/records.ts'
import { readText } from '../support/sources.ts'

const vectors = JSON.parse(readText('spec/vectors/records.json')) as RecordVectors
const sha256 = (data: string): Buffer => createHash('sha256').update(data).digest()

interface Leaf {
  readonly commitments: Readonly<Record<string, string>>
  readonly [name: string]: unknown
}

describe('records.json', () => {
  it.each(vectors.canonical.map(({ json, canonical }) => [json, canonical]))(
    'writes %s as it says',
    (json, canonical) => {
      expect(canonicalJson(parseJson(json, { size: 1000, depth: 32 }))).toBe(canonical)
    },
  )

  it.each(vectors.records.map((one) => [one.name, one] as const))(
    '%s: its hashes are those of its bytes',
    (_, one) => {
      const leaf = JSON.parse(one.record) as Leaf
      expect(sha256(`\0${one.record}`).toString('hex')).toBe(one.leaf_hash)
      expect(Object.keys(leaf.commitments)).toHaveLength(one.disclosures.length)
      one.disclosures.forEach((disclosure, i) => {
        const [salt, pointer] = JSON.parse(
          Buffer.from(disclosure, 'base64url').toString(),
        ) as string[]
        expect(salt).toBe(one.salts[i])
        expect(leaf.commitments[pointer!]).toBe(sha256(disclosure).toString('base64url'))
      })
      expect(leaf).toMatchObject({
        id: one.id,
        tenant: one.tenant,
        time: new Date(one.time).toISOString(),
        ...one.pseudonyms,
      })
    },
  )

  it.each(vectors.records.map((one) => [one.name, one] as const))(
    '%s: is made, read and taken back',
    (_, one) => {
      const salts = Buffer.concat(one.salts.map((salt) => Buffer.from(salt, 'base64url')))
      const made = prepared(one.submission, {
        ...(one.by === 'log' && { by: 'log' }),
        id: one.id,
        time: one.time,
        tenant: one.tenant,
        pseudonyms: one.pseudonyms,
        salts: () => new Uint8Array(salts),
      })
      expect(Buffer.from(made.leaf).toString()).toBe(one.record)
      const rebuilt = rebuildSubmission(
        parseRecord(utf8(one.record)),
        one.disclosures.map(parseDisclosure),
      )
      expect(rebuilt).toEqual(JSON.parse(one.submission))
      if (one.public_key === undefined) return
      const { signature, ...rest } = JSON.parse(one.submission) as JsonObject & {
        signature: { value: string }
      }
      expect(one.signed).toBe(`cairn-record-submission/v1\n${canonicalJson(rest as JsonValue)}`)
      const x = Buffer.from(one.public_key, 'hex').toString('base64url')
      const key = createPublicKey({ key: { kty: 'OKP', crv: 'Ed25519', x }, format: 'jwk' })
      expect(verify(null, utf8(one.signed!), key, Buffer.from(signature.value, 'base64url'))).toBe(
        true,
      )
      verifySubmission(rebuilt, fromHex(one.public_key))
    },
  )

  it.each(vectors.submissions_refused.map((one) => [one.reason, one] as const))(
    'refuses a submission: %s',
    (_, one) => {
      const said = refusalOf(() => parseSubmission(one.submission))
      expect(said).toContain(`MALFORMED ${one.pointer === '' ? 'the top level' : one.pointer}`)
    },
  )

  it.each(vectors.records_refused.map((one) => [one.reason, one.record]))(
    'refuses a record: %s',
    (_, record) => {
      expect(refusalOf(() => parseRecord(utf8(record)))).toContain('MALFORMED')
    },
  )

  it.each(vectors.disclosures_refused.map((one) => [one.reason, one.disclosure]))(
    'refuses a disclosure: %s',
    (_, text) => {
      expect(refusalOf(() => parseDisclosure(text))).toContain('MALFORMED')
    },
  )

  it.each(vectors.disclosures_foreign.map((one) => [one.reason, one] as const))(
    'does not take a disclosure %s',
    (_, one) => {
      const verdict = verifyDisclosures(parseRecord(utf8(one.record)), [
        parseDisclosure(one.disclosure),
      ])
      expect(verdict.held).toEqual([])
      expect(verdict.foreign).toHaveLength(1)
    },
  )

  it.each(vectors.signatures_refused.map((one) => [one.reason, one] as const))(
    'refuses a signature: %s',
    (_, one) => {
      expect(
        refusalOf(() => verifySubmission(parseSubmission(one.submission), fromHex(one.public_key))),
      ).toContain('VERIFICATION_FAILED')
    },
  )

  it('is what record.md shows', () => {
    const spec = readText('spec/record.md').replace(/\s+/g, ' ')
    const [least] = vectors.records
    expect(spec).toContain(least!.record)
    expect(spec).toContain(least!.leaf_hash)
    expect(spec).toContain(least!.disclosures[0])
    expect(spec).toContain(sha256(least!.disclosures[0]!).toString('hex'))
  })
})
