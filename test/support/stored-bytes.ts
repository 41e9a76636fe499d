/** Looking for bytes in all files of a directory, in the plainest way there is. */
import { readdir, readFile, stat } from 'node:fs/promises'
import { join, relative } from 'node:path'

interface StoredFile {
  readonly name: string
  readonly bytes: Buffer
}

/** Every file below a directory, whatever it is for; or those that were written at a time or after it. */
export async function storedFiles(directory: string, since = 0): Promise<StoredFile[]> {
  const entries = await readdir(directory, { recursive: true, withFileTypes: true })
  const files = await Promise.all(
    entries.map(async (entry): Promise<StoredFile[]> => {
      if (!entry.isFile()) return []
      const path = join(entry.parentPath, entry.name)
      try {
        if (since > 0 && (await stat(path)).mtimeMs < since) return []
        return [{ name: relative(directory, path), bytes: await readFile(path) }]
      } catch (error) {
        // A database may take away a file while it is looked through.
        if ((error as NodeJS.ErrnoException).code === 'ENOENT') return []
        throw error
      }
    }),
  )
  return files.flat()
}

export interface Search {
  /** Bytes in a row that are looked for. Default 12. */
  readonly window?: number
  /** How far windows are apart; for an engine that cuts nothing so short as 2 of them. Default 1. */
  readonly step?: number
  /** Only files that were written at a time or after it, in milliseconds since 1970. Default all. */
  readonly since?: number
}

/**
 * The files that hold any `window` bytes in a row of `needle`, as they are or as text in hexadecimal or base64. The
 * engine may cut a value in two, so a search for all of it would overlook it.
 */
export async function filesHolding(
  directory: string,
  needle: Uint8Array,
  { window = 12, step = 1, since = 0 }: Search = {},
): Promise<string[]> {
  const pieces = piecesOf(needle, window, step)
  const files = await storedFiles(directory, since)
  return files
    .filter(({ bytes }) => pieces.some((piece) => bytes.includes(piece)))
    .map(({ name }) => name)
    .sort()
}

/** Whether bytes hold some of `needle`, as filesHolding() has it. */
export function holds(bytes: Buffer, needle: Uint8Array, window = 12): boolean {
  return piecesOf(needle, window, 1).some((piece) => bytes.includes(piece))
}

function piecesOf(needle: Uint8Array, window: number, step: number): Buffer[] {
  const pieces: Buffer[] = []
  for (let at = 0; at + window <= needle.length; at += step) {
    pieces.push(Buffer.from(needle.subarray(at, at + window)))
  }
  const whole = Buffer.from(needle)
  pieces.push(Buffer.from(whole.toString('hex').slice(0, 2 * window)))
  pieces.push(Buffer.from(whole.toString('base64').slice(0, window)))
  return pieces
}
