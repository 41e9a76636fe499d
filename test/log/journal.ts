/** What clients of a log were told, and whether it was true. */
import { expect } from 'vitest'
import { equal } from '../../src/bytes.ts'
import type { Acceptance, LogService } from '../../src/log/service.ts'
import { verifyConsistency } from '../../src/merkle/consistency.ts'
import type { RootHash } from '../../src/merkle/hash.ts'
import { leafIndex, treeSize } from '../../src/merkle/position.ts'
import { rootOf } from './log-conformance.ts'

/** Every head that was shown, and what each submission was answered. */
export class Journal {
  readonly heads = new Map<number, RootHash>()
  readonly byIndex = new Map<number, Uint8Array>()

  note(submitted: readonly Uint8Array[], { leaves: accepted, head }: Acceptance): void {
    const known = this.heads.get(head.size)
    if (known !== undefined) expect(equal(known, head.root)).toBe(true)
    this.heads.set(head.size, head.root)
    for (const [i, { index }] of accepted.entries()) {
      const other = this.byIndex.get(index)
      if (other !== undefined) expect(equal(other, submitted[i]!)).toBe(true)
      this.byIndex.set(index, submitted[i]!)
    }
  }

  /** Every leaf is in the log once, where it was said to be, and all heads are beginnings of the last. */
  async check(log: LogService): Promise<void> {
    const head = log.head()
    const all: Uint8Array[] = []
    for (let i = 0; i < head.size; i++) all.push((await log.entry(leafIndex(i)))!)
    expect(new Set(all.map((leaf) => Buffer.from(leaf).toString('hex'))).size).toBe(all.length)
    expect(equal(head.root, rootOf(all))).toBe(true)
    for (const [index, leaf] of this.byIndex) expect(equal(all[index]!, leaf)).toBe(true)
    for (const [size, root] of this.heads) {
      const proof = await log.consistencyProof(treeSize(size), head.size)
      verifyConsistency(treeSize(size), head.size, proof, root, head.root)
    }
  }
}
