/**
 * The blocks of a map that grows: the one at hand in memory, those that are complete in the store. What takes longer is
 * done in parts, so that others on the same thread have their turn.
 */
import { setImmediate as nextTurn } from 'node:timers/promises'
import type { BlockProof } from '../formats/completeness.ts'
import {
  type Block,
  blocksOf,
  LARGE_BLOCK,
  mapRoot,
  SMALL_BLOCK,
} from '../formats/completeness-blocks.ts'
import { BlockBuilder } from '../formats/completeness-builder.ts'
import {
  mergePages,
  nodeOfPages,
  PAGES,
  type PageTerm,
  pageNode,
} from '../formats/completeness-page.ts'
import type { MapTerm } from '../formats/completeness-terms.ts'
import type { NodeHash, RootHash } from '../merkle/hash.ts'
import { type TreeSize, treeSize } from '../merkle/position.ts'
import type { PrefixNode } from '../merkle/prefix-map.ts'
import type { IndexEntry, IndexStore } from '../storage/index-port.ts'
import { pagesAtHand, proveBlock } from './prove-block.ts'
import {
  dropSmallBlocks,
  type MapState,
  type NewestRoot,
  nodesEntry,
  pageEntries,
  readNodes,
  readPages,
  stateEntry,
} from './stored-map.ts'

/** Pages that are hashed before others have their turn. */
const PAGES_A_TURN = 16

/** A map of so many entries, with the part of it that is not stored. */
export interface MapAt {
  readonly size: TreeSize
  readonly root: RootHash
  /** The block that had only begun, by its pages; undefined when there was none. */
  readonly begun:
    | { readonly nodes: readonly PrefixNode[]; readonly pages: readonly (readonly PageTerm[])[] }
    | undefined
}

export class MapBlocks {
  readonly #store: IndexStore
  readonly #large: NodeHash[]
  #small: NodeHash[]
  #builder: BlockBuilder
  /** The entries taken in. */
  #next: number
  /** As it is stored. */
  #state: MapState
  /** The small blocks before this entry are dropped. */
  #dropped = 0

  private constructor(
    store: IndexStore,
    state: MapState,
    { large, small }: { readonly large: NodeHash[]; readonly small: NodeHash[] },
  ) {
    this.#store = store
    this.#state = state
    this.#next = state.next
    this.#large = large
    this.#small = small
    this.#builder = new BlockBuilder(state.key)
  }

  /** The blocks that are stored. @throws CORRUPT, IO */
  static async open(store: IndexStore, state: MapState): Promise<MapBlocks> {
    const large: NodeHash[] = []
    const small: NodeHash[] = []
    for (const block of blocksOf(treeSize(state.next))) {
      const isLarge = block.end - block.start === LARGE_BLOCK
      ;(isLarge ? large : small).push(nodeOfPages(await readNodes(store, block)).hash)
    }
    return new MapBlocks(store, state, { large, small })
  }

  get key(): Uint8Array {
    return this.#state.key
  }

  get next(): number {
    return this.#next
  }

  get newest(): NewestRoot | undefined {
    return this.#state.newest
  }

  /** Where the block at hand ends. */
  get blockEnd(): number {
    return (Math.floor(this.#next / SMALL_BLOCK) + 1) * SMALL_BLOCK
  }

  /** Lists an entry of the block at hand, from `next` on. Entries come in order. */
  list(index: number, terms: readonly MapTerm[]): void {
    this.#builder.add(index, terms)
  }

  /**
   * All entries before `next`, which are of the block at hand, were listed. Stores the block when it is complete;
   * `treeRoot` gives the root hash of the log's tree of so many entries.
   */
  async reach(next: number, treeRoot: (size: number) => Promise<RootHash>): Promise<void> {
    this.#next = next
    if (next % SMALL_BLOCK === 0)
      await this.#close({ ...this.#state, next, tree: await treeRoot(next) })
  }

  /** The map as it is. */
  async at(): Promise<MapAt> {
    await this.#hash()
    const size = treeSize(this.#next)
    if (size % SMALL_BLOCK === 0) {
      return { size, root: mapRoot([...this.#large, ...this.#small]), begun: undefined }
    }
    const nodes = this.#builder.nodes()
    const pages = Array.from({ length: PAGES }, (_, page) => this.#builder.page(page))
    const root = mapRoot([...this.#large, ...this.#small, nodeOfPages(nodes).hash])
    return { size, root, begun: { nodes, pages } }
  }

  /** Proves what each block of a map has for a key. @throws CORRUPT, IO */
  async prove({ size, begun }: MapAt, key: Uint8Array): Promise<BlockProof[]> {
    const proofs: BlockProof[] = []
    for (const block of blocksOf(size)) {
      const width = block.end - block.start
      const isStored = width === SMALL_BLOCK || width === LARGE_BLOCK
      const pages = isStored ? await this.#stored(block) : pagesAtHand(begun!.nodes, begun!.pages)
      proofs.push(await proveBlock(pages, key))
    }
    return proofs
  }

  async #stored(block: Block) {
    const nodes = await readNodes(this.#store, block)
    const page = async (which: number) => (await readPages(this.#store, [block], which))[0]!
    return { nodes, page }
  }

  /** Notes the newest map root; drops the small blocks that no map of `oldest` entries or more needs. */
  async note(newest: NewestRoot, oldest: number): Promise<void> {
    this.#state = { ...this.#state, newest }
    await this.#store.write({ put: [stateEntry(this.#state)] })
    const needed = Math.floor(oldest / LARGE_BLOCK) * LARGE_BLOCK
    if (needed <= this.#dropped) return
    await dropSmallBlocks(this.#store, needed)
    this.#dropped = needed
  }

  /** Hashes what has changed in the block at hand, page by page. */
  async #hash(): Promise<void> {
    for (let page = 0; page < PAGES; page++) {
      this.#builder.page(page)
      if (page % PAGES_A_TURN === PAGES_A_TURN - 1) await nextTurn()
    }
  }

  /** Stores the block that is complete now, and makes a large one when it is the last of it. */
  async #close(state: MapState): Promise<void> {
    await this.#hash()
    const builder = this.#builder
    const block: Block = { start: state.next - SMALL_BLOCK, end: state.next }
    const put: IndexEntry[] = [nodesEntry(block, builder.nodes())]
    for (let page = 0; page < PAGES; page++) {
      put.push(...pageEntries(block, page, builder.page(page)))
    }
    const isLast = state.next % LARGE_BLOCK === 0
    if (!isLast) put.push(stateEntry(state))
    await this.#store.write({ put })
    this.#small.push(builder.node().hash)
    this.#builder = new BlockBuilder(this.key)
    if (isLast) await this.#closeLarge(state)
    this.#state = state
  }

  async #closeLarge(state: MapState): Promise<void> {
    const large: Block = { start: state.next - LARGE_BLOCK, end: state.next }
    const small = Array.from({ length: LARGE_BLOCK / SMALL_BLOCK }, (_, i): Block => {
      const start = large.start + i * SMALL_BLOCK
      return { start, end: start + SMALL_BLOCK }
    })
    const nodes: PrefixNode[] = []
    for (let page = 0; page < PAGES; page++) {
      const terms = mergePages(await readPages(this.#store, small, page))
      nodes.push(pageNode(terms))
      await this.#store.write({ put: pageEntries(large, page, terms) })
    }
    await this.#store.write({ put: [nodesEntry(large, nodes), stateEntry(state)] })
    this.#large.push(nodeOfPages(nodes).hash)
    this.#small = []
  }
}
