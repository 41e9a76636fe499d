/** What is sealed opens as what it was sealed as, and as nothing else, even where the keys are the same. */
import { describe, expect, it } from 'vitest'
import { utf8 } from '../../src/bytes.ts'
import {
  type PartName,
  sealErasedPart,
  sealPart,
  unsealErasedPart,
  unsealPart,
} from '../../src/vault/parts.ts'
import { People } from '../../src/vault/people.ts'
import { decodeLink, decodeSubject } from '../../src/vault/row-values.ts'
import { contextFor, keyObject, random, seal, unseal, unsealKey } from '../../src/vault/sealing.ts'
import type { Tenant } from '../../src/vault/tenants.ts'
import { disclosure, rowsOf, vaultPlace } from './vaults.ts'

const [sealing, lookup, blinding] = [0, 0, 0].map(() => keyObject(random(32)))
const id = random(16)

/** Tenants of any name, with one and the same keys. */
function tenant(name: string): Tenant {
  return { name: utf8(name), id, sealing: sealing!, lookup: lookup!, blinding: blinding! }
}

const acme = tenant('acme')
const CORRUPT = expect.objectContaining({ code: 'CORRUPT' })

describe('sealing', () => {
  it('gives back what was sealed, of any length, and nothing twice', () => {
    const key = keyObject(random(32))
    const context = contextFor('test')()
    for (const length of [0, 1, 15, 16, 17, 1_000, 100_000]) {
      const plain = random(Math.min(length, 4_096))
      const [one, two] = [seal(key, plain, context), seal(key, plain, context)]
      expect(one).toHaveLength(plain.length + 28)
      expect(one).not.toEqual(two)
      expect(unseal(key, one, context)).toEqual(plain)
      expect(unseal(key, two, context)).toEqual(plain)
      expect(unseal(key, one, context)!.constructor).toBe(Uint8Array)
    }
  })

  it('takes nothing that is cut short, longer, or changed in any bit', () => {
    const key = keyObject(random(32))
    const context = contextFor('test')()
    const sealed = seal(key, random(5), context)
    for (let length = 0; length < sealed.length; length++) {
      expect(unseal(key, sealed.subarray(0, length), context)).toBeUndefined()
      expect(unseal(key, sealed.subarray(length + 1), context)).toBeUndefined()
    }
    expect(unseal(key, new Uint8Array([...sealed, 0]), context)).toBeUndefined()
    for (let bit = 0; bit < 8 * sealed.length; bit++) {
      const changed = sealed.slice()
      changed[bit >> 3]! ^= 1 << (bit & 7)
      expect(unseal(key, changed, context), `bit ${bit}`).toBeUndefined()
    }
  })

  it('takes no key that has not 32 bytes', () => {
    const context = contextFor('test')()
    for (const length of [0, 16, 31, 33]) {
      expect(unsealKey(sealing!, seal(sealing!, random(length), context), context)).toBeUndefined()
    }
  })

  it('draws random bytes that never come again', () => {
    const drawn = Array.from({ length: 2_000 }, (_, i) => random(12 + (i % 21)))
    expect(new Set(drawn.map((bytes) => String(bytes.subarray(0, 12)))).size).toBe(drawn.length)
    const ones = drawn.flatMap((bytes) => [...bytes]).filter((byte) => byte >= 128).length
    const all = drawn.reduce((sum, { length }) => sum + length, 0)
    expect(Math.abs(ones / all - 0.5)).toBeLessThan(0.02)
    expect(random(4_096)).toHaveLength(4_096)
    expect(() => random(4_097)).toThrow(RangeError)
  })
})

describe('a part of a record', () => {
  const name: PartName = { tenant: acme, record: random(16), part: 0, parts: 2, owner: random(16) }
  const others: [string, PartName][] = [
    ['tenant', { ...name, tenant: tenant('rival') }],
    ['record', { ...name, record: random(16) }],
    ['part', { ...name, part: 1 }],
    ['number of parts', { ...name, parts: 3 }],
    ['owner', { ...name, owner: random(16) }],
    ['owner, who is nobody', { ...name, owner: undefined }],
  ]

  it('opens as itself', () => {
    const sealed = sealPart(name, sealing!, [disclosure('a'), disclosure('b', '/output/text')])
    expect(unsealPart(name, sealing!, sealed)).toEqual([
      disclosure('a'),
      disclosure('b', '/output/text'),
    ])
    const erased = sealErasedPart(name, utf8('time'))
    expect(unsealErasedPart(name, erased)).toEqual(utf8('time'))
  })

  it.each(others)('opens in no other %s', (_, other) => {
    const sealed = sealPart(name, sealing!, [disclosure('a')])
    expect(() => unsealPart(other, sealing!, sealed)).toThrow(CORRUPT)
    // Nor does its payload by the key of the other.
    const theirs = sealPart(other, sealing!, [disclosure('b')])
    const mixed = [
      { ...sealed, key: theirs.key },
      { ...sealed, disclosures: theirs.disclosures },
    ]
    for (const one of mixed) {
      expect(() => unsealPart(name, sealing!, one)).toThrow(CORRUPT)
      expect(() => unsealPart(other, sealing!, one)).toThrow(CORRUPT)
    }
  })

  it.each(others.slice(0, 3))('is erased in no other %s', (_, other) => {
    const erased = sealErasedPart(name, utf8('time'))
    expect(() => unsealErasedPart(other, erased)).toThrow(CORRUPT)
  })

  it('opens by no other key, and its payload not without its own', () => {
    const sealed = sealPart(name, sealing!, [disclosure('a')])
    expect(() => unsealPart(name, lookup!, sealed)).toThrow(CORRUPT)
    const { disclosures } = sealed
    expect(() => unsealPart(name, sealing!, { key: disclosures, disclosures })).toThrow(CORRUPT)
  })

  it('is refused when its disclosures do not end where they should', () => {
    // Sealed with the right keys, so that it is the form alone that is looked at.
    const key = random(32)
    const place = Uint8Array.of(name.part, name.parts)
    const parts = [name.tenant.name, name.record, place, name.owner!]
    const sealed = seal(sealing!, key, contextFor('key of a record')(...parts))
    const [one] = [disclosure('a').json]
    const length = Uint8Array.of(0, 0, 0, one.length)
    const ofPacked = (...packed: (Uint8Array | number[])[]) => ({
      key: sealed,
      disclosures: seal(
        key,
        Uint8Array.from(packed.flatMap((bytes) => [...bytes])),
        contextFor('disclosures')(...parts),
      ),
    })
    expect(unsealPart(name, sealing!, ofPacked(length, one))).toEqual([disclosure('a')])
    for (const packed of [
      [length, one.subarray(1)],
      [length, one, [0]],
      [length, one, [0, 0, 0]],
      [length, one, [0, 0, 0, 1]],
      [length, one, [0xff, 0xff, 0xff, 0xff]],
      [[0, 0, 0, 0]],
      [length, utf8('x'.repeat(one.length))],
    ]) {
      expect(() => unsealPart(name, sealing!, ofPacked(...packed))).toThrow()
    }
  })
})

describe('a person', () => {
  it('opens under no other tenant’s name, and no other pseudonym', async () => {
    const place = await vaultPlace()
    try {
      const { store } = await place.open()
      const people = new People(store.keys)
      const pseudonym = await people.pseudonym(acme, 'ann')
      const [row] = await rowsOf(store, 's')
      const [linkRow] = await rowsOf(store, 'l')
      const stored = decodeSubject(row!.value)
      if (stored.state !== 'live') throw new Error('expected somebody')
      const link = decodeLink(linkRow!.value)
      const at = linkRow!.key.slice(17)

      expect(people.unsealPerson(acme, pseudonym, stored)).toBe('ann')
      expect(people.unsealLink(acme, at, link)).toEqual(pseudonym)
      const rival = tenant('rival')
      expect(() => people.unsealPerson(rival, pseudonym, stored)).toThrow(CORRUPT)
      expect(() => people.unsealPerson(acme, random(16), stored)).toThrow(CORRUPT)
      expect(() => people.unsealLink(rival, at, link)).toThrow(CORRUPT)
      expect(() => people.unsealLink(acme, random(32), link)).toThrow(CORRUPT)

      const note = decodeSubject(people.sealErased(acme, pseudonym, { time: 1, records: 2 }))
      if (note.state !== 'erased') throw new Error('expected nobody')
      expect(people.unsealErased(acme, pseudonym, note)).toEqual({ time: 1, records: 2 })
      expect(() => people.unsealErased(rival, pseudonym, note)).toThrow(CORRUPT)
      expect(() => people.unsealErased(acme, random(16), note)).toThrow(CORRUPT)
    } finally {
      await place.remove()
    }
  })
})
