import { mkdir, mkdtemp, readdir, readFile, rm, stat, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { utf8 } from '../../src/bytes.ts'
import { durableWriteFile } from '../../src/storage/durable-file.ts'

let directory: string
beforeEach(async () => {
  directory = await mkdtemp(join(tmpdir(), 'cairn-file-'))
})
afterEach(() => rm(directory, { recursive: true }))

describe('a file written durably', () => {
  it('has the bytes and the mode asked for, whether it was there before or not', async () => {
    const file = join(directory, 'key')
    for (const [text, mode] of [
      ['first', 0o644],
      ['second', 0o600],
    ] as const) {
      await durableWriteFile(file, utf8(text), mode)
      expect(await readFile(file, 'utf8')).toBe(text)
      expect((await stat(file)).mode % 0o1000).toBe(mode)
    }
    expect(await readdir(directory)).toEqual(['key'])
  })

  it('does not keep the mode of a file left unfinished by a crash', async () => {
    const file = join(directory, 'key')
    await writeFile(`${file}.${process.pid}.tmp`, 'half a se', { mode: 0o644 })
    await durableWriteFile(file, utf8('secret'), 0o600)
    expect((await stat(file)).mode % 0o1000).toBe(0o600)
    expect(await readdir(directory)).toEqual(['key'])
  })

  it('leaves nothing behind when it cannot be put in place', async () => {
    const place = join(directory, 'taken')
    await mkdir(place)
    await expect(durableWriteFile(place, utf8('x'), 0o600)).rejects.toThrow()
    expect(await readdir(directory)).toEqual(['taken'])
    await expect(durableWriteFile(join(directory, 'no', 'x'), utf8('x'), 0o600)).rejects.toThrow()
  })
})
