import { describe, expect, it } from 'vitest'
import { fromHex, toHex, utf8 } from '../../src/bytes.ts'
import {
  EMPTY_ROOT,
  hashChildren,
  hashChildrenInto,
  hashLeaf,
  leafHash,
  nodeHash,
  rootHash,
} from '../../src/merkle/hash.ts'

describe('the hashes of RFC 6962 section 2.1', () => {
  it('gives the known answers', () => {
    expect(toHex(EMPTY_ROOT)).toBe(
      'e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855',
    )
    expect(toHex(hashLeaf(new Uint8Array()))).toBe(
      '6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d',
    )
    expect(toHex(hashLeaf(utf8('L123456')))).toBe(
      '395aa064aa4c29f7010acfe3f25db9485bbd4b91897b6ad7ad547639252b4d56',
    )
  })

  it('does not take a leaf of two hashes for their parent', () => {
    const left = hashLeaf(utf8('left'))
    const right = hashLeaf(utf8('right'))
    const both = fromHex(toHex(left) + toHex(right))
    expect(toHex(hashLeaf(both))).not.toBe(toHex(hashChildren(left, right)))
    expect(toHex(hashLeaf(Uint8Array.of(1, ...both)))).not.toBe(toHex(hashChildren(left, right)))
  })

  it('does not confuse the order of children', () => {
    const left = hashLeaf(utf8('left'))
    const right = hashLeaf(utf8('right'))
    expect(toHex(hashChildren(left, right))).not.toBe(toHex(hashChildren(right, left)))
  })

  it('returns hashes of its own, which later hashing leaves alone', () => {
    const first = hashChildren(hashLeaf(utf8('a')), hashLeaf(utf8('b')))
    const before = toHex(first)
    hashChildren(hashLeaf(utf8('c')), first)
    expect(toHex(first)).toBe(before)
  })

  it('hashes side by side as it hashes apart, also in place', () => {
    const left = hashLeaf(utf8('left'))
    const right = hashLeaf(utf8('right'))
    const bytes = new Uint8Array(32 * 4)
    bytes.set(left, 32)
    bytes.set(right, 64)
    hashChildrenInto(bytes, 32, bytes, 64)
    expect(toHex(bytes.subarray(64, 96))).toBe(toHex(hashChildren(left, right)))
    expect(toHex(bytes.subarray(32, 64))).toBe(toHex(left))
    expect(toHex(bytes.subarray(96))).toBe('00'.repeat(32))
  })
})

describe('taking bytes as a hash', () => {
  it.each([0, 31, 33, 64])('refuses %i bytes', (length) => {
    const bytes = new Uint8Array(length)
    for (const take of [nodeHash, leafHash, rootHash]) expect(() => take(bytes)).toThrow(RangeError)
  })

  it('takes 32 bytes as they are', () => {
    const bytes = new Uint8Array(32)
    for (const take of [nodeHash, leafHash, rootHash]) expect(take(bytes)).toBe(bytes)
  })
})

describe('the hash of two children', () => {
  it.each([0, 31, 33])('refuses a child of %i bytes', (length) => {
    const good = new Uint8Array(32)
    const bad = new Uint8Array(length)
    expect(() => hashChildren(bad, good)).toThrow(RangeError)
    expect(() => hashChildren(good, bad)).toThrow(RangeError)
  })

  it('refuses ranges that end beyond their array', () => {
    const two = new Uint8Array(64)
    expect(() => hashChildrenInto(two.subarray(1), 0, two, 0)).toThrow(RangeError)
    expect(() => hashChildrenInto(two, 32, two, 0)).toThrow(RangeError)
    expect(() => hashChildrenInto(two, 0, two, 33)).toThrow(RangeError)
  })
})
