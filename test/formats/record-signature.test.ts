import { createPrivateKey, createPublicKey, sign } from 'node:crypto'
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { ed25519PublicKey } from '#ed25519'
import { fromBase64Url, utf8 } from '../../src/bytes.ts'
import { parseRecord, parseSubmission, type SubmittedRecord } from '../../src/formats/record.ts'
import { rebuildSubmission } from '../../src/formats/record-rebuild.ts'
import {
  signedBytes,
  signSubmission,
  verifySubmission,
} from '../../src/formats/record-signature.ts'
import { anySubmission, LEAST, NONCE, prepared, refusalOf } from '../support/records.ts'

const SEED = new Uint8Array(32).fill(7)
const PUBLIC = ed25519PublicKey(SEED)
const KEY = { keyId: 'payments-2026', seed: SEED }
const signed = signSubmission({ ...LEAST, nonce: NONCE }, KEY)
const verdict = (submission: SubmittedRecord, key = PUBLIC): string =>
  refusalOf(() => verifySubmission(submission, key))

describe('a signed submission', () => {
  it('signs a line and the canonical JSON of all but the signature', () => {
    const bytes =
      `cairn-record-submission/v1\n{"input":{"prompt":"..."},"model":{"name":"m"},"nonce":"${NONCE}",` +
      '"output":{"text":"..."},"request_id":"req-1","subject":"ann@example.com","type":"llm_request"}'
    expect(Buffer.from(signedBytes(signed)).toString()).toBe(bytes)
    const der = Buffer.concat([Buffer.from('302e020100300506032b657004220420', 'hex'), SEED])
    const key = createPrivateKey({ key: der, format: 'der', type: 'pkcs8' })
    expect(signed.signature).toEqual({
      key_id: 'payments-2026',
      value: sign(null, utf8(bytes), key).toString('base64url'),
    })
    expect(createPublicKey(key).export({ format: 'jwk' }).x).toBe(
      Buffer.from(PUBLIC).toString('base64url'),
    )
    expect(verdict(signed)).toBe('accepted')
  })

  it('is replaced when it is signed again', () => {
    expect(signSubmission(signed, KEY)).toEqual(signed)
    expect(verdict(signSubmission(signed, { ...KEY, seed: new Uint8Array(32) }))).toContain(
      'VERIFICATION',
    )
  })

  it('is verified in any spelling, and again from its record', () => {
    fc.assert(
      fc.property(anySubmission, (submission) => {
        const one = signSubmission(
          { ...(submission as unknown as SubmittedRecord), nonce: NONCE },
          KEY,
        )
        const respelled = JSON.stringify(Object.fromEntries(Object.entries(one).reverse()), null, 2)
        verifySubmission(parseSubmission(respelled), PUBLIC)
        const { leaf, disclosures } = prepared(respelled)
        const rebuilt = rebuildSubmission(parseRecord(leaf), disclosures)
        verifySubmission(rebuilt, PUBLIC)
        expect(rebuilt.signature).toEqual(one.signature)
      }),
      { numRuns: 50 },
    )
  })

  it('needs a nonce, which does not stand in the record', () => {
    expect(refusalOf(() => signSubmission(LEAST, KEY))).toContain('MALFORMED /nonce: it is missing')
    expect(Buffer.from(prepared(signed).leaf).toString()).not.toContain(NONCE)
  })

  it.each<[string, (submission: SubmittedRecord) => SubmittedRecord]>([
    ['another prompt', (one) => ({ ...one, input: { prompt: '!' } })],
    ['a member more', (one) => ({ ...one, action: 'answer' })],
    ['an unknown member more', (one) => ({ ...one, foo: 1 }) as SubmittedRecord],
    ['a member less', ({ request_id, ...one }) => one],
    ['another nonce', (one) => ({ ...one, nonce: 'B'.repeat(22) })],
    [
      'another signature',
      (one) => ({ ...one, signature: { key_id: 'k', value: `${'A'.repeat(85)}A` } }),
    ],
    [
      'a signature with S beyond the group order',
      (one) => {
        const bytes = fromBase64Url(one.signature!.value)
        const value = Buffer.from(bytes.with(63, bytes[63]! | 0xe0)).toString('base64url')
        return { ...one, signature: { key_id: 'k', value } }
      },
    ],
  ])('does not hold with %s', (_, change) => {
    const changed = change(signed)
    expect(verdict(changed)).toMatch(
      /^VERIFICATION_FAILED \/signature: it is not the signature of key [\w-]+ over this record$/,
    )
  })

  it('does not hold by another key, nor by one of small order', () => {
    expect(verdict(signed, ed25519PublicKey(new Uint8Array(32)))).toContain('VERIFICATION_FAILED')
    expect(verdict(signed, new Uint8Array(32))).toContain('VERIFICATION_FAILED')
    expect(verdict(signed, new Uint8Array(31))).toContain('VERIFICATION_FAILED')
  })

  it('is not the same as one that is not signed', () => {
    expect(verdict(parseSubmission(LEAST))).toBe('VERIFICATION_FAILED it is not signed')
  })
})
