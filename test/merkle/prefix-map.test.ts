import * as fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { equal } from '../../src/bytes.ts'
import { CairnError } from '../../src/errors.ts'
import type { NodeHash } from '../../src/merkle/hash.ts'
import {
  hashKeyValue,
  NO_KEYS,
  type PrefixLeaf,
  type PrefixProof,
  prefixNode,
  rootFromPrefix,
  searchPrefix,
} from '../../src/merkle/prefix-map.ts'
import { type Entry, naiveNode, naiveProof, sha256 } from '../support/naive-map.ts'

function sorted(entries: readonly Entry[]): Entry[] {
  return [...entries].sort(([a], [b]) => Buffer.compare(a, b))
}

function leavesOf(entries: readonly Entry[]): PrefixLeaf[] {
  return sorted(entries).map(([key, value]) => ({ key, hash: hashKeyValue(key, value) }))
}

function proofOf(entries: readonly Entry[], key: Uint8Array): PrefixProof {
  const { at, path } = searchPrefix(leavesOf(entries), key)
  const entry = at === undefined ? undefined : sorted(entries)[at]!
  if (entry === undefined) return { found: { kind: 'nothing' }, path }
  if (equal(entry[0], key)) return { found: { kind: 'key' }, path }
  return { found: { kind: 'other', key: entry[0], value: entry[1] }, path }
}

function holds(
  key: Uint8Array,
  value: Uint8Array | undefined,
  proof: PrefixProof,
  root: Uint8Array,
): boolean {
  try {
    return equal(rootFromPrefix(key, value, proof), root)
  } catch (error) {
    if (error instanceof CairnError && error.code === 'VERIFICATION_FAILED') return false
    throw error
  }
}

/** Keys that share long beginnings, so that ways are long and nodes of no keys stand beside them. */
const anyKey = fc
  .tuple(fc.nat(5), fc.integer({ min: 0, max: 255 }), fc.integer({ min: 0, max: 255 }), fc.nat(255))
  .map(([shared, a, b, last]) => {
    const key = new Uint8Array(32).fill(0x5a)
    key[shared] = a
    key[shared + 3] = b & 3
    key[31] = last
    return key
  })
const anyMap = fc
  .uniqueArray(anyKey, { maxLength: 24, selector: (key) => Buffer.from(key).toString('hex') })
  .map((keys) => keys.map((key): Entry => [key, sha256('value', key)]))

describe('a prefix map', () => {
  it('has the root and the proofs of its definition', () => {
    fc.assert(
      fc.property(anyMap, anyKey, (entries, other) => {
        const { hash } = prefixNode(leavesOf(entries))
        expect(equal(hash, naiveNode(entries))).toBe(true)
        for (const [key, value] of entries) {
          const proof = proofOf(entries, key)
          expect(proof).toEqual(naiveProof(entries, key))
          expect(holds(key, value, proof, hash)).toBe(true)
        }
        const value = entries.find(([key]) => equal(key, other))?.[1]
        const proof = proofOf(entries, other)
        expect(proof).toEqual(naiveProof(entries, other))
        expect(holds(other, value, proof, hash)).toBe(true)
      }),
      { numRuns: 60 },
    )
  })

  it('shows nothing but what is in it', () => {
    fc.assert(
      fc.property(
        anyMap.filter((entries) => entries.length > 1),
        fc.nat(),
        fc.nat(255),
        (entries, which, change) => {
          const root = naiveNode(entries)
          const [key, value] = entries[which % entries.length]!
          const proof = proofOf(entries, key)
          const another = sha256('another value')
          expect(holds(key, another, proof, root)).toBe(false)
          expect(holds(key, undefined, proof, root)).toBe(false)
          expect(holds(key, undefined, { ...proof, found: { kind: 'nothing' } }, root)).toBe(false)
          const other: PrefixProof = { ...proof, found: { kind: 'other', key, value } }
          expect(holds(key, undefined, other, root)).toBe(false)
          const path = [...proof.path]
          expect(holds(key, value, { ...proof, path: path.slice(1) }, root)).toBe(false)
          expect(holds(key, value, { ...proof, path: [...path, undefined] }, root)).toBe(false)
          expect(holds(key, value, { ...proof, path: [undefined, ...path] }, root)).toBe(false)
          const at = change % path.length
          path[at] = path[at] === undefined ? (another as NodeHash) : undefined
          expect(holds(key, value, { ...proof, path }, root)).toBe(false)
          const neighbour = key.with(31, key[31]! ^ 1)
          if (!entries.some(([one]) => equal(one, neighbour))) {
            expect(holds(neighbour, value, proof, root)).toBe(false)
          }
        },
      ),
      { numRuns: 60 },
    )
  })

  const key = sha256('key')
  const value = sha256('value')

  it('of nothing has 32 zeros for a root, and shows that every key is missing', () => {
    expect(prefixNode([])).toEqual({ kind: 'none', hash: NO_KEYS })
    expect(holds(key, undefined, { found: { kind: 'nothing' }, path: [] }, NO_KEYS)).toBe(true)
  })

  it('of one key has its node for a root', () => {
    const root = hashKeyValue(key, value)
    expect(holds(key, value, { found: { kind: 'key' }, path: [] }, root)).toBe(true)
    const found = { kind: 'other', key, value } as const
    expect(holds(sha256('other'), undefined, { found, path: [] }, root)).toBe(true)
  })

  it('separates keys that differ in their last bit only', () => {
    const entries: Entry[] = [
      [key, value],
      [key.with(31, key[31]! ^ 1), value],
    ]
    const proof = proofOf(entries, key)
    expect(proof.path).toHaveLength(256)
    expect(proof.path.filter((one) => one !== undefined)).toHaveLength(1)
    expect(holds(key, value, proof, naiveNode(entries))).toBe(true)
  })

  it('cannot have a key twice', () => {
    const leaf = { key, hash: hashKeyValue(key, value) }
    expect(() => prefixNode([leaf, leaf])).toThrow(RangeError)
    expect(() => searchPrefix([leaf, leaf], key)).toThrow(RangeError)
    expect(() => hashKeyValue(key.subarray(1), value)).toThrow(RangeError)
  })

  it.each<[string, Uint8Array | undefined, PrefixProof]>([
    ['a value where nothing is shown', value, { found: { kind: 'nothing' }, path: [] }],
    ['no value where the key is shown', undefined, { found: { kind: 'key' }, path: [] }],
    [
      'a longer way than keys have bits',
      value,
      { found: { kind: 'key' }, path: Array(257).fill(hashKeyValue(key, value)) },
    ],
    ['a hash of 31 bytes', value, { found: { kind: 'key' }, path: [key.subarray(1) as NodeHash] }],
    ['a value of 31 bytes', value.subarray(1), { found: { kind: 'key' }, path: [] }],
    [
      'another key from elsewhere in the map',
      undefined,
      {
        found: { kind: 'other', key: key.with(0, key[0]! ^ 0x80), value },
        path: [hashKeyValue(key, value)],
      },
    ],
  ])('is not shown by %s', (_, shown, proof) => {
    expect(holds(key, shown, proof, hashKeyValue(key, value))).toBe(false)
  })
})
