import { describe, expect, it } from 'vitest'
import { fromUtf8, toBase64, utf8 } from '../../src/bytes.ts'
import { type AuditOptions, auditLog } from '../../src/client/audit-log.ts'
import { formatProgress, parseProgress } from '../../src/client/audit-progress.ts'
import type { Check } from '../../src/client/verdict.ts'
import { CairnError } from '../../src/errors.ts'
import { encodeBundle } from '../../src/formats/bundle.ts'
import { formatCheckpoint } from '../../src/formats/checkpoint.ts'
import { formatNote } from '../../src/formats/note.ts'
import { parsePolicy } from '../../src/formats/policy.ts'
import { ed25519SigningKey } from '../../src/formats/signing-key.ts'
import { formatVkey } from '../../src/formats/vkey.ts'
import { rootHash } from '../../src/merkle/hash.ts'
import { treeSize } from '../../src/merkle/position.ts'
import type { TileSource } from '../../src/tiles/source.ts'
import { naiveTreeOf } from '../merkle/naive.ts'
import { headOfLog } from '../support/evidence.ts'
import {
  checkpointAt,
  hashesOf,
  LEAVES,
  LOG_KEY,
  ORIGIN,
  WITNESS_1,
  WITNESS_2,
} from '../support/example-log.ts'
import { memorySource } from './memory-source.ts'

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

describe('auditLog with more checkpoints', () => {
  const given = (name: string, size: number, witnesses = [WITNESS_1, WITNESS_2]) => ({
    name,
    note: utf8(checkpointAt(size, { witnesses })),
  })

  it('holds each against the tree', async () => {
    const checkpoints = [given('a', 0), given('b', 4), given('c', 9), given('d', 4)]
    const verdict = await audit(9, { checkpoints })
    expect(verdict).toMatchObject({ ok: true, contradicted: [] })
    expect(detailOf(verdict.checks, 'checkpoints')).toContain('all 4 that were given')
  })

  it('demands the quorum of each', async () => {
    const checkpoints = [given('good', 4), given('alone', 5, [WITNESS_1])]
    const checkpoint = given('', 9).note
    const verdict = await audit(9, { checkpoint, checkpoints, trust: { ...trust, policy } })
    expect(verdict.faults).toEqual([
      { kind: 'checkpoint', name: 'alone', detail: expect.stringContaining('not the quorum') },
    ])
    expect(statusOf(verdict.checks)).toMatchObject({ witnesses: 'held', checkpoints: 'failed' })
  })

  it('keeps those that contradict it', async () => {
    const stranger = ed25519SigningKey('other.example/log', new Uint8Array(32).fill(9))
    const ahead = given('ahead', 9)
    const checkpoints = [
      ahead,
      { name: 'nothing', note: utf8('nothing') },
      { name: 'strange', note: utf8(checkpointAt(4, { keys: [stranger] })) },
    ]
    const verdict = await audit(5, { checkpoints })
    expect(verdict.faults.map(({ name }) => name)).toEqual(['ahead', 'nothing', 'strange'])
    expect(verdict.contradicted).toEqual([ahead.note])
  })
})

describe('auditLog that was stopped', () => {
  const many = Array.from({ length: 600 }, (_, i) => utf8(`entry ${i}`))
  const tree = naiveTreeOf(many)
  const headOf = (size: number) =>
    utf8(headOfLog({ leaves: many.slice(0, size), disclosures: [], tree }, size))
  const options = (size = 600): AuditOptions => ({
    source: memorySource(many),
    checkpoint: headOf(size),
    trust,
    checkpoints: [{ name: 'early', note: headOf(100) }],
  })

  /** Where the audit stood after so many entries, by way of the file. */
  async function stoppedAt(entries: number, more: Partial<AuditOptions> = {}) {
    let file: Uint8Array | undefined
    await auditLog({
      ...options(),
      ...more,
      progress(done, _, snapshot) {
        const progress = done === entries ? snapshot() : undefined
        if (progress !== undefined) file = formatProgress(progress, 'inputs')
      },
    })
    return file!
  }
  const read = (file: Uint8Array) =>
    parseProgress(file, { origin: 'log.example/audit', inputs: 'inputs' })!

  it('goes on to the same verdict', async () => {
    const whole = await auditLog(options())
    expect(whole.ok).toBe(true)
    for (const entries of [256, 512]) {
      const seen: number[] = []
      const resume = read(await stoppedAt(entries))
      const progress = (done: number) => void seen.push(done)
      expect(await auditLog({ ...options(), resume, progress })).toEqual(whole)
      expect(seen[0]).toBeGreaterThan(entries)
    }
  })

  it('remembers what was wrong before it was stopped', async () => {
    const source = memorySource(many.map((leaf, i) => (i === 7 ? utf8('changed') : leaf)))
    const broken = { ...memorySource(many), bundle: source.bundle }
    const resume = read(await stoppedAt(256, { source: broken }))
    const verdict = await auditLog({ ...options(), resume })
    expect(verdict.faults.map(({ name }) => name)).toEqual(['entry 7'])
    expect(statusOf(verdict.checks)).toMatchObject({ entries: 'failed', 'root hash': 'held' })
  })

  it('goes on with a log that has grown, and begins anew with one that has shrunk', async () => {
    const resume = read(await stoppedAt(512))
    const starts: number[] = []
    const progress = (done: number) => void starts.push(done)
    for (const size of [590, 300]) {
      const { ok } = await auditLog({ ...options(size), resume, progress })
      expect(ok).toBe(true)
    }
    expect(starts).toEqual([590, 256, 300])
  })

  it('begins anew for a root that it has not kept', async () => {
    const resume = read(await stoppedAt(512))
    const checkpoints = [{ name: 'other', note: headOf(200) }]
    expect((await auditLog({ ...options(), resume, checkpoints })).ok).toBe(true)
  })

  it('sees that its own file is of another tree', async () => {
    const document = JSON.parse(fromUtf8(await stoppedAt(256)))
    document.levels = [toBase64(new Uint8Array(32))]
    const resume = read(utf8(JSON.stringify(document)))
    const verdict = await auditLog({ ...options(), resume })
    expect(statusOf(verdict.checks)['root hash']).toBe('failed')
  })

  it('does not take the progress of another audit, or what is none', async () => {
    const file = await stoppedAt(256)
    const origin = 'log.example/audit'
    expect(parseProgress(file, { origin, inputs: 'other' })).toBeUndefined()
    expect(parseProgress(file, { origin: 'other', inputs: 'inputs' })).toBeUndefined()
    const document = JSON.parse(fromUtf8(file))
    const hash = toBase64(new Uint8Array(32))
    const map = { key: hash, large: [], checked: 0, roots: 0, size: 0, voids: 0 }
    const changes: readonly Record<string, unknown>[] = [
      { version: 'cairn-audit-progress/v2' },
      { size: 100 },
      { size: -1 },
      { levels: [] },
      { levels: 'none' },
      { earlier: [[1]] },
      { earlier: [[1, 'AAAA']] },
      { counts: {} },
      { records: { ...document.records, faults: {} } },
      { faults: [{}] },
      { map: {} },
      { map: { ...map, large: [hash] } },
      { map: { ...map, key: 'AAAA' } },
      { map: { ...map, voids: -1 } },
    ]
    for (const change of changes) {
      const bytes = utf8(JSON.stringify({ ...document, ...change }))
      expect(() => read(bytes), JSON.stringify(change)).toThrow('no progress of an audit')
    }
    expect(() => read(file.subarray(0, 40))).toThrow('no progress of an audit')
  })
})

describe('auditLog of a log that has next to nothing', () => {
  it('ends once enough is wrong, however large the log says it is', async () => {
    const root = rootHash(new Uint8Array(32))
    const text = formatCheckpoint({ origin: ORIGIN, size: treeSize(2 ** 52), root, extensions: [] })
    const checkpoint = utf8(formatNote({ text, signatures: [LOG_KEY.sign(text)] }))
    let reads = 0
    const gone = async (): Promise<never> => {
      reads++
      throw new CairnError('NOT_FOUND', 'it is gone')
    }
    const verdict = await auditLog({ source: { tile: gone, bundle: gone }, checkpoint, trust })
    expect(verdict.ok).toBe(false)
    expect(detailOf(verdict.checks, 'entries')).toMatch(
      /^the audit ended at entry [0-9,]+ of 4,503,599,627,370,496/,
    )
    expect(verdict.faults).toHaveLength(100)
    expect(reads).toBeLessThan(11_000)
  })
})
