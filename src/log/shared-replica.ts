/**
 * What one server of a shared log knows of its tree: the right edge and the newest head, in memory. It believes no head
 * that it has not come to by itself from the leaf hashes, and shows none that its own signer has not noted: so a
 * database that went back is found out by every server that saw what came after.
 */
import { equal, fromUtf8 } from '../bytes.ts'
import { CairnError } from '../errors.ts'
import { frontierPositions, rootOfFrontier } from '../merkle/frontier.ts'
import { EMPTY_ROOT, HASH_SIZE, type RootHash } from '../merkle/hash.ts'
import { type TreeSize, treeSize } from '../merkle/position.ts'
import type { StoredHead } from '../storage/port.ts'
import type { SharedLogStore } from '../storage/shared-port.ts'
import { rootFromTiles } from '../tiles/proofs.ts'
import type { TileSource } from '../tiles/source.ts'
import type { CommittedHead } from './committer.ts'
import { EdgeTree, rootOfEdge } from './edge-tree.ts'
import { checkSignature, recover, replaced, rolledBack } from './recover.ts'
import type { SignedState } from './signed-state.ts'
import type { LogSigner } from './signer.ts'

/** Completed tiles of each level in memory: what one integration adds has to fit. */
export const KEPT_TILES = 128
/** A replica that is more leaves behind begins again from the tiles. */
const FAR = 65_536
/** Leaf hashes that are read and appended in one go. */
const STEP = 8_192

export interface ReplicaOptions {
  readonly store: SharedLogStore
  readonly tiles: TileSource
  readonly signer: LogSigner
  readonly signedState: SignedState
  readonly tree: EdgeTree
  readonly head: CommittedHead
}

/** Not for two calls at a time: whoever has it calls one method after the other. */
export class Replica {
  readonly #options: ReplicaOptions
  #tree: EdgeTree
  #head: CommittedHead

  constructor(options: ReplicaOptions) {
    this.#options = options
    this.#tree = options.tree
    this.#head = options.head
  }

  /** The newest head that this server has checked and noted. */
  get head(): CommittedHead {
    return this.#head
  }

  /** The right edge; ahead of the head while an integration is under way, or after one that failed. */
  get tree(): EdgeTree {
    return this.#tree
  }

  /**
   * Goes on to the newest stored head. Answers whether that is another one than before.
   * @throws CORRUPT when the store contradicts what this server has seen or signed, naming sizes and roots
   * @throws STOPPED when the head cannot be noted; UNAVAILABLE, IO
   */
  async follow(): Promise<boolean> {
    const stored = await this.#options.store.head()
    const { size, root } = this.#head
    if ((stored?.size ?? 0) < size) throw corrupt(rolledBack(stored?.size ?? 0, size))
    if (stored === undefined) {
      if (this.#tree.size > 0) this.#tree = new EdgeTree(KEPT_TILES)
      return false
    }
    if (stored.size === size) {
      if (!equal(stored.root, root)) throw corrupt(replaced(size))
      if (this.#tree.size !== size) await this.#restore()
      return false
    }
    const { signer } = this.#options
    checkSignature(stored, signer, 'newest head', [signer.ed25519])
    const isNear = this.#tree.size === size && stored.size - size <= FAR
    if (isNear && (await this.#append(stored))) return true
    await this.#restore()
    return true
  }

  /** Notes a head that is stored, and of which the tree is here; it may be shown from then on. @throws STOPPED */
  async advance(head: CommittedHead): Promise<void> {
    try {
      await this.#options.signedState.record(head)
    } catch (cause) {
      const message = 'the signer cannot note a head; mend the cause and restart it'
      throw new CairnError('STOPPED', message, { cause })
    }
    this.#head = head
  }

  /** The root of the first `size` leaves, which the newest head has. @throws as TileSource */
  async rootAt(size: TreeSize): Promise<RootHash> {
    if (size === this.#head.size) return this.#head.root
    if (size === 0) return EMPTY_ROOT
    const nodes = frontierPositions(size).map((position) => this.#tree.node(position))
    const known = nodes.filter((node) => node !== undefined)
    return known.length === nodes.length
      ? rootOfFrontier(known)
      : rootFromTiles(this.#options.tiles, size)
  }

  /** Appends the leaves up to a stored head. False when their hashes are no longer in the database. */
  async #append(stored: StoredHead): Promise<boolean> {
    const { store, signedState } = this.#options
    while (this.#tree.size < stored.size) {
      const from = this.#tree.size
      const to = treeSize(Math.min(stored.size, from + STEP))
      let hashes: Uint8Array
      try {
        hashes = await store.leafHashes(from, to)
      } catch (error) {
        if (error instanceof CairnError && error.code === 'NOT_FOUND') return false
        throw error
      }
      if (hashes.length !== (to - from) * HASH_SIZE) {
        throw corrupt(`the database does not have all leaf hashes from ${from} to ${to}`)
      }
      for (let at = 0; at < hashes.length; at += HASH_SIZE) this.#tree.append(hashes, at)
    }
    const edge = this.#tree.rightEdge()
    const root = rootOfEdge(edge)
    if (!equal(root, stored.root)) throw otherRoot(stored, root)
    signedState.mustFollow({ size: stored.size, root })
    await this.advance({
      size: stored.size,
      root,
      checkpoint: fromUtf8(stored.checkpoint),
      edge,
    })
    return true
  }

  /** Begins again from the tiles of the newest stored head, which must contain the one before. */
  async #restore(): Promise<void> {
    const { store, tiles, signer, signedState } = this.#options
    const { tree, head } = await recover(store, tiles, signer, KEPT_TILES)
    const before = this.#head
    if (head === undefined || head.size < before.size) {
      throw corrupt(rolledBack(head?.size ?? 0, before.size))
    }
    const root = before.size === 0 ? EMPTY_ROOT : await rootFromTiles(tiles, before.size)
    if (!equal(root, before.root)) throw corrupt(replaced(before.size))
    this.#tree = tree
    if (head.size === before.size) return
    signedState.mustFollow(head)
    await this.advance(head)
  }
}

function otherRoot({ size, root }: StoredHead, own: RootHash): CairnError {
  return corrupt(
    `the leaves in the database do not give the root of the signed head of size ${size}: that is ${base64(root)}, theirs is ` +
      `${base64(own)}; find out what has changed them, and restore the right copy of the data`,
  )
}

function base64(bytes: Uint8Array): string {
  return Buffer.from(bytes).toString('base64')
}

function corrupt(message: string): CairnError {
  return new CairnError('CORRUPT', message)
}
