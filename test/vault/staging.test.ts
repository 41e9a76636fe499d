import { randomBytes } from 'node:crypto'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { utf8 } from '../../src/bytes.ts'
import type { VaultStore } from '../../src/storage/vault-port.ts'
import type { Vault } from '../../src/vault/vault.ts'
import { all, entry, recordId, rowsOf, type VaultPlace, vaultPlace } from './vaults.ts'

let place: VaultPlace
let vault: Vault
let store: VaultStore
beforeEach(async () => {
  place = await vaultPlace()
  await reopened()
})
afterEach(() => place.remove())

async function reopened(): Promise<void> {
  ;({ vault, store } = await place.open())
}

const mark = (): Uint8Array => new Uint8Array(randomBytes(32))

describe('what is staged', () => {
  it('is there like anything else, and found again after a crash', async () => {
    const ann = await vault.pseudonym('acme', 'ann')
    const marks = [mark(), mark()]
    await vault.stage([
      { entries: [entry(1, ann), entry(2, undefined)], mark: marks[0]! },
      { entries: [entry(3, ann), entry(3, undefined)], mark: marks[1]! },
    ])
    for (const n of [1, 2]) expect(await vault.get('acme', recordId(n))).toHaveLength(2)
    expect(await vault.get('acme', recordId(3))).toHaveLength(4)
    await reopened()
    const found = await vault.staged()
    expect(found.map(({ mark }) => String(mark)).sort()).toEqual(marks.map(String).sort())
    expect(await all(vault.inspect())).toEqual([])
  })

  it('stays when it is kept, and is not asked about again', async () => {
    const [one] = await vault.stage([{ entries: [entry(1, undefined)], mark: mark() }])
    one!.keep()
    await vault.close()
    await reopened()
    expect(await vault.staged()).toEqual([])
    expect(await vault.get('acme', recordId(1))).toHaveLength(2)
    expect(await rowsOf(store, 'w')).toEqual([])
  })

  it('is as if it had never been when it is withdrawn, by this process or the next', async () => {
    const ann = await vault.pseudonym('acme', 'ann')
    await vault.put([entry(9, ann)])
    const before = [
      await all(store.keys.list(new Uint8Array())),
      await rowsOf(store, 'p', 'payloads'),
    ]
    for (const later of [false, true]) {
      const staged = await vault.stage([
        { entries: [entry(1, ann), entry(1, undefined), entry(2, ann)], mark: mark() },
      ])
      if (later) await reopened()
      const [one] = later ? await vault.staged() : staged
      await one!.withdraw()
      expect(await vault.get('acme', recordId(1))).toBeUndefined()
      expect([
        await all(store.keys.list(new Uint8Array())),
        await rowsOf(store, 'p', 'payloads'),
      ]).toEqual(before)
    }
    await vault.put([entry(1, undefined), entry(2, ann)])
    expect(await vault.eraseSubject('acme', ann)).toEqual({ records: 2 })
    expect(await all(vault.inspect())).toEqual([])
  })

  it('is asked about until all that was staged with it is decided, and then no more', async () => {
    const marks = [mark(), mark(), mark()]
    const batch = (n: number) => ({ entries: [entry(n, undefined)], mark: marks[n]! })
    const [kept, withdrawn] = await vault.stage([batch(0), batch(1), batch(2)])
    kept!.keep()
    await withdrawn!.withdraw()
    expect(await vault.get('acme', recordId(1))).toBeUndefined()
    await reopened()
    const found = await vault.staged()
    expect(found.map(({ mark }) => mark)).toEqual(marks)
    found[0]!.keep()
    // Once more does no harm, to it or to the others.
    await Promise.all([found[1]!.withdraw(), found[2]!.withdraw()])
    await vault.close()
    await reopened()
    expect(await vault.staged()).toEqual([])
    expect(await rowsOf(store, 'w')).toEqual([])
    expect(await vault.get('acme', recordId(0))).toHaveLength(2)
    for (const n of [1, 2]) expect(await vault.get('acme', recordId(n))).toBeUndefined()
    expect(await all(vault.inspect())).toEqual([])
  })

  it('goes with an erasure, and may be withdrawn after one', async () => {
    const ann = await vault.pseudonym('acme', 'ann')
    const [one] = await vault.stage([{ entries: [entry(1, ann)], mark: mark() }])
    expect(await vault.eraseSubject('acme', ann)).toEqual({ records: 1 })
    expect(await vault.get('acme', recordId(1))).toBe('erased')
    await one!.withdraw()
    expect(await vault.get('acme', recordId(1))).toBeUndefined()
    expect(await vault.eraseSubject('acme', ann)).toEqual({ records: 1 })
    expect(await all(vault.inspect())).toEqual([])
    const again = vault.stage([{ entries: [entry(2, ann)], mark: mark() }])
    await expect(again).rejects.toMatchObject({ code: 'CONFLICT' })
    expect(await vault.staged()).toEqual([])
  })

  it('is all there or nothing of it', async () => {
    await vault.put([entry(1, undefined)])
    const staged = vault.stage([
      { entries: [entry(2, undefined)], mark: mark() },
      { entries: [entry(1, undefined)], mark: mark() },
    ])
    await expect(staged).rejects.toMatchObject({ code: 'CONFLICT' })
    expect(await vault.get('acme', recordId(2))).toBeUndefined()
    expect(await vault.get('acme', recordId(1))).toHaveLength(2)
    expect(await vault.staged()).toEqual([])
    expect(await all(vault.inspect())).toEqual([])
  })

  it('has a mark of 32 bytes', async () => {
    const staged = vault.stage([{ entries: [entry(1, undefined)], mark: mark().slice(1) }])
    await expect(staged).rejects.toThrow(RangeError)
    expect(await vault.get('acme', recordId(1))).toBeUndefined()
  })

  it('is refused where its row is damaged', async () => {
    await vault.stage([{ entries: [entry(1, undefined)], mark: mark() }])
    const [row] = await rowsOf(store, 'w')
    for (const value of [
      new Uint8Array(),
      row!.value.slice(0, 32),
      row!.value.slice(0, -1),
      new Uint8Array([...row!.value, 0]),
      row!.value.map((byte, at) => (at === 33 ? 0xff : byte)),
      row!.value.map((byte, at) => (at === 37 ? 0 : byte)),
    ]) {
      await store.keys.write([{ kind: 'put', key: row!.key, value }])
      await expect(vault.staged()).rejects.toMatchObject({ code: 'CORRUPT' })
      expect(await all(vault.inspect())).toEqual([expect.stringContaining('cannot be read')])
    }
    const value = row!.value.map((byte, at) => (at === 0 ? 2 : byte))
    await store.keys.write([{ kind: 'put', key: row!.key, value }])
    await expect(vault.staged()).rejects.toMatchObject({ code: 'NEWER_FORMAT' })
  })
})

describe('a blinded value', () => {
  it('is the same each time, and another for each tenant, label and value', async () => {
    const wanted = await vault.blind('acme', 'resource', utf8('case 1'))
    expect(wanted).toHaveLength(32)
    await reopened()
    expect(await vault.blind('acme', 'resource', utf8('case 1'))).toEqual(wanted)
    expect(await vault.knownBlind('acme', 'resource', utf8('case 1'))).toEqual(wanted)
    const others = [
      await vault.blind('rival', 'resource', utf8('case 1')),
      await vault.blind('acme', 'resources', utf8('case 1')),
      await vault.blind('acme', 'resource', utf8('case 2')),
      await vault.blind('acme', 'resourcec', utf8('ase 1')),
    ]
    expect(new Set([wanted, ...others].map(String)).size).toBe(5)
    expect(await vault.knownBlind('nobody', 'resource', utf8('case 1'))).toBeUndefined()
  })

  it('says nothing about how people are looked up', async () => {
    await vault.pseudonym('acme', 'ann')
    const [link] = await rowsOf(store, 'l')
    for (const label of ['', 'link', 'lookup', 'resource']) {
      const blind = await vault.blind('acme', label, utf8('ann'))
      expect(Buffer.from(link!.key).includes(Buffer.from(blind.subarray(0, 12)))).toBe(false)
    }
  })
})
