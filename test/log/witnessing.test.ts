/** A log and its witnesses, all of them real; only the lines between them can be cut. */
import { cp } from 'node:fs/promises'
import { afterEach, describe, expect, it } from 'vitest'
import { fromUtf8, utf8 } from '../../src/bytes.ts'
import { verifySplitView } from '../../src/client/verify-split-view.ts'
import { openCheckpoint } from '../../src/formats/open-checkpoint.ts'
import { type Policy, quorumSatisfied } from '../../src/formats/policy.ts'
import { formatVkey, parseVkey } from '../../src/formats/vkey.ts'
import { localSigner } from '../../src/log/local-signer.ts'
import type { LogEvent, LogOptions } from '../../src/log/log.ts'
import type { Head, LogService } from '../../src/log/service.ts'
import type { WitnessOptions } from '../../src/log/witness-options.ts'
import { leafIndex, treeSize } from '../../src/merkle/position.ts'
import { discard, newPlace, openAt, type TestLogPlace } from '../support/test-log.ts'
import {
  newWitness,
  policyOf,
  type TestWitness,
  type TestWitnessOptions,
} from '../support/test-witness.ts'

const PATIENCE_MS = 5_000

const opened: { close(): Promise<void> }[] = []
const left: (() => Promise<void>)[] = []

afterEach(async () => {
  for (const log of opened.splice(0).reverse()) await log.close()
  for (const clean of left.splice(0).reverse()) await clean()
})

async function place(): Promise<TestLogPlace> {
  const made = await newPlace()
  left.push(() => discard(made))
  return made
}

async function witnesses(
  of: TestLogPlace,
  count: number,
  options?: TestWitnessOptions,
): Promise<TestWitness[]> {
  const signer = localSigner(of.keys)
  const vkeys = [signer.ed25519, signer.mlDsa].map(formatVkey)
  const made: TestWitness[] = []
  for (let i = 0; i < count; i++) {
    const witness = await newWitness(`w${i}.example`, vkeys, options)
    left.push(() => witness.discard())
    made.push(witness)
  }
  return made
}

/** Asks quickly again, so that tests need not wait. */
function asked(of: readonly TestWitness[], policy: Policy): WitnessOptions {
  return {
    policy,
    ports: of.map(({ port }) => port),
    hurriedIntervalMs: 5,
    firstPauseMs: 5,
    longestPauseMs: 40,
    consultMs: 1_000,
  }
}

async function open(
  at: TestLogPlace,
  options: Partial<LogOptions> = {},
): Promise<{ log: LogService; events: LogEvent[] }> {
  const events: LogEvent[] = []
  const log = await openAt(at, { ...options, onEvent: (event) => events.push(event) })
  opened.push(log)
  return { log, events }
}

async function shut(log: LogService): Promise<void> {
  opened.splice(opened.indexOf(log), 1)
  await log.close()
}

function leaf(text: string): Uint8Array {
  return utf8(text)
}

async function add(log: LogService, ...texts: string[]): Promise<void> {
  await log.submit(texts.map(leaf))
}

async function eventually(holds: () => boolean): Promise<void> {
  const deadline = performance.now() + PATIENCE_MS
  while (!holds()) {
    if (performance.now() > deadline) throw new Error(`never came true: ${holds}`)
    await new Promise((resolve) => setTimeout(resolve, 5))
  }
}

/** The names of the witnesses that have cosigned a head; their signatures and the log's are verified. */
function cosigners(log: LogService, head: Head, policy: Policy): string[] {
  const opened = openCheckpoint(
    utf8(head.checkpoint),
    log.vkeys.map(parseVkey),
    policy.witnesses.map(({ key }) => key),
  )
  expect(opened.checkpoint.size).toBe(head.size)
  return opened.cosignatures.map(({ key }) => key.name).sort()
}

describe('a log with a quorum of two of three witnesses', () => {
  it('shows heads that the quorum has cosigned, signed twice by the log', async () => {
    const at = await place()
    const three = await witnesses(at, 3)
    const policy = policyOf(three, 2)
    const { log } = await open(at, { witnesses: asked(three, policy) })
    await add(log, 'a', 'b')
    const head = await log.witnessed(leafIndex(1), PATIENCE_MS)
    expect(head?.size).toBe(2)
    expect(cosigners(log, head!, policy).length).toBeGreaterThanOrEqual(2)
    const { logSignatures } = openCheckpoint(utf8(head!.checkpoint), log.vkeys.map(parseVkey))
    expect(logSignatures.map(({ type }) => type)).toEqual(['ed25519', 'ml-dsa-44'])
    expect(log.publication().size).toBe(2)
  })

  it('reaches it without the third, and adds that one when it is back', async () => {
    const at = await place()
    const three = await witnesses(at, 3)
    const policy = policyOf(three, 2)
    three[2]!.line.down = true
    const { log } = await open(at, { witnesses: asked(three, policy) })
    await add(log, 'a')
    const head = await log.witnessed(leafIndex(0), PATIENCE_MS)
    expect(cosigners(log, head!, policy)).toEqual(['w0.example', 'w1.example'])
    three[2]!.line.down = false
    await eventually(() => cosigners(log, log.publication(), policy).length === 3)
    const later = await log.inclusion(leafIndex(0))
    expect(cosigners(log, later.head, policy)).toHaveLength(3)
  })

  it('accepts leaves while it cannot be reached, and catches up when it can', async () => {
    const at = await place()
    const three = await witnesses(at, 3)
    const policy = policyOf(three, 2)
    const { log } = await open(at, { witnesses: asked(three, policy) })
    await add(log, 'a')
    await log.witnessed(leafIndex(0), PATIENCE_MS)
    three[0]!.line.down = true
    three[1]!.line.down = true
    for (let i = 0; i < 50; i++) await add(log, `later ${i}`)
    expect(log.head().size).toBe(51)
    expect(await log.witnessed(leafIndex(50), 100)).toBeUndefined()
    expect(log.publication().size).toBe(1)
    // What is not witnessed yet can be had all the same, under the head that the log has committed.
    expect((await log.inclusion(leafIndex(50))).head.size).toBe(51)
    expect(log.mode().mode).toBe('writable')
    three[0]!.line.down = false
    three[1]!.line.down = false
    const head = await log.witnessed(leafIndex(50), PATIENCE_MS)
    expect(head?.size).toBe(51)
    expect(cosigners(log, head!, policy).length).toBeGreaterThanOrEqual(2)
  })

  it('is not held up by a slow one, whose cosignature later receipts carry', async () => {
    const at = await place()
    const three = await witnesses(at, 3)
    const policy = policyOf(three, 2)
    three[2]!.line.delayMs = 300
    const { log } = await open(at, { witnesses: asked(three, policy) })
    await add(log, 'first')
    const started = performance.now()
    expect(await log.witnessed(leafIndex(0), PATIENCE_MS)).toBeDefined()
    for (let i = 0; i < 10; i++) {
      await add(log, `more ${i}`)
      expect((await log.witnessed(leafIndex(i + 1), PATIENCE_MS))?.size).toBe(i + 2)
    }
    expect(performance.now() - started).toBeLessThan(1_500)
    // New heads go on while the slow one answers about an old one.
    let i = 0
    await eventually(() => {
      void add(log, `and more ${i++}`)
      return log.witnesses()!.witnesses[2]!.cosigned > 2
    })
    const { head } = await log.inclusion(leafIndex(0))
    expect(cosigners(log, head, policy)).toHaveLength(3)
  })

  it('tells how each is doing', async () => {
    const at = await place()
    const three = await witnesses(at, 3)
    three[1]!.line.down = true
    const { log, events } = await open(at, { witnesses: asked(three, policyOf(three, 2)) })
    await add(log, 'a')
    await log.witnessed(leafIndex(0), PATIENCE_MS)
    await eventually(() => log.witnesses()!.witnesses[1]!.state === 'suspended')
    const { quorum, witnesses: all } = log.witnesses()!
    expect(quorum).toBe('q')
    expect(all[0]).toMatchObject({ state: 'cosigning', size: 1, lag: 0, failures: 0 })
    expect(all[0]!.latencyMs).toBeGreaterThan(0)
    expect(Date.now() - all[0]!.cosignedAt!).toBeLessThan(PATIENCE_MS)
    expect(all[1]).toMatchObject({ size: undefined, lag: 1, error: 'cannot reach w1.example' })
    expect(all[1]!.retryAt).toBeDefined()
    expect(events).toContainEqual(
      expect.objectContaining({ event: 'witness-failing', witness: 'test:w1.example' }),
    )
    three[1]!.line.down = false
    await eventually(() => log.witnesses()!.witnesses[1]!.state === 'cosigning')
    expect(events).toContainEqual({ event: 'witness-ok', witness: 'test:w1.example' })
  })

  it('goes on from what its witnesses know after a restart', async () => {
    const at = await place()
    const three = await witnesses(at, 3)
    const policy = policyOf(three, 2)
    const first = await open(at, { witnesses: asked(three, policy) })
    await add(first.log, 'a', 'b', 'c')
    await first.log.witnessed(leafIndex(2), PATIENCE_MS)
    await shut(first.log)
    const { log } = await open(at, { witnesses: asked(three, policy) })
    expect(log.mode().mode).toBe('writable')
    await add(log, 'd')
    expect((await log.witnessed(leafIndex(3), PATIENCE_MS))?.size).toBe(4)
  })

  it('closes in good order while it waits for them', async () => {
    const at = await place()
    const three = await witnesses(at, 3)
    for (const { line } of three) line.down = true
    const { log } = await open(at, { witnesses: asked(three, policyOf(three, 2)) })
    await add(log, 'a')
    expect(() => log.publication()).toThrow(/have not cosigned/)
    const started = performance.now()
    await shut(log)
    expect(performance.now() - started).toBeLessThan(1_000)
  })

  it('does not show a head that was published before it had to be cosigned', async () => {
    const at = await place()
    const before = await open(at)
    await add(before.log, 'a')
    await shut(before.log)
    const three = await witnesses(at, 3)
    for (const { line } of three) line.down = true
    const { log } = await open(at, { witnesses: asked(three, policyOf(three, 2)) })
    expect(() => log.publication()).toThrow(expect.objectContaining({ code: 'NOT_FOUND' }))
    for (const { line } of three) line.down = false
    await log.witnessed(leafIndex(0), PATIENCE_MS)
    expect(log.publication().size).toBe(1)
  })
})

describe('a log whose policy demands none of its witnesses', () => {
  it('shows heads at once, and adds cosignatures as they come', async () => {
    const at = await place()
    const two = await witnesses(at, 2)
    const policy = policyOf(two, 0)
    two[1]!.line.delayMs = 50
    const { log } = await open(at, { witnesses: asked(two, policy) })
    await add(log, 'a')
    await eventually(() => log.publication().size === 1)
    await eventually(() => cosigners(log, log.publication(), policy).length === 2)
    await expect(log.witnessed(leafIndex(0), 10)).rejects.toThrow(/no quorum/)
  })
})

describe('an idle log', () => {
  it('has its cosignatures refreshed', async () => {
    const at = await place()
    let seconds = 1_800_000_000
    const now = (): number => seconds * 1000
    const two = await witnesses(at, 2, { now })
    const policy = policyOf(two, 2)
    const { log } = await open(at, { witnesses: asked(two, policy), now, renewMs: 30 })
    await add(log, 'a')
    await log.witnessed(leafIndex(0), PATIENCE_MS)
    const times = (): number[] =>
      openCheckpoint(
        utf8(log.publication().checkpoint),
        log.vkeys.map(parseVkey),
        policy.witnesses.map(({ key }) => key),
      ).cosignatures.map(({ timestamp }) => timestamp)
    expect(times()).toEqual([seconds, seconds])
    seconds += 600
    await eventually(() => times().every((time) => time === seconds))
    expect(log.publication().size).toBe(1)
  })
})

describe('witnesses with two keys', () => {
  it('answer with both, and the log keeps both', async () => {
    const at = await place()
    const [one] = await witnesses(at, 1, { mlDsa: true })
    const policy = policyOf([one!], 2)
    const { log } = await open(at, { witnesses: asked([one!], policy) })
    await add(log, 'a')
    const head = await log.witnessed(leafIndex(0), PATIENCE_MS)
    expect(cosigners(log, head!, policy)).toEqual(['w0.example', 'w0.example/ml-dsa-44'])
  })
})

describe('a witness that does not do its work', () => {
  it.each([
    ['answers with a signature by another key', 'other'],
    ['answers with a signature of another head', 'stale'],
    ['says that the request is wrong', 'refuses'],
    ['claims another size each time', 'wanders'],
  ] as const)('and %s counts for nothing, and is left alone', async (_, fault) => {
    const at = await place()
    const two = await witnesses(at, 2)
    const [good, bad] = two as [TestWitness, TestWitness]
    const policy = policyOf(two, 2)
    const lines = new Map<string, Awaited<ReturnType<typeof bad.port.addCheckpoint>>>()
    let claimed = 0
    let wandering = false
    const port: typeof bad.port = {
      ...bad.port,
      async addCheckpoint(request, signal) {
        if (fault === 'refuses') return { kind: 'refused', status: 403, detail: 'unknown key' }
        if (fault === 'wanders') {
          if (!wandering) return bad.port.addCheckpoint(request, signal)
          return { kind: 'conflict', size: treeSize(claimed++ % 2) }
        }
        if (fault === 'other') return good.port.addCheckpoint(request, signal)
        const first = lines.get('first') ?? (await bad.port.addCheckpoint(request, signal))
        lines.set('first', first)
        return first
      },
    }
    const options = { ...asked([good], policy), ports: [good.port, port] }
    const { log } = await open(at, { witnesses: options })
    await add(log, 'a', 'b')
    wandering = true
    await add(log, 'c')
    await eventually(() => log.witnesses()!.witnesses[1]!.state === 'suspended')
    expect(await log.witnessed(leafIndex(2), 50)).toBeUndefined()
    expect(log.mode().mode).toBe('writable')
    expect(quorumSatisfied(policy, [good.port.keys[0]!.key])).toBe(false)
  })
})

describe('data that was rolled back', () => {
  async function rolledBack(): Promise<{
    old: TestLogPlace
    three: TestWitness[]
    policy: Policy
    at: TestLogPlace
  }> {
    const at = await place()
    const three = await witnesses(at, 3)
    const policy = policyOf(three, 2)
    const first = await open(at, { witnesses: asked(three, policy) })
    await add(first.log, 'a', 'b', 'c')
    await first.log.witnessed(leafIndex(2), PATIENCE_MS)
    await shut(first.log)
    // A snapshot of everything, the signer's state with it: only the witnesses know more.
    const copy = await place()
    const old = { directory: copy.directory, keys: at.keys }
    await cp(at.directory, old.directory, { recursive: true })
    const second = await open(at, { witnesses: asked(three, policy) })
    await add(second.log, 'd', 'e')
    await second.log.witnessed(leafIndex(4), PATIENCE_MS)
    await eventually(() => second.log.witnesses()!.witnesses.every(({ size }) => size === 5))
    await shut(second.log)
    return { old, three, policy, at }
  }

  it('is found out at the start: nothing is signed, and it says what to do', async () => {
    const { old, three, policy } = await rolledBack()
    const { log, events } = await open(old, { witnesses: asked(three, policy) })
    const mode = log.mode()
    expect(mode.mode).toBe('read-only')
    expect(mode).toMatchObject({
      reason: expect.stringMatching(/rolled back.*holds 3 leaves.*head of 5 leaves/),
    })
    expect(mode).toMatchObject({ reason: expect.stringMatching(/restore the newest copy/) })
    await expect(log.submit([leaf('x')])).rejects.toThrow(
      expect.objectContaining({ code: 'READ_ONLY' }),
    )
    await expect(log.coseReceipt(await log.inclusion(leafIndex(1)))).rejects.toThrow(
      expect.objectContaining({ code: 'READ_ONLY' }),
    )
    expect(log.head().size).toBe(3)
    expect((await log.inclusion(leafIndex(2))).head.size).toBe(3)
    await eventually(() => events.some(({ event }) => event === 'evidence'))
    for (const { service } of three) expect(service.logs()[0]!.head!.size).toBe(5)
  })

  it('is found out when a witness that was away comes back', async () => {
    const { old, three, policy } = await rolledBack()
    for (const { line } of three) line.down = true
    const { log } = await open(old, { witnesses: asked(three, policy) })
    expect(log.mode().mode).toBe('writable')
    await add(log, 'another d')
    three[1]!.line.down = false
    await eventually(() => log.mode().mode === 'read-only')
    await expect(log.submit([leaf('x')])).rejects.toThrow(/rolled back/)
  })

  it('does not stop a log when its witnesses are behind', async () => {
    const { at, three, policy } = await rolledBack()
    const { log } = await open(at, { witnesses: asked(three, policy) })
    expect(log.mode().mode).toBe('writable')
    await add(log, 'f')
    expect((await log.witnessed(leafIndex(5), PATIENCE_MS))?.size).toBe(6)
  })
})

describe('a log that is made to fork', () => {
  it.each([
    ['at the same size', ['other'], 4],
    ['to a larger size', ['other', 'and', 'more'], 4],
  ])('gets no cosignature for the second branch %s, and keeps the evidence', async (_, texts) => {
    const at = await place()
    const three = await witnesses(at, 3)
    const policy = policyOf(three, 2)
    const first = await open(at, { witnesses: asked(three, policy) })
    await add(first.log, 'a', 'b', 'c')
    await first.log.witnessed(leafIndex(2), PATIENCE_MS)
    await shut(first.log)
    const copy = await place()
    const fork = { directory: copy.directory, keys: at.keys }
    await cp(at.directory, fork.directory, { recursive: true })

    const second = await open(at, { witnesses: asked(three, policy) })
    await add(second.log, 'd')
    await second.log.witnessed(leafIndex(3), PATIENCE_MS)
    await eventually(() => second.log.witnesses()!.witnesses.every(({ size }) => size === 4))
    const cosigned = await Promise.all(
      three.map(({ port }) => port.latest(at.keys.origin, new AbortController().signal)),
    )

    // The fork is written while nobody can be asked; then the witnesses come back.
    for (const { line } of three) line.down = true
    const { log, events } = await open(fork, { witnesses: asked(three, policy) })
    await add(log, ...texts)
    for (const { line } of three) line.down = false
    await eventually(() => log.mode().mode === 'read-only')
    expect(log.mode()).toMatchObject({ reason: expect.stringMatching(/forked.*another root/) })
    expect(await log.witnessed(leafIndex(3), 50)).toBeUndefined()

    await eventually(() => events.some(({ event }) => event === 'evidence'))
    const kept = events.find((event) => event.event === 'evidence')!
    if (kept.event !== 'evidence') throw new Error('unreachable')
    expect(kept.evidence.kind).toBe('split-view')
    const trust = { logKeys: [localSigner(at.keys).ed25519] }
    expect(verifySplitView(utf8(kept.evidence.text), trust).ok).toBe(true)
    const signal = new AbortController().signal
    for (const [i, { port }] of three.entries()) {
      const now = await port.latest(at.keys.origin, signal)
      expect(fromUtf8(now!).split('\n\n')[0]).toBe(fromUtf8(cosigned[i]!).split('\n\n')[0])
    }
  })
})
