/**
 * Archives of logs in tests, in a directory or in a real bucket, and stores in PostgreSQL that let go of all that is full
 * as soon as it is committed, so that it is read from there.
 */
import { randomBytes } from 'node:crypto'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { publicationOf } from '../../src/compliance/published-head.ts'
import { formatVkey } from '../../src/formats/vkey.ts'
import { type Archive, openArchive } from '../../src/log/archive.ts'
import type { Archiver, ArchiverOptions } from '../../src/log/archive-port.ts'
import { uploadTree } from '../../src/log/archive-upload.ts'
import { startArchiver } from '../../src/log/archiver.ts'
import type { LocalKeys } from '../../src/log/local-signer.ts'
import type { SharedLog, SharedLogOptions } from '../../src/log/shared-log.ts'
import { storedTiles } from '../../src/log/stored-tiles.ts'
import { treeSize } from '../../src/merkle/position.ts'
import { openObjectDirectory } from '../../src/storage/object-directory.ts'
import type { ObjectStore } from '../../src/storage/object-port.ts'
import { openS3Store } from '../../src/storage/s3.ts'
import type { LeaderStore, SharedLogStore } from '../../src/storage/shared-port.ts'
import { s3Options } from '../storage/s3-conformance.ts'
import { afterThisFile } from './endings.ts'
import { type S3Server, startS3 } from './s3.ts'
import { signerOf } from './test-log.ts'
import { openServer, openStoreAt, type SharedPlace } from './test-shared-log.ts'

export type ArchiveKind = 'directory' | 's3'

let bucket: Promise<{ readonly s3: S3Server; readonly name: string }> | undefined

/** One for the test file, on a server of its own. */
function testBucket(): NonNullable<typeof bucket> {
  bucket ??= (async () => {
    const s3 = await startS3()
    afterThisFile(async () => {
      bucket = undefined
      await s3.stop()
    })
    return { s3, name: await s3.newBucket() }
  })()
  return bucket
}

/** An empty place for objects, there until the file ends. */
export async function newObjects(kind: ArchiveKind): Promise<ObjectStore> {
  if (kind === 'directory') {
    const directory = await mkdtemp(join(tmpdir(), 'cairn-archive-'))
    afterThisFile(() => rm(directory, { recursive: true, force: true }))
    return openObjectDirectory(directory)
  }
  const { s3, name } = await testBucket()
  const prefix = `log-${randomBytes(6).toString('hex')}`
  const objects = await openS3Store(s3Options(s3, name, prefix))
  afterThisFile(() => objects.close())
  return objects
}

/** The archive of the log that has these keys. */
export function archiveFor(objects: ObjectStore, keys: LocalKeys): Promise<Archive> {
  const { origin, ed25519, mlDsa } = signerOf(keys)
  return openArchive({ objects, origin, vkeys: [formatVkey(ed25519), formatVkey(mlDsa)] })
}

/** The same, but for these methods. Those of the target keep to the target. */
function changed<T extends object>(target: T, methods: Partial<T>): T {
  return new Proxy(target, {
    get(_, name) {
      const given: unknown = Reflect.get(methods, name)
      if (given !== undefined) return given
      const value: unknown = Reflect.get(target, name)
      return typeof value === 'function' ? value.bind(target) : value
    },
  })
}

/** What an archive may take on a busy machine. */
const RELEASE_MS = 20_000

const ARCHIVER = { holder: 'archiver', url: 'http://archiver.example', leaseMs: 60_000 }

/** Leads once whoever led has ended, or its lease is over. */
async function lead(store: SharedLogStore): Promise<LeaderStore> {
  for (let waited = 0; waited < 10_000; waited += 20) {
    const term = await store.lead(ARCHIVER)
    if (term !== undefined) return term
    await sleep(20)
  }
  throw new Error('another server leads')
}

/** A store each commit of which is in the archive when it is made, and what is full nowhere else. */
export function releasing(store: SharedLogStore, archive: Archive): SharedLogStore {
  async function release(): Promise<void> {
    const [head, { size: from }] = [await store.head(), await store.archive()]
    const to = head?.size ?? treeSize(0)
    const source = storedTiles(store)
    const { signal } = new AbortController()
    await uploadTree({ archive, source, from, to, concurrency: 8, signal, onObject() {} })
    const term = await lead(store)
    await term.archived(to, to)
    await term.resign()
  }
  return changed(store, {
    async commit(commit) {
      await store.commit(commit)
      await release()
    },
  })
}

export interface ArchivedPlace extends SharedPlace {
  readonly objects: ObjectStore
}

/** Begins the archiver of a server, in a hurry. */
function archiverOf(
  { objects, keys }: ArchivedPlace,
  options: Pick<ArchiverOptions, 'source' | 'publication' | 'mark' | 'archived'>,
): Archiver {
  return startArchiver({
    ...options,
    open: () => archiveFor(objects, keys),
    intervalMs: 5,
    settleMs: 0,
    firstPauseMs: 5,
    longestPauseMs: 100,
  })
}

/** Has all that is published archived, and what is full of it let go of. Nobody leads meanwhile. */
export async function releaseAll(place: ArchivedPlace): Promise<void> {
  const store = await openStoreAt(place)
  try {
    const publication = await store.publication()
    if (publication === undefined || publication.size === (await store.archive()).released) return
    const head = { ...publication, checkpoint: new TextDecoder().decode(publication.checkpoint) }
    const term = await lead(store)
    const archiver = archiverOf(place, {
      source: storedTiles(store),
      publication: () => head,
      mark: () => store.archive(),
      archived: term.archived,
    })
    const end = performance.now() + RELEASE_MS
    while ((await store.archive()).released < head.size) {
      if (archiver.status().state === 'stopped' || performance.now() > end) {
        throw new Error(`nothing is released: ${JSON.stringify(archiver.status())}`)
      }
      await sleep(2)
    }
    await archiver.close()
    await term.resign()
  } finally {
    await store.close()
  }
}

/**
 * Opens the log on the server of a name, which archives while it leads and lets go at once. What was full when it was
 * closed the last time is in the archive alone from the beginning.
 */
export async function openArchivedServer(
  place: ArchivedPlace,
  name: string,
  options: Partial<SharedLogOptions> = {},
): Promise<SharedLog> {
  await releaseAll(place)
  let archiver: Archiver | undefined
  let store: SharedLogStore | undefined
  const log = await openServer(
    place,
    name,
    {
      ...options,
      onLeading(term) {
        archiver = archiverOf(place, {
          source: storedTiles(store!),
          publication: () => publicationOf(log),
          mark: () => store!.archive(),
          archived: term.archived,
        })
      },
    },
    (opened) => {
      store = opened
      return opened
    },
  )
  return changed(log, {
    async close() {
      const closed = log.close()
      await archiver?.close()
      await closed
    },
  })
}
