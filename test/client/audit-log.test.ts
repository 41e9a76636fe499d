import { describe, expect, it } from 'vitest'
import { utf8 } from '../../src/bytes.ts'
import { type AuditOptions, auditLog } from '../../src/client/audit-log.ts'
import type { Check } from '../../src/client/verdict.ts'
import { encodeBundle } from '../../src/formats/bundle.ts'
import { parsePolicy } from '../../src/formats/policy.ts'
import { ed25519SigningKey } from '../../src/formats/signing-key.ts'
import { formatVkey } from '../../src/formats/vkey.ts'
import type { TileSource } from '../../src/tiles/source.ts'
import {
  checkpointAt,
  hashesOf,
  LEAVES,
  LOG_KEY,
  WITNESS_1,
  WITNESS_2,
} from '../support/example-log.ts'

/** The first leaves of the example log, as its tiles; one of them may be changed. */
function exampleSource(leaves: readonly Uint8Array[] = LEAVES): TileSource {
  return {
    tile: async (_level, _tile, width) => {
      const hashes = new Uint8Array(32 * width)
      hashesOf(leaves.slice(0, width)).forEach((hash, i) => void hashes.set(hash, 32 * i))
      return hashes
    },
    bundle: async (_bundle, width) => encodeBundle(leaves.slice(0, width)),
  }
}

const trust = { logKeys: [LOG_KEY.vkey] }

function audit(size: number, options: Partial<AuditOptions> = {}) {
  const checkpoint = utf8(checkpointAt(size))
  return auditLog({ source: exampleSource(), checkpoint, trust, ...options })
}

const statusOf = (checks: readonly Check[]): Record<string, string> =>
  Object.fromEntries(checks.map(({ name, status }) => [name, status]))
const detailOf = (checks: readonly Check[], name: string): string =>
  checks.find((check) => check.name === name)!.detail

const changedLeaves = LEAVES.map((leaf, i) => (i === 3 ? utf8('changed') : leaf))

/** A policy that demands both witnesses of the example log. */
const policy = parsePolicy(
  utf8(
    [
      `log ${formatVkey(LOG_KEY.vkey)}`,
      `witness one ${formatVkey(WITNESS_1.vkey)}`,
      `witness two ${formatVkey(WITNESS_2.vkey)}`,
      'group both all one two',
      'quorum both\n',
    ].join('\n'),
  ),
)

describe('auditLog', () => {
  it.each([0, 1, 7, LEAVES.length])('finds nothing wrong with %i honest leaves', async (size) => {
    const verdict = await audit(size)
    expect(verdict).toMatchObject({ ok: true, size, faults: [], faultCount: 0 })
    expect(statusOf(verdict.checks)).toEqual({
      'log signature': 'held',
      witnesses: 'skipped',
      entries: 'held',
      tiles: 'held',
      'root hash': 'held',
      history: 'skipped',
    })
  })

  it('tells how far it is', async () => {
    const seen: number[][] = []
    await audit(9, { progress: (done, total) => void seen.push([done, total]) })
    expect(seen).toEqual([[9, 9]])
  })

  it('stops at a head that no trusted key has signed', async () => {
    const stranger = ed25519SigningKey(LOG_KEY.vkey.name, new Uint8Array(32).fill(9))
    const verdict = await audit(5, { trust: { logKeys: [stranger.vkey] } })
    expect(verdict.ok).toBe(false)
    expect(statusOf(verdict.checks)).toEqual({ 'log signature': 'failed' })
    expect(verdict.origin).toBeUndefined()
  })

  it('demands the quorum of a policy', async () => {
    const both = utf8(checkpointAt(5, { witnesses: [WITNESS_1, WITNESS_2] }))
    const one = utf8(checkpointAt(5, { witnesses: [WITNESS_1] }))
    const demanding = { trust: { ...trust, policy } }
    expect((await audit(5, { ...demanding, checkpoint: both })).ok).toBe(true)
    const verdict = await audit(5, { ...demanding, checkpoint: one })
    expect(verdict.ok).toBe(false)
    expect(statusOf(verdict.checks)).toMatchObject({ witnesses: 'failed', entries: 'held' })
  })

  it('names an entry that does not fit its tile', async () => {
    const honest = exampleSource()
    const source = { ...honest, bundle: exampleSource(changedLeaves).bundle }
    const verdict = await audit(9, { source })
    expect(verdict.ok).toBe(false)
    expect(statusOf(verdict.checks)).toMatchObject({ entries: 'failed', 'root hash': 'held' })
    expect(verdict.faults.map(({ name }) => name)).toEqual(['entry 3'])
  })

  it('sees that entries and tiles are not what was signed', async () => {
    const verdict = await audit(9, { source: exampleSource(changedLeaves) })
    expect(verdict.ok).toBe(false)
    expect(statusOf(verdict.checks)).toMatchObject({
      entries: 'held',
      tiles: 'held',
      'root hash': 'failed',
    })
  })

  it('counts more faults than it names', async () => {
    const source = { ...exampleSource(), bundle: exampleSource(LEAVES.map(() => utf8('x'))).bundle }
    const verdict = await audit(LEAVES.length, { source })
    expect(verdict.faultCount).toBe(LEAVES.length)
  })

  describe('with a head seen before', () => {
    it.each([0, 1, 6, 9])('holds when the first %i leaves are unchanged', async (size) => {
      const verdict = await audit(9, { saved: utf8(checkpointAt(size)) })
      expect(verdict.ok).toBe(true)
      expect(detailOf(verdict.checks, 'history')).toContain(`${9 - size} were added`)
    })

    it('sees a rollback', async () => {
      const verdict = await audit(5, { saved: utf8(checkpointAt(9)) })
      expect(verdict.ok).toBe(false)
      expect(detailOf(verdict.checks, 'history')).toMatch(/^rolled back: .* 9 leaves .* 5 now$/)
    })

    it('sees a fork', async () => {
      const text = checkpointAt(4)
      // The log signs another tree of four leaves: the root of five under the size of four.
      const other = `${text.split('\n')[0]}\n4\n${checkpointAt(5).split('\n')[2]}\n`
      const { name, keyId, signature } = LOG_KEY.sign(other)
      const id = Buffer.from(keyId, 'hex')
      const line = `— ${name} ${Buffer.concat([id, signature]).toString('base64')}\n`
      const saved = utf8(`${other}\n${line}`)
      const grown = await audit(9, { saved })
      expect(grown.ok).toBe(false)
      expect(detailOf(grown.checks, 'history')).toMatch(/^fork: the first 4 leaves/)
      const same = await audit(4, { saved })
      expect(detailOf(same.checks, 'history')).toMatch(/^fork: .* two different roots/)
    })

    it('does not take the head of another log, or an unsigned one', async () => {
      const stranger = ed25519SigningKey('other.example/log', new Uint8Array(32).fill(9))
      const saved = utf8(checkpointAt(4, { keys: [stranger] }))
      await expect(audit(9, { saved })).rejects.toThrow('is not trusted')
      await expect(audit(9, { saved: utf8('what?') })).rejects.toMatchObject({ code: 'MALFORMED' })
    })
  })
})
