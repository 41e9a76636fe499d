/** Commits for tests of stores: the next one of a log whose entries are given, and what a store must then hold. */
import { join, u16, utf8 } from '../../src/bytes.ts'
import { hashLeaf, type LeafHash, rootHash } from '../../src/merkle/hash.ts'
import { type LeafIndex, treeSize } from '../../src/merkle/position.ts'
import { hashesAtLevel } from '../../src/storage/commit-shape.ts'
import type {
  BundleRun,
  Commit,
  IdempotencyRecord,
  StoredHead,
  StoredPublication,
  TileRun,
} from '../../src/storage/port.ts'

const WIDTH = 256

/** A hash that stands for a node; a store does not know what it is a hash of. */
function nodeOf(level: number, index: number): Uint8Array {
  return hashLeaf(utf8(`node ${level} ${index}`))
}

export function headOf(size: number): StoredHead {
  return {
    size: treeSize(size),
    root: rootHash(nodeOf(63, size)),
    checkpoint: utf8(`example.com/log\n${size}\nroot\n\n— signature of ${size}\n`),
  }
}

export function publicationOf(size: number, timestamp = 1_700_000_000_000): StoredPublication {
  return { ...headOf(size), timestamp, treeHeadSignature: utf8(`tree head of ${size}`) }
}

/** A log in memory: makes commits, and says what a store that took them holds. */
export class ModelLog {
  readonly leaves: Uint8Array[] = []
  readonly hashes: LeafHash[] = []
  readonly first = new Map<string, LeafIndex>()
  readonly idempotency: IdempotencyRecord[] = []

  /** The commit that adds these leaves; it counts as made. */
  append(leaves: readonly Uint8Array[], idempotency: readonly IdempotencyRecord[] = []): Commit {
    const previous = this.leaves.length
    for (const leaf of leaves) {
      const hash = hashLeaf(leaf)
      const key = String(hash)
      if (!this.first.has(key)) this.first.set(key, this.leaves.length as LeafIndex)
      this.leaves.push(leaf)
      this.hashes.push(hash)
    }
    this.idempotency.push(...idempotency)
    const size = this.leaves.length
    return {
      previousSize: treeSize(previous),
      head: headOf(size),
      bundles: runsBetween(previous, size).map(
        ({ tile, offset, from, to }): BundleRun => ({
          bundle: tile,
          offset,
          count: to - from,
          framed: framed(this.leaves.slice(from, to)),
        }),
      ),
      tiles: this.#tilesBetween(previous, size),
      leafHashes: join(this.hashes.slice(previous, size)),
      idempotency,
    }
  }

  #tilesBetween(previous: number, size: number): TileRun[] {
    const runs: TileRun[] = []
    for (let level = 0; level < 3; level++) {
      const end = hashesAtLevel(treeSize(size), level)
      for (const run of runsBetween(hashesAtLevel(treeSize(previous), level), end)) {
        const hashes = this.#nodes(level, run.from, run.to)
        runs.push({ level, tile: run.tile, offset: run.offset, hashes })
      }
    }
    return runs
  }

  #nodes(level: number, from: number, to: number): Uint8Array {
    const out: Uint8Array[] = []
    for (let i = from; i < to; i++) out.push(level === 0 ? this.hashes[i]! : nodeOf(level, i))
    return join(out)
  }

  tile(level: number, tile: number): Uint8Array {
    const count = hashesAtLevel(treeSize(this.leaves.length), level)
    return this.#nodes(level, Math.min(tile * WIDTH, count), Math.min((tile + 1) * WIDTH, count))
  }

  bundle(bundle: number): Uint8Array {
    return framed(this.leaves.slice(bundle * WIDTH, (bundle + 1) * WIDTH))
  }
}

export function framed(leaves: readonly Uint8Array[]): Uint8Array {
  return join(leaves.flatMap((leaf) => [u16(leaf.length), leaf]))
}

/** The parts of `[from, to)` that fall into one tile each. */
function runsBetween(
  from: number,
  to: number,
): { tile: number; offset: number; from: number; to: number }[] {
  const runs = []
  for (let at = from; at < to; ) {
    const tile = Math.floor(at / WIDTH)
    const end = Math.min(to, (tile + 1) * WIDTH)
    runs.push({ tile, offset: at - tile * WIDTH, from: at, to: end })
    at = end
  }
  return runs
}

export function someLeaves(count: number, seed: string): Uint8Array[] {
  return Array.from({ length: count }, (_, i) => utf8(`leaf ${i} of ${seed}`))
}

/** The leaves of a log that has always the same leaf at the same index. */
export function leavesOf(from: number, count: number): Uint8Array[] {
  return Array.from({ length: count }, (_, i) => utf8(`entry ${from + i} `.repeat(12)))
}
