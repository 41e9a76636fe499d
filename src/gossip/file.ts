/**
 * Sinks on a file system, such as one that is mounted from elsewhere or shipped away: a file of JSON lines to which
 * heads are appended, or a directory with a file for each checkpoint. What is written is synced. The file of lines is
 * opened anew for each, so it can be moved away at any time.
 */
import { type FileHandle, open } from 'node:fs/promises'
import { dirname } from 'node:path'
import { toBase64, utf8 } from '../bytes.ts'
import { syncDirectory } from '../storage/durable-file.ts'
import { makeDirectory } from '../storage/make-directory.ts'
import { headName, keepFile, writing } from './head-files.ts'
import type { HeadSink, PublishedHead } from './sink.ts'

export interface FileSinkOptions {
  readonly name: string
  readonly path: string
  /** Milliseconds since 1970. */
  readonly now: () => number
}

const NEWLINE = 0x0a
const FILE_MODE = 0o644

/** Appends `{"time":…,"origin":…,"size":…,"root":…,"checkpoint":…}` lines to the file at `path`. */
export function headLines({ name, path, now }: FileSinkOptions): HeadSink {
  return {
    name,
    kind: 'file',
    target: path,
    async send(head) {
      await writing(() => append(path, utf8(`${lineOf(head, now())}\n`)))
      return { detail: 'written as a line' }
    },
  }
}

/** Writes `<head>.checkpoint` files into the directory at `path`. */
export function headFiles({ name, path }: FileSinkOptions): HeadSink {
  return {
    name,
    kind: 'file',
    target: path,
    async send(head) {
      await keepFile(path, `${headName(head)}.checkpoint`, utf8(head.checkpoint))
      return { detail: 'written as a file' }
    },
  }
}

function lineOf({ origin, size, root, checkpoint }: PublishedHead, time: number): string {
  const at = new Date(time).toISOString()
  return JSON.stringify({ time: at, origin, size, root: toBase64(root), checkpoint })
}

async function append(path: string, line: Uint8Array): Promise<void> {
  await makeDirectory(dirname(path))
  const file = await open(path, 'a+', FILE_MODE)
  let size: number
  try {
    ;({ size } = await file.stat())
    // A line that was cut off stays one line that cannot be read, instead of spoiling this one.
    if (size > 0 && (await lastByte(file, size)) !== NEWLINE) await file.writeFile('\n')
    await file.writeFile(line)
    await file.sync()
  } finally {
    await file.close()
  }
  if (size === 0) await syncDirectory(dirname(path))
}

async function lastByte(file: FileHandle, size: number): Promise<number> {
  const { buffer } = await file.read(new Uint8Array(1), 0, 1, size - 1)
  return buffer[0]!
}
