/** LevelDB as the store uses it: how it is tuned, opened, and how its failures become ours. */
import { readdir } from 'node:fs/promises'
import { type DatabaseOptions, Level } from 'level'
import { CairnError, messageOf } from '../errors.ts'

export type LevelDatabase = Level<Uint8Array, Uint8Array>
export type LevelBatch = ReturnType<LevelDatabase['batch']>

/**
 * Measured with 300-byte incompressible leaves in commits of 1,500, each leaf asked for with find() first, on two busy
 * cores: 169,000 leaves/s over 1 million and 108,000 over 5 million (7.7 µs of CPU a leaf, of which 0.8 on the main
 * thread), 366 bytes on disk a leaf (398 while still merging), opened in 0.1 s. A commit of one leaf takes 0.2 ms.
 */
const TUNING: DatabaseOptions<Uint8Array, Uint8Array> = {
  keyEncoding: 'view',
  valueEncoding: 'view',
  // Twice the buffer is a fifth less merging in the background, and shorter stalls behind it (p99 of a batch under full
  // load 82 ms instead of 324); four times gained no more. A full one is replayed at the next start.
  writeBufferSize: 16 * 2 ** 20,
  // Tables are mapped into memory, and count as the process's own while they are open. The engine keeps at least 64
  // open, so these two bound that part at 128 MB: after reading every bundle of 5 million leaves the process was at
  // 355 MB; with files of 4 MB it was at 490.
  maxFileSize: 2 * 2 ** 20,
  maxOpenFiles: 74,
  // Only compressed blocks go through the cache; what is mapped is not copied.
  cacheSize: 8 * 2 ** 20,
  // Records are JSON and shrink; bytes that do not are left as they are, for a tenth more CPU in the background.
  compression: true,
}

export interface DatabaseTuning {
  readonly createIfMissing: boolean
  /** Bytes of a write buffer; a store has two. */
  readonly writeBufferSize?: number
  /** Whether blocks are compressed. Default true. */
  readonly compression?: boolean
  /** What to do about damage; to restore a backup unless it says otherwise. */
  readonly remedy?: string
}

const RESTORE = 'keep a copy of the directory and restore a backup'

/** @throws LOCKED, NOT_FOUND, CORRUPT, DISK_FULL, IO */
export async function openDatabase(
  directory: string,
  { remedy = RESTORE, ...options }: DatabaseTuning,
): Promise<LevelDatabase> {
  await assertWhole(directory, remedy)
  const database: LevelDatabase = new Level(directory, { ...TUNING, ...options })
  try {
    await database.open()
    return database
  } catch (error) {
    const cause = error instanceof Error ? (error.cause ?? error) : error
    if (codeOf(cause) === 'LEVEL_LOCKED') {
      throw new CairnError(
        'LOCKED',
        `${directory} is in use by another process; stop that one, or choose another data directory`,
        { cause },
      )
    }
    if (/does not exist \(create_if_missing is false\)/.test(messageOf(cause))) {
      throw new CairnError(
        'NOT_FOUND',
        `there is no store in ${directory}; data that is in a database is found by naming that as well`,
        { cause },
      )
    }
    throw engineFailure(`open ${directory}`, cause, remedy)
  }
}

const DATA_FILE = /^[0-9]+\.(ldb|log)$/

/** Where CURRENT is missing the engine begins anew, and deletes the tables that are there: nothing would be left to mend. */
async function assertWhole(directory: string, remedy: string): Promise<void> {
  // What cannot be read the engine will complain about.
  const names = await readdir(directory).catch((): string[] => [])
  if (names.includes('CURRENT') || !names.some((name) => DATA_FILE.test(name))) return
  throw new CairnError('CORRUPT', `${directory} has lost its file CURRENT; ${remedy}`)
}

function codeOf(error: unknown): unknown {
  return error instanceof Error && 'code' in error ? error.code : undefined
}

/** Our error for one of the engine or the file system, met while trying to do `what`. */
export function engineFailure(what: string, error: unknown, remedy: string = RESTORE): CairnError {
  if (error instanceof CairnError) return error
  const message = messageOf(error)
  const code = codeOf(error)
  if (code === 'LEVEL_DATABASE_NOT_OPEN') {
    return new CairnError('STOPPED', `cannot ${what}: the store is closed`, { cause: error })
  }
  if (code === 'LEVEL_CORRUPTION') {
    return new CairnError('CORRUPT', `cannot ${what}: ${message}; ${remedy}`, { cause: error })
  }
  if (code === 'ENOSPC' || /no space left|quota exceeded/i.test(message)) {
    return new CairnError('DISK_FULL', `cannot ${what}: ${message}; free space and restart`, {
      cause: error,
    })
  }
  return new CairnError('IO', `cannot ${what}: ${message}`, { cause: error })
}

/** The engine gives Buffers, whose slice() does not copy; nothing above should meet one. */
export function plain(buffer: Uint8Array): Uint8Array {
  return new Uint8Array(buffer.buffer, buffer.byteOffset, buffer.length)
}

/**
 * Merges all that is stored under a range of keys into its final place: what was replaced or dropped there leaves the
 * tables, and the engine's own log, except what an unfinished scan still sees.
 */
export async function compact(
  database: LevelDatabase,
  { gte, lt }: { readonly gte: Uint8Array; readonly lt: Uint8Array },
): Promise<void> {
  // The declared type is that of browsers too, which have nothing to merge.
  await (database as LevelDatabase & Compacting).compactRange(gte, lt)
}

interface Compacting {
  compactRange(start: Uint8Array, end: Uint8Array): Promise<void>
}
