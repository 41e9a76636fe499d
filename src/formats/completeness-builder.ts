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
import { type MapTerm, type TermField, termKey } from './completeness-terms.ts'

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

interface Known {
  readonly growing: Growing
  readonly page: Page
}

export class BlockBuilder {
  readonly #mapKey: Uint8Array
  /** By tenant, field and value: to join them to one name would cost more than all three look-ups. */
  readonly #known = new Map<string, Map<TermField, Map<string, Known>>>()
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
      const values = this.#valuesOf(term)
      let known = values.get(term.value)
      if (known === undefined) {
        const key = termKey(this.#mapKey, term)
        const page = this.#pages[key[0]!]!
        known = { growing: { key, indices: [], term: undefined }, page }
        values.set(term.value, known)
        page.terms.push(known.growing)
      }
      known.growing.indices.push(index)
      known.growing.term = undefined
      known.page.made = undefined
    }
  }

  #valuesOf({ tenant, field }: MapTerm): Map<string, Known> {
    const fields = this.#known.get(tenant) ?? new Map<TermField, Map<string, Known>>()
    if (fields.size === 0) this.#known.set(tenant, fields)
    const known = fields.get(field)
    if (known !== undefined) return known
    const values = new Map<string, Known>()
    fields.set(field, values)
    return values
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
