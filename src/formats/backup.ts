/**
 * A backup of a log: parts in a tar archive that `tar xf` unpacks, with their hashes at its end in a form that
 * `sha256sum -c` takes. It is written and read part by part, so that neither end holds more of it than one.
 *
 *   format                  cairn-backup/v1
 *   log.json                origin, keys, head, publication, the last head that the signer remembers
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
import { concat, fromBase64, fromUtf8, join, toBase64, toHex, utf8 } from '../bytes.ts'
import { malformed } from '../errors.ts'
import { type RootHash, rootHash } from '../merkle/hash.ts'
import { type LeafIndex, leafIndex, type TreeSize, treeSize } from '../merkle/position.ts'
import { readObject } from './json-members.ts'
import { type JsonValue, parseJson } from './json-strict.ts'
import { BLOCK, header, padded, readHeader } from './ustar.ts'

export const BACKUP_FORMAT = 'cairn-backup/v1\n'
export const MANIFEST = 'manifest'
/** Bytes that are put into one part, unless a single value is larger. */
export const PART_BYTES: number = 8 * 2 ** 20
/** Bytes of a part at most: a bundle of the longest entries behind almost a part. */
export const MAX_PART: number = 64 * 2 ** 20
/** Two signed notes with the cosignatures of many witnesses. */
const LOG_JSON = { size: 8 * 2 ** 20, depth: 4 }
/** Room for the hashes of two million parts. */
const MAX_MANIFEST = 256 * 2 ** 20

export interface BackupPart {
  readonly name: string
  readonly bytes: Uint8Array
}

/** A head of the log, as a backup has it. */
export interface SavedHead {
  readonly size: TreeSize
  readonly root: RootHash
  readonly checkpoint: string
}

export interface SavedLog {
  /** Verifier keys, Ed25519 first. */
  readonly vkeys: readonly string[]
  /** When the backup was begun, in milliseconds since 1970. */
  readonly made: number
  readonly head: SavedHead | undefined
  readonly publication:
    | (SavedHead & { readonly timestamp: number; readonly treeHeadSignature: Uint8Array })
    | undefined
  /** Whether what its signer remembers is no later than the head. */
  readonly isNewest: boolean
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
  const lines: string[] = []
  for (let number = 1; ; number++) {
    const block = await input.take(BLOCK, number === 1 ? 'it is empty' : 'it ends too soon')
    if (block.every((byte) => byte === 0)) throw malformed('it ends without a manifest')
    const { name, size } = readHeader(block, number)
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

export function formatSavedLog(log: SavedLog): Uint8Array {
  const { vkeys, made, head, publication, isNewest } = log
  const saved = ({ size, root, checkpoint }: SavedHead) => ({
    size,
    root: toBase64(root),
    checkpoint,
  })
  const document = {
    vkeys,
    made,
    head: head === undefined ? null : saved(head),
    publication:
      publication === undefined
        ? null
        : {
            ...saved(publication),
            timestamp: publication.timestamp,
            tree_head_signature: toBase64(publication.treeHeadSignature),
          },
    newest: isNewest,
  }
  return utf8(`${JSON.stringify(document, null, 2)}\n`)
}

/** @throws MALFORMED */
export function parseSavedLog(bytes: Uint8Array): SavedLog {
  const members = ['vkeys', 'made', 'head', 'publication', 'newest'] as const
  const { vkeys, made, head, publication, newest } = readObject(
    parseJson(bytes, LOG_JSON),
    '',
    members,
    [],
  )
  if (!Array.isArray(vkeys) || !vkeys.every((one) => typeof one === 'string')) {
    throw malformed('/vkeys is no list of keys')
  }
  if (typeof newest !== 'boolean') throw malformed('/newest is neither true nor false')
  return {
    vkeys,
    made: numberIn(made, '/made'),
    head: head === null ? undefined : savedHead(head!, '/head'),
    publication: publication === null ? undefined : savedPublication(publication!),
    isNewest: newest,
  }
}

const HEAD_MEMBERS = ['size', 'root', 'checkpoint'] as const

function savedHead(value: JsonValue, at: string): SavedHead {
  return headIn(readObject(value, at, HEAD_MEMBERS, []), at)
}

function savedPublication(value: JsonValue): NonNullable<SavedLog['publication']> {
  const at = '/publication'
  const members = readObject(value, at, [...HEAD_MEMBERS, 'timestamp', 'tree_head_signature'], [])
  return {
    ...headIn(members, at),
    timestamp: numberIn(members.timestamp, `${at}/timestamp`),
    treeHeadSignature: base64In(members.tree_head_signature, `${at}/tree_head_signature`),
  }
}

function headIn(
  { size, root, checkpoint }: Readonly<Partial<Record<(typeof HEAD_MEMBERS)[number], JsonValue>>>,
  at: string,
): SavedHead {
  if (typeof checkpoint !== 'string') throw malformed(`${at}/checkpoint is no text`)
  const hash = base64In(root, `${at}/root`)
  if (hash.length !== 32) throw malformed(`${at}/root is no hash`)
  return { size: treeSize(numberIn(size, `${at}/size`)), root: rootHash(hash), checkpoint }
}

function numberIn(value: JsonValue | undefined, at: string): number {
  if (typeof value === 'number' && Number.isSafeInteger(value) && value >= 0) return value
  throw malformed(`${at} is no whole number`)
}

function base64In(value: JsonValue | undefined, at: string): Uint8Array {
  if (typeof value !== 'string') throw malformed(`${at} is no text`)
  return fromBase64(value)
}

/** A row of the vault. */
export interface SavedRow {
  readonly key: Uint8Array
  readonly value: Uint8Array
}

export function formatRow({ key, value }: SavedRow): Uint8Array {
  return concat(Uint8Array.of(key.length), key, u32(value.length), value)
}

/** @throws MALFORMED */
export function parseRows(bytes: Uint8Array): SavedRow[] {
  const rows: SavedRow[] = []
  const cut = cutter(bytes, 'rows')
  while (!cut.isAtEnd()) {
    const key = cut.take(cut.take(1)[0]!)
    rows.push({ key, value: cut.take(numberOf(cut.take(4))) })
  }
  return rows
}

/** What an idempotency key was used for. */
export interface SavedUse {
  readonly key: Uint8Array
  readonly request: Uint8Array
  readonly indices: readonly LeafIndex[]
}

export function formatUse({ key, request, indices }: SavedUse): Uint8Array {
  const list = new Uint8Array(8 * indices.length)
  const view = new DataView(list.buffer)
  for (const [i, index] of indices.entries()) view.setBigUint64(8 * i, BigInt(index))
  return concat(key, request, u32(indices.length), list)
}

/** @throws MALFORMED */
export function parseUses(bytes: Uint8Array): SavedUse[] {
  const uses: SavedUse[] = []
  const cut = cutter(bytes, 'idempotency records')
  while (!cut.isAtEnd()) {
    const [key, request] = [cut.take(16), cut.take(32)]
    const list = cut.take(8 * numberOf(cut.take(4)))
    const view = new DataView(list.buffer, list.byteOffset, list.length)
    const indices: LeafIndex[] = []
    for (let at = 0; at < list.length; at += 8) {
      indices.push(leafIndex(Number(view.getBigUint64(at))))
    }
    uses.push({ key, request, indices })
  }
  return uses
}

/** The entries of a part, however many. They are views of it. @throws MALFORMED */
export function parseEntries(bytes: Uint8Array): Uint8Array[] {
  const entries: Uint8Array[] = []
  const cut = cutter(bytes, 'entries')
  while (!cut.isAtEnd()) {
    const [high, low] = cut.take(2)
    entries.push(cut.take(high! * 256 + low!))
  }
  return entries
}

function cutter(bytes: Uint8Array, what: string) {
  let at = 0
  return {
    isAtEnd: () => at === bytes.length,
    take(size: number): Uint8Array {
      if (at + size > bytes.length) throw malformed(`a part of ${what} ends too soon`)
      at += size
      return bytes.subarray(at - size, at)
    },
  }
}

function u32(value: number): Uint8Array {
  const out = new Uint8Array(4)
  new DataView(out.buffer).setUint32(0, value)
  return out
}

function numberOf(bytes: Uint8Array): number {
  return new DataView(bytes.buffer, bytes.byteOffset, bytes.length).getUint32(0)
}
