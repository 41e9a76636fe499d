/**
 * A part of the map of a block: the terms whose keys begin with the same byte, with their lists. 256 pages are a block.
 * As bytes, which are kept and never shown to anybody, a page is its terms in the order of their keys:
 *
 *     key[32] ‖ hash of its node[32] ‖ length of list[4] ‖ indices[8 each]
 */
import { CairnError } from '../errors.ts'
import { HASH_SIZE, type NodeHash, nodeHash } from '../merkle/hash.ts'
import {
  EMPTY_NODE,
  hashKeyValue,
  joinNodes,
  type PrefixLeaf,
  type PrefixNode,
  prefixNode,
} from '../merkle/prefix-map.ts'
import { hashListBytes } from './completeness-blocks.ts'

/** Pages of a block, and the bits of a key that tell which one it is in. */
export const PAGES = 256
export const PAGE_BITS = 8

/** A term of a page. */
export interface PageTerm extends PrefixLeaf {
  /** Indices as u64 each. */
  readonly list: Uint8Array
}

const HEAD_SIZE = 2 * HASH_SIZE + 4

/** A term with the hash of its node. */
export function pageTerm(key: Uint8Array, list: Uint8Array): PageTerm {
  return { key, list, hash: hashKeyValue(key, hashListBytes(list)) }
}

export function compareKeys(a: PrefixLeaf, b: PrefixLeaf): number {
  for (let i = 0; i < HASH_SIZE; i++) {
    const difference = a.key[i]! - b.key[i]!
    if (difference !== 0) return difference
  }
  return 0
}

/** The node of a page, whose terms are sorted. */
export function pageNode(terms: readonly PageTerm[]): PrefixNode {
  return prefixNode(terms, PAGE_BITS)
}

/** The node of the pages from `from` on whose keys share `depth` bits; that of all of them by default. */
export function nodeOfPages(pages: readonly PrefixNode[], depth = 0, from = 0): PrefixNode {
  if (depth === PAGE_BITS) return pages[from] ?? EMPTY_NODE
  const half = 2 ** (PAGE_BITS - depth - 1)
  return joinNodes(nodeOfPages(pages, depth + 1, from), nodeOfPages(pages, depth + 1, from + half))
}

export function encodePage(terms: readonly PageTerm[]): Uint8Array {
  let size = 0
  for (const { list } of terms) size += HEAD_SIZE + list.length
  const bytes = new Uint8Array(size)
  const view = new DataView(bytes.buffer)
  let at = 0
  for (const { key, hash, list } of terms) {
    bytes.set(key, at)
    bytes.set(hash, at + HASH_SIZE)
    view.setUint32(at + 2 * HASH_SIZE, list.length / 8)
    bytes.set(list, at + HEAD_SIZE)
    at += HEAD_SIZE + list.length
  }
  return bytes
}

/** The terms of a page; views of `bytes`. @throws CORRUPT unless encodePage would write it, as far as can be told cheaply */
export function decodePage(bytes: Uint8Array): PageTerm[] {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length)
  const terms: PageTerm[] = []
  for (let at = 0; at < bytes.length; ) {
    const end = at + HEAD_SIZE <= bytes.length ? lengthAt(view, at) : bytes.length + 1
    if (end > bytes.length) throw new CairnError('CORRUPT', 'a page of the map is damaged')
    const key = bytes.subarray(at, at + HASH_SIZE)
    const hash: NodeHash = nodeHash(bytes.subarray(at + HASH_SIZE, at + 2 * HASH_SIZE))
    terms.push({ key, hash, list: bytes.subarray(at + HEAD_SIZE, end) })
    at = end
  }
  return terms
}

function lengthAt(view: DataView, at: number): number {
  return at + HEAD_SIZE + 8 * view.getUint32(at + 2 * HASH_SIZE)
}

/** The page of a larger block: that of several blocks that follow each other, put together. */
export function mergePages(pages: readonly (readonly PageTerm[])[]): PageTerm[] {
  // The order of equal keys is that of the blocks: sorting is stable.
  const all = pages.flat().sort(compareKeys)
  const merged: PageTerm[] = []
  for (let at = 0; at < all.length; ) {
    const first = all[at]!
    let end = at + 1
    while (end < all.length && compareKeys(first, all[end]!) === 0) end++
    // The node of a term that only one block has is the same in the larger one.
    merged.push(end === at + 1 ? first : pageTerm(first.key, joined(all.slice(at, end))))
    at = end
  }
  return merged
}

function joined(terms: readonly PageTerm[]): Uint8Array {
  const list = new Uint8Array(terms.reduce((sum, one) => sum + one.list.length, 0))
  let at = 0
  for (const one of terms) {
    list.set(one.list, at)
    at += one.list.length
  }
  return list
}
