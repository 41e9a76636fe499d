/** What every log does, wherever its leaves are stored: one suite, run on each kind. */
import { createHash, randomBytes } from 'node:crypto'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { equal, utf8 } from '../../src/bytes.ts'
import { CairnError } from '../../src/errors.ts'
import { openCheckpoint } from '../../src/formats/open-checkpoint.ts'
import { parseVkey } from '../../src/formats/vkey.ts'
import type { LogOptions } from '../../src/log/log.ts'
import type { Acceptance, LogService } from '../../src/log/service.ts'
import { verifyConsistency } from '../../src/merkle/consistency.ts'
import { Frontier } from '../../src/merkle/frontier.ts'
import { hashLeaf, type RootHash } from '../../src/merkle/hash.ts'
import { verifyInclusion } from '../../src/merkle/inclusion.ts'
import { leafIndex, treeSize } from '../../src/merkle/position.ts'

/** Options that every kind of log has. */
export type CommonOptions = Pick<
  Partial<LogOptions>,
  'batch' | 'dedup' | 'now' | 'publishIntervalMs' | 'queue' | 'renewMs'
>

/** Where one log is kept. It is opened once at a time. */
export interface LogPlace {
  open(options?: CommonOptions): Promise<LogService>
  discard(): Promise<void>
}

/** The code that a promise is rejected with. */
export function codeOf(promise: Promise<unknown>): Promise<string> {
  return promise.then(
    () => 'resolved',
    (error: unknown) => (error instanceof CairnError ? error.code : String(error)),
  )
}

export function leaves(count: number, name = 'leaf'): Uint8Array[] {
  return Array.from({ length: count }, (_, i) => utf8(`${name} ${i}`))
}

export function rootOf(all: readonly Uint8Array[]): RootHash {
  const frontier = new Frontier()
  for (const leaf of all) frontier.append(hashLeaf(leaf))
  return frontier.root()
}

/** Checks one acceptance as a stranger would: proof, root and the log's Ed25519 signature. */
export async function check(
  log: LogService,
  submitted: readonly Uint8Array[],
  { leaves: accepted, head }: Acceptance,
): Promise<void> {
  const keys = log.vkeys.map(parseVkey)
  const { checkpoint } = openCheckpoint(utf8(head.checkpoint), keys)
  expect(checkpoint.size).toBe(head.size)
  for (const [i, { index, leafHash }] of accepted.entries()) {
    expect(equal(leafHash, hashLeaf(submitted[i]!))).toBe(true)
    const { proof } = await log.inclusionUnder(index, leafHash, head)
    verifyInclusion(index, head.size, leafHash, proof, checkpoint.root)
  }
}

/** Runs the suite on logs of one kind, each in a place of its own. */
export function logConformance(name: string, newPlace: () => Promise<LogPlace>): void {
  describe(name, () => {
    let place: LogPlace
    let opened: LogService[] = []

    beforeEach(async () => {
      place = await newPlace()
    })

    afterEach(async () => {
      await Promise.all(opened.map((log) => log.close()))
      opened = []
      await place.discard()
    })

    async function open(options?: CommonOptions): Promise<LogService> {
      const log = await place.open(options)
      opened.push(log)
      return log
    }

    async function close(log: LogService): Promise<void> {
      opened = opened.filter((each) => each !== log)
      await log.close()
    }

    it('answers with an index and a head under which the leaf is proved', async () => {
      const log = await open()
      for (const [i, leaf] of leaves(20).entries()) {
        const acceptance = await log.submit([leaf])
        expect(acceptance.leaves[0]).toMatchObject({ index: i, duplicate: false })
        await check(log, [leaf], acceptance)
      }
      expect(equal(log.head().root, rootOf(leaves(20)))).toBe(true)
    })

    it('gives the leaves of one submission consecutive indices, across bundles', async () => {
      const log = await open()
      await log.submit(leaves(200, 'before'))
      const batch = leaves(700)
      const acceptance = await log.submit(batch)
      expect(acceptance.leaves.map((leaf) => leaf.index)).toEqual(batch.map((_, i) => 200 + i))
      await check(log, batch, acceptance)
      expect(await log.entry(leafIndex(555))).toEqual(batch[355])
      expect(await log.entry(leafIndex(900))).toBeUndefined()
    })

    it('gives a leaf its first index again: in one submission, at once, later, and after a restart', async () => {
      let log = await open()
      const leaf = utf8('the same')
      const twice = await log.submit([leaf, utf8('another'), leaf])
      expect(twice.leaves.map((each) => [each.index, each.duplicate])).toEqual([
        [0, false],
        [1, false],
        [0, true],
      ])
      const fresh = utf8('many at once')
      const many = await Promise.all(Array.from({ length: 50 }, () => log.submit([fresh])))
      expect(new Set(many.map((each) => each.leaves[0]!.index))).toEqual(new Set([2]))
      expect(many.filter((each) => !each.leaves[0]!.duplicate)).toHaveLength(1)
      await check(log, [fresh], many[49]!)
      await close(log)
      log = await open()
      const again = await log.submit([fresh, leaf])
      expect(again.leaves.map((each) => each.index)).toEqual([2, 0])
      expect(log.head().size).toBe(3)
      await check(log, [fresh, leaf], again)
    })

    it('gives equal leaves different indices when deduplication is off', async () => {
      const log = await open({ dedup: false })
      const leaf = utf8('the same')
      const first = await log.submit([leaf, leaf])
      const second = await log.submit([leaf])
      expect([...first.leaves, ...second.leaves].map((each) => each.index)).toEqual([0, 1, 2])
      expect(await log.indexOf(hashLeaf(leaf))).toBe(0)
    })

    it('neither skips nor repeats an index under many clients, and its heads are consistent', async () => {
      const log = await open({ batch: { maxLeaves: 50, maxBytes: 1e6 } })
      const heads = new Map<number, RootHash>()
      const byIndex = new Map<number, Uint8Array>()
      const client = async (name: number): Promise<void> => {
        for (let i = 0; i < 40; i++) {
          const batch = leaves(1 + ((name + i) % 5), `client ${name} ${i}`)
          const acceptance = await log.submit(batch)
          heads.set(acceptance.head.size, acceptance.head.root)
          acceptance.leaves.forEach((each, k) => {
            expect(byIndex.has(each.index)).toBe(false)
            byIndex.set(each.index, batch[k]!)
          })
          await check(log, batch, acceptance)
        }
      }
      await Promise.all(Array.from({ length: 12 }, (_, name) => client(name)))
      const all = Array.from({ length: byIndex.size }, (_, i) => byIndex.get(i)!)
      expect(log.head().size).toBe(all.length)
      expect(equal(log.head().root, rootOf(all))).toBe(true)
      for (const [size, root] of heads) {
        const proof = await log.consistencyProof(treeSize(size), log.head().size)
        verifyConsistency(treeSize(size), log.head().size, proof, root, log.head().root)
      }
      for (const index of [0, 1, 255, 256, all.length - 1]) {
        expect(await log.entry(leafIndex(index))).toEqual(all[index])
        const { proof, head, leafHash } = await log.inclusion(leafIndex(index))
        verifyInclusion(leafIndex(index), head.size, leafHash, proof, head.root)
        for (const size of [index + 1, index + 7, log.head().size]) {
          if (size > log.head().size) continue
          const older = await log.inclusionProof(leafIndex(index), treeSize(size))
          verifyInclusion(
            leafIndex(index),
            treeSize(size),
            leafHash,
            older,
            rootOf(all.slice(0, size)),
          )
        }
      }
    })

    it('proves every kind of place from stored tiles after a restart, under old and new sizes', async () => {
      let log = await open()
      const all = leaves(1_500)
      await log.submit(all)
      await close(log)
      log = await open()
      for (const size of [1, 255, 256, 257, 700, 1_024, 1_300, 1_500]) {
        const root = rootOf(all.slice(0, size))
        for (const index of [0, 1, 254, 255, 256, 511, 699, 1_023, 1_279, 1_499]) {
          if (index >= size) continue
          const proof = await log.inclusionProof(leafIndex(index), treeSize(size))
          verifyInclusion(leafIndex(index), treeSize(size), hashLeaf(all[index]!), proof, root)
        }
      }
      const { leafHash, proof, head } = await log.inclusion(leafIndex(77))
      verifyInclusion(leafIndex(77), head.size, leafHash, proof, head.root)
    })

    it('refuses leaves that no bundle can hold, and sizes it does not have', async () => {
      const log = await open()
      expect(await codeOf(log.submit([]))).toBe('MALFORMED')
      expect(await codeOf(log.submit([new Uint8Array()]))).toBe('MALFORMED')
      expect(await codeOf(log.submit([new Uint8Array(65_536)]))).toBe('TOO_LARGE')
      const largest = randomBytes(65_535)
      await check(log, [largest], await log.submit([largest]))
      expect(await codeOf(log.inclusionProof(leafIndex(0), treeSize(2)))).toBe('NOT_FOUND')
      expect(await codeOf(log.inclusionProof(leafIndex(1), treeSize(1)))).toBe('NOT_FOUND')
      expect(await codeOf(log.inclusion(leafIndex(1)))).toBe('NOT_FOUND')
      expect(await codeOf(log.consistencyProof(treeSize(0), treeSize(1)))).toBe('MALFORMED')
      expect(await codeOf(log.consistencyProof(treeSize(1), treeSize(2)))).toBe('NOT_FOUND')
      expect(await log.tile(0, 0, 2)).toBeUndefined()
      expect(await log.bundle(1, 1)).toBeUndefined()
      expect(await log.indexOf(hashLeaf(utf8('never added')))).toBeUndefined()
    })

    it('refuses what exceeds its queue, and answers all that it took', async () => {
      const log = await open({ queue: { maxLeaves: 100, maxBytes: 1e6 } })
      const outcomes = await Promise.allSettled(leaves(300).map((leaf) => log.submit([leaf])))
      const kept = outcomes.filter((outcome) => outcome.status === 'fulfilled')
      const refused = outcomes.filter((outcome) => outcome.status === 'rejected')
      expect(kept).toHaveLength(100)
      expect(refused.every((each) => (each.reason as CairnError).code === 'OVERLOADED')).toBe(true)
      expect(log.head().size).toBe(100)
      expect(log.statistics()).toMatchObject({
        accepted: 100,
        refused: 200,
        queued: 0,
        queuedBytes: 0,
      })
      await check(log, [utf8('after')], await log.submit([utf8('after')]))
    })

    it('finishes what it accepted when it is closed, and refuses the rest', async () => {
      const log = await open()
      const waiting = leaves(500).map((leaf) => log.submit([leaf]))
      const closing = close(log)
      expect(await codeOf(log.submit([utf8('too late')]))).toBe('STOPPED')
      const acceptances = await Promise.all(waiting)
      await closing
      expect(acceptances.map((each) => each.leaves[0]!.index)).toEqual(leaves(500).map((_, i) => i))
      const reopened = await open()
      expect(reopened.head().size).toBe(500)
      expect(reopened.publication().size).toBe(500)
    })

    it('takes no statement about itself from a submitter', async () => {
      const log = await open()
      const statement = utf8('cairn-map/v1\n')
      const refused = log.submit([...leaves(1), statement])
      await expect(refused).rejects.toThrow(
        'a leaf that begins with cairn-map/ is written by the log itself only',
      )
      expect(log.head().size).toBe(0)
      await log.submit([utf8('cairn-map'), ...leaves(1)])
      const { leaves: accepted } = await log.submit([statement], { ownStatement: true })
      expect(accepted[0]!.index).toBe(2)
    })

    it('honours an idempotency key, also after a restart, and refuses it for other leaves', async () => {
      let log = await open({ dedup: false })
      const idempotencyKey = randomBytes(16)
      const batch = leaves(3)
      const first = await log.submit(batch, { idempotencyKey })
      const again = await log.submit(batch, { idempotencyKey })
      expect(again.leaves.map((each) => [each.index, each.duplicate])).toEqual(
        [0, 1, 2].map((i) => [i, true]),
      )
      await check(log, batch, again)
      expect(await codeOf(log.submit(leaves(2), { idempotencyKey }))).toBe('CONFLICT')
      await close(log)
      log = await open({ dedup: false })
      const later = await log.submit(batch, { idempotencyKey })
      expect(later.leaves.map((each) => each.index)).toEqual(first.leaves.map((each) => each.index))
      expect(await codeOf(log.submit(leaves(4), { idempotencyKey }))).toBe('CONFLICT')
      expect(log.head().size).toBe(3)
    })

    it('tells a retry by what the submitter says of it, whatever its leaves are', async () => {
      let log = await open()
      const idempotencyKey = randomBytes(16)
      const [request, other] = [randomBytes(32), randomBytes(32)]
      const first = await log.submit(leaves(3), { idempotencyKey, request })
      const again = await log.submit(leaves(3, 'other'), { idempotencyKey, request })
      expect(again.leaves.map(({ index }) => index)).toEqual(first.leaves.map(({ index }) => index))
      expect(again.leaves.every(({ duplicate }) => duplicate)).toBe(true)
      await close(log)
      log = await open()
      for (const [batch, said] of [
        [leaves(3), other],
        [leaves(3), undefined],
        [leaves(2), request],
      ] as const) {
        const options = { idempotencyKey, ...(said && { request: said }) }
        expect(await codeOf(log.submit(batch, options))).toBe('CONFLICT')
      }
      expect(log.head().size).toBe(3)
    })

    it('remembers an idempotency key also for leaves that were there before', async () => {
      let log = await open()
      await log.submit(leaves(5))
      const idempotencyKey = randomBytes(16)
      const batch = leaves(3)
      const answer = await log.submit(batch, { idempotencyKey })
      expect(answer.leaves.map((each) => each.index)).toEqual([0, 1, 2])
      await check(log, batch, answer)
      expect(log.head().size).toBe(5)
      const at = await Promise.all([
        codeOf(log.submit(leaves(4), { idempotencyKey })),
        codeOf(log.submit(batch, { idempotencyKey })),
      ])
      expect(at).toEqual(['CONFLICT', 'resolved'])
      await close(log)
      log = await open()
      expect(await codeOf(log.submit(leaves(4), { idempotencyKey }))).toBe('CONFLICT')
      expect(await codeOf(log.submit(batch, { idempotencyKey }))).toBe('resolved')
    })

    it('publishes heads with both signatures, in time that never runs backwards', async () => {
      let now = 1_700_000_000_000
      const log = await open({ now: () => now, publishIntervalMs: 1 })
      const seen = [log.publication()]
      for (const leaf of leaves(5)) {
        now -= 60_000
        const { head } = await log.submit([leaf])
        while (log.publication().size < head.size)
          await new Promise((resolve) => setTimeout(resolve, 2))
        seen.push(log.publication())
      }
      const keys = log.vkeys.map(parseVkey)
      expect(keys.map((key) => key.type)).toEqual(['ed25519', 'ml-dsa-44'])
      for (const [i, publication] of seen.entries()) {
        const { logSignatures } = openCheckpoint(utf8(publication.checkpoint), keys)
        expect(logSignatures.map((key) => key.type).sort()).toEqual(['ed25519', 'ml-dsa-44'])
        if (i > 0) expect(publication.timestamp).toBeGreaterThan(seen[i - 1]!.timestamp)
      }
    })

    it('renews the time of an idle head', async () => {
      const log = await open({ renewMs: 30, publishIntervalMs: 1 })
      const first = log.publication()
      await expect
        .poll(() => log.publication().timestamp, { timeout: 10_000 })
        .toBeGreaterThan(first.timestamp)
      expect(log.publication().size).toBe(first.size)
    })

    it('has the root that sha256 alone gives', async () => {
      const log = await open()
      const all = leaves(5)
      await log.submit(all)
      const h = (...parts: (Uint8Array | number[])[]): Buffer => {
        const hash = createHash('sha256')
        for (const part of parts) hash.update(Uint8Array.from(part))
        return hash.digest()
      }
      const [a, b, c, d, e] = all.map((leaf) => h([0], leaf))
      const root = h([1], h([1], h([1], a!, b!), h([1], c!, d!)), e!)
      expect(Buffer.from(log.head().root)).toEqual(root)
    })

    it('sequences leaves as it adds them', async () => {
      const log = await open()
      const batch = leaves(3)
      const first = await log.sequence(batch)
      expect(first.map(({ index, duplicate }) => [index, duplicate])).toEqual(
        [0, 1, 2].map((i) => [i, false]),
      )
      const again = await log.sequence([...batch, utf8('new')])
      expect(again.map(({ index, duplicate }) => [index, duplicate])).toEqual([
        ...[0, 1, 2].map((i) => [i, true]),
        [3, false],
      ])
      await check(log, batch, await log.submit(batch))
      const { leafHash, proof, head } = await log.inclusion(leafIndex(3))
      verifyInclusion(leafIndex(3), head.size, leafHash, proof, head.root)
      expect(await codeOf(log.sequence([]))).toBe('MALFORMED')
    })
  })
}
