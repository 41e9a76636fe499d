/**
 * An object store in a directory, such as the mount of a file server: an object is a file of its name. A file is written
 * in `.unfinished` and linked or renamed into its place once it is whole and synced, so that no reader sees a part.
 */
import { randomUUID } from 'node:crypto'
import { constants } from 'node:fs'
import {
  chmod,
  link,
  mkdir,
  open,
  readdir,
  realpath,
  rename,
  rm,
  rmdir,
  stat,
  utimes,
} from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { pathToFileURL } from 'node:url'
import { equal } from '../bytes.ts'
import { CairnError, type CairnErrorCode, messageOf, usage } from '../errors.ts'
import { syncDirectory } from './durable-file.ts'
import { namesBelow } from './object-directory-names.ts'
import { checkNamePrefix, checkObjectName } from './object-name.ts'
import type { ObjectLock, ObjectStore, StoredObject } from './object-port.ts'

/** Where files are until they are whole. No object's name begins with a dot. */
const UNFINISHED = '.unfinished'
/** A file that is unfinished for longer is left over from a crash; a younger one may be another server's. */
const ABANDONED_AFTER = 24 * 3_600_000
/** Directories remembered as being there and synced. */
const MOST_DIRECTORIES = 10_000

const READ = constants.O_RDONLY | constants.O_NOFOLLOW

/**
 * Opens a directory that is there. One that is not may be a mount that is missing, so it is never made.
 *
 * A lock with a time makes the file read-only and sets its access time to that time, which is how file servers with
 * write-once files (SnapLock, SmartLock and others) are told to keep one; others do not hold it against an administrator.
 * They know no legal hold, so that one is refused with USAGE.
 * @param path absolute
 * @param options `toRead`: nothing is to be written, so nothing is made ready for it, nor what a crash has left removed
 * @throws NOT_FOUND, FORBIDDEN, IO
 */
export async function openObjectDirectory(
  path: string,
  { toRead = false }: { readonly toRead?: boolean } = {},
): Promise<ObjectStore> {
  const place = pathToFileURL(path).href
  const failure = (what: string, error: unknown): CairnError => directoryFailure(place, what, error)
  const root = await (toRead ? realpath(path) : openRoot(path)).catch((error: unknown) => {
    throw failure('the directory', error)
  })
  const durable = new Set<string>([root])

  async function doing<T>(name: string, work: () => Promise<T>): Promise<T> {
    try {
      return await work()
    } catch (error) {
      throw failure(name, error)
    }
  }

  /** The directory of a file, made durably with those above it. None of them may lead elsewhere. */
  async function makeDirectory(directory: string): Promise<void> {
    if (durable.has(directory)) return
    const above = dirname(directory)
    await makeDirectory(above)
    const isMade = await mkdir(directory, { mode: 0o755 }).then(() => true, unlessThere)
    if (!isMade) await checkInside(directory)
    // Whoever made it may not have synced it yet.
    await syncDirectory(above)
    if (durable.size >= MOST_DIRECTORIES) durable.clear()
    durable.add(root).add(directory)
  }

  async function checkInside(directory: string): Promise<void> {
    if ((await realpath(directory)) === directory) return
    throw new CairnError('FORBIDDEN', `${directory} leads out of ${place}, where objects must be`)
  }

  /** Writes a file, and has `put` give it its name. A directory on the way may be removed as it empties: then once more. */
  async function write(
    name: string,
    bytes: Uint8Array,
    put: (unfinished: string, file: string) => Promise<boolean>,
  ): Promise<boolean> {
    const file = join(root, name)
    const unfinished = join(root, UNFINISHED, randomUUID())
    try {
      await writeSynced(unfinished, bytes)
      for (let attempt = 1; ; attempt++) {
        try {
          await makeDirectory(dirname(file))
          const isPut = await put(unfinished, file)
          await syncDirectory(dirname(file))
          return isPut
        } catch (error) {
          if (codeOf(error) !== 'ENOENT' || attempt === 5) throw error
          durable.clear()
          durable.add(root)
        }
      }
    } finally {
      await rm(unfinished, { force: true }).catch(() => undefined)
    }
  }

  async function read(name: string): Promise<StoredObject | undefined> {
    const path = join(root, name)
    const directory = dirname(path)
    try {
      if (!durable.has(directory)) await checkInside(directory)
      const file = await open(path, READ)
      try {
        const { mtimeMs } = await file.stat()
        const bytes = new Uint8Array(await file.readFile())
        return {
          bytes,
          version: undefined,
          modified: mtimeMs,
          contentType: undefined,
          storageClass: undefined,
        }
      } finally {
        await file.close()
      }
    } catch (error) {
      // A name that other names continue is a directory here, and no object.
      if (!['ENOENT', 'ENOTDIR', 'EISDIR'].includes(codeOf(error) ?? '')) throw error
      await stat(root)
      return undefined
    }
  }

  return {
    place,

    get: (name) => doing(name, () => read(checkObjectName(name))),

    async create(name, bytes, _metadata, lock) {
      checkObjectName(name)
      if (lock?.legalHold) throw usage(`${place} is a directory, which cannot hold a legal hold`)
      return await doing(name, async () => {
        const isCreated = await write(name, bytes, linkUnlessThere)
        if (!isCreated) {
          const there = await read(name)
          if (there === undefined || !equal(there.bytes, bytes)) throw otherBytes(place, name)
        }
        if (lock !== undefined) await keepUntil(join(root, name), lock)
        return isCreated ? 'created' : 'there'
      })
    },

    async replace(name, bytes) {
      checkObjectName(name)
      await doing(name, () => write(name, bytes, renameTo))
      return undefined
    },

    async remove(name) {
      const file = join(root, checkObjectName(name))
      await doing(name, async () => {
        await checkInside(dirname(file)).catch(unlessMissing)
        await rm(file).catch(unlessMissing)
        await stat(root)
        await removeEmpty(dirname(file))
      })
    },

    async list(prefix, { after = '', limit = Number.MAX_SAFE_INTEGER } = {}) {
      checkNamePrefix(prefix)
      return await doing(`${prefix}*`, () => namesBelow(root, prefix, after, limit))
    },

    async close() {},
  }

  /** Removes directories that hold nothing any more, so that they do not pile up. */
  async function removeEmpty(directory: string): Promise<void> {
    if (directory === root) return
    durable.delete(directory)
    const isEmpty = await rmdir(directory).then(
      () => true,
      () => false,
    )
    if (isEmpty) await removeEmpty(dirname(directory))
  }
}

async function openRoot(path: string): Promise<string> {
  const root = await realpath(path)
  const unfinished = join(root, UNFINISHED)
  await mkdir(unfinished, { mode: 0o755 }).catch(unlessThere)
  for (const name of await readdir(unfinished)) {
    const file = join(unfinished, name)
    const { mtimeMs } = await stat(file).catch(() => ({ mtimeMs: Number.POSITIVE_INFINITY }))
    if (mtimeMs < Date.now() - ABANDONED_AFTER) await rm(file, { force: true })
  }
  return root
}

async function writeSynced(path: string, bytes: Uint8Array): Promise<void> {
  const file = await open(path, 'wx', 0o644)
  try {
    await file.writeFile(bytes)
    await file.sync()
  } finally {
    await file.close()
  }
}

const linkUnlessThere = (unfinished: string, file: string): Promise<boolean> =>
  link(unfinished, file).then(() => true, unlessThere)

const renameTo = (unfinished: string, file: string): Promise<boolean> =>
  rename(unfinished, file).then(() => true)

async function keepUntil(file: string, lock: ObjectLock): Promise<void> {
  const { atimeMs, mtime, mode } = await stat(file)
  if (atimeMs < lock.until) await utimes(file, new Date(lock.until), mtime)
  if ((mode & 0o222) !== 0) await chmod(file, 0o444)
}

function otherBytes(place: string, name: string): CairnError {
  return new CairnError(
    'CORRUPT',
    `${place}/${name} is there with other bytes, and is left as it is`,
  )
}

function unlessThere(error: unknown): false {
  if (codeOf(error) !== 'EEXIST') throw error
  return false
}

function unlessMissing(error: unknown): void {
  if (!['ENOENT', 'ENOTDIR'].includes(codeOf(error) ?? '')) throw error
}

function codeOf(error: unknown): string | undefined {
  return error instanceof Error && 'code' in error ? String(error.code) : undefined
}

const CODES: Readonly<Record<string, CairnErrorCode>> = {
  ENOENT: 'NOT_FOUND',
  EACCES: 'FORBIDDEN',
  EPERM: 'FORBIDDEN',
  EROFS: 'FORBIDDEN',
  ENOSPC: 'DISK_FULL',
  EDQUOT: 'DISK_FULL',
  // What a file server says that is away or restarting.
  ESTALE: 'UNAVAILABLE',
  ETIMEDOUT: 'UNAVAILABLE',
  EHOSTDOWN: 'UNAVAILABLE',
  EHOSTUNREACH: 'UNAVAILABLE',
}

function directoryFailure(place: string, what: string, error: unknown): CairnError {
  if (error instanceof CairnError) return error
  const code = CODES[codeOf(error) ?? ''] ?? 'IO'
  const says =
    code === 'NOT_FOUND' ? 'there is no such directory, or it is not mounted' : messageOf(error)
  return new CairnError(code, `cannot use ${what} in ${place}: ${says}`, { cause: error })
}
