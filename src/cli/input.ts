/** Files that a command is given, and leaves taken from them one by one. */
import { createReadStream } from 'node:fs'
import { addAbortSignal, type Readable } from 'node:stream'
import { CairnError } from '../errors.ts'
import { withPath } from '../server/bounded-file.ts'

/** Bytes of a leaf at most: what the length prefix of an entry bundle can say. */
export const MAX_LEAF_SIZE = 65_535

/** The chunks of a file, or of standard input for `-`. @throws the signal's reason, also while it waits for input */
async function* readChunks(path: string, signal?: AbortSignal): AsyncGenerator<Uint8Array> {
  const stream: Readable = path === '-' ? process.stdin : createReadStream(path)
  if (signal !== undefined) addAbortSignal(signal, stream)
  try {
    for await (const chunk of stream) yield chunk as Uint8Array
  } catch (error) {
    signal?.throwIfAborted()
    throw withPath(error, path)
  }
}

/** All of the input as one leaf. @throws MALFORMED when empty, TOO_LARGE when it does not fit a leaf */
export async function readLeaf(path: string, signal?: AbortSignal): Promise<Uint8Array> {
  const parts: Uint8Array[] = []
  let length = 0
  for await (const chunk of readChunks(path, signal)) {
    parts.push(chunk)
    length += chunk.length
    if (length > MAX_LEAF_SIZE) {
      throw new CairnError(
        'TOO_LARGE',
        `${nameOf(path)} is larger than a leaf may be (${MAX_LEAF_SIZE} bytes): log its hash, or pass --lines`,
      )
    }
  }
  if (length === 0)
    throw new CairnError('MALFORMED', `${nameOf(path)} is empty: a leaf is never empty`)
  return new Uint8Array(Buffer.concat(parts))
}

/** What each line is, and how many bytes it has at most. */
export interface LineUnit {
  readonly name: string
  readonly size: number
}

const LEAF: LineUnit = { name: 'a leaf', size: MAX_LEAF_SIZE }

export interface LineOptions {
  /** What becomes of empty lines; by default they are refused. */
  readonly empty?: 'refuse' | 'skip' | 'keep'
  /** A leaf when it is left out. */
  readonly unit?: LineUnit
  /** Told how many bytes of the input are behind each leaf. */
  readonly onBytes?: (bytes: number) => void
  readonly signal?: AbortSignal
}

/**
 * Each line of the input, without its newline; a last line without one counts too. Holds no more than one
 * chunk and one line.
 * @throws MALFORMED for an empty line, TOO_LARGE for one that is too long; both name the line
 */
export async function* readLines(path: string, options: LineOptions): AsyncGenerator<Uint8Array> {
  const { empty = 'refuse', unit = LEAF } = options
  let held: Uint8Array[] = []
  let heldLength = 0
  let number = 0
  let bytes = 0

  const finish = (tail: Uint8Array): Uint8Array | undefined => {
    number++
    const leaf =
      heldLength === 0 ? new Uint8Array(tail) : new Uint8Array(Buffer.concat([...held, tail]))
    held = []
    heldLength = 0
    if (leaf.length > unit.size) throw tooLong(path, number, unit)
    if (leaf.length > 0 || empty === 'keep') return leaf
    if (empty === 'skip') return undefined
    throw new CairnError(
      'MALFORMED',
      `line ${number} of ${nameOf(path)} is empty: pass --skip-empty to leave empty lines out`,
    )
  }

  for await (const chunk of readChunks(path, options.signal)) {
    let start = 0
    for (let end = chunk.indexOf(10); end >= 0; end = chunk.indexOf(10, start)) {
      const leaf = finish(chunk.subarray(start, end))
      start = end + 1
      if (leaf === undefined) continue
      options.onBytes?.(bytes + start)
      yield leaf
    }
    bytes += chunk.length
    held.push(chunk.subarray(start))
    heldLength += chunk.length - start
    if (heldLength > unit.size) throw tooLong(path, number + 1, unit)
  }
  if (heldLength > 0) {
    const leaf = finish(new Uint8Array())
    options.onBytes?.(bytes)
    if (leaf !== undefined) yield leaf
  }
}

function tooLong(path: string, line: number, { name, size }: LineUnit): CairnError {
  return new CairnError(
    'TOO_LARGE',
    `line ${line} of ${nameOf(path)} is longer than ${name} may be (${size} bytes)`,
  )
}

/** What an input is called in messages. */
export function nameOf(path: string): string {
  return path === '-' ? 'standard input' : path
}
