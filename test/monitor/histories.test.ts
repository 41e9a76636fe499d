/** Random histories of growth, in which a log forks or does not: the monitor finds exactly the forks. */
import { readdir, readFile } from 'node:fs/promises'
import { join } from 'node:path'
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { verifySplitView } from '../../src/client/verify-split-view.ts'
import { cosigningKey } from '../../src/formats/signing-key.ts'
import { at, folder, frontOf, kindsOf, newTreeLog, saying, useScene, watch } from './scene.ts'
import type { TreeLog } from './tree-log.ts'

useScene()

const WITNESS = cosigningKey('w.example', new Uint8Array(32).fill(4), 'ed25519-cosignature')

/** What happens between two rounds: a branch grows, another one splits off, or a party is shown some branch. */
type Step =
  | { readonly do: 'grow'; readonly branch: number; readonly entries: number }
  | { readonly do: 'fork'; readonly branch: number }
  | { readonly do: 'show log' | 'show witness'; readonly branch: number }
  | { readonly do: 'restart' }

const branch = fc.nat(2)
const step: fc.Arbitrary<Step> = fc.oneof(
  {
    weight: 4,
    arbitrary: fc.record({
      do: fc.constant('grow' as const),
      branch,
      entries: fc.oneof(fc.nat(3), fc.nat(300)),
    }),
  },
  { weight: 1, arbitrary: fc.record({ do: fc.constant('fork' as const), branch }) },
  { weight: 2, arbitrary: fc.record({ do: fc.constant('show log' as const), branch }) },
  { weight: 2, arbitrary: fc.record({ do: fc.constant('show witness' as const), branch }) },
  { weight: 1, arbitrary: fc.constant({ do: 'restart' as const }) },
)

/** Two branches from the start, so that most histories can fork. */
const history = fc
  .tuple(fc.nat(300), fc.array(step, { minLength: 4, maxLength: 14 }))
  .map(([entries, steps]): Step[] => [
    { do: 'grow', branch: 0, entries },
    { do: 'fork', branch: 0 },
    ...steps,
  ])

/** Whether one of the two is the beginning of the other. */
function agree(a: readonly string[], b: readonly string[]): boolean {
  const common = Math.min(a.length, b.length)
  return a.slice(0, common).every((leaf, i) => leaf === b[i])
}

describe('a monitor', () => {
  it('finds exactly the forks that it is shown', { timeout: 120_000 }, async () => {
    let run = 0
    const property = fc.asyncProperty(history, async (steps) => {
      const state = join(folder, `run-${run++}`)
      const branches: TreeLog[] = [await newTreeLog()]
      /** The leaves of each branch, as the model has them. */
      const leaves: string[][] = [[]]
      const pick = (which: number): number => which % branches.length
      const front = await frontOf(branches[0]!.url)
      let logShows = 0
      let witnessShows = 0
      /** The tree that the monitor knows, and the heads beyond it that it was shown. */
      let known: string[] | undefined
      let beyond: string[][] = []
      let forked = false

      const witness = await frontOf(front.url)
      witness.instead.set('*', (request, response) => {
        const log = branches[witnessShows]!
        const now = Math.floor(Date.now() / 1000)
        saying(log.note(log.size, [WITNESS], now))(request, response)
      })
      const policy = {
        logs: [],
        witnesses: [{ name: 'w', key: WITNESS.vkey, url: witness.url }],
        groups: [],
        quorum: undefined,
      }
      let watching = await watch({ logs: at(front.url, branches[0]!), policy, state })

      async function look(): Promise<void> {
        const shown = [leaves[logShows]!, leaves[witnessShows]!].map((list) => [...list])
        // What the monitor can know: each head against the tree it has, equal sizes against each other.
        const follows =
          known === undefined || (agree(known, shown[0]!) && shown[0]!.length > known.length)
        for (const head of shown) {
          if (known !== undefined && head.length <= known.length) forked ||= !agree(head, known)
          else beyond.push(head)
        }
        for (const a of beyond)
          for (const b of beyond) forked ||= a.length === b.length && !agree(a, b)
        if (known !== undefined && shown[0]!.length > known.length)
          forked ||= !agree(known, shown[0]!)
        if (follows) known = shown[0]!
        for (const head of beyond) if (head.length <= known!.length) forked ||= !agree(head, known!)
        beyond = beyond.filter((head) => head.length > known!.length && agreeWithKnown(head))

        const kinds = new Set(kindsOf(await watching.round()))
        kinds.delete('rollback')
        kinds.delete('witness-rollback')
        expect([...kinds]).toEqual(forked ? ['split-view'] : [])
      }
      // A larger head of the log that contradicts the tree is known to, and waits for nothing.
      const agreeWithKnown = (head: string[]): boolean => agree(head, known!) || !isShownByLog(head)
      const isShownByLog = (head: string[]): boolean =>
        head.length === leaves[logShows]!.length && agree(head, leaves[logShows]!)

      for (const next of steps) {
        switch (next.do) {
          case 'grow': {
            const which = pick(next.branch)
            branches[which]!.append(next.entries, `branch ${which}`)
            const list = leaves[which]!
            for (let i = 0; i < next.entries; i++) list.push(`branch ${which} ${list.length}`)
            break
          }
          case 'fork':
            if (branches.length === 3) break
            leaves.push([...leaves[pick(next.branch)]!])
            branches.push(await branches[pick(next.branch)]!.fork())
            break
          case 'show log':
            logShows = pick(next.branch)
            front.target = branches[logShows]!.url
            break
          case 'show witness':
            witnessShows = pick(next.branch)
            break
          case 'restart':
            watching = await watching.again()
        }
        await look()
      }
      await watching.monitor.close()
      const kept = await readdir(join(state, 'evidence'))
      expect(kept.length > 0).toBe(forked)
      for (const name of kept) {
        const bytes = new Uint8Array(await readFile(join(state, 'evidence', name)))
        const trust = { logKeys: branches[0]!.keys }
        expect(verifySplitView(bytes, trust)).toMatchObject({ ok: true })
      }
      for (const log of branches) await log.close()
    })
    await fc.assert(property, { numRuns: 40 })
  })
})
