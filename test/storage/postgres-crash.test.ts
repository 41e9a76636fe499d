/** A database that is killed while servers sequence: what was acknowledged is there, and nothing is there twice. */
import { setTimeout as sleep } from 'node:timers/promises'
import { describe, expect, it } from 'vitest'
import { CairnError } from '../../src/errors.ts'
import { hashLeaf } from '../../src/merkle/hash.ts'
import type { LeafIndex } from '../../src/merkle/position.ts'
import { openPostgresLogStore } from '../../src/storage/postgres.ts'
import { openPool } from '../../src/storage/postgres-pool.ts'
import { afterThisTest } from '../support/endings.ts'
import { startPostgres } from '../support/postgres.ts'
import { someLeaves } from './commits.ts'
import { problems } from './conformance.ts'
import { batchOf, leavesFrom, requestOf } from './shared-conformance.ts'

describe('a database that is killed while servers sequence', () => {
  it('has all that it acknowledged, once, and knows what was tried again', async () => {
    const server = await startPostgres()
    afterThisTest(() => server.remove())
    const stores = await Promise.all(
      [1, 2].map(async () => {
        const pool = openPool({ url: server.url, schema: 'cairn' })
        afterThisTest(() => pool.close())
        return openPostgresLogStore({ pool })
      }),
    )
    const acknowledged = new Map<string, LeafIndex>()
    let failures = 0
    let isOver = false

    /** As a server does: what is UNAVAILABLE may have been sequenced, and is tried again under its key. */
    async function submit(worker: number, round: number): Promise<void> {
      const leaves = someLeaves(20, `${worker} ${round}`)
      const key = { ...requestOf(worker, []), places: leaves.map((_, i) => i) }
      key.key.set([round >> 8, round & 0xff], 1)
      const batch = batchOf(leaves, { dedup: worker === 0, requests: [key] })
      for (;;) {
        try {
          const outcome = await stores[worker]!.sequence(batch)
          const indices =
            outcome.kind === 'sequenced' ? outcome.indices : outcome.records[0]!.indices
          for (const [i, leaf] of leaves.entries()) {
            acknowledged.set(String(hashLeaf(leaf)), indices[i]!)
          }
          return
        } catch (error) {
          expect(error).toMatchObject({ code: 'UNAVAILABLE' })
          expect(error).toBeInstanceOf(CairnError)
          failures++
          await sleep(20)
        }
      }
    }

    const workers = [0, 1].map(async (worker) => {
      for (let round = 0; !isOver || round < 5; round++) await submit(worker, round)
    })
    for (let kill = 0; kill < 4; kill++) {
      await sleep(150 + kill * 37)
      await server.kill()
      await server.restart()
    }
    isOver = true
    await Promise.all(workers)

    expect(failures).toBeGreaterThan(0)
    const stored = await leavesFrom(stores[0]!)
    expect(stored.length).toBe(acknowledged.size)
    for (const [index, leaf] of stored.entries()) {
      expect(acknowledged.get(String(hashLeaf(leaf)))).toBe(index)
    }
    expect(await problems(stores[1]!, 0)).toEqual([])
  })
})
