import { describe, expect, it } from 'vitest'
import { CairnError } from '../../src/errors.ts'
import { type RootHash, rootHash } from '../../src/merkle/hash.ts'
import { treeSize } from '../../src/merkle/position.ts'
import { type CheckTreeOptions, checkTree, type TreeFault } from '../../src/tiles/check-tree.ts'
import type { TileSource } from '../../src/tiles/source.ts'
import type { TreePlace } from '../../src/tiles/tree-place.ts'
import { countingTree } from '../merkle/naive.ts'
import { treeSource } from './tree-source.ts'

/** Large enough for a full tile of level 1, and a partial one at each level. */
const LARGE = 65_536 + 300

const tree = countingTree()
const rootAt = (size: number): RootHash => rootHash(tree.root(0, size))

async function check(source: TileSource, size: number, options: CheckTreeOptions = {}) {
  const faults: TreeFault[] = []
  const pass = checkTree(source, treeSize(size), { root: rootAt(size), ...options })
  let step = await pass.next()
  for (; !step.done; step = await pass.next()) faults.push(step.value)
  return { faults, ...step.value }
}

interface Change {
  /** `tile 1/0` or `bundle 3`. */
  readonly name: string
  readonly change: (bytes: Uint8Array) => void
}

/** A source in which some values are changed, or gone. */
function changed(size: number, changes: readonly Change[]): TileSource {
  const source = treeSource(tree, size)
  const apply = (name: string, bytes: Uint8Array): Uint8Array => {
    for (const { name: changedName, change } of changes) if (changedName === name) change(bytes)
    return bytes
  }
  return {
    tile: async (level, tile, width) =>
      apply(`tile ${level}/${tile}`, await source.tile(level, tile, width)),
    bundle: async (bundle, width) => apply(`bundle ${bundle}`, await source.bundle(bundle, width)),
  }
}

const gone = (): never => {
  throw new CairnError('NOT_FOUND', 'it is gone')
}
const flip = (at: number) => (bytes: Uint8Array) => {
  bytes[at]! ^= 1
}
/** Flips the last byte of an entry of a bundle. */
const flipEntry = (entry: number) => (bytes: Uint8Array) => {
  let at = 0
  for (let i = 0; i < entry; i++) at += 2 + bytes[at]! * 256 + bytes[at + 1]!
  bytes[at + 1 + bytes[at]! * 256 + bytes[at + 1]!]! ^= 1
}

describe('checkTree', () => {
  it.each([0, 1, 2, 15, 255, 256, 257, 511, 512, 600, 1_000])(
    'recomputes the root of %i leaves',
    async (size) => {
      const { root, faults } = await check(treeSource(tree, size), size)
      expect(faults).toEqual([])
      expect(root).toEqual(rootAt(size))
    },
  )

  it('recomputes trees of three levels, and the roots of earlier sizes on the way', async () => {
    const earlier = [0, 1, 255, 256, 300, 65_535, 65_536, 65_537, LARGE].map(treeSize)
    const result = await check(treeSource(tree, LARGE), LARGE, { earlier })
    expect(result.faults).toEqual([])
    expect(result.root).toEqual(rootAt(LARGE))
    for (const size of earlier)
      expect(result.earlier.get(size), `size ${size}`).toEqual(rootAt(size))
  })

  it('reads every tile and bundle of the tree, and nothing else', async () => {
    const source = treeSource(tree, 66_000)
    await check(source, 66_000)
    expect(new Set(source.reads).size).toBe(source.reads.length)
    // 258 bundles and 258 tiles, two tiles of level 1, one of level 2.
    expect(source.reads).toHaveLength(2 * 258 + 2 + 1)
  })

  it.each([
    ['in a full bundle', 600, 0, 5, 'entry 5'],
    ['in the last bundle', 600, 2, 87, 'entry 599'],
    ['of a tree without a full bundle', 100, 0, 99, 'entry 99'],
  ])(
    'names a changed entry %s, and holds the tree to be right',
    async (_, size, bundle, entry, name) => {
      const source = changed(size, [{ name: `bundle ${bundle}`, change: flipEntry(entry) }])
      const { faults, root } = await check(source, size)
      expect(faults).toEqual([
        { kind: 'entry', name, detail: expect.stringContaining('does not hash to') },
      ])
      expect(root).toEqual(rootAt(size))
    },
  )

  it.each([
    ['in a full tile', 600, 'tile 0/0', 3],
    ['in the last tile', 600, 'tile 0/2', 87],
    ['of a tree without a full tile', 100, 'tile 0/0', 0],
  ])('names a changed hash %s, and holds the entries to be right', async (_, size, tile, hash) => {
    const source = changed(size, [{ name: tile, change: flip(32 * hash) }])
    const { faults, root } = await check(source, size)
    expect(faults.map((fault) => fault.name)).toEqual([`${tile} hash ${hash}`])
    expect(root).toEqual(rootAt(size))
  })

  it.each([
    ['tile 1/0', 7],
    ['tile 1/1', 0],
    ['tile 2/0', 0],
  ])('names a changed hash of %s', async (name, hash) => {
    const source = changed(LARGE, [{ name, change: flip(32 * hash + 31) }])
    const { faults, root } = await check(source, LARGE)
    expect(faults.map((fault) => fault.name)).toEqual([`${name} hash ${hash}`])
    expect(root).toEqual(rootAt(LARGE))
  })

  it('names all of several faults', async () => {
    const source = changed(600, [
      { name: 'bundle 0', change: flipEntry(1) },
      { name: 'bundle 0', change: flipEntry(9) },
      { name: 'tile 0/1', change: flip(0) },
      { name: 'tile 1/0', change: flip(33) },
      { name: 'bundle 2', change: gone },
    ])
    const { faults } = await check(source, 600)
    expect(faults.map((fault) => fault.name).sort()).toEqual([
      'bundle 2',
      'entry 1',
      // Its tile and the one above disagree with the entries, so that neither can be taken for right.
      'entry 256',
      'entry 9',
      'tile 1/0 hash 1',
    ])
  })

  it('says from which entry on a bundle with broken framing cannot be read', async () => {
    const source = changed(100, [
      { name: 'bundle 0', change: (bytes) => void bytes.fill(255, 0, 1) },
    ])
    const { faults } = await check(source, 100)
    expect(faults).toHaveLength(1)
    expect(faults[0]).toMatchObject({ kind: 'bundle', name: 'bundle 0' })
    expect(faults[0]!.detail).toContain('entries 0 to 99')
  })

  it.each(['bundle 1', 'tile 0/1', 'tile 1/0'])('goes on without %s', async (name) => {
    const { faults, root } = await check(changed(600, [{ name, change: gone }]), 600)
    expect(faults.map((fault) => fault.name)).toEqual([name])
    expect(root).toEqual(rootAt(600))
  })

  it('takes from the tile above what is missing altogether', async () => {
    const source = changed(600, [
      { name: 'bundle 1', change: gone },
      { name: 'tile 0/1', change: gone },
    ])
    const { faults, root } = await check(source, 600)
    expect(faults.map((fault) => fault.name)).toEqual(['bundle 1', 'tile 0/1'])
    expect(root).toEqual(rootAt(600))
  })

  it('has no root when nothing replaces what is missing', async () => {
    const source = changed(600, [
      { name: 'bundle 2', change: gone },
      { name: 'tile 0/2', change: gone },
    ])
    expect((await check(source, 600)).root).toBeUndefined()
  })

  it('names entries when neither they nor their tile lead to the root', async () => {
    const other = rootHash(new Uint8Array(32))
    const source = changed(100, [{ name: 'bundle 0', change: flipEntry(4) }])
    const { faults } = await check(source, 100, { root: other })
    expect(faults.map((fault) => fault.name)).toEqual(['entry 4'])
  })

  it('passes on errors that are not about the data', async () => {
    const source = changed(600, [
      {
        name: 'tile 0/1',
        change: () => {
          throw new CairnError('IO', 'the cable is out')
        },
      },
    ])
    await expect(check(source, 600)).rejects.toThrow('the cable is out')
  })

  it('stops when it is told to', async () => {
    const signal = AbortSignal.abort(new CairnError('STOPPED', 'enough'))
    await expect(check(treeSource(tree, 600), 600, { signal })).rejects.toThrow('enough')
  })
})

describe('checkTree from a place', () => {
  /** The places at which a pass over a tree can stop. */
  async function placesOf(source: TileSource, size: number): Promise<TreePlace[]> {
    const places: TreePlace[] = []
    await check(source, size, {
      progress: (_, place) => {
        const at = place()
        if (at !== undefined) places.push(at)
      },
    })
    return places
  }

  it.each([256, 600, 1_024])('goes on in a tree of %i leaves wherever it stopped', async (size) => {
    const source = treeSource(tree, size)
    const places = await placesOf(source, size)
    expect(places.map((place) => place.size)).toEqual(
      Array.from({ length: Math.floor(size / 256) }, (_, i) => 256 * (i + 1)),
    )
    for (const from of places) {
      const earlier = [0, 1, from.size, size - 1].map(treeSize)
      const { root, faults, ...rest } = await check(source, size, { from, earlier })
      expect({ root, faults }).toEqual({ root: rootAt(size), faults: [] })
      const reached = earlier.filter((mark) => mark >= from.size)
      expect([...rest.earlier.keys()].sort()).toEqual([...new Set(reached)].sort())
      for (const [mark, found] of rest.earlier) expect(found).toEqual(rootAt(mark))
    }
  })

  it('goes on across the end of a tile of level 1', async () => {
    const source = treeSource(tree, LARGE)
    const from = (await placesOf(source, LARGE)).find(({ size }) => size === 65_536)!
    expect(from.levels.map(({ length }) => length)).toEqual([0, 32])
    expect(await check(source, LARGE, { from })).toMatchObject({ root: rootAt(LARGE), faults: [] })
  })

  it('sees that what is behind it was of another tree', async () => {
    const source = treeSource(tree, 600)
    const [from] = await placesOf(source, 600)
    from!.levels[0]![3]! ^= 1
    const { root, faults } = await check(source, 600, { from: from! })
    expect(root).not.toEqual(rootAt(600))
    expect(faults.map(({ name }) => name)).toEqual(['tile 1/0 hash 0'])
  })

  it('gives no place where something is missing', async () => {
    const source = changed(600, [
      { name: 'bundle 1', change: gone },
      { name: 'tile 0/1', change: gone },
    ])
    expect((await placesOf(source, 600)).map(({ size }) => size)).toEqual([256])
  })

  it.each([
    ['in the middle of a bundle', { size: 100, levels: [] }],
    ['without its hashes', { size: 512, levels: [] }],
    ['with too many hashes', { size: 512, levels: [new Uint8Array(96)] }],
    ['with too many levels', { size: 256, levels: [new Uint8Array(32), new Uint8Array(32)] }],
    ['beyond the tree', { size: 1_024, levels: [new Uint8Array(128)] }],
  ])('refuses a place %s', async (_, from) => {
    const pass = check(treeSource(tree, 600), 600, { from })
    await expect(pass).rejects.toMatchObject({ code: 'MALFORMED' })
  })

  it('gives the entries of each bundle that can be read', async () => {
    const seen: number[][] = []
    const source = changed(600, [{ name: 'bundle 1', change: gone }])
    await check(source, 600, {
      onEntries: (first, entries) => void seen.push([first, entries.length]),
    })
    expect(seen).toEqual([
      [0, 256],
      [512, 88],
    ])
  })
})
