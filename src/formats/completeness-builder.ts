/**
 * Makes the map of a small block, or of its beginning, record by record. What has not changed since the last look is not
 * hashed again.
 */
import { EMPTY_NODE, type PrefixNode } from '../merkle/prefix-map.ts'
import { listBytes } from './completeness-blocks.ts'
import {
  compareKeys,
  nodeOfPages,
  PAGES,
  type PageTerm,
  pageNode,
  pageTerm,
} from './completeness-page.ts'
import { type MapTerm, termKey } from './completeness-terms.ts'

/** A term on its way into a page. */
interface Growing {
  readonly key: Uint8Array
  readonly indices: number[]
  term: PageTerm | undefined
}

interface Page {
  readonly terms: Growing[]
  made: { readonly terms: readonly PageTerm[]; readonly node: PrefixNode } | undefined
}

export class BlockBuilder {
  readonly #mapKey: Uint8Array
  readonly #known = new Map<string, { readonly growing: Growing; readonly page: Page }>()
  readonly #pages: readonly Page[] = Array.from({ length: PAGES }, () => ({
    terms: [],
    made: undefined,
  }))

  constructor(mapKey: Uint8Array) {
    this.#mapKey = mapKey
  }

  /** Lists an entry under its terms. Entries come in order. */
  add(index: number, terms: readonly MapTerm[]): void {
    for (const term of terms) {
      const name = `${term.field} ${term.tenant} ${term.value}`
      let known = this.#known.get(name)
      if (known === undefined) {
        const key = termKey(this.#mapKey, term)
        const page = this.#pages[key[0]!]!
        known = { growing: { key, indices: [], term: undefined }, page }
        this.#known.set(name, known)
        page.terms.push(known.growing)
      }
      known.growing.indices.push(index)
      known.growing.term = undefined
      known.page.made = undefined
    }
  }

  /** The terms of a page, in the order of their keys. */
  page(page: number): readonly PageTerm[] {
    return this.#made(page).terms
  }

  /** The nodes of all pages. */
  nodes(): PrefixNode[] {
    return this.#pages.map(({ terms }, page) =>
      terms.length === 0 ? EMPTY_NODE : this.#made(page).node,
    )
  }

  /** The node of the block: its hash is the root of the block's map. */
  node(): PrefixNode {
    return nodeOfPages(this.nodes())
  }

  #made(page: number): NonNullable<Page['made']> {
    const { terms, made } = this.#pages[page]!
    if (made !== undefined) return made
    for (const growing of terms) {
      growing.term ??= pageTerm(growing.key, listBytes(growing.indices))
    }
    const sorted = terms.map(({ term }) => term!).sort(compareKeys)
    const now = { terms: sorted, node: pageNode(sorted) }
    this.#pages[page]!.made = now
    return now
  }
}
