/** Tiles and entry bundles of a log over HTTP (C2SP tlog-tiles). They are not verified here. */
import { CairnError } from '../errors.ts'
import { bundlePrefix, MAX_ENTRY_SIZE } from '../formats/bundle.ts'
import { bundlePath, TILE_WIDTH, tilePath } from '../formats/tile.ts'
import { HASH_SIZE } from '../merkle/hash.ts'
import type { TileSource } from '../tiles/source.ts'
import type { Requester } from './request.ts'

const MAX_BUNDLE_SIZE = TILE_WIDTH * (2 + MAX_ENTRY_SIZE)

/**
 * A source that reads below a log's address. A log may drop a partial tile once the full one exists: where the
 * partial one is gone, the full one is asked for and cut.
 */
export function httpTileSource(request: Requester, signal?: AbortSignal): TileSource {
  const read = async (
    path: (width: number) => string,
    width: number,
    limit: number,
    cut: (bytes: Uint8Array) => Uint8Array,
  ): Promise<Uint8Array> => {
    try {
      return await request({ path: path(width), limit, signal })
    } catch (error) {
      const gone = error instanceof CairnError && error.code === 'NOT_FOUND'
      if (!gone || width === TILE_WIDTH) throw error
    }
    try {
      return cut(await request({ path: path(TILE_WIDTH), limit, signal }))
    } catch (error) {
      if (error instanceof CairnError && error.code === 'NOT_FOUND') {
        throw new CairnError('NOT_FOUND', `the log does not have ${path(width)}`)
      }
      throw error
    }
  }

  return {
    tile(level, tile, width) {
      const cut = (bytes: Uint8Array) => bytes.subarray(0, width * HASH_SIZE)
      return read((w) => tilePath(level, tile, w), width, TILE_WIDTH * HASH_SIZE, cut)
    },
    bundle(bundle, width) {
      const cut = (bytes: Uint8Array) => bundlePrefix(bytes, width)
      return read((w) => bundlePath(bundle, w), width, MAX_BUNDLE_SIZE, cut)
    },
  }
}
