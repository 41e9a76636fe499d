import { generateKeyPairSync } from 'node:crypto'
import { join } from 'node:path'
import { Level } from 'level'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { utf8 } from '../../src/bytes.ts'
import { parseVkey, type VerifierKey } from '../../src/formats/vkey.ts'
import { type Finding, type FsckOptions, fsck } from '../../src/log/fsck.ts'
import { hashLeaf, rootHash } from '../../src/merkle/hash.ts'
import { treeSize } from '../../src/merkle/position.ts'
import { openLevelStore } from '../../src/storage/level.ts'
import {
  HEAD_KEY,
  PUBLICATION_KEY,
  parseKey,
  tileKey,
  writeDedupKey,
} from '../../src/storage/level-keys.ts'
import { discard, newPlace, openAt, type TestLogPlace } from '../support/test-log.ts'

type Database = Level<Uint8Array, Uint8Array>

const leaf = (index: number): Uint8Array => utf8(`{"record":${index}}`)

let place: TestLogPlace
let vkeys: readonly VerifierKey[]
let treeHeadKey: Uint8Array

beforeEach(async () => {
  place = await newPlace()
})
afterEach(() => discard(place))

/** A closed log of `size` leaves. */
async function makeLog(size: number): Promise<void> {
  const log = await openAt(place)
  vkeys = log.vkeys.map(parseVkey)
  treeHeadKey = log.treeHeadKey
  if (size > 0) await log.submit(Array.from({ length: size }, (_, i) => leaf(i)))
  await log.close()
}

/** Changes the database behind the log's back. */
async function tamper(work: (database: Database) => Promise<void>): Promise<void> {
  const database: Database = new Level(join(place.directory, 'store'), {
    keyEncoding: 'view',
    valueEncoding: 'view',
  })
  await database.open()
  await work(database)
  await database.close()
}

/** Changes one value. */
function change(key: Uint8Array, by: (value: Uint8Array) => void): Promise<void> {
  return tamper(async (database) => {
    const value = (await database.get(key))!
    expect(value).toBeDefined()
    by(value)
    await database.put(key, value)
  })
}

/** Changes the value that holds an entry's bytes. */
function changeEntry(index: number, by: (entry: Uint8Array) => void): Promise<void> {
  return tamper(async (database) => {
    for await (const [key, value] of database.iterator()) {
      const parsed = parseKey(key)
      if (parsed.kind !== 'bundle' || parsed.bundle !== Math.floor(index / 256)) continue
      const within = (index % 256) - parsed.first
      if (within < 0 || index % 256 > parsed.last) continue
      let at = 0
      for (let i = 0; i < within; i++) at += 2 + value[at]! * 256 + value[at + 1]!
      by(value.subarray(at + 2, at + 2 + value[at]! * 256 + value[at + 1]!))
      await database.put(key, value)
      return
    }
    throw new Error(`entry ${index} is not in the store`)
  })
}

function dedupKeyOf(index: number): Uint8Array {
  const key = new Uint8Array(17)
  writeDedupKey(key, 0, hashLeaf(leaf(index)), 0)
  return key
}

async function check(options: Partial<FsckOptions> = {}): Promise<Finding[]> {
  const store = await openLevelStore(join(place.directory, 'store'), { createIfMissing: false })
  const findings: Finding[] = []
  try {
    for await (const finding of fsck(store, { vkeys, ...options })) findings.push(finding)
  } finally {
    await store.close()
  }
  return findings
}

const names = (findings: readonly Finding[]): string[] => findings.map(({ name }) => name)
const flipFirst = (bytes: Uint8Array): void => {
  bytes[0]! ^= 1
}

describe('fsck', () => {
  it.each([0, 1, 5, 255, 256, 700])('finds nothing wrong with a log of %i leaves', async (size) => {
    await makeLog(size)
    expect(await check()).toEqual([])
  })

  it('finds nothing wrong with leaves that were logged more than once', async () => {
    const log = await openAt(place, { dedup: false })
    vkeys = log.vkeys.map(parseVkey)
    await log.submit([leaf(0), leaf(1), leaf(0)])
    await log.submit([leaf(1), leaf(2)])
    await log.close()
    expect(await check()).toEqual([])
  })

  it('counts the entries it has looked at', async () => {
    await makeLog(300)
    const store = await openLevelStore(join(place.directory, 'store'))
    const seen: number[] = []
    const pass = fsck(store, { vkeys, progress: (entries) => seen.push(entries) })
    const step = await pass.next()
    await store.close()
    expect(step).toMatchObject({ done: true, value: { size: 300 } })
    expect(seen).toEqual([256, 300])
  })

  it.each([0, 5, 299])('names entry %i when its bytes are changed', async (index) => {
    await makeLog(300)
    await changeEntry(index, flipFirst)
    expect(await check()).toEqual([
      { kind: 'entry', name: `entry ${index}`, detail: expect.stringContaining('does not hash') },
    ])
  })

  it.each([
    ['tile 0/0 hash 0', tileKey(0, 0, 0)],
    ['tile 1/0 hash 0', tileKey(1, 0, 0)],
  ])('names %s when it is changed', async (name, key) => {
    await makeLog(300)
    await change(key, flipFirst)
    expect(names(await check())).toContain(name)
  })

  it('goes on after a finding', async () => {
    await makeLog(300)
    await changeEntry(3, flipFirst)
    await changeEntry(298, flipFirst)
    await tamper((database) => database.del(dedupKeyOf(100)))
    const findings = await check()
    expect(names(findings).slice(0, 3)).toEqual([
      'entry 3',
      'deduplication key of entry 100',
      'entry 298',
    ])
    // The adapter counts its keys too.
    expect(findings.slice(3).map(({ kind }) => kind)).toEqual(['storage'])
  })

  it('names a deduplication key that is missing', async () => {
    await makeLog(10)
    await tamper((database) => database.del(dedupKeyOf(4)))
    expect(await check()).toContainEqual({
      kind: 'dedup',
      name: 'deduplication key of entry 4',
      detail: expect.stringContaining('is missing'),
    })
  })

  it('names a deduplication key that leads to another leaf', async () => {
    await makeLog(10)
    await change(dedupKeyOf(4), (value) => void value.fill(9, value.length - 1))
    expect(names(await check())).toContain('deduplication key of entry 4')
  })

  it('names a head whose checkpoint is not signed by the log', async () => {
    await makeLog(10)
    const other = await newPlace()
    const stranger = await openAt(other)
    const ours = vkeys
    vkeys = stranger.vkeys.map(parseVkey)
    await stranger.close()
    await discard(other)
    const findings = await check()
    expect(names(findings)).toContain('checkpoint of the head')
    expect(names(findings)).toContain('checkpoint of the publication')
    vkeys = ours
  })

  it.each([
    ['head', HEAD_KEY],
    ['publication', PUBLICATION_KEY],
  ])('finds each changed byte of the %s', async (kind, key) => {
    await makeLog(10)
    let length = 0
    await change(key, (value) => {
      length = value.length
    })
    const step = Math.max(1, Math.floor(length / 5))
    for (let at = 0; at < length; at += step) {
      await change(key, (value) => {
        value[at]! ^= 1
      })
      expect(await check().catch((error: Error) => [error.message]), `byte ${at}`).not.toEqual([])
      await change(key, (value) => {
        value[at]! ^= 1
      })
    }
    expect(kind).toBeDefined()
    expect(await check()).toEqual([])
  })

  it('names a tree head signature that is not by the key of the log', async () => {
    await makeLog(10)
    const { publicKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' })
    const stranger = publicKey.export({ type: 'spki', format: 'der' })
    expect(await check({ treeHeadKey })).toEqual([])
    expect(names(await check({ treeHeadKey: stranger }))).toEqual(['tree head signature'])
  })

  it('compares the tree with the last head that was signed', async () => {
    await makeLog(10)
    const store = await openLevelStore(join(place.directory, 'store'))
    const { size, root } = (await store.head())!
    await store.close()
    expect(await check({ signed: { size, root } })).toEqual([])
    const other = rootHash(new Uint8Array(32))
    expect(await check({ signed: { size, root: other } })).toMatchObject([{ kind: 'signer' }])
    const [rolledBack] = await check({ signed: { size: treeSize(11), root } })
    expect(rolledBack?.detail).toContain('rolled back')
  })

  it('names what belongs to nothing', async () => {
    await makeLog(10)
    await tamper((database) => database.put(utf8('zzz'), utf8('?')))
    const findings = await check()
    expect(findings).toHaveLength(1)
    expect(findings[0]).toMatchObject({ kind: 'storage' })
  })
})
