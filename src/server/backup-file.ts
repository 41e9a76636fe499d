/** A backup in a file, which is there whole or not at all. */
import { createReadStream } from 'node:fs'
import { type FileHandle, open, rename, rm } from 'node:fs/promises'
import { dirname, resolve } from 'node:path'
import { CairnError, messageOf, usage } from '../errors.ts'
import { type FoundPart, parseBackup } from '../formats/backup.ts'
import { syncDirectory } from '../storage/durable-file.ts'

const PRIVATE_FILE = 0o600
const CHUNK = 2 ** 20

/**
 * Writes a new file, for the owner's eyes only. Until it is whole it is called `<file>.unfinished`.
 * @returns how many bytes it has
 * @throws USAGE when there is such a file already; DISK_FULL, IO, and what the chunks throw: nothing is left then
 */
export async function writeBackupFile(
  path: string,
  chunks: AsyncIterable<Uint8Array>,
): Promise<number> {
  const file = resolve(path)
  const unfinished = `${file}.unfinished`
  await assertIsFree(file)
  let handle: FileHandle | undefined
  let bytes = 0
  try {
    await rm(unfinished, { force: true })
    handle = await open(unfinished, 'wx', PRIVATE_FILE)
    for await (const chunk of chunks) {
      await handle.writeFile(chunk)
      bytes += chunk.length
    }
    await handle.sync()
    await handle.close()
    handle = undefined
    await rename(unfinished, file)
    await syncDirectory(dirname(file))
    return bytes
  } catch (cause) {
    await handle?.close().catch(() => undefined)
    await rm(unfinished, { force: true }).catch(() => undefined)
    throw failure(`write ${file}`, cause)
  }
}

async function assertIsFree(file: string): Promise<void> {
  const found = await open(file, 'r').catch((error: NodeJS.ErrnoException) => {
    if (error.code === 'ENOENT') return undefined
    throw failure(`write ${file}`, error)
  })
  await found?.close()
  if (found !== undefined) throw usage(`${file} is there already; choose another name`)
}

/** A part of a backup file, to be read when it is wanted. */
export interface PartInFile {
  readonly name: string
  readonly at: number
  readonly size: number
}

export interface BackupFile {
  /** In the order of the file. */
  readonly parts: readonly PartInFile[]
  read(part: PartInFile): Promise<Uint8Array>
  close(): Promise<void>
}

/**
 * Opens a backup file, after every part of it was compared with the manifest.
 * @param progress told how far it was read
 * @throws CORRUPT when it is no whole backup; IO
 */
export async function openBackupFile(
  path: string,
  progress: (bytes: number, total: number) => void = () => undefined,
  signal?: AbortSignal,
): Promise<BackupFile> {
  const file = await open(path, 'r').catch((cause: unknown) => {
    throw failure(`read ${path}`, cause)
  })
  try {
    const { size: total } = await file.stat()
    const parts: PartInFile[] = []
    for await (const part of partsIn(path)) {
      signal?.throwIfAborted()
      parts.push({ name: part.name, at: part.at, size: part.bytes.length })
      progress(part.at + part.bytes.length, total)
    }
    return {
      parts,
      async read({ name, at, size }) {
        const bytes = new Uint8Array(size)
        const { bytesRead } = await file.read(bytes, 0, size, at)
        if (bytesRead === size) return bytes
        throw new CairnError('IO', `cannot read ${name} from ${path}`)
      },
      close: () => file.close(),
    }
  } catch (error) {
    await file.close()
    throw error
  }
}

async function* partsIn(path: string): AsyncGenerator<FoundPart> {
  try {
    yield* parseBackup(createReadStream(path, { highWaterMark: CHUNK }))
  } catch (cause) {
    if (!(cause instanceof CairnError) || cause.code !== 'MALFORMED')
      throw failure(`read ${path}`, cause)
    throw new CairnError('CORRUPT', `${path} is no whole backup: ${cause.message}`, { cause })
  }
}

function failure(what: string, cause: unknown): unknown {
  if (cause instanceof CairnError) return cause
  const { code } = cause as NodeJS.ErrnoException
  if (code === undefined) return cause
  const isFull = code === 'ENOSPC' || code === 'EDQUOT'
  return new CairnError(isFull ? 'DISK_FULL' : 'IO', `cannot ${what}: ${messageOf(cause)}`, {
    cause,
  })
}
