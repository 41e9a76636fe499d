/** The map of a log straight from its definition in spec/completeness.md, with no thought for what it costs. */
import { createHash } from 'node:crypto'
import type { BlockProof } from '../../src/formats/completeness.ts'
import { blocksOf } from '../../src/formats/completeness-blocks.ts'
import type { MapTerm } from '../../src/formats/completeness-terms.ts'
import type { NodeHash } from '../../src/merkle/hash.ts'
import { leafIndex, treeSize } from '../../src/merkle/position.ts'

export type Entry = readonly [key: Uint8Array, value: Uint8Array]

const FIELDS = ['request', 'session', 'subject', 'actor', 'record']

export function sha256(...parts: readonly (Uint8Array | number | string)[]): Uint8Array {
  const hash = createHash('sha256')
  for (const part of parts) {
    hash.update(
      typeof part === 'number'
        ? Buffer.of(part)
        : typeof part === 'string'
          ? Buffer.from(part)
          : part,
    )
  }
  return new Uint8Array(hash.digest())
}

const bit = (key: Uint8Array, depth: number): string =>
  [...key].map((byte) => byte.toString(2).padStart(8, '0')).join('')[depth]!

/** The node of some keys that share their first bits. */
export function naiveNode(entries: readonly Entry[], depth = 0): Uint8Array {
  if (entries.length === 0) return new Uint8Array(32)
  if (entries.length === 1) return sha256(2, ...entries[0]!)
  const side = (wanted: string): Uint8Array =>
    naiveNode(
      entries.filter(([key]) => bit(key, depth) === wanted),
      depth + 1,
    )
  return sha256(3, side('0'), side('1'))
}

/** What the definition finds on the way of a key, and what is beside the way, the lowest first. */
export function naiveProof(
  entries: readonly Entry[],
  key: Uint8Array,
  depth = 0,
): BlockProof['proof'] {
  if (entries.length === 0) return { found: { kind: 'nothing' }, path: [] }
  const [[first, value]] = entries as [Entry]
  if (entries.length === 1) {
    const isIt = Buffer.compare(first, key) === 0
    return { found: isIt ? { kind: 'key' } : { kind: 'other', key: first, value }, path: [] }
  }
  const mine = entries.filter((entry) => bit(entry[0], depth) === bit(key, depth))
  const others = entries.filter((entry) => !mine.includes(entry))
  const { found, path } = naiveProof(mine, key, depth + 1)
  const beside = others.length === 0 ? undefined : naiveNode(others, depth + 1)
  return { found, path: [...path, beside as NodeHash | undefined] }
}

export function naiveKey(mapKey: Uint8Array, { tenant, field, value }: MapTerm): Uint8Array {
  const code = 1 + FIELDS.indexOf(field)
  return sha256(5, mapKey, code, tenant.length, tenant, value)
}

export function naiveList(indices: readonly number[]): Uint8Array {
  const list = Buffer.alloc(8 * indices.length)
  for (const [i, index] of indices.entries()) list.writeBigUInt64BE(BigInt(index), 8 * i)
  return sha256(4, list)
}

/** Of each entry of a log its terms; most logs have other entries as well, and these have none. */
export type Terms = (index: number) => readonly MapTerm[]

/** The lists of a block. */
function listsOf(
  terms: Terms,
  start: number,
  end: number,
): Map<string, readonly [MapTerm, number[]]> {
  const lists = new Map<string, readonly [MapTerm, number[]]>()
  for (let index = start; index < end; index++) {
    for (const term of terms(index)) {
      const name = JSON.stringify(term)
      const [, list] = lists.get(name) ?? [term, []]
      lists.set(name, [term, [...list, index]])
    }
  }
  return lists
}

export interface NaiveMap {
  readonly root: Uint8Array
  readonly prove: (term: MapTerm) => BlockProof[]
}

/** The map of the first entries of a log. */
export function naiveMap(mapKey: Uint8Array, terms: Terms, size: number): NaiveMap {
  const blocks = blocksOf(treeSize(size)).map(({ start, end }) => {
    const lists = [...listsOf(terms, start, end).values()]
    const entries = lists.map(([term, list]): Entry => [naiveKey(mapKey, term), naiveList(list)])
    return { start, end, entries }
  })
  return {
    root: sha256(6, ...blocks.map(({ entries }) => naiveNode(entries))),
    prove: (term) =>
      blocks.map(({ start, end, entries }) => {
        const proof = naiveProof(entries, naiveKey(mapKey, term))
        const wanted = JSON.stringify(term)
        const indices = Array.from({ length: end - start }, (_, i) => start + i).filter((index) =>
          terms(index).some((one) => JSON.stringify(one) === wanted),
        )
        return { indices: indices.map(leafIndex), proof }
      }),
  }
}
