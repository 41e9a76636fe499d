/** Files that people name: whole, but with a limit, also when they are no plain files. */
import { open } from 'node:fs/promises'
import { join } from '../bytes.ts'
import { CairnError } from '../errors.ts'

/** A whole file. @throws TOO_LARGE beyond `limit` bytes */
export async function readFileUpTo(path: string, limit: number): Promise<Uint8Array> {
  const file = await open(path)
  try {
    const found = await file.stat()
    const { size } = found
    if (found.isFile() && size > limit) throw tooLarge(path, limit)
    // The size is only a guess for what is no plain file, so the end is looked for all the same.
    let buffer = new Uint8Array(Math.min(size, limit) + 1)
    let length = 0
    for (;;) {
      const { bytesRead } = await file.read(buffer, length, buffer.length - length)
      length += bytesRead
      if (bytesRead === 0 || length > limit) break
      if (length === buffer.length) {
        const larger = new Uint8Array(Math.min(2 * length, limit + 1))
        larger.set(buffer)
        buffer = larger
      }
    }
    if (length > limit) throw tooLarge(path, limit)
    // No copy: a file may be as large as half of the memory.
    return buffer.subarray(0, length)
  } catch (error) {
    throw withPath(error, path)
  } finally {
    await file.close()
  }
}

function tooLarge(name: string, limit: number): CairnError {
  return new CairnError('TOO_LARGE', `${name} is larger than ${limit} bytes`)
}

/** An error with the path that it is about: reading a directory fails without naming it. */
export function withPath(error: unknown, path: string): unknown {
  if (error instanceof Error && 'code' in error && !(error instanceof CairnError)) {
    return Object.assign(error, { path })
  }
  return error
}

/** All of a stream, such as standard input. @throws TOO_LARGE beyond `limit` bytes; `name` is for messages */
export async function readStreamUpTo(
  stream: AsyncIterable<Uint8Array>,
  limit: number,
  name: string,
): Promise<Uint8Array> {
  const parts: Uint8Array[] = []
  let length = 0
  for await (const part of stream) {
    length += part.length
    if (length > limit) throw tooLarge(name, limit)
    parts.push(part)
  }
  return join(parts)
}
