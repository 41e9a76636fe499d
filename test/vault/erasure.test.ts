import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { concat } from '../../src/bytes.ts'
import { CairnError } from '../../src/errors.ts'
import type { VaultKeyRows, VaultRow, VaultRows, VaultStore } from '../../src/storage/vault-port.ts'
import type { Vault } from '../../src/vault/vault.ts'
import type { VaultEntry } from '../../src/vault/writer.ts'
import { whereStored } from '../support/stores.ts'
import {
  all,
  disclosure,
  entry,
  masterKey,
  recordId,
  rowsOf,
  shown,
  type VaultPlace,
  vaultPlace,
} from './vaults.ts'

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

const CONFLICT = { code: 'CONFLICT' }

/** Everything on the disk that says something of a person or a record: bytes that must be gone with it. */
async function secretsOf(...letters: string[]): Promise<Uint8Array[]> {
  const rows: VaultRow[] = []
  for (const letter of letters) rows.push(...(await rowsOf(store, letter)))
  return rows.flatMap(({ key, value }) => {
    // A link's key is made of the person; the other keys are in the leaves.
    const values = [value.slice(2)]
    return key[0] === 0x6c ? [key.slice(17), ...values] : values
  })
}

async function expectGone(secrets: readonly Uint8Array[]): Promise<void> {
  for (const secret of secrets) expect(await whereStored(place.directory, secret)).toEqual([])
}

async function expectFound(secrets: readonly Uint8Array[]): Promise<void> {
  for (const secret of secrets) expect(await whereStored(place.directory, secret)).not.toEqual([])
}

describe('erasing a person', () => {
  it('leaves no byte of their key, of what leads to them, or of what was said', async () => {
    const canary = 'a canary that sings of a person called Ann'
    const ann = await vault.pseudonym('acme', 'ann.the.person@example.com')
    // All there is: of a person, what leads to them, and the key of their record.
    const person = await rowsOf(store, 's')
    expect(person).toHaveLength(1)
    const secrets = await secretsOf('s', 'l')
    await vault.put([entry(1, ann, canary)])
    await expectFound(secrets)

    expect(await vault.eraseSubject('acme', ann)).toEqual({ records: 1 })
    await expectGone(secrets)
    for (const plain of [canary, 'ann.the.person@example.com']) {
      expect(await whereStored(place.directory, Buffer.from(plain))).toEqual([])
    }
    for (const reopen of [async () => undefined, reopened]) {
      await reopen()
      expect(await vault.person('acme', ann)).toBeUndefined()
      expect(await vault.knownPseudonym('acme', 'ann.the.person@example.com')).toBeUndefined()
      expect(await vault.get('acme', recordId(1))).toBe('erased')
      expect(await all(vault.inspect())).toEqual([])
      await expectGone(secrets)
    }
  })

  it('has the store make sure of all of them', async () => {
    const ann = await vault.pseudonym('acme', 'ann')
    const secrets = await secretsOf('s', 'l')
    const traced: Uint8Array[] = []
    const opened = await place.open({
      wrap: (store) => ({
        ...store,
        keys: {
          get: (keys) => store.keys.get(keys),
          has: (keys) => store.keys.has(keys),
          list: (prefix) => store.keys.list(prefix),
          write: (changes) => store.keys.write(changes),
          scrub: () => store.keys.scrub(),
          destroy(changes, traces) {
            traced.push(...traces)
            return store.keys.destroy(changes, traces)
          },
        },
      }),
    })
    await opened.vault.eraseSubject('acme', ann)
    // Any 16 bytes in a row, wherever they begin, have something in them that is looked for.
    expect(secrets).toHaveLength(3)
    for (const secret of secrets) {
      const found = traced.filter((trace) => Buffer.from(secret).includes(Buffer.from(trace)))
      const covered = found.reduce((sum, { length }) => sum + length, 0)
      expect(covered).toBeGreaterThan(secret.length - 16)
    }
  })

  it('leaves everybody and everything else', async () => {
    const [ann, bob] = await Promise.all(
      ['ann', 'bob'].map((name) => vault.pseudonym('acme', name)),
    )
    const rival = await vault.pseudonym('rival', 'ann')
    const kept = [entry(1, bob), entry(2, undefined), entry(3, rival, 'x', 'rival')]
    await vault.put([...kept, entry(4, ann), entry(5, ann)])
    const others = (await secretsOf('s', 'l')).length
    expect(await vault.eraseSubject('acme', ann!)).toEqual({ records: 2 })
    await reopened()
    for (const { tenant, recordId, disclosures } of kept) {
      expect(shown(await vault.get(tenant, recordId))).toEqual(shown([...disclosures]))
    }
    expect(await vault.get('acme', recordId(4))).toBe('erased')
    expect(await vault.get('acme', recordId(5))).toBe('erased')
    expect(await vault.person('acme', bob!)).toBe('bob')
    expect(await vault.person('rival', rival)).toBe('ann')
    expect(await vault.knownPseudonym('rival', 'ann')).toBe(rival)
    expect(others).toBeGreaterThan((await secretsOf('s', 'l')).length)
    expect(await all(vault.inspect())).toEqual([])
  })

  it('gives the person another pseudonym when they come back', async () => {
    const before = await vault.pseudonym('acme', 'ann')
    await vault.put([entry(1, before)])
    await vault.eraseSubject('acme', before)
    await expect(vault.put([entry(2, before)])).rejects.toMatchObject(CONFLICT)
    const after = await vault.pseudonym('acme', 'ann')
    expect(after).not.toBe(before)
    await vault.put([entry(2, after)])
    expect(await vault.get('acme', recordId(1))).toBe('erased')
    expect(await vault.get('acme', recordId(2))).toHaveLength(2)
    expect(await vault.person('acme', before)).toBeUndefined()
    expect(await vault.person('acme', after)).toBe('ann')
    expect(await vault.eraseSubject('acme', after)).toEqual({ records: 1 })
    expect(await all(vault.inspect())).toEqual([])
  })

  it('says the same when it is asked again, also after a restart', async () => {
    const ann = await vault.pseudonym('acme', 'ann')
    await vault.put([entry(1, ann), entry(2, ann), entry(3, ann)])
    const twice = [vault.eraseSubject('acme', ann), vault.eraseSubject('acme', ann)]
    expect(await Promise.all(twice)).toEqual([{ records: 3 }, { records: 3 }])
    expect(await vault.eraseSubject('acme', ann)).toEqual({ records: 3 })
    await reopened()
    expect(await vault.eraseSubject('acme', ann)).toEqual({ records: 3 })
  })

  it('refuses whom it does not know', async () => {
    const nobody = 'p_AAAAAAAAAAAAAAAAAAAAAA'
    const NOT_FOUND = { code: 'NOT_FOUND' }
    await expect(vault.eraseSubject('acme', nobody)).rejects.toMatchObject(NOT_FOUND)
    const ann = await vault.pseudonym('acme', 'ann')
    await vault.pseudonym('rival', 'bob')
    await expect(vault.eraseSubject('acme', nobody)).rejects.toMatchObject(NOT_FOUND)
    await expect(vault.eraseSubject('rival', ann)).rejects.toMatchObject(NOT_FOUND)
    expect(await vault.person('acme', ann)).toBe('ann')
  })

  it('takes from a record of several only what is theirs', async () => {
    const [ann, bob] = await Promise.all(
      ['ann', 'bob'].map((name) => vault.pseudonym('acme', name)),
    )
    const part = (owner: string | undefined, pointer: string): VaultEntry => ({
      tenant: 'acme',
      recordId: recordId(1),
      owner,
      disclosures: [disclosure('x', pointer)],
    })
    await vault.put([part(ann, '/subject'), part(bob, '/actor'), part(ann, '/input/prompt')])
    const pointers = async () => {
      const found = await vault.get('acme', recordId(1))
      return Array.isArray(found) ? found.map(({ pointer }) => pointer) : found
    }
    expect(await vault.eraseSubject('acme', ann!)).toEqual({ records: 1 })
    expect(await pointers()).toEqual(['/actor'])
    await reopened()
    expect(await pointers()).toEqual(['/actor'])
    expect(await all(vault.inspect())).toEqual([])
    expect(await vault.eraseSubject('acme', bob!)).toEqual({ records: 1 })
    expect(await pointers()).toBe('erased')
    expect(await all(vault.inspect())).toEqual([])
  })

  it('takes many records', async () => {
    const ann = await vault.pseudonym('acme', 'ann')
    const entries = Array.from({ length: 2_500 }, (_, n) => entry(n, ann, `${n}`))
    await vault.put(entries)
    await vault.eraseRecord('acme', recordId(7))
    expect(await vault.eraseSubject('acme', ann)).toEqual({ records: 2_499 })
    await reopened()
    for (const n of [0, 7, 999, 1_000, 2_499]) {
      expect(await vault.get('acme', recordId(n))).toBe('erased')
    }
    // Neither keys nor payloads are kept of them.
    expect(await rowsOf(store, 's')).toHaveLength(1)
    for (const { value } of await rowsOf(store, 'p', 'payloads')) {
      expect(value.length).toBeLessThan(32)
    }
    expect(await all(vault.inspect())).toEqual([])
  })

  it('is possible where damage has made them unreadable', async () => {
    for (const [at, what] of [
      [10, 'their key'],
      [80, 'their name'],
      [0, 'the row'],
      [1, 'its state'],
    ] as const) {
      const name = `ann ${what}`
      const ann = await vault.pseudonym('acme', name)
      await vault.put([entry(at, ann)])
      const row = (await rowsOf(store, 's')).find(
        ({ key }) => Buffer.from(key.subarray(17)).toString('base64url') === ann.slice(2),
      )!
      const links = await rowsOf(store, 'l')
      const damaged = row.value.slice()
      damaged[at]! ^= 1
      await store.keys.write([{ kind: 'put', key: row.key, value: damaged }])
      await reopened()
      await expect(vault.person('acme', ann)).rejects.toBeInstanceOf(CairnError)
      expect(await vault.eraseSubject('acme', ann)).toEqual({ records: 1 })
      expect(await vault.person('acme', ann)).toBeUndefined()
      expect(await vault.knownPseudonym('acme', name)).toBeUndefined()
      expect(await vault.get('acme', recordId(at))).toBe('erased')
      await expectGone([damaged.slice(2), ...links.map(({ key }) => key.slice(17))])
      expect(await all(vault.inspect())).toEqual([])
    }
  })
})

describe('erasing a record', () => {
  it('leaves no byte of its key', async () => {
    const ann = await vault.pseudonym('acme', 'ann')
    await vault.put([entry(1, ann), entry(2, undefined), entry(3, ann)])
    const keys = (await rowsOf(store, 's')).filter(({ key }) => key.length === 50)
    const secrets = [...keys.slice(0, 1), ...(await rowsOf(store, 'r'))].map(({ value }) =>
      value.slice(2),
    )
    expect(secrets).toHaveLength(2)
    await expectFound(secrets)
    expect(await vault.eraseRecord('acme', recordId(1))).toEqual({ records: 1 })
    expect(await vault.eraseRecord('acme', recordId(2))).toEqual({ records: 1 })
    await expectGone(secrets)
    for (const reopen of [async () => undefined, reopened]) {
      await reopen()
      expect(await vault.get('acme', recordId(1))).toBe('erased')
      expect(await vault.get('acme', recordId(2))).toBe('erased')
      expect(await vault.get('acme', recordId(3))).toHaveLength(2)
      expect(await vault.person('acme', ann)).toBe('ann')
      expect(await all(vault.inspect())).toEqual([])
    }
    expect(await vault.eraseRecord('acme', recordId(1))).toEqual({ records: 0 })
    expect(await vault.eraseSubject('acme', ann)).toEqual({ records: 1 })
    expect(await all(vault.inspect())).toEqual([])
  })

  it('takes all its parts, and does nothing where its owners are erased', async () => {
    const [ann, bob] = await Promise.all(
      ['ann', 'bob'].map((name) => vault.pseudonym('acme', name)),
    )
    await vault.put([entry(1, ann), entry(1, bob), entry(1, undefined), entry(2, bob)])
    await vault.eraseSubject('acme', ann!)
    expect(await vault.get('acme', recordId(1))).toHaveLength(4)
    expect(await vault.eraseRecord('acme', recordId(1))).toEqual({ records: 1 })
    expect(await vault.get('acme', recordId(1))).toBe('erased')
    expect(await vault.get('acme', recordId(2))).toHaveLength(2)
    await vault.eraseSubject('acme', bob!)
    expect(await vault.eraseRecord('acme', recordId(2))).toEqual({ records: 0 })
    expect(await all(vault.inspect())).toEqual([])
  })

  it('refuses what it does not know', async () => {
    const NOT_FOUND = { code: 'NOT_FOUND' }
    await expect(vault.eraseRecord('acme', recordId(1))).rejects.toMatchObject(NOT_FOUND)
    await vault.put([entry(1, undefined)])
    await expect(vault.eraseRecord('acme', recordId(2))).rejects.toMatchObject(NOT_FOUND)
    await expect(vault.eraseRecord('rival', recordId(1))).rejects.toMatchObject(NOT_FOUND)
    expect(await vault.get('acme', recordId(1))).toHaveLength(2)
  })

  it('may be asked for many at once', async () => {
    const numbers = Array.from({ length: 300 }, (_, n) => n)
    const ann = await vault.pseudonym('acme', 'ann')
    await vault.put(numbers.map((n) => entry(n, n % 2 === 0 ? ann : undefined)))
    const some = numbers.slice(0, 200)
    const erased = await Promise.all(some.map((n) => vault.eraseRecord('acme', recordId(n))))
    expect(erased).toEqual(some.map(() => ({ records: 1 })))
    for (const n of numbers) {
      expect(await vault.get('acme', recordId(n))).toEqual(
        n < 200 ? 'erased' : [...entry(n, undefined).disclosures],
      )
    }
    expect(await all(vault.inspect())).toEqual([])
  })
})

describe('erasing while others go on', () => {
  it('nothing of the person comes back, whoever asks or puts meanwhile', async () => {
    const ann = await vault.pseudonym('acme', 'ann')
    await vault.put([entry(0, ann)])
    let erased = false
    let n = 1
    const put = async (): Promise<void> => {
      while (!erased) {
        const mine = n++
        await vault.put([entry(mine, ann)]).catch((error) => {
          if (!(error instanceof CairnError) || error.code !== 'CONFLICT') throw error
        })
        // Whoever is refused at once would otherwise let nobody else have a turn.
        await new Promise(setImmediate)
      }
    }
    const get = async (): Promise<void> => {
      while (!erased) await vault.get('acme', recordId(0))
    }
    const others = [put(), put(), put(), get(), get()]
    await new Promise((resolve) => setTimeout(resolve, 30))
    const { records } = await vault.eraseSubject('acme', ann)
    // From here on, without a moment's grace.
    expect(await vault.get('acme', recordId(0))).toBe('erased')
    await expect(vault.put([entry(99_999, ann)])).rejects.toMatchObject(CONFLICT)
    erased = true
    await Promise.all(others)
    let kept = 0
    for (let i = 0; i < n; i++) {
      const found = await vault.get('acme', recordId(i))
      expect(found === 'erased' || found === undefined).toBe(true)
      if (found === 'erased') kept++
    }
    expect(kept).toBe(records)
    expect(await all(vault.inspect())).toEqual([])
  })

  it('a pseudonym is never told that is erased already', async () => {
    for (let round = 0; round < 4; round++) {
      const before = await vault.pseudonym('acme', 'ann')
      const erasing = vault.eraseSubject('acme', before)
      const asked = await Promise.all(
        Array.from({ length: 20 }, () => vault.pseudonym('acme', 'ann')),
      )
      await erasing
      const [after] = new Set(asked)
      expect(new Set(asked).size).toBe(1)
      expect(after).not.toBe(before)
      expect(await vault.person('acme', after!)).toBe('ann')
    }
    expect(await all(vault.inspect())).toEqual([])
  })

  it('people are erased side by side', async () => {
    const people = Array.from({ length: 60 }, (_, i) => `person ${i}`)
    const pseudonyms = await Promise.all(people.map((person) => vault.pseudonym('acme', person)))
    await vault.put(Array.from({ length: 240 }, (_, n) => entry(n, pseudonyms[n % 60])))
    const secrets = await secretsOf('l')
    const some = pseudonyms.slice(0, 40)
    const erased = await Promise.all(some.map((one) => vault.eraseSubject('acme', one)))
    expect(erased).toEqual(some.map(() => ({ records: 4 })))
    for (const [i, person] of people.entries()) {
      expect(await vault.person('acme', pseudonyms[i]!)).toBe(i < 40 ? undefined : person)
    }
    const left = new Set((await secretsOf('l')).map(String))
    await expectGone(secrets.filter((secret) => !left.has(String(secret))).slice(0, 16))
    expect(await all(vault.inspect())).toEqual([])
  })
})

/** Fails, or stops for ever as a dead process would, when it is called for the n-th time from now. */
class Fuse {
  calls = 0
  readonly #at: number

  constructor(at: number) {
    this.#at = at
  }

  /** Whether the work is done before the end comes. */
  step(): void {
    this.calls++
    if (this.calls > this.#at) throw new CairnError('IO', 'the process is dead')
  }
}

/** A store whose process dies: after `at` of its steps nothing is done any more. */
function mortal(store: VaultStore, fuse: Fuse): VaultStore {
  const rows = (those: VaultRows): VaultRows => ({
    get: (keys) => those.get(keys),
    has: (keys) => those.has(keys),
    list: (prefix) => those.list(prefix),
    async write(changes) {
      fuse.step()
      await those.write(changes)
    },
  })
  const keys: VaultKeyRows = {
    ...rows(store.keys),
    async destroy(changes, traces) {
      fuse.step()
      await store.keys.write(changes)
      // What is written, but not gone yet.
      fuse.step()
      await store.keys.destroy(changes, traces)
    },
    async scrub() {
      fuse.step()
      await store.keys.scrub()
    },
  }
  return {
    keys,
    payloads: rows(store.payloads),
    async write(ofKeys, ofPayloads) {
      fuse.step()
      await store.write(ofKeys, ofPayloads)
    },
    usage: () => store.usage(),
    close: () => store.close(),
  }
}

describe.each(['person', 'record'] as const)('a process that dies while it erases a %s', (what) => {
  /** A vault with what is to be erased, and the bytes that must go with it. */
  async function prepared(): Promise<{
    secrets: Uint8Array[]
    erase: (vault: Vault) => Promise<unknown>
  }> {
    const ann = await vault.pseudonym('acme', 'ann')
    const bob = await vault.pseudonym('acme', 'bob')
    await vault.put([entry(1, ann), entry(1, bob), entry(2, ann), entry(3, bob)])
    const rows = [...(await rowsOf(store, 's')), ...(await rowsOf(store, 'l'))]
    const annBytes = Buffer.from(ann.slice(2), 'base64url')
    if (what === 'record') {
      const secrets = rows
        .filter(({ key }) =>
          Buffer.from(key).includes(Buffer.from(recordId(1).replaceAll('-', ''), 'hex')),
        )
        .map(({ value }) => value.slice(2))
      expect(secrets).toHaveLength(2)
      return { secrets, erase: (one) => one.eraseRecord('acme', recordId(1)) }
    }
    const mine = rows.filter(({ key }) => key.length === 33 && Buffer.from(key).includes(annBytes))
    expect(mine).toHaveLength(1)
    return {
      secrets: mine.map(({ value }) => value.slice(2)),
      erase: (one) => one.eraseSubject('acme', ann),
    }
  }

  async function state(): Promise<unknown> {
    const [first, second, third] = await Promise.all(
      [1, 2, 3].map(async (n) => {
        const found = await vault.get('acme', recordId(n))
        return Array.isArray(found) ? found.length : found
      }),
    )
    return { ann: (await vault.knownPseudonym('acme', 'ann')) !== undefined, first, second, third }
  }

  const whole = { ann: true, first: 4, second: 2, third: 2 }
  const gone =
    what === 'record'
      ? { ann: true, first: 'erased', second: 2, third: 2 }
      : { ann: false, first: 2, second: 'erased', third: 2 }

  it('has erased it by the next start, or not at all, wherever it died', async () => {
    let died = 0
    for (let at = 0; ; at++) {
      const { secrets, erase } = await prepared()
      const fuse = new Fuse(at)
      // Opened first: what opening writes is not what is tried here.
      const dying = await place.open({ wrap: (store) => mortal(store, fuse) })
      const ended = await erase(dying.vault).then(
        () => 'done',
        () => 'died',
      )
      await reopened()
      if (at === 0) {
        expect(await state()).toEqual(whole)
      } else {
        expect(await state(), `dead at step ${at}`).toEqual(gone)
        await expectGone(secrets)
        expect(await rowsOf(store, 'e')).toEqual([])
      }
      expect(await all(vault.inspect())).toEqual([])
      await place.remove()
      place = await vaultPlace()
      await reopened()
      if (ended === 'done') break
      died++
    }
    expect(died).toBeGreaterThanOrEqual(4)
  })

  it('has erased it in the end even when it dies again and again', async () => {
    const { secrets, erase } = await prepared()
    const dying = await place.open({ wrap: (store) => mortal(store, new Fuse(1)) })
    await expect(erase(dying.vault)).rejects.toMatchObject({ code: 'IO' })
    // Until it is whole the vault does not open; what was there cannot be seen meanwhile.
    let starts = 0
    for (let at = 0; ; at++) {
      starts++
      const opened = await place
        .open({ wrap: (store) => mortal(store, new Fuse(at)) })
        .catch((error) => error)
      if (!(opened instanceof Error)) break
      expect(opened).toMatchObject({ code: 'IO' })
    }
    expect(starts).toBeGreaterThan(3)
    await reopened()
    expect(await state()).toEqual(gone)
    await expectGone(secrets)
    expect(await all(vault.inspect())).toEqual([])
  })

  it('can be asked again at once, when it was only the disk that failed', async () => {
    const { secrets, erase } = await prepared()
    let failing = true
    const opened = await place.open({
      wrap: (store) => ({
        ...store,
        keys: {
          get: (keys) => store.keys.get(keys),
          has: (keys) => store.keys.has(keys),
          list: (prefix) => store.keys.list(prefix),
          write: (changes) => store.keys.write(changes),
          scrub: () => store.keys.scrub(),
          async destroy(changes, traces) {
            if (!failing) return store.keys.destroy(changes, traces)
            await store.keys.write(changes)
            throw new CairnError('IO', 'the bytes are still there')
          },
        },
      }),
    })
    vault = opened.vault
    await expect(erase(vault)).rejects.toMatchObject({ code: 'IO' })
    failing = false
    // Whatever the bytes, for everyone who asks it is erased already.
    expect(await state()).toEqual(gone)
    expect(await all(vault.inspect())).toEqual([expect.stringContaining('is not finished')])
    await erase(vault)
    await expectGone(secrets)
    expect(await all(vault.inspect())).toEqual([])
    expect(await state()).toEqual(gone)
  })
})

describe('going over to another master key', () => {
  it('opens everything with the new one, and nothing with the old', async () => {
    const ann = await vault.pseudonym('acme', 'ann')
    const bob = await vault.pseudonym('rival', 'bob')
    await vault.put([entry(1, ann), entry(2, bob, 'x', 'rival')])
    const before = [...(await rowsOf(store, 't')), ...(await rowsOf(store, 'h'))].map(({ value }) =>
      value.slice(-60),
    )
    expect(before).toHaveLength(3)
    await expectFound(before)
    expect(await vault.rewrap(masterKey('second'))).toEqual({ tenants: 2 })
    await expectGone(before)
    // Goes on as it is, with tenants met before and not.
    await vault.put([entry(3, ann), entry(4, undefined, 'y', 'third tenant')])
    expect(await rowsOf(store, 'e')).toEqual([])
    await place.close()
    await expect(place.open()).rejects.toMatchObject({
      code: 'USAGE',
      message: expect.stringContaining(masterKey('second').id),
    })
    ;({ vault, store } = await place.open({ masterKey: masterKey('second') }))
    expect(await vault.get('acme', recordId(1))).toHaveLength(2)
    expect(await vault.get('rival', recordId(2))).toHaveLength(2)
    expect(await vault.get('third tenant', recordId(4))).toHaveLength(2)
    expect(await vault.person('acme', ann)).toBe('ann')
    expect(await vault.knownPseudonym('rival', 'bob')).toBe(bob)
    expect(await all(vault.inspect())).toEqual([])
  })

  it('misses no tenant that is made meanwhile', async () => {
    await vault.pseudonym('tenant', 'ann')
    const made = Promise.all(
      Array.from({ length: 30 }, (_, i) => vault.pseudonym(`tenant ${i}`, 'ann')),
    )
    await Promise.all([vault.rewrap(masterKey('second')), made])
    await vault.rewrap(masterKey('third'))
    ;({ vault, store } = await place.open({ masterKey: masterKey('third') }))
    for (const [i, pseudonym] of (await made).entries()) {
      expect(await vault.person(`tenant ${i}`, pseudonym)).toBe('ann')
    }
    expect(await all(vault.inspect())).toEqual([])
  })

  it('is done or not when the process dies, and leaves nothing the old one could open', async () => {
    for (let at = 0; at < 4; at++) {
      await vault.pseudonym('acme', 'ann')
      const before = (await rowsOf(store, 't')).map(({ value }) => value.slice(-60))
      const fuse = new Fuse(at)
      const dying = await place.open({ wrap: (store) => mortal(store, fuse) })
      const rewrapped = dying.vault.rewrap(masterKey('second'))
      if (at < 3) await expect(rewrapped).rejects.toMatchObject({ code: 'IO' })
      else await rewrapped
      await place.close()
      ;({ vault, store } = await place.open({
        masterKey: masterKey(at === 0 ? 'first' : 'second'),
      }))
      expect(await vault.knownPseudonym('acme', 'ann')).toBeDefined()
      if (at > 0) await expectGone(before)
      expect(await all(vault.inspect())).toEqual([])
      await place.remove()
      place = await vaultPlace()
      await reopened()
    }
  })

  it('goes on with the new one where the bytes of the old would not go', async () => {
    const ann = await vault.pseudonym('acme', 'ann')
    const opened = await place.open({ wrap: (store) => mortal(store, new Fuse(1)) })
    await expect(opened.vault.rewrap(masterKey('second'))).rejects.toMatchObject({ code: 'IO' })
    expect(await opened.vault.person('acme', ann)).toBe('ann')
    expect(await all(opened.vault.inspect())).toEqual([expect.stringContaining('is not finished')])
  })

  it('needs the one that the keys are wrapped by', async () => {
    await vault.pseudonym('acme', 'ann')
    const lost = {
      ...masterKey('second'),
      wrap: () => Promise.reject(new CairnError('IO', 'the keeper of keys cannot be reached')),
    }
    await expect(vault.rewrap(lost)).rejects.toMatchObject({ code: 'IO' })
    expect(await vault.knownPseudonym('acme', 'ann')).toBeDefined()
    await reopened()
    expect(concat(...(await secretsOf('t'))).length).toBeGreaterThan(60)
  })
})
