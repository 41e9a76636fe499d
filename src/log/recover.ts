/**
 * What a log checks before it writes again: that its store agrees with itself, and with what its signer remembers.
 * Nothing is repaired here. Whatever does not fit is reported, and the log stays readable but is not written to.
 */
import { equal, fromUtf8 } from '../bytes.ts'
import { CairnError, messageOf } from '../errors.ts'
import { openCheckpoint } from '../formats/open-checkpoint.ts'
import type { VerifierKey } from '../formats/vkey.ts'
import { Frontier } from '../merkle/frontier.ts'
import { EMPTY_ROOT } from '../merkle/hash.ts'
import { treeSize } from '../merkle/position.ts'
import type { LogStore, StoredHead } from '../storage/port.ts'
import { frontierFromTiles, rootFromTiles } from '../tiles/proofs.ts'
import type { TileSource } from '../tiles/source.ts'
import type { CommittedHead } from './committer.ts'
import { EdgeTree, rootOfEdge } from './edge-tree.ts'
import type { Publication } from './service.ts'
import type { SignedState } from './signed-state.ts'
import type { LogSigner } from './signer.ts'

export interface Recovered {
  readonly tree: EdgeTree
  readonly frontier: Frontier
  /** The newest committed head, or undefined for a log that has none yet. */
  readonly head: CommittedHead | undefined
  readonly publication: Publication | undefined
}

/**
 * Loads the newest head and the right edge of its tree, which is to remember `keep` completed tiles of each level.
 * @throws CORRUPT when tiles, root and signatures do not fit together, or were made with other keys
 */
export async function recover(
  store: LogStore,
  tiles: TileSource,
  signer: LogSigner,
  keep?: number,
): Promise<Recovered> {
  // In this order: the head never is behind a publication that was there before.
  const published = await store.publication()
  const stored = await store.head()
  if (stored === undefined) {
    return {
      tree: new EdgeTree(keep),
      frontier: new Frontier(),
      head: undefined,
      publication: undefined,
    }
  }
  checkSignature(stored, signer, 'newest head')
  const tree = await EdgeTree.restore(
    stored.size,
    (level, tile, width) => tiles.tile(level, tile, width),
    keep,
  )
  const frontier = await frontierFromTiles(tiles, stored.size)
  const edge = tree.rightEdge()
  if (!equal(rootOfEdge(edge), stored.root) || !equal(frontier.root(), stored.root)) {
    throw new CairnError(
      'CORRUPT',
      `the tiles do not give the root of the signed head of size ${stored.size}; run cairn fsck`,
    )
  }
  const head = {
    size: stored.size,
    root: stored.root,
    checkpoint: fromUtf8(stored.checkpoint),
    edge,
  }
  if (published === undefined) return { tree, frontier, head, publication: undefined }
  checkSignature(published, signer, 'published head')
  if (published.size > stored.size) {
    throw new CairnError(
      'CORRUPT',
      'the published head is larger than the newest head; run cairn fsck',
    )
  }
  return {
    tree,
    frontier,
    head,
    publication: { ...published, checkpoint: fromUtf8(published.checkpoint) },
  }
}

/** @throws CORRUPT when a stored head is not this log's */
export function checkSignature(
  stored: StoredHead,
  signer: LogSigner,
  what: string,
  keys: readonly VerifierKey[] = [signer.ed25519, signer.mlDsa],
): void {
  try {
    const { checkpoint } = openCheckpoint(stored.checkpoint, keys)
    if (checkpoint.size === stored.size && equal(checkpoint.root, stored.root)) return
  } catch (cause) {
    const message = `the ${what} in the store is not signed by this log's keys: ${messageOf(cause)}`
    throw new CairnError('CORRUPT', message, { cause })
  }
  throw new CairnError(
    'CORRUPT',
    `the ${what} in the store does not match its checkpoint; run cairn fsck`,
  )
}

/**
 * Compares the store with what the signer remembers having let out.
 * Answers undefined when the tree in the store contains that head, else why the log must not be written to.
 */
export async function disagreement(
  signed: SignedState,
  head: StoredHead | CommittedHead | undefined,
  tiles: TileSource,
): Promise<string | undefined> {
  const size = head?.size ?? treeSize(0)
  const last = signed.last
  if (last === undefined) {
    if (size === 0) return undefined
    return (
      `the data holds ${size} leaves, but the signer's state file is ${signed.existed ? 'empty' : 'missing'}: if the data was moved here, ` +
      'move that file too; if the file is lost for good and this is the newest copy of the data, start once with --adopt-head'
    )
  }
  if (last.size > size) {
    return rolledBack(size, last.size)
  }
  const root = last.size === 0 ? EMPTY_ROOT : await rootFromTiles(tiles, last.size)
  if (equal(root, last.root)) return undefined
  return replaced(last.size)
}

/** Why a log whose data holds `size` leaves is not written to after a head of more was shown. */
export function rolledBack(size: number, shown: number): string {
  return (
    `the data was rolled back: it holds ${size} leaves, but a head of ${shown} leaves was signed and shown; ` +
    'restore the newest copy of the data'
  )
}

/** Why a log is not written to whose data has another tree than the one shown. */
export function replaced(shown: number): string {
  return `the data was replaced: another tree of ${shown} leaves was signed and shown; restore the right copy of the data`
}
