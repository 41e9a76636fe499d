import { readFile, rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import { CairnError } from '../../src/errors.ts'
import { parseVkey } from '../../src/formats/vkey.ts'
import {
  type ArchiveFinding,
  type ArchiveSummary,
  type CheckArchiveOptions,
  checkArchive,
} from '../../src/log/archive-check.ts'
import { openObjectDirectory } from '../../src/storage/object-directory.ts'
import { archive, finishedArchive, newTestLog, published, until, watched } from './archived-log.ts'

const SIZE = 700
const EARLIER = [5, 300]

interface Checked {
  readonly findings: ArchiveFinding[]
  readonly summary: ArchiveSummary
}

async function check(
  { test, objects }: Pick<Awaited<ReturnType<typeof finishedArchive>>, 'test' | 'objects'>,
  options: Partial<CheckArchiveOptions> = {},
): Promise<Checked> {
  const vkeys = test.log.vkeys.map(parseVkey)
  const pass = checkArchive(objects, { vkeys, ...options })
  const findings: ArchiveFinding[] = []
  let step = await pass.next()
  for (; !step.done; step = await pass.next()) findings.push(step.value)
  return { findings, summary: step.value }
}

const names = ({ findings }: Checked): string[] => findings.map(({ name }) => name)

describe('the check of an archive', () => {
  it.each([0, 1, 256, 700])('finds nothing wrong with one of %i leaves', async (size) => {
    const made = await finishedArchive(size)
    const { findings, summary } = await check(made)
    expect(findings).toEqual([])
    expect(summary).toMatchObject({ size, heads: 1, ahead: 0 })
    expect(summary.objects).toBe((await made.objects.list('')).length)
  })

  it('counts entries, and heads that were archived before', async () => {
    const made = await finishedArchive(SIZE, EARLIER)
    const seen: number[] = []
    const { findings, summary } = await check(made, {
      progress: (entries, total) => seen.push(entries, total),
    })
    expect(findings).toEqual([])
    expect(summary).toMatchObject({ size: SIZE, heads: 3 })
    expect(seen.slice(-2)).toEqual([SIZE, SIZE])
  })

  it('tells of what was brought before its checkpoint, which is nothing wrong', async () => {
    const made = await finishedArchive(SIZE)
    const older = await readFile(join(made.directory, 'checkpoint'))
    await made.test.grow(900)
    const archiver = archive(made.test, made.objects, made.cell)
    await archiver.has(900)
    await archiver.close()
    await writeFile(join(made.directory, 'checkpoint'), older)
    const { findings, summary } = await check(made)
    expect(findings).toEqual([])
    // heads/900; bundle and tile 2, full; bundle and tile 3, and tile 1/0, wider.
    expect(summary).toMatchObject({ size: SIZE, ahead: 6 })
  })

  it.each([
    ['tile/0/000', 'tile 0/0'],
    ['tile/0/002.p/188', 'tile 0/2'],
    ['tile/1/000.p/2', 'tile 1/0'],
    ['tile/entries/001', 'bundle 1'],
    ['tile/entries/002.p/188', 'bundle 2'],
    ['checkpoint', 'checkpoint'],
    ['cairn-log.json', 'cairn-log.json'],
  ])('names %s when it is gone', async (file, name) => {
    const made = await finishedArchive(SIZE, EARLIER)
    await rm(join(made.directory, file))
    expect(names(await check(made))).toContain(name)
  })

  it.each([
    ['tile/0/000', 'tile 0/0 hash 0'],
    ['tile/0/002.p/188', 'tile 0/2 hash 0'],
    ['tile/0/000.p/5', 'tile/0/000.p/5'],
    ['tile/1/000.p/1', 'tile/1/000.p/1'],
    ['tile/1/000.p/2', 'tile 1/0 hash 0'],
    ['tile/entries/001', 'bundle 1'],
    ['tile/entries/001.p/44', 'tile/entries/001.p/44'],
    ['heads/300', 'heads/300'],
    ['checkpoint', 'checkpoint'],
    ['cairn-log.json', 'cairn-log.json'],
  ])('names %s when it was changed', async (file, name) => {
    const made = await finishedArchive(SIZE, EARLIER)
    const path = join(made.directory, file)
    const bytes = await readFile(path)
    bytes[0]! ^= 1
    await rm(path)
    await writeFile(path, bytes)
    expect(names(await check(made))).toContain(name)
  })

  it.each(['hello.txt', 'tile/0/0', 'tile/entries/000.p/256', 'heads/007', 'heads/a/b'])(
    'names %s, which does not belong there',
    async (name) => {
      const made = await finishedArchive(5)
      await made.objects.create(name, new Uint8Array(1), { contentType: '', cacheControl: '' })
      expect((await check(made)).findings).toEqual([
        { kind: 'object', name, detail: 'does not belong to an archive' },
      ])
    },
  )

  it('takes no notice of what is archived, and removed, meanwhile', async () => {
    const made = await finishedArchive(SIZE, EARLIER)
    let isAsked = false
    const objects: typeof made.objects = {
      ...made.objects,
      async get(name) {
        const object = await made.objects.get(name)
        if (name !== 'checkpoint' || isAsked) return object
        isAsked = true
        await made.test.grow(1_500)
        const archiver = archive(made.test, made.objects, made.cell, { settleMs: 0 })
        await until(async () => {
          const partials = await made.objects.list('tile/entries/002.p/')
          return partials.length === 0 ? true : undefined
        })
        await archiver.close()
        return object
      },
    }
    const { findings, summary } = await check({ test: made.test, objects })
    expect(findings).toEqual([])
    expect(summary).toMatchObject({ size: SIZE, heads: 3 })
    expect(summary.ahead).toBeGreaterThan(5)
  })

  it('names a head under the wrong size, and one of another history', async () => {
    const made = await finishedArchive(SIZE, EARLIER)
    const [five, other] = await Promise.all(
      EARLIER.map((size) => readFile(join(made.directory, `heads/${size}`))),
    )
    await writeFile(join(made.directory, 'heads/6'), five!)
    await writeFile(join(made.directory, 'heads/301'), other!)
    expect((await check(made)).findings).toEqual([
      { kind: 'head', name: 'heads/6', detail: 'is for 5 leaves' },
      { kind: 'head', name: 'heads/301', detail: 'is for 300 leaves' },
    ])
  })

  it('names what another log has signed', async () => {
    const made = await finishedArchive(5)
    const other = await newTestLog({}, 'other.example/log')
    await other.grow(5)
    await writeFile(join(made.directory, 'checkpoint'), published(other.log)!.checkpoint)
    const { findings } = await check(made)
    expect(findings).toEqual([
      { kind: 'checkpoint', name: 'checkpoint', detail: expect.stringContaining('not trusted') },
    ])
    // The other way round: the wrong keys for a good archive.
    expect(names(await check({ ...(await finishedArchive(5)), test: other }))).toEqual([
      'checkpoint',
      'cairn-log.json',
    ])
  })

  it('goes on after a finding, and ends when it is told to', async () => {
    const made = await finishedArchive(SIZE, EARLIER)
    await rm(join(made.directory, 'tile/entries/000'))
    await rm(join(made.directory, 'heads/300'))
    await rm(join(made.directory, 'tile/entries/002.p/188'))
    expect(names(await check(made))).toEqual(['bundle 0', 'bundle 2'])
    const signal = AbortSignal.abort(new Error('enough'))
    await expect(check(made, { signal })).rejects.toThrow('enough')
  })

  it('needs the directory to be there', async () => {
    const made = await finishedArchive(5)
    const objects = await openObjectDirectory(made.directory)
    await rm(made.directory, { recursive: true })
    await expect(check({ test: made.test, objects })).rejects.toMatchObject({ code: 'NOT_FOUND' })
  })

  it('is clean whatever an archiver has left behind that ended in the middle', async () => {
    const made = await finishedArchive(SIZE)
    await made.test.grow(1_500)
    const store = watched(made.objects)
    for (let left = 1; left < 9; left += 2) {
      let calls = 0
      store.fault = (call) =>
        call.startsWith('create tile') && calls++ >= left
          ? new CairnError('UNAVAILABLE', 'away')
          : undefined
      const archiver = archive(made.test, store, made.cell)
      await until(() => archiver.events[0])
      await archiver.close()
      const { findings, summary } = await check(made)
      expect(findings).toEqual([])
      expect(summary.ahead).toBeGreaterThan(0)
    }
  })
})
