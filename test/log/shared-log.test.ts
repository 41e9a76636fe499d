import { randomBytes } from 'node:crypto'
import { setTimeout as sleep } from 'node:timers/promises'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { equal, utf8 } from '../../src/bytes.ts'
import { messageOf } from '../../src/errors.ts'
import type { LogService } from '../../src/log/service.ts'
import type { SharedLog, SharedLogEvent, SharedLogOptions } from '../../src/log/shared-log.ts'
import { hashLeaf } from '../../src/merkle/hash.ts'
import { verifyInclusion } from '../../src/merkle/inclusion.ts'
import { leafIndex } from '../../src/merkle/position.ts'
import type { SharedLogStore } from '../../src/storage/shared-port.ts'
import {
  copyOfAll,
  discardShared,
  type Gate,
  gate,
  newSharedPlace,
  openServer,
  openStoreAt,
  type SharedPlace,
  tamper,
} from '../support/test-shared-log.ts'
import { Journal } from './journal.ts'
import { check, codeOf, leaves, logConformance } from './log-conformance.ts'

const LEASE_MS = 1_000

logConformance('a shared log', async () => {
  const own = await newSharedPlace()
  return {
    open: (options) => openServer(own, 'only', options),
    discard: () => discardShared(own),
  }
})

let place: SharedPlace
let opened: SharedLog[] = []
const gates: Gate[] = []

beforeEach(async () => {
  place = await newSharedPlace()
})

afterEach(async () => {
  for (const held of gates.splice(0)) held.letGo()
  await Promise.all(opened.map((log) => log.close()))
  opened = []
  await discardShared(place)
})

async function open(
  name: string,
  options: Partial<SharedLogOptions> = {},
  wrap?: (store: SharedLogStore) => SharedLogStore,
): Promise<SharedLog> {
  const log = await openServer(place, name, { leaseMs: LEASE_MS, ...options }, wrap)
  opened.push(log)
  return log
}

async function close(log: SharedLog): Promise<void> {
  opened = opened.filter((each) => each !== log)
  await log.close()
}

function newGate(): Gate {
  const made = gate()
  gates.push(made)
  return made
}

const leads = (log: SharedLog): boolean => log.leader()?.isUs === true

describe('several servers of one log', () => {
  it('all take submissions: no index is left out or given twice, and every receipt verifies', async () => {
    const servers = [await open('a'), await open('b'), await open('c')]
    expect(servers.filter(leads)).toHaveLength(1)
    for (const server of servers) {
      await expect.poll(() => server.leader()?.url).toBe('http://a.example')
    }
    const journal = new Journal()
    const client = async (name: number): Promise<void> => {
      const server = servers[name % servers.length]!
      for (let i = 0; i < 25; i++) {
        const batch = leaves(1 + ((name + i) % 4), `client ${name} ${i}`)
        const acceptance = await server.submit(batch)
        expect(acceptance.leaves.some(({ duplicate }) => duplicate)).toBe(false)
        journal.note(batch, acceptance)
        await check(server, batch, acceptance)
      }
    }
    await Promise.all(Array.from({ length: 9 }, (_, name) => client(name)))
    const { size } = servers[0]!.head()
    expect(journal.byIndex.size).toBe(size)
    for (const server of servers) {
      await expect.poll(() => server.head().size).toBe(size)
      expect(equal(server.head().root, servers[0]!.head().root)).toBe(true)
    }
    await journal.check(servers[2]!)
  })

  it('give a leaf its first index again, whichever of them it comes to', async () => {
    const servers = [await open('a'), await open('b'), await open('c')]
    const batch = leaves(20)
    const all = await Promise.all(
      servers.flatMap((server) => [batch, batch].map((each) => server.submit(each))),
    )
    for (const { leaves: accepted } of all) {
      expect(accepted.map(({ index }) => index)).toEqual(all[0]!.leaves.map(({ index }) => index))
    }
    const fresh = all.filter(({ leaves: accepted }) => !accepted[0]!.duplicate)
    expect(fresh).toHaveLength(1)
    expect(
      servers[1]!.statistics().duplicates +
        servers[0]!.statistics().duplicates +
        servers[2]!.statistics().duplicates,
    ).toBe(100)
    expect(servers[0]!.head().size).toBe(20)
  })

  it('honour an idempotency key that another of them has seen', async () => {
    const [a, b] = [await open('a', { dedup: false }), await open('b', { dedup: false })]
    const idempotencyKey = randomBytes(16)
    const first = await a.submit(leaves(3), { idempotencyKey })
    const again = await b.submit(leaves(3), { idempotencyKey })
    expect(again.leaves.map(({ index, duplicate }) => [index, duplicate])).toEqual(
      first.leaves.map(({ index }) => [index, true]),
    )
    await check(b, leaves(3), again)
    expect(await codeOf(b.submit(leaves(4), { idempotencyKey }))).toBe('CONFLICT')
    // What is in the same batch goes in.
    const [wrong, right] = await Promise.all([
      codeOf(b.submit(leaves(5), { idempotencyKey })),
      b.submit(leaves(2, 'other')),
    ])
    expect(wrong).toBe('CONFLICT')
    expect(right.leaves.map(({ index }) => index)).toEqual([3, 4])
  })

  it('refuse the second of two requests with one key that come together', async () => {
    const log = await open('a')
    const idempotencyKey = randomBytes(16)
    const both = [leaves(2), leaves(2)].map((each) => codeOf(log.submit(each, { idempotencyKey })))
    expect(await Promise.all(both)).toEqual(['resolved', 'CONFLICT'])
  })

  it('show what one of them publishes, in time that never runs backwards', async () => {
    let now = 1_700_000_000_000
    const options = { now: () => now, publishIntervalMs: 1 }
    let servers = [await open('a', options), await open('b', options)]
    let last = servers[0]!.publication().timestamp
    for (let round = 0; round < 3; round++) {
      now -= 60_000
      const { head } = await servers[1]!.submit(leaves(3, `round ${round}`))
      for (const server of servers) {
        await expect.poll(() => server.publication().size).toBe(head.size)
      }
      const [a, b] = servers.map((server) => server.publication())
      expect(a!.checkpoint).toBe(b!.checkpoint)
      expect(a!.timestamp).toBeGreaterThan(last)
      last = a!.timestamp
      // Another leads next.
      const gone = servers.find(leads)!
      await close(gone)
      servers = [servers.find((server) => server !== gone)!, await open(`next ${round}`, options)]
    }
  })

  it('let a reader of a fresh index wait for its head', async () => {
    const [a, b] = [await open('a'), await open('b')]
    const [accepted] = await b.sequence([utf8('fresh')])
    const { head, proof, leafHash } = await b.inclusion(accepted!.index)
    verifyInclusion(accepted!.index, head.size, leafHash, proof, head.root)
    expect(await codeOf(a.inclusion(leafIndex(1)))).toBe('NOT_FOUND')
  })

  it('take in one that joins, which trusts a log that is led, and no other', async () => {
    const a = await open('a')
    await a.submit(leaves(3))
    const b = await open('b')
    await check(b, leaves(4), await b.submit(leaves(4)))
    await Promise.all([close(a), close(b)])
    const stranger = await open('c')
    expect(stranger.mode()).toMatchObject({
      mode: 'read-only',
      reason: expect.stringContaining("the signer's state file is missing"),
    })
    const known = await open('b')
    expect(known.mode().mode).toBe('writable')
    expect(leads(known)).toBe(true)
  })

  it('tell who leads, and how far they are', async () => {
    const [a, b] = [await open('a'), await open('b')]
    await b.submit(leaves(7))
    await expect
      .poll(() => a.cluster())
      .toMatchObject({
        leading: true,
        epoch: 1,
        sequenced: 7,
        integrated: 7,
        databaseErrors: 0,
        leader: { url: 'http://a.example', isUs: true },
      })
    expect(b.cluster()).toMatchObject({
      leading: false,
      leader: { url: 'http://a.example', isUs: false },
    })
  })

  it('catch up with many leaves from the tiles', async () => {
    const a = await open('a')
    const b = await open('b')
    const all = leaves(70_000)
    const waiting: Promise<unknown>[] = []
    for (let i = 0; i < all.length; i += 5_000) waiting.push(a.submit(all.slice(i, i + 5_000)))
    await Promise.allSettled(waiting)
    await a.submit(all.slice(65_000))
    for (let i = 0; i < all.length; i += 5_000) await a.submit(all.slice(i, i + 5_000))
    await expect.poll(() => b.head().size, { timeout: 5_000 }).toBe(70_000)
    const c = await open('c')
    expect(equal(c.head().root, b.head().root)).toBe(true)
    const { proof, head, leafHash } = await c.inclusion(leafIndex(12_345))
    verifyInclusion(leafIndex(12_345), head.size, leafHash, proof, head.root)
  })
})

describe('the leader', () => {
  it('begins what it is told to with its term, and is told when that is over', async () => {
    const told: string[] = []
    const hooks = (name: string): Partial<SharedLogOptions> => ({
      onLeading: ({ epoch }) => told.push(`${name} leads ${epoch}`),
      onFollowing: () => told.push(`${name} follows`),
    })
    const a = await open('a', hooks('a'))
    await open('b', hooks('b'))
    await expect.poll(() => told).toEqual(['a leads 1'])
    await close(a)
    await expect.poll(() => told).toEqual(['a leads 1', 'a follows', 'b leads 2'])
  })

  it('hands over at once when it is closed, and loses nothing', async () => {
    const a = await open('a', { leaseMs: 30_000 })
    const b = await open('b', { leaseMs: 30_000 })
    const journal = new Journal()
    let going = true
    const client = async (name: number): Promise<void> => {
      for (let i = 0; going; i++) {
        const batch = leaves(2, `client ${name} ${i}`)
        journal.note(batch, await b.submit(batch))
      }
    }
    const clients = Array.from({ length: 8 }, (_, name) => client(name))
    await sleep(200)
    await close(a)
    const began = performance.now()
    await b.submit([utf8('under the next leader')])
    expect(performance.now() - began).toBeLessThan(2_000)
    expect(leads(b)).toBe(true)
    going = false
    await Promise.all(clients)
    await journal.check(b)
  })

  it('is followed by another within two leases when it falls silent', async () => {
    const silent = newGate()
    await open('a', {}, silent.wrap)
    const [b, c] = [await open('b'), await open('c')]
    await b.submit(leaves(5))
    silent.hold()
    const began = performance.now()
    const answers = await Promise.all([b.submit(leaves(9)), c.submit(leaves(12))])
    expect(performance.now() - began).toBeLessThan(2 * LEASE_MS)
    expect(answers.every(({ head }) => head.size >= 9)).toBe(true)
    expect([b, c].filter(leads)).toHaveLength(1)
  })

  it.each(['sequence', 'sequenced', 'integrate', 'publish', 'renew'])(
    'lands nothing of what it had on its way when its pause outlasts its term: %s',
    async (what) => {
      const paused = newGate()
      const events: SharedLogEvent[] = []
      const a = await open('a', { onEvent: (event) => events.push(event) }, paused.wrap)
      const b = await open('b')
      const journal = new Journal()
      const submit = async (log: SharedLog, name: string): Promise<void> => {
        const batch = leaves(4, name)
        journal.note(batch, await log.submit(batch))
      }
      await submit(a, 'first')
      expect(leads(a)).toBe(true)
      paused.hold(what)
      const mine = submit(a, `while ${what} is held`)
      await expect.poll(() => paused.held(), { timeout: 5_000 }).toContain(what)
      paused.hold()
      await submit(b, 'elsewhere')
      expect(leads(b)).toBe(true)
      paused.letGo()
      await mine
      expect(leads(a)).toBe(false)
      await submit(a, 'afterwards')
      await submit(b, 'afterwards, elsewhere')
      expect(a.mode().mode).toBe('writable')
      expect(events.map(({ event }) => event)).toEqual(['leading', 'following'])
      await expect.poll(() => a.publication().size).toBe(b.head().size)
      await journal.check(a)
    },
  )

  it('lets nothing in that was submitted for a term that is over', async () => {
    const paused = newGate()
    let during: LogService | undefined
    const a = await open('a', { onLeading: (_, log) => (during = log) }, paused.wrap)
    await expect.poll(() => during).toBeDefined()
    await during!.submit(leaves(2))
    paused.hold()
    const late = codeOf(during!.submit([utf8('late')]))
    const anyone = a.submit([utf8('anyone')])
    const b = await open('b')
    await expect.poll(() => leads(b), { timeout: 5_000 }).toBe(true)
    paused.letGo()
    expect(await late).toBe('UNAVAILABLE')
    expect((await anyone).leaves[0]!.index).toBe(2)
    expect(await b.indexOf(hashLeaf(utf8('late')))).toBeUndefined()
    expect(b.cluster().sequenced).toBe(3)
  })

  it('refuses to sign for leaves whose bytes are not those that were sequenced', async () => {
    const events: SharedLogEvent[] = []
    const onEvent = (event: SharedLogEvent): unknown => events.push(event)
    const a = await open('a', { onEvent })
    await a.submit(leaves(3))
    const store = await openStoreAt(place)
    const framed = Uint8Array.from([0, 1, 65, 0, 1, 66])
    const hashes = new Uint8Array(64)
    hashes.set(hashLeaf(utf8('A')))
    hashes.set(hashLeaf(utf8('not B')), 32)
    const starts = Uint32Array.from([0, 3, 6])
    await store.sequence({ framed, starts, hashes, dedup: true, requests: [] })
    await store.close()
    await expect.poll(() => a.mode().mode).toBe('read-only')
    expect(a.mode()).toMatchObject({
      reason: expect.stringContaining('leaf 4 in the database is not what was sequenced'),
    })
    expect(a.head().size).toBe(3)
    expect(await codeOf(a.submit(leaves(1, 'more')))).toBe('READ_ONLY')
    expect(events.map(({ event }) => event)).toContain('read-only')
    // Whoever leads next does not sign either.
    const b = await open('b')
    await expect.poll(() => b.mode().mode).toBe('read-only')
    expect(b.head().size).toBe(3)
    expect(await b.entry(leafIndex(2))).toEqual(leaves(3)[2])
  })
})

describe('a follower', () => {
  it('believes no head whose root is not that of the leaves', async () => {
    const a = await open('a')
    const b = await open('b')
    await a.submit(leaves(5))
    await expect.poll(() => b.head().size).toBe(5)
    await tamper(place, `UPDATE entry_runs SET hashes = overlay(hashes PLACING '\\x00' FROM 1)`)
    await expect.poll(() => a.mode().mode).toBe('writable')
    // A server that has these leaves goes on from what it knows; one that begins does not come to the head's root.
    await expect(open('c', { adoptHead: true })).rejects.toMatchObject({
      code: 'CORRUPT',
      message: expect.stringContaining('do not give the root'),
    })
  })
})

describe('a database that went back', () => {
  it('is refused by every server that saw what came after, while it runs and when it starts', async () => {
    const servers = [await open('a'), await open('b')]
    await servers[1]!.submit(leaves(10))
    const goBack = await copyOfAll(place)
    await servers[1]!.submit(leaves(20))
    for (const server of servers) await expect.poll(() => server.head().size).toBe(20)
    await goBack()
    const words =
      'the data was rolled back: it holds 10 leaves, but a head of 20 leaves was signed and shown; restore the newest copy of the data'
    for (const server of servers) {
      await expect
        .poll(() => server.mode(), { timeout: 5_000 })
        .toEqual({ mode: 'read-only', reason: words })
      expect(await codeOf(server.submit([utf8('a fork')]))).toBe('READ_ONLY')
      expect(server.leader()?.isUs).not.toBe(true)
      expect(await server.entry(leafIndex(9))).toEqual(leaves(10)[9])
    }
    await Promise.all(servers.map(close))
    const again = await open('b')
    expect(again.mode()).toEqual({ mode: 'read-only', reason: words })
  })

  it('is noticed by whoever has seen leaves sequenced that it has lost', async () => {
    const events: SharedLogEvent[] = []
    const a = await open('a', { onEvent: (event) => events.push(event) })
    await a.submit(leaves(10))
    const goBack = await copyOfAll(place)
    await a.submit(leaves(11))
    await goBack()
    const outcome = await a.submit([utf8('next')]).catch((error: unknown) => messageOf(error))
    expect(outcome).toContain('the data was rolled back')
    expect(a.mode().mode).toBe('read-only')
  })
})
