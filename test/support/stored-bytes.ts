/** Looking for bytes in all files of a directory, in the plainest way there is. */
import { readdir, readFile } from 'node:fs/promises'
import { join, relative } from 'node:path'

/** Every file below a directory, whatever it is for. */
export async function storedFiles(directory: string): Promise<{ name: string; bytes: Buffer }[]> {
  const entries = await readdir(directory, { recursive: true, withFileTypes: true })
  return Promise.all(
    entries
      .filter((entry) => entry.isFile())
      .map(async (entry) => {
        const path = join(entry.parentPath, entry.name)
        return { name: relative(directory, path), bytes: await readFile(path) }
      }),
  )
}

/**
 * The files that hold any `window` bytes in a row of `needle`, as they are or as text in hexadecimal or base64. The
 * engine may cut a value in two, so a search for all of it would overlook it.
 */
export async function filesHolding(
  directory: string,
  needle: Uint8Array,
  window = 12,
): Promise<string[]> {
  const pieces: Buffer[] = []
  for (let at = 0; at + window <= needle.length; at++) {
    pieces.push(Buffer.from(needle.subarray(at, at + window)))
  }
  const whole = Buffer.from(needle)
  pieces.push(Buffer.from(whole.toString('hex').slice(0, 2 * window)))
  pieces.push(Buffer.from(whole.toString('base64').slice(0, window)))
  const files = await storedFiles(directory)
  return files
    .filter(({ bytes }) => pieces.some((piece) => bytes.includes(piece)))
    .map(({ name }) => name)
    .sort()
}
