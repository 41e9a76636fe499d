/** The proof of what a block lists under a key, from the nodes of its pages and the one page in which the key would be. */
import { equal } from '../bytes.ts'
import type { BlockProof } from '../formats/completeness.ts'
import { hashListBytes } from '../formats/completeness-blocks.ts'
import { nodeOfPages, PAGE_BITS, PAGES, type PageTerm } from '../formats/completeness-page.ts'
import type { NodeHash } from '../merkle/hash.ts'
import { type LeafIndex, leafIndex } from '../merkle/position.ts'
import { besideOf, keyBit, type PrefixNode, searchPrefix } from '../merkle/prefix-map.ts'

export interface BlockPages {
  readonly nodes: readonly PrefixNode[]
  readonly page: (page: number) => Promise<readonly PageTerm[]> | readonly PageTerm[]
}

/** Where the way of a key ends, and what is beside it. */
interface Way {
  readonly term: PageTerm | undefined
  readonly path: readonly (NodeHash | undefined)[]
}

export async function proveBlock(pages: BlockPages, key: Uint8Array): Promise<BlockProof> {
  const { term, path } = await follow(pages, key, 0, 0)
  if (term === undefined) return { indices: [], proof: { found: { kind: 'nothing' }, path } }
  if (equal(term.key, key)) {
    return { indices: indicesOf(term.list), proof: { found: { kind: 'key' }, path } }
  }
  // Copies: what is stored is a view of a whole page.
  const found = { kind: 'other', key: term.key.slice(), value: hashListBytes(term.list) } as const
  return { indices: [], proof: { found, path } }
}

/** Follows a key through the pages from `from` on whose keys share `depth` bits. */
async function follow(
  pages: BlockPages,
  key: Uint8Array,
  depth: number,
  from: number,
): Promise<Way> {
  const width = 2 ** (PAGE_BITS - depth)
  const { kind } = nodeOfPages(pages.nodes, depth, from)
  if (kind === 'none') return { term: undefined, path: [] }
  if (kind === 'one') {
    const only = pages.nodes.findIndex((node, page) => page >= from && node.kind === 'one')
    return { term: (await pages.page(only))[0], path: [] }
  }
  if (width === 1) {
    const terms = await pages.page(from)
    const { at, path } = searchPrefix(terms, key, PAGE_BITS)
    return { term: at === undefined ? undefined : terms[at], path }
  }
  const half = width / 2
  const isRight = keyBit(key, depth)
  const { term, path } = await follow(pages, key, depth + 1, isRight ? from + half : from)
  const beside = nodeOfPages(pages.nodes, depth + 1, isRight ? from : from + half)
  return { term, path: [...path, besideOf(beside)] }
}

function indicesOf(list: Uint8Array): LeafIndex[] {
  const view = new DataView(list.buffer, list.byteOffset, list.length)
  return Array.from({ length: list.length / 8 }, (_, i) =>
    leafIndex(view.getUint32(8 * i) * 2 ** 32 + view.getUint32(8 * i + 4)),
  )
}

/** As BlockPages, of pages that are at hand. */
export function pagesAtHand(
  nodes: readonly PrefixNode[],
  terms: readonly (readonly PageTerm[])[],
): BlockPages {
  if (terms.length !== PAGES) throw new RangeError(`expected ${PAGES} pages`)
  return { nodes, page: (page) => terms[page]! }
}
