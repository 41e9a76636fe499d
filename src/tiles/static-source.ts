/**
 * Tiles and entry bundles as the static files of C2SP tlog-tiles, from wherever files can be read by path. A log may
 * drop a partial one once the full one exists: where the partial one is gone, the full one is read and cut.
 */
import { CairnError } from '../errors.ts'
import { bundlePrefix, MAX_ENTRY_SIZE } from '../formats/bundle.ts'
import { bundlePath, TILE_WIDTH, tilePath } from '../formats/tile.ts'
import { HASH_SIZE } from '../merkle/hash.ts'
import type { TileSource } from './source.ts'

const MAX_TILE_SIZE = TILE_WIDTH * HASH_SIZE
const MAX_BUNDLE_SIZE = TILE_WIDTH * (2 + MAX_ENTRY_SIZE)

export interface StaticFiles {
  /** The file at a path such as `tile/0/000.p/5`, of at most `limit` bytes, or undefined when there is none. */
  read(path: string, limit: number): Promise<Uint8Array | undefined>
  /** What to say when there is none. */
  missing(path: string): string
}

/** A source over static files. @throws NOT_FOUND, and whatever reading throws */
export function staticSource({ read, missing }: StaticFiles): TileSource {
  async function readOrCut(
    path: (width: number) => string,
    width: number,
    limit: number,
    cut: (bytes: Uint8Array) => Uint8Array,
  ): Promise<Uint8Array> {
    const exact = await read(path(width), limit)
    if (exact !== undefined) return exact
    const full = width === TILE_WIDTH ? undefined : await read(path(TILE_WIDTH), limit)
    if (full !== undefined) return cut(full)
    throw new CairnError('NOT_FOUND', missing(path(width)))
  }

  return {
    tile(level, tile, width) {
      const cut = (bytes: Uint8Array) => bytes.subarray(0, width * HASH_SIZE)
      return readOrCut((w) => tilePath(level, tile, w), width, MAX_TILE_SIZE, cut)
    },
    bundle(bundle, width) {
      const cut = (bytes: Uint8Array) => bundlePrefix(bytes, width)
      return readOrCut((w) => bundlePath(bundle, w), width, MAX_BUNDLE_SIZE, cut)
    },
  }
}
