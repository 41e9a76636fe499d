/**
 * The entry by which a log commits to its map (spec/completeness.md). It is a leaf of text, which no log takes from a
 * submitter; so each one that is in a log is the log's own statement.
 *
 *     cairn-map/v1
 *     example.com/log
 *     8192
 *     <base64 of the root hash of the map>
 *     <base64 of the key of the map>
 */
import { equal, fromBase64, fromDecimal, fromUtf8, toBase64, utf8 } from '../bytes.ts'
import { malformed } from '../errors.ts'
import { HASH_SIZE, type RootHash, rootHash } from '../merkle/hash.ts'
import { type TreeSize, treeSize } from '../merkle/position.ts'
import { checkOrigin } from './checkpoint.ts'
import { MAP_KEY_SIZE } from './completeness-terms.ts'

/** How every leaf begins that is the log's own statement about its map, in this version or in another. */
const RESERVED = utf8('cairn-map/')
const HEADER = 'cairn-map/v1'

export interface MapRoot {
  /** The log, which names itself. */
  readonly origin: string
  /** The entries that the map is of: those before this one. */
  readonly size: TreeSize
  readonly root: RootHash
  /** Goes into the keys of all terms, and is the same in all entries of a log. */
  readonly key: Uint8Array
}

/** How far behind its own place in the log a map root may be, so that auditors need to remember no more. */
export const MAX_MAP_LAG = 65_536

/** Whether a map root of so many entries counts for nothing, because of where it stands in the log. */
export function isVoid(entry: number, size: number): boolean {
  return entry - size >= MAX_MAP_LAG
}

/** Whether a leaf is a log's statement about its map, or says it is. */
export function isMapRoot(leaf: Uint8Array): boolean {
  return leaf[0] === RESERVED[0] && equal(leaf.subarray(0, RESERVED.length), RESERVED)
}

/** The leaf. @throws MALFORMED, RangeError when a part cannot stand in one */
export function formatMapRoot({ origin, size, root, key }: MapRoot): Uint8Array {
  checkOrigin(origin)
  if (size === 0) throw malformed('there is no map of no entries')
  if (key.length !== MAP_KEY_SIZE) throw malformed(`the key of a map has ${MAP_KEY_SIZE} bytes`)
  const lines = [HEADER, origin, treeSize(size), toBase64(rootHash(root)), toBase64(key), '']
  return utf8(lines.join('\n'))
}

/** @throws MALFORMED on anything that formatMapRoot would not write, another version among it */
export function parseMapRoot(leaf: Uint8Array): MapRoot {
  const lines = fromUtf8(leaf.subarray(0, 1024), 'the map root').split('\n')
  const [header, origin, size, root, key, end, ...rest] = lines
  if (header !== HEADER) throw malformed(`a map root begins with the line ${HEADER}`)
  if (key === undefined || end !== '' || rest.length > 0) {
    throw malformed('a map root has five lines')
  }
  checkOrigin(origin!)
  const entries = treeSize(fromDecimal(size!, 'size of map'))
  if (entries === 0) throw malformed('there is no map of no entries')
  const hash = fromBase64(root!, 'root hash of map')
  if (hash.length !== HASH_SIZE) throw malformed(`the root hash of a map has ${HASH_SIZE} bytes`)
  const secret = fromBase64(key, 'key of map')
  if (secret.length !== MAP_KEY_SIZE) throw malformed(`the key of a map has ${MAP_KEY_SIZE} bytes`)
  return { origin: origin!, size: entries, root: rootHash(hash), key: secret }
}
