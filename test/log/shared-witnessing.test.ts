/** A log that several servers share, and its witnesses. */
import { rm } from 'node:fs/promises'
import { join } from 'node:path'
import { afterEach, beforeEach, expect, it } from 'vitest'
import { utf8 } from '../../src/bytes.ts'
import { openCheckpoint } from '../../src/formats/open-checkpoint.ts'
import type { Policy } from '../../src/formats/policy.ts'
import { formatVkey, parseVkey } from '../../src/formats/vkey.ts'
import { localSigner } from '../../src/log/local-signer.ts'
import type { Head } from '../../src/log/service.ts'
import type { SharedLog, SharedLogOptions } from '../../src/log/shared-log.ts'
import type { WitnessOptions } from '../../src/log/witness-options.ts'
import { leafIndex } from '../../src/merkle/position.ts'
import {
  copyOfAll,
  discardShared,
  newSharedPlace,
  openServer,
  type SharedPlace,
} from '../support/test-shared-log.ts'
import { newWitness, policyOf, type TestWitness } from '../support/test-witness.ts'
import { codeOf, leaves } from './log-conformance.ts'

const PATIENCE_MS = 5_000

let place: SharedPlace
let two: TestWitness[]
let policy: Policy
let witnesses: WitnessOptions
let opened: SharedLog[] = []

beforeEach(async () => {
  place = await newSharedPlace()
  const signer = localSigner(place.keys)
  const vkeys = [signer.ed25519, signer.mlDsa].map(formatVkey)
  two = [await newWitness('w0.example', vkeys), await newWitness('w1.example', vkeys)]
  policy = policyOf(two, 1)
  const ports = two.map(({ port }) => port)
  witnesses = { policy, ports, hurriedIntervalMs: 5, firstPauseMs: 5, longestPauseMs: 40 }
})

afterEach(async () => {
  await Promise.all(opened.map((log) => log.close()))
  opened = []
  await Promise.all(two.map((witness) => witness.discard()))
  await discardShared(place)
})

async function open(name: string, options: Partial<SharedLogOptions> = {}): Promise<SharedLog> {
  const log = await openServer(place, name, { witnesses, ...options })
  opened.push(log)
  return log
}

async function close(log: SharedLog): Promise<void> {
  opened = opened.filter((each) => each !== log)
  await log.close()
}

function cosigners(log: SharedLog, head: Head): number {
  const keys = policy.witnesses.map(({ key }) => key)
  return openCheckpoint(utf8(head.checkpoint), log.vkeys.map(parseVkey), keys).cosignatures.length
}

it('is witnessed whichever server a leaf comes to, and whoever leads', async () => {
  const [a, b] = [await open('a'), await open('b')]
  for (let round = 0; round < 3; round++) {
    const { leaves: accepted } = await b.submit(leaves(2, `round ${round}`))
    const { index } = accepted[1]!
    const head = await b.witnessed(index, PATIENCE_MS)
    expect(head!.size).toBeGreaterThan(index)
    expect(cosigners(b, head!)).toBeGreaterThanOrEqual(1)
    const inclusion = await b.inclusion(index)
    expect(cosigners(b, inclusion.head)).toBeGreaterThanOrEqual(1)
    if (round === 0) {
      expect(a.witnesses()?.witnesses).toHaveLength(2)
      expect(b.witnesses()).toEqual({ quorum: policy.quorum, witnesses: [] })
    }
    if (round === 1) await close(a)
  }
  expect(b.witnesses()?.witnesses).toHaveLength(2)
})

it('shows nothing that the quorum has not cosigned', async () => {
  for (const witness of two) witness.line.down = true
  const [a, b] = [await open('a', { leaseMs: 500 }), await open('b', { leaseMs: 500 })]
  await b.submit(leaves(2))
  expect(await b.witnessed(leafIndex(1), 100)).toBeUndefined()
  for (const log of [a, b]) expect(() => log.publication()).toThrow('have not cosigned')
  two[1]!.line.down = false
  for (const log of [a, b])
    expect(cosigners(log, (await log.witnessed(leafIndex(1), PATIENCE_MS))!)).toBe(1)
})

it('is not led by a server whose witnesses have seen more than the database holds', async () => {
  const a = await open('a')
  await a.submit(leaves(10))
  await a.witnessed(leafIndex(9), PATIENCE_MS)
  const goBack = await copyOfAll(place)
  await a.submit(leaves(20))
  await a.witnessed(leafIndex(19), PATIENCE_MS)
  await close(a)
  await goBack()
  await rm(join(place.directory, 'signed-head-a'))
  // Nobody remembers but the witnesses.
  const again = await open('a', { adoptHead: true })
  await expect
    .poll(() => again.mode(), { timeout: PATIENCE_MS })
    .toMatchObject({
      mode: 'read-only',
      reason: expect.stringContaining('it holds 10 leaves, but the witness'),
    })
  expect(again.leader()).toBeUndefined()
  expect(await codeOf(again.submit(leaves(1)))).toBe('READ_ONLY')
})
