/** What a monitor knows of one log, while it works: read from the store, changed here, and written back as a whole. */
import { equal } from '../bytes.ts'
import { CairnError } from '../errors.ts'
import type { VerifierKey } from '../formats/vkey.ts'
import type { Frontier } from '../merkle/frontier.ts'
import { type TreeSize, treeSize } from '../merkle/position.ts'
import type { MonitoredLogStore } from '../storage/monitor-port.ts'
import { frontierFromTiles } from '../tiles/proofs.ts'
import { AlertBook } from './alert.ts'
import { HashTree } from './hash-tree.ts'
import {
  type Cosigned,
  damaged,
  formatState,
  freshState,
  type LogState,
  parseState,
  type Shown,
  type ShownHead,
} from './state.ts'

export class Memory {
  readonly origin: string
  readonly alerts: AlertBook
  readonly shown: Map<string, Shown>
  readonly cosigned: Map<string, Cosigned>
  readonly contradicting: Set<string>
  readonly evidence: string[]
  pending: readonly ShownHead[]
  entries: 'read' | 'hashes'
  readonly #store: MonitoredLogStore
  #head: ShownHead | undefined
  #frontier: Frontier
  #tree: HashTree
  /** How much of the tree the state that was written last speaks of. */
  #writtenSize: TreeSize
  /** Set while the tree in memory may not be the one in the store. */
  #isBroken = false
  /** The state as it was written last. Other hashes would make another. */
  #written: Uint8Array | undefined

  private constructor(
    store: MonitoredLogStore,
    state: LogState,
    tree: HashTree,
    isWatched: (source: string) => boolean,
  ) {
    this.#store = store
    this.#head = state.head
    this.#frontier = state.frontier
    this.#tree = tree
    this.#writtenSize = tree.size
    this.origin = state.origin
    this.alerts = new AlertBook(state.alerts, isWatched)
    this.shown = new Map(state.shown)
    this.cosigned = new Map(state.cosigned)
    this.contradicting = new Set(state.contradicting)
    this.evidence = [...state.evidence]
    this.pending = state.pending
    this.entries = state.entries
  }

  /**
   * Reads what is kept. `isWatched` tells the sources that are looked at now: alerts about others are dropped.
   * @throws CORRUPT when what is kept is damaged; NEWER_FORMAT; USAGE when it was kept with other keys; IO
   */
  static async open(
    store: MonitoredLogStore,
    log: { readonly origin: string; readonly keys: readonly VerifierKey[] },
    isWatched: (source: string) => boolean = () => true,
  ): Promise<Memory> {
    const bytes = await store.readState()
    if (bytes === undefined && store.count(0) > 0) {
      throw damaged(log.origin, store.place, 'its state is missing')
    }
    // Written before anything else is, so that one that is missing later is missed.
    if (bytes === undefined) await store.writeState(formatState(freshState(log.origin)))
    const state = bytes === undefined ? freshState(log.origin) : parseState(bytes, log, store.place)
    const tree = await openTree(store, state)
    for (const frontier of [state.frontier, state.progress]) {
      const kept = await frontierFromTiles(tree.source(), frontier.size)
      if (!equal(kept.root(), frontier.root())) {
        throw damaged(log.origin, store.place, 'the hashes are not those of the tree')
      }
    }
    return new Memory(store, state, tree, isWatched)
  }

  /** Where it is kept, for people. */
  get place(): string {
    return this.#store.place
  }

  /** The newest head whose tree was recomputed. */
  get head(): ShownHead | undefined {
    return this.#head
  }

  /** The size of its tree; 0 before the first. */
  get size(): TreeSize {
    return this.#frontier.size
  }

  /** All hashes that are kept: those of the head's tree, and those on the way to a larger one. */
  get tree(): HashTree {
    return this.#tree
  }

  /** Takes a head whose tree is the one kept, as far as `frontier` goes. */
  adopt(head: ShownHead, frontier: Frontier): void {
    this.#head = head
    this.#frontier = frontier
  }

  /** Writes down all that is known. @throws IO, DISK_FULL */
  async keep(): Promise<void> {
    await this.#tree.flush()
    await this.#write(this.#tree.frontier())
  }

  /** Drops the hashes of all but the first `size` leaves, which are not fewer than the head's. @throws as keep */
  async rewind(size: TreeSize): Promise<void> {
    await this.#tree.flush()
    const target = treeSize(Math.max(size, this.size))
    // Written down first: a state must never speak of hashes that are gone.
    await this.#write(await frontierFromTiles(this.#tree.source(), target))
    await this.#reopen(target)
  }

  /** After a failure of the store: goes back to what it has. @throws CORRUPT, IO while it still fails */
  async mend(): Promise<void> {
    if (!this.#isBroken && !this.#tree.isBroken) return
    await this.#reopen(treeSize(Math.max(this.size, this.#writtenSize)))
  }

  async #reopen(size: TreeSize): Promise<void> {
    this.#isBroken = true
    this.#tree = await HashTree.open(this.#store, size)
    this.#isBroken = false
  }

  async #write(progress: Frontier): Promise<void> {
    const state: LogState = {
      origin: this.origin,
      head: this.#head,
      entries: this.entries,
      frontier: this.#frontier,
      progress,
      shown: this.shown,
      pending: this.pending,
      contradicting: this.contradicting,
      evidence: this.evidence,
      cosigned: this.cosigned,
      alerts: this.alerts.active,
    }
    const bytes = formatState(state)
    if (this.#written !== undefined && equal(bytes, this.#written)) return
    await this.#store.writeState(bytes)
    this.#written = bytes
    this.#writtenSize = progress.size
  }
}

async function openTree(
  store: MonitoredLogStore,
  { origin, progress }: LogState,
): Promise<HashTree> {
  try {
    return await HashTree.open(store, progress.size)
  } catch (cause) {
    if (!(cause instanceof CairnError) || cause.code !== 'CORRUPT') throw cause
    throw damaged(origin, store.place, cause.message, cause)
  }
}
