/** Many requests at the same time: each is answered as if it had come alone, in some order. */
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { utf8 } from '../../src/bytes.ts'
import { originHash } from '../../src/client/witness-client.ts'
import { parseCheckpoint } from '../../src/formats/checkpoint.ts'
import { parseNote } from '../../src/formats/note.ts'
import { openCheckpoint } from '../../src/formats/open-checkpoint.ts'
import { parseVkey } from '../../src/formats/vkey.ts'
import type { CosignedHead, WitnessStore } from '../../src/storage/witness-port.ts'
import { passing, type WitnessPlace, witnessPlace } from './test-witness.ts'
import { WitnessedLog } from './witnessed-log.ts'

let place: WitnessPlace
beforeEach(async () => {
  place = await witnessPlace()
})
afterEach(() => place.remove())

/** Notes each head that is stored, in order. */
function recording(store: WitnessStore, heads: CosignedHead[]): WitnessStore {
  return passing(store, async (changes) => {
    await store.write(changes)
    for (const change of changes) if (change.kind === 'advance') heads.push(change.head)
  })
}

describe('50 heads of one log at the same time', () => {
  it('are cosigned one after the other, as far as each extends the one before', async () => {
    const log = new WitnessedLog('log.example/one')
    const stored: CosignedHead[] = []
    const witness = await place.open({ wrap: (store) => recording(store, stored) })
    await witness.watch([log.key.vkey])
    const keys = witness.vkeys.map(parseVkey)
    let known = 0
    for (let round = 0; round < 20; round++) {
      // All say that they know the size that is known now; one more says that it knows an older one.
      const sizes = Array.from({ length: 50 }, (_, i) => known + ((i * 7 + round) % 50))
      const before = stored.length
      const outcomes = await Promise.all(
        sizes.map((size) => witness.addCheckpoint(log.request(known, size))),
      )
      const heads = stored.slice(before)
      expect(heads.length).toBeGreaterThan(0)
      let newest = known
      for (const { size } of heads) {
        expect(size).toBeGreaterThanOrEqual(newest)
        newest = size
      }
      const answered: number[] = []
      for (const [i, outcome] of outcomes.entries()) {
        const size = sizes[i]!
        if (outcome.outcome === 'cosigned') {
          answered.push(size)
          expect(outcome.size).toBe(size)
          const note = utf8(log.head(size) + outcome.cosignatures)
          const { cosignatures } = openCheckpoint(note, [log.key.vkey], keys)
          const [cosignature] = cosignatures
          expect(heads.some((h) => h.size === size && h.timestamp === cosignature?.timestamp)).toBe(
            true,
          )
        } else {
          expect(outcome.outcome).toBe('conflict')
          if (outcome.outcome !== 'conflict') continue
          // Some head that was stored, and not the one the request knew.
          expect(outcome.size).not.toBe(known)
          expect(heads.map((head) => head.size)).toContain(outcome.size)
        }
      }
      // As long as the size stays, another request may pass; after the first that grows, none.
      expect(answered.sort((a, b) => a - b)).toEqual(heads.map(({ size }) => size as number))
      expect(heads.filter(({ size }) => size > known)).toHaveLength(1)
      known = newest
      const shown = await witness.checkpoint(originHash(log.origin))
      expect(parseCheckpoint(parseNote(utf8(shown!)).text).size).toBe(known)
    }
    expect(await witness.conflicts()).toEqual([])
    const again = await place.open()
    expect(again.logs()[0]?.head?.size).toBe(known)
  })

  it('are all looked after while others ask what is known', async () => {
    const log = new WitnessedLog('log.example/one')
    const witness = await place.open({ mlDsa: true })
    await witness.watch([log.key.vkey])
    const hash = originHash(log.origin)
    const keys = witness.vkeys.map(parseVkey)
    let done = false
    let last = 0
    const looking = (async () => {
      while (!done) {
        const shown = await witness.checkpoint(hash)
        if (shown !== undefined) {
          const opened = openCheckpoint(utf8(shown), [log.key.vkey], keys)
          expect(opened.cosignatures).toHaveLength(2)
          expect(opened.checkpoint.size).toBeGreaterThanOrEqual(last)
          last = opened.checkpoint.size
        }
        await new Promise((resolve) => setImmediate(resolve))
      }
    })()
    for (let size = 0; size < 30; size++) {
      await Promise.all([
        witness.addCheckpoint(log.request(size, size + 1)),
        witness.addCheckpoint(log.request(size, size + 1)),
      ])
    }
    done = true
    await looking
    expect(last).toBeGreaterThan(0)
  })
})

describe('heads of many logs at the same time', () => {
  it('share their writes', async () => {
    const witness = await place.open()
    const logs = Array.from({ length: 200 }, (_, i) => new WitnessedLog(`log.example/${i}`))
    await Promise.all(logs.map(({ key }) => witness.watch([key.vkey])))
    const before = witness.statistics().commits
    expect(before).toBeLessThan(20)
    const requests = logs.map((log) => log.request(0, 3))
    const outcomes = await Promise.all(requests.map((body) => witness.addCheckpoint(body)))
    expect(outcomes.every(({ outcome }) => outcome === 'cosigned')).toBe(true)
    expect(witness.statistics().commits - before).toBeLessThan(20)
    const again = await place.open()
    expect(again.logs().every(({ head }) => head?.size === 3)).toBe(true)
  })
})
