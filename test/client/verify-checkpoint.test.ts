import { describe, expect, it } from 'vitest'
import { utf8 } from '../../src/bytes.ts'
import type { Trust } from '../../src/client/verdict.ts'
import { verifyCheckpoint } from '../../src/client/verify-checkpoint.ts'
import { receiptVerifier } from '../../src/client/verify-receipt.ts'
import { formatNote } from '../../src/formats/note.ts'
import { parsePolicy } from '../../src/formats/policy.ts'
import { cosigningKey, ed25519SigningKey } from '../../src/formats/signing-key.ts'
import { formatVkey } from '../../src/formats/vkey.ts'
import {
  checkpointAt,
  LEAVES,
  LOG_KEY,
  ORIGIN,
  tlogProofAt,
  WITNESS_1,
  WITNESS_2,
} from '../support/example-log.ts'

const quantum = cosigningKey('witness.example/pq', new Uint8Array(32).fill(6), 'ml-dsa-44')

function policyOf(quorum: string, ...logs: readonly (typeof LOG_KEY)[]) {
  return parsePolicy(
    utf8(
      [
        ...logs.map((key) => `log ${formatVkey(key.vkey)}`),
        `witness one ${formatVkey(WITNESS_1.vkey)}`,
        `witness pq ${formatVkey(quantum.vkey)}`,
        'group both all one pq',
        `quorum ${quorum}\n`,
      ].join('\n'),
    ),
  )
}

const statusOf = (note: string, trust: Trust) =>
  verifyCheckpoint(utf8(note), trust).checks.map(({ name, status }) => `${name}: ${status}`)

describe('verifyCheckpoint', () => {
  const note = checkpointAt(9)

  it('believes the keys it is given, and no others', () => {
    const good = verifyCheckpoint(utf8(note), { logKeys: [LOG_KEY.vkey] })
    expect(good).toMatchObject({ ok: true, opened: { checkpoint: { origin: ORIGIN, size: 9 } } })
    expect(good.checks[0]!.detail).toBe(`${ORIGIN} signed this head (Ed25519)`)
    const stranger = ed25519SigningKey(ORIGIN, new Uint8Array(32).fill(9)).vkey
    const bad = verifyCheckpoint(utf8(note), { logKeys: [stranger] })
    expect(bad).toMatchObject({ ok: false, checks: [{ name: 'log signature', status: 'failed' }] })
    expect(bad.opened).toBeUndefined()
  })

  it('believes the logs of a policy as well, as the verifier of receipts does', () => {
    const trust = { logKeys: [], policy: policyOf('none', LOG_KEY) }
    expect(statusOf(note, trust)).toEqual(['log signature: held', 'witnesses: skipped'])
    const receipt = utf8(tlogProofAt(4, 9))
    expect(receiptVerifier(trust)(LEAVES[4]!, receipt).ok).toBe(true)
    const nobody = { logKeys: [], policy: policyOf('none') }
    expect(statusOf(note, nobody)).toEqual(['log signature: failed'])
    expect(receiptVerifier(nobody)(LEAVES[4]!, receipt).ok).toBe(false)
  })

  it('minds no key that is named twice', () => {
    const trust = { logKeys: [LOG_KEY.vkey], policy: policyOf('none', LOG_KEY) }
    const verdict = verifyCheckpoint(utf8(note), trust)
    expect(verdict.ok).toBe(true)
    expect(verdict.opened!.logSignatures).toHaveLength(1)
  })

  it('demands the quorum of a policy', () => {
    const trust = { logKeys: [], policy: policyOf('one', LOG_KEY) }
    expect(statusOf(note, trust)).toEqual(['log signature: held', 'witnesses: failed'])
    const other = checkpointAt(9, { witnesses: [WITNESS_2] })
    expect(verifyCheckpoint(utf8(other), trust).ok).toBe(false)
    const good = verifyCheckpoint(utf8(checkpointAt(9, { witnesses: [WITNESS_1] })), trust)
    expect(good.ok).toBe(true)
    expect(good.checks[1]!.detail).toContain('witness.example/one')
  })

  it('does not count an ML-DSA-44 signature at the time 0 toward a quorum', () => {
    const trust = { logKeys: [LOG_KEY.vkey], policy: policyOf('both') }
    const text = note.slice(0, note.indexOf('\n\n') + 1)
    const signed = (time: number): string =>
      formatNote({
        text,
        signatures: [
          LOG_KEY.sign(text),
          WITNESS_1.cosign(text, 1_700_000_000),
          quantum.cosign(text, time),
        ],
      })
    expect(statusOf(signed(1_700_000_000), trust)).toEqual([
      'log signature: held',
      'witnesses: held',
    ])
    expect(statusOf(signed(0), trust)).toEqual(['log signature: held', 'witnesses: failed'])
  })

  it('says what is wrong with what is no checkpoint', () => {
    for (const bytes of [new Uint8Array(), utf8('hello'), utf8(`${note}x`)]) {
      const verdict = verifyCheckpoint(bytes, { logKeys: [LOG_KEY.vkey] })
      expect(verdict).toMatchObject({ ok: false, checks: [{ status: 'failed' }] })
    }
  })
})
