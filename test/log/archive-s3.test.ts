/** The archiver on a real S3 server, alone and under a log in a real database. */
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { beforeAll, describe, expect, it } from 'vitest'
import { utf8 } from '../../src/bytes.ts'
import { bundlePath, tilePath } from '../../src/formats/tile.ts'
import { formatVkey, parseVkey } from '../../src/formats/vkey.ts'
import { type Archive, openArchive } from '../../src/log/archive.ts'
import { checkArchive } from '../../src/log/archive-check.ts'
import type { Archiver } from '../../src/log/archive-port.ts'
import { startArchiver } from '../../src/log/archiver.ts'
import { openSharedLog } from '../../src/log/shared-log.ts'
import { openSignedState } from '../../src/log/signed-state.ts'
import { storedTiles } from '../../src/log/stored-tiles.ts'
import { treeSize } from '../../src/merkle/position.ts'
import { openPostgresLogStore } from '../../src/storage/postgres.ts'
import { openPool } from '../../src/storage/postgres-pool.ts'
import { migrateSchema } from '../../src/storage/postgres-schema.ts'
import { openS3Store, type S3Store } from '../../src/storage/s3.ts'
import { bundlesOf, tilesOf } from '../../src/tiles/geometry.ts'
import { s3Options } from '../storage/s3-conformance.ts'
import { afterThisFile, afterThisTest } from '../support/endings.ts'
import { testDatabase } from '../support/postgres.ts'
import { isS3Missing, type S3Server, startS3 } from '../support/s3.ts'
import type { S3Kind } from '../support/s3-programs.ts'
import { newKeys, signerOf } from '../support/test-log.ts'
import {
  archive,
  archiveOf,
  newMark,
  newTestLog,
  published,
  type TestLog,
  until,
} from './archived-log.ts'

/** The one that starts fastest, unless another is asked for. */
const KIND = (process.env.TEST_S3_KIND ?? 'versitygw') as S3Kind

describe.skipIf(isS3Missing(KIND))('an archive in S3', { timeout: 60_000 }, () => {
  let s3: S3Server
  beforeAll(async () => {
    s3 = await startS3({ kind: KIND })
    afterThisFile(() => s3.stop())
  }, 90_000)

  async function store(bucket: string, prefix = 'log', change: object = {}): Promise<S3Store> {
    const opened = await openS3Store({ ...s3Options(s3, bucket, prefix), ...change })
    afterThisTest(() => opened.close())
    return opened
  }

  async function isServed(test: TestLog, objects: S3Store, size: number): Promise<void> {
    for (const { level, tile, width } of tilesOf(treeSize(size))) {
      const name = tilePath(level, tile, width)
      expect((await objects.get(name))?.bytes, name).toEqual(
        await test.source.tile(level, tile, width),
      )
    }
    for (const { bundle, width } of bundlesOf(treeSize(size))) {
      const name = bundlePath(bundle, width)
      expect((await objects.get(name))?.bytes, name).toEqual(
        await test.source.bundle(bundle, width),
      )
    }
  }

  async function findings(
    test: Pick<TestLog['log'], 'vkeys'>,
    objects: S3Store,
  ): Promise<unknown[]> {
    const found: unknown[] = []
    const vkeys = test.vkeys.map(parseVkey)
    for await (const finding of checkArchive(objects, { vkeys })) found.push(finding)
    return found
  }

  it.each([
    ['a bucket', {}],
    ['a bucket with versions', { versions: true }],
    ['a bucket with Object Lock', { lock: true }],
  ])('is whole in %s at each size, and after a restart', async (_, kind) => {
    const bucket = await s3.newBucket(kind)
    const objects = await store(bucket)
    const lock =
      'lock' in kind ? { mode: 'governance' as const, days: 1, legalHold: false } : undefined
    const test = await newTestLog()
    const cell = newMark()
    await test.grow(5)
    for (const size of [5, 300, 1_100]) {
      await test.grow(size)
      const archiver = archive(test, objects, cell, { settleMs: 0, lock })
      await archiver.has(size)
      await isServed(test, objects, size)
      await until(() => (cell.mark.released === size ? true : undefined))
      await archiver.close()
      expect(archiver.events).toEqual([])
    }
    expect(await findings(test.log, objects)).toEqual([])
    expect(await objects.list('tile/0/000.p/')).toEqual([])
    if (lock === undefined) return
    const names = ['cairn-log.json', 'heads/300', 'tile/0/000', 'tile/entries/003']
    for (const name of names) {
      const { text } = await s3.request('GET', `/${bucket}/log/${name}?retention=`)
      expect(text, name).toContain('GOVERNANCE')
    }
    for (const name of ['checkpoint', 'tile/1/000.p/4']) {
      const { status } = await s3.request('GET', `/${bucket}/log/${name}?retention=`)
      expect(status, name).toBeGreaterThanOrEqual(400)
    }
  })

  it('is not set back by a checkpoint that was on its way while another server showed a newer one', async () => {
    const objects = await store(await s3.newBucket())
    const test = await newTestLog()
    const cell = newMark()
    await test.grow(5)
    const before = archive(test, objects, cell)
    await before.has(5)
    await before.close()
    await test.grow(6)
    let arrive = (): void => undefined
    const held = new Promise<void>((resolve) => {
      arrive = resolve
    })
    let late: Promise<unknown> | undefined
    const slow: S3Store = {
      ...objects,
      replace(...given) {
        const sent = held.then(() => objects.replace(...given))
        late ??= sent
        return sent
      },
    }
    const paused = archive(test, slow, { ...newMark(), mark: cell.mark })
    await until(() => (late === undefined ? undefined : true))
    await test.grow(300)
    const next = archive(test, await store(objects.place.split('/')[2]!), cell)
    await next.has(300)
    arrive()
    await expect(late).rejects.toMatchObject({ code: 'CONFLICT' })
    const there = await objects.get('checkpoint')
    expect(new TextDecoder().decode(there?.bytes).split('\n')[1]).toBe('300')
    // It has heard of the newer head meanwhile.
    await paused.has(300)
  })

  it('has headers with which the bucket is a log that a web server can show', async () => {
    const bucket = await s3.newBucket()
    const test = await newTestLog()
    await test.grow(300)
    await archive(test, await store(bucket), newMark(), { privateEntries: true }).has(300)
    const headers = async (name: string): Promise<(string | null)[]> => {
      const answer = await s3.request('HEAD', `/${bucket}/log/${name}`)
      return [answer.headers.get('content-type'), answer.headers.get('cache-control')]
    }
    expect(await headers('checkpoint')).toEqual(['text/plain; charset=utf-8', 'no-cache'])
    const immutable = 'max-age=31536000, immutable'
    expect(await headers('tile/0/000')).toEqual([
      'application/octet-stream',
      `public, ${immutable}`,
    ])
    expect(await headers('tile/entries/000')).toEqual([
      'application/octet-stream',
      `private, ${immutable}`,
    ])
  })

  it('catches up after an outage, while the log goes on', async () => {
    const test = await newTestLog()
    await test.grow(100)
    const objects = await store(await s3.newBucket(), 'log', { timeout: 500 })
    const cell = newMark()
    const archiver = archive(test, objects, cell)
    await archiver.has(100)
    const away = s3.refuse(2_000)
    await test.grow(700)
    await until(() => archiver.events[0])
    expect(archiver.status()).toMatchObject({ state: 'failing', lag: 600 })
    await test.grow(900)
    await away
    await archiver.has(900)
    await isServed(test, objects, 900)
    await until(() => archiver.events[1])
    expect(archiver.events.map(({ event }) => event)).toEqual(['archive-failing', 'archive-ok'])
  })

  it('says at the start when its bucket cannot be used', async () => {
    const test = await newTestLog()
    const bucket = await s3.newBucket()
    await expect(store('cairn-missing')).rejects.toMatchObject({
      code: 'NOT_FOUND',
      message: expect.stringContaining('cairn-missing'),
    })
    const writer = await store(bucket)
    await archiveOf(test, writer)
    const key = await s3.newReader(bucket)
    const { credentials } = s3Options({ ...s3, ...key }, bucket, 'log')
    const reader = await store(bucket, 'log', { credentials })
    await expect(archiveOf(test, reader)).rejects.toMatchObject({
      code: 'FORBIDDEN',
      message: expect.stringContaining(bucket),
    })
    const other = await newTestLog({}, 'other.example/log')
    await expect(archiveOf(other, writer)).rejects.toMatchObject({ code: 'USAGE' })
    await archiveOf(other, await store(bucket, 'log-2'))
    // The prefix of one log is a beginning of the other's, not a folder above it.
    expect(await writer.list('')).toEqual(['cairn-log.json'])
  })

  it('needs no right to delete: then partial tiles stay, and that is told once', async () => {
    const test = await newTestLog()
    const bucket = await s3.newBucket()
    const actions = ['s3:GetObject', 's3:ListBucket', 's3:PutObject']
    const key = await s3.newUser(bucket, actions)
    const { credentials } = s3Options({ ...s3, ...key }, bucket, 'log')
    const objects = await store(bucket, 'log', { credentials })
    const cell = newMark()
    const archiver = archive(test, objects, cell, { settleMs: 0 })
    for (const size of [5, 300, 600]) {
      await test.grow(size)
      await archiver.has(size)
    }
    await until(() => cell.mark.released === 600 || undefined)
    expect(archiver.events.map(({ event }) => event)).toEqual(['archive-keeps-partials'])
    expect(await objects.list('tile/0/000.p/')).toContain('tile/0/000.p/5')
    expect(await findings(test.log, objects)).toEqual([])
  })

  it('has old bundles moved where the server can do that', async () => {
    const { storageClass } = s3
    const test = await newTestLog()
    const tier = { storageClass: storageClass ?? 'COLD', days: 30 }
    const archiver = archive(test, await store(await s3.newBucket()), newMark(), { tier })
    await until(() => archiver.events[0])
    expect(archiver.events).toEqual([
      storageClass === undefined
        ? { event: 'archive-tier-failing', reason: expect.any(String) }
        : { event: 'archive-tier', rule: 'set', ...tier },
    ])
    await test.grow(10)
    await until(() => (archiver.status().shown === 10 ? true : undefined))
  })

  it('takes over what the database lets go of, and the log is served from both', async () => {
    const objects = await store(await s3.newBucket())
    const directory = await mkdtemp(join(tmpdir(), 'cairn-shared-'))
    afterThisTest(() => rm(directory, { recursive: true, force: true }))
    const database = await testDatabase()
    const pool = openPool(database)
    afterThisTest(() => pool.close())
    await migrateSchema(pool)
    const signer = signerOf(newKeys())
    const identity = {
      origin: signer.origin,
      vkeys: [formatVkey(signer.ed25519), formatVkey(signer.mlDsa)],
    }
    const shared = await openPostgresLogStore({ pool, archive: objects, identity })
    let archiver: Archiver | undefined
    const open = (): Promise<Archive> => openArchive({ objects, ...identity })
    const log = await openSharedLog({
      store: shared,
      signer,
      signedState: await openSignedState(join(directory, 'signed'), formatVkey(signer.ed25519)),
      holder: 'one',
      url: 'http://one.example',
      publishIntervalMs: 20,
      onLeading(term) {
        archiver = startArchiver({
          open,
          source: storedTiles(shared),
          publication: () => published(log),
          mark: () => shared.archive(),
          archived: (size, release) => term.archived(size, release),
          intervalMs: 10,
          settleMs: 0,
        })
      },
    })
    afterThisTest(() => log.close())
    const leaves = Array.from({ length: 1_500 }, (_, i) => utf8(`leaf ${i}`))
    for (let at = 0; at < leaves.length; at += 300) await log.submit(leaves.slice(at, at + 300))
    await until(() => published(log)?.size === leaves.length || undefined)
    const running = await until(() => archiver)
    afterThisTest(() => running.close())
    await until(async () => (await shared.archive()).released === leaves.length || undefined)
    const left = await pool.query<{ count: number }>(
      'count runs',
      'SELECT count(*)::int AS count FROM entry_runs WHERE first < 1280',
    )
    expect(left).toEqual([{ count: 0 }])
    expect(await log.entry(3 as never)).toEqual(utf8('leaf 3'))
    expect(await log.entry(1_499 as never)).toEqual(utf8('leaf 1499'))
    const fresh = storedTiles(shared)
    expect(await fresh.tile(0, 0, 256)).toEqual((await objects.get('tile/0/000'))!.bytes)
    expect(await findings(log, objects)).toEqual([])
  })
})
