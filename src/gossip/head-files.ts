/** Heads, and what was got for them, as files that are there whole or not at all. */
import { join } from 'node:path'
import { sha256 } from '#sha256'
import { toHex, utf8 } from '../bytes.ts'
import { CairnError } from '../errors.ts'
import { durableWriteFile } from '../storage/durable-file.ts'
import { makeDirectory } from '../storage/make-directory.ts'
import { reasonCode } from './reason.ts'
import type { PublishedHead } from './sink.ts'

const FILE_MODE = 0o644

/** `<size>-<first 8 hex digits of the note's SHA-256>`: tells apart the heads of a log, and of a fork. */
export function headName({ size, checkpoint }: PublishedHead): string {
  return `${size}-${toHex(sha256(utf8(checkpoint))).slice(0, 8)}`
}

/** Writes a file durably, making its directory at first. @throws DISK_FULL, IO */
export async function keepFile(directory: string, name: string, bytes: Uint8Array): Promise<void> {
  await writing(async () => {
    await makeDirectory(directory)
    await durableWriteFile(join(directory, name), bytes, FILE_MODE)
  })
}

/** Runs what writes, whose errors would name paths. @throws DISK_FULL, IO */
export async function writing<T>(write: () => Promise<T>): Promise<T> {
  try {
    return await write()
  } catch (cause) {
    const code = reasonCode(cause)
    const full = code === 'ENOSPC' || code === 'EDQUOT'
    throw new CairnError(full ? 'DISK_FULL' : 'IO', `cannot be written (${code})`, { cause })
  }
}
