import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { beforeEach, describe, expect, it } from 'vitest'
import { fromUtf8, utf8 } from '../../src/bytes.ts'
import { CairnError } from '../../src/errors.ts'
import { formatVkey } from '../../src/formats/vkey.ts'
import { openArchive } from '../../src/log/archive.ts'
import { MARKER, MARKER_METADATA } from '../../src/log/archive-names.ts'
import { localSigner } from '../../src/log/local-signer.ts'
import { openObjectDirectory } from '../../src/storage/object-directory.ts'
import type { ObjectLock, ObjectStore } from '../../src/storage/object-port.ts'
import { newKeys } from '../support/test-log.ts'
import { newDirectory, watched } from './archived-log.ts'

const keysOf = (origin: string): readonly string[] => {
  const signer = localSigner(newKeys(origin))
  return [formatVkey(signer.ed25519), formatVkey(signer.mlDsa)]
}
const ORIGIN = 'one.example/log'
const VKEYS = keysOf(ORIGIN)
const OURS = { origin: ORIGIN, vkeys: VKEYS }

let directory: string
let objects: ObjectStore

beforeEach(async () => {
  directory = await newDirectory()
  objects = await openObjectDirectory(directory)
})

describe('the place of an archive', () => {
  it('is marked as that of one log, and opened again by it', async () => {
    const archive = await openArchive({ objects, ...OURS })
    expect(archive.origin).toBe(ORIGIN)
    expect(await archive.shown()).toBeUndefined()
    const marker = fromUtf8((await objects.get(MARKER))!.bytes)
    expect(marker).toBe(`{"format":1,"origin":"${ORIGIN}","vkeys":${JSON.stringify(VKEYS)}}`)
    await openArchive({ objects, ...OURS })
    expect(await objects.list('')).toEqual([MARKER])
  })

  it('is opened by several servers at once', async () => {
    await Promise.all(Array.from({ length: 8 }, () => openArchive({ objects, ...OURS })))
    expect(await objects.list('')).toEqual([MARKER])
  })

  it('is refused to a second log, by both names', async () => {
    await openArchive({ objects, ...OURS })
    const other = { origin: 'two.example/log', vkeys: keysOf('two.example/log') }
    const refused = openArchive({ objects, ...other })
    await expect(refused).rejects.toMatchObject({ code: 'USAGE' })
    await expect(refused).rejects.toThrow(
      `${objects.place} is the archive of one.example/log, not of two.example/log`,
    )
  })

  it('is given to one of two logs that begin at the same time', async () => {
    const other = { origin: 'two.example/log', vkeys: keysOf('two.example/log') }
    const outcomes = await Promise.allSettled([
      openArchive({ objects, ...OURS }),
      openArchive({ objects, ...other }),
    ])
    const refused = outcomes.filter((outcome) => outcome.status === 'rejected')
    expect(refused).toHaveLength(1)
    expect(refused[0]!.reason).toMatchObject({
      code: expect.stringMatching(/^(USAGE|FOREIGN_DIRECTORY)$/),
    })
  })

  it('is refused to a log of the same name with other keys', async () => {
    await openArchive({ objects, ...OURS })
    const refused = openArchive({ objects, origin: ORIGIN, vkeys: keysOf(ORIGIN) })
    await expect(refused).rejects.toMatchObject({
      code: 'USAGE',
      message: expect.stringContaining('other keys'),
    })
  })

  it('must not hold the objects of others', async () => {
    await objects.create('backup/2026.tar', utf8('?'), MARKER_METADATA)
    await expect(openArchive({ objects, ...OURS })).rejects.toMatchObject({
      code: 'FOREIGN_DIRECTORY',
      message: expect.stringContaining('(backup/2026.tar)'),
    })
    expect(await objects.list('')).toEqual(['backup/2026.tar'])
  })

  it.each([
    ['no JSON', 'hello'],
    ['another document', '{"format":1}'],
    ['no format', `{"origin":"${ORIGIN}","vkeys":[]}`],
    ['a format that never was', `{"format":0,"origin":"${ORIGIN}","vkeys":["x"]}`],
    ['a member more', `{"a":1,"format":1,"origin":"${ORIGIN}","vkeys":["x"]}`],
    ['keys that are none', `{"format":1,"origin":"${ORIGIN}","vkeys":[1]}`],
    ['a list', '[1]'],
  ])('is refused with a marker that is %s', async (_, text) => {
    await writeFile(join(directory, MARKER), text)
    await expect(openArchive({ objects, ...OURS })).rejects.toMatchObject({
      code: 'FOREIGN_DIRECTORY',
      message: expect.stringContaining(MARKER),
    })
  })

  it('is refused when a newer version has made it', async () => {
    await writeFile(join(directory, MARKER), '{"format":2,"more":true}')
    await expect(openArchive({ objects, ...OURS })).rejects.toMatchObject({ code: 'NEWER_FORMAT' })
  })

  it('shows nothing that this log has not signed', async () => {
    const archive = await openArchive({ objects, ...OURS })
    await writeFile(join(directory, 'checkpoint'), 'hello\n')
    await expect(archive.shown()).rejects.toMatchObject({
      code: 'CORRUPT',
      message: expect.stringContaining('/checkpoint is not a checkpoint of one.example/log'),
    })
  })

  it.each([
    ['NOT_FOUND', 'get'],
    ['UNAVAILABLE', 'get'],
    ['FORBIDDEN', 'create'],
    ['FORBIDDEN', 'list'],
  ] as const)('passes on %s of %s: its message names the bucket', async (code, method) => {
    const store = watched(objects)
    const failure = new CairnError(code, 'the bucket says no')
    store.fault = (call) => (call.startsWith(method) ? failure : undefined)
    await expect(openArchive({ objects: store, ...OURS })).rejects.toBe(failure)
  })

  it('is tried for writing when it is opened, also when the marker is there', async () => {
    await openArchive({ objects, ...OURS })
    const store = watched(objects)
    store.fault = (call) =>
      call.startsWith('create') ? new CairnError('FORBIDDEN', 'read-only') : undefined
    await expect(openArchive({ objects: store, ...OURS })).rejects.toMatchObject({
      code: 'FORBIDDEN',
    })
  })

  it('locks what it keeps, from now on', async () => {
    const locks: (ObjectLock | undefined)[] = []
    const store: ObjectStore = {
      ...objects,
      create(name, bytes, metadata, lock) {
        locks.push(lock)
        return objects.create(name, bytes, metadata)
      },
    }
    const lock = { mode: 'compliance', days: 30, legalHold: true } as const
    const archive = await openArchive({ objects: store, ...OURS, lock, now: () => 1_000 })
    await archive.keep('a', utf8('b'), MARKER_METADATA)
    const until = 1_000 + 30 * 86_400_000
    expect(locks).toEqual([
      { mode: 'compliance', until, legalHold: true },
      { mode: 'compliance', until, legalHold: true },
    ])
  })
})
