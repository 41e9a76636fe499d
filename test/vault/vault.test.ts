import { createHash, randomUUID } from 'node:crypto'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { MAX_DISCLOSURE_SIZE, makeDisclosure } from '../../src/formats/disclosure.ts'
import type { Vault } from '../../src/vault/vault.ts'
import { isInFiles, whereStored } from '../support/stores.ts'
import {
  all,
  disclosure,
  entry,
  recordId,
  rowsOf,
  shown,
  type VaultPlace,
  vaultPlace,
} from './vaults.ts'

let place: VaultPlace
let vault: Vault
beforeEach(async () => {
  place = await vaultPlace()
  vault = (await place.open()).vault
})
afterEach(() => place.remove())

async function reopened(): Promise<Vault> {
  vault = (await place.open()).vault
  return vault
}

const MALFORMED = { code: 'MALFORMED' }
const NOT_FOUND = { code: 'NOT_FOUND' }
const CONFLICT = { code: 'CONFLICT' }

describe('a pseudonym', () => {
  it('is random, stays the same, and leads back to its person', async () => {
    const ann = await vault.pseudonym('acme', 'ann@example.com')
    expect(ann).toMatch(/^p_[A-Za-z0-9_-]{21}[AQgw]$/)
    expect(await vault.pseudonym('acme', 'ann@example.com')).toBe(ann)
    const bob = await vault.pseudonym('acme', 'bob@example.com')
    expect(bob).not.toBe(ann)
    await reopened()
    expect(await vault.pseudonym('acme', 'ann@example.com')).toBe(ann)
    expect(await vault.knownPseudonym('acme', 'bob@example.com')).toBe(bob)
    expect(await vault.person('acme', ann)).toBe('ann@example.com')
    expect(await vault.person('acme', bob)).toBe('bob@example.com')
  })

  it('is another in each tenant, and known to no other', async () => {
    const ours = await vault.pseudonym('acme', 'ann@example.com')
    const theirs = await vault.pseudonym('rival', 'ann@example.com')
    expect(ours).not.toBe(theirs)
    expect(await vault.person('rival', ours)).toBeUndefined()
    expect(await vault.person('acme', theirs)).toBeUndefined()
  })

  it('is another in another vault', async () => {
    const other = await vaultPlace()
    try {
      const elsewhere = (await other.open()).vault
      const [one, two] = await Promise.all(
        [vault, elsewhere].map((each) => each.pseudonym('acme', 'ann@example.com')),
      )
      expect(one).not.toBe(two)
    } finally {
      await other.remove()
    }
  })

  it('is only looked up where it is not to be made', async () => {
    expect(await vault.knownPseudonym('acme', 'ann@example.com')).toBeUndefined()
    expect(await vault.person('acme', 'p_AAAAAAAAAAAAAAAAAAAAAA')).toBeUndefined()
    await vault.pseudonym('acme', 'bob@example.com')
    expect(await vault.knownPseudonym('acme', 'ann@example.com')).toBeUndefined()
    expect(await vault.person('acme', 'p_AAAAAAAAAAAAAAAAAAAAAA')).toBeUndefined()
  })

  it('is one for a person, of whom a hundred ask at once', async () => {
    const asked = await Promise.all(
      Array.from({ length: 100 }, (_, i) =>
        vault.pseudonym(i % 2 === 0 ? 'acme' : 'rival', 'ann@example.com'),
      ),
    )
    expect(new Set(asked).size).toBe(2)
    expect(new Set(asked.filter((_, i) => i % 2 === 0)).size).toBe(1)
    await reopened()
    expect(await vault.knownPseudonym('acme', 'ann@example.com')).toBe(asked[0])
    expect(await all(vault.inspect())).toEqual([])
  })

  it('is made for many people at once', async () => {
    const people = Array.from({ length: 1_000 }, (_, i) => `person ${i}`)
    const asked = await Promise.all(
      [...people, ...people].map((person) => vault.pseudonym('acme', person)),
    )
    expect(new Set(asked).size).toBe(1_000)
    expect(asked.slice(0, 1_000)).toEqual(asked.slice(1_000))
  })

  it('is durable when it is told', async () => {
    // A second process, as it were, that sees what is on the disk and nothing else.
    const ann = await vault.pseudonym('acme', 'ann@example.com')
    await reopened()
    expect(await vault.person('acme', ann)).toBe('ann@example.com')
  })

  it('tells apart people whose names differ in a byte', async () => {
    const names = [
      'ann',
      'Ann',
      'ann ',
      'añn',
      'an\u0303n',
      'ann\0',
      '\u{1f50f}',
      'n'.repeat(4_096),
    ]
    const asked = await Promise.all(names.map((name) => vault.pseudonym('acme', name)))
    expect(new Set(asked).size).toBe(names.length)
    for (const [i, name] of names.entries())
      expect(await vault.person('acme', asked[i]!)).toBe(name)
  })

  it.each([
    ['nobody', 'acme', ''],
    ['half a character', 'acme', 'ann \ud83d'],
    ['too long a person', 'acme', 'x'.repeat(4_097)],
    ['no tenant', '', 'ann'],
    ['too long a tenant', 'x'.repeat(256), 'ann'],
    ['half a character as a tenant', '\udc00', 'ann'],
  ])('is refused to %s', async (_, tenant, person) => {
    await expect(vault.pseudonym(tenant, person)).rejects.toMatchObject(MALFORMED)
    await vault.pseudonym('acme', 'bob')
    await expect(vault.knownPseudonym(tenant, person)).rejects.toMatchObject(MALFORMED)
  })

  it.each([
    'ann',
    'p_',
    'p_AAAAAAAAAAAAAAAAAAAAAB',
    'p_AAAAAAAAAAAAAAAAAAAAA=',
    'p_AAAAAAAAAAAAAAAAAAAAAAA',
    'P_AAAAAAAAAAAAAAAAAAAAAA',
    'p_AAAAAAAAAAAAAAAAAAAAA+\n',
  ])('has one spelling, and %j is none', async (text) => {
    await expect(vault.person('acme', text)).rejects.toMatchObject(MALFORMED)
    await expect(vault.eraseSubject('acme', text)).rejects.toMatchObject(MALFORMED)
    const put = vault.put([entry(1, text)])
    await expect(put).rejects.toMatchObject(MALFORMED)
  })
})

describe('disclosures', () => {
  it('come back as they were put, of somebody and of nobody', async () => {
    const ann = await vault.pseudonym('acme', 'ann')
    const entries = [
      entry(1, ann),
      entry(2, undefined),
      entry(3, ann),
      { ...entry(4, ann), disclosures: [] },
    ]
    await vault.put(entries)
    for (const open of [async () => vault, reopened]) {
      const one = await open()
      for (const { recordId, disclosures } of entries) {
        expect(await one.get('acme', recordId)).toEqual(disclosures)
      }
      expect(await one.get('acme', recordId(5))).toBeUndefined()
    }
    expect(await all(vault.inspect())).toEqual([])
  })

  it('are each tenant’s own', async () => {
    const ann = await vault.pseudonym('acme', 'ann')
    await vault.put([entry(1, ann), entry(1, undefined, 'of the rival', 'rival')])
    expect(shown(await vault.get('acme', recordId(1)))).toEqual(
      shown([...entry(1, ann).disclosures]),
    )
    expect(shown(await vault.get('rival', recordId(1)))).toEqual(
      shown([...entry(1, undefined, 'of the rival').disclosures]),
    )
    await vault.put([entry(2, ann)])
    expect(await vault.get('rival', recordId(2))).toBeUndefined()
    expect(await vault.get('nobody', recordId(2))).toBeUndefined()
    await expect(vault.put([entry(3, ann, 'x', 'rival')])).rejects.toMatchObject(NOT_FOUND)
  })

  it('of one record may have several owners', async () => {
    const [ann, bob] = await Promise.all(
      ['ann', 'bob'].map((name) => vault.pseudonym('acme', name)),
    )
    const parts = [
      {
        tenant: 'acme',
        recordId: recordId(1),
        owner: ann,
        disclosures: [disclosure('ann', '/subject')],
      },
      {
        tenant: 'acme',
        recordId: recordId(1),
        owner: bob,
        disclosures: [disclosure('bob', '/actor')],
      },
      { tenant: 'acme', recordId: recordId(1), owner: undefined, disclosures: [disclosure('x')] },
    ]
    await vault.put([parts[0]!, entry(2, ann), parts[1]!, parts[2]!])
    const wanted = parts.flatMap(({ disclosures }) => disclosures)
    expect(shown(await (await reopened()).get('acme', recordId(1)))).toEqual(shown(wanted))
    expect(await all(vault.inspect())).toEqual([])
  })

  it('are put once', async () => {
    await vault.put([entry(1, undefined), entry(2, undefined)])
    const again = vault.put([entry(3, undefined), entry(1, undefined, 'other')])
    await expect(again).rejects.toMatchObject(CONFLICT)
    expect(await vault.get('acme', recordId(3))).toBeUndefined()
    expect(shown(await vault.get('acme', recordId(1)))).toEqual(
      shown([...entry(1, undefined).disclosures]),
    )
    const races = await Promise.allSettled(
      Array.from({ length: 20 }, (_, i) => vault.put([entry(9, undefined, `try ${i}`)])),
    )
    expect(races.filter(({ status }) => status === 'fulfilled')).toHaveLength(1)
    const won = races.findIndex(({ status }) => status === 'fulfilled')
    expect(shown(await vault.get('acme', recordId(9)))).toEqual(
      shown([...entry(9, undefined, `try ${won}`).disclosures]),
    )
    expect(await all(vault.inspect())).toEqual([])
  })

  it('leave nothing behind when another owner has put them first', async () => {
    const [ann, bob] = await Promise.all(
      ['ann', 'bob'].map((name) => vault.pseudonym('acme', name)),
    )
    await vault.put([entry(1, ann)])
    const { store, vault: again } = await place.open()
    const before = await all(store.keys.list(new Uint8Array()))
    const put = again.put([entry(2, bob), entry(1, bob), entry(3, undefined)])
    await expect(put).rejects.toMatchObject(CONFLICT)
    expect(await all(store.keys.list(new Uint8Array()))).toEqual(before)
    expect(await again.eraseSubject('acme', bob!)).toEqual({ records: 0 })
    expect(await again.get('acme', recordId(1))).toHaveLength(2)
  })

  it('may be many at once, of many people and tenants', async () => {
    const people = await Promise.all(
      Array.from({ length: 40 }, (_, i) => vault.pseudonym(`tenant ${i % 3}`, `person ${i}`)),
    )
    const entries = Array.from({ length: 1_200 }, (_, n) =>
      entry(n, n % 7 === 0 ? undefined : people[n % 40], `value ${n}`, `tenant ${(n % 40) % 3}`),
    )
    await Promise.all([0, 400, 800].map((at) => vault.put(entries.slice(at, at + 400))))
    await vault.put([])
    await reopened()
    for (const { tenant, recordId, disclosures } of entries) {
      expect(await vault.get(tenant, recordId)).toEqual(disclosures)
    }
  })

  it('may be as large as the largest record', async () => {
    const ann = await vault.pseudonym('acme', 'ann')
    const large = makeDisclosure(
      '/input/prompt',
      'x'.repeat(MAX_DISCLOSURE_SIZE - 100),
      new Uint8Array(16),
    )
    const it = { tenant: 'acme', recordId: recordId(1), owner: ann, disclosures: [large] }
    await vault.put([it])
    const [found] = (await (await reopened()).get('acme', recordId(1))) as [typeof large]
    expect(found.pointer).toBe('/input/prompt')
    expect(Buffer.compare(found.json, large.json)).toBe(0)
    const twice = vault.put([{ ...it, recordId: recordId(2), disclosures: [large, large] }])
    await expect(twice).rejects.toMatchObject({ code: 'TOO_LARGE' })
    const nine = Array.from({ length: 9 }, (_, n) => ({ ...it, recordId: recordId(10 + n) }))
    await expect(vault.put(nine)).rejects.toMatchObject({ code: 'TOO_LARGE' })
    expect(await vault.get('acme', recordId(10))).toBeUndefined()
  })

  it('of a record have at most 16 owners', async () => {
    const parts = Array.from({ length: 17 }, () => entry(1, undefined))
    await expect(vault.put(parts)).rejects.toMatchObject({ code: 'TOO_LARGE' })
    await vault.put(parts.slice(1))
    expect(await vault.get('acme', recordId(1))).toHaveLength(32)
  })

  it.each([
    '',
    'x',
    randomUUID().toUpperCase(),
    `${randomUUID()}0`,
    randomUUID().replaceAll('-', ''),
  ])('need the id of a record, which %j is not', async (recordId) => {
    await expect(vault.put([{ ...entry(1, undefined), recordId }])).rejects.toMatchObject(MALFORMED)
    await expect(vault.get('acme', recordId)).rejects.toMatchObject(MALFORMED)
    await expect(vault.eraseRecord('acme', recordId)).rejects.toMatchObject(MALFORMED)
  })

  it('need an owner who is known', async () => {
    await vault.pseudonym('acme', 'ann')
    const put = vault.put([entry(1, 'p_AAAAAAAAAAAAAAAAAAAAAA'), entry(2, undefined)])
    await expect(put).rejects.toMatchObject(NOT_FOUND)
    expect(await vault.get('acme', recordId(2))).toBeUndefined()
  })

  it('are neither put nor given once the vault is closed', async () => {
    const ann = await vault.pseudonym('acme', 'ann')
    const put = vault.put([entry(1, ann)])
    await vault.close()
    await put
    const STOPPED = { code: 'STOPPED' }
    await expect(vault.put([entry(2, ann)])).rejects.toMatchObject(STOPPED)
    await expect(vault.get('acme', recordId(1))).rejects.toMatchObject(STOPPED)
    await expect(vault.pseudonym('acme', 'bob')).rejects.toMatchObject(STOPPED)
    expect(await (await reopened()).get('acme', recordId(1))).toHaveLength(2)
  })
})

describe('on the disk', () => {
  it('nothing says who anyone is, or what was said', async () => {
    const opened = await place.open()
    vault = opened.vault
    const person = 'ann.the.person@example.com'
    const ann = await vault.pseudonym('acme', person)
    const value = 'a canary in plain text, never to be seen again'
    await vault.put([entry(1, ann, value), entry(2, undefined, value)])
    const [given] = entry(1, ann, value).disclosures
    const salt = given!.json.slice(2, 24)
    for (const plain of [Buffer.from(person), Buffer.from(value), salt, given!.json]) {
      expect(await whereStored(place.directory, plain)).toEqual([])
    }
    // What is found where it should be, so that the search can be believed.
    for (const letter of ['s', 'l', 'r', 't']) {
      const rows = await rowsOf(opened.store, letter)
      expect(rows).not.toEqual([])
      for (const { value } of rows) {
        expect(await whereStored(place.directory, value.slice(2))).not.toEqual([])
      }
    }
  })

  it('nobody can be guessed who has no key', async () => {
    const { vault, store } = await place.open()
    await vault.pseudonym('acme', 'ann')
    const [link] = await rowsOf(store, 'l')
    for (const algorithm of ['sha256', 'sha512', 'sha3-256']) {
      for (const guessed of ['ann', 'acme ann', 'acmeann']) {
        const guess = createHash(algorithm).update(guessed).digest().subarray(0, 12)
        expect(Buffer.from(link!.key).includes(guess)).toBe(false)
      }
    }
    const elsewhere = await vaultPlace()
    try {
      const other = await elsewhere.open()
      await other.vault.pseudonym('acme', 'ann')
      const [theirs] = await rowsOf(other.store, 'l')
      expect(theirs!.key).not.toEqual(link!.key)
    } finally {
      await elsewhere.remove()
    }
  })

  it('says how much room it takes', async () => {
    await vault.put([entry(1, undefined, 'x'.repeat(100_000))])
    const usage = (await vault.usage())!
    expect(usage.payloads).toBeGreaterThan(100_000)
    // Empty partitions take some, too.
    expect(usage.keys).toBeLessThan(isInFiles ? 100_000 : 1_000_000)
    if (isInFiles) expect(usage.free).toBeGreaterThan(0)
  })
})
