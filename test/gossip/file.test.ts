/** Heads in files: durable, in order, and undisturbed by rotation, torn lines and disks that refuse. */
import {
  chmod,
  mkdir,
  readdir,
  readFile,
  rename,
  stat,
  symlink,
  truncate,
  writeFile,
} from 'node:fs/promises'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { toBase64 } from '../../src/bytes.ts'
import { CairnError } from '../../src/errors.ts'
import { headFiles, headLines } from '../../src/gossip/file.ts'
import { headName } from '../../src/gossip/head-files.ts'
import type { HeadSink } from '../../src/gossip/sink.ts'
import { headAt, newFolder, noSignal, type Place } from './heads.ts'

const NOW = Date.UTC(2026, 0, 15, 12)

let place: Place
beforeEach(async () => {
  place = await newFolder()
})
afterEach(() => place.discard())

const linesOf = async (path: string) => (await readFile(path, 'utf8')).split('\n')

async function errorOf(sink: HeadSink): Promise<CairnError> {
  const error = await sink.send(headAt(7), noSignal()).then(
    () => undefined,
    (thrown: unknown) => thrown,
  )
  expect(error).toBeInstanceOf(CairnError)
  expect((error as CairnError).message).not.toContain(place.path)
  return error as CairnError
}

describe('a file of lines', () => {
  const sinkAt = (path: string) => headLines({ name: 'lines', path, now: () => NOW })

  it('gets a line for each head, and is made where it is missing', async () => {
    const path = place.at('new', 'folder', 'heads.jsonl')
    const sink = sinkAt(path)
    for (const size of [1, 5, 13]) await sink.send(headAt(size), noSignal())
    const [first, , third, end, ...more] = await linesOf(path)
    expect([end, more]).toEqual(['', []])
    const { origin, root, checkpoint } = headAt(13)
    expect(JSON.parse(third!)).toEqual({
      time: '2026-01-15T12:00:00.000Z',
      origin,
      size: 13,
      root: toBase64(root),
      checkpoint,
    })
    expect(JSON.parse(first!)).toMatchObject({ size: 1 })
  })

  it('can be moved away at any time', async () => {
    const path = place.at('heads.jsonl')
    const sink = sinkAt(path)
    await sink.send(headAt(1), noSignal())
    await rename(path, `${path}.1`)
    await sink.send(headAt(2), noSignal())
    expect(JSON.parse((await linesOf(`${path}.1`))[0]!)).toMatchObject({ size: 1 })
    expect(JSON.parse((await linesOf(path))[0]!)).toMatchObject({ size: 2 })
  })

  it('that ends in half a line does not lose the next', async () => {
    const path = place.at('heads.jsonl')
    const sink = sinkAt(path)
    await sink.send(headAt(1), noSignal())
    await truncate(path, (await stat(path)).size - 20)
    await sink.send(headAt(2), noSignal())
    const [torn, whole, end] = await linesOf(path)
    expect(() => JSON.parse(torn!)).toThrow()
    expect(JSON.parse(whole!)).toMatchObject({ size: 2 })
    expect(end).toBe('')
  })

  it('that holds something already keeps it', async () => {
    const path = place.at('heads.jsonl')
    await writeFile(path, 'note to self\n')
    await sinkAt(path).send(headAt(1), noSignal())
    expect((await linesOf(path))[0]).toBe('note to self')
  })

  it('is told of when the disk is full, and goes on when there is room', async () => {
    const path = place.at('heads.jsonl')
    await symlink('/dev/full', path)
    const error = await errorOf(sinkAt(path))
    expect([error.code, error.message]).toEqual(['DISK_FULL', 'cannot be written (ENOSPC)'])
    await rename(path, place.at('full'))
    await sinkAt(path).send(headAt(2), noSignal())
    expect(JSON.parse((await linesOf(path))[0]!)).toMatchObject({ size: 2 })
  })

  it('is told of when it is a directory, or below a file', async () => {
    expect((await errorOf(sinkAt(place.path))).message).toBe('cannot be written (EISDIR)')
    await writeFile(place.at('file'), '')
    expect((await errorOf(sinkAt(place.at('file', 'heads')))).message).toMatch(/EEXIST|ENOTDIR/)
  })

  it('is told of on a file system that refuses', async () => {
    const error = await errorOf(sinkAt('/proc/cairn/heads.jsonl'))
    expect([error.code, error.message]).toEqual(['IO', 'cannot be written (ENOENT)'])
  })

  it.skipIf(process.getuid?.() === 0)('is told of where this user may not write', async () => {
    await mkdir(place.at('closed'))
    await chmod(place.at('closed'), 0o500)
    expect((await errorOf(sinkAt(place.at('closed', 'heads')))).message).toMatch(/EACCES/)
  })
})

describe('a directory of checkpoints', () => {
  it('gets a file for each head, whole or not at all', async () => {
    const sink = headFiles({ name: 'files', path: place.at('heads'), now: () => NOW })
    for (const size of [1, 5, 5]) await sink.send(headAt(size), noSignal())
    const names = [1, 5].map((size) => `${headName(headAt(size))}.checkpoint`)
    expect((await readdir(place.at('heads'))).sort()).toEqual(names.sort())
    expect(names[0]).toMatch(/^1-[0-9a-f]{8}\.checkpoint$/)
    expect(await readFile(place.at('heads', names[1]!), 'utf8')).toBe(headAt(5).checkpoint)
  })

  it('tells apart two heads of one size', async () => {
    const sink = headFiles({ name: 'files', path: place.at('heads'), now: () => NOW })
    await sink.send(headAt(5), noSignal())
    const { size, checkpoint } = headAt(5)
    await sink.send(
      { ...headAt(5), size, checkpoint: checkpoint.replace('\n5\n', '\n6\n') },
      noSignal(),
    )
    expect(await readdir(place.at('heads'))).toHaveLength(2)
  })

  it('is told of when it is a file', async () => {
    await writeFile(place.at('heads'), '')
    const sink = headFiles({ name: 'files', path: place.at('heads'), now: () => NOW })
    expect((await errorOf(sink)).message).toMatch(/^cannot be written \((EEXIST|ENOTDIR)\)$/)
  })
})
