/**
 * What the leader of a shared log does with sequenced leaves: takes them into the tree, signs, and stores the head.
 *
 *     read what is sequenced → grow the tiles → second opinion on the very bytes → sign → compare and swap → note, show
 *
 * The order of leaves is fixed, so whatever is repeated after a failure, here or by the next leader, gives the same tree.
 */
import { concat, equal, utf8 } from '../bytes.ts'
import { CairnError } from '../errors.ts'
import { Frontier, frontierPositions } from '../merkle/frontier.ts'
import { HASH_SIZE } from '../merkle/hash.ts'
import type { TreeSize } from '../merkle/position.ts'
import type { SequencedRun, SharedLogStore } from '../storage/shared-port.ts'
import type { CommittedHead } from './committer.ts'
import { DoubleCheck } from './double-check.ts'
import { type EdgeTree, rootOfEdge } from './edge-tree.ts'
import type { QueueLimits } from './queue.ts'
import { growTiles, hashLeaves } from './sequence.ts'
import type { Replica } from './shared-replica.ts'
import type { Term } from './shared-term.ts'
import { signHead } from './sign-head.ts'
import type { SignedState } from './signed-state.ts'
import type { LogSigner } from './signer.ts'

export interface IntegratorOptions {
  readonly store: SharedLogStore
  readonly signer: LogSigner
  readonly signedState: SignedState
  readonly replica: Replica
  readonly term: Term
}

/** What one integration takes at the most; a run is cut where it ends. */
export const LIMITS: QueueLimits = { maxLeaves: 8_192, maxBytes: 16 * 2 ** 20 }

export class Integrator {
  readonly #options: IntegratorOptions
  readonly #doubleCheck: DoubleCheck

  /** The replica has the newest stored head. */
  constructor(options: IntegratorOptions) {
    this.#options = options
    this.#doubleCheck = new DoubleCheck(frontierOf(options.replica.tree))
  }

  /**
   * Takes what is sequenced into the tree, up to a limit. Answers how many leaves that were.
   * @throws CORRUPT when what is stored is not what was sequenced: nothing was signed
   * @throws CONFLICT when the term is over; UNAVAILABLE, IO when it may have been stored; STOPPED as Replica.advance()
   */
  async integrate(): Promise<number> {
    const { store, signer, signedState, replica, term } = this.#options
    const { tree, head } = replica
    const previousSize = head.size
    const runs = cut(await store.sequenced(previousSize, LIMITS), previousSize)
    if (runs.length === 0) return 0
    const leafHashes =
      runs.length === 1 ? runs[0]!.hashes : concat(...runs.map((run) => run.hashes))
    const count = leafHashes.length / HASH_SIZE
    const tiles = growTiles(tree, { count, hashes: leafHashes })
    const edge = tree.rightEdge()
    const root = rootOfEdge(edge)
    try {
      this.#doubleCheck.follow({ previousSize, bundles: runs, tiles, leafHashes }, root)
    } catch (error) {
      throw damageOf(runs) ?? error
    }
    const { size } = tree
    signedState.mustFollow({ size, root })
    term.mustLast()
    const checkpoint = await signHead(signer, size, root)
    term.mustLast()
    const next: CommittedHead = { size, root, checkpoint, edge }
    const stored = { size, root, checkpoint: utf8(checkpoint) }
    await term.leader.integrate({ previousSize, head: stored, tiles })
    await replica.advance(next)
    return count
  }
}

/** The complete subtrees of the tree as it is. They are in the tiles that grow. */
function frontierOf(tree: EdgeTree): Frontier {
  return new Frontier(
    tree.size,
    frontierPositions(tree.size).map((position) => tree.node(position)!),
  )
}

/**
 * Runs without those beyond the limit, the first of which is cut.
 * @throws CORRUPT when they do not follow each other from `from` on
 */
function cut(runs: readonly SequencedRun[], from: TreeSize): SequencedRun[] {
  const taken: SequencedRun[] = []
  let next: number = from
  for (const run of runs) {
    const left = from + LIMITS.maxLeaves - next
    if (left <= 0) break
    if (run.first !== next || run.hashes.length !== run.count * HASH_SIZE || run.count < 1) {
      throw new CairnError('CORRUPT', `the database has no whole run of leaves at ${next}`)
    }
    taken.push(run.count <= left ? run : beginning(run, left))
    next += run.count
  }
  return taken
}

function beginning({ first, framed, hashes }: SequencedRun, count: number): SequencedRun {
  let end = 0
  for (let i = 0; i < count; i++) end += 2 + framed[end]! * 256 + framed[end + 1]!
  return {
    first,
    count,
    framed: framed.subarray(0, end),
    hashes: hashes.subarray(0, count * HASH_SIZE),
  }
}

/** Why leaves as they are stored do not give the hashes they were sequenced with, or undefined when they do. */
function damageOf(runs: readonly SequencedRun[]): CairnError | undefined {
  for (const { first, count, framed, hashes } of runs) {
    const leaves: Uint8Array[] = []
    for (let at = 0; at < framed.length; ) {
      const start = at + 2
      at = start + framed[at]! * 256 + (framed[at + 1] ?? 0)
      leaves.push(framed.subarray(start, at))
    }
    const found = hashLeaves(leaves).hashes
    const isWhole = leaves.length === count
    for (let i = 0; i < count; i++) {
      const [from, to] = [i * HASH_SIZE, (i + 1) * HASH_SIZE]
      if (isWhole && equal(found.subarray(from, to), hashes.subarray(from, to))) continue
      const what = isWhole ? `leaf ${first + i}` : `the run of leaves from ${first} on`
      return new CairnError(
        'CORRUPT',
        `${what} in the database is not what was sequenced: its bytes have another hash than the one stored with them; ` +
          'nothing was signed; find out what has changed it, and restore the right copy of the data',
      )
    }
  }
  return undefined
}
