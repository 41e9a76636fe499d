/**
 * A backup of a log: parts in a tar archive that `tar xf` unpacks, with their hashes at its end in a form that
 * `sha256sum -c` takes. It is written and read part by part, so that neither end holds more of it than one. What is in
 * the parts of rows and entries: backup-rows.ts.
 *
 *   format                  cairn-backup/v1
 *   log.json                origin, keys, head, publication, the last head that the signer remembers (backup-log.ts)
 *   policy                  the witnesses, where the log has some
 *   tokens                  hashes of access tokens
 *   files/<path>            small files of the data directory
 *   heads/<milliseconds>    kept heads
 *   payloads/<n>  vault/<n> rows of the vault: key length[1] ‖ key ‖ value length[4] ‖ value, repeated
 *   idempotency/<n>         key[16] ‖ request[32] ‖ count[4] ‖ indices[8]…, repeated
 *   entries/<first>         entries as in an entry bundle, from that index on
 *   keys/<name>             private keys, only where somebody asked for them
 *   manifest                SHA-256 of each part before it
 */
import { sha256 } from '#sha256'
import { fromUtf8, join, toHex, utf8 } from '../bytes.ts'
import { malformed } from '../errors.ts'
import { BLOCK, header, padded, readHeader } from './ustar.ts'

export const BACKUP_FORMAT = 'cairn-backup/v1\n'
const MANIFEST = 'manifest'
const NO_BACKUP = 'it is a file of another kind'
/** Bytes that are put into one part, unless a single value is larger. */
export const PART_BYTES: number = 8 * 2 ** 20
/** Bytes of a part at most: a bundle of the longest entries behind almost a part. */
export const MAX_PART: number = 64 * 2 ** 20
/** Room for the hashes of two million parts. */
const MAX_MANIFEST = 256 * 2 ** 20

export interface BackupPart {
  readonly name: string
  readonly bytes: Uint8Array
}

/** The archive of some parts; the manifest is added. `time` is that of all parts, in seconds since 1970. */
export async function* formatBackup(
  parts: AsyncIterable<BackupPart>,
  time: number,
): AsyncGenerator<Uint8Array> {
  const lines: string[] = []
  for await (const { name, bytes } of parts) {
    lines.push(manifestLine(name, sha256(bytes)))
    yield fileOf(name, bytes, time)
  }
  yield fileOf(MANIFEST, utf8(lines.join('')), time)
  yield new Uint8Array(2 * BLOCK)
}

function fileOf(name: string, bytes: Uint8Array, time: number): Uint8Array {
  const file = new Uint8Array(BLOCK + padded(bytes.length))
  file.set(header(name, bytes.length, time))
  file.set(bytes, BLOCK)
  return file
}

function manifestLine(name: string, hash: Uint8Array): string {
  return `${toHex(hash)}  ${name}\n`
}

/** A part, and where its bytes begin in the archive. */
export interface FoundPart extends BackupPart {
  readonly at: number
}

/**
 * The parts of an archive in their order, the manifest not among them. Nothing may be believed of them before the last.
 * @throws MALFORMED when it is no whole backup, or a part is not what the manifest says
 */
export async function* parseBackup(chunks: AsyncIterable<Uint8Array>): AsyncGenerator<FoundPart> {
  const input = reader(chunks)
  if (await input.isAtEnd()) throw malformed('it is empty')
  const lines: string[] = []
  for (let number = 1; ; number++) {
    const block = await input.take(BLOCK, number === 1 ? NO_BACKUP : 'it ends too soon')
    if (block.every((byte) => byte === 0)) {
      throw malformed(number === 1 ? NO_BACKUP : 'it ends without a manifest')
    }
    const { name, size } = headerOf(block, number)
    const limit = name === MANIFEST ? MAX_MANIFEST : MAX_PART
    if (size > limit) throw malformed(`${name} has ${size} bytes, more than any part`)
    const at = input.at
    const bytes = await input.take(size, `it ends inside ${name}`)
    const padding = await input.take(padded(size) - size, `it ends after ${name}`)
    if (padding.some((byte) => byte !== 0)) throw malformed(`${name} is not followed by zeros`)
    if (number === 1 && (name !== 'format' || fromUtf8(bytes) !== BACKUP_FORMAT)) {
      throw malformed('it does not begin as a backup of this version does')
    }
    if (name === MANIFEST) {
      checkManifest(fromUtf8(bytes, 'the manifest'), lines)
      break
    }
    lines.push(manifestLine(name, sha256(bytes)))
    yield { name, bytes, at }
  }
  const end = await input.take(2 * BLOCK, 'it ends too soon')
  if (end.some((byte) => byte !== 0) || !(await input.isAtEnd())) {
    throw malformed('something follows its manifest')
  }
}

/** The first one tells whether it is an archive at all. */
function headerOf(block: Uint8Array, number: number) {
  try {
    return readHeader(block, number)
  } catch (error) {
    throw number === 1 ? malformed(NO_BACKUP) : error
  }
}

function checkManifest(manifest: string, lines: readonly string[]): void {
  if (manifest === lines.join('')) return
  const listed = manifest.split('\n')
  const at = lines.findIndex((line, i) => line !== `${listed[i]}\n`)
  const name = at < 0 ? 'a part' : lines[at]!.slice(66, -1)
  throw malformed(`${name} is missing, damaged, or not what its manifest says`)
}

/** Bytes in the pieces that are asked for. */
function reader(chunks: AsyncIterable<Uint8Array>) {
  const source = chunks[Symbol.asyncIterator]()
  let rest: Uint8Array = new Uint8Array()
  let at = 0
  async function more(): Promise<Uint8Array | undefined> {
    const { done, value } = await source.next()
    return done === true ? undefined : value
  }
  return {
    get at() {
      return at
    },
    async take(size: number, missing: string): Promise<Uint8Array> {
      const pieces = [rest]
      let length = rest.length
      while (length < size) {
        const piece = await more()
        if (piece === undefined) throw malformed(missing)
        pieces.push(piece)
        length += piece.length
      }
      const all = pieces.length === 1 ? rest : join(pieces)
      rest = all.slice(size)
      at += size
      return all.subarray(0, size)
    },
    async isAtEnd(): Promise<boolean> {
      while (rest.length === 0) {
        const piece = await more()
        if (piece === undefined) return true
        rest = piece.slice()
      }
      return false
    },
  }
}
