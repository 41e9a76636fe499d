import { execFileSync, spawn } from 'node:child_process'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { Level } from 'level'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { concat, toHex, utf8 } from '../../src/bytes.ts'
import { hashLeaf, type LeafHash } from '../../src/merkle/hash.ts'
import type { LeafIndex } from '../../src/merkle/position.ts'
import { openLevelStore } from '../../src/storage/level.ts'
import { bundleKey, dedupKey, idempotencyKey, tileKey } from '../../src/storage/level-keys.ts'
import type { LogStore } from '../../src/storage/port.ts'
import { framed, headOf, leavesOf, ModelLog, publicationOf, someLeaves } from './commits.ts'
import { expectHolds, logStoreConformance, problems } from './conformance.ts'
import { canMount, storeWorker } from './store-worker.ts'

logStoreConformance('the level store', async () => {
  const directory = await mkdtemp(join(tmpdir(), 'cairn-level-'))
  return {
    open: () => openLevelStore(directory),
    remove: () => rm(directory, { recursive: true }),
  }
})

let directory: string
const open: LogStore[] = []
beforeEach(async () => {
  directory = await mkdtemp(join(tmpdir(), 'cairn-level-'))
})
afterEach(async () => {
  for (const store of open.splice(0)) await store.close()
  await rm(directory, { recursive: true })
})

async function opened(options: Parameters<typeof openLevelStore>[1] = {}): Promise<LogStore> {
  const store = await openLevelStore(directory, options)
  open.push(store)
  return store
}

type Engine = Level<Uint8Array, Uint8Array>

/** Changes what lies in a closed store. */
async function tamper(change: (engine: Engine) => Promise<void>): Promise<void> {
  const engine: Engine = new Level(directory, { keyEncoding: 'view', valueEncoding: 'view' })
  await change(engine)
  await engine.close()
}

async function stored(size: number): Promise<ModelLog> {
  const model = new ModelLog()
  const store = await openLevelStore(directory)
  await store.commit(model.append(leavesOf(0, size)))
  await store.close()
  return model
}

const index7 = (index: number): Uint8Array => Uint8Array.of(0, 0, 0, 0, 0, index / 256, index % 256)

describe('opening a level store', () => {
  it('says that there is none when it may not make one', async () => {
    await expect(opened({ createIfMissing: false })).rejects.toMatchObject({ code: 'NOT_FOUND' })
  })

  it('refuses records of a later format', async () => {
    await stored(3)
    await tamper((engine) => engine.put(utf8('h'), Uint8Array.of(2, 0, 0)))
    await expect(opened()).rejects.toMatchObject({ code: 'CORRUPT' })
    await tamper((engine) => engine.put(utf8('h'), new Uint8Array(100).fill(2)))
    await expect(opened()).rejects.toMatchObject({ code: 'NEWER_FORMAT' })
  })
})

describe('finding leaves by 16 bytes of their hash', () => {
  const collide = (hash: LeafHash): LeafHash => {
    const twin = hash.slice() as LeafHash
    twin.fill(0xee, 16)
    return twin
  }

  it('does not take a leaf for another one whose hash begins alike', async () => {
    const model = await stored(300)
    const twin = collide(model.hashes[299]!)
    const store = await opened()
    expect(await store.find([twin, model.hashes[299]!])).toEqual([undefined, 299])
  })

  it.each([true, false])(
    'leaves the key to the first of two such leaves, when new leaves are promised: %s',
    async (leavesAreNew) => {
      const model = await stored(300)
      const twin = collide(model.hashes[7]!)
      const store = await opened({ leavesAreNew })
      expect(await store.find([twin])).toEqual([undefined])
      const commit = model.append(leavesOf(300, 1))
      const tiles = commit.tiles.map((run) => ({ ...run, hashes: twin }))
      await store.commit({ ...commit, tiles, leafHashes: twin })
      expect(await store.find([model.hashes[7]!, twin])).toEqual([7, undefined])
    },
  )

  it('keeps the first index of a leaf twice in one commit, when new leaves are promised', async () => {
    const model = new ModelLog()
    const store = await opened({ leavesAreNew: true })
    const [a, b] = someLeaves(2, 'x') as [Uint8Array, Uint8Array]
    await store.commit(model.append([a, b, a, b, a]))
    expect(await store.find([hashLeaf(a), hashLeaf(b)])).toEqual([0, 1])
  })

  it('says so when a key leads to no entry', async () => {
    const model = await stored(5)
    for (const value of [index7(5), index7(5).slice(1)]) {
      await tamper((engine) => engine.put(dedupKey(model.hashes[3]!), value))
      const store = await openLevelStore(directory)
      await expect(store.find([model.hashes[3]!])).rejects.toMatchObject({ code: 'CORRUPT' })
      expect(await store.find([model.hashes[4]!])).toEqual([4])
      await store.close()
    }
  })
})

describe('reading damaged runs', () => {
  const cases: [string, (engine: Engine, model: ModelLog) => Promise<void>, string][] = [
    ['a missing run', (engine) => engine.del(tileKey(0, 0, 0)), 'tile 0/0'],
    [
      'an overlapping run',
      (engine) => engine.put(tileKey(0, 0, 4), new Uint8Array(32)),
      'tile 0/0',
    ],
    ['half a hash', (engine) => engine.put(tileKey(0, 0, 0), new Uint8Array(33)), 'tile 0/0'],
    ['too much', (engine) => engine.put(tileKey(0, 0, 0), new Uint8Array(32 * 257)), 'tile 0/0'],
    ['a missing run of entries', (engine) => engine.del(bundleKey(0, 0, 9)), 'bundle 0'],
    [
      'another number of entries',
      (engine, model) => engine.put(bundleKey(0, 0, 9), framed(model.leaves.slice(0, 9))),
      'bundle 0',
    ],
    [
      'an entry cut off',
      (engine, model) => engine.put(bundleKey(0, 0, 9), model.bundle(0).slice(0, 100)),
      'bundle 0',
    ],
  ]
  for (const [what, damage, name] of cases) {
    it(`names the ${name.split(' ')[0]} that has ${what}`, async () => {
      const model = await stored(10)
      const store = await openLevelStore(directory)
      await store.commit(model.append(leavesOf(10, 5)))
      await store.close()
      await tamper((engine) => damage(engine, model))
      const again = await opened()
      const reading = name.startsWith('tile') ? again.tile(0, 0) : again.bundle(0)
      await expect(reading).rejects.toMatchObject({
        code: 'CORRUPT',
        message: expect.stringContaining(`${name} does not continue at`),
      })
      expect(await problems(again, 15)).not.toEqual([])
    })
  }
})

describe('inspecting a level store', () => {
  const hash = (index: number): LeafHash => hashLeaf(leavesOf(index, 1)[0]!)
  const short = (index: number): string => toHex(hash(index).subarray(0, 4))
  const cases: [string, (engine: Engine) => Promise<void>, string[]][] = [
    [
      'a key that belongs to nothing',
      (engine) => engine.put(utf8('zebra'), utf8('x')),
      ["key 'zebra' belongs to nothing"],
    ],
    [
      'a key of a wrong length',
      (engine) => engine.put(tileKey(0, 0, 0).slice(1, 5), utf8('x')),
      ['key 00000000 belongs to nothing'],
    ],
    [
      'a deduplication key cut short',
      (engine) => engine.put(dedupKey(hash(9)).slice(0, 9), index7(0)),
      [`key ${toHex(dedupKey(hash(9)).slice(0, 9))} has 9 bytes instead of 17`],
    ],
    [
      'a deduplication key that leads astray',
      (engine) => engine.put(dedupKey(hash(1)), index7(17)),
      [
        `dedup key ${short(1)}… points to entry 17, but entry 1 comes first`,
        `dedup key ${short(1)}… points to entry 17, whose leaf hash differs`,
      ],
    ],
    [
      'a deduplication key of no leaf',
      (engine) => engine.put(dedupKey(hash(5000)), index7(17)),
      [`dedup key ${short(5000)}… points to entry 17, whose leaf hash differs`],
    ],
    [
      'a deduplication key beyond the size',
      (engine) => engine.put(dedupKey(hash(5000)), index7(600)),
      [`dedup key ${short(5000)}… points to entry 600, beyond the size 600`],
    ],
    [
      'a leaf without its key',
      (engine) => engine.del(dedupKey(hash(3))),
      [`dedup key ${short(3)}… of entry 3 is missing`],
    ],
    [
      'a deduplication value of a wrong length',
      (engine) => engine.put(dedupKey(hash(5000)), index7(1).slice(2)),
      [`dedup key ${short(5000)}… has a value of 5 bytes instead of 7`],
    ],
    [
      'hashes beyond the tree',
      (engine) => engine.put(tileKey(0, 2, 88), new Uint8Array(32)),
      ['tile 0/2 hashes from 88 lies beyond the tree, which has 600 there'],
    ],
    [
      'missing hashes',
      (engine) => engine.del(tileKey(1, 0, 0)),
      ['hashes from 0 to 1 of tile level 1 are missing'],
    ],
    [
      'a gap in the entries',
      (engine) => engine.del(bundleKey(1, 0, 255)),
      ['bundle 2 entries 0-87 leaves a gap of 256 before it'],
    ],
    [
      'entries stored twice',
      (engine) => engine.put(bundleKey(1, 0, 0), framed(leavesOf(256, 1))),
      ['bundle 1 entries 0-255 overlaps 1 stored before it'],
    ],
    [
      'a tile of a level without a tree',
      (engine) => engine.put(tileKey(9, 0, 0), new Uint8Array(32)),
      ['tile 9/0 hashes from 0 is of a level that no tree reaches'],
    ],
    [
      'a run that is no hashes',
      (engine) => engine.put(tileKey(2, 0, 0), new Uint8Array(31)),
      ['tile 2/0 hashes from 0 has 31 bytes, not 1 to 256 hashes'],
    ],
    ['a missing head', (engine) => engine.del(utf8('h')), ['the head is missing']],
    [
      'a publication that cannot be read',
      (engine) => engine.put(utf8('p'), Uint8Array.of(1, 2)),
      [
        'the stored publication cannot be read; run cairn fsck, and restore a backup if it confirms this',
      ],
    ],
    [
      'an idempotency record beyond the size',
      async (engine) => {
        const value = new Uint8Array(1 + 32 + 11)
        value[0] = 1
        value.set(index7(600), 33)
        value[43] = 1
        await engine.put(idempotencyKey(new Uint8Array(16).fill(0xab)), value)
      },
      ['idempotency key abababab… names entry 600, beyond the size 600'],
    ],
  ]
  for (const [what, damage, lines] of cases) {
    it(`reports ${what}`, async () => {
      await stored(600)
      await tamper(damage)
      const store = await opened()
      expect(await problems(store, 600)).toEqual(lines)
    })
  }

  it('reports everything beyond a smaller size', async () => {
    await stored(3)
    const lines = await problems(await opened(), 2)
    expect(lines).toContain('the head is of size 3, beyond the size 2')
    expect(lines).toContain(`dedup key ${short(2)}… points to entry 2, beyond the size 2`)
    expect(lines).toContain('bundle 0 entries 0-2 lies beyond the tree, which has 2 there')
  })

  it('counts the keys it looks at', async () => {
    await stored(600)
    const store = await opened()
    let keys = 0
    const lines = store.inspect(headOf(600).size, (count) => {
      keys = count
    })
    for await (const line of lines) expect(line).toBe('nothing')
    expect(keys).toBe(600 + 3 + 3 + 1 + 1)
  })
})

describe('the room a level store takes', () => {
  it('is what its files take, beside what the disk has left', async () => {
    const store = await opened()
    await store.commit(new ModelLog().append([new Uint8Array(60_000)]))
    const usage = await store.usage()
    expect(usage!.used).toBeGreaterThan(60_000)
    expect(usage!.used).toBeLessThan(2_000_000)
    expect(usage!.free).toBeGreaterThan(0)
  })
})

describe('a level store on a full disk', () => {
  it.skipIf(!canMount())('refuses to write on, and keeps what it acknowledged', async () => {
    execFileSync('mount', ['-t', 'tmpfs', '-o', 'size=8m', 'cairn-test', directory])
    try {
      const model = new ModelLog()
      const acknowledged = new ModelLog()
      let store = await openLevelStore(directory)
      let failure: unknown
      while (failure === undefined) {
        // Few and long, so that the disk fills before the test takes long.
        const from = model.leaves.length
        const leaves = leavesOf(from, 5).map((leaf) => concat(leaf, new Uint8Array(9_000)))
        try {
          await store.commit(model.append(leaves))
          acknowledged.append(leaves)
        } catch (error) {
          failure = error
        }
      }
      expect(failure).toMatchObject({ code: 'DISK_FULL' })
      expect(acknowledged.leaves.length).toBeGreaterThan(300)
      const size = acknowledged.leaves.length
      const next = new ModelLog()
      next.append(acknowledged.leaves)
      const small = next.append(leavesOf(size, 1))
      await expect(store.commit(small)).rejects.toMatchObject({
        code: 'STOPPED',
        message: expect.stringMatching(/free space and restart/),
      })
      await expect(store.publish(publicationOf(size))).rejects.toMatchObject({ code: 'STOPPED' })
      // Reading goes on.
      expect(await store.bundle(0)).toEqual(acknowledged.bundle(0))
      await store.close()

      execFileSync('mount', ['-o', 'remount,size=64m', directory])
      store = await openLevelStore(directory)
      await expectHolds(store, acknowledged)
      await store.commit(small)
      await expectHolds(store, next)
      await store.close()
    } finally {
      execFileSync('umount', [directory])
    }
  })
})

describe('a process killed while it commits', () => {
  it('has stored all that it acknowledged, and at most one commit more', async () => {
    let acknowledged = 0
    for (const wait of [5, 60, 25, 1]) {
      const child = spawn(process.execPath, await storeWorker('commit', directory), {
        stdio: ['ignore', 'pipe', 'inherit'],
      })
      const gone = new Promise((exit) => child.once('exit', exit))
      const lines = createInterface(child.stdout)
      lines.once('line', () => setTimeout(() => child.kill('SIGKILL'), wait))
      for await (const line of lines) if (/^\d+$/.test(line)) acknowledged = Number(line)
      await gone
      const store = await openLevelStore(directory)
      const size = (await store.head())!.size
      expect(size).toBeGreaterThanOrEqual(acknowledged)
      expect(size - acknowledged).toBeLessThanOrEqual(97)
      const model = new ModelLog()
      model.append(leavesOf(0, size))
      await expectHolds(store, model)
      expect(await store.find([model.hashes[size - 1]!])).toEqual([(size - 1) as LeafIndex])
      await store.close()
    }
    expect(acknowledged).toBeGreaterThan(100)
  })
})
