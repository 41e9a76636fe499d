/** Trees and proofs computed by others. */
import { createHash } from 'node:crypto'
import { readdirSync } from 'node:fs'
import { describe, expect, it } from 'vitest'
import { fromBase64, fromHex, toHex } from '../../src/bytes.ts'
import { CairnError } from '../../src/errors.ts'
import { consistencyPath, verifyConsistency } from '../../src/merkle/consistency.ts'
import { Frontier } from '../../src/merkle/frontier.ts'
import {
  hashChildren,
  hashLeaf,
  type LeafHash,
  type NodeHash,
  type RootHash,
  rootHash,
} from '../../src/merkle/hash.ts'
import { inclusionPath, verifyInclusion } from '../../src/merkle/inclusion.ts'
import {
  type LeafIndex,
  leafIndex,
  type Position,
  type TreeSize,
  treeSize,
} from '../../src/merkle/position.ts'
import {
  isSubtree,
  type Subtree,
  subtreeConsistencyPath,
  verifySubtreeConsistency,
} from '../../src/merkle/subtree.ts'
import { hasSharedVectors, sharedFolder, sharedText } from '../support/shared-vectors.ts'

function readJson(path: string): unknown {
  return JSON.parse(sharedText(path))
}

const CLASSIC_LEAVES = [
  '',
  '00',
  '10',
  '2021',
  '3031',
  '40414243',
  '5051525354555657',
  '606162636465666768696a6b6c6d6e6f',
]

const CLASSIC_ROOTS = [
  'e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855',
  '6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d',
  'fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125',
  'aeb6bcfe274b70a14fb067a5e5578264db0fa9b51af5e0ba159158f329e06e77',
  'd37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7',
  '4e3bbb1f7b478dcfe71fb631631519a3bca12c9aefca1612bfce4c13a86264d4',
  '76e67dadbcdf1e10e1b74ddc608abd2f98dfb16fbce75277b5232a127f2087ef',
  'ddb89be403809e325750d3d263cd78929c2942b7942a34b77e122c9594a74c8c',
  '5dc9da79a70659a9ad559cb701ded9a2ab9d823aad2f4960cfe370eff4604328',
]

/** The roots of every size of a tree, by its frontier. */
function rootsOf(leaves: readonly LeafHash[]): RootHash[] {
  const frontier = new Frontier()
  return [
    frontier.root(),
    ...leaves.map((leaf) => {
      frontier.append(leaf)
      return frontier.root()
    }),
  ]
}

/** The hashes at positions of a tree of `size` leaves, each from a frontier over its leaves alone. */
function hashesAt(
  leaves: readonly LeafHash[],
  size: number,
  path: readonly Position[],
): NodeHash[] {
  return path.map(({ height, index }) => {
    const frontier = new Frontier()
    const from = index * 2 ** height
    for (const leaf of leaves.slice(from, Math.min(from + 2 ** height, size))) frontier.append(leaf)
    return frontier.root() as Uint8Array as NodeHash
  })
}

function isAccepted(verify: () => void): boolean {
  try {
    verify()
    return true
  } catch (error) {
    if (error instanceof CairnError && error.code === 'VERIFICATION_FAILED') return false
    throw error
  }
}

describe('the tree that Certificate Transparency implementations share', () => {
  it('has its roots', () => {
    const leaves = CLASSIC_LEAVES.map((leaf) => hashLeaf(fromHex(leaf)))
    expect(rootsOf(leaves).map(toHex)).toEqual(CLASSIC_ROOTS)
  })
})

describe('the tree of seven leaves of RFC 6962 section 2.1.3', () => {
  const [a, b, c, d, e, f, j] = Array.from({ length: 7 }, (_, i) => hashLeaf(Uint8Array.of(i)))
  const leaves = [a!, b!, c!, d!, e!, f!, j!]
  const g = hashChildren(a!, b!)
  const h = hashChildren(c!, d!)
  const i = hashChildren(e!, f!)
  const k = hashChildren(g, h)
  const l = hashChildren(i, j!)

  it.each([
    [0, [b!, h, l]],
    [3, [c!, g, l]],
    [4, [f!, j!, k]],
    [6, [i, k]],
  ])('has the inclusion proof of leaf %i', (index, proof) => {
    const path = inclusionPath(leafIndex(index), treeSize(7))
    expect(hashesAt(leaves, 7, path).map(toHex)).toEqual(proof.map(toHex))
  })

  it.each([
    [3, [c!, d!, g, l]],
    [4, [l]],
    [6, [i, j!, k]],
  ])('has the consistency proof from size %i', (first, proof) => {
    const path = consistencyPath(treeSize(first), treeSize(7))
    expect(hashesAt(leaves, 7, path).map(toHex)).toEqual(proof.map(toHex))
  })
})

describe.skipIf(!hasSharedVectors)('the reference tree', () => {
  interface ReferenceTree {
    readonly leafInputsHex: readonly string[]
    readonly leafHashesHex: readonly string[]
    readonly rootsHexBySize: readonly string[]
    readonly inclusionHex: Readonly<Record<string, readonly string[]>>
    readonly consistencyHex: Readonly<Record<string, readonly string[]>>
  }
  const load = () => readJson('generated/rfc6962-reference-tree.json') as ReferenceTree

  it('has the same hashes and roots', () => {
    const tree = load()
    const leaves = tree.leafInputsHex.map((leaf) => hashLeaf(fromHex(leaf)))
    expect(leaves.map(toHex)).toEqual(tree.leafHashesHex)
    expect(rootsOf(leaves).map(toHex)).toEqual(tree.rootsHexBySize)
  })

  it('has the same proofs, and they verify', () => {
    const tree = load()
    const leaves = tree.leafInputsHex.map((leaf) => hashLeaf(fromHex(leaf)))
    const roots = tree.rootsHexBySize.map((root) => rootHash(fromHex(root)))
    expect(Object.keys(tree.inclusionHex)).toHaveLength(36)
    for (const [name, hex] of Object.entries(tree.inclusionHex)) {
      const [index, size] = name.split('/').map(Number)
      const proof = hashesAt(leaves, size!, inclusionPath(leafIndex(index!), treeSize(size!)))
      expect(proof.map(toHex)).toEqual(hex)
      verifyInclusion(leafIndex(index!), treeSize(size!), leaves[index!]!, proof, roots[size!]!)
    }
    expect(Object.keys(tree.consistencyHex).length).toBeGreaterThan(20)
    for (const [name, hex] of Object.entries(tree.consistencyHex)) {
      const [first, second] = name.split(/\D+/).map(Number)
      const path = consistencyPath(treeSize(first!), treeSize(second!))
      const proof = hashesAt(leaves, second!, path)
      expect(proof.map(toHex)).toEqual(hex)
      verifyConsistency(treeSize(first!), treeSize(second!), proof, roots[first!]!, roots[second!]!)
    }
  })
})

describe.skipIf(!hasSharedVectors)('all proofs of trees up to 130 leaves', () => {
  const leaves = Array.from({ length: 130 }, (_, i) => hashLeaf(Uint8Array.of(i)))
  const line = (...parts: readonly (string | number)[]): string => `${parts.join(' ')}\n`
  const digest = (lines: readonly string[]): string =>
    createHash('sha256').update(lines.join('')).digest('hex')
  const known = (group: 'own' | 'published' = 'own'): Record<string, { sha256: string }> => {
    const file = readJson('generated/merkle-accumulated.json') as Record<string, object>
    const name = Object.keys(file).find((key) => key.startsWith(`${group} `))
    return file[name!] as Record<string, { sha256: string }>
  }
  const hashes = new Map<string, string>()
  const hexAt = (size: number, path: readonly Position[]): string[] =>
    path.map((position) => {
      const end = Math.min((position.index + 1) * 2 ** position.height, size)
      const key = `${position.height} ${position.index} ${end}`
      if (!hashes.has(key)) hashes.set(key, toHex(hashesAt(leaves, size, [position])[0]!))
      return hashes.get(key)!
    })

  it('have the same roots', () => {
    const lines = rootsOf(leaves).map((root, size) => line(size, toHex(root)))
    expect(digest(lines)).toBe(known().treeRoots!.sha256)
  })

  it('are the same inclusion proofs', () => {
    const lines: string[] = []
    for (let size = 1; size <= 130; size++) {
      for (let index = 0; index < size; index++) {
        const path = inclusionPath(leafIndex(index), treeSize(size))
        lines.push(line(index, size, ...hexAt(size, path)))
      }
    }
    expect(digest(lines)).toBe(known().inclusion!.sha256)
  })

  it('are the same consistency proofs', () => {
    const lines: string[] = []
    for (let second = 1; second <= 130; second++) {
      for (let first = 1; first <= second; first++) {
        const path = consistencyPath(treeSize(first), treeSize(second))
        lines.push(line(first, second, ...hexAt(second, path)))
      }
    }
    expect(digest(lines)).toBe(known().consistency!.sha256)
  })

  /** All subtrees that end at `end`, by their start. The published digests count empty ones, whose proof is empty. */
  const subtreesTo = (end: number): Subtree[] =>
    Array.from({ length: end + 1 }, (_, start) => ({
      start: treeSize(start),
      end: treeSize(end),
    })).filter((subtree) => isSubtree(subtree) || subtree.start === end)
  const range = ({ start, end }: Subtree): string => `[${start}, ${end})`
  const hashOf = ({ start, end }: Subtree): RootHash => {
    const frontier = new Frontier()
    for (const leaf of leaves.slice(start, end)) frontier.append(leaf)
    return frontier.root()
  }
  const ends = Array.from({ length: 131 }, (_, end) => end)

  it('are the same subtrees', () => {
    const lines = ends.flatMap((end) =>
      subtreesTo(end).map((subtree) => line(range(subtree), toHex(hashOf(subtree)))),
    )
    expect(digest(lines)).toBe(known('published').subtreeHash!.sha256)
  })

  it('are the same inclusion proofs in subtrees', () => {
    const lines: string[] = []
    for (const subtree of ends.flatMap(subtreesTo)) {
      const { start, end } = subtree
      for (let index: number = start; index < end; index++) {
        const path = inclusionPath(leafIndex(index - start), treeSize(end - start))
        const inSubtree = path.map(({ height, index: at }) => {
          const from = start + at * 2 ** height
          return { start: treeSize(from), end: treeSize(Math.min(from + 2 ** height, end)) }
        })
        lines.push(line(index, range(subtree), ...inSubtree.map((part) => hexOf(part))))
      }
    }
    expect(digest(lines)).toBe(known('published').subtreeInclusion!.sha256)
  })

  const hexOf = (subtree: Subtree): string => {
    const key = range(subtree)
    if (!hashes.has(key)) hashes.set(key, toHex(hashOf(subtree)))
    return hashes.get(key)!
  }

  it('are the same consistency proofs of subtrees', () => {
    const lines: string[] = []
    for (const size of ends) {
      for (const subtree of ends.slice(0, size + 1).flatMap(subtreesTo)) {
        const path = isSubtree(subtree) ? subtreeConsistencyPath(subtree, treeSize(size)) : []
        lines.push(line(range(subtree), size, ...hexAt(size, path)))
      }
    }
    expect(digest(lines)).toBe(known('published').subtreeConsistency!.sha256)
  })
})

describe.skipIf(!hasSharedVectors)('the proof probes of transparency-dev', () => {
  interface Probe {
    readonly desc: string
    readonly proof: readonly string[] | null
    readonly wantErr: boolean
    readonly leafIdx: number
    readonly treeSize: number
    readonly leafHash: string
    readonly root: string
    readonly size1: number
    readonly size2: number
    readonly root1: string
    readonly root2: string
    readonly start: number
    readonly end: number
    readonly size: number
  }
  const probes = (folder: string): [string, Probe][] => {
    if (!hasSharedVectors) return []
    const base = `transparency-dev-merkle/${folder}/`
    return readdirSync(sharedFolder(base), { recursive: true, encoding: 'utf8' })
      .filter((name) => name.endsWith('.json'))
      .sort()
      .map((name) => [name, readJson(base + name.replaceAll('\\', '/')) as Probe])
  }
  // The probes hold hashes of any length and sizes of any value: exactly what the brands keep out.
  const bytes = (base64: string) => fromBase64(base64) as never
  const proofOf = (probe: Probe): NodeHash[] => (probe.proof ?? []).map(bytes)

  const inclusion = probes('inclusion')
  const consistency = probes('consistency')

  it('are all here', () => {
    expect(inclusion.length + consistency.length).toBe(196)
  })

  it.each(inclusion)('inclusion %s', (_, probe) => {
    const accepted = isAccepted(() =>
      verifyInclusion(
        probe.leafIdx as LeafIndex,
        probe.treeSize as TreeSize,
        bytes(probe.leafHash),
        proofOf(probe),
        bytes(probe.root),
      ),
    )
    expect(accepted).toBe(!probe.wantErr)
  })

  it.each(consistency)('consistency %s', (name, probe) => {
    const accepted = isAccepted(() =>
      verifyConsistency(
        probe.size1 as TreeSize,
        probe.size2 as TreeSize,
        proofOf(probe),
        bytes(probe.root1),
        bytes(probe.root2),
      ),
    )
    // It takes two equal strings of 12 bytes for roots; here a root has 32.
    const lax = name === 'additional/sizes-are-equal-one-and-proof-is-empty.json'
    expect(accepted).toBe(!probe.wantErr && !lax)
  })

  const subtreeInclusion = probes('subtreeinclusion')
  const subtreeConsistency = probes('subtreeconsistency')
  const subtreeOf = ({ start, end }: Probe) => ({ start, end }) as Subtree

  it('are all here for subtrees', () => {
    expect(subtreeInclusion.length + subtreeConsistency.length).toBe(322)
  })

  it.each(subtreeInclusion)('inclusion in a subtree %s', (_, probe) => {
    // An inclusion proof in a subtree is one in a tree of its leaves alone.
    const accepted =
      isSubtree(subtreeOf(probe)) &&
      isAccepted(() =>
        verifyInclusion(
          (probe.leafIdx - probe.start) as LeafIndex,
          (probe.end - probe.start) as TreeSize,
          bytes(probe.leafHash),
          proofOf(probe),
          bytes(probe.root),
        ),
      )
    expect(accepted).toBe(!probe.wantErr)
  })

  it.each(subtreeConsistency)('consistency of a subtree %s', (name, probe) => {
    const accepted = isAccepted(() =>
      verifySubtreeConsistency(
        subtreeOf(probe),
        bytes(probe.root1),
        probe.size as TreeSize,
        proofOf(probe),
        bytes(probe.root2),
      ),
    )
    // The draft that tlog-witness names has no empty subtrees; later ones do. And a hash has 32 bytes.
    const lax =
      probe.start === probe.end || name === 'additional/sizes-are-equal-one-and-proof-is-empty.json'
    expect(accepted).toBe(!probe.wantErr && !lax)
  })
})
