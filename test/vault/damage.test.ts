/** What someone who can write to the disk, or a failing disk, can do to a vault, and that it is noticed. */
import { createHash } from 'node:crypto'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { equal, toHex } from '../../src/bytes.ts'
import type { VaultRow, VaultStore } from '../../src/storage/vault-port.ts'
import type { MasterKey } from '../../src/vault/master-key.ts'
import type { Vault } from '../../src/vault/vault.ts'
import { openVaultStore } from '../support/stores.ts'
import { all, entry, masterKey, recordId, rowsOf, type VaultPlace, vaultPlace } from './vaults.ts'

let place: VaultPlace
let vault: Vault
let store: VaultStore
let ann: string
beforeEach(async () => {
  place = await vaultPlace()
  await reopened()
})
afterEach(() => place.remove())

async function reopened(): Promise<void> {
  ;({ vault, store } = await place.open())
}

/** A vault with a row of every kind in every state. */
async function filled(): Promise<void> {
  ann = await vault.pseudonym('acme', 'ann')
  const bob = await vault.pseudonym('acme', 'bob')
  await vault.put([
    entry(1, ann),
    entry(1, undefined),
    entry(2, ann),
    entry(3, undefined),
    entry(4, bob),
  ])
  await vault.eraseRecord('acme', recordId(2))
  await vault.eraseRecord('acme', recordId(3))
  await vault.eraseSubject('acme', bob)
  expect(await all(vault.inspect())).toEqual([])
}

async function set(side: 'keys' | 'payloads', row: VaultRow): Promise<void> {
  await store[side].write([{ kind: 'put', ...row }])
}

const CORRUPT = { code: 'CORRUPT' }

describe('a single byte that changed', () => {
  it('is noticed wherever it is', async () => {
    await filled()
    let tried = 0
    for (const side of ['keys', 'payloads'] as const) {
      for (const row of await all(store[side].list(new Uint8Array()))) {
        for (let at = 0; at < row.value.length; at++) {
          const value = row.value.slice()
          value[at]! ^= at % 2 === 0 ? 1 : 0x80
          await set(side, { key: row.key, value })
          const problems = await all(vault.inspect())
          expect(problems, `byte ${at} of ${side} ${toHex(row.key)}`).not.toEqual([])
          tried++
        }
        await set(side, row)
      }
    }
    expect(tried).toBeGreaterThan(900)
    expect(await all(vault.inspect())).toEqual([])
  })

  it('is noticed by whoever reads, who gets no wrong answer', async () => {
    await filled()
    const right = await answers(vault)
    for (const side of ['keys', 'payloads'] as const) {
      for (const row of await all(store[side].list(new Uint8Array()))) {
        const value = row.value.slice()
        value[Math.floor(value.length / 2)]! ^= 4
        await set(side, { key: row.key, value })
        await reopened().then(
          async () => {
            const found = await answers(vault)
            for (const [i, answer] of found.entries()) {
              if (answer !== 'refused') expect(answer).toEqual(right[i])
            }
          },
          (error) => expect(error).toMatchObject({ code: expect.stringMatching(/CORRUPT|USAGE/) }),
        )
        // Past the vault, which may not open.
        await place.close()
        const plain = await openVaultStore(place.directory)
        await plain[side].write([{ kind: 'put', ...row }])
        await plain.close()
        await reopened()
      }
    }
  })

  it('may be the loss of all that follows, or something too much', async () => {
    await filled()
    for (const side of ['keys', 'payloads'] as const) {
      for (const row of await all(store[side].list(new Uint8Array()))) {
        for (const length of [0, 1, 2, 3, row.value.length - 1, row.value.length + 1]) {
          if (length >= row.value.length && row.value.length === 0) continue
          const value = new Uint8Array(length)
          value.set(row.value.subarray(0, length))
          if (equal(value, row.value)) continue
          await set(side, { key: row.key, value })
          const problems = await all(vault.inspect())
          expect(problems, `${length} of ${side} ${toHex(row.key)}`).not.toEqual([])
        }
        await set(side, row)
      }
    }
  })

  it('is a format of the future where it is the version', async () => {
    await filled()
    const [payload] = await rowsOf(store, 'p', 'payloads')
    const value = payload!.value.slice()
    value[0] = 2
    await set('payloads', { key: payload!.key, value })
    const read = vault.get('acme', recordId(1))
    await expect(read).rejects.toMatchObject({ code: 'NEWER_FORMAT' })
  })
})

/** What the vault says when it is asked everything; 'refused' for each answer it does not give. */
async function answers(one: Vault): Promise<unknown[]> {
  const ask = (answer: Promise<unknown>): Promise<unknown> =>
    answer.then(
      (found) => found ?? 'none',
      (error) => {
        expect(error).toMatchObject({ code: expect.stringMatching(/CORRUPT|NEWER_FORMAT|USAGE/) })
        return 'refused'
      },
    )
  return Promise.all([
    ...[1, 2, 3, 4, 5].map((n) => ask(one.get('acme', recordId(n)))),
    ask(one.person('acme', ann)),
    ask(one.knownPseudonym('acme', 'ann')),
    ask(one.knownPseudonym('acme', 'bob')),
  ])
}

describe('a row that is lost', () => {
  it('is noticed, whichever it is', async () => {
    await filled()
    for (const side of ['keys', 'payloads'] as const) {
      for (const row of await all(store[side].list(new Uint8Array()))) {
        // Nobody was told that a record is kept whose payload is not there; a first part tells of the others.
        const isWhole = side === 'payloads' && row.key.at(-1) === 0
        if (isWhole && !toHex(row.key).includes(recordId(1).replaceAll('-', ''))) continue
        await store[side].write([{ kind: 'delete', key: row.key }])
        expect(await all(vault.inspect()), `${side} ${toHex(row.key)}`).not.toEqual([])
        await set(side, row)
      }
    }
    expect(await all(vault.inspect())).toEqual([])
  })

  it('does not make a payload look as if it had never been', async () => {
    await vault.put([entry(3, undefined)])
    const [key] = await rowsOf(store, 'r')
    await store.keys.write([{ kind: 'delete', key: key!.key }])
    await expect(vault.get('acme', recordId(3))).rejects.toMatchObject(CORRUPT)
  })

  it('is noticed when it is the header, of which the next start would make another', async () => {
    await filled()
    await store.keys.write([{ kind: 'delete', key: Buffer.from('h') }])
    await expect(place.open()).rejects.toMatchObject(CORRUPT)
  })
})

describe('a row that is of no use', () => {
  it.each([
    ['keys', 'x'],
    ['keys', 'p'],
    ['payloads', 's'],
    ['payloads', 'zebra'],
  ] as const)('is found among the %s under %s', async (side, name) => {
    await filled()
    await set(side, { key: Buffer.from(name), value: Buffer.from('x') })
    expect(await all(vault.inspect())).toEqual([expect.stringContaining('belongs to nothing')])
  })

  it('is found when it belongs to a tenant that is not there', async () => {
    await filled()
    for (const letter of ['s', 'l', 'r']) {
      const [row] = await rowsOf(store, letter)
      const key = row!.key.slice()
      key.fill(0xaa, 1, 17)
      await set('keys', { ...row!, key })
      expect(await all(vault.inspect())).toEqual([expect.stringContaining('tenant')])
      await store.keys.write([{ kind: 'delete', key }])
    }
  })
})

describe('a row that is moved to where another was', () => {
  /** Puts the value of each row into the place of each other one of its kind. */
  async function expectNoticed(
    side: 'keys' | 'payloads',
    rows: readonly VaultRow[],
  ): Promise<void> {
    expect(rows.length).toBeGreaterThan(1)
    for (const from of rows) {
      for (const to of rows) {
        if (from === to) continue
        await set(side, { key: to.key, value: from.value })
        expect(await all(vault.inspect()), `${toHex(from.key)} as ${toHex(to.key)}`).not.toEqual([])
        await set(side, to)
      }
    }
    expect(await all(vault.inspect())).toEqual([])
  }

  it('is refused between people, records and tenants', async () => {
    for (const tenant of ['acme', 'rival']) {
      const [one, two] = await Promise.all(
        ['ann', 'bob'].map((name) => vault.pseudonym(tenant, name)),
      )
      await vault.put([
        entry(1, one, 'same', tenant),
        entry(2, one, 'same', tenant),
        entry(3, two, 'same', tenant),
        entry(4, undefined, 'same', tenant),
        entry(5, undefined, 'same', tenant),
        entry(6, one, 'same', tenant),
        entry(6, two, 'same', tenant),
      ])
    }
    await expectNoticed('keys', await rowsOf(store, 't'))
    await expectNoticed('keys', await rowsOf(store, 's'))
    await expectNoticed('keys', await rowsOf(store, 'l'))
    await expectNoticed('keys', await rowsOf(store, 'r'))
    await expectNoticed('payloads', await rowsOf(store, 'p', 'payloads'))
  }, 60_000)

  it('is refused with all that goes with it, from a tenant to another', async () => {
    // All rows of a person and of their record, under another tenant's name, key for key.
    const one = await vault.pseudonym('acme', 'ann')
    await vault.pseudonym('rival', 'bob')
    await vault.put([entry(1, one)])
    const tenants = await rowsOf(store, 't')
    const idOf = async (name: string): Promise<Buffer> => {
      const id = createHash('sha256').update(name).digest().subarray(0, 16)
      expect(tenants.some(({ key }) => Buffer.from(key.subarray(1)).equals(id))).toBe(true)
      return id
    }
    const [from, to] = [await idOf('acme'), await idOf('rival')]
    for (const side of ['keys', 'payloads'] as const) {
      for (const row of await all(store[side].list(new Uint8Array()))) {
        const at = Buffer.from(row.key).indexOf(from)
        if (at === -1 || row.key[0] === 0x74) continue
        const key = row.key.slice()
        key.set(to, at)
        await set(side, { key, value: row.value })
      }
    }
    await expect(vault.get('rival', recordId(1))).rejects.toMatchObject(CORRUPT)
    await expect(vault.person('rival', one)).rejects.toMatchObject(CORRUPT)
    expect(await vault.knownPseudonym('rival', 'ann')).toBeUndefined()
    expect(await vault.get('acme', recordId(1))).toHaveLength(2)
  })

  it('does not pass an erasure off on somebody, nor undo one with somebody’s key', async () => {
    const [one, two] = await Promise.all(
      ['ann', 'bob'].map((name) => vault.pseudonym('acme', name)),
    )
    await vault.put([entry(1, one), entry(2, two)])
    await vault.eraseSubject('acme', two!)
    const rows = (await rowsOf(store, 's')).filter(({ key }) => key.length === 33)
    const note = rows.find(({ value }) => value[1] === 2)!
    const live = rows.find(({ value }) => value[1] === 1)!
    await reopened()
    await set('keys', { key: live.key, value: note.value })
    await expect(vault.get('acme', recordId(1))).rejects.toMatchObject(CORRUPT)
    await set('keys', { key: live.key, value: Uint8Array.of(1, 2) })
    await expect(vault.get('acme', recordId(1))).rejects.toMatchObject(CORRUPT)
    await set('keys', live)
    await set('keys', { key: note.key, value: live.value })
    await expect(vault.get('acme', recordId(2))).rejects.toMatchObject(CORRUPT)
    await expect(vault.person('acme', two!)).rejects.toMatchObject(CORRUPT)
  })

  it('does not make a payload that was dropped look erased', async () => {
    await vault.put([entry(1, undefined)])
    const [payload] = await rowsOf(store, 'p', 'payloads')
    await set('payloads', { key: payload!.key, value: Uint8Array.of(1, 2, 1, 0) })
    await expect(vault.get('acme', recordId(1))).rejects.toMatchObject(CORRUPT)
  })
})

describe('a wrong master key', () => {
  it('is told at once by its id', async () => {
    await filled()
    await expect(place.open({ masterKey: masterKey('other') })).rejects.toMatchObject({
      code: 'USAGE',
      message: expect.stringMatching(
        new RegExp(`${masterKey().id}.*cannot be opened with ${masterKey('other').id}`),
      ),
    })
    await reopened()
    expect(await all(vault.inspect())).toEqual([])
  })

  it('is told at once where it says that it is the right one', async () => {
    const lying: MasterKey = { ...masterKey('other'), id: masterKey().id }
    await expect(place.open({ masterKey: lying })).rejects.toMatchObject(CORRUPT)
  })

  it('is told in an empty vault too', async () => {
    await expect(place.open({ masterKey: masterKey('other') })).rejects.toMatchObject({
      code: 'USAGE',
    })
  })

  it('keeps nothing open whose keeper cannot be reached', async () => {
    await filled()
    const gone: MasterKey = {
      ...masterKey(),
      unwrap: () => Promise.reject(new Error('no route to the keeper of keys')),
    }
    await expect(place.open({ masterKey: gone })).rejects.toThrow('no route')
  })
})
