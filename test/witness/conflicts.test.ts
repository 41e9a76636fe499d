import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { toHex, utf8 } from '../../src/bytes.ts'
import { parseCheckpoint } from '../../src/formats/checkpoint.ts'
import { parseNote } from '../../src/formats/note.ts'
import { openCheckpoint } from '../../src/formats/open-checkpoint.ts'
import { LEAST_KEPT_MS, MAX_KEPT_PER_LOG } from '../../src/witness/conflicts.ts'
import type { Conflict, WitnessService } from '../../src/witness/service.ts'
import { cosign, type WitnessPlace, witnessPlace } from './test-witness.ts'
import { WitnessedLog } from './witnessed-log.ts'

const ORIGIN = 'log.example/one'

let place: WitnessPlace
let log: WitnessedLog
let fork: WitnessedLog
let witness: WitnessService
let now = 1_000_000
beforeEach(async () => {
  now = 1_000_000
  place = await witnessPlace()
  log = new WitnessedLog(ORIGIN)
  fork = new WitnessedLog(ORIGIN, 'fork')
  await reopen()
  await witness.watch([log.key.vkey])
  await cosign(witness, log.request(0, 5))
})
afterEach(() => place.remove())

async function reopen(): Promise<void> {
  witness = await place.open({ now: () => now })
}

const summary = ({ kind, cosigned, refused }: Conflict) => [kind, cosigned.size, refused.size]

async function summaries(): Promise<ReturnType<typeof summary>[]> {
  const kept = (await witness.conflicts()).map(summary)
  expect(witness.statistics().conflicts).toBe(kept.length)
  return kept
}

async function outcomeOf(body: Uint8Array): Promise<string> {
  return (await witness.addCheckpoint(body)).outcome
}

describe('a head of the same size with another root', () => {
  it('is refused, and kept as evidence beside the one that was cosigned', async () => {
    expect(await outcomeOf(fork.request(5, 5))).toBe('inconsistent')
    const [conflict, ...others] = await witness.conflicts(ORIGIN)
    expect(others).toEqual([])
    expect(conflict).toMatchObject({
      origin: ORIGIN,
      kind: 'split-view',
      seenAt: 1_000_000,
      cosigned: { size: 5, root: log.root(5), checkpoint: log.head(5) },
      refused: { size: 5, root: fork.root(5), checkpoint: fork.head(5) },
    })
    expect(conflict?.id).toMatch(/^[0-9a-f]{32}$/)
    expect(await witness.conflict(conflict!.id)).toEqual(conflict)
    expect(place.events).toEqual([
      { event: 'conflict', origin: ORIGIN, id: conflict?.id, kind: 'split-view' },
    ])
    expect(witness.logs()[0]?.head).toMatchObject({ size: 5, root: log.root(5) })
    await cosign(witness, log.request(5, 6))
  })

  it('is kept whatever old size it came with, which is answered first', async () => {
    expect(await witness.addCheckpoint(fork.request(2, 5))).toEqual({
      outcome: 'conflict',
      size: 5,
    })
    expect(await summaries()).toEqual([['split-view', 5, 5]])
  })

  it('is kept once, however often it comes, and after a restart', async () => {
    await outcomeOf(fork.request(5, 5))
    const kept = await witness.conflicts()
    const { commits } = witness.statistics()
    await outcomeOf(fork.request(5, 5))
    await Promise.all(Array.from({ length: 20 }, () => outcomeOf(fork.request(5, 5))))
    expect(witness.statistics().commits).toBe(commits)
    await reopen()
    expect(await witness.conflicts()).toEqual(kept)
    await outcomeOf(fork.request(5, 5))
    expect(await witness.conflicts()).toEqual(kept)
    expect(witness.statistics()).toMatchObject({ commits: 0, conflicts: 1 })
    expect(place.events).toHaveLength(1)
  })

  it('is kept with no other signatures than those of the log that hold', async () => {
    const junk = { name: 'x', keyId: '00000000', signature: new Uint8Array(9) }
    await outcomeOf(fork.request(5, 5, { keys: [{ sign: () => junk }, fork.mlDsaKey, fork.key] }))
    const [conflict] = await witness.conflicts()
    expect(conflict?.refused.checkpoint).toBe(fork.head(5))
    for (const { checkpoint } of [conflict!.cosigned, conflict!.refused]) {
      expect(openCheckpoint(utf8(checkpoint), [log.key.vkey]).logSignatures).toHaveLength(1)
    }
  })

  it('is not kept when the log has not signed it', async () => {
    expect(await outcomeOf(fork.request(5, 5, { keys: [fork.mlDsaKey] }))).toBe('untrusted')
    expect(await summaries()).toEqual([])
  })

  it('is kept of so many others at the most, and the first ones stay', async () => {
    for (let i = 0; i < MAX_KEPT_PER_LOG + 3; i++) {
      now += LEAST_KEPT_MS
      const another = new WitnessedLog(ORIGIN, `fork ${i}`)
      expect(await outcomeOf(another.request(5, 5))).toBe('inconsistent')
    }
    const kept = await witness.conflicts()
    expect(kept.map(({ refused }) => toHex(refused.root))).toEqual(
      Array.from({ length: MAX_KEPT_PER_LOG }, (_, i) =>
        toHex(new WitnessedLog(ORIGIN, `fork ${i}`).root(5)),
      ),
    )
  })

  it('is kept for an empty tree, too', async () => {
    expect(await outcomeOf(log.request(0, 0, { root: fork.root(1) }))).toBe('inconsistent')
    const [conflict] = await witness.conflicts()
    expect(summary(conflict!)).toEqual(['split-view', 5, 0])
    const refused = parseCheckpoint(parseNote(utf8(conflict!.refused.checkpoint)).text)
    expect(refused).toMatchObject({ size: 0, root: fork.root(1) })
  })
})

describe('a larger head without a proof that holds', () => {
  it('is refused, and kept as one that nobody could prove', async () => {
    expect(await outcomeOf(fork.request(5, 9))).toBe('inconsistent')
    expect(await summaries()).toEqual([['unproven', 5, 9]])
    await outcomeOf(fork.request(5, 9))
    await outcomeOf(fork.request(5, 9, { proof: [] }))
    expect(await summaries()).toEqual([['unproven', 5, 9]])
  })

  it('is dropped once that head is cosigned: only the proof was bad', async () => {
    expect(await outcomeOf(log.request(5, 9, { proof: [] }))).toBe('inconsistent')
    expect(await outcomeOf(log.request(5, 12, { proof: [] }))).toBe('inconsistent')
    await cosign(witness, log.request(5, 9))
    expect(await summaries()).toEqual([['unproven', 5, 12]])
    await reopen()
    await cosign(witness, log.request(9, 12))
    expect(await summaries()).toEqual([])
    await reopen()
    expect(await summaries()).toEqual([])
  })

  it('becomes evidence once another head of its size is cosigned', async () => {
    await outcomeOf(fork.request(5, 9))
    const before = place.events.length
    await cosign(witness, log.request(5, 9))
    const [conflict, ...others] = await witness.conflicts()
    expect(others).toEqual([])
    expect(conflict).toMatchObject({
      kind: 'split-view',
      cosigned: { size: 9, checkpoint: log.head(9) },
      refused: { size: 9, checkpoint: fork.head(9) },
    })
    expect(place.events.slice(before)).toEqual([
      { event: 'conflict', origin: ORIGIN, id: conflict?.id, kind: 'split-view' },
    ])
    await outcomeOf(fork.request(9, 9))
    expect(await summaries()).toEqual([['split-view', 9, 9]])
  })

  it('does not take the place of evidence about the same head', async () => {
    await outcomeOf(fork.request(5, 5))
    now += 1
    await outcomeOf(fork.request(5, 9))
    await cosign(witness, log.request(5, 9))
    expect(await summaries()).toEqual([
      ['split-view', 5, 5],
      ['split-view', 9, 9],
    ])
  })

  it('gives way to a newer one, but not at once', async () => {
    const sizes = Array.from({ length: MAX_KEPT_PER_LOG }, (_, i) => 10 + i)
    for (const size of sizes) {
      now += 1
      await outcomeOf(log.request(5, size, { proof: [] }))
    }
    const { commits } = witness.statistics()
    expect(await outcomeOf(log.request(5, 50, { proof: [] }))).toBe('inconsistent')
    expect(witness.statistics().commits).toBe(commits)
    expect((await summaries()).map(([, , size]) => size)).toEqual(sizes)
    now += LEAST_KEPT_MS
    await outcomeOf(log.request(5, 51, { proof: [] }))
    expect((await summaries()).map(([, , size]) => size)).toEqual([...sizes.slice(1), 51])
    // Evidence has room of its own.
    await outcomeOf(fork.request(5, 5))
    expect((await witness.conflicts()).map(({ kind }) => kind)).toContain('split-view')
  })
})

describe('conflicts', () => {
  it('are those of each log', async () => {
    const other = new WitnessedLog('log.example/two')
    const otherFork = new WitnessedLog('log.example/two', 'fork')
    await witness.watch([other.key.vkey])
    await cosign(witness, other.request(0, 3))
    await outcomeOf(otherFork.request(3, 3))
    now += 1
    await outcomeOf(fork.request(5, 5))
    expect((await witness.conflicts()).map(({ origin }) => origin)).toEqual([
      'log.example/two',
      ORIGIN,
    ])
    expect(await witness.conflicts('log.example/two')).toHaveLength(1)
    expect(await witness.conflicts('log.example/none')).toEqual([])
    expect(await witness.conflict('0'.repeat(32))).toBeUndefined()
  })

  it('stay when the log is not watched any more', async () => {
    await outcomeOf(fork.request(5, 5))
    await witness.unwatch(ORIGIN)
    await reopen()
    expect(await summaries()).toEqual([['split-view', 5, 5]])
    expect(await witness.conflicts(ORIGIN)).toHaveLength(1)
  })
})
