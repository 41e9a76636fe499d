/** A witness, a log that forks, and any sequence of requests: the answers are those of a plain reading of the standard. */
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { utf8 } from '../../src/bytes.ts'
import { originHash } from '../../src/client/witness-client.ts'
import { openCheckpoint } from '../../src/formats/open-checkpoint.ts'
import { parseVkey } from '../../src/formats/vkey.ts'
import { nodeHash } from '../../src/merkle/hash.ts'
import { type WitnessPlace, witnessPlace } from './test-witness.ts'
import { WitnessedLog } from './witnessed-log.ts'

const ORIGIN = 'log.example/one'
/** Two trees that share their leaves up to this size. */
const SHARED = 4

class ForkedLog extends WitnessedLog {
  constructor(tree: number) {
    super(ORIGIN, (index) => (index < SHARED ? `leaf ${index}` : `leaf ${index} of tree ${tree}`))
  }
}

const TREES = [new ForkedLog(0), new ForkedLog(1)] as const

const step = fc.oneof(
  {
    weight: 12,
    arbitrary: fc.record({
      kind: fc.constant('add' as const),
      tree: fc.nat(1),
      /** The known size, or any. */
      from: fc.option(fc.nat(9), { freq: 1 }),
      by: fc.constantFrom(-1, 0, 0, 1, 2, 3, 5),
      proof: fc.constantFrom('right', 'right', 'right', 'none', 'of the other tree', 'too long'),
      signed: fc.constantFrom('well', 'well', 'well', 'well', 'well', 'well', 'by another'),
      seconds: fc.integer({ min: -50, max: 50 }),
    }),
  },
  { weight: 1, arbitrary: fc.record({ kind: fc.constant('reopen' as const) }) },
  { weight: 1, arbitrary: fc.record({ kind: fc.constant('watch' as const), on: fc.boolean() }) },
)

interface Model {
  watched: boolean
  size: number
  tree: number
  isKnown: boolean
  timestamp: number
}

type Step = typeof step extends fc.Arbitrary<infer T> ? T : never

async function play(place: WitnessPlace, steps: readonly Step[]): Promise<void> {
  let now = 1_000
  const options = { now: () => now * 1000 }
  let witness = await place.open(options)
  const log = TREES[0]
  await witness.watch([log.key.vkey])
  const keys = witness.vkeys.map(parseVkey)
  const model: Model = { watched: true, size: 0, tree: 0, isKnown: false, timestamp: 0 }
  for (const one of steps) {
    if (one.kind === 'reopen') {
      witness = await place.open(options)
    } else if (one.kind === 'watch') {
      model.watched = one.on
      if (one.on) await witness.watch([log.key.vkey])
      else await witness.unwatch(ORIGIN)
    } else {
      const from = one.from ?? model.size
      const to = Math.max(0, from + one.by)
      const tree = TREES[one.tree]!
      const right = from > 0 && from <= to ? tree.proof(from, to) : []
      const proof = {
        right,
        none: [],
        'of the other tree': from > 0 && from <= to ? TREES[1 - one.tree]!.proof(from, to) : [],
        'too long': [...right, nodeHash(tree.root(1))],
      }[one.proof]
      const signer = one.signed === 'well' ? tree.key : tree.mlDsaKey
      now += one.seconds
      const outcome = await witness.addCheckpoint(tree.request(from, to, { proof, keys: [signer] }))
      const same = (size: number) => size <= SHARED || one.tree === model.tree
      const expected = (() => {
        if (!model.watched) return 'unknown-log'
        if (one.signed !== 'well') return 'untrusted'
        if (from > to) return 'malformed'
        if (from !== model.size) return 'conflict'
        if (from === 0) return proof.length === 0 ? 'cosigned' : 'inconsistent'
        const holds =
          proof.length === right.length &&
          proof.every((hash, i) => hash.join() === right[i]!.join())
        return holds && same(from) ? 'cosigned' : 'inconsistent'
      })()
      expect(outcome.outcome).toBe(expected)
      if (outcome.outcome === 'conflict') expect(outcome.size).toBe(model.size)
      if (outcome.outcome === 'cosigned') {
        expect(outcome.size).toBe(to)
        expect(outcome.timestamp).toBeGreaterThanOrEqual(model.timestamp)
        model.size = to
        model.tree = to > SHARED ? one.tree : model.tree
        model.isKnown = true
        model.timestamp = outcome.timestamp
      }
    }
    const shown = await witness.checkpoint(originHash(ORIGIN))
    expect(shown !== undefined).toBe(model.isKnown)
    if (shown === undefined) continue
    const { checkpoint, cosignatures } = openCheckpoint(utf8(shown), [log.key.vkey], keys)
    expect(checkpoint).toMatchObject({
      size: model.size,
      root: TREES[model.tree]!.root(model.size),
    })
    expect(cosignatures[0]?.timestamp).toBe(model.timestamp)
  }
  for (const { cosigned, refused, kind } of await witness.conflicts()) {
    expect(kind === 'split-view').toBe(cosigned.size === refused.size)
  }
}

describe('a witness of a log that forks', () => {
  it('answers as the standard says, and never cosigns both trees', async () => {
    await fc.assert(
      fc.asyncProperty(fc.array(step, { maxLength: 25, size: 'max' }), async (steps) => {
        const place = await witnessPlace()
        try {
          await play(place, steps)
        } finally {
          await place.remove()
        }
      }),
      { numRuns: 40 },
    )
  })
})
