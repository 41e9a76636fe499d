/**
 * Looks through the files of a database for bytes that must be gone. LevelDB writes a value in one piece into a table
 * that is not compressed, but cuts its log into blocks of 32 kB; so the first and the last 16 bytes of each trace are
 * looked for, of which one is whole in any case.
 */
import { open, readdir } from 'node:fs/promises'
import { join } from 'node:path'
import { checkTrace, MIN_TRACE } from './vault-destructions.ts'

const PIECE = MIN_TRACE
const CHUNK = 2 ** 20
/** A bit for each value of three bytes. */
const BITS = 2 ** 24

/** What is looked for, readied once for all files. */
export class Traces {
  readonly #pieces = new Set<string>()
  readonly #beginnings = new Uint8Array(BITS / 8)

  /** @throws RangeError as checkTrace() */
  constructor(traces: readonly Uint8Array[]) {
    for (const trace of traces) {
      checkTrace(trace)
      for (const piece of [trace.subarray(0, PIECE), trace.subarray(-PIECE)]) {
        const three = piece[0]! + piece[1]! * 2 ** 8 + piece[2]! * 2 ** 16
        this.#beginnings[three >> 3]! |= 1 << (three & 7)
        this.#pieces.add(latin1(piece))
      }
    }
  }

  /** Whether one of them is in these bytes. */
  isIn(bytes: Uint8Array): boolean {
    const beginnings = this.#beginnings
    let three = 0
    for (let at = 0; at < bytes.length; at++) {
      three = (three >>> 8) + bytes[at]! * 2 ** 16
      if ((beginnings[three >> 3]! & (1 << (three & 7))) === 0) continue
      const from = at - 2
      if (from >= 0 && this.#pieces.has(latin1(bytes.subarray(from, from + PIECE)))) return true
    }
    return false
  }
}

function latin1(bytes: Uint8Array): string {
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length).toString('latin1')
}

/** The name of a file in a directory that holds one of the traces, or undefined. @throws the file system's errors */
export async function fileWithTrace(
  directory: string,
  traces: Traces,
): Promise<string | undefined> {
  const looked = new Set<string>()
  // The engine may be merging files behind our back: what is new by the end is looked through as well.
  for (;;) {
    const names = (await readdir(directory)).filter((name) => !looked.has(name))
    if (names.length === 0) return undefined
    for (const name of names) {
      looked.add(name)
      if (await fileHolds(join(directory, name), traces)) return name
    }
  }
}

async function fileHolds(path: string, traces: Traces): Promise<boolean> {
  const file = await open(path, 'r').catch((error: NodeJS.ErrnoException) => {
    if (error.code === 'ENOENT') return undefined
    throw error
  })
  if (file === undefined) return false
  try {
    const buffer = new Uint8Array(CHUNK + PIECE - 1)
    let kept = 0
    for (;;) {
      const { bytesRead } = await file.read(buffer, kept, CHUNK)
      if (bytesRead === 0) return false
      const end = kept + bytesRead
      if (traces.isIn(buffer.subarray(0, end))) return true
      kept = Math.min(PIECE - 1, end)
      buffer.copyWithin(0, end - kept, end)
    }
  } finally {
    await file.close()
  }
}
