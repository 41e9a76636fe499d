import { mkdir, mkdtemp, readdir, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { openHeadDirectory } from '../../src/storage/head-directory.ts'
import { headAt as head, headStoreConformance, NOON } from './heads-conformance.ts'

headStoreConformance('a directory', async () => {
  const place = await mkdtemp(join(tmpdir(), 'cairn-heads-'))
  return {
    open: () => openHeadDirectory(place),
    remove: () => rm(place, { recursive: true }),
  }
})

let folder: string
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'cairn-heads-'))
})
afterEach(() => rm(folder, { recursive: true, force: true }))

describe('heads in a directory', () => {
  it('are files that are named by their times', async () => {
    const place = join(folder, 'heads')
    const store = await openHeadDirectory(place)
    for (const time of [NOON, NOON + 86_400_000]) await store.keep(head(time))
    expect((await readdir(place)).sort()).toEqual([
      '2026-11-21T120000.007Z.checkpoint',
      '2026-11-22T120000.007Z.checkpoint',
    ])
  })

  it('leaves alone what is no head, and takes away what a crash left half written', async () => {
    const names = ['notes.txt', '2026-11-31T120000.000Z.checkpoint', '2026-11-21.checkpoint']
    for (const name of [...names, '2026-11-21T120000.007Z.checkpoint.77.tmp']) {
      await writeFile(join(folder, name), 'half')
    }
    expect((await openHeadDirectory(folder)).times()).toEqual([])
    expect((await readdir(folder)).sort()).toEqual(names.sort())
  })

  it('refuses what is no text and what is too large', async () => {
    const file = join(folder, '2026-11-21T120000.007Z.checkpoint')
    await writeFile(file, Uint8Array.of(0xff, 0xfe))
    const store = await openHeadDirectory(folder)
    await expect(store.read(NOON)).rejects.toMatchObject({ code: 'MALFORMED' })
    await writeFile(file, new Uint8Array(1_000_001))
    await expect(store.read(NOON)).rejects.toMatchObject({ code: 'TOO_LARGE' })
    await rm(file)
    await expect(store.read(NOON)).rejects.toMatchObject({ code: 'IO' })
  })

  it('says which place it cannot use', async () => {
    const file = join(folder, 'heads')
    await writeFile(file, '')
    await expect(openHeadDirectory(file)).rejects.toMatchObject({
      code: 'IO',
      message: expect.stringContaining(file),
    })
    const store = await openHeadDirectory(join(folder, 'other'))
    await rm(join(folder, 'other'), { recursive: true })
    await expect(store.keep(head(NOON))).rejects.toMatchObject({ code: 'IO' })
    expect(store.times()).toEqual([])
    await mkdir(join(folder, 'other'))
    await store.keep(head(NOON))
    expect(store.times()).toEqual([NOON])
  })
})
