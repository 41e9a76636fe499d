/**
 * Checks everything that a store holds, against itself and against the log's keys: heads and their signatures, every
 * entry, every hash of every tile, every deduplication key, and whatever only the adapter can see. A finding never
 * ends the check.
 */
import { createPublicKey, verify } from 'node:crypto'
import { equal, toHex } from '../bytes.ts'
import { CairnError, messageOf } from '../errors.ts'
import { openCheckpoint } from '../formats/open-checkpoint.ts'
import { TILE_WIDTH } from '../formats/tile.ts'
import { parseDigitallySigned, treeHeadBytes } from '../formats/tree-head.ts'
import type { VerifierKey } from '../formats/vkey.ts'
import { HASH_SIZE, leafHash } from '../merkle/hash.ts'
import { type TreeSize, treeSize } from '../merkle/position.ts'
import type { LogStore, StoredHead, StoredPublication } from '../storage/port.ts'
import { checkTree } from '../tiles/check-tree.ts'
import type { SignedHead } from './signed-state.ts'
import { storedTiles } from './stored-tiles.ts'

export interface Finding {
  readonly kind:
    | 'head'
    | 'publication'
    | 'signer'
    | 'entry'
    | 'bundle'
    | 'tile'
    | 'dedup'
    | 'storage'
  /** Which value: `entry 5`, `tile 1/0 hash 3`, `head`. */
  readonly name: string
  /** What is wrong with it. */
  readonly detail: string
}

export interface FsckOptions {
  /** The log's own keys. */
  readonly vkeys: readonly VerifierKey[]
  /** DER SubjectPublicKeyInfo of the key that signs RFC 6962 tree heads; without it that signature is not checked. */
  readonly treeHeadKey?: Uint8Array
  /** The last head that the signer remembers, where that is known. */
  readonly signed?: SignedHead
  /** Told how many entries are behind, of how many. */
  readonly progress?: (entries: number, total: number) => void
  readonly signal?: AbortSignal
}

export interface FsckSummary {
  readonly size: TreeSize
  /** Bytes of all entries together. */
  readonly bytes: number
}

type Report = (finding: Finding) => void

/**
 * Yields what is wrong with a store, and returns what was looked at.
 * @throws IO when the store cannot be read at all; the signal's reason
 */
export async function* fsck(
  store: LogStore,
  options: FsckOptions,
): AsyncGenerator<Finding, FsckSummary> {
  const found: Finding[] = []
  const report: Report = (finding) => void found.push(finding)
  const drain = () => found.splice(0)

  const head = await readHead('head', () => store.head(), report)
  const publication = await readHead('publication', () => store.publication(), report)
  if (head !== undefined) checkSignature('head', head, options.vkeys, report)
  if (publication !== undefined) {
    checkSignature('publication', publication, options.vkeys, report)
    if (options.treeHeadKey) checkTreeHead(publication, options.treeHeadKey, report)
  }
  if (head === undefined && publication !== undefined && publication.size > 0) {
    const detail = `is missing, although a tree of ${publication.size} leaves was published`
    if (found.every(({ kind }) => kind !== 'head')) report({ kind: 'head', name: 'head', detail })
  }
  yield* drain()

  const size = head?.size ?? publication?.size ?? treeSize(0)
  const pass = checkTree(storedTiles(store), size, {
    ...(head && { root: head.root }),
    earlier: [publication?.size, options.signed?.size].filter((wanted) => wanted !== undefined),
    ...(options.signal && { signal: options.signal }),
    onLeaves: (first, hashes) => checkDedup(store, first, hashes, report),
    progress: (entries) => options.progress?.(entries, size),
  })
  let step = await pass.next()
  for (; !step.done; step = await pass.next()) {
    yield* drain()
    yield step.value
  }
  yield* drain()

  const tree = step.value
  if (head !== undefined) checkRoot('head', head, tree.root, report)
  if (publication !== undefined) checkPublication(publication, head, tree.earlier, report)
  if (options.signed !== undefined) checkSigned(options.signed, size, tree.earlier, report)
  yield* drain()

  for await (const line of store.inspect(size)) {
    yield { kind: 'storage', name: 'storage', detail: line }
  }
  return { size, bytes: tree.bytes }
}

/** A head, or undefined when there is none or it cannot be read. */
async function readHead<T extends StoredHead>(
  kind: 'head' | 'publication',
  read: () => Promise<T | undefined>,
  report: Report,
): Promise<T | undefined> {
  try {
    return await read()
  } catch (error) {
    if (!(error instanceof CairnError) || error.code === 'IO') throw error
    report({ kind, name: kind, detail: error.message })
    return undefined
  }
}

/** The signed checkpoint of a head must be one of this log, and say what is stored beside it. */
function checkSignature(
  kind: 'head' | 'publication',
  head: StoredHead,
  vkeys: readonly VerifierKey[],
  report: Report,
): void {
  const wrong = (detail: string) => report({ kind, name: `checkpoint of the ${kind}`, detail })
  try {
    const { checkpoint } = openCheckpoint(head.checkpoint, vkeys)
    if (checkpoint.size !== head.size) {
      wrong(`is for ${checkpoint.size} leaves, the ${kind} has ${head.size}`)
    }
    if (!equal(checkpoint.root, head.root)) wrong(`has another root hash than the ${kind}`)
  } catch (error) {
    wrong(messageOf(error))
  }
}

/** The RFC 6962 signature over a publication. */
function checkTreeHead(publication: StoredPublication, key: Uint8Array, report: Report): void {
  const wrong = (detail: string) =>
    report({ kind: 'publication', name: 'tree head signature', detail })
  try {
    const { signature } = parseDigitallySigned(publication.treeHeadSignature)
    const publicKey = createPublicKey({ key: Buffer.from(key), format: 'der', type: 'spki' })
    if (!verify('sha256', treeHeadBytes(publication), publicKey, signature)) {
      wrong("is not by the log's key over this size, root hash and timestamp")
    }
  } catch (error) {
    wrong(messageOf(error))
  }
}

/** What the signer has signed must still be there: otherwise the data has been rolled back, or is another's. */
function checkSigned(
  signed: SignedHead,
  size: TreeSize,
  roots: ReadonlyMap<number, Uint8Array>,
  report: Report,
): void {
  const wrong = (detail: string) => report({ kind: 'signer', name: "signer's last head", detail })
  if (signed.size > size) {
    wrong(`has ${signed.size} leaves, but only ${size} are here: the data has been rolled back`)
    return
  }
  const root = roots.get(signed.size)
  if (root === undefined) wrong(`has ${signed.size} leaves, which cannot be recomputed here`)
  else if (!equal(root, signed.root)) wrong('has another root hash than the same leaves here')
}

function checkRoot(
  kind: 'head' | 'publication',
  head: StoredHead,
  root: Uint8Array | undefined,
  report: Report,
): void {
  const name = `root of the ${kind}`
  if (root === undefined) {
    report({ kind, name, detail: 'cannot be recomputed: entries and tiles are missing' })
  } else if (!equal(root, head.root)) {
    const detail = `is ${toHex(head.root)}, recomputed from ${head.size} entries it is ${toHex(root)}`
    report({ kind, name, detail })
  }
}

function checkPublication(
  publication: StoredPublication,
  head: StoredHead | undefined,
  roots: ReadonlyMap<number, Uint8Array>,
  report: Report,
): void {
  if (head !== undefined && publication.size > head.size) {
    const detail = `is for ${publication.size} leaves, but only ${head.size} are committed`
    report({ kind: 'publication', name: 'publication', detail })
    return
  }
  checkRoot('publication', publication, roots.get(publication.size), report)
}

/** The store must find each leaf, at its own index or at that of an equal leaf before it. */
async function checkDedup(
  store: LogStore,
  first: number,
  hashes: Uint8Array,
  report: Report,
): Promise<void> {
  const leaves = Array.from({ length: hashes.length / HASH_SIZE }, (_, i) =>
    leafHash(hashes.subarray(i * HASH_SIZE, (i + 1) * HASH_SIZE)),
  )
  const wrong = (index: number, detail: string) =>
    report({ kind: 'dedup', name: `deduplication key of entry ${index}`, detail })
  let found: (number | undefined)[]
  try {
    found = await store.find(leaves)
  } catch (error) {
    if (!(error instanceof CairnError) || error.code === 'IO') throw error
    found = await findOneByOne(store, leaves, (i, detail) => wrong(first + i, detail))
  }
  for (const [i, leaf] of leaves.entries()) {
    const index = first + i
    const answer = found[i]
    if (answer === index || answer === UNREADABLE) continue
    if (answer === undefined) wrong(index, 'is missing: the same leaf would be logged again')
    else if (answer > index || !(await holds(store, answer, leaf))) {
      wrong(index, `leads to entry ${answer}, which is another leaf`)
    }
  }
}

const UNREADABLE = -1

/** One unreadable key must not hide the others. */
async function findOneByOne(
  store: LogStore,
  leaves: readonly ReturnType<typeof leafHash>[],
  wrong: (i: number, detail: string) => void,
): Promise<(number | undefined)[]> {
  const found: (number | undefined)[] = []
  for (const [i, leaf] of leaves.entries()) {
    try {
      found.push((await store.find([leaf]))[0])
    } catch (error) {
      if (!(error instanceof CairnError) || error.code === 'IO') throw error
      wrong(i, error.message)
      found.push(UNREADABLE)
    }
  }
  return found
}

/** Whether the tree has that leaf at an index. */
async function holds(store: LogStore, index: number, leaf: Uint8Array): Promise<boolean> {
  const at = (index % TILE_WIDTH) * HASH_SIZE
  try {
    const tile = await store.tile(0, Math.floor(index / TILE_WIDTH))
    return equal(tile.subarray(at, at + HASH_SIZE), leaf)
  } catch {
    // An unreadable tile is reported where it belongs.
    return true
  }
}
