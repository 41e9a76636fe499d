/** The part of a backup that says what log it is of: `log.json`. */
import { fromBase64, toBase64, utf8 } from '../bytes.ts'
import { malformed } from '../errors.ts'
import { type RootHash, rootHash } from '../merkle/hash.ts'
import { type TreeSize, treeSize } from '../merkle/position.ts'
import { readObject } from './json-members.ts'
import { type JsonValue, parseJson } from './json-strict.ts'

/** Two signed notes with the cosignatures of many witnesses. */
const LOG_JSON = { size: 8 * 2 ** 20, depth: 4 }

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
