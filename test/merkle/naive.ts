/** RFC 6962 section 2.1, word for word: slow, recursive, and independent of the code under test. */
import { createHash } from 'node:crypto'

export type Hash = Uint8Array

function sha256(...parts: readonly Uint8Array[]): Hash {
  const hash = createHash('sha256')
  for (const part of parts) hash.update(part)
  return new Uint8Array(hash.digest())
}

export function naiveLeaf(bytes: Uint8Array): Hash {
  return sha256(Uint8Array.of(0), bytes)
}

export function naiveNode(left: Hash, right: Hash): Hash {
  return sha256(Uint8Array.of(1), left, right)
}

/** The largest power of two smaller than n. */
export function naiveSplit(n: number): number {
  let k = 1
  while (k * 2 < n) k *= 2
  return k
}

/**
 * What the definitions say of a sequence of leaf hashes; `root(from, to)` is the hash of `D[from:to]`. Roots are
 * remembered, so that all proofs of a tree can be had in reasonable time.
 */
export interface NaiveTree {
  readonly leaf: (index: number) => Hash
  readonly root: (from: number, to: number) => Hash
  readonly path: (index: number, size: number) => Hash[]
  readonly proof: (first: number, second: number) => Hash[]
  /** SUBTREE_PROOF of draft-ietf-plants-merkle-tree-certs, section 4.4: that the tree has the subtree. */
  readonly subtreeProof: (start: number, end: number, size: number) => Hash[]
}

export function naiveTree(
  leaf: (index: number) => Hash,
  aligned?: (height: number, index: number) => Hash,
): NaiveTree {
  const known = new Map<string, Hash>()

  function root(from: number, to: number): Hash {
    const n = to - from
    if (n === 0) return sha256()
    if (n === 1) return leaf(from)
    if (aligned && from % n === 0 && naiveSplit(n) * 2 === n) {
      return aligned(Math.log2(n), from / n)
    }
    const key = `${from} ${to}`
    let hash = known.get(key)
    if (hash === undefined) {
      const k = naiveSplit(n)
      hash = naiveNode(root(from, from + k), root(from + k, to))
      known.set(key, hash)
    }
    return hash
  }

  /** PATH(m, D[from:to]) */
  function path(m: number, from: number, to: number): Hash[] {
    const n = to - from
    if (n === 1) return []
    const k = naiveSplit(n)
    return m < k
      ? [...path(m, from, from + k), root(from + k, to)]
      : [...path(m - k, from + k, to), root(from, from + k)]
  }

  /** SUBPROOF(m, D[from:to], b) */
  function subproof(m: number, from: number, to: number, b: boolean): Hash[] {
    const n = to - from
    if (m === n) return b ? [] : [root(from, to)]
    const k = naiveSplit(n)
    return m <= k
      ? [...subproof(m, from, from + k, b), root(from + k, to)]
      : [...subproof(m - k, from + k, to, false), root(from, from + k)]
  }

  /** SUBTREE_SUBPROOF(start, end, D[from:to], b), with start and end counted from the tree's first leaf. */
  function subtreeSubproof(
    start: number,
    end: number,
    from: number,
    to: number,
    b: boolean,
  ): Hash[] {
    if (start === from && end === to) return b ? [] : [root(from, to)]
    const middle = from + naiveSplit(to - from)
    if (end <= middle) return [...subtreeSubproof(start, end, from, middle, b), root(middle, to)]
    const rest =
      middle <= start
        ? subtreeSubproof(start, end, middle, to, b)
        : subtreeSubproof(middle, end, middle, to, false)
    return [...rest, root(from, middle)]
  }

  return {
    leaf,
    root,
    path: (index, size) => path(index, 0, size),
    proof: (first, second) => subproof(first, 0, second, true),
    subtreeProof: (start, end, size) => subtreeSubproof(start, end, 0, size, true),
  }
}

/** The leaf hashes of the byte strings of a list. */
export function naiveTreeOf(leaves: readonly Uint8Array[]): NaiveTree {
  const hashes = leaves.map(naiveLeaf)
  return naiveTree((index) => {
    const hash = hashes[index]
    if (hash === undefined) throw new Error(`no leaf ${index}`)
    return hash
  })
}

/** A tree whose leaf i is the eight bytes of i, of any size. */
export function countingTree(): NaiveTree {
  const leaves: Hash[] = []
  return naiveTree((index) => {
    leaves[index] ??= naiveLeaf(countingLeaf(index))
    return leaves[index]
  })
}

export function countingLeaf(index: number): Uint8Array {
  const bytes = new Uint8Array(8)
  new DataView(bytes.buffer).setBigUint64(0, BigInt(index))
  return bytes
}

/**
 * A tree of any size up to 2^53-1 that can be computed: leaf i is the number of ones in the binary form of i, so a
 * subtree of 2^h leaves depends on its height and on the ones in its index only. No two siblings are equal.
 */
export function populationTree(): NaiveTree {
  const known: Hash[][] = []
  const subtree = (height: number, ones: number): Hash => {
    known[height] ??= []
    known[height][ones] ??=
      height === 0
        ? naiveLeaf(Uint8Array.of(ones))
        : naiveNode(subtree(height - 1, ones), subtree(height - 1, ones + 1))
    return known[height][ones]
  }
  const onesOf = (index: number): number => index.toString(2).replaceAll('0', '').length
  return naiveTree(
    (index) => subtree(0, onesOf(index)),
    (height, index) => subtree(height, onesOf(index)),
  )
}
