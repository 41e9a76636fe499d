import { randomBytes } from 'node:crypto'
import { cp, mkdir, mkdtemp, readdir, rename, rm, stat, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { utf8 } from '../../src/bytes.ts'
import { compact, openDatabase } from '../../src/storage/level-engine.ts'
import { openLevelVaultStore } from '../../src/storage/level-vault.ts'
import type { VaultStore } from '../../src/storage/vault-port.ts'
import { filesHolding } from '../support/stored-bytes.ts'
import { all, create, del, put, vaultStoreConformance } from './vault-conformance.ts'

vaultStoreConformance('the level store', async () => {
  const directory = await mkdtemp(join(tmpdir(), 'cairn-level-'))
  return {
    open: () => openLevelVaultStore(directory),
    whereIs: (bytes) => filesHolding(directory, bytes),
    remove: () => rm(directory, { recursive: true }),
  }
})

let directory: string
const open: VaultStore[] = []
beforeEach(async () => {
  directory = await mkdtemp(join(tmpdir(), 'cairn-level-'))
})
afterEach(async () => {
  for (const store of open.splice(0)) await store.close()
  await rm(directory, { recursive: true })
})

async function opened(): Promise<VaultStore> {
  const store = await openLevelVaultStore(directory)
  open.push(store)
  return store
}

const secret = (size = 60): Uint8Array => new Uint8Array(randomBytes(size))
const KEYS = () => join(directory, 'keys')
const EVERYTHING = new Uint8Array()

describe('the level store of a vault', () => {
  it('is one process’s at a time', async () => {
    const store = await openLevelVaultStore(directory)
    await expect(openLevelVaultStore(directory)).rejects.toMatchObject({ code: 'LOCKED' })
    await store.close()
    await (await openLevelVaultStore(directory)).close()
  })

  it('is made only when it may be, for its owner’s eyes', async () => {
    const path = join(directory, 'made')
    const options = { createIfMissing: false }
    await expect(openLevelVaultStore(path, options)).rejects.toMatchObject({ code: 'NOT_FOUND' })
    await (await openLevelVaultStore(path)).close()
    expect((await stat(path)).mode & 0o777).toBe(0o700)
    await (await openLevelVaultStore(path, options)).close()
  })

  it('lets nobody in while its keys are opened anew', async () => {
    const store = await opened()
    let busy = true
    const intruder = (async () => {
      while (busy) {
        await expect(openLevelVaultStore(directory)).rejects.toMatchObject({ code: 'LOCKED' })
      }
    })()
    for (let i = 0; i < 3; i++) await store.keys.scrub()
    busy = false
    await intruder
  })

  it('keeps no journal of its engine beside the keys, where keys would be quoted', async () => {
    const store = await opened()
    await store.keys.write([put(utf8('a'), secret())])
    await store.keys.destroy([del(utf8('a'))], [secret()])
    await store.keys.scrub()
    expect((await readdir(KEYS())).filter((name) => name.startsWith('LOG'))).toEqual([])
  })
})

describe('destroying in the level store', () => {
  it('gets at a key that the engine remembers as the end of a merge', async () => {
    const key = Uint8Array.from([0x6c, ...secret(32)])
    const value = secret()
    // A row at three levels at once, of which a merge makes one, noting at each level where it ended.
    await (await openLevelVaultStore(directory)).close()
    const engine = await openDatabase(KEYS(), { createIfMissing: false, compression: false })
    for (let i = 0; i < 3; i++) {
      await engine.put(key, value)
      await compact(engine, { gte: Uint8Array.of(0xfe), lt: Uint8Array.of(0xfe) })
    }
    await compact(engine, { gte: key, lt: key })
    await engine.close()

    const store = await opened()
    const before = (await stat(KEYS())).ino
    await store.keys.destroy([del(key)], [key.subarray(1), value])
    expect(await filesHolding(directory, key)).toEqual([])
    expect(await filesHolding(directory, value)).toEqual([])
    // Nothing less than a new directory helps here, so this also shows that there is one.
    expect((await stat(KEYS())).ino).not.toBe(before)
  })

  it.each(['keys.new', 'keys.old'])('takes what a copy in %s has with it', async (copy) => {
    const store = await opened()
    const value = secret()
    await store.keys.write([put(utf8('a'), value)])
    // As one is left where there was no room to make all of it, or it could not be deleted.
    await cp(KEYS(), join(directory, copy), { recursive: true })
    await store.keys.destroy([del(utf8('a'))], [value])
    expect(await filesHolding(directory, value)).toEqual([])
    expect((await readdir(directory)).sort()).toEqual(['keys', 'payloads'])
  })

  it('mostly merges, and leaves the files of others alone', async () => {
    const store = await opened()
    const rows = Array.from({ length: 40_000 }, (_, i) => ({
      key: Uint8Array.from([1 + (i % 200), ...secret(32)]),
      value: secret(),
    }))
    for (let at = 0; at < rows.length; at += 5_000) {
      await store.keys.write(rows.slice(at, at + 5_000).map(({ key, value }) => create(key, value)))
    }
    const before = await stat(KEYS())
    for (const { key, value } of rows.slice(0, 5)) {
      await store.keys.destroy([del(key)], [key.subarray(1), value])
    }
    // Also what is in memory yet.
    for (let i = 0; i < 3; i++) {
      const [key, value] = [Uint8Array.from([100, ...secret(32)]), secret()]
      await store.keys.write([create(key, value)])
      await store.keys.destroy([del(key)], [key.subarray(1), value])
    }
    expect((await stat(KEYS())).ino).toBe(before.ino)
    expect(await all(store.keys.list(EVERYTHING))).toHaveLength(39_995)
  })
})

describe('a process that died while it put a copy of the keys in their place', () => {
  const [row, newer] = [secret(), secret()]

  /** A store with a row, and a whole copy of its keys under another name, with another row. */
  async function interrupted(copy: string): Promise<void> {
    const store = await openLevelVaultStore(directory)
    await store.keys.write([put(utf8('a'), row)])
    await store.close()
    const options = { createIfMissing: true, compression: false }
    const engine = await openDatabase(join(directory, copy), options)
    await engine.put(utf8('a'), newer)
    await engine.close()
  }

  async function expectHolds(value: Uint8Array): Promise<void> {
    const store = await opened()
    expect(await store.keys.get([utf8('a')])).toEqual([value])
    expect((await readdir(directory)).sort()).toEqual(['keys', 'payloads'])
    await store.keys.write([put(utf8('b'), utf8('x'))])
  }

  it('before it was whole has the keys as they were', async () => {
    await interrupted('keys.new')
    await expectHolds(row)
  })

  it('before it was anything has the keys as they were', async () => {
    await (await openLevelVaultStore(directory)).close()
    await mkdir(join(directory, 'keys.new'))
    await writeFile(join(directory, 'keys.new', 'CURRENT'), 'MANI')
    const store = await opened()
    expect(await all(store.keys.list(EVERYTHING))).toEqual([])
    expect((await readdir(directory)).sort()).toEqual(['keys', 'payloads'])
  })

  it('between moving one away and moving the other there has the copy', async () => {
    await interrupted('keys.new')
    await rename(KEYS(), join(directory, 'keys.old'))
    await expectHolds(newer)
  })

  it('before the old ones were deleted has the copy', async () => {
    await interrupted('keys.new')
    await rename(KEYS(), join(directory, 'keys.old'))
    await rename(join(directory, 'keys.new'), KEYS())
    await expectHolds(newer)
    expect(await filesHolding(directory, row)).toEqual([])
  })
})
