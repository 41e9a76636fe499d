/**
 * The directory of a monitor:
 *
 *   DIR/format              "cairn-monitor 1": what this directory is, written first of all
 *   DIR/logs/<name>/state   what is known of a log, replaced as a whole
 *   DIR/logs/<name>/hashes-<level>   the hashes of its tree, 32 bytes each, one after the other
 *   DIR/evidence/           files that prove that a log has forked; nothing here is ever changed
 *
 * Nothing here locks the directory: see level-lock.ts.
 */
import { constants } from 'node:fs'
import { access, type FileHandle, link, open, readdir, readFile, rm, stat } from 'node:fs/promises'
import { dirname, join, resolve } from 'node:path'
import { utf8 } from '../bytes.ts'
import { CairnError, messageOf } from '../errors.ts'
import { HASH_SIZE } from '../merkle/hash.ts'
import { durableWriteFile, syncDirectory, UNFINISHED } from './durable-file.ts'
import { makeDirectory } from './make-directory.ts'
import type { MonitoredLogStore, MonitorStore } from './monitor-port.ts'

const FORMAT = 'cairn-monitor 1\n'
const FORMAT_LINE = /^cairn-monitor ([1-9][0-9]{0,8})\n$/
/** Above any state: a few hundred of the largest notes. */
const MAX_STATE_SIZE = 256 * 2 ** 20
/** Levels that a tree of 2^53-1 leaves has. */
const LEVELS = 7

const PRIVATE_DIRECTORY = 0o700
const FILE = 0o644

export interface MonitorDirectoryOptions {
  /** Where evidence goes; `evidence` in the directory when left out. */
  readonly evidence?: string
}

/**
 * Marks a directory as a monitor's, making it when there is none. An existing one is never touched unless it is one.
 * @throws FOREIGN_DIRECTORY, NEWER_FORMAT, IO
 */
export async function claimMonitorDirectory(path: string): Promise<string> {
  const root = resolve(path)
  try {
    await makeDirectory(root, PRIVATE_DIRECTORY)
    const names = (await readdir(root)).filter((name) => !isHarmless(name))
    if (names.includes('format')) checkFormat(root, await readFile(join(root, 'format'), 'utf8'))
    else if (names.length > 0) throw foreign(root, `holds other files (${names.sort()[0]})`)
    else await durableWriteFile(join(root, 'format'), utf8(FORMAT), FILE)
    await access(root, constants.R_OK | constants.W_OK | constants.X_OK)
    return root
  } catch (error) {
    throw failure(`use ${root}`, error)
  }
}

/** What may lie in a directory that counts as empty. */
function isHarmless(name: string): boolean {
  return name === 'lost+found' || (name.startsWith('format.') && name.endsWith(UNFINISHED))
}

function checkFormat(root: string, text: string): void {
  const version = FORMAT_LINE.exec(text)?.[1]
  if (version === undefined) throw foreign(root, 'was not made by cairn monitor')
  if (version !== '1') {
    throw new CairnError(
      'NEWER_FORMAT',
      `${root} was written by a newer cairn (format ${version}, this one reads 1); use the newer one`,
    )
  }
}

function foreign(root: string, why: string): CairnError {
  const message = `${root} ${why}; choose an empty or new directory for the monitor's state`
  return new CairnError('FOREIGN_DIRECTORY', message)
}

function failure(what: string, error: unknown): CairnError {
  if (error instanceof CairnError) return error
  const code = (error as NodeJS.ErrnoException).code
  const full = code === 'ENOSPC' || code === 'EDQUOT'
  return new CairnError(full ? 'DISK_FULL' : 'IO', `cannot ${what}: ${messageOf(error)}`, {
    cause: error,
  })
}

/** The store in a directory that was claimed, and that nobody else uses. @throws IO */
export async function openMonitorDirectory(
  root: string,
  options: MonitorDirectoryOptions = {},
): Promise<MonitorStore> {
  const evidence = resolve(options.evidence ?? join(root, 'evidence'))
  try {
    await makeDirectory(evidence)
    await access(evidence, constants.W_OK | constants.X_OK)
  } catch (error) {
    throw failure(`keep evidence in ${evidence}`, error)
  }
  return {
    openLog: (name) => openLogFiles(join(root, 'logs', name)),
    async keepEvidence(name, bytes) {
      const path = join(evidence, name)
      try {
        await createDurably(path, bytes)
        return path
      } catch (error) {
        throw failure(`write ${path}`, error)
      }
    },
  }
}

/** Writes a file that is there whole or not at all. An existing one of that name stays. */
async function createDurably(path: string, bytes: Uint8Array): Promise<void> {
  const unfinished = `${path}${UNFINISHED}`
  await durableWriteFile(unfinished, bytes, FILE)
  try {
    // Unlike a rename, a link never replaces anything.
    await link(unfinished, path)
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'EEXIST') throw error
  } finally {
    await rm(unfinished, { force: true })
  }
  await syncDirectory(dirname(path))
}

/** The hashes of one level, and whether some of them may not be on the disk yet. */
interface LevelFile {
  readonly path: string
  hashes: number
  unsynced: boolean
}

/** Files are opened for each use: a monitor of a thousand logs must not hold thousands of them. */
async function openLogFiles(place: string): Promise<MonitoredLogStore> {
  const statePath = join(place, 'state')

  async function attempt<T>(what: string, work: () => Promise<T>): Promise<T> {
    try {
      return await work()
    } catch (error) {
      throw failure(`${what} ${place}`, error)
    }
  }

  const levels = await attempt('use', async () => {
    await makeDirectory(place, PRIVATE_DIRECTORY)
    return Promise.all(
      Array.from({ length: LEVELS }, async (_, level): Promise<LevelFile> => {
        const path = join(place, `hashes-${level}`)
        return { path, hashes: Math.floor((await sizeOf(path)) / HASH_SIZE), unsynced: false }
      }),
    )
  })

  return {
    place,
    readState: () => attempt('read the state in', () => readWhole(statePath)),
    writeState: (bytes) =>
      attempt('write the state in', async () => {
        for (const level of levels) {
          if (!level.unsynced) continue
          await using(level.path, constants.O_RDWR, (file) => file.datasync())
          level.unsynced = false
        }
        // The rename of the state syncs the directory, and with it the names of files made since.
        await durableWriteFile(statePath, bytes, FILE)
      }),
    count: (level) => levels[level]?.hashes ?? 0,
    append: (level, hashes) =>
      attempt('keep hashes in', async () => {
        const target = levels[level]!
        target.unsynced = true
        await using(target.path, constants.O_RDWR | constants.O_CREAT, (file) =>
          writeAll(file, hashes, target.hashes * HASH_SIZE),
        )
        target.hashes += hashes.length / HASH_SIZE
      }),
    read: (level, first, count) =>
      attempt('read hashes in', async () => {
        const target = levels[level]
        if (target === undefined || first + count > target.hashes) {
          const last = first + count - 1
          throw new CairnError('NOT_FOUND', `hash ${last} of level ${level} is not kept yet`)
        }
        return using(target.path, constants.O_RDONLY, (file) =>
          readAll(file, count * HASH_SIZE, first * HASH_SIZE),
        )
      }),
    cut: (level, count) =>
      attempt('drop hashes in', async () => {
        const target = levels[level]!
        if (target.hashes <= count) return
        target.unsynced = true
        await using(target.path, constants.O_RDWR, (file) => file.truncate(count * HASH_SIZE))
        target.hashes = count
      }),
  }
}

async function sizeOf(path: string): Promise<number> {
  try {
    return (await stat(path)).size
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return 0
    throw error
  }
}

async function using<T>(
  path: string,
  flags: number,
  work: (file: FileHandle) => Promise<T>,
): Promise<T> {
  const file = await open(path, flags, FILE)
  try {
    return await work(file)
  } finally {
    await file.close()
  }
}

async function readWhole(path: string): Promise<Uint8Array | undefined> {
  const size = await sizeOf(path)
  if (size > MAX_STATE_SIZE) throw new CairnError('TOO_LARGE', `${path} is too large for a state`)
  try {
    return new Uint8Array(await readFile(path))
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined
    throw error
  }
}

async function writeAll(file: FileHandle, bytes: Uint8Array, position: number): Promise<void> {
  for (let done = 0; done < bytes.length; ) {
    const { bytesWritten } = await file.write(bytes, done, bytes.length - done, position + done)
    done += bytesWritten
  }
}

async function readAll(file: FileHandle, length: number, position: number): Promise<Uint8Array> {
  const bytes = new Uint8Array(length)
  for (let done = 0; done < length; ) {
    const { bytesRead } = await file.read(bytes, done, length - done, position + done)
    if (bytesRead === 0) throw new CairnError('CORRUPT', 'a file of hashes is shorter than it was')
    done += bytesRead
  }
  return bytes
}
