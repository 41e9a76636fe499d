/**
 * Archives of a few named files in the ustar form of POSIX.1-1988, which `tar xf` unpacks everywhere. All that a header
 * could say beside name, size and time is fixed, so that the same files make the same bytes.
 */
import { equal, fromUtf8, utf8 } from '../bytes.ts'
import { malformed } from '../errors.ts'

export interface ArchiveFile {
  /** Up to 100 printable ASCII characters. */
  readonly name: string
  readonly bytes: Uint8Array
}

export interface Archive {
  /** That of all files, in seconds since 1970; the last there is room for is in the year 2242. */
  readonly time: number
  readonly files: readonly ArchiveFile[]
}

/** Bytes of a header, and what all else is padded to. */
export const BLOCK = 512
const NUL = '\x00'
const NAME_SIZE = 100
/** Eleven octal digits. */
const MAX_NUMBER = 8 ** 11 - 1
const NAME = /^[!-~]{1,100}$/

/** @throws RangeError when a name, a size or the time has no room in a header */
export function formatArchive({ time, files }: Archive): Uint8Array {
  const sizes = files.map(({ bytes }) => BLOCK + padded(bytes.length))
  const out = new Uint8Array(sizes.reduce((sum, size) => sum + size, 2 * BLOCK))
  let at = 0
  files.forEach(({ name, bytes }, i) => {
    out.set(header(name, bytes.length, time), at)
    out.set(bytes, at + BLOCK)
    at += sizes[i]!
  })
  return out
}

/** The bytes that a file of this size takes after its header. */
export function padded(size: number): number {
  return Math.ceil(size / BLOCK) * BLOCK
}

/** The header of a file: mode 0644, no owner, no group. @throws RangeError as formatArchive() */
export function header(name: string, size: number, time: number): Uint8Array {
  if (!NAME.test(name)) throw new RangeError(`expected a short ASCII name, got ${name}`)
  const out = new Uint8Array(BLOCK)
  out.set(utf8(name))
  const field = (text: string, at: number): void => out.set(utf8(text), at)
  field(['0000644', '0000000', '0000000', ''].join(NUL), NAME_SIZE)
  field([octal(size), octal(time), '        0'].join(NUL), 124)
  field(`ustar${NUL}00`, 257)
  field(['0000000', '0000000', ''].join(NUL), 329)
  const sum = out.reduce((all, byte) => all + byte, 0)
  field(`${sum.toString(8).padStart(6, '0')}${NUL} `, 148)
  return out
}

function octal(value: number): string {
  if (!Number.isSafeInteger(value) || value < 0 || value > MAX_NUMBER) {
    throw new RangeError(`expected a number from 0 to ${MAX_NUMBER}, got ${value}`)
  }
  return value.toString(8).padStart(11, '0')
}

/**
 * The files of an archive. Their bytes are views of `bytes`.
 * @throws MALFORMED on anything that formatArchive would not make, and with more than `most` files
 */
export function parseArchive(bytes: Uint8Array, most: number): Archive {
  const files: ArchiveFile[] = []
  let time = 0
  let at = 0
  while (at < bytes.length && bytes[at] !== 0) {
    if (files.length === most) throw malformed(`the archive has more than ${most} files`)
    const head = readHeader(bytes.subarray(at, at + BLOCK), files.length + 1)
    if (files.length === 0) time = head.time
    const { name, size } = head
    if (head.time !== time) throw malformed(`${name} has another time than the files before it`)
    at += BLOCK
    const content = bytes.subarray(at, at + size)
    const padding = bytes.subarray(at + size, at + padded(size))
    if (content.length < size) throw malformed(`the archive ends inside ${name}`)
    if (padding.length < padded(size) - size || padding.some((byte) => byte !== 0)) {
      throw malformed(`${name} is not followed by zeros up to the next block`)
    }
    files.push({ name, bytes: content })
    at += padded(size)
  }
  const end = bytes.subarray(at)
  if (end.length !== 2 * BLOCK || end.some((byte) => byte !== 0)) {
    const last = files.at(-1)?.name
    throw malformed(
      `the archive does not end with two empty blocks${last === undefined ? '' : ` after ${last}`}`,
    )
  }
  return { time, files }
}

/** Reads the header of a file, which is the `number`th. @throws MALFORMED on anything that header() would not make */
export function readHeader(
  block: Uint8Array,
  number: number,
): { name: string; size: number; time: number } {
  const name = fromUtf8(block.subarray(0, Math.max(block.indexOf(0), 0)), 'a name in the archive')
  const wrong = malformed(`the archive's header of file ${number} is not as it should be`)
  if (!NAME.test(name) || block.length < BLOCK) throw wrong
  const size = readOctal(block, 124)
  const time = readOctal(block, 136)
  if (size === undefined || time === undefined) throw wrong
  // Whatever else a header can say is said in one way.
  if (!equal(header(name, size, time), block)) throw wrong
  return { name, size, time }
}

function readOctal(block: Uint8Array, at: number): number | undefined {
  const digits = String.fromCharCode(...block.subarray(at, at + 11))
  return /^[0-7]{11}$/.test(digits) ? Number.parseInt(digits, 8) : undefined
}
