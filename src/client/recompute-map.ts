/**
 * Makes the map of a log again from its entries, and holds every map root in the log against it (spec/completeness.md):
 * what an auditor does who has all entries. Needs memory for the terms of one large block, however large the log is.
 */
import { equal } from '../bytes.ts'
import { CairnError, messageOf } from '../errors.ts'
import { type Block, LARGE_BLOCK, mapRoot, SMALL_BLOCK } from '../formats/completeness-blocks.ts'
import { BlockBuilder } from '../formats/completeness-builder.ts'
import {
  decodePage,
  encodePage,
  mergePages,
  nodeOfPages,
  PAGES,
  type PageTerm,
  pageNode,
} from '../formats/completeness-page.ts'
import { isMapRoot, isVoid, MAX_MAP_LAG, parseMapRoot } from '../formats/completeness-root.ts'
import { listedRecord, type MapTerm, termsOf } from '../formats/completeness-terms.ts'
import type { RecordLeaf } from '../formats/record.ts'
import type { NodeHash, RootHash } from '../merkle/hash.ts'
import type { PrefixNode } from '../merkle/prefix-map.ts'

/** Something that an honest log does not do. */
export interface MapFault {
  /** The entry that shows it. */
  readonly index: number
  readonly reason: string
}

export interface MapStatistics {
  /** Map roots that were found to be right. */
  readonly roots: number
  /** The entries that the newest of them is of. */
  readonly size: number
  /** Map roots that stand too far behind in the log to count. */
  readonly voids: number
}

/** Told of each block that was made again: first of its pages, in order, then of the nodes of them all. */
export interface MadeBlocks {
  page(block: Block, page: number, terms: readonly PageTerm[]): void
  nodes(block: Block, nodes: readonly PrefixNode[]): void
}

export interface MapAuditOptions {
  readonly origin: string
  /** The key of the map, where it is known; otherwise all terms are remembered until the first map root tells it. */
  readonly key?: Uint8Array
  /** Goes on from there; `key` is then the one that it had. */
  readonly from?: MapPlace
  readonly made?: MadeBlocks
}

/** Where the audit of a map can go on: all that it has to know of what is behind it. */
export interface MapPlace {
  /** Entries behind: whole large blocks. */
  readonly size: number
  /** The hashes of their nodes. */
  readonly large: readonly NodeHash[]
  /** Map roots at entries before this one have been found right already. */
  readonly checked: number
  readonly statistics: MapStatistics
}

/** The audit of a map, entry by entry, from the first. */
export class MapAudit {
  readonly #origin: string
  readonly #checked: number
  readonly #made: MadeBlocks | undefined
  #map: GrowingMap | undefined
  #key: Uint8Array | undefined
  #next = 0
  /** Terms of entries that the map may not have taken in yet, since a map root can be of fewer. */
  #waiting: { readonly index: number; readonly terms: readonly MapTerm[] }[] = []
  /** How many of these it has taken in. */
  #taken = 0
  #roots = 0
  #voids = 0
  #size = 0

  constructor({ origin, key, from, made }: MapAuditOptions) {
    this.#origin = origin
    this.#made = made
    this.#checked = from?.checked ?? 0
    if (key !== undefined) this.#learn(key, from)
    if (from === undefined) return
    this.#next = from.size
    this.#roots = from.statistics.roots
    this.#voids = from.statistics.voids
    this.#size = from.statistics.size
  }

  /**
   * The place after so many entries, once nothing more can come up that is about fewer; undefined before that, and where
   * no large block ends.
   */
  placeAt(size: number): MapPlace | undefined {
    if (size % LARGE_BLOCK !== 0 || this.#next < size + MAX_MAP_LAG) return undefined
    const large = this.#map?.largeUpTo(size)
    return large && { size, large, checked: this.#next, statistics: this.statistics() }
  }

  statistics(): MapStatistics {
    return { roots: this.#roots, size: this.#size, voids: this.#voids }
  }

  /**
   * Looks at the next entry; gives what is wrong with it as a statement about the map, if it is one. `record` is the
   * record that it is, where that was read before.
   */
  next(leaf: Uint8Array, record?: RecordLeaf): MapFault | undefined {
    const index = this.#next++
    if (isMapRoot(leaf)) {
      if (index < this.#checked) return undefined
      const reason = this.#look(index, leaf)
      return reason === undefined ? undefined : { index, reason }
    }
    const read = record ?? listedRecord(leaf)
    if (read !== undefined) this.#waiting.push({ index, terms: termsOf(read) })
    this.#takeIn(this.#next - MAX_MAP_LAG)
    return undefined
  }

  /** There are no more entries: makes all blocks of those that there were, if the key of the map is known. */
  finish(): void {
    this.#takeIn(this.#next)
  }

  #learn(key: Uint8Array, from?: MapPlace): void {
    this.#key = key
    this.#map = new GrowingMap(key, from, this.#made)
  }

  /** What is wrong with a map root. */
  #look(index: number, leaf: Uint8Array): string | undefined {
    let said: ReturnType<typeof parseMapRoot>
    try {
      said = parseMapRoot(leaf)
    } catch (error) {
      if (!(error instanceof CairnError)) throw error
      return `it is not written as map roots are: ${messageOf(error)}`
    }
    const { origin, size, root, key } = said
    if (origin !== this.#origin) return `it is about the map of ${origin}`
    if (size > index) return `it is about ${size} entries, and only ${index} were there`
    if (this.#key === undefined) this.#learn(key)
    else if (!equal(this.#key, key)) return 'it has another key than the map roots before it'
    if (isVoid(index, size)) {
      this.#voids++
      return undefined
    }
    if (size <= this.#size)
      return `it is about ${size} entries, and one of ${this.#size} came before`
    this.#size = size
    this.#takeIn(size)
    if (!equal(this.#map!.root(), root)) {
      return `the map of the first ${size} entries has another root hash`
    }
    this.#roots++
    return undefined
  }

  /** Brings the map to a size, if it is not there yet and its key is known. */
  #takeIn(size: number): void {
    const map = this.#map
    if (map === undefined || size <= map.size) return
    for (; this.#taken < this.#waiting.length; this.#taken++) {
      const { index, terms } = this.#waiting[this.#taken]!
      if (index >= size) break
      map.add(index, terms)
    }
    map.growTo(size)
    if (this.#taken < SMALL_BLOCK) return
    this.#waiting = this.#waiting.slice(this.#taken)
    this.#taken = 0
  }
}

type Pages = readonly Uint8Array[]

/** The map of all entries so far. */
class GrowingMap {
  readonly #key: Uint8Array
  readonly #made: MadeBlocks | undefined
  #size = 0
  readonly #large: NodeHash[]
  #small: NodeHash[] = []
  /** Of the small blocks that are part of no large one yet. */
  #pages: Pages[] = []
  #builder: BlockBuilder

  constructor(key: Uint8Array, from?: MapPlace, made?: MadeBlocks) {
    this.#key = key
    this.#made = made
    this.#size = from?.size ?? 0
    this.#large = [...(from?.large ?? [])]
    this.#builder = new BlockBuilder(key)
  }

  /** The hashes of the large blocks of so many entries; undefined when there are not so many yet. */
  largeUpTo(size: number): readonly NodeHash[] | undefined {
    return size <= this.#size ? this.#large.slice(0, size / LARGE_BLOCK) : undefined
  }

  get size(): number {
    return this.#size
  }

  /** Lists the next entry that has terms. */
  add(index: number, terms: readonly MapTerm[]): void {
    this.growTo(index)
    this.#builder.add(index, terms)
  }

  /** There is nothing more before this size. */
  growTo(size: number): void {
    for (let end = this.#blockEnd(); end <= size; end = this.#blockEnd()) {
      this.#size = end
      this.#closeBlock()
    }
    this.#size = Math.max(this.#size, size)
  }

  root(): RootHash {
    const begun = this.#size % SMALL_BLOCK === 0 ? [] : [this.#builder.node().hash]
    return mapRoot([...this.#large, ...this.#small, ...begun])
  }

  #blockEnd(): number {
    return (Math.floor(this.#size / SMALL_BLOCK) + 1) * SMALL_BLOCK
  }

  #closeBlock(): void {
    const builder = this.#builder
    this.#small.push(builder.node().hash)
    const small = { start: this.#size - SMALL_BLOCK, end: this.#size }
    this.#pages.push(
      Array.from({ length: PAGES }, (_, page) => {
        this.#made?.page(small, page, builder.page(page))
        return encodePage(builder.page(page))
      }),
    )
    this.#made?.nodes(small, builder.nodes())
    this.#builder = new BlockBuilder(this.#key)
    if (this.#size % LARGE_BLOCK !== 0) return
    const large = { start: this.#size - LARGE_BLOCK, end: this.#size }
    const nodes = Array.from({ length: PAGES }, (_, page) => {
      const terms = mergePages(this.#pages.map((pages) => decodePage(pages[page]!)))
      this.#made?.page(large, page, terms)
      return pageNode(terms)
    })
    this.#made?.nodes(large, nodes)
    this.#large.push(nodeOfPages(nodes).hash)
    this.#small = []
    this.#pages = []
  }
}
