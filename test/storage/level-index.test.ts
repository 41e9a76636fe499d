import { execFileSync } from 'node:child_process'
import { mkdtemp, readdir, readFile, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { utf8 } from '../../src/bytes.ts'
import type { IndexStore } from '../../src/storage/index-port.ts'
import { openLevelIndexStore } from '../../src/storage/level-index.ts'
import { everything, indexStoreConformance } from './index-conformance.ts'
import { canMount } from './store-worker.ts'

indexStoreConformance('the level store', async () => {
  const directory = await mkdtemp(join(tmpdir(), 'cairn-level-'))
  return {
    open: () => openLevelIndexStore(directory),
    remove: () => rm(directory, { recursive: true }),
  }
})

let directory: string
beforeEach(async () => {
  directory = await mkdtemp(join(tmpdir(), 'cairn-level-'))
})
afterEach(() => rm(directory, { recursive: true }))

const key = (...bytes: number[]): Uint8Array => Uint8Array.from(bytes)

/** Whether the bytes of a text are anywhere in the directory. */
async function isOnDisk(text: string): Promise<boolean> {
  for (const name of await readdir(directory)) {
    if ((await readFile(join(directory, name))).includes(text)) return true
  }
  return false
}

describe('the level store of an index', () => {
  it('is one process’s at a time', async () => {
    const store = await openLevelIndexStore(directory)
    await expect(openLevelIndexStore(directory)).rejects.toMatchObject({ code: 'LOCKED' })
    await store.close()
    await (await openLevelIndexStore(directory)).close()
  })

  it('is made only when it may be', async () => {
    const opened = openLevelIndexStore(join(directory, 'none'), { createIfMissing: false })
    await expect(opened).rejects.toMatchObject({ code: 'NOT_FOUND' })
  })

  const changes = [
    ['dropped', { drop: [key(1, 7)] }],
    ['replaced', { put: [[key(1, 7), utf8('another')] as const] }],
  ] as const
  const places = [
    ['in memory', async () => {}],
    ['in a table', (store: IndexStore) => store.purge([])],
    [
      'in a table of the last level',
      (store: IndexStore) => store.purge([{ gte: key(1), lt: key(2) }]),
    ],
  ] as const
  for (const [what, change] of changes) {
    for (const [where, settle] of places) {
      it(`leaves no trace of a value ${where} that was ${what} and purged`, async () => {
        const secret = '7d5e0c1f-a value that nobody may find'
        const store = await openLevelIndexStore(directory)
        await fill(store)
        await store.write({ put: [[key(1, 7), utf8(secret)]] })
        await fill(store)
        await settle(store)
        expect(await isOnDisk(secret)).toBe(true)
        await store.write(change)
        expect(await isOnDisk(secret)).toBe(true)
        // Readers keep what they see in its files, but only until they end.
        let purged = false
        const reading = (async () => {
          while (!purged) await everything(store)
        })()
        await store.purge([{ gte: key(1), lt: key(2) }])
        purged = true
        expect(await isOnDisk(secret)).toBe(false)
        await reading
        const [value] = await store.get([key(1, 7)])
        expect(value).toEqual(what === 'dropped' ? undefined : utf8('another'))
        await store.close()
      })
    }
  }

  it('keeps the keys at the ends of what it purges', async () => {
    const store = await openLevelIndexStore(directory)
    const ends = [key(1), key(1, 255), key(2), key(2, 0)]
    await store.write({ put: ends.map((end) => [end, end]) })
    await store.purge([
      { gte: key(1), lt: key(2) },
      { gte: key(1), lt: key(2, 0) },
      { gte: key(1, 255), lt: key(1, 255) },
    ])
    expect(await store.get([...ends, key(1, 254)])).toEqual([...ends, undefined])
    expect(await everything(store)).toHaveLength(ends.length)
    await store.close()
  })

  it('takes no room for long that nothing uses', async () => {
    const store = await openLevelIndexStore(directory)
    for (let i = 0; i < 5; i++) await fill(store)
    const full = (await store.usage())!
    await store.clear()
    expect(await store.usage()).toBeLessThan(full / 4)
    await store.close()
  })
})

/** Writes half a megabyte that does not compress. */
async function fill(store: IndexStore): Promise<void> {
  const put = Array.from({ length: 512 }, (): [Uint8Array, Uint8Array] => [
    crypto.getRandomValues(new Uint8Array(8)).fill(9, 0, 1),
    crypto.getRandomValues(new Uint8Array(1024)),
  ])
  await store.write({ put })
}

describe('the level store of an index on a full disk', () => {
  it.skipIf(!canMount())('stops writing, and keeps what it had', async () => {
    execFileSync('mount', ['-t', 'tmpfs', '-o', 'size=8m', 'cairn-test', directory])
    try {
      let store = await openLevelIndexStore(directory)
      await store.write({ put: [[key(1), utf8('kept')]] })
      let failure: unknown
      while (failure === undefined) {
        failure = await fill(store).then(
          () => undefined,
          (error: unknown) => error,
        )
      }
      expect(failure).toMatchObject({ code: 'DISK_FULL' })
      const more = store.write({ put: [[key(2), utf8('more')]] })
      await expect(more).rejects.toMatchObject({ code: 'STOPPED' })
      expect(await store.get([key(1), key(2)])).toEqual([utf8('kept'), undefined])
      await store.close()
      execFileSync('mount', ['-o', 'remount,size=64m', directory])
      store = await openLevelIndexStore(directory)
      expect(await store.get([key(1), key(2)])).toEqual([utf8('kept'), undefined])
      await store.close()
    } finally {
      execFileSync('umount', [directory])
    }
  })
})
