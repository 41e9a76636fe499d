import { createHash, randomBytes } from 'node:crypto'
import { cp, rm } from 'node:fs/promises'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { equal, utf8 } from '../../src/bytes.ts'
import { CairnError } from '../../src/errors.ts'
import { openCheckpoint } from '../../src/formats/open-checkpoint.ts'
import { parseVkey } from '../../src/formats/vkey.ts'
import type { LogEvent } from '../../src/log/log.ts'
import type { Acceptance, LogService } from '../../src/log/service.ts'
import type { SignedState } from '../../src/log/signed-state.ts'
import { verifyConsistency } from '../../src/merkle/consistency.ts'
import { Frontier } from '../../src/merkle/frontier.ts'
import { hashLeaf, type RootHash } from '../../src/merkle/hash.ts'
import { verifyInclusion } from '../../src/merkle/inclusion.ts'
import { leafIndex, treeSize } from '../../src/merkle/position.ts'
import type { LogStore } from '../../src/storage/port.ts'
import { discard, newKeys, newPlace, openAt, type TestLogPlace } from '../support/test-log.ts'

let place: TestLogPlace
let opened: LogService[] = []

beforeEach(async () => {
  place = await newPlace()
})

afterEach(async () => {
  await Promise.all(opened.map((log) => log.close()))
  opened = []
  await discard(place)
})

async function open(
  ...args: Parameters<typeof openAt> extends [unknown, ...infer R] ? R : never
): Promise<LogService> {
  const log = await openAt(place, ...args)
  opened.push(log)
  return log
}

/** Opens the log with a fault in what its signer remembers. */
async function openWith(fault: (state: SignedState) => SignedState): Promise<LogService> {
  const log = await openAt(place, {}, undefined, fault)
  opened.push(log)
  return log
}

async function close(log: LogService): Promise<void> {
  opened = opened.filter((each) => each !== log)
  await log.close()
}

function codeOf(promise: Promise<unknown>): Promise<string> {
  return promise.then(
    () => 'resolved',
    (error: unknown) => (error instanceof CairnError ? error.code : String(error)),
  )
}

function leaves(count: number, name = 'leaf'): Uint8Array[] {
  return Array.from({ length: count }, (_, i) => utf8(`${name} ${i}`))
}

function rootOf(all: readonly Uint8Array[]): RootHash {
  const frontier = new Frontier()
  for (const leaf of all) frontier.append(hashLeaf(leaf))
  return frontier.root()
}

/** Checks one acceptance as a stranger would: proof, root and the log's Ed25519 signature. */
async function check(
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

describe('a log', () => {
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
})

describe('when a write fails', () => {
  /** Lets `good` commits through, then fails, before or after the store has done its work. */
  const failing =
    (good: number, when: 'before' | 'after', code: 'IO' | 'DISK_FULL' = 'IO') =>
    (store: LogStore): LogStore => ({
      head: () => store.head(),
      publication: () => store.publication(),
      publish: (publication) => store.publish(publication),
      tile: (level, tile) => store.tile(level, tile),
      bundle: (bundle) => store.bundle(bundle),
      find: (hashes) => store.find(hashes),
      idempotency: (key) => store.idempotency(key),
      inspect: (size) => store.inspect(size),
      usage: () => store.usage(),
      close: () => store.close(),
      async commit(commit) {
        const fail = good-- <= 0
        if (fail && when === 'before') throw new CairnError(code, 'the disk is gone')
        await store.commit(commit)
        if (fail) throw new CairnError(code, 'the disk is gone')
      },
    })

  for (const when of ['before', 'after'] as const) {
    it(`stops, acknowledges nothing more and opens again (failure ${when} the batch was stored)`, async () => {
      const events: LogEvent[] = []
      let log = await open(
        { onEvent: (event) => events.push(event), batch: { maxLeaves: 10, maxBytes: 1e6 } },
        failing(3, when),
      )
      const outcomes = await Promise.allSettled(leaves(100).map((leaf) => log.submit([leaf])))
      const kept = outcomes.flatMap((outcome) =>
        outcome.status === 'fulfilled' ? [outcome.value] : [],
      )
      expect(kept.map((each) => each.leaves[0]!.index)).toEqual(
        Array.from({ length: 30 }, (_, i) => i),
      )
      expect(log.mode().mode).toBe('stopped')
      expect(await codeOf(log.submit([utf8('more')]))).toBe('STOPPED')
      expect(events.map((each) => each.event)).toContain('stopped')
      expect(log.head().size).toBe(30)
      await close(log)

      log = await open()
      expect(log.mode().mode).toBe('writable')
      expect(log.head().size).toBe(when === 'before' ? 30 : 40)
      const again = await log.submit(leaves(100))
      expect(again.leaves.map((each) => each.index)).toEqual(leaves(100).map((_, i) => i))
      expect(equal(log.head().root, rootOf(leaves(100)))).toBe(true)
    })
  }

  it('says so when a head cannot be published, takes submissions all the same, and tries again', async () => {
    let broken = false
    const events: LogEvent[] = []
    const log = await open({ onEvent: (event) => events.push(event) }, (store) => ({
      ...failing(1_000, 'before')(store),
      publish: (publication) =>
        broken ? Promise.reject(new CairnError('IO', 'not now')) : store.publish(publication),
    }))
    broken = true
    await log.submit(leaves(3))
    await expect.poll(() => events).toEqual([{ event: 'publication-failed', reason: 'not now' }])
    expect(log.mode().mode).toBe('writable')
    expect(log.publication().size).toBe(0)
    broken = false
    await log.submit(leaves(5))
    await expect.poll(() => log.publication().size).toBe(5)
  })

  it('shows no head that the signer could not note', async () => {
    const log = await openWith((state) => {
      let good = 2
      return {
        ...state,
        record: (head) => (good-- > 0 ? state.record(head) : Promise.reject(new Error('gone'))),
      }
    })
    await log.submit(leaves(5))
    expect(await codeOf(log.submit(leaves(5, 'lost')))).toBe('STOPPED')
    expect(await codeOf(log.submit(leaves(5, 'later')))).toBe('STOPPED')
    expect(log.head().size).toBe(5)
    await close(log)
    const reopened = await open()
    expect(reopened.mode().mode).toBe('writable')
    expect(reopened.head().size).toBe(10)
  })

  it('says that the disk is full', async () => {
    const log = await open({}, failing(0, 'before', 'DISK_FULL'))
    expect(await codeOf(log.submit([utf8('x')]))).toBe('DISK_FULL')
  })

  it('refuses submissions while the disk is nearly full, and takes them again afterwards', async () => {
    let free = 1e12
    const events: LogEvent[] = []
    const log = await open(
      { onEvent: (event) => events.push(event), freeSpaceFloor: 1e9, spaceCheckMs: 5 },
      (store) => ({
        ...failing(1_000, 'before')(store),
        usage: async () => ({ used: 0, free }),
      }),
    )
    await log.submit([utf8('a')])
    free = 1
    await expect.poll(() => log.mode().mode).toBe('disk-full')
    expect(await codeOf(log.submit([utf8('b')]))).toBe('DISK_FULL')
    free = 1e12
    await expect.poll(() => log.mode().mode).toBe('writable')
    await log.submit([utf8('b')])
    expect(events.map((each) => each.event)).toEqual(['disk-low', 'disk-ok'])
  })
})

describe('what the signer remembers', () => {
  const submitAll = async (log: LogService, from: number, to: number): Promise<void> => {
    await log.submit(leaves(to).slice(from))
  }

  it('makes a log read-only whose data was rolled back, and signs nothing then', async () => {
    let log = await open()
    await submitAll(log, 0, 10)
    await close(log)
    await cp(join(place.directory, 'store'), join(place.directory, 'old'), { recursive: true })
    log = await open()
    await submitAll(log, 10, 20)
    await close(log)
    await rm(join(place.directory, 'store'), { recursive: true })
    await cp(join(place.directory, 'old'), join(place.directory, 'store'), { recursive: true })

    log = await open()
    const mode = log.mode()
    expect(mode.mode).toBe('read-only')
    expect(mode).toMatchObject({
      reason: expect.stringContaining('holds 10 leaves, but a head of 20 leaves'),
    })
    expect(await codeOf(log.submit([utf8('a fork')]))).toBe('READ_ONLY')
    expect(log.publication().size).toBe(10)
    expect(await log.entry(leafIndex(9))).toEqual(leaves(10)[9])
  })

  it('makes a log read-only whose data was replaced by another tree signed with the same key', async () => {
    let log = await open()
    await submitAll(log, 0, 10)
    await close(log)
    await rm(join(place.directory, 'store'), { recursive: true })
    await cp(join(place.directory, 'signed-head'), join(place.directory, 'kept'))
    await rm(join(place.directory, 'signed-head'))
    log = await open()
    await log.submit(leaves(12, 'another history'))
    await close(log)
    await cp(join(place.directory, 'kept'), join(place.directory, 'signed-head'))
    log = await open()
    expect(log.mode()).toMatchObject({
      mode: 'read-only',
      reason: expect.stringContaining('the data was replaced'),
    })
  })

  it('makes a log read-only whose signer state is gone, until the data is adopted', async () => {
    let log = await open()
    await submitAll(log, 0, 10)
    await close(log)
    await rm(join(place.directory, 'signed-head'))
    log = await open()
    expect(log.mode()).toMatchObject({
      mode: 'read-only',
      reason: expect.stringContaining('missing'),
    })
    await close(log)
    log = await open({ adoptHead: true })
    expect(log.mode().mode).toBe('writable')
    await submitAll(log, 10, 12)
    await close(log)
    log = await open()
    expect(log.mode().mode).toBe('writable')
    expect(log.head().size).toBe(12)
  })

  it('is not overruled by --adopt-head when it disagrees', async () => {
    let log = await open()
    await submitAll(log, 0, 10)
    await close(log)
    await rm(join(place.directory, 'store'), { recursive: true })
    log = await open({ adoptHead: true })
    expect(log.mode().mode).toBe('read-only')
  })

  it('refuses to open a store that was written with other keys', async () => {
    const log = await open()
    await submitAll(log, 0, 3)
    await close(log)
    await rm(join(place.directory, 'signed-head'))
    const other = { directory: place.directory, keys: newKeys(place.keys.origin) }
    await expect(openAt(other)).rejects.toMatchObject({ code: 'CORRUPT' })
  })
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
