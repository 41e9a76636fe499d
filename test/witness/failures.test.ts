/** What happens when something cannot be stored or signed: nothing that is not durable is ever signed. */
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest'
import { originHash } from '../../src/client/witness-client.ts'
import { CairnError } from '../../src/errors.ts'
import type { WitnessStore } from '../../src/storage/witness-port.ts'
import { cosign, heldStore, passing, type WitnessPlace, witnessPlace } from './test-witness.ts'
import { WitnessedLog } from './witnessed-log.ts'

let place: WitnessPlace
let log: WitnessedLog
beforeEach(async () => {
  place = await witnessPlace()
  log = new WitnessedLog('log.example/one')
})
afterEach(() => place.remove())

/** Fails every write of a head from the `nth` on, before or after it was stored. */
function failing(
  store: WitnessStore,
  nth: number,
  when: 'before' | 'after',
  error: Error = new CairnError('IO', 'the disk is gone'),
): WitnessStore {
  let heads = 0
  return passing(store, async (changes) => {
    if (changes.some(({ kind }) => kind === 'advance')) heads++
    if (heads < nth) return store.write(changes)
    if (when === 'after') await store.write(changes)
    throw error
  })
}

describe.each(['before', 'after'] as const)('a write that fails %s it was stored', (when) => {
  it('is never signed, and ends the witness until it is started again', async () => {
    const witness = await place.open({ wrap: (store) => failing(store, 2, when) })
    await witness.watch([log.key.vkey])
    const hash = originHash(log.origin)
    await cosign(witness, log.request(0, 3))
    await vi.waitUntil(async () => (await witness.checkpoint(hash)) !== undefined)
    expect(witness.mode()).toEqual({ mode: 'ready' })

    const failed = witness.addCheckpoint(log.request(3, 5))
    await expect(failed).rejects.toMatchObject({ code: 'STOPPED', message: /the disk is gone/ })
    expect(witness.mode()).toMatchObject({ mode: 'stopped', reason: /the disk is gone/ })
    expect(place.events).toEqual([
      { event: 'witness-stopped', reason: expect.stringMatching(/the disk is gone/) },
    ])
    for (const body of [log.request(3, 5), log.request(3, 3), log.request(0, 1)]) {
      await expect(witness.addCheckpoint(body)).rejects.toMatchObject({ code: 'STOPPED' })
    }
    await expect(witness.watch([log.mlDsaKey.vkey])).rejects.toMatchObject({ code: 'STOPPED' })
    await expect(witness.unwatch(log.origin)).rejects.toMatchObject({ code: 'STOPPED' })
    // The store may hold a head that a power cut takes away again, so it is not signed for those who only look.
    if (when === 'after') {
      await expect(witness.checkpoint(hash)).rejects.toMatchObject({ code: 'STOPPED' })
    } else {
      expect(await witness.checkpoint(hash)).toContain(log.head(3))
    }
    expect(witness.statistics().answers).toMatchObject({ cosigned: 1, failed: 4 })

    // What the next start finds is what is true.
    const again = await place.open()
    const size = when === 'after' ? 5 : 3
    expect(again.logs()[0]?.head?.size).toBe(size)
    expect(await again.checkpoint(hash)).toContain(log.head(size))
    await cosign(again, log.request(size, 9))
  })

  it('fails all that was to be written with it, and nothing before', async () => {
    const witness = await place.open({ wrap: (store) => failing(store, 1, when) })
    const logs = Array.from({ length: 10 }, (_, i) => new WitnessedLog(`log.example/${i}`))
    await Promise.all(logs.map(({ key }) => witness.watch([key.vkey])))
    const answers = await Promise.allSettled(
      logs.map((one) => witness.addCheckpoint(one.request(0, 2))),
    )
    expect(answers.map(({ status }) => status)).toEqual(logs.map(() => 'rejected'))
    await expect(witness.addCheckpoint(logs[0]!.request(0, 2))).rejects.toThrow()
  })
})

describe('what waits while a write fails', () => {
  it('is not written any more, although it could be', async () => {
    const store = heldStore()
    let writes = 0
    const witness = await place.open({
      wrap: (inner) =>
        passing(store.wrap(inner), async (changes) => {
          writes++
          const failing = store.isHeld
          await store.wrap(inner).write(changes)
          if (failing) throw new CairnError('IO', 'the disk was gone for a moment')
        }),
    })
    const other = new WitnessedLog('log.example/two')
    await Promise.all([witness.watch([log.key.vkey]), witness.watch([other.key.vkey])])
    const before = writes
    store.hold()
    const first = witness.addCheckpoint(log.request(0, 3))
    await vi.waitUntil(() => writes > before)
    const second = witness.addCheckpoint(other.request(0, 3))
    const both = Promise.allSettled([first, second])
    store.letGo()
    expect((await both).map(({ status }) => status)).toEqual(['rejected', 'rejected'])
    expect(writes).toBe(before + 1)
    const again = await place.open()
    expect(again.logs().map(({ head }) => head?.size)).toEqual([3, undefined])
  })
})

describe('a full disk', () => {
  it('is called one', async () => {
    const full = new CairnError('DISK_FULL', 'no space left')
    const witness = await place.open({ wrap: (store) => failing(store, 1, 'before', full) })
    await witness.watch([log.key.vkey])
    for (let i = 0; i < 2; i++) {
      const failed = witness.addCheckpoint(log.request(0, 3))
      await expect(failed).rejects.toMatchObject({ code: 'DISK_FULL' })
    }
  })
})

describe('another writer', () => {
  it('ends the witness: two must never sign from one directory', async () => {
    let behind: WitnessStore | undefined
    const witness = await place.open({
      wrap: (store) => {
        behind = store
        return store
      },
    })
    await witness.watch([log.key.vkey])
    await cosign(witness, log.request(0, 3))
    const stored = (await behind!.head(log.origin))!
    const { size, root, timestamp } = stored
    await behind!.write([
      {
        kind: 'advance',
        origin: log.origin,
        previous: { size, root, timestamp },
        head: { size, root, timestamp: timestamp + 1 },
        checkpoint: stored.checkpoint,
      },
    ])
    await expect(witness.addCheckpoint(log.request(3, 4))).rejects.toMatchObject({
      code: 'STOPPED',
      message: /another process/,
    })
  })
})

describe('cosignatures that could not be stored', () => {
  it('are given out all the same, since the head is durable; then the witness ends', async () => {
    const witness = await place.open({
      wrap: (store) =>
        passing(store, (changes) =>
          changes.some(({ kind }) => kind === 'keep-cosignatures')
            ? Promise.reject(new CairnError('IO', 'the disk is gone'))
            : store.write(changes),
        ),
    })
    await witness.watch([log.key.vkey])
    const { cosignatures } = await cosign(witness, log.request(0, 3))
    await vi.waitUntil(() => witness.mode().mode === 'stopped')
    expect(await witness.checkpoint(originHash(log.origin))).toBe(log.head(3) + cosignatures)
  })
})

describe('a key that cannot sign', () => {
  it('leaves a head that is stored, and signed as soon as it can', async () => {
    let broken = true
    const witness = await place.open({
      wrapSigner: (signer) => ({
        ...signer,
        cosign: (checkpoint, timestamp) =>
          broken
            ? Promise.reject(new CairnError('IO', 'the key service is away'))
            : signer.cosign(checkpoint, timestamp),
      }),
    })
    await witness.watch([log.key.vkey])
    const failed = witness.addCheckpoint(log.request(0, 3))
    await expect(failed).rejects.toMatchObject({ code: 'IO' })
    const hash = originHash(log.origin)
    await expect(witness.checkpoint(hash)).rejects.toMatchObject({ code: 'IO' })
    broken = false
    expect(await witness.addCheckpoint(log.request(0, 3))).toEqual({ outcome: 'conflict', size: 3 })
    expect(await witness.checkpoint(hash)).toContain(log.head(3))
    await cosign(witness, log.request(3, 3))
  })
})

describe('too many requests', () => {
  it('are told to come back, and those that wait are answered', async () => {
    const store = heldStore()
    const witness = await place.open({ wrap: (inner) => store.wrap(inner), maxWaiting: 3 })
    await witness.watch([log.key.vkey])
    store.hold()
    const waiting = [3, 4, 5].map((size) => witness.addCheckpoint(log.request(0, size)))
    expect(witness.statistics().waiting).toBe(3)
    const refused = witness.addCheckpoint(log.request(0, 6))
    await expect(refused).rejects.toMatchObject({ code: 'OVERLOADED' })
    store.letGo()
    const outcomes = await Promise.all(waiting)
    expect(outcomes.map(({ outcome }) => outcome)).toEqual(['cosigned', 'conflict', 'conflict'])
    expect(witness.statistics().waiting).toBe(0)
    await cosign(witness, log.request(3, 6))
  })

  it('of one log leave room for those of others', async () => {
    const store = heldStore()
    const witness = await place.open({ wrap: (inner) => store.wrap(inner) })
    const other = new WitnessedLog('log.example/two')
    await Promise.all([witness.watch([log.key.vkey]), witness.watch([other.key.vkey])])
    store.hold()
    const many = Array.from({ length: 70 }, (_, i) => witness.addCheckpoint(log.request(0, i + 1)))
    const all = Promise.allSettled(many)
    const one = witness.addCheckpoint(other.request(0, 1))
    await expect(many[69]).rejects.toMatchObject({ code: 'OVERLOADED', message: /of this log/ })
    store.letGo()
    expect(await one).toMatchObject({ outcome: 'cosigned' })
    const answers = await all
    expect(answers.filter(({ status }) => status === 'rejected')).toHaveLength(6)
  })
})
