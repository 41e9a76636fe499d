/**
 * The JSON receipt: the content of a tlog-proof as a JSON object, for programs that would rather not parse text.
 * Everything but the checkpoint is there for convenience, so a reader must find all of it to agree with the checkpoint;
 * that is done here. Signatures and the inclusion proof are verified elsewhere.
 */
import { equal, fromBase64, fromUtf8, toBase64, utf8 } from '../bytes.ts'
import { CairnError, malformed } from '../errors.ts'
import {
  HASH_SIZE,
  type LeafHash,
  leafHash,
  type NodeHash,
  type RootHash,
  rootHash,
} from '../merkle/hash.ts'
import { type LeafIndex, leafIndex, type TreeSize, treeSize } from '../merkle/position.ts'
import { parseCheckpoint } from './checkpoint.ts'
import { parseNote } from './note.ts'
import { MAX_PROOF_HASHES, parseProofHash } from './tlog-proof.ts'

const JSON_RECEIPT_VERSION = 'cairn-receipt/v1'
/** The longest JSON receipt that is read, in bytes. */
export const MAX_JSON_RECEIPT_SIZE = 2_097_152

/** The object as it is in JSON, its members in this order. */
export interface JsonReceipt {
  readonly version: typeof JSON_RECEIPT_VERSION
  readonly origin: string
  readonly index: number
  /** Base64. */
  readonly leaf_hash: string
  /** Base64, the leaf's sibling first. */
  readonly inclusion_path: readonly string[]
  readonly tree_size: number
  /** Base64. */
  readonly root_hash: string
  /** A signed note, verbatim. */
  readonly checkpoint: string
}

export interface ParsedJsonReceipt {
  readonly origin: string
  readonly index: LeafIndex
  readonly leafHash: LeafHash
  readonly proof: readonly NodeHash[]
  readonly size: TreeSize
  readonly root: RootHash
  readonly checkpoint: string
}

/** What a JSON receipt is made of; size and root come from the checkpoint. */
export interface JsonReceiptParts {
  readonly origin: string
  readonly index: LeafIndex
  readonly leafHash: LeafHash
  readonly proof: readonly NodeHash[]
  readonly checkpoint: string
}

/**
 * The receipt as an object for JSON.stringify. Runs for every accepted leaf, so it takes the checkpoint's lines as
 * they are: the checkpoint is one's own, or was parsed before.
 */
export function formatJsonReceipt(parts: JsonReceiptParts): JsonReceipt {
  const size = parts.checkpoint.indexOf('\n') + 1
  const root = parts.checkpoint.indexOf('\n', size) + 1
  return {
    version: JSON_RECEIPT_VERSION,
    origin: parts.origin,
    index: parts.index,
    leaf_hash: toBase64(parts.leafHash),
    inclusion_path: parts.proof.map(toBase64),
    tree_size: Number(parts.checkpoint.slice(size, root - 1)),
    root_hash: parts.checkpoint.slice(root, parts.checkpoint.indexOf('\n', root)),
    checkpoint: parts.checkpoint,
  }
}

/**
 * Reads a JSON receipt. White space and the order of members are free; members are exactly those of JsonReceipt, each
 * once, and numbers and base64 have one spelling.
 * @throws MALFORMED, TOO_LARGE when it is not a JSON receipt
 * @throws VERIFICATION_FAILED when origin, tree size or root hash are not those of the checkpoint inside
 */
export function parseJsonReceipt(json: string | Uint8Array): ParsedJsonReceipt {
  if (json.length > MAX_JSON_RECEIPT_SIZE) {
    throw new CairnError('TOO_LARGE', `a JSON receipt has ${MAX_JSON_RECEIPT_SIZE} bytes at most`)
  }
  const text = typeof json === 'string' ? json : fromUtf8(json, 'the JSON receipt')
  const members = parseMembers(text)
  const { inclusion_path: path } = members
  if (!Array.isArray(path)) throw malformed('inclusion_path of the JSON receipt is not an array')
  if (path.length > MAX_PROOF_HASHES) {
    throw malformed(`the JSON receipt has more than ${MAX_PROOF_HASHES} hashes`)
  }
  const index = parseNumber(members, 'index')
  if (index === Number.MAX_SAFE_INTEGER) throw malformed('index is larger than 2^53-2')
  const receipt = {
    origin: parseText(members, 'origin'),
    index: leafIndex(index),
    leafHash: leafHash(parseHash(members, 'leaf_hash')),
    proof: path.map((hash: unknown) => parseProofHash(typeof hash === 'string' ? hash : '')),
    size: treeSize(parseNumber(members, 'tree_size')),
    root: rootHash(parseHash(members, 'root_hash')),
    checkpoint: parseText(members, 'checkpoint'),
  }
  // JSON.parse keeps the last of two members of one name and rounds numbers; both show when written again.
  if (compact(text) !== JSON.stringify(members)) {
    throw malformed('the JSON receipt has a member twice or a number that is not a plain integer')
  }
  checkAgreement(receipt)
  return receipt
}

type Members = Readonly<Record<string, unknown>>
const MEMBERS = [
  'version',
  'origin',
  'index',
  'leaf_hash',
  'inclusion_path',
  'tree_size',
  'root_hash',
  'checkpoint',
]

function parseMembers(text: string): Members {
  let value: unknown
  try {
    value = JSON.parse(text)
  } catch (cause) {
    throw malformed('the JSON receipt is not valid JSON', { cause })
  }
  if (typeof value !== 'object' || value === null || Array.isArray(value)) {
    throw malformed('the JSON receipt is not an object')
  }
  const names = Object.keys(value)
  const missing = MEMBERS.find((name) => !names.includes(name))
  if (missing !== undefined) throw malformed(`the JSON receipt has no member ${missing}`)
  if (names.length > MEMBERS.length) throw malformed('the JSON receipt has a member too many')
  const members = value as Members
  if (members.version !== JSON_RECEIPT_VERSION) {
    throw malformed(`version of the JSON receipt is not ${JSON_RECEIPT_VERSION}`)
  }
  return members
}

/** JSON without white space, its strings spelled as JSON.stringify does. */
function compact(json: string): string {
  return json.replace(/"[^"\\]*(?:\\.[^"\\]*)*"|[ \t\r\n]+/g, (token) =>
    token.startsWith('"') ? JSON.stringify(JSON.parse(token)) : '',
  )
}

function parseText(members: Members, name: string): string {
  const value = members[name]
  if (typeof value !== 'string' || /\p{Surrogate}/u.test(value)) {
    throw malformed(`${name} of the JSON receipt is not text`)
  }
  return value
}

function parseNumber(members: Members, name: string): number {
  const value = members[name]
  if (typeof value !== 'number' || !Number.isSafeInteger(value) || value < 0) {
    throw malformed(`${name} of the JSON receipt is not an integer from 0 to 2^53-1`)
  }
  return value
}

function parseHash(members: Members, name: string): Uint8Array {
  const bytes = fromBase64(parseText(members, name), `${name} of the JSON receipt`)
  if (bytes.length !== HASH_SIZE) {
    throw malformed(`${name} of the JSON receipt has ${bytes.length} bytes instead of ${HASH_SIZE}`)
  }
  return bytes
}

function checkAgreement(receipt: ParsedJsonReceipt): void {
  const checkpoint = parseCheckpoint(parseNote(utf8(receipt.checkpoint)).text)
  const differ = (what: string): never => {
    const message = `the receipt states another ${what} than the checkpoint it carries`
    throw new CairnError('VERIFICATION_FAILED', message)
  }
  if (receipt.origin !== checkpoint.origin) differ('origin')
  if (receipt.size !== checkpoint.size) differ('tree size')
  if (!equal(receipt.root, checkpoint.root)) differ('root hash')
}
