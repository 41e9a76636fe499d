import { execFileSync, spawn } from 'node:child_process'
import { chmod, mkdir, mkdtemp, readdir, readFile, rm, stat, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { directoryKind, openDataDirectory } from '../../src/storage/data-directory.ts'
import { openLevelStore } from '../../src/storage/level.ts'
import { canMount, storeWorker } from './store-worker.ts'

let parent: string
let path: string
beforeEach(async () => {
  parent = await mkdtemp(join(tmpdir(), 'cairn-data-'))
  path = join(parent, 'log')
})
afterEach(() => rm(parent, { recursive: true }))

const modeOf = async (file: string): Promise<number> => (await stat(file)).mode % 0o1000
const refusal = (code: string, words: RegExp) => ({ code, message: expect.stringMatching(words) })

describe('a data directory that is not there yet', () => {
  it('is made, for the owner only', async () => {
    const directory = await openDataDirectory(path, { create: true })
    expect(directory).toEqual({
      path,
      store: join(path, 'store'),
      vault: join(path, 'vault'),
      index: join(path, 'index'),
      map: join(path, 'map'),
      heads: join(path, 'heads'),
      recordsMark: join(path, 'records'),
      keys: join(path, 'keys'),
      vkeyFile: join(path, 'log.vkey'),
      adminTokenFile: join(path, 'admin.token'),
      tokensFile: join(path, 'tokens'),
    })
    expect((await readdir(path)).sort()).toEqual(['format', 'keys', 'store'])
    expect(await readFile(join(path, 'format'), 'utf8')).toBe('cairn-log 1\n')
    expect(await Promise.all([path, directory.keys, directory.store].map(modeOf))).toEqual([
      0o700, 0o700, 0o700,
    ])
  })

  it('is made with the directories above it', async () => {
    const deep = join(path, 'a', 'b')
    expect((await openDataDirectory(deep, { create: true })).path).toBe(deep)
  })

  it('is not made for a caller that only wants to read', async () => {
    await expect(openDataDirectory(path, { create: false })).rejects.toMatchObject(
      refusal('NOT_FOUND', /no log in .*cairn serve/),
    )
    expect(await readdir(parent)).toEqual([])
  })

  it('can be opened again, and keeps what it holds', async () => {
    const directory = await openDataDirectory(path, { create: true })
    await writeFile(directory.vkeyFile, 'kept')
    for (const create of [true, false]) {
      expect(await openDataDirectory(path, { create })).toEqual(directory)
    }
    expect(await readFile(directory.vkeyFile, 'utf8')).toBe('kept')
  })

  it('may be an empty directory, or a new volume with lost+found', async () => {
    await mkdir(join(path, 'lost+found'), { recursive: true })
    await openDataDirectory(path, { create: true })
    expect(await readFile(join(path, 'format'), 'utf8')).toBe('cairn-log 1\n')
  })
})

describe('a data directory whose making was interrupted', () => {
  const steps: [string, () => Promise<unknown>][] = [
    ['after the directory', () => mkdir(path)],
    [
      'while the format was written',
      async () => {
        await mkdir(path)
        await writeFile(join(path, 'format.123.tmp'), 'cairn')
      },
    ],
    [
      'after the format',
      async () => {
        await mkdir(path)
        await writeFile(join(path, 'format'), 'cairn-log 1\n')
      },
    ],
    [
      'before the keys',
      async () => {
        await openDataDirectory(path, { create: true })
        await rm(join(path, 'keys'), { recursive: true })
      },
    ],
  ]
  for (const [when, prepare] of steps) {
    it(`is completed: ${when}`, async () => {
      await prepare()
      await expect(openDataDirectory(path, { create: false })).rejects.toMatchObject({
        code: 'NOT_FOUND',
      })
      const directory = await openDataDirectory(path, { create: true })
      expect(await readFile(join(path, 'format'), 'utf8')).toBe('cairn-log 1\n')
      await (await openLevelStore(directory.store)).close()
    })
  }
})

describe('a directory of something else', () => {
  it('is left alone when it holds files', async () => {
    await mkdir(path)
    await writeFile(join(path, 'thesis.txt'), 'precious')
    for (const create of [true, false]) {
      await expect(openDataDirectory(path, { create })).rejects.toMatchObject(
        refusal(
          'FOREIGN_DIRECTORY',
          /other files \(thesis.txt\); choose an empty or new directory/,
        ),
      )
    }
    expect(await readdir(path)).toEqual(['thesis.txt'])
  })

  it('is refused when it is a file', async () => {
    await writeFile(path, '')
    await expect(openDataDirectory(path, { create: true })).rejects.toMatchObject(
      refusal('FOREIGN_DIRECTORY', /not a directory/),
    )
  })

  const formats = ['', 'cairn-log 1', 'cairn-log 01\n', 'cairn-log 0\n', 'cairn-log 1\n\n', '\xff']
  for (const text of [...formats, `cairn-log ${'9'.repeat(80)}\n`]) {
    it(`is refused when its format file reads ${JSON.stringify(text.slice(0, 20))}`, async () => {
      await mkdir(path)
      await writeFile(join(path, 'format'), text, 'latin1')
      await expect(openDataDirectory(path, { create: true })).rejects.toMatchObject(
        refusal('FOREIGN_DIRECTORY', /format file that Cairn did not write/),
      )
    })
  }

  it('is refused when a newer version wrote it', async () => {
    await mkdir(path)
    await writeFile(join(path, 'format'), 'cairn-log 2\n')
    await expect(openDataDirectory(path, { create: true })).rejects.toMatchObject(
      refusal('NEWER_FORMAT', /format 2, this one reads 1\); use the newer one/),
    )
  })
})

describe('a data directory of a witness', () => {
  it('is marked as one, and holds its verifier keys under its own name', async () => {
    const directory = await openDataDirectory(path, { create: true, kind: 'witness' })
    expect(directory.vkeyFile).toBe(join(path, 'witness.vkey'))
    expect(await readFile(join(path, 'format'), 'utf8')).toBe('cairn-witness 1\n')
    expect(await directoryKind(path)).toBe('witness')
    for (const create of [true, false]) {
      expect(await openDataDirectory(path, { create, kind: 'witness' })).toEqual(directory)
    }
  })

  it.each([
    ['log', 'witness', /holds the data of a log, which cairn serve runs on; .* witness's data/],
    ['witness', 'log', /holds the data of a witness, which cairn witness runs on; .* log's data/],
  ] as const)('of a %s is refused to a %s', async (one, other, words) => {
    await openDataDirectory(path, { create: true, kind: one })
    for (const create of [true, false]) {
      await expect(openDataDirectory(path, { create, kind: other })).rejects.toMatchObject(
        refusal('FOREIGN_DIRECTORY', words),
      )
    }
  })

  it('is missing in other words', async () => {
    await expect(openDataDirectory(path, { create: false, kind: 'witness' })).rejects.toMatchObject(
      refusal('NOT_FOUND', /no witness in .*: cairn witness --data /),
    )
  })
})

describe('the kind of a directory', () => {
  it('is unknown where there is none, or none of ours', async () => {
    expect(await directoryKind(path)).toBeUndefined()
    await writeFile(path, '')
    expect(await directoryKind(path)).toBeUndefined()
    await mkdir(join(parent, 'other'))
    await writeFile(join(parent, 'other', 'format'), 'cairn-mirror 1\n')
    expect(await directoryKind(join(parent, 'other'))).toBeUndefined()
  })
})

describe('a data directory that cannot be written', () => {
  it.skipIf(process.getuid?.() === 0)('is refused when the user may not', async () => {
    await openDataDirectory(path, { create: true })
    await chmod(path, 0o500)
    await expect(openDataDirectory(path, { create: true })).rejects.toMatchObject(
      refusal('IO', /may not read and write/),
    )
    await chmod(path, 0o700)
  })

  it.skipIf(!canMount())('is refused on a read-only file system', async () => {
    await openDataDirectory(path, { create: true })
    execFileSync('mount', ['--bind', path, path])
    try {
      execFileSync('mount', ['-o', 'remount,bind,ro', path])
      for (const create of [true, false]) {
        await expect(openDataDirectory(path, { create })).rejects.toMatchObject(
          refusal('IO', /read-only file system/),
        )
      }
      await expect(openLevelStore(join(path, 'store'))).rejects.toMatchObject({ code: 'IO' })
    } finally {
      execFileSync('umount', [path])
    }
  })
})

describe('a data directory in use', () => {
  it('is refused to a second process, and free again when the first ends', async () => {
    const { store } = await openDataDirectory(path, { create: true })
    const child = spawn(process.execPath, await storeWorker('hold', store))
    try {
      await new Promise((ready) => child.stdout.once('data', ready))
      await expect(openLevelStore(store)).rejects.toMatchObject({
        code: 'LOCKED',
        message: expect.stringContaining(`${store} is in use by another process`),
      })
    } finally {
      const gone = new Promise((exit) => child.once('exit', exit))
      child.kill('SIGKILL')
      await gone
    }
    await (await openLevelStore(store)).close()
  })

  it('is refused to a second opening in the same process', async () => {
    const { store } = await openDataDirectory(path, { create: true })
    const first = await openLevelStore(store)
    await expect(openLevelStore(store)).rejects.toMatchObject({ code: 'LOCKED' })
    await first.close()
  })
})
