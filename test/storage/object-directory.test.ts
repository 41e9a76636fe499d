import {
  chmod,
  mkdir,
  mkdtemp,
  readdir,
  rm,
  stat,
  symlink,
  utimes,
  writeFile,
} from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { beforeEach, describe, expect, it } from 'vitest'
import { utf8 } from '../../src/bytes.ts'
import { openObjectDirectory } from '../../src/storage/object-directory.ts'
import { afterThisTest } from '../support/endings.ts'
import { bytesOf, objectStoreConformance, TILE } from './object-conformance.ts'

objectStoreConformance('a directory', async () => {
  const directory = await mkdtemp(join(tmpdir(), 'cairn-objects-'))
  return {
    open: () => openObjectDirectory(directory),
    remove: () => rm(directory, { recursive: true }),
  }
})

describe('an object directory', () => {
  let directory: string
  beforeEach(async () => {
    directory = await mkdtemp(join(tmpdir(), 'cairn-objects-'))
    afterThisTest(() => rm(directory, { recursive: true, force: true }))
  })

  it('is not made: it may be a mount that is missing', async () => {
    await expect(openObjectDirectory(join(directory, 'none'))).rejects.toMatchObject({
      code: 'NOT_FOUND',
      message: expect.stringContaining('not mounted'),
    })
    const store = await openObjectDirectory(directory)
    await rm(directory, { recursive: true })
    const refusal = { code: 'NOT_FOUND' }
    await expect(store.get('a/b')).rejects.toMatchObject(refusal)
    await expect(store.create('a/b', utf8('x'), TILE)).rejects.toMatchObject(refusal)
    await expect(store.replace('a/b', utf8('x'), TILE)).rejects.toMatchObject(refusal)
    await expect(store.remove('a/b')).rejects.toMatchObject(refusal)
    await expect(store.list('')).rejects.toMatchObject(refusal)
  })

  it('is a directory, not a file', async () => {
    await writeFile(join(directory, 'file'), '')
    await expect(openObjectDirectory(join(directory, 'file'))).rejects.toMatchObject({ code: 'IO' })
  })

  it('leaves nothing unfinished', async () => {
    const store = await openObjectDirectory(directory)
    await store.create('a', utf8('1'), TILE)
    await store.create('a', utf8('1'), TILE)
    await store.create('a', utf8('2'), TILE).catch(() => undefined)
    await store.replace('b', utf8('1'), TILE)
    expect(await readdir(join(directory, '.unfinished'))).toEqual([])
  })

  it('clears away at its opening what crashes left, and not what others may be writing', async () => {
    await mkdir(join(directory, '.unfinished'))
    const [old, young] = ['old', 'young'].map((name) => join(directory, '.unfinished', name))
    await writeFile(old!, 'half')
    await writeFile(young!, 'half')
    const twoDaysAgo = new Date(Date.now() - 48 * 3_600_000)
    await utimes(old!, twoDaysAgo, twoDaysAgo)
    await openObjectDirectory(directory)
    expect(await readdir(join(directory, '.unfinished'))).toEqual(['young'])
  })

  it('is not led out of its place by links', async () => {
    const outside = await mkdtemp(join(tmpdir(), 'cairn-outside-'))
    afterThisTest(() => rm(outside, { recursive: true }))
    await writeFile(join(outside, 'secret'), 'secret')
    await symlink(outside, join(directory, 'out'))
    await symlink(join(outside, 'secret'), join(directory, 'link'))
    const store = await openObjectDirectory(directory)
    const refusal = { code: 'FORBIDDEN', message: expect.stringContaining('leads out of') }
    await expect(store.get('out/secret')).rejects.toMatchObject(refusal)
    await expect(store.create('out/new', utf8('x'), TILE)).rejects.toMatchObject(refusal)
    await expect(store.replace('out/secret', utf8('x'), TILE)).rejects.toMatchObject(refusal)
    await expect(store.remove('out/secret')).rejects.toMatchObject(refusal)
    await expect(store.get('link')).rejects.toMatchObject({ code: 'IO' })
    await expect(store.create('link', utf8('secret'), TILE)).rejects.toMatchObject({ code: 'IO' })
    expect(await store.list('')).toEqual([])
    await store.replace('link', utf8('own'), TILE)
    expect(await bytesOf(store, 'link')).toEqual(utf8('own'))
    expect(await readdir(outside)).toEqual(['secret'])
    expect((await stat(join(outside, 'secret'))).size).toBe(6)
  })

  it('tells a file server for how long to keep an object', async () => {
    const store = await openObjectDirectory(directory)
    const until = Date.now() + 365 * 86_400_000
    const lock = { mode: 'compliance', until, legalHold: false } as const
    await store.create('kept', utf8('x'), TILE, lock)
    const kept = await stat(join(directory, 'kept'))
    expect(kept.mode & 0o777).toBe(0o444)
    expect(Math.abs(kept.atimeMs - until)).toBeLessThan(1_000)
    // A crash between creating and locking is made good by whoever creates it again.
    await chmod(join(directory, 'kept'), 0o644)
    expect(await store.create('kept', utf8('x'), TILE, lock)).toBe('there')
    expect((await stat(join(directory, 'kept'))).mode & 0o777).toBe(0o444)
  })

  it('refuses a legal hold, which it cannot hold', async () => {
    const store = await openObjectDirectory(directory)
    const lock = { mode: 'compliance', until: Date.now(), legalHold: true } as const
    await expect(store.create('kept', utf8('x'), TILE, lock)).rejects.toMatchObject({
      code: 'USAGE',
    })
    expect(await store.list('')).toEqual([])
  })
})
