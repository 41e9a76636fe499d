/** What the map needs to know of its log: entries, the root hash of any beginning of its tree, and the key of the map. */
import { CairnError } from '../errors.ts'
import { decodeBundle } from '../formats/bundle.ts'
import { isMapRoot, type MapRoot, parseMapRoot } from '../formats/completeness-root.ts'
import { TILE_WIDTH } from '../formats/tile.ts'
import type { Head, LogService } from '../log/service.ts'
import type { RootHash } from '../merkle/hash.ts'
import { treeSize } from '../merkle/position.ts'
import { rootFromTiles } from '../tiles/proofs.ts'

export interface MapLog
  extends Pick<LogService, 'origin' | 'submit' | 'entry' | 'bundle' | 'tile' | 'inclusionProof'> {
  head(): Pick<Head, 'size'>
}

/** The key in the newest map root of a log, if it has any: without what was stored, it is found nowhere else. */
export async function keyInLog(
  log: Pick<MapLog, 'origin' | 'head' | 'bundle'>,
): Promise<Uint8Array | undefined> {
  const { size } = log.head()
  for (let end: number = size; end > 0; ) {
    const first = Math.floor((end - 1) / TILE_WIDTH) * TILE_WIDTH
    const leaves = await entriesOf(log, first, end)
    for (const leaf of leaves.filter(isMapRoot).reverse()) {
      const said = readMapRoot(leaf)
      if (said?.origin === log.origin) return said.key
    }
    end = first
  }
  return undefined
}

/** A map root, or undefined when it is one of a version that is not known here. */
function readMapRoot(leaf: Uint8Array): MapRoot | undefined {
  try {
    return parseMapRoot(leaf)
  } catch (error) {
    if (error instanceof CairnError) return undefined
    throw error
  }
}

/** The root hash of the tree of the first entries of a log. @throws NOT_FOUND, CORRUPT, IO */
export function treeRoot(log: Pick<MapLog, 'tile' | 'bundle'>, size: number): Promise<RootHash> {
  const missing = (): never => {
    throw new CairnError('CORRUPT', `the log has lost tiles of its first ${size} entries`)
  }
  const source = {
    tile: async (level: number, tile: number, width: number) =>
      (await log.tile(level, tile, width)) ?? missing(),
    bundle: async (bundle: number, width: number) => (await log.bundle(bundle, width)) ?? missing(),
  }
  return rootFromTiles(source, treeSize(size))
}

/** The entries of a range within one bundle. @throws CORRUPT, IO */
export async function entriesOf(
  log: Pick<MapLog, 'bundle'>,
  from: number,
  to: number,
): Promise<readonly Uint8Array[]> {
  const bundle = Math.floor(from / TILE_WIDTH)
  const first = bundle * TILE_WIDTH
  const framed = await log.bundle(bundle, to - first)
  if (framed === undefined) {
    throw new CairnError('CORRUPT', `the log has lost entries from ${first} on`)
  }
  return decodeBundle(framed, to - first).slice(from - first)
}
